"""Grace is asked for by somebody who may not grant it, or used for longer than it was granted, to keep an old table in use.

Only the root grants grace, 72 hours at most, and only to tables: not to a root, and not to a status.

Guards: saferoute/routing/opened.py::table.check_time(now)
Guards: saferoute/routing/opened.py::check_root_time(self.root, now)
"""

from __future__ import annotations

import pytest

from saferoute.errors import TableExpired, UntrustedTable
from saferoute.signing.envelope import PayloadType
from saferoute.signing.strict_json import canonical
from tests.support.trust_cases import (
    DAY,
    NOW,
    STATUS_KEY,
    document,
    files,
    release_payload,
    root_payload,
    status_payload,
    status_root,
    table,
)

BODY = canonical(table())
HOUR = 3_600
END = NOW + 7 * DAY


@pytest.mark.parametrize("hours", [1, 72])
def test_a_table_in_grace_is_taken_and_said_to_be(hours: int) -> None:
    made = files(BODY, root=root_payload(grace_hours=hours))
    for now in (END - 1, END, END + hours * HOUR - 0.001):
        made.trusted(now).check(now)
    opened = made.trusted(END)
    for now in (END + hours * HOUR, END + 90 * DAY):
        with pytest.raises(TableExpired, match="the routing table 'acme' version 1 expired on 2027-01-22 08:00 UTC"):
            opened.check(now)
        with pytest.raises(TableExpired):
            made.trusted(now)


def test_the_report_says_until_when() -> None:
    opened = files(BODY, root=root_payload(grace_hours=2)).trusted(END, remembered=True)
    assert opened.notes(END) == (
        (
            "The routing table 'acme' version 1 expired on 2027-01-22 08:00 UTC and is taken until 2027-01-22 10:00 UTC, because its root "
            "grants 2 hours of grace: sign it again now."
        ),
    )


def test_without_it_there_is_none() -> None:
    for root in (root_payload(), root_payload(grace_hours=0)):
        with pytest.raises(TableExpired):
            files(BODY, root=root).trusted(END)


@pytest.mark.parametrize("hours", [73, -1, True, "72"])
def test_a_root_grants_72_hours_at_most(hours: object) -> None:
    with pytest.raises(UntrustedTable, match=r"root\.grace_hours"):
        files(BODY, root=root_payload(grace_hours=hours)).trusted()


def test_nothing_else_grants_it() -> None:
    with pytest.raises(UntrustedTable, match=r"release\.grace_hours is not a field of this schema"):
        files(BODY, release=release_payload(BODY, grace_hours=72)).trusted()
    with pytest.raises(UntrustedTable, match=r"table\.grace_hours is not a field of this schema"):
        files(canonical(table(grace_hours=72))).trusted()
    release = release_payload(BODY)
    with pytest.raises(UntrustedTable, match=r"status\.grace_hours is not a field of this schema"):
        files(BODY, root=status_root(), release=release).trusted(
            status=document(PayloadType.STATUS, status_payload(release, grace_hours=72), STATUS_KEY)
        )


def test_a_status_and_a_root_have_none() -> None:
    release = release_payload(BODY, not_after=NOW + DAY)
    status = document(PayloadType.STATUS, status_payload(release), STATUS_KEY)
    opened = files(BODY, root=status_root(grace_hours=72), release=release).trusted(status=status)
    with pytest.raises(TableExpired, match="the status version 1 of 'acme' expired"):
        opened.check(NOW + DAY)
    opened = files(BODY, root=root_payload(grace_hours=72, not_after=END)).trusted()
    opened.check(END - 1)
    with pytest.raises(TableExpired, match="the trust root 'acme' version 1 expired"):
        opened.check(END)


def test_a_clock_that_gives_no_number_is_not_in_grace() -> None:
    opened = files(BODY, root=root_payload(grace_hours=72)).trusted()
    with pytest.raises((TableExpired, ValueError)):
        opened.check(float("nan"))

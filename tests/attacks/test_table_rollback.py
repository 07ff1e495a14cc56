"""An old table, once rightly signed, is put back; or a second one is signed under a version that was used.

Whoever can write the files but holds no key still holds every file that was ever published. Each of them is refused once a newer one was
accepted, and so is a clock that was set back to when the old one was good.

Guards: saferoute/routing/rollback.py::_check_order("trust root", earlier.root, found.root)
Guards: saferoute/routing/rollback.py::_check_order("routing table", earlier.table, found.table)
Guards: saferoute/routing/rollback.py::_check_order(what, earlier, found)
Guards: saferoute/routing/opened.py::check_floor(self.state.floor_time, now)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import TableExpired, TableRollback
from saferoute.routing.rollback import Seen, State, advance, check_floor
from saferoute.signing.envelope import PayloadType
from saferoute.signing.strict_json import canonical
from tests.support.trust_cases import (
    DAY,
    NOW,
    STATUS_KEY,
    TABLE_KEY,
    document,
    files,
    release_payload,
    revocations_payload,
    status_payload,
    status_root,
    table,
)

BODY = canonical(table())
STATE = State(Seen(2, "a" * 64), Seen(7, "b" * 64), NOW, Seen(3, "c" * 64), Seen(4, "d" * 64))
WORDS = {"root": "trust root", "table": "routing table", "status": "status", "revocations": "revocation list"}


@pytest.mark.parametrize("part", WORDS)
def test_nothing_goes_back(part: str) -> None:
    seen: Seen = getattr(STATE, part)
    with pytest.raises(TableRollback) as caught:
        advance(STATE, replace(STATE, **{part: Seen(seen.version - 1, "e" * 64)}))
    assert str(caught.value) == (
        f"the {WORDS[part]} is version {seen.version - 1}, and version {seen.version} was accepted here before: deploy the newer one; "
        "to go back on purpose, sign the old content under a higher version (saferoute table revert)"
    )
    with pytest.raises(TableRollback):
        advance(STATE, replace(STATE, **{part: Seen(seen.version - 1, seen.digest)}))


@pytest.mark.parametrize("part", WORDS)
def test_one_version_is_one_thing(part: str) -> None:
    seen: Seen = getattr(STATE, part)
    with pytest.raises(TableRollback) as caught:
        advance(STATE, replace(STATE, **{part: Seen(seen.version, "e" * 64)}))
    assert str(caught.value) == (
        f"there are two of the {WORDS[part]} version {seen.version}: {seen.digest[:12]} was accepted here before, and this is "
        "eeeeeeeeeeee. Find out who signed the other one; then sign again under a higher version"
    )


@pytest.mark.parametrize("part", WORDS)
def test_what_is_newer_is_remembered(part: str) -> None:
    seen: Seen = getattr(STATE, part)
    newer = replace(STATE, **{part: Seen(seen.version + 1, "e" * 64)})
    assert advance(STATE, newer) == newer
    assert advance(STATE, STATE) == STATE
    assert advance(None, newer) == newer


@pytest.mark.parametrize("part", ["status", "revocations"])
def test_leaving_a_list_out_does_not_make_it_forgotten(part: str) -> None:
    without = replace(STATE, **{part: None})
    assert advance(STATE, without) == STATE
    assert advance(without, STATE) == STATE
    assert advance(without, without) == without


def test_the_floor_is_the_largest_date_of_all_and_never_the_wall_clock() -> None:
    assert advance(STATE, replace(STATE, floor_time=NOW - 5)).floor_time == NOW
    assert advance(STATE, replace(STATE, floor_time=NOW + 5)).floor_time == NOW + 5
    assert files(BODY).trusted(NOW + 3 * DAY).state.floor_time == NOW
    release = release_payload(BODY)
    later = document(PayloadType.STATUS, status_payload(release, issued=NOW + 9), STATUS_KEY)
    assert files(BODY, root=status_root(), release=release).trusted(status=later).state.floor_time == NOW + 9
    listed = document(PayloadType.REVOCATIONS, revocations_payload(issued=NOW + 8), TABLE_KEY)
    assert files(BODY).trusted(revocations=listed).state.floor_time == NOW + 8


def test_a_clock_that_was_set_back_is_refused() -> None:
    check_floor(NOW, NOW - 300)
    for clock in (NOW - 300.001, NOW - 301, 0, float("nan")):
        with pytest.raises((TableExpired, ValueError)):
            check_floor(NOW, clock)
    with pytest.raises(TableExpired) as caught:
        check_floor(NOW, NOW - 360)
    assert str(caught.value) == (
        "the clock here says 2027-01-15 07:54 UTC, and something signed on 2027-01-15 08:00 UTC was accepted before: set the clock; if "
        "that one's date was wrong, `saferoute table state reset` forgets it"
    )


def of_version(version: int, **changes: Any) -> Any:
    return files(BODY, release=release_payload(BODY, version=version, **changes))


def test_an_old_table_is_refused_after_a_newer_one() -> None:
    first, second = of_version(1), of_version(2, issued=NOW + 60)
    state = first.trusted(NOW + 60).state
    state = second.trusted(NOW + 60, earlier=state).state
    assert (state.table.version, state.floor_time) == (2, NOW + 60)
    assert second.trusted(NOW + 90, earlier=state).state == state
    with pytest.raises(TableRollback, match="the routing table is version 1, and version 2 was accepted here before"):
        first.trusted(NOW + 90, earlier=state)
    with pytest.raises(TableRollback, match="there are two of the routing table version 2"):
        of_version(2).trusted(NOW + 90, earlier=state)
    with pytest.raises(TableRollback, match="at least 3"):
        second.trusted(NOW + 90, earlier=state, min_table_version=3)


def test_a_clock_at_which_the_old_one_was_good_is_refused() -> None:
    state = of_version(2, issued=NOW + DAY, not_after=NOW + 2 * DAY).trusted(NOW + DAY).state
    again = of_version(3, issued=NOW, not_after=NOW + 2 * DAY)  # signed where the clock is slow
    assert again.trusted(NOW + DAY - 300, earlier=state).state.floor_time == NOW + DAY
    with pytest.raises(TableExpired, match="was accepted before: set the clock"):
        again.trusted(NOW + DAY - 301, earlier=state)
    opened = again.trusted(NOW + DAY, earlier=state)
    with pytest.raises(TableExpired, match="was accepted before: set the clock"):
        opened.check(NOW + DAY - 301)


def test_a_root_that_was_rotated_away_does_not_come_back() -> None:
    state = replace(files(BODY).trusted().state, root=Seen(2, "0" * 64))
    with pytest.raises(TableRollback, match="the trust root is version 1, and version 2 was accepted here before"):
        files(BODY).trusted(earlier=state)
    state = replace(state, root=Seen(1, "0" * 64))
    with pytest.raises(TableRollback, match="there are two of the trust root version 1"):
        files(BODY).trusted(earlier=state)


def test_an_old_status_does_not_bring_a_revoked_token_back() -> None:
    release = release_payload(BODY)
    made = files(BODY, root=status_root(), release=release)
    old = document(PayloadType.STATUS, status_payload(release), STATUS_KEY)
    new = document(PayloadType.STATUS, status_payload(release, version=2, revoked=["x"]), STATUS_KEY)
    state = made.trusted(status=new).state
    with pytest.raises(TableRollback, match="the status is version 1, and version 2 was accepted here before"):
        made.trusted(status=old, earlier=state)


def test_counter_signing_makes_no_other_table() -> None:
    made = files(BODY)
    more = files(BODY, signers=[TABLE_KEY, STATUS_KEY])
    assert made.bundle != more.bundle
    assert more.trusted(earlier=made.trusted().state).state == made.trusted().state

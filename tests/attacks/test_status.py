"""The status is withheld, kept old, taken from another release, or signed with the stolen key of the status role.

That key is online, so it is the one to be stolen: with it one can stall or halt, and never add a row or redirect a call.

Guards: saferoute/routing/status.py::verify(envelope, PayloadType.STATUS, root.status.keys, root.status.threshold)
Guards: saferoute/routing/status.py::verify(envelope, PayloadType.REVOCATIONS, root.table.keys, root.table.threshold)
Guards: saferoute/routing/status.py::check_made_for(status, root)
Guards: saferoute/routing/status.py::check_made_for(listed, root)
Guards: saferoute/routing/opened.py::_check_status_time(self.status, now)
Guards: saferoute/routing/trust.py::check_halted(status, table)
Guards: saferoute/routing/release.py::check_life(release, root)
"""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.errors import NoRoute, TableExpired, UntrustedTable
from saferoute.routing.opened import Opened
from saferoute.signing.envelope import PayloadType
from saferoute.signing.strict_json import canonical
from tests.support.trust_cases import (
    DAY,
    NOW,
    ROOT_KEY,
    STATUS_KEY,
    STRANGER,
    TABLE_KEY,
    document,
    files,
    key_id,
    key_row,
    release_payload,
    revocations_payload,
    role_row,
    row,
    status_payload,
    status_root,
    table,
)

BODY = canonical(table(row(), row(id="other", origin="https://api.other.example")))
LONG = release_payload(BODY, version=4, not_after=NOW + 90 * DAY)
MADE = files(BODY, root=status_root(), release=LONG)


def status(*signers: Any, **changes: Any) -> bytes:
    release = {"version": 4, "digest": status_payload(LONG)["release"]["digest"]}
    return document(PayloadType.STATUS, status_payload(LONG, **{"release": release, **changes}), *(signers or (STATUS_KEY,)))


def opened(now: float = NOW, **changes: Any) -> Opened:
    return MADE.trusted(now, status=status(**changes))


def refusal(data: bytes | None) -> str:
    with pytest.raises(UntrustedTable) as caught:
        MADE.trusted(status=data)
    return str(caught.value)


def test_with_a_status_a_table_lives_90_days() -> None:
    made = opened(revoked=["b" * 64, "token-1"], halted=["other"])
    assert (made.table.not_after, made.revoked, made.halted) == (NOW + 90 * DAY, {"b" * 64, "token-1"}, {"other"})
    assert made.status is not None
    assert (made.status.version, made.status.release_version, made.status.not_after) == (1, 4, NOW + DAY)


def test_and_not_a_second_longer() -> None:
    longer = files(BODY, root=status_root(), release={**LONG, "not_after": NOW + 90 * DAY + 1})
    with pytest.raises(UntrustedTable) as caught:
        longer.trusted(status=status())
    assert str(caught.value) == "the routing table is refused: it would live 90 days; at most 90 are allowed"
    with pytest.raises(UntrustedTable) as caught:
        files(BODY, release={**LONG, "not_after": NOW + 7 * DAY + 1}).trusted()
    assert str(caught.value) == (
        "the routing table is refused: it would live 7 days; at most 7 are allowed; up to 90 need a status role in the root"
    )


def test_a_withheld_status_is_refused() -> None:
    assert refusal(None) == (
        "the trust root has a status role, so a signed status has to say that this table is current, and none is given: "
        'Trust.pinned(..., status="status.json")'
    )
    assert MADE.trusted(status_required=False).status is None  # what tools look at before the status is signed


def test_a_stale_status_is_refused_at_the_second() -> None:
    made = opened()
    made.check(NOW + DAY - 0.001)
    with pytest.raises(TableExpired) as caught:
        made.check(NOW + DAY)
    assert str(caught.value) == (
        "the status version 1 of 'acme' expired on 2027-01-16 08:00 UTC: get the current one (or sign one) and reload; a table that "
        "needs a status is not used without"
    )
    with pytest.raises(TableExpired, match="the status version 1 of 'acme' expired"):
        opened(NOW + DAY)
    with pytest.raises(TableExpired, match="the status version 1 of 'acme' expired"):
        made.check(NOW + 2 * DAY)


def test_a_post_dated_status_is_refused() -> None:
    assert opened(issued=NOW + 300).status is not None
    with pytest.raises(TableExpired) as caught:
        opened(issued=NOW + 301)
    assert str(caught.value) == (
        "the status version 1 was issued on 2027-01-15 08:05 UTC, and the clock here says 2027-01-15 08:00 UTC: set the clock"
    )


WRONG: dict[str, tuple[bytes, str]] = {
    "another digest": (
        status(release={"version": 4, "digest": "0" * 64}),
        "it is about release version 4 (000000000000), and the table is of version 4",
    ),
    "another version": (status(release={**status_payload(LONG)["release"], "version": 5}), "it is about release version 5"),
    "another name": (status(name="acme-dev"), "it is for 'acme-dev', and the trust root is that of 'acme'"),
    "another root version": (
        status(root_version=2),
        "it was signed under root version 2, and the root is version 1: deploy the roots that follow",
    ),
    "signed by the table's key": (status(TABLE_KEY), "0 of the 1 signatures that are needed are there"),
    "signed by the root's key": (status(ROOT_KEY), "0 of the 1 signatures that are needed are there"),
    "signed by a stranger": (status(STRANGER), "0 of the 1 signatures that are needed are there"),
    "living longer than 7 days": (
        status(not_after=NOW + 7 * DAY + 1),
        "status.not_after: it would live 604801 seconds; at most 604800 (7 days) are allowed",
    ),
    "an end before its beginning": (status(not_after=NOW), "status.not_after is not after status.issued"),
    "a halted row that is none": (status(halted=["othr"]), "it halts 'othr', and the table has no such row"),
    "no JSON": (b"", "it does not begin with a JSON object"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_status_is_refused(case: str) -> None:
    data, why = WRONG[case]
    assert refusal(data).startswith(f"the status is refused: {why}")


def test_a_status_lives_7_days_at_most() -> None:
    assert opened(not_after=NOW + 7 * DAY).status is not None


def test_a_status_without_a_role_is_refused() -> None:
    made = files(BODY, release={**LONG, "not_after": NOW + DAY})
    with pytest.raises(UntrustedTable) as caught:
        made.trusted(status=status())
    assert str(caught.value) == "the status is refused: the trust root has no status role, so nobody can sign a status: leave it out"


def test_a_status_needs_its_threshold() -> None:
    plain = status_root()
    keys = {**plain["keys"], key_id(STRANGER): key_row(STRANGER)}
    root = status_root(keys=keys, roles={**plain["roles"], "status": role_row(STATUS_KEY, STRANGER, threshold=2)})
    made = files(BODY, root=root, release=LONG)
    with pytest.raises(UntrustedTable, match="1 of the 2 signatures"):
        made.trusted(status=status())
    assert made.trusted(status=status(STATUS_KEY, STRANGER)).status is not None


def test_no_call_goes_to_a_halted_row() -> None:
    made = opened(halted=["other"])
    main, other = made.table.routes["main"], made.table.routes["other"]
    assert made.running((other, main)) == (main,)
    with pytest.raises(NoRoute) as caught:
        made.running((other,))
    assert str(caught.value) == "the signed status halts every row that this call could go to: other. Nothing was sent"
    assert opened().running((other, main)) == (other, main)


def test_a_stolen_status_key_signs_no_table() -> None:
    redirect = canonical(table(row(origin="https://api.evil.example")))
    stolen = files(redirect, root=status_root(), signers=[STATUS_KEY])
    told = document(PayloadType.STATUS, status_payload(release_payload(redirect)), STATUS_KEY)
    with pytest.raises(UntrustedTable, match="0 of the 1 signatures"):
        stolen.trusted(status=told)
    with pytest.raises(UntrustedTable, match="0 of the 1 signatures"):
        MADE.trusted(status=status(), updates=[document(PayloadType.ROOT, status_root(version=2), STATUS_KEY)])
    with pytest.raises(UntrustedTable, match="0 of the 1 signatures"):
        MADE.trusted(status=status(), revocations=document(PayloadType.REVOCATIONS, revocations_payload(), STATUS_KEY))
    for field in ("routes", "tables", "origin", "issuers"):
        assert f"status.{field} is not a field of this schema" in refusal(status(**{field: []}))


def test_revocations_are_the_table_roles_word() -> None:
    made = files(BODY, release={**LONG, "not_after": NOW + DAY})

    def listed(*signers: Any, **changes: Any) -> Opened:
        return made.trusted(revocations=document(PayloadType.REVOCATIONS, revocations_payload(**changes), *(signers or (TABLE_KEY,))))

    assert listed().revoked == {"token-1"}
    assert listed().halted == frozenset()
    assert listed(issued=NOW + 300).revocations is not None
    for signers, changes, why in (
        ((STRANGER,), {}, "0 of the 1 signatures that are needed are there"),
        ((ROOT_KEY,), {}, "0 of the 1 signatures that are needed are there"),
        ((), {"name": "other"}, "it is for 'other', and the trust root is that of 'acme'"),
        ((), {"root_version": 2}, "it was signed under root version 2, and the root is version 1: deploy the roots that follow"),
        ((), {"halted": ["main"]}, "revocations.halted is not a field of this schema; the fields are annotations, issued, name, "),
        ((), {"revoked": ["a b"]}, "revocations.revoked[0] is 'a b', which is not a token's jti or a digest"),
    ):
        with pytest.raises(UntrustedTable) as caught:
            listed(*signers, **changes)
        assert str(caught.value).startswith(f"the revocation list is refused: {why}")
    with pytest.raises(TableExpired) as late:
        listed(issued=NOW + 301)
    assert str(late.value) == (
        "the revocation list version 1 was issued on 2027-01-15 08:05 UTC, and the clock here says 2027-01-15 08:00 UTC: set the clock"
    )


def test_both_lists_count() -> None:
    made = MADE.trusted(
        status=status(revoked=["a"]), revocations=document(PayloadType.REVOCATIONS, revocations_payload(revoked=["b"]), TABLE_KEY)
    )
    assert made.revoked == {"a", "b"}

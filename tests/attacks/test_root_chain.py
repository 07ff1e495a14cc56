"""A root of the attacker's own is put into the folder of updates, to take over who signs tables.

The folder lies beside the table and is written by the same pipeline; whoever got that far tries to name keys of their own as the next
root's. Root N+1 must be signed by the thresholds of root N and of its own.

Guards: saferoute/routing/chain.py::verify(Envelope.read(data), PayloadType.ROOT, current.root.keys, current.root.threshold)
Guards: saferoute/routing/chain.py::_check_follows(current, following)
Guards: saferoute/routing/root.py::verify(envelope, PayloadType.ROOT, root.root.keys, root.root.threshold)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from saferoute.errors import TableExpired, UntrustedTable
from saferoute.routing.chain import MAX_UPDATES
from saferoute.signing.envelope import PayloadType
from saferoute.signing.strict_json import canonical
from tests.support.trust_cases import (
    DAY,
    NOW,
    ROOT_KEY,
    ROOT_KEY_2,
    STRANGER,
    TABLE_KEY,
    TABLE_KEY_2,
    Files,
    document,
    files,
    key_id,
    key_row,
    release_payload,
    role_row,
    root_payload,
    table,
)

if TYPE_CHECKING:
    from saferoute.signing.keys import PrivateKey

BODY = canonical(table())


def rotated(version: int, *, root: PrivateKey = ROOT_KEY, tables: PrivateKey = TABLE_KEY, **changes: Any) -> dict[str, Any]:
    """A root's payload with other keys."""
    keys = {key_id(key): key_row(key) for key in (root, tables)}
    return root_payload(**{"version": version, "keys": keys, "roles": {"root": role_row(root), "table": role_row(tables)}, **changes})


def root_file(payload: dict[str, Any], *signers: PrivateKey) -> bytes:
    return document(PayloadType.ROOT, payload, *signers)


def of_version(version: int, signer: PrivateKey = TABLE_KEY) -> Files:
    return files(BODY, release=release_payload(BODY, root_version=version), signers=[signer])


NEW = rotated(2, root=ROOT_KEY_2, tables=TABLE_KEY_2)
SECOND = root_file(NEW, ROOT_KEY, ROOT_KEY_2)


def test_a_root_that_both_sides_signed_is_followed() -> None:
    opened = of_version(2, TABLE_KEY_2).trusted(updates=[SECOND])
    assert (opened.root.version, opened.table.root_version) == (2, 2)
    third = root_file(rotated(3, root=STRANGER, tables=TABLE_KEY), ROOT_KEY_2, STRANGER)
    assert of_version(3).trusted(updates=[SECOND, third]).root.version == 3


def test_tables_from_before_a_rotation_are_refused() -> None:
    with pytest.raises(UntrustedTable) as caught:
        of_version(1, TABLE_KEY_2).trusted(updates=[SECOND])
    assert str(caught.value) == (
        "the routing table is refused: it was signed under root version 1, and the root is version 2: sign it again"
    )
    with pytest.raises(UntrustedTable, match="0 of the 1 signatures"):
        of_version(2, TABLE_KEY).trusted(updates=[SECOND])


WRONG: dict[str, tuple[list[bytes], str]] = {
    "signed by the new side only": (
        [root_file(NEW, ROOT_KEY_2)],
        "root version 2 is refused: by the keys of version 1, 0 of the 1 signatures that are needed are there",
    ),
    "signed by the old side only": (
        [root_file(NEW, ROOT_KEY)],
        "root version 2 is refused: 0 of the 1 signatures that are needed are there",
    ),
    "signed by a stranger": (
        [root_file(rotated(2, root=STRANGER), STRANGER)],
        "root version 2 is refused: by the keys of version 1, 0 of the 1",
    ),
    "signed by the table's key": (
        [root_file(NEW, TABLE_KEY, ROOT_KEY_2)],
        "root version 2 is refused: by the keys of version 1, 0 of the 1",
    ),
    "a version is skipped": ([root_file(rotated(3), ROOT_KEY)], "root version 2 is refused: it is version 3, and version 2 is next"),
    "the pinned root again": ([root_file(rotated(1), ROOT_KEY)], "root version 2 is refused: it is version 1, and version 2 is next"),
    "the same step twice": ([SECOND, SECOND], "root version 3 is refused: it is version 2, and version 3 is next"),
    "another name": (
        [root_file(rotated(2, name="evil"), ROOT_KEY)],
        "root version 2 is refused: it is for 'evil', and the pinned root is for 'acme'",
    ),
    "a local name": ([root_file(rotated(2, name="local/x"), ROOT_KEY)], "root version 2 is refused: it is for 'local/x'"),
    "a release": ([document(PayloadType.RELEASE, NEW, ROOT_KEY, ROOT_KEY_2)], "root version 2 is refused: it is a"),
    "a root that the skipped one revoked": (
        [SECOND, root_file(rotated(3), ROOT_KEY)],
        "root version 3 is refused: by the keys of version 2, 0 of the 1",
    ),
    "no JSON": ([b"x"], "root version 2 is refused: it does not begin with a JSON object"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_step_is_refused(case: str) -> None:
    updates, why = WRONG[case]
    version = 1 + len(updates)
    with pytest.raises(UntrustedTable) as caught:
        of_version(version).trusted(updates=updates)
    assert str(caught.value).startswith(f"the trust root is refused: {why}")


def test_both_thresholds_count_distinct_keys() -> None:
    keys = {key_id(key): key_row(key) for key in (ROOT_KEY, ROOT_KEY_2, TABLE_KEY)}
    both = {"root": role_row(ROOT_KEY, ROOT_KEY_2, threshold=2), "table": role_row(TABLE_KEY)}
    pinned = Files(root_file(root_payload(keys=keys, roles=both), ROOT_KEY, ROOT_KEY_2), of_version(2).bundle)
    assert pinned.trusted(updates=[root_file(rotated(2), ROOT_KEY, ROOT_KEY_2)]).root.version == 2
    with pytest.raises(UntrustedTable, match="by the keys of version 1, 1 of the 2 signatures"):
        pinned.trusted(updates=[root_file(rotated(2), ROOT_KEY)])
    with pytest.raises(UntrustedTable, match="refused: 1 of the 2 signatures"):
        of_version(2).trusted(updates=[root_file(root_payload(version=2, keys=keys, roles=both), ROOT_KEY)])


def test_only_the_last_roots_time_counts() -> None:
    long_ago = {"issued": NOW - 1000 * DAY, "not_after": NOW - 900 * DAY}
    pinned = Files(root_file(rotated(1, **long_ago), ROOT_KEY), of_version(3).bundle)
    second, third = rotated(2, **long_ago), rotated(3)
    assert pinned.trusted(updates=[root_file(second, ROOT_KEY), root_file(third, ROOT_KEY)]).root.version == 3
    with pytest.raises(TableExpired, match="the trust root 'acme' version 2 expired"):
        Files(pinned.root, of_version(2).bundle).trusted(updates=[root_file(second, ROOT_KEY)])
    with pytest.raises(TableExpired, match="set the clock"):
        Files(pinned.root, of_version(2).bundle).trusted(updates=[root_file(rotated(2, issued=NOW + 301), ROOT_KEY)])


def test_64_roots_are_followed_and_not_65() -> None:
    chain = [root_file(rotated(version), ROOT_KEY) for version in range(2, MAX_UPDATES + 3)]
    assert of_version(65).trusted(updates=chain[:64]).root.version == 65
    with pytest.raises(UntrustedTable) as caught:
        of_version(66).trusted(updates=chain)
    assert str(caught.value) == "the trust root is refused: more than 64 roots follow the pinned one: pin a newer root"


def test_a_local_root_has_no_successor() -> None:
    local = Files(root_file(rotated(1, name="local/a"), ROOT_KEY), b"")
    with pytest.raises(UntrustedTable, match="a root that was made in memory has no successor"):
        local.trusted(updates=[root_file(rotated(2, name="local/a"), ROOT_KEY)], allow_local=True)

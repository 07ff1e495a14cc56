"""Signed tables in the hands of whoever can write the table file, or the root file, or the clock."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.drivers.storage.trust_files import open_table
from saferoute.errors import RoutingError, TableExpired, TableRollback, UntrustedTable
from saferoute.routing.local import local_bundle
from saferoute.routing.shapes import MAX_BUNDLE_BYTES
from saferoute.routing.trust import Trust, verify_bundle
from saferoute.signing.envelope import PayloadType, encode_base64
from saferoute.signing.strict_json import canonical
from saferoute.values.server import loopback
from tests.support.trust_cases import (
    DAY,
    NOW,
    ROOT_KEY,
    ROOT_KEY_2,
    STRANGER,
    TABLE_KEY,
    TABLE_KEY_2,
    Files,
    files,
    key_id,
    key_row,
    release_payload,
    root_payload,
    row,
    signed,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BODY = canonical(table())


def two_of_two(role: str) -> dict[str, Any]:
    """A root in which one role needs both of two keys."""
    roles = {
        "root": {"keyids": [key_id(ROOT_KEY)], "threshold": 1},
        "table": {"keyids": [key_id(TABLE_KEY)], "threshold": 1},
    }
    extra = ROOT_KEY_2 if role == "root" else TABLE_KEY_2
    roles[role] = {"keyids": [*roles[role]["keyids"], key_id(extra)], "threshold": 2}  # type: ignore[misc]
    keys = {key_id(key): key_row(key) for key in (ROOT_KEY, TABLE_KEY, extra)}
    return root_payload(keys=keys, roles=roles)


def release(**changes: Any) -> dict[str, Any]:
    return release_payload(BODY, **changes)


def roles(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = root_payload()["roles"]
    return root_payload(roles={**plain, **changes})


def role(*keys: str, threshold: int = 1) -> dict[str, Any]:
    return {"keyids": list(keys), "threshold": threshold}


SMALL_ORDER = encode_base64((1).to_bytes(32, "little"))

WRONG_ROOTS: dict[str, tuple[Callable[[], Files], str]] = {
    "signed by nobody of the role": (lambda: files(root_signers=[STRANGER]), "0 of the 1"),
    "signed by the table's key": (lambda: files(root_signers=[TABLE_KEY]), "0 of the 1"),
    "signed by one of two": (lambda: files(root=two_of_two("root")), "1 of the 2"),
    "a key under an id that is not its hash": (
        lambda: files(root=root_payload(keys={key_id(ROOT_KEY): key_row(STRANGER), key_id(TABLE_KEY): key_row(TABLE_KEY)})),
        "the id of this key is",
    ),
    "one key under two ids": (
        lambda: files(
            root=root_payload(
                keys={key_id(ROOT_KEY): key_row(ROOT_KEY), "f" * 64: key_row(ROOT_KEY), key_id(TABLE_KEY): key_row(TABLE_KEY)},
                roles={"root": role(key_id(ROOT_KEY), "f" * 64, threshold=2), "table": role(key_id(TABLE_KEY))},
            )
        ),
        "the id of this key is",
    ),
    "one key id twice in a role": (lambda: files(root=roles(root=role(key_id(ROOT_KEY), key_id(ROOT_KEY), threshold=2))), "twice"),
    "a key of small order": (
        lambda: files(root=root_payload(keys={**root_payload()["keys"], "e" * 64: {"algorithm": "ed25519", "public": SMALL_ORDER}})),
        "small order",
    ),
    "a key of 31 bytes": (
        lambda: files(root=root_payload(keys={"e" * 64: {"algorithm": "ed25519", "public": encode_base64(bytes(31))}})),
        "32 bytes",
    ),
    "a key of another algorithm": (
        lambda: files(root=root_payload(keys={key_id(ROOT_KEY): {**key_row(ROOT_KEY), "algorithm": "rsa"}})),
        "algorithm",
    ),
    "a role with a key that is not there": (lambda: files(root=roles(table=role("d" * 64))), "there is no key"),
    "a threshold over the role's keys": (lambda: files(root=roles(table=role(key_id(TABLE_KEY), threshold=2))), "threshold is 2"),
    "a threshold of 0": (lambda: files(root=roles(root=role(key_id(ROOT_KEY), threshold=0))), "threshold is 0"),
    "an empty role": (lambda: files(root=roles(table=role())), "0 entries"),
    "one key in both roles": (lambda: files(root=roles(table=role(key_id(ROOT_KEY)))), "in both roles"),
    "an end before its beginning": (lambda: files(root=root_payload(not_after=NOW - 2 * DAY)), "not after"),
    "another schema": (lambda: files(root=root_payload(schema=2)), "schema is 2"),
    "a schema that is true": (lambda: files(root=root_payload(schema=True)), "integer"),
    "a path for a name": (lambda: files(root=root_payload(name="../acme")), "name"),
    "a release for a root": (lambda: Files(canonical(signed(PayloadType.RELEASE, canonical(root_payload()), ROOT_KEY)), b""), "not a"),
    "not canonical": (lambda: files(root=json.dumps(root_payload()).encode()), "canonical"),
    "no JSON": (lambda: Files(b"-----BEGIN PUBLIC KEY-----", b""), "begin"),
    "too large": (lambda: Files(b"{" * 70_000, b""), "at most 65536"),
}


@pytest.mark.parametrize("case", WRONG_ROOTS)
def test_a_wrong_root_is_refused(case: str) -> None:
    make, why = WRONG_ROOTS[case]
    with pytest.raises(UntrustedTable, match=why):
        make().open()


WRONG_RELEASES: dict[str, tuple[Callable[[], Files], str]] = {
    "signed by a stranger": (lambda: files(signers=[STRANGER]), "0 of the 1"),
    "signed by the root's key": (lambda: files(signers=[ROOT_KEY]), "0 of the 1"),
    "signed by one of two": (lambda: files(root=two_of_two("table")), "1 of the 2"),
    "another payload type": (lambda: files(kind=PayloadType.STATUS), "not a"),
    "a root for a release": (lambda: files(kind=PayloadType.ROOT), "not a"),
    "for another name": (lambda: files(release=release(name="acme-dev")), "trust root is that of 'acme'"),
    "for another root version": (lambda: files(release=release(root_version=2)), "signed under root version 2"),
    "living longer than 7 days": (lambda: files(release=release(not_after=NOW + 7 * DAY + 1)), "at most 7"),
    "living 90 days": (lambda: files(release=release(not_after=NOW + 90 * DAY)), "status role"),
    "an end before its beginning": (lambda: files(release=release(not_after=NOW)), "not after"),
    "version 0": (lambda: files(release=release(version=0)), "version is 0"),
    "a version that is true": (lambda: files(release=release(version=True)), "integer"),
    "a version that is a text": (lambda: files(release=release(version="1")), "integer"),
    "an unknown field": (lambda: files(release=release(grace=1)), "grace is not a field"),
    "a missing field": (lambda: files(release=release(root_version=None)), "root_version is missing"),
    "no table": (lambda: files(release=release(tables=[])), "0 entries"),
    "one schema twice": (
        lambda: files(release=release(tables=[*release()["tables"], {"schema": 1, "sha256": "0" * 64, "size": 5}])),
        "stands twice",
    ),
    "only newer schemas": (
        lambda: files(release=release(tables=[{**release()["tables"][0], "schema": 7}])),
        "schema 7 and later, and this saferoute knows schema 1",
    ),
    "over 2 KB": (lambda: files(release=release(annotations={"a": "x" * 1990})), "at most 2048"),
    "not canonical": (lambda: files(release=json.dumps(release()).encode()), "canonical"),
    "unsorted": (lambda: files(release=b'{"version":1,"schema":1}'), "canonical"),
    "a repeated key": (lambda: files(release=canonical(release())[:-1] + b',"version":2}'), "twice"),
    "a float": (lambda: files(release=canonical(release()).replace(b'"version":1', b'"version":1.0')), "integer"),
    "NaN": (lambda: files(release=canonical(release()).replace(b'"version":1', b'"version":NaN')), "integer"),
    "a byte order mark": (lambda: files(release=b"\xef\xbb\xbf" + canonical(release())), "begin"),
    "UTF-16": (lambda: files(release=canonical(release()).decode().encode("utf-16")), "begin"),
}


@pytest.mark.parametrize("case", WRONG_RELEASES)
def test_a_wrong_release_is_refused(case: str) -> None:
    make, why = WRONG_RELEASES[case]
    with pytest.raises(UntrustedTable, match=why):
        make().open()


OTHER_BODY = canonical(table(row(origin="https://api.examp1e.com")))

WRONG_BUNDLES: dict[str, tuple[Callable[[], Files], str]] = {
    "another table": (lambda: files(BODY, bodies=[OTHER_BODY]), "not those that the release names"),
    "a table of the same size": (lambda: files(BODY, bodies=[BODY.replace(b"model-1", b"model-2")]), "not those"),
    "a second table that is not named": (lambda: files(BODY, bodies=[BODY, OTHER_BODY]), "not those"),
    "the digest right and the size wrong": (
        lambda: files(release=release(tables=[{**release()["tables"][0], "size": len(BODY) + 1}])),
        "not those",
    ),
    "only the table of a newer schema": (
        lambda: files(BODY, release=release_payload(BODY, OTHER_BODY), bodies=[OTHER_BODY]),
        "does not hold it",
    ),
    "no table": (lambda: files(BODY, bodies=[]), "0 entries"),
    "an unknown field": (lambda: Files(files().root, files().bundle[:-1] + b',"x":1}'), "x is not a field"),
    "no bundle": (lambda: Files(files().root, b'{"routes":[]}'), "missing"),
    "base64 with a line break": (lambda: Files(files().root, files().bundle.replace(b'"tables":["', b'"tables":["\\n')), "base64"),
    "white space": (lambda: Files(files().root, files().bundle + b" "), "canonical"),
    "cut in the middle": (lambda: Files(files().root, files().bundle[: len(files().bundle) // 2]), "not JSON"),
    "10 MB": (lambda: Files(files().root, b'{"release":"' + b"x" * MAX_BUNDLE_BYTES + b'"}'), "at most 10000000"),
    "10 MB of brackets": (lambda: Files(files().root, b'{"a":' + b"[" * (MAX_BUNDLE_BYTES - 5)), "nested"),
    "deep nesting in the table": (lambda: files(b'{"routes":' + b"[" * 5000 + b"]" * 5000 + b"}"), "nested"),
    "an empty file": (lambda: Files(files().root, b""), "begin"),
}


@pytest.mark.parametrize("case", WRONG_BUNDLES)
def test_a_wrong_bundle_is_refused(case: str) -> None:
    make, why = WRONG_BUNDLES[case]
    with pytest.raises(UntrustedTable, match=why):
        make().open()


def test_the_right_files_open() -> None:
    opened = files().open()
    assert (opened.name, opened.version, opened.root_version) == ("acme", 1, 1)
    assert opened.digest == hashlib.sha256(BODY).hexdigest()
    assert not opened.is_local
    assert Files(files().root + b"\n", files().bundle + b"\n").open().digest == opened.digest


def test_two_signatures_of_two_open() -> None:
    for made in (
        files(root=two_of_two("table"), signers=[TABLE_KEY, TABLE_KEY_2]),
        files(root=two_of_two("root"), root_signers=[ROOT_KEY, ROOT_KEY_2]),
    ):
        assert made.open().name == "acme"


def test_a_table_is_not_parsed_before_its_digest_was_checked() -> None:
    # Were it parsed first, these bytes would be refused for their shape.
    with pytest.raises(UntrustedTable, match="not those that the release names"):
        files(BODY, bodies=[b"\x00 not JSON at all"]).open()


def test_the_root_is_the_pinned_one() -> None:
    made = files()
    with pytest.raises(UntrustedTable, match="is pinned"):
        made.open(sha256="0" * 64)
    with pytest.raises(UntrustedTable, match="is pinned"):
        Files(made.root + b"\n", made.bundle).open(sha256=hashlib.sha256(made.root).hexdigest())


def test_a_release_of_another_root_with_the_same_name_is_refused() -> None:
    theirs = files(root=roles(table=role(key_id(TABLE_KEY))))
    stranger = files(signers=[STRANGER])
    with pytest.raises(UntrustedTable, match="0 of the 1"):
        Files(theirs.root, stranger.bundle).open()


@pytest.mark.parametrize(
    ("now", "outcome"),
    [(NOW, None), (NOW + 7 * DAY - 1, None), (NOW + 7 * DAY, "expired"), (NOW + 70 * DAY, "saferoute table sign"), (NOW - 300, None),
     (NOW - 301, "clock"), (0, "clock")],
)  # fmt: skip
def test_a_table_is_valid_from_when_it_was_signed_to_its_end(now: int, outcome: str | None) -> None:
    made = files(root=root_payload(issued=NOW - 3_000 * DAY))
    if outcome is None:
        assert made.open(now).version == 1
    else:
        with pytest.raises(TableExpired, match=outcome):
            made.open(now)


def test_a_post_dated_table_is_refused_until_its_time() -> None:
    made = files(release=release(issued=NOW + DAY, not_after=NOW + 2 * DAY))
    with pytest.raises(TableExpired, match="clock"):
        made.open(NOW)
    assert made.open(NOW + DAY).version == 1


@pytest.mark.parametrize(("now", "why"), [(NOW + 365 * DAY, "trust root.*expired"), (NOW - DAY - 301, "trust root.*clock")])
def test_a_root_has_its_time_too(now: int, why: str) -> None:
    with pytest.raises(TableExpired, match=why):
        files().open(now)


def test_an_open_table_expires_while_a_process_runs() -> None:
    opened = files().open()
    opened.check_time(NOW + 7 * DAY - 0.001)
    with pytest.raises(TableExpired, match="saferoute table sign"):
        opened.check_time(NOW + 7 * DAY)
    with pytest.raises(TableExpired, match="clock"):
        opened.check_time(NOW - 301)
    with pytest.raises((TableExpired, ValueError)):
        opened.check_time(float("nan"))


def test_a_container_can_pin_the_least_version() -> None:
    made = files(release=release(version=4))
    assert made.open(least=4).version == 4
    with pytest.raises(TableRollback, match="version 4; at least 5"):
        made.open(least=5)


def test_production_takes_no_local_root() -> None:
    made = local_bundle([], [loopback("llama", port=8080)], NOW)
    opened = verify_bundle(made.root, made.sha256, made.bundle, NOW, allow_local=True)
    assert opened.is_local
    with pytest.raises(UntrustedTable, match="made in memory"):
        verify_bundle(made.root, made.sha256, made.bundle, NOW, allow_local=False)
    handmade = files(root=root_payload(name="local/prod"), release=release(name="local/prod"))
    with pytest.raises(UntrustedTable, match="made in memory"):
        handmade.open()
    with pytest.raises(TableExpired, match=r"Client\.local"):
        opened.check_time(NOW + 400 * DAY)


def test_production_opens_no_local_table_from_files(tmp_path: Path) -> None:
    made = local_bundle(["openai"], [], NOW)
    (tmp_path / "root.json").write_bytes(made.root)
    (tmp_path / "routes.json").write_bytes(made.bundle)
    with pytest.raises(UntrustedTable, match="made in memory"):
        open_table(tmp_path / "routes.json", Trust.pinned(tmp_path / "root.json", sha256=made.sha256), NOW, state=tmp_path / "state")


GOOD = files()


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(GOOD.bundle) - 1), st.integers(1, 255))
def test_no_changed_byte_of_a_bundle_is_accepted(place: int, change: int) -> None:
    bad = bytearray(GOOD.bundle)
    bad[place] ^= change
    with pytest.raises(UntrustedTable):
        Files(GOOD.root, bytes(bad)).open()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_mutation_of_a_bundle_is_accepted(data: st.DataObject) -> None:
    bad = bytearray(GOOD.bundle)
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(bad)))
        end = data.draw(st.integers(begin, min(len(bad), begin + 40)))
        kind = data.draw(st.sampled_from(["delete", "insert", "repeat", "move"]))
        piece = bytes(bad[begin:end])
        if kind == "delete":
            del bad[begin:end]
        elif kind == "insert":
            bad[begin:begin] = data.draw(st.binary(min_size=1, max_size=20))
        elif kind == "repeat":
            bad[end:end] = piece
        else:
            del bad[begin:end]
            at = data.draw(st.integers(0, len(bad)))
            bad[at:at] = piece
    if bytes(bad).removesuffix(b"\n") == GOOD.bundle:
        return
    with pytest.raises(RoutingError):
        Files(GOOD.root, bytes(bad)).open()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD.root) - 1), st.integers(1, 255))
def test_no_changed_byte_of_a_root_is_accepted_even_without_its_pin(place: int, change: int) -> None:
    bad = bytearray(GOOD.root)
    bad[place] ^= change
    with pytest.raises(UntrustedTable):
        Files(bytes(bad), GOOD.bundle).open()

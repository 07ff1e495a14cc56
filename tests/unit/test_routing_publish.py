"""Making roots and releases, alone and with others, and opening them from files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.drivers.storage.trust_files import load_bundle, open_table, read_bounded
from saferoute.errors import ConfigurationError, TableRollback, UntrustedTable
from saferoute.routing.authoring import build
from saferoute.routing.publish import cosign_release, cosign_root, new_root, pin, read_root, release_of, sign_release
from saferoute.routing.trust import Trust, verify_bundle
from saferoute.signing.strict_json import canonical
from tests.support.trust_cases import DAY, NOW, ROOT_KEY, ROOT_KEY_2, STRANGER, TABLE_KEY, TABLE_KEY_2, row, table

if TYPE_CHECKING:
    from pathlib import Path

    from saferoute.signing.keys import PrivateKey

BODY = build('[providers.openai]\ndata = "internal"\n[aliases]\nfast = "openai/gpt-5.4-mini"\n[grant]\ndata = "internal"')


def a_root(**changes: Any) -> bytes:
    plain: dict[str, Any] = {
        "root_signers": [ROOT_KEY],
        "table_keys": [TABLE_KEY.public_key],
        "now": NOW + 0.9,
        "not_after": NOW + 365 * DAY,
    }
    return new_root(changes.pop("name", "acme"), **{**plain, **changes})


def a_release(root: bytes, *signers: PrivateKey, **changes: Any) -> bytes:
    return sign_release(root, [BODY], **{"version": 1, "now": NOW + 0.9, "signers": signers or (TABLE_KEY,), **changes})


def test_from_nothing_to_an_open_table() -> None:
    root = a_root()
    bundle = a_release(root)
    opened = verify_bundle(root, pin(root), bundle, NOW + 1, allow_local=False)
    assert (opened.name, opened.version, opened.issued, opened.not_after) == ("acme", 1, NOW, NOW + 7 * DAY)
    assert release_of(bundle).version == 1
    assert root.endswith(b"}\n")
    assert bundle.endswith(b"}\n")


def test_two_of_two_sign_one_after_the_other() -> None:
    both = {"root_keys": [ROOT_KEY.public_key, ROOT_KEY_2.public_key], "root_threshold": 2}
    first = a_root(**both, table_keys=[TABLE_KEY.public_key, TABLE_KEY_2.public_key], table_threshold=2)
    with pytest.raises(ConfigurationError, match="1 of the 2"):
        a_release(first)
    root = cosign_root(first, ROOT_KEY_2)
    assert pin(root) != pin(first)
    half = a_release(root, TABLE_KEY)
    with pytest.raises(UntrustedTable, match="1 of the 2"):
        verify_bundle(root, pin(root), half, NOW, allow_local=False)
    whole = cosign_release(half, root, TABLE_KEY_2)
    assert verify_bundle(root, pin(root), whole, NOW, allow_local=False).version == 1
    assert read_root(root).table.threshold == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "../acme"}, "name"),
        ({"name": "Acme"}, "name"),
        ({"table_keys": [ROOT_KEY.public_key]}, "both roles"),
        ({"table_keys": []}, "0 entries"),
        ({"root_threshold": 2}, "threshold is 2"),
        ({"table_threshold": 0}, "threshold is 0"),
        ({"not_after": NOW}, "not after"),
        ({"version": 0}, "version is 0"),
        ({"root_keys": [ROOT_KEY_2.public_key]}, "not in the root role"),
    ],
)
def test_what_makes_no_root(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        a_root(**changes)


OTHER_SCHEMA = canonical({"schema": 2, "anything": []})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"signers": [STRANGER]}, "not in the table role"),
        ({"signers": [ROOT_KEY]}, "not in the table role"),
        ({"not_after": NOW + 8 * DAY}, "at most 7"),
        ({"not_after": NOW}, "not after"),
        ({"version": 0}, "version is 0"),
        ({"tables": [canonical(table(row(origin="http://x.example")))]}, "plain http"),
        ({"tables": [BODY, BODY]}, "two tables have the schema 1"),
        ({"tables": [b'{"schema":true}']}, "no schema number"),
        ({"tables": [b"{}"]}, "no schema number"),
        ({"tables": [b"[]"]}, "begin"),
        ({"tables": []}, "0 entries"),
        ({"tables": [OTHER_SCHEMA]}, "upgrade"),
    ],
)
def test_what_clients_would_refuse_is_not_signed(changes: dict[str, Any], why: str) -> None:
    plain: dict[str, Any] = {"tables": [BODY], "version": 1, "now": NOW, "signers": [TABLE_KEY]}
    with pytest.raises(ConfigurationError, match=why):
        sign_release(a_root(), **{**plain, **changes})


def test_a_release_may_hold_a_newer_schema_beside_ours() -> None:
    root = a_root()
    bundle = sign_release(root, [OTHER_SCHEMA, BODY], version=3, now=NOW, signers=[TABLE_KEY])
    assert [schema for schema, _, _ in release_of(bundle).tables] == [1, 2]
    assert "fast" in verify_bundle(root, pin(root), bundle, NOW, allow_local=False).aliases


def test_only_the_right_files_are_countersigned() -> None:
    root, other = a_root(), a_root(name="other")
    bundle = a_release(root)
    with pytest.raises(ConfigurationError, match="trust root is that of 'other'"):
        cosign_release(bundle, other, TABLE_KEY)
    with pytest.raises(ConfigurationError, match="not in the table role"):
        cosign_release(bundle, root, STRANGER)
    with pytest.raises(ConfigurationError, match="not those"):
        cosign_release(bundle.replace(b'"tables":["', b'"tables":["e30=","'), root, TABLE_KEY)
    with pytest.raises(ConfigurationError, match="not in the root role"):
        cosign_root(root, STRANGER)
    for broken in (b"", b"{}", root[:50]):
        with pytest.raises(ConfigurationError):
            cosign_root(broken, ROOT_KEY)
        with pytest.raises(ConfigurationError):
            release_of(broken)
    with pytest.raises(ConfigurationError, match="cannot be signed"):
        sign_release(b"{}", [BODY], version=1, now=NOW, signers=[TABLE_KEY])


def test_files_open_for_production(tmp_path: Path) -> None:
    root = a_root()
    (tmp_path / "root.json").write_bytes(root)
    (tmp_path / "routes.json").write_bytes(a_release(root))
    trust = Trust.pinned(tmp_path / "root.json", sha256=pin(root))
    assert open_table(tmp_path / "routes.json", trust, NOW, state=tmp_path / "state").table.name == "acme"
    assert load_bundle(str(tmp_path / "routes.json"), trust)[0] == root
    with pytest.raises(TableRollback):
        open_table(
            tmp_path / "routes.json",
            Trust.pinned(tmp_path / "root.json", sha256=pin(root), min_table_version=2),
            NOW,
            state=tmp_path / "state",
        )
    with pytest.raises(UntrustedTable, match="pinned"):
        open_table(tmp_path / "routes.json", Trust.pinned(tmp_path / "root.json", sha256="0" * 64), NOW, state=tmp_path / "state")


@pytest.mark.parametrize(
    "arguments",
    [{"sha256": ""}, {"sha256": "A" * 64}, {"sha256": "0" * 63}, {"sha256": None}, {"sha256": "0" * 64 + "\n"},
     {"sha256": "0" * 64, "min_table_version": 0}, {"sha256": "0" * 64, "min_table_version": True}],
)  # fmt: skip
def test_what_pins_nothing(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"Trust\.pinned"):
        Trust.pinned("root.json", **arguments)


def test_only_regular_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(file)
    assert read_bounded(tmp_path / "link", 5) == b"12345"
    with pytest.raises(ConfigurationError, match="more than 4 bytes"):
        read_bounded(file, 4)
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_bounded(tmp_path / "missing", 5)
    for thing in (tmp_path, "/dev/zero"):
        with pytest.raises(ConfigurationError, match="not a regular file"):
            read_bounded(thing, 5)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        read_bounded(tmp_path / "pipe", 5)

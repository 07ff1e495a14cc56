"""The vault file in the hands of somebody who can write it and does not know the passphrase."""

from __future__ import annotations

import base64
import copy
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.errors import SecretError, SecretStoreLocked
from saferoute.secrets import vault
from saferoute.secrets.secret import Passphrase, SecretRecord
from saferoute.secrets.vault_format import Kdf, SealedVault, decode, encode
from tests.support.secret_stores import ORIGIN, OTHER, PHRASE, WEAK, assert_not_shown, canary, forms, record

if TYPE_CHECKING:
    from collections.abc import Callable


def two_records() -> tuple[SealedVault, vault.VaultKey]:
    sealed, key = vault.create(Passphrase(PHRASE), random=os.urandom, kdf=WEAK, unsafe_weak_kdf=True)
    sealed = vault.with_record(sealed, key, record("openai", canary()), random=os.urandom)
    return vault.with_record(sealed, key, record("other", "another-key", (OTHER,)), random=os.urandom), key


def opened(data: bytes) -> list[SecretRecord | None]:
    """Open a file as the driver does, from nothing."""
    sealed = decode(data, unsafe_weak_kdf=True)
    key = vault.unlock(sealed, Passphrase(PHRASE))
    return [vault.open_record(sealed, key, one.name) for one in sealed.records]


def test_the_file_shows_no_key() -> None:
    data = encode(two_records()[0])
    assert not [form for form in forms(canary()) if form.encode() in data]


@pytest.mark.parametrize("flip", [0x01, 0x02, 0x20, 0x80, 0xFF])
def test_flipping_any_byte_is_noticed(flip: int) -> None:
    data = encode(two_records()[0])
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= flip
        with pytest.raises(SecretError) as caught:
            opened(bytes(altered))
        assert type(caught.value) in {SecretError, SecretStoreLocked}
        assert canary() not in str(caught.value)


def test_cutting_and_lengthening_is_noticed() -> None:
    data = encode(two_records()[0])
    for cut in [b"", *(data[:size] for size in range(0, len(data), 7)), data + b" ", data + b"\n", b"\xef\xbb\xbf" + data, data + data]:
        with pytest.raises(SecretError):
            opened(cut)


def _swap_secrets(top: dict[str, Any]) -> None:
    one, two = top["records"]
    for field in ("commitment", "data", "nonce", "salt"):
        one[field], two[field] = two[field], one[field]


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(top: dict[str, Any]) -> None:
        at: Any = top
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in way:
            at = at[step]
        at[last] = value

    return change


CHANGES: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    ("secrets swapped", _swap_secrets),
    ("record dropped", lambda top: top["records"].pop()),
    ("record doubled", lambda top: top["records"].append(copy.deepcopy(top["records"][1]))),
    ("records reordered", lambda top: top["records"].reverse()),
    ("record renamed", _set("records.0.name", "aaa")),
    ("origin edited", _set("records.0.origins", ["https://evil.example.com"])),
    ("origin added", _set("records.0.origins", [ORIGIN, "https://evil.example.com"])),
    ("origins out of order", _set("records.0.origins", [ORIGIN, OTHER])),
    ("origins emptied", _set("records.0.origins", [])),
    ("origin no origin", _set("records.0.origins", ["https://*"])),
    ("origin no text", _set("records.0.origins", [5])),
    ("origins no list", _set("records.0.origins", ORIGIN)),
    ("revision raised", _set("records.0.revision", 2)),
    ("revision true", _set("records.0.revision", True)),
    ("revision zero", _set("records.0.revision", 0)),
    ("name a reference", _set("records.0.name", "env:OPENAI_API_KEY")),
    ("commitment emptied", _set("records.0.commitment", "")),
    ("commitment zero", _set("records.0.commitment", base64.b64encode(bytes(32)).decode())),
    ("nonce of 8 bytes", _set("records.0.nonce", base64.b64encode(bytes(8)).decode())),
    ("data emptied", _set("records.0.data", "")),
    ("data with stray bits", lambda top: _set("records.0.salt", top["records"][0]["salt"][:-3] + "B==")(top)),
    ("data with junk", lambda top: _set("records.0.salt", top["records"][0]["salt"] + "\n")(top)),
    ("data no text", _set("records.0.data", 5)),
    ("unknown field in a record", _set("records.0.note", "x")),
    ("unknown field at the top", _set("note", "x")),
    ("field missing", lambda top: top.pop("check")),
    ("records no list", _set("records", {})),
    ("record no object", _set("records.0", "x")),
    ("too many records", lambda top: top["records"].extend([top["records"][0]] * 1_000)),
    ("schema 2", _set("schema", 2)),
    ("schema true", _set("schema", True)),
    ("kdf no object", _set("kdf", "argon2id")),
    ("kdf another", _set("kdf.name", "scrypt")),
    ("kdf unknown field", _set("kdf.version", 19)),
    ("kdf salt edited", _set("kdf.salt", base64.b64encode(bytes(16)).decode())),
    ("kdf iterations edited", _set("kdf.iterations", 2)),
    ("kdf memory edited", _set("kdf.memory_kib", 16)),
    ("kdf lanes edited", _set("kdf.lanes", 2)),
    ("kdf iterations a text", _set("kdf.iterations", "1")),
    ("kdf iterations true", _set("kdf.iterations", True)),
    ("kdf memory of a terabyte", _set("kdf.memory_kib", 2**30)),
    ("kdf iterations for ever", _set("kdf.iterations", 2**31)),
    ("check edited", _set("check", base64.b64encode(bytes(32)).decode())),
    ("mac edited", _set("mac", base64.b64encode(bytes(32)).decode())),
]


@pytest.mark.parametrize(("what", "change"), CHANGES, ids=[what for what, _ in CHANGES])
def test_every_change_is_noticed(what: str, change: Callable[[dict[str, Any]], None]) -> None:
    top = json.loads(encode(two_records()[0]))
    change(top)
    with pytest.raises(SecretError):
        opened(json.dumps(top, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', "[]", "null", '{"schema":1.0}', "{" * 500, '{"a":' * 400 + "1" + "}" * 400, '{"x":NaN}'])
def test_what_is_no_strict_json_is_refused(text: str) -> None:
    with pytest.raises(SecretError, match="not strict JSON"):
        decode(text.encode())


def test_a_spaced_out_copy_is_refused() -> None:
    with pytest.raises(SecretError, match="not strict JSON"):
        decode(json.dumps(json.loads(encode(two_records()[0]))).encode(), unsafe_weak_kdf=True)


def test_a_file_of_more_than_a_megabyte_is_not_parsed() -> None:
    with pytest.raises(SecretError, match="1000000 bytes"):
        decode(b'{"a":"' + b"x" * 1_000_000 + b'"}')


@pytest.mark.parametrize("field", ["name", "origins", "revision", "commitment", "data", "nonce", "salt"])
def test_a_record_from_elsewhere_does_not_open_even_without_the_mac(field: str) -> None:
    """Each record is bound by itself: the MAC over the file is not the only guard."""
    sealed, key = two_records()
    mine, other = sealed.records
    values: dict[str, Any] = {"name": "third", "origins": (OTHER,), "revision": 7}
    moved = replace(mine, **{field: values.get(field, getattr(other, field))})
    with pytest.raises(SecretError, match="does not fit its name, origins and revision"):
        vault.open_record(replace(sealed, records=(moved,)), key, moved.name)


def test_a_record_sealed_under_another_key_does_not_open() -> None:
    sealed, _ = two_records()
    _, other = two_records()
    with pytest.raises(SecretError, match="does not fit"):
        vault.open_record(sealed, other, "openai")


def test_an_older_record_put_back_is_noticed() -> None:
    sealed, key = two_records()
    rotated = vault.with_record(sealed, key, record("openai", "new", revision=2), random=os.urandom)
    with pytest.raises(SecretError, match="authentication code"):
        opened(encode(replace(rotated, records=sealed.records)))


def test_the_mac_decides_even_with_the_key_at_hand() -> None:
    sealed, key = two_records()
    with pytest.raises(SecretError, match="authentication code"):
        vault.verify(replace(sealed, records=sealed.records[:1]), key)


@pytest.mark.parametrize(
    "weak",
    [
        Kdf(iterations=2, lanes=4, memory_kib=65_536),
        Kdf(iterations=3, lanes=4, memory_kib=65_535),
        Kdf(iterations=11, lanes=4, memory_kib=65_536),
        Kdf(iterations=3, lanes=17, memory_kib=65_536),
        Kdf(iterations=3, lanes=0, memory_kib=65_536),
        Kdf(iterations=3, lanes=4, memory_kib=1_048_577),
        WEAK,
    ],
)
def test_a_derivation_out_of_bounds_is_refused_before_it_runs(weak: Kdf) -> None:
    data = encode(replace(two_records()[0], kdf=weak))
    with pytest.raises(SecretError, match="out of bounds"):
        decode(data)
    with pytest.raises(SecretError, match="out of bounds"):
        vault.create(Passphrase(PHRASE), random=os.urandom, kdf=weak)


def test_too_little_memory_for_its_lanes_is_refused() -> None:
    with pytest.raises(SecretError, match="8 KiB of memory a lane"):
        decode(encode(replace(two_records()[0], kdf=Kdf(1, 2, 8))), unsafe_weak_kdf=True)


def test_a_downgraded_derivation_makes_other_keys() -> None:
    """Who edits the parameters cannot make the owner derive the same root more cheaply."""
    sealed, _ = two_records()
    for costs in (Kdf(2, 1, 8), Kdf(1, 1, 16)):
        with pytest.raises(SecretStoreLocked):
            vault.unlock(replace(sealed, kdf=costs), Passphrase(PHRASE))


def test_errors_show_neither_key_nor_passphrase() -> None:
    sealed, key = two_records()
    altered = replace(sealed.records[0], commitment=bytes(32))
    with pytest.raises(SecretError) as caught:
        vault.open_record(replace(sealed, records=(altered,)), key, "openai")
    assert_not_shown(caught.value, canary())
    assert_not_shown(caught.value, PHRASE)
    with pytest.raises(SecretStoreLocked) as locked:
        vault.unlock(replace(sealed, check=bytes(32)), Passphrase(PHRASE))
    assert_not_shown(locked.value, PHRASE)


def test_a_name_that_is_not_there_opens_nothing() -> None:
    sealed, key = two_records()
    assert vault.open_record(sealed, key, "absent") is None

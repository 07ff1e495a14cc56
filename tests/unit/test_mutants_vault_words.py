"""The exact words for vaults that are malformed, and the limits of right ones."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.errors import SecretError
from saferoute.secrets.lookup import Sources
from saferoute.secrets.secret import (
    Passphrase,
)  # fmt: skip
from saferoute.secrets.vault import create
from saferoute.secrets.vault_format import Kdf, SealedRecord, check_kdf, decode

API, OTHER = "https://api.openai.com", "https://other.example"
CATALOGUE = {"openai": (("OPENAI_API_KEY", "OPENAI_KEY"), API), "groq": (("GROQ_API_KEY",), OTHER)}


def sources(*opened: Any, **more: Any) -> Sources:
    return Sources(opened, catalogue=CATALOGUE, **more)


def b64(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()


def vault(record: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """A vault's bytes, as far as its form goes."""
    row = {
        "name": "a", "origins": [API], "revision": 1, "salt": b64(16), "nonce": b64(12), "commitment": b64(32), "data": b64(17),
        **(record or {}),
    }  # fmt: skip
    kdf = {"name": "argon2id", "iterations": 3, "lanes": 4, "memory_kib": 65_536, "salt": b64(16)}
    whole = {"schema": 1, "kdf": kdf, "check": b64(32), "mac": b64(32), "records": [row], **changes}
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()


CASES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "a short passphrase": (
        lambda: create(Passphrase("1234567"), random=bytes), SecretError,
        "a new vault needs a passphrase of at least 8 characters; several words are better",
    ),
    "weak": (
        lambda: check_kdf(Kdf(iterations=2), unsafe_weak_kdf=False), SecretError,
        ("the vault cannot be used: its key derivation has iterations out of bounds (3 to 10). It was damaged or altered; "
         "bring it back from a backup, or make a new one"),
    ),
    "too strong": (
        lambda: check_kdf(Kdf(memory_kib=1_048_577), unsafe_weak_kdf=True), SecretError,
        ("the vault cannot be used: its key derivation has memory_kib out of bounds (8 to 1048576). It was damaged or "
         "altered; bring it back from a backup, or make a new one"),
    ),
    "too little a lane": (
        lambda: check_kdf(Kdf(lanes=2, memory_kib=15), unsafe_weak_kdf=True), SecretError,
        ("the vault cannot be used: its key derivation has less than 8 KiB of memory a lane. It was damaged or altered; "
         "bring it back from a backup, or make a new one"),
    ),
    "no vault": (
        lambda: decode(b"{}"), SecretError,
        ("the vault cannot be used: it is not strict JSON of at most 1000000 bytes with the fields of a vault. It was "
         "damaged or altered; bring it back from a backup, or make a new one"),
    ),
    "a newer vault": (
        lambda: decode(vault(schema=2)), SecretError,
        ("the vault cannot be used: its schema is not 1; a newer saferoute may have written it. It was damaged or altered; "
         "bring it back from a backup, or make a new one"),
    ),
    "another derivation": (
        lambda: decode(vault(kdf={"name": "scrypt", "iterations": 3, "lanes": 4, "memory_kib": 65_536, "salt": b64(16)})), SecretError,
        ("the vault cannot be used: its key derivation is not argon2id, or its records are not a list. It was damaged or "
         "altered; bring it back from a backup, or make a new one"),
    ),
    "a derivation with a field too few": (
        lambda: decode(vault(kdf={})), SecretError,
        ("the vault cannot be used: its key derivation does not have the fields it should. It was damaged or altered; bring "
         "it back from a backup, or make a new one"),
    ),
    "records that are no list": (
        lambda: decode(vault(records={})), SecretError,
        ("the vault cannot be used: its key derivation is not argon2id, or its records are not a list. It was damaged or "
         "altered; bring it back from a backup, or make a new one"),
    ),
    "too many records": (
        lambda: decode(vault(records=[0] * 1_001)), SecretError,
        ("the vault cannot be used: it has more than 1000 records. It was damaged or altered; bring it back from a backup, "
         "or make a new one"),
    ),
    "records out of order": (
        lambda: decode(vault(records=json.loads(vault())["records"] * 2)), SecretError,
        ("the vault cannot be used: its records are not in order, or one is there twice. It was damaged or altered; bring "
         "it back from a backup, or make a new one"),
    ),
    "a record with a field too few": (
        lambda: decode(vault(records=[{}])), SecretError,
        ("the vault cannot be used: a record does not have the fields it should. It was damaged or altered; bring it back "
         "from a backup, or make a new one"),
    ),
    "a record's revision": (
        lambda: decode(vault({"revision": 0})), SecretError,
        ("the vault cannot be used: a record's revision is not a count. It was damaged or altered; bring it back from a "
         "backup, or make a new one"),
    ),
    "a record's end": (
        lambda: decode(vault({"until": 0})), SecretError,
        ("the vault cannot be used: the end of a record's overlap is not a time. It was damaged or altered; bring it back "
         "from a backup, or make a new one"),
    ),
    "a record's origins": (
        lambda: decode(vault({"origins": API})), SecretError,
        ("the vault cannot be used: a record's origins are not a list of texts. It was damaged or altered; bring it back "
         "from a backup, or make a new one"),
    ),
    "a record's secret": (
        lambda: decode(vault({"data": b64(16)})), SecretError,
        ("the vault cannot be used: a record's secret has an impossible length. It was damaged or altered; bring it back "
         "from a backup, or make a new one"),
    ),
    "a record's name": (
        lambda: decode(vault({"name": "A"})), SecretError,
        ("the vault cannot be used: a record's name or origins are not what they may be. It was damaged or altered; bring "
         "it back from a backup, or make a new one"),
    ),
    "origins out of order": (
        lambda: decode(vault({"origins": [OTHER, API]})), SecretError,
        ("the vault cannot be used: a record's origins are not in order. It was damaged or altered; bring it back from a "
         "backup, or make a new one"),
    ),
    "a field of another length": (
        lambda: decode(vault({"nonce": b64(11)})), SecretError,
        ("the vault cannot be used: a field is not base64 of the right length. It was damaged or altered; bring it back "
         "from a backup, or make a new one"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_words(case: str) -> None:
    act, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert str(caught.value) == words


def test_a_vault_of_the_right_form() -> None:
    read = decode(vault())
    assert (read.kdf, read.salt, read.check, read.mac) == (Kdf(), bytes(16), bytes(32), bytes(32))
    assert read.records == (SealedRecord("a", (API,), 1, bytes(16), bytes(12), bytes(32), bytes(17)),)
    assert decode(vault({"until": 2**40, "revision": 2**31, "data": b64(32_785)})).records[0].until == 2**40
    for wrong in ({"until": 2**40 + 1}, {"revision": 2**31 + 1}, {"data": b64(32_786)}, {"until": True}, {"revision": True}):
        with pytest.raises(SecretError, match=r"^the vault cannot be used: "):
            decode(vault(wrong))
    for kdf in (Kdf(10, 16, 1_048_576), Kdf(3, 1, 65_536)):
        check_kdf(kdf, unsafe_weak_kdf=False)
    for weak in (Kdf(3, 1, 65_535), Kdf(2, 1, 65_536), Kdf(11, 1, 65_536), Kdf(3, 17, 65_536), Kdf(3, 0, 65_536)):
        with pytest.raises(SecretError, match="out of bounds"):
            check_kdf(weak, unsafe_weak_kdf=False)
    check_kdf(Kdf(1, 2, 16), unsafe_weak_kdf=True)

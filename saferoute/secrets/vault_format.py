"""The vault file as data: what may stand in it, and its one spelling. `vault` says what the fields mean, and believes them or not."""

from __future__ import annotations

import base64
import binascii
import contextlib
from dataclasses import dataclass
from typing import Any

from saferoute.errors import ConfigurationError, SecretError
from saferoute.secrets.secret import bound_origins, check_name
from saferoute.signing import strict_json
from saferoute.signing.refusal import Refused

__all__ = [
    "MAX_RECORDS",
    "MAX_VAULT_BYTES",
    "NONCE_BYTES",
    "SALT_BYTES",
    "TAG",
    "Kdf",
    "SealedRecord",
    "SealedVault",
    "body_of",
    "check_kdf",
    "damaged",
    "decode",
    "encode",
    "header_of",
]

MAX_VAULT_BYTES = 1_000_000
MAX_RECORDS = 1_000
SALT_BYTES, NONCE_BYTES = 16, 12
TAG = b"saferoute vault v1 "

_SCHEMA = 1
_MAX_REVISION = 2**31
_MAX_TIME = 2**40
_HALF, _GCM_TAG = 32, 16
_MAX_DATA = 2 * 16_384 + 1 + _GCM_TAG  # two keys, while the overlap of a rotation lasts
_TOP = {"check", "kdf", "mac", "records", "schema"}
_KDF = {"iterations", "lanes", "memory_kib", "name", "salt"}
_RECORD = {"commitment", "data", "name", "nonce", "origins", "revision", "salt"}
_OVERLAPPING = _RECORD | {"until"}
# name of the parameter: (weakest that is read, with unsafe_weak_kdf, strongest)
_BOUNDS = {"iterations": (3, 1, 10), "lanes": (1, 1, 16), "memory_kib": (65_536, 8, 1_048_576)}


@dataclass(frozen=True, slots=True)
class Kdf:
    """Cost of the Argon2id derivation. The defaults took about 0.26 s on a slow two-core machine.

    Attributes:
        iterations: passes over the memory.
        lanes: degree of parallelism.
        memory_kib: memory, in KiB.
    """

    iterations: int = 3
    lanes: int = 4
    memory_kib: int = 65_536


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """One record as it stands in the file; name, origins, revision and `until` are to be believed only after `verify`.

    `until` is when the overlap of a rotation ends, in seconds since the epoch; then `data` holds the previous key too. None: one key.
    """

    name: str
    origins: tuple[str, ...]
    revision: int
    salt: bytes
    nonce: bytes
    commitment: bytes
    data: bytes
    until: int | None = None

    def bound(self) -> bytes:
        """What the ciphertext is bound to."""
        fields: dict[str, Any] = {"name": self.name, "origins": list(self.origins), "revision": self.revision}
        return strict_json.canonical(fields if self.until is None else fields | {"until": self.until})


@dataclass(frozen=True, slots=True)
class SealedVault:
    """A vault file, read and not yet believed."""

    kdf: Kdf
    salt: bytes
    check: bytes
    records: tuple[SealedRecord, ...]
    mac: bytes

    def header(self) -> bytes:
        """The part that every key depends on."""
        return header_of(self.kdf, self.salt)

    def find(self, name: str) -> SealedRecord | None:
        """The record of this name."""
        return next((record for record in self.records if record.name == name), None)


def decode(data: bytes, *, unsafe_weak_kdf: bool = False) -> SealedVault:
    """Read a vault file's bytes. Nothing is derived or decrypted.

    Args:
        data: the file.
        unsafe_weak_kdf: for tests: also read files whose derivation is cheap to guess.

    Raises:
        SecretError: not a vault, not in its one canonical spelling, a field missing, unknown or out of bounds.
    """
    top: object = None
    with contextlib.suppress(Refused):
        top = strict_json.parse(data, max_bytes=MAX_VAULT_BYTES)
    fields = _fields(top, _TOP, f"it is not strict JSON of at most {MAX_VAULT_BYTES} bytes with the fields of a vault")
    if fields["schema"] != _SCHEMA or isinstance(fields["schema"], bool):
        raise damaged("its schema is not 1; a newer saferoute may have written it")
    kdf = _fields(fields["kdf"], _KDF, "its key derivation does not have the fields it should")
    if kdf["name"] != "argon2id" or not isinstance(fields["records"], list):
        raise damaged("its key derivation is not argon2id, or its records are not a list")
    if len(fields["records"]) > MAX_RECORDS:
        raise damaged(f"it has more than {MAX_RECORDS} records")
    records = tuple(_read_record(one) for one in fields["records"])
    names = [record.name for record in records]
    if names != sorted(set(names)):
        raise damaged("its records are not in order, or one is there twice")
    costs = Kdf(kdf["iterations"], kdf["lanes"], kdf["memory_kib"])
    check_kdf(costs, unsafe_weak_kdf=unsafe_weak_kdf)
    return SealedVault(costs, _bytes(kdf["salt"], SALT_BYTES), _bytes(fields["check"], _HALF), records, _bytes(fields["mac"], _HALF))


def encode(vault: SealedVault) -> bytes:
    """Write a vault file's bytes.

    Raises:
        SecretError: they would be more than are ever read.
    """
    data = strict_json.canonical(body_of(vault.kdf, vault.salt, vault.check, vault.records) | {"mac": _text(vault.mac)})
    if len(data) > MAX_VAULT_BYTES:
        msg = f"the vault is full: it would be larger than {MAX_VAULT_BYTES} bytes"
        raise SecretError(msg)
    return data


def _read_record(value: object) -> SealedRecord:
    overlaps = isinstance(value, dict) and "until" in value
    fields = _fields(value, _OVERLAPPING if overlaps else _RECORD, "a record does not have the fields it should")
    revision, origins, data = fields["revision"], fields["origins"], _bytes(fields["data"], None)
    if not _is_count(revision, _MAX_REVISION):
        raise damaged("a record's revision is not a count")
    if overlaps and not _is_count(fields["until"], _MAX_TIME):
        raise damaged("the end of a record's overlap is not a time")
    if not isinstance(origins, list) or not all(isinstance(origin, str) for origin in origins):
        raise damaged("a record's origins are not a list of texts")
    if not _GCM_TAG < len(data) <= _MAX_DATA:
        raise damaged("a record's secret has an impossible length")
    try:
        name, bound = check_name(fields["name"]), bound_origins(origins)
    except ConfigurationError:
        raise damaged("a record's name or origins are not what they may be") from None
    if list(bound) != origins:
        raise damaged("a record's origins are not in order")
    sized = (_bytes(fields["salt"], SALT_BYTES), _bytes(fields["nonce"], NONCE_BYTES), _bytes(fields["commitment"], _HALF))
    return SealedRecord(name, bound, revision, *sized, data, fields.get("until"))


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def body_of(kdf: Kdf, salt: bytes, check: bytes, records: tuple[SealedRecord, ...]) -> dict[str, Any]:
    """All of the file but its MAC, which is over this."""
    rows = [
        {
            "commitment": _text(record.commitment),
            "data": _text(record.data),
            "name": record.name,
            "nonce": _text(record.nonce),
            "origins": list(record.origins),
            "revision": record.revision,
            "salt": _text(record.salt),
        }
        | ({} if record.until is None else {"until": record.until})
        for record in records
    ]
    return {"check": _text(check), "kdf": _costs(kdf, salt), "records": rows, "schema": _SCHEMA}


def _costs(kdf: Kdf, salt: bytes) -> dict[str, Any]:
    costs = {"iterations": kdf.iterations, "lanes": kdf.lanes, "memory_kib": kdf.memory_kib}
    return costs | {"name": "argon2id", "salt": _text(salt)}


def header_of(kdf: Kdf, salt: bytes) -> bytes:
    """The head of the file, which every key depends on."""
    return TAG + strict_json.canonical({"kdf": _costs(kdf, salt), "schema": _SCHEMA})


def _fields(value: object, names: set[str], why: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise damaged(why)
    return value


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(value: object, size: int | None) -> bytes:
    """Read base64 in its one spelling (decoders accept stray bits), of exactly this many bytes."""
    if isinstance(value, str):
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if _text(raw) == value and len(raw) == (len(raw) if size is None else size):
            return raw
    raise damaged("a field is not base64 of the right length")


def damaged(why: str) -> SecretError:
    """Make the error for a file that is not as it was written."""
    return SecretError(f"the vault cannot be used: {why}. It was damaged or altered; bring it back from a backup, or make a new one")


def check_kdf(kdf: Kdf, *, unsafe_weak_kdf: bool) -> None:
    """Refuse a derivation that costs too little to guess, or too much to try.

    Raises:
        SecretError: it does.
    """
    for name, (weakest, weakest_unsafe, strongest) in _BOUNDS.items():
        value = getattr(kdf, name)
        least = weakest_unsafe if unsafe_weak_kdf else weakest
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= strongest:
            raise damaged(f"its key derivation has {name} out of bounds ({least} to {strongest})")
    if kdf.memory_kib < 8 * kdf.lanes:  # RFC 9106 section 3.1
        raise damaged("its key derivation has less than 8 KiB of memory a lane")

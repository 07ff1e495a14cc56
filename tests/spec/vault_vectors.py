"""Vectors of the vault file: `vault.json`. The root key is given, so that a reader without Argon2id can check all that follows from it."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from saferoute.signing.envelope import encode_base64
from saferoute.signing.strict_json import canonical
from tests.spec.world import put, sha256

TAG = b"saferoute vault v1 "
PASSPHRASE = "correct horse battery staple"
COSTS = {"iterations": 3, "lanes": 4, "memory_kib": 65_536}
SALT = bytes(range(16))
OPENAI, LOCAL = "https://api.openai.com", "http://127.0.0.1:8080"


def _kdf(**changes: Any) -> dict[str, Any]:
    return put({**COSTS, "name": "argon2id", "salt": encode_base64(SALT)}, **changes)


def _header(kdf: dict[str, Any]) -> bytes:
    return TAG + canonical({"kdf": kdf, "schema": 1})


def root_key(kdf: dict[str, Any]) -> bytes:
    """The one slow step: about 0.3 s."""
    costs = {"iterations": kdf["iterations"], "lanes": kdf["lanes"], "memory_cost": kdf["memory_kib"]}
    return Argon2id(salt=SALT, length=32, ad=_header(kdf), **costs).derive(PASSPHRASE.encode())


def _halves(root: bytes, salt: bytes, info: bytes) -> tuple[bytes, bytes]:
    both = HKDF(SHA256(), 64, salt, info).derive(root)
    return both[:32], both[32:]


def _bound(row: dict[str, Any]) -> bytes:
    return canonical({name: row[name] for name in ("name", "origins", "revision", "until") if name in row})


def record(root: bytes, plain: bytes, *, serial: int, nonce: bytes | None = None, **said: Any) -> dict[str, Any]:
    """A record that is right; change it afterwards to make a wrong one."""
    row = {"origins": [OPENAI], "revision": 1, **said}
    salt, nonce = bytes([serial]) * 16, nonce or bytes([serial]) * 12
    key, commitment = _halves(root, salt, TAG + b"record " + _bound(row))
    data = AESGCM(key).encrypt(nonce, plain, TAG + _bound(row))
    parts = {"commitment": commitment, "data": data, "nonce": nonce, "salt": salt}
    return {**row, **{name: encode_base64(part) for name, part in parts.items()}}


def sealed(root: bytes, *records: dict[str, Any], kdf: dict[str, Any] | None = None, **changes: Any) -> str:
    """A file whose check value and MAC are right for what is in it."""
    costs = kdf or _kdf()
    check, mac_key = _halves(root, hashlib.sha256(_header(costs)).digest(), TAG + b"check and mac")
    body = put({"check": encode_base64(check), "kdf": costs, "records": list(records), "schema": 1}, **changes)
    mac = hmac.digest(mac_key, TAG + b"file " + canonical(body), "sha256")
    return canonical({**body, "mac": encode_base64(mac)}).decode()


def _altered(text: str, **changes: Any) -> str:
    return canonical(put(json.loads(text), **changes)).decode()


def vault() -> dict[str, Any]:
    root = root_key(_kdf())
    one = record(root, b"sk-first", serial=1, name="openai")
    local = record(root, b"local-key", serial=2, name="local/llama", origins=[LOCAL, OPENAI], revision=7)
    rotated = record(root, b"sk-new\nsk-old", serial=3, name="rotated", revision=2, until=1_800_000_000)
    good = sealed(root, local, one, rotated)
    opened: list[dict[str, Any]] = [
        {"name": "local/llama", "secret": "local-key", "previous": None, "origins": [LOCAL, OPENAI], "revision": 7, "until": None},
        {"name": "openai", "secret": "sk-first", "previous": None, "origins": [OPENAI], "revision": 1, "until": None},
        {"name": "rotated", "secret": "sk-new", "previous": "sk-old", "origins": [OPENAI], "revision": 2, "until": 1_800_000_000},
    ]
    moved = {**one, "origins": ["https://evil.example"]}
    named = {**one, "name": "other"}
    swapped = {**one, **{field: local[field] for field in ("commitment", "data", "nonce", "salt")}}
    flipped = encode_base64(bytes([b ^ 1 if n == 0 else b for n, b in enumerate(b"\0" * 32)]))
    other_data = record(root, b"sk-other", serial=1, name="openai")["data"]

    def case(name: str, data: str, step: str = "", why: str = "", records: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        return {"name": name, "data": data, "valid": not step, "step": step, "why": why, "records": records or []}

    def kdf(title: str, **changes: Any) -> dict[str, Any]:
        return case(title, sealed(root, one, kdf=_kdf(**changes)), "form", "the derivation's cost is bounded")

    def wrong(name: str, row: dict[str, Any], why: str) -> dict[str, Any]:
        return case(name, sealed(root, row), "form", why)

    cases = [
        case("an empty vault", sealed(root)),
        case("three records, one of them being rotated", good, records=opened),
        case("white space", good.replace(":", ": ", 1), "form", "strict JSON"),
        case("a line break at the end", good + "\n", "form", "strict JSON"),
        case("schema 2", sealed(root, one, schema=2), "form", "an unknown schema"),
        case("an unknown field", sealed(root, one, more=1), "form", "closed fields"),
        case("a field is missing", _altered(good, check=None), "form", "closed fields"),
        case("records out of order", sealed(root, one, local), "form", "sorted by name, each once"),
        case("a record twice", sealed(root, one, one), "form", "sorted by name, each once"),
        kdf("another derivation", name="scrypt"),
        kdf("too few iterations", iterations=2),
        kdf("too many iterations", iterations=11),
        kdf("too little memory", memory_kib=65_535),
        kdf("too much memory", memory_kib=1_048_577),
        kdf("too many lanes", lanes=17),
        kdf("no lane", lanes=0),
        kdf("true for a number", lanes=True),
        kdf("a short salt", salt=encode_base64(bytes(15))),
        wrong("an unknown field in a record", {**one, "more": 1}, "closed fields"),
        wrong("a nonce of 13 bytes", {**one, "nonce": encode_base64(bytes(13))}, "12 bytes"),
        wrong("a commitment of 31 bytes", {**one, "commitment": encode_base64(bytes(31))}, "32 bytes"),
        wrong("no ciphertext behind the tag", {**one, "data": encode_base64(bytes(16))}, "a key has a byte or more"),
        wrong("base64 without padding", {**one, "nonce": one["nonce"] + "="}, "canonical base64"),
        wrong("revision 0", {**one, "revision": 0}, "1 to 2^31"),
        wrong("true for a revision", {**one, "revision": True}, "1 to 2^31"),
        wrong("no origin", {**one, "origins": []}, "1 to 16 origins"),
        wrong("origins out of order", {**local, "origins": [OPENAI, LOCAL]}, "sorted"),
        wrong("an origin with a path", {**one, "origins": [OPENAI + "/v1"]}, "a canonical origin"),
        wrong("a name that is none", {**one, "name": "os.environ/X"}, "a name"),
        case("another root key, or an edited head", sealed(bytes(32), one), "check", "the check value"),
        case("an edited cost", _altered(sealed(root, one), kdf=_kdf(iterations=4)), "check", "the head enters every key"),
        case("an edited MAC", _altered(good, mac=flipped), "mac", "the MAC"),
        case("a record left out", _altered(good, records=json.loads(good)["records"][:2]), "mac", "the MAC covers the list"),
        case("an edited origin", _altered(sealed(root, one), records=[moved]), "mac", "the MAC covers origins"),
        case("an edited origin under a right MAC", sealed(root, moved), "commitment", "origins enter the record's key"),
        case("another name under a right MAC", sealed(root, named), "commitment", "the name enters the record's key"),
        case("another revision under a right MAC", sealed(root, {**one, "revision": 2}), "commitment", "so does the revision"),
        case("an end put in under a right MAC", sealed(root, {**one, "until": 1}), "commitment", "and the end of the overlap"),
        case("the ciphertext of another record", sealed(root, swapped), "commitment", "the record's own salt and words"),
        case("an edited commitment under a right MAC", sealed(root, {**one, "commitment": flipped}), "commitment", "compared before decrypting"),
        case("another ciphertext under a right MAC", sealed(root, {**one, "data": encode_base64(bytes(24))}), "decrypt", "the tag of AES-GCM"),
        case("the ciphertext of another key of this name", sealed(root, {**one, "data": other_data, "nonce": encode_base64(b"n" * 12)}), "decrypt", "the nonce"),
        case("a control character in the key", sealed(root, record(root, b"a\r\nb", serial=4, name="openai")), "decrypt", "printable ASCII"),
        case("two keys without an end", sealed(root, record(root, b"a\nb", serial=5, name="openai")), "decrypt", "one key"),
        case("an end without two keys", sealed(root, record(root, b"a", serial=6, name="openai", until=5)), "decrypt", "two keys"),
    ]  # fmt: skip
    shown = {"header": _header(_kdf()).decode(), "header_sha256": sha256(_header(_kdf())), "bound": _bound(one).decode()}
    check, mac_key = _halves(root, hashlib.sha256(_header(_kdf())).digest(), TAG + b"check and mac")
    key, commitment = _halves(root, bytes([1]) * 16, TAG + b"record " + _bound(one))
    derived = {"check": check, "mac_key": mac_key, "record_key": key, "commitment": commitment}
    return {
        "about": "docs/spec/vault.md. `step` is the check that refuses; `derived` are the keys of the record `openai` of the second case.",
        "passphrase": PASSPHRASE,
        "root_key": root.hex(),
        "derived": {**shown, **{name: value.hex() for name, value in derived.items()}},
        "cases": cases,
    }

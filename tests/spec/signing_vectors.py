"""Vectors of what everything signed stands on: strict JSON, public keys, DSSE envelopes."""

from __future__ import annotations

import base64
from typing import Any

from saferoute.signing.envelope import PayloadType, encode_base64, pae
from saferoute.signing.strict_json import canonical
from tests.spec.world import document, envelope, key, key_id

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
A, B, STRANGER = key("envelope a"), key("envelope b"), key("stranger")
TYPE = str(PayloadType.RELEASE)

# (name, the bytes, why it is refused or "" if it is taken)
JSON: list[tuple[str, bytes, str]] = [
    ("empty object", b"{}", ""),
    ("sorted keys", b'{"a":1,"b":[true,false,null,"x"]}', ""),
    ("largest integer", b'{"n":9007199254740991}', ""),
    ("smallest integer", b'{"n":-9007199254740991}', ""),
    ("keys in order of code points, not of UTF-16 units", '{"\uff01":1,"\U0001f600":2}'.encode(), ""),
    ("text beyond ASCII as it is", '{"t":"h\u00e9 \u2028 \U0001f600"}'.encode(), ""),
    ("the escapes that are needed", b'{"t":"\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\x7f/"}', ""),
    ("nested 12 deep", b'{"a":' * 12 + b"1" + b"}" * 12, ""),
    ("nested 13 deep", b'{"a":' * 13 + b"1" + b"}" * 13, "at most 12 levels"),
    ("a list at the top", b"[]", "an object stands at the top"),
    ("a byte order mark", b"\xef\xbb\xbf{}", "no byte order mark"),
    ("UTF-16", "{}".encode("utf-16-le"), "UTF-8 only"),
    ("no UTF-8", b'{"a":"\xff"}', "UTF-8 only"),
    ("an overlong sequence", b'{"a":"\xc0\xaf"}', "UTF-8 only"),
    ("a surrogate in UTF-8", b'{"a":"\xed\xa0\x80"}', "UTF-8 only"),
    ("white space", b'{"a": 1}', "no white space"),
    ("a line break at the end", b"{}\n", "no white space (a file's reader takes one line break off first)"),
    ("unsorted keys", b'{"b":1,"a":2}', "keys are sorted"),
    ("keys in order of UTF-16 units", '{"\U0001f600":2,"\uff01":1}'.encode(), "keys are sorted by code point"),
    ("a key twice", b'{"a":1,"a":1}', "no key stands twice"),
    ("a fraction", b'{"a":1.5}', "integers only"),
    ("a whole number with a point", b'{"a":1.0}', "integers only"),
    ("an exponent", b'{"a":1e3}', "integers only"),
    ("minus zero", b'{"a":-0}', "one spelling of each number"),
    ("a leading zero", b'{"a":01}', "one spelling of each number"),
    ("NaN", b'{"a":NaN}', "integers only"),
    ("Infinity", b'{"a":Infinity}', "integers only"),
    ("2^53", b'{"a":9007199254740992}', "at most 2^53-1"),
    ("5,000 digits", b'{"a":' + b"9" * 5000 + b"}", "at most 2^53-1"),
    ("a needless escape", b'{"a":"\\u0041"}', "no needless escape"),
    ("an escaped slash", b'{"a":"\\/"}', "no needless escape"),
    ("an escape in upper case", b'{"a":"\\u001F"}', "escapes are in lower case"),
    ("an escape beyond ASCII", b'{"a":"\\u00e9"}', "no needless escape"),
    ("half of a surrogate pair", b'{"a":"\\ud800"}', "no lone surrogates"),
    ("a bare control character", b'{"a":"\x01"}', "control characters are escaped"),
    ("something behind the object", b"{}{}", "one object"),
    ("a comma too many", b'{"a":1,}', "it is not JSON"),
    ("a comment", b"{/**/}", "it is not JSON"),
    ("nothing", b"", "an object stands at the top"),
]


def _le(y: int, sign: int = 0) -> str:
    return (y | sign << 255).to_bytes(32, "little").hex()


def strict_json() -> dict[str, Any]:
    cases = [{"name": name, "data": encode_base64(data), "valid": not why, "why": why} for name, data, why in JSON]
    return {"about": "docs/spec/release.md, 'Strict JSON'. `data` is base64 of the bytes.", "cases": cases}


def keys() -> dict[str, Any]:
    good = [("of a seed", key("a key"))]
    cases: list[dict[str, Any]] = [
        {"name": name, "public": one.public_key.raw.hex(), "valid": True, "key_id": one.public_key.key_id} for name, one in good
    ]
    small = [(0, "order 4"), (1, "the identity"), (P - 1, "order 2"), (ORDER_8_Y, "order 8"), (P - ORDER_8_Y, "order 8, the other")]
    for y, name in small:
        for sign in (0, 1):
            cases.append({"name": f"{name}, sign {sign}", "public": _le(y, sign), "valid": False, "why": "small order"})
    for y, name in ((P, "p for 0"), (P + 1, "p+1 for 1"), (2**255 - 1, "the largest y")):
        cases.append({"name": name, "public": _le(y), "valid": False, "why": "not canonical"})
    for size in (0, 31, 33, 64):
        cases.append({"name": f"{size} bytes", "public": "09" * size, "valid": False, "why": "length"})
    return {"about": "docs/spec/release.md, 'Keys'. A key id is the SHA-256 of the 32 bytes, in lower-case hex.", "cases": cases}


def _key_id(row: Any) -> str:
    return str(row["keyid"])


def _bad_base64(good: dict[str, Any], change: Any) -> str:
    return canonical({**good, "payload": change(good["payload"])}).decode()


def _verification(name: str, text: str, why: str = "", *, keys: tuple[Any, ...] = (A,), threshold: int = 1) -> dict[str, Any]:
    asked = {"type": TYPE, "keys": [one.public_key.raw.hex() for one in keys], "threshold": threshold}
    return {"name": name, "envelope": text, **asked, "valid": not why, "why": why}


def envelopes() -> dict[str, Any]:
    payload = canonical({"hello": "world"})
    good: Any = envelope(TYPE, payload, A)
    text = canonical(good).decode()
    both = document(TYPE, payload, A, B)
    raw = base64.b64decode(good["signatures"][0]["sig"])
    malleable = raw[:32] + (int.from_bytes(raw[32:], "little") + L).to_bytes(32, "little")
    one = good["signatures"][0]

    def signed(*rows: Any) -> str:
        return canonical({**good, "signatures": list(rows)}).decode()

    cases = [
        _verification("one signature", text),
        _verification("a line break at the end of the file", text + "\n"),
        _verification("two of two", both, keys=(A, B), threshold=2),
        _verification("a signature of a key that is not asked for is passed over", both),
        _verification("one of two", text, "too few keys", keys=(A, B), threshold=2),
        _verification("one key asked for twice", text, "too few distinct keys", keys=(A, A), threshold=2),
        _verification("another's signature", document(TYPE, payload, STRANGER), "too few keys"),
        _verification("another type", document(str(PayloadType.ROOT), payload, A), "the type is another"),
        _verification("altered payload", _bad_base64(good, lambda _: encode_base64(b'{"hello":"there"}')), "a signature is wrong"),
        _verification("a wrong signature of a key that is asked for, beside enough good ones", canonical(
            {**good, "signatures": sorted([one, {"keyid": key_id(B), "sig": one["sig"]}], key=_key_id)}
        ).decode(), "a signature is wrong", keys=(A, B)),
        _verification("S + L", signed({**one, "sig": encode_base64(malleable)}), "a signature is wrong"),
        _verification("a key id twice", signed(one, one), "a key id stands twice"),
        _verification("no signature", signed(), "1 to 16 signatures"),
        _verification("17 signatures", signed(*({"keyid": f"{n:064x}", "sig": one["sig"]} for n in range(17))), "1 to 16 signatures"),
        _verification("a key id in upper case", signed({**one, "keyid": one["keyid"].upper()}), "64 lower-case hexadecimal digits"),
        _verification("a short signature", signed({**one, "sig": encode_base64(raw[:63])}), "64 bytes"),
        _verification("an extra field", canonical({**good, "more": 1}).decode(), "closed fields"),
        _verification("an extra field in a signature", signed({**one, "x": "y"}), "closed fields"),
        _verification("not canonical", text.replace(":", ": ", 1), "strict JSON"),
        _verification("two line breaks", text + "\n\n", "strict JSON"),
        _verification("base64url", _bad_base64(envelope(TYPE, canonical({"a": "\u083e~"}), A), lambda one: one.replace("+", "-")), "standard base64"),
        _verification("stray bits in base64", _bad_base64(good, lambda one: _stray(one)), "canonical base64"),
        _verification("base64 without padding", _bad_base64(good, lambda one: one.rstrip("=")), "canonical base64"),
        _verification("base64 with a line break", _bad_base64(good, lambda one: one[:4] + "\n" + one[4:]), "canonical base64"),
    ]  # fmt: skip
    types = [str(kind) for kind in PayloadType]
    encodings = [
        {"type": kind, "payload": encode_base64(data), "pae": pae(kind, data).hex()}
        for kind, data in ((types[0], b""), (types[1], payload))
    ]
    return {"about": "docs/spec/release.md, 'Envelope'.", "types": types, "pae": encodings, "cases": cases}


def _stray(text: str) -> str:
    """The same bytes with a bit set that decoders pass over."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    return body[:-1] + letters[letters.index(body[-1]) | 1] + "=" * (len(text) - len(body))

"""Vectors of capability tokens: chains, call tokens and the moment of use (`token.json`), and the asked hash (`asked.json`)."""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from saferoute.capabilities.asked import asked_hash
from saferoute.signing.strict_json import canonical
from saferoute.values.messages import Message, Text
from saferoute.values.request import ChatRequest
from tests.spec.signing_vectors import L
from tests.spec.world import DAY, HOUR, NOW, key, key_id, put, sha256

if TYPE_CHECKING:
    from saferoute.signing.keys import PrivateKey

ISSUER, HOLDER, AGENT, TOOL, STRANGER = key("issuer"), key("holder"), key("agent"), key("tool"), key("stranger")
ASKED = sha256(b"what is asked")
NONCE = "0123456789abcdef" * 2
AUDIENCE = "support-bot"
IDENTITY = (1).to_bytes(32, "little")
CEILING = {
    "operations": ["chat", "embed"], "data": "confidential", "max_output": 4000, "max_cost": {"amount": 5_000_000_000, "currency": "USD"},
    "budget": {"amount": 90_000_000_000, "currency": "USD", "per": "day", "scope": "cluster", "replicas": 3},
    "limits": {"requests_per_minute": 600, "concurrent": 20, "scope": "process"},
}  # fmt: skip
ISSUERS: dict[str, dict[str, Any]] = {
    "ci": {"keys": [ISSUER], "max_life": 30 * DAY, "max_depth": 4, "ceiling": CEILING},
    "free": {"keys": [ISSUER, STRANGER], "max_life": 2 * DAY, "max_depth": 8, "ceiling": {}},
    "paced": {"keys": [ISSUER], "max_life": 2 * DAY, "max_depth": 8, "ceiling": {"limits": {"tokens_per_minute": 9}}},
    "narrow": {"keys": [ISSUER], "max_life": 2 * DAY, "max_depth": 8, "ceiling": {"limits": {"concurrent": 9, "scope": "process"}}},
}


def issuers() -> dict[str, Any]:
    return {
        name: {"keys": [one.public_key.raw.hex() for one in row["keys"]], "keyids": [key_id(one) for one in row["keys"]]}
        | {field: row[field] for field in ("max_life", "max_depth", "ceiling")}
        for name, row in ISSUERS.items()
    }


def first(**changes: Any) -> dict[str, Any]:
    """What the issuer's block says."""
    plain: dict[str, Any] = {
        "v": 1, "iss": "ci", "jti": "ab" * 16, "iat": NOW - HOUR, "exp": NOW + DAY, "aud": [AUDIENCE], "ops": ["chat"],
        "models": ["model-1", "model-2"], "providers": ["example"],
    }  # fmt: skip
    return put(plain, **changes)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _length(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big")


def block(before: bytes | None, payload: dict[str, Any] | bytes, next_key: bytes, signer: PrivateKey) -> tuple[str, bytes]:
    """A block's text, and its signature; nothing is checked, so that wrong ones can be made."""
    raw = payload if isinstance(payload, bytes) else canonical(payload)
    previous = bytes(32) if before is None else hashlib.sha256(before).digest()
    signature = signer.sign(b"saferoute srcap1 block\n" + previous + _length(raw) + raw + next_key)
    return _b64(_length(raw) + raw + next_key + signature), signature


def chain(*links: tuple[dict[str, Any] | bytes, PrivateKey | bytes, PrivateKey]) -> str:
    """A chain of (payload, next key, signer)."""
    parts: list[str] = []
    before: bytes | None = None
    for payload, following, signer in links:
        part, before = block(before, payload, following if isinstance(following, bytes) else following.public_key.raw, signer)
        parts.append(part)
    return "srcap1." + ".".join(parts)


def proved(text: str, signer: PrivateKey, **changes: Any) -> str:
    payload = canonical(put({"aud": AUDIENCE, "nonce": NONCE, "req": ASKED, "ts": NOW}, **changes))
    signature = signer.sign(b"saferoute srcap1 proof\n" + bytes.fromhex(sha256(text)) + _length(payload) + payload)
    return text + "~" + _b64(_length(payload) + payload + signature)


PLAIN = chain((first(), HOLDER, ISSUER))
NARROW = {
    "models": ["model-2", "model-3"],
    "max_out": 900,
    "tools": [],
    "exp": NOW + HOUR,
    "budget": {"amount": 7, "currency": "USD"},
    "calls": 3,
}
THREE = chain((first(), HOLDER, ISSUER), (NARROW, AGENT, HOLDER), ({"stream": False, "guards": ["pii"], "data": "public"}, TOOL, AGENT))


def _one(name: str, code: str = "", **changes: Any) -> dict[str, Any]:
    return _chain_case(name, chain((first(**changes), HOLDER, ISSUER)), code)


def _two(name: str, code: str = "", **second: Any) -> dict[str, Any]:
    return _chain_case(name, chain((first(), HOLDER, ISSUER), (second, AGENT, HOLDER)), code)


def _chain_case(name: str, text: str, code: str = "") -> dict[str, Any]:
    return {"name": name, "token": text, "valid": not code, "code": code}


def _raw(name: str, payload: bytes, code: str) -> dict[str, Any]:
    return _chain_case(name, chain((payload, HOLDER, ISSUER)), code)


def _forms() -> list[dict[str, Any]]:
    one = PLAIN.removeprefix("srcap1.")
    data = base64.urlsafe_b64decode(one + "=" * (-len(one) % 4))
    scalar = int.from_bytes(data[-32:], "little") + L
    blocks = THREE.removeprefix("srcap1.").split(".")
    other = chain((first(jti="cd" * 16), HOLDER, ISSUER), ({}, AGENT, HOLDER)).removeprefix("srcap1.").split(".")
    good = canonical(first())
    longer = good.replace(b'"iss":"ci"', b'"iss": "ci"')
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    stray = one[:-1] + letters[letters.index(one[-1]) ^ 1]
    return [
        _chain_case("one block", PLAIN),
        _chain_case("three blocks", THREE),
        _chain_case("of an issuer without bounds", chain((first(iss="free"), HOLDER, STRANGER))),
        _chain_case("a JWT", "eyJhbGciOiJub25lIn0.e30.", "form"),
        _chain_case("a version that does not exist", "srcap2." + one, "version"),
        _chain_case("a holder's form", "srcap1h." + one + "." + _b64(bytes(32)), "holder_form"),
        _chain_case("8,193 characters", "srcap1." + "A" * 8186, "too_large"),
        _chain_case("nine blocks", "srcap1." + ".".join(["AAAA"] * 9), "blocks"),
        _chain_case("an empty block", PLAIN + ".", "encoding"),
        _chain_case("padding", PLAIN + "=", "encoding"),
        _chain_case("a line break", PLAIN + "\n", "encoding"),
        _chain_case("junk inside", PLAIN[:20] + "!" + PLAIN[20:], "encoding"),
        *([_chain_case("stray bits", "srcap1." + stray, "encoding")] if len(one) % 4 else []),
        _chain_case("a byte too few", "srcap1." + _b64(data[:-1]), "encoding"),
        _chain_case("a byte too many", "srcap1." + _b64(data + b"\0"), "encoding"),
        _chain_case("an altered payload", "srcap1." + _b64(data.replace(b"model-2", b"model-9")), "signature"),
        _chain_case("S + L", "srcap1." + _b64(data[:-32] + scalar.to_bytes(32, "little")), "signature"),
        _chain_case("a stranger's signature", chain((first(), HOLDER, STRANGER)), "signature"),
        _chain_case("the issuer signs the second block", chain((first(), HOLDER, ISSUER), ({}, AGENT, ISSUER)), "signature"),
        _chain_case("the middle block is left out", "srcap1." + ".".join((blocks[0], blocks[2])), "signature"),
        _chain_case("the last block is left out: the chain before it", "srcap1." + ".".join(blocks[:2])),
        _chain_case("blocks change places", "srcap1." + ".".join((blocks[0], blocks[2], blocks[1])), "signature"),
        _chain_case("a block of another chain", "srcap1." + ".".join((blocks[0], other[1])), "signature"),
        _chain_case("the identity as the next key", chain((first(), IDENTITY, ISSUER)), "key"),
        _chain_case("a next key that is not canonical", chain((first(), b"\xff" * 32, ISSUER)), "key"),
        _raw("white space in a payload", longer, "payload"),
        _raw("a key twice", good.replace(b'"iss":"ci"', b'"iss":"ci","iss":"ci"'), "payload"),
        _raw("a float", good.replace(b'"v":1', b'"v":1.0'), "payload"),
        _raw("a byte order mark", b"\xef\xbb\xbf" + good, "payload"),
        _raw("a needless escape", good.replace(b'"ci"', b'"\\u0063i"'), "payload"),
        _raw("nested too deeply", good[:-1] + b',"zz":{"a":{"b":1}}}', "payload"),
    ]


def _claims() -> list[dict[str, Any]]:
    return [
        _one("every claim", nbf=NOW - 60, routes=["main"], tools=["search"], guards=["pii"], regions=["eu"], purpose=["support"], data="internal",
             max_in=1000, max_out=500, max_cost={"amount": 1, "currency": "USD"}, budget={"amount": 1_000, "currency": "USD", "per": "day"},
             calls=10, rpm=600, tpm=1_000_000_000, concurrent=1, stream=True, table_min=5, req=[ASKED], depth=3, scope="host"),
        *(_one(f"without {name}", "claim", **{name: None}) for name in ("v", "iss", "jti", "iat", "exp", "aud", "ops", "models", "providers")),
        _one("an unknown claim", "claim", admin=True),
        _one("v is 2", "claim", v=2),
        _one("true for a number", "claim", max_out=True),
        _one("a text for a number", "claim", max_out="5"),
        _one("below zero", "claim", calls=-1),
        _one("the lowest limits", rpm=1, tpm=1, concurrent=1),
        *(
            _one(f"{name}: {said}", "claim", **{name: value})
            for name in ("rpm", "tpm", "concurrent")
            for said, value in (("zero", 0), ("below zero", -1), ("true", True), ("a text", "5"), ("over 10^9", 10**9 + 1), ("a list", [5]))
        ),
        _raw("a limit with a fraction", canonical(first(rpm=5)).replace(b'"rpm":5', b'"rpm":5.0'), "payload"),
        _one("a wildcard", "claim", models=["*"]),
        _one("a name in upper case", "claim", aud=["Support-bot"]),
        _one("a look-alike letter", "claim", aud=["supp\u043ert-bot"]),
        _one("a line break in a name", "claim", aud=["support-bot\n"]),
        _one("a name twice", "claim", ops=["chat", "chat"]),
        _one("an empty list", "claim", ops=[]),
        _one("65 names", "claim", providers=[f"p{n}" for n in range(65)]),
        _one("64 names", providers=[f"p{n}" for n in range(64)]),
        _one("an empty list of tools allows none", tools=[]),
        _one("a word that is none", "claim", data="secret"),
        _one("an unknown field in a cost", "claim", max_cost={"amount": 1, "currency": "USD", "per": "day"}),
        _one("a window that is none", "claim", budget={"amount": 1, "currency": "USD", "per": "year"}),
        _one("a jti in upper case", "claim", jti="AB" * 16),
        _one("an issuer that the root does not name", "issuer", iss="nobody"),
        _two("a second block that says nothing"),
        _two("widening has no effect", models=["model-1", "model-2", "model-9"], exp=NOW + 9 * DAY, max_out=1_000_000, data="restricted"),
        _two("sets that have nothing in common", models=["model-9"]),
        *(_two(f"{name} in a later block", "claim", **{name: value}) for name, value in (("v", 1), ("iss", "ci"), ("jti", "ab" * 16), ("iat", NOW))),
        _two("an unknown claim in a later block", "claim", nope=1),
        _two("depth 1 in the second block", "depth", depth=1),
        _two("two currencies", "currency", max_cost={"amount": 1, "currency": "EUR"}),
        _two("process in a later block is passed over", scope="process", calls=1),
        _two("a higher limit in a later block has no effect", rpm=1_000_000_000, tpm=1_000_000_000, concurrent=1_000_000_000),
        _chain_case("every block's limits hold", chain(
            (first(rpm=100, tpm=5000), HOLDER, ISSUER), ({"rpm": 10, "concurrent": 2}, AGENT, HOLDER), ({"rpm": 50}, TOOL, AGENT))),
        _one("limits of an issuer without bounds", iss="free", rpm=1_000_000_000),
        _one("limits at process scope", iss="free", concurrent=1, scope="process"),
        _one("a limit as high as the ceiling's", rpm=600, concurrent=20),
        _one("rpm above the ceiling's", "ceiling", rpm=601),
        _one("concurrent above the ceiling's", "ceiling", concurrent=21),
        _one("tpm above the ceiling's", "ceiling", iss="paced", tpm=10),
        _one("what the ceiling does not limit", iss="paced", rpm=1_000_000_000),
        _one("the issuer's process, under a ceiling that the host counts", iss="paced", scope="process"),
        _one("a limit under a ceiling at process scope needs the host", iss="narrow", rpm=5),
        _one("nothing of its own under a ceiling at process scope", iss="narrow"),
        _one("the issuer's process under a ceiling at process scope", iss="narrow", rpm=5, scope="process"),
        _one("process from the issuer, below the ceiling's scope", scope="process"),
        _one("it lives for its issuer's longest", exp=NOW - HOUR + 30 * DAY),
        _one("it lives for a second more", "life", exp=NOW - HOUR + 30 * DAY + 1),
        _one("it lives for no time", "life", exp=NOW - HOUR),
        _one("a budget above the ceiling's", "ceiling", budget={"amount": 90_000_000_001, "currency": "USD", "per": "day"}),
        _one("a shorter window is compared", "ceiling", budget={"amount": 90_000_000_001, "currency": "USD", "per": "hour"}),
        _one("a longer window cannot be compared", budget={"amount": 90_000_000_001, "currency": "USD", "per": "week"}),
        _chain_case("more blocks than the issuer allows", chain(
            (first(), HOLDER, ISSUER), ({}, AGENT, HOLDER), ({}, TOOL, AGENT), ({}, AGENT, TOOL), ({}, TOOL, AGENT)), "depth"),
        _chain_case("depth in the first block", chain((first(depth=1), HOLDER, ISSUER), ({}, AGENT, HOLDER)), "depth"),
    ]  # fmt: skip


def _moments() -> list[dict[str, Any]]:
    later = chain((first(nbf=NOW), HOLDER, ISSUER))

    def at(name: str, now: int, code: str = "", *, token: str = PLAIN, revoked: tuple[str, ...] = ()) -> dict[str, Any]:
        return {"name": name, "token": token, "now": now, "revoked": list(revoked), "valid": not code, "code": code}

    return [
        at("now", NOW),
        at("the last second", NOW + DAY - 1),
        at("exp itself", NOW + DAY, "exp"),
        at("30 s before nbf", NOW - 30, token=later),
        at("31 s before nbf", NOW - 31, "nbf", token=later),
        at("30 s before iat", NOW - HOUR - 30),
        at("31 s before iat", NOW - HOUR - 31, "iat"),
        at("its jti is revoked", NOW, "revoked", revoked=("ab" * 16,)),
        at("its digest is revoked", NOW, "revoked", revoked=(sha256(PLAIN),)),
        at("a chain before it is revoked", NOW, "revoked", token=THREE, revoked=(sha256(".".join(THREE.split(".")[:3])),)),
        at("another is revoked", NOW, revoked=("cd" * 16,)),
    ]


def _calls() -> list[dict[str, Any]]:
    process = chain((first(iss="free", calls=1, scope="process"), HOLDER, ISSUER))

    def call(name: str, token: str, code: str = "", **changes: Any) -> dict[str, Any]:
        asked = {"audience": AUDIENCE, "asked": ASKED, "now": NOW, "instance": None, **changes}
        return {"name": name, "token": token, **asked, "valid": not code, "code": code}

    good = proved(PLAIN, HOLDER)
    head, proof = good.split("~")
    return [
        call("a call token", good),
        call("of three blocks", proved(THREE, TOOL)),
        call("a chain without a proof", PLAIN, "proof_missing"),
        call("an empty proof", PLAIN + "~", "encoding"),
        call("junk in the proof", head + "~" + proof[:9] + " " + proof[9:], "encoding"),
        call("another's proof", proved(PLAIN, STRANGER), "proof"),
        call("the issuer's proof", proved(PLAIN, ISSUER), "proof"),
        call("the proof of another chain", PLAIN + "~" + proved(THREE, HOLDER).split("~")[1], "proof"),
        call("an unknown field", proved(PLAIN, HOLDER, more=1), "proof"),
        call("without a nonce", proved(PLAIN, HOLDER, nonce=None), "proof"),
        call("a short nonce", proved(PLAIN, HOLDER, nonce="ab"), "proof"),
        call("for another audience", proved(PLAIN, HOLDER, aud="other"), "aud"),
        call("at another audience", good, "aud", audience="other"),
        call("an audience that the token does not have", proved(PLAIN, HOLDER, aud="other"), "aud", audience="other"),
        call("for another request", good, "asked", asked=sha256(b"something else")),
        call("60 s old", good, now=NOW + 60),
        call("61 s old", good, "stale", now=NOW + 61),
        call("30 s ahead", good, now=NOW - 30),
        call("31 s ahead", good, "stale", now=NOW - 31),
        call("process scope, with this process's id", proved(process, HOLDER, inst="p-1"), instance="p-1"),
        call("process scope, without an id", proved(process, HOLDER), "instance", instance="p-1"),
        call("process scope, with another's id", proved(process, HOLDER, inst="p-2"), "instance", instance="p-1"),
        call("another process's id where none is needed", proved(PLAIN, HOLDER, inst="p-2"), "instance", instance="p-1"),
    ]


def token() -> dict[str, Any]:
    return {
        "about": "docs/spec/token.md. `chains`: genuine or not, whatever the time; `moments`: a genuine chain at a moment; `calls`: a call token.",
        "root": "acme",
        "issuers": issuers(),
        "chains": [*_forms(), *_claims()],
        "moments": _moments(),
        "calls": _calls(),
    }


# A value of the asked hash with its kind, so that another language can write it: {"s": text}, {"i": digits}, {"d": hex of 8 bytes} ...
def tagged(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"s": value}
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"i": str(int(value))} if value.is_integer() else {"d": struct.pack(">d", value).hex()}
    if isinstance(value, bytes):
        return {"b": value.hex()}
    if isinstance(value, tuple | list):
        return {"l": [tagged(item) for item in value]}
    if is_dataclass(value) and not isinstance(value, type):
        blank = type(value)(**{name: getattr(value, name) for name in _required(value)})
        said = [one.name for one in fields(value) if one.name in _required(value) or getattr(value, one.name) != getattr(blank, one.name)]
        return {"o": type(value).__name__, "f": [[name, tagged(getattr(value, name))] for name in said]}
    return {"m": [[name, tagged(item)] for name, item in sorted(value.items())]}


def _required(value: Any) -> list[str]:
    return [one.name for one in fields(value) if one.default is MISSING and one.default_factory is MISSING]


def asked() -> dict[str, Any]:
    hello = ChatRequest((Message("user", (Text("Hello, w\u00f6rld"),)),))
    long = ChatRequest(
        (Message("system", (Text("Be brief"),)), Message("user", (Text(""),))),
        max_output_tokens=100, temperature=0.25, top_p=1.0, stop=("END",), provider_options={"openai": {"seed": 7, "deep": [None, True, -0.5]}},
        data="internal", stream=True,
    )  # fmt: skip
    calls: list[tuple[str, str, str, ChatRequest, dict[str, Any]]] = [
        ("hello", "chat", "fast", hello, {}),
        ("another route", "chat", "smart", hello, {}),
        ("with a purpose", "chat", "fast", hello, {"purpose": "support"}),
        ("with a data label and a bound on the cost", "chat", "fast", hello, {"data": "public", "max_cost": Decimal("0.50")}),
        ("everything", "chat", "fast", long, {}),
    ]
    cases = []
    for name, operation, route, request, more in calls:
        cost = "5e-1" if "max_cost" in more else None
        parts = [operation, route, more.get("purpose"), more.get("data"), cost, request]
        cases.append({"name": name, "values": [tagged(part) for part in parts], "asked": asked_hash(operation, route, request, **more)})
    return {
        "about": "docs/spec/token.md, 'The asked hash'. `values` are operation, route, purpose, data, max_cost, request.",
        "cases": cases,
    }

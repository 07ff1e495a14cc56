"""What a block says: payload <-> values. Strict and closed.

A payload is a canonical JSON object (`saferoute.signing.strict_json`) of claims. The first block must have v, iss, jti, iat, exp, aud,
ops, models and providers, and only it may have the first four. Every other claim is optional in every block, and only narrows: a claim
that is not there says nothing. A claim of another name, a value of another type or form, an empty or repeated name and a wildcard refuse
the whole token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from saferoute.capabilities.deny import Deny, refused
from saferoute.capabilities.token import MAX_BLOCKS, MAX_TOKEN_BYTES
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import MAX_INTEGER, parse, write_parsed
from saferoute.values.permission import Cost, Period, Scope
from saferoute.values.request import DataLabel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.signing.strict_json import StrictJson

__all__ = ["MAX_ITEMS", "OPERATIONS", "Allowance", "Claims", "read_claim", "read_claims", "write_claims"]

MAX_ITEMS: Final = 64
"""The most names that one list holds."""

VERSION: Final = 1

OPERATIONS: Final = ("chat", "embed", "count_tokens", "models", "rerank", "transcribe", "speak", "image", "moderate")
"""What can be allowed: the words of the table's grant."""

_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_MOST_TOKENS: Final = 1_000_000_000
_HIGHEST_LIMIT: Final = 1_000_000_000
_MAX_DEPTH: Final = 2
_LONGEST_NAME: Final = 128
_LONGEST_ISSUER: Final = 64
_LONGEST_MODEL: Final = 200

_NAME: Final = re.compile(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*")
_ISSUER: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_TOOL: Final = re.compile(r"[A-Za-z0-9_.-]+")
_HEX_16: Final = re.compile(r"[0-9a-f]{32}")
_HEX_32: Final = re.compile(r"[0-9a-f]{64}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
# As in a routing table: what may stand in a URL's path, no "." or ".." segment, and no "*".
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[!$&'()+,\-.0-9:=@A-Z\[\]_a-z~]+"
_MODEL: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a block lets be spent: nano-units of a currency, in all or in each window."""

    amount: int
    currency: str
    per: Period | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What one block says; None says nothing. The meanings are those of `saferoute.values.permission.Permission`.

    Attributes:
        issuer: `iss`, in the first block.
        token_id: `jti`, in the first block: 32 hexadecimal digits.
        issued_at: `iat`, in the first block.
        expires_at: `exp`.
        not_before: `nbf`.
        audience: `aud`.
        operations: `ops`.
        models: `models`.
        providers: `providers`.
        routes: `routes`: ids of rows.
        tools: `tools`; an empty set allows none.
        guards: `guards`.
        regions: `regions`.
        purposes: `purpose`.
        data: `data`.
        max_input: `max_in`, in tokens.
        max_output: `max_out`, in tokens.
        max_cost: `max_cost`.
        budget: `budget`.
        calls: `calls`: how many requests may be sent to providers.
        requests_per_minute: `rpm`.
        tokens_per_minute: `tpm`: input and output together.
        concurrent: `concurrent`: requests under way at once.
        stream: `stream`.
        table_min: `table_min`.
        requests: `req`: asked hashes, in hex.
        depth: `depth`: how many blocks the chain may have.
        scope: `scope`.
    """

    issuer: str | None = None
    token_id: str | None = None
    issued_at: int | None = None
    expires_at: int | None = None
    not_before: int | None = None
    audience: frozenset[str] | None = None
    operations: frozenset[str] | None = None
    models: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    routes: frozenset[str] | None = None
    tools: frozenset[str] | None = None
    guards: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    purposes: frozenset[str] | None = None
    data: DataLabel | None = None
    max_input: int | None = None
    max_output: int | None = None
    max_cost: Cost | None = None
    budget: Allowance | None = None
    calls: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None
    stream: bool | None = None
    table_min: int | None = None
    requests: frozenset[str] | None = None
    depth: int | None = None
    scope: Scope | None = None


def read_claims(payload: bytes, number: int) -> Claims:
    """Read a block's payload.

    Args:
        payload: the exact bytes.
        number: which block of the chain it is; 1 is the issuer's.

    Raises:
        CapabilityInvalid: if it is not exactly what such a block may say.
    """
    try:
        said = parse(payload, max_bytes=MAX_TOKEN_BYTES, max_depth=_MAX_DEPTH)
    except Refused as refusal:
        raise refused(Deny.PAYLOAD, f"the payload of block {number}: {refusal}") from None
    return _claims(said, number)


def read_claim(claim: str, value: StrictJson) -> tuple[str, object]:
    """Read one claim's value.

    Returns:
        The name of the field of Claims, and its value.

    Raises:
        ValueError: if it is not of its form; the text says what it must be.
    """
    field, read = _CLAIMS[claim]
    return field, read(value)


def write_claims(claims: Claims, number: int) -> bytes:
    """Write the payload of a block, which is the chain's first, second ...

    Raises:
        CapabilityInvalid: if no verifier would take it.
    """
    said: dict[str, StrictJson] = {"v": VERSION} if number == 1 else {}
    for claim, (field, _) in _CLAIMS.items():
        value: Any = None if field == "version" else getattr(claims, field)
        if isinstance(value, frozenset):
            value = sorted(value)
        elif isinstance(value, Cost):
            value = {"amount": value.amount, "currency": value.currency}
        elif isinstance(value, Allowance):
            value = {"amount": value.amount, "currency": value.currency} | ({"per": value.per} if value.per else {})
        if value is not None:
            said[claim] = value
    _claims(said, number)
    return write_parsed(said)  # every value has just been read: there is nothing in it that has two spellings


def _claims(said: Mapping[str, StrictJson], number: int) -> Claims:
    first = number == 1
    if first and (missing := sorted(_REQUIRED - said.keys())):
        raise refused(Deny.CLAIM, f"block 1 has no {', '.join(missing)}")
    fields: dict[str, Any] = {}
    for claim, value in said.items():
        if claim not in _CLAIMS:
            raise refused(Deny.CLAIM, f"block {number} has the claim {claim[:40]!a}, which srcap1 does not have")
        if claim in _ISSUERS and not first:
            raise refused(Deny.CLAIM, f"block {number} has the claim {claim}, which only the issuer's block may have")
        field, read = _CLAIMS[claim]
        try:
            fields[field] = read(value)
        except _NotThatError as wrong:
            raise refused(Deny.CLAIM, f"{claim} of block {number} must be {wrong}") from None
    fields.pop("version", None)
    return Claims(**fields)


class _NotThatError(ValueError):
    """A claim's value is not what it must be; the text says what that is."""


def _names(pattern: re.Pattern[str], longest: int, what: str, *, least: int = 1) -> Callable[[StrictJson], frozenset[str]]:
    def read(value: StrictJson) -> frozenset[str]:
        if not isinstance(value, list) or not least <= len(value) <= MAX_ITEMS:
            raise _NotThatError(f"a list of {least} to {MAX_ITEMS} {what}")
        for name in value:
            if not isinstance(name, str) or len(name) > longest or not pattern.fullmatch(name):
                raise _NotThatError(f"a list of {what} of at most {longest} characters, without wildcards")
        found = frozenset(value)
        if len(found) != len(value):
            raise _NotThatError(f"a list of {what}, each once")
        return found  # type: ignore[return-value]  # every one is a text

    return read


def _name(pattern: re.Pattern[str], longest: int, what: str) -> Callable[[StrictJson], str]:
    def read(value: StrictJson) -> str:
        if not isinstance(value, str) or len(value) > longest or not pattern.fullmatch(value):
            raise _NotThatError(what)
        return value

    return read


def _whole(low: int, high: int) -> Callable[[StrictJson], int]:
    def read(value: StrictJson) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _NotThatError(f"a whole number from {low} to {high}")
        return value

    return read


def _word(words: tuple[str, ...]) -> Callable[[StrictJson], str]:
    def read(value: StrictJson) -> str:
        if not isinstance(value, str) or value not in words:
            raise _NotThatError(f"one of {', '.join(words)}")
        return value

    return read


def _flag(value: StrictJson) -> bool:
    if not isinstance(value, bool):
        raise _NotThatError("true or false")
    return value


def _amount(value: Any, fields: frozenset[str]) -> tuple[int, str]:  # noqa: ANN401  any JSON
    if not isinstance(value, dict) or not _AMOUNT <= value.keys() <= fields:
        raise _NotThatError(f"an object of {', '.join(sorted(fields))}")
    return _whole(0, MAX_INTEGER)(value["amount"]), _name(_CURRENCY, 3, "in a currency such as USD")(value["currency"])


def _cost(value: Any) -> Cost:  # noqa: ANN401  any JSON
    return Cost(*_amount(value, _AMOUNT))


def _allowance(value: Any) -> Allowance:  # noqa: ANN401  any JSON
    amount, currency = _amount(value, _ALLOWANCE)
    return Allowance(amount, currency, _PER(value["per"]) if "per" in value else None)  # type: ignore[arg-type]  # one of the words


_AMOUNT: Final = frozenset({"amount", "currency"})
_ALLOWANCE: Final = frozenset({"amount", "currency", "per"})
_PER: Final = _word(get_args(Period))
_TIME: Final = _whole(0, _LAST_SECOND)
_TOKENS: Final = _whole(1, _MOST_TOKENS)
_LIMIT: Final = _whole(1, _HIGHEST_LIMIT)
_PLAIN: Final = 'names of lower-case letters and digits, joined by single ".", "-", "_" or "/"'
_PLAIN_NAMES: Final = _names(_NAME, _LONGEST_NAME, _PLAIN)

# A claim's name -> the field that holds it, and its reader.
_CLAIMS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "v": ("version", _whole(VERSION, VERSION)),
    "iss": ("issuer", _name(_ISSUER, _LONGEST_ISSUER, "an issuer's name, of lower-case letters, digits, and single dots or dashes")),
    "jti": ("token_id", _name(_HEX_16, 32, "32 lower-case hexadecimal digits")),
    "iat": ("issued_at", _TIME),
    "exp": ("expires_at", _TIME),
    "nbf": ("not_before", _TIME),
    "aud": ("audience", _PLAIN_NAMES),
    "ops": ("operations", _names(re.compile(r"[a-z]+(?:_[a-z]+)*"), 32, "operations")),
    "models": ("models", _names(_MODEL, _LONGEST_MODEL, "models' names")),
    "providers": ("providers", _PLAIN_NAMES),
    "routes": ("routes", _PLAIN_NAMES),
    "tools": ("tools", _names(_TOOL, _LONGEST_NAME, "tools' names", least=0)),
    "guards": ("guards", _PLAIN_NAMES),
    "regions": ("regions", _PLAIN_NAMES),
    "purpose": ("purposes", _PLAIN_NAMES),
    "data": ("data", _word(get_args(DataLabel))),
    "max_in": ("max_input", _TOKENS),
    "max_out": ("max_output", _TOKENS),
    "max_cost": ("max_cost", _cost),
    "budget": ("budget", _allowance),
    "calls": ("calls", _whole(0, MAX_INTEGER)),
    "rpm": ("requests_per_minute", _LIMIT),
    "tpm": ("tokens_per_minute", _LIMIT),
    "concurrent": ("concurrent", _LIMIT),
    "stream": ("stream", _flag),
    "table_min": ("table_min", _whole(1, MAX_INTEGER)),
    "req": ("requests", _names(_HEX_32, 64, "requests' hashes of 64 hexadecimal digits")),
    "depth": ("depth", _whole(1, MAX_BLOCKS)),
    "scope": ("scope", _word(get_args(Scope))),
}
_ISSUERS: Final = frozenset({"v", "iss", "jti", "iat"})
_REQUIRED: Final = _ISSUERS | {"exp", "aud", "ops", "models", "providers"}

"""Short-lived credentials: the contract between what makes them (pure, one module for each cloud) and the driver that asks the endpoints.

A recipe is a generator. It yields requests and is sent whole answers; it ends with what was made. Nothing in an answer decides where
the next request goes: a recipe's requests all go to the origin of its row, or to another that the row declares.

Below the contract stand the readers that the recipes share. None of them raises from a frame that leads to content: what they say is
made of the row's own words, and of a closed list of error codes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from typing_extensions import override

from saferoute.errors import AuthenticationRejected, SaferouteError, SecretError
from saferoute.secrets.secret import make_secret

if TYPE_CHECKING:
    from saferoute.secrets.secret import Hidden, Secret
    from saferoute.values.credential import CredentialSpec

__all__ = [
    "LONGEST_LIFE",
    "MintAnswer",
    "MintRequest",
    "MintRule",
    "Minted",
    "Recipe",
    "again",
    "bare",
    "bearer",
    "endpoint",
    "expect_success",
    "fields_of",
    "material_of",
    "read_json",
    "reveal",
    "text_field",
]

LONGEST_LIFE: Final = 31 * 86_400
"""Seconds. An answer that promises a longer life than this is nonsense: these credentials live for hours."""


@dataclass(frozen=True, slots=True)
class MintRequest:
    """One request of an exchange, to the row's origin.

    Attributes:
        method: "GET", "POST" or "PUT".
        path: absolute path with query. It shows nowhere: in a container of AWS it is what a stored secret holds.
        headers: lower-case names; none of them secret.
        body: hidden, since it may hold an assertion or a client's secret.
        secret_headers: headers that are secret, such as a metadata session's token; the driver sends at most one.
        origin: "" for the row's origin, else one of the row's `more_origins`; the driver sends nothing anywhere else.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: Hidden
    secret_headers: tuple[tuple[str, Hidden], ...] = ()
    origin: str = ""

    @override
    def __repr__(self) -> str:
        return f"MintRequest({self.method} {self.origin or 'the row'})"


@dataclass(frozen=True, slots=True)
class MintAnswer:
    """A whole answer. Header names are lower-case. The body is a credential, or near one: it is never shown."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @override
    def __repr__(self) -> str:
        return f"MintAnswer({self.status}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class Minted:
    """What was made.

    Attributes:
        secret: the credential as the route's auth scheme presents it; for "sigv4" the text "KEY_ID:SECRET:TOKEN".
        expires_at: seconds since the epoch.
    """

    secret: Secret
    expires_at: float


Recipe: TypeAlias = Generator[MintRequest, MintAnswer, Minted]
"""One exchange on its way; raises SecretError or AuthenticationRejected, never with content."""

MintRule: TypeAlias = "Callable[[CredentialSpec, Secret | None, float], Recipe]"
"""What every kind is: `(spec, material, now) -> Recipe`."""

# RFC 6749 section 5.2, RFC 8693 and what the clouds add: words that say what to do and hold nothing of the request.
_CODES: Final = frozenset(
    {
        "access_denied",
        "expired_token",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_resource",
        "invalid_scope",
        "invalid_target",
        "invalid_token",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
_REFUSED = (400, 401, 403)
_MAX_DIGITS = 15
_DIGITS = re.compile(r"[0-9]{1,15}")


def reveal(hidden: Hidden) -> bytes:
    """The bytes of something hidden: for recipes that build requests of it, and the driver that sends them."""
    return hidden._bytes  # noqa: SLF001  the one reader on the way to an exchange


def material_of(spec: CredentialSpec, material: Secret | None) -> str:
    """The text of what a credential is made from.

    Raises:
        SecretError: the row names none.
    """
    if material is None:
        raise SecretError(f"the credential {spec.name!r} ({spec.kind}) is made from a stored secret, and its row names none")
    return reveal(material).decode("ascii")


def endpoint(spec: CredentialSpec) -> str:
    """What errors call the place that makes a credential."""
    return f"{spec.origin}, which makes the credential {spec.name!r} ({spec.kind}),"


def expect_success(spec: CredentialSpec, answer: MintAnswer) -> None:
    """Pass if the answer is a success.

    Raises:
        AuthenticationRejected: 400, 401 or 403: what was presented is not accepted.
        SecretError: any other status.
    """
    if 200 <= answer.status < 300:  # noqa: PLR2004  HTTP's successes
        return
    status, code = answer.status, _code_of(answer)
    if status in _REFUSED:
        raise AuthenticationRejected(status=status, provider_name=endpoint(spec).rstrip(","), code=code)
    raise SecretError(f"{endpoint(spec)} answered {status}: check that credential's row in the routing table")


def _code_of(answer: MintAnswer) -> str | None:
    """The answer's error code, if it is one of the known words."""
    found = read_json(answer.body)
    code = found.get("error") if isinstance(found, dict) else None
    return code if isinstance(code, str) and code in _CODES else None


def fields_of(spec: CredentialSpec, answer: MintAnswer) -> Mapping[str, object]:
    """The fields of an answer that is a JSON object. An object with a repeated key, NaN or an endless number is none.

    Raises:
        SecretError: it is not.
    """
    found = read_json(answer.body)
    del answer
    if isinstance(found, dict):
        return found
    del found  # what is raised leads to this frame
    raise SecretError(f"{endpoint(spec)} answered with something that is not a JSON object in its one reading; nothing of it was used")


def text_field(spec: CredentialSpec, fields: Mapping[str, object], name: str) -> str:
    """A field that must be a text with something in it.

    Raises:
        SecretError: it is not there, or is something else.
    """
    value = fields.get(name)
    if isinstance(value, str) and value:
        return value
    del fields, value
    raise SecretError(f"{endpoint(spec)} answered without a usable {name!r}; nothing of it was used")


def bearer(spec: CredentialSpec, answer: MintAnswer, now: float) -> Minted:
    """What an OAuth token endpoint answers (RFC 6749 section 5.1): access_token, expires_in, token_type.

    Args:
        spec: the row.
        answer: the answer.
        now: seconds since the epoch, when the exchange began.

    Raises:
        AuthenticationRejected: as `expect_success`.
        SecretError: no token, one that no header can carry, of another type, or with a life that makes no sense.
    """
    expect_success(spec, answer)
    made = _bearer(fields_of(spec, answer), now)
    del answer
    if isinstance(made, str):
        raise SecretError(f"{endpoint(spec)} answered with {made}; nothing of it was used")
    return made


def _bearer(fields: Mapping[str, object], now: float) -> Minted | str:
    """Make it, or say what is wrong: nothing is raised from a frame that sees the token."""
    token, kind = fields.get("access_token"), fields.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return "a token_type that is not Bearer"
    if not isinstance(token, str):
        return "no access_token"
    secret = make_secret(token)
    if isinstance(secret, str):
        return "an access_token that no header can carry"
    life = _life(fields.get("expires_in"))
    if life is None:
        return f"no expires_in from 1 to {LONGEST_LIFE} seconds"
    return Minted(secret, now + life)


def _life(value: object) -> float | None:
    """Seconds of life; metadata services write the number as a text."""
    if isinstance(value, str):
        value = int(value) if _DIGITS.fullmatch(value) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value) if 1 <= value <= LONGEST_LIFE else None


def read_json(body: bytes) -> object:
    """Parse JSON that has one reading only; None for everything else."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_no_repeats, parse_constant=_no_constant, parse_int=_bounded)
    except (ValueError, RecursionError):
        return None


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def _bounded(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError
    return int(text)


def bare(error: BaseException) -> BaseException:
    """Cut an error off from every frame that it leads to: they hold what must not be shown. Raise what this returns from elsewhere."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def again(error: BaseException) -> BaseException:
    """The same error made fresh, for another caller that waited for the same exchange."""
    if not isinstance(error, SaferouteError):
        return error
    make, arguments, *_ = error.__reduce__()
    return make(*arguments)  # type: ignore[no-any-return]  # SaferouteError's own

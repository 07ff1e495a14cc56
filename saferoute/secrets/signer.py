"""What signs requests to AWS: made of a stored key for one origin, it gives out signatures and never the key.

A stored key is text, "ACCESS_KEY_ID:SECRET_ACCESS_KEY", or "ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN" for temporary keys. No part
of an AWS key has a colon, so there is one way to read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from saferoute.errors import ConfigurationError, OriginMismatch, RequestError, SecretError
from saferoute.secrets.secret import Secret, Uncopied, check_bound, make_secret
from saferoute.values.http import HttpRequest
from saferoute.values.origin import parse_origin
from saferoute.wire.sigv4 import OWN_NAMES, AwsKeys, Scope, derived_key, scope_of_host, sign

if TYPE_CHECKING:
    from saferoute.secrets.secret import SecretRecord

__all__ = ["Signer", "StoreRequest", "check_signable", "joined_key", "make_signer", "scope_of_origin"]

_FORM = "ACCESS_KEY_ID:SECRET_ACCESS_KEY, or ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN for temporary keys"


def scope_of_origin(origin: str) -> Scope:
    """The service and region that requests to an origin are signed for: the host name says both.

    Raises:
        ConfigurationError: not an origin, or not one of the AWS services known here.
    """
    scope = scope_of_host(parse_origin(origin).host)
    if scope is None:
        msg = (
            f'{origin} is not an AWS address that requests are signed for (auth = "sigv4"): its host must name the service and the '
            "region, as bedrock-runtime.us-east-1.amazonaws.com does. Nothing was sent"
        )
        raise ConfigurationError(msg)
    return scope


class StoreRequest(HttpRequest):
    """A request to a store of secrets: what signs it says what for, so that its address need not be one that routes are signed for."""

    __slots__ = ()


def check_signable(request: HttpRequest) -> None:
    """Refuse a request that could not be signed, before anybody is connected to.

    Raises:
        ConfigurationError: its origin is no AWS address.
        RequestError: it brings a header that the signature makes.
    """
    if not isinstance(request, StoreRequest):
        scope_of_origin(request.origin)
    for name, _ in request.headers:
        if name in OWN_NAMES:
            msg = f"the header {name!r} belongs to the signature and cannot be set; nothing was sent"
            raise RequestError(msg)


class Signer(Uncopied):
    """Signs requests to one origin with one AWS key.

    It also remembers the key that was derived for the present day, which spares four hashes a request. Safe in threads: that key and
    its day are exchanged together.
    """

    __slots__ = ("_day", "_keys", "_origin", "_scope")

    def __init__(self, keys: AwsKeys, origin: str, scope: Scope | None = None) -> None:
        """Take a key for an origin.

        Args:
            keys: the key.
            origin: the only one that is signed for.
            scope: what for; None for what a route's origin says.

        Raises:
            ConfigurationError: the origin is no AWS address.
        """
        self._origin = origin  # first: the repr shows it, even of a signer that was not made
        self._scope = scope or scope_of_origin(origin)
        self._keys = keys
        self._day: tuple[str, bytes] = ("", b"")

    @override
    def __repr__(self) -> str:
        return f"Signer({self._origin})"

    def pairs(self, request: HttpRequest, now: float) -> tuple[tuple[bytes, bytes], ...]:
        """The headers that prove where a request comes from.

        Args:
            request: exactly as it goes out: every header that it has is signed, and its body.
            now: seconds since the epoch; AWS allows five minutes of difference.

        Returns:
            x-amz-date, x-amz-security-token for temporary keys, and authorization: lower-case names with their values.

        Raises:
            OriginMismatch: the request goes to another origin.
            RequestError: it cannot be signed, or the time is none.
        """
        if request.origin != self._origin:
            msg = f"what signs for {self._origin} was asked to sign a request to {request.origin}; nothing was sent"
            raise OriginMismatch(msg)
        try:
            added = sign(
                request.method,
                request.path,
                host=parse_origin(request.origin).authority,
                headers=request.headers,
                body=request.body,
                keys=self._keys,
                scope=self._scope,
                now=now,
                derive=self._derived,
            )
            return tuple((name.encode("ascii"), value.encode("ascii")) for name, value in added)
        except (ValueError, OverflowError, OSError):
            pass  # raised from here and not from there: that frame has the session token
        msg = "the request cannot be signed: a part of it has a character that cannot stand there, or the clock is wrong; nothing was sent"
        raise RequestError(msg)

    def _derived(self, keys: AwsKeys, scope: Scope, day: str) -> bytes:
        known, key = self._day
        if known != day:
            key = derived_key(keys, scope, day)
            self._day = (day, key)
        return key


def make_signer(record: SecretRecord, origin: str, scope: Scope | None = None) -> Signer:
    """Make what signs requests to an origin with a stored key.

    Args:
        record: the key.
        origin: the only one that is signed for.
        scope: what for; None for what a route's origin says.

    Raises:
        OriginMismatch: the key is not bound to the origin.
        ConfigurationError: the origin is no AWS address.
        SecretError: what is stored is no AWS key; the message says the form and shows nothing of it.
    """
    check_bound(record, origin)
    wanted = scope or scope_of_origin(origin)
    found = _keys_of(record)
    if isinstance(found, str):
        msg = f"the secret {record.name!r} is not an AWS key: {found}. It is stored as {_FORM}. Nothing was sent"
        raise SecretError(msg)
    return Signer(found, origin, wanted)


def _keys_of(record: SecretRecord) -> AwsKeys | str:
    """Read a stored key, or say what is wrong. Nothing is raised from here: this frame has the key."""
    parts = record.secret._bytes.decode("ascii").split(":")  # noqa: SLF001  the one reader for signing
    if len(parts) not in (2, 3):
        return f"it has {len(parts)} part{'s' if len(parts) > 1 else ''} between colons"
    try:
        return AwsKeys(*parts)
    except ValueError as error:
        return str(error)


def joined_key(access_key: str, secret_key: str, session_token: str | None) -> Secret | str:
    """Make the text that is stored of an AWS key's parts, or say why not, without an exception."""
    try:
        AwsKeys(access_key, secret_key, session_token)
    except ValueError as error:
        return str(error)
    parts = (access_key, secret_key, session_token)
    if any(":" in part for part in parts if part):
        return "a part of it has a colon, which no AWS key has"
    return make_secret(":".join(part for part in parts if part is not None))

"""Every error that saferoute raises, in one tree, split by cause and by whose fault it is.

    SaferouteError
    ├── ConfigurationError            the program or its files: fix before calling
    ├── RequestError                  this call's arguments
    │   ├── UnknownOption             a name that no option has (the message names ours)
    │   ├── UnsupportedParameter      the chosen model cannot do what was asked
    │   └── InvalidMessages           messages, tools or tool results that make no conversation
    ├── RoutingError                  the signed routing table
    │   ├── UntrustedTable            not signed by whom the root says, altered, or malformed
    │   ├── TableExpired              past its not_after, or issued in the future
    │   ├── TableRollback             older than what was accepted before
    │   ├── TableStateInvalid         the rollback state on disk cannot be believed
    │   ├── NoRoute                   no such route or alias in the table
    │   └── AllRoutesCooling          every target is resting until retry_at
    ├── CapabilityError               what this caller may do
    │   ├── CapabilityInvalid, CapabilityExpired, CapabilityForbidden, BudgetExceeded
    ├── SecretError                   keys
    │   ├── SecretNotFound, SecretStoreLocked, OriginMismatch
    ├── GuardError                    a guard said no, or could not say
    │   ├── GuardBlocked, GuardFailed
    ├── LedgerError                   the record of what happened
    ├── ProviderError                 the provider answered, and the answer is an error
    │   ├── AuthenticationRejected, PermissionDenied, QuotaExceeded, RateLimited, Conflict
    │   ├── BadRequest ── ContextWindowExceeded, ContentFiltered
    │   ├── RequestTooLarge, ModelNotFound, Overloaded, ServerError
    ├── TransportError                no whole answer came
    │   ├── ConnectFailed, TimedOut (also a TimeoutError), StreamInterrupted,
    │   └── UnexpectedRedirect, AddressRefused
    └── ProtocolError                 the answer is not what the wire format says
        └── OutputInvalid             the answer does not fit the `output` that was asked for

No message, and nothing that is pickled, holds a key, a prompt or a provider's raw body. What a provider said in its own words is
for people and stands in `diagnostics()` only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AddressRefused",
    "AllRoutesCooling",
    "AuthenticationRejected",
    "BadRequest",
    "BudgetExceeded",
    "CapabilityError",
    "CapabilityExpired",
    "CapabilityForbidden",
    "CapabilityInvalid",
    "ConfigurationError",
    "Conflict",
    "ConnectFailed",
    "ContentFiltered",
    "ContextWindowExceeded",
    "GuardBlocked",
    "GuardError",
    "GuardFailed",
    "InvalidMessages",
    "LedgerError",
    "LocalTrustWarning",
    "ModelNotFound",
    "NoRoute",
    "OriginMismatch",
    "OutputInvalid",
    "Overloaded",
    "PermissionDenied",
    "ProtocolError",
    "ProviderError",
    "QuotaExceeded",
    "RateLimited",
    "RequestError",
    "RequestTooLarge",
    "RoutingError",
    "SaferouteError",
    "SecretError",
    "SecretNotFound",
    "SecretStoreLocked",
    "ServerError",
    "StreamInterrupted",
    "TableExpired",
    "TableRollback",
    "TableStateInvalid",
    "TimedOut",
    "TransportError",
    "UnexpectedRedirect",
    "UnknownOption",
    "UnsupportedParameter",
    "UntrustedTable",
]


class AttemptRecord(Protocol):
    """One try at one target, as `saferoute.values.Attempt` records it."""

    @property
    def target(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def outcome(self) -> str: ...


class PartialReply(Protocol):
    """What had arrived of an answer that did not arrive whole."""

    @property
    def text(self) -> str: ...
    @property
    def tool_calls(self) -> Sequence[Any]: ...


# Anything that could be a key: a known prefix, or a long unbroken run. Providers echo keys in their error texts.
_KEY_SHAPED = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key|AIza|ghp|hf)[-_][^\s\"'<>]{4,}|[A-Za-z0-9_\-+/=*]{24,}")


class SaferouteError(Exception):
    """The root of everything that saferoute raises on purpose.

    Attributes:
        attempts: what was tried before this error, in order; empty when nothing was sent.
    """

    attempts: tuple[AttemptRecord, ...] = ()

    def __init__(self, message: str) -> None:
        super().__init__(message)

    @property
    def message(self) -> str:
        """The one-line message, the same as `str(error)`."""
        return str(self.args[0])

    def diagnostics(self) -> str:
        """Tell a person everything that is safe to tell, over several lines.

        Unlike `str(error)`, this may hold what the provider said in its own words, with anything shaped like a key taken out.
        Show it to the person who made the call; do not log it.
        """
        lines = [f"{type(self).__name__}: {self.message}"]
        lines += [f"  attempt {n}: {a.target} ({a.model}): {a.outcome}" for n, a in enumerate(self.attempts, 1)]
        return "\n".join(lines)

    def _pickled(self) -> dict[str, Any]:
        """What of this error survives a pickle, besides its message; never content."""
        return {}

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self._pickled())


def _rebuild(kind: type[SaferouteError], message: str, fields: dict[str, Any]) -> SaferouteError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    for name, value in fields.items():
        setattr(error, name, value)
    return error


class ConfigurationError(SaferouteError):
    """The program, its files or its environment are set up in a way that cannot work."""


class LocalTrustWarning(UserWarning):
    """A client was made with `Client.local()`: its routing table is signed by nobody but this process."""


# ---------------------------------------------------------------------------------------------------- this call's arguments


class RequestError(SaferouteError):
    """This call's arguments cannot be sent. Nothing left the process."""


class UnknownOption(RequestError):
    """An option, message key or part type that saferoute does not have; the message names the one it has."""


class UnsupportedParameter(RequestError):
    """The model that the route names cannot do what a parameter asks for.

    Attributes:
        parameter: the option's name, as the caller wrote it.
    """

    def __init__(self, message: str, *, parameter: str) -> None:
        super().__init__(message)
        self.parameter = parameter

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"parameter": self.parameter}


class InvalidMessages(RequestError):
    """Messages, parts, tools or tool results that do not make a conversation."""


# ---------------------------------------------------------------------------------------------------- the routing table


class RoutingError(SaferouteError):
    """Something about the signed routing table."""


class UntrustedTable(RoutingError):
    """The table is not signed by whom the trust root names, was altered, or is not well-formed."""


class TableExpired(RoutingError):
    """The table's time is over (or has not begun). Sign a fresh release: `saferoute table sign`."""


class TableRollback(RoutingError):
    """The table is older than, or differs from, what this installation accepted before."""


class TableStateInvalid(RoutingError):
    """The rollback state on disk is corrupt or belongs to somebody else."""


class NoRoute(RoutingError):
    """The table has no such route, alias or model."""


class AllRoutesCooling(RoutingError):
    """Every target of the route rests after failures.

    Attributes:
        retry_at: when the first target may be tried again, in seconds since the epoch.
    """

    def __init__(self, message: str, *, retry_at: float) -> None:
        super().__init__(message)
        self.retry_at = retry_at

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"retry_at": self.retry_at}


# ---------------------------------------------------------------------------------------------------- capabilities


class CapabilityError(SaferouteError):
    """What this caller may do.

    Attributes:
        code: a stable word for the reason, fit for a metric label.
    """

    code: str = "denied"

    def __init__(self, message: str, *, code: str = "denied") -> None:
        super().__init__(message)
        self.code = code

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"code": self.code}


class CapabilityInvalid(CapabilityError):
    """The token is malformed, forged, replayed or revoked."""


class CapabilityExpired(CapabilityError):
    """The token's time is over, or has not begun."""


class CapabilityForbidden(CapabilityError):
    """The token or grant does not allow this call; the message names the caveat and the parameter to pass."""


class BudgetExceeded(CapabilityError):
    """The call's worst case does not fit into what is left of a budget."""


# ---------------------------------------------------------------------------------------------------- secrets


class SecretError(SaferouteError):
    """Something about a key; the message holds names only."""


class SecretNotFound(SecretError):
    """No source that the client was given holds this secret."""


class SecretStoreLocked(SecretError):
    """The store is there but will not open: locked, no daemon, wrong passphrase, wrong permissions."""


class OriginMismatch(SecretError):
    """A key was about to go to an origin that it is not bound to. Nothing was sent."""


# ---------------------------------------------------------------------------------------------------- guards and ledger


class GuardError(SaferouteError):
    """A guard stopped the call."""


class GuardBlocked(GuardError):
    """A guard judged the content and said no."""


class GuardFailed(GuardError):
    """A guard could not judge in time or broke; the call fails closed."""


class LedgerError(SaferouteError):
    """The record of what happened could not be written or does not verify."""


# ---------------------------------------------------------------------------------------------------- the provider said no


class ProviderError(SaferouteError):
    """The provider answered, and the answer is an error.

    Attributes:
        status: the HTTP status; 200 when the error came inside a successful answer.
        retryable: whether trying the same thing again can help.
        request_id: the provider's id for this exchange, to quote to its support.
        provider_name: who answered.
        code: the provider's machine-readable word, if it sent one.
        param: the request field that the provider named, if it named one.
        retry_after: seconds the provider asked us to wait, if it said so.
    """

    retryable: bool = False
    advice: str = ""

    def __init__(
        self,
        *,
        status: int,
        provider_name: str = "",
        request_id: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
        provider_message: str | None = None,
    ) -> None:
        self.status = status
        self.provider_name = provider_name
        self.request_id = request_id
        self.code = code
        self.param = param
        self.retry_after = retry_after
        if retryable is not None:
            self.retryable = retryable
        self._provider_message = provider_message
        super().__init__(self._summary())

    def _summary(self) -> str:
        facts = [f"{self.provider_name or 'the provider'} answered {self.status}"]
        facts += [f"{name} {value}" for name, value in (("code", self.code), ("param", self.param)) if value]
        if self.retry_after is not None:
            facts.append(f"retry after {self.retry_after:g} s")
        if self.request_id:
            facts.append(f"request id {self.request_id}")
        return ", ".join(facts) + (f". {self.advice}" if self.advice else "")

    @override
    def diagnostics(self) -> str:
        """Tell a person what is known, with the provider's own words, key-shaped runs taken out."""
        text = super().diagnostics()
        if self._provider_message:
            said = _KEY_SHAPED.sub("[removed]", self._provider_message[:2000])
            text += f"\n  the provider said: {said}"
        return text

    @override
    def _pickled(self) -> dict[str, Any]:
        names = ("status", "provider_name", "request_id", "code", "param", "retry_after", "retryable")
        return {name: getattr(self, name) for name in names} | {"_provider_message": None}


class AuthenticationRejected(ProviderError):
    """The provider does not accept the key (401)."""

    advice = "The key is wrong, revoked or of another account: `saferoute keys list` shows what is stored."


class PermissionDenied(ProviderError):
    """The key is known but may not do this (403)."""


class QuotaExceeded(ProviderError):
    """The account's credit or quota is used up; waiting does not help."""

    advice = "The account's quota or credit is used up: retrying does not help."


class RateLimited(ProviderError):
    """Too many requests or tokens for now (429)."""

    retryable = True


class Conflict(ProviderError):
    """The provider saw a conflicting request (409)."""

    retryable = True


class BadRequest(ProviderError):
    """The provider does not understand or accept the request (400, 422)."""

    advice = "error.diagnostics() shows what the provider said."


class ContextWindowExceeded(BadRequest):
    """The input does not fit into the model's context window."""

    advice = "Shorten the input or use a route with a larger context window."


class ContentFiltered(BadRequest):
    """The provider's own filter refused the input or the output."""

    advice = "The provider's content filter refused it."


class RequestTooLarge(ProviderError):
    """The body is larger than the provider takes (413)."""


class ModelNotFound(ProviderError):
    """The provider has no such model, deployment or endpoint (404)."""

    advice = "Check the model's name in the routing table, and that the account may use it."


class Overloaded(ProviderError):
    """The provider has no capacity at the moment (503, 529)."""

    retryable = True


class ServerError(ProviderError):
    """The provider failed (5xx, 408)."""

    retryable = True


# ---------------------------------------------------------------------------------------------------- the transport


class TransportError(SaferouteError):
    """No whole answer came.

    Attributes:
        sent: whether any byte of the request may have reached the provider.
        retryable: whether trying the same thing again can help.
        partial: what had arrived of the answer until then (`partial.text`, `partial.tool_calls`); None if nothing had.
    """

    retryable: bool = True
    partial: PartialReply | None = None

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"sent": self.sent}


class ConnectFailed(TransportError):
    """No connection: no such host, refused, unreachable, or TLS did not succeed."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message, sent=False)
        self.retryable = retryable

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"sent": False, "retryable": self.retryable}


class TimedOut(TransportError, TimeoutError):
    """One of the four clocks ran out.

    Attributes:
        clock: which: "connect", "first_byte", "idle" or "total".
        seconds: how long that clock was.
    """

    def __init__(self, *, clock: str, seconds: float, sent: bool) -> None:
        super().__init__(f"the {clock} clock ran out after {seconds:g} s; the `timeout` option and the table's deadlines set it", sent=sent)
        self.clock = clock
        self.seconds = seconds
        self.retryable = clock != "total"  # the total deadline is the end of the call; the other clocks belong to one attempt

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"sent": self.sent, "clock": self.clock, "seconds": self.seconds, "retryable": self.retryable}


class StreamInterrupted(TransportError):
    """The answer stopped before its terminal event; `partial` holds what had arrived."""


class UnexpectedRedirect(TransportError):
    """The provider answered with a redirect. saferoute follows none: where a call may go is the table's business."""

    retryable = False


class AddressRefused(TransportError):
    """The host resolved to an address that the row's net class does not allow. Nothing was sent."""

    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


# ---------------------------------------------------------------------------------------------------- the wire format


class ProtocolError(SaferouteError):
    """The answer is not what the wire format says: broken framing, not JSON, a missing field, too large.

    Attributes:
        partial: what had arrived of the answer until then; None if nothing had.
    """

    retryable: bool = False
    partial: PartialReply | None = None


class OutputInvalid(ProtocolError):
    """The answer does not fit the `output` that was asked for.

    Attributes:
        reply: the whole reply, so that nothing that was paid for is lost.
    """

    def __init__(self, message: str, *, reply: PartialReply | None = None) -> None:
        super().__init__(message)
        self.reply = reply

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"reply": None}

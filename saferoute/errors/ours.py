"""Errors that are found on this side of the wire: configuration, arguments, table, capabilities, keys, guards, ledger."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from saferoute.errors.root import SaferouteError

__all__ = [
    "AllRoutesCooling",
    "BudgetExceeded",
    "CapabilityError",
    "CapabilityExpired",
    "CapabilityForbidden",
    "CapabilityInvalid",
    "ConfigurationError",
    "GuardBlocked",
    "GuardError",
    "GuardFailed",
    "InvalidMessages",
    "LedgerError",
    "LedgerWarning",
    "LocalTrustWarning",
    "NoRoute",
    "OriginMismatch",
    "RequestError",
    "RoutingError",
    "SecretError",
    "SecretNotFound",
    "SecretStoreLocked",
    "TableExpired",
    "TableRollback",
    "TableStateInvalid",
    "UnknownOption",
    "UnsupportedParameter",
    "UntrustedTable",
]


class ConfigurationError(SaferouteError):
    """The program, its files or its environment are set up in a way that cannot work."""


class LocalTrustWarning(UserWarning):
    """A client was made with `Client.local()`: its routing table is signed by nobody but this process."""


class LedgerWarning(UserWarning):
    """Calls go on without a record of them, or an anchor failed: what happens now cannot be proven later."""


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
    """No target of the route may be asked now: providers said until when, or limits are used up; with `wait=True`, not in time either.

    Attributes:
        retry_at: when the first target may be tried again, in seconds since the epoch.
    """

    def __init__(self, message: str, *, retry_at: float) -> None:
        super().__init__(message)
        self.retry_at = retry_at

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"retry_at": self.retry_at}


class CapabilityError(SaferouteError):
    """What this caller may do.

    Attributes:
        code: a stable word for the reason, fit for a metric label.
        rejected: rows that may not answer, with the reasons; empty where the call as a whole is refused.
    """

    code: str = "denied"
    rejected: tuple[tuple[str, str], ...] = ()

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
    """The call's worst case does not fit into what is left of a budget.

    Attributes:
        limit: the budget in units of `unit`; None where no account is behind it.
        spent: what has been settled.
        reserved: what is held back for calls under way.
        asked: the worst case of this call.
        unit: a currency such as "USD", whose amounts are in nano-units, or "calls".
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "budget",
        limit: int | None = None,
        spent: int | None = None,
        reserved: int | None = None,
        asked: int | None = None,
        unit: str = "USD",
    ) -> None:
        super().__init__(message, code=code)
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.asked = asked
        self.unit = unit

    @override
    def _pickled(self) -> dict[str, Any]:
        names = ("code", "limit", "spent", "reserved", "asked", "unit")
        return {name: getattr(self, name) for name in names}


class SecretError(SaferouteError):
    """Something about a key; the message holds names only."""


class SecretNotFound(SecretError):
    """No source that the client was given holds this secret."""


class SecretStoreLocked(SecretError):
    """The store is there but will not open: locked, no daemon, wrong passphrase, wrong permissions."""


class OriginMismatch(SecretError):
    """A key was about to go to an origin that it is not bound to. Nothing was sent."""


class GuardError(SaferouteError):
    """A guard stopped the call.

    Attributes:
        verdicts: what every guard said that was asked, as `saferoute.values.guarding.Judged`; they hold places and reasons, no text.
    """

    def __init__(self, message: str, *, verdicts: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.verdicts = verdicts

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"verdicts": self.verdicts}


class GuardBlocked(GuardError):
    """A guard judged the content and said no."""


class GuardFailed(GuardError):
    """A guard could not judge in time or broke; the call fails closed."""


class LedgerError(SaferouteError):
    """The record of what happened could not be written or does not verify."""

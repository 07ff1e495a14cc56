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

from saferoute.errors.ours import (
    AllRoutesCooling,
    BudgetExceeded,
    CapabilityError,
    CapabilityExpired,
    CapabilityForbidden,
    CapabilityInvalid,
    ConfigurationError,
    GuardBlocked,
    GuardError,
    GuardFailed,
    InvalidMessages,
    LedgerError,
    LedgerWarning,
    LocalTrustWarning,
    NoRoute,
    OriginMismatch,
    RequestError,
    RoutingError,
    SecretError,
    SecretNotFound,
    SecretStoreLocked,
    TableExpired,
    TableRollback,
    TableStateInvalid,
    UnknownOption,
    UnsupportedParameter,
    UntrustedTable,
)
from saferoute.errors.provider import (
    AuthenticationRejected,
    BadRequest,
    Conflict,
    ContentFiltered,
    ContextWindowExceeded,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    RequestTooLarge,
    ServerError,
)
from saferoute.errors.root import (
    SaferouteError,
)
from saferoute.errors.wire import (
    AddressRefused,
    ConnectFailed,
    OutputInvalid,
    ProtocolError,
    StreamInterrupted,
    TimedOut,
    TransportError,
    UnexpectedRedirect,
)

__all__ = [
    "AddressRefused", "AllRoutesCooling", "AuthenticationRejected", "BadRequest", "BudgetExceeded", "CapabilityError",
    "CapabilityExpired", "CapabilityForbidden", "CapabilityInvalid", "ConfigurationError", "Conflict", "ConnectFailed",
    "ContentFiltered", "ContextWindowExceeded", "GuardBlocked", "GuardError", "GuardFailed", "InvalidMessages", "LedgerError",
    "LedgerWarning", "LocalTrustWarning", "ModelNotFound", "NoRoute", "OriginMismatch", "OutputInvalid", "Overloaded", "PermissionDenied",
    "ProtocolError", "ProviderError", "QuotaExceeded", "RateLimited", "RequestError", "RequestTooLarge", "RoutingError",
    "SaferouteError", "SecretError", "SecretNotFound", "SecretStoreLocked", "ServerError", "StreamInterrupted", "TableExpired",
    "TableRollback", "TableStateInvalid", "TimedOut", "TransportError", "UnexpectedRedirect", "UnknownOption",
    "UnsupportedParameter", "UntrustedTable",
]  # fmt: skip

for _name in __all__:  # tracebacks and pickles name the public place, whichever file a leaf stands in
    globals()[_name].__module__ = __name__
del _name

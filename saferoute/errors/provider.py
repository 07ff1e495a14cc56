"""Errors that a provider answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from saferoute.errors.root import KEY_SHAPED, SaferouteError

if TYPE_CHECKING:
    from saferoute.errors.root import PartialReply

__all__ = [
    "AuthenticationRejected",
    "BadRequest",
    "Conflict",
    "ContentFiltered",
    "ContextWindowExceeded",
    "ModelNotFound",
    "Overloaded",
    "PermissionDenied",
    "ProviderError",
    "QuotaExceeded",
    "RateLimited",
    "RequestTooLarge",
    "ServerError",
]


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
        partial: what had arrived of an answer in which the error came; None if nothing had.
    """

    retryable: bool = False
    advice: str = ""
    partial: PartialReply | None = None

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
        # Whoever looks into the object finds no key that a provider echoed either.
        self._provider_message = _without_keys(provider_message)
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
            text += f"\n  the provider said: {self._provider_message}"
        return text

    @override
    def _pickled(self) -> dict[str, Any]:
        names = ("status", "provider_name", "request_id", "code", "param", "retry_after", "retryable")
        return {name: getattr(self, name) for name in names} | {"_provider_message": None}


def _without_keys(said: str | None) -> str | None:
    if not said:
        return said
    return KEY_SHAPED.sub("[removed]", said[:4000])[:2000]


class AuthenticationRejected(ProviderError):
    """The provider does not accept the key (401)."""

    advice = "The key is wrong, revoked or of another account: `saferoute keys list` shows what is stored."

    @override
    def _summary(self) -> str:
        if self.code == "clock_skew":  # said by statuses of signed requests: the key may well be right
            self.advice = "The signature is too old or from the future: set this machine's clock right."
        return super()._summary()


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
    """The provider has no such model, deployment or endpoint, or no more (404, 410)."""

    advice = "Check the model's name in the routing table, that the account may use it, and that this provider has the operation."


class Overloaded(ProviderError):
    """The provider has no capacity at the moment (503, 529)."""

    retryable = True


class ServerError(ProviderError):
    """The provider failed (5xx, 408)."""

    retryable = True

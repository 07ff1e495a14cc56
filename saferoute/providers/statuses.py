"""From what a provider said when it failed to one error of the tree: one table for all dialects. Pure.

The status decides, and a few words refine it (a 429 that means "no money left", a 400 that means "too long"). For an error inside a
successful answer there is no status, so that the words decide. Nothing of a provider's free text reaches a message: codes and field
names are shown only if they look like such, the rest goes to `diagnostics()`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from saferoute.errors import (
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
from saferoute.values.json import as_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.http import Head

__all__ = ["Complaint", "complaint_in", "provider_error", "request_id", "retry_after"]

# Statuses with a class of their own; other 4xx are BadRequest, everything else is ServerError.
_BY_STATUS: dict[int, type[ProviderError]] = {
    401: AuthenticationRejected,
    402: QuotaExceeded,
    403: PermissionDenied,
    404: ModelNotFound,
    410: ModelNotFound,
    408: ServerError,
    409: Conflict,
    413: RequestTooLarge,
    424: ServerError,
    425: ServerError,
    429: RateLimited,
    498: AuthenticationRejected,
    503: Overloaded,
    529: Overloaded,
}

# Machine words that say more than their status, and the statuses they may refine.
_QUOTA = frozenset(
    {
        "insufficient_quota",
        "exceeded_current_quota_error",
        "billing_error",
        "billing_not_active",
        "billing_hard_limit_reached",
        "insufficient_credits",
        "insufficient_balance",
        "payment_required",
    }
)
_LENGTH = frozenset({"context_length_exceeded", "model_context_window_exceeded", "exceed_context_size_error", "too_many_prompt_tokens"})
_GONE = frozenset({"model_not_found", "deploymentnotfound", "model_decommissioned", "model_deprecated", "model_not_available"})
_BUSY = frozenset({"overloaded_error", "overloaded", "engine_overloaded", "model_overloaded"})
_BY_WORD: tuple[tuple[frozenset[str], frozenset[int], type[ProviderError]], ...] = (
    (_LENGTH, frozenset({400, 413, 422, 500}), ContextWindowExceeded),
    (frozenset({"content_filter", "content_policy_violation", "moderation_blocked"}), frozenset({400, 403, 422}), ContentFiltered),
    (_QUOTA, frozenset({400, 402, 403, 429}), QuotaExceeded),
    (
        frozenset({"invalid_api_key", "api_key_invalid", "authentication_error", "clock_skew"}),
        frozenset({400, 401, 403}),
        AuthenticationRejected,
    ),
    (_GONE, frozenset({400, 403, 404, 410}), ModelNotFound),
    (_BUSY, frozenset({429, 500, 502, 503, 529}), Overloaded),
)
# What words mean where no status tells: the in-band errors.
_WORD_STATUS: Mapping[str, int] = {
    "invalid_request_error": 400,
    "invalid_value": 400,
    "bad_request": 400,
    "tool_use_failed": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "moderation_blocked": 403,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "too_many_requests": 429,
    "unavailable_error": 503,
    "service_unavailable": 503,
    **dict.fromkeys(_QUOTA, 402),
    **dict.fromkeys(_LENGTH, 400),
    **dict.fromkeys(_BUSY, 529),
}
_IN_BAND_DEFAULT = 500
_NOT_OFFERED = frozenset({501, 505})  # the server does not do this, and will not a moment later

_TOO_LONG = re.compile(
    r"prompt (?:is )?too long|max(?:imum)? context length|input token count exceeds|input is too long|too many tokens"
    r"|context[ _]length exceeded|exceeds? (?:the )?(?:available |model'?s )?context (?:size|window|length)",
    re.IGNORECASE,
)
_TOO_LONG_STATUS = frozenset({400, 413, 422})
_MODERATED = re.compile(r"\bmoderation\b|flagged", re.IGNORECASE)
_SCANNED_CHARS = 4096

# Short words joined by punctuation: codes and field paths, never a sentence, and never the long runs that keys are made of.
_TOKEN = re.compile(r"(?!(?:sk|pk|rk|gsk|xai|hf|ghp)[-_])[A-Za-z0-9]{1,24}(?:[_.\[\]/-]{1,2}[A-Za-z0-9]{0,24}){0,11}")
_MAX_TOKEN = 80
_REQUEST_ID = re.compile(r"(?!(?:sk|pk|rk|gsk|xai|hf|ghp)[-_])[A-Za-z0-9_.:/=+-]{1,128}")
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "x-ds-trace-id", "x-generation-id")

_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What the JSON of an error answer says, whatever its shape.

    Attributes:
        code: the machine-readable code, if there is one; a number is written out.
        type: the machine-readable type, if there is one.
        param: the request field concerned.
        message: free text; for `diagnostics()` only.
        status: an HTTP status given in the body.
    """

    code: str | None = None
    type: str | None = None
    param: str | None = None
    message: str | None = None
    status: int | None = None


def complaint_in(body: Mapping[str, Any]) -> Complaint:
    """Read an error answer: `{error: {...}}`, `{error: "text"}`, `{message}`, `{detail}`, or a flat object."""
    error = body.get("error")
    if isinstance(error, str):
        inner: Mapping[str, Any] = {**body, "message": body.get("message") or error}
    else:
        inner = as_mapping(error) or body
    code = inner.get("code")
    status = _as_status(code) or _as_status(inner.get("status")) or _as_status(inner.get("status_code"))
    message = inner.get("message") or inner.get("detail") or inner.get("msg")
    return Complaint(
        code=str(code) if isinstance(code, int) and not isinstance(code, bool) else _string(code),
        type=_string(inner.get("type")) or _string(inner.get("status")),
        param=_string(inner.get("param")),
        message=message if isinstance(message, str) else (None if message is None else repr(message)[:_SCANNED_CHARS]),
        status=status,
    )


def provider_error(head: Head, said: Complaint, *, provider_name: str) -> ProviderError:
    """Build the error that an answer amounts to.

    Args:
        head: the answer's head; below 400, the error came inside a successful answer.
        said: what its body says.
        provider_name: who answered.
    """
    status = head.status
    if status < 400:  # noqa: PLR2004
        status = said.status or next((_WORD_STATUS[w] for w in _words(said) if w in _WORD_STATUS), _IN_BAND_DEFAULT)
    told = head.headers.get("x-should-retry", "").lower()
    code = next((word for word in (said.code, said.type) if word and not word.isdigit()), said.code)
    return _class_for(status, said)(
        status=head.status,
        provider_name=provider_name,
        request_id=request_id(head.headers),
        code=_token(code),
        param=_token(said.param),
        retry_after=retry_after(head.headers),
        retryable=True if told == "true" else False if told == "false" or status in _NOT_OFFERED else None,
        provider_message=said.message,
    )


def _class_for(status: int, said: Complaint) -> type[ProviderError]:
    words = _words(said)
    for known, statuses, kind in _BY_WORD:
        if status in statuses and not known.isdisjoint(words):
            return kind
    text = (said.message or "")[:_SCANNED_CHARS]
    if status in _TOO_LONG_STATUS and _TOO_LONG.search(text):
        return ContextWindowExceeded
    if status == 403 and _MODERATED.search(text):  # noqa: PLR2004
        return ContentFiltered
    return _BY_STATUS.get(status) or (BadRequest if 400 <= status < 500 else ServerError)  # noqa: PLR2004


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's id of an exchange, out of the headers that carry one."""
    for name in _REQUEST_ID_HEADERS:
        value = headers.get(name)
        if value and _REQUEST_ID.fullmatch(value):
            return value
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How long the provider asks us to wait.

    `retry-after-ms` and `x-ms-retry-after-ms` come before `retry-after`, which is in seconds or a date. A date is read relative to
    the answer's own `date`, so that no clock is needed and a wrong clock does no harm.

    Returns:
        Seconds, not capped; None where nothing (or nonsense) was said.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _seconds(headers.get(name, ""))
        if milliseconds is not None:
            return milliseconds / 1000
    value = headers.get("retry-after", "")
    seconds = _seconds(value)
    if seconds is not None:
        return seconds
    until, now = _http_date(value), _http_date(headers.get("date", ""))
    return None if until is None or now is None else max(0.0, until - now)


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and value >= 0 else None


def _http_date(text: str) -> float | None:
    match = _HTTP_DATE.fullmatch(text.strip())
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[n]) for n in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _words(said: Complaint) -> list[str]:
    return [word.lower() for word in (said.code, said.type) if word]


def _as_status(value: object) -> int | None:
    return value if isinstance(value, int) and 400 <= value < 600 else None  # noqa: PLR2004


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _token(word: str | None) -> str | None:
    return word if word and len(word) <= _MAX_TOKEN and _TOKEN.fullmatch(word) else None

"""Errors of Google's APIs (`{error: {code, message, status, details}}`) as one error of the tree. Pure.

The status word says what the HTTP status says, and the details refine it: a wrong key is a 400, a quota that is used up for the day is
a 429 like any rate limit, and a 429 tells how long to wait in a detail instead of a header.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from saferoute.providers.statuses import complaint_in, provider_error
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.errors import ProviderError

__all__ = ["complained"]

# For errors inside a successful answer that name no number.
_STATUSES: Final[Mapping[str, int]] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_SCANNED_CHARS: Final = 4096
_TOO_LONG: Final = re.compile(r"input token count.{0,60}exceeds", re.IGNORECASE | re.DOTALL)
# What a failed precondition is about where it is not about billing.
_NOT_BILLING: Final = re.compile(r"\blocation\b|\bcountry\b|\bregion\b|\bfiles?\b", re.IGNORECASE)
_SECONDS: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")


def complained(head: Head, body: Mapping[str, Any], *, provider_name: str) -> ProviderError:
    """Build the error that an answer amounts to.

    Args:
        head: the answer's head; below 400, the error came inside a successful answer.
        body: its JSON; {} when it was none.
        provider_name: who answered.
    """
    said = complaint_in(body)
    inner = as_mapping(body.get("error"))
    word = as_text(inner.get("status"))
    details = [as_mapping(detail) for detail in as_list(inner.get("details"))]
    reason = _first(details, "reason")
    code = reason or word or said.code
    said = replace(said, code=code or None, type=_kind(word, reason, said.message or "", details) or said.type)
    if said.status is None and word in _STATUSES:
        said = replace(said, status=_STATUSES[word])
    headers = dict(head.headers)
    wait = _SECONDS.fullmatch(_first(details, "retryDelay"))
    if wait is not None:
        headers.setdefault("retry-after", wait[1])
    request = _first(details, "requestId")
    if request:
        headers.setdefault("x-request-id", request)
    return provider_error(Head(head.status, headers), said, provider_name=provider_name)


def _first(details: list[Mapping[str, Any]], name: str) -> str:
    return next((value for detail in details if (value := as_text(detail.get(name)))), "")


def _kind(word: str, reason: str, message: str, details: list[Mapping[str, Any]]) -> str:
    """A word that `statuses` knows, for what status and status word alone do not tell; "" for nothing."""
    text = message[:_SCANNED_CHARS]
    if reason == "API_KEY_INVALID":
        return "invalid_api_key"
    if reason == "BILLING_DISABLED" or (word == "FAILED_PRECONDITION" and not _NOT_BILLING.search(text)):
        return "billing_error"
    if word == "INVALID_ARGUMENT" and _TOO_LONG.search(text):
        return "context_length_exceeded"
    violations = [as_mapping(entry) for detail in details for entry in as_list(detail.get("violations"))]
    if word == "RESOURCE_EXHAUSTED" and any("PerDay" in as_text(v.get("quotaId")) or v.get("quotaValue") == "0" for v in violations):
        return "insufficient_quota"
    return ""

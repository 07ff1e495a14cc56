"""What an error of the Messages API says: its type and code, the exchange's id, and words that tell two errors of one type apart."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saferoute.providers.statuses import complaint_in, provider_error
from saferoute.values.http import Head
from saferoute.values.json import as_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.errors import ProviderError

__all__ = ["error_of"]

# The API has one type, invalid_request_error, for most things that a call can do wrong; what some texts mean in the words of `statuses`.
_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"credit balance is too low", re.IGNORECASE), "billing_error"),
    (re.compile(r"blocked by content filter", re.IGNORECASE), "content_filter"),
    (re.compile(r"input length and .?max_tokens.? exceed context limit", re.IGNORECASE), "context_length_exceeded"),
)
_SCANNED_CHARS = 4096


def error_of(head: Head, body: Mapping[str, Any], provider_name: str) -> ProviderError:
    """Turn an error answer, or an error inside a successful one, into one of the tree's errors."""
    said = complaint_in(body)
    detail = as_mapping(as_mapping(body.get("error")).get("details")).get("error_code")
    if said.code is None and isinstance(detail, str):
        said = replace(said, code=detail)
    if said.type == "invalid_request_error":
        scanned = (said.message or "")[:_SCANNED_CHARS]
        meaning = next((means for pattern, means in _TEXTS if pattern.search(scanned)), None)
        if meaning is not None:
            said = replace(said, code=said.code or said.type, type=meaning)
    headers = head.headers
    if isinstance(body.get("request_id"), str) and "request-id" not in headers:
        headers = {**headers, "request-id": body["request_id"]}
    return provider_error(Head(head.status, headers), said, provider_name=provider_name)

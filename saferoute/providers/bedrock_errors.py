"""What an error of AWS says: its name, with or without namespace, and words that tell two errors of one name apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from saferoute.providers.statuses import Complaint

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["complaint_of"]

# Statuses of the errors, for those that come inside a stream or a successful body: there the HTTP status says nothing. Lower case,
# without "exception" at the end.
_STATUS: Mapping[str, int] = {
    "accessdenied": 403,
    "conflict": 409,
    "internalserver": 500,
    "internalservererror": 500,
    "internalfailure": 500,
    "modelerror": 424,
    "modelnotready": 429,
    "modelstreamerror": 424,
    "modeltimeout": 408,
    "resourcenotfound": 404,
    "servicequotaexceeded": 400,
    "serviceunavailable": 503,
    "throttling": 429,
    "toomanyrequests": 429,
    "validation": 400,
    "unrecognizedclient": 403,
    "invalidsignature": 403,
    "expiredtoken": 403,
}
# What a name means in the words that `statuses` knows, where the status alone would mislead.
_MEANING: Mapping[str, str] = {
    "expiredtoken": "authentication_error",
    "incompletesignature": "authentication_error",
    "invalidclienttokenid": "authentication_error",
    "invalidsignature": "authentication_error",
    "missingauthenticationtoken": "authentication_error",
    "servicequotaexceeded": "insufficient_quota",
    "signaturedoesnotmatch": "authentication_error",
    "unrecognizedclient": "authentication_error",
}
# The same for texts: AWS has one name, ValidationException, for most things that a caller can do wrong.
_TEXTS: tuple[tuple[re.Pattern[str], frozenset[str], str], ...] = (
    (
        re.compile(
            r"input tokens? exceed|too many input tokens|input is too long|prompt is too long|exceeds? (?:the )?context limit"
            r"|input length and .?max_tokens.? exceed|input tokens exceeds maximum length",
            re.IGNORECASE,
        ),
        frozenset({"validation", ""}),
        "context_length_exceeded",
    ),
    (
        re.compile(
            r"model identifier is invalid|model is not (?:found|supported in this region)|reached the end of its life", re.IGNORECASE
        ),
        frozenset({"validation", "resourcenotfound", ""}),
        "model_not_found",
    ),
    (
        re.compile(r"api key is (?:not )?valid|invalid api key|bearer token|security token .{0,40}(?:invalid|expired)", re.IGNORECASE),
        frozenset({"accessdenied", ""}),
        "authentication_error",
    ),
)
# A signature is valid for some minutes; what AWS says of one that is not tells the reader more than its name.
_CLOCK = re.compile(r"signature (?:expired|not yet current)", re.IGNORECASE)
_CLOCK_NAMES = frozenset({"requestexpired", "requesttimetooskewed"})
_SCANNED_CHARS = 4096


def complaint_of(name: str, body: Mapping[str, Any]) -> Complaint:
    """Read an error.

    Args:
        name: as it stands in `x-amzn-errortype`, `__type` or `:exception-type`: with a namespace before "#" and an address after ":",
            or without.
        body: the JSON beside it; {} for none.
    """
    code = name.partition(":")[0].rpartition("#")[2].strip()
    word = code.lower().removesuffix("exception")
    message = next((text for key in ("message", "Message", "originalMessage") if isinstance(text := body.get(key), str) and text), None)
    scanned = (message or "")[:_SCANNED_CHARS]
    if word in _CLOCK_NAMES or (_MEANING.get(word) == "authentication_error" and _CLOCK.search(scanned)):
        return Complaint(code="clock_skew", type="authentication_error", message=message, status=403)
    meaning = _MEANING.get(word)
    if meaning is None:
        meaning = next((means for pattern, names, means in _TEXTS if word in names and pattern.search(scanned)), None)
    return Complaint(code=code or None, type=meaning, message=message, status=_STATUS.get(word))

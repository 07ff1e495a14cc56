"""How an answer of OpenAI Responses ended: finish reasons, token counts, failures, and whose turn a tool's item makes it. Pure tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from saferoute.values.json import as_mapping, as_text, integer
from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.statuses import Complaint
    from saferoute.values.events import FinishReason

__all__ = ["finish_of", "judged", "usage_of", "waits_for_caller"]

_FINISH: Final[Mapping[str, FinishReason]] = {
    "completed": "stop",
    "complete": "stop",
    "cancelled": "error",
    "queued": "pause",
    "in_progress": "pause",
    "incomplete:max_output_tokens": "length",
    "incomplete:content_filter": "content_filter",
    "incomplete:steered": "pause",
}
_UNSAID: Final = frozenset({"", "queued", "in_progress"})  # what a terminal event knows better
# Items that wait for the caller. A shell call or tool search may run on either side.
_WAITING: Final = frozenset({"apply_patch_call", "computer_call", "custom_tool_call", "local_shell_call", "mcp_approval_request"})
# What codes of failed answers mean, where the shared table does not know them.
_CALLERS_FAULT: Final = ("invalid_", "image_", "empty_image", "failed_to_download_image", "unsupported_image", "data_residency_")
_POLICY: Final = frozenset({"bio_policy", "misalignment_policy_violation", "image_content_policy_violation"})


def finish_of(response: Mapping[str, Any], ended: str, *, calls: bool, refused: bool) -> tuple[FinishReason, str]:
    """Why the answer ended, in saferoute's words and in the API's: its status, with the reason of an incomplete one.

    Args:
        response: the answer.
        ended: how the stream said that it ended; "" for a whole body.
        calls: whether the model asks for tools; the API says "completed" then.
        refused: whether there are words of refusal.
    """
    status = as_text(response.get("status"))
    if ended and status in _UNSAID:
        status = ended
    reason = as_text(as_mapping(response.get("incomplete_details")).get("reason"))
    raw = f"{status}:{reason}" if status == "incomplete" and reason else status
    finish: FinishReason = _FINISH.get(raw, "other")
    if finish in {"stop", "other"} and status != "incomplete":
        finish = "tool_call" if calls else "refusal" if refused else finish
    return finish, raw


def judged(said: Complaint) -> Complaint:
    """Add what the shared table of words does not know: codes of failed answers that are the caller's fault, or a policy's."""
    code = said.code or ""
    if code in _POLICY:
        return replace(said, type="content_policy_violation", status=said.status or 400)
    if code.startswith(_CALLERS_FAULT):
        return replace(said, status=said.status or 400)
    return said


def waits_for_caller(kind: str, item: Mapping[str, Any]) -> bool:
    """Whether a tool's item waits for an output of the caller; otherwise it ran, or runs, at the provider."""
    if kind == "shell_call":
        return not as_text(as_mapping(item.get("environment")).get("type")).startswith("container")
    return kind in _WAITING or (kind == "tool_search_call" and item.get("execution") == "client")


def usage_of(said: object) -> Usage:
    """Token counts; the API's totals include cached and reasoning tokens. Writes to the cache that keep for 12 hours are long-lived."""
    if not isinstance(said, dict):
        return Usage()
    raw: Mapping[str, Any] = said
    into, out = as_mapping(raw.get("input_tokens_details")), as_mapping(raw.get("output_tokens_details"))
    split = as_mapping(into.get("cache_write_tokens_details"))
    written = integer(into.get("cache_write_tokens")) or 0
    long = min(integer(split.get("ttl_12h_tokens")) or 0, written)
    return usage_from_totals(
        input_tokens=integer(raw.get("input_tokens")),
        output_tokens=integer(raw.get("output_tokens")),
        cache_read=integer(into.get("cached_tokens")) or 0,
        cache_write_5m=written - long,
        cache_write_1h=long,
        reasoning=integer(out.get("reasoning_tokens")) or 0,
        input_audio=integer(into.get("audio_tokens")) or 0,
        output_audio=integer(out.get("audio_tokens")) or 0,
        raw=raw,
    )

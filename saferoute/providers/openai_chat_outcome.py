"""What the end of an OpenAI Chat Completions answer says: why it ended, tokens, sources, and what is kept as metadata. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.values.events import Cited, Notice, Noticed
from saferoute.values.json import as_list, as_mapping, as_text, integer
from saferoute.values.messages import Citation
from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.events import FinishReason

__all__ = ["BILLED_APART", "FINISH", "KEPT_OF_ANSWER", "KEPT_OF_CHOICE", "KEPT_OF_MESSAGE", "cited", "noticed", "usage_of"]

FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "model_length": "context_overflow",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
    "error": "error",
    "insufficient_system_resource": "error",
}
# What is kept as provider metadata.
KEPT_OF_ANSWER: Final = frozenset(
    {
        "system_fingerprint",
        "service_tier",
        "provider",
        "citations",
        "search_results",
        "moderation",
        "prompt_filter_results",
        "timings",
    }
)
KEPT_OF_CHOICE: Final = frozenset({"logprobs", "native_finish_reason", "content_filter_results", "stop_reason"})
# executed_tools are the tools that Groq ran by itself: they have run, so that nobody is asked to call them.
KEPT_OF_MESSAGE: Final = frozenset({"annotations", "audio", "executed_tools", "images"})

# Of these: what is there only if something was searched or run, which is billed by other than tokens.
BILLED_APART: Final = ("annotations", "search_results", "citations", "executed_tools")


# Details that some vendors write beside the totals.
_BESIDE: Final = frozenset({"reasoning_tokens", "prompt_cache_hit_tokens", "cached_tokens"})


def cited(metadata: Mapping[str, Any], index: int) -> list[Cited]:
    """The sources of the text at `index`: `annotations` with places in the text, else the lists of what was searched."""
    if not (metadata and index >= 0 and ("annotations" in metadata or "search_results" in metadata or "citations" in metadata)):
        return []
    found = [citation for note in as_list(metadata.get("annotations")) if (citation := _annotation(as_mapping(note))) is not None]
    if not found:
        results = [as_mapping(result) for result in as_list(metadata.get("search_results"))]
        results = results or [{"url": url} for url in as_list(metadata.get("citations"))]
        found = [_result(result, number) for number, result in enumerate(results, 1) if isinstance(result.get("url"), str)]
    return [Cited(index, citation) for citation in found]


def _annotation(note: Mapping[str, Any]) -> Citation | None:
    said = as_mapping(note.get("url_citation")) or note  # some servers leave the inner object out
    if note.get("type") != "url_citation":
        return None
    return Citation(
        start=integer(said.get("start_index")),
        end=integer(said.get("end_index")),
        title=as_text(said.get("title")) or None,
        url=as_text(said.get("url")) or None,
        quote=as_text(said.get("content")) or None,
    )


def _result(result: Mapping[str, Any], number: int) -> Citation:
    """A source that the text names by its number, as in "[1]"."""
    title, quote = as_text(result.get("title")) or None, as_text(result.get("snippet")) or None
    return Citation(title=title, url=as_text(result.get("url")), source=str(number), quote=quote)


def noticed(metadata: Mapping[str, Any]) -> list[Noticed]:
    """What a caller should hear of the metadata: Azure answers although its content filter did not run."""
    if as_mapping(metadata.get("content_filter_results")).get("error"):
        return [Noticed(Notice("noted", "content_filter", "the provider's content filter failed, and did not look at this answer"))]
    return []


def usage_of(raw: Mapping[str, Any] | None) -> Usage:
    """Read the token counts, whatever the vendor adds to them."""
    if raw is None:
        return Usage()
    into, out = as_mapping(raw.get("prompt_tokens_details")), as_mapping(raw.get("completion_tokens_details"))
    prompt, completion = integer(raw.get("prompt_tokens")), integer(raw.get("completion_tokens"))
    if not (any(into.values()) or any(out.values())) and _BESIDE.isdisjoint(raw):  # most answers: no details, or zeros
        return usage_from_totals(input_tokens=prompt, output_tokens=completion, raw=raw)
    reasoning = _first(out.get("reasoning_tokens"), raw.get("reasoning_tokens"))
    if reasoning and prompt is not None and completion is not None and raw.get("total_tokens") == prompt + completion + reasoning:
        completion += reasoning  # xAI counts its thinking apart, and says so by the total
    return usage_from_totals(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read=_first(into.get("cached_tokens"), raw.get("prompt_cache_hit_tokens"), raw.get("cached_tokens")),
        cache_write_5m=_first(into.get("cache_write_tokens")),
        reasoning=reasoning,
        input_audio=_first(into.get("audio_tokens")),
        output_audio=_first(out.get("audio_tokens")),
        raw=raw,
    )


def _first(*values: object) -> int:
    """The first count among them, 0 if there is none."""
    for value in values:
        count = None if value is None else integer(value)
        if count is not None:
            return count
    return 0

"""Token counts: totals in the GenAI convention's names, and disjoint buckets that sum to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from saferoute.values.sealed import assembler

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Buckets", "Usage", "usage_from_totals"]


@dataclass(frozen=True, slots=True)
class Buckets:
    """Disjoint token counts: the first five sum to all input, the last three to all output."""

    input_uncached: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    output_text: int = 0
    reasoning: int = 0
    output_audio: int = 0

    @property
    def input_total(self) -> int:
        """All input tokens."""
        return self.input_uncached + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.input_audio

    @property
    def output_total(self) -> int:
        """All output tokens."""
        return self.output_text + self.reasoning + self.output_audio


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call used, in tokens, as the provider reported it; None where it reported nothing.

    Attributes:
        input_tokens: all input, cache reads and writes included.
        output_tokens: all output, reasoning included.
        cache_read_input_tokens: input served from the provider's cache.
        cache_creation_input_tokens: input written to it.
        reasoning_output_tokens: output spent on thinking.
        buckets: the same, disjoint; None where the provider reported no totals.
        raw: the provider's own record.
        terms: what else the provider says that the price goes by, in its own words: a tier of service other than the standard one
            ("flex", "priority"), a place of processing, or work that is billed by other than tokens ("web_search_requests").
        billed: the counts that the bill goes by, where the provider says that they are others than those of the tokens; None for the same.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    reasoning_output_tokens: int = 0
    buckets: Buckets | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    terms: tuple[str, ...] = ()
    billed: Buckets | None = None

    @property
    def total_tokens(self) -> int | None:
        """Input and output together; None where either is unknown."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


_Buckets = assembler(Buckets)
_Usage = assembler(Usage)


def usage_from_totals(
    *,
    input_tokens: int | None,
    output_tokens: int | None,
    cache_read: int = 0,
    cache_write_5m: int = 0,
    cache_write_1h: int = 0,
    reasoning: int = 0,
    input_audio: int = 0,
    output_audio: int = 0,
    raw: Mapping[str, Any] | None = None,
    terms: tuple[str, ...] = (),
) -> Usage:
    """Build usage from totals that include the details, and split it into buckets that sum to them.

    A provider that reports more detail than total is cut down to its total: cache first, then audio; reasoning first, then audio.

    Args:
        input_tokens: all input tokens, cached ones included; None if not reported.
        output_tokens: all output tokens, reasoning included; None if not reported.
        cache_read: of the input, read from cache.
        cache_write_5m: of the input, written to a short-lived cache.
        cache_write_1h: of the input, written to a long-lived cache.
        reasoning: of the output, spent on thinking.
        input_audio: of the input, sound.
        output_audio: of the output, sound.
        raw: the provider's own record.
        terms: what else the price goes by.
    """
    if input_tokens is None or output_tokens is None:
        buckets = None
    elif not (cache_read or cache_write_5m or cache_write_1h or input_audio or reasoning or output_audio):
        buckets = _Buckets(input_tokens, output_text=output_tokens)
    else:
        left = input_tokens
        parts = []
        for count in (cache_read, cache_write_5m, cache_write_1h, input_audio):
            parts.append(min(count, left))
            left -= parts[-1]
        thinking = min(reasoning, output_tokens)
        sound = min(output_audio, output_tokens - thinking)
        buckets = _Buckets(left, parts[0], parts[1], parts[2], parts[3], output_tokens - thinking - sound, thinking, sound)
    return _Usage(
        input_tokens, output_tokens, cache_read, cache_write_5m + cache_write_1h, reasoning, buckets, raw if raw is not None else {}, terms
    )

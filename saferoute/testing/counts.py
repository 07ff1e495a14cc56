"""Token counts of an answer: the script's own, or words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from saferoute.testing.improvise import count_words
from saferoute.values.usage import Usage

if TYPE_CHECKING:
    from saferoute.testing.script import Answer, Ask, Call

__all__ = ["arguments_text", "dump", "fragments", "usage_of"]

_FRAGMENT = 8  # characters


def dump(value: object) -> bytes:
    """Compact JSON as providers send it: UTF-8 in the open, escapes only where a lone surrogate leaves no other way."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def arguments_text(call: Call) -> str:
    """A call's arguments as JSON text, or as the script wrote them."""
    return call.arguments if isinstance(call.arguments, str) else dump(dict(call.arguments)).decode()


def fragments(text: str) -> list[str]:
    """The text in pieces of a few characters, as arguments are streamed."""
    return [text[start : start + _FRAGMENT] for start in range(0, len(text), _FRAGMENT)]


def usage_of(answer: Answer, ask: Ask) -> Usage | None:
    """The counts to report; None for none. What the script leaves open is counted in words, and never 0."""
    if isinstance(answer.usage, Usage):
        counted = _counted(answer, ask)
        given = answer.usage
        return Usage(
            given.input_tokens if given.input_tokens is not None else counted.input_tokens,
            given.output_tokens if given.output_tokens is not None else counted.output_tokens,
            given.cache_read_input_tokens,
            given.cache_creation_input_tokens,
            given.reasoning_output_tokens,
            given.buckets,
        )
    return None if answer.usage == "none" else _counted(answer, ask)


def _counted(answer: Answer, ask: Ask) -> Usage:
    thinking = count_words(answer.reasoning)
    said = count_words(answer.text) + count_words(answer.refusal) + sum(1 + count_words(arguments_text(call)) for call in answer.tool_calls)
    return Usage(ask.words, max(1, said + thinking), reasoning_output_tokens=thinking)

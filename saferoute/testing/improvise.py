"""What the embedded provider says without a script: a plain function of the request, so that every run says the same."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from saferoute.testing.sampler import Hints, sample
from saferoute.testing.script import Answer, Ask, Call

if TYPE_CHECKING:
    from saferoute.testing.script import OfferedTool

__all__ = ["count_words", "improvise", "pieces_of"]

_ECHO = 200  # characters of the user's text that are said back
_WORD_PIECE = re.compile(r"\s*\S+|\s+\Z")
_WORD = re.compile(r"[a-z]{3,}")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LIST = re.compile(r"\b[A-Z][\w'-]*(?:(?:, | and |, and )[A-Z][\w'-]*)+")
_LIST_SEPARATOR = re.compile(r", and |, | and ")
_VERBS = frozenset({"get", "set", "the", "tool", "fetch", "find", "and", "for", "run", "call", "make", "look", "current"})


def count_words(text: str) -> int:
    """The embedded provider's measure of tokens."""
    return len(text.split())


def pieces_of(text: str) -> list[str]:
    """The text in pieces of one word each, which joined give the text again: what a stream sends."""
    return _WORD_PIECE.findall(text)


def improvise(ask: Ask) -> Answer:
    """Answer from the request alone.

    In this order: call the tools that are due; tell what tools answered; make JSON for the schema; say back what the user said. An
    output bound and stop sequences are kept to.

    Raises:
        Unsampled: if a schema in the request is beyond the sampler.
    """
    reasoning = f"The user said {count_words(ask.text)} words." if ask.thinking else ""
    calls = _calls(ask)
    if calls:
        return Answer(tool_calls=calls, reasoning=reasoning)
    if ask.schema is not None:
        return _bounded(ask, json.dumps(sample(ask.schema, Hints.read(_material(ask))), ensure_ascii=False), reasoning)
    if ask.wants_json:
        return _bounded(ask, json.dumps({"answer": _echo(ask)}, ensure_ascii=False), reasoning)
    if ask.results:
        said = (f"The tool {result.name} {'failed' if result.is_error else 'answered'}: {result.text}" for result in ask.results)
        return _bounded(ask, "\n".join(said), reasoning)
    return _bounded(ask, _echo(ask), reasoning)


def _material(ask: Ask) -> str:
    return "\n".join((ask.text, *(result.text for result in ask.results)))


def _echo(ask: Ask) -> str:
    text = ask.text if len(ask.text) <= _ECHO else ask.text[:_ECHO] + "..."
    seen = f" [and {ask.pictures} picture{'s' if ask.pictures > 1 else ''} or files]" if ask.pictures else ""
    return f"You said: {text}{seen}"


def _bounded(ask: Ask, text: str, reasoning: str) -> Answer:
    """Cut the text at the first stop sequence and at the output bound."""
    finish = "stop"
    found = min((text.index(stop) for stop in ask.stop if stop in text), default=None)
    if found is not None:
        text, finish = text[:found], "stop_sequence"
    words = pieces_of(text)
    bound = ask.max_output_tokens
    if bound is not None and len(words) + count_words(reasoning) > bound:
        kept = max(0, bound - count_words(reasoning))
        text, finish = "".join(words[:kept]), "length"
    return Answer(text, reasoning=reasoning, finish=finish)


def _calls(ask: Ask) -> tuple[Call, ...]:
    if not ask.tools or ask.tool_choice == "none":
        return ()
    forced = ask.tool_choice != "auto"
    if ask.results and not forced:
        return ()
    named = [tool for tool in ask.tools if tool.name == ask.tool_choice]
    meant = named or [tool for tool in ask.tools if _is_meant(tool, ask.text)]
    if not meant and forced:
        meant = [ask.tools[0]]
    if len(meant) == 1 and ask.parallel:
        return tuple(_call(meant[0], ask.text, first) for first in _listed(ask.text) or [""])
    return tuple(_call(tool, ask.text) for tool in (meant if ask.parallel else meant[:1]))


def _is_meant(tool: OfferedTool, text: str) -> bool:
    """Whether the user's text has a word of the tool's name in it, verbs aside."""
    words = set(_WORD.findall(_CAMEL.sub(" ", tool.name).replace("_", " ").lower())) - _VERBS
    said = text.lower()
    return any(word.removesuffix("s") in said for word in words)


def _listed(text: str) -> list[str]:
    """The names of the first list in the text: "Paris, Rome and Oslo" asks for three calls."""
    found = _LIST.search(text)
    return _LIST_SEPARATOR.split(found.group(0)) if found else []


def _call(tool: OfferedTool, text: str, first: str = "") -> Call:
    hints = Hints.read(text)
    if first:
        hints.words = [first]
    arguments = sample(dict(tool.schema) or {"type": "object"}, hints)
    return Call(tool.name, arguments if isinstance(arguments, dict) else {})

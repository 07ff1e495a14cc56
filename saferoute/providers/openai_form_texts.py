"""Rules for the pieces of a request that OpenAI began and others took over: tools, calls, formats of answers, contents and URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.providers.text_documents import linked, linked_picture
from saferoute.providers.text_rules import either, fields, items, remembered, says, says_json, scalar, tagged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.text_rules import Rule
    from saferoute.providers.wire_text import Raw, WireTextKind

__all__ = ["CHOICE", "FORMAT", "STOP", "TOOLS", "called", "closed", "content", "picture", "unless_null", "url"]


def closed(*silent: str, **rules: Rule) -> Rule:
    """An object with these keys only; of the first ones no model reads anything."""
    return fields(dict.fromkeys(silent, scalar) | rules)


def unless_null(rule: Rule) -> Rule:
    """Null, or what the rule reads."""

    def read(value: object, path: str, found: list[Raw]) -> None:
        if value is not None:
            rule(value, path, found)

    return read


def content(kind: WireTextKind, blocks: Mapping[str, Rule]) -> Rule:
    """A text, or blocks of it and of these further types."""
    return either(says(kind), items(tagged("type", {"text": closed("type", text=says(kind)), **blocks})))


def url(kind: WireTextKind) -> Rule:
    """A URL; one that holds a document of text says that text."""
    return _url(linked(kind))


def picture(kind: WireTextKind) -> Rule:
    """The URL of a picture, or one that holds it; one that holds anything else has to hold text, and says it."""
    return _url(linked_picture(kind))


def _url(held: Rule) -> Rule:
    def read(value: object, path: str, found: list[Raw]) -> None:
        holds = isinstance(value, str) and value.lstrip()[:5].lower() == "data:"
        (held if holds else scalar)(value, path, found)

    return read


def called(**more: Rule) -> Rule:
    """A call of a tool."""
    return closed("id", "type", function=closed(name=says("tool_call"), arguments=says("tool_call")), **more)


_FUNCTION: Final = closed("strict", name=says("tool_name"), description=says("tool_description"), parameters=says_json("tool_schema"))
_SCHEMA: Final = closed("strict", name=says("schema"), description=says("schema"), schema=says_json("schema"))

TOOLS: Final = remembered(items(tagged("type", {"function": closed("type", function=_FUNCTION)})))
CHOICE: Final = either(scalar, closed("type", function=closed("name")))
FORMAT: Final = tagged("type", {"json_object": closed("type"), "json_schema": closed("type", json_schema=_SCHEMA), "text": closed("type")})
STOP: Final = either(scalar, items(scalar))

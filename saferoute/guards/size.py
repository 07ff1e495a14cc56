"""How much text a request has, told by lengths alone: what is too large is refused before anything reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.guards.pipeline import check_blocked
from saferoute.values.guarding import Action, Judged, Verdict
from saferoute.values.messages import Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saferoute.values.messages import Part
    from saferoute.values.request import ChatRequest

__all__ = ["check_length", "check_size", "size_of"]

_CONTINUED: Final = bytes(range(0x80, 0xC0))
"""Bytes of UTF-8 that begin no character."""


def size_of(request: ChatRequest, most: int) -> int:
    """How many characters a request's texts have at least. Documents are not counted: only who reads them knows what is text.

    The time grows with the number of parts, and not with their length, but for texts in bytes that are not ASCII.

    Args:
        request: what is asked.
        most: what is passed through to a provider is counted until there are more.
    """
    size = 0
    for message in request.messages:
        size += len(message.name or "") + sum(map(_length, message.content))
    for tool in request.tools:
        size += len(tool.name) + len(tool.description or "") + _letters(tool.parameters)
    if request.output is not None:
        size += len(request.output.name) + _letters(request.output.schema)
    for number in _lengths(request.provider_options):
        if size > most:
            break
        size += number
    return size


def _length(part: Part) -> int:
    match part:
        case Text() | Refusal() | Reasoning():
            return len(part.text)
        case ToolCall():
            return len(part.arguments)
        case ToolResult():
            return sum(map(_length, part.content))
        case _:
            return 0


def _letters(data: bytes) -> int:
    return len(data) if data.isascii() else len(data.translate(None, _CONTINUED))


def _lengths(options: Mapping[str, Mapping[str, object]]) -> Iterator[int]:
    """Of what is passed through: of every text its length, and of everything else that it takes one character to write."""
    todo: list[object] = [value for fields in options.values() for value in fields.values()]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            yield len(one)
        elif isinstance(one, dict):
            todo += one
            todo += one.values()
            yield 1
        elif isinstance(one, list | tuple):
            todo += one
            yield 1
        else:
            yield 1


def check_length(size: int, most: int) -> None:
    """Refuse texts that are too large together.

    Args:
        size: their characters.
        most: what is allowed.

    Raises:
        GuardBlocked: there are more. Nothing was sent.
    """
    if size > most:
        reason = f"the request's texts have {size} characters together, and {most} are allowed"
        check_blocked([Judged("size", "1", "request", "", Verdict(Action.BLOCK, (reason,)))], "nothing was sent")


def check_size(request: ChatRequest, most: int) -> None:
    """Refuse a request that is too large, before anything looks at its texts.

    Args:
        request: what is asked.
        most: characters that its texts may have together.

    Raises:
        GuardBlocked: there are more. Nothing was sent.
    """
    check_length(size_of(request, most), most)

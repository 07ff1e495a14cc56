"""What a type checker must know about the public surface. Never run: `make types` checks it with mypy and with pyright.

`assert_type` fails where a type is wrong, and both checkers report an ignore that is not needed, so each refused line stays refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, assert_never, assert_type

import pydantic

import saferoute

if TYPE_CHECKING:
    from saferoute.values.events import FinishReason, Started, TextDelta


class City(pydantic.BaseModel):
    """What a caller may ask for."""

    name: str


def plain_call(client: saferoute.Client) -> None:
    """A reply without output has nothing parsed, and typed fields."""
    reply = client.chat("fast", "hello")
    assert_type(reply, saferoute.Reply[None])
    assert_type(reply.text, str)
    assert_type(reply.usage, saferoute.Usage)
    assert_type(reply.cost, Decimal | None)
    assert_type(reply.finish_reason, "FinishReason")
    assert_type(reply.tool_calls, tuple[saferoute.ToolCall, ...])


def structured_call(client: saferoute.Client) -> None:
    """The class that was asked for is the type of `parsed`."""
    assert_type(client.chat("fast", "where?", output=City).parsed, City)
    assert_type(client.chat("fast", "where?", output=City).parsed.name, str)


def conversation(client: saferoute.Client) -> None:
    """Texts, messages, mappings and mixtures are all messages."""
    first = client.chat("fast", [saferoute.Message("user", "hello"), "more"])
    client.chat("fast", [*first.messages, "and tomorrow?"])
    client.chat("fast", [{"role": "user", "content": "hello"}])
    turns: Sequence[Mapping[str, Any]] = [{"role": "user", "content": "hello"}]
    client.chat("fast", turns)


def options(client: saferoute.Client) -> None:
    """Options are known by name and type."""
    client.chat("fast", "x", temperature=0.2, max_output_tokens=5, reasoning="low", stop=["a"], timeout=3.0)
    client.chat("fast", "x", temperature="hot")  # type: ignore[arg-type]
    client.chat("fast", "x", reasoning="enormous")  # type: ignore[arg-type]
    client.chat("fast", "x", max_tokens=5)  # type: ignore[call-arg, call-overload, unused-ignore]
    client.chat("fast", "x", base_url="http://127.0.0.1")  # type: ignore[call-arg, call-overload, unused-ignore]


def streams(client: saferoute.Client) -> None:
    """A stream yields events, narrows, and ends in the same reply."""
    with client.stream("fast", "hello") as stream:
        assert_type(stream.text(), Iterator[str])
    with client.stream("fast", "where?", output=City) as stream_of_city:
        assert_type(stream_of_city.finish().parsed, City)


def narrowing(event: saferoute.StreamEvent[City]) -> str:
    """`if event.type == ...` narrows, and `match` is exhaustive."""
    if event.type == "text":
        assert_type(event, "TextDelta")
        return event.text
    if event.type == "started":
        assert_type(event, "Started")
        return event.model
    if event.type == "finished":
        return event.reply.parsed.name
    return ""


async def awaited(client: saferoute.AsyncClient) -> None:
    """The asyncio client has the same names; a stream is never awaited."""
    assert_type(await client.chat("fast", "hello"), saferoute.Reply[None])
    assert_type((await client.chat("fast", "where?", output=City)).parsed, City)
    async with client.stream("fast", "where?", output=City) as stream:
        async for event in stream:
            narrowing(event)
        assert_type((await stream.finish()).parsed, City)


def reasons(reason: FinishReason) -> Literal["whole", "cut", "else"]:
    """Finish reasons are a closed list."""
    match reason:
        case "stop" | "stop_sequence" | "tool_call":
            return "whole"
        case "length" | "context_overflow" | "pause":
            return "cut"
        case "content_filter" | "refusal" | "error" | "other":
            return "else"
        case _:
            assert_never(reason)


def errors(client: saferoute.Client) -> None:
    """Errors carry typed facts."""
    try:
        client.chat("fast", "x")
    except saferoute.errors.RateLimited as error:
        assert_type(error.retry_after, float | None)
    except saferoute.errors.TimedOut as error:
        timeout: TimeoutError = error
        raise timeout from None

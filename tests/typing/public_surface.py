"""More of what users' type checkers see: fields, options, streams, closed lists, errors. Never run (`make types`).

`assert_type` fails where a type is wrong, and both checkers report an ignore that is not needed, so each refused line stays refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal, assert_never, assert_type

import pydantic

import saferoute
from saferoute.values.events import FinishReason


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
    assert_type(reply.finish_reason, FinishReason)
    assert_type(reply.tool_calls, tuple[saferoute.ToolCall, ...])


def options(client: saferoute.Client) -> None:
    """Options are known by name and type."""
    client.chat("fast", "x", temperature=0.2, max_output_tokens=5, reasoning="low", stop=["a"], timeout=3.0)
    client.chat("fast", "x", reasoning="enormous")  # type: ignore[call-overload]


def streams(client: saferoute.Client) -> None:
    """A stream yields events, narrows, and ends in the same reply."""
    with client.stream("fast", "hello") as stream:
        assert_type(stream.text(), Iterator[str])
    with client.stream("fast", "where?", output=City) as stream_of_city:
        assert_type(stream_of_city.finish().parsed, City)


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

"""What users' type checkers see. Never run: mypy --strict and pyright check it (`make types`)."""

from __future__ import annotations

from typing import Any, assert_never, assert_type

import pydantic

import saferoute


class City(pydantic.BaseModel):
    """A city."""

    name: str


def parsed_is_inferred(client: saferoute.Client) -> None:
    """`output` decides the type of `parsed`."""
    assert_type(client.chat("fast", "hi", output=City).parsed, City)
    assert_type(client.chat("fast", "hi", output={"type": "object"}).parsed, Any)
    assert_type(client.chat("fast", "hi").parsed, None)
    assert_type(client.chat("fast", ["hi", {"role": "user", "content": "x"}, saferoute.Message("user", (saferoute.Text("x"),))]).text, str)


async def parsed_is_inferred_when_awaited(client: saferoute.AsyncClient) -> None:
    """The same, awaited; stream is never awaited."""
    assert_type((await client.chat("fast", "hi", output=City)).parsed, City)
    async with client.stream("fast", "hi", output=City) as stream:
        async for event in stream:
            if event.type == "finished":
                assert_type(event.reply.parsed, City)
    assert_type(stream.reply.parsed, City)


def match_is_exhaustive(event: saferoute.StreamEvent[City]) -> str:
    """Every kind of event, and no other."""
    from saferoute import events

    match event:
        case events.Started():
            return event.model
        case events.TextDelta() | events.ReasoningDelta() | events.RefusalDelta():
            return event.text
        case events.ToolCallDelta():
            return event.arguments
        case events.ToolCallReady():
            return event.call.name
        case events.PartEnd():
            return str(event.index)
        case events.Cited():
            return event.citation.title or ""
        case events.Noticed():
            return event.notice.message
        case events.Finished():
            return event.reply.parsed.name
        case _:
            assert_never(event)


def the_type_field_narrows(event: saferoute.StreamEvent[City]) -> str:
    """`if event.type == ...` narrows as `match` does."""
    if event.type == "text":
        return event.text
    if event.type == "tool_call":
        return event.call.arguments
    return ""


def wrong_calls_are_errors(client: saferoute.Client) -> None:
    """Each line must be an error: an unused ignore fails the check."""
    client.chat("fast", "hi", max_tokens=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    client.chat("fast", "hi", api_base="https://evil.example")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    client.chat("fast", "hi", temperature="hot")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    client.base_url = "https://evil.example"  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]

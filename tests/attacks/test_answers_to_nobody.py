"""Attack: a provider puts the answer to a question that nobody asked behind an honest one, or otherwise prepares the next exchange.

If the client read it from the kept connection, the next caller would get an answer that was made for somebody else.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

import saferoute
from saferoute.testing import Answer, Ask, EmbeddedProvider, RawAnswer
from saferoute.testing.hostile import HOSTILE_TEXT, hostile_cases

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.testing.script import Step

pytestmark = pytest.mark.filterwarnings("ignore::saferoute.errors.LocalTrustWarning")

CASES = {case.name: case for case in hostile_cases()}
AFTER_EFFECTS = ["a_second_answer_in_the_first", "sets_a_cookie", "asks_to_go_elsewhere_next_time", "whole_where_a_stream_was_asked"]
SECOND = "the second answer"


def _asks_sync(provider: EmbeddedProvider, dialect: Any, stream: bool, rest: float = 0) -> tuple[str, str]:
    with saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port, dialect=dialect)]) as client:
        first = client.stream("demo/m", "hello").finish() if stream else client.chat("demo/m", "hello")
        time.sleep(rest)
        return first.text, client.chat("demo/m", "again").text


async def _asks(provider: EmbeddedProvider, dialect: Any, stream: bool, rest: float) -> tuple[str, str]:
    async with saferoute.AsyncClient.local(servers=[saferoute.loopback("demo", port=provider.port, dialect=dialect)]) as client:
        first = await (client.stream("demo/m", "hello").finish() if stream else client.chat("demo/m", "hello"))
        await asyncio.sleep(rest)
        return first.text, (await client.chat("demo/m", "again")).text


def _asks_async(provider: EmbeddedProvider, dialect: str, stream: bool, rest: float = 0) -> tuple[str, str]:
    return asyncio.run(_asks(provider, dialect, stream, rest))


@pytest.mark.parametrize("asks", [_asks_sync, _asks_async], ids=["sync", "async"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic_messages"])
@pytest.mark.parametrize("name", AFTER_EFFECTS)
def test_the_next_answer_is_the_next_answer(name: str, dialect: str, stream: bool, asks: Callable[..., tuple[str, str]]) -> None:
    def script(ask: Ask) -> Step:
        return CASES[name].make() if ask.text == "hello" else SECOND

    with EmbeddedProvider(script) as provider:
        assert asks(provider, dialect, stream) == (HOSTILE_TEXT, SECOND)
        assert len(provider.requests) == 2
        assert not any("cookie" in request.headers for request in provider.requests)


@pytest.mark.parametrize("asks", [_asks_sync, _asks_async], ids=["sync", "async"])
def test_bytes_that_come_before_the_question_are_nobodys_answer(asks: Callable[..., tuple[str, str]]) -> None:
    # The unasked answer arrives after the honest one was read, while the connection rests in the pool.
    evil = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    def script(ask: Ask) -> Step:
        if ask.text != "hello":
            return SECOND
        honest = (
            b'{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"finish_reason":"stop",'
            b'"message":{"role":"assistant","content":"first"}}]}'
        )
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(honest)
        return RawAnswer(framing="verbatim", pieces=(head + honest, evil), pause=0.05)

    with EmbeddedProvider(script) as provider:
        assert asks(provider, "openai_chat", stream=False, rest=0.25) == ("first", SECOND)


def test_an_honest_connection_is_used_again() -> None:
    # The proof that the tests above see a connection that would have been reused.
    with EmbeddedProvider([Answer(HOSTILE_TEXT), Answer(SECOND)]) as provider:
        assert _asks_sync(provider, "openai_chat", stream=False) == (HOSTILE_TEXT, SECOND)
        assert provider.connections == 1

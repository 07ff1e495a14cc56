"""Requirement 5: a stream without its terminal event is an error with the partial text kept, on every dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from saferoute.errors import StreamInterrupted
from tests.requirements.conftest import Deployed, Way, row
from tests.requirements.dialects import DIALECTS
from tests.support.counting_server import CountingServer

Serve = Callable[..., CountingServer]

# However the connection says that it is over, the answer is not whole.
ENDS: Mapping[str, dict[str, Any]] = {
    "framed to its end": {},
    "closed": {"framing": "until_close", "end": "close"},
    "closed inside the framing": {"unfinished": True, "end": "close"},
    "reset": {"unfinished": True, "end": "reset"},
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_with_its_terminal_event_the_answer_is_whole(four_ways: Way, serve: Serve, deployed: Deployed, dialect: str) -> None:
    server = serve(DIALECTS[dialect].answer())
    reply = four_ways.ask(deployed(four_ways.kind, row("row", server.origin, dialect=dialect)))
    assert (reply.text, reply.finish_reason, server.count) == ("hello", "stop", 1)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_it_a_stream_is_an_error_that_keeps_the_text(kind: str, serve: Serve, deployed: Deployed, dialect: str, end: str) -> None:
    spoken = DIALECTS[dialect]
    server = serve(spoken.answer(keep=-spoken.end, **ENDS[end]))
    face = deployed(kind, row("row", server.origin, dialect=dialect))
    with pytest.raises(StreamInterrupted) as caught:
        face.stream("row", "hi", max_attempts=3)
    partial: Any = caught.value.partial
    assert partial.text == "hello"
    assert server.count == 1  # what was shown is not asked for again


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_whole_call_that_is_answered_with_such_a_stream_is_an_error_too(
    kind: str, serve: Serve, deployed: Deployed, dialect: str
) -> None:
    spoken = DIALECTS[dialect]
    server = serve(spoken.stream(keep=-spoken.end))
    face = deployed(kind, row("row", server.origin, dialect=dialect))
    with pytest.raises(StreamInterrupted) as caught:
        face.chat("row", "hi", max_attempts=2)
    partial: Any = caught.value.partial
    assert partial.text == "hello"
    assert server.count == 2  # nothing was shown, so it was tried again


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_whole_answer_that_is_cut_off_is_an_error(kind: str, serve: Serve, deployed: Deployed, dialect: str) -> None:
    whole = DIALECTS[dialect].answer()

    def cut(received: Any) -> Any:
        answer = whole(received)
        (body,) = answer.pieces
        return type(answer)(pieces=(body[:-5],), declared_length=len(body), end="close")

    server = serve(cut)
    face = deployed(kind, row("row", server.origin, dialect=dialect))
    with pytest.raises(StreamInterrupted):
        face.chat("row", "hi", max_attempts=1)
    assert server.count == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_is_left_knows_what_had_arrived(kind: str, serve: Serve, deployed: Deployed, dialect: str) -> None:
    spoken = DIALECTS[dialect]
    server = serve(spoken.answer(keep=-spoken.end, unfinished=True, idle=30.0))
    face = deployed(kind, row("row", server.origin, dialect=dialect), guards=None)  # which would hold a word without an end back
    stream = face.client.stream("row", "hi")

    async def concurrently() -> str:
        found = ""
        async with stream:
            async for text in stream.text():
                found += text
                if found == "hello":
                    break
        return str(stream.partial.text)

    if kind == "asyncio":
        assert face.wait(concurrently()) == "hello"
        return
    found = ""
    with stream:
        for text in stream.text():
            found += text
            if found == "hello":
                break
    assert stream.partial.text == "hello"

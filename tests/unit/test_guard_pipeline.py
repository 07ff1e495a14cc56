"""Asking guards, what their failures amount to, composition, and taking places out."""

from __future__ import annotations

import pickle
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.errors import GuardBlocked, GuardFailed
from saferoute.guards import Action, Context, Judged, Segment, Span, Verdict
from saferoute.guards.pipeline import WITHHELD, Active, ask, check_blocked, composed, failed, judge, judged, spans_to_redact
from saferoute.guards.redacting import merged, redacted
from tests.support.guarded import Saying, Words

TEXT = Segment("the quiet word", path="/messages/0/content/0")
INPUT = Context("input")
ALLOW = Verdict(Action.ALLOW)
FOUND = Verdict(Action.REDACT, ("a word",), (Span(4, 9, "word"),))


def said(answer: object, **options: Any) -> Judged:
    guard = Saying(answer, **options)
    active = Active(guard, options.get("on_error", "block"))
    return judged(active, ask(guard, "check", TEXT, INPUT), TEXT, "input")


def test_an_active_guard_keeps_what_it_was_when_the_client_was_made() -> None:
    guard = Saying(stages=["input"])
    active = Active(guard)
    guard.name, guard.stages, guard.version = "other", frozenset(), "2"
    assert (active.name, active.version, active.stages, active.streams) == ("saying", "1", {"input"}, False)
    assert active.asked_about("input")
    assert not active.asked_about("output")
    assert len(judge([active], TEXT, INPUT)) == 1
    assert Active(Words("a")).streams


def test_each_guard_of_the_stage_is_asked_once_in_order() -> None:
    guards = [Saying(name="a"), Saying(name="b", stages=["output"]), Saying(name="c")]
    found = judge([Active(one) for one in guards], TEXT, INPUT)
    assert [one.guard for one in found] == ["a", "c"]
    assert [len(one.asked) for one in guards] == [1, 0, 1]
    assert found[0] == Judged("a", "1", "input", TEXT.path, ALLOW)


def test_a_verdict_stays_as_it_is_but_for_the_path_of_its_spans() -> None:
    assert said(FOUND).verdict == Verdict(Action.REDACT, ("a word",), (Span(4, 9, "word", TEXT.path),))
    assert said(ALLOW).verdict is ALLOW
    assert said(Verdict(Action.FLAG, (), (), 0.5)).verdict.score == 0.5


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (RuntimeError("the quiet word"), "it raised RuntimeError"),
        (type("Long" * 99, (Exception,), {})(), "it raised " + ("Long" * 99)[:60]),
        (type("Odd\x1b[2J\n", (Exception,), {})(), "it raised Odd\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}"),
        ("a word", "it returned str, which is no Verdict"),
        (Action.ALLOW, "it returned Action, which is no Verdict"),
        (Verdict(Action.FLAG, (), (Span(4, 15, "word"),)), "it points outside the text"),
        (Verdict(Action.REDACT, (), (Span(3, 3, "word"),)), "it asks for something to be taken out, and points at nothing"),
        (lambda *_: None, "it gave no verdict in time, or None"),
        (lambda *_: Verdict(Action.REDACT), "it raised ValueError"),
        (lambda _: ALLOW, "it raised TypeError"),
    ],
)
@pytest.mark.parametrize(("on_error", "action"), [("block", Action.BLOCK), ("flag", Action.FLAG)])
def test_a_failure_blocks_unless_it_is_to_flag(answer: object, why: str, on_error: str, action: Action) -> None:
    assert said(answer, on_error=on_error).verdict == Verdict(action, (f"guard_error: {why}",))


def test_a_subclass_of_a_verdict_is_none() -> None:
    class Mine(Verdict):
        pass

    assert said(Mine(Action.ALLOW)).verdict.reasons == ("guard_error: it returned Mine, which is no Verdict",)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit()])
def test_what_ends_a_program_passes_through(stop: BaseException) -> None:
    with pytest.raises(type(stop)):
        said(stop)


def test_a_base_exception_that_a_driver_caught_is_a_failure() -> None:
    assert judged(Active(Saying()), GeneratorExit(), TEXT, "input").verdict.reasons == ("guard_error: it raised GeneratorExit",)


def test_reasons_are_printable_and_repeat_nothing_that_was_found() -> None:
    spans = (Span(4, 14, "word"), Span(0, 3, "word"))
    reasons = ("one\ntwo\x1b[31m\u202e\ud800", "it says quiet word", "the three letters", "caf\u00e9 \U0001f600")
    plain = "one\N{REPLACEMENT CHARACTER}two\N{REPLACEMENT CHARACTER}[31m" + "\N{REPLACEMENT CHARACTER}" * 2
    assert said(Verdict(Action.BLOCK, reasons, spans)).verdict.reasons == (plain, WITHHELD, "the three letters", "caf\u00e9 \U0001f600")


def test_a_failure_is_told_in_printable_words() -> None:
    assert failed(Active(Saying()), "a\nb").reasons == ("guard_error: a\N{REPLACEMENT CHARACTER}b",)


# -------------------------------------------------------------------------------------------------------------- composition


def one(action: Action, *reasons: str, guard: str = "g", path: str = "/p", spans: tuple[Span, ...] = ()) -> Judged:
    return Judged(guard, "1", "input", path, Verdict(action, reasons, spans))


def test_nothing_said_allows() -> None:
    assert composed([]) is Action.ALLOW
    assert spans_to_redact([]) == ()
    check_blocked([], "nothing was sent")


def test_the_most_severe_wins_in_every_order_and_all_reasons_are_kept() -> None:
    every = [
        one(Action.ALLOW, guard="a"),
        one(Action.FLAG, "odd", guard="b"),
        one(Action.REDACT, "a key", guard="c", spans=(Span(0, 1, "key"),)),
        one(Action.BLOCK, "no", guard="d"),
    ]
    for order in permutations(every):
        assert composed(order) is Action.BLOCK
        with pytest.raises(GuardBlocked) as caught:
            check_blocked(order, "nothing was sent")
        assert set(caught.value.verdicts) == set(every)
        assert str(caught.value) == "a guard says no, so that nothing was sent: d at /p: no"
    check_blocked(every[:3], "nothing was sent")
    assert composed(every[:3]) is Action.REDACT


def test_spans_to_redact_are_those_of_verdicts_that_redact() -> None:
    spans = (Span(5, 6, "b"), Span(1, 2, "a"))
    every = [one(Action.FLAG, spans=(Span(0, 9, "c"),)), one(Action.REDACT, spans=spans)]
    assert spans_to_redact(every) == (Span(1, 2, "a"), Span(5, 6, "b"))


def test_only_failures_make_a_guard_failed() -> None:
    failure = one(Action.BLOCK, "guard_error: it raised OSError", guard="f", path="")
    with pytest.raises(GuardFailed) as caught:
        check_blocked([failure, one(Action.FLAG)], "nothing was sent")
    assert str(caught.value) == (
        "a guard could not judge, so that nothing was sent: f at /: guard_error: it raised OSError. "
        'Mend the guard, or give it on_error="flag"'
    )
    with pytest.raises(GuardBlocked, match=r"f at /: .*; d at /p: no reason given$"):
        check_blocked([failure, one(Action.BLOCK, guard="d")], "nothing was sent")


def test_an_error_tells_three_guards_and_four_reasons_of_each() -> None:
    every = [one(Action.BLOCK, *"12345", guard=f"g{number}") for number in range(5)]
    with pytest.raises(GuardBlocked) as caught:
        check_blocked(every, "no")
    words = "; ".join(f"g{number} at /p: 1, 2, 3, 4" for number in range(3))
    assert str(caught.value) == f"a guard says no, so that no: {words} (and 2 more)"
    assert len(caught.value.verdicts) == 5


def test_an_error_of_a_guard_survives_a_pickle() -> None:
    error = GuardBlocked("no", verdicts=(one(Action.BLOCK, "no", spans=(Span(0, 1, "key", "/p", "0a1b2c3d"),)),))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.verdicts, again.attempts) == (GuardBlocked, "no", error.verdicts, ())


# ----------------------------------------------------------------------------------------------------------------- redaction


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(0, 2)], [(0, 2)]),
        ([(0, 2), (1, 3)], [(0, 3)]),
        ([(0, 5), (1, 3)], [(0, 5)]),
        ([(0, 2), (2, 3)], [(0, 2), (2, 3)]),
        ([(3, 3)], []),
        ([(1, 1), (0, 2), (2, 2)], [(0, 2)]),
        ([(4, 6), (0, 1)], [(0, 1), (4, 6)]),
    ],
)
def test_the_union(spans: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    assert [(start, end) for start, end, _ in merged(Span(start, end, "k") for start, end in spans)] == expected


def test_a_union_is_of_the_kind_that_begins_first() -> None:
    assert merged([Span(1, 4, "second"), Span(0, 2, "first"), Span(0, 2, "a")]) == [(0, 4, "a")]


places = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted), max_size=6)


@given(text=st.text(min_size=12, max_size=12), spans=places)
def test_what_is_redacted_is_exactly_the_union(text: str, spans: list[list[int]]) -> None:
    found = [Span(start, end, "k") for start, end in spans]
    taken = {at for start, end in spans for at in range(start, end)}
    marks: list[str] = []

    def mark(kind: str) -> str:
        marks.append(kind)
        return ""

    assert redacted(text, found, mark) == "".join(letter for at, letter in enumerate(text) if at not in taken)
    assert redacted(text, reversed(found), mark) == redacted(text, found, mark)
    assert (not marks) == (not taken)

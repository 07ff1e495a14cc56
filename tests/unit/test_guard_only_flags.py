"""Guards that say that they only flag: nothing of an answer waits for them, and they see each text once, when it is whole."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from saferoute.call.guarding import mark_of
from saferoute.errors import GuardBlocked, GuardFailed
from saferoute.guards import Action, Context, Segment, Span, Verdict
from saferoute.guards.answer_panel import AnswerPanel
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.function import active_guards
from saferoute.guards.links import LinkGuard
from saferoute.guards.pii import PiiGuard
from saferoute.guards.secrets_found import SecretsGuard
from saferoute.guards.unicode import UnicodeGuard
from saferoute.values.events import Completed, DecodedEvent, PartEnd, ReasoningDelta, RefusalDelta, TextDelta
from saferoute.values.usage import Usage
from tests.support.guarded import Saying, Words

END = Completed("stop", "stop", Usage(), {}, (), ())


class Late(Saying):
    """Answers what it is told to, and only flags."""

    only_flags = True

    def __init__(self, answer: object = None, **options: Any) -> None:
        super().__init__(answer, **{"name": "late", "stages": ["output"], "quick": True, **options})


def judging(*guards: Any, first: AnswerGuards | None = None) -> AnswerGuards:
    return AnswerGuards(active_guards(guards), Context, mark_of, first=first)


def said_of(guards: AnswerGuards) -> list[tuple[str, str, Action, list[tuple[int, int]]]]:
    return [(one.guard, one.path, one.verdict.action, [(span.start, span.end) for span in one.verdict.spans]) for one in guards.verdicts]


def falcon(segment: Segment, _: Context) -> Verdict:
    at = segment.text.find("falcon")
    return Verdict(Action.ALLOW) if at < 0 else Verdict(Action.FLAG, ("a word",), (Span(at, at + 6, "word"),))


def test_each_piece_is_shown_as_it_comes_and_the_whole_is_flagged_at_the_end() -> None:
    late = Late(falcon)
    guards = judging(late)
    pieces: list[DecodedEvent] = [TextDelta(text, 0) for text in ("the fal", "", "con flies")]
    for piece in pieces:
        assert guards.feed([piece]) == [piece]
    assert guards.feed([PartEnd(0)]) == [PartEnd(0)]
    assert late.asked == []
    assert guards.feed([END]) == [END]
    assert late.asked == [("output", "/content/0", "the falcon flies")]
    assert said_of(guards) == [("late", "/content/0", Action.FLAG, [(4, 10)])]
    assert not guards.redacted


def test_each_text_is_asked_about_by_itself() -> None:
    names: list[tuple[str, str, str]] = []

    def naming(segment: Segment, _: Context) -> Verdict:
        names.append((segment.path, segment.name, segment.text))
        return Verdict(Action.ALLOW)

    guards = judging(Late(naming))
    guards.feed([ReasoningDelta("a", 0), TextDelta("b", 1), ReasoningDelta("c", 0), RefusalDelta("d", 2), END])
    assert names == [("/content/0", "reasoning", "ac"), ("/content/1", "", "b"), ("/content/2", "refusal", "d")]
    assert guards.verdicts == []


def test_it_sees_what_another_guard_takes_out() -> None:
    late = Late(falcon)
    guards = judging(Words("falcon"), late)
    shown = [event for piece in ("the fal", "con flies") for event in guards.feed([TextDelta(piece, 0)])]
    shown += guards.feed([END])
    assert "".join(event.text for event in shown if isinstance(event, TextDelta)) == "the [redacted: word] flies"
    assert late.asked == [("output", "/content/0", "the falcon flies")]
    assert said_of(guards) == [("words", "/content/0", Action.REDACT, [(4, 10)]), ("late", "/content/0", Action.FLAG, [(4, 10)])]


@pytest.mark.parametrize("verdict", [Verdict(Action.BLOCK, ("no",)), Verdict(Action.REDACT, (), (Span(0, 1, "word"),))])
def test_one_that_asks_for_more_comes_too_late_and_has_failed(verdict: Verdict) -> None:
    with pytest.raises(GuardFailed, match=r"late at /content/0: guard_error: it says that it only flags, and asks for more"):
        judging(Late(verdict)).feed([TextDelta("words", 0), END])
    lenient = judging(Late(verdict, on_error="flag"))
    assert lenient.feed([TextDelta("words", 0), END]) == [TextDelta("words", 0), END]
    assert [(one.verdict.action, one.verdict.reasons) for one in lenient.verdicts] == [
        (Action.FLAG, ("guard_error: it says that it only flags, and asks for more",))
    ]


@pytest.mark.parametrize(("answer", "why"), [(RuntimeError("the quiet word"), "it raised RuntimeError"), ("yes", "it returned str")])
def test_one_that_fails_says_how(answer: object, why: str) -> None:
    with pytest.raises(GuardFailed, match=f"guard_error: {why}") as caught:
        judging(Late(answer)).feed([TextDelta("words", 0), END])
    assert not isinstance(caught.value, GuardBlocked)
    assert "quiet" not in str(caught.value)


def test_a_text_whose_end_never_comes_is_not_asked_about() -> None:
    late = Late(falcon)
    assert judging(late).feed([TextDelta("falcon", 0)]) == [TextDelta("falcon", 0)]
    assert late.asked == []


def fed(guards: AnswerGuards, events: Iterable[DecodedEvent]) -> list[DecodedEvent]:
    return [shown for event in events for shown in guards.feed([event])]


def test_what_it_flagged_before_values_were_put_back_is_not_told_again() -> None:
    first = judging(Late(falcon))
    assert len(fed(first, [TextDelta("the falcon", 0), END])) == 2
    second = judging(Late(falcon), first=first)
    assert fed(second, [ReasoningDelta("falcon", 1), TextDelta("Ada's falcon", 0), END])[1:] == [TextDelta("Ada's falcon", 0), END]
    assert said_of(second) == [("late", "/content/0", Action.FLAG, [(4, 10)])]
    assert second.verdicts is first.verdicts


# ------------------------------------------------------------------------------------------------------------- the guard for persons' data


@pytest.mark.parametrize(("action", "late"), [(Action.FLAG, True), (Action.REDACT, False), (Action.BLOCK, False)])
def test_the_guard_for_addresses_only_flags_unless_something_is_to_be_taken_out(action: Action, late: bool) -> None:
    (active,) = active_guards([PiiGuard(action)])
    assert active.only_flags is late
    assert (AnswerPanel([active]).late == (active,)) is late


def test_an_address_that_is_only_flagged_is_shown_as_it_comes_and_flagged_once() -> None:
    guards = judging(UnicodeGuard(), SecretsGuard(), PiiGuard(), LinkGuard())
    pieces = ["write to ", "ada@exam", "ple.org ", "or 536-22-1234", " now"]
    shown = ["".join(one.text for one in guards.feed([TextDelta(piece)]) if isinstance(one, TextDelta)) for piece in pieces]
    assert shown == ["write to ", "", "ada@example.org ", "or ", "536-22-1234 "]
    guards.feed([END])
    assert said_of(guards) == [("pii", "/content/0", Action.FLAG, [(9, 24), (28, 39)])]


def test_who_looks_at_numbers_is_told_of_numbers() -> None:
    text = "it is 12 34 56 78 9"
    late, strict = (AnswerPanel(active_guards([SecretsGuard(), PiiGuard(action)])) for action in (Action.FLAG, Action.REDACT))
    assert late.asked(text, 0) == ()
    assert late.plain_until is not None
    assert late.plain_until(text, 0, 0) == len(text) - 1
    assert len(strict.asked(text, 0)) == 2
    assert strict.plain_until is not None
    assert strict.plain_until(text, 0, 0) == -1


class Counting(SecretsGuard):
    """Finds something else too, and says of its own check that it finds nothing in plain text, but not that it looks at no numbers."""

    passes_plain = True

    def check(self, segment: Segment, context: Context) -> Verdict:
        return Verdict(Action.FLAG, ("a year",)) if "2026" in segment.text else super().check(segment, context)


def test_a_guard_with_a_check_of_its_own_promises_nothing_about_numbers() -> None:
    assert [one.passes_numbers for one in active_guards([UnicodeGuard(), SecretsGuard(), LinkGuard()])] == [True] * 3
    assert not active_guards([Counting()])[0].passes_numbers
    assert not active_guards([PiiGuard()])[0].passes_numbers
    own: Any = SimpleNamespace(name="own", version="1", stages=frozenset({"output"}), quick=True, passes_plain=True, check=print)
    assert [(one.passes_plain, one.passes_numbers) for one in active_guards([own])] == [(True, False)]


def test_where_nobody_waits_for_pieces_guards_that_pass_plain_text_are_asked_together() -> None:
    own = Late(falcon)
    panel = AnswerPanel(active_guards([SecretsGuard(), PiiGuard(), own]))
    assert [one.name for one in panel.late] == ["pii", "late"]
    assert panel.at_once is not None
    assert [one.name for one in panel.at_once.late] == ["late"]
    assert [one.name for one in panel.at_once.of_output] == ["secrets", "pii"]
    assert panel.at_once.at_once is None
    assert AnswerPanel(active_guards([SecretsGuard()])).at_once is None
    guards = AnswerGuards(panel, Context, mark_of, whole=True)
    assert guards.feed([TextDelta("ada@example.org has a falcon", 0), END]) == [TextDelta("ada@example.org has a falcon", 0), END]
    assert said_of(guards) == [("pii", "/content/0", Action.FLAG, [(0, 15)]), ("late", "/content/0", Action.FLAG, [(22, 28)])]

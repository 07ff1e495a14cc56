"""Answers: what is shown, what is held, what is taken out, and what nobody sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.call.guarding import mark_of
from saferoute.errors import GuardBlocked, GuardError, GuardFailed
from saferoute.guards import Action, Context, Segment, Span, Verdict
from saferoute.guards.answers import LONGEST_HELD, AnswerGuards, Streams
from saferoute.guards.function import active_guards
from saferoute.guards.redacting import redacted
from saferoute.guards.whole_answers import answer_places, with_answer_texts
from saferoute.values.events import (
    Alternative,
    Cited,
    Completed,
    DecodedEvent,
    Notice,
    Noticed,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallReady,
)
from saferoute.values.fold import Fold
from saferoute.values.messages import Citation, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall
from saferoute.values.usage import Usage
from tests.support.guarded import Saying, Stopping, Words, pieces_of

MARK = "[redacted: word]"
STATE = OpaqueState("demo", "openai_chat", "m", '{"thinking":"falcon"}')
METADATA = {"tier": "x", "seconds": 1.5, "cached": True, "none": None, "citations": ["falcon"]}
LOGPROBS = (TokenLogprob("falcon", -0.1),)
CITED = Cited(0, Citation(0, 6, quote="a bird"))


def end(*alternatives: Alternative) -> Completed:
    return Completed("stop", "stop", Usage(), METADATA, LOGPROBS, alternatives)


def judging(*guards: Any, whole: bool = False) -> AnswerGuards:
    return AnswerGuards(active_guards(guards), Context, mark_of, whole=whole)


def texts(events: Iterable[DecodedEvent], index: int = 0) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta | RefusalDelta | ReasoningDelta) and event.index == index)


def fed(guards: AnswerGuards, pieces: Iterable[str]) -> list[str]:
    """What is shown after every piece, and in the end."""
    shown = [texts(guards.feed([TextDelta(piece)])) for piece in pieces]
    return [*shown, texts(guards.feed([PartEnd(0), end()]))]


# ------------------------------------------------------------------------------------------------------------ piece by piece


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["plain ", "text"], ["plain ", "text", ""]),
        (["a falcon flies"], ["a " + MARK + " flies", ""]),
        (["a fal", "con flies"], ["a ", MARK + " flies", ""]),
        (["a fal", "cone"], ["a ", MARK + "e", ""]),
        (["a fal", "low"], ["a ", "fallow", ""]),
        (["a fal"], ["a ", "fal"]),
        ([*"falcon"], ["", "", "", "", "", MARK, ""]),
        (["falconfalcon"], [MARK + MARK, ""]),
        (["", "x", ""], ["", "x", "", ""]),
    ],
)
def test_everything_before_an_open_candidate_is_shown_at_once(pieces: list[str], shown: list[str]) -> None:
    guards = judging(Words("falcon"))
    assert fed(guards, pieces) == shown
    assert guards.redacted == (MARK in "".join(shown))


def test_a_guard_that_cannot_stream_holds_a_text_to_its_end_and_sees_it_once() -> None:
    guard = Stopping("falcon")
    assert not isinstance(guard, Streams)
    assert isinstance(Words("a"), Streams)
    assert fed(judging(guard, Words("x", name="other")), ["a fal", "con ", "flies"]) == ["", "", "", f"a {MARK} flies"]
    assert [text for _, _, text in guard.asked] == ["a falcon flies"]


def test_whole_answers_are_judged_once_by_guards_that_stream_too() -> None:
    guard = Words("falcon")
    assert fed(judging(guard, whole=True), ["a fal", "con ", "flies"]) == ["", "", "", f"a {MARK} flies"]
    assert [text for _, _, text in guard.asked] == ["a falcon flies"]


def test_without_a_guard_of_outputs_texts_pass_as_they_come() -> None:
    guard = Saying(quick=True, stages=["tool_call"])
    event = TextDelta("falcon")
    assert judging(guard).feed([event, PartEnd(0)]) == [event, PartEnd(0)]
    assert guard.asked == []


def test_what_was_shown_is_context_and_is_told_once() -> None:
    guard = Words("falcon", action=Action.FLAG)
    guards = judging(guard)
    assert "".join(fed(guards, ["a falcon", " flies", " and a falcon", " sits"])) == "a falcon flies and a falcon sits"
    assert [one.verdict.spans for one in guards.verdicts] == [
        (Span(2, 8, "word", "/content/0"),),
        (Span(21, 27, "word", "/content/0"),),
    ]
    assert any(text.startswith("a falcon flies") for _, _, text in guard.asked[1:])


def test_places_count_from_the_beginning_of_a_long_text() -> None:
    guards = judging(Words("falcon"))
    shown = fed(guards, ["x" * 700] * 5 + ["falcon"])
    assert "".join(shown) == "x" * 3500 + MARK
    assert [one.verdict.spans for one in guards.verdicts] == [(Span(3500, 3506, "word", "/content/0"),)]


def test_guards_see_a_bounded_part_of_what_was_shown() -> None:
    guard = Words("falcon")
    fed(judging(guard), ["x" * 700] * 5)
    assert [len(text) for _, _, text in guard.asked] == [700, 1400, 1724, 1724, 1724]


def test_a_find_without_a_place_is_told_once() -> None:
    guards = judging(Streaming(Verdict(Action.FLAG, ("odd",))))
    assert fed(guards, ["a", "b", "c"]) == ["a", "b", "c", ""]
    assert [one.verdict.reasons for one in guards.verdicts] == [("odd",)]


def test_a_find_that_reaches_behind_what_another_guard_waits_for_is_not_cut_in_two() -> None:
    guards = judging(Words("falcon"), Words("continent", name="other", kind="other"))
    assert fed(guards, ["a fal", "con", "vent"]) == ["a ", "", MARK + "vent", ""]
    guards = judging(Words("falcon"), Words("continent", name="other", kind="other"))
    assert fed(guards, ["a falcon", "tinent"]) == ["a ", MARK, ""]
    assert [one.verdict.spans for one in guards.verdicts] == [
        (Span(2, 8, "word", "/content/0"),),
        (Span(5, 14, "other", "/content/0"),),
    ]


def test_a_flag_that_reaches_behind_what_is_shown_is_told_once_it_is_shown() -> None:
    guards = judging(Words("falcon", action=Action.FLAG), Words("continent", name="other", kind="other"))
    assert texts(guards.feed([TextDelta("a falcon")])) == "a fal"
    assert guards.verdicts == []
    assert texts(guards.feed([end()])) == "con"
    assert [one.verdict.spans for one in guards.verdicts] == [(Span(2, 8, "word", "/content/0"),)]


class Streaming(Saying):
    """Says what it is told to, and what may be shown."""

    def __init__(self, answer: object = None, place: Any = None, **options: Any) -> None:
        super().__init__(answer, **{"quick": True, **options})
        self._place = place

    def open_candidate(self, text: str, start: int = 0) -> Any:
        if isinstance(self._place, BaseException):
            raise self._place
        return len(text) if self._place is None else self._place


def test_a_place_that_reaches_back_into_what_was_shown_is_taken_out_from_there_on() -> None:
    guards = judging(Streaming(lambda segment, _: Verdict(Action.REDACT, (), (Span(0, len(segment.text), "word"),))))
    assert fed(guards, ["ab", "cd"]) == [MARK, MARK, ""]
    assert [one.verdict.spans for one in guards.verdicts] == [(Span(0, 2, "word", "/content/0"),), (Span(0, 4, "word", "/content/0"),)]


def test_what_was_shown_and_is_found_too_late_is_no_news() -> None:
    def late(segment: Segment, _: Context) -> Verdict:
        return Verdict(Action.REDACT, (), (Span(0, 1, "word"),)) if len(segment.text) > 2 else Verdict(Action.ALLOW)

    guards = judging(Streaming(late))
    assert fed(guards, ["ab", "cd"]) == ["ab", "cd", ""]
    assert guards.verdicts == []
    assert not guards.redacted


def test_but_it_blocks_if_it_is_to_block() -> None:
    def late(segment: Segment, _: Context) -> Verdict:
        return Verdict(Action.BLOCK, ("no",), (Span(0, 1, "word"),)) if len(segment.text) > 2 else Verdict(Action.ALLOW)

    guards = judging(Streaming(late))
    assert guards.feed([TextDelta("ab")]) == [TextDelta("ab")]
    with pytest.raises(GuardBlocked, match="the answer was not shown any further: saying at /content/0: no"):
        guards.feed([TextDelta("cd")])
    assert guards.verdicts[-1].verdict.spans == (Span(0, 1, "word", "/content/0"),)


class Same(Words):
    """Gives the same reason, however many words it finds."""

    def _judge(self, segment: Segment, context: Context) -> Verdict:
        verdict = super()._judge(segment, context)
        return replace(verdict, reasons=("a word",)) if verdict.spans else verdict


@pytest.mark.parametrize("action", [Action.FLAG, Action.REDACT])
def test_each_place_is_news_though_the_reason_is_the_same(action: Action) -> None:
    guards = judging(Same("falcon", action=action))
    fed(guards, ["a falcon ", "and a falcon ", "and so on"])
    assert [(one.verdict.action, [(span.start, span.end) for span in one.verdict.spans]) for one in guards.verdicts] == [
        (action, [(2, 8)]), (action, [(15, 21)])
    ]  # fmt: skip


def test_a_block_shows_nothing_of_its_piece_and_tells_all_verdicts() -> None:
    guards = judging(Words("ok", action=Action.FLAG, name="first"), Words("falcon", action=Action.BLOCK, name="second"))
    assert texts(guards.feed([TextDelta("ok, a fal")])) == "ok, a "
    with pytest.raises(GuardBlocked) as caught:
        guards.feed([TextDelta("con")])
    assert [(one.guard, one.verdict.action) for one in caught.value.verdicts] == [("first", Action.FLAG), ("second", Action.BLOCK)]
    assert "falcon" not in repr(caught.value) + repr(caught.value.verdicts)


@pytest.mark.parametrize("place", [-1, 99, "0", None, True, 1.0, RuntimeError("the quiet word")], ids=repr)
@pytest.mark.parametrize("on_error", ["block", "flag"])
def test_open_candidate_that_fails_is_a_failure(place: Any, on_error: str) -> None:
    guard = Streaming(place=(place if place is not None else []), on_error=on_error)
    guards = judging(guard)
    if on_error == "block":
        with pytest.raises(GuardFailed) as caught:
            guards.feed([TextDelta("abc")])
        assert "quiet" not in str(caught.value)
    else:
        assert fed(guards, ["abc", "d"]) == ["", "", "abcd"]
        assert [one.verdict.action for one in guards.verdicts] == [Action.FLAG]
    words = ("RuntimeError",) if isinstance(place, RuntimeError) else ("open_candidate gave no place in the text",)
    assert guards.verdicts[0].verdict.reasons[0].endswith(words)


def test_a_place_that_is_already_shown_is_a_failure() -> None:
    guards = judging(Streaming(place=1))
    assert texts(guards.feed([TextDelta("abc")])) == "a"
    assert texts(guards.feed([TextDelta("d")])) == ""  # it is held
    assert texts(guards.feed([PartEnd(0)])) == "bcd"
    with pytest.raises(GuardFailed):  # what it points at was shown long ago
        guards.feed([TextDelta("e")])


# ------------------------------------------------------------------------------------------------------- an unfinished find


class Brackets(Streaming):
    """Finds "<", letters and ">", however long."""

    def __init__(self, **options: Any) -> None:
        super().__init__(self._judge, **options)

    def _judge(self, segment: Segment, _: Context) -> Verdict:
        spans, at = [], segment.text.find("<")
        while at >= 0:
            inner = segment.text[at + 1 :]
            close = len(inner) - len(inner.lstrip("abcdefghijklmnopqrstuvwxyz"))
            if inner[close : close + 1] == ">":
                spans.append(Span(at, at + close + 2, "tag"))
            at = segment.text.find("<", at + 1)
        return Verdict(Action.REDACT, (), tuple(spans)) if spans else Verdict(Action.ALLOW)

    def open_candidate(self, text: str, start: int = 0) -> int:
        self.looked = getattr(self, "looked", 0) + len(text)
        at = text.rfind("<", start)
        return at if at >= 0 and not text[at + 1 :].strip("abcdefghijklmnopqrstuvwxyz") else len(text)


UNFINISHED = "[redacted: unfinished]"


def test_a_find_that_does_not_end_is_marked_and_its_rest_is_not_shown_either() -> None:
    guards = judging(Brackets())
    shown = fed(guards, ["see <", *["secret"] * 4000, "> and more"])
    assert "".join(shown) == f"see {UNFINISHED}[redacted: tag] and more"
    first = next(number for number, piece in enumerate(shown) if UNFINISHED in piece)
    assert LONGEST_HELD < first * 6 < LONGEST_HELD * 1.2
    assert guards.verdicts[0].verdict.reasons == (f"what might be a find had no end after {LONGEST_HELD} characters",)
    assert guards.verdicts[0].verdict.spans[0].start == 4
    assert guards.redacted


def test_what_turns_out_to_be_none_is_shown_from_behind_the_mark_on() -> None:
    guards = judging(Brackets())
    shown = "".join(fed(guards, ["see <", *["ab"] * 12_000, "! more"]))
    rest = shown.removeprefix(f"see {UNFINISHED}")
    assert rest.endswith("ab! more")
    assert not rest.strip("ab").removeprefix("! more")
    assert LONGEST_HELD < len("<" + "ab" * 12_000 + "! more") - len(rest) < LONGEST_HELD * 1.2


def test_a_mark_is_shown_once_for_what_never_ends() -> None:
    shown = "".join(fed(judging(Brackets()), ["<" + "a" * 20_000, "a" * 20_000, "a" * 20_000]))
    assert shown == UNFINISHED + "a" * 40_000  # at the end of the text it is none


def test_a_candidate_within_what_was_marked() -> None:
    """The first one ends inside what a mark stands for; the second one, which began there, is taken out whole."""

    class Two(Brackets):
        def open_candidate(self, text: str, start: int = 0) -> int:
            if "!" not in text[start:]:
                return start
            return super().open_candidate(text, start)

    guards = judging(Two())
    shown = fed(guards, ["x" * 20_000 + "<" + "a" * 10, "!<", "b" * 10, "> end"])
    assert "".join(shown) == f"{UNFINISHED}!" + "[redacted: tag] end"


def test_the_next_candidate_begins_within_what_was_marked() -> None:
    class Late(Brackets):
        """Sees only at its third look that what it waited for has ended long ago."""

        def open_candidate(self, text: str, start: int = 0) -> int:
            self.looks = getattr(self, "looks", 0) + 1
            return start if self.looks < 3 else super().open_candidate(text, start)

    guards = judging(Late())
    shown = fed(guards, ["x" * 20_000 + "<" + "a" * 100, "b" * 3000, "c" * 3000, "d" * 3000, "> end"])
    assert "".join(shown) == f"{UNFINISHED}[redacted: tag] end"
    assert "b" not in "".join(shown)


def test_a_guard_that_cannot_stream_is_not_hurried() -> None:
    text = "a" * (LONGEST_HELD + 10)
    assert "".join(fed(judging(Stopping("falcon")), [text, "b"])) == text + "b"


def test_the_work_for_an_open_candidate_grows_in_proportion() -> None:
    looked = []
    for count in (2000, 4000):
        guard = Brackets()
        fed(judging(guard), ["<", *["ab"] * count, ">"])
        looked.append(guard.looked)
    assert looked[1] < 3 * looked[0]
    assert looked[1] < 16 * 8000


# ----------------------------------------------------------------------------------------------- property: whole and in pieces

ALPHABET = "abc"
WORDS = st.lists(st.text(ALPHABET, min_size=1, max_size=5), min_size=1, max_size=3)


@given(text=st.text(ALPHABET + " ", max_size=40), words=WORDS, others=WORDS, cuts=st.lists(st.integers(0, 60), max_size=12))
def test_what_is_shown_of_any_text_in_any_pieces_is_the_redaction_of_the_whole(
    text: str, words: list[str], others: list[str], cuts: list[int]
) -> None:
    one, two = Words(*words), Words(*others, name="others", kind="other")
    guards = judging(one, two)
    shown = fed(guards, pieces_of(text, cuts))
    expected = redacted(text, [*one.places(text), *two.places(text)], mark_of)
    assert "".join(shown) == expected
    finds = {(span.start, span.end) for verdict in guards.verdicts for span in verdict.verdict.spans}
    assert finds == {(span.start, span.end) for span in [*one.places(text), *two.places(text)]}


@given(text=st.text(ALPHABET + " ", max_size=40), words=WORDS, cuts=st.lists(st.integers(0, 60), max_size=12))
def test_nothing_of_a_blocked_word_is_ever_shown(text: str, words: list[str], cuts: list[int]) -> None:
    guard = Words(*words, action=Action.BLOCK)
    guards, shown = judging(guard), ""
    places = guard.places(text)
    try:
        for piece in pieces_of(text, cuts):
            shown += texts(guards.feed([TextDelta(piece)]))
        shown += texts(guards.feed([end()]))
    except GuardError:
        assert places
        assert len(shown) <= min(span.start for span in places)
    else:
        assert not places
        assert shown == text
    assert text.startswith(shown)


@given(text=st.text("ab<>", max_size=60), cuts=st.lists(st.integers(0, 60), max_size=12))
def test_any_guard_that_holds_enough_shows_the_same_as_one_that_cannot_stream(text: str, cuts: list[int]) -> None:
    whole = judging(Brackets(), whole=True)
    assert "".join(fed(judging(Brackets()), pieces_of(text, cuts))) == "".join(fed(whole, [text]))


# -------------------------------------------------------------------------------------------------------- parts and their ends


def test_texts_of_different_parts_are_judged_apart_and_all_kinds_are_judged() -> None:
    guards = judging(Words("falcon"))
    events: list[DecodedEvent] = [TextDelta("fal", 0), ReasoningDelta("a falcon", 1), RefusalDelta("con falcon", 2), TextDelta("con", 0)]
    shown = guards.feed(events)
    assert shown == [ReasoningDelta(f"a {MARK}", 1), RefusalDelta(f"con {MARK}", 2), TextDelta(MARK, 0)]
    assert {one.path for one in guards.verdicts} == {"/content/0", "/content/1", "/content/2"}


def test_the_end_of_a_part_shows_what_is_held_before_it() -> None:
    assert judging(Words("falcon")).feed([TextDelta("fal"), PartEnd(0)]) == [TextDelta("fal"), PartEnd(0)]


def test_the_end_of_a_part_that_never_began() -> None:
    assert judging(Words("falcon")).feed([PartEnd(7, STATE)]) == [PartEnd(7, STATE)]


def test_a_part_that_goes_on_behind_its_end_keeps_its_context() -> None:
    guards = judging(Words("falcon"))
    shown = guards.feed([TextDelta("fal"), PartEnd(0), TextDelta("con x"), PartEnd(0), end()])
    assert texts(shown) == f"fal{MARK} x"
    assert guards.verdicts[0].verdict.spans == (Span(0, 6, "word", "/content/0"),)


def test_without_an_end_of_their_parts_texts_end_with_the_answer() -> None:
    shown = judging(Words("falcon")).feed([TextDelta("fal", 1), TextDelta("fal", 0), end()])
    assert shown == [TextDelta("fal", 1), TextDelta("fal", 0), end()]


def test_the_state_of_a_thought_goes_with_its_words() -> None:
    guards = judging(Words("falcon"))
    assert guards.feed([ReasoningDelta("falcon"), PartEnd(0, STATE), ReasoningDelta("x", 1), PartEnd(1, STATE)]) == [
        ReasoningDelta(MARK),
        PartEnd(0),
        ReasoningDelta("x", 1),
        PartEnd(1, STATE),
    ]


def test_other_events_pass() -> None:
    events: list[DecodedEvent] = [Started("id", "m"), Noticed(Notice("noted", "x", "y")), Cited(3, Citation())]
    assert judging(Words("falcon")).feed(events) == events


def test_a_citation_waits_for_the_text_that_it_stands_behind() -> None:
    guards = judging(Words("falcon"))
    assert guards.feed([TextDelta("a "), CITED]) == [TextDelta("a "), CITED]
    assert guards.feed([TextDelta("fal"), CITED]) == []
    assert guards.feed([TextDelta("low")]) == [TextDelta("fallow"), CITED]
    assert guards.feed([TextDelta("fal"), CITED, PartEnd(0)]) == [TextDelta("fal"), CITED, PartEnd(0)]
    assert guards.feed([TextDelta("x fal"), CITED, TextDelta("low fal"), TextDelta("s")]) == [
        TextDelta("x "),
        TextDelta("fallow fal"),
        TextDelta("s"),
        CITED,
    ]


def test_citations_of_a_text_go_once_something_was_taken_out() -> None:
    guards = judging(Words("falcon"))
    assert guards.feed([TextDelta("fal"), CITED, TextDelta("con"), CITED]) == [TextDelta(MARK)]
    assert guards.feed([TextDelta(" "), CITED, PartEnd(0)]) == [TextDelta(" "), PartEnd(0)]


# ---------------------------------------------------------------------------------------------------------------- tool calls

CALL = ToolCall("c", "look", '{"q":"falcon"}', STATE)
DELTAS = [ToolCallDelta(0, "c", "look", '{"q":'), ToolCallDelta(0, "c", "look", '"falcon"}')]


def test_nothing_of_a_call_is_shown_before_it_is_judged_whole() -> None:
    guard = Saying(quick=True, stages=["tool_call"])
    guards = judging(guard)
    assert guards.feed([*DELTAS, PartEnd(0)]) == []
    assert guards.feed([ToolCallReady(0, CALL)]) == [*DELTAS, PartEnd(0), ToolCallReady(0, CALL)]
    assert guard.asked == [("tool_call", "/content/0", CALL.arguments)]
    assert guards.feed([ToolCallReady(1, CALL)]) == [ToolCallReady(1, CALL)]


def test_a_call_that_never_comes_whole_is_never_shown() -> None:
    assert judging(Saying(quick=True)).feed([*DELTAS, end()]) == [end()]


def test_pieces_of_calls_pass_where_no_guard_judges_calls() -> None:
    events: list[DecodedEvent] = [*DELTAS, PartEnd(0), ToolCallReady(0, CALL)]
    assert judging(Words("falcon", stages=["output"])).feed(events) == events


def test_what_is_taken_out_of_arguments() -> None:
    guards = judging(Words("falcon", stages=["tool_call"]))
    call = ToolCall("c", "look", f'{{"q":"{MARK}"}}')
    shown = guards.feed([*DELTAS, PartEnd(0, STATE), ToolCallReady(0, CALL), end()])
    assert shown[:3] == [ToolCallDelta(0, "c", "look", call.arguments), PartEnd(0), ToolCallReady(0, call)]
    completed = shown[3]
    assert isinstance(completed, Completed)
    assert (completed.logprobs, dict(completed.metadata)) == ((), {"seconds": 1.5, "cached": True, "none": None})


@pytest.mark.parametrize(("arguments", "word"), [('{"q":"falcon"}', '"falcon"'), ('{"a":1', "a"), ('{"a":"\ud800 b"}', "b")])
def test_arguments_that_would_not_be_json_any_more_block(arguments: str, word: str) -> None:
    guards = judging(Words(word, stages=["tool_call"]), Saying(name="calm", quick=True))
    with pytest.raises(GuardBlocked) as caught:
        guards.feed([ToolCallReady(2, ToolCall("c", "look", arguments))])
    assert str(caught.value) == (
        "a guard says no, so that the answer was not shown any further: words at /content/2: 1 words, "
        "it cannot be taken out of the arguments: they would not be JSON any more"
    )


def test_a_blocked_call() -> None:
    guards = judging(Saying(lambda segment, _: Verdict(Action.BLOCK, (f"{segment.name} is not allowed",)), quick=True))
    with pytest.raises(GuardBlocked, match="look is not allowed"):
        guards.feed([*DELTAS, ToolCallReady(0, CALL)])


# ------------------------------------------------------------------------------------------------------------- other answers


def other(*content: Any) -> Alternative:
    return Alternative(Message("assistant", content), "stop", "stop")


PARTS = (
    Text("a falcon", (Citation(2, 8),)),
    Reasoning("falcon", STATE),
    Refusal("falcon"),
    CALL,
    Image(url="https://a.example/p"),
    Text(""),
)


@pytest.mark.parametrize("whole", [True, False])
def test_other_answers_are_judged_too(whole: bool) -> None:
    guards = judging(Words("falcon"), whole=whole)
    shown = guards.feed([end(other(Text("plain")), other(*PARTS))])
    completed = shown[0]
    assert isinstance(completed, Completed)
    assert completed.alternatives[0] == other(Text("plain"))
    call = ToolCall("c", "look", f'{{"q":"{MARK}"}}')
    assert completed.alternatives[1].message.content == (Text(f"a {MARK}"), Reasoning(MARK), Refusal(MARK), call, *PARTS[4:])
    assert completed.logprobs == ()
    assert [one.path for one in guards.verdicts] == [f"/alternatives/2/content/{number}" for number in range(4)]


def test_a_blocked_alternative_blocks_the_answer() -> None:
    with pytest.raises(GuardBlocked, match="words at /alternatives/1/content/0"):
        judging(Words("falcon", action=Action.BLOCK)).feed([TextDelta("fine"), end(other(Text("a falcon")))])


def test_an_answer_without_a_find_ends_as_it_came() -> None:
    completed = end(other(Text("plain")))
    assert judging(Words("falcon")).feed([completed])[0] is completed


# --------------------------------------------------------------------------------------------------------------- whole answers

WHOLE: list[DecodedEvent] = [
    Started("id", "m"),
    ReasoningDelta("a fal", 0),
    ReasoningDelta("con", 0),
    PartEnd(0, STATE),
    TextDelta("one ", 1),
    TextDelta("two", 1),
    Cited(1, Citation(0, 1)),
    PartEnd(1, STATE),
    RefusalDelta("", 2),
    *DELTAS,
    ToolCallReady(3, CALL),
    end(other(*PARTS)),
]


def test_the_places_of_a_whole_answer() -> None:
    found = [(one.segment.path, one.segment.text, one.segment.name, one.stage, one.replaceable) for one in answer_places(WHOLE)]
    assert found == [
        ("/content/0", "a falcon", "reasoning", "output", True),
        ("/content/1", "one two", "", "output", True),
        ("/content/3", CALL.arguments, "look", "tool_call", False),
        ("/alternatives/1/content/0", "a falcon", "", "output", False),
        ("/alternatives/1/content/1", "falcon", "reasoning", "output", False),
        ("/alternatives/1/content/2", "falcon", "refusal", "output", False),
        ("/alternatives/1/content/3", CALL.arguments, "look", "tool_call", False),
    ]
    assert all((one.segment.role, one.segment.origin, one.segment.trusted) == ("assistant", "model", False) for one in answer_places(WHOLE))


def test_texts_of_a_whole_answer_are_replaced() -> None:
    shown = with_answer_texts(WHOLE, {"/content/0": "new"})
    assert shown[:3] == [Started("id", "m"), ReasoningDelta("new", 0), PartEnd(0)]
    assert shown[3:-1] == WHOLE[4:-1]
    fold = Fold()
    fold.add(shown)
    assert fold.content()[0] == Reasoning("new")
    assert fold.completed is not None
    assert (fold.completed.logprobs, fold.completed.usage) == ((), Usage())
    shown = with_answer_texts(WHOLE, {"/content/1": ""})
    assert shown[:4] == WHOLE[:4]
    assert shown[4:6] == [TextDelta("", 1), PartEnd(1)]
    assert not any(isinstance(event, Cited) for event in shown)


def test_numbers_of_the_metadata_stay() -> None:
    completed = with_answer_texts([Completed("stop", "stop", Usage(), {"a": 1, "b": "x", "c": Decimal(1)})], {"/content/0": ""})[0]
    assert isinstance(completed, Completed)
    assert completed.metadata == {"a": 1}

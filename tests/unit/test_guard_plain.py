"""Plain text: told once for all guards that are on by default, and never of a text in which one of them finds something."""

from __future__ import annotations

import re

import pytest

from saferoute.guards.answer_panel import AnswerPanel
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.defaults import guards_with_defaults
from saferoute.guards.function import active_guards
from saferoute.guards.links import LinkGuard
from saferoute.guards.pii import PiiGuard
from saferoute.guards.pipeline import judge
from saferoute.guards.plain import is_plain, plain_until
from saferoute.guards.secret_formats import SHAPES, SHAPES_OF_RUNS
from saferoute.guards.secret_words import FOREIGN_LABELS
from saferoute.guards.secrets_found import SecretsGuard
from saferoute.guards.unicode import UnicodeGuard
from saferoute.guards.views import INCOMPLETE
from saferoute.values.events import Completed, DecodedEvent, PartEnd, ReasoningDelta, TextDelta
from saferoute.values.guarding import Action, Context, Segment, Stage, Verdict
from saferoute.values.usage import Usage
from tests.support.guarded import Words

PROSE = "Thank you for your message; the parcel (a big one) left on Monday, \u201cas agreed\u201d \u2014 it\u2019s in M\u00fcnchen now.\nCan I do more?"
END = Completed("stop", "stop", Usage())


@pytest.mark.parametrize(
    "text", ["", " ", "a", PROSE, PROSE * 20, "3 days, at 9:30", "a\tb\r\n\f", "caf\u00e9 \u20ac 5 \u2192 6 \u2264 7", "-" * 4]
)
def test_prose_is_plain(text: str) -> None:
    assert is_plain(text)


@pytest.mark.parametrize(
    "text",
    [
        *(label + ": hunter2!" for label in FOREIGN_LABELS),
        *(" ".join(dict.fromkeys(needed)) for _, needed, _, _ in SHAPES),
        *("a" * 16 + " " + " ".join(dict.fromkeys(needed)) for _, needed, _, _ in SHAPES_OF_RUNS),
        "the key is", "a PassWord", "Token", "SECRET", "cred", "pwd", "a private matter", "a" * 16, "_-" * 8, "a1" * 8, "-----",
        "ann@example", "DE89", "1.2", "1::2", "12 34 56", "call (030) 123", "<b", "a]", "[", "url(x)", "src(x)", "image-set(x)",
        *map(chr, (0, 7, 8, 11, 14, 27, 31, 127, 133, 0x9B)), "\u00ad", "\u0131", "\u200b", "\u202e", "\u2028", "\u0301", "\u0430", "\u017f",
        "\u4e2d", "\U0001f600", "\ud800", "\ufe0f", "\uff21", "\u212a",
    ],
)  # fmt: skip
def test_what_a_guard_may_find_something_in_is_not_plain(text: str) -> None:
    assert not is_plain(text)
    assert not is_plain(f"{PROSE} {text} {PROSE}")
    assert not is_plain(f"{PROSE} {text}", len(PROSE))  # nor is what comes behind something plain
    assert plain_until(f"{PROSE} {text}", 0, len(PROSE)) == -1


def test_a_needed_word_is_seen_however_it_is_cut() -> None:
    for word in ("authorization", "access_token", "contribsys__com", "x" * 16, "123456"):
        for cut in range(1, len(word)):
            text = f"{PROSE} {word}"
            assert not is_plain(text, len(PROSE) + 1 + cut)


def test_numbers_are_looked_at_with_what_stands_before() -> None:
    assert is_plain("12 34 5")
    assert not is_plain("12 34 5" + " " * 60 + "6", 30)


ENDINGS = (
    "word", "word.", "word ", "word, ", "word\n", "two words", "don't", "well-known,", "x", "e ", "5550100 ext ", "5550100 ext", "5550100 x", "ext.",
    "5 e.", "12 ", "12", "call 555", "(free", "+", "a:b", '"word', 'word"', "\u00fcber", "\u00fcber,", "\u00fcber ", "it\u2019s", "it\u2019s ", "a" * 15 + "." + "b" * 15,
    "w.o-r'd " * 3, ". ", " . ", "- ", "D", "DE", "DE8", "a\tb", "word!? ", "ab:c1", "1:a", "w" * 12 + "." + "w" * 12 + "." + "w" * 12 + "." + "w" * 12 + "." + "w" * 14,
)  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("before", ["", "so ", "at 12 ", "5550100 ", "(", "so far, 3 + "])
def test_what_is_held_of_plain_text_is_what_the_guards_would_hold(before: str, ending: str) -> None:
    text = before + ending
    guards = (UnicodeGuard(), SecretsGuard(), PiiGuard(), LinkGuard())
    if is_plain(text):
        for start in (0, len(text) // 2, len(text)):
            assert plain_until(text, start) == min(guard.open_candidate(text, start) for guard in guards)
    else:
        assert "5550100" in text


def test_a_word_that_is_longer_than_any_value_is_asked_about() -> None:
    assert plain_until("so " + "a." * 1100, 0) == -1


# ------------------------------------------------------------------------------------------------------------------- who keeps to it


class Watched(SecretsGuard):
    """Remembers what it was asked about; made so that it keeps the promise of the guard that it stands for."""

    asked: list[str]
    passes_plain = True

    def check(self, segment: Segment, context: Context) -> Verdict:
        self.asked.append(segment.text)
        return super().check(segment, context)

    def plain_until(self, text: str, start: int = 0, plain: int = 0) -> int:
        return super().plain_until(text, start, plain)


def watched() -> Watched:
    guard = Watched()
    object.__setattr__(guard, "asked", [])
    return guard


@pytest.mark.parametrize(
    ("guard", "passes"),
    [(UnicodeGuard(), True), (SecretsGuard(), True), (PiiGuard(Action.REDACT), True), (LinkGuard(), True), (LinkGuard(markup=False), True),
     (LinkGuard(links=True), False), (Words("a"), False)],
)  # fmt: skip
def test_who_passes_plain_text(guard: object, passes: bool) -> None:
    (active,) = active_guards([guard])  # type: ignore[list-item]  # all of them are guards
    assert active.passes_plain is passes


class Stricter(PiiGuard):
    def check(self, segment: Segment, context: Context) -> Verdict:
        return Verdict(Action.FLAG, ("anything",)) if "parcel" in segment.text else super().check(segment, context)


def test_a_subclass_with_another_check_is_asked_about_plain_text_too() -> None:
    (active,) = active_guards([Stricter()])
    assert not active.passes_plain
    assert [one.verdict.reasons for one in judge((active,), Segment(PROSE), Context("input"))] == [("anything",)]


@pytest.mark.parametrize(("stage", "views", "telling", "asked"), [
    ("input", {}, False, 0), ("tool_result", {}, False, 0), ("output", {}, False, 0),
    ("tool_call", {}, False, 1), ("input", {"hex": "x"}, False, 1), ("input", {}, True, 1),
])  # fmt: skip
def test_plain_text_is_looked_at_once(stage: Stage, views: dict[str, str], telling: bool, asked: int) -> None:
    guard = watched()
    judge(active_guards([guard]), Segment(PROSE), Context(stage, views=views), telling=telling)
    assert len(guard.asked) == asked
    judge(active_guards([guard]), Segment(f"{PROSE} key"), Context(stage, views=views), telling=telling)
    assert len(guard.asked) == asked + 1


def test_views_that_are_cut_off_are_told_of_plain_text_too() -> None:
    said = judge(guards_with_defaults((), enforce=True), Segment(PROSE), Context("input", views={INCOMPLETE: ""}))
    assert [one.guard for one in said] == ["unicode"]


def test_what_follows_from_the_guards_of_answers_is_worked_out_once() -> None:
    active = active_guards([Words("a", name="own"), SecretsGuard()])
    panel = AnswerPanel(active)
    assert [one.name for _, one in panel.strict] == ["own"]
    assert panel.asked(PROSE, 0) == panel.strict
    assert panel.asked(f"{PROSE} key", 0) == panel.numbered
    assert AnswerPanel(active[:1]).asked(PROSE, 0) == panel.strict
    assert AnswerGuards(panel, Context, str).feed([TextDelta("b c ")]) == [TextDelta("b c ")]


# -------------------------------------------------------------------------------------------------------------------------- in pieces


def judging(*guards: object) -> AnswerGuards:
    return AnswerGuards(active_guards(guards), Context, lambda kind: f"[{kind}]")  # type: ignore[arg-type]  # as above


def words_of(text: str) -> list[DecodedEvent]:
    return [TextDelta(piece) for piece in re.findall(r"\s*\S+", text)]


def test_the_guards_are_asked_about_what_is_not_plain_and_not_about_what_comes_long_after() -> None:
    guard, shown = watched(), ""
    guards = judging(guard, UnicodeGuard())
    text = f"{PROSE} the key idea. {PROSE * 24}"
    for event in words_of(text):
        shown += "".join(one.text for one in guards.feed([event]) if isinstance(one, TextDelta))
    shown += "".join(one.text for one in guards.feed([END]) if isinstance(one, TextDelta))
    assert shown == text
    assert guard.asked
    assert all("key" in asked for asked in guard.asked[1:])  # the first time it is held itself


def test_a_secret_behind_plain_text_is_taken_out_however_it_comes() -> None:
    text = f"{PROSE} password: hunter2!x9 {PROSE}"
    for size in (1, 3, 7, 50, len(text)):
        guards = judging(UnicodeGuard(), SecretsGuard(), PiiGuard(), LinkGuard())
        events: list[DecodedEvent] = [TextDelta(text[place : place + size]) for place in range(0, len(text), size)]
        one_by_one = [shown for event in [*events, END] for shown in guards.feed([event])]
        at_once = judging(UnicodeGuard(), SecretsGuard(), PiiGuard(), LinkGuard()).feed([*events, END])
        for shown in (one_by_one, at_once):
            assert "".join(one.text for one in shown if isinstance(one, TextDelta)) == text.replace("hunter2!x9", "[secret.password]")


def test_pieces_that_come_together_are_judged_together_and_shown_as_they_came() -> None:
    guard = Words("falcon")
    guards = judging(guard)
    events: list[DecodedEvent] = [TextDelta("a "), TextDelta("blue "), TextDelta("bird fal")]
    assert guards.feed(events) == [TextDelta("a "), TextDelta("blue "), TextDelta("bird ")]
    assert [text for _, _, text in guard.asked] == ["a blue bird "]
    assert guards.feed([TextDelta("l "), TextDelta("and"), TextDelta(""), TextDelta(" fal"), TextDelta("c")]) == [
        TextDelta("fall "), TextDelta("and "),
    ]  # fmt: skip
    assert guards.feed([TextDelta("on"), TextDelta(" x")]) == [TextDelta("[word] x")]


def test_a_part_that_ends_with_its_pieces_is_judged_once() -> None:
    guard = Words("falcon")
    assert judging(guard).feed([TextDelta("a "), TextDelta("fal"), PartEnd(0)]) == [TextDelta("a "), TextDelta("fal"), PartEnd(0)]
    assert [text for _, _, text in guard.asked] == ["a fal"]


def test_pieces_of_several_parts_keep_their_order() -> None:
    events: list[DecodedEvent] = [ReasoningDelta("so ", 0), ReasoningDelta("be it ", 0), TextDelta("a ", 1), PartEnd(0), TextDelta("b ", 1)]
    assert judging(Words("falcon")).feed(events) == events


def test_others_are_asked_about_plain_text_beside_those_that_pass_it() -> None:
    guard = watched()
    other = Words("parcel")
    guards = judging(guard, other)
    assert guards.feed([TextDelta("the par"), TextDelta("cel left ")]) == [TextDelta("the [word] left ")]
    assert guards.feed([TextDelta("key "), TextDelta("it ")]) == [TextDelta("key "), TextDelta("it ")]
    assert guard.asked == ["the parcel left key it "]


def test_a_text_that_breaks_off_has_nothing_left_but_what_is_held() -> None:
    guards = judging(Words("falcon"))
    assert guards.feed([TextDelta("a "), TextDelta("fal", 1)]) == [TextDelta("a ")]
    assert guards.cut() == [TextDelta("fal", 1)]

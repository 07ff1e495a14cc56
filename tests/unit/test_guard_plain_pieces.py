"""A guard that says that a text is plain is not asked about it; one that cannot say is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from saferoute.guards.answers import AnswerGuards
from saferoute.guards.pipeline import Active
from saferoute.values.events import DecodedEvent, RefusalDelta, TextDelta
from saferoute.values.guarding import ALLOWED, Action, Context, Segment, Span, Stage, Verdict


@dataclass
class Telling:
    """Says what it is told to say, and remembers what it was asked."""

    plain: int | Exception = -1
    holds: str = ""
    asked: list[str] = field(default_factory=list)
    told: list[tuple[str, int, int]] = field(default_factory=list)
    name: str = "telling"
    version: ClassVar[str] = "1"
    stages: ClassVar[frozenset[Stage]] = frozenset({"output"})

    def check(self, segment: Segment, context: Context) -> Verdict:
        """As Guard.check."""
        assert context.stage == "output"
        self.asked.append(segment.text)
        begin = segment.text.find("bad")
        return Verdict(Action.REDACT, (), (Span(begin, begin + 3, "bad"),)) if begin >= 0 else ALLOWED

    def open_candidate(self, text: str, start: int = 0) -> int:
        """As Streams.open_candidate."""
        return start if self.holds and text.endswith(self.holds) else len(text)

    def plain_until(self, text: str, start: int = 0, plain: int = 0) -> int:
        """As PlainTexts.plain_until."""
        self.told.append((text, start, plain))
        if isinstance(self.plain, Exception):
            raise self.plain
        return self.plain if self.plain < 0 else len(text)


def _judge(*guards: Telling, quick: bool = True) -> AnswerGuards:
    return AnswerGuards([Active(one, quick=quick) for one in guards], Context, lambda kind: f"[{kind}]")


def _pieces(judge: AnswerGuards, *pieces: str) -> list[list[DecodedEvent]]:
    return [judge.feed([TextDelta(piece, 1)]) for piece in pieces]


def test_who_finds_nothing_is_not_asked() -> None:
    plain, other = Telling(0), Telling(name="other")
    assert _pieces(_judge(plain, other), "some ", "bad") == [[TextDelta("some ", 1)], [TextDelta("[bad]", 1)]]
    assert plain.asked == []
    assert other.asked == ["some ", "some bad"]
    assert plain.told == [("some ", 0, 0), ("some bad", 5, 5)]


def test_who_is_not_sure_or_fails_is_asked() -> None:
    for plain in (-1, RuntimeError("no")):
        guard = Telling(plain)
        assert _pieces(_judge(guard), "a ", "bad") == [[TextDelta("a ", 1)], [TextDelta("[bad]", 1)]]
        assert guard.asked == ["a ", "a bad"]
        assert [known for _, _, known in guard.told] == [0, 0]


def test_guards_of_others_are_asked_whatever_they_say() -> None:
    guard = Telling(0)
    assert _pieces(_judge(guard, quick=False), "bad") == [[TextDelta("[bad]", 1)]]
    assert guard.told == []


def test_what_one_holds_is_held_and_what_is_known_is_counted_from_what_is_kept() -> None:
    plain, other = Telling(0), Telling(name="other", holds="...")
    judge = _judge(plain, other)
    assert _pieces(judge, "one...", "x" * 3000, "two") == [[], [TextDelta("one..." + "x" * 3000, 1)], [TextDelta("two", 1)]]
    assert [(len(text), start, known) for text, start, known in plain.told] == [(6, 0, 0), (3006, 0, 6), (1027, 1024, 1024)]


def test_other_texts_stay_what_they_are() -> None:
    judge = _judge(Telling(0))
    assert judge.feed([RefusalDelta("no", 2), TextDelta("", 0)]) == [RefusalDelta("no", 2)]

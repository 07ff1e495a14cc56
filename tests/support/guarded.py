"""Guards for tests of the pipeline, and the texts that they are about."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from saferoute.guards import Action, Context, Segment, Span, Verdict

__all__ = ["ALL_STAGES", "Saying", "Stopping", "Words", "pieces_of"]

ALL_STAGES: frozenset[Any] = frozenset({"input", "tool_result", "tool_call", "output"})


class Saying:
    """A guard that answers what it is told to, and remembers what it was asked."""

    version = "1"

    def __init__(
        self,
        answer: object = None,
        *,
        name: str = "saying",
        stages: Iterable[Any] = ALL_STAGES,
        quick: bool = False,
        on_error: str = "block",
    ) -> None:
        self.name = name
        self.stages = frozenset(stages)
        self.quick = quick
        self.on_error = on_error
        self.asked: list[tuple[str, str, str]] = []
        self._answer = Verdict(Action.ALLOW) if answer is None else answer

    def check(self, segment: Segment, context: Context) -> Any:
        """Give the answer; an exception is raised, and a function is called."""
        self.asked.append((context.stage, segment.path, segment.text))
        if isinstance(self._answer, BaseException):
            raise self._answer
        if callable(self._answer):
            return self._answer(segment, context)
        return self._answer


class Stopping(Saying):
    """Finds words, and can only judge a text that has ended."""

    def __init__(self, *words: str, action: Action = Action.REDACT, kind: str = "word", quick: bool = True, **options: Any) -> None:
        super().__init__(self._judge, quick=quick, **{"name": "words", **options})
        self.words = words
        self._action, self._kind = action, kind

    def places(self, text: str) -> list[Span]:
        """Every place of every word, overlapping ones too."""
        found = []
        for word in self.words:
            at = text.find(word)
            while at >= 0:
                found.append(Span(at, at + len(word), self._kind))
                at = text.find(word, at + 1)
        return sorted(found)

    def _judge(self, segment: Segment, _: Context) -> Verdict:
        found = self.places(segment.text)
        return Verdict(self._action, (f"{len(found)} words",), tuple(found)) if found else Verdict(Action.ALLOW)


class Words(Stopping):
    """Finds words, and can judge a text piece by piece."""

    def open_candidate(self, text: str, start: int = 0) -> int:
        """Where a word might begin that has not ended; or one that has, and reaches behind that place."""
        longest = max(map(len, self.words))
        first = max(start, len(text) - longest + 1)
        place = next(
            (at for at in range(first, len(text)) if any(word != text[at:] and word.startswith(text[at:]) for word in self.words)),
            len(text),
        )
        while crossing := [one.start for one in self.places(text) if max(one.start, start) < place < one.end]:
            place = max(min(crossing), start)
        return place


def pieces_of(text: str, cuts: Iterable[int]) -> list[str]:
    """The text, cut at these places."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[begin:end] for begin, end in pairwise(places)]

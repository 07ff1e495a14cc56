"""What guards say about one text, for a person to look at."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from saferoute.values.guarding import Action, Judged

__all__ = ["Judgement"]

_COLOURS: Final = ("#dff0d8", "#fcf8e3", "#fde3c8", "#f8d7da")  # by action: allow, flag, redact, block
_LONGEST_SHOWN: Final = 20_000
"""Characters of a text that a notebook shows: a page is no place for a book."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What guards say about one text. Its repr shows no text; printed it gives the reasons, and a notebook marks the places.

    Attributes:
        text: the text that was judged.
        action: the most severe of the actions.
        verdicts: what each guard said that was asked, in order.
        redacted: the text as it would be sent; the same as `text` where nothing is taken out.
    """

    text: str
    action: Action
    verdicts: tuple[Judged, ...]
    redacted: str

    def places(self) -> Iterator[tuple[int, int, tuple[Action, str] | None]]:
        """The text in pieces, one after the other, none of them empty.

        Returns:
            For each piece its start, its end, and the mark that it has: the most severe of the actions that are about it, and which guard
            found what there; None for a piece that no guard points at.
        """
        marks = sorted(
            (
                (span.start, span.end, one.verdict.action, f"{one.guard}: {span.kind}")
                for one in self.verdicts
                for span in one.verdict.spans
            ),
            key=lambda mark: mark[:2],
        )
        size = len(self.text)
        edges = sorted({0, size, *(min(edge, size) for mark in marks for edge in mark[:2])})
        under: list[tuple[int, int, Action, str]] = []
        following = 0
        for start, end in pairwise(edges):
            while following < len(marks) and marks[following][0] <= start:
                under.append(marks[following])
                following += 1
            under = [mark for mark in under if mark[1] > start]
            if not under:
                yield start, end, None
                continue
            action = max(mark[2] for mark in under)
            yield start, end, (action, ", ".join(dict.fromkeys(mark[3] for mark in under if mark[2] is action)))

    @override
    def __repr__(self) -> str:
        return f"Judgement({self.action.name}, {len(self.verdicts)} guards asked, {len(self.text)} chars)"

    @override
    def __str__(self) -> str:
        lines = [f"{self.action.name.lower()}: {len(self.verdicts)} guards asked about {len(self.text)} characters"]
        for one in self.verdicts:
            places = ", ".join(f"{span.kind} at {span.start}-{span.end}" for span in one.verdict.spans)
            reasons = "; ".join(one.verdict.reasons)
            lines.append(f"  {one.guard}: {one.verdict.action.name.lower()}" + "".join(f" ({said})" for said in (reasons, places) if said))
        return "\n".join("".join(map(_seen, line)) for line in lines)

    def _repr_html_(self) -> str:
        """In a notebook: the text as text, whatever it holds, the places in the colours of what is done about them, and the verdicts."""
        from html import escape  # noqa: PLC0415  for notebooks

        left = len(self.text) - _LONGEST_SHOWN
        more = f"<p><i>{left:,} more characters are not shown</i></p>" if left > 0 else ""
        return (
            f'<p><b style="background:{_COLOURS[self.action]}">{self.action.name.lower()}</b></p>'
            f'<pre style="white-space:pre-wrap">{"".join(self._marked(escape))}</pre>{more}'
            f"<table><tr><th>guard</th><th>says</th><th>why</th><th>where</th></tr>{''.join(self._rows(escape))}</table>"
        )

    def _rows(self, escape: Callable[[str], str]) -> Iterator[str]:
        for one in self.verdicts:
            verdict = one.verdict
            score = "" if verdict.score is None else f" (score {verdict.score:.2f})"
            places = ", ".join(f"{span.kind} at {span.start}-{span.end}" for span in verdict.spans)
            cells = (one.guard, f"{verdict.action.name.lower()}{score}", "; ".join(verdict.reasons), places)
            yield "<tr>" + "".join(f"<td>{escape(''.join(map(_seen, cell)))}</td>" for cell in cells) + "</tr>"

    def _marked(self, escape: Callable[[str], str]) -> Iterator[str]:
        """The pieces as HTML: markup is escaped, and a character that cannot be seen stands as its number."""
        for start, end, mark in self.places():
            if start >= _LONGEST_SHOWN:
                return
            piece = escape("".join(map(_seen_in_text, self.text[start : min(end, _LONGEST_SHOWN)])))
            if mark is not None:
                title = escape("".join(map(_seen, mark[1])))
                piece = f'<mark style="background:{_COLOURS[mark[0]]}" title="{title}">{piece}</mark>'
            yield piece


def _seen(character: str) -> str:
    """A character, or its number where nothing would be seen of it, or a terminal would obey it."""
    return character if character.isprintable() else f"<U+{ord(character):04X}>"


def _seen_in_text(character: str) -> str:
    return character if character in "\n\t" else _seen(character)

"""What guards say about one text, for a person to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from saferoute.values.guarding import Action, Judged

__all__ = ["Judgement"]

_COLOURS: Final = ("#dff0d8", "#fcf8e3", "#fde3c8", "#f8d7da")  # by action: allow, flag, redact, block


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
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415  for notebooks

        rows = "".join(
            f"<tr><td>{escape(one.guard)}</td><td>{one.verdict.action.name.lower()}</td>"
            f"<td>{escape('; '.join(one.verdict.reasons))}</td></tr>"
            for one in self.verdicts
        )
        return (
            f'<p><b>{self.action.name.lower()}</b></p><pre style="white-space:pre-wrap">{"".join(self._marked(escape))}</pre>'
            f"<table><tr><th>guard</th><th>says</th><th>why</th></tr>{rows}</table>"
        )

    def _marked(self, escape: Callable[[str], str]) -> Iterator[str]:
        """The text in pieces, those that a guard points at marked with the most severe of its colours."""
        text, marks = self.text, self._marks()
        start = 0
        for end in range(1, len(text) + 1):
            if end == len(text) or marks.get(end) != marks.get(start):
                piece, mark = escape(text[start:end]), marks.get(start)
                said = "" if mark is None else escape(mark[1])
                yield piece if mark is None else f'<mark style="background:{_COLOURS[mark[0]]}" title="{said}">{piece}</mark>'
                start = end

    def _marks(self) -> dict[int, tuple[int, str]]:
        marks: dict[int, tuple[int, str]] = {}
        for one in self.verdicts:
            for span in one.verdict.spans:
                for place in range(span.start, span.end):
                    if one.verdict.action >= marks.get(place, (-1, ""))[0]:
                        marks[place] = (int(one.verdict.action), f"{one.guard}: {span.kind}")
        return marks

"""The texts of a prompt template that was written out: its words, each value, and all of it.

Its words are the application's own. Each value is somebody else's, and is judged by itself: what would be an instruction if the application
said it is none in a value. Two more texts are read, because what is cut in two can be harmless in both halves: the values alone, with a
space for the words between them; and the whole, as the model reads it. What is found there is told of the words and values in which it
stands, so that it is told once, and taken out there.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

from saferoute.values.guarding import Action, Segment
from saferoute.values.messages import Text
from saferoute.values.sealed import sealed
from saferoute.values.template_values import is_fixed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from saferoute.values.guarding import Judged, Origin, SegmentRole, Span, Stage
    from saferoute.values.template import Piece, Rendered

__all__ = ["Placed", "Stretch", "settle", "template_places", "with_pieces"]


@sealed
class Stretch:
    """Which characters of a text that is read once more are whose.

    Attributes:
        start: the first of them.
        end: behind the last one.
        path: the place whose text they are: all of it.
    """

    start: int
    end: int
    path: str


@sealed
class Placed:
    """A segment, and what may happen to it.

    Attributes:
        segment: the text.
        stage: when guards are asked about it.
        replaceable: whether its text can be replaced. A call's arguments cannot: they must stay what the model wrote.
        over: for a text that is made of other places' and read once more: which characters are whose, in order; see `settle`.
    """

    segment: Segment
    stage: Stage
    replaceable: bool
    over: tuple[Stretch, ...] = ()


def template_places(made: Rendered, role: SegmentRole, place: str) -> Iterator[Placed]:
    """Every text of a template that was written out.

    Args:
        made: the template.
        role: of the message in which it stands: "system" or "user".
        place: JSON pointer to the part.

    Yields:
        Words and values, each of them once; then, if there is more than one, the values together, and the whole.
    """
    words: Origin = "system" if role == "system" else "developer"
    seen: dict[str, Piece] = {}
    for number, piece in enumerate(made.pieces):
        path = _path(place, number, piece)
        if piece.variable in seen or not piece.text:
            continue
        if piece.variable:
            seen[piece.variable] = piece
            origin: Origin = "retrieved" if piece.retrieved else "user"
            segment = Segment(piece.text, role, origin, trusted=False, path=path)
            yield Placed(segment, "tool_result" if piece.retrieved else "input", replaceable=not is_fixed(piece.kind))
        else:
            yield Placed(Segment(piece.text, role, words, trusted=True, path=path), "input", replaceable=True)
    if sum(not is_fixed(piece.kind) for piece in seen.values()) > 1:
        yield _joined(made, Segment("", role, "user", trusted=False, path=f"{place}/values"), "input", place)
    if sum(piece.retrieved for piece in seen.values()) > 1:
        yield _joined(made, Segment("", role, "retrieved", trusted=False, path=f"{place}/retrieved"), "tool_result", place)
    if len(made.pieces) > 1:
        yield _joined(made, Segment("", role, words, trusted=True, path=place), "input", place)


def _path(place: str, number: int, piece: Piece) -> str:
    return f"{place}/values/{piece.variable}" if piece.variable else f"{place}/words/{number}"


def _joined(made: Rendered, segment: Segment, stage: Stage, place: str) -> Placed:
    """A text that is read once more: a space stands for the pieces that do not belong to it, unless they are white space."""
    texts: list[str] = []
    over: list[Stretch] = []
    size = 0
    for number, piece in enumerate(made.pieces):
        belongs = segment.trusted or (piece.variable != "" and (piece.retrieved or segment.origin == "user"))
        text = piece.text if belongs or piece.text.isspace() else " "
        if belongs:
            over.append(Stretch(size, size + len(text), _path(place, number, piece)))
        texts.append(text)
        size += len(text)
    return Placed(replace(segment, text="".join(texts)), stage, replaceable=False, over=tuple(over))


def settle(places: Sequence[Placed], every: Sequence[list[Judged]]) -> None:
    """Tell what was found in a text that is read once more of the places whose text it is. Doing it again changes nothing.

    What blocks, and what points at no such place, stays where it is: nothing can be taken out there, so that it then blocks as well.

    Args:
        places: what was judged.
        every: what the guards said of each; changed in place.
    """
    if not any(place.over for place in places):
        return
    said_of = {place.segment.path: said for place, said in zip(places, every, strict=True)}
    for place, said in zip(places, every, strict=True):
        if place.over:
            said[:] = [one for one in said if not _is_moved(one, place.over, said_of)]


def _is_moved(one: Judged, over: tuple[Stretch, ...], said_of: Mapping[str, list[Judged]]) -> bool:
    """Move a verdict to the places at which it points, if that can be."""
    verdict = one.verdict
    if verdict.action not in {Action.FLAG, Action.REDACT} or not verdict.spans:
        return False
    starts = [stretch.start for stretch in over]
    found: dict[str, dict[Span, None]] = {}
    for span in verdict.spans:
        for stretch in over[max(0, bisect_right(starts, span.start) - 1) :]:
            if stretch.start >= span.end:
                break
            start, end = max(span.start, stretch.start) - stretch.start, min(span.end, stretch.end) - stretch.start
            if start < end:
                found.setdefault(stretch.path, {})[replace(span, start=start, end=end, path=stretch.path)] = None
    for path, spans in found.items():
        moved = replace(one, path=path, verdict=replace(verdict, spans=tuple(spans)))
        if not any(_says(told, moved) for told in said_of[path]):
            said_of[path].append(moved)
    return bool(found)


def _says(told: Judged, moved: Judged) -> bool:
    """Whether a guard has said all of it there already, in whatever words."""
    same = (told.guard, told.stage, told.verdict.action) == (moved.guard, moved.stage, moved.verdict.action)
    return same and {*map(_stands, moved.verdict.spans)} <= {*map(_stands, told.verdict.spans)}


def _stands(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.kind


def with_pieces(made: Rendered, place: str, texts: Mapping[str, str]) -> Text | None:
    """What a template is with some of its words and values replaced; None if none of them is.

    Args:
        made: the template.
        place: JSON pointer to the part.
        texts: new texts by path.
    """
    pieces = tuple(
        piece if (text := texts.get(_path(place, number, piece))) is None else replace(piece, text=text)
        for number, piece in enumerate(made.pieces)
    )
    if pieces == made.pieces:
        return None
    changed = replace(made, pieces=pieces)
    return Text(changed.text, template=changed)

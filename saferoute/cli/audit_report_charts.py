"""The report's pictures: SVG without script, each with words for who cannot see it. Figures stand in a table beside each."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Final

from saferoute.cli.audit_report_markup import Html, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Lane", "Piece", "band", "columns", "lanes", "share_bar", "spark"]

_WIDTH: Final = 1_000
_LEFT: Final = 74
_TOP: Final = 14
_PLOT: Final = 190
_BELOW: Final = 30
_LABELS: Final = 8
_DAYS_SHOWN: Final = 3
"""From so many days on, hours are labelled with their days."""

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LANE: Final = 26
_WIDEST: Final = 36.0
"""A column's width at most: few wide ones look like an area."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time in a lane.

    Attributes:
        begin: where it begins, from 0 to 1.
        end: where it ends.
        kind: a class of the style sheet.
        words: what it is.
    """

    begin: float
    end: float
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of a timeline."""

    name: str
    pieces: tuple[Piece, ...]


def columns(labels: Sequence[str], series: Sequence[tuple[str, Sequence[float]]], show: Callable[[float], str], words: str) -> Html:
    """Columns over time; several series stand on each other.

    Args:
        labels: of the columns.
        series: a class of the style sheet and a value for each column, from the bottom.
        show: writes a value.
        words: what the picture shows.
    """
    top = _nice(max((sum(values) for values in zip(*(values for _, values in series), strict=True)), default=0.0))
    step = (_WIDTH - _LEFT) / max(1, len(labels))
    wide = max(0.5, min(_WIDEST, step * 0.78))
    parts = _grid(top, show)
    for place, label in enumerate(labels):
        below = 0.0
        said = [show(values[place]) for _, values in series]
        for kind, values in series:
            height = _PLOT * values[place] / top
            y = _TOP + _PLOT - below - height
            if height:
                title = tag("title", f"{label}: {', '.join(said)}")
                x = _LEFT + (place + 0.5) * step - wide / 2
                parts.append(tag("rect", title, class_=kind, x=x, y=y, width=wide, height=max(height, 0.8), rx=min(2.0, wide / 6)))
            below += height
    return _picture([*parts, *_axis(labels, step)], words)


def band(
    labels: Sequence[str], low: Sequence[float | None], high: Sequence[float | None], show: Callable[[float], str], words: str
) -> Html:
    """The space between two lines over time, with a line at its lower edge; where nothing is known there is a gap."""
    top = _nice(max((value for value in high if value is not None), default=0.0))
    step = (_WIDTH - _LEFT) / max(1, len(labels))
    at = [(_LEFT + (place + 0.5) * step, _y(one, top), _y(other, top)) for place, (one, other) in enumerate(zip(low, high, strict=True))]
    parts = _grid(top, show)
    run: list[tuple[float, float, float]] = []
    for x, lower, upper in [*at, (0.0, None, None)]:
        if lower is not None and upper is not None:
            run.append((x, lower, upper))
        elif run:
            parts += _run(run, step)
            run = []
    for label, one, other, (x, _, upper) in zip(labels, low, high, at, strict=True):
        if one is not None and other is not None and upper is not None:
            title = tag("title", f"{label}: half within {show(one)}, 95 of 100 within {show(other)}")
            parts.append(tag("rect", title, class_="hover", x=x - step / 2, y=_TOP, width=step, height=_PLOT))
    return _picture([*parts, *_axis(labels, step)], words)


def _run(run: Sequence[tuple[float, float, float]], step: float) -> list[Html]:
    if len(run) == 1:  # one point is no line: a short one stands for it
        x, lower, upper = run[0]
        run = [(x - step / 4, lower, upper), (x + step / 4, lower, upper)]
    up = [f"{x:.1f},{upper:.1f}" for x, _, upper in run]
    down = [f"{x:.1f},{lower:.1f}" for x, lower, _ in run]
    return [
        tag("polygon", class_="tint", points=" ".join([*up, *reversed(down)])),
        tag("polyline", class_="edge", points=" ".join(up)),
        tag("polyline", class_="line", points=" ".join(down)),
    ]


def lanes(rows: Sequence[Lane], labels: Sequence[str], words: str) -> Html:
    """Stretches of time, a row for each of whom they belong to."""
    width, left = _WIDTH, 150
    height = len(rows) * _LANE
    parts = []
    for place, row in enumerate(rows):
        y = _TOP + place * _LANE
        parts.append(tag("text", row.name, class_="name", x=left - 12, y=y + _LANE / 2 + 4, text_anchor="end"))
        parts.append(tag("line", class_="grid", x1=left, x2=width, y1=y + _LANE / 2, y2=y + _LANE / 2))
        for piece in row.pieces:
            x = left + piece.begin * (width - left)
            long = max(3.0, (piece.end - piece.begin) * (width - left) - 2)
            parts.append(tag("rect", tag("title", piece.words), class_=piece.kind, x=x, y=y + 5, width=long, height=_LANE - 10, rx=3))
    step = (width - left) / max(1, len(labels))
    parts += _axis(labels, step, left, _TOP + height + 20)
    return _svg(parts, _TOP + height + _BELOW, words)


def spark(values: Sequence[float], words: str) -> Html:
    """A small picture of a course over time, for a cell of a table."""
    top, step = max(values, default=0.0) or 1.0, 120 / max(1, len(values))
    bars = [
        tag("rect", class_="bar", x=place * step, y=24 - 22 * value / top, width=max(0.6, step * 0.8), height=max(0.8, 22 * value / top))
        for place, value in enumerate(values)
        if value
    ]
    return tag("svg", *bars, class_="spark", viewBox="0 0 120 24", role="img", aria_label=words)


def share_bar(part: float, kind: str = "bar") -> Html:
    """A bar for a share from 0 to 1, for a cell of a table whose figure stands beside it."""
    return tag(
        "svg",
        tag("rect", class_="rail", width=120, height=8, rx=4),
        tag("rect", class_=kind, width=max(1.5, 120 * part) if part else 0, height=8, rx=min(4.0, 60 * part)),
        class_="share", viewBox="0 0 120 8", aria_hidden="true",
    )  # fmt: skip


def _nice(most: float) -> float:
    """The end of an axis: the next of 1, 2, 2.5, 5 and 10 times a power of ten."""
    if most <= 0:
        return 1.0
    power: float = 10.0 ** floor(log10(most))
    return next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= most * 0.999)


def _y(value: float | None, top: float) -> float | None:
    return None if value is None else _TOP + _PLOT * (1 - value / top)


def _grid(top: float, show: Callable[[float], str]) -> list[Html]:
    parts = []
    for quarter in range(0, 5, 2):
        y = _TOP + _PLOT * (1 - quarter / 4)
        parts.append(tag("line", class_="base" if quarter == 0 else "grid", x1=_LEFT, x2=_WIDTH, y1=y, y2=y))
        parts.append(tag("text", show(top * quarter / 4), class_="tick", x=_LEFT - 12, y=y + 4, text_anchor="end"))
    return parts


def _axis(labels: Sequence[str], step: float, left: float = _LEFT, y: float = _TOP + _PLOT + 20) -> list[Html]:
    return [tag("text", label, class_="tick", x=left + (place + 0.5) * step, y=y, text_anchor="middle") for place, label in _ticks(labels)]


def _ticks(labels: Sequence[str]) -> list[tuple[int, str]]:
    """Labels for which there is room, with their places. Hours have their days at midnight; of a day or two, each day's first its date."""
    places = list(range(len(labels)))
    if labels and " " in labels[0]:
        days = [place for place in places if labels[place].endswith(" 00:00")]
        if len(days) >= _DAYS_SHOWN:
            return [(place, labels[place].partition(" ")[0]) for place in _thinned(days)]
        return _hours(labels, _thinned(places))
    return [(place, labels[place]) for place in _thinned(places)]


def _hours(labels: Sequence[str], places: Sequence[int]) -> list[tuple[int, str]]:
    found, before = [], ""
    for place in places:
        day, _, hour = labels[place].partition(" ")
        found.append((place, hour if day == before else f"{int(day[8:])} {_MONTHS[int(day[5:7]) - 1]} {hour}"))
        before = day
    return found


def _thinned(places: Sequence[int]) -> Sequence[int]:
    """So many of them that their labels have room; none so far out that it would be cut off."""
    every = max(1, ceil(len(places) / _LABELS))
    return places[every // 2 :: every]


def _picture(parts: Sequence[Html], words: str) -> Html:
    return _svg(parts, _TOP + _PLOT + _BELOW, words)


def _svg(parts: Sequence[Html], height: float, words: str) -> Html:
    return tag("svg", *parts, class_="chart", viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=words)

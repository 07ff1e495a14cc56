"""The report's tables, and the few other pieces that all of its sections are made of."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from saferoute.cli.audit_report_markup import Html, tag
from saferoute.ledger.plain import money, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.cli.audit_report_markup import Content

__all__ = ["MOST_ROWS", "Column", "costs", "empty", "figure", "figures", "legend", "section", "table"]

_LEAST: Final = Decimal("0.001")
MOST_ROWS: Final = 50
"""Rows of a table; of more, the rest is counted."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        heading: over it.
        kind: "number" for figures, which end where the column ends, "wide" for what may be long, "time", "" for the rest.
    """

    heading: str
    kind: str = ""


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Content]]) -> Html:
    """A table; the first cell of a row names it."""
    head = tag("thead", tag("tr", *(tag("th", column.heading, scope="col", class_=column.kind or None) for column in columns)))
    body = [tag("tr", *(_cell(place, column, cell) for place, (column, cell) in enumerate(zip(columns, row, strict=True)))) for row in rows]
    content = tag("table", tag("caption", caption) if caption else None, head, tag("tbody", *body))
    # Who has no mouse and no touch scrolls with the keys, for which it must be possible to go there.
    return tag("div", content, class_="scroll", tabindex="0", role="group", aria_label=caption or f"Table by {columns[0].heading}")


def _cell(place: int, column: Column, cell: Content) -> Html:
    if place == 0:
        return tag("th", cell, scope="row")
    return tag("td", cell, class_=column.kind or None)


def figures(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Content]]) -> Html:
    """The figures behind a picture, folded away on a screen; on paper they are shown if there are few, or if they were unfolded.

    A single line stands for itself: of that no picture is drawn.
    """
    if len(rows) <= 1:
        return table(caption, columns, rows)
    return tag("details", tag("summary", "The figures"), table(caption, columns, rows), class_="short" if len(rows) <= MOST_ROWS else None)


def figure(title: str, picture: Html, keys: Iterable[Html] = ()) -> Html:
    """A picture with its title, and what its colours stand for."""
    return tag("figure", tag("figcaption", title, *keys), picture)


def legend(kind: str, words: str) -> Html:
    """What a colour stands for."""
    swatch = tag("svg", tag("rect", class_=kind, width=11, height=11, rx=2), class_="swatch", viewBox="0 0 11 11", aria_hidden="true")
    return tag("span", swatch, words, class_="key")


def section(name: str, title: str, intro: str, *content: Content) -> Html:
    """A part of the page with a heading."""
    return tag(
        "section", tag("h2", title, id=f"{name}-title"), tag("p", intro, class_="soft"), *content, id=name, aria_labelledby=f"{name}-title"
    )


def empty(words: str) -> Html:
    """What stands where there is nothing to show."""
    return tag("p", words, class_="empty")


def costs(amounts: Mapping[str, Decimal]) -> str:
    """Amounts per currency, with points that stand under each other where they are not very small."""
    return " + ".join(_amount(amount, currency) for currency, amount in sorted(amounts.items())) or "-"


def _amount(amount: Decimal, currency: str) -> str:
    return f"{amount:,.4f} {plain(currency)}" if amount >= _LEAST else money(amount, currency)

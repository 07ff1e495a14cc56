"""Texts, times and money of records as people may read them: nothing in a record acts on who looks at it.

A record's texts are bounded, and some were chosen by others: a provider's request ids and model names, the tags and names of routes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from saferoute.values.exact import quotient

__all__ = ["amount_of", "count", "money", "plain", "share", "span", "when"]

_AMOUNT: Final = re.compile(r"[0-9]{1,28}(?:\.[0-9]{1,40})?", re.ASCII)
_STEERED: Final = "\N{REPLACEMENT CHARACTER}"
_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE


def plain(text: str) -> str:
    """Take out of a text what is no visible character: line ends, terminal codes, marks that reorder what is read, invisible letters."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _STEERED for letter in text)


def when(microseconds: int, *, exact: bool = False) -> str:
    """A record's time in UTC, to the second, or exactly."""
    moment = datetime.fromtimestamp(microseconds // _SECOND, UTC)
    parts = f".{microseconds % _SECOND:06d}" if exact else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{parts} UTC"


def span(microseconds: float | None) -> str:
    """A length of time, in the unit that suits it; "-" for none."""
    if microseconds is None:
        return "-"
    if microseconds < 1000:  # noqa: PLR2004  of a millisecond
        return f"{microseconds:.0f} us"
    if microseconds < _SECOND:
        return f"{microseconds / 1000:.0f} ms"
    if microseconds < 2 * _MINUTE:
        return f"{microseconds / _SECOND:.2f} s"
    return f"{microseconds / _MINUTE:.1f} min" if microseconds < 2 * _HOUR else f"{microseconds / _HOUR:.1f} h"


def amount_of(value: object) -> Decimal | None:
    """A record's money: decimal text, or an object with `nano`; None where there is none, or it is nothing that money can be."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return Decimal(value)
    nano = value.get("nano") if isinstance(value, dict) else None
    return quotient(nano) if type(nano) is int and nano >= 0 else None


def money(amount: Decimal, currency: str) -> str:
    """An amount with its currency: two digits behind the point, or as many as it has up to six."""
    text = f"{amount:,.6f}".rstrip("0")
    whole, _, parts = text.partition(".")
    if not parts and amount and not whole.strip("0,"):
        return f"under 0.000001 {plain(currency)}"
    return f"{whole}.{parts:0<2} {plain(currency)}"


def count(number: int, one: str, several: str = "") -> str:
    """A number with the word for what it counts."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def share(part: int, whole: int) -> str:
    """A part of a whole, in per cent; "-" of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "-"

"""Amounts of money as people write them in programs: "$5", "5 EUR", "$5/day", Decimal("5")."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final, cast, get_args

from saferoute.errors import RequestError
from saferoute.values.permission import Period

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["amount", "amount_per"]

_TEXT: Final = re.compile(r"([$€£]?) ?([0-9]{1,9}(?:\.[0-9]{1,9})?)(?: ([A-Z]{3}))?")
_SIGNS: Final[Mapping[str, str]] = {"$": "USD", "€": "EUR", "£": "GBP"}
_NANO: Final = 1_000_000_000
_MOST: Final = 2**53 - 1
_LARGEST: Final = 9  # digits before the point, less one
_FINEST: Final = -100


def amount(value: object, name: str) -> tuple[int, str]:
    """Read an amount as nano-units and a currency; a Decimal is in US dollars.

    Args:
        value: what the caller wrote.
        name: the parameter, for messages.

    Raises:
        TypeError: for a float, which cannot hold 0.1.
        RequestError: for anything else that is no amount.
    """
    if isinstance(value, float):
        msg = f'{name} must not be a float, which cannot hold 0.1: write "$0.05" or Decimal("0.05")'
        raise TypeError(msg)
    if isinstance(value, Decimal):
        return _nano(value, name), "USD"
    match = _TEXT.fullmatch(value) if isinstance(value, str) else None
    if match is None or bool(match[1]) == bool(match[3]):
        raise RequestError(f'{name} must be an amount such as "$0.05", "0.05 CHF" or Decimal("0.05"), not {_shown(value)}')
    return _nano(Decimal(match[2]), name), match[3] or _SIGNS[match[1]]


def amount_per(value: object, name: str) -> tuple[int, str, Period | None]:
    """Read an amount, or an amount for each hour, day, week or month: "$5/day".

    Raises:
        TypeError: for a float.
        RequestError: for anything else that is no amount.
    """
    if not isinstance(value, str) or "/" not in value:
        return *amount(value, name), None
    text, _, per = value.rpartition("/")
    if per not in get_args(Period):
        raise RequestError(f"{name} must be for one of {', '.join(get_args(Period))}, not {_shown(value)}")
    return *amount(text, name), cast("Period", per)


def _nano(value: Decimal, name: str) -> int:
    if not value.is_finite() or value < 0:
        raise RequestError(f"{name} must be an amount of 0 or more")
    # Exact, which Decimal's own arithmetic is to 28 digits only. The first two tests keep the fraction small.
    exponent = value.as_tuple().exponent
    coarse = value.adjusted() > _LARGEST or not isinstance(exponent, int) or exponent < _FINEST
    if coarse or (nano := Fraction(value) * _NANO).denominator != 1 or nano > _MOST:
        raise RequestError(f"{name} must be a whole number of nano-units, and at most {_MOST // _NANO}")
    return int(nano)


def _shown(value: object) -> str:
    return repr(value[:40]) if isinstance(value, str) else type(value).__name__

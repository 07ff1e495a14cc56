"""Telephone numbers: which of the numbers with the form of one are not dates, prices, postcodes or lists."""

from __future__ import annotations

import re
from typing import Final

from saferoute.guards.pii_words import says_other, says_phone

__all__ = ["LONGEST_PHONE", "is_phone", "is_plain_phone"]

LONGEST_PHONE: Final = 15
"""Digits of a number with its country (E.164)."""

# Digits by form; the forms are those of the pattern in pii_numbers.
_LENGTHS: Final = {
    "plus": range(8, LONGEST_PHONE + 1),
    "abroad": range(10, LONGEST_PHONE + 3),
    "area": range(8, 14),
    "america": range(10, 11),
    "long": range(11, 12),
    "trunk": range(8, 13),
    "groups": range(7, 14),
    "russia": range(11, 12),
    "china": range(11, 12),
}
_LONG_TRUNK: Final = 9
_OF_PAIRS: Final = 10
_NATIONAL: Final = frozenset({10, 11})
_SHORTEST_ABROAD: Final = 12
_NO_COUNTRY: Final = ("28", "83", "89")
_NUMBER_BEFORE: Final = re.compile(r"[0-9] \Z")
_NUMBER_BEHIND: Final = re.compile(" [0-9]")
_SEPARATOR: Final = re.compile("[^0-9]+")
_DATE: Final = re.compile(
    r"[0-3]?[0-9]([ ./-])[0-3]?[0-9]\1(?:19|20)?[0-9]{2}(?![0-9])|(?:19|20)[0-9]{2}([ ./-])[01]?[0-9]\2[0-3]?[0-9](?![0-9])"
)
_POSTCODE: Final = re.compile(r"[0-9]{5}-[0-9]{4}\Z")
_PAIRS: Final = re.compile(r"[0-9]{2}(?:[ ./-][0-9]{2})+\Z")
_THOUSANDS: Final = re.compile(r"[0-9]{1,2}(?:[ .][0-9]{3})+\Z")


def is_plain_phone(text: str, start: int, digits: str) -> bool:
    """Whether digits without anything between them are a telephone number.

    Args:
        text: the text.
        start: where they begin.
        digits: at least three of them.
    """
    length = len(digits)
    if length > LONGEST_PHONE or says_other(text, start, plain=True):
        return False
    national = digits[0] == "0" and digits[1] != "0" and length in _NATIONAL
    abroad = digits.startswith("00") and digits[2] != "0" and length >= _SHORTEST_ABROAD and not digits.startswith(_NO_COUNTRY, 2)
    return national or abroad or says_phone(text, start)


def is_phone(text: str, match: re.Match[str], digits: str) -> bool:
    """Whether a number with something between its digits is a telephone number.

    Args:
        text: the text.
        match: what has the form of one.
        digits: its digits.
    """
    found, start, form = match[0], match.start(), match.lastgroup or ""
    if len(digits) not in _LENGTHS[form] or says_other(text, start):
        return False
    match form:
        case "plus":
            return not digits.startswith(_NO_COUNTRY)
        case "abroad":
            likely = not digits.startswith(_NO_COUNTRY, 2) and not _is_in_list(text, match)
        case "area":
            return True
        case "trunk":
            likely = _is_trunk(found, digits) and not _is_in_list(text, match)
        case "groups":
            likely = False
        case _:
            likely = not _is_in_list(text, match) and (form != "america" or _is_american(match["n"], digits))
    return likely or (_is_no_amount(found) and says_phone(text, start))


def _is_american(separator: str, digits: str) -> bool:
    """Hyphens are seldom anything else; dots and spaces stand in many lists of numbers, which need not keep to the plan."""
    if separator == "-" or digits[0] == "0" != digits[1]:
        return True
    return digits[0] > "1" and (separator == "." or digits[3] > "1")


def _is_in_list(text: str, match: re.Match[str]) -> bool:
    """Whether a number with spaces in it stands between other numbers, as in the row of a table."""
    if " " not in match[0]:
        return False
    return (
        _NUMBER_BEFORE.search(text, max(0, match.start() - 2), match.start()) is not None
        or _NUMBER_BEHIND.match(text, match.end()) is not None
    )


def _is_trunk(found: str, digits: str) -> bool:
    """Five pairs are French; else what is behind the area is written in one way, unlike "01.50 02.75 03.99"."""
    if _PAIRS.match(found):
        return len(digits) == _OF_PAIRS
    if len(digits) < _LONG_TRUNK or _POSTCODE.match(found) or not _is_no_amount(found):
        return False
    return len(set(_SEPARATOR.findall(found)[1:])) <= 1


def _is_no_amount(found: str) -> bool:
    """Whether it begins with no date and is not a number whose thousands are set apart."""
    return not _DATE.match(found) and not _THOUSANDS.match(found)

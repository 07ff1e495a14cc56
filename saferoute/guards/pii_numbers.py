"""Telephone and card numbers, US social security numbers and IPv4 addresses: what begins with a digit, a plus or a parenthesis.

One pattern finds what has the form of one of them; checksums, ranges and the words before it decide. What is refused is left at its first
group only, for the next one may begin the real number ("2023 4111 1111 1111 1111").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from saferoute.guards.pii_addresses import is_escaped, is_ipv4
from saferoute.guards.pii_bounds import UNREAD, most_read
from saferoute.guards.pii_phones import LONGEST_PHONE, is_phone, is_plain_phone
from saferoute.guards.pii_words import says_card, says_other, says_phone, says_ssn

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["has_check_digit", "is_card", "numbers"]

# The first character stands alone: the search for it runs over a set of characters. Then comes what is cheap to refuse: the middle of a
# number, what has no two digits side by side and is no address, a part of a word, a fraction; then the forms, by their first character.
# More than twelve groups of four are a table, not a row of cards. `said` and `groups` need a word before them: a letter or a comma is near.
_FORMS: Final = r"""
[0-9(+](?![ +(][0-9]?[ +])(?<![0-9].)(?=[0-9]{2}|[0-9]?(?:\.[0-9]|[ ./()-]{1,2}[0-9]{2}))(?!(?<=[0-9][ /-][1-9])[0-9][ /-])
(?:(?<![A-Za-z_].)|(?<=\\[nrt].))(?<![0-9][.:].)(?:
 (?<=[0-9])(?:
  (?P<ipv4>[0-9]{0,2}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?!\.?[0-9]))
 |(?=[0-9]{2})(?:
   (?P<card>(?<=[2-689])[0-9]{3}(?:
     (?P<c>[ -])[0-9]{4}(?P=c)[0-9]{4}(?P=c)[0-9]{4}(?!(?:(?P=c)[0-9]{4}){9})(?:(?P=c)[0-9]{3})?
    |(?P<a>[ -])[0-9]{6}(?P=a)[0-9]{4,5})(?![0-9]))
  |(?P<ssn>[0-9]{2}(?P<s>[ -])[0-9]{2}(?P=s)[0-9]{4}(?![0-9]))
  |(?P<america>[0-9]{2}(?P<n>[ .-])[0-9]{3}(?P=n)[0-9]{4}(?![0-9]))
  |(?P<china>(?<=1)[3-9][0-9](?P<h>[ -])[0-9]{4}(?P=h)[0-9]{4}(?![0-9]))
  |(?P<plain>(?:(?<=0)(?:[1-9][0-9]{8,9}|0[1-9][0-9]{9,12})|(?<=[1-9])[0-9]{14,15})(?![0-9])))
 |(?<=0)(?:
   (?P<trunk>[1-9][0-9]{0,4}(?:[ ]?[./-][ ]?|[ ])[0-9]{2,8}(?:[ ./-][0-9]{2,8}){0,4}(?![0-9]))
  |(?P<abroad>(?:0|11[ ])[1-9][0-9]{0,2}(?:[ .()/-]{1,3}[0-9]{1,8}){1,6}(?![0-9])))
 |(?P<long>(?<=1)[ .-]?(?:\([2-9][0-9]{2}\)[ .-]?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}(?![0-9]))
 |(?P<russia>(?<=8)[ -]?(?:\([3489][0-9]{2}\)[ -]?|[3489][0-9]{2}[ -])[0-9]{3}[ -][0-9]{2}[ -][0-9]{2}(?![0-9]))
 |(?<![0-9][ ./-].)
  (?:(?<=[^\W\d_]\W.)|(?<=[,;/&]\s.)|(?<=[^\W\d_]\W\W.)|(?<=[^\W\d_].)|(?<=[^\W\d_]\W\W\W.)|(?<=[^\W\d_]\W\W\W\W.))
  (?:(?P<said>[0-9]{6}[0-9]*+)|(?P<groups>[0-9]{1,4}[ ./-][0-9]{2,5}(?:[ .-][0-9]{2,5}){0,3}(?![0-9])))
 )
|(?<=\+)(?P<plus>1[ .-]{0,2}\(?[2-9][0-9]{2}\)?[ .-]{0,2}[0-9]{3}[ .-]?[0-9]{4}(?![0-9])|[2-9](?:[ .()/-]{0,3}[0-9]){6,14}(?![0-9]))
|(?<=\()(?P<area>0[1-9][0-9]{0,4}\)[ /-]{0,3}[0-9]{2,8}(?:[ -][0-9]{2,6}){0,3}
        |[0-9]{3}\)[ .-]?[0-9]{3}[ .-]?[0-9]{4}
        |[0-9]{2}\)[ ]?9?[0-9]{4}[ -][0-9]{4})(?![0-9])
)
"""
_NUMBER: Final = re.compile(_FORMS, re.VERBOSE)
_FIRST_GROUP: Final = re.compile(r"[(+]?[0-9]*+")
_EXTENSION: Final = re.compile(r"[ ]?(?:x|ext\.?)[ ]?[0-9]{1,6}(?![0-9A-Za-z_@]|[.%+'-][0-9A-Za-z_]|/[0-9])")
_BEHIND: Final = re.compile(r"[0-9A-Za-z_@]|[./-][0-9]")
_NO_DIGIT: Final = re.compile(r"[^0-9]+")
_SIGNS_BEFORE: Final = "@#$\u20ac\u00a3"
_DOUBLED: Final = str.maketrans("0123456789", "0246813579")
_ZERO: Final = ord("0")

# First digits of issuers (ISO/IEC 7812), as ranges of six digits, and how long their numbers are.
_ISSUERS: Final = (
    (180000, 180099, (15,)),          # JCB, as 213100
    (213100, 213199, (15,)),
    (220000, 220599, range(16, 20)),  # Mir, Borica
    (222100, 272099, (16,)),          # Mastercard
    (300000, 305999, range(14, 20)),  # Diners Club, as 309500, 360000, 380000
    (309500, 309599, range(14, 20)),
    (340000, 349999, (15,)),          # American Express, as 370000
    (352800, 358999, range(16, 20)),  # JCB
    (360000, 369999, range(14, 20)),
    (370000, 379999, (15,)),
    (380000, 399999, range(14, 20)),
    (400000, 499999, (13, 16, 19)),   # Visa
    (500000, 509999, range(12, 20)),  # Maestro, Verve, Elo, RuPay
    (510000, 559999, (16,)),          # Mastercard
    (560000, 589999, range(12, 20)),  # Maestro
    (600000, 699999, range(12, 20)),  # Maestro, Discover, UnionPay, RuPay, Hipercard
    (810000, 819999, range(16, 20)),  # UnionPay, RuPay
    (860000, 860099, (16,)),          # Uzcard
    (979200, 979299, (16,)),          # Troy
    (986000, 986099, (16,)),          # Humo
    (60400, 60499, range(12, 20)),    # Maestro in old lists: 0604
)  # fmt: skip
_USUAL_LENGTHS: Final = frozenset({15, 16})

_LONGEST_PLAIN: Final = 19
_NEVER_ISSUED: Final = frozenset({"078051120", "219099999"})
_SSN_DIGITS: Final = 9
_SHORTEST_CARD: Final = 12


def has_check_digit(digits: str) -> bool:
    """Whether the last digit is right by Luhn's formula."""
    doubled = digits[-2::-2].translate(_DOUBLED).encode()
    single = digits[::-2].encode()
    return (sum(single) + sum(doubled) - _ZERO * len(digits)) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether these digits may be a card's: issuer, length and check digit."""
    if not has_check_digit(digits):
        return False
    first = int(digits[:6])
    return any(low <= first <= high and len(digits) in lengths for low, high, lengths in _ISSUERS)


def numbers(text: str, *, special: bool) -> Iterator[tuple[int, int, str]]:
    """Places of numbers with their kinds, in order.

    Args:
        text: the text.
        special: also IPv4 addresses that belong to nobody.
    """
    place, left = 0, most_read(text)
    while match := _NUMBER.search(text, place):
        start = match.start()
        left -= 1
        if left < 0:
            yield start, len(text), UNREAD
            return
        found = _judged(text, match, special=special)
        if found is None:
            # A list of numbers with noughts in front is passed over whole: it is no other number either.
            group = match if match.lastgroup == "trunk" else _FIRST_GROUP.match(text, start)
            place = group.end() if group else start + 1
        else:
            yield start, *found
            place = found[0]


def _judged(text: str, match: re.Match[str], *, special: bool) -> tuple[int, str] | None:
    """Where it ends and of which kind it is; None for nothing."""
    start, end = match.span()
    form = match.lastgroup
    if form == "ipv4":
        return (end, "pii.ip") if is_ipv4(text, start, end, special=special) else None
    loose = not _is_attached(text, start)
    if form == "ssn":
        return (end, "pii.ssn") if loose and _is_grouped_ssn(text, match) else None
    digits = _NO_DIGIT.sub("", match[0])
    if form == "card":
        return _grouped_card(text, end, digits) if loose else None
    if form in {"plain", "said"}:
        return _plain(text, start, digits, loose=loose)
    extension = _EXTENSION.match(text, end)
    if form in {"plus", "abroad"} and not extension and _BEHIND.match(text, end):
        # The beginning of the next number was taken with it.
        end = max(text.rfind(" ", start, end), start)
        digits = _NO_DIGIT.sub("", text[start:end])
    if loose and is_phone(text, match, digits):
        end = extension.end() if extension else end
        return None if _BEHIND.match(text, end) else (end, "pii.phone")
    return None


def _is_attached(text: str, start: int) -> bool:
    """Whether it is part of something longer: a decimal fraction, a date, a path, an identifier, a price."""
    last = text[start - 1] if start else " "
    if last in _SIGNS_BEFORE:
        return True
    return last in "-/" and text[max(0, start - 2)].isalnum() and not is_escaped(text, start - 1)


def _grouped_card(text: str, end: int, digits: str) -> tuple[int, str] | None:
    if _BEHIND.match(text, end):
        return None
    if is_card(digits):
        return end, "pii.card"
    # Three digits behind the sixteen may be the code from the back of the card.
    return (end - 4, "pii.card") if len(digits) == _LONGEST_PLAIN and is_card(digits[:-3]) else None


def _is_grouped_ssn(text: str, match: re.Match[str]) -> bool:
    start, end = match.span()
    if not _is_ssn(f"{text[start : start + 3]}{text[start + 4 : start + 6]}{text[end - 4 : end]}") or _BEHIND.match(text, end):
        return False
    return (match["s"] == "-" and not says_other(text, start)) or says_ssn(text, start)


def _is_ssn(digits: str) -> bool:
    """The ranges that the Social Security Administration gives out."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in {"000", "666"} and area[0] != "9" and group != "00" and serial != "0000" and digits not in _NEVER_ISSUED


def _is_plain_card(text: str, start: int, digits: str, *, usual: bool) -> bool:
    """Beside a word for a card the check digit is enough: no list of issuers is complete. Else the issuer and the length count too."""
    if not has_check_digit(digits) or says_other(text, start):
        return False
    return says_card(text, start) or (usual and is_card(digits))


def _plain(text: str, start: int, digits: str, *, loose: bool) -> tuple[int, str] | None:
    """Judge digits without anything between them."""
    length = len(digits)
    end = start + length
    if length > _LONGEST_PLAIN or _BEHIND.match(text, end):
        extension = _EXTENSION.match(text, end)
        if extension is None or length > LONGEST_PHONE or not says_phone(text, start):
            return None
        end = extension.end()
    if length >= _SHORTEST_CARD and _is_plain_card(text, start, digits, usual=loose and length in _USUAL_LENGTHS):
        return end, "pii.card"
    if length == _SSN_DIGITS and says_ssn(text, start) and _is_ssn(digits):
        return end, "pii.ssn"
    return (end, "pii.phone") if loose and is_plain_phone(text, start, digits) else None

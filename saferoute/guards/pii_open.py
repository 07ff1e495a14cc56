"""Where something unfinished might begin at the end of a text that arrives in pieces.

Every form that the guard knows is written in one run of its own characters: an address has no space, a number no letter. So only the run at
the end can be open. A run that is longer than any number, such as a list of numbers, is cut where what stands before is judged the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from saferoute.guards.pii_bounds import LETTERS, LONGEST_IPV6, LONGEST_LOCAL, LONGEST_NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.values.guarding import Span

__all__ = ["open_in_plain", "open_place"]

_WINDOW: Final = 400
_LIST: Final = LONGEST_NUMBER - 8
_LONGEST_DOMAIN: Final = 255
_LONGEST_IBAN: Final = 72

# All but the IBAN's are read backwards, from the end of the text.
_LOCAL: Final = re.compile(rf"[{LETTERS}_.%+'-]{{0,{LONGEST_LOCAL + 1}}}")
_DOMAIN: Final = re.compile(rf"[{LETTERS}_.%+'-]{{0,{_LONGEST_DOMAIN}}}@")
_COLONS: Final = re.compile(rf"[0-9A-Fa-f:.]{{0,{LONGEST_IPV6 + 1}}}")
_NUMERIC: Final = re.compile(r"[0-9 ().+/-]*")
_EXTENSION: Final = re.compile(r"[0-9]{0,6}[ ]?\.?(?:txe|xe|e|x)")
_BEGINNING: Final = re.compile(r"[0-9(+]")
_IN_WORD: Final = re.compile(rf"[{LETTERS}_.:%+'@-]{{2}}")
_TOO_LONG: Final = re.compile(r".*[0-9]{20}", re.DOTALL)
_IBAN: Final = re.compile(r"[A-Z](?:(?<![0-9A-Za-z_].)|(?<=\\[nrt].))(?:[A-Z](?:[0-9](?:[0-9](?:[ -]?[A-Z0-9]){0,30}[ -]?)?)?)?\Z")


def open_place(text: str, start: int, find: Callable[[str], list[Span]]) -> int:
    """The earliest place at which an unfinished find could begin.

    Args:
        text: what has arrived.
        start: what stands before it was let go.
        find: finds everything in a text.
    """
    length = len(text)
    backwards = text[max(0, length - _WINDOW) :][::-1]
    iban = _IBAN.search(text, max(0, length - _LONGEST_IBAN))
    place = min(length - max(_email(backwards), _ipv6(backwards)), iban.start() if iban else length)
    extension = _EXTENSION.match(backwards)
    number = max(_number(backwards, 0), _number(backwards, extension.end()) if extension else 0)
    place = min(place, length - number if number <= LONGEST_NUMBER else _cut(text, length - number, find))
    while (before := _before_finds(text, _before_joined(text, place), find)) < place:
        place = before
    return max(start, place)


_END: Final = 104
_RUN: Final = 64
_OPENING: Final = bytes(ord("!") if code in b"0123456789(+:@" else ord(".") for code in range(256))


def open_in_plain(text: str, start: int) -> int:
    """What `open_place` says of a text in which nothing is found."""
    place = _open_word(text)
    return open_place(text, start, _nothing) if place < 0 else max(start, place)


def _nothing(_: str) -> list[Span]:
    return []


def _open_word(text: str) -> int:
    """What `open_place` says of a text in which nothing is found and whose end has no digit, nor what begins a number or an address.

    Returns:
        Where the last word begins, which may be the beginning of an e-mail address; -1 if there is more to look at.
    """
    end = text[-_END:]
    if b"!" in end.encode("ascii", "replace").translate(_OPENING) or not end[:_RUN].strip(" ()+./-"):
        return -1
    if end[-1] in " \n":
        return len(text)
    run = _LOCAL.match(end[::-1])
    length = run.end() if run else 0
    return len(text) - length if length <= LONGEST_LOCAL else -1


def _email(backwards: str) -> int:
    """How many characters at the end may be the beginning of an e-mail address."""
    domain = _DOMAIN.match(backwards)
    behind = domain.end() if domain else 0
    local = _LOCAL.match(backwards, behind)
    length = local.end() if local else 0
    return length if length <= behind + LONGEST_LOCAL else 0


def _ipv6(backwards: str) -> int:
    match = _COLONS.match(backwards)
    length = match.end() if match else 0
    return length if length <= LONGEST_IPV6 and ":" in backwards[:length] else 0


def _number(backwards: str, behind: int) -> int:
    match = _NUMERIC.match(backwards, behind)
    run = match[0][::-1] if match else ""
    long = _TOO_LONG.match(run)
    beginning = _BEGINNING.search(run, long.end() if long else 0)
    return behind + len(run) - beginning.start() if beginning else 0


def _before_joined(text: str, place: int) -> int:
    """The place, or the beginning of the number or the word that it would cut.

    Either is another one when its end is taken off: "0044 20 7946 09" is a telephone number, "0044 20 7946 0958a" is none.
    """
    last = len(text)
    while _BEGINNING.match(text, place) or _IN_WORD.match(text, max(0, place - 1)):
        before = text[max(0, place - LONGEST_NUMBER) : place][::-1]
        number = _number(before, 0)
        # A number is shorter than this; a longer run is a list, and may be cut.
        begun = place - max(number if number < _LIST else 0, _email(before), _ipv6(before))
        if begun == place or last - begun > _WINDOW:
            break
        place = begun
    return place


def _cut(text: str, begun: int, find: Callable[[str], list[Span]]) -> int:
    """A place in a long run of numbers that no number crosses, and before which no less is found when the rest is not there."""
    last = len(text) - LONGEST_NUMBER
    low = max(0, last - 2 * _WINDOW)
    found = find(text[low:])
    for place in range(last, max(begun, last - _WINDOW // 2), -1):
        if text[place - 1 : place + 1].isdigit():
            continue
        seen = find(text[low:place])
        if all(any(one.start <= span.start and span.end <= one.end for one in seen) for span in found if span.start + low < place):
            return place
    return begun


def _before_finds(text: str, place: int, find: Callable[[str], list[Span]]) -> int:
    """The place, or the beginning of what lies across it."""
    low = max(0, place - _WINDOW)
    for span in find(text[low:]) if place < len(text) else ():
        if span.start + low < place < span.end + low:
            return span.start + low
    return place

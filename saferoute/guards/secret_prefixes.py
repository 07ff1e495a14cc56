"""Finds what begins with a published prefix: the table of `secret_formats`, read into one pattern and a few runs of characters."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from saferoute.guards.secret_formats import ALPHABETS, FORMATS, LONGEST
from saferoute.guards.secret_runs import LONG_ENOUGH, SHORTEST, runs_of
from saferoute.guards.secret_values import is_published, is_value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Found", "first_prefix", "prefixed"]

Found: TypeAlias = tuple[int, int, str]
"""Where a secret begins and ends, and what it is."""

_LETTERS: Final = frozenset("ADHLTUX")
_COUNT: Final = re.compile(r"([A-Z])(\d{1,5})(?:-(\d{1,5})|(\+))?")
_BEFORE_RUN: Final = 24
_CLOSE: Final = 64
_LONG_RUN: Final = 2048


class _Part(NamedTuple):
    """One part of a format: characters of an alphabet, or, without one, the very characters."""

    alphabet: str
    least: int
    most: int
    literal: str


class _Format(NamedTuple):
    kind: str
    parts: tuple[_Part, ...]
    needs: str


def _parts(shape: str) -> tuple[_Part, ...]:
    parts: list[_Part] = []
    for word in shape.split():
        count = _COUNT.fullmatch(word)
        if count is None:
            parts.append(_Part("", 0, 0, word[1:]))
        else:
            alphabet, least, most, more = count.groups()
            parts.append(_Part(alphabet, int(least), LONGEST if more else int(most or least), ""))
    return tuple(parts)


def _by_prefix() -> dict[str, tuple[_Format, ...]]:
    """The formats of each prefix."""
    own: dict[str, list[_Format]] = {}
    for kind, prefixes, shape, needs in FORMATS:
        for prefix in prefixes:
            own.setdefault(prefix, []).append(_Format(kind, _parts(shape), needs))
    return {prefix: tuple(formats) for prefix, formats in own.items()}


def _shared(first: str, other: str) -> int:
    """How many characters two words begin with alike."""
    return next((place for place, (one, two) in enumerate(zip(first, other, strict=False)) if one != two), min(len(first), len(other)))


def _either(words: list[str]) -> str:
    """A pattern for any of the words, the longest that is there, that reads what they share once."""
    choices: list[str] = []
    for _, group in groupby(sorted(words), key=lambda word: word[0]):
        same = list(group)
        # What the first and the last of them share, all share; the shortest comes first.
        shared = _shared(same[0], same[-1])
        longer = [word[shared:] for word in same if len(word) > shared]
        ending = f"(?:{_either(longer)}){'?' * (len(same) > len(longer))}" if longer else ""
        choices.append(re.escape(same[0][:shared]) + ending)
    return "|".join(choices)


def _prefixes() -> re.Pattern[str]:
    """Every prefix, before what all of its formats begin with, so that `sk-sk-sk-` is passed over in compiled code."""
    near: dict[str, list[str]] = {"[A-Za-z0-9]{16}": [], "": []}
    plain, mixed = near
    for prefix, formats in _FORMATS_OF.items():
        first = [one.parts[0] for one in formats]
        near[plain if all(one.alphabet in _LETTERS and one.least >= SHORTEST for one in first) else mixed].append(prefix)
    letters = "".join(prefix for prefix in near[mixed] if len(prefix) == 1)
    near[mixed] = [prefix for prefix in near[mixed] if len(prefix) > 1]
    words = f"(?:{_either(near[plain])})(?={plain})|(?:{_either(near[mixed])})"
    begins = "".join(sorted({prefix[0] for prefix in _FORMATS_OF}))
    # Six short words in a row are no key: none has its `-`, `_` and `.` that close to each other.
    short = "[A-Za-z0-9]{0,5}+[^A-Za-z0-9]" * 6
    return re.compile(f"(?<![A-Za-z0-9])(?=[{begins}])(?!{short})(?:{words}|[{letters}](?=[\\w-]{{{SHORTEST}}}))", re.ASCII)


_FORMATS_OF: Final = _by_prefix()
_SIZES: Final = {
    letter: tuple(sorted({len(prefix) for prefix in same}, reverse=True))
    for letter, same in groupby(sorted(_FORMATS_OF), key=lambda prefix: prefix[0])
}
_PREFIX: Final = _prefixes()
_RUNS: Final = {letter: re.compile(f"[{characters}]*") for letter, characters in ALPHABETS.items()}
_FILE_ENDING: Final = re.compile(r"\.(?:png|jpe?g|gif|svg|css|m?js|html?|woff2?|json|ico|webp|mp4|pdf)(?![A-Za-z0-9])")


def prefixed(text: str, plain: bytes) -> Iterator[Found]:
    """What begins with a published prefix. Looks only where there are enough letters, digits, `_` and `-` in a row.

    Args:
        text: the text.
        plain: the text as one byte for each character.
    """
    long = runs_of(plain)
    ends: dict[str, tuple[int, int]] = {}
    run = long.find(LONG_ENOUGH)
    while run >= 0:
        place = max(0, run - _BEFORE_RUN)
        # Runs that are close to each other are read as one, so that many short ones cost no more than a long one.
        while True:
            end = long.find(b" ", run)
            end = len(text) if end < 0 else end
            run = long.find(LONG_ENOUGH, end)
            if run < 0 or run > end + _CLOSE:
                break
        while (prefix := _PREFIX.search(text, place, end)) is not None:
            found, place = _format_at(text, prefix.start(), ends)
            if found is not None:
                yield found


def _format_at(text: str, start: int, ends: dict[str, tuple[int, int]]) -> tuple[Found | None, int]:
    """The secret that a prefix begins here, if it does, the longest prefix first; and where to look on."""
    passed = start + 1
    for size in _SIZES[text[start]]:
        for form in _FORMATS_OF.get(text[start : start + size], ()):
            begin = start + size
            end, run = _end_of(text, begin, form.parts, ends)
            if end < 0:
                if run - begin > _LONG_RUN:
                    passed = max(passed, begin + form.parts[0].least)
                continue
            body = text[begin:end].rstrip(".")
            if is_value_of(body, form.needs) and not is_published(text[start : begin + len(body)]) and not _FILE_ENDING.match(text, end):
                return (start, begin + len(body), form.kind), begin + len(body)
            passed = max(passed, end)
    return None, passed


def _end_of(text: str, place: int, parts: tuple[_Part, ...], ends: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """Where a format ends that begins here, -1 if it is not there; and where the run of its first alphabet ends."""
    first_run = place
    for number, part in enumerate(parts):
        if not part.alphabet:
            if not text.startswith(part.literal, place):
                return -1, first_run
            place += len(part.literal)
            continue
        begin, end = ends.get(part.alphabet, (0, -1))
        if not begin <= place <= end:
            end = _RUNS[part.alphabet].match(text, place).end()  # type: ignore[union-attr]  # a run may be empty, so it always matches
            ends[part.alphabet] = (place, end)
        if number == 0:
            first_run = end
        if end - place < part.least or (end - place > part.most and number == len(parts) - 1):
            return -1, first_run
        place = min(end, place + part.most)
    return (-1 if text[place : place + 1].isalnum() and text[place].isascii() else place), first_run


def first_prefix(text: str, begin: int, end: int) -> int:
    """Where the first prefix begins between two places that could have a value behind it; the second place for none."""
    found = _PREFIX.search(text, begin, end + _BEFORE_RUN)
    return end if found is None else found.start()

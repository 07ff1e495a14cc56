"""A text without its disguises: invisible characters, other alphabets, styles, marks and escapes, undone in place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from saferoute.guards.decoding import decoded_escapes
from saferoute.guards.lookalikes import (
    BIDI,
    FLAG_SEQUENCE,
    INVISIBLE,
    JOINERS,
    MARKED,
    MARKS,
    OTHER_SCRIPTS,
    SELECTORS,
    STYLED,
    STYLED_WORD,
    TAGS,
    as_latin,
    kinds_of,
    mixed_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["folded", "from_selectors", "from_tags", "has_spelling"]

_ROUNDS: Final = 3
_LEAST_MARKED: Final = 3

# Scripts without spaces use the zero-width space as one.
_SPACELESS: Final = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf"
_SOFT: Final = f"{JOINERS}{BIDI}"
_UNSEEN: Final = f"{INVISIBLE}{_SOFT}"
_UNSEEN_RUN: Final = re.compile(f"[{_UNSEEN}]+")
_MAY_BE_NEEDED: Final = re.compile(f"[{_SOFT}{_SPACELESS}]")
# All runs but those that do something honest: join Persian letters and emoji, set a direction, divide Thai words.
_UNNEEDED: Final = re.compile(
    f"(?<![{_UNSEEN}])(?:(?<=[!-~])[{_UNSEEN}]++|[{_SOFT}]++(?=[A-Za-z])|(?!(?<=[{_SPACELESS}])[{_UNSEEN}](?![{_UNSEEN}]))[{_SOFT}]*+[{INVISIBLE}][{_UNSEEN}]*+)"
)
_OVERRIDDEN: Final = re.compile("\u202e([^\u202c\u202e\n]{1,4096})")
_MARKS: Final = re.compile(f"[{MARKS}]+")
_TAG_RUN: Final = re.compile(f"[{TAGS}]+")
_FLAG_OR_TAGS: Final = re.compile(f"({FLAG_SEQUENCE.pattern})|[{TAGS}]+")
_SELECTOR_RUN: Final = re.compile(f"[{SELECTORS}]{{4,}}")


def _without_invisible(text: str) -> str:
    return (_UNNEEDED if _MAY_BE_NEEDED.search(text) else _UNSEEN_RUN).sub("", text)


def _without_tags(text: str) -> str:
    return _FLAG_OR_TAGS.sub(r"\1", text)


def _in_reading_order(text: str) -> str:
    """What is shown from right to left by force, as it is shown."""
    return _OVERRIDDEN.sub(lambda match: match[1][::-1], text)


def _without_style(text: str) -> str:
    return as_latin(normalize("NFKC", text)) if STYLED_WORD.search(text) else text


def _without_marks(text: str) -> str:
    composed = normalize("NFC", text)
    if len(MARKED.findall(composed)) < _LEAST_MARKED:
        return text
    return _MARKS.sub("", normalize("NFD", composed))


def _in_one_alphabet(text: str) -> str:
    mixed = mixed_words(text)
    # A text with more genuine words of that script than mixed ones is written in it.
    if mixed.strict or mixed.more or mixed.loose > mixed.other:
        return as_latin(text)
    return text


# What is undone, by name; what the text's characters, in order, must hold for there to be something to undo; and how.
_STEPS: Final[tuple[tuple[str, re.Pattern[str], Callable[[str], str]], ...]] = (
    ("bidi", re.compile("\u202e"), _in_reading_order),
    ("invisible", _TAG_RUN, _without_tags),
    ("invisible", _UNSEEN_RUN, _without_invisible),
    ("nfkc", STYLED, _without_style),
    ("marks", _MARKS, _without_marks),
    ("homoglyph", re.compile(f"[A-Za-z].*[{OTHER_SCRIPTS}]", re.DOTALL), _in_one_alphabet),
)


def folded(text: str, kinds: str) -> tuple[str, str]:
    """Undo disguises in place.

    Args:
        text: any text.
        kinds: its different characters; "" if none of them needs to be looked at.

    Returns:
        The name of the first thing that was undone ("bidi", "invisible", "nfkc", "marks", "homoglyph" or "escapes"), "" for nothing; and
        the text without it and all others. Joiners in Persian, Indic scripts and emoji, accents, and genuine words of other alphabets stay.
    """
    first = ""
    for _ in range(_ROUNDS):
        before = text
        if kinds:
            for name, needed, step in _STEPS:
                changed = step(text) if needed.search(kinds) else text
                if changed != text:
                    first = first or name
                    text = changed
        if "&" in text or "%" in text or "\\" in text:
            changed = decoded_escapes(text)
            if changed != text:
                first = first or "escapes"
                text = changed
        if text == before:
            break
        kinds = "" if text.isascii() else kinds_of(text)
    return first, text


def from_tags(text: str) -> str:
    """The ASCII text that tag characters spell; flags are left out; "" for none."""
    runs = _TAG_RUN.findall(FLAG_SEQUENCE.sub("", text))
    # The last byte of each is the character that it is a copy of.
    return "".join(runs).encode("utf-32-le")[::4].decode("latin-1").replace("\x7f", "").replace("\x01", "")


def from_selectors(text: str) -> str:
    """The text whose bytes variation selectors spell, four or more in a row; "" for none."""
    return "\n".join(
        bytes(ord(char) - 0xFE00 if char < "\uff00" else ord(char) - 0xE0100 + 16 for char in run).decode("utf-8", "ignore")
        for run in _SELECTOR_RUN.findall(text)
    )


def has_spelling(kinds: str) -> bool:
    """Whether a text has characters that spell others: tags, or variation selectors other than the one that emoji end with.

    Args:
        kinds: its different characters.
    """
    return _SPELLING.search(kinds) is not None


_SPELLING: Final = re.compile(f"[{TAGS}\ufe00-\ufe0e\U000e0100-\U000e01ef]")

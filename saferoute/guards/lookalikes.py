"""Characters that look like Latin letters, or like nothing, and words that are written with them.

The letters are those of Unicode's confusables that a reader does not tell from Latin ones in running text. "Strict" ones are the same
picture; "loose" ones are taken for Latin letters only where a word cannot be anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = [
    "ANY_INVISIBLE", "BIDI", "BIDI_OVERRIDES", "FLAG_SEQUENCE", "INVISIBLE", "JOINERS", "MARKED", "MARKS", "MIXABLE", "OTHER_SCRIPTS",
    "SELECTORS", "STYLED", "STYLED_WORD", "TAGS", "MixedWords", "as_latin", "distinct", "kinds_of", "mixed_words",
]  # fmt: skip

# By the Latin letter that they look like. Strict: Cyrillic, Greek capitals and omicron, Armenian, Cherokee, Lisu. Other small Greek letters
# stand beside Latin ones in formulas, so that they are loose.
_STRICT_LOOKALIKES: Final = {
    "A": "\u0410\u0391\u13aa\ua4ee",
    "a": "\u0430",
    "B": "\u0412\u0392\u13f4\ua4d0",
    "C": "\u0421\u03f9\u13df\ua4da",
    "c": "\u0441\u03f2",
    "D": "\u13a0\ua4d3",
    "d": "\u0501",
    "E": "\u0415\u0395\u13ac\ua4f0",
    "e": "\u0435",
    "F": "\ua4dd",
    "G": "\u050c\ua4d6",
    "g": "\u050d\u0581",
    "H": "\u041d\u0397\u13bb\ua4e7",
    "h": "\u04bb\u0570",
    "I": "\u0406\u04c0\u0399\ua4f2",
    "i": "\u0456",
    "J": "\u0408\u13ab\ua4d9",
    "j": "\u0458\u03f3",
    "K": "\u041a\u039a\u13e6\ua4d7",
    "L": "\u13de\ua4e1",
    "l": "\u04cf",
    "M": "\u041c\u039c\u13b7\ua4df",
    "N": "\u039d\ua4e0",
    "n": "\u0578",
    "O": "\u041e\u039f\ua4f3",
    "o": "\u043e\u03bf\u0585",
    "P": "\u0420\u03a1\u13e2\ua4d1",
    "p": "\u0440",
    "Q": "\u051a",
    "q": "\u051b",
    "R": "\ua4e3",
    "S": "\u0405\u054f\u13da\ua4e2",
    "s": "\u0455",
    "T": "\u0422\u03a4\u13a2\ua4d4",
    "U": "\u054d\ua4f4",
    "u": "\u057d",
    "V": "\u0474\u13d9\ua4e6",
    "v": "\u0475",
    "W": "\u051c\u13b3\ua4ea",
    "w": "\u051d",
    "X": "\u0425\u03a7\ua4eb",
    "x": "\u0445",
    "Y": "\u0423\u04ae\u03a5\ua4ec",
    "y": "\u0443",
    "Z": "\u0396\u13c3\ua4dc",
}
# Cyrillic and Greek letters that take some good will, and small capitals.
_LOOSE_LOOKALIKES: Final = {
    "a": "\u03b1\u03ac\u0251\u1d00",
    "B": "\u042c",
    "b": "\u0432\u044c\u03b2\u0299\u0185",
    "c": "\u03c2\u1d04",
    "d": "\u1d05",
    "e": "\u0454\u0451\u03b5\u03ad\u1d07",
    "f": "\u0493\ua730",
    "g": "\u0261\u0262",
    "h": "\u043d\u029c",
    "i": "\u03b9\u03ca\u0390\u03af\u0269\u026a",
    "j": "\u1d0a",
    "k": "\u043a\u049d\u045c\u03ba\u1d0b",
    "l": "\u029f",
    "m": "\u043c\u1d0d",
    "n": "\u043f\u03b7\u03c0\u03ae\u0274",
    "o": "\u03c3\u03cc\u1d0f",
    "p": "\u048f\u03c1\u1d18",
    "r": "\u0433\u0491\u0453\u0280\u027e",
    "s": "\ua731",
    "t": "\u0442\u03c4\u1d1b",
    "u": "\u0438\u0439\u03c5\u03bc\u03cd\u1d1c",
    "v": "\u03bd\u1d20\u028b",
    "w": "\u03c9\u03ce\u1d21",
    "x": "\u04b3\u03c7",
    "y": "\u045e\u03b3\u028f",
    "z": "\u0437\u04e1\u03b6\u1d22",
}


def _table(lookalikes: dict[str, str]) -> dict[str, str]:
    return {char: letter for letter, chars in lookalikes.items() for char in chars}


_STRICT: Final = _table(_STRICT_LOOKALIKES)
_ALL: Final = _STRICT | _table(_LOOSE_LOOKALIKES)
_STRICT_LETTERS: Final = frozenset(_STRICT)
_ALL_LETTERS: Final = frozenset(_ALL)

INVISIBLE: Final = "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
"""Members of a character class: what shows as nothing, wherever it stands. Joiners, which some scripts and emoji need, are apart."""

JOINERS: Final = "\u200c\u200d"
"""Members of a character class: what joins and separates letters in Persian and Indic scripts, and people in emoji."""

ANY_INVISIBLE: Final = INVISIBLE + JOINERS
"""Both."""

BIDI_OVERRIDES: Final = "\u202d\u202e"
"""Members of a character class: what shows text in another order than it is read in, whatever its script."""

BIDI: Final = f"\u200e\u200f\u061c\u202a-\u202c\u2066-\u2069{BIDI_OVERRIDES}"
"""Members of a character class: everything that sets a direction."""

TAGS: Final = "\U000e0000-\U000e007f"
"""Members of a character class: invisible copies of ASCII. Only the three flags of parts of the United Kingdom, and those of states of the
United States on some platforms, are written with them."""

_BMP_SELECTORS: Final = "\ufe00-\ufe0f"
SELECTORS: Final = f"{_BMP_SELECTORS}\U000e0100-\U000e01ef"
"""Members of a character class: variants of the glyph before; one of them is enough for any glyph, and 256 of them hold a byte."""

MARKS: Final = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f"
"""Members of a character class: marks over, through and under Latin letters, not those that other scripts are written with."""

_SMALL_CAPITALS: Final = "\u1d00-\u1d22\u0262\u026a\u0274\u0280\u028f\u0299\u029c\u029f\ua730\ua731"

_BMP_STYLED: Final = (
    "\uff21-\uff3a\uff41-\uff5a\u249c-\u24e9\u2102\u210a-\u2113\u2115\u2119-\u211d\u2124\u2128\u212c\u212d"
    "\u212f-\u2131\u2133\u2134\u2145-\u2149"
)
_STYLED: Final = f"{_BMP_STYLED}\U0001d400-\U0001d7ff\U0001f110-\U0001f12b\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189"

FLAG_SEQUENCE: Final = re.compile(
    "\U0001f3f4(?:\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)"
    "|\U000e0075\U000e0073[\U000e0061-\U000e007a]{2})\U000e007f"
)
"""A flag that is written with tags: England, Scotland, Wales, or a state of the United States."""

MARKED: Final = re.compile(f"[A-Za-z\u00c0-\u024f\u1e00-\u1eff][{MARKS}]")
"""A Latin letter with a mark that no composed letter has; look for it in text in normal form C."""

OTHER_SCRIPTS: Final = "\u0370-\u052f\u0531-\u0587\u13a0-\u13ff\ua4d0-\ua4f7"
"""Members of a character class: letters of the scripts that are taken for Latin (Greek, Cyrillic, Armenian, Cherokee, Lisu)."""
MIXABLE: Final = re.compile(f"[{OTHER_SCRIPTS}]")
"""A letter of a script whose letters are taken for Latin ones."""
STYLED: Final = re.compile(f"[{_STYLED}{_SMALL_CAPITALS}]")
"""A Latin letter in another style."""
STYLED_WORD: Final = re.compile(
    f"[{_STYLED}](?:[{_STYLED}]{{2}}|[A-Za-z{OTHER_SCRIPTS}])|[A-Za-z{OTHER_SCRIPTS}][{_STYLED}]|[{_SMALL_CAPITALS}]{{3}}"
)
"""Enough styled letters, or one among letters of a script that they may stand for; one alone is a symbol."""


_LATIN: Final = re.compile(r"[A-Za-z]")
# Of the basic plane only, for which a search is fastest.
_NOTABLE: Final = re.compile(f"[{ANY_INVISIBLE}{BIDI}{_BMP_SELECTORS}{MARKS}{_BMP_STYLED}{_SMALL_CAPITALS}\ud800-\udfff]")
# Two searches, each for a class first: faster than one for either.
_LATIN_BEFORE: Final = re.compile(f"[A-Za-z][{OTHER_SCRIPTS}]")
_LATIN_BEHIND: Final = re.compile(f"[{OTHER_SCRIPTS}][A-Za-z]")
_WORD: Final = re.compile(r"[^\W\d_]+")
_ONLY_LATIN: Final = re.compile(r"[bdfghk-nqrtuvwzDFGL-NQRU-WZ]")
_FOREIGN: Final = re.compile("[^A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
# What no compatibility mapping makes plain: white letters in black circles and squares.
_INVERSE: Final = {chr(first + offset): chr(65 + offset) for first in (0x1F150, 0x1F170) for offset in range(26)}
_LEAST_LETTERS: Final = 3
_MOST_MIXED: Final = 4096
_FEW: Final = 1024
_ROUNDS: Final = 32


@dataclass(frozen=True, slots=True)
class MixedWords:
    """Words of Latin letters and others that look like them.

    Attributes:
        strict: places of words that read as Latin, and have look-alikes that are the same picture.
        loose: how many words read as Latin only if similar letters count too.
        other: how many words are wholly of one of the other scripts.
        more: whether there are more words of both than are read.
    """

    strict: tuple[tuple[int, int], ...]
    loose: int
    other: int
    more: bool = False


_NO_MIXED_WORDS: Final = MixedWords((), 0, 0)


def distinct(text: str) -> set[str]:
    """The different characters of a text. Those that it is full of are taken out of it whole: `set` makes an object of each character."""
    found: set[str] = set()
    while len(text) > _FEW and len(found) < _ROUNDS:
        found.add(text[0])
        text = text.replace(text[0], "")
    return found.union(text)


def kinds_of(text: str) -> str:
    """The different characters of a text, in order, if one of them may hide or imitate something; else "".

    To search them tells at a small price what the text need not be searched for.
    """
    plain = not _NOTABLE.search(text) and len(text.encode("utf-16-le", "surrogatepass")) == 2 * len(text)
    if plain and not (_LATIN.search(text) and MIXABLE.search(text)):
        return ""
    return "".join(sorted(distinct(text)))


def mixed_words(text: str) -> MixedWords:
    """Find words that are written with look-alikes.

    A word reads as Latin if it has a letter that only Latin has, such as n or r, and every letter that is not Latin looks like one that is.
    Genuine words of two scripts, such as a Latin name with a Russian ending, nearly always have a letter that does not.
    """
    if not _LATIN_BEFORE.search(text) and not _LATIN_BEHIND.search(text):
        return _NO_MIXED_WORDS
    strict: list[tuple[int, int]] = []
    loose = other = mixed = 0
    for match in _WORD.finditer(text):
        word = match[0]
        if word.isascii() or not MIXABLE.search(word):
            continue
        if not _LATIN.search(word):
            other += 1
            continue
        mixed += 1
        if mixed > _MOST_MIXED:
            return MixedWords(tuple(strict), loose, other, more=True)
        if len(word) >= _LEAST_LETTERS and _ONLY_LATIN.search(word) and (foreign := frozenset(_FOREIGN.findall(word))) <= _ALL_LETTERS:
            if foreign <= _STRICT_LETTERS:
                strict.append(match.span())
            else:
                loose += 1
    return MixedWords(tuple(strict), loose, other)


def as_latin(text: str) -> str:
    """The text with every look-alike replaced by the Latin letter that it looks like."""
    for char in sorted(distinct(text) & _REPLACED):
        text = text.replace(char, _REPLACEMENTS[char])
    return text


_REPLACEMENTS: Final = _ALL | _INVERSE
_REPLACED: Final = frozenset(_REPLACEMENTS)

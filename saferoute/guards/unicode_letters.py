"""Letters that hide, turn or imitate text: what the guard `unicode` finds beyond ASCII. Its patterns are built for texts that need them."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final
from unicodedata import bidirectional

from saferoute.guards.lookalikes import (
    ANY_INVISIBLE,
    BIDI_OVERRIDES,
    FLAG_SEQUENCE,
    OTHER_SCRIPTS,
    SELECTORS,
    TAGS,
    kinds_of,
    mixed_words,
)
from saferoute.guards.unicode_finds import MOST, Find, spans_of
from saferoute.values.guarding import Action, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_plain", "letter_finds", "open_flag"]

_SURROGATES: Final = re.compile("[\ud800-\udfff]{1,4096}")
_TAGS: Final = re.compile(f"{FLAG_SEQUENCE.pattern}|([{TAGS}]{{1,4096}})")
_OPEN_FLAG: Final = re.compile(f"\U0001f3f4[{TAGS}]{{0,7}}\\Z")
_LONGEST_FLAG: Final = 8
_ANY_TAG: Final = re.compile(f"[{TAGS}]")
_OVERRIDES: Final = re.compile(f"[{BIDI_OVERRIDES}]")
_SELECTOR_TEXT: Final = re.compile(f"[{SELECTORS}]{{4,4096}}")
_ANY_SELECTOR: Final = re.compile(f"[{SELECTORS}]")
_DIRECTIONS: Final = re.compile("[\u202a\u202b\u2066-\u2068]")
_FROM_RIGHT: Final = frozenset({"R", "AL"})
_SOFT_HYPHEN: Final = "\u00ad"
_UNSEEN: Final = re.compile(f"[{ANY_INVISIBLE}]")
_HARD: Final = ANY_INVISIBLE.replace(_SOFT_HYPHEN, "")
# A zero-width space in front of a capital, a digit or a sign is where a long name may be broken; between small letters nothing is.
_IN_WORD: Final = re.compile(f"[A-Za-z][{_HARD}]{{1,4096}}(?=[a-z])|(?<=[A-Z])[{_HARD}]{{1,4096}}(?=[A-Z])")
# Bits as two kinds of nothing: mail pads its preview with them too, but with spaces between.
_BITS: Final = re.compile(f"[{_HARD}]{{16,4096}}")
_HARD_ONE: Final = re.compile(f"[{_HARD}]")
_LATIN: Final = re.compile("[A-Za-z]")
_LEAST_IN_WORDS: Final = 3
_FULLWIDTH_WORD: Final = re.compile("[\uff21-\uff3a\uff41-\uff5a]{2,64}")
_EAST_ASIAN: Final = (("\u3040", "\u30ff"), ("\u3400", "\u9fff"), ("\uac00", "\ud7af"))
_LEAST_FULLWIDTH: Final = 3
_LEAST_MIXED: Final = 2
_OTHERS_PER_MIXED: Final = 4
# Searched for among the different characters of a text. U+FE0F, which many emoji end with, spells nothing alone.
_HONEST_IN_NO_TEXT: Final = re.compile(f"[\ud800-\udfff{TAGS}{BIDI_OVERRIDES}\ufe00-\ufe0e\U000e0100-\U000e01ef\u202a\u202b\u2066-\u2068]")
_LATIN_AMONG_OTHERS: Final = re.compile(f"[A-Za-z].*[{OTHER_SCRIPTS}]", re.DOTALL)
_FULLWIDTH: Final = re.compile("[\uff21-\uff3a\uff41-\uff5a]")


def is_plain(text: str) -> bool:
    """Whether nothing in a text is looked at."""
    return not kinds_of(text)


def open_flag(text: str, start: int) -> int:
    """Where a flag begins at or after a place that has not ended; the text's length for none."""
    flag = _OPEN_FLAG.search(text, max(start, len(text) - _LONGEST_FLAG))
    return flag.start() if flag else len(text)


def letter_finds(text: str, action: Action) -> Iterator[Find]:
    """What is found in a text that is not ASCII.

    Args:
        text: the text.
        action: what is done about what hides or imitates words.
    """
    kinds = kinds_of(text)
    if not kinds:
        return
    if _HONEST_IN_NO_TEXT.search(kinds):
        yield from _not_to_be_seen(text, kinds)
    if _UNSEEN.search(kinds):
        yield from _hiding_words(text, kinds, action)
    if _LATIN_AMONG_OTHERS.search(kinds):
        yield from _mixed(text, action)
    if _FULLWIDTH.search(kinds) and not any(first <= char <= last for char in kinds for first, last in _EAST_ASIAN):
        yield from _wide(text, action)


def _not_to_be_seen(text: str, kinds: str) -> Iterator[Find]:
    """What no honest text holds, wherever it comes from. A text is searched only for what its different characters tell of."""
    if _SURROGATES.search(kinds):
        yield Find(Action.BLOCK, "half of a character", spans_of(_SURROGATES, text, "unicode.surrogate"))
    tagged = _TAGS.finditer(text) if _ANY_TAG.search(kinds) else ()
    tags = tuple(islice((Span(*match.span(), "unicode.tags") for match in tagged if match[1]), MOST))
    if tags:
        yield Find(Action.BLOCK, "text in invisible tag characters", tags)
    if _OVERRIDES.search(kinds):
        yield Find(Action.BLOCK, "text whose direction is forced", spans_of(_OVERRIDES, text, "unicode.override"))
    if _ANY_SELECTOR.search(kinds) and _SELECTOR_TEXT.search(text):
        yield Find(Action.BLOCK, "text in variation selectors", spans_of(_SELECTOR_TEXT, text, "unicode.selectors"))
    if _DIRECTIONS.search(kinds) and _FROM_RIGHT.isdisjoint(map(bidirectional, kinds)):
        yield Find(Action.FLAG, "directions in a text that has one", spans_of(_DIRECTIONS, text, "unicode.direction"))


def _hiding_words(text: str, kinds: str, action: Action) -> Iterator[Find]:
    hard = _HARD_ONE.findall(kinds)
    if not hard:
        return
    inside = spans_of(_IN_WORD, text, "unicode.invisible") if _LATIN.search(kinds) else ()
    if inside:
        enough = len(inside) >= _LEAST_IN_WORDS
        yield Find(action if enough else Action.FLAG, "invisible characters inside words", inside)
    long = _BITS.finditer(text) if len(hard) > 1 else ()
    runs = tuple(Span(*match.span(), "unicode.invisible") for match in islice(long, MOST) if len(set(match[0]) - {"\ufeff"}) > 1)
    if runs:
        yield Find(action, "a long run of invisible characters", runs)


def _mixed(text: str, action: Action) -> Iterator[Find]:
    mixed = mixed_words(text)
    if mixed.more:
        yield Find(Action.FLAG, "more words of mixed alphabets than are read", ())
    if mixed.strict:
        # A slip of the keyboard among many genuine words of the other alphabet is no attempt at anything.
        many = len(mixed.strict) >= _LEAST_MIXED and len(mixed.strict) * _OTHERS_PER_MIXED >= mixed.other
        spans = tuple(Span(*place, "unicode.lookalike") for place in mixed.strict[:MOST])
        yield Find(action if many else Action.FLAG, "words of mixed alphabets that read as Latin", spans)


def _wide(text: str, action: Action) -> Iterator[Find]:
    wide = spans_of(_FULLWIDTH_WORD, text, "unicode.fullwidth")
    if len(wide) >= _LEAST_FULLWIDTH:
        yield Find(action, "sentences in full-width letters", wide)

"""How much of the first word of a text may be shown before the word has ended: nothing of what may still become a secret.

A secret with a published form begins with a prefix, or with a host's name, and those are told apart from most words by their first letters.
What is left are forms that any letters may begin, since they are known by what stands in their middle. Of such a one at the very beginning
of an answer, the letters that read as the beginning of a word count as no part of the secret: twelve at most, of forty or more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from saferoute.guards.secret_formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["first_word_until", "hidden_from"]

_LONGEST: Final = 24
"""Characters of the longest text of which something is shown before its first word has ended: more than `_FIRST` reads."""

# Blanks, quotation marks, brackets and signs of markdown, none of which announces a value; Latin letters that are not ASCII, which are part
# of no secret; and a word, an abbreviation before a sign, or the year of a date. No label announces a value without a sign behind it.
_SIGNS: Final = "[ \t\r\n\"'`(\\[{*#>\u00a1\u00bf\u00ab\u00bb\u2018-\u201f\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f]{0,8}"
_FIRST: Final = re.compile(f"{_SIGNS}([A-Z]?[a-z]{{2,11}}|[A-Z]{{2,5}}(?=[,;:!?)-])|(?:19|20)[0-9]{{2}}(?=-))")

# Kinds that begin with letters and digits alone; and one whose prefix is a letter that many words begin with, before the number of a user.
_SHAPES_OF_ANY_LETTERS: Final = frozenset({"mailchimp", "azure-key", "azure-devops", "azure-client", "terraform"})
_FORMATS_OF_ANY_LETTERS: Final = frozenset({"discord"})

_PREFIXES: Final = "\n".join(
    ["", *(prefix for kind, prefixes, _, _ in FORMATS for prefix in prefixes if kind not in _FORMATS_OF_ANY_LETTERS), ""]
)
# Those that are letters alone, before more letters or signs: "D", "T" and "U" are digits and capitals.
_PREFIX_WORDS: Final = tuple(
    prefix
    for kind, prefixes, shape, _ in FORMATS
    for prefix in prefixes
    if prefix.isalpha() and shape[0] not in "DTU" and kind not in _FORMATS_OF_ANY_LETTERS
)
# What a secret, or a private key's block, may begin with in the middle of a word.
_WITHIN: Final = ("hooks", "discordapp", "webhook", "access", "private")


def _beginnings(words: Iterable[str]) -> str:
    return "|".join(word[:size] for word in words for size in range(len(word), 0, -1))


_BEGUN: Final = re.compile(f"(?:{_beginnings(_WITHIN)})\\Z", re.IGNORECASE)


def first_word_until(text: str, place: int) -> int:
    """How much of a text may be shown, whatever follows, as far as its first word decides about it.

    Args:
        text: all that has arrived. The rest of a longer text is longer than what is looked at.
        place: where its last word begins. What stands before it may be shown.
    """
    size = len(text)
    if size > _LONGEST or place == size:
        return place
    found = _FIRST.match(text)
    if found is None:
        return place
    letters, end = found[1], found.end()
    # With the character behind it, if there is one: "AI-" begins nothing, though "AI" does.
    if (
        f"\n{letters}{text[end : end + 1]}" in _PREFIXES
        or f"\n{letters}\n" in _PREFIXES  # whatever stands behind it
        or letters.startswith(_PREFIX_WORDS)
    ):
        return place
    within = _BEGUN.search(letters)
    return max(place, found.start(1) + within.start() if within else end)


def hidden_from(text: str, start: int, kind: str, *, has_prefix: bool) -> int:
    """From where on a secret is taken out of a text that is shown in pieces.

    Args:
        text: the text.
        start: where the secret begins.
        kind: what it is.
        has_prefix: whether it is known by its prefix.
    """
    if start > _LONGEST or kind not in (_FORMATS_OF_ANY_LETTERS if has_prefix else _SHAPES_OF_ANY_LETTERS):
        return start
    found = _FIRST.match(text)
    return max(start, found.end()) if found else start

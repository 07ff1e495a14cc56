"""Plain text: what none of the guards that are on by default finds anything in, told once for all of them.

Most texts are prose, and each of those guards begins by looking for a few characters without which it finds nothing. Here they are looked
for together. What is plain here is plain to each of them; what is not may still hold nothing, and every guard is then asked. A guard says
by `passes_plain` that it keeps to this.
"""

from __future__ import annotations

import re
from typing import Final

from saferoute.guards.pii import may_hold_pii
from saferoute.guards.pii_open import open_in_plain
from saferoute.guards.secret_runs import LONG_ENOUGH
from saferoute.guards.secrets_found import plain_word

__all__ = ["is_plain", "plain_until"]


def _class_of(char: str) -> str:
    """What stands for a character of ASCII: "!" for one that no plain text has, "a" for one of a run, "0" for what numbers have."""
    if char in "@<[]~\x7f" or (char < " " and char not in "\t\n\f\r"):
        return "!"
    if char.isalpha() or char in "_-":
        return "a"
    return "0" if char.isdigit() or char == ":" else " "


_CLASSES: Final = bytes(ord(_class_of(chr(code))) if code < 128 else ord("!") for code in range(256))  # noqa: PLR2004  ASCII

# Letters of Latin alphabets, quotation marks, dashes, arrows and the like hide nothing, and look like nothing else whatever they stand
# beside. Those that letters of ASCII are taken for where case is ignored are left out.
_UNUSUAL: Final = re.compile(
    "[^\x00-\x7f\u00a0-\u00ac\u00ae-\u012f\u0132-\u017e\u2010-\u2027\u202f\u2030-\u205e\u20a0-\u20bf\u2122\u2190-\u22ff]"
)

# What each find has, in small letters: labels of secrets, what their shapes cannot do without, and styles that load something. Before those
# that share a character, the rarest that they do: a search for one costs next to nothing, and most texts lack some.
_NEEDED: Final = (
    ("c", ("cred", "secret", "contrasena")),
    ("p", ("pass", "parola")),
    ("k", ("key", "token", "kennwort")),
    ("w", ("pwd", "wachtwoord")),
    ("v", ("private", "clave")),
    ("h", ("senha", "heslo")),
    ("b", ("bearer ", "contribsys")),
    ("u", ("sumo",)),
    ("q", ("mysql",)),
    ("z", ("authorization",)),
    ("-", (" -u", "-user", "-set(", "-----")),
    ("(", ("url(", "src(")),
    ("=", ("sig=", "_auth=")),
    ('"', ('"auth"',)),
    ("\u00f1", ("contrase\u00f1a",)),
    ("\u0142", ("has\u0142o",)),
    ("\u00f6", ("l\u00f6senord",)),
    ("\u015f", ("\u015fifre",)),
)

_NEAR: Final = 24
"""Characters before new ones that are looked at with them: more than a needed word or the shortest run has."""

_OVERLAP: Final = 128
"""Likewise for numbers, which may have spaces between their digits."""

# The end of a text, read backwards: a letter, perhaps a sign, and spaces; or a word that stands apart, and perhaps a sign. No number goes
# on behind a letter, unless it announces an extension ("ext", "x").
_LETTERS: Final = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017e"
_ENDS: Final = re.compile(
    rf"[ \n]+[,.;!?]?(?!(?:txe|xe|e|x)(?![{_LETTERS}]))[{_LETTERS}]|[,.;!?]?(?!(?:txe|xe|e|x)[ \n])[A-Za-z'-]*[A-Za-z][ \n]"
)
_LONGEST_END: Final = 48


def is_plain(text: str, known: int = 0, *, numbers: bool = True) -> bool:
    """Whether no guard that passes plain text finds anything in a text, nor in any part of it.

    Args:
        text: the text.
        known: of how many of the first characters this was said before, or by every such guard if the text is ASCII.
        numbers: whether one of these guards looks at numbers.
    """
    new = text[known - _NEAR :] if known > _NEAR else text
    if not new.isascii() and _UNUSUAL.search(new):
        return False
    classes = new.encode("ascii", "replace").translate(_CLASSES)
    if b"!" in classes:
        return False
    if b"0" in classes:
        if numbers and may_hold_pii(text[known - _OVERLAP :] if known > _OVERLAP else text):
            return False
        classes = classes.replace(b"0", b"a")
    if LONG_ENOUGH in classes:
        return False
    lowered = new.lower()
    for char, words in _NEEDED:
        if char in lowered:
            for word in words:  # `any` would be as many calls
                if word in lowered:
                    return False
    return True


def plain_until(text: str, start: int, known: int = 0, *, numbers: bool = True) -> int:
    """What guards that pass plain text say of one that comes in pieces: the least that any of them says.

    Args:
        text: what has arrived.
        start: the first character that has not been shown.
        known: for how many of the first characters it is known that they are plain.
        numbers: as for `is_plain`.

    Returns:
        As `PlainTexts.plain_until`: a place from `start` on before which everything may be shown; -1 if guards have to be asked.
    """
    if not is_plain(text, known, numbers=numbers):
        return -1
    size = len(text)
    end = _ENDS.match(text[: -_LONGEST_END - 1 : -1])
    if end is not None:
        return size if text[-1] in " \n" else max(start, size + 1 - end.end())
    word = plain_word(text)
    if word < 0:
        return -1
    return min(max(start, word), open_in_plain(text, start)) if numbers else max(start, word)

"""Text that is written as other text: base64, hexadecimal digits, escapes, entities, and what a page does not show.

Everything here is one pass, in time that grows with the length of the text alone; what is decoded is never longer than what it was.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64
from html import unescape
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["decoded_base64", "decoded_escapes", "decoded_hex", "may_be_escaped", "unseen_in_html"]

_MOST_TOKENS: Final = 4096
"""Tokens that are tried; a text with more of them is a table of digests, or wants to be slow."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{16,}")
# Nearly all letters have 6 or 7 as their first digit.
_MAYBE_BYTES: Final = re.compile(r"[67][0-9A-Fa-f][ ,:;]")
_HEX_BYTES: Final = re.compile(r"[0-9A-Fa-f]{2}(?:[ ,:;]{1,2}(?:0x)?[0-9A-Fa-f]{2}){7,}")
_NO_HEX_DIGIT: Final = re.compile(r"0x|[ ,:;]")
_TO_STANDARD: Final = str.maketrans("-_", "+/", "\r\n")
_PART: Final = re.compile(r"[A-Za-z0-9+]{16,}")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LETTER: Final = re.compile(r"[^\W\d_]| ")
_LETTERS_OF_ASCII: Final = b" abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ENCODED: Final = re.compile(r"[\w\s+/=%&#;\\-]{16,}\Z", re.ASCII)  # what is decoded may be an encoding again
_OF_TEN: Final = 10
_LEAST_LETTERS_OF_TEN: Final = 6


def _readable(some: bytes) -> str | None:
    """Bytes as a text, if they are one: UTF-8 or UTF-16, of printable characters, most of them letters and spaces."""
    try:
        text = some.decode("utf-16-le" if not any(some[1:16:2]) else "utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(some) - 3:  # a character that is cut off at the end is no reason
            return None
        text = some[: error.start].decode("utf-8", "ignore")
    if _CONTROL.search(text):
        return None
    if _letters(text) * _OF_TEN >= len(text) * _LEAST_LETTERS_OF_TEN or _ENCODED.match(text):
        return text
    return None


def _letters(text: str) -> int:
    """How many letters and spaces there are."""
    if text.isascii():
        return len(text) - len(text.encode().translate(None, _LETTERS_OF_ASCII))
    return len(_LETTER.findall(text))


def _from_base64(token: str) -> str | None:
    plain = token.translate(_TO_STANDARD).rstrip("=")
    if len(plain) % 4 == 1:
        plain = plain[:-1]
    try:
        # The beginning tells digests and images at a small part of the price.
        if len(plain) > 64 and _readable(a2b_base64(plain[:64])) is None:  # noqa: PLR2004  48 bytes
            return None
        return _readable(a2b_base64(plain + "=" * (-len(plain) % 4)))
    except (Error, ValueError):  # pragma: no cover  the pattern lets nothing else through
        return None


def _base64_texts(text: str) -> Iterator[str]:
    for match in _BASE64.finditer(text):
        token = match[0]
        whole = _from_base64(token)
        if whole:
            yield whole
        else:  # a path or a name may stand before it, or lines that do not belong together
            yield from (part for piece in _PART.findall(token) if piece != token and (part := _from_base64(piece)))


def _hex_texts(text: str) -> Iterator[str]:
    for match in _HEX.finditer(text):
        yield _readable(bytes.fromhex(match[0][: len(match[0]) // 2 * 2])) or ""
    if _MAYBE_BYTES.search(text):
        for match in _HEX_BYTES.finditer(text):
            yield _readable(bytes.fromhex(_NO_HEX_DIGIT.sub("", match[0]))) or ""


def _joined(texts: Iterator[str]) -> str:
    return "\n".join(filter(None, islice(texts, _MOST_TOKENS)))


def decoded_base64(text: str) -> str:
    """What is written in base64 in a text, standard or URL alphabet, padded or not, in one line or several; "" for nothing readable."""
    return _joined(_base64_texts(text))


def decoded_hex(text: str) -> str:
    """What is written in hexadecimal digits in a text, together or byte by byte; "" for nothing readable."""
    return _joined(_hex_texts(text))


# --- escapes ------------------------------------------------------------------------------------------------------------------------

_ENTITY: Final = re.compile(r"(&(?:amp;){0,3}(?:#[0-9]{1,7};?|#[xX][0-9A-Fa-f]{1,6};?|[A-Za-z][A-Za-z0-9]{1,24};))")
_BACKSLASHED: Final = re.compile(
    r"((?:\\{1,4}u[0-9A-Fa-f]{4})+|(?:\\{1,4}x[0-9A-Fa-f]{2})+|\\{1,4}u\{[0-9A-Fa-f]{1,6}\}|\\{1,4}U000[0-9A-Fa-f]{5})"
)
_PERCENT: Final = re.compile(r"((?:%(?:25){0,3}[0-9A-Fa-f]{2})+)")
_PERCENT_AGAIN: Final = re.compile(r"%(?:25)+(?=[0-9A-Fa-f]{2})")
_NO_ESCAPE_DIGIT: Final = re.compile(r"[\\uUx{}]")


def _of_backslashes(run: str) -> str:
    digits = _NO_ESCAPE_DIGIT.sub("", run)
    if "x" in run:
        return bytes.fromhex(digits).decode("utf-8", "replace")
    if "{" in run or "U" in run:
        number = int(digits, 16)
        return chr(number) if number <= 0x10FFFF else "\ufffd"  # noqa: PLR2004  the last character that there is
    return bytes.fromhex(digits).decode("utf-16-be", "replace")


def _of_percents(run: str) -> str:
    return bytes.fromhex(_PERCENT_AGAIN.sub("%", run).replace("%", "")).decode("utf-8", "replace")


def _of_entity(entity: str) -> str:
    for _ in range(4):
        entity = unescape(entity)
    return entity


_KINDS: Final[tuple[tuple[str, re.Pattern[str], Callable[[str], str]], ...]] = (
    ("&", _ENTITY, _of_entity),
    ("\\", _BACKSLASHED, _of_backslashes),
    ("%", _PERCENT, _of_percents),
)
_NEEDS_NO_ESCAPE: Final = re.compile("[A-Za-z0-9\u00ad\u034f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
_LEAST_HIDDEN: Final = 3
_WORD_CHARACTER: Final = re.compile(r"[^\W\d_]")


def may_be_escaped(text: str) -> bool:
    """Whether a text has an escape of any kind; `decoded_escapes` changes none that has not."""
    return (
        ("&" in text and _ENTITY.search(text) is not None)
        or ("%" in text and _PERCENT.search(text) is not None)
        or "\\u" in text
        or "\\x" in text
        or "\\U" in text
    )


def decoded_escapes(text: str) -> str:
    r"""The text with HTML entities, `\uXXXX`, `\xXX` and `%XX` replaced by what they stand for, up to three layers of them.

    What is escaped as it must be (`&amp;`, `%20`, one accented letter) is no disguise: a text without three letters, digits or invisible
    characters that need no escape comes back as it was.
    """
    for _ in range(3):
        changed = text
        for sign, pattern, decode in _KINDS:
            if sign in changed:
                changed = _replaced(changed, pattern, decode)
        if changed == text:
            break
        text = changed
    return text


def _replaced(text: str, pattern: re.Pattern[str], decode: Callable[[str], str]) -> str:
    pieces = pattern.split(text)
    if len(pieces) == 1:
        return text
    runs = pieces[1::2]
    meant = {run: decode(run) for run in set(runs)}
    decoded = [meant[run] for run in runs]
    if not _is_disguise(decoded):
        return text
    pieces[1::2] = decoded
    return "".join(pieces)


def _is_disguise(decoded: list[str]) -> bool:
    """Whether what was decoded is letters of ASCII, a whole word of another script, or invisible."""
    if len(_NEEDS_NO_ESCAPE.findall("".join(decoded))) >= _LEAST_HIDDEN:
        return True
    return any(len(_WORD_CHARACTER.findall(run)) >= _LEAST_HIDDEN for run in set(decoded) if len(run) >= _LEAST_HIDDEN)


# --- HTML ---------------------------------------------------------------------------------------------------------------------------

_COMMENT_END: Final = re.compile(r"-->|--!>|\Z")
_UNSEEN_TAG: Final = re.compile(
    r"<([a-z][a-z0-9]{0,15})\b(?=[^<>]{0,500}?(?:display\s{0,4}:\s{0,4}none|visibility\s{0,4}:\s{0,4}hidden|font-size\s{0,4}:\s{0,4}0(?![.\d]*[1-9])"
    r"|opacity\s{0,4}:\s{0,4}0(?![.\d]*[1-9])|color\s{0,4}:\s{0,4}(?:#fff(?:fff)?\b|white|transparent)|(?:left|top|text-indent)\s{0,4}:\s{0,4}-\d{3}"
    r"|\shidden[\s>=/]|\stype\s{0,2}=\s{0,2}[\"']?hidden))[^<>]{0,1000}>",
    re.IGNORECASE,
)
_MARKDOWN_COMMENT: Final = re.compile(r"^\[[^\]\n]{0,64}\]:[ \t]{0,8}<?#>?[ \t]{1,8}[(\"']([^\n]{1,2000})[)\"']", re.MULTILINE)


def unseen_in_html(text: str) -> str:
    """What a page or markdown holds, but does not show: comments, and elements without size, display or contrast; "" for nothing."""
    found = [*_comments(text), *_unseen_elements(text)]
    if "]:" in text:
        found += _MARKDOWN_COMMENT.findall(text)
    return "\n".join(filter(None, map(str.strip, found)))


def _comments(text: str) -> Iterator[str]:
    begin = text.find("<!--")
    while begin >= 0:
        end = _COMMENT_END.search(text, begin + 4)
        assert end is not None  # noqa: S101  the end of the text is one
        yield text[begin + 4 : end.start()]
        begin = text.find("<!--", max(end.end(), begin + 4))


def _unseen_elements(text: str) -> Iterator[str]:
    if "style" not in text and "STYLE" not in text and "hidden" not in text:
        return
    place = 0
    while tag := _UNSEEN_TAG.search(text, place):
        end = text.find(f"</{tag[1]}", tag.end())
        place = end if end >= 0 else len(text)
        yield text[tag.end() : place]

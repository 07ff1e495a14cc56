"""Finds keys, tokens and passwords, wherever they stand in a text, each time that they do.

A text is read once in compiled code for what could be one: a published prefix before enough characters of its alphabet, a label before a
value, or a few characters without which a shape cannot be there. Only what passed is looked at closely, so that the time grows with the
length of the text alone. Places are exact: what is taken out is the value, not its label.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, TypeAlias

from saferoute.guards.secret_beginnings import first_word_until, hidden_from
from saferoute.guards.secret_blocks import key_blocks, open_block
from saferoute.guards.secret_formats import LONGEST, LONGEST_VALUE, SHAPES, SHAPES_OF_RUNS
from saferoute.guards.secret_runs import has_runs
from saferoute.guards.secret_values import (
    is_header_value,
    is_published,
    is_value_of,
    labelled_value,
    typed_password,
    url_password,
)
from saferoute.guards.secret_words import FOREIGN_LABELS
from saferoute.values.guarding import ALLOWED, Action, Span, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from saferoute.values.guarding import Context, Segment, Stage

__all__ = ["SecretsGuard", "find_secrets", "open_candidate", "plain_word"]


class _Find(NamedTuple):
    """A secret. Of two that overlap, the one of lower rank knows better where it ends."""

    start: int
    rank: int
    end: int
    kind: str


_BLOCK, _FORMAT, _SHAPE, _LABEL = range(4)
_SHORTEST: Final = 6  # of a value
_MOST_SEARCHED: Final = 64
_SHORTEST_REPEATED: Final = 8
_MOST_BEFORE: Final = 90
_MOST_TOLD: Final = 20
_LONGEST_NAME: Final = 40
_FEW: Final = 128
_SMALL: Final = 2048
_UNTOLD: Final = b" \t\r\n\\\"'`(*_)]"
_VALUE: Final = re.compile(rb"[^\0- \x7f\"`]{1,2048}")


_LABELS: Final = re.compile(
    rb"(?:(pass(?:w(?:or)?d|phrase|wort|code|wd)?|pwd)|(secret|token|key|credentials?|creds?))"
    rb"(?:(?=[\w.-])[_.-]?(?:\d{1,3}|s|value|prod(?:uction)?|dev(?:elopment)?|test|staging|live|base(?:64)?|b64|main|default|new|old|str(?:ing)?))?"
    rb"(?=[\\\"'`\])*\s:=?|>,-])"
    rb"(?: (?:for|to|of|on|at)(?: [\w.@/-]{1,24}+){1,2}?)?"
    rb"([\\\"'`\])*]{0,4}+[ \t]{0,4}+"
    rb"(?:-?[:=?|>]{1,4}+|,(?:\s{0,3}\\?[\"']?value\\?[\"']?\s{0,2}[:=])?|(?:is|was|are)(?: now| set to| still)?[ :]"
    rb"|\s{0,12}value\\?[\"']?\s{0,2}[:=]|\s|(?<=[ \t]))"
    rb"[\s\\\"'`(]{0,8}+(?:\*\*[\s\\\"'`]{0,3}){0,2}(?:[bruf]{1,2}[\"'])?)"
    # A password may be letters alone where a sign or a quotation mark says that it comes; elsewhere it has more than letters.
    rb"(?(1)(?:(?<=[:=>\"'`])|(?<=[:=] )|(?=[^\0- \x7f\"`0-9!#$%^&*+=@]{0,40}+[0-9!#$%^&*+=@]))"
    rb"|(?=[^\0- \x7f\"`0-9]{0,40}+[0-9]))"
    rb"(?=[^\0- \x7f\"`]{6})"
)
_LABEL_LETTERS: Final = (b"pass", b"pwd", b"secret", b"token", b"key", b"cred")
# What follows a label of another language: a sign, or the language's "is", and a value.
_FOREIGN: Final = (
    "s?(\\s{0,3}(?:[:=\uff1a\uff1d]|(?:is|ist|es|est|\u00e9|\u00e8|\u00e4r)\\s|\u662f|\u4e3a|\u70ba|\u306f|\ub294|\uc740|\u2014|-)"
    "\\s{0,3}[\"'`]?)(?=[A-Za-z:,.]{0,40}+[!#-_a-~])([!#-_a-~]{6,256})"
)
_ASCII_LABELS: Final = tuple(label for label in FOREIGN_LABELS if label.isascii())
_LABELS_IN_ASCII: Final = tuple(label.encode() for label in _ASCII_LABELS)
_OTHER_LABELS: Final = tuple(label for label in FOREIGN_LABELS if not label.isascii())
_RUNS, _KEYS, _NAMED, _NAMED_ELSEWHERE = (1 << bit for bit in range(4))
_Shape: TypeAlias = tuple[str, str, bytes, bytes, bytes, bytes]


def _sign_of(needed: tuple[str, ...]) -> str:
    """A character that is neither a letter nor a digit: a search for one character is the cheapest there is. "" for none."""
    return next((char for one in needed for char in one if not char.isalnum()), "")


def _in_bytes(rows: tuple[tuple[str, tuple[str, ...], str, str], ...]) -> tuple[_Shape, ...]:
    return tuple(
        (kind, _sign_of(needed), needed[0].encode(), needed[-1].encode(), f"{before}\\Z".encode() if before else b"", pattern.encode())
        for kind, needed, before, pattern in rows
    )


# Their patterns are compiled when a text first has what they need; `re` keeps them.
_SHAPES: Final = _in_bytes(SHAPES)
_EVERY_SHAPE: Final = _in_bytes(SHAPES_OF_RUNS + SHAPES)
_OVERLAP: Final = 128
"""Characters before new ones that are looked at with them: more than any of the fixed ones have."""
_ENDING: Final = frozenset({" ", "\n", ""})
_OPEN_RUN: Final = re.compile(r"[!#-_a-~]*")


def _one_byte_each(text: str) -> bytes:
    """The text as one byte for each character; what is not ASCII is a NUL."""
    return text.replace("\x1a", "\0").replace("?", "\x1a").encode("ascii", "replace").replace(b"?", b"\0").replace(b"\x1a", b"?")


def _shapes(text: str, plain: bytes, folded: bytes, shapes: list[_Shape]) -> Iterator[_Find]:
    judged: dict[tuple[str, str], bool] = {}  # a text that repeats itself is judged once
    for kind, _, _, _, before, pattern in shapes:
        for found in re.finditer(pattern, folded):
            start, end = found.span(found.re.groups)
            if before:
                begin = re.search(before, plain[max(0, found.start() - _MOST_BEFORE) : found.start()])
                if begin is None:
                    continue
                if not found.re.groups:
                    start -= begin.end() - begin.start()
            value = text[start:end]
            if (kind, value) not in judged:
                judged[kind, value] = _is_shaped(kind, value)
            if judged[kind, value]:
                yield _Find(start, _SHAPE, end, kind)


def _is_shaped(kind: str, value: str) -> bool:
    match kind:
        case "header" | "bearer":
            return is_header_value(value)
        case "url":
            return url_password(value)
        case "curl-user" | "password":
            return typed_password(value)
        case "braintree" | "sidekiq" | "sonar" | "sumologic":
            return True
        case _:
            return is_value_of(value, "") and not is_published(value)


def _labels(folded: bytes) -> Iterator[tuple[re.Match[bytes], int]]:
    """Every label before what could be a value, and where that ends. A value is not searched for labels, unless nothing announces it."""
    most = (len(folded) + _SMALL) // _FEW
    starts = sorted(islice(_places(folded, _LABEL_LETTERS), most + 1))
    place = 0
    if len(starts) <= most:
        # The same as the search below, for texts that have next to no labels, without reading all of their letters one by one.
        for start in starts:
            if start >= place and (found := _LABELS.match(folded, start)) is not None:
                end, place = _value_behind(found, folded)
                yield found, end
        return
    while (found := _LABELS.search(folded, place)) is not None:
        end, place = _value_behind(found, folded)
        yield found, end


def _value_behind(label: re.Match[bytes], folded: bytes) -> tuple[int, int]:
    """Where a label's value ends, and where to look for more labels."""
    end = _VALUE.match(folded, label.end()).end()  # type: ignore[union-attr]  # the label's pattern has seen the first of it
    return end, end if label.group(3).strip(_UNTOLD) else label.end()


def _places(folded: bytes, words: tuple[bytes, ...]) -> Iterator[int]:
    for word in words:
        place = folded.find(word)
        while place >= 0:
            yield place
            place = folded.find(word, place + len(word))


def _labelled(text: str, folded: bytes) -> Iterator[_Find]:
    """What labels announce."""
    judged: dict[tuple[str, str], tuple[int, int] | None] = {}  # a text that repeats itself is judged once
    for found, end in _labels(folded):
        start = found.end()
        if end - start >= LONGEST_VALUE:
            continue
        word = 1 if found.start(1) >= 0 else 2
        same = (text[max(0, found.start() - _LONGEST_NAME) : start], text[start : end + 1])
        if same not in judged:
            value = labelled_value(text, found.span(word), text[slice(*found.span(3))], (start, end))
            judged[same] = value and (value[0] - start, value[1] - start)
        value = judged[same]
        if value is not None:
            yield _Find(start + value[0], _LABEL, start + value[1], "password" if word == 1 else "labelled")


def _foreign(text: str) -> Iterator[_Find]:
    """What labels of other languages announce."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a letter became two, so that places differ
        lowered = text
    for label in _ASCII_LABELS if text.isascii() else FOREIGN_LABELS:
        for named in re.finditer(label + _FOREIGN, lowered) if label in lowered else ():
            begin = named.start()
            if text[begin].isascii() and text[begin - 1 : begin].isalnum():
                continue
            value = labelled_value(text, (begin, begin), named.group(1), named.span(2))
            if value is not None:
                yield _Find(value[0], _LABEL, value[1], "password")


def _repeated(text: str, finds: list[_Find]) -> Iterator[_Find]:
    """Every other place of a value that only what stands around it gave away."""
    values = {text[one.start : one.end]: one.kind for one in finds if one.rank >= _SHAPE and one.end - one.start >= _SHORTEST_REPEATED}
    for value, kind in list(values.items())[:_MOST_SEARCHED]:
        place = text.find(value)
        while place >= 0:
            yield _Find(place, _LABEL + 1, place + len(value), kind)
            place = text.find(value, place + len(value))


def _leads(text: str) -> tuple[bytes, bytes, list[_Shape], int] | None:
    """What a text may hold, by fixed characters without which nothing is found; what every text pays for.

    Returns:
        One byte for each character; the same in lower case; the shapes that there may be; and bits for everything else. None for nothing,
        which is then true of every part of the text.
    """
    if len(text) < _SHORTEST:
        return None
    is_ascii = text.isascii()
    plain = text.encode() if is_ascii else _one_byte_each(text)
    folded = plain.lower()
    looks = _RUNS if has_runs(plain) else 0
    shapes = []
    for shape in _EVERY_SHAPE if looks else _SHAPES:  # no comprehensions here: each is a call
        if shape[1] in text and shape[2] in folded and shape[3] in folded:
            shapes.append(shape)  # noqa: PERF401  as above
    if b"private" in folded:
        looks |= _KEYS
    if b"key" in folded or b"pass" in folded or b"token" in folded or b"secret" in folded or b"pwd" in folded or b"cred" in folded:
        looks |= _NAMED
    for label in _LABELS_IN_ASCII:
        if label in folded:
            looks |= _NAMED_ELSEWHERE
    if not is_ascii:
        lowered = text.lower()
        for name in _OTHER_LABELS:
            if name in lowered:
                looks |= _NAMED_ELSEWHERE
    return (plain, folded, shapes, looks) if looks or shapes else None


def find_secrets(text: str, *, begun: bool = False) -> tuple[Span, ...]:
    """Where secrets stand in a text.

    Args:
        text: any text; the time grows with its length, whatever it holds.
        begun: whether the beginning of its first word may have been shown: that is then part of no secret. See `secret_beginnings`.

    Returns:
        Spans that do not overlap, in order, of kinds such as "secret.openai". None holds white space but a private key's block.
    """
    leads = _leads(text)
    if leads is None:
        return ()
    plain, folded, shapes, looks = leads
    finds: list[_Find] = []
    if looks & _KEYS:
        finds += (_Find(start, _BLOCK, end, "private-key") for start, end in key_blocks(text))
    if looks & _RUNS:
        from saferoute.guards.secret_prefixes import prefixed  # noqa: PLC0415  its patterns are built for texts that need them

        finds += (_Find(start, _FORMAT, end, kind) for start, end, kind in prefixed(text, plain))
    if shapes:
        finds += _shapes(text, plain, folded, shapes)
    if looks & _NAMED:
        finds += _labelled(text, folded)
    if looks & _NAMED_ELSEWHERE:
        finds += _foreign(text)
    if not finds:
        return ()
    if begun:
        finds = [one._replace(start=hidden_from(text, one.start, one.kind, has_prefix=one.rank == _FORMAT)) for one in finds]
    finds += _repeated(text, finds)
    return tuple(Span(one.start, one.end, f"secret.{one.kind}") for one in _merged(finds))


def _merged(finds: list[_Find]) -> list[_Find]:
    """The finds in order, without overlaps. A private key's block is never part of another: it is held and shown by itself."""
    finds.sort()
    merged = [finds[0]]
    for one in finds[1:]:
        last = merged[-1]
        if one.start >= last.end:
            merged.append(one)
        elif one.rank == _BLOCK:
            merged[-1:] = [last._replace(end=one.start), one]
        elif last.rank != _BLOCK and (one.start > last.start or one.rank > _LABEL):
            best = min(last, one, key=lambda find: find.rank)
            merged[-1] = _Find(last.start, best.rank, max(last.end, one.end), best.kind)
    return merged


def open_candidate(text: str, start: int = 0) -> int:
    """Where a secret could begin that the end of the text cuts off. Everything before it may be shown once it was judged.

    What is held is the last word (up to white space, a quotation mark or what is not ASCII), because every secret but a private key is one
    word; of a word longer than any labelled value, only what could belong to a format that began in it. A private key's block is held from
    its first dash to its last. A candidate may grow without end: whoever holds it decides what happens to it after 16 KiB.

    Args:
        text: what has arrived, with some of what was shown before it, so that labels are seen.
        start: the first character that has not been shown.

    Returns:
        A place from `start` to `len(text)`.
    """
    size = len(text)
    place = first_word_until(text, _word(text, size))
    if size - place > LONGEST_VALUE:
        place = _within(text, max(place, size - LONGEST - LONGEST_VALUE), size - LONGEST_VALUE)
    if "-----" in text or "Private-Lines" in text:
        block = open_block(text, place)
        # A token may end in the dashes that a block begins with: both are judged together.
        place = _word(text, block) if block < place or text.startswith("-----", block) else place
        for begin, end in reversed(list(key_blocks(text))):
            place = _word(text, begin) if begin < place < end else place
    return max(start, place)


def _word(text: str, end: int) -> int:
    """Where the word begins that ends at a place."""
    size = 128
    while True:
        run = _OPEN_RUN.match(text[max(0, end - size) : end][::-1]).end()  # type: ignore[union-attr]  # it may be empty, so it always matches
        if run < size or size > LONGEST + LONGEST_VALUE:
            return end - run
        size *= 8


def plain_word(text: str) -> int:
    """Where the last word begins of a text in which nothing is found; -1 if it is longer than any labelled value."""
    size = len(text)
    place = size if text[-1:] in _ENDING else first_word_until(text, _word(text, size))
    return place if size - place <= LONGEST_VALUE else -1


def _within(text: str, begin: int, place: int) -> int:
    """Where to cut a word longer than any labelled value: before a format that began in it, and through none of its secrets."""
    from saferoute.guards.secret_prefixes import first_prefix  # noqa: PLC0415  its patterns are built for texts that need them

    place = min(place, first_prefix(text, begin, place))
    return min([place, *(one.start for one in find_secrets(text) if one.start < place < one.end)])


@dataclass(frozen=True, slots=True)
class SecretsGuard:
    """Takes keys, tokens and passwords out of what goes to a model, and of what comes back."""

    name: ClassVar[str] = "secrets"
    version: ClassVar[str] = "1"
    stages: ClassVar[frozenset[Stage]] = frozenset({"input", "tool_result", "tool_call", "output"})
    quick: ClassVar[bool] = True
    pure: ClassVar[bool] = True
    passes_plain: ClassVar[bool] = True
    passes_numbers: ClassVar[bool] = True

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge a text.

        Args:
            segment: the text: a secret is one wherever it stands.
            context: of answers, the beginning of the first word may have been shown already.

        Returns:
            ALLOW, or REDACT with the place of each secret.
        """
        spans = find_secrets(segment.text, begun=context.stage == "output")
        if not spans:
            return ALLOWED
        kinds = sorted({span.kind.removeprefix("secret.") for span in spans})
        more = [f"and {len(kinds) - _MOST_TOLD} more kinds of secrets"] if len(kinds) > _MOST_TOLD else []
        return Verdict(Action.REDACT, (*(f"text holds a secret: {kind}" for kind in kinds[:_MOST_TOLD]), *more), spans)

    def plain_until(self, text: str, start: int = 0, plain: int = 0) -> int:
        """See `PlainTexts`."""
        if _leads(text[plain - _OVERLAP :] if plain > _OVERLAP else text) is not None:
            return -1
        if "-----" in text[-_OVERLAP:]:
            return -1
        place = plain_word(text)
        return -1 if place < 0 else max(start, place)

    def open_candidate(self, text: str, start: int = 0) -> int:
        """The module's `open_candidate`."""
        return open_candidate(text, start)

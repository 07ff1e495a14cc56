"""Finds characters that people do not see, or see as others: hidden text, reversed text, look-alike letters, and control sequences.

What blocks is what no honest text holds: tag characters outside the flags that are written with them, forced directions, half characters,
and texts spelt in variation selectors. Invisible characters between the letters of Latin words, and words that mix alphabets to look like
Latin ones, block where the text comes from outside (a tool, a page, arguments of a call), and are flagged in what a user wrote: people do
paste such things, and the guards that look for words are given them in plain form anyway.

Joiners in emoji, Persian and Indic scripts, isolates in texts that are written from right to left, soft hyphens, byte order marks and words
of one alphabet are left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final
from unicodedata import bidirectional

from saferoute.guards.lookalikes import (
    ANY_INVISIBLE,
    BIDI_OVERRIDES,
    FLAG_SEQUENCE,
    OTHER_SCRIPTS,
    SELECTORS,
    TAGS,
    distinct,
    kinds_of,
    mixed_words,
)
from saferoute.guards.views import INCOMPLETE
from saferoute.values.guarding import ALLOWED, Action, Span, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from saferoute.values.guarding import Context, Segment, Stage

__all__ = ["UnicodeGuard"]

_MOST: Final = 256
_MOST_SEQUENCES: Final = 4096

# --- control sequences of terminals (ECMA-48), and control characters ----------------------------------------------------------------

_LONGEST_STRING: Final = 2048
# Of a string (OSC, DCS, ...): what begins it, and what stands in it. One without an end loses its beginning, which makes it plain text.
_BEGIN: Final = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])"
_INSIDE: Final = rf"[^\x07\x1b\x90\x98\x9c-\x9f]{{0,{_LONGEST_STRING}}}+"
# Those that follow each other are one.
_SEQUENCE: Final = re.compile(
    rf"(?:{_BEGIN}(?:{_INSIDE}(?:\x07|\x1b\\|\x9c))?|(?:\x1b\[|\x9b)[0-?]{{0,64}}[ -/]{{0,16}}[@-~]?|\x1b[ -/]{{0,16}}[0-~]?)++"
)
_UNENDED: Final = re.compile(rf"(?:{_BEGIN}{_INSIDE}\x1b?|(?:\x1b\[|\x9b)[0-?]{{0,64}}[ -/]{{0,16}}|\x1b[ -/]{{0,16}})\Z")
_ESCAPES: Final = re.compile("[\x1b\x90\x98\x9b\x9d-\x9f]")
# Tabs, ends of lines and of pages, and U+0085, which is one in some files, are text. Those above are not asked for again.
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
# By byte, for texts of ASCII: "c" for those, "." for others.
_CONTROLS_OF_ASCII: Final = bytes(ord("c") if _CONTROL.match(chr(code)) else ord(".") for code in range(256))
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]{1,4096}")

# --- what is not ASCII ----------------------------------------------------------------------------------------------------------------

_SURROGATES: Final = re.compile("[\ud800-\udfff]{1,4096}")
_TAGS: Final = re.compile(f"{FLAG_SEQUENCE.pattern}|([{TAGS}]{{1,4096}})")
_OPEN_FLAG: Final = re.compile(f"\U0001f3f4[{TAGS}]{{0,7}}\\Z")
_LONGEST_FLAG: Final = 8
_OVERRIDES: Final = re.compile(f"[{BIDI_OVERRIDES}]")
_SELECTOR_TEXT: Final = re.compile(f"[{SELECTORS}]{{4,4096}}")
_DIRECTIONS: Final = re.compile("[\u202a\u202b\u2066-\u2068]")
_FROM_RIGHT: Final = frozenset({"R", "AL"})
_SOFT_HYPHEN: Final = "\u00ad"
_UNSEEN: Final = re.compile(f"[{ANY_INVISIBLE}]")
_HARD: Final = ANY_INVISIBLE.replace(_SOFT_HYPHEN, "")
# A zero-width space in front of a capital, a digit or a sign is where a long name may be broken; between small letters nothing is.
_IN_WORD: Final = re.compile(f"[A-Za-z][{_HARD}]{{1,4096}}(?=[a-z])|(?<=[A-Z])[{_HARD}]{{1,4096}}(?=[A-Z])")
# Bits as two kinds of nothing: mail pads its preview with them too, but with spaces between.
_BITS: Final = re.compile(f"[{_HARD}]{{16,4096}}")
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
_OUTSIDE: Final = frozenset({"tool", "retrieved"})


@dataclass(frozen=True, slots=True)
class _Find:
    action: Action
    reason: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class UnicodeGuard:
    """Judges characters that hide, turn or imitate text.

    BLOCK: tag characters outside flags, bidirectional overrides, lone surrogates, bytes spelt in variation selectors; from outside, also
    invisible characters inside Latin words, long runs of them, words of mixed alphabets that read as Latin, and sentences in full-width
    letters. REDACT: control sequences of terminals, in answers. FLAG: other control characters, the same finds in what a user wrote, and
    embedded directions where nothing is written from right to left.
    """

    name: ClassVar[str] = "unicode"
    version: ClassVar[str] = "1"
    stages: ClassVar[frozenset[Stage]] = frozenset({"input", "tool_result", "tool_call", "output"})
    quick: ClassVar[bool] = True
    reads_views: ClassVar[bool] = True

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge a text.

        Args:
            segment: the text.
            context: its stage decides what happens to control sequences, and to what hides words.

        Returns:
            The most severe action, the reasons of all finds, and the places of those with that action; no places for what is written as
            escapes in the arguments of a call.
        """
        text = segment.text
        if context.stage == "tool_call" and "\\u" in text:
            return _without_spans(self._judged(_of_json(text), segment, context))
        if text.isascii() and b"c" not in text.encode().translate(_CONTROLS_OF_ASCII) and INCOMPLETE not in context.views:
            return ALLOWED
        return self._judged(text, segment, context)

    def _judged(self, text: str, segment: Segment, context: Context) -> Verdict:
        outside = context.stage in {"tool_result", "tool_call"} or segment.origin in _OUTSIDE
        kinds = "" if text.isascii() else kinds_of(text)
        finds: list[_Find] = []
        if _CONTROL.search(text):
            finds += _controls(text, context.stage)
        if kinds:
            action = Action.BLOCK if outside else Action.FLAG
            if _HONEST_IN_NO_TEXT.search(kinds):
                finds += _not_to_be_seen(text)
            if _UNSEEN.search(kinds):
                finds += _hiding_words(text, action)
            if _LATIN_AMONG_OTHERS.search(kinds):
                finds += _mixed(text, action)
            if _FULLWIDTH.search(kinds) and not any(first <= char <= last for char in kinds for first, last in _EAST_ASIAN):
                finds += _wide(text, action)
        if INCOMPLETE in context.views:
            finds.append(_Find(Action.FLAG, "more is encoded in it than is decoded", ()))
        if not finds:
            return ALLOWED
        action = max(find.action for find in finds)
        spans = sorted({span for find in finds if find.action is action for span in find.spans})
        return Verdict(action, tuple(find.reason for find in finds), tuple(spans))

    def open_candidate(self, text: str, start: int = 0) -> int:
        """The earliest place at or after `start` where a control sequence or a flag might begin that has not ended; len(text) for none."""
        place = len(text)
        for escape in _ESCAPES.finditer(text, start):
            if _UNENDED.match(text, escape.start()):
                place = escape.start()
                break
        flag = None if text.isascii() else _OPEN_FLAG.search(text, max(start, len(text) - _LONGEST_FLAG))
        return min(place, flag.start()) if flag else place

    def plain_until(self, text: str, start: int = 0, plain: int = 0) -> int:  # noqa: ARG002  nothing is held of it
        """See `PlainTexts`: of ASCII, only control characters are found; of the rest, what is found is told by its kinds."""
        if text.isascii():
            first = plain - 1 if plain else 0
            return -1 if b"c" in text[first:].encode().translate(_CONTROLS_OF_ASCII) else len(text)
        return -1 if kinds_of(text) or _CONTROL.search(text) else len(text)


_JSON_ESCAPES: Final = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+")


def _of_json(text: str) -> str:
    """Arguments as their reader will have them, as far as characters are concerned."""
    return _JSON_ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace("\\u", "")).decode("utf-16-be", "surrogatepass"), text)


def _without_spans(verdict: Verdict) -> Verdict:
    return replace(verdict, spans=())


def _spans(pattern: re.Pattern[str], text: str, kind: str) -> tuple[Span, ...]:
    return tuple(Span(*match.span(), kind) for match in islice(pattern.finditer(text), _MOST))


def _controls(text: str, stage: Stage) -> Iterator[_Find]:
    rest = text
    if stage == "output" and _ESCAPES.search(text):
        # All of them: these are taken out, and what is left must not be one.
        found = [Span(*match.span(), "control.sequence") for match in islice(_SEQUENCE.finditer(text), _MOST_SEQUENCES)]
        if len(found) == _MOST_SEQUENCES:  # the rest of the text goes with them
            found.append(Span(found[-1].start, len(text), "control.sequence"))
        yield _Find(Action.REDACT, "control sequence of a terminal", tuple(found))
        rest = _SEQUENCE.sub("", text)
    if _CONTROLS.search(rest):
        yield _Find(Action.FLAG, "control characters", _spans(_CONTROLS, text, "control.character"))


def _not_to_be_seen(text: str) -> Iterator[_Find]:
    """What no honest text holds, wherever it comes from."""
    if _SURROGATES.search(text):
        yield _Find(Action.BLOCK, "half of a character", _spans(_SURROGATES, text, "unicode.surrogate"))
    tags = tuple(islice((Span(*match.span(), "unicode.tags") for match in _TAGS.finditer(text) if match[1]), _MOST))
    if tags:
        yield _Find(Action.BLOCK, "text in invisible tag characters", tags)
    if _OVERRIDES.search(text):
        yield _Find(Action.BLOCK, "text whose direction is forced", _spans(_OVERRIDES, text, "unicode.override"))
    if _SELECTOR_TEXT.search(text):
        yield _Find(Action.BLOCK, "text in variation selectors", _spans(_SELECTOR_TEXT, text, "unicode.selectors"))
    if _DIRECTIONS.search(text) and _FROM_RIGHT.isdisjoint(map(bidirectional, distinct(text))):
        yield _Find(Action.FLAG, "directions in a text that has one", _spans(_DIRECTIONS, text, "unicode.direction"))


def _hiding_words(text: str, action: Action) -> Iterator[_Find]:
    inside = _spans(_IN_WORD, text, "unicode.invisible")
    if inside:
        enough = len(inside) >= _LEAST_IN_WORDS
        yield _Find(action if enough else Action.FLAG, "invisible characters inside words", inside)
    runs = tuple(
        Span(*match.span(), "unicode.invisible") for match in islice(_BITS.finditer(text), _MOST) if len(set(match[0]) - {"\ufeff"}) > 1
    )
    if runs:
        yield _Find(action, "a long run of invisible characters", runs)


def _mixed(text: str, action: Action) -> Iterator[_Find]:
    mixed = mixed_words(text)
    if mixed.more:
        yield _Find(Action.FLAG, "more words of mixed alphabets than are read", ())
    if mixed.strict:
        # A slip of the keyboard among many genuine words of the other alphabet is no attempt at anything.
        many = len(mixed.strict) >= _LEAST_MIXED and len(mixed.strict) * _OTHERS_PER_MIXED >= mixed.other
        spans = tuple(Span(*place, "unicode.lookalike") for place in mixed.strict[:_MOST])
        yield _Find(action if many else Action.FLAG, "words of mixed alphabets that read as Latin", spans)


def _wide(text: str, action: Action) -> Iterator[_Find]:
    wide = _spans(_FULLWIDTH_WORD, text, "unicode.fullwidth")
    if len(wide) >= _LEAST_FULLWIDTH:
        yield _Find(action, "sentences in full-width letters", wide)

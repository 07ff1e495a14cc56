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

from saferoute.guards.unicode_finds import Find, spans_of
from saferoute.guards.views import INCOMPLETE
from saferoute.values.guarding import ALLOWED, Action, Span, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from saferoute.values.guarding import Context, Segment, Stage

__all__ = ["UnicodeGuard"]

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

_OUTSIDE: Final = frozenset({"tool", "retrieved"})


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
    pure: ClassVar[bool] = True
    passes_plain: ClassVar[bool] = True
    passes_numbers: ClassVar[bool] = True
    reads_views: ClassVar[bool] = False  # it tells of more than they hold where somebody has them made, and is not worth making them

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
            return _withoutspans_of(self._judged(_of_json(text), segment, context))
        if text.isascii() and b"c" not in text.encode().translate(_CONTROLS_OF_ASCII) and INCOMPLETE not in context.views:
            return ALLOWED
        return self._judged(text, segment, context)

    def _judged(self, text: str, segment: Segment, context: Context) -> Verdict:
        outside = context.stage in {"tool_result", "tool_call"} or segment.origin in _OUTSIDE
        finds: list[Find] = []
        if _CONTROL.search(text):
            finds += _controls(text, context.stage)
        if not text.isascii():
            from saferoute.guards.unicode_letters import letter_finds  # noqa: PLC0415  its patterns are built for texts that need them

            finds += letter_finds(text, Action.BLOCK if outside else Action.FLAG)
        if INCOMPLETE in context.views:
            finds.append(Find(Action.FLAG, "more is encoded in it than is decoded", ()))
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
        if text.isascii():
            return place
        from saferoute.guards.unicode_letters import open_flag  # noqa: PLC0415  as above

        return min(place, open_flag(text, start))

    def plain_until(self, text: str, start: int = 0, plain: int = 0) -> int:  # noqa: ARG002  nothing is held of it
        """See `PlainTexts`: of ASCII, only control characters are found; of the rest, what is found is told by its kinds."""
        if text.isascii():
            first = plain - 1 if plain else 0
            return -1 if b"c" in text[first:].encode().translate(_CONTROLS_OF_ASCII) else len(text)
        from saferoute.guards.unicode_letters import is_plain  # noqa: PLC0415  as above

        return len(text) if is_plain(text) and not _CONTROL.search(text) else -1


_JSON_ESCAPES: Final = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+")


def _of_json(text: str) -> str:
    """Arguments as their reader will have them, as far as characters are concerned."""
    return _JSON_ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace("\\u", "")).decode("utf-16-be", "surrogatepass"), text)


def _withoutspans_of(verdict: Verdict) -> Verdict:
    return replace(verdict, spans=())


def _controls(text: str, stage: Stage) -> Iterator[Find]:
    rest = text
    if stage == "output" and _ESCAPES.search(text):
        # All of them: these are taken out, and what is left must not be one.
        found = [Span(*match.span(), "control.sequence") for match in islice(_SEQUENCE.finditer(text), _MOST_SEQUENCES)]
        if len(found) == _MOST_SEQUENCES:  # the rest of the text goes with them
            found.append(Span(found[-1].start, len(text), "control.sequence"))
        yield Find(Action.REDACT, "control sequence of a terminal", tuple(found))
        rest = _SEQUENCE.sub("", text)
    if _CONTROLS.search(rest):
        yield Find(Action.FLAG, "control characters", spans_of(_CONTROLS, text, "control.character"))

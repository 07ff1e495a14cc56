"""Lists of words: what must not be spoken of, and what a text has to be about.

Words and phrases are found as whole words, in capitals or not, with any space, hyphen or line end between them; patterns are a bounded part
of regular expressions (see `topics_patterns`). A list knows words and no meanings: whoever paraphrases is not found.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar, Final

from saferoute.errors import ConfigurationError
from saferoute.guards.topics_patterns import BoundedPattern, bounded_pattern
from saferoute.values.guarding import ALLOWED, Action, Span, Verdict, is_guard_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.values.guarding import Context, Segment, Stage

__all__ = ["TopicGuard"]

_STAGES: Final[frozenset[Stage]] = frozenset({"input", "tool_result", "output"})
_ALL_STAGES: Final[frozenset[str]] = frozenset({"input", "tool_result", "tool_call", "output"})
_MOST_ENTRIES: Final = 2_000
_LONGEST: Final = 200
_MOST_FOUND: Final = 256
_GAPS: Final = r"[\s_/\-\u2010-\u2015]"
_GAP: Final = re.compile(f"{_GAPS}+")
_WIDE: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Scripts that put no space between words, or none before what a word ends with."""
_WORD: Final = re.compile(r"\w")
_INSIDE: Final = re.compile(f"[^\\W_{_WIDE}]")


def _plain(text: str) -> str:
    """The text without the difference of capitals, and with one space for whatever parts words."""
    return _GAP.sub(" ", text.casefold())


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A word or phrase.

    Attributes:
        plain: as it is looked for first.
        pattern: finds its places, as whole words, in a text without capitals.
    """

    plain: str
    pattern: re.Pattern[str]


def _phrase(text: str) -> _Phrase:
    plain = _plain(unicodedata.normalize("NFC", text)).strip()
    if not plain:
        msg = f"a word or phrase is missing in the list: {text!r} holds none"
        raise ConfigurationError(msg)
    words = f"{_GAPS}+".join(map(re.escape, plain.split(" ")))
    before = f"(?<![^\\W_{_WIDE}])" if _INSIDE.match(plain) else ""
    behind = f"(?![^\\W_{_WIDE}])" if _INSIDE.match(plain[-1]) else ""
    return _Phrase(plain, re.compile(before + words + behind))


def _listed(entries: Iterable[str], what: str) -> tuple[str, ...]:
    listed = () if isinstance(entries, str) or not isinstance(entries, Iterable) else tuple(entries)
    if isinstance(entries, str) or not isinstance(entries, Iterable) or not all(isinstance(one, str) for one in listed):
        msg = f"{what}= takes a list of texts, such as {what}=['first word', 'second']"
        raise ConfigurationError(msg)
    if len(listed) > _MOST_ENTRIES or any(len(one) > _LONGEST for one in listed):
        msg = f"{what}= takes at most {_MOST_ENTRIES} texts of at most {_LONGEST} characters"
        raise ConfigurationError(msg)
    return listed


@dataclass(frozen=True, slots=True)
class TopicGuard:
    """Judges texts by lists of words, phrases and patterns. Trusted texts are not judged: a system prompt may name what it forbids.

    Attributes:
        deny: words and phrases that must not occur.
        patterns: bounded patterns that must not occur.
        unless: phrases in which a denied word is none: deny "shell", unless "sea shell".
        allow: a user's text must hold one of these words and phrases; none for any text.
        action: what a find is: BLOCK, FLAG, or REDACT, which takes it out; what cannot be taken out is blocked then.
        stages: when it is asked.
        name: of this list; two lists in one client have two names.

    Raises:
        ConfigurationError: for lists that are none or empty, and for a pattern that could make a search take long.
    """

    deny: Sequence[str] = ()
    patterns: Sequence[str] = ()
    unless: Sequence[str] = ()
    allow: Sequence[str] = ()
    action: Action = Action.BLOCK
    stages: frozenset[Stage] = _STAGES
    name: str = "topics"
    _denied: tuple[_Phrase, ...] = field(init=False, repr=False, compare=False)
    _exceptions: tuple[_Phrase, ...] = field(init=False, repr=False, compare=False)
    _allowed: tuple[_Phrase, ...] = field(init=False, repr=False, compare=False)
    _matched: tuple[BoundedPattern, ...] = field(init=False, repr=False, compare=False)
    _begun: frozenset[str] = field(init=False, repr=False, compare=False)
    _longest: int = field(init=False, repr=False, compare=False)
    _widest: int = field(init=False, repr=False, compare=False)

    version: ClassVar[str] = "1"
    quick: ClassVar[bool] = True
    reads_views: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for what in ("deny", "patterns", "unless", "allow"):
            object.__setattr__(self, what, _listed(getattr(self, what), what))
        if not (self.deny or self.patterns or self.allow):
            msg = "a list of topics needs deny=, patterns= or allow="
            raise ConfigurationError(msg)
        if not is_guard_name(self.name):
            msg = 'the name of a list is lower case letters, digits, "_", "." and "-", such as name="medical-advice"'
            raise ConfigurationError(msg)
        stages = frozenset([self.stages] if isinstance(self.stages, str) else self.stages)
        if not stages or not stages <= _ALL_STAGES:
            msg = f"the stages of a list of topics are out of {', '.join(sorted(_ALL_STAGES))}"
            raise ConfigurationError(msg)
        if self.action not in {Action.FLAG, Action.REDACT, Action.BLOCK}:
            msg = "action= is Action.FLAG, Action.REDACT or Action.BLOCK"
            raise ConfigurationError(msg)
        denied, exceptions = tuple(map(_phrase, self.deny)), tuple(map(_phrase, self.unless))
        matched = tuple(map(bounded_pattern, self.patterns))
        looked_for = [one.plain for one in (*denied, *exceptions)] if denied or matched else []
        for what, value in (
            ("stages", stages),
            ("_denied", denied),
            ("_exceptions", exceptions),
            ("_allowed", tuple(map(_phrase, self.allow))),
            ("_matched", matched),
            ("_begun", frozenset(plain[:size] for plain in looked_for for size in range(1, len(plain) + 1))),
            ("_longest", max(map(len, looked_for), default=0)),
            ("_widest", max((one.most for one in matched), default=0)),
        ):
            object.__setattr__(self, what, value)

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge a text and the views of it.

        Args:
            segment: the text.
            context: its `views` are judged as the text is.

        Returns:
            ALLOW, or what `action` says. Spans are places in the text; what is found only in a view has none.
        """
        if segment.trusted:
            return ALLOWED
        text = segment.text
        others = [*context.views.values()]
        if not text.isascii() and not unicodedata.is_normalized("NFC", text):
            others.append(unicodedata.normalize("NFC", text))
        spans = _in_text(text, self._places(text.casefold()))
        elsewhere = any(self._places(other.casefold()) for other in others)
        reasons = []
        if spans or elsewhere:
            reasons.append("holds what the list of topics denies" + ("" if spans else ", read as other programs may read it"))
        if self._allowed and segment.role == "user" and not any(self._is_about(one) for one in (text, *others)):
            reasons.append("is about none of the topics that the list allows")
        if not reasons:
            return ALLOWED
        unfit = self.action is Action.REDACT and (elsewhere or len(reasons) > 1 or not spans)
        return Verdict(Action.BLOCK if unfit else self.action, tuple(reasons), spans)

    def _is_about(self, text: str) -> bool:
        plain, folded = _plain(text), text.casefold()
        return any(one.plain in plain and one.pattern.search(folded) for one in self._allowed)

    def _places(self, folded: str) -> list[tuple[int, int]]:
        """Where finds begin and end in a text without capitals."""
        plain = _GAP.sub(" ", folded)
        found = self._candidates(plain, folded)
        if not found:
            return found
        starts, ends = _reaching(_of_phrases(self._exceptions, plain, folded))
        found = sorted((start, end) for start, end in found if not (place := bisect_right(starts, start)) or ends[place - 1] < end)
        if len(found) > _MOST_FOUND:  # the rest of such a text is none that somebody wants to read
            found[_MOST_FOUND - 1 :] = [(found[_MOST_FOUND - 1][0], len(folded))]
        return found

    def _candidates(self, plain: str, folded: str) -> list[tuple[int, int]]:
        """Finds, and what an exception makes none."""
        found = _of_phrases(self._denied, plain, folded)
        return found + [match.span() for one in self._matched for match in one.pattern.finditer(folded)]

    def open_candidate(self, text: str, start: int = 0) -> int:
        """The earliest place at or after `start` where something of the lists might begin and has not ended; len(text) for none.

        A pattern can tell nothing about its beginnings: as many characters are held as it can match, back to the start of a word.
        """
        seen = max(0, start - 1)
        held = text[seen:]
        place = min(self._begun_at(held), len(held) - self._widest)
        folded = held.casefold()
        plain = _GAP.sub(" ", folded)
        spans = sorted(_in_text(held, [*self._candidates(plain, folded), *_of_phrases(self._exceptions, plain, folded)]), reverse=True)
        before = -1
        while before != place > 0:
            before = place
            while 0 < place < len(held) and _WORD.match(held[place]) and _WORD.match(held[place - 1]):
                place -= 1
            for span in spans:
                if span.start < place < span.end:
                    place = span.start
        return max(start, seen + place)

    def _begun_at(self, text: str) -> int:
        """The earliest place where what ends the text is the beginning of a phrase, or all of it; len(text) for none."""
        tail = _plain(text)[-self._longest - 1 :]
        for size in range(min(self._longest, len(tail)), 0, -1):
            piece = tail[-size:]
            if piece in self._begun and not (size < len(tail) and _INSIDE.match(tail[-size - 1]) and _INSIDE.match(piece)):
                return _from_the_end(text, size)
        return len(text)


def _of_phrases(phrases: tuple[_Phrase, ...], plain: str, folded: str) -> list[tuple[int, int]]:
    return [match.span() for one in phrases if one.plain in plain for match in one.pattern.finditer(folded)]


def _reaching(places: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Starts in order, and for each how far whatever begins there or before it reaches."""
    places.sort()
    return [start for start, _ in places], [*accumulate((end for _, end in places), max)]


def _from_the_end(text: str, count: int) -> int:
    """Where the last so many characters of the plain text begin in the text."""
    place = len(text)
    behind = ""
    while count > 0:
        place -= 1
        sign = " " if _GAP.match(text[place]) else text[place].casefold()
        count -= 0 if sign == behind == " " else len(sign)
        behind = sign
    return place


def _in_text(text: str, places: list[tuple[int, int]]) -> tuple[Span, ...]:
    """Places of a text without capitals as places of the text: some capitals are two letters without."""
    if not places:
        return ()
    origin: list[int] = []
    for place, sign in enumerate(text):
        origin += [place] * len(sign.casefold())
    return tuple(Span(origin[first], origin[last - 1] + 1, "topic.denied") for first, last in places)

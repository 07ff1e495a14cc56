"""What a guard is given, and what it answers: the closed vocabulary between guards and the pipeline that asks them.

A guard looks at text and says what it found and where. It never rewrites: the pipeline composes the verdicts of all guards, redacts once
over the union of their spans, and stops a call that one of them blocks. None of these values shows the text that it is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from math import isfinite
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, runtime_checkable

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ALLOWED", "SILENT", "Action", "Context", "Guard", "Judged", "OnError", "Origin", "Segment", "SegmentRole", "Span", "Stage", "Verdict",
    "is_guard_name",
]  # fmt: skip

Stage: TypeAlias = Literal["request", "input", "tool_result", "tool_call", "output"]
"""When a guard is asked: once about the size and the form of a request; about each text that goes in; about each tool's result that goes
in; about each tool call that comes out, whole; about each text that comes out, streamed or not."""

Origin: TypeAlias = Literal["system", "developer", "user", "tool", "retrieved", "model", "saferoute"]
"""Who wrote a text. "retrieved" is what a template or a caller marks as fetched; "saferoute" is what the pipeline itself put in."""

OnError: TypeAlias = Literal["block", "flag"]
"""What a guard's failure is: a verdict that blocks, or one that is only told."""

SegmentRole: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")
_KIND: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")
_FINGERPRINT: Final = re.compile(r"(?:[0-9a-f]{8,64})?\Z")
_MOST_REASONS: Final = 32
_LONGEST_REASON: Final = 300


def is_guard_name(name: object) -> bool:
    """Whether this may name a guard: lower case letters, digits and `_.-`, up to 64."""
    return type(name) is str and _NAME.match(name) is not None


class Action(IntEnum):
    """What is to be done; verdicts compose by the largest."""

    ALLOW = 0
    FLAG = 1
    REDACT = 2
    BLOCK = 3


@dataclass(frozen=True, slots=True)
class Segment:
    """One text, with who wrote it and where it stands.

    Attributes:
        text: the text; `repr` shows its length only.
        role: the message's.
        origin: who wrote it.
        trusted: whether instructions in it are the application's own: system and developer texts, and what saferoute put in.
        path: JSON pointer to it in the request, such as "/messages/2/content/0", or in the answer.
        name: the tool that a result is of, or a call is for; of what a model says "reasoning" or "refusal"; "" for other texts.
    """

    text: str
    role: SegmentRole = "user"
    origin: Origin = "user"
    trusted: bool = False
    path: str = ""
    name: str = ""

    @override
    def __repr__(self) -> str:
        trust = "trusted" if self.trusted else "untrusted"
        return f"Segment({self.origin}, {trust}, {self.path or '/'}, {len(self.text)} chars)"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a segment's original text. It never holds the text itself.

    Attributes:
        start: first character.
        end: behind the last one; at least `start`.
        kind: what stands there, such as "secret.openai" or "pii.email".
        path: the segment's path; the pipeline fills it in.
        fingerprint: first hexadecimal digits of a digest of the value, salted by the call, to tell two finds apart; "" for none.

    Raises:
        ValueError: for a place that is none, or a name that is none.
    """

    start: int
    end: int
    kind: str
    path: str = ""
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if type(self.start) is not int or type(self.end) is not int or not 0 <= self.start <= self.end:
            msg = "a span is two whole numbers: 0 <= start <= end"
            raise ValueError(msg)
        if type(self.kind) is not str or not _KIND.match(self.kind):
            msg = "a span's kind is a lower case name such as 'pii.email'"
            raise ValueError(msg)
        if type(self.fingerprint) is not str or not _FINGERPRINT.match(self.fingerprint):
            msg = "a span's fingerprint is 8 to 64 hexadecimal digits"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a guard says about a segment.

    Attributes:
        action: what is to be done.
        reasons: why, in words that hold nothing of the text; they reach logs, errors and receipts.
        spans: where. REDACT needs at least one: they are what is taken out.
        score: how sure the guard is, from 0.0 to 1.0; None for a guard that does not score.

    Raises:
        ValueError: for a verdict that is none; a guard that makes one has failed.
    """

    action: Action
    reasons: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    score: float | None = None

    def __post_init__(self) -> None:
        if type(self.action) is not Action:
            msg = "a verdict's action is an Action"
            raise ValueError(msg)
        if type(self.reasons) is not tuple or not all(type(reason) is str for reason in self.reasons):
            msg = "a verdict's reasons are a tuple of strings"
            raise ValueError(msg)
        if len(self.reasons) > _MOST_REASONS or any(len(reason) > _LONGEST_REASON for reason in self.reasons):
            msg = f"a verdict has at most {_MOST_REASONS} reasons of {_LONGEST_REASON} characters"
            raise ValueError(msg)
        if type(self.spans) is not tuple or not all(type(span) is Span for span in self.spans):
            msg = "a verdict's spans are a tuple of Span"
            raise ValueError(msg)
        if self.score is not None and not (type(self.score) in {int, float} and isfinite(self.score) and 0.0 <= self.score <= 1.0):
            msg = "a verdict's score is a number from 0.0 to 1.0"
            raise ValueError(msg)
        if self.action is Action.REDACT and not self.spans:
            msg = "REDACT needs the spans that are to be taken out"
            raise ValueError(msg)


ALLOWED: Final = Verdict(Action.ALLOW)
"""Nothing was found."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a guard may know besides the segment.

    Attributes:
        stage: when it is asked.
        route: the name that was called.
        tainted: whether untrusted content has been read in this conversation: a tool's result, or what was retrieved.
        views: the text as other programs may read it (decoded, normalised), by name, made once and shared; the original is not among
            them. Places in a view are not places in the text.
        tools: names of the tools that the call offers.
        allowed_hosts: hosts that links and images of an answer may lead to.
        schemas: JSON Schemas of the arguments of the tools that the call offers, as JSON in UTF-8, by name.
    """

    stage: Stage
    route: str = ""
    tainted: bool = False
    views: Mapping[str, str] = field(default_factory=dict)
    tools: frozenset[str] = frozenset()
    allowed_hosts: frozenset[str] = frozenset()
    schemas: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and whose it is.

    Attributes:
        guard: the guard's name.
        version: its version.
        stage: when it was asked.
        path: where the segment stands that it judged.
        verdict: what it said.
    """

    guard: str
    version: str
    stage: Stage
    path: str
    verdict: Verdict

    @override
    def __str__(self) -> str:
        """For people: who, about what, what was said, why and where; nothing of the text."""
        places = ", ".join(f"{span.kind} at {span.start}-{span.end}" for span in self.verdict.spans)
        why = "".join(f" ({said})" for said in ("; ".join(self.verdict.reasons), places) if said)
        return f"{self.guard}: {self.verdict.action.name.lower()} {self.stage} {self.path or '/'}{why}"


SILENT: Final = Context("input")
"""A context that says nothing, for judging a text by itself."""


@runtime_checkable
class Guard(Protocol):
    """Judges one segment at a time. Any object of this shape is a guard; `saferoute.guard` makes one from a function."""

    @property
    def name(self) -> str:
        """Its name, as profiles and capabilities call it; see `is_guard_name`."""

    @property
    def version(self) -> str:
        """Changes whenever verdicts may change; receipts hold it."""

    @property
    def stages(self) -> frozenset[Stage]:
        """When it is asked."""

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge. Whatever it raises, and whatever else it returns, blocks the call as `guard_error`."""

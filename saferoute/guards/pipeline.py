"""Asking guards: one place where every text is judged, verdicts are composed, and a guard that fails is taken for one that says no.

Nothing here waits. Guards of the package are asked at once; those of others may take their time, so whoever runs the call asks them
through `ask` in a thread or a task, with a deadline, and hands what came of it to `judged`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from saferoute.errors import GuardBlocked, GuardFailed
from saferoute.values.guarding import ALLOWED, Action, Judged, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.values.guarding import Context, Guard, OnError, Segment, Span, Stage

__all__ = [
    "GUARD_ERROR",
    "Active",
    "ask",
    "check_blocked",
    "composed",
    "failed",
    "is_failure",
    "judge",
    "judged",
    "said_by",
    "spans_to_redact",
]

GUARD_ERROR: Final = "guard_error"
"""The first words of the reason for which a guard that failed blocks."""

WITHHELD: Final = "a reason that repeats what was found is withheld"
"""Stands in the place of such a reason."""

_MOST_TOLD: Final = 3
_MOST_REASONS_TOLD: Final = 4
_LONGEST_NAME: Final = 60
_REPEATED: Final = 8
"""Characters of a find that no reason may repeat; fewer are as likely a word of the guard's own."""


@dataclass(frozen=True, slots=True)
class Active:
    """A guard that is asked, and how.

    Attributes:
        guard: the guard.
        on_error: what its failure is. "flag" is an explicit choice: the guard is then no protection where it fails.
        quick: it never waits, so that it is asked in the calling thread; for guards of this package.
        reversible: what it takes out of a request is put back into the text of the answer; secrets never are. A table says so.
        seconds: how long it may take, each time; None for as long as the client has guards of others take. `math.inf` bounds it by nothing
            but the call's own allowance, for a guard that asks people.
        name: the guard's, as it was when the client was made.
        version: likewise.
        stages: likewise: a guard that changes its mind about them later is asked all the same.
        streams: it can judge a text piece by piece, by `open_candidate`.
        tells_plain: it can tell that there is nothing to look at, by `plain_until`; for guards of this package. A subclass that has another
            `check` and no other `plain_until` cannot: it is asked about everything. Likewise `passes_plain`, `pure` and `only_flags`.
        passes_plain: it finds nothing in what `plain.is_plain` calls plain, and holds nothing of it but what `plain.plain_until` says; for
            guards of this package. What is plain is looked at once for all of them; arguments of calls, and texts in which something is
            encoded, are none of it.
        passes_numbers: likewise, where numbers are not looked at.
        judges_restored: it is asked once more about texts into which values were put back: the guard "links", and one that says so.
        pure: what it says depends on nothing but the text, who wrote it, and its views. Texts of the application's own that come with every
            call are then asked about once.
        only_flags: it says of itself that it never takes anything out of an answer: nothing waits for it, and it is asked once about each
            text, when the answer has ended. If it does all the same, it has failed.
        reads_views: it looks at the views that guards share; they are made for clients that have such a guard.
    """

    guard: Guard
    on_error: OnError = "block"
    quick: bool = False
    reversible: bool = False
    seconds: float | None = None
    name: str = field(init=False)
    version: str = field(init=False)
    stages: frozenset[Stage] = field(init=False)
    streams: bool = field(init=False)
    tells_plain: bool = field(init=False)
    passes_plain: bool = field(init=False)
    passes_numbers: bool = field(init=False)
    judges_restored: bool = field(init=False)
    only_flags: bool = field(init=False)
    reads_views: bool = field(init=False)
    pure: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.guard.name)
        object.__setattr__(self, "version", self.guard.version)
        object.__setattr__(self, "stages", frozenset(self.guard.stages))
        tells = self.quick and callable(getattr(self.guard, "plain_until", None)) and _goes_with_check(self.guard, "plain_until")
        object.__setattr__(self, "tells_plain", tells)
        passes = self.quick and getattr(self.guard, "passes_plain", False) is True and _goes_with_check(self.guard, "passes_plain")
        object.__setattr__(self, "passes_plain", passes)
        numbers = passes and getattr(self.guard, "passes_numbers", False) is True and _goes_with_check(self.guard, "passes_numbers")
        object.__setattr__(self, "passes_numbers", numbers)
        object.__setattr__(self, "streams", callable(getattr(self.guard, "open_candidate", None)))
        again = self.name == "links" or getattr(self.guard, "judges_restored", False) is True
        object.__setattr__(self, "judges_restored", again)
        object.__setattr__(self, "pure", getattr(self.guard, "pure", False) is True and _goes_with_check(self.guard, "pure"))
        object.__setattr__(
            self, "only_flags", getattr(self.guard, "only_flags", False) is True and _goes_with_check(self.guard, "only_flags")
        )
        object.__setattr__(self, "reads_views", getattr(self.guard, "reads_views", False) is True)

    def asked_about(self, stage: Stage) -> bool:
        """Whether the guard judges texts of that stage."""
        return stage in self.stages


def _goes_with_check(guard: Guard, name: str) -> bool:
    """Whether what a guard promises was promised about the `check` that it has: who overrides that inherits a promise about another one."""
    for one in type(guard).__mro__:
        if name in vars(one):
            return True
        if "check" in vars(one):
            return False
    return True  # both are the object's own


def ask(guard: Guard, what: str, *arguments: object) -> object:
    """Ask a guard. Returns what it returned, or the exception that it raised: nothing that a guard does breaks out here.

    Args:
        guard: the guard.
        what: the name of its method: "check", "open_candidate" ...
        arguments: of the method.
    """
    try:
        return getattr(guard, what)(*arguments)
    except Exception as error:  # noqa: BLE001  whatever a guard raises is a verdict: it failed
        return error


def verdict_of(active: Active, outcome: object, segment: Segment) -> Verdict:
    """What a guard's outcome amounts to.

    Args:
        active: the guard.
        outcome: what `ask` returned; None also for a guard that did not answer in time.
        segment: what it was asked about.

    Returns:
        The verdict, fit to be told: its reasons are printable and repeat nothing that it found, and its spans hold something and have
        their path. One that blocks (or flags, where that was chosen) for a guard that raised, answered nothing or no verdict, or pointed
        outside the text. The exception's words are not repeated: they may hold the text.
    """
    if type(outcome) is Verdict:
        why = _unusable(outcome, len(segment.text))
        if not why:
            return outcome if not outcome.reasons and not outcome.spans else _fit(outcome, segment)
    elif isinstance(outcome, BaseException):
        why = f"it raised {type(outcome).__name__[:_LONGEST_NAME]}"
    elif outcome is None:
        why = "it gave no verdict in time, or None"
    else:
        why = f"it returned {type(outcome).__name__[:_LONGEST_NAME]}, which is no Verdict"
    return failed(active, why)


def failed(active: Active, why: str) -> Verdict:
    """What a guard's failure is: it blocks, unless the guard was made to only flag."""
    action = Action.FLAG if active.on_error == "flag" else Action.BLOCK
    return Verdict(action, (_printable(f"{GUARD_ERROR}: {why}"),))


def _unusable(verdict: Verdict, size: int) -> str:
    """Why a verdict is none for a text of that size; "" if it is one."""
    if verdict.spans and max(span.end for span in verdict.spans) > size:
        return "it points outside the text"
    if verdict.action is Action.REDACT and all(span.start == span.end for span in verdict.spans):
        return "it asks for something to be taken out, and points at nothing"
    return ""


def _fit(verdict: Verdict, segment: Segment) -> Verdict:
    found = [segment.text[span.start : span.end] for span in verdict.spans if span.end - span.start >= _REPEATED]
    reasons = tuple(WITHHELD if any(value in reason for value in found) else _printable(reason) for reason in verdict.reasons)
    spans = tuple(replace(span, path=segment.path) for span in verdict.spans if span.start < span.end)
    return replace(verdict, reasons=reasons, spans=spans)


def _printable(words: str) -> str:
    """Words without what a terminal or a log would obey."""
    return words if words.isprintable() else "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in words)


def judge(active: Sequence[Active], segment: Segment, context: Context, *, telling: bool = False) -> list[Judged]:
    """Ask every guard of the context's stage about one segment, one after the other; each is asked exactly once.

    Those that pass plain text are asked together: whether it is some, see `Active.passes_plain`.

    Args:
        active: the guards.
        segment: the text.
        context: what they may know besides.
        telling: whether plain consent is put on record too: nearly all that guards say is, and somebody wants to see it.
    """
    asked: list[tuple[Active, Segment]] = []
    stage = context.stage
    plain: bool | None = False if telling or context.views or stage == "tool_call" else None  # None: nobody has looked yet
    for one in active:
        if stage in one.stages:
            if one.passes_plain and plain is not False:
                if plain is None:
                    from saferoute.guards.plain import is_plain  # noqa: PLC0415  for clients that have such a guard

                    plain = is_plain(segment.text)
                if plain:
                    continue
            asked += ((one, segment),)  # no `append` here: each would be a call
    return said_by(asked, context, telling=telling) if asked else []


def said_by(asked: Iterable[tuple[Active, Segment]], context: Context, *, telling: bool = False) -> list[Judged]:
    """Ask guards, each about its segment. Gives all that is more than plain consent; or, if telling, all of it, in their order."""
    said: list[Judged] = []
    for one, segment in asked:
        outcome = ask(one.guard, "check", segment, context)
        if telling or outcome is not ALLOWED:
            said.append(judged(one, outcome, segment, context.stage))
    return said


def judged(active: Active, outcome: object, segment: Segment, stage: Stage) -> Judged:
    """A guard's outcome on record."""
    return Judged(active.name, active.version, stage, segment.path, verdict_of(active, outcome, segment))


def composed(every: Iterable[Judged]) -> Action:
    """The most severe of the actions; the order of the guards changes nothing."""
    return max((one.verdict.action for one in every), default=Action.ALLOW)


def spans_to_redact(every: Iterable[Judged]) -> tuple[Span, ...]:
    """Every place that is to be taken out, in order."""
    return tuple(sorted(span for one in every if one.verdict.action is Action.REDACT for span in one.verdict.spans))


def check_blocked(every: Sequence[Judged], words: str) -> None:
    """Refuse what a guard blocks.

    Args:
        every: what the guards said.
        words: what was judged, and what became of it, for the error: "nothing was sent".

    Raises:
        GuardFailed: the only guards that block are those that failed.
        GuardBlocked: a guard says no.
    """
    blocking = [one for one in every if one.verdict.action is Action.BLOCK]
    if not blocking:
        return
    told = "; ".join(map(_told, blocking[:_MOST_TOLD]))
    more = f" (and {len(blocking) - _MOST_TOLD} more)" if len(blocking) > _MOST_TOLD else ""
    if all(map(is_failure, blocking)):
        msg = f'a guard could not judge, so that {words}: {told}{more}. Mend the guard, or give it on_error="flag"'
        raise GuardFailed(msg, verdicts=tuple(every))
    msg = f"a guard says no, so that {words}: {told}{more}"
    raise GuardBlocked(msg, verdicts=tuple(every))


def _told(one: Judged) -> str:
    return f"{one.guard} at {one.path or '/'}: {', '.join(one.verdict.reasons[:_MOST_REASONS_TOLD]) or 'no reason given'}"


def is_failure(one: Judged) -> bool:
    """Whether it is no verdict, but what a guard's failure is."""
    return any(reason.startswith(GUARD_ERROR) for reason in one.verdict.reasons)

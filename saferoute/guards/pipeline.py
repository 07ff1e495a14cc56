"""Asking guards: one place where every text is judged, verdicts are composed, and a guard that fails is taken for one that says no.

Nothing here waits. Guards of the package are asked at once; those of others may take their time, so whoever runs the call asks them
through `ask` in a thread or a task, with a deadline, and hands what came of it to `judged`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from saferoute.errors import GuardBlocked, GuardFailed
from saferoute.values.guarding import Action, Judged, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.values.guarding import Context, Guard, OnError, Segment, Span, Stage

__all__ = ["GUARD_ERROR", "Active", "ask", "check_blocked", "composed", "judge", "judged", "spans_to_redact"]

GUARD_ERROR: Final = "guard_error"
"""The first words of the reason for which a guard that failed blocks."""

_MOST_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class Active:
    """A guard that is asked, and how.

    Attributes:
        guard: the guard.
        on_error: what its failure is. "flag" is an explicit choice: the guard is then no protection where it fails.
        quick: it never waits, so that it is asked in the calling thread; for guards of this package.
    """

    guard: Guard
    on_error: OnError = "block"
    quick: bool = False

    def asked_about(self, stage: Stage) -> bool:
        """Whether the guard judges texts of that stage."""
        return stage in self.guard.stages


def ask(guard: Guard, segment: Segment, context: Context) -> object:
    """Ask a guard. Returns what it returned, or the exception that it raised: nothing that a guard does breaks out here."""
    try:
        return guard.check(segment, context)
    except Exception as error:  # noqa: BLE001  whatever a guard raises is a verdict: it failed
        return error


def verdict_of(active: Active, outcome: object, segment: Segment) -> Verdict:
    """What a guard's outcome amounts to.

    Args:
        active: the guard.
        outcome: what `ask` returned; None also for a guard that did not answer in time.
        segment: what it was asked about.

    Returns:
        The verdict; one that blocks (or flags, where that was chosen) for a guard that raised, answered nothing or no verdict, or pointed
        outside the text. The exception's words are not repeated: they may hold the text.
    """
    if type(outcome) is Verdict:
        if not outcome.spans or max(span.end for span in outcome.spans) <= len(segment.text):
            return outcome
        why = "it points outside the text"
    elif isinstance(outcome, Exception):
        why = f"it raised {type(outcome).__name__}"
    elif outcome is None:
        why = "it gave no verdict in time, or None"
    else:
        why = f"it returned {type(outcome).__name__}, which is no Verdict"
    action = Action.FLAG if active.on_error == "flag" else Action.BLOCK
    return Verdict(action, (f"{GUARD_ERROR}: {why}",))


def judge(active: Sequence[Active], segment: Segment, context: Context) -> tuple[Judged, ...]:
    """Ask every guard of the context's stage about one segment, one after the other; each is asked exactly once."""
    return tuple(
        judged(one, ask(one.guard, segment, context), segment, context.stage) for one in active if context.stage in one.guard.stages
    )


def judged(active: Active, outcome: object, segment: Segment, stage: Stage) -> Judged:
    """A guard's outcome on record."""
    return Judged(active.guard.name, active.guard.version, stage, segment.path, verdict_of(active, outcome, segment))


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
    if all(map(_is_failure, blocking)):
        msg = f'a guard could not judge, so that {words}: {told}{more}. Mend the guard, or give it on_error="flag"'
        raise GuardFailed(msg, verdicts=tuple(every))
    msg = f"a guard says no, so that {words}: {told}{more}"
    raise GuardBlocked(msg, verdicts=tuple(every))


def _told(one: Judged) -> str:
    return f"{one.guard} at {one.path or '/'}: {', '.join(one.verdict.reasons) or 'no reason given'}"


def _is_failure(one: Judged) -> bool:
    return any(reason.startswith(GUARD_ERROR) for reason in one.verdict.reasons)

"""A guard under a setting of the routing table: what it finds is raised to what the table asks for, and never lowered."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from saferoute.values.guarding import Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from saferoute.guards.pipeline import Active
    from saferoute.values.guard_profile import GuardSetting
    from saferoute.values.guarding import Context, Guard, OnError, Segment, Stage

__all__ = ["StricterGuard", "bare", "is_of", "raised", "with_bare"]

_MOST_REASONS: Final = 32


@dataclass(frozen=True, slots=True)
class StricterGuard:
    """A guard under a setting. Its name, version and stages are those that the guard had when the client was made.

    Attributes:
        inner: the guard, as it is asked without the setting.
        setting: the table's.
    """

    inner: Active
    setting: GuardSetting

    @property
    def name(self) -> str:
        """The guard's."""
        return self.inner.name

    @property
    def version(self) -> str:
        """The guard's, and a mark of what the setting changes: `1+block`, `1+redact@500#1a2b3c4d`, `1+reversible`.

        Behind `@` stands the threshold, behind `#` the beginning of the SHA-256 of the kinds, sorted, one to a line.
        """
        setting, mark = self.setting, ""
        if setting.action is not None:
            mark += f"+{setting.action.name.lower()}"
            mark += "" if setting.threshold is None else f"@{setting.threshold}"
            kinds = "\n".join(sorted(setting.kinds)).encode()
            mark += f"#{hashlib.sha256(kinds).hexdigest()[:8]}" if kinds else ""
        if setting.on_error != self.inner.on_error:
            mark += f"+on-error-{setting.on_error}"
        mark += "+reversible" if setting.reversible else ""
        return self.inner.version + mark

    @property
    def stages(self) -> frozenset[Stage]:
        """The guard's."""
        return self.inner.stages

    @property
    def on_error(self) -> OnError:
        """The setting's."""
        return self.setting.on_error

    @property
    def quick(self) -> bool:
        """The guard's."""
        return self.inner.quick

    @property
    def reads_views(self) -> bool:
        """The guard's."""
        return getattr(self.inner.guard, "reads_views", False) is True

    @property
    def judges_restored(self) -> bool:
        """The guard's."""
        return self.inner.judges_restored

    @property
    def open_candidate(self) -> Callable[..., int]:
        """The guard's, where it has one."""
        if not self.inner.streams:
            msg = f"the guard {self.name!r} cannot judge a text piece by piece"
            raise AttributeError(msg)
        return self.inner.guard.open_candidate  # type: ignore[attr-defined,no-any-return]  # `streams` says so

    @property
    def acheck(self) -> Callable[[Segment, Context], Awaitable[Any]]:
        """The guard's, where it has one, under the setting."""
        ask: Callable[[Segment, Context], Awaitable[object]] = self.inner.guard.acheck  # type: ignore[attr-defined]  # or AttributeError

        async def acheck(segment: Segment, context: Context) -> object:
            return raised(await ask(segment, context), self.setting, segment)

        def in_a_thread(segment: Segment, context: Context) -> Awaitable[object]:
            return acheck(segment, context)

        # What is no coroutine function may block before it gives something to wait for: it is not called in a loop of others.
        return acheck if inspect.iscoroutinefunction(ask) else in_a_thread

    def check(self, segment: Segment, context: Context) -> Any:  # noqa: ANN401  what is no verdict is handed on for what it is
        """Judge as the guard does, and raise what it finds."""
        return raised(self.inner.guard.check(segment, context), self.setting, segment)


def bare(guard: Guard) -> Guard:
    """The guard itself, of one that may be under a setting."""
    return guard.inner.guard if type(guard) is StricterGuard else guard


def with_bare(active: Active, guard: Guard) -> Active:
    """An active guard with another one in its place, under the same setting if there is one."""
    under = active.guard
    return replace(active, guard=replace(under, inner=replace(under.inner, guard=guard)) if type(under) is StricterGuard else guard)


def is_of(kind: str, kinds: frozenset[str]) -> bool:
    """Whether a kind is one of some, or below one: "pii.email" is below "pii"."""
    return any(kind == one or kind.startswith(f"{one}.") for one in kinds)


def raised(outcome: object, setting: GuardSetting, segment: Segment) -> object:
    """Put a guard's outcome under a setting.

    Raised is what the guard finds (FLAG or more), unless its score is below the threshold, or all of its places are of other kinds. A find
    without a score or without places cannot be told to be such a one, and is raised. What becomes REDACT keeps the places of the kinds
    that are meant, and becomes BLOCK if there are none to take out.

    Args:
        outcome: whatever the guard returned.
        setting: the table's.
        segment: what the guard was asked about.

    Returns:
        A verdict that is no milder; what is no verdict, or one that points outside the text, as it was: the pipeline blocks it.
    """
    if type(outcome) is not Verdict or any(span.end > len(segment.text) for span in outcome.spans):
        return outcome
    action, spans = setting.action, outcome.spans
    if action is None or outcome.action is Action.ALLOW or outcome.action >= action:
        return outcome
    if setting.threshold is not None and outcome.score is not None and outcome.score < setting.threshold / 1000:
        return outcome
    meant = tuple(span for span in spans if is_of(span.kind, setting.kinds)) if setting.kinds else spans
    if spans and not meant:
        return outcome
    if action is Action.REDACT:
        spans = tuple(span for span in meant if span.start < span.end)
        action = action if spans else Action.BLOCK
    why = f"the routing table raises this from {outcome.action.name.lower()} to {action.name.lower()}"
    return replace(outcome, action=action, spans=spans, reasons=(*outcome.reasons[: _MOST_REASONS - 1], why))

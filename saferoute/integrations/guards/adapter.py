"""What adapters of other guards have in common.

An adapter asks, and translates the answer into a verdict. It takes nothing for consent that is not one: an answer of another shape, or one
that says that nothing was judged, is a failure, and a failure blocks. Words of the other guard are not repeated, since they may hold the
text; names of kinds, scanners and rails are, cut to what a name may hold.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from math import isfinite
from typing import TYPE_CHECKING, ClassVar, Final

from typing_extensions import override

from saferoute.errors import ConfigurationError, GuardFailed
from saferoute.guards.function import active_guards
from saferoute.integrations.guards.own_loop import OwnLoop
from saferoute.values.guarding import ALLOWED, Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saferoute.values.guarding import Context, OnError, Segment, Span, Stage

__all__ = ["TEXTS", "Adapter", "AsyncAdapter", "failure", "missing", "plain", "score_of", "upstream_version"]

TEXTS: Final[tuple[Stage, ...]] = ("input", "tool_result", "output")
"""Where texts are that anybody may have written."""

_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9_.-]+")
_LONGEST: Final = 48
_MOST_REASONS: Final = 31  # a verdict has 32 at most


class Adapter(ABC):
    """A guard that asks another one.

    Args:
        name: its name.
        version: of the other guard.
        action: what a find asks for.
        stages: when it is asked.
        on_error: what its failure is.

    Raises:
        ConfigurationError: for a name, a stage, an action or an option that is none, or that this adapter cannot offer.
    """

    __slots__ = ("_action", "_name", "_on_error", "_stages", "_version")

    actions: ClassVar[frozenset[Action]] = frozenset({Action.FLAG, Action.BLOCK})
    """Without places there is nothing to take out."""

    def __init__(self, name: str, version: str, action: Action, stages: Iterable[Stage], on_error: OnError) -> None:
        if type(action) is not Action or action not in self.actions:
            msg = f"the action of {type(self).__name__} is {' or '.join(one.name for one in sorted(self.actions))}"
            raise ConfigurationError(msg)
        self._name = name
        self._version = f"1+{plain(version)}"
        self._action = action
        self._stages: frozenset[Stage] = frozenset([stages] if isinstance(stages, str) else stages)  # type: ignore[list-item]  # checked below
        self._on_error = on_error
        active_guards((self,))

    @property
    def name(self) -> str:
        """As profiles and capabilities call it."""
        return self._name

    @property
    def version(self) -> str:
        """The adapter's, and that of the package that it asks."""
        return self._version

    @property
    def stages(self) -> frozenset[Stage]:
        """When it is asked."""
        return self._stages

    @property
    def on_error(self) -> OnError:
        """What its failure is."""
        return self._on_error

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge.

        Raises:
            GuardFailed: the other guard did not judge, or gave an answer that is none.
            Exception: whatever it raises itself.
        """
        return self._judge(segment, context) if segment.text else ALLOWED

    @abstractmethod
    def _judge(self, segment: Segment, context: Context) -> Verdict:
        """Ask the other guard about a text that is not empty."""

    def _found(self, reasons: Iterable[str], spans: tuple[Span, ...] = (), score: float | None = None) -> Verdict:
        told = tuple(reasons)
        more = (f"and {len(told) - _MOST_REASONS} more",) if len(told) > _MOST_REASONS else ()
        return Verdict(self._action, (*told[:_MOST_REASONS], *more), spans, score)

    @override
    def __repr__(self) -> str:
        weak = ', on_error="flag": where it fails, it protects nothing' if self._on_error == "flag" else ""
        return (
            f"{type(self).__name__}({self._name!r}, version {self._version}, {self._action.name}, {'/'.join(sorted(self._stages))}{weak})"
        )


class AsyncAdapter(Adapter):
    """One that asks a guard that is asynchronous: always in the same event loop, whoever waits for it.

    Connections and locks of such packages belong to the loop in which they were used first; callers come and go with loops of their own.
    """

    __slots__ = ("_loop",)

    def __init__(self, name: str, version: str, action: Action, stages: Iterable[Stage], on_error: OnError) -> None:
        super().__init__(name, version, action, stages, on_error)
        self._loop = OwnLoop()

    async def acheck(self, segment: Segment, context: Context) -> Verdict:
        """Judge, for a client that is asynchronous. Raises as `check`."""
        return await self._loop.wait(self._ask(segment, context)) if segment.text else ALLOWED

    @override
    def _judge(self, segment: Segment, context: Context) -> Verdict:
        return self._loop.run(self._ask(segment, context))

    @abstractmethod
    async def _ask(self, segment: Segment, context: Context) -> Verdict:
        """Ask the other guard about a text that is not empty, in the guard's own loop."""


def failure(words: str) -> GuardFailed:
    """What an adapter raises if no judgement was made; `words` hold nothing of the text."""
    return GuardFailed(f"no judgement was made: {words}")


def missing(adapter: str, extra: str) -> ConfigurationError:
    """For an adapter whose package is not there, or not the one that is meant."""
    return ConfigurationError(f"{adapter} asks a package that is missing, too old, or another of that name: install saferoute-sdk[{extra}]")


def plain(words: object) -> str:
    """What is left of a name of another package: lower case letters, digits, "_", "." and "-"."""
    return _NOT_IN_NAMES.sub("_", str(words).lower())[:_LONGEST]


def score_of(value: object) -> float:
    """A score from 0.0 to 1.0; what is below counts as 0.0 and what is above as 1.0.

    Raises:
        GuardFailed: it is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise failure("its score is no number")
    return min(1.0, max(0.0, float(value)))


def upstream_version(package: str) -> str:
    """The version of a package; "unknown" for one that is not installed, where an object of the caller's is asked."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  slow to load

    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"

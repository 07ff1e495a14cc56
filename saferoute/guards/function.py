"""Guards made from functions, and the list of guards that a client was given."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, overload

from typing_extensions import override

from saferoute.errors import ConfigurationError
from saferoute.guards.pipeline import Active
from saferoute.values.guarding import Context, Guard, OnError, Segment, Stage, Verdict, is_guard_name

__all__ = ["AsyncFunctionGuard", "FunctionGuard", "active_guards", "guard"]

_STAGES: Final[frozenset[str]] = frozenset({"input", "tool_result", "tool_call", "output"})
_LONGEST_VERSION: Final = 64

Check: TypeAlias = Callable[[Segment, Context], Verdict]
AsyncCheck: TypeAlias = Callable[[Segment, Context], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class FunctionGuard:
    """A guard whose judgement is a function.

    Attributes:
        name: its name.
        version: changes whenever verdicts may change.
        stages: when it is asked.
        function: judges one segment.
        on_error: what its failure is.
        quick: it never waits, so that it is asked in the calling thread, with no deadline.
    """

    name: str
    version: str
    stages: frozenset[Stage]
    function: Check
    on_error: OnError = "block"
    quick: bool = False

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge."""
        return self.function(segment, context)

    @override
    def __repr__(self) -> str:
        return _shown(self)


@dataclass(frozen=True, slots=True)
class AsyncFunctionGuard:
    """A guard whose judgement is a coroutine function. Attributes as `FunctionGuard`."""

    name: str
    version: str
    stages: frozenset[Stage]
    function: AsyncCheck
    on_error: OnError = "block"

    def check(self, segment: Segment, context: Context) -> Verdict:  # noqa: ARG002  the shape of a guard
        """Refuse: the pipeline awaits `acheck` instead, in a loop of its own where it has to."""
        msg = f"the guard {self.name!r} is asynchronous: await its acheck"
        raise TypeError(msg)

    async def acheck(self, segment: Segment, context: Context) -> Verdict:
        """Judge."""
        return await self.function(segment, context)

    @override
    def __repr__(self) -> str:
        return _shown(self)


def _shown(one: FunctionGuard | AsyncFunctionGuard) -> str:
    weak = ', on_error="flag": where it fails, it protects nothing' if one.on_error == "flag" else ""
    return f"guard({one.name!r}, version {one.version}, {'/'.join(sorted(one.stages))}{weak})"


@overload
def guard(function: Check, /) -> FunctionGuard: ...
@overload
def guard(function: AsyncCheck, /) -> AsyncFunctionGuard: ...
@overload
def guard(
    *,
    name: str | None = None,
    version: str = "1",
    stages: Iterable[Stage] = ("input", "tool_result", "output"),
    on_error: OnError = "block",
    quick: bool = False,
) -> Callable[[Callable[[Segment, Context], Any]], FunctionGuard | AsyncFunctionGuard]: ...
def guard(
    function: Callable[[Segment, Context], Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: str = "1",
    stages: Iterable[Stage] = ("input", "tool_result", "output"),
    on_error: OnError = "block",
    quick: bool = False,
) -> Any:
    """Make a guard of a function that takes a segment and a context and returns a verdict; a coroutine function makes an asynchronous one.

    Args:
        function: the function, where this is used as a bare decorator.
        name: as profiles and capabilities call it; None for the function's own, with "-" for "_".
        version: change it whenever verdicts may change; receipts hold it.
        stages: when it is asked.
        on_error: "block": a failure of the guard stops the call. "flag" only tells of it: where it fails, it protects nothing.
        quick: the function never waits. It is then asked in the calling thread, which is faster, and nothing bounds its time.

    Raises:
        ConfigurationError: for a name, a stage or an option that is none.

    Example:
        >>> from saferoute.guards import Action, Verdict, guard
        >>> @guard
        ... def no_shouting(segment, context):
        ...     return Verdict(Action.FLAG, ("all capitals",)) if segment.text.isupper() else Verdict(Action.ALLOW)
        >>> no_shouting
        guard('no-shouting', version 1, input/output/tool_result)
    """

    def made(function: Callable[[Segment, Context], Any]) -> FunctionGuard | AsyncFunctionGuard:
        if not callable(function):
            msg = "@guard stands before a function, or takes options by name: @guard(name=..., stages=[...])"
            raise ConfigurationError(msg)
        called = name if name is not None else str(getattr(function, "__name__", "")).replace("_", "-").lower()
        asked: frozenset[Stage] = frozenset([stages] if isinstance(stages, str) else stages)  # type: ignore[list-item]  # checked below
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
            if quick:
                msg = f"the guard {called!r} is asynchronous: it waits, so that it cannot be quick"
                raise ConfigurationError(msg)
            one: FunctionGuard | AsyncFunctionGuard = AsyncFunctionGuard(called, version, asked, function, on_error)
        else:
            one = FunctionGuard(called, version, asked, function, on_error, quick)
        active_guards((one,))
        return one

    return made if function is None else made(function)


def active_guards(guards: Iterable[Guard]) -> tuple[Active, ...]:
    """The guards that a client was given, checked, in their order.

    Raises:
        ConfigurationError: for what is no guard, two of one name, or a stage or an option that is none.
    """
    if not isinstance(guards, Iterable) or isinstance(guards, str) or hasattr(guards, "check"):
        msg = "guards= takes a list of guards, such as guards=[my_guard]"
        raise ConfigurationError(msg)
    return _without_twins(tuple(_active(one) for one in guards))


def _active(one: Guard) -> Active:
    try:
        fits = not isinstance(one, type) and isinstance(one, Guard)
    except Exception as error:  # noqa: BLE001  a property of the guard: its words may be anything
        raise _unreadable(one, error) from None
    if not fits:
        msg = f"a guard has name, version, stages and check(segment, context); {type(one).__name__} has not: see saferoute.guards.guard"
        raise ConfigurationError(msg)
    try:
        on_error: OnError = getattr(one, "on_error", "block")
        seconds: float | None = getattr(one, "seconds", None)
        active = Active(one, on_error, quick=getattr(one, "quick", False) is True, seconds=seconds)
    except Exception as error:  # noqa: BLE001  as above
        raise _unreadable(one, error) from None
    if not is_guard_name(active.name):
        msg = 'a guard\'s name is lower case letters, digits, "_", "." and "-", at most 64, and begins with a letter'
        raise ConfigurationError(msg)
    if type(active.version) is not str or not 0 < len(active.version) <= _LONGEST_VERSION or not active.version.isprintable():
        msg = f"the guard {active.name!r} needs a version: a short text, such as '1'"
        raise ConfigurationError(msg)
    if not active.stages or not active.stages <= _STAGES:
        msg = f"the guard {active.name!r} needs stages out of {', '.join(sorted(_STAGES))}"
        raise ConfigurationError(msg)
    if type(on_error) is not str or on_error not in {"block", "flag"}:
        msg = f'the guard {active.name!r}: on_error is "block" or "flag"'
        raise ConfigurationError(msg)
    if seconds is not None and not (type(seconds) in {int, float} and seconds > 0):
        msg = f"the guard {active.name!r}: seconds is a number above 0, or None"
        raise ConfigurationError(msg)
    return active


def _unreadable(one: object, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{type(one).__name__} is no guard: its name, version or stages cannot be read ({type(error).__name__})")


def _without_twins(active: tuple[Active, ...]) -> tuple[Active, ...]:
    names = [one.name for one in active]
    twins = {name for name in names if names.count(name) > 1}
    if twins:
        msg = f"two guards are called {min(twins)!r}: capabilities and receipts tell guards apart by their names"
        raise ConfigurationError(msg)
    return active

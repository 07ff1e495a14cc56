"""Hooks: functions of a program that hear of every call of a client. What they get is frozen, and they change nothing.

A hook sees no key, and nothing of what was said but in the reply itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from saferoute.values.guarding import Judged
    from saferoute.values.reply import Attempt
    from saferoute.values.usage import Usage

__all__ = ["CallBegan", "CallEnded", "CallFailed", "HookWarning", "Hooks", "hooks_from"]

_NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})
_MOMENTS: Final = ("on_request", "on_response", "on_error")


class HookWarning(UserWarning):
    """A hook raised an error. The call goes on as if there were no hook; nobody says so a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBegan:
    """A call is about to be made. Nothing was sent yet.

    Attributes:
        call: the call's id, which its records in the ledger have as well.
        operation: "chat", "embed" and so on.
        route: the name that was asked for.
        target: id of the row that is asked first; "" for a call that was refused before it had one.
        model: the model that is asked first; "" as above.
        provider_name: who is asked first; "" as above.
        stream: whether the answer is wanted as it comes.
        tags: the program's words about the call.
        traceparent: the call's span as W3C Trace Context writes it; None without telemetry. It is never sent to a provider.
    """

    call: str
    operation: str
    route: str
    target: str = ""
    model: str = ""
    provider_name: str = ""
    stream: bool = False
    tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """A call has its result.

    Attributes:
        began: what `on_request` was told.
        target: id of the row that answered; "" where the result does not say.
        model: the model that answered, as the provider reported it; "" as above.
        provider_name: who answered; "" as above.
        usage: tokens; None as above.
        cost: in the currency of the row's prices; None when it is not known.
        seconds: how long the call took, guards and all attempts included.
        receipt: id of the ledger's record of the answer; None without a ledger.
        attempts: every try, the last one included.
        verdicts: what guards said, if it was more than "allow": who, where and why, without the text.
        reply: the result as the caller gets it: a `Reply`, or what the operation answers.
    """

    began: CallBegan
    target: str = ""
    model: str = ""
    provider_name: str = ""
    usage: Usage | None = None
    cost: Decimal | None = None
    seconds: float
    receipt: str | None = None
    attempts: tuple[Attempt, ...] = ()
    verdicts: tuple[Judged, ...] = ()
    reply: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed:
    """A call ended without a result: it failed, was refused, or was given up.

    Attributes:
        began: what `on_request` was told, or would have been, had the call not been refused before.
        kind: the error's class, such as "RateLimited"; "Abandoned" for a stream that was left.
        status: the provider's HTTP status; None where no provider answered with an error.
        code: the short word of a refusal, such as "budget"; None where there is none.
        seconds: how long the call took.
        receipt: id of the ledger's record; None where there is none.
        attempts: every try.
        verdicts: what guards said, if one of them refused.
        error: the error that the caller gets.
    """

    began: CallBegan
    kind: str
    status: int | None = None
    code: str | None = None
    seconds: float = 0.0
    receipt: str | None = None
    attempts: tuple[Attempt, ...] = ()
    verdicts: tuple[Judged, ...] = ()
    error: BaseException = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hooks:
    """Functions that hear of calls. They are plain functions, called in the thread of the call, which waits for them.

    Attributes:
        on_request: hears `CallBegan` before anything is sent.
        on_response: hears `CallEnded`.
        on_error: hears `CallFailed`; also of calls that were refused before they began.

    Example:
        >>> import saferoute
        >>> slow = []
        >>> hooks = saferoute.hooks.Hooks(on_response=lambda ended: slow.append(ended.began.route) if ended.seconds > 30 else None)
        >>> hooks.on_request is None
        True
    """

    on_request: Callable[[CallBegan], object] | None = None
    on_response: Callable[[CallEnded], object] | None = None
    on_error: Callable[[CallFailed], object] | None = None


def hooks_from(given: object) -> tuple[Hooks, ...]:
    """What a program wrote as `hooks=`, in order.

    Args:
        given: a list of `Hooks`, or of objects with any of its three methods.

    Raises:
        ConfigurationError: for what has none of them, or one that has to be awaited.
    """
    if not isinstance(given, list | tuple):
        msg = f"hooks= takes a list, such as [saferoute.hooks.Hooks(on_response=print)], not {type(given).__name__}"
        raise ConfigurationError(msg)
    return tuple(_hooks(one) for one in given)


def _hooks(one: object) -> Hooks:
    if isinstance(one, type):
        msg = f"hooks= takes objects, and {one.__name__} is a class: pass {one.__name__}()"
        raise ConfigurationError(msg)
    found = {name: function for name in _MOMENTS if (function := getattr(one, name, None)) is not None}
    if not found:
        msg = f"hooks= takes objects that have any of {', '.join(_MOMENTS)}, and this {type(one).__name__} has none of them"
        raise ConfigurationError(msg)
    for name, function in found.items():
        _check(name, function)
    return Hooks(**found)


def _check(name: str, function: object) -> None:
    if not callable(function):
        msg = f"the hook {name} is not callable: it is {type(function).__name__}"
        raise ConfigurationError(msg)
    inner: Any = function
    while isinstance(inner, partial):
        inner = inner.func
    if any(iscoroutinefunction(one) or isasyncgenfunction(one) for one in (inner, type(inner).__call__)):
        msg = f"the hook {name} is a coroutine function, which nobody would await: hooks are plain functions, for AsyncClient too"
        raise ConfigurationError(msg)

"""Who hears of a call: OpenTelemetry, the log and the program's hooks. None of them gets a key, or what was said, unless it asks for that.

Nobody of these is paid for by clients that have none: what is kept ready is made with the client, and looked at once for each call.
"""

from __future__ import annotations

import logging
import sys
import warnings
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from saferoute.call.admission import is_route_name
from saferoute.drivers.entropy import unique_id
from saferoute.errors import CapabilityError, GuardError, ProviderError, SaferouteError
from saferoute.telemetry import METRICS_SDK, TRACE_SDK, Asked, Instruments, options_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.call.flow import Call
    from saferoute.call.operation import OperationCall
    from saferoute.drivers.exchange import CallObserver
    from saferoute.telemetry import Heard, Telemetry
    from saferoute.values.hooks import CallBegan, Hooks
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["Observer", "Watch"]

R = TypeVar("R")

_log = logging.getLogger("saferoute")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Watch:
    """What a client keeps ready for those who hear of its calls.

    Args:
        telemetry: as the client was given it.
        hooks: as the client was given them.

    Raises:
        ConfigurationError: for what is neither.
    """

    __slots__ = ("_instruments", "_telling")

    def __init__(self, telemetry: Telemetry = None, hooks: object = ()) -> None:
        options = options_from(telemetry)
        self._instruments = None if options is None else Instruments(options)
        self._telling = None if hooks == () else _telling(hooks)

    def over(self, call: Call | OperationCall[Any]) -> CallObserver:
        """Begin to watch a call; hooks hear of it now."""
        measured, telling = self._instruments, self._telling
        if measured is not None and measured.waits and TRACE_SDK not in sys.modules and METRICS_SDK not in sys.modules:
            measured = None
        if measured is None and telling is None:
            return Observer(call) if _log.isEnabledFor(logging.DEBUG) else _NOBODY
        asked = Asked(_operation(call), call.route, _rows(call), call.tags, _chat(call))
        heard = None if measured is None else _measured(lambda: measured.begin(asked))
        if telling is None:
            return Observer(call, heard)
        row, chat = call.targets[0], _chat(call)
        began = _began(
            _operation(call),
            call.route,
            call=None if call.recording is None else call.recording.facts["call"],
            tags=call.tags,
            heard=heard,
            row=row,
            stream=chat is not None and chat.stream,
        )
        told = _Told(telling, began)
        telling.tell("on_request", began)
        return Observer(call, heard, told)

    def refused(self, operation: str, route: object, error: SaferouteError, tags: Mapping[str, str] = _NOTHING) -> None:
        """Say that a call was refused before it began."""
        # What stands in the place of a route may be no name at all, but the prompt.
        named = route if isinstance(route, str) and is_route_name(route) else ""
        instruments = self._instruments
        heard = None if instruments is None else _measured(lambda: instruments.begin(Asked(operation, named, (), tags)))
        if heard is not None:
            _measured(lambda: heard.fail(error))
        _log_failure(operation, named, error)
        if self._telling is not None:
            call = None if error.receipt is None else error.receipt.record.get("call")
            _Told(self._telling, _began(operation, named, call=call, tags=tags, heard=heard)).failed(error)


def _measured(measure: Callable[[], R]) -> R | None:
    """Do what runs code of an SDK, and of whatever it exports to: what that raises breaks no call, and takes no answer away."""
    try:
        return measure()
    except Exception as error:  # noqa: BLE001  as above
        kind = type(error).__name__
        _log.warning("saferoute: telemetry raised %s; the call goes on", kind, extra={"saferoute": {"event": "telemetry", "error": kind}})
        return None


class _Nobody:
    """Stands for those who hear how a call ended where there are none."""

    __slots__ = ()

    def finish(self, reply: Any) -> None:  # noqa: ANN401  see CallObserver
        """The call has a result."""

    def fail(self, error: BaseException) -> None:
        """The call ended without one."""


_NOBODY: Final = _Nobody()


class Observer:
    """Hears how a call ended, and passes it on."""

    __slots__ = ("_call", "_heard", "_told")

    def __init__(self, call: Call | OperationCall[Any], heard: Heard | None = None, told: _Told | None = None) -> None:
        self._call = call
        self._heard = heard
        self._told = told

    def finish(self, reply: Any) -> None:  # noqa: ANN401  a reply, or what an operation answers
        """The call has a result."""
        if self._heard is not None:
            guarding = self._call.guarding
            finish, restored = self._heard.finish, guarding is not None and guarding.restores
            _measured(lambda: finish(reply, restored=restored))
        if _log.isEnabledFor(logging.DEBUG):
            _log_result(_operation(self._call), self._call.route, reply)
        if self._told is not None:
            self._told.ended(reply)

    def fail(self, error: BaseException) -> None:
        """The call ended without one."""
        if self._heard is not None:
            fail = self._heard.fail
            _measured(lambda: fail(error))
        if _log.isEnabledFor(logging.DEBUG):
            _log_failure(_operation(self._call), self._call.route, error)
        if self._told is not None:
            self._told.failed(error)


class _Telling:
    """Tells hooks, one after the other. One that raises is warned about once, and told again the next time."""

    __slots__ = ("_hooks", "_warned")

    def __init__(self, hooks: tuple[Hooks, ...]) -> None:
        self._hooks = hooks
        self._warned: set[tuple[int, str]] = set()

    def tell(self, moment: str, what: object) -> None:
        for number, hooks in enumerate(self._hooks):
            hook: Callable[[object], object] | None = getattr(hooks, moment)
            if hook is None:
                continue
            try:
                hook(what)
            except Exception as error:  # noqa: BLE001  a hook is the program's, and breaks no call
                self._complain(number, moment, type(error).__name__)

    def _complain(self, number: int, moment: str, kind: str) -> None:
        text = f"the hook {moment} (number {number + 1} of hooks=) raised {kind}; calls go on without it"
        _log.warning("saferoute: %s", text, extra={"saferoute": {"event": "hook", "hook": moment, "number": number + 1, "error": kind}})
        if (number, moment) in self._warned:
            return
        self._warned.add((number, moment))
        from saferoute.values.hooks import HookWarning  # noqa: PLC0415  clients with hooks only

        try:
            warnings.warn(f"saferoute: {text}", HookWarning, stacklevel=2)
        except HookWarning:  # a program that makes errors of warnings: not of one that stands for an error which must break nothing
            _log.debug("saferoute: warnings are errors here, and this one is not")


class _Told:
    """One call, as hooks are told of it."""

    __slots__ = ("_at", "_began", "_telling")

    def __init__(self, telling: _Telling, began: CallBegan) -> None:
        self._telling = telling
        self._began = began
        self._at = monotonic()

    def ended(self, reply: Any) -> None:  # noqa: ANN401  as Observer.finish
        from saferoute.values.hooks import CallEnded  # noqa: PLC0415  as above

        facts: dict[str, Any] = {
            name: getattr(reply, name)
            for name in ("target", "model", "provider_name", "usage", "cost", "attempts", "verdicts")
            if hasattr(reply, name)
        }
        receipt = getattr(reply, "receipt", None)
        ended = CallEnded(
            began=self._began,
            seconds=monotonic() - self._at,
            receipt=None if receipt is None else receipt.id,
            reply=reply,
            **facts,
        )
        self._telling.tell("on_response", ended)

    def failed(self, error: BaseException) -> None:
        from saferoute.values.hooks import CallFailed  # noqa: PLC0415  as above

        attempts, receipt = getattr(error, "attempts", ()), getattr(error, "receipt", None)
        failed = CallFailed(
            began=self._began,
            kind=type(error).__name__,
            status=error.status if isinstance(error, ProviderError) else None,
            code=error.code if isinstance(error, CapabilityError) else None,
            seconds=monotonic() - self._at,
            receipt=None if receipt is None else receipt.id,
            attempts=attempts,
            verdicts=error.verdicts if isinstance(error, GuardError) else (),
            error=error,
        )
        self._telling.tell("on_error", failed)


def _telling(hooks: object) -> _Telling | None:
    from saferoute.values.hooks import hooks_from  # noqa: PLC0415  as above

    found = hooks_from(hooks)
    return _Telling(found) if found else None


def _operation(call: Call | OperationCall[Any]) -> str:
    return getattr(call, "operation", "chat")


def _chat(call: Call | OperationCall[Any]) -> ChatRequest | None:
    """What a chat call asks; of other operations nothing is told."""
    return None if hasattr(call, "operation") else call.request


def _rows(call: Call | OperationCall[Any]) -> tuple[Target, ...]:
    """Every row that may be asked, those of fallbacks last."""
    fallback = call.balancing.fallback
    return call.targets + tuple(row for rows in fallback.values() for row in rows) if fallback else call.targets


def _began(
    operation: str,
    route: str,
    *,
    call: str | None,
    tags: Mapping[str, str],
    heard: Heard | None,
    row: Target | None = None,
    stream: bool = False,
) -> CallBegan:
    from saferoute.values.hooks import CallBegan  # noqa: PLC0415  as above

    return CallBegan(
        call=call or unique_id(),
        operation=operation,
        route=route,
        target="" if row is None else row.id,
        model="" if row is None else row.model,
        provider_name="" if row is None else row.provider_name,
        stream=stream,
        tags=MappingProxyType(dict(tags)),
        traceparent=None if heard is None else heard.traceparent,
    )


def _log_result(operation: str, route: str, reply: Any) -> None:  # noqa: ANN401  as Observer.finish
    usage, receipt, cost = getattr(reply, "usage", None), getattr(reply, "receipt", None), getattr(reply, "cost", None)
    attempts = getattr(reply, "attempts", ())
    facts = {
        "event": "call",
        "operation": operation,
        "route": route,
        "outcome": "ok",
        "target": getattr(reply, "target", None),
        "model": getattr(reply, "model", None),
        "provider": getattr(reply, "provider_name", None),
        "input_tokens": None if usage is None else usage.input_tokens,
        "output_tokens": None if usage is None else usage.output_tokens,
        "cost": None if cost is None else format(cost, "f"),
        "attempts": len(attempts),
        "seconds": attempts[-1].began + attempts[-1].seconds if attempts else None,
        "receipt": None if receipt is None else receipt.id,
    }
    counts = (facts["input_tokens"], facts["output_tokens"])
    _log.debug(
        "saferoute: %s on %s answered by %s (%s), tokens %s",
        operation, route, facts["target"], facts["model"], counts, extra={"saferoute": facts},
    )  # fmt: skip


def _log_failure(operation: str, route: str, error: BaseException) -> None:
    # An error of ours has them, and so has Abandoned: a call that was left is on record too.
    attempts, receipt = getattr(error, "attempts", ()), getattr(error, "receipt", None)
    facts = {
        "event": "call",
        "operation": operation,
        "route": route,
        "outcome": type(error).__name__,
        "status": error.status if isinstance(error, ProviderError) else None,
        "code": error.code if isinstance(error, CapabilityError) else None,
        "attempts": len(attempts),
        "receipt": None if receipt is None else receipt.id,
    }
    _log.debug("saferoute: %s on %s ended with %s", operation, route, type(error).__name__, extra={"saferoute": facts})

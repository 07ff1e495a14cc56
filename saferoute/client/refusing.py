"""The record of a call that was refused before it began."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, get_args

from saferoute.call.admission import is_route_name
from saferoute.call.recording import Recording, denial, facts_of
from saferoute.drivers.entropy import unique_id
from saferoute.errors import CapabilityError, LedgerError, ProtocolError, ProviderError, SaferouteError, TransportError
from saferoute.values.options import check_options
from saferoute.values.permission import HeldChain
from saferoute.values.request import DataLabel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.call.snapshot import Snapshot
    from saferoute.client.core import Core
    from saferoute.drivers.exchange import CallObserver
    from saferoute.values.receipt import LedgerWriter
    from saferoute.values.reply import Reply

__all__ = ["Recorded", "refused", "tags_of"]

_CALL_ID: Final = 32  # hexadecimal digits


def refused(
    core: Core, error: SaferouteError, operation: str, route: object, *, options: Mapping[str, Any], tags: Mapping[str, str]
) -> SaferouteError:
    """Record a call that was not made. Whoever asked for what is refused is on record, whatever was wrong with it.

    Args:
        core: the client's.
        error: why it was not made.
        operation: such as "chat".
        route: what was given as a route.
        options: what was given with it, unchecked.
        tags: see `tags_of`.

    Returns:
        The error, with its receipt; a ledger that cannot be written changes nothing about it.
    """
    snapshot = core.snapshot
    writer = snapshot.ledger
    if writer is None or error.receipt is not None:
        return error
    data = options.get("data")
    facts = facts_of(
        unique_id()[-_CALL_ID:],
        operation,
        route if isinstance(route, str) and is_route_name(route) else "(no name)",
        snapshot.table_facts,
        capabilities=_digests(snapshot, [*core.scope.held, options.get("capability")]),
        data=data if data in get_args(DataLabel) else snapshot.data,
        purpose=snapshot.purpose,
        tags=tags,
    )
    return _with_receipt(error, Recording(writer, facts, bytes))


def tags_of(tags: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
    """The tags of a call that is refused: whoever asks who was refused asks by them, whatever else was wrong with it.

    Args:
        tags: the client's.
        options: the call's, unchecked.
    """
    if options.get("tags") is not None:
        with suppress(SaferouteError):
            return {**tags, **check_options({"tags": options["tags"]})["tags"]}
    return tags


def _digests(snapshot: Snapshot, given: list[Any]) -> list[str]:
    """The digests of what was presented and verifies; what does not is nobody's."""
    found = []
    for one in given:
        with suppress(CapabilityError):
            if isinstance(one, HeldChain):
                found.append(snapshot.authority.digest(one))
    return found


class Recorded:
    """Hears how a call ended, for its observer, and records an end that has no outcome: what was refused before an attempt, or between two.

    Args:
        observer: who hears it then.
        recording: how the call is recorded.
    """

    __slots__ = ("_observer", "_recording")

    def __init__(self, observer: CallObserver, recording: Recording) -> None:
        self._observer = observer
        self._recording = recording

    def finish(self, reply: Reply[Any]) -> None:
        """The call has a reply, and its outcome is recorded."""
        self._observer.finish(reply)

    def fail(self, error: BaseException) -> None:
        """The call ended without one."""
        _ended_without(self._recording, error)
        self._observer.fail(error)


def _ended_without(recording: Recording, error: BaseException) -> None:
    unrecorded = isinstance(error, ProviderError | ProtocolError) or (isinstance(error, TransportError) and error.sent)
    if isinstance(error, SaferouteError) and error.receipt is None and not unrecorded:  # what was sent is no denial
        _with_receipt(error, recording)


def _checkpoint(writer: LedgerWriter) -> None:
    """Make a checkpoint, beside the event loop if one runs in this thread: who is refused again and again fills no ledger unsigned."""
    asyncio: Any = sys.modules.get("asyncio")  # where nobody has loaded it, no loop runs
    if asyncio is None or asyncio._get_running_loop() is None:  # noqa: SLF001  get_running_loop() raises instead
        writer.checkpoint()
    else:
        asyncio._get_running_loop().run_in_executor(None, writer.checkpoint)  # noqa: SLF001  as above


def _with_receipt(error: SaferouteError, recording: Recording) -> SaferouteError:
    if isinstance(error, LedgerError):
        return error
    try:
        asked = recording.asked()
    except (SaferouteError, ValueError):  # what cannot be written as JSON could not be sent either
        asked = b""
    try:
        error.receipt = recording.writer.append(denial(recording.facts, error, asked))
        if recording.writer.due:
            _checkpoint(recording.writer)
    except LedgerError as failed:
        error.add_note(f"The ledger could not record this: {failed}")
    return error

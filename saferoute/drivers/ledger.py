"""The ledger (`Ledger`): where a client's records go, and what a program does with it: make one, share it, sign it off, close it."""

from __future__ import annotations

import atexit
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from typing_extensions import override

from saferoute.drivers.ledger_secrets import checked_place
from saferoute.drivers.ledger_settings import Settings, common
from saferoute.drivers.ledger_shown import Shown
from saferoute.drivers.ledger_sinks import DirectoryPlace, FunctionPlace, MemoryPlace
from saferoute.drivers.ledger_writing import Writing
from saferoute.errors import ConfigurationError, LedgerError
from saferoute.secrets.secret import Uncopied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from saferoute.drivers.ledger_capture import Capture
    from saferoute.drivers.ledger_secrets import SecretPlace
    from saferoute.drivers.ledger_settings import Fsync, OnCheckpoint
    from saferoute.drivers.ledger_sinks import Emit
    from saferoute.signing.keys import Signer
    from saferoute.values.receipt import Entry, Receipt

__all__ = ["Ledger", "OnFailure"]

OnFailure: TypeAlias = Literal["stop", "warn"]

_RECORDS: Final = 64
_SECONDS: Final = 5.0
_MAX_BYTES: Final = 64 << 20
_DAY: Final = 86_400.0
_KEEP: Final = 1_000
_GO_ON: Final = (
    'No call goes out until it can be. To let calls go on without records, give the ledger on_failure="warn", or sign a table whose '
    '`ledger` field is "warn"'
)


class Ledger(Shown, Uncopied):
    """Where calls are recorded, so that it can be proved afterwards what happened: `Client(ledger=saferoute.Ledger.directory("audit"))`.

    Make one with `directory`, `memory`, `to` or `otlp`. Several clients and threads may share it. A process that is forked off begins a
    segment of its own. A checkpoint is made by calls, whenever one is due, by `checkpoint`, by `close`, and at the interpreter's exit.
    """

    __slots__ = ("__weakref__", "_finish", "_of", "_on_failure", "_settings")

    why_not = "; each process makes its own"

    def __init__(self, settings: Settings, on_failure: OnFailure | None) -> None:
        """Use `directory`, `memory`, `to` or `otlp`."""
        if on_failure not in {None, "stop", "warn"}:
            raise ConfigurationError('on_failure= is "stop", "warn", or None for what the table says')
        self._settings = settings
        self._on_failure = on_failure
        self._of = {os.getpid(): Writing(settings)}
        self._finish = weakref.finalize(self, _end, self._of)

    @classmethod
    def directory(
        cls,
        path: str | os.PathLike[str],
        *,
        fsync: Fsync = "checkpoint",
        signer: Signer | None = None,
        name: str = "ledger",
        secret: bytes | Literal["keyring"] | os.PathLike[str] | None = None,
        checkpoint_records: int = _RECORDS,
        checkpoint_seconds: float = _SECONDS,
        max_bytes: int = _MAX_BYTES,
        max_age: float = _DAY,
        keep_days: float | None = None,
        on_checkpoint: Iterable[OnCheckpoint] = (),
        capture: Capture | None = None,
        on_failure: OnFailure | None = None,
    ) -> Ledger:
        """Write files into a directory: one at a time for each process, with one line for each record.

        Args:
            path: the directory. It is made, with mode 700, when it is not there; nobody else may write in it.
            fsync: when to wait for the disk: "checkpoint", "always" (before any call goes on), or "never".
            signer: the key of the installation's log role, which certifies the key of each segment. Without it a ledger shows that it
                was not changed since, and not who wrote it.
            name: what the certificates say they are for: the trust root's name.
            secret: the log secret: at least 32 bytes, "keyring", or the path of a private file; None keeps it in the directory.
            checkpoint_records: how many records make a checkpoint due.
            checkpoint_seconds: after how long records without a checkpoint make one due.
            max_bytes: about how large a file becomes.
            max_age: for how many seconds a file is written.
            keep_days: for how many days files are kept; None for ever. What is deleted is recorded.
            on_checkpoint: functions that are told each checkpoint and its signed note, such as `saferoute.FileAnchor(path)`.
            capture: which content is kept as well, encrypted; None for none.
            on_failure: "stop": a call whose record cannot be written fails, before anything is sent. "warn": it goes on, with a warning.
                None: what the table says; else "stop", and "warn" for a local client.

        Raises:
            ConfigurationError: a malformed argument; the directory is a link, somebody else's, or open to others.
        """
        where = Path(path).absolute()
        kept = checked_place(secret, where)
        del secret  # from here on no traceback that shows the locals shows it
        if fsync not in {"checkpoint", "always", "never"}:
            raise ConfigurationError('fsync= is "checkpoint", "always" or "never"')
        if max_bytes <= 0 or max_age <= 0 or (keep_days is not None and keep_days < 0):
            raise ConfigurationError("max_bytes= and max_age= are more than 0, and keep_days= is not less")
        place = DirectoryPlace(where, keep_days)
        problem = ""
        try:
            place.prepare()
        except OSError as error:
            # A disk that is read-only, or full, may not be so for ever: on_failure says what happens with a call's record then.
            problem = str(error) if error.errno is None else ""
        if problem:
            raise ConfigurationError(f"no ledger can be kept in {where}: {problem}")
        settings = Settings(
            place=place,
            secret=_kept(kept),
            fsync=fsync,
            most_bytes=max_bytes,
            most_microseconds=round(max_age * 1e6),
            lock=where / "ledger",
            **common(checkpoint_records, checkpoint_seconds, on_checkpoint, signer=signer, name=name, capture=capture),
        )
        return cls(settings, on_failure)

    @classmethod
    def memory(
        cls,
        keep: int = _KEEP,
        *,
        checkpoint_records: int = _RECORDS,
        checkpoint_seconds: float = _SECONDS,
        on_checkpoint: Iterable[OnCheckpoint] = (),
    ) -> Ledger:
        """Keep at least the newest records in memory, and at most twice as many, for notebooks and tests: `read` gives them.

        Args:
            keep: how many.
            checkpoint_records: how many records make a checkpoint due.
            checkpoint_seconds: after how long records without a checkpoint make one due.
            on_checkpoint: as for `directory`.

        Raises:
            ConfigurationError: a malformed argument.
        """
        if keep <= 0:
            raise ConfigurationError("keep= is at least 1")
        also = common(checkpoint_records, checkpoint_seconds, on_checkpoint)
        return cls(Settings(MemoryPlace(), _kept(checked_place(None, None)), "never", most_records=keep, **also), None)

    @classmethod
    def to(
        cls,
        emit: Emit,
        *,
        waits: bool = True,
        signer: Signer | None = None,
        name: str = "ledger",
        secret: bytes | Literal["keyring"] | os.PathLike[str] | None = None,
        checkpoint_records: int = _RECORDS,
        checkpoint_seconds: float = _SECONDS,
        on_checkpoint: Iterable[OnCheckpoint] = (),
        capture: Capture | None = None,
        on_failure: OnFailure | None = None,
    ) -> Ledger:
        """Hand each record to a function of the program, such as one that puts it into a queue.

        Args:
            emit: takes a record's line as bytes, and its fields as a dict with the id of its segment. One call at a time; if it raises,
                the record was not written.
            waits: whether it may take longer than a millisecond; an `AsyncClient` calls it in a thread then.
            signer: as for `directory`.
            name: as for `directory`.
            secret: as for `directory`; None makes one that is forgotten with the process.
            checkpoint_records: as for `directory`.
            checkpoint_seconds: as for `directory`.
            on_checkpoint: as for `directory`.
            capture: as for `directory`.
            on_failure: as for `directory`.

        Raises:
            ConfigurationError: a malformed argument.
        """
        kept = checked_place(secret, None)
        del secret
        if not callable(emit):
            raise ConfigurationError(f"Ledger.to takes a function of a line and its fields, not {type(emit).__name__}")
        place = FunctionPlace(emit, "the ledger that a function takes", waits=waits)
        also = common(checkpoint_records, checkpoint_seconds, on_checkpoint, signer=signer, name=name, capture=capture)
        return cls(Settings(place, _kept(kept), **also), on_failure)

    @classmethod
    def otlp(
        cls,
        logger_provider: Any = None,  # noqa: ANN401  OpenTelemetry's LoggerProvider, which is not imported here
        *,
        signer: Signer | None = None,
        name: str = "ledger",
        secret: bytes | Literal["keyring"] | os.PathLike[str] | None = None,
        checkpoint_records: int = _RECORDS,
        checkpoint_seconds: float = _SECONDS,
        on_checkpoint: Iterable[OnCheckpoint] = (),
        capture: Capture | None = None,
        on_failure: OnFailure | None = None,
    ) -> Ledger:
        """Send each record as a log record of OpenTelemetry: for a process that has no disk. A checkpoint waits until all are sent.

        Args:
            logger_provider: who gets them; None for the program's own, which it has to have set.
            signer: as for `directory`.
            name: as for `directory`.
            secret: as for `to`.
            checkpoint_records: as for `directory`.
            checkpoint_seconds: as for `directory`.
            on_checkpoint: as for `directory`.
            capture: as for `directory`.
            on_failure: as for `directory`.

        Raises:
            ConfigurationError: a malformed argument, or nobody would get the records.
        """
        kept = checked_place(secret, None)
        del secret
        from saferoute.telemetry.logs import emitter  # noqa: PLC0415  only who sends logs pays for it

        emit = emitter(logger_provider)
        place = FunctionPlace(emit, "the ledger in OpenTelemetry's logs", waits=False, flush=emit.flush)
        also = common(checkpoint_records, checkpoint_seconds, on_checkpoint, signer=signer, name=name, capture=capture)
        return cls(Settings(place, _kept(kept), **also), on_failure)

    @property
    def waits(self) -> bool:
        """Whether the next `append` takes its time."""
        return self._own().waits

    @property
    def due(self) -> bool:
        """Whether a checkpoint should be made."""
        return self._own().due

    def append(self, entry: Entry) -> Receipt | None:
        """Write a record. Clients do this.

        Returns:
            Its receipt; None if it could not be written and calls go on, and for a record that comes in the middle of another one.

        Raises:
            LedgerError: it could not be written.
        """
        return self._append(entry, stop=self._on_failure != "warn")

    def checkpoint(self) -> None:
        """Sign what has been written, and wait until the disk has it: in a signal's handler, say, or before a report.

        Raises:
            LedgerError: the disk does not have it. The next record begins a new segment.
        """
        self._checkpoint(stop=self._on_failure != "warn")

    def close(self) -> None:
        """Make the last checkpoint. Records that come later are refused; to close again does nothing.

        Raises:
            LedgerError: the checkpoint could not be written; what was recorded before stays.
        """
        _done(self._own(), Writing.close, stop=self._on_failure != "warn")

    def read(self) -> Mapping[str, bytes]:
        """What is kept, by segment, the oldest first: for `saferoute audit`, and for tests. Other processes' segments are among it.

        Raises:
            LedgerError: the directory cannot be read, or the records went elsewhere.
        """
        problem = None
        try:
            return self._settings.place.read()
        except OSError as error:
            problem = error.strerror or str(error)
        raise LedgerError(f"{self._settings.place.label} cannot be read: {problem}")

    @override
    def standing(self) -> tuple[str, bool, bool, bool]:
        """Where records go, in words; whether they outlive the process; whether a log role certifies them; whether checkpoints are told."""
        own = self._settings
        return own.place.label, not isinstance(own.place, MemoryPlace), own.signer is not None, bool(own.hooks)

    def for_table(self, *, stop: bool) -> Ledger | ChosenLedger:
        """The same ledger for a client whose table says what happens when a record cannot be written. Clients do this.

        Args:
            stop: whether calls stop then. What `on_failure=` said comes first.
        """
        return self if self._on_failure is not None else ChosenLedger(self, stop=stop)

    def _append(self, entry: Entry, *, stop: bool) -> Receipt | None:
        own, why = self._own(), ""
        try:
            return own.append(entry)
        except LedgerError as error:
            why = error.message
        if stop:
            raise LedgerError(f"{why}. {_GO_ON}")
        own.lose(why)
        return None

    def _checkpoint(self, *, stop: bool) -> None:
        _done(self._own(), Writing.checkpoint, stop=stop)

    def _own(self) -> Writing:
        """This process's part."""
        pid = os.getpid()
        return self._of.get(pid) or self._forked(pid)

    def _forked(self, pid: int) -> Writing:
        """Begin anew in a child. Whatever it inherited is left alone: the locks may be held by threads that it does not have."""
        own = self._of.setdefault(pid, Writing(self._settings))  # one of them, if two threads come here at once
        for other, inherited in list(self._of.items()):
            if other != pid:
                self._of.pop(other, None)
                inherited.disown()
        atexit.register(self._finish)  # a child of multiprocessing has forgotten what was registered before
        return own

    @override
    def __repr__(self) -> str:
        return f"Ledger({self._settings.place.label!r})"


class ChosenLedger:
    """A ledger as a client with a table uses it: the table said what happens when a record cannot be written."""

    __slots__ = ("_ledger", "_stop")

    def __init__(self, ledger: Ledger, *, stop: bool) -> None:
        """Use `Ledger.for_table`."""
        self._ledger = ledger
        self._stop = stop

    @property
    def waits(self) -> bool:
        """As `Ledger.waits`."""
        return self._ledger.waits

    @property
    def due(self) -> bool:
        """As `Ledger.due`."""
        return self._ledger._own().due  # noqa: SLF001  the other half of it

    def append(self, entry: Entry) -> Receipt | None:
        """As `Ledger.append`.

        Raises:
            LedgerError: it could not be written, and calls stop then.
        """
        return self._ledger._append(entry, stop=self._stop)  # noqa: SLF001  the other half of it

    def checkpoint(self) -> None:
        """As `Ledger.checkpoint`.

        Raises:
            LedgerError: the disk does not have it, and calls stop then.
        """
        self._ledger._checkpoint(stop=self._stop)  # noqa: SLF001  the other half of it

    @override
    def __repr__(self) -> str:
        return repr(self._ledger)


def _kept(place: SecretPlace | ConfigurationError) -> SecretPlace:
    if isinstance(place, ConfigurationError):
        raise place
    return place


def _done(own: Writing, what: Callable[[Writing], None], *, stop: bool) -> None:
    why = ""
    try:
        what(own)
    except LedgerError as error:
        why = error.message
    if why and stop:
        raise LedgerError(f"{why}. What was recorded since the last checkpoint is not signed")
    if why:
        own.warn(f"{why}. What was recorded since the last checkpoint is not signed")


def _end(of: Mapping[int, Writing]) -> None:
    """Make the last checkpoint of a ledger that is gone, or whose interpreter is about to be."""
    own = of.get(os.getpid())
    if own is not None:
        _done(own, Writing.close, stop=False)

"""What one process writes into a ledger: a segment at a time, under a lock, with a checkpoint when one is asked for.

An append takes the lock `_lock`, and a disk only where every record waits for it. A checkpoint is signed under that lock too, and waits
for the disk outside of it, so that other threads go on. No thread is started here, and nothing is done by a clock: whoever appends sees
that a checkpoint is `due`, and makes it.

A thread can meet itself: a signal's handler, and a finalizer that ends a stream, run in the middle of whatever their thread does. What
they append is written when the append that they interrupted is; what they would sign is signed with the next checkpoint.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections import deque
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Any, Final

from saferoute.drivers.ledger_retention import retired
from saferoute.drivers.ledger_secrets import load_key
from saferoute.drivers.ledger_segments import begin, reason, tried
from saferoute.errors import LedgerError, LedgerWarning, SaferouteError
from saferoute.ledger.checkpoint import read_note
from saferoute.ledger.record import record_id
from saferoute.ledger.segment import Link, Written
from saferoute.signing.refusal import Refused
from saferoute.values.receipt import Receipt
from saferoute.values.sealed import assembler

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.drivers.ledger_capture import Capture
    from saferoute.drivers.ledger_secrets import LedgerKey
    from saferoute.drivers.ledger_segments import Segment
    from saferoute.drivers.ledger_settings import Settings
    from saferoute.values.receipt import Entry

__all__ = ["Writing"]

_log = logging.getLogger("saferoute")

_AGAIN: Final = 1.0  # seconds between attempts to begin a segment
_QUIET: Final = 60.0  # seconds between warnings
_REMOVED: Final = 1_000  # how many segments one record may name


_Receipt = assembler(Receipt)


class Writing:
    """One process's part of a ledger. Any thread may use it, and none in a process that was forked off.

    A LedgerError that is raised here says why, without a full stop; the ledger adds what to do, or makes a warning of it.
    """

    __slots__ = (
        "_again_at", "_busy", "_closed", "_disk", "_instance", "_later", "_link", "_lock", "_lost", "_secret", "_segment", "_settings",
        "_syncing", "_wanted", "_warned_at", "_why",
    )  # fmt: skip

    def __init__(self, settings: Settings) -> None:
        """Begin with nothing; the first append begins a segment."""
        self._settings = settings
        self._lock = RLock()
        self._disk = RLock()  # taken before `_lock` where both are
        self._instance = os.urandom(16).hex()
        self._segment: Segment | None = None
        self._link: Link | None = None
        self._secret: LedgerKey | None = None
        self._later: deque[Entry] = deque()
        self._busy = self._wanted = self._closed = False
        self._syncing = 0
        self._again_at = float("-inf")
        self._why = ""
        self._warned_at = float("-inf")
        self._lost = 0

    @property
    def waits(self) -> bool:
        """Whether the next append takes its time: it waits for a disk, begins a segment, or its place says so."""
        return self._segment is None or self._settings.fsync == "always" or self._settings.place.waits

    @property
    def due(self) -> bool:
        """Whether a checkpoint should be made, and nobody is making one."""
        segment, settings = self._segment, self._settings
        if segment is None or self._syncing:
            return False
        writer = segment.writer
        if self._wanted or writer.unsigned >= settings.records:
            return True
        now = settings.clock()
        late = writer.unsigned > 0 and now - writer.checkpointed_at >= settings.microseconds
        return late or segment.is_over(settings, now)

    def append(self, entry: Entry) -> Receipt | None:
        """Write a record.

        Returns:
            Its receipt; None for a record that waits for the one that its thread was writing.

        Raises:
            LedgerError: it could not be written.
        """
        with self._lock:
            if self._busy:
                self._later.append(entry)
                return None
            self._busy = True
            try:
                segment, written = self._write(entry)
                if self._later:
                    segment = self._catch_up() or segment
                end = segment.stream.size
            finally:
                self._busy = False
        if self._settings.fsync == "always":
            self._wait(segment, end)
        return _Receipt(written.id, written.line, written.salts)

    def checkpoint(self, *, final: bool = False) -> None:
        """Sign what has been written, wait for the disk, tell the hooks, and delete what is now said to be removed.

        Args:
            final: whether the segment ends with it.

        Raises:
            LedgerError: it could not be written, or the disk does not have it.
        """
        if self._syncing == get_ident():
            self._wanted = True
            return
        with self._disk:
            self._syncing = get_ident()
            try:
                signed = self._sign(final=final)
                if signed is None:
                    return
                segment, note, over = signed
                self._keep(segment, over=over)
            finally:
                self._syncing = 0
        self._tell(note)
        self._delete(segment)

    def close(self) -> None:
        """End the segment with a checkpoint; nothing can be written after it.

        Raises:
            LedgerError: the checkpoint could not be written. The segment is left without it.
        """
        self._closed = True
        try:
            self.checkpoint(final=True)
        except LedgerError:
            with self._lock:
                if self._segment is not None:
                    self._break(self._segment, link=None)
            raise

    def disown(self) -> None:
        """Drop what a fork copied, in the child; no lock is taken, for whoever holds it stayed in the parent."""
        segment = self._segment
        if segment is not None:
            segment.stream.disown()

    def lose(self, why: str) -> None:
        """Count a record that is not written, and warn of it, at most once a minute."""
        self._lost += 1
        self.warn(f"{why}. Calls go on, and {self._lost} of their records are lost so far: what happens now cannot be proven later")

    def warn(self, words: str) -> None:
        """Warn, at most once a minute."""
        now = time.monotonic()
        if now - self._warned_at >= _QUIET:
            self._warned_at = now
            try:
                warnings.warn(words, LedgerWarning, stacklevel=5)
            except LedgerWarning:  # a program that makes errors of warnings: not of one that stands for an error which must stop nothing
                _log.warning("saferoute: %s", words)

    def _catch_up(self) -> Segment | None:
        """Write what came in the middle of something else; the segment that it went to, None for nothing."""
        segment = None
        while self._later:
            segment, _ = self._write(self._later.popleft())
        return segment

    def _write(self, entry: Entry) -> tuple[Segment, Written]:
        now = self._settings.clock()
        segment = self._segment or self._begin(now)
        capture = self._settings.capture
        sealed = () if capture is None or entry.route not in capture.routes else self._sealed(segment, capture, entry)
        written = self._add(segment, segment.writer.add, entry, now)
        for fields in sealed:
            self._add(segment, segment.writer.add_fields, "content", fields, now)
        return segment, written

    def _sealed(self, segment: Segment, capture: Capture, entry: Entry) -> list[dict[str, Any]]:
        """Encrypt a record's contents before it is written, so that a key which cannot be read stops the call, and not its record."""
        ref = record_id(segment.writer.segment, segment.writer.size)
        try:
            return [capture.sealed(ref, field, entry.contents[field]) for field in entry.contents]
        except (OSError, SaferouteError) as error:
            problem = self._cannot(reason(error))
        raise LedgerError(problem)

    def _add(self, segment: Segment, make: Callable[..., Written], *arguments: Any) -> Written:  # noqa: ANN401  what it takes
        """Make a record and write its line; after an error the segment goes on without it, or ends there.

        Raises:
            LedgerError: it could not be made or written. It is raised where no other error is kept with it: its frames hold the secret.
        """
        whole, link, problem = False, None, ""
        try:
            try:
                written = make(*arguments)
            except Refused as error:
                whole, problem = True, f"a record for {self._settings.place.label} cannot be made: {error}"
            else:
                _, why = tried(segment.stream.write, written.line)
                if not why:
                    whole = True
                    return written
                problem = self._cannot(why)
                whole = segment.stream.recover()
                segment.writer.take_back()
                link = segment.writer.link()
        finally:
            if not whole:  # also for what a signal's handler raises, in whichever line
                segment.stream.recover()
                self._break(segment, link)
        raise LedgerError(problem)

    def _break(self, segment: Segment, link: Link | None) -> None:
        """Leave a segment as it is; the next append begins another, which goes on from this one's whole lines."""
        if self._segment is segment:
            self._segment = None
        self._link = link
        segment.stream.abandon()

    def _cannot(self, why: str) -> str:
        return f"{self._settings.place.label} cannot be written: {why}"

    def _begin(self, now: int) -> Segment:
        """Begin a segment. What goes wrong is tried again a second later, and not with every call."""
        if self._closed:
            raise LedgerError(f"{self._settings.place.label} was closed: make a new one for what is still to be recorded")
        if time.monotonic() < self._again_at:
            raise LedgerError(self._why)
        segment, why = tried(self._begun, now)
        if segment is None:
            self._again_at, self._why = time.monotonic() + _AGAIN, self._cannot(why)
            raise LedgerError(self._why)
        self._segment = segment
        self._retire(segment, now)
        return segment

    def _begun(self, now: int) -> Segment:
        self._settings.place.prepare()
        if self._secret is None:
            self._secret = load_key(self._settings.secret, self._settings.lock)
        return begin(self._settings, self._instance, self._secret, self._link, now)

    def _retire(self, segment: Segment, now: int) -> None:
        """Record which segments are kept no longer. They are deleted with the next checkpoint, which is due at once."""
        old, why = tried(retired, self._settings.place, self._settings.signer, now)
        if old is None:
            self._not_deleted(why)
            return
        for first in range(0, len(old.rows), _REMOVED):
            removed = [link.fields() for link in old.rows[first : first + _REMOVED]]
            self._add(segment, segment.writer.add_fields, "retention", {"removed": removed}, now)
        segment.retired = old.names
        self._wanted = self._wanted or bool(old.names)

    def _delete(self, segment: Segment) -> None:
        """Delete what a signed record says is removed: before, a crash would leave a gap that nothing signed explains."""
        names, segment.retired = segment.retired, ()
        try:
            for name in names:
                self._settings.place.remove(name)
        except OSError as error:
            self._not_deleted(reason(error))

    def _not_deleted(self, why: str) -> None:
        self.warn(f"old segments of {self._settings.place.label} are not deleted: {why}")

    def _sign(self, *, final: bool) -> tuple[Segment, str, bool] | None:
        with self._lock:
            if self._busy:  # this very thread is writing
                self._wanted = True
                return None
            self._busy = True
            try:
                self._catch_up()
                segment, now = self._segment, self._settings.clock()
                if segment is None:
                    return None
                over = final or segment.is_over(self._settings, now)
                if not segment.writer.unsigned and not over:
                    return None
                self._check(segment)
                note = self._noted(segment, now, final=over)
            finally:
                self._busy = False
            self._wanted = False
            if over:
                self._segment, self._link = None, segment.writer.link()
                self._settings.place.ended(self._link)
            return segment, note, over

    def _check(self, segment: Segment) -> None:
        try:
            segment.stream.check()
        except OSError as error:
            self._break(segment, segment.writer.link())
            raise LedgerError(self._cannot(reason(error))) from None

    def _noted(self, segment: Segment, now: int, *, final: bool) -> str:
        notes = []

        def make() -> Written:
            line, note = segment.writer.checkpoint(now, final=final)
            notes.append(note)
            return Written("", segment.writer.size - 1, line, {})

        self._add(segment, make)
        return notes[0]

    def _keep(self, segment: Segment, *, over: bool) -> None:
        """Wait until the disk has a checkpoint, and close the segment if it ends with it."""
        size = segment.stream.size
        if self._settings.fsync != "never":
            self._sync(segment)
        segment.synced = size
        if over:
            segment.stream.close()

    def _wait(self, segment: Segment, end: int) -> None:
        """Wait until the disk has a segment up to there; one thread's waiting does for all that wrote before it began."""
        with self._disk:
            if segment.synced < end:
                size = segment.stream.size
                self._sync(segment)
                segment.synced = size

    def _sync(self, segment: Segment) -> None:
        try:
            segment.stream.sync()
        except OSError as error:  # what the disk has of it is not known, and asking again would not tell
            with self._lock:
                self._break(segment, segment.writer.link())
            raise LedgerError(self._cannot(reason(error))) from None

    def _tell(self, note: str) -> None:
        for hook in self._settings.hooks:
            _, why = tried(hook, read_note(note, None), note)
            if why:
                self.warn(f"a checkpoint of {self._settings.place.label} was not anchored: its hook failed ({why})")

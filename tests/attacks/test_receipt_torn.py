"""A process is killed, or its disk fills, in the middle of a record: what is there stays whole, and nothing follows a part of a line.

Guards: saferoute/drivers/ledger_writing.py::whole = segment.stream.recover()
Guards: saferoute/drivers/ledger_writing.py::self._keep(segment, over=over)
Guards: saferoute/drivers/storage/ledger_directory.py::_BEGINNING: Final = ".{}.new"
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from saferoute.drivers.ledger import Ledger
from saferoute.drivers.storage import ledger_directory
from saferoute.drivers.storage.ledger_directory import SegmentFile
from saferoute.errors import LedgerError
from tests.support.account_stores import ROOT
from tests.support.ledger_entries import clean, denial, exchange
from tests.support.ledger_killing import killed


@pytest.mark.slow
def test_a_killed_process_leaves_whole_records_and_every_checkpoint_that_it_reported(tmp_path: Path) -> None:
    anchors = []
    for seconds in (0.02, 0.11):
        anchors += killed(tmp_path / "audit", seconds)
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    ledger.close()
    assert len(anchors) > 2
    report = clean(ledger.read(), anchors=anchors)
    assert list(report.segments.values())[-1].closed


_KILLED_BEFORE_ITS_FIRST_LINE = """
import os, signal, sys
from pathlib import Path
from saferoute.drivers.ledger import Ledger
from saferoute.drivers.storage.ledger_directory import SegmentFile
from tests.support.account_stores import ROOT
from tests.support.ledger_entries import denial
SegmentFile.write = lambda self, line, record=None: os.write(self._handle, line[:40]) and os.kill(os.getpid(), signal.SIGKILL)
Ledger.directory(Path(sys.argv[1])).append(denial())
"""


def test_a_process_that_is_killed_before_its_first_line_leaves_no_segment(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED_BEFORE_ITS_FIRST_LINE, str(tmp_path / "audit")]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    ledger = Ledger.directory(tmp_path / "audit")
    assert list(ledger.read()) == []
    exchange(ledger)
    ledger.close()
    clean(ledger.read())


def test_a_part_of_a_line_is_named_and_the_next_segment_continues_the_whole_ones(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    ledger.checkpoint()
    (name,) = ledger.read()
    torn = tmp_path / "torn"
    torn.mkdir(mode=0o700)
    (torn / name).write_bytes(ledger.read()[name] + b'{"attempt":1,"call"')
    second = Ledger.directory(torn)
    exchange(second)
    second.close()
    first, last = clean(second.read()).segments.values()
    assert (first.torn_tail_bytes, first.records, first.unsigned_tail) == (19, 4, 0)
    assert last.previous is not None
    assert (last.previous.segment, last.previous.size) == (first.segment, 4)


def test_nothing_is_written_behind_a_part_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    write, left = os.write, [100]

    def full(handle: int, data: bytes) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        return write(handle, data[: left.pop()])

    def broken(handle: int, size: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(ledger_directory.os, "write", full)
        patch.setattr(ledger_directory.os, "ftruncate", broken)
        with pytest.raises(LedgerError, match="ENOSPC"):
            ledger.append(denial())
    exchange(ledger)
    ledger.close()
    first, _ = clean(ledger.read()).segments.values()
    assert first.torn_tail_bytes == 100


def test_no_checkpoint_is_reported_that_the_disk_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    synced: list[bool] = []
    sync = SegmentFile.sync
    ledger = Ledger.directory(tmp_path / "audit", on_checkpoint=(lambda _, note: told.append(f"{len(synced)} {note}"),))

    def seen(self: SegmentFile) -> None:
        sync(self)
        synced.append(True)

    monkeypatch.setattr(SegmentFile, "sync", seen)
    exchange(ledger)
    ledger.checkpoint()
    assert told
    assert told[0].startswith("1 ")

    def failed(self: SegmentFile) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(SegmentFile, "sync", failed)
    exchange(ledger)
    with pytest.raises(LedgerError, match="EIO"):
        ledger.checkpoint()
    assert len(told) == 1

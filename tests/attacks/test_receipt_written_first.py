"""A call leaves without a record: an append that returned is in the file, and one that failed says so unless the program chose otherwise.

Guards: saferoute/drivers/ledger.py::if stop:
Guards: saferoute/drivers/ledger_writing.py::self._wait(segment, end)
Guards: saferoute/drivers/ledger_writing.py::self._check(segment)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from saferoute.drivers.ledger import Ledger
from saferoute.drivers.storage.ledger_directory import SegmentFile
from saferoute.errors import LedgerError
from saferoute.ledger.verify import verify_ledger
from tests.support.account_stores import ROOT
from tests.support.ledger_entries import denial, exchange, intent

_KILLED_AFTER_INTENT = """
import os, signal, sys
from pathlib import Path
from saferoute.drivers.ledger import Ledger
from tests.support.ledger_entries import intent
receipt = Ledger.directory(Path(sys.argv[1])).append(intent())
print(receipt.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_intent_is_in_the_file_before_the_request_can_leave(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED_AFTER_INTENT, str(tmp_path / "audit")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -9
    report = verify_ledger(Ledger.directory(tmp_path / "audit").read())
    assert report.ok
    assert report.maybe_sent == (done.stdout.strip(),)  # it may have been sent, and whoever looks is told


def test_where_every_record_waits_for_the_disk_no_call_goes_on_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.directory(tmp_path / "audit", fsync="always")
    exchange(ledger)

    def failed(self: SegmentFile) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(SegmentFile, "sync", failed)
    with pytest.raises(LedgerError, match="EIO"):
        ledger.append(intent())


def test_a_ledger_that_cannot_be_written_stops_calls_unless_something_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for ledger in (
        Ledger.directory(tmp_path / "file" / "audit"),
        Ledger.directory(tmp_path / "file" / "audit", on_failure="stop").for_table(stop=False),
        Ledger.directory(tmp_path / "file" / "audit").for_table(stop=True),
    ):
        with pytest.raises(LedgerError, match="No call goes out until it can be"):
            ledger.append(intent())


def test_a_segment_that_is_removed_while_it_is_written_is_missed(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    (name,) = ledger.read()
    (tmp_path / "audit" / name).unlink()
    with pytest.raises(LedgerError, match="something removed the segment while it was written"):
        ledger.checkpoint()
    ledger.append(denial())
    ledger.close()
    report = verify_ledger(ledger.read())
    assert f"segment {name[24:56]}, which it follows, is missing" in report.faults[0].words

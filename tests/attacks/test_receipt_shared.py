"""Two processes write one segment, or one deletes what another is writing: after a fork, and where old segments are deleted.

Guards: saferoute/drivers/ledger.py::pid = os.getpid()
Guards: saferoute/drivers/storage/ledger_directory.py::return os.fstat(handle).st_mtime < end and not _is_held(handle)
Guards: saferoute/drivers/ledger_writing.py::self._add(segment, segment.writer.add_fields, "retention", {"removed": removed}, now)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from saferoute.drivers.ledger import Ledger
from tests.support.ledger_entries import clean, denial, exchange

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="this system does not fork")


def test_a_child_does_not_write_its_parents_segment(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    child = os.fork()
    if child == 0:
        exchange(ledger)
        ledger.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    exchange(ledger)
    ledger.close()
    first, second = clean(ledger.read()).segments.values()
    assert (first.records, second.records) == (6, 4)
    assert first.key != second.key


def test_a_segment_that_is_being_written_is_not_deleted(tmp_path: Path) -> None:
    busy = Ledger.directory(tmp_path / "audit")
    exchange(busy)
    (name,) = busy.read()
    os.utime(tmp_path / "audit" / name, (0, 0))
    other = Ledger.directory(tmp_path / "audit", keep_days=1)
    other.append(denial())
    other.close()
    exchange(busy)
    busy.close()
    assert name in busy.read()
    clean(busy.read())


def test_what_is_deleted_by_age_is_recorded_and_what_somebody_deletes_is_missed(tmp_path: Path) -> None:
    for _ in range(2):
        first = Ledger.directory(tmp_path / "audit")
        exchange(first)
        first.close()
    oldest, newer = first.read()
    os.utime(tmp_path / "audit" / oldest, (0, 0))
    ledger = Ledger.directory(tmp_path / "audit", keep_days=1)
    ledger.append(denial())
    ledger.close()
    assert oldest not in ledger.read()
    assert [link.segment for link in clean(ledger.read()).removed] == [oldest[24:56]]
    rest = {name: data for name, data in ledger.read().items() if name != newer}
    with pytest.raises(AssertionError, match="is missing"):
        clean(rest)

"""Two processes write one segment, or one deletes what another is writing: after a fork, and where old segments are deleted.

Guards: saferoute/drivers/ledger.py::pid = os.getpid()
Guards: saferoute/drivers/storage/ledger_directory.py::return os.fstat(handle).st_mtime < end and not _is_held(handle)
Guards: saferoute/drivers/ledger_writing.py::self._add(segment, segment.writer.add_fields, "retention", {"removed": removed}, now)
Guards: saferoute/drivers/ledger_writing.py::self._retire(segment, now)
Guards: saferoute/drivers/ledger_retention.py::return {link.segment: link for one in old.values() for link in one.said if link.segment in needed}
Guards: saferoute/drivers/ledger_retention.py::stay = [name for name, one in old.items() if not one.ours and any(link.segment in needed for link in one.said)]
Guards: saferoute/drivers/ledger_retention.py::return report.removed, signer is None or report.certified
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.ledger import Ledger
from saferoute.drivers.storage.ledger_directory import LedgerDirectory
from saferoute.ledger.certificate import LogRole
from saferoute.ledger.segment import link_of
from saferoute.ledger.verify import verify_ledger
from saferoute.signing.keys import PrivateKey
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


def old(directory: Path, name: str) -> None:
    os.utime(directory / name, (0, 0))


def one_more(directory: Path, **options: Any) -> str:
    """What a process writes that makes one call, and ends; the name of its segment."""
    ledger = Ledger.directory(directory, **options)
    before = set(ledger.read()) if directory.exists() else set()
    exchange(ledger)
    ledger.close()
    (name,) = set(ledger.read()) - before
    return name


def test_nothing_is_deleted_before_a_signed_record_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is killed between any two of its steps: what is left explains itself."""
    audit = tmp_path / "audit"
    oldest, newer = one_more(audit), one_more(audit)
    old(audit, oldest)
    ledger = Ledger.directory(audit, keep_days=1)
    ledger.append(denial())
    assert oldest in ledger.read()  # nobody has signed that it is removed
    assert ledger.due
    clean(ledger.read())

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LedgerDirectory, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            ledger.checkpoint()
    report = clean(ledger.read())  # it is named as removed, and still there
    assert (list(report.segments)[:2], report.removed) == ([oldest, newer], ())
    ledger.close()
    one_more(audit, keep_days=1)
    assert oldest not in ledger.read()  # the next process deletes it
    assert [link.segment for link in clean(ledger.read()).removed] == [oldest[24:56]]


def test_what_a_deleted_segment_says_was_removed_is_said_again(tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    first = one_more(audit)
    follows = one_more(audit)
    old(audit, first)
    deleter = one_more(audit, keep_days=1)
    old(audit, deleter)
    one_more(audit, keep_days=1)
    report = clean(Ledger.directory(audit).read())
    assert next(iter(report.segments)) == follows
    assert {link.segment for link in report.removed} == {first[24:56], deleter[24:56]}


def test_nobody_has_what_they_deleted_explained_in_our_name(tmp_path: Path) -> None:
    """Who can write the directory deletes a segment, and leaves one of their own that says so. It does not become our word."""
    audit, role, theirs = tmp_path / "audit", PrivateKey.from_seed(b"r" * 32), PrivateKey.from_seed(b"t" * 32)
    first = one_more(audit, signer=role)
    old(audit, first)
    follows = one_more(audit, signer=role)
    planted = one_more(audit, signer=theirs, keep_days=1)  # it deletes the first one, as its own process would not have
    old(audit, planted)
    one_more(audit, signer=role, keep_days=1)
    report = verify_ledger(Ledger.directory(audit).read(), log_roles=[LogRole((role.public_key,))])
    assert planted in report.segments  # for as long as a segment follows the one that it says was removed
    assert (report.ok, report.certified) == (True, False)
    old(audit, follows)
    one_more(audit, signer=role, keep_days=1)
    assert not {planted, follows} & set(verify_ledger(Ledger.directory(audit).read()).segments)


def test_a_record_that_nobody_signed_is_not_said_again(tmp_path: Path) -> None:
    """Who can write an old segment's file can write behind its last checkpoint: no later record repeats that."""
    audit = tmp_path / "audit"
    first, follows = one_more(audit), one_more(audit)
    held = Ledger.directory(audit)
    held.append(denial())
    held.checkpoint()
    stale = list(held.read())[-1]
    link = link_of(held.read()[first])
    writing = held._own()
    segment = writing._segment
    assert link is not None
    assert segment is not None
    segment.stream.write(segment.writer.add_fields("retention", {"removed": [link.fields()]}, 1).line)
    writing._break(segment, None)  # as if it had been killed there
    (audit / first).unlink()
    old(audit, stale)
    one_more(audit, keep_days=1)
    left = Ledger.directory(audit).read()
    assert stale not in left
    report = verify_ledger(left)
    assert [(fault.name, "is missing, and no signed record" in fault.words) for fault in report.faults] == [(follows, True)]

"""Several threads and several processes write one ledger, are forked off, and end in every way."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.ledger import Ledger
from saferoute.drivers.ledger_secrets import load_key
from saferoute.ledger.record import parse_line
from tests.support.account_stores import ROOT
from tests.support.ledger_entries import clean, denial, exchange
from tests.support.ledger_worker import write_some

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def kinds(ledger: Ledger) -> list[Counter[str]]:
    return [Counter(parse_line(line).kind for line in data.splitlines()) for data in ledger.read().values()]


def worker(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "tests.support.ledger_worker", str(directory), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("fsync", ["checkpoint", "always"])
def test_eight_threads_write_one_chain(tmp_path: Path, fsync: Any) -> None:
    ledger = Ledger.directory(tmp_path / "audit", fsync=fsync, max_bytes=500_000)
    each = 250 if fsync == "checkpoint" else 20
    threads = [threading.Thread(target=lambda: [exchange(ledger) for _ in range(each)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close()
    report = clean(ledger.read())
    assert (report.maybe_sent, report.unsigned_tail) == ((), 0)
    total = sum(kinds(ledger), Counter())
    assert (total["intent"], total["outcome"]) == (8 * each, 8 * each)


@pytest.mark.slow
def test_four_processes_at_once_write_one_ledger_with_one_secret(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=write_some, args=(str(tmp_path / "audit"), 100)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    ledger = Ledger.directory(tmp_path / "audit")
    report = clean(ledger.read())
    assert (len(report.segments), report.maybe_sent, report.unsigned_tail) == (4, (), 0)
    assert all(one["intent"] == one["outcome"] == 100 for one in kinds(ledger))
    systems = {
        parse_line(line).fields["system_id"] for data in ledger.read().values() for line in data.splitlines() if b'"intent",' in line
    }
    assert len(systems) == 1


@pytest.mark.slow
def test_processes_that_begin_in_the_same_instant_agree_on_a_secret(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier, found = spawn.Barrier(4), spawn.SimpleQueue()
    processes = [spawn.Process(target=_secret, args=(tmp_path / "ledger.secret", barrier, found)) for _ in range(4)]
    for process in processes:
        process.start()
    secrets = {found.get() for _ in processes}
    for process in processes:
        process.join()
    assert len(secrets) == 1


def _secret(path: Path, barrier: Any, found: Any) -> None:
    from saferoute.drivers.ledger_secrets import key_bytes

    barrier.wait()
    found.put(key_bytes(load_key(path, None)).hex())


@forks
@pytest.mark.parametrize("how", ["fall off the end", "raise"])
def test_an_interpreters_exit_makes_the_last_checkpoint(tmp_path: Path, how: str) -> None:
    done = worker(tmp_path / "audit", "leave", how)
    assert (done.returncode, done.stderr) == (3 if how == "raise" else 0, "")
    (report,) = clean(Ledger.directory(tmp_path / "audit").read()).segments.values()
    assert (report.closed, report.records) == (True, 4)


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_begins_a_segment_and_leaves_the_parents_alone(tmp_path: Path) -> None:
    done = worker(tmp_path / "audit", "leave", "child")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = clean(Ledger.directory(tmp_path / "audit").read()).segments.values()
    assert (first.closed, second.closed, first.records, second.records) == (True, True, 4, 4)
    assert second.previous is not None
    assert (second.previous.segment, second.previous.size) == (first.segment, 3)
    assert first.key != second.key


@forks
@pytest.mark.slow
def test_workers_that_are_forked_off_a_parent_that_writes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.ledger_worker", str(tmp_path / "audit"), "serve", "4", "50"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.stdout == "[0, 0, 0, 0]\n", done.stderr
    ledger = Ledger.directory(tmp_path / "audit")
    report = clean(ledger.read())
    assert (len(report.segments), report.maybe_sent, report.unsigned_tail) == (5, (), 0)
    assert sorted(one["outcome"] for one in kinds(ledger)[1:]) == [100] * 4
    assert len({one.key for one in report.segments.values()}) == 5


@forks
def test_a_child_that_inherits_a_held_lock_writes_all_the_same(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    own = ledger._own()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with own._lock, own._disk:
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        exchange(ledger)
        ledger.close()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    over.set()
    thread.join()
    assert status == 0
    ledger.close()
    assert len(clean(ledger.read()).segments) == 2


@forks
def test_a_child_closes_what_it_inherited_and_the_parent_goes_on(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    segment = ledger._own()._segment
    assert segment is not None
    handle: int = segment.stream._handle  # type: ignore[attr-defined]
    child = os.fork()
    if child == 0:
        ledger.append(denial())
        try:
            same = os.fstat(handle).st_size > 0 and handle != ledger._own()._segment.stream._handle  # type: ignore[union-attr]
        except OSError:
            same = False
        os._exit(int(same))
    assert os.waitpid(child, 0)[1] == 0
    exchange(ledger)
    ledger.close()
    first, _ = clean(ledger.read()).segments.values()
    assert (first.closed, first.records) == (True, 6)


@forks
def test_a_child_that_writes_nothing_changes_nothing(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    before = dict(ledger.read())
    child = os.fork()
    if child == 0:
        ledger._finish()
        os._exit(0)
    os.waitpid(child, 0)
    assert dict(ledger.read()) == before
    ledger.close()


def test_in_another_process_the_inherited_part_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    pid = os.getpid()
    monkeypatch.setattr("saferoute.drivers.ledger.os.getpid", lambda: pid + 1)
    exchange(ledger)
    assert list(ledger._of) == [pid + 1]
    ledger.close()
    assert len(clean(ledger.read()).segments) == 2
    monkeypatch.setattr("saferoute.drivers.ledger.os.getpid", lambda: pid + 2)
    ledger._finish()  # an exit of a child that wrote nothing
    unused = Ledger.directory(tmp_path / "audit")
    monkeypatch.undo()
    exchange(unused)
    assert len(unused.read()) == 3

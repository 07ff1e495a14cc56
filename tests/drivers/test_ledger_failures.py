"""What happens when a ledger cannot be written: calls stop or go on as was said, nothing follows a part of a line, and it recovers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from saferoute.drivers import ledger_writing
from saferoute.drivers.ledger import Ledger
from saferoute.drivers.storage import ledger_directory
from saferoute.drivers.storage.ledger_directory import SegmentFile
from saferoute.errors import LedgerError, LedgerWarning
from saferoute.ledger.segment import SegmentWriter
from saferoute.ledger.verify import verify_ledger
from saferoute.signing.keys import PrivateKey, PublicKey
from tests.support.account_stores import ROOT
from tests.support.ledger_entries import clean, denial, exchange, intent, outcome
from tests.support.small_disk import read_only, small_disk

GO_ON = 'No call goes out until it can be. To let calls go on without records, give the ledger on_failure="warn", or sign a table whose'


class Elapsed:
    """The monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def elapsed(monkeypatch: pytest.MonkeyPatch) -> Elapsed:
    elapsed = Elapsed()
    monkeypatch.setattr(ledger_writing, "time", SimpleNamespace(monotonic=elapsed))
    return elapsed


@contextlib.contextmanager
def failing(name: str, error: BaseException, owner: Any = SegmentFile) -> Iterator[None]:
    """Make a method raise."""

    def fails(*_: object, **__: object) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, fails)
        yield


def test_a_read_only_directory_stops_calls_and_says_what_to_do(tmp_path: Path, elapsed: Elapsed) -> None:
    (tmp_path / "audit").mkdir(mode=0o700)
    with read_only(tmp_path / "audit"):
        ledger = Ledger.directory(tmp_path / "audit")
        with pytest.raises(LedgerError) as error:
            ledger.append(intent())
        words = str(error.value)
        assert words.startswith(f"the ledger in {tmp_path}/audit cannot be written: ")
        assert ("(EROFS)" if os.geteuid() == 0 else "(EACCES)") in words
        assert GO_ON in words
        assert error.value.__context__ is None
    with pytest.raises(LedgerError):  # asked again a second later, and not before
        ledger.append(intent())
    elapsed.now += 1
    exchange(ledger)
    ledger.close()
    clean(ledger.read())


def test_calls_go_on_with_a_warning_a_minute(tmp_path: Path, elapsed: Elapsed) -> None:
    (tmp_path / "audit").mkdir(mode=0o700)
    with read_only(tmp_path / "audit"):
        ledger = Ledger.directory(tmp_path / "audit", on_failure="warn")
        with pytest.warns(LedgerWarning, match=r"Calls go on, and 1 of their records are lost so far"):
            assert ledger.append(intent()) is None
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(5):
                elapsed.now += 11.9
                assert ledger.append(intent()) is None
        elapsed.now += 1
        with pytest.warns(LedgerWarning, match=r"7 of their records are lost so far: what happens now cannot be proven later"):
            ledger.append(intent())
        ledger.checkpoint()
    elapsed.now += 1
    exchange(ledger)
    ledger.close()
    clean(ledger.read())


def test_the_table_decides_where_the_program_does_not(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir(mode=0o700)
    with read_only(tmp_path / "audit"):
        with pytest.raises(LedgerError):
            Ledger.directory(tmp_path / "audit").for_table(stop=True).append(intent())
        with pytest.warns(LedgerWarning):
            assert Ledger.directory(tmp_path / "audit").for_table(stop=False).append(intent()) is None
        decided = Ledger.directory(tmp_path / "audit", on_failure="stop")
        assert decided.for_table(stop=False) is decided


def test_a_client_with_a_table_uses_the_same_ledger(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit", checkpoint_records=1)
    chosen = ledger.for_table(stop=True)
    assert repr(chosen) == repr(ledger)
    assert (chosen.waits, chosen.due) == (True, False)
    assert chosen.append(denial()) is not None
    assert (chosen.waits, chosen.due) == (False, True)
    chosen.checkpoint()
    assert not ledger.due
    ledger.close()
    clean(ledger.read())


@pytest.mark.slow
def test_a_full_disk_stops_calls_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 128) as disk:
        ledger = Ledger.directory(disk / "audit")
        (disk / "ballast").write_bytes(bytes(40_000))
        written = 0
        with pytest.raises(LedgerError, match=r"No space left on device \(ENOSPC\)"):
            while True:
                ledger.append(intent(request=os.urandom(64)))
                written += 1
        with pytest.raises(LedgerError, match=r"\(ENOSPC\)"):
            ledger.append(intent())
        assert verify_ledger(ledger.read()).records == written + 1  # no line was written in part
        (disk / "ballast").unlink()
        exchange(ledger)
        ledger.close()
        (report,) = clean(ledger.read()).segments.values()  # the same segment goes on
        assert report.closed


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_beginning(tmp_path: Path, elapsed: Elapsed) -> None:
    with small_disk(tmp_path / "disk") as disk:
        ledger = Ledger.directory(disk / "audit", secret=bytes(32))
        with pytest.raises(OSError, match="No space"):
            (disk / "ballast").write_bytes(bytes(1 << 20))
        with pytest.raises(LedgerError, match=r"\(ENOSPC\)"):
            ledger.append(intent())
        assert list(ledger.read()) == []
        (disk / "ballast").unlink()
        elapsed.now += 1
        exchange(ledger)
        ledger.close()
        clean(ledger.read())


_LIMITED = """
import resource, sys, warnings
from pathlib import Path
from saferoute.drivers.ledger import Ledger
from saferoute.errors import LedgerError
from tests.support.ledger_entries import denial
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
ledger = Ledger.directory(Path(sys.argv[1]))
for number in range(100):
    try:
        ledger.append(denial())
    except LedgerError as error:
        print(number, error)
        break
try:
    ledger.close()
except LedgerError as error:
    print(error)
"""


def test_a_file_that_may_not_grow_is_as_a_full_disk(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _LIMITED, str(tmp_path / "audit")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    number, _, words = first.partition(" ")
    assert "File too large (EFBIG)" in words
    assert "EFBIG" in second
    report = clean(Ledger.directory(tmp_path / "audit").read())
    assert (report.records, report.unsigned_tail) == (int(number) + 1, int(number) + 1)


@pytest.mark.parametrize("how", ["removed", "shortened", "lengthened"])
def test_what_others_do_to_a_segment_is_found_at_the_next_checkpoint(tmp_path: Path, how: str) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    ledger.checkpoint()
    exchange(ledger)
    (name,) = ledger.read()
    path = tmp_path / "audit" / name
    if how == "removed":
        path.unlink()
    else:
        os.truncate(path, 100 if how == "shortened" else 100_000)
    with pytest.raises(LedgerError, match=r"something (?:removed|else changed) the segment.* is not signed"):
        ledger.checkpoint()
    exchange(ledger)
    ledger.close()
    report = verify_ledger(ledger.read())
    assert report.ok is (how == "lengthened")  # the new segment says what the old one was; what follows it is no line
    last = list(report.segments.values())[-1]
    assert last.previous is not None
    assert last.previous.segment == name[24:56]
    assert last.previous.size == 6


def test_a_part_of_a_line_that_cannot_be_cut_off_ends_its_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    write, calls = os.write, iter([10])

    def full(handle: int, data: bytes) -> int:
        for number in calls:
            return write(handle, data[:number])
        raise OSError(5, "Input/output error")

    def broken(handle: int, size: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(ledger_directory.os, "write", full)
        patch.setattr(ledger_directory.os, "ftruncate", broken)
        with pytest.raises(LedgerError, match=r"\(EIO\)"):
            ledger.append(denial())
    exchange(ledger)
    ledger.close()
    first, second = clean(ledger.read()).segments.values()
    assert (first.torn_tail_bytes, first.closed, first.records) == (10, False, 3)
    assert second.previous is not None
    assert (second.previous.segment, second.previous.size) == (first.segment, 3)


def test_a_disk_that_did_not_keep_what_it_was_given_ends_the_segment(tmp_path: Path) -> None:
    told: list[str] = []
    ledger = Ledger.directory(tmp_path / "audit", on_checkpoint=(lambda _, note: told.append(note),))
    exchange(ledger)
    always = Ledger.directory(tmp_path / "audit", fsync="always")
    with failing("sync", OSError(5, "Input/output error")):
        with pytest.raises(LedgerError, match=r"Input/output error \(EIO\)"):
            ledger.checkpoint()
        with pytest.raises(LedgerError, match=r"\(EIO\)"):
            always.append(denial())
    assert not told
    exchange(ledger)
    ledger.close()
    assert len(told) == 1
    always.append(denial())
    always.close()
    assert len(clean(ledger.read()).segments) == 4


def test_an_end_that_the_disk_did_not_keep_leaves_no_file_open(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit", on_failure="warn")
    exchange(ledger)
    segment = ledger._own()._segment
    assert segment is not None
    words = "What was recorded since the last checkpoint is not signed"
    with failing("sync", OSError(5, "Input/output error")), pytest.warns(LedgerWarning, match=words):
        ledger.close()
    assert isinstance(segment.stream, SegmentFile)
    assert segment.stream._handle == -1


def test_an_end_that_cannot_be_written_leaves_no_file_open(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    segment = ledger._own()._segment
    assert segment is not None
    with failing("write", OSError(28, "No space left on device")), pytest.raises(LedgerError, match="ENOSPC"):
        ledger.close()
    assert isinstance(segment.stream, SegmentFile)
    assert segment.stream._handle == -1
    (report,) = clean(ledger.read()).segments.values()
    assert (report.records, report.closed) == (3, False)


@pytest.mark.parametrize("where", ["add", "write"])
def test_what_a_signals_handler_raises_in_the_middle_leaves_no_half_record(tmp_path: Path, where: str) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    sent = ledger.append(intent())
    with failing(where, KeyboardInterrupt(), SegmentWriter if where == "add" else SegmentFile), pytest.raises(KeyboardInterrupt):
        ledger.append(outcome(sent))
    ledger.append(outcome(sent))
    ledger.close()
    report = clean(ledger.read())
    first, second = report.segments.values()
    assert (first.records, first.closed, second.records, second.closed) == (2, False, 3, True)
    assert second.previous is not None
    assert (second.previous.segment, report.maybe_sent) == (first.segment, ())


def test_an_interrupt_while_a_segment_begins_leaves_no_file(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    with failing("write", KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        ledger.append(denial())
    assert list(ledger.read()) == []
    ledger.append(denial())
    ledger.close()
    clean(ledger.read())


class _Hsm:
    """A signer that is out of reach, or signs what it likes."""

    def __init__(self, signature: bytes | None) -> None:
        self._signature = signature

    @property
    def public_key(self) -> PublicKey:
        return PrivateKey.from_seed(bytes(32)).public_key

    def sign(self, message: bytes) -> bytes:
        if self._signature is None:
            raise RuntimeError("https://token@hsm.example")
        return self._signature


@pytest.mark.parametrize(("signature", "words"), [(None, "RuntimeError"), (bytes(64), "does not verify|signature")])
def test_a_log_role_that_does_not_sign_is_as_a_disk_that_does_not_write(tmp_path: Path, signature: bytes | None, words: str) -> None:
    ledger = Ledger.directory(tmp_path / "audit", signer=_Hsm(signature))
    with pytest.raises(LedgerError, match=words) as error:
        ledger.append(denial())
    assert "hsm.example" not in str(error.value)
    assert list(ledger.read()) == []


def test_a_directory_that_is_exchanged_for_a_link_later_is_refused(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit", max_bytes=1)
    exchange(ledger)
    ledger.checkpoint()
    (tmp_path / "audit").rename(tmp_path / "moved")
    (tmp_path / "audit").symlink_to(tmp_path / "moved")
    with pytest.raises(LedgerError, match="it is a symbolic link; give the directory itself"):
        ledger.append(denial())


def test_a_directory_that_is_gone_cannot_be_read(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    (tmp_path / "audit").rmdir()
    with pytest.raises(LedgerError, match="cannot be read: No such file or directory"):
        ledger.read()


@pytest.fixture(autouse=True)
def _no_warning_unseen() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield

"""The directory of a ledger and its files: made privately, whole lines only, continued and deleted by their rules."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from saferoute.drivers.storage import ledger_directory
from saferoute.drivers.storage.ledger_directory import LedgerDirectory, SegmentFile, SegmentFiles, segment_of

ID = "0123456789abcdef" * 2
NOON = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z
NAME = f"20261123T120000.000000Z-{ID}.ledger.jsonl"
DAY_US = 86_400_000_000

posix = pytest.mark.skipif(sys.platform == "win32", reason="left to the directory's access list")


@pytest.fixture
def directory(tmp_path: Path) -> LedgerDirectory:
    directory = LedgerDirectory(tmp_path / "audit")
    directory.prepare()
    return directory


def lengthen(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        (NAME, ID),
        (NAME.replace("a", "A"), None),
        (NAME[1:], None),
        (NAME + ".gz", None),
        ("." + NAME, None),
        ("ledger.secret", None),
    ],
)
def test_a_segment_is_known_by_its_name(name: str, segment: str | None) -> None:
    assert segment_of(name) == segment


@posix
def test_a_directory_and_its_files_are_made_for_their_owner(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        directory = LedgerDirectory(tmp_path / "deep" / "audit")
        directory.prepare()
        file = directory.create(ID, NOON)
        file.write(b"line\n")
        file.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "deep" / "audit").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "deep" / "audit" / NAME).stat().st_mode) == 0o600
    directory.prepare()  # the one that is there will do
    assert directory.names() == [NAME]


def test_a_name_holds_the_time_to_the_microsecond(directory: LedgerDirectory) -> None:
    file = directory.create(ID, NOON + 59 * 1_000_000 + 7)
    file.close()
    assert file.name == f"20261123T120059.000007Z-{ID}.ledger.jsonl"


def test_a_name_that_is_taken_is_not_written_over(directory: LedgerDirectory) -> None:
    file = directory.create(ID, NOON)
    (directory.path / NAME).write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        directory.create(ID, NOON)
    with pytest.raises(FileExistsError):
        file.write(b"line\n")
    file.abandon()
    assert (directory.path / NAME).read_bytes() == b"mine"
    assert [path.name for path in directory.path.iterdir()] == [NAME]


@posix
def test_a_segment_has_its_name_once_it_has_a_line(directory: LedgerDirectory) -> None:
    file = directory.create(ID, NOON)
    assert directory.names() == []
    file.write(b"line\n")
    assert directory.names() == [NAME]
    file.close()
    assert [path.name for path in directory.path.iterdir()] == [NAME]


def test_lines_are_written_whole_and_counted(directory: LedgerDirectory) -> None:
    file = directory.create(ID, NOON)
    file.write(b"one\n")
    file.write(b"two\n")
    file.check()
    file.sync()
    file.sync()
    file.close()
    assert (file.size, directory.read(NAME)) == (8, b"one\ntwo\n")


def test_a_disk_that_takes_a_part_is_given_the_rest(directory: LedgerDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(ledger_directory.os, "write", lambda handle, data: write(handle, data[:3]))
    file = directory.create(ID, NOON)
    file.write(b"eleven.....\n")
    assert (file.size, directory.read(NAME)) == (12, b"eleven.....\n")
    file.close()


def test_a_part_of_a_line_is_cut_off_again(directory: LedgerDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    write, rest = os.write, [4]

    def full(handle: int, data: bytes) -> int:
        if not rest:
            raise OSError(28, "No space left on device")
        return write(handle, data[: rest.pop()])

    file = directory.create(ID, NOON)
    file.write(b"whole\n")
    monkeypatch.setattr(ledger_directory.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        file.write(b"partial\n")
    assert directory.read(NAME) == b"whole\npart"
    assert file.recover()
    assert (file.size, directory.read(NAME)) == (6, b"whole\n")
    monkeypatch.undo()
    file.write(b"next\n")
    file.close()
    assert directory.read(NAME) == b"whole\nnext\n"
    assert not file.recover()


def test_a_file_that_is_given_up_is_left_as_it_is(directory: LedgerDirectory) -> None:
    file = directory.create(ID, NOON)
    file.write(b"whole\n")
    lengthen(directory.path / NAME, b"part")
    file.abandon()
    assert directory.read(NAME) == b"whole\npart"  # what others wrote is theirs to explain
    file.abandon()
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.write(b"more\n")


def test_a_file_without_a_line_is_not_left_behind(directory: LedgerDirectory) -> None:
    file = directory.create(ID, NOON)
    file.abandon()
    assert directory.names() == []
    file.abandon()


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (lambda path: path.unlink(), "something removed the segment while it was written"),
        (lambda path: os.truncate(path, 2), "something else changed the segment: it has 2 bytes, and 4 were written"),
        (lambda path: lengthen(path, b"x"), "something else changed the segment: it has 5 bytes, and 4 were written"),
    ],
)
def test_what_others_do_to_a_file_is_seen(directory: LedgerDirectory, done: Callable[[Path], object], words: str) -> None:
    file = directory.create(ID, NOON)
    file.write(b"one\n")
    done(directory.path / NAME)
    with pytest.raises(OSError, match=words):
        file.check()
    file.abandon()


def test_a_file_given_up_while_the_disk_was_waited_for_is_not_on_it(directory: LedgerDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    file = directory.create(ID, NOON)
    monkeypatch.setattr(ledger_directory, "_to_disk", lambda _: file.close())
    with pytest.raises(OSError, match="writing it failed"):
        file.sync()


def test_what_a_fork_copied_is_closed_and_nothing_else(directory: LedgerDirectory) -> None:
    file = directory.create(ID, NOON)
    other = os.open(directory.path / "other", os.O_WRONLY | os.O_CREAT)
    number = file._handle
    os.dup2(other, number)  # as if another thread had closed it, and opened something else
    file.disown()
    os.fstat(number)  # still open
    os.close(number)
    os.close(other)
    file.disown()

    file = directory.create(ID, NOON + 1)
    number = file._handle
    file.disown()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_what_a_closed_file_had_as_a_number_is_left_alone(directory: LedgerDirectory) -> None:
    file = directory.create(ID, NOON)
    file.close()
    file.disown()


def test_segments_are_continued_from_the_newest_with_a_whole_line(directory: LedgerDirectory) -> None:
    for number, data in enumerate([b"oldest\n", b"older\npa", b"torn", b""]):
        (directory.path / f"20261123T120000.00000{number}Z-{number:032x}.ledger.jsonl").write_bytes(data)
    (directory.path / f"20261124T120000.000000Z-{ID}.ledger.jsonl").symlink_to(directory.path / "ledger.secret")
    assert list(directory.earlier()) == [b"older\n", b"oldest\n"]


def _old(directory: LedgerDirectory, number: int, days: float) -> SegmentFile:
    file = directory.create(f"{number:032x}", NOON - int(days * DAY_US))
    file.write(b"line\n")
    written = NOON / 1e6 - days * 86_400
    os.utime(directory.path / file.name, (written, written))
    return file


@posix
def test_old_segments_are_those_that_nobody_writes(directory: LedgerDirectory) -> None:
    files = [_old(directory, number, days) for number, days in enumerate([9, 8, 6.9])]
    assert directory.expired(7, NOON) == []  # all three have a writer: this process
    files[1].close()
    files[2].close()
    assert directory.expired(7, NOON) == [files[1].name]
    directory.remove(files[1].name)
    directory.remove(files[1].name)  # another process was faster
    assert directory.names() == [files[0].name, files[2].name]
    files[0].close()
    (directory.path / f"20000101T000000.000000Z-{ID}.ledger.jsonl").symlink_to("elsewhere")
    assert directory.expired(7, NOON) == [files[0].name]


@posix
def test_a_file_system_without_locks_will_do(directory: LedgerDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def none(handle: int, what: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none)
    file = _old(directory, 1, 8)
    assert directory.expired(7, NOON) == [file.name]
    file.close()


@posix
def test_a_lock_ends_with_its_process(directory: LedgerDirectory) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from saferoute.drivers.storage.ledger_directory import LedgerDirectory\n"
        f"file = LedgerDirectory(pathlib.Path(sys.argv[1])).create({ID!r}, {NOON})\n"
        "file.write(b'line\\n'); print(flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(directory.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        os.utime(directory.path / NAME, (0, 0))
        assert directory.expired(1, NOON) == []
        child.kill()
        child.wait()
        assert directory.expired(1, NOON) == [NAME]


def test_a_directory_is_read_for_who_verifies_it(directory: LedgerDirectory) -> None:
    for number in (2, 1):
        file = directory.create(f"{number:032x}", NOON + number)
        file.write(b"%d\n" % number)
        file.close()
    (directory.path / "ledger.secret").write_text("not a segment")
    directory.path.chmod(0o755)  # a copy may have any mode
    files = SegmentFiles(directory.path)
    assert [data for _, data in files.items()] == [b"1\n", b"2\n"]
    assert len(files) == 2
    with pytest.raises(KeyError):
        files["ledger.secret"]
    with pytest.raises(FileNotFoundError):
        SegmentFiles(directory.path / "none")


def test_the_first_line_of_a_segment(directory: LedgerDirectory) -> None:
    path = directory.path / NAME
    for data, first in ((b"one\ntwo\n", b"one"), (b"one", b""), (b"", b""), (b"x" * (1 << 20) + b"\n", b"")):
        path.write_bytes(data)
        assert directory.first(NAME) == first
    path.unlink()
    path.symlink_to("elsewhere")
    with pytest.raises(PermissionError, match="is a symbolic link"):
        directory.first(NAME)


def test_what_is_not_a_segments_file_is_not_read(directory: LedgerDirectory) -> None:
    (directory.path / NAME).mkdir()
    with pytest.raises(PermissionError, match="is not a regular file, and no segment"):
        directory.read(NAME)
    with pytest.raises(FileNotFoundError):
        directory.read(NAME.replace("2026", "2027"))

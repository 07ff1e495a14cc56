"""Somebody else on the host puts a link, a file or a directory of their own where a ledger is to be written or read.

Guards: saferoute/drivers/storage/ledger_directory.py::if stat.S_ISLNK(status.st_mode):
Guards: saferoute/drivers/storage/ledger_directory.py::if status.st_uid != os.geteuid():
Guards: saferoute/drivers/storage/ledger_directory.py::if status.st_mode & 0o022:
Guards: saferoute/drivers/storage/ledger_directory.py::handle = os.open(path, _READ)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from saferoute.drivers.ledger import Ledger
from saferoute.drivers.storage import ledger_directory
from saferoute.drivers.storage.ledger_directory import LedgerDirectory, SegmentFiles
from saferoute.errors import ConfigurationError, SecretError
from tests.support.ledger_entries import clean, denial, exchange

ID = "0123456789abcdef" * 2
NAME = f"20261123T120000.000000Z-{ID}.ledger.jsonl"
NOON = 1_795_435_200_000_000

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="left to the directory's access list")


def refused(path: Path) -> str:
    with pytest.raises(ConfigurationError) as error:
        Ledger.directory(path)
    words = str(error.value)
    assert words.startswith(f"no ledger can be kept in {path}: ")
    return words.partition(": ")[2]


def test_a_link_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "audit").symlink_to("theirs")
    assert refused(tmp_path / "audit") == "it is a symbolic link; give the directory itself"
    (tmp_path / "dangling").symlink_to("nowhere")
    assert refused(tmp_path / "dangling") == "it is a symbolic link; give the directory itself"
    assert list((tmp_path / "theirs").iterdir()) == []


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("")
    assert refused(tmp_path / "audit") == "it is not a directory; give one of its own for the ledger"


def test_another_users_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "audit").mkdir(mode=0o700)
    us = os.geteuid()
    monkeypatch.setattr(ledger_directory.os, "geteuid", lambda: us + 1)
    assert refused(tmp_path / "audit") == "it belongs to another user; give a directory of your own"


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_directory_that_others_write_in_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit").chmod(mode)
    words = refused(tmp_path / "audit")
    assert words == f"others may write in it (mode {mode:o}); set it right with chmod 700, or give a directory inside it"
    (tmp_path / "audit").chmod(0o755)  # to see the names is harmless: the files are for their owner
    exchange(Ledger.directory(tmp_path / "audit"))


def test_a_link_in_place_of_a_new_segment_is_not_followed(tmp_path: Path) -> None:
    directory = LedgerDirectory(tmp_path / "audit")
    directory.prepare()
    for name in (NAME, f".{NAME}.new"):
        (tmp_path / "audit" / name).symlink_to(tmp_path / "theirs")
        with pytest.raises(FileExistsError):
            directory.create(ID, NOON)
        assert not (tmp_path / "theirs").exists()
        (tmp_path / "audit" / name).unlink()


def test_a_link_in_place_of_an_old_segment_is_not_read_continued_or_deleted(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "one")
    exchange(ledger)
    ledger.close()
    ((name, data),) = ledger.read().items()
    (tmp_path / "audit").mkdir(mode=0o700)
    (tmp_path / "audit" / name).symlink_to(tmp_path / "one" / name)
    os.utime(tmp_path / "one" / name, (0, 0))
    with pytest.raises(PermissionError, match="is a symbolic link, and no segment"):
        SegmentFiles(tmp_path / "audit")[name]
    second = Ledger.directory(tmp_path / "audit", keep_days=1)
    second.append(denial())
    second.close()
    assert (tmp_path / "audit" / name).is_symlink()
    own = {other: second.read()[other] for other in second.read() if other != name}
    (report,) = clean(own).segments.values()
    assert (report.previous, report.removed) == (None, ())
    assert ledger.read()[name] == data


def test_a_pipe_in_place_of_a_segment_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "audit" / NAME)
    with pytest.raises(PermissionError, match="is not a regular file, and no segment"):
        SegmentFiles(tmp_path / "audit")[NAME]
    ledger = Ledger.directory(tmp_path / "audit", keep_days=0)
    exchange(ledger)
    ledger.close()
    assert (tmp_path / "audit" / NAME).is_fifo()


def test_a_log_secret_that_others_could_have_chosen_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("00" * 32)
    (tmp_path / "audit").mkdir(mode=0o700)
    (tmp_path / "audit" / "ledger.secret").symlink_to(tmp_path / "theirs")
    ledger = Ledger.directory(tmp_path / "audit")
    with pytest.raises(Exception, match="it is a symbolic link; give the path of the file itself"):
        ledger.append(denial())
    (tmp_path / "audit" / "ledger.secret").unlink()
    (tmp_path / "audit" / "ledger.secret").write_text("00" * 32)
    (tmp_path / "audit" / "ledger.secret").chmod(0o644)
    with pytest.raises(Exception, match="others may read or write it"):
        Ledger.directory(tmp_path / "audit").append(denial())
    assert not issubclass(SecretError, OSError)

"""A capability's private form lies in a file that other users can read, so that every one of them holds it.

Guards: saferoute/cli/key_files.py::handle = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600 if file.private else 0o666) => handle = os.open(file.path, os.O_WRONLY | os.O_CREAT, 0o666)
Guards: saferoute/drivers/storage/capability_file.py::data = read_private(path, max_bytes=most) => data = path.read_bytes()
"""

from __future__ import annotations

import os
import stat
import sys
import time
from typing import TYPE_CHECKING

import pytest

from saferoute.cli.key_files import NewFile, create_all
from saferoute.client.capability import Capability, Issuer
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="permissions are the folder's access list there")


def made() -> Capability:
    return Capability.mint(Issuer.generate("agents"), audience="web", expires_in=60, models="m", providers="p", now=time.time())


def test_the_file_is_its_owners_from_the_first_byte(tmp_path: pathlib.Path) -> None:
    before = os.umask(0)
    try:
        create_all([NewFile(tmp_path / "a.cap", made().to_holder().encode(), private=True)])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.cap").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602])
@pytest.mark.parametrize("words", [["show"], ["attenuate", "-o", "b.cap"]])
def test_a_file_that_others_can_reach_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, mode: int, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.cap").write_text(made().to_holder(), encoding="ascii")
    (tmp_path / "a.cap").chmod(mode)
    done = Commands(monkeypatch, tmp_path)("cap", words[0], "a.cap", *words[1:])
    assert (done.code, done.out) == (1, "")
    assert "chmod 600" in done.err
    assert not (tmp_path / "b.cap").exists()

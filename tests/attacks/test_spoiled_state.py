"""What was accepted before is spoiled, taken away or written by somebody else, so that an old table is taken again.

A state that cannot be trusted is an error and never taken for none. In the library's own folder that cannot be written, nothing is
remembered and that is said; in a folder that the application asked for, it is an error.

Guards: saferoute/drivers/storage/table_state.py::self._check_folder()
Guards: saferoute/drivers/storage/table_state.py::stack.enter_context(exclusive(self._path))
Guards: saferoute/drivers/storage/private_file.py::_refuse_shared(os.fstat(file.fileno()))
Guards: saferoute/routing/rollback.py::raise Refused("it belongs to another trust root")
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.drivers.storage import private_file, table_state
from saferoute.drivers.storage.table_state import default_state_folder
from saferoute.drivers.storage.trust_files import open_table, reset_state
from saferoute.errors import ConfigurationError, TableExpired, TableRollback, TableStateInvalid, UntrustedTable
from saferoute.routing.publish import pin
from saferoute.routing.trust import Trust
from saferoute.signing.strict_json import canonical
from tests.support.trust_cases import DAY, NOW, STRANGER, files, release_payload, table

if TYPE_CHECKING:
    from saferoute.routing.opened import Opened

BODY = canonical(table())


class Place:
    """A root, a table that can be replaced, and a folder for the state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.root = files(BODY).root
        (folder / "root.json").write_bytes(self.root)
        self.trust = Trust.pinned(folder / "root.json", sha256=pin(self.root))
        self.file = self.state / f"{pin(self.root)}.json"
        self.deploy(2)

    def deploy(self, version: int, **changes: Any) -> None:
        (self.folder / "routes.json").write_bytes(files(BODY, release=release_payload(BODY, version=version, **changes)).bundle)

    def open(self, now: float = NOW, *, state: Path | str | None = None, **trust: Any) -> Opened:
        trusted = Trust.pinned(self.folder / "root.json", sha256=pin(self.root), **trust) if trust else self.trust
        return open_table(self.folder / "routes.json", trusted, now, state=self.state if state is None else state)

    def reset(self, now: float = NOW) -> Opened:
        return reset_state(self.folder / "routes.json", self.trust, now, state=self.state)

    def invalid(self) -> str:
        with pytest.raises(TableStateInvalid) as caught:
            self.open()
        assert "`saferoute table state reset` verifies the table that is deployed now, and records it" in str(caught.value)
        return str(caught.value)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_an_old_table_is_refused_by_the_next_process(place: Place) -> None:
    opened = place.open()
    assert opened.rollback == "state"
    place.deploy(1)
    with pytest.raises(TableRollback, match="version 1, and version 2 was accepted here before"):
        place.open()
    place.deploy(2, not_after=NOW + DAY)
    with pytest.raises(TableRollback, match="there are two of the routing table version 2"):
        place.open()
    place.deploy(3)
    assert place.open().table.version == 3
    assert json.loads(place.file.read_bytes())["table"]["version"] == 3


def test_the_file_is_private_and_says_what_it_belongs_to(place: Place) -> None:
    opened = place.open()
    assert stat.S_IMODE(place.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.state.stat().st_mode) == 0o700
    assert json.loads(place.file.read_bytes()) == {
        "schema": 1, "pinned": pin(place.root), "name": "acme", "floor_time": NOW,
        "root": {"version": 1, "digest": opened.root.digest}, "table": {"version": 2, "digest": opened.state.table.digest},
    }  # fmt: skip
    assert sorted(one.name for one in place.state.iterdir()) == [f".{place.file.name}.lock", place.file.name]


def test_it_advances_only_after_all_was_verified(place: Place) -> None:
    place.open()
    before = place.file.read_bytes()
    place.deploy(9, issued=NOW + DAY, not_after=NOW + 2 * DAY)
    with pytest.raises(TableExpired):
        place.open()
    (place.folder / "routes.json").write_bytes(files(BODY, release=release_payload(BODY, version=9), signers=[STRANGER]).bundle)
    with pytest.raises(UntrustedTable):
        place.open()
    place.deploy(9)
    with pytest.raises(TableRollback, match="at least 10"):
        place.open(min_table_version=10)
    assert place.file.read_bytes() == before


def test_nothing_is_written_when_nothing_changed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.open()
    monkeypatch.setattr(table_state, "replace_private", None)
    assert place.open().rollback == "state"


SPOILED = {
    "empty": (b"", "it does not begin with a JSON object"),
    "cut": (b'{"floor_time":', "it is not JSON"),
    "another form": (b"{}", "state.schema is missing"),
    "binary": (b"\x00" * 50, "it does not begin with a JSON object"),
    "too large": (b"{" * 5_000, "it is larger than 4096 bytes"),
    "a version of 0": (None, "state.table.version is 0; it must be from 1"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_corrupt_state_is_not_taken_for_none(place: Place, case: str) -> None:
    data, why = SPOILED[case]
    place.open()
    data = place.file.read_bytes().replace(b'"version":2', b'"version":0') if data is None else data
    place.file.write_bytes(data)
    assert f"the rollback state {place.file} cannot be trusted: {why}" in place.invalid()
    assert place.file.read_bytes() == data
    assert place.reset().rollback == "state"
    assert place.open().table.version == 2


def test_the_state_of_another_root_is_refused(place: Place) -> None:
    place.open()
    good = place.file.read_bytes()
    for bad in (good.replace(pin(place.root).encode(), b"0" * 64), good.replace(b'"name":"acme"', b'"name":"acmf"')):
        place.file.write_bytes(bad)
        assert "it belongs to another trust root" in place.invalid()


def test_a_linked_state_is_refused(place: Place) -> None:
    place.open()
    place.file.rename(place.folder / "elsewhere")
    place.file.symlink_to(place.folder / "elsewhere")
    assert "it is a symbolic link; give the path of the file itself" in place.invalid()
    place.reset()
    assert not place.file.is_symlink()
    assert (place.folder / "elsewhere").read_bytes() == place.file.read_bytes()


def test_a_dangling_link_is_not_taken_for_none(place: Place) -> None:
    place.state.mkdir(mode=0o700)
    place.file.symlink_to(place.folder / "nothing")
    assert "it is a symbolic link" in place.invalid()
    assert not (place.folder / "nothing").exists()


def test_a_linked_folder_is_refused(place: Place) -> None:
    (place.folder / "real").mkdir(mode=0o700)
    place.state.symlink_to(place.folder / "real")
    assert "it is a symbolic link; give the folder itself" in place.invalid()
    with pytest.raises(TableStateInvalid, match="symbolic link"):
        place.reset()


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o606, 0o640])
def test_a_state_that_others_may_read_or_write_is_refused(place: Place, mode: int) -> None:
    place.open()
    place.file.chmod(mode)
    assert f"others may read or write it (mode {mode:o}); set it right with chmod 600" in place.invalid()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_folder_in_which_others_may_write_is_refused(place: Place, mode: int) -> None:
    place.open()
    place.state.chmod(mode)
    assert f"others may write in it (mode {mode:o}); set it right with chmod 700" in place.invalid()
    place.state.chmod(0o755)
    assert place.open().rollback == "state"


def test_the_state_of_another_user_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.open()
    mine = os.geteuid()
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: mine + 1)
        assert "it belongs to another user; give a folder of your own (state=...)" in place.invalid()
    if mine != 0:
        pytest.skip("only root can give a file away")
    os.chown(place.file, 12_345, -1)
    assert f"the rollback state {place.file} cannot be trusted: it belongs to another user" in place.invalid()
    place.reset()
    assert place.file.stat().st_uid == 0


def test_something_else_in_its_place_is_refused(place: Place) -> None:
    place.state.mkdir(mode=0o700)
    place.file.mkdir(mode=0o700)
    assert "cannot be trusted: Is a directory" in place.invalid()
    with pytest.raises(ConfigurationError, match="the rollback state cannot be kept in"):
        place.reset()
    place.file.rmdir()
    os.mkfifo(place.file, 0o600)
    assert "it is not a regular file" in place.invalid()


def test_a_folder_that_was_asked_for_must_be_writable(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.folder / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError) as caught:
        place.open(state=place.folder / "file" / "state")
    assert str(caught.value) == (
        f"the rollback state cannot be kept in {place.folder / 'file' / 'state'}: Not a directory. Give a folder that this process can "
        "write and that stays (state=...)"
    )
    with pytest.raises(ConfigurationError, match=r"File exists|Not a directory"):
        place.open(state=place.folder / "file")
    monkeypatch.setattr(table_state, "replace_private", full)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        place.open()


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_without_a_folder_nothing_is_remembered_and_that_is_said(place: Place, home: Path) -> None:
    (home / ".local").write_bytes(b"")  # so no folder can be made below it
    opened = open_table(place.folder / "routes.json", place.trust, NOW)
    assert opened.rollback == "none"
    assert opened.notes(NOW) == (
        (
            "Nothing here remembers which table was accepted before, so an old one is taken until it expires: give a folder that stays "
            "(state=...), or Trust.pinned(..., min_table_version=...)."
        ),
    )
    least = Trust.pinned(place.trust.path, sha256=place.trust.sha256, min_table_version=2)
    opened = open_table(place.folder / "routes.json", least, NOW)
    assert (opened.rollback, opened.notes(NOW)) == ("min_table_version", ())


def test_the_librarys_own_folder_is_below_the_home(place: Place, home: Path) -> None:
    assert default_state_folder() == home / ".local" / "state" / "saferoute"
    opened = open_table(place.folder / "routes.json", place.trust, NOW)
    assert (opened.rollback, opened.notes(NOW)) == ("state", ())
    assert (home / ".local" / "state" / "saferoute" / place.file.name).exists()
    place.deploy(1)
    with pytest.raises(TableRollback):
        open_table(place.folder / "routes.json", place.trust, NOW)
    assert reset_state(place.folder / "routes.json", place.trust, NOW).table.version == 1


def test_a_full_disk_does_not_make_what_is_there_forgotten(place: Place, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.is_dir()
    open_table(place.folder / "routes.json", place.trust, NOW)
    monkeypatch.setattr(table_state, "replace_private", full)
    place.deploy(3)
    assert open_table(place.folder / "routes.json", place.trust, NOW).rollback == "none"
    place.deploy(1)
    with pytest.raises(TableRollback, match="version 2 was accepted here before"):
        open_table(place.folder / "routes.json", place.trust, NOW)


def test_nor_does_a_lock_that_cannot_be_had(place: Place, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.is_dir()
    open_table(place.folder / "routes.json", place.trust, NOW)
    monkeypatch.setattr(table_state, "exclusive", full)
    place.deploy(1)
    with pytest.raises(TableRollback, match="version 2 was accepted here before"):
        open_table(place.folder / "routes.json", place.trust, NOW)


def test_without_a_home_nothing_is_remembered(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none() -> Path:
        raise RuntimeError

    for home in (none, lambda: Path("relative"), lambda: tmp_path / "missing"):
        monkeypatch.setattr(Path, "home", home)
        assert default_state_folder() is None
        assert open_table(place.folder / "routes.json", place.trust, NOW).rollback == "none"
        with pytest.raises(ConfigurationError) as caught:
            reset_state(place.folder / "routes.json", place.trust, NOW)
        assert str(caught.value) == "this user has no home directory: give the folder of the rollback state (state=...)"


def test_a_reset_verifies_first(place: Place) -> None:
    place.open()
    before = place.file.read_bytes()
    place.deploy(1, not_after=NOW + 1)
    with pytest.raises(TableExpired):
        place.reset(NOW + 1)
    (place.folder / "routes.json").write_bytes(files(BODY, signers=[STRANGER]).bundle)
    with pytest.raises(UntrustedTable):
        place.reset()
    assert place.file.read_bytes() == before
    place.deploy(1)
    assert (place.reset().table.version, place.open().table.version) == (1, 1)


def test_a_reset_forgets_a_date_that_was_wrong(place: Place) -> None:
    place.deploy(1, issued=NOW + 6 * DAY, not_after=NOW + 7 * DAY)
    place.open(NOW + 6 * DAY)
    place.deploy(2)
    with pytest.raises(TableExpired, match="saferoute table state reset"):
        place.open()
    place.reset()
    assert place.open().state.floor_time == NOW


def test_a_root_that_is_not_the_pinned_one_is_refused_before_any_state(place: Place) -> None:
    (place.folder / "root.json").write_bytes(b"{}")
    for opening in (place.open, place.reset):
        with pytest.raises(UntrustedTable, match="is pinned"):
            opening()
    assert not place.state.exists()


def test_a_state_folder_that_is_read_only() -> None:
    """As another user than root, for whom modes do not count."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    nobody = 65_534
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        place.open()
        place.folder.chmod(0o755)
        for one in (place.state, place.file, place.state / f".{place.file.name}.lock"):
            os.chown(one, nobody, -1)
        place.state.chmod(0o500)
        place.deploy(3)
        os.seteuid(nobody)
        try:
            with pytest.raises(ConfigurationError, match=r"the rollback state cannot be kept in .*: Permission denied"):
                place.open()
            place.state.chmod(0o700)
            assert place.open().rollback == "state"
            place.state.chmod(0o500)
            place.file.with_name(f".{place.file.name}.lock").chmod(0o400)
            with pytest.raises(ConfigurationError, match=r"the rollback state cannot be kept in .*: Permission denied"):
                place.open()
        finally:
            os.seteuid(0)


OPENER = """
import sys, time
from saferoute.drivers.storage.trust_files import open_table
from saferoute.errors import TableRollback
from saferoute.routing.trust import Trust
folder, sha256, now = sys.argv[1:4]
for turn in range(6):
    for version in sys.argv[4:]:
        try:
            open_table(f"{folder}/{version}.json", Trust.pinned(f"{folder}/root.json", sha256=sha256), float(now), state=f"{folder}/state")
        except TableRollback:
            pass
"""


def test_two_processes_at_once_never_go_back(place: Place) -> None:
    versions = [str(version) for version in range(1, 9)]
    for version in versions:
        bundle = files(BODY, release=release_payload(BODY, version=int(version))).bundle
        (place.folder / f"{version}.json").write_bytes(bundle)
    common = [str(place.folder), place.trust.sha256, str(NOW)]
    seen: list[int] = []
    commands = [[sys.executable, "-c", OPENER, *common, *order] for order in (versions, versions[::-1], versions[::2] + versions[1::2])]
    running = [subprocess.Popen(command) for command in commands]
    while any(process.poll() is None for process in running):
        try:
            seen.append(json.loads(place.file.read_bytes())["table"]["version"])
        except FileNotFoundError:
            continue  # none has written yet
    assert [process.returncode for process in running] == [0, 0, 0]
    assert seen == sorted(seen)
    assert json.loads(place.file.read_bytes())["table"]["version"] == 8
    assert [one.name for one in place.state.iterdir() if one.name.endswith(".new")] == []


def test_a_second_process_waits_for_the_first(place: Place) -> None:
    place.open()
    code = f"import fcntl, sys, time\nfrom pathlib import Path\n{OPENER}"
    place.deploy(3)
    (place.folder / "3.json").write_bytes((place.folder / "routes.json").read_bytes())
    with private_file.exclusive(place.file):
        waiting = subprocess.Popen([sys.executable, "-c", code, str(place.folder), place.trust.sha256, str(NOW), "3"])
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=1.5)
        assert json.loads(place.file.read_bytes())["table"]["version"] == 2
    assert waiting.wait(timeout=60) == 0
    assert json.loads(place.file.read_bytes())["table"]["version"] == 3

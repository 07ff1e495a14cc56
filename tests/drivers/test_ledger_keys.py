"""The log secret, the key of captured content, and anchors: where they are kept, and that they do not show."""

from __future__ import annotations

import contextlib
import os
import pickle
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.keyring_store import KeyringStore
from saferoute.drivers.ledger_anchor import FileAnchor
from saferoute.drivers.ledger_capture import Capture
from saferoute.drivers.ledger_secrets import KEPT_IN, LedgerKey, checked_place, find_key, key_bytes, load_key
from saferoute.errors import ConfigurationError, LedgerError, SecretError
from saferoute.ledger.checkpoint import Checkpoint

RAW = bytes(range(32))
CHECKPOINT = Checkpoint("0" * 32, 3, b"r" * 32, 1)
posix = pytest.mark.skipif(sys.platform == "win32", reason="left to the directory's access list")


class _Keyring:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get_password(self, service: str, _: str) -> str | None:
        return self.kept.get(service)

    def set_password(self, service: str, _: str, password: str) -> None:
        self.kept[service] = password

    def delete_password(self, service: str, _: str) -> None:
        del self.kept[service]


@pytest.mark.parametrize("value", ["", "hunter2" * 5, "/etc/secret", 7, b"short", b"x" * 1025, b"x" * 31])
def test_what_is_no_secret_is_refused_and_not_shown(value: Any) -> None:
    error = checked_place(value, None)
    assert isinstance(error, ConfigurationError)
    assert "hunter2" not in str(error)
    assert "32" in str(error)


def test_places_of_the_secret(tmp_path: Path) -> None:
    assert checked_place("keyring", tmp_path) == "keyring"
    assert checked_place(None, tmp_path) == tmp_path / KEPT_IN
    assert checked_place(tmp_path / "x", None) == tmp_path / "x"
    given = checked_place(bytearray(RAW), tmp_path)
    assert isinstance(given, LedgerKey)
    assert key_bytes(given) == RAW
    made, other = checked_place(None, None), checked_place(None, None)
    assert isinstance(made, LedgerKey)
    assert made != other
    assert load_key(given, None) is given


def test_a_secret_does_not_show() -> None:
    given = checked_place(RAW, None)
    assert isinstance(given, LedgerKey)
    assert repr(given) == str(given) == "LedgerKey(...)"
    with pytest.raises(TypeError):
        pickle.dumps(given)


@posix
def test_a_file_is_made_once_and_privately(tmp_path: Path) -> None:
    path = tmp_path / KEPT_IN
    first, second = load_key(path, None), load_key(path, None)
    assert first == second
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == key_bytes(first).hex() + "\n"


@posix
@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        ("00" * 32, 0o640, "others may read or write it \\(mode 640\\); set it right with chmod 600"),
        ("00" * 31, 0o600, "it is not 64 hexadecimal digits, as saferoute makes them"),
        ("", 0o600, "it is not 64 hexadecimal digits, as saferoute makes them"),
        ("GG" * 32, 0o600, "it is not 64 hexadecimal digits, as saferoute makes them"),
    ],
)
def test_a_file_that_is_not_private_or_something_else_is_refused(tmp_path: Path, content: str, mode: int, why: str) -> None:
    path = tmp_path / "log.secret"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(SecretError, match=why) as error:
        load_key(path, None)
    assert error.value.__context__ is None
    if content:
        assert content not in str(error.value)


def test_a_file_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        load_key(tmp_path / "file" / "log.secret", None)


def test_a_secret_that_disappears_while_it_is_made_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saferoute.drivers.ledger_secrets.replace_private", lambda path, data: None)
    with pytest.raises(SecretError, match="removed in the moment"):
        load_key(tmp_path / "log.secret", None)


def test_the_keyring_keeps_it_for_all_processes(tmp_path: Path) -> None:
    backend = _Keyring()

    def store() -> KeyringStore:
        return KeyringStore(lambda: backend)

    first = load_key("keyring", tmp_path / "ledger", store)
    assert load_key("keyring", None, store) == first
    assert key_bytes(first).hex() in backend.kept["saferoute/saferoute/ledger"]
    record = store().find("saferoute/ledger")
    assert record is not None
    assert record.origins == ("https://ledger.invalid",)


def test_a_secret_is_found_without_being_made(tmp_path: Path) -> None:
    keyring = _Keyring()
    given = LedgerKey(RAW)
    assert find_key(given) is given
    assert find_key(tmp_path / KEPT_IN) is None
    assert find_key("keyring", lambda: KeyringStore(lambda: keyring)) is None
    assert list(tmp_path.iterdir()) == []
    made = load_key(tmp_path / KEPT_IN, None)
    assert find_key(tmp_path / KEPT_IN) == made


def test_another_process_may_be_faster_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def alone(path: Path) -> Iterator[None]:
        path.touch(mode=0o600)
        path.write_text("ab" * 32)
        yield

    monkeypatch.setattr("saferoute.drivers.ledger_secrets.exclusive", alone)
    assert key_bytes(load_key(tmp_path / KEPT_IN, None)) == b"\xab" * 32


def test_a_keyring_entry_of_something_else_is_refused() -> None:
    backend = _Keyring()
    backend.kept["saferoute/saferoute/ledger"] = '{"origins":["https://ledger.invalid"],"revision":1,"secret":"sk-live-abc","v":1}'
    with pytest.raises(SecretError, match="is not 64 hexadecimal digits") as error:
        load_key("keyring", None, lambda: KeyringStore(lambda: backend))
    assert "sk-live" not in str(error.value)


def test_captured_content_opens_with_its_key_and_in_its_place_only(tmp_path: Path) -> None:
    capture = Capture(["support", "legal"], tmp_path / "capture.key")
    assert repr(capture) == "Capture(['legal', 'support'])"
    record = capture.sealed("0" * 32 + ":1", "request", b"a patient's name")
    assert b"patient" not in repr(record).encode()
    assert capture.opened(record) == b"a patient's name"
    assert Capture(["support"], tmp_path / "capture.key").opened(record) == b"a patient's name"
    for change in ({"ref": "0" * 32 + ":2"}, {"field": "response"}, {"data": "AAAA"}, {"key_id": "0" * 16}):
        with pytest.raises(LedgerError, match="the captured content cannot be opened"):
            capture.opened({**record, **change})
    with pytest.raises(LedgerError, match="it is no record of a content"):
        capture.opened({})
    (tmp_path / "capture.key").unlink()  # erased: a new key opens nothing old
    with pytest.raises(LedgerError, match="captured under the key"):
        Capture(["support"], tmp_path / "capture.key").opened(record)


def test_a_key_that_the_program_has_captures_as_well() -> None:
    record = Capture(["support"], RAW).sealed("0" * 32 + ":1", "request", b"x")
    assert Capture(["other"], bytearray(RAW)).opened(record) == b"x"
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        pickle.dumps(Capture(["support"], RAW))


@pytest.mark.parametrize(
    ("routes", "key", "words"),
    [
        ("support", RAW, "one by one"),
        ([], RAW, "one by one"),
        (["*"], RAW, "one by one"),
        ([""], RAW, "one by one"),
        (["support"], b"k" * 33, "32 random bytes"),
        (["support"], "text", "32 random bytes, or a pathlib.Path"),
    ],
)
def test_what_is_no_capture_is_refused(routes: Any, key: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Capture(routes, key)


@posix
def test_an_anchor_appends_notes_for_its_owner(tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "anchors")
    anchor(CHECKPOINT, "one\n")
    anchor(CHECKPOINT, "two\n")
    assert (tmp_path / "anchors").read_text() == "one\n\ntwo\n\n"
    assert stat.S_IMODE((tmp_path / "anchors").stat().st_mode) == 0o600
    assert repr(anchor) == f"FileAnchor('{tmp_path}/anchors')"


@posix
def test_an_anchor_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "anchors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        FileAnchor(os.fspath(tmp_path / "anchors"))(CHECKPOINT, "one\n")
    assert not (tmp_path / "elsewhere").exists()

"""`saferoute audit` with a trust root whose log role got a new key since: which version of the root certified."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from saferoute.cli.file_names import UPDATES
from saferoute.routing.publish import pin
from saferoute.routing.publish_root import next_root
from saferoute.values.receipt import Entry
from tests.support.commands import Commands
from tests.support.ledger_sample import certificate_for, make_root
from tests.support.ledger_story import BEGIN, DAY, denial, digest
from tests.support.ledger_written import Process, key_of

if TYPE_CHECKING:
    import pathlib

    from saferoute.signing.keys import PublicKey


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    monkeypatch.chdir(tmp_path)
    return Commands(monkeypatch, tmp_path)


def add_root(where: pathlib.Path, version: int, log_keys: list[PublicKey]) -> str:
    """Put the next root beside root.json, and give its digest."""
    (where / UPDATES).mkdir(exist_ok=True)
    begin = BEGIN / 1e6
    current = (where / "root.json" if version == 2 else where / UPDATES / f"{version - 1}.json").read_bytes()
    data = next_root(current, signers=[key_of("root role")], now=begin + version, not_after=begin + 300 * 86_400, log_keys=log_keys)
    (where / UPDATES / f"{version}.json").write_bytes(data)
    return pin(data)


def write(where: pathlib.Path, name: str, certified: bool = True) -> pathlib.Path:
    process = Process(where / "audit", name, certificate=certificate_for(name) if certified else None)
    process.add(Entry("denial", denial(digest(name)[:32])), BEGIN + DAY)
    return process.close()


def test_a_ledger_stays_certified_after_the_log_role_got_a_new_key(run: Commands, tmp_path: pathlib.Path) -> None:
    sha256 = make_root(tmp_path / "root.json")
    write(tmp_path, "web")
    words = ("audit", "verify", "audit", "--root", "root.json", "--sha256", sha256)
    assert "  1 log key is certified by the log role of the trust root (version 1)." in run(*words).out
    newest = add_root(tmp_path, 2, [key_of("second log role").public_key])
    done = run(*words)
    assert (done.code, "did not certify" in done.out) == (0, False)
    assert "  1 log key is certified by the log role of the trust root (version 1)." in done.out
    assert "  - 1 log key was certified under an older root (version 1; the newest is 2)." in done.out
    (one,) = json.loads(run(*words, "--json").out)["segments"]
    assert (one["certified"], one["root_version"], one["certificate"]) == (True, 1, "certified by the log role of shop, root version 1")
    # Who gave the key up because it had leaked pins the root that came after it.
    newer = run("audit", "verify", "audit", "--root", f"{UPDATES}/2.json", "--sha256", newest)
    assert "1 segment is signed with a log key that the log role did not certify" in newer.out


def test_each_version_that_certified_is_named(run: Commands, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_root(tmp_path / "root.json")
    write(tmp_path, "web")
    write(tmp_path, "queue")
    add_root(tmp_path, 2, [key_of("second log role").public_key])
    monkeypatch.setattr("tests.support.ledger_sample.key_of", lambda name: key_of("second log role" if name == "log role" else name))
    write(tmp_path, "cron")
    out = run("audit", "verify", "audit", "--root", "root.json").out
    assert "  3 log keys are certified by the log role of the trust root (version 2: 1, version 1: 2)." in out
    assert "2 log keys were certified under an older root (version 1; the newest is 2)." in out


def test_a_log_role_that_was_given_up_altogether(run: Commands, tmp_path: pathlib.Path) -> None:
    make_root(tmp_path / "root.json")
    write(tmp_path, "web")
    add_root(tmp_path, 2, [])
    assert "(version 1; the newest is 2)" in run("audit", "verify", "audit", "--root", "root.json").out


def test_a_file_without_a_whole_record(run: Commands, tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "web")
    for name, data in (("1", b""), ("2", path.read_bytes()[:100])):
        (path.parent / f"20261122T00000{name}.000000Z-{name * 32}.ledger.jsonl").write_bytes(data)
    done = run("audit", "verify", "audit")
    assert done.code == 0
    assert "  - 2 files hold no whole record: the process was killed, or the power cut, before the first one was kept." in done.out
    assert "has no end" not in done.out
    assert "part of a line" not in done.out
    assert run("audit", "report", "audit", "-o", "report.html").code == 0
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2 files hold no whole record" in report
    assert "1970" not in report
    path.unlink()
    assert run("audit", "report", "audit", "-o", "empty.html").code == 0

"""A ledger in one process: what is written, signed, rotated, deleted, captured and handed on."""

from __future__ import annotations

import copy
import os
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.ledger import Ledger
from saferoute.drivers.ledger_anchor import FileAnchor
from saferoute.drivers.ledger_capture import Capture
from saferoute.drivers.ledger_settings import Settings
from saferoute.drivers.ledger_sinks import DirectoryPlace
from saferoute.errors import ConfigurationError, LedgerError, LedgerWarning
from saferoute.ledger.certificate import LogRole
from saferoute.ledger.checkpoint import Checkpoint, read_note
from saferoute.ledger.commitment import commit
from saferoute.ledger.record import parse_line
from saferoute.ledger.verify import verify_ledger
from saferoute.signing.keys import PrivateKey
from saferoute.values.receipt import Entry
from tests.support.ledger_entries import ANSWER, PROMPT, SYSTEM, clean, denial, exchange, intent, outcome

KEY = PrivateKey.from_seed(bytes(32))
DAY_US = 86_400_000_000


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1000

    def __call__(self) -> int:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += round(seconds * 1e6)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def timed(ledger: Ledger, clock: Clock, **changes: Any) -> Ledger:
    """The same ledger by another clock."""
    settings: Settings = replace(ledger._settings, clock=clock, **changes)
    return Ledger(settings, None)


def kinds(ledger: Ledger) -> list[str]:
    return [record["kind"] for record in records(ledger)]


def records(ledger: Ledger) -> Iterator[dict[str, Any]]:
    for data in ledger.read().values():
        for line in data.splitlines():
            yield dict(parse_line(line).fields)


def test_a_directory_holds_what_was_appended_and_verifies(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    assert repr(ledger) == f"Ledger('the ledger in {tmp_path}/audit')"
    exchange(ledger)
    ledger.append(denial())
    ledger.checkpoint()
    exchange(ledger)
    ledger.close()
    assert kinds(ledger) == ["segment", "intent", "outcome", "denial", "checkpoint", "intent", "outcome", "checkpoint"]
    report = clean(ledger.read())
    assert [one.closed for one in report.segments.values()] == [True]
    assert (report.unsigned_tail, report.maybe_sent, report.certified) == (0, (), False)


def test_a_receipt_is_the_record_and_opens_it(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    receipt = ledger.append(intent())
    assert receipt is not None
    ledger.close()
    _, record, _ = records(ledger)
    assert receipt.record == record
    (name,) = ledger.read()
    assert receipt.id == f"{name[24:56]}:1"
    for field, content in {"asked": PROMPT, "request": PROMPT, "system": SYSTEM.encode()}.items():
        assert record["commit"][field] == commit(bytes.fromhex(receipt.opening()[field]), content)
    assert PROMPT not in b"".join(ledger.read().values())


def test_the_log_role_certifies_each_segments_key(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit", signer=KEY, name="acme/prod", max_bytes=1)
    for _ in range(3):
        ledger.append(denial())
        ledger.checkpoint()
    report = clean(ledger.read(), log_roles=[LogRole((KEY.public_key,))])
    assert report.certified
    assert len({one.key for one in report.segments.values()}) == len(report.segments) == 3
    other = PrivateKey.from_seed(b"1" * 32).public_key
    assert not verify_ledger(ledger.read(), log_roles=[LogRole((other,))]).certified


def test_the_same_secret_knows_a_system_prompt_again(tmp_path: Path) -> None:
    for _ in range(2):
        ledger = Ledger.directory(tmp_path / "audit", secret=tmp_path / "log.secret")
        ledger.append(intent())
        ledger.close()
    ids = [record["system_id"] for record in records(ledger) if record["kind"] == "intent"]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".log.secret.lock", "audit", "log.secret"]


def test_a_checkpoint_is_due_by_number_and_by_time(tmp_path: Path, clock: Clock) -> None:
    ledger = timed(Ledger.directory(tmp_path / "audit", checkpoint_records=3, checkpoint_seconds=5), clock)
    assert not ledger.due
    ledger.append(denial())
    assert not ledger.due
    clock.passes(4.9)
    assert not ledger.due
    clock.passes(0.1)
    assert ledger.due
    ledger.checkpoint()
    assert not ledger.due
    clock.passes(60)
    assert not ledger.due  # there is nothing to sign
    ledger.append(denial())
    ledger.checkpoint()
    for _ in range(3):
        assert not ledger.due
        ledger.append(denial())
    assert ledger.due
    ledger.checkpoint()
    ledger.checkpoint()
    assert kinds(ledger).count("checkpoint") == 3


def test_the_first_append_waits_and_the_next_do_not(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    assert ledger.waits
    ledger.append(denial())
    assert not ledger.waits
    always = Ledger.directory(tmp_path / "audit", fsync="always")
    always.append(denial())
    assert always.waits
    assert [Ledger.to(print).waits, Ledger.memory().waits] == [True, True]


@pytest.mark.parametrize("fsync", ["always", "checkpoint", "never"])
def test_the_disk_is_waited_for_when_it_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Any) -> None:
    waited: list[int] = []
    monkeypatch.setattr("saferoute.drivers.storage.ledger_directory._to_disk", waited.append)
    ledger = Ledger.directory(tmp_path / "audit", fsync=fsync)
    ledger.append(denial())
    ledger.append(denial())
    appended = len(waited)
    ledger.checkpoint()
    ledger.close()
    assert (appended, len(waited) - appended) == {"always": (2, 2), "checkpoint": (0, 2), "never": (0, 0)}[fsync]
    clean(ledger.read())


def test_one_wait_does_for_all_that_was_written_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr("saferoute.drivers.storage.ledger_directory._to_disk", waited.append)
    ledger = Ledger.directory(tmp_path / "audit", fsync="always")
    ledger.append(denial())
    writing = ledger._own()
    segment = writing._segment
    assert segment is not None
    writing._wait(segment, segment.stream.size)
    assert len(waited) == 1


def test_a_segment_ends_by_size(tmp_path: Path, clock: Clock) -> None:
    ledger = timed(Ledger.directory(tmp_path / "audit", max_bytes=10_000), clock)
    for _ in range(30):
        exchange(ledger)
        clock.passes(1)
        if ledger.due:
            ledger.checkpoint()
    ledger.close()
    report = clean(ledger.read())
    assert len(report.segments) > 3
    assert all(one.closed for one in report.segments.values())
    assert [one.previous is None for one in report.segments.values()] == [True] + [False] * (len(report.segments) - 1)
    assert all(len(data) < 16_000 for data in ledger.read().values())


def test_a_segment_ends_by_age(tmp_path: Path, clock: Clock) -> None:
    ledger = timed(Ledger.directory(tmp_path / "audit", max_age=3_600), clock)
    ledger.append(denial())
    ledger.checkpoint()
    clock.passes(3_600)
    assert ledger.due
    ledger.checkpoint()
    assert ledger.waits
    ledger.append(denial())
    ledger.close()
    assert kinds(ledger) == ["segment", "denial", "checkpoint", "checkpoint", "segment", "denial", "checkpoint"]
    clean(ledger.read())


def test_a_later_process_continues_the_newest_segment(tmp_path: Path) -> None:
    for _ in range(3):
        ledger = Ledger.directory(tmp_path / "audit")
        exchange(ledger)
        ledger.close()
    report = clean(ledger.read())
    names = [one.segment for one in report.segments.values()]
    assert [one.previous and one.previous.segment for one in report.segments.values()] == [None, *names[:2]]
    sorted((tmp_path / "audit").glob("*.jsonl"))[1].unlink()
    assert "is missing" in verify_ledger(ledger.read()).faults[0].words


def test_what_is_no_segment_is_not_continued(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir(mode=0o700)
    (tmp_path / "audit" / f"99991123T120000.000000Z-{'0' * 32}.ledger.jsonl").write_bytes(b"noise\n")
    ledger = Ledger.directory(tmp_path / "audit")
    ledger.append(denial())
    assert next(records_of(ledger, 0))["previous"] is None


def records_of(ledger: Ledger, index: int) -> Iterator[dict[str, Any]]:
    for line in list(ledger.read().values())[index].splitlines():
        yield dict(parse_line(line).fields)


def test_old_segments_are_deleted_and_that_is_recorded(tmp_path: Path, clock: Clock) -> None:
    ledger = timed(Ledger.directory(tmp_path / "audit", keep_days=7), clock)
    seen: list[str] = []
    for day in range(25):
        exchange(ledger)
        ledger.checkpoint()
        (newest, *_) = reversed(list(ledger.read()))
        os.utime(tmp_path / "audit" / newest, (clock.now / 1e6, clock.now / 1e6))
        seen.append(newest)
        report = clean(ledger.read())  # every day
        assert len(report.segments) == min(day + 1, 7)
        clock.passes(86_400.5)
        ledger.checkpoint()
        os.utime(tmp_path / "audit" / newest, ((clock.now - DAY_US) / 1e6,) * 2)
    assert list(ledger.read()) == seen[-7:]
    assert [link.segment for link in report.removed][-1] == seen[-8][24:56]
    (retention,) = (record for record in records_of(ledger, -1) if record["kind"] == "retention")
    assert [row["segment"] for row in retention["removed"]] == [seen[-8][24:56]]
    ledger.close()


def test_old_segments_that_cannot_be_deleted_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Ledger.directory(tmp_path / "audit")
    first.append(denial())
    first.close()
    (name,) = first.read()
    os.utime(tmp_path / "audit" / name, (0, 0))

    def refused(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refused)
    ledger = Ledger.directory(tmp_path / "audit", keep_days=7, fsync="never")
    ledger.append(denial())
    assert ledger.due
    with pytest.warns(LedgerWarning, match=r"old segments of .* are not deleted: Permission denied \(EACCES\)"):
        ledger.checkpoint()
    ledger.close()
    monkeypatch.undo()
    assert clean(ledger.read()).removed == ()  # it is named as removed, and still there


def test_old_segments_that_cannot_be_read_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.directory(tmp_path / "audit", keep_days=7)

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(DirectoryPlace, "expired", refused)
    with pytest.warns(LedgerWarning, match=r"old segments of .* are not deleted: Permission denied \(EACCES\)"):
        ledger.append(denial())
    ledger.close()
    clean(ledger.read())


def test_a_segment_that_somebody_else_deleted_meanwhile_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [f"20001123T120000.000000Z-{'0' * 32}.ledger.jsonl"]
    monkeypatch.setattr(DirectoryPlace, "expired", lambda *_: listed)
    ledger = Ledger.directory(tmp_path / "audit", keep_days=7)
    ledger.append(denial())
    ledger.close()
    assert kinds(ledger) == ["segment", "denial", "checkpoint"]


def test_what_is_no_segment_is_not_deleted_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir(mode=0o700)
    path = tmp_path / "audit" / f"20001123T120000.000000Z-{'0' * 32}.ledger.jsonl"
    path.write_bytes(b"noise\n")
    os.utime(path, (0, 0))
    ledger = Ledger.directory(tmp_path / "audit", keep_days=0)
    ledger.append(denial())
    ledger.close()
    assert path.exists()


def test_hooks_are_told_what_the_disk_has(tmp_path: Path) -> None:
    told: list[tuple[Checkpoint, str]] = []
    ledger = Ledger.directory(
        tmp_path / "audit", on_checkpoint=(lambda found, note: told.append((found, note)), FileAnchor(tmp_path / "notes"))
    )
    for _ in range(2):
        exchange(ledger)
        ledger.checkpoint()
    ledger.close()
    assert [found.size for found, _ in told] == [3, 6, 7]
    (report,) = clean(ledger.read(), anchors=[found for found, _ in told]).segments.values()
    assert [read_note(note, report.key) for _, note in told] == [found for found, _ in told]
    assert (tmp_path / "notes").read_text() == "".join(f"{note}\n" for _, note in told)
    (name,) = ledger.read()
    cut = {name: b"".join(ledger.read()[name].splitlines(keepends=True)[:4])}
    assert not verify_ledger(cut, anchors=[found for found, _ in told]).ok
    assert verify_ledger(cut).ok  # the documented case: only an anchor shows it


def test_a_hook_that_fails_is_a_warning_and_says_nothing_of_its_own(tmp_path: Path) -> None:
    def fails(found: Checkpoint, note: str) -> None:
        raise RuntimeError("https://user:hunter2@anchors.example")

    ledger = Ledger.directory(tmp_path / "audit", on_checkpoint=(fails,))
    ledger.append(denial())
    with pytest.warns(LedgerWarning, match=r"was not anchored: its hook failed \(RuntimeError\)") as caught:
        ledger.checkpoint()
    assert "hunter2" not in str(caught[0].message)
    ledger.close()  # within the minute: not again


def test_a_hook_may_use_the_ledger(tmp_path: Path) -> None:
    def hook(found: Checkpoint, note: str) -> None:
        if found.size < 10:
            ledger.append(denial())
            ledger.checkpoint()

    ledger = Ledger.directory(tmp_path / "audit", on_checkpoint=(hook,))
    ledger.append(denial())
    ledger.checkpoint()
    ledger.close()
    clean(ledger.read())
    assert kinds(ledger).count("denial") == 5


def test_content_is_captured_for_the_routes_that_are_named(tmp_path: Path) -> None:
    capture = Capture(["fast"], tmp_path / "capture.key")
    ledger = Ledger.directory(tmp_path / "audit", capture=capture)
    sent = ledger.append(intent())
    assert sent is not None
    ledger.append(outcome(sent))
    exchange(ledger, "slow")
    ledger.close()
    clean(ledger.read())
    assert kinds(ledger) == ["segment", "intent", "content", "content", "outcome", "content", "intent", "outcome", "checkpoint"]
    found = {(record["ref"], record["field"]): capture.opened(record) for record in records(ledger) if record["kind"] == "content"}
    answered = sent.id.replace(":1", ":4")
    assert found == {(sent.id, "asked"): PROMPT, (sent.id, "request"): PROMPT, (answered, "response"): ANSWER}
    assert PROMPT not in b"".join(ledger.read().values())


def test_a_key_that_cannot_be_read_stops_what_is_captured(tmp_path: Path) -> None:
    (tmp_path / "capture.key").write_text("mine")
    (tmp_path / "capture.key").chmod(0o600)
    ledger = Ledger.directory(tmp_path / "audit", capture=Capture(["fast"], tmp_path / "capture.key"))
    with pytest.raises(LedgerError, match="it is not 64 hexadecimal digits"):
        ledger.append(intent())
    ledger.append(intent("slow"))
    ledger.close()
    clean(ledger.read())
    assert kinds(ledger) == ["segment", "intent", "checkpoint"]


def in_the_middle(ledger: Ledger, then: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something in the thread that is writing, as a signal's handler does, or a finalizer."""
    segment = ledger._own()._segment
    assert segment is not None
    write = type(segment.stream).write

    def interrupted(self: Any, *arguments: Any) -> None:
        monkeypatch.undo()
        then()
        write(self, *arguments)

    monkeypatch.setattr(type(segment.stream), "write", interrupted)


def test_what_comes_in_the_middle_of_a_record_is_written_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    nested: list[object] = []
    in_the_middle(ledger, lambda: nested.append(ledger.append(denial("nested"))), monkeypatch)
    receipt = ledger.append(denial("outer"))
    assert nested == [None]
    assert receipt is not None
    assert receipt.record["route"] == "outer"
    ledger.close()
    assert [record["route"] for record in records(ledger) if record["kind"] == "denial"] == ["outer", "nested"]
    clean(ledger.read())


def test_a_checkpoint_in_the_middle_of_a_record_is_made_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    in_the_middle(ledger, ledger.checkpoint, monkeypatch)
    ledger.append(denial())
    assert "checkpoint" not in kinds(ledger)
    assert ledger.due
    ledger.checkpoint()
    assert not ledger.due
    ledger.close()
    clean(ledger.read())


def test_a_checkpoint_in_the_middle_of_a_checkpoint_is_made_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    before: list[bool] = []

    def sync(self: Any) -> None:
        monkeypatch.undo()
        before.append(ledger.due)
        ledger.append(denial())  # goes on while the disk is waited for
        ledger.checkpoint()

    monkeypatch.setattr("saferoute.drivers.storage.ledger_directory.SegmentFile.sync", sync)
    ledger.checkpoint()
    assert before == [False]
    assert kinds(ledger).count("checkpoint") == 1
    assert ledger.due
    ledger.close()
    clean(ledger.read())


def test_what_comes_in_the_middle_of_a_checkpoint_is_written_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.directory(tmp_path / "audit", fsync="always")
    exchange(ledger)
    in_the_middle(ledger, lambda: ledger.append(denial("nested")), monkeypatch)
    ledger.checkpoint()
    assert "denial" not in kinds(ledger)
    ledger.close()
    assert kinds(ledger) == ["segment", "intent", "outcome", "checkpoint", "denial", "checkpoint"]
    clean(ledger.read())


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    ledger.close()
    assert list(ledger.read()) == []
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    ledger.close()
    ledger.close()
    ledger.checkpoint()
    assert not ledger.due
    with pytest.raises(LedgerError, match="was closed: make a new one"):
        ledger.append(denial())
    assert kinds(ledger)[-1] == "checkpoint"
    clean(ledger.read())


def test_a_ledger_that_is_dropped_makes_its_last_checkpoint(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    del ledger
    ledger = Ledger.directory(tmp_path / "audit")
    assert kinds(ledger)[-1] == "checkpoint"
    (report,) = clean(ledger.read()).segments.values()
    assert report.closed


def test_it_cannot_be_copied_or_pickled(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a Ledger cannot be copied or pickled; each process makes its own"):
            take(ledger)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fsync": "sometimes"}, 'fsync= is "checkpoint", "always" or "never"'),
        ({"max_bytes": 0}, "max_bytes="),
        ({"max_age": 0}, "max_age="),
        ({"keep_days": -1}, "keep_days="),
        ({"checkpoint_records": 0}, "checkpoint_records="),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds="),
        ({"on_checkpoint": ["x"]}, "on_checkpoint="),
        ({"on_checkpoint": "xy", "signer": 1}, "signer="),
        ({"name": "No Name"}, "name="),
        ({"capture": 1}, "capture="),
        ({"secret": "text"}, "secret="),
        ({"on_failure": "panic"}, "on_failure="),
    ],
)
def test_malformed_arguments_are_refused(tmp_path: Path, arguments: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Ledger.directory(tmp_path / "audit", **arguments)


def test_an_entry_that_fits_no_record_is_refused_and_the_next_goes_on(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit")
    exchange(ledger)
    with pytest.raises(LedgerError, match=r"a record for the ledger in .* cannot be made: denial"):
        ledger.append(Entry("denial", {}))
    exchange(ledger)
    ledger.close()
    (report,) = clean(ledger.read()).segments.values()
    assert report.records == 6


def test_a_notebook_shows_where_records_go(tmp_path: Path) -> None:
    memory, kept = Ledger.memory(), Ledger.directory(tmp_path / "a<b")
    assert "records end with the process" in memory._repr_html_()
    shown = kept._repr_html_()
    assert "records outlive the process" in shown
    assert "no log role certifies its keys" in shown
    assert "checkpoints are told to nobody" in shown
    assert "a&lt;b" in shown
    assert "a<b" not in shown
    told = Ledger.directory(tmp_path / "c", on_checkpoint=[lambda *_: None], signer=KEY, name="acme/prod")
    assert "a log role certifies its keys; checkpoints are told to somebody" in told._repr_html_()

"""`saferoute audit`: what each command says of a small ledger, and how it fails."""

from __future__ import annotations

import builtins
import csv
import io
import json
import shutil
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.cli import audit_export, audit_files, main, progress
from saferoute.cli.audit_verify import SegmentBytes
from saferoute.drivers.keyring_store import KeyringStore
from saferoute.drivers.ledger_secrets import find_key, given_key
from saferoute.ledger.export import COLUMNS
from saferoute.ledger.plain import when
from saferoute.values.receipt import Entry
from tests.support.commands import Commands, Terminal
from tests.support.ledger_sample import Sample, certificate_for, make_root, sample
from tests.support.ledger_story import BEGIN, DAY, denial, digest, intent, outcome, verdict
from tests.support.ledger_written import SECRET, Process, key_of

if TYPE_CHECKING:
    import pathlib
    from datetime import tzinfo

ASKED, BODY, ANSWER, SYSTEM = b"asked", b'{"model":"gpt-5-mini"}', b'{"role":"assistant"}', "Answer shortly."
FIRST, SECOND, THIRD = (digest(name)[:32] for name in ("first call", "second call", "third call"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    monkeypatch.chdir(tmp_path)
    return Commands(monkeypatch, tmp_path)


@pytest.fixture
def small(tmp_path: pathlib.Path) -> Process:
    """A fallback, a refusal, and an attempt that was maybe sent."""
    process = Process(tmp_path / "audit", "web", every=1_000)
    contents = {"asked": ASKED, "request": BODY}
    began = intent(FIRST, tags={"team": "search"})
    process.add(Entry("intent", began, contents, SYSTEM, "fast"), BEGIN)
    process.add(Entry("outcome", outcome(began, outcome="RateLimited", status=429, cost=None, usage=None)), BEGIN + 1)
    again = intent(FIRST, attempt=2, target="azure-eu", secret="azure", why="next in order", tags={"team": "search"})
    process.add(Entry("intent", again, contents, SYSTEM, "fast"), BEGIN + 2)
    process.add(Entry("outcome", outcome(again), {"response": ANSWER}), BEGIN + 3)
    process.add(Entry("denial", denial(SECOND, verdicts=[verdict("pii", "flag")]), {"asked": ASKED}), BEGIN + DAY)
    process.add(Entry("intent", intent(THIRD, route="smart"), contents, None, "smart"), BEGIN + 2 * DAY)
    return process


@pytest.fixture
def ledger(small: Process) -> Process:
    small.close()
    secret = small.path.with_name("ledger.secret")
    secret.write_text(SECRET.hex() + "\n", encoding="ascii")
    secret.chmod(0o600)
    return small


@pytest.fixture(scope="module")
def bigger(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample(tmp_path_factory.mktemp("sample"), 300, processes=2)


def test_verify_says_what_is_whole_and_what_that_does_not_show(run: Commands, ledger: Process) -> None:
    done = run("audit", "verify", "audit")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "ok: 1 segment, 8 records, nothing is wrong in what is here; records cut off at the end would not show without an anchor",
        "",
        "What this does not show",
        "  - No trust root was given: nobody says whose log keys these are. Pass --root root.json --sha256 HEX.",
        (
            "  - No checkpoint that was kept elsewhere was compared: records cut off at the end of a segment that is not closed, and a last "
            "segment that is gone as a whole, are not noticed without one."
        ),
        "  - 1 attempt has no outcome: maybe sent, and nobody knows.",
    ]


def test_verify_with_everything_that_there_is(run: Commands, bigger: Sample) -> None:
    words = ("audit", "verify", str(bigger.ledger), "--root", str(bigger.root), "--sha256", bigger.sha256, "--anchor", str(bigger.anchors))
    done = run(*words)
    assert done.code == 0
    assert done.out.splitlines()[1:3] == [
        "  2 log keys are certified by the log role of the trust root (version 1).",
        "  4 checkpoints that were kept elsewhere: the ledger agrees.",
    ]
    assert "No trust root" not in done.out
    assert "counts as not written" in done.out
    found = json.loads(run(*words, "--json").out)
    assert (found["ok"], found["faults"], found["anchors"], len(found["segments"])) == (True, [], 4, 4)
    assert all(one["certified"] for one in found["segments"])
    assert [one["closed"] for one in found["segments"]].count(False) == 1


def test_verify_without_a_digest_says_that_the_root_was_believed(run: Commands, bigger: Sample) -> None:
    assert f"Its SHA-256 is {bigger.sha256}" in run("audit", "verify", str(bigger.ledger), "--root", str(bigger.root)).out


def test_verify_names_the_first_bad_record(run: Commands, ledger: Process) -> None:
    data = bytearray(ledger.path.read_bytes())
    data[data.index(b"azure-eu")] = ord("b")
    ledger.path.write_bytes(data)
    done = run("audit", "verify", "audit")
    assert done.code == 1
    assert done.out.startswith("NOT WHOLE: 1 segment, 8 records, ")
    assert f"The first bad record\n  {ledger.path.name}, record 3: " in done.out
    found = json.loads(run("audit", "verify", "audit", "--json").out)
    assert (found["ok"], found["faults"][0]["record"]) == (False, 3)


def test_verify_lists_twenty_faults_and_counts_the_rest(run: Commands, bigger: Sample, tmp_path: pathlib.Path) -> None:
    shutil.copytree(bigger.ledger, tmp_path / "bad")
    path = tmp_path / "bad" / bigger.segments[0].name
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, *(b"{}\n" for _ in rest[:40]), *rest[40:]]))
    out = run("audit", "verify", "bad").out
    assert out.count(f"{path.name}, record ") == 20
    assert "more: --json has them all" in out


def test_an_anchor_finds_what_was_cut_off(run: Commands, small: Process, tmp_path: pathlib.Path) -> None:
    small.checkpoint()
    small.save()
    (tmp_path / "anchors").write_text(small.notes[-1], encoding="utf-8")
    small.path.write_bytes(b"".join(small.path.read_bytes().splitlines(keepends=True)[:4]))
    assert run("audit", "verify", "audit").code == 0
    done = run("audit", "verify", "audit", "--anchor", "anchors")
    assert done.code == 1
    assert "NOT WHOLE" in done.out


def test_a_ledger_that_no_log_role_certified(run: Commands, ledger: Process, tmp_path: pathlib.Path) -> None:
    make_root(tmp_path / "root.json")
    out = run("audit", "verify", "audit", "--root", "root.json").out
    assert "1 segment is signed with a log key that the log role did not certify (" in out
    make_root(tmp_path / "plain.json", log=False)
    assert "The root shop has no log role" in run("audit", "verify", "audit", "--root", "plain.json").out


def test_removed_segments_are_told(run: Commands, ledger: Process, tmp_path: pathlib.Path) -> None:
    first = ledger.path
    ledger.begin(BEGIN + 3 * DAY)
    link = ledger._previous
    ledger._lines.append(ledger._writer.add_fields("retention", {"removed": [link.fields()]}, BEGIN + 3 * DAY).line)
    ledger.close()
    first.unlink()
    assert "1 segment was removed by the ledger's own rule for old ones" in run("audit", "verify", "audit").out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--sha256", "0" * 64), "--sha256 and --updates say something of a root"),
        (("--root", "root.json", "--sha256", "0" * 64), "root.json is another root: its SHA-256 is "),
        (("--root", "nothing.json"), "nothing.json cannot be read"),
        (("--anchor", "empty"), "empty holds no checkpoint"),
        (("--anchor", "bytes"), "bytes is not text in UTF-8, and holds no checkpoints"),
        (("--anchor", "words"), "words cannot be used: "),
    ],
)
def test_what_verify_cannot_use(run: Commands, ledger: Process, tmp_path: pathlib.Path, words: tuple[str, ...], error: str) -> None:
    make_root(tmp_path / "root.json")
    for name, data in (("empty", b"\n"), ("bytes", b"\xff"), ("words", b"saferoute.ledger/no\n")):
        (tmp_path / name).write_bytes(data)
    done = run("audit", "verify", "audit", *words)
    assert (done.code, done.out) == (1, "")
    assert error in done.err


def test_an_anchor_names_the_segment_that_is_gone(run: Commands, ledger: Process, tmp_path: pathlib.Path) -> None:
    (tmp_path / "anchors").write_text(ledger.notes[-1], encoding="utf-8")
    ledger.path.unlink()
    done = run("audit", "verify", "audit", "--anchor", "anchors")
    assert done.code == 1
    assert done.out.splitlines()[0] == f"NOT WHOLE: segment {ledger.segment}, which an anchor covers, is missing"
    assert "The first bad record" not in done.out


def test_only_the_first_bad_record_is_called_so(run: Commands, ledger: Process) -> None:
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b'"azure"', b'"azurE"').replace(b'"smart"', b'"smarT"'))
    lines = run("audit", "verify", "audit").out.splitlines()
    place = lines.index("The first bad record")
    assert lines[place + 1].startswith(f"  {ledger.path.name}, record 3: ")
    assert lines[place + 2 : place + 4] == ["", "And after it"]
    assert lines[place + 4].startswith(f"  {ledger.path.name}, record ")


def test_an_empty_directory_is_no_quiet_day(run: Commands, tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty").mkdir()
    for command in (("verify",), ("show",), ("stats",), ("explain", FIRST)):
        done = run("audit", *command, "empty")
        assert (done.code, "empty holds no segment of a ledger" in done.err) == (1, True)


def test_two_directories_are_read_together(run: Commands, bigger: Sample, ledger: Process) -> None:
    done = run("audit", "verify", str(bigger.ledger), "audit", "audit")
    assert "ok: 5 segments" in done.out
    segments = audit_files.segments_in([bigger.ledger, ledger.path.parent])
    assert [one.name for one in segments] == sorted(one.name for one in segments)
    with progress.Progress(1, "segments") as bar:
        assert len(SegmentBytes(segments, bar)) == 5


def test_show(run: Commands, ledger: Process) -> None:
    done = run("audit", "show", "audit")
    assert done.code == 0
    assert "saferoute audit verify says whether they are whole" in done.err
    assert done.out.splitlines() == [
        f"2026-11-19 00:00:00 UTC  {ledger.segment}:2  fast  openai-eu (gpt-5-mini)  RateLimited 429  800 ms  cost: nothing  team=search",
        f"2026-11-19 00:00:00 UTC  {ledger.segment}:4  fast  azure-eu (gpt-5-mini), attempt 2  ok 200  800 ms  0.00065 USD  team=search",
        f"2026-11-20 00:00:00 UTC  {ledger.segment}:5  fast  refused: CapabilityForbidden (models)",
        (
            f"2026-11-21 00:00:00 UTC  {ledger.segment}:6  smart  openai-eu (gpt-5-mini)  MAYBE SENT  "
            "cost: not known for 1 attempt; at most 0.02 USD more is held back"
        ),
    ]


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ((), [1, 3, 5, 6]), (("--last", "1"), [6]), (("--call", FIRST[:8]), [1, 3]), (("--route", "smart"), [6]),
        (("--since", "2026-11-20"), [5, 6]), (("--until", "2026-11-20T00:00:00+00:00"), [1, 3]),
        (("--since", "2026-11-20", "--until", "2026-11-21"), [5]), (("--denied",), [5]), (("--tag", "team=search"), [1, 3]),
        (("--tag", "team=search", "--secret", "azure"), [3]), (("--tag", "team="), []), (("--secret", "openai"), [1, 6]),
    ],
)  # fmt: skip
def test_what_show_leaves_out(run: Commands, ledger: Process, words: tuple[str, ...], places: list[int]) -> None:
    done = run("audit", "show", "audit", "--json", *words)
    assert [json.loads(line)["receipt"] for line in done.out.splitlines()] == [f"{ledger.segment}:{place}" for place in places]


@pytest.mark.parametrize(
    ("words", "hours"),
    [("today", 0), ("yesterday", -24), ("00:00", 0), ("09:30", 9.5), ("23:59", 23 + 59 / 60)],
)
def test_times_of_today(words: str, hours: float, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2026, 11, 23, 18, 47, 21, 5, tz)

    monkeypatch.setattr(audit_files, "datetime", Clock)
    assert audit_files._moment(words) == BEGIN + 4 * DAY + int(hours * DAY / 24)


def test_show_says_that_nothing_fits(run: Commands, ledger: Process) -> None:
    done = run("audit", "show", "audit", "--since", "1s", "--denied")
    assert (done.code, done.out) == (0, "")
    assert "nothing that is on record here fits" in done.err


def test_show_says_that_nothing_is_there(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    process.close()
    done = run("audit", "show", "audit")
    assert (done.code, done.out) == (0, "")
    assert "no attempt and no refusal is on record here" in done.err


def test_a_segment_in_the_place_of_a_call_is_told_apart(run: Commands, ledger: Process) -> None:
    done = run("audit", "explain", ledger.segment, "audit")
    why = f"{ledger.segment} is a segment: say which record of it, as in {ledger.segment}:1; saferoute audit show lists them"
    assert (done.code, done.err) == (1, f"error: {why}\n")


def test_help_that_is_named_is_of_the_command(run: Commands, ledger: Process) -> None:
    done = run("audit", "prove", FIRST, "audit", "-o", "p", "--open", "asked,request")
    why = "--open takes one of asked, system, request, response, and may be given several times; not 'asked,request'"
    assert (done.code, done.err) == (2, f"error: {why}; see saferoute audit prove --help\n")


def test_refusals_say_why(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    said = [verdict("pii", "block", "output", "/text", "pii.email: 1"), verdict("links", "flag"), verdict("topics", "block", path="")]
    began = intent(FIRST)
    process.add(Entry("intent", began), BEGIN)
    process.add(Entry("outcome", outcome(began, outcome="GuardBlocked", deny="guard:pii", verdicts=said)), BEGIN)
    process.add(Entry("denial", denial(SECOND, error="AllRoutesCooling", deny=None, rejected=[["azure", "its breaker is open"]])), BEGIN)
    left = intent(THIRD, stream=True)
    process.add(Entry("intent", left), BEGIN)
    process.add(Entry("outcome", outcome(left, outcome="Abandoned", deny=None)), BEGIN)
    process.close()
    lines = run("audit", "show", "audit").out.splitlines()
    assert [line.split("  ")[3:5] for line in lines] == [
        ["openai-eu (gpt-5-mini)", "refused: GuardBlocked (guard:pii); pii: pii.email: 1; topics: the whole request"],
        ["refused: AllRoutesCooling; azure: its breaker is open"],
        ["openai-eu (gpt-5-mini)", "left by the caller 200"],
    ]
    assert len(run("audit", "show", "audit", "--denied").out.splitlines()) == 2
    rows = run("audit", "stats", "audit", "--by", "deny").out.splitlines()[1:]
    assert [row.split()[:4] for row in rows] == [["guard:pii", "1", "0", "1"], ["-", "1", "0", "1"]]
    assert run("audit", "explain", THIRD, "audit").out.splitlines()[1] == (
        "  left by the caller after 1 attempt, before the answer had ended: neither failed nor refused"
    )


def test_the_beginning_of_a_segments_id_is_enough(run: Commands, ledger: Process) -> None:
    whole, short = (run("audit", "explain", f"{ledger.segment[:length]}:4", "audit") for length in (32, 6))
    assert (whole.code, whole.out) == (short.code, short.out)
    assert f"{ledger.segment}:4  <- asked about" in short.out
    assert run("audit", "explain", f"{ledger.segment[:5]}:4", "audit").code == 2


def test_a_beginning_that_two_segments_share(run: Commands, ledger: Process) -> None:
    other = ledger.segment[:6] + "0" * 26
    ledger.path.with_name(ledger.path.name.replace(ledger.segment, other)).write_bytes(ledger.path.read_bytes())
    done = run("audit", "explain", f"{ledger.segment[:6]}:4", "audit")
    assert (done.code, f"2 segments begin with {ledger.segment[:6]}: " in done.err) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        ("show", "audit", "--last", "0"), ("show", "audit", "--last", "x"), ("show", "audit", "--since", "tomorrow"),
        ("show", "audit", "--since", "24:00"), ("show", "audit", "--tag", "team"), ("export", "audit", "--to", "csv", "--tags", "a,,b"),
        ("export", "audit", "--to", "jsonl", "--tags", "team"), ("prove", "no-receipt", "audit", "-o", "p"),
        ("stats", "audit", "--by", "route,colour"), ("show",), ("find", "audit"),
        ("check-proof", "x", "--content", "response"), ("prove", "x", "audit", "-o", "p", "--open", "everything"),
        ("prove", "x", "audit", "-o", "p", "--keyring"), ("export", "audit", "--to", "xml"), ("export", "audit", "--to", "parquet"),
        ("explain", "short", "audit"), ("explain", "NOT-HEX", "audit"),
    ],
)  # fmt: skip
def test_wrong_usage(run: Commands, ledger: Process, words: tuple[str, ...]) -> None:
    done = run("audit", *words)
    assert (done.code, done.out) == (2, "")
    assert "error: " in done.err


def test_a_line_that_is_no_record_is_counted(run: Commands, ledger: Process) -> None:
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b'"route":"smart"', b'"route": "smart"'))
    done = run("audit", "show", "audit")
    assert (done.code, len(done.out.splitlines())) == (1, 3)
    assert f"error: {ledger.path.name}: 1 line is no record; saferoute audit verify says more" in done.err


def test_explain_a_receipt_and_a_call(run: Commands, ledger: Process) -> None:
    by_receipt, by_call = run("audit", "explain", f"{ledger.segment}:4", "audit"), run("audit", "explain", FIRST[:6], "audit")
    assert by_receipt.code == by_call.code == 0
    assert by_receipt.out.replace("  <- asked about", "") == by_call.out
    assert f"outcome: {ledger.segment}:4  <- asked about" in by_receipt.out
    assert "answered by azure-eu, model gpt-5-mini, at https://eu.api.openai.com (openai), attempt 2 of 2, in 800 ms" in by_call.out
    assert "What tells of it, 1 segment, verifies" in by_call.out
    found = json.loads(run("audit", "explain", FIRST, "audit", "--json").out)
    assert (found["call"], found["whole"], [row["outcome"] for row in found["records"]]) == (FIRST, True, ["RateLimited", "ok"])


def test_explain_says_how_far_the_records_can_be_relied_on(run: Commands, small: Process) -> None:
    small.save()
    assert f"No checkpoint covers {small.segment}:5 yet" in run("audit", "explain", SECOND, "audit").out
    small.path.write_bytes(small.path.read_bytes().replace(b"azure-eu", b"bzure-eu"))
    done = run("audit", "explain", FIRST, "audit")
    assert done.code == 1
    assert f"{small.path.name} is not whole: record 3: " in done.out
    assert "what is said above may be wrong" in done.out


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("0" * 32, "no record here is about the call"), ("0" * 32 + ":1", "segment 00000000000000000000000000000000 is not here"),
        ("{segment}:0", "is a segment record, and about no call"), ("{segment}:99", "has no record 99"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained(run: Commands, ledger: Process, name: str, error: str) -> None:
    done = run("audit", "explain", name.format(segment=ledger.segment), "audit")
    assert (done.code, done.out) == (1, "")
    assert error in done.err


def test_a_beginning_that_two_calls_share(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    for call in ("a" * 31 + "1", "a" * 31 + "2"):
        process.add(Entry("denial", denial(call)), BEGIN)
    process.close()
    done = run("audit", "explain", "aaaaaa", "audit")
    assert (done.code, "2 calls begin with aaaaaa" in done.err) == (1, True)


def test_find_a_key(run: Commands, ledger: Process) -> None:
    done = run("audit", "find", "audit", "--secret", "openai")
    assert done.code == 0
    assert [line.partition("  call ")[2] for line in done.out.splitlines()] == [FIRST, THIRD]
    assert all("https://eu.api.openai.com" in line for line in done.out.splitlines())
    assert "MAYBE SENT" in done.out
    said = "2 attempts of 2 calls presented the key openai, from 2026-11-19 00:00:00 UTC to 2026-11-21 00:00:00 UTC\n"
    assert done.err == said
    assert run("audit", "find", "audit", "--secret", "openai", "--exit-code").code == 1
    rows = [json.loads(line) for line in run("audit", "find", "audit", "--secret", "azure", "--json").out.splitlines()]
    assert [(row["secret"], row["origin"]) for row in rows] == [("azure", "https://eu.api.openai.com")]
    none = run("audit", "find", "audit", "--secret", "azure", "--exit-code", "--since", "2026-11-20")
    assert (none.code, none.out, none.err) == (0, "", "0 attempts of 0 calls presented the key azure\n")
    assert run("audit", "find", "audit", "--secret", "azure", "--until", "2026-11-19").err == none.err


def test_a_key_that_no_record_names_is_a_mistyped_one(run: Commands, ledger: Process) -> None:
    for more in ((), ("--json",), ("--since", "2026-11-20")):
        done = run("audit", "find", "audit", "--secret", "open-ai", *more)
        assert (done.code, done.out, done.err) == (1, "", 'error: no record names a key "open-ai"; keys in this ledger: azure, openai\n')


def test_find_verifies_and_says_what_it_cannot_know(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    process.add(Entry("outcome", outcome(intent(FIRST))), BEGIN)
    process.close()
    done = run("audit", "find", "audit", "--secret", "openai")
    assert done.code == 1
    assert 'error: no record names a key "openai"; keys in this ledger: none\n' in done.err
    assert "note: 1 outcome without an intent here: which key those presented is not known" in done.err
    began = intent(SECOND)
    process.begin(BEGIN + 1)
    process.add(Entry("intent", began), BEGIN + 1)
    process.add(Entry("outcome", outcome(began)), BEGIN + 2)
    process.close()
    done = run("audit", "find", "audit", "--secret", "openai")
    assert (done.code, len(done.out.splitlines())) == (0, 1)
    assert "note: 1 outcome without an intent here" in done.err
    process = Process(tmp_path / "audit", "web")
    process.add(Entry("outcome", outcome(intent(FIRST))), BEGIN)
    process.close()
    process.path.write_bytes(process.path.read_bytes().replace(b"openai-eu", b"openai-us"))
    changed = run("audit", "find", "audit", "--secret", "openai")
    assert (changed.code, f"error: {process.path.name} is not whole: record 1: " in changed.err) == (1, True)


def test_stats_as_a_table_and_as_json(run: Commands, ledger: Process) -> None:
    done = run("audit", "stats", "audit", "--by", "route,tag:team")
    head, *rows = done.out.splitlines()
    assert head.split()[:8] == ["route", "tag:team", "calls", "answered", "refused", "left", "failed", "maybe"]
    assert [row.split()[:9] for row in rows] == [
        ["fast", "search", "1", "1", "0", "0", "0", "0", "2"],
        ["fast", "-", "1", "0", "1", "0", "0", "0", "0"],
        ["smart", "-", "1", "0", "0", "0", "0", "1", "1"],
    ]
    assert len({len(row.rstrip()) for row in (head, *rows)}) == 1
    first, *_ = json.loads(run("audit", "stats", "audit", "--json", "--by", "day").out)
    assert first["by"] == {"day": "2026-11-19"}
    assert (first["calls"], first["cost"], first["tokens"]["input"]) == (1, {"USD": "0.00065"}, 1000)
    assert run("audit", "stats", "audit", "--since", "1h").out == "no call\n"
    assert len(run("audit", "stats", "audit").out.splitlines()) == 2


def test_stats_say_how_far_they_have_come(run: Commands, bigger: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setattr(progress, "_BETWEEN", 0.0)
    monkeypatch.setattr(audit_files, "_BETWEEN", 50)
    err = io.BytesIO()
    stream = Terminal(err, encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(["audit", "stats", str(bigger.ledger)]) == 0
    stream.flush()
    assert "%  50 records" in err.getvalue().decode()
    monkeypatch.undo()


def test_export_in_each_form(run: Commands, ledger: Process, tmp_path: pathlib.Path) -> None:
    lines = run("audit", "export", "audit", "--to", "jsonl").out.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["attempt", "attempt", "denial", "attempt"]
    done = run("audit", "export", "audit", "--to", "csv", "-o", "rows.csv")
    assert "4 rows written" in done.err
    assert (tmp_path / "rows.csv").stat().st_mode & 0o777 == 0o600
    head, *rows = csv.reader((tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines())
    assert head == ["tag:team" if name == "tags" else name for name in COLUMNS]
    assert [row[head.index("tag:team")] for row in rows] == ["search", "search", "", ""]
    assert [row[head.index("may_be_billed")] for row in rows] == ["no", "yes", "no", "yes"]
    assert [row[head.index("outcome")] for row in rows] == ["RateLimited", "ok", "CapabilityForbidden", "maybe sent"]
    for column in ("cost", "time"):
        assert [row[head.index(column)] for row in rows] == [str(json.loads(line)[column] or "") for line in lines]


def test_the_tags_that_get_a_column(run: Commands, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(tmp_path / "audit", "web")
    process.add(Entry("denial", denial(FIRST, tags={"team": "=1", "app": "shop"})), BEGIN)
    process.close()

    def tags(*words: str) -> list[tuple[str, str]]:
        head, row = csv.reader(run("audit", "export", "audit", "--to", "csv", *words).out.splitlines())
        return [(name, cell) for name, cell in zip(head, row, strict=True) if name.startswith("tag")]

    assert tags() == [("tag:app", "shop"), ("tag:team", "'=1")]
    assert tags("--tags", "team,other") == [("tag:team", "'=1"), ("tag:other", "")]
    monkeypatch.setattr(audit_export, "_MOST_TAGS", 1)
    done = run("audit", "export", "audit", "--to", "csv")
    assert (done.code, "there are more than 1 tags: name those that get a column with --tags NAME,..." in done.err) == (1, True)


def test_export_to_parquet(run: Commands, ledger: Process, tmp_path: pathlib.Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    assert run("audit", "export", "audit", "--to", "parquet", "-o", "rows.parquet").code == 0
    rows = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert rows == [json.loads(line) for line in run("audit", "export", "audit", "--to", "jsonl").out.splitlines()]


class _Parquet:
    """What of pyarrow is called, for where it is not installed."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.string = self.int64 = self.bool_ = lambda: "type"
        self.list_ = lambda of: f"list of {of}"
        self.schema = list
        self.Table = self
        self.parquet = self

    def from_pylist(self, rows: list[dict[str, Any]], schema: list[Any]) -> list[dict[str, Any]]:
        assert [name for name, _ in schema] == list(COLUMNS)
        return rows

    def ParquetWriter(self, file: Any, schema: Any) -> _Parquet:  # noqa: N802
        assert "b" in file.mode
        return self

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write_table(self, rows: list[dict[str, Any]]) -> None:
        self.rows += rows


def test_parquet_gets_the_same_rows(run: Commands, ledger: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _Parquet()
    monkeypatch.setitem(sys.modules, "pyarrow", fake)
    assert run("audit", "export", "audit", "--to", "parquet", "-o", "rows.parquet").code == 0
    assert [row["kind"] for row in fake.rows] == ["attempt", "attempt", "denial", "attempt"]


def test_parquet_without_its_extra(run: Commands, ledger: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    done = run("audit", "export", "audit", "--to", "parquet", "-o", "rows.parquet")
    assert (done.code, "pip install 'saferoute-sdk[parquet]'" in done.err) == (1, True)


def test_prove_and_check(run: Commands, ledger: Process, tmp_path: pathlib.Path) -> None:
    receipt = f"{ledger.segment}:4"
    (tmp_path / "answer.json").write_bytes(ANSWER)
    (tmp_path / "other.json").write_bytes(b"{}")
    done = run("audit", "prove", receipt, "audit", "--open", "response", "-o", "proof.json")
    both = f"the intent {ledger.segment}:3 and the outcome {receipt}"
    assert (done.code, done.out, done.err) == (0, "", f"proof.json: {both}; it opens response: whoever has it can try contents\n")
    good = run("audit", "check-proof", "proof.json", "--content", "response=answer.json")
    assert good.code == 0
    lines = good.out.splitlines()
    stand = f"2 records of call {FIRST} stand in a ledger, as of the checkpoint of {when(BEGIN + 2 * DAY)}"
    assert lines[0] == f"ok, but nobody says whose log this is: {stand}"
    assert lines[1] == f"  signed with the log key {key_of('web').public_key.key_id}"
    assert lines[3:5] == ["  opened: response", "  the content given for response is the content that the record was made of"]
    assert "  target: azure-eu" in lines
    assert "note: No trust root was given" in good.err
    bad = run("audit", "check-proof", "proof.json", "--content", "response=other.json")
    assert bad.code == 1
    wrong = "NOT PROVED: the content given for response is not what the record was made of"
    assert bad.out.splitlines()[:2] == [wrong, f"  {stand}"]
    found = json.loads(run("audit", "check-proof", "proof.json", "--json", "--content", "response=other.json").out)
    assert [(one["id"], one["certified"], one["opened"]) for one in found["proofs"]] == [
        (f"{ledger.segment}:3", False, []), (receipt, False, ["response"]),
    ]  # fmt: skip
    assert found["content"] == {"response": False}
    assert found["proofs"][1]["record"]["target"] == "azure-eu"
    closed = run("audit", "check-proof", "proof.json", "--content", "request=answer.json", "--content", "response=answer.json")
    assert (closed.code, closed.out.splitlines()[0]) == (1, "the proof is good, but does not open request; make it with --open request")
    unopened = run("audit", "check-proof", "proof.json", "--json", "--content", "asked=answer.json")
    assert (unopened.code, json.loads(unopened.out)["content"]) == (1, {"asked": None})


def test_a_field_is_opened_in_the_record_that_has_it(run: Commands, ledger: Process, tmp_path: pathlib.Path) -> None:
    for name, content in (("request", BODY), ("response", ANSWER), ("asked", ASKED)):
        (tmp_path / name).write_bytes(content)
    opened = [word for name in ("request", "response", "asked") for word in ("--open", name)]
    assert run("audit", "prove", f"{ledger.segment[:6]}:4", "audit", *opened, "-o", "proof.json").code == 0
    contents = [word for name in ("request", "response", "asked") for word in ("--content", f"{name}={name}")]
    done = run("audit", "check-proof", "proof.json", *contents)
    assert done.code == 0
    assert done.out.count("is the content that the record was made of") == 3


def test_a_call_is_proved_with_all_its_records(run: Commands, ledger: Process) -> None:
    done = run("audit", "prove", FIRST[:6], "audit", "-o", "proof.json")
    assert done.code == 0
    found = json.loads(run("audit", "check-proof", "proof.json", "--json").out)
    assert [one["id"] for one in found["proofs"]] == [f"{ledger.segment}:{place}" for place in (1, 2, 3, 4)]
    assert run("audit", "prove", SECOND, "audit", "-o", "proof.json").code == 0
    assert json.loads(run("audit", "check-proof", "proof.json", "--json").out)["record"]["kind"] == "denial"


def test_an_outcome_whose_intent_is_elsewhere_is_proved_alone(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    process.add(Entry("outcome", outcome(intent(FIRST), "0" * 32 + ":7")), BEGIN)
    process.add(Entry("outcome", outcome(intent(SECOND))), BEGIN)
    process.close()
    done = run("audit", "prove", f"{process.segment}:1", "audit", "-o", "proof.json")
    assert (done.code, f"note: the intent of this outcome, {'0' * 32}:7, is not here" in done.err) == (0, True)
    assert run("audit", "prove", f"{process.segment}:2", "audit", "-o", "proof.json").code == 0
    assert json.loads(run("audit", "check-proof", "proof.json", "--json").out)["id"] == f"{process.segment}:2"


def test_a_proof_of_a_certified_key(run: Commands, bigger: Sample, tmp_path: pathlib.Path) -> None:
    segment = bigger.segments[0].name[-45:-13]
    assert run("audit", "prove", f"{segment}:1", str(bigger.ledger), "-o", "proof.json").code == 0
    root = ("--root", str(bigger.root), "--sha256", bigger.sha256)
    done = run("audit", "check-proof", "proof.json", *root)
    assert (done.code, done.err) == (0, "")
    assert "  certified by the log role of shop" in done.out
    assert "  opened: nothing" in done.out


def test_a_proof_whose_key_the_root_does_not_know(run: Commands, ledger: Process, tmp_path: pathlib.Path) -> None:
    make_root(tmp_path / "root.json")
    assert run("audit", "prove", f"{ledger.segment}:1", "audit", "-o", "proof.json").code == 0
    done = run("audit", "check-proof", "proof.json", "--root", "root.json")
    assert (done.code, done.out.splitlines()[0]) == (
        1,
        "NOT PROVED: the log role of the trust root does not certify the key that signed this",
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("0" * 32 + ":1", "audit"), "segment 00000000000000000000000000000000 is not here"),
        (("{segment}:99", "audit"), "has no record 99"),
        (("0" * 32, "audit"), "no record here is about the call 0000"),
        (
            ("{segment}:3", "audit", "--open", "response"),
            "no proof can be made: the intent {segment}:3 has no commitment to response; of its call the outcome {segment}:4 has\n",
        ),
        (("{segment}:2", "audit", "--open", "response"), "has no commitment to response; of its call the outcome {segment}:4 has\n"),
        (("{segment}:5", "audit", "--open", "request"), "has no commitment to request, and no record of its call has\n"),
        (("{segment}:0", "audit", "--open", "request"), "has no commitment to request, and no record of its call has\n"),
        (
            (FIRST[:8], "audit", "--open", "system", "--open", "response", "--secret-file", "nowhere"),
            "the log secret is not in ",
        ),
        (("{segment}:4", "audit", "--open", "response", "--secret-file", "nowhere"), "the log secret is not in "),
    ],
)
def test_what_cannot_be_proved(run: Commands, ledger: Process, words: tuple[str, ...], error: str) -> None:
    done = run("audit", "prove", *(word.format(segment=ledger.segment) for word in words), "-o", "proof.json")
    assert (done.code, done.out) == (1, "")
    assert error.format(segment=ledger.segment) in done.err


def test_what_no_checkpoint_covers_cannot_be_proved(run: Commands, small: Process) -> None:
    small.save()
    done = run("audit", "prove", f"{small.segment}:1", "audit", "-o", "proof.json")
    assert (done.code, "no proof can be made: no checkpoint covers record 1 yet" in done.err) == (1, True)


def test_the_log_secret_from_the_keyring(run: Commands, ledger: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.path.with_name("ledger.secret").unlink()
    words = ("audit", "prove", f"{ledger.segment}:4", "audit", "--open", "response", "-o", "proof.json")
    assert run(*words, "--keyring", "--secret-file", "x").code == 2
    assert run(*words, "--secret-file", "nowhere").code == 1
    monkeypatch.setattr(KeyringStore, "find", lambda self, name: None)
    done = run(*words, "--keyring")
    assert (done.code, "the log secret is not in keyring" in done.err) == (1, True)


def test_what_is_no_proof(run: Commands, ledger: Process, tmp_path: pathlib.Path) -> None:
    (tmp_path / "proof.json").write_text("{}", encoding="utf-8")
    done = run("audit", "check-proof", "proof.json")
    assert (done.code, "proof.json proves nothing: " in done.err) == (1, True)
    assert run("audit", "prove", f"{ledger.segment}:1", "audit", "-o", "proof.json").code == 0
    (tmp_path / "x").write_bytes(b"")
    done = run("audit", "check-proof", "proof.json", "--content", "asked=x")
    assert done.out.splitlines()[0] == "the proof is good, but does not open asked; make it with --open asked"
    assert done.code == 1


def test_finding_the_log_secret_makes_none(tmp_path: pathlib.Path) -> None:
    given = given_key(SECRET, "a log secret")
    assert find_key(given) is given
    assert find_key(tmp_path / "nothing") is None
    assert not list(tmp_path.iterdir())


def test_certificates_are_of_one_process(tmp_path: pathlib.Path) -> None:
    assert certificate_for("web-0") != certificate_for("web-1")

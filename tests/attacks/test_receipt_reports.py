"""What was chosen by others stands in records: names of routes and models, tags, request ids. None of it acts in anything that shows them."""

from __future__ import annotations

import csv
import json
import shutil
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.cli.audit_report_markup import tag
from saferoute.ledger.commitment import salt
from saferoute.values.receipt import Entry
from tests.support.commands import Commands
from tests.support.ledger_story import BEGIN, denial, digest, intent, outcome
from tests.support.ledger_written import SECRET, Process

if TYPE_CHECKING:
    import pathlib

MARKUP = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><svg/onload=alert(1)>",
    "' onclick='x",
    "javascript:alert(1)",
    "<!--",
    "&lt;b&gt;",
)
TERMINAL = "\x1b]0;title\x07", "\x1b[2J", "a\rb", "\x9b31m", "x\by", "line\nline"
READING = "\u202egnp.exe", "\u2066a\u2069", "\u200b\u200e", "\u2028", "\U000e0041"
FORMULA = "=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)", "\t=1", " =1", "\r=1", "\uff1d1", "'=1", "\u200b=1"
HOSTILE = (*MARKUP, *TERMINAL, *READING, *FORMULA)
CALL = digest("hostile")[:32]


def hostile_ledger(directory: pathlib.Path, text: str) -> Process:
    """Every text of a record that is not of a fixed form."""
    process = Process(directory, "web")
    said = {"guard": text, "version": text, "stage": text, "action": text, "path": text, "reasons": [text]}
    table = {"name": text, "version": 1, "sha256": digest("table"), "trust": text}
    common: dict[str, Any] = {
        "operation": text, "route": text, "table": table, "purpose": text, "tags": {text: text}, "verdicts": [said], "rejected": [[text, text]],
    }  # fmt: skip
    began = intent(
        CALL,
        **common,
        target=text,
        model=text,
        provider=text,
        origin=text,
        why=text,
        templates=[{"name": text, "sha256": digest("t")}],
        secret=text,
    )
    ended = outcome(began, outcome=text, deny=text, model=text, finish_reason=text, request_id=text, verdicts=[said])
    process.add(Entry("intent", began, {"asked": b"asked"}), BEGIN)
    process.add(Entry("outcome", ended), BEGIN + 1)
    process.add(Entry("intent", {**began, "attempt": 2}), BEGIN + 2)
    process.add(Entry("denial", denial(CALL, **common, error=text, deny=text)), BEGIN + 3)
    process.close()
    return process


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    monkeypatch.chdir(tmp_path)
    return Commands(monkeypatch, tmp_path)


@pytest.fixture(params=range(len(HOSTILE)), ids=[ascii(text) for text in HOSTILE])
def hostile(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> tuple[str, Process]:
    text = HOSTILE[request.param]
    return text, hostile_ledger(tmp_path / "audit", text)


class Elements(HTMLParser):
    """The elements and attributes of a page, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        self.text += "".join(value or "" for name, value in attrs if name != "content")

    def handle_comment(self, data: str) -> None:
        self.shape.append(("comment", ()))

    def handle_data(self, data: str) -> None:
        self.text += data


def report(run: Commands, name: str) -> str:
    done = run("audit", "report", name, "-o", "report.html", "--title", "A report")
    assert done.code == 0, done.err
    return (run.home / "report.html").read_text(encoding="utf-8")


def test_no_text_of_a_record_becomes_markup(run: Commands, hostile: tuple[str, Process], tmp_path: pathlib.Path) -> None:
    """The page of hostile records has the very elements and attributes of the page of harmless ones."""
    hostile_ledger(tmp_path / "harmless", "harmless")
    found, same = Elements(report(run, "audit")), Elements(report(run, "harmless"))
    assert found.shape == same.shape
    assert all(letter.isprintable() for letter in found.text.replace("\n", ""))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_text_leaves_the_attribute_that_it_stands_in(text: str) -> None:
    found = Elements(tag("p", "words", aria_label=text))
    assert found.shape == [("p", ("aria-label",))]
    assert found.text.isprintable()


def test_the_page_may_run_and_load_nothing(run: Commands, tmp_path: pathlib.Path) -> None:
    """Were a text to become markup all the same, the page's own policy would still stop it."""
    hostile_ledger(tmp_path / "audit", MARKUP[0])
    html = report(run, "audit")
    assert "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-" in html
    assert "unsafe" not in html.partition("</head>")[0]


@pytest.mark.parametrize(
    "words",
    [("show", "audit"), ("explain", CALL, "audit"), ("stats", "audit", "--by", "route,model,table,outcome,deny,secret,purpose"), ("verify", "audit"),
     ("export", "audit", "--to", "csv"), ("export", "audit", "--to", "jsonl"), ("show", "audit", "--json"), ("stats", "audit", "--json", "--by", "route")],
)  # fmt: skip
def test_no_text_of_a_record_steers_a_terminal(run: Commands, hostile: tuple[str, Process], words: tuple[str, ...]) -> None:
    done = run("audit", *words)
    assert done.code == 0
    said = (done.out + done.err).replace("\n", "")
    assert said.isprintable(), ascii(said)


def test_the_key_that_is_looked_for_does_not_steer_it_either(run: Commands, hostile: tuple[str, Process]) -> None:
    text, _ = hostile
    done = run("audit", "find", "audit", f"--secret={text}")
    assert (done.out + done.err).replace("\n", "").isprintable()
    assert done.err.startswith("2 attempts of 1 call presented the key ")


def test_no_line_of_a_list_is_made_by_a_text(run: Commands, hostile: tuple[str, Process]) -> None:
    assert len(run("audit", "show", "audit").out.splitlines()) == 3
    assert len(run("audit", "export", "audit", "--to", "jsonl").out.split("\n")) == 4


def test_no_cell_is_a_formula(run: Commands, hostile: tuple[str, Process]) -> None:
    assert run("audit", "export", "audit", "--to", "csv", "-o", "rows.csv").code == 0
    rows = list(csv.reader((run.home / "rows.csv").read_text(encoding="utf-8").splitlines()))
    assert [len(row) for row in rows] == [len(rows[0])] * 4
    for cell in (cell for row in rows for cell in row):
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r")), ascii(cell)


def test_a_proof_shows_no_text_that_acts(run: Commands, hostile: tuple[str, Process]) -> None:
    _, process = hostile
    assert run("audit", "prove", f"{process.segment}:1", "audit", "-o", "proof.json").code == 0
    done = run("audit", "check-proof", "proof.json")
    assert done.code == 0
    assert (done.out + done.err).replace("\n", "").isprintable()


def test_a_file_name_does_not_act_either(run: Commands, tmp_path: pathlib.Path) -> None:
    process = hostile_ledger(tmp_path / "audit", "harmless")
    (tmp_path / "\x1b[2J").mkdir()
    for name in ("audit", "\x1b[2J"):
        shutil.copy(process.path, tmp_path / "\x1b[2J" / process.path.name)
        done = run("audit", "verify", "audit", "\x1b[2J")
        assert (done.out + done.err).replace("\n", "").isprintable()
        assert run("audit", "verify", "\x1b[2J", "nowhere" + name).err.replace("\n", "").isprintable()


def test_an_opening_is_written_only_for_the_field_that_was_named(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    receipt = process.add(Entry("intent", intent(CALL), {"asked": b"a", "request": b"b"}, "system"), BEGIN)
    process.close()
    (tmp_path / "log.secret").write_text(SECRET.hex(), encoding="ascii")
    (tmp_path / "log.secret").chmod(0o600)
    for fields in ((), ("asked",), ("request", "system")):
        words = [word for field in fields for word in ("--open", field)]
        more = ("--secret-file", "log.secret") if fields else ()
        assert run("audit", "prove", receipt, "audit", "-o", "proof.json", *words, *more).code == 0
        found = json.loads((tmp_path / "proof.json").read_bytes())
        assert found["openings"] == {field: salt(SECRET, process.segment, 1, field).hex() for field in fields}
        others = {"asked", "request", "system"} - set(fields)
        text = (tmp_path / "proof.json").read_text(encoding="utf-8")
        assert not any(salt(SECRET, process.segment, 1, field).hex() in text for field in others)
        assert SECRET.hex() not in text


def test_a_proof_without_an_opening_reads_no_secret(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    receipt = process.add(Entry("intent", intent(CALL), {"asked": b"a"}), BEGIN)
    path = process.close()
    path.with_name("ledger.secret").write_text("no secret at all", encoding="ascii")
    assert run("audit", "prove", receipt, "audit", "-o", "proof.json").code == 0
    assert run("audit", "prove", receipt, "audit", "-o", "proof.json", "--secret-file", str(path)).code == 2


def test_no_segment_is_followed_to_another_place(run: Commands, tmp_path: pathlib.Path) -> None:
    """A link with a segment's name could make an auditor read, and a report show, a file of somebody else's choice."""
    process = hostile_ledger(tmp_path / "elsewhere", "harmless")
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / process.path.name).symlink_to(process.path)
    for words in (("verify", "audit"), ("show", "audit"), ("report", "audit", "-o", "report.html")):
        done = run("audit", *words)
        assert (done.code, done.out) == (1, "")
    assert not (tmp_path / "report.html").exists()

"""`saferoute audit report`: one page that loads nothing, with every part that a ledger has something for, and words where it has nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from saferoute.cli import audit_report_facts as facts_module
from saferoute.cli.audit_report_charts import band, columns, lanes, share_bar, spark
from saferoute.cli.audit_report_facts import buckets_between, unit_for
from saferoute.cli.audit_report_markup import Html, document, tag
from saferoute.cli.audit_report_sections import _at_axis, _short
from saferoute.cli.audit_report_tables import MOST_ROWS
from saferoute.values.receipt import Entry
from tests.support.commands import Commands
from tests.support.ledger_sample import Sample, certificate_for, make_root, sample
from tests.support.ledger_story import BEGIN, DAY, denial, digest, intent, outcome, verdict
from tests.support.ledger_written import Process

if TYPE_CHECKING:
    import pathlib


class Page(HTMLParser):
    """What a browser would see: texts by the section that they stand in, and all elements."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"": []}
        self._section, self._open = "", []
        self.feed(html)
        assert self._open == [], self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
            self.texts[self._section] = []
        if tag not in {"meta", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._section].append(data)

    def says(self, section: str = "") -> str:
        return "|".join(self.texts[section])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    monkeypatch.chdir(tmp_path)
    return Commands(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def bigger(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample(tmp_path_factory.mktemp("sample"), 1_500, processes=2)


def page_of(run: Commands, directory: pathlib.Path | str, *words: str, code: int = 0) -> Page:
    done = run("audit", "report", str(directory), "-o", "report.html", *words)
    assert (done.code, done.out) == (code, ""), done.err
    return Page((run.home / "report.html").read_text(encoding="utf-8"))


def test_a_page_of_everything(run: Commands, bigger: Sample) -> None:
    page = page_of(
        run, bigger.ledger, "--root", str(bigger.root), "--sha256", bigger.sha256, "--anchor", str(bigger.anchors), "--title", "The shop"
    )
    head = page.says()
    assert "The shop|2026-11-19 00:00:00 UTC to " in head
    for words in (
        "The ledger is whole", "2 log keys are certified", "4 checkpoints that were kept elsewhere", "What this does not show", "Maybe sent",
        "Calls answered|1,459 of 1,500|33 refused, 2 left by the caller, 4 failed, 2 maybe sent; 1,508 attempts|", "saferoute audit verify DIR",
    ):  # fmt: skip
        assert words in head
    assert set(page.texts) == {"", "trust", "cost", "times", "refusals", "guards", "targets", "maybe-sent", "keys"}
    for section, words in {
        "trust": ("shop|12|production|", "process ", "torn at its end", "|yes|", "presented a capability"),
        "cost": (
            "Cost per hour, USD",
            "Tokens per hour",
            "The figures",
            "By route",
            "By model",
            "By the tag team",
            "refused before a model was chosen",
        ),
        "times": ("Half and 95 of 100 answers within",),
        "refusals": ("Refused calls per hour", "BudgetExceeded|budget|", "GuardBlocked|guard:"),
        "guards": ("pii|", "links|", "Flagged|Redacted|Blocked"),
        "targets": ("openai-eu|", "RateLimited ", "Instead"),
        "keys": ("anthropic|", "https://api.anthropic.com"),
    }.items():
        for one in words:
            assert one in page.says(section), (section, one)
    assert "NOT" not in head
    assert (run.home / "report.html").stat().st_mode & 0o777 == 0o600


def test_the_page_loads_nothing_and_its_one_style_is_the_one_that_is_allowed(run: Commands, bigger: Sample) -> None:
    page = page_of(run, bigger.ledger)
    html = (run.home / "report.html").read_text(encoding="utf-8")
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    allowed = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policies = [found.get("content") for name, found in page.elements if found.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"]
    assert html.count("<style") == 1
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert html.index("Content-Security-Policy") < html.index("<title>")
    for name, attributes in page.elements:
        assert name not in {"script", "link", "img", "iframe", "object", "embed", "form", "base", "foreignobject", "use", "image"}
        assert not {"src", "style", "srcset", "action"} & attributes.keys()
        assert not any(key.startswith("on") for key in attributes)
        assert (attributes.get("href") or "#").startswith("#")


def test_everybody_can_read_it(run: Commands, bigger: Sample) -> None:
    page = page_of(run, bigger.ledger)
    pictures = [found for name, found in page.elements if name == "svg"]
    assert pictures
    assert all(found.get("aria-hidden") == "true" or (found.get("role") == "img" and found["aria-label"]) for found in pictures)
    names = [found["id"] for _, found in page.elements if "id" in found]
    assert len(names) == len(set(names))
    for name, found in page.elements:
        if name == "a":
            assert (found["href"] or "")[1:] in names
        if name == "section":
            assert found["aria-labelledby"] in names
    assert ("html", {"lang": "en"}) in page.elements
    assert len([1 for name, _ in page.elements if name == "h1"]) == 1
    assert all(found.get("scope") in {"col", "row"} for name, found in page.elements if name == "th")


def _contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        whole = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
        parts = [int(whole[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_texts_stand_out_from_what_is_behind_them_in_light_and_dark() -> None:
    from saferoute.cli.audit_report_style import STYLE

    grounds = re.findall(r":root\{[^}]*--ground:[^}]*\}", STYLE)
    assert len(grounds) == 3  # light, dark, paper
    for ground in grounds:
        colours = dict(re.findall(r"--([a-z-]+):#([0-9a-f]{3,6})", ground))
        for text in ("ink", "soft", "accent", "bad", "warn"):
            for behind in ("ground", "paper", *(("bad-wash",) if text == "bad" else ())):
                assert _contrast(colours[text], colours[behind]) >= 4.5, (text, behind, ground[:60])


def test_a_ledger_that_is_not_whole(run: Commands, bigger: Sample, tmp_path: pathlib.Path) -> None:
    (tmp_path / "bad").mkdir()
    for path in bigger.segments:
        (tmp_path / "bad" / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "bad" / bigger.segments[0].name
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *(b"{}\n" for _ in range(30)), *lines[31:]]))
    page = page_of(run, "bad", code=1)
    head = page.says()
    assert "The ledger is not whole" in head
    assert f"The first bad record|{path.name}, record 1: " in head
    assert re.search(r"and \d+ more: saferoute audit verify names them", head)
    assert "30 lines are no record" in head
    assert "not whole" in page.says("trust")


def test_one_fault_is_the_first_one(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    one_call(process, BEGIN)
    path = process.save()
    path.write_bytes(path.read_bytes() + b"{}\n")
    head = page_of(run, "audit", code=1).says()
    assert f"The first bad record|{path.name}, record 2: " in head
    assert "And after it" not in head


def test_a_few_faults_are_all_named(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    path = process.save()
    path.write_bytes(path.read_bytes() + b"{}\n{}\n{}\n")
    head = page_of(run, "audit", code=1).says()
    assert "And after it" in head
    assert "names them" not in head


def test_nothing_is_left_to_say(run: Commands, tmp_path: pathlib.Path) -> None:
    sha256 = make_root(tmp_path / "root.json")
    process = Process(tmp_path / "audit", "web", certificate=certificate_for("web"))
    one_call(process, BEGIN, ends={})
    process.close()
    (tmp_path / "anchors").write_text(process.notes[-1], encoding="utf-8")
    words = ("--root", "root.json", "--sha256", sha256, "--anchor", "anchors")
    assert "What this does not show" not in page_of(run, "audit", *words).says()
    done = run("audit", "verify", "audit", *words)
    assert done.out.splitlines() == [
        "ok: 1 segment, 4 records, nothing is wrong",
        "  1 log key is certified by the log role of the trust root (version 1).",
        "  1 checkpoint that was kept elsewhere: the ledger agrees.",
    ]


def test_a_segment_whose_beginning_cannot_be_read(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    path = process.close()
    path.write_bytes(b"{}\n" + path.read_bytes().split(b"\n", 1)[1])
    assert "|?|?|" in page_of(run, "audit", code=1).says("trust")
    path.write_bytes(b"torn")
    assert "There is no segment." in page_of(run, "audit").says("trust")


def test_a_quiet_time_has_words_for_every_part(run: Commands, tmp_path: pathlib.Path) -> None:
    Process(tmp_path / "audit", "web").close()
    page = page_of(run, "audit")
    for section, words in {
        "trust": "No table is recorded in this time.", "cost": "No attempt was made in this time.",
        "times": "No attempt was answered in this time.", "refusals": "No call was refused in this time.",
        "guards": "No guard found anything in this time, or none was asked.", "targets": "No row was asked in this time.",
        "maybe-sent": "Every attempt of this time has an outcome.", "keys": "No key was presented in this time.",
    }.items():  # fmt: skip
        assert words in page.says(section)
    assert "not asked" in page.says("trust")


def one_call(process: Process, now: int, *, call: str | None = None, ends: dict | None = None, **fields: object) -> None:
    began = intent(call or digest(f"{now}{fields}")[:32], **fields)
    process.add(Entry("intent", began), now)
    if ends is not None:
        process.add(Entry("outcome", outcome(began, **ends)), now + 1)


def test_what_is_not_known_is_said(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web", BEGIN - DAY, every=10_000)
    one_call(process, BEGIN - DAY, ends={"cost": None, "currency": None})
    one_call(process, BEGIN, ends={"cost": "1", "estimated": True, "us": 5_000_000})
    one_call(process, BEGIN + 1, ends={"cost": None, "usage": None, "estimated": True, "outcome": "TimedOut"}, max_cost=None)
    one_call(process, BEGIN + 2, ends={"cost": "0.0001", "currency": "EUR"}, secret=None, verdicts=[verdict("odd", "shout")])
    one_call(process, BEGIN + 3, max_cost=None, secret=None)
    one_call(
        process,
        BEGIN + 4,
        attempt=2,
        why="retry",
        ends={"verdicts": [verdict("links", "redact", "output")]},
        verdicts=[verdict("odd", "flag")],
    )
    one_call(process, BEGIN + 5, attempt=2, why="fallback: quota", verdicts=[verdict("odd", "flag")])
    process.add(Entry("outcome", outcome(intent(digest("lost")[:32]))), BEGIN + 6)
    process.close()
    page = page_of(run, "audit")
    cost = page.says("cost")
    assert "The cost of 2 attempts is not known. " in cost
    assert "1.0000 USD of the cost is an estimate" in cost
    assert "0.0200 USD more may be due" in cost
    assert "Cost per hour, USD" in cost
    assert "Cost per hour, EUR" in cost
    assert "0.0001" in cost
    assert "|odd|0|0|0|1|" in page.says("guards")
    assert "|links|0|1|0|1|" in page.says("guards")
    assert "no key|-|" in page.says("maybe-sent")
    assert page.says("keys").count("openai|") == 1
    assert "0.00 USD" not in page.says()


def test_without_prices(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    one_call(process, BEGIN, ends={"cost": None, "currency": None})
    process.close()
    assert "No cost is known" in page_of(run, "audit").says("cost")


def test_every_cost_known(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    one_call(process, BEGIN, ends={})
    process.close()
    assert "The cost of every attempt is known." in page_of(run, "audit").says("cost")


def test_very_many_of_everything_are_cut(run: Commands, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_module, "_MOST_LISTED", 50)
    for number in range(MOST_ROWS + 2):
        process = Process(tmp_path / "audit", f"web-{number}", BEGIN - DAY + number)
        one_call(
            process, BEGIN + number, route=f"route-{number}", table={"name": "t", "version": number, "sha256": digest(number), "trust": "x"}
        )
        one_call(process, BEGIN + number, tags={f"tag-{number}": "x", "all": "y"}, origin=f"https://h{number}.example")
        process.close()
    page = page_of(run, "audit")
    trust = page.says("trust")
    assert f"{MOST_ROWS + 2 - 30} more processes are in the table below." in trust
    assert trust.count("and 2 more: saferoute audit verify --json lists them") == 1
    assert trust.count("and 3 more: saferoute audit verify --json lists them") == 1
    assert "and 3 more, with less cost: saferoute audit stats --by route" in page.says("cost")
    assert page.says("cost").count("By the tag ") == 3
    assert "By the tag all" in page.says("cost")  # others have no tag
    assert f"These are the last {MOST_ROWS} of 104." in page.says("maybe-sent")


def test_tags_times_and_places_that_were_asked_for(run: Commands, bigger: Sample) -> None:
    page = page_of(run, bigger.ledger, "--tag", "nothing", "--since", "2026-11-20", "--until", "2026-11-21")
    assert "2026-11-20 00:00:00 UTC to 2026-11-20 23:59:59 UTC" in page.says()
    assert "By the tag nothing|No record of this time has the tag nothing; tags here: environment, team." in page.says("cost")
    assert "By the tag team" not in page.says("cost")


@pytest.mark.parametrize(
    ("days", "unit", "buckets"),
    [(0, "hour", 1), (2, "hour", 49), (6, "hour", 145), (7, "day", 8), (100, "day", 101), (101, "week", 15), (701, "month", 24)],
)
def test_units_fill_a_chart(days: int, unit: str, buckets: int) -> None:
    assert unit_for(days * DAY) == unit
    labels = buckets_between(unit, BEGIN, BEGIN + days * DAY)
    assert len(labels) == buckets
    assert labels == sorted(set(labels))


def test_very_many_buckets_are_the_last_ones() -> None:
    assert len(buckets_between("month", 0, 2**53 - 1)) == 150
    assert buckets_between("month", 0, 2**53 - 1)[-1] == "2255-06"
    assert len(buckets_between("hour", BEGIN, BEGIN + 100 * DAY)) == 150
    assert buckets_between("week", BEGIN, BEGIN + 30 * DAY)[0] == "2026-11-16"


def test_pictures_of_nothing_and_of_one() -> None:
    assert "<rect" not in columns([], [("bar", [])], str, "nothing")
    assert "<rect" not in columns(["a"], [("bar", [0.0])], str, "nothing")
    assert "polygon" not in band(["a"], [None], [None], str, "nothing")
    assert band(["a", "b", "c"], [1, None, 2], [3, None, 4], str, "gaps").count("<polygon") == 2
    assert "<rect" not in spark([], "nothing")
    assert share_bar(0).count("rect") == share_bar(1).count("rect")
    assert lanes([], [], "nothing").startswith("<svg")


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ([f"2026-11-19 {hour:02}:00" for hour in range(24)], ["19 Nov 01:00", "04:00", "07:00", "10:00", "13:00", "16:00", "19:00", "22:00"]),
        ([f"2026-11-{day} {hour:02}:00" for day in (19, 20, 21) for hour in range(24)], ["2026-11-19", "2026-11-20", "2026-11-21"]),
        ([f"2026-11-{day} {hour:02}:00" for day in (19, 20) for hour in (9, 21)], ["19 Nov 09:00", "21:00", "20 Nov 09:00", "21:00"]),
        ([f"2026-11-{day}" for day in range(10, 14)], ["2026-11-10", "2026-11-11", "2026-11-12", "2026-11-13"]),
    ],
)  # fmt: skip
def test_labels_have_room(labels: list[str], shown: list[str]) -> None:
    picture = columns(labels, [("bar", [1.0] * len(labels))], str, "words")
    assert re.findall(r'text-anchor="middle">([^<]*)<', picture) == shown


def test_markup() -> None:
    assert (
        tag("p", "a < b", Html("<br>"), None, class_="x", hidden=True, title=None, open=False) == '<p class="x" hidden="">a &lt; b<br></p>'
    )
    assert tag("rect", x=1.0, y=2.346) == '<rect x="1" y="2.35"></rect>'
    assert document("<t>", "p{}", []).startswith('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">')


def test_short_figures() -> None:
    assert [_short(value) for value in (0, 0.25, 999, 1_234, 12_345, 5_430_000, 2.5e9)] == [
        "0",
        "0.25",
        "999",
        "1,234",
        "12.3 k",
        "5.43 M",
        "2.5 G",
    ]
    assert [_at_axis(value) for value in (0, 250_000, 5_000_000)] == ["0", "250 ms", "5 s"]


def test_refusals_count_over_time(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    for number in range(3):
        process.add(Entry("denial", denial(digest(number)[:32], tags={"team": "search"})), BEGIN + number * DAY // 24)
    process.close()
    page = page_of(run, "audit")
    assert "2026-11-19 02:00|1" in page.says("refusals")
    assert "CapabilityForbidden|models|3|100.0 %" in page.says("refusals")


def test_calls_are_counted_by_how_they_ended(run: Commands, tmp_path: pathlib.Path) -> None:
    """A fallback that answered is an answer, and what its caller left is no failure."""
    process = Process(tmp_path / "audit", "web")
    one_call(process, BEGIN, call="a" * 32, ends={"outcome": "Overloaded", "status": 503, "cost": None, "usage": None}, tags={"team": "x"})
    one_call(process, BEGIN + 1, call="a" * 32, attempt=2, why="next in order", ends={}, tags={"team": "x"})
    one_call(process, BEGIN + 2, call="b" * 32, ends={"outcome": "Abandoned"}, tags={"team": "y"})
    one_call(process, BEGIN + 3, call="c" * 32, ends={"outcome": "GuardBlocked", "deny": "guard:pii"}, tags={"team": "y"})
    one_call(process, BEGIN + 4, call="d" * 32, ends={"outcome": "ServerError"}, tags={"team": "y"})
    process.add(Entry("denial", denial("e" * 32, tags={"team": "x"})), BEGIN + 5)
    process.close()
    page = page_of(run, "audit")
    assert "Calls answered|1 of 5|2 refused, 1 left by the caller, 1 failed; 5 attempts" in page.says()
    assert "By the tag team|team|Calls|Answered|Refused|Left|Failed|" in page.says("cost")
    assert "|x|2|1|1|0|0|" in page.says("cost")
    assert "|y|3|0|1|1|1|" in page.says("cost")
    assert "GuardBlocked|guard:pii|1|50.0 %" in page.says("refusals")
    assert "Abandoned" not in page.says("targets")
    assert page.says("cost").count("p50 and p95: ") == 1


def test_of_a_single_hour_no_chart_is_drawn(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    one_call(process, BEGIN, ends={})
    process.add(Entry("denial", denial(digest("refused")[:32])), BEGIN + 5)
    process.close()
    page = page_of(run, "audit")
    assert not [found for name, found in page.elements if name == "svg" and found.get("class") in {"chart", "spark"}]
    assert not [name for name, _ in page.elements if name in {"figure", "details"}]
    for section, line in (("cost", "2026-11-19 00:00|2|1|1|"), ("times", "2026-11-19 00:00|1|"), ("refusals", "2026-11-19 00:00|1")):
        assert line in page.says(section)


def test_a_tag_that_all_calls_share_divides_nothing(run: Commands, tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "audit", "web")
    for number, team in enumerate(("search", "billing")):
        one_call(process, BEGIN + number, ends={}, tags={"environment": "production", "team": team})
    process.close()
    assert "By the tag environment" not in page_of(run, "audit").says("cost")
    assert "By the tag team" in page_of(run, "audit").says("cost")
    assert "By the tag environment" in page_of(run, "audit", "--tag", "environment").says("cost")
    done = run("audit", "report", "audit", "--tag", "Team", "-o", "report.html")
    assert "note: no record of this time has the tag Team; tags here: environment, team\n" in done.err
    quiet = run("audit", "report", "audit", "--tag", "Team", "--since", "1s", "-o", "report.html")
    assert "tags here: none" in quiet.err


def test_tables_can_be_scrolled_without_a_mouse(run: Commands, bigger: Sample) -> None:
    page = page_of(run, bigger.ledger)
    scrolled = [found for _, found in page.elements if found.get("class") == "scroll"]
    assert scrolled
    assert all(found["tabindex"] == "0" and found["role"] == "group" and found["aria-label"] for found in scrolled)

"""The report's part about trust: whether the ledger is whole, what that does not show, and which tables and segments there were when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from saferoute.cli.audit_report_charts import Lane, Piece, lanes
from saferoute.cli.audit_report_markup import Html, tag
from saferoute.cli.audit_report_tables import MOST_ROWS, Column, empty, figure, legend, section, table
from saferoute.ledger.plain import count, share, when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.cli.audit_report_facts import Facts
    from saferoute.cli.audit_verify import Verified
    from saferoute.ledger.verify import SegmentReport

__all__ = ["Chapter", "chapters_of", "state_of", "trust", "verdict"]

_MOST_LANES: Final = 30
_FAULTS: Final = 12
_TABLE_COLUMNS: Final = (
    Column("Table"), Column("Version", "number"), Column("Trust"), Column("SHA-256", "wide"), Column("First seen", "time"),
    Column("Last seen", "time"),    Column("Attempts and refusals", "number"),
)  # fmt: skip
_SEGMENT_COLUMNS: Final = (
    Column("Segment"), Column("Process"), Column("From", "time"), Column("To", "time"), Column("Records", "number"),
    Column("Follows"), Column("Log key"),    Column("Certified"), Column("State"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chapter:
    """A segment as the report shows it.

    Attributes:
        report: what verifying it found.
        instance: the process that wrote it; "" if that cannot be read.
        first: the time of its first record, in microseconds since 1970.
        last: that of its last one.
    """

    report: SegmentReport
    instance: str
    first: int
    last: int


def verdict(found: Verified) -> Html:
    """Whether the ledger is whole, at the head of the report."""
    report = found.report
    size, strong = f"{count(len(report.segments), 'segment')} with {count(report.records, 'record')}", found.stronger()
    if report.ok:
        head, mark, said = "The ledger is whole", "\N{CHECK MARK}", [
            tag("p", f"{size} were read. They follow each other without a gap, and nothing that a checkpoint covers was changed."),
            *([tag("ul", *(tag("li", line) for line in strong))] if strong else []),
        ]  # fmt: skip
    else:
        head, mark = "The ledger is not whole", "\N{MULTIPLICATION X}"
        faults = found.faults()
        said = [
            tag("p", f"{size} were read, with {count(len(faults), 'fault')}. Figures on this page that rest on them may be wrong."),
            tag("h3", "The first bad record"),
            tag("p", tag("code", faults[0])),
        ]
        if faults[1:]:
            more = [tag("li", fault) for fault in faults[1:_FAULTS]]
            rest = [tag("li", f"and {len(faults) - _FAULTS} more: saferoute audit verify names them")] if len(faults) > _FAULTS else []
            said += [tag("h3", "And after it"), tag("ul", *more, *rest)]
    weaker = found.weaker()
    if weaker:
        said += [tag("h3", "What this does not show"), tag("ul", *(tag("li", line) for line in weaker))]
    title = tag("h2", tag("span", mark, class_="mark", aria_hidden="true"), head, id="verdict-title")
    return tag("div", title, *said, class_="verdict" if report.ok else "verdict broken", role="region", aria_labelledby="verdict-title")


def state_of(report: SegmentReport) -> tuple[str, str]:
    """A segment's state: a class of the style sheet, and words."""
    if not report.ok:
        return "bad", "not whole"
    if report.torn_tail_bytes:
        return "open", "torn at its end"
    return ("bar", "closed") if report.closed else ("open", "no end")


def trust(chapters: Sequence[Chapter], facts: Facts, labels: Sequence[str], period: tuple[int, int], *, looked: bool) -> Html:
    """Tables and segments over time.

    Args:
        chapters: the segments.
        facts: what was counted.
        labels: of the time axis.
        period: the first and the last time.
        looked: whether certificates of log keys were looked at.
    """
    intro = "Which signed tables decided, and which processes wrote the ledger. A segment is what one process wrote into one file."
    drawn = [_timeline(chapters, facts, labels, period)] if len(labels) > 1 else []
    content = drawn if chapters else [empty("There is no segment.")]
    content += [tag("h3", "Routing tables that decided"), _tables(facts), tag("h3", "Segments"), _segments(chapters, looked=looked)]
    every = facts.total.attempts + facts.total.denials
    if every:
        said = f"{share(facts.with_capability, every)} of attempts and refusals presented a capability; others had what the table grants."
        content.append(tag("p", said, class_="note"))
    return section("trust", "Trust over time", intro, *content)


def _timeline(chapters: Sequence[Chapter], facts: Facts, labels: Sequence[str], period: tuple[int, int]) -> Html:
    first, last = period
    whole = max(1, last - first)

    def at(time: int) -> float:
        return min(1.0, max(0.0, (time - first) / whole))

    seen = sorted(facts.tables.items(), key=lambda item: item[1].first)
    ends = [one.first for _, one in seen[1:]] + [last] * bool(seen)
    pieces = tuple(
        Piece(at(one.first), at(end), "second", f"{key.name} version {key.version}, first seen {when(one.first)}")
        for (key, one), end in zip(seen, ends, strict=True)
    )
    rows = [Lane("routing table", pieces)] if pieces else []
    by_process: dict[str, list[Chapter]] = {}
    for chapter in chapters:
        by_process.setdefault(chapter.instance, []).append(chapter)
    for instance, written in list(by_process.items())[:_MOST_LANES]:
        stretches = tuple(Piece(at(one.first), at(one.last), state_of(one.report)[0], _words(one)) for one in written)
        rows.append(Lane(f"process {instance[:8] or '?'}", stretches))
    hidden = len(by_process) - _MOST_LANES
    keys = [
        legend("second", "table version"),
        legend("bar", "closed segment"),
        legend("open", "no end, or torn"),
        legend("bad", "not whole"),
    ]
    said = f"Timeline of {count(len(seen), 'table version')} and {count(len(chapters), 'segment')}; the tables below have the same."
    picture = figure("Table versions and segments", lanes(rows, labels, said), keys)
    note = f"{hidden} more processes are in the table below." if hidden > 0 else None
    return tag("div", picture, tag("p", note, class_="note") if note else None)


def _words(chapter: Chapter) -> str:
    report = chapter.report
    size = count(report.records, "record")
    return f"segment {report.segment[:8]}, {size}, {when(chapter.first)} to {when(chapter.last)}: {state_of(report)[1]}"


def _tables(facts: Facts) -> Html:
    rows = [
        (key.name, str(key.version), key.trust, tag("code", key.sha256), when(seen.first), when(seen.last), f"{seen.count:,}")
        for key, seen in sorted(facts.tables.items(), key=lambda item: item[1].first)
    ]
    if not rows:
        return empty("No table is recorded in this time.")
    return tag("div", table("", _TABLE_COLUMNS, rows[:MOST_ROWS]), _more(len(rows)))


def _segments(chapters: Sequence[Chapter], *, looked: bool) -> Html:
    rows = []
    for chapter in chapters[:MOST_ROWS]:
        report = chapter.report
        kind, words = state_of(report)
        if report.unsigned_tail:
            words += f", {count(report.unsigned_tail, 'record')} unsigned"
        answer = "yes" if report.certified else "no" if looked else "not asked"
        certified = tag("span", answer, class_=None if report.certified else "is-warn", title=report.certificate)
        rows.append(
            (
                tag("code", report.segment[:12] or "?"), tag("code", chapter.instance[:8] or "?"), when(chapter.first), when(chapter.last),
                f"{report.records:,}", tag("code", report.previous.segment[:12]) if report.previous else "none",
                tag("code", "?" if report.key is None else report.key.key_id[:12]), certified,
                tag("span", words, class_={"bad": "is-bad", "open": "is-warn"}.get(kind)),
            )
        )  # fmt: skip
    return tag("div", table("", _SEGMENT_COLUMNS, rows), _more(len(chapters)))


def _more(number: int) -> Html | None:
    return (
        tag("p", f"and {number - MOST_ROWS} more: saferoute audit verify --json lists them", class_="note") if number > MOST_ROWS else None
    )


def chapters_of(found: Verified, times: Mapping[str, tuple[str, int, int]]) -> list[Chapter]:
    """The segments that have a record, with their processes and times, in the order in which they began."""
    return [Chapter(report, *times[name]) for name, report in found.report.segments.items() if report.records]

"""`saferoute audit report`: one HTML file that shows a ledger to a person; it loads nothing and runs nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from saferoute.cli import audit_report_sections as parts
from saferoute.cli.audit_export import private_file
from saferoute.cli.audit_files import Reading, segments_in
from saferoute.cli.audit_report_facts import Facts, buckets_between, unit_for
from saferoute.cli.audit_report_markup import Html, document, tag
from saferoute.cli.audit_report_style import STYLE
from saferoute.cli.audit_report_trust import chapters_of, trust, verdict
from saferoute.cli.audit_verify import verified
from saferoute.cli.terminal import say
from saferoute.ledger.plain import plain, when
from saferoute.ledger.record import parse_line
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from saferoute.cli.audit_files import Segment
    from saferoute.cli.audit_report_trust import Chapter
    from saferoute.cli.audit_verify import Verified

__all__ = ["Subject", "page", "report"]

_TITLE: Final = "Audit report"
_NAV: Final = {
    "trust": "Trust over time", "cost": "Cost and tokens", "times": "Times", "refusals": "Refusals", "guards": "Guards",
    "targets": "Targets", "maybe-sent": "Maybe sent", "keys": "Keys",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report is about.

    Attributes:
        title: what it calls itself.
        found: what verifying found.
        chapters: the segments.
        facts: what was counted.
        first: the beginning of the time that it covers, in microseconds since 1970.
        last: the end.
        made: when it was made, likewise.
        complaints: what could not be read.
    """

    title: str
    found: Verified
    chapters: Sequence[Chapter]
    facts: Facts
    first: int
    last: int
    made: int
    complaints: Sequence[str] = ()


def report(options: argparse.Namespace) -> int:
    """Verify a ledger, count what it tells, and write the report."""
    segments = segments_in(options.directories)
    found = verified(options, segments)
    times = dict(zip(found.report.segments, map(_times_of, segments), strict=True))
    chapters = chapters_of(found, times)
    first = min((one.first for one in chapters), default=0) if options.since is None else options.since
    last = max((one.last for one in chapters), default=0) if options.until is None else options.until - 1
    facts = Facts(unit_for(last - first), options.tag)
    reading = Reading(segments, options.since, options.until)
    for told in reading.told():
        facts.take(told)
    subject = Subject(options.title or _TITLE, found, chapters, facts, first, last, int(time.time() * 1e6), reading.complaints())
    html = page(subject)
    with private_file(options.output) as file:
        file.write(html)
    for name in facts.unknown_tags:
        say(f"note: no record of this time has the tag {plain(name)}; tags here: {', '.join(map(plain, facts.tags_seen)) or 'none'}")
    say(f"{options.output}: {found.summary()}")
    return max(reading.code(), 0 if found.report.ok else 1)


def _times_of(segment: Segment) -> tuple[str, int, int]:
    """The process that wrote a segment, and the times of its first and last record, as far as they can be read."""
    data = segment.read()
    whole = data[: data.rfind(b"\n") + 1]
    instance, seen = "", []
    for line in (whole[: whole.find(b"\n")], whole[whole.rfind(b"\n", 0, -1) + 1 : -1]):
        try:
            record = parse_line(line).fields
        except Refused:
            continue
        instance = instance or str(record.get("instance", ""))
        seen.append(int(record["time"]))
    return instance, min(seen, default=0), max(seen, default=0)


def page(subject: Subject) -> str:
    """The report's HTML."""
    facts = subject.facts
    labels = buckets_between(facts.unit, subject.first, subject.last)
    body = [
        _header(subject),
        verdict(subject.found),
        _tiles(facts),
        trust(subject.chapters, facts, labels, (subject.first, subject.last), looked=subject.found.certifiers.roles is not None),
        parts.money_and_tokens(facts, labels),
        parts.times(facts, labels),
        parts.refusals(facts, labels),
        parts.guards(facts),
        parts.targets(facts),
        parts.maybe_sent(facts),
        parts.keys(facts),
        _footer(subject),
    ]
    return document(subject.title, STYLE, [tag("main", *body)])


def _header(subject: Subject) -> Html:
    period = f"{when(subject.first)} to {when(subject.last)}"
    return tag(
        "header",
        tag("h1", subject.title),
        tag("p", period, class_="soft"),
        tag("nav", *(tag("a", words, href=f"#{name}") for name, words in _NAV.items()), aria_label="Parts of this report"),
    )


def _tiles(facts: Facts) -> Html:
    tiles = [
        tag("div", tag("dt", name), tag("dd", figure, class_="figure"), tag("dd", under, class_="under"))
        for name, (figure, under) in parts.totals(facts).items()
    ]
    return tag("dl", *tiles, class_="tiles", aria_label="In all")


def _footer(subject: Subject) -> Html:
    complaints = [tag("p", f"Not read: {words}.") for words in subject.complaints]
    return tag(
        "footer",
        tag(
            "p",
            f"Made {when(subject.made)} by saferoute audit report. It loads nothing and runs nothing; no prompt and no answer is in it.",
        ),
        tag("p", "It was made from the ledger by whoever gave it to you. To see for yourself, with the ledger at hand:"),
        tag("pre", tag("code", "saferoute audit verify DIR --root root.json --sha256 HEX --anchor FILE")),
        *complaints,
    )

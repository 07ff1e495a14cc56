"""Verifying a ledger: each of its segments, and that they belong together.

Each segment names the one before it, with its size, its last line and its root. So a segment that is missing, cut short or replaced is
found where another one names it; what no other one names needs an anchor. A segment may be gone if a signed record says that it was
removed. Several processes write at once, so several segments may follow one; but one log key writes one segment after the other, and
two that go on from the same place under one key are two histories.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from saferoute.ledger.record import parse_line, split_id
from saferoute.ledger.segment import Link
from saferoute.ledger.walk import Answer, Problem, SegmentReport, verify_segment
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from saferoute.ledger.certificate import LogRole
    from saferoute.ledger.checkpoint import Checkpoint
    from saferoute.signing.keys import PublicKey

__all__ = ["Answer", "Fault", "LedgerReport", "Problem", "SegmentReport", "verify_ledger", "verify_segment"]

_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What is wrong, and where.

    Attributes:
        order: the segment's place among the ledger's; behind all of them for what is about none.
        place: the record's place in it, from 0.
        name: the segment's name; "" for what is about none.
        words: what is wrong.
    """

    order: int
    place: int
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What verifying a ledger found.

    Attributes:
        segments: each segment's report, by name, in the order in which they were given.
        faults: everything that is wrong, in order; the first one is the first bad record.
        maybe_sent: ids of intents without an outcome in any segment: the request may have been sent.
        removed: segments that are gone, as signed records say. One that is named so and still there is not among them.
    """

    segments: Mapping[str, SegmentReport]
    faults: tuple[Fault, ...]
    maybe_sent: tuple[str, ...]
    removed: tuple[Link, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. Torn or unsigned tails, and missing certificates, are no fault: look at them too."""
        return not self.faults

    @property
    def records(self) -> int:
        """How many whole records there are."""
        return sum(report.records for report in self.segments.values())

    @property
    def unsigned_tail(self) -> int:
        """How many of them nothing signs: no checkpoint of their segment, nor of a later one that names it as it was."""
        fixed: dict[str, int] = {}
        for report in self.segments.values():
            if report.previous is not None and report.unsigned_tail < report.records:
                fixed[report.previous.segment] = max(report.previous.size, fixed.get(report.previous.segment, 0))
        tails = ((report.unsigned_tail, report.records - fixed.get(report.segment, 0)) for report in self.segments.values())
        return sum(max(0, min(tail)) for tail in tails)

    @property
    def certified(self) -> bool:
        """Whether the log role certifies the key of every segment that has a record."""
        return all(report.certified for report in self.segments.values() if report.records)


@dataclass(slots=True)
class _Ledger:
    """What is known of the ledger as a whole."""

    reports: dict[str, SegmentReport] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # a segment's name by its id
    order: dict[str, int] = field(default_factory=dict)
    removed: dict[str, Link] = field(default_factory=dict)

    def wrong(self, name: str, place: int, words: str) -> None:
        self.faults.append(Fault(self.order.get(name, len(self.order)), place, name, words))


def verify_ledger(
    segments: Mapping[str, bytes],
    *,
    anchors: Iterable[Checkpoint] = (),
    log_roles: Iterable[LogRole] | None = None,
) -> LedgerReport:
    """Verify the segments of a ledger, and that they belong together.

    Args:
        segments: each segment's bytes by its name, oldest first. Each is asked for twice, so that a mapping may read them one by one. A
            name that holds 32 hexadecimal digits must hold the segment's id.
        anchors: checkpoints that were kept elsewhere.
        log_roles: who certifies log keys: the log roles of the trust root's versions, the newest first; None to leave certificates
            unread.
    """
    kept, roles = tuple(anchors), None if log_roles is None else tuple(log_roles)
    ledger = _Ledger(order={name: index for index, name in enumerate(segments)})
    links = tuple(link for name in segments if (link := _previous(segments[name])) is not None)
    for name in segments:
        report = verify_segment(segments[name], anchors=kept, links=links, log_roles=roles)
        ledger.reports[name] = report
        for place, words in report.problems:
            ledger.wrong(name, place, words)
        _check_name(ledger, name, report)
        for link in report.removed:
            known = ledger.removed.setdefault(link.segment, link)
            if known != link:
                ledger.wrong(name, 0, f"segment {link.segment} was removed as two different ones")
    _check_links(ledger)
    _check_removed(ledger)
    _check_anchors(ledger, kept)
    maybe_sent = _open_intents(ledger)
    gone = tuple(link for link in ledger.removed.values() if link.segment not in ledger.names)
    return LedgerReport(ledger.reports, tuple(sorted(ledger.faults)), maybe_sent, gone)


def _previous(data: bytes) -> Link | None:
    """The link in a segment's first record, if that can be read; if not, the segment's report says so."""
    end = data.find(b"\n")
    try:
        fields = parse_line(data[: max(end, 0)]).fields
    except Refused:
        return None
    previous: dict[str, Any] | None = fields.get("previous")
    return None if previous is None else Link(previous["segment"], previous["size"], previous["hash"], previous["root"])


def _check_name(ledger: _Ledger, name: str, report: SegmentReport) -> None:
    if not report.segment:
        return
    said = _ID.findall(name)
    if said and said[-1] != report.segment:
        ledger.wrong(name, 0, f"its name says segment {said[-1]}, and it is segment {report.segment}: files were exchanged")
    first = ledger.names.setdefault(report.segment, name)
    if first != name:
        same = ledger.reports[first].end == report.end
        ledger.wrong(name, 0, f"{first} is the same segment" + ("" if same else " with other records: two histories under one id"))


def _check_links(ledger: _Ledger) -> None:
    """Each segment's predecessor is there or was removed, and one log key's segments follow one another."""
    behind: dict[tuple[PublicKey, str], str] = {}  # the name of the segment that is next under a log key
    for name, report in ledger.reports.items():
        link = report.previous
        if link is not None and link.segment == report.segment:
            ledger.wrong(name, 0, "it says that it follows itself")
        elif link is not None and link.segment not in ledger.names and not _is_gone(ledger, link):
            ledger.wrong(name, 0, f"segment {link.segment}, which it follows, is missing, and no signed record says that it was removed")
        if report.key is None or ledger.names[report.segment] != name:
            continue
        before = "" if link is None or _key_of(ledger, link.segment) not in {None, report.key} else link.segment
        other = behind.setdefault((report.key, before), name)
        if other != name:
            ledger.wrong(name, 0, f"it and {other} go on from the same place under one log key: two histories")


def _key_of(ledger: _Ledger, segment: str) -> PublicKey | None:
    """The log key of a segment; None if that is not known, as the segment is gone."""
    name = ledger.names.get(segment)
    return None if name is None else ledger.reports[name].key


def _is_gone(ledger: _Ledger, link: Link) -> bool:
    """Whether a segment was removed, and was then what the link says that it had been."""
    gone = ledger.removed.get(link.segment)
    return gone is not None and (link == gone if link.size == gone.size else link.size < gone.size)


def _check_removed(ledger: _Ledger) -> None:
    """What is named as removed and is still there, as its process was killed before it deleted it, is what was named."""
    for link in ledger.removed.values():
        name = ledger.names.get(link.segment)
        end = None if name is None else ledger.reports[name].end
        if name is None or end is None or end.size > link.size or end == link:
            continue
        if end.size < link.size:
            missing = f"{link.size - end.size} records are missing at the end"
            ledger.wrong(name, end.size, f"{missing}: the record of its removal says that there were {link.size}")
        else:
            ledger.wrong(name, end.size - 1, "its records are not those that the record of its removal fixes: another history")


def _check_anchors(ledger: _Ledger, anchors: Iterable[Checkpoint]) -> None:
    for anchor in anchors:
        if anchor.segment in ledger.names:
            continue
        gone = ledger.removed.get(anchor.segment)
        if gone is None:
            ledger.wrong("", 0, f"segment {anchor.segment}, which an anchor covers, is missing")
        elif anchor.size > gone.size or (anchor.size == gone.size and anchor.root.hex() != gone.root):
            ledger.wrong("", 0, f"segment {anchor.segment} was removed, and an anchor says that it was another one, or longer")


def _open_intents(ledger: _Ledger) -> tuple[str, ...]:
    """Ids of the intents that no segment has an outcome of."""
    pending = {intent: asked for report in ledger.reports.values() for intent, asked in report.pending.items()}
    for name, report in ledger.reports.items():
        for answer in report.answers:
            segment, _ = split_id(answer.intent)
            if segment not in ledger.names:
                # A record that says what was removed may have been removed itself. A call may then still go on: nobody can repeat it.
                if not ledger.removed:
                    ledger.wrong(name, answer.seq, f"segment {segment}, which has the intent of this outcome, is missing")
            elif pending.pop(answer.intent, None) != (answer.call, answer.attempt):
                words = "is no intent of this call and attempt, or has an outcome already"
                ledger.wrong(name, answer.seq, f"{answer.intent}, which it is the outcome of, {words}")
    return tuple(pending)

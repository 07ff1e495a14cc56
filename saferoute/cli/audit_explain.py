"""One call in words, with how far the records that tell it can be relied on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from saferoute.cli.audit_files import Reading, segments_in
from saferoute.cli.audit_ids import named, record_named, the_call
from saferoute.cli.audit_verify import SegmentCheck
from saferoute.cli.terminal import show
from saferoute.errors import ConfigurationError
from saferoute.ledger.explain import explained
from saferoute.ledger.export import row_of
from saferoute.ledger.plain import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from saferoute.cli.audit_files import Segment
    from saferoute.cli.audit_ids import Named
    from saferoute.ledger.attempts import Told

__all__ = ["explain"]


def explain(options: argparse.Namespace) -> int:
    """Say in words what became of a call."""
    segments = segments_in(options.directories)
    name = named(segments, options.id)
    call = name.call or _call_of(segments, name)
    touched = [one for one in segments if call.encode() in one.read()]
    check = SegmentCheck()
    reading = Reading(touched, look=check)
    every = [told for told in reading.told() if told.call.startswith(call)]
    story = sorted(every, key=lambda told: (told.time, told.kind == "denial"))
    the_call({told.call for told in story}, call)
    standing = _standing(check, story)
    if options.json:
        show(
            json.dumps(
                {"call": story[0].call, "whole": check.ok, "standing": standing, "records": [row_of(told) for told in story]}, indent=2
            )
        )
    else:
        for line in [*explained(story, name.receipt), "", "How far this can be relied on", *(f"  {line}" for line in standing)]:
            show(line)
    return max(reading.code(), int(not check.ok))


def _call_of(segments: Sequence[Segment], name: Named) -> str:
    """The call that a record is about.

    Raises:
        ConfigurationError: there is no such record, or it is about no call.
    """
    record = record_named(segments, name)
    if "call" not in record:
        raise ConfigurationError(f"record {name.receipt} is a {record['kind']} record, and about no call")
    return str(record["call"])


def _standing(check: SegmentCheck, story: Sequence[Told]) -> list[str]:
    """What verifying the segments that tell the story found."""
    lines = [line.removeprefix("error: ") for line in check.doubts()]
    if lines:
        lines.append("Something in these files was changed: what is said above may be wrong.")
    else:
        lines.append(f"What tells of it, {count(len(check.reports), 'segment')}, verifies: every record, their order, and the checkpoints.")
    places = {ref for told in story for ref in (told.ref, told.ended_ref) if ref is not None}
    late = sorted(ref for ref in places if _is_unsigned(check, ref))
    if late:
        lines.append(f"No checkpoint covers {', '.join(late)} yet: who can write the file can have written that.")
    lines.append("Whose log key it is, and whether records are missing at the end: saferoute audit verify --root ... --anchor ...")
    return lines


def _is_unsigned(check: SegmentCheck, ref: str) -> bool:
    segment, _, place = ref.partition(":")
    return any(
        report.segment == segment and int(place) >= report.records - report.unsigned_tail
        for report in check.reports.values()
        if report.unsigned_tail
    )

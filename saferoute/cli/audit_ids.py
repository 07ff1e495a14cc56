"""The names that people give records and calls: receipts, also with the beginning of a segment's id, and calls or their beginning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from saferoute.cli.audit_files import Reading
from saferoute.cli.program import UsageError
from saferoute.errors import ConfigurationError
from saferoute.ledger.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.cli.audit_files import Segment

__all__ = ["Named", "named", "record_named", "records_of_call", "the_call", "the_segment"]

_RECEIPT: Final = re.compile(r"([0-9a-f]{6,32}):(0|[1-9][0-9]{0,15})")
_CALL: Final = re.compile(r"[0-9a-f]{6,32}")
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Named:
    """What was asked about.

    Attributes:
        call: a call's id or its beginning; None for a receipt.
        segment: the segment's id of a receipt; "" for a call.
        seq: the record's place in it.
    """

    call: str | None
    segment: str = ""
    seq: int = 0

    @property
    def receipt(self) -> str | None:
        """The receipt's id, in full; None for a call."""
        return f"{self.segment}:{self.seq}" if self.call is None else None


def named(segments: Sequence[Segment], text: str) -> Named:
    """Read a name.

    Raises:
        UsageError: it has neither form.
        ConfigurationError: no segment here, or more than one, begins as the receipt says; or it names a whole segment.
    """
    if (receipt := _RECEIPT.fullmatch(text)) is not None:
        return Named(None, the_segment(segments, receipt[1]).id, int(receipt[2]))
    if any(one.id == text for one in segments):
        raise ConfigurationError(f"{text} is a segment: say which record of it, as in {text}:1; saferoute audit show lists them")
    if _CALL.fullmatch(text):
        return Named(text)
    what = "neither a receipt, SEGMENT:NUMBER, nor a call's id; of a segment's and of a call's id the first 6 characters are enough"
    raise UsageError(f"{plain(text)!r} is {what}")


def the_segment(segments: Sequence[Segment], beginning: str) -> Segment:
    """The one segment whose id begins so.

    Raises:
        ConfigurationError: there is none, or more than one.
    """
    found = {one.id: one for one in segments if one.id.startswith(beginning)}
    if not found:
        raise ConfigurationError(f"segment {beginning} is not here")
    if len(found) > 1:
        raise ConfigurationError(f"{len(found)} segments begin with {beginning}: {', '.join(sorted(found)[:_SHOWN])}")
    return next(iter(found.values()))


def record_named(segments: Sequence[Segment], name: Named) -> dict[str, Any]:
    """The record that a receipt names.

    Raises:
        ConfigurationError: there is none.
    """
    for ref, record in Reading([the_segment(segments, name.segment)]).records():
        if ref == name.receipt:
            return record
    raise ConfigurationError(f"segment {name.segment} has no record {name.seq}")


def records_of_call(segments: Sequence[Segment], call: str) -> dict[str, dict[str, Any]]:
    """The records of the one call whose id begins so, by their ids, in order.

    Raises:
        ConfigurationError: no record is about such a call, or the records are about more than one.
    """
    touched = [one for one in segments if call.encode() in one.read()]
    found = {ref: record for ref, record in Reading(touched).records() if str(record.get("call", "")).startswith(call)}
    the_call({str(record["call"]) for record in found.values()}, call)
    return found


def the_call(calls: set[str], beginning: str) -> None:
    """Refuse a beginning that names no call, or several.

    Raises:
        ConfigurationError: so it is.
    """
    if not calls:
        raise ConfigurationError(f"no record here is about the call {beginning}")
    if len(calls) > 1:
        raise ConfigurationError(f"{len(calls)} calls begin with {beginning}: {', '.join(sorted(calls)[:_SHOWN])}")

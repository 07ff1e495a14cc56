"""Retention: which old segments are kept no longer, and what is recorded of that before they are deleted."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from saferoute.ledger.certificate import LogRole
from saferoute.ledger.record import parse_line
from saferoute.ledger.segment import Link, link_of
from saferoute.ledger.walk import verify_segment
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.drivers.ledger_sinks import Place
    from saferoute.signing.keys import Signer

__all__ = ["Retired", "retired"]

_RETENTION: Final = b'\n{"kind":"retention",'  # how the line of such a record begins, and no other
_CHECKPOINT: Final = b'\n{"final":'


@dataclass(frozen=True, slots=True)
class Retired:
    """What is kept no longer.

    Attributes:
        names: the segments to delete, oldest first.
        rows: what the record says is removed: these, and those that records in them say are removed and that something still follows.
    """

    names: tuple[str, ...]
    rows: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class _Old:
    """A segment that is kept no longer.

    Attributes:
        link: what it is.
        said: what its own signed records say is removed.
        ours: whether that can be said again: our log role certified it, or there is none.
    """

    link: Link
    said: tuple[Link, ...]
    ours: bool


def retired(place: Place, signer: Signer | None, now: int) -> Retired:
    """Find the segments that are kept no longer. What is no segment, whatever its name, is left alone.

    What such a segment says is removed is said again while a segment that stays follows it: else that link would lead nowhere. It is
    said in our name then, so it is not taken from a segment that our log role did not certify; that one stays as long as it is needed.

    Args:
        place: where they are; the new segment is there too.
        signer: the log role's; None for none.
        now: the time, in microseconds since 1970.

    Raises:
        OSError: they cannot be read.
    """
    names = place.expired(now)
    if not names:
        return Retired((), ())
    found = place.read()
    old: dict[str, _Old] = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError, KeyError):  # another process was faster
            data = found[name]
            link = place.link(name) or link_of(data)
            if link is not None:
                old[name] = _Old(link, *_said(data, signer))
    again = _again(old, {name: _previous(place, name) for name in found}) if any(one.said for one in old.values()) else {}
    rows = again | {one.link.segment: one.link for one in old.values()}
    return Retired(tuple(old), tuple(rows.values()))


def _again(old: dict[str, _Old], follows: Mapping[str, str]) -> dict[str, Link]:
    """What is to be said again, by segment. What has to stay for that is taken out of `old`.

    Args:
        old: what is kept no longer.
        follows: which segment each one follows that is there.
    """
    while True:
        needed = {segment for name, segment in follows.items() if name not in old}
        stay = [name for name, one in old.items() if not one.ours and any(link.segment in needed for link in one.said)]
        if not stay:
            return {link.segment: link for one in old.values() for link in one.said if link.segment in needed}
        for name in stay:
            del old[name]


def _previous(place: Place, name: str) -> str:
    """The id of the segment that one follows; "" if it follows none, or cannot be read."""
    with contextlib.suppress(OSError, Refused):
        previous: dict[str, Any] | None = parse_line(place.first(name)).fields.get("previous")
        if previous is not None:
            return str(previous["segment"])
    return ""


def _said(data: bytes, signer: Signer | None) -> tuple[tuple[Link, ...], bool]:
    """What a segment's signed records say is removed, and whether that can be relied on."""
    last = data.rfind(_RETENTION)
    if last < 0:
        return (), True
    # The checkpoint that covers them stands right behind them: a long segment is not verified to its end.
    covered = data.find(_CHECKPOINT, last)
    end = data.find(b"\n", covered + 1) if covered >= 0 else -1
    report = verify_segment(data[: end + 1] or data, log_roles=None if signer is None else [LogRole((signer.public_key,))])
    return report.removed, signer is None or report.certified

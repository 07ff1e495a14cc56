"""Lists of attempts and refusals: all of them, or those that presented one key."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from saferoute.cli.audit_files import Reading, not_verified, segments_in
from saferoute.cli.audit_verify import SegmentCheck
from saferoute.cli.terminal import say, show
from saferoute.ledger.explain import cost_in_words
from saferoute.ledger.export import json_line, row_of
from saferoute.ledger.plain import count, plain, span, when

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from saferoute.ledger.attempts import Told

__all__ = ["find", "line_of", "show_records"]


def show_records(options: argparse.Namespace) -> int:
    """List attempts and refusals by the time at which they began."""
    reading = Reading(segments_in(options.directories), options.since, options.until)
    wanted = (
        told
        for told in reading.told()
        if (options.call is None or told.call.startswith(options.call)) and (options.route is None or told.first["route"] == options.route)
    )
    # The last N by time: records lie nearly in that order, so a few more than N are kept and then sorted.
    told = sorted(wanted, key=lambda one: one.time)
    _list(told if options.last is None else deque(told, maxlen=options.last), as_json=options.json)
    not_verified()
    return reading.code()


def _list(every: Iterable[Told], *, as_json: bool) -> None:
    for told in every:
        show(json_line(row_of(told)) if as_json else line_of(told))


def line_of(told: Told) -> str:
    """An attempt or a refusal in one line."""
    first = told.first
    parts = [when(told.time), plain(told.ref), plain(str(first["route"]))]
    if told.kind == "denial":
        code = "" if first["deny"] is None else f" ({plain(str(first['deny']))})"
        return "  ".join([*parts, f"refused: {plain(told.outcome)}{code}"])
    model = (told.began or {}).get("model") or (told.ended or {}).get("model") or "?"
    parts.append(f"{plain(str(first['target']))} ({plain(str(model))})")
    ended = told.ended
    if ended is None:
        return "  ".join([*parts, "MAYBE SENT", cost_in_words([told])])
    status = "" if ended["status"] is None else f" {ended['status']}"
    return "  ".join([*parts, f"{plain(told.outcome)}{status}", span(ended["us"]), cost_in_words([told])])


def find(options: argparse.Namespace) -> int:
    """List every attempt that presented a key; the segments are verified on the way."""
    check = SegmentCheck()
    reading = Reading(segments_in(options.directories), options.since, options.until, check)
    used: list[tuple[Told, str]] = []
    for told in reading.told():
        if told.began is None:
            check.orphans += 1
        elif told.kind == "attempt" and told.began["secret"] == options.secret:
            used.append((told, plain(str(told.began["origin"]))))
    used.sort(key=lambda one: one[0].time)
    for told, origin in used:
        show(json_line(row_of(told)) if options.json else f"{line_of(told)}  {origin}  call {told.call}")
    between = f", from {when(used[0][0].time)} to {when(used[-1][0].time)}" if used else ""
    calls = count(len({told.call for told, _ in used}), "call")
    say(f"{count(len(used), 'attempt')} of {calls} presented the key {plain(options.secret)}{between}")
    for line in check.doubts():
        say(line)
    return max(reading.code(), int(not check.ok), int(options.exit_code and bool(used)))

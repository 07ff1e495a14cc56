"""Lists of attempts and refusals: all of them, or those that presented one key."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from saferoute.cli.audit_files import Reading, not_verified, segments_in
from saferoute.cli.audit_verify import SegmentCheck
from saferoute.cli.terminal import say, show
from saferoute.ledger.attempts import is_refused
from saferoute.ledger.explain import cost_in_words
from saferoute.ledger.export import json_line, row_of
from saferoute.ledger.plain import count, plain, span, when
from saferoute.ledger.reasons import error_in_words, refusal_in_words

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from saferoute.ledger.attempts import Told

__all__ = ["find", "line_of", "show_records"]


def show_records(options: argparse.Namespace) -> int:
    """List attempts and refusals by the time at which they began."""
    reading = Reading(segments_in(options.directories), options.since, options.until)
    found = sorted((told for told in reading.told() if _is_wanted(told, options)), key=lambda one: one.time)
    _list(found if options.last is None else deque(found, maxlen=options.last), as_json=options.json)
    if not found:
        say("nothing that is on record here fits" if _is_narrowed(options) else "no attempt and no refusal is on record here")
    not_verified()
    return reading.code()


def _is_narrowed(options: argparse.Namespace) -> bool:
    return any((options.call, options.route, options.secret, options.tag, options.denied, options.since, options.until))


def _is_wanted(told: Told, options: argparse.Namespace) -> bool:
    first = told.first
    return (
        (options.call is None or told.call.startswith(options.call))
        and (options.route is None or first["route"] == options.route)
        and (options.secret is None or (told.began or {}).get("secret") == options.secret)
        and all(first["tags"].get(name) == value for name, value in options.tag)
        and (not options.denied or is_refused(told))
    )


def _list(every: Iterable[Told], *, as_json: bool) -> None:
    for told in every:
        show(json_line(row_of(told)) if as_json else line_of(told))


def line_of(told: Told) -> str:
    """An attempt or a refusal in one line, by the receipt that its caller got."""
    first, ended = told.first, told.ended
    parts = [when(told.time), plain(told.ended_ref or told.ref), plain(str(first["route"]))]
    tags = [", ".join(f"{plain(name)}={plain(value)}" for name, value in first["tags"].items())] if first["tags"] else []
    if told.kind == "denial":
        return "  ".join([*parts, f"refused: {refusal_in_words(told)}", *tags])
    model = (told.began or {}).get("model") or (told.ended or {}).get("model") or "?"
    again = f", attempt {first['attempt']}" if first["attempt"] > 1 else ""
    parts.append(f"{plain(str(first['target']))} ({plain(str(model))}){again}")
    cost = cost_in_words([told])
    cost = cost if cost[0].isdigit() else f"cost: {cost}"
    if ended is None:
        return "  ".join([*parts, "MAYBE SENT", cost, *tags])
    status = "" if ended["status"] is None else f" {ended['status']}"
    how = f"refused: {refusal_in_words(told)}" if is_refused(told) else f"{error_in_words(told.outcome, None)}{status}"
    return "  ".join([*parts, how, span(ended["us"]), cost, *tags])


def find(options: argparse.Namespace) -> int:
    """List every attempt that presented a key; the segments are verified on the way."""
    check = SegmentCheck()
    reading = Reading(segments_in(options.directories), look=check)  # of all times: a name that no record has is a mistyped one
    used: list[tuple[Told, str]] = []
    keys: set[str] = set()
    for told in reading.told():
        is_asked_for = (options.since is None or told.time >= options.since) and (options.until is None or told.time < options.until)
        if told.began is None:
            check.orphans += is_asked_for
        elif told.kind == "attempt" and (name := told.began["secret"]) is not None:
            keys.add(name)
            if is_asked_for and name == options.secret:
                used.append((told, plain(str(told.began["origin"]))))
    used.sort(key=lambda one: one[0].time)
    for told, origin in used:
        show(json_line(row_of(told)) if options.json else f"{line_of(told)}  {origin}  call {told.call}")
    if options.secret not in keys:
        return _no_such_key(options.secret, keys, check, reading)
    between = f", from {when(used[0][0].time)} to {when(used[-1][0].time)}" if used else ""
    calls = count(len({told.call for told, _ in used}), "call")
    say(f"{count(len(used), 'attempt')} of {calls} presented the key {plain(options.secret)}{between}")
    for line in check.doubts():
        say(line)
    return max(reading.code(), int(not check.ok), int(options.exit_code and bool(used)))


def _no_such_key(name: str, keys: set[str], check: SegmentCheck, reading: Reading) -> int:
    here = ", ".join(plain(key) for key in sorted(keys)) or "none"
    say(f'error: no record names a key "{plain(name)}"; keys in this ledger: {here}')
    for line in check.doubts():
        say(line)
    reading.code()
    return 1

"""What must hold after a chaos run, whatever happened in it: each check gives the row of a table, with what was found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.chaos.calls import Lag
from tests.chaos.table import MEASURED, Row

_NANO = 1_000_000_000
_FREE = frozenset({*range(400, 500), 503, 529} - {408})
_PROVIDERS = frozenset({
    "RateLimited", "ServerError", "Overloaded", "BadRequest", "AuthenticationRejected", "PermissionDenied", "QuotaExceeded", "Conflict",
    "RequestTooLarge", "ModelNotFound",
})  # fmt: skip
_UNSENT = frozenset({"ConnectFailed", "AddressRefused"})
_GRACE = 0.1
_TICK = 0.001
_ROUNDS = 2


@dataclass(frozen=True)
class Check:
    """One invariant, and what was found of it."""

    what: str
    found: str
    holds: bool


def shown(title: str, checks: Sequence[Check], facts: Iterable[str]) -> str:
    """The table of a run."""
    width = max(len(check.what) for check in checks)
    lines = [f"{'ok  ' if check.holds else 'FAIL'}  {check.what:<{width}}  {check.found}" for check in checks]
    return "\n".join((f"\n{title}", *(f"      {fact}" for fact in facts), *lines))


def ended(calls: Sequence[Mapping[str, Any]], expected: int) -> list[Check]:
    """Every call ended, in an answer or in an error of ours, and every answer is to its own question."""
    silent = sum(not call["answered"] and not call["error"] and not call["leaving"] for call in calls)
    foreign = [call for call in calls if not call["typed"]]
    mixed = [call["words"] for call in calls if "tag-" in call["words"] and f"tag-{call['tag']:06d}" not in call["words"]]
    kinds = Counter(call["text"] for call in foreign)
    return [
        Check("every call ended", f"{len(calls)} of {expected}, {silent} with nothing", len(calls) == expected and not silent),
        Check("in an answer or in a SaferouteError", f"{len(foreign)} in something else {dict(kinds) or ''}", not foreign),
        Check("an answer is to its own call", f"{len(mixed)} were not {mixed[:3] or ''}", not mixed),
    ]


def in_time(calls: Sequence[Mapping[str, Any]], lag: Lag) -> Check:
    """By its deadline and 100 ms, and as much later as the process was late itself just then; how many needed that is told as well.

    From the clock that ran out to the caller it takes a round or two of the loop, or turns of a thread, each of which may be late. And a call's own
    clock begins a moment after its caller's: where the process stood still between the two, the call is late by that. Waiting for a store is
    no lag of the process: it is the client's own, and not excused.
    """
    late: list[tuple[Any, ...]] = []
    beyond = [(call["took"] - call["timeout"], call) for call in calls]
    needed = [(over, call) for over, call in beyond if over > _GRACE]
    rounds = 0.0
    for over, call in needed:
        began = call["ended"] - call["took"]
        before = min(over, lag.worst(began, began + over))
        own = lag.worst(call["ended"] - over - 0.05, call["ended"])
        rounds = max(rounds, (over - _GRACE - before) / max(own, _TICK))
        if over > _GRACE + before + _ROUNDS * own:
            outcomes = [tuple(one[:3]) for one in call["attempts"]]
            late.append((round(over, 3), round(before, 3), round(own, 3), call["error"] or "answered", call["route"], outcomes))
    most = max((over for over, _ in beyond), default=0.0)
    moments = len({round(call["ended"]) for _, call in needed})
    excused = f"{len(needed)} over 100 ms (at {moments} moments; by {rounds:.1f} times the lag at most)" if needed else "none over 100 ms"
    found = f"most {most * 1000:.0f} ms; {excused}, {len(late)} of them not by lag {late[:4] or ''}"
    return Check("within its deadline + 100 ms + lag", found, not late)


def attempts(calls: Sequence[Mapping[str, Any]], requests: Mapping[str, int]) -> list[Check]:
    """No call sent more than its budget of attempts; copies are counted for themselves."""
    by_tag, copies = Counter[int](), Counter[int]()
    for key, count in requests.items():
        tag, _, row = key.partition(" ")
        (copies if row == "copy" else by_tag)[int(tag)] += count
    budget = {call["tag"]: call["max_attempts"] for call in calls}
    over = {tag: count for tag, count in by_tag.items() if count > budget.get(tag, 0)}
    told = [call["tag"] for call in calls if len(call["attempts"]) > call["max_attempts"]]
    unsaid = [call["tag"] for call in calls if not call["leaving"] and by_tag[call["tag"]] > len(call["attempts"])]
    sent = sum(by_tag.values())
    return [
        Check("requests at the servers within the sum of budgets", f"{sent} of {sum(budget.values())}", sent <= sum(budget.values())),
        Check("requests of each call within its own", f"{len(over)} over {dict(list(over.items())[:3]) or ''}", not over and not told),
        Check("every request is told in attempts", f"{len(unsaid)} calls told fewer {unsaid[:3] or ''}", not unsaid),
        Check("one copy of a call at most", f"{sum(copies.values())} copies", max(copies.values(), default=0) <= 1),
    ]


def billed(calls: Iterable[Mapping[str, Any]], rows: Mapping[str, Row], books: Mapping[str, Any]) -> tuple[int, int, list[str]]:
    """What the calls that were waited for may have cost, least and most, in nano-dollars, by their attempts; and answers billed wrongly.

    The two differ only by losers of hedges that no server saw: they may have been given up before or after they held anything back.
    """
    least = most = 0
    wrong: list[str] = []
    for call in calls:
        if call["leaving"]:
            continue
        seen = Counter[str]()
        doubtful: dict[str, list[tuple[str, int]]] = {}
        for target, outcome, status, cost in call["attempts"]:
            row = rows[target]
            worst = call["max_output"] * row.price
            if outcome == "given up" or (outcome == "TimedOut" and status is None):
                doubtful.setdefault(row.counted, []).append((outcome, worst))
                continue
            seen[row.counted] += outcome not in _UNSENT
            amount = 0 if outcome in _UNSENT or (outcome in _PROVIDERS and status in _FREE) else worst
            if outcome == "ok" and cost is not None:
                amount = math.ceil(Decimal(cost) * _NANO)
                told = [tokens * row.price for tokens in books["billed"].get(f"{call['tag']} {row.counted}", [])]
                if row.ours and amount not in told:
                    wrong.append(f"{target}: {amount} for {told}")
            least, most = least + amount, most + amount
        for server, ones in doubtful.items():
            low, high = _doubtful(ones, books["requests"].get(f"{call['tag']} {server}", 0) - seen[server])
            least, most = least + low, most + high
    return least, most, wrong


def _doubtful(ones: Sequence[tuple[str, int]], left: int) -> tuple[int, int]:
    """Attempts at one server that end in nothing, of which it saw so many requests: what they cost at least, and at most."""
    amounts = sorted(worst for _, worst in ones)
    left = min(max(left, 0), len(amounts))
    given_up = sum(worst for outcome, worst in ones if outcome == "given up")
    return sum(amounts[:left]), min(sum(amounts), sum(amounts[len(amounts) - left :]) + given_up)


def budget(spent: int, reserved: int, least: int, most: int, wrong: Sequence[str]) -> list[Check]:
    """Nothing is held back any more, and what was spent is what the attempts come to."""
    told = f"{most}" if least == most else f"{least} to {most}"
    return [
        Check("nothing reserved at the end", f"{reserved} nano-dollars", reserved == 0),
        Check("spent is the sum over all attempts", f"{spent} spent, {told} by the attempts", least <= spent <= most),
        Check("an answer costs what its server billed", f"{len(wrong)} do not {wrong[:3] or ''}", not wrong),
    ]


def leavers(spent: int, reserved: int, calls: Iterable[Mapping[str, Any]], rows: Mapping[str, Row]) -> Check:
    """Whoever leaves, or is copied, pays at most the worst case of every request that it could have sent."""
    dearest = max(row.price for row in rows.values())
    bound = sum((call["max_attempts"] + 1) * call["max_output"] * dearest for call in calls if call["leaving"])
    return Check("who leaves pays what it may cost at most", f"{spent} of {bound}, {reserved} reserved", spent <= bound and not reserved)


def limited(arrived: Mapping[str, Sequence[float]]) -> Check:
    """A limit of requests a minute, seen from the server: a second less than a minute, as what left in time may arrive a little apart."""
    most = 0
    for row, times in arrived.items():
        if row.endswith("-steady"):
            first = 0
            for last, at in enumerate(times):
                while times[first] <= at - 59.0:
                    first += 1
                most = max(most, last - first + 1)
    return Check("a row's requests a minute", f"{most} of {MEASURED}", most <= MEASURED)

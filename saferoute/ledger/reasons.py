"""Why something became of a call, in words for who does not know the program: why a row was asked, why a call was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.ledger.attempts import BLOCKED, LEFT, is_copy, verdicts_of
from saferoute.ledger.plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.ledger.attempts import Told

__all__ = ["error_in_words", "grant_in_words", "refusal_in_words", "why_there"]

_ASKS: Final[Mapping[str, str]] = {
    "ordered": "asks its rows in order, and {row} is the first",
    "weighted": "chooses by chance, in proportion to the weights of its rows, and it fell on {row}",
    "round_robin": "asks its rows in turns, and it was the turn of {row}",
    "least_busy": "asks the row with the fewest requests under way, which was {row}",
    "lowest_latency": "asks the row that answers soonest, which was {row}",
    "cheapest": "asks the row with the lowest estimate, which was {row}",
    "most_headroom": "asks the row with the most unused limit, which was {row}",
    "two_choices": "asks the less busy of two rows that chance names, which was {row}",
    "sticky": "asks the same row for the same value of a tag, which is {row}",
    "by_tag": "chooses by the value of a tag, which leads to {row}",
    "by_data": "chooses by the data label of the call, which leads to {row}",
    "by_context": "asks the row with the smallest context window that holds the call, which is {row}",
    "the only row": "has one row that may be asked, {row}",
}
"""What an alias does first, by the word that an intent has for it."""

_GRANTS: Final[Mapping[str, str]] = {
    "production": "no capability: what the signed table itself grants",
    "local": "no capability: local trust, in which whoever runs the program may ask every row",
}


def why_there(record: Mapping[str, Any], before: Sequence[Told] = ()) -> str:
    """Why an attempt went to its row.

    Args:
        record: its intent.
        before: the attempts of its call before it, in order.
    """
    why, row, route = str(record["why"]), plain(str(record["target"])), plain(str(record["route"]))
    if why in _ASKS:
        return f'"{route}" {_ASKS[why].format(row=row)}'
    ended = next((told for told in reversed(before) if not is_copy(told)), None)
    after = "" if ended is None else f", after {plain(str(ended.first['target']))} {_ended_with(ended)}"
    word, _, cause = why.partition(": ")
    if word == "next in order":
        skipped = ", since those before it were passed over" if ended is None and record.get("rejected") else ""
        return f"next in order{after or skipped}"
    if word == "retry":
        return f"once more{after}"
    if word == "fallback":
        return f"a fallback of the table for {plain(cause)}{after}"
    return plain(why)


def _ended_with(told: Told) -> str:
    if told.maybe_sent:
        return "brought no outcome"
    return "answered" if told.outcome == "ok" else f"ended with {plain(told.outcome)}" if told.outcome != LEFT else "was left"


def grant_in_words(table: Mapping[str, Any] | None) -> str:
    """What allows a call that presented no capability, as far as its record tells.

    Args:
        table: the table that the record names.
    """
    return _GRANTS.get(str(table["trust"]), "no capability") if table else "no capability"


def error_in_words(outcome: str, deny: object) -> str:
    """How something ended, with the code of a refusal if there is one."""
    if outcome == LEFT:
        return "left by the caller"
    code = "" if deny is None else f" ({plain(str(deny))})"
    by_guard = outcome in BLOCKED and not code.startswith(" (guard:")  # which names it
    return f"{plain(outcome)}{code}" + (", by a guard" if by_guard else "")


def refusal_in_words(told: Told) -> str:
    """A refusal in one line: what refused it, with its code, and every reason that is recorded."""
    said = [
        f"{plain(one['guard'])}: {', '.join(map(plain, one['reasons'])) or plain(one['path']) or 'the whole request'}"
        for one in verdicts_of(told)
        if one["action"] == "block"
    ]
    if told.kind == "denial":
        said += [f"{plain(name)}: {plain(why)}" for name, why in told.first.get("rejected", ())]
    return "; ".join([error_in_words(told.outcome, (told.ended or told.first).get("deny")), *dict.fromkeys(said)])

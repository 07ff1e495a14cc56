"""What would happen to a call, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.values.balancing import Cause, Strategy

__all__ = ["in_words"]

_HOW: Final[Mapping[Strategy, str]] = {
    "ordered": "as the table lists them",
    "weighted": "by chance, in proportion to the weights",
    "round_robin": "in turns; this is the first call",
    "least_busy": "the fewest requests under way first; none is yet, so chance decides",
    "lowest_latency": "the soonest answer first; nothing was measured yet, so chance decides",
    "cheapest": "the lowest estimate first",
    "most_headroom": "the most unused limit first; nothing was used yet, so chance decides",
    "two_choices": "the less busy of two rows that chance names",
    "sticky": "the same row for the same value of a tag",
    "by_tag": "as the table lists them for a value of a tag",
    "by_data": "the lowest data ceiling that holds the call's label first",
    "by_context": "the smallest context window that holds the call first",
}
_WHEN: Final[Mapping[Cause, str]] = {
    "any": "when nothing above answers",
    "context_window": "when the input is too long",
    "content_filter": "when a provider's filter refuses it",
    "quota": "when a quota is used up",
    "timeout": "after a timeout",
}
_SO_FAR: Final = (
    "So far as a client sees it that has just begun: one that runs passes over rows whose breaker is open, whose quota group",
    "rests, or whose limits are used up; client.health() shows which. Where that leaves none, it asks the one that is ready first,",
    "once, as a last resort: but none that its provider or a limit has put off, and with wait=True it waits instead.",
)
_KINDS: Final = {"requests": "requests a minute", "tokens": "tokens a minute", "concurrent": "requests at once"}


def in_words(found: Mapping[str, Any]) -> list[str]:
    """Say what would happen.

    Args:
        found: as `explained` gives it.
    """
    output = "no bound" if found["max_output_tokens"] is None else f"at most {found['max_output_tokens']}"
    lines = [
        f"{found['route']}, by table {found['table']} version {found['version']}",
        f"  about {found['input_tokens']} input tokens; output tokens: {output}",
        f"  at most {found['requests']} requests in {found['seconds']:g} s",
        "",
        f"Asked in this order ({found['strategy']}: {_how(found)})",
        *_rows(found["rows"]),
    ]
    if found["by_chance"]:
        lines.append("  Chance decides: the next call may find another order.")
    if found["dropped"]:
        lines += ["", "Not asked", *_dropped(found["dropped"])]
    for cause, listed in found["fallback"].items():
        lines += ["", f"Then, {_WHEN[cause]}", *(_rows(listed["rows"]) or ["  nothing is left"]), *_dropped(listed["dropped"], "not ")]
    hedge, shadow = found["hedge"], found["shadow"]
    if hedge is not None:
        after = f"after {hedge['after']:g} s, or the 95th percentile of this name's calls where that is longer"
        lines += ["", "Hedged", f"  {after}, the next row is asked as well; not before 20 calls have been seen"]
    if shadow is not None:
        copied = f"{shadow['share']} in 1000 calls are copied to {shadow['row']} ({shadow['model']})"
        lines += ["", "Shadow", f"  {copied}" + (f"; not this one: {shadow['why_not']}" if shadow["why_not"] else "")]
    return [*lines, "", *_SO_FAR]


def _how(found: Mapping[str, Any]) -> str:
    how = _HOW[found["strategy"]]
    if found["weights"]:
        how += f"; weights {', '.join(f'{name} {weight}' for name, weight in found['weights'].items())}"
    if found["tag"]:
        value = found["tag_value"]
        how += f"; the tag {found['tag']} is {'not given' if value is None else value}"
    return how


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for place, row in enumerate(rows, 1):
        clocks = ", ".join(f"{name.replace('_', ' ')} {seconds:g} s" for name, seconds in row["clocks"].items())
        lines += [
            f"  {place}. {row['row']}  {row['model']} at {row['origin']}",
            f'       {_cost(row["estimate"])}; data up to "{row["data"]}"; {clocks}',
            *(f"       {_limit(limit)}" for limit in row["limits"]),
        ]
    return lines


def _cost(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None:
        return "cost not known"
    return f"up to {estimate['amount'] / 1e9:.6f} {estimate['currency']} with {estimate['output_tokens']} output tokens"


def _limit(limit: Mapping[str, Any]) -> str:
    return f"takes {limit['takes']} of {limit['limit']} {_KINDS[limit['kind']]} of {limit['of']}"


def _dropped(dropped: Sequence[Mapping[str, str]], before: str = "") -> list[str]:
    return [f"  {before}{one['row']} ({one['model']}): {one['why']}" for one in dropped]

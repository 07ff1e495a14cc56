"""Counting, as a table or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from saferoute.cli.audit_files import Reading, not_verified, segments_in
from saferoute.cli.terminal import show, show_table
from saferoute.ledger.attempts import is_refused
from saferoute.ledger.plain import money, plain, span
from saferoute.ledger.stats import Stats, tally_to_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from saferoute.ledger.stats import Tally

__all__ = ["stats"]

_NUMBERS = (
    "calls", "answered", "refused", "left", "failed", "maybe sent", "attempts", "tokens in", "tokens out", "cost", "cost unknown", "p50",
    "p95",
)  # fmt: skip


def stats(options: argparse.Namespace) -> int:
    """Count what a ledger tells."""
    reading = Reading(segments_in(options.directories), options.since, options.until)
    found = Stats(options.by)
    only_refusals = "deny" in options.by
    for told in reading.told():
        if not only_refusals or is_refused(told):
            found.take(told)
    if options.json:
        found_rows = [{"by": dict(zip(found.by, key, strict=True)), **tally_to_json(tally)} for key, tally in found.rows()]
        show(json.dumps(found_rows, indent=2))
    elif found.groups:
        rows = [[*(plain(label) if label is not None else "-" for label in key), *_cells(tally)] for key, tally in found.rows()]
        show_table(*_to_the_right([*found.by, *_NUMBERS], rows, len(found.by)))
    else:
        show("no call")
    not_verified()
    return reading.code()


def _cells(tally: Tally) -> list[str]:
    costs = " + ".join(money(amount, currency) for currency, amount in sorted(tally.cost.items()))
    numbers = (tally.calls, *(tally.ends[name] for name in ("answered", "refused", "left", "failed", "maybe sent")), tally.attempts)
    tokens = tally.tokens["input"], tally.tokens["output"]
    return [*(f"{number:,}" for number in (*numbers, *tokens)), costs or "-", f"{tally.costs_unknown:,}", span(tally.p50), span(tally.p95)]


def _to_the_right(headings: Sequence[str], rows: Sequence[Sequence[str]], after: int) -> tuple[list[str], list[list[str]]]:
    """Numbers end where their column ends."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    turned = [
        [cell.rjust(width) if place >= after else cell for place, (cell, width) in enumerate(zip(row, widths, strict=True))]
        for row in (headings, *rows)
    ]
    return turned[0], turned[1:]

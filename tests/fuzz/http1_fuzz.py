"""Fuzz the response reader against h11 by the million.

    python tests/fuzz/http1_fuzz.py --cases 10000000 --processes 2 --seed 1

Prints how often the two agreed (`refused`: ours refused, and h11 was not asked; it is asked about one refusal in eight), and ends with status 1 at the first disagreement, which it prints so that it can be seen again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fuzz.differential import Disagreement, Mutator, compare

_BATCH = 20_000


def batch(task: tuple[int, int, int]) -> tuple[Counter[str], str]:
    """Run some cases; return the counts, and the disagreement if there is one."""
    seed, number, cases = task
    mutator = Mutator(random.Random(seed * 1_000_003 + number))
    counts: Counter[str] = Counter()
    for case in range(cases):
        data, cuts, eof = mutator.case()
        try:
            counts[compare(data, cuts, eof=eof, classify=case % 8 == 0)] += 1
        except Disagreement as found:
            return counts, f"seed {seed}, batch {number}: {found}"
        except Exception as broken:  # noqa: BLE001  an error that is not ours is a finding too
            return counts, f"seed {seed}, batch {number}: {broken!r} in compare({data!r}, {cuts!r}, eof={eof})"
    return counts, ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tasks = [(given.seed, number, min(_BATCH, given.cases - start)) for number, start in enumerate(range(0, given.cases, _BATCH))]
    totals: Counter[str] = Counter()
    begun = shown = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        for counts, disagreement in pool.imap_unordered(batch, tasks):
            totals += counts
            if disagreement:
                print(disagreement)
                return 1
            if time.monotonic() - shown > 30:
                shown = time.monotonic()
                print(f"{totals.total():,} cases so far, {totals.total() / (shown - begun):,.0f} a second", flush=True)
    seconds = time.monotonic() - begun
    print(f"{totals.total():,} cases, no disagreement, seed {given.seed}, {seconds:,.0f} s, {totals.total() / seconds:,.0f} a second")
    for name, count in sorted(totals.items()):
        print(f"  {name}: {count:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

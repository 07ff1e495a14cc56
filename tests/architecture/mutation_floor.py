"""Gate the mutation score of each folder, from what mutmut leaves beside its mutants.

    python tests/architecture/mutation_floor.py                            gate every mutant
    python tests/architecture/mutation_floor.py --sample 200 --seed 1      gate that sample: 200 mutants of each folder
    python tests/architecture/mutation_floor.py --sample 200 --seed 1 --names      print the sample's names, for `mutmut run`

A mutant counts as killed if a test failed or crashed, or ran out of time; as alive if every test passed, or if no test reaches it at
all. What was skipped or not run is no result: at most 1 % of a folder may be that, unless a sample was asked for. A sample's score
comes with the interval that holds the true one in 95 of 100 samples (Wilson); the gate looks at the score itself.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

FLOORS = {
    "wire": 90.0,
    "routing": 90.0,
    "capabilities": 90.0,
    "secrets": 90.0,
    "providers": 80.0,
    "guards": 85.0,
    "ledger": 85.0,
    "telemetry": 80.0,
}
NOT_RUN_SHARE = 1.0
MUTANTS = pathlib.Path("mutants")

# What mutmut writes as a mutant's exit code: pytest's own, or one of mutmut's.
_ALIVE = 0
_UNREACHED = frozenset({5, 33})  # no test ran, no test runs it
_NOT_RUN = frozenset({None, 2, 34})  # not begun, interrupted, skipped

Results = Mapping[str, int | None]


def outcome(code: int | None) -> str:
    """What an exit code means: killed, alive, unreached or not run."""
    if code in _NOT_RUN:
        return "not run"
    if code in _UNREACHED:
        return "unreached"
    return "alive" if code == _ALIVE else "killed"


def score(counts: Mapping[str, int]) -> float:
    """Killed mutants, in percent of those with a result; 0.0 without any."""
    tried = counts.get("killed", 0) + counts.get("alive", 0) + counts.get("unreached", 0)
    return 100.0 * counts.get("killed", 0) / tried if tried else 0.0


def wilson(killed: int, tried: int) -> tuple[float, float]:
    """The 95 % interval of a share, in percent (Wilson's score interval)."""
    if not tried:
        return 0.0, 100.0
    z, share = 1.959964, killed / tried
    middle = share + z * z / (2 * tried)
    reach = z * math.sqrt(share * (1 - share) / tried + z * z / (4 * tried * tried))
    below, above = ((middle + sign * reach) / (1 + z * z / tried) for sign in (-1, 1))
    return 100.0 * max(0.0, below), 100.0 * min(1.0, above)


def sample(names: Sequence[str], size: int, seed: int) -> list[str]:
    """The names to try: the same for the same names, size and seed, in whatever order the names come."""
    ordered = sorted(names)
    return sorted(random.Random(seed).sample(ordered, min(size, len(ordered))))


def gate(folder: str, results: Results, *, sampled: bool) -> list[str]:
    """Why a folder does not pass; nothing if it does."""
    counts = Counter(map(outcome, results.values()))
    faults = []
    if score(counts) < FLOORS[folder]:
        faults.append(f"{folder}: {score(counts):.1f} % of the mutants are killed, the floor is {FLOORS[folder]:.0f} %")
    if not sampled and 100.0 * counts["not run"] > NOT_RUN_SHARE * len(results):
        faults.append(
            f"{folder}: {counts['not run']} of {len(results)} mutants were not run, at most {NOT_RUN_SHARE:.0f} % may be left out"
        )
    return faults


def read(root: pathlib.Path) -> dict[str, dict[str, Results]]:
    """By folder and file: the exit code of every mutant."""
    found: dict[str, dict[str, Results]] = {}
    for folder in FLOORS:
        base = root / "saferoute" / folder
        files = {str(path.relative_to(base))[: -len(".meta")]: json.loads(path.read_text("utf-8")) for path in sorted(base.rglob("*.meta"))}
        found[folder] = {name: meta["exit_code_by_key"] for name, meta in files.items() if meta["exit_code_by_key"]}
    return found


def _row(name: str, results: Results) -> str:
    counts = Counter(map(outcome, results.values()))
    columns = " ".join(f"{counts[kind]:9}" for kind in ("killed", "alive", "unreached", "not run"))
    return f"{name:44} {len(results):7} {columns} {score(counts):6.1f}"


def main(arguments: Sequence[str], root: pathlib.Path = MUTANTS) -> int:
    """Print a table of files and folders, or the names of a sample; 1 when a folder does not pass."""
    parser = argparse.ArgumentParser(prog="mutation_floor.py")
    parser.add_argument("--sample", type=int, help="so many mutants of each folder, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="which sample (default: 0)")
    parser.add_argument("--names", action="store_true", help="print the names of the mutants and gate nothing")
    options = parser.parse_args(arguments)
    faults: list[str] = []
    lines = [f"{'file':44} {'mutants':>7} {'killed':>9} {'alive':>9} {'unreached':>9} {'not run':>9} {'score':>6}"]
    names: list[str] = []
    for folder, files in read(root).items():
        merged = {name: code for results in files.values() for name, code in results.items()}
        chosen = sorted(merged) if options.sample is None else sample(list(merged), options.sample, options.seed)
        names += chosen
        results = {name: merged[name] for name in chosen}
        for file, of_file in files.items():
            inside = {name: results[name] for name in of_file if name in results}
            if inside:
                lines.append(_row(f"{folder}/{file}", inside))
        lines.append(_row(f"{folder} (floor {FLOORS[folder]:.0f})", results))
        if options.sample is not None:
            counts = Counter(map(outcome, results.values()))
            tried = len(results) - counts["not run"]
            below, above = wilson(counts["killed"], tried)
            lines.append(f"  a sample of {tried} of {len(merged)} mutants, seed {options.seed}: 95 % interval {below:.1f} to {above:.1f}")
        faults += gate(folder, results, sampled=options.sample is not None)
    print("\n".join(names if options.names else [*lines, *faults]))
    return int(bool(faults) and not options.names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Gate coverage per package, from `coverage json`. Lists every excluded line of the gated packages.

    python tests/architecture/coverage_floors.py coverage.json

A package's figure is (lines run + branches taken) / (lines + branches); its branches alone must reach the floor too. At most 1 % of
a gated package's lines may be excluded.
"""

from __future__ import annotations

import ast
import json
import pathlib
import sys
from typing import Any

FLOORS = {
    "routing": 100.0, "capabilities": 100.0, "secrets": 100.0, "guards": 100.0, "wire": 95.0, "providers": 95.0, "call": 95.0, "signing": 95.0, "values": 90.0,
    "drivers": 85.0,
}  # fmt: skip
WHOLE = 85.0
EXCLUDED_SHARE = 1.0


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


def _package(file: str) -> str:
    parts = pathlib.PurePosixPath(file.replace("\\", "/")).parts
    inside = parts[parts.index("saferoute") + 1 :]
    return inside[0] if len(inside) > 1 else ""


def _counted_excluded(file: str, lines: list[int]) -> list[int]:
    """Excluded lines that would run: not blocks under TYPE_CHECKING, and not functions whose body is `...` (Protocols, overloads)."""
    text = pathlib.Path(file).read_text(encoding="utf-8")
    never: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        only_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        stub = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and ast.unparse(node.body[-1]) == "..."
        if (only_types or stub) and isinstance(node, ast.stmt):
            never.update(range(node.lineno - (0 if only_types else 5), (node.end_lineno or node.lineno) + 1))
    written = text.splitlines()
    return [number for number in lines if number not in never and written[number - 1].strip()]


def main(path: str) -> int:
    """Print the table; 1 when a floor is missed."""
    report: dict[str, Any] = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    sums: dict[str, list[int]] = {}
    excluded: list[str] = []
    excluded_lines: dict[str, int] = {}
    for file, entry in sorted(report["files"].items()):
        package = _package(file)
        summary = entry["summary"]
        row = sums.setdefault(package, [0, 0, 0, 0])
        for index, key in enumerate(("covered_lines", "num_statements", "covered_branches", "num_branches")):
            row[index] += summary[key]
        if package in FLOORS:
            counted = _counted_excluded(file, entry["excluded_lines"])
            excluded_lines[package] = excluded_lines.get(package, 0) + len(counted)
            excluded += [f"{file}:{number}" for number in counted]
    failed = False
    print(f"{'package':<14}{'lines':>8}{'branches':>10}{'both':>8}{'floor':>8}{'excluded':>10}")
    for package, (lines, all_lines, branches, all_branches) in sorted(sums.items()):
        both = _percent(lines + branches, all_lines + all_branches)
        floor = FLOORS.get(package)
        share = _percent(excluded_lines.get(package, 0), all_lines + excluded_lines.get(package, 0)) if floor else 0.0
        missed = floor is not None and (min(both, _percent(branches, all_branches)) < floor or share > EXCLUDED_SHARE)
        failed |= missed
        print(
            f"{package or 'saferoute':<14}{_percent(lines, all_lines):>8.1f}{_percent(branches, all_branches):>10.1f}{both:>8.1f}"
            f"{floor or '-':>8}{share:>9.1f}%{'   MISSED' if missed else ''}"
        )
    whole = report["totals"]["percent_covered"]
    print(f"{'all':<14}{'':>8}{'':>10}{whole:>8.1f}{WHOLE:>8}")
    print("excluded lines of the gated packages:", ", ".join(excluded) or "none")
    return int(failed or whole < WHOLE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

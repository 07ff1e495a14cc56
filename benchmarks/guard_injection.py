"""Precision, recall, false positives and speed of the structural guard, on development rows and on the rows that nothing was chosen on.

    PYTHONPATH=. python benchmarks/guard_injection.py

Read README.md beside this file for how to take numbers.
"""

from __future__ import annotations

import time
from collections import defaultdict

from injection_rows import Row, held_out, read_rows

from saferoute.guards.injection import InjectionGuard
from saferoute.guards.views import views_of
from saferoute.values.guarding import Action, Context, Segment

_GUARD = InjectionGuard()


def flagged(row: Row) -> bool:
    return _GUARD.check(Segment(row.text), Context("input", views=views_of(row.text))).action is not Action.ALLOW


def counts(rows: list[Row]) -> dict[tuple[str, int], list[int]]:
    found: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        hit = flagged(row)
        for name in ("all", row.family if row.label == 0 and row.lang and row.family.startswith("ui-") else row.group):
            found[name, row.label][0] += 1
            found[name, row.label][1] += hit
    return found


def speed(rows: list[Row]) -> None:
    texts = [row.text for row in rows if row.label == 0 and len(row.text) > 500]
    per_kb = []
    for text in texts:
        segment, context = Segment(text), Context("input", views=views_of(text))
        began = time.perf_counter()
        _GUARD.check(segment, context)
        per_kb.append((time.perf_counter() - began) * 1e6 / (len(text.encode()) / 1024))
    per_kb.sort()
    total = sum(len(text.encode()) for text in texts)
    began = time.perf_counter()
    for text in texts:
        _GUARD.check(Segment(text), Context("input"))
    took = time.perf_counter() - began
    print(
        f"speed: p50 {per_kb[len(per_kb) // 2]:.0f} us/KB, p99 {per_kb[len(per_kb) * 99 // 100]:.0f} us/KB, {total / took / 1e6:.1f} MB/s"
    )


def main() -> None:
    rows = read_rows("pi_dev", "pi_controls_dev")
    for name, some in (("development", [r for r in rows if not held_out(r.id)]), ("held out", [r for r in rows if held_out(r.id)])):
        found = counts([row for row in some if not row.family.startswith(("ui-", "benc-"))])
        (attacks, hits), (benign, wrong) = found["all", 1], found["all", 0]
        print(f"{name}: recall {hits / attacks:.3f}  FPR {wrong / benign:.4f} ({wrong}/{benign})  precision {hits / (hits + wrong):.3f}")
        for (group, label), (total, hit) in sorted(found.items()):
            print(f"    {group:18} {'attack' if label else 'benign'} {hit:5}/{total:5} {hit / total:.3f}")
        controls = counts([row for row in some if row.family.startswith(("ui-", "benc-"))])
        print(f"  controls: {controls['all', 0][1]}/{controls['all', 0][0]};", end=" ")
        print({group: f"{hit}/{total}" for (group, _), (total, hit) in sorted(controls.items()) if hit})
    speed(rows)


if __name__ == "__main__":
    main()

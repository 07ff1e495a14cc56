"""What the guard `pii` finds, and what it takes for something else, on labelled text; and how fast it is.

    python benchmarks/guard_pii.py              prints the table; exits with 1 when a target is missed

Reads ../shared/guards, or SAFEROUTE_SHARED/guards. A find counts when it covers at least half of a labelled span of the same type, and a
labelled span when it covers at least half of a find. Rows are split in two by a hash of their id: rules were written with the first half in
sight ("seen"), the other was only counted ("held out"). Names, addresses of houses and dates are not looked for and do not count.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

from saferoute.guards.pii import PiiGuard, find_pii, open_candidate
from saferoute.values.guarding import SILENT, Segment

SHARED = Path(os.environ.get("SAFEROUTE_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "guards"
TYPES = {"CREDIT_CARD": "pii.card", "EMAIL": "pii.email", "IBAN": "pii.iban", "IP": "pii.ip", "PHONE": "pii.phone", "SSN": "pii.ssn"}
TARGETS = {"all": (0.92, 0.93), "pii.phone": (0.80, 0.80), "pii.ip": (0.80, 0.80)}
FAMILIES = [
    "a.", "sk-", "![", "1 ", "ignore all ", "key=", "a@", "\u200b", "<!--", " ", "12 ", "123-", "1.1.1.1.", "0 1", "+1", "a:b:", "::",
    "DE89 ", "DE89", "4111 ", "a@b.", "a@b.c", "(0", "(1)", "0171 ", "00", "1234567890", "1234567 ", "555-123-", "@a.a", "A1 ",
]  # fmt: skip
BASELINES = (
    ("presidio + small NER", 0.54, 0.88, "430,000 us/KB"),
    ("patterns + checksums elsewhere", 0.80, 0.90, ""),
)


def rows(name: str) -> list[dict]:
    with lzma.open(SHARED / f"{name}.jsonl.xz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def is_seen(row: dict) -> bool:
    return hashlib.sha256(str(row["id"]).encode()).digest()[0] % 2 == 0


def covers(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return 2 * (min(one[1], other[1]) - max(one[0], other[0])) >= other[1] - other[0]


def count(labelled: list[dict]) -> Counter:
    """Finds and labels by kind: ("found" | "right" | "labels" | "met", kind)."""
    counts: Counter = Counter()
    for row in labelled:
        spans = find_pii(row["text"])
        labels = [(start, end, TYPES[kind]) for start, end, kind in row["spans"] if kind in TYPES]
        for span in spans:
            right = any(kind == span.kind and covers((span.start, span.end), (start, end)) for start, end, kind in labels)
            for kind in (span.kind, "all"):
                counts["found", kind] += 1
                counts["right", kind] += right
        for start, end, kind in labels:
            met = any(kind == span.kind and covers((span.start, span.end), (start, end)) for span in spans)
            for name in (kind, "all"):
                counts["labels", name] += 1
                counts["met", name] += met
    return counts


def ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def show_quality(labelled: list[dict]) -> bool:
    print(f"{'':30} {'rows':>5} {'kind':10} {'labels':>6} {'P':>6} {'R':>6}")
    for name, precision, recall, speed in BASELINES:
        print(f"{name:30} {'':5} {'all':10} {'':6} {precision:6.2f} {recall:6.2f}  {speed}")
    well = True
    for name, part in (("seen", [r for r in labelled if is_seen(r)]), ("held out", [r for r in labelled if not is_seen(r)])):
        counts = count(part)
        for kind in ("all", *sorted(TYPES.values())):
            precision = ratio(counts["right", kind], counts["found", kind])
            recall = ratio(counts["met", kind], counts["labels", kind])
            least = TARGETS.get(kind, (0.0, 0.0))
            reached = precision >= least[0] and recall >= least[1]
            well = well and reached
            line = f"{name:30} {len(part):5} {kind:10} {counts['labels', kind]:6} {precision:6.3f} {recall:6.3f}"
            print(line if reached else f"{line}  MISSED")
    return well


def show_benign() -> None:
    """Texts without labels: what share of them holds a find. Some do hold an address."""
    for name, keep in (("pii_dev", 0), ("pi_controls_dev", None), ("pi_dev", 0)):
        texts = [row["text"] for row in rows(name) if keep is None or row["label"] == keep]
        flagged = sum(bool(find_pii(text)) for text in texts)
        print(f"finds in benign texts of {name:16} {flagged:5} of {len(texts):6} = {flagged / len(texts):.4f}")


def least(work: object, rounds: int = 5) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def show_speed() -> None:
    prose = "\n".join(row["text"] for row in rows("pi_dev") if row["label"] == 0)[:2_000_000]
    prose += prose[: max(0, 2_000_000 - len(prose))]
    guard = PiiGuard()
    took = least(lambda: guard.check(Segment(prose), SILENT), 3)
    print(f"2 MB of benign text: {len(prose) / took / 1e6:.1f} MB/s")
    times = []
    for place in range(0, 1_000_000, 1024):
        segment = Segment(prose[place : place + 1024])
        times.append(least(lambda: guard.check(segment, SILENT), 3) * 1e6)  # noqa: B023  run at once
    cuts = statistics.quantiles(times, n=100)
    print(f"1 KB of benign text: p50 {statistics.median(times):.1f} us, p99 {cuts[98]:.1f} us")
    text = prose[:20_000]
    held = [place - open_candidate(text[max(0, place - 2000) : place]) - max(0, place - 2000) for place in range(1, len(text), 7)]
    most = statistics.quantiles(held, n=100)[98]
    print(f"held back at the end of benign text: median {statistics.median(held):.0f}, 99th of 100 {most:.0f}")
    size = 200_000
    plain = least(lambda: find_pii(prose[:size]))
    print(f"200 kB of benign text: {plain * 1e3:.1f} ms; hostile families as multiples of it:")
    for family in FAMILIES:
        text = (family * size)[:size]
        print(f"{family!r} {least(lambda: find_pii(text), 2) / plain:.1f}", end="  ")  # noqa: B023  run at once
    print()


def main() -> int:
    if not SHARED.is_dir():
        print("the shared folder is absent: set SAFEROUTE_SHARED")
        return 0
    well = show_quality(rows("pii_dev"))
    show_benign()
    show_speed()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

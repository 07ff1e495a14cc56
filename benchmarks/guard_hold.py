"""Measures how much of a harmless stream the guards that are on by default hold back, and by how many pieces its beginning is late.

    PYTHONPATH=. SAFEROUTE_SHARED=... python benchmarks/guard_hold.py

Two corpora: the texts of tests/support/benign_texts.py; and, where the shared folder is there, the harmless texts of its control set and
of its injection set, which those who wrote the guards did not choose. Each text comes three times: in pieces like tokens, in whole words,
and letter by letter. What is held is counted after every piece, in characters. The targets: a median of 32 at most, and a beginning that
is late by one piece at most, of tokens and of words, in 97 of 100 texts.
"""

from __future__ import annotations

import json
import lzma
import os
import pathlib
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tests.support.benign_texts import TEXTS, Hold, hold_of, pieces_like_tokens

SHARED = pathlib.Path(os.environ.get("SAFEROUTE_SHARED", pathlib.Path(__file__).resolve().parents[2] / "shared")) / "guards"
SEED = 6
MOST = 400
MEDIAN, LATE, ON_TIME = 32, 1, 0.97
HEADINGS = ("corpus", "pieces", "texts", "held: median", "p90", "p99", "most", "late: median", "p90", "on time", "changed")


def ways() -> dict[str, Callable[[str], list[str]]]:
    draw = random.Random(SEED)
    return {
        "tokens": lambda text: pieces_like_tokens(text, draw.randint),
        "words": lambda text: re.findall(r"\s*\S+|\s+\Z", text),
        "letters": list,
    }


def corpora() -> Iterator[tuple[str, list[str]]]:
    yield "own, all", list(TEXTS.values())
    for name in ("pi_controls_dev", "pi_dev"):
        file = SHARED / f"{name}.jsonl.xz"
        if not file.is_file():
            print(f"{file.name} is not here: set SAFEROUTE_SHARED", file=sys.stderr)
            continue
        with lzma.open(file, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        texts = [row["text"] for row in rows if row["label"] == 0 and 0 < len(row["text"]) < 2000]
        yield f"{name}, benign", random.Random(SEED).sample(texts, min(MOST, len(texts)))


def row(corpus: str, way: str, texts: Iterable[str], cut: Callable[[str], list[str]]) -> tuple[str, ...]:
    held: Counter[int] = Counter()
    late: Counter[int] = Counter()
    changed = count = 0
    for text in texts:
        hold: Hold = hold_of(cut(text))
        count += 1
        held.update(hold.held)
        late[hold.late] += 1
        changed += hold.shown != text
    on_time = sum(number for pieces, number in late.items() if pieces <= LATE) / count
    numbers = [quantile(held, share) for share in (0.5, 0.9, 0.99, 1.0)]
    return (
        corpus,
        way,
        str(count),
        *map(str, numbers),
        *(str(quantile(late, share)) for share in (0.5, 0.9)),
        f"{on_time:.1%}",
        str(changed),
    )


def quantile(counted: Counter[int], share: float) -> int:
    """The least number that so large a share does not exceed."""
    below = 0
    for number, count in sorted(counted.items()):
        below += count
        if below >= share * counted.total():
            return number
    return 0


def show(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(one[column]) for one in rows) for column in range(len(rows[0]))]
    for one in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(one, widths, strict=True)).rstrip())


def main() -> int:
    rows = [row(corpus, way, texts, cut) for corpus, texts in corpora() for way, cut in ways().items()]
    show([HEADINGS, *rows])
    medians = [int(one[3]) for one in rows]
    on_time = min(float(one[9].rstrip("%")) / 100 for one in rows if one[1] != "letters")
    changed = sum(int(one[10]) for one in rows)
    kept = max(medians) <= MEDIAN and on_time >= ON_TIME and not changed
    print(f"\nmedian held at most {max(medians)} (target {MEDIAN}); late by {LATE} piece at most: {on_time:.1%} (target {ON_TIME:.0%})")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

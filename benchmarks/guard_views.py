"""Views, hidden characters and addresses: what is found, what is left alone, and what it costs.

    python benchmarks/guard_views.py [--held-out]

Reads the labelled texts from SAFEROUTE_SHARED (default: ../shared beside the repository). Attack phrases are written in many ways, and
count as read if a view holds the phrase. Four of ten rows, by the digest of their id, are set apart: `--held-out` judges those. The rules
of the views were made without them; the rules for hidden characters were checked against all rows once while they were made, so that for
those the split proves nothing.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import json
import lzma
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from saferoute.guards.links import LinkGuard
from saferoute.guards.unicode import UnicodeGuard
from saferoute.guards.views import views_of
from saferoute.values.guarding import Action, Context, Segment

SHARED = Path(os.environ.get("SAFEROUTE_SHARED") or Path(__file__).resolve().parents[2] / "shared") / "guards"
CYRILLIC = str.maketrans("aeopcyxis", "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455")


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WAYS: dict[str, Callable[[str], str]] = {
    "zero-width": "\u200b".join,
    "tags": lambda text: "Fine." + "".join(chr(0xE0000 + ord(char)) for char in text),
    "homoglyphs": lambda text: text.translate(CYRILLIC),
    "full width": lambda text: "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text),
    "mathematical": lambda text: "".join(chr(0x1D41A + ord(char) - 97) if "a" <= char <= "z" else char for char in text),
    "leet": lambda text: text.translate(str.maketrans("aeiostAEIOST", "431057431057")),
    "base64": base64_of,
    "base64, addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 x3": lambda text: base64_of(base64_of(base64_of(text))),
    "hex": lambda text: text.encode().hex(),
    "hex bytes": lambda text: text.encode().hex(" "),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "spaced": " ".join,
    "dashed": lambda text: " ".join("-".join(word) for word in text.split()),
    "backwards": lambda text: text[::-1],
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "\\u": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "%XX": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "zalgo": lambda text: "".join(char + "\u0352\u0328" if char.isalpha() else char for char in text),
    "comment": lambda text: f"<p>Fine</p><!-- {text} -->",
    "hidden": lambda text: f'<span style="font-size:0">{text}</span>',
}


def rows(name: str, *, held_out: bool) -> list[dict[str, Any]]:
    with lzma.open(SHARED / f"{name}.jsonl.xz", "rt") as lines:
        every = [json.loads(line) for line in lines]
    return [row for row in every if (int(hashlib.sha256(str(row["id"]).encode()).hexdigest(), 16) % 10 < 4) is held_out]


def letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def retained(phrases: list[str]) -> None:
    print(f"\n| written as | read in a view ({len(phrases)} phrases) |\n|---|---|")
    for name, write in WAYS.items():
        read = sum(any(letters(phrase) in letters(view) for view in views_of(write(phrase)).values()) for phrase in phrases)
        print(f"| {name} | {read / len(phrases):.3f} |")


def benign(controls: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    groups: dict[str, list[str]] = {}
    for row in controls:
        plain = row["category"] == "benign_ui_string"
        groups.setdefault("strings of interfaces, 17 languages" if plain else row["category"], []).append(row["text"])
    groups["other benign texts"] = [row["text"] for row in others if row["label"] == 0]
    guard = UnicodeGuard()
    print("\n| benign texts | number | with a view | flagged | blocked from outside |\n|---|---|---|---|---|")
    for name, texts in groups.items():
        viewed = sum(bool(views_of(text)) for text in texts) / len(texts)
        flagged = sum(guard.check(Segment(text), Context("input")).action is not Action.ALLOW for text in texts) / len(texts)
        blocked = sum(guard.check(Segment(text, origin="tool"), Context("tool_result")).action is Action.BLOCK for text in texts) / len(
            texts
        )
        print(f"| {name} | {len(texts)} | {viewed:.4f} | {flagged:.4f} | {blocked:.4f} |")


def hostile() -> None:
    with lzma.open(SHARED / "hostile_cases.jsonl.xz", "rt") as lines:
        cases = [json.loads(line) for line in lines]
    wanted = {f"h{number:02}" for number in (*range(3, 12), *range(26, 33), 66, 67, 68)}
    guards = (UnicodeGuard(), LinkGuard())
    print("\n| case | stage | expected | verdict |\n|---|---|---|---|")
    for case in cases:
        if case["id"] in wanted:
            origin = {"input": "user", "tool_result": "tool", "output": "model"}[case["stage"]]
            context = Context(case["stage"], allowed_hosts=frozenset({"cdn.allowed.example"}))
            asked = [guard for guard in guards if case["stage"] in guard.stages]
            action = max(guard.check(Segment(case["input"], origin=origin), context).action for guard in asked)
            mark = "" if action.name.lower() in case["expect"].split("|") else " (wrong)"
            print(f"| {case['id']} | {case['stage']} | {case['expect']} | {action.name.lower()}{mark} |")


def speed(texts: list[str]) -> None:
    pieces = [text for text in texts if 200 <= len(text) <= 4000][:400]
    guard, links = UnicodeGuard(), LinkGuard()
    works: dict[str, Callable[[str], object]] = {
        "views": views_of,
        "unicode": lambda text: guard.check(Segment(text), Context("input")),
        "links": lambda text: links.check(Segment(text), Context("output")),
        "links, open place": links.open_candidate,
    }
    print("\n| benign texts | p50 us/KB | p99 us/KB | MB/s |\n|---|---|---|---|")
    for name, work in works.items():
        each = []
        for text in pieces:
            best = float("inf")
            for _ in range(7):
                began = time.perf_counter()
                work(text)
                best = min(best, time.perf_counter() - began)
            each.append((best, len(text)))
        per_kb = sorted(1e6 * 1024 * spent / size for spent, size in each)
        rate = sum(size for _, size in each) / sum(spent for spent, _ in each) / 1e6
        print(f"| {name} | {statistics.median(per_kb):.0f} | {per_kb[int(len(per_kb) * 0.99)]:.0f} | {rate:.1f} |")


def main() -> None:
    if not SHARED.is_dir():
        sys.exit("the labelled texts are not there; say where with SAFEROUTE_SHARED")
    held_out = "--held-out" in sys.argv
    dev, controls = rows("pi_dev", held_out=held_out), rows("pi_controls_dev", held_out=held_out)
    attacks = [row["text"] for row in dev if row["label"] == 1 and row["text"].isascii() and 12 <= len(row["text"]) <= 300]
    # Phrases of words alone: others are encodings themselves.
    phrases = [
        text for text in attacks if not any(char.isdigit() or char in "@$%&\\<>{}[]|`_=/" for char in text) and len(text.split()) > 3
    ]
    retained(sorted(phrases, key=lambda text: hashlib.sha256(text.encode()).digest())[:800])
    benign(controls, dev)
    hostile()
    speed([row["text"] for row in dev if row["label"] == 0])


if __name__ == "__main__":
    main()

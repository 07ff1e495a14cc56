"""What the ledger costs in memory: making records, signing checkpoints, verifying, proving. Files are in ledger_directory.py.

    python benchmarks/ledger.py            prints the table; exits with 1 when a target is missed

Each record is a typical one: an intent of about 1.4 KB with commitments to three contents of 1 KB each, and its outcome with one. Times
are the least of several rounds of processor time, so that other work on the machine counts as little as it can.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from typing import Any

from saferoute.ledger.proof import check_proof, prove
from saferoute.ledger.record import parse_line
from saferoute.ledger.segment import SegmentWriter
from saferoute.ledger.verify import verify_segment
from saferoute.signing.keys import PrivateKey
from saferoute.values.receipt import Entry

NOW = 1_800_000_000_000_000
EVERY = 64
RECORDS = 4_000
KEY = PrivateKey.from_seed(b"k" * 32)
CONTENT = b"c" * 1_024
DIGEST = hashlib.sha256(b"table").hexdigest()
TABLE = {"name": "acme/prod", "sha256": DIGEST, "trust": "acme", "version": 3}
VERDICT = {"action": "allow", "guard": "pii", "path": "/messages/0", "reasons": [], "stage": "input", "version": "1"}
INTENTS = {
    "data": "internal", "model": "gpt-5-mini", "operation": "chat", "origin": "https://api.openai.com", "provider": "openai",
    "purpose": None, "route": "fast", "secret": "openai", "table": TABLE, "target": "openai-mini",
}  # fmt: skip
OUTCOMES = {"currency": "USD", "route": "fast", "target": "openai-mini"}


def intent(number: int) -> Entry:
    fields = {
        "attempt": 1, "call": f"{number:032x}", "capabilities": [DIGEST, DIGEST], "max_cost": {"currency": "USD", "nano": 1_234_000},
        "rejected": [["anthropic-sonnet", "breaker open for 4.2 s"]], "stream": False, "tags": {"env": "prod", "team": "support"},
        "templates": [{"name": "support-v3", "sha256": DIGEST}], "verdicts": [VERDICT], "why": "next in order",
    }  # fmt: skip
    return Entry("intent", fields, {"asked": CONTENT, "request": CONTENT}, CONTENT.decode(), "fast", INTENTS)


def outcome(number: int, name: str) -> Entry:
    usage = {"cache_read": 0, "cache_write": 0, "input": 312, "output": 87, "reasoning": 0}
    fields = {
        "attempt": 1, "call": f"{number:032x}", "capabilities": [DIGEST, DIGEST], "cost": "0.00021", "deny": None,
        "estimated": False, "finish_reason": "stop", "first_us": None, "intent": name, "model": "gpt-5-mini-2026-08-07", "outcome": "ok",
        "request_id": "req_0123456789abcdef", "requests": 1, "status": 200, "tags": {"env": "prod", "team": "support"},
        "us": 812_345, "usage": usage, "verdicts": [VERDICT],
    }  # fmt: skip
    return Entry("outcome", fields, {"response": CONTENT}, None, "fast", OUTCOMES)


def begun() -> SegmentWriter:
    return SegmentWriter("a" * 32, "b" * 32, KEY, secret=b"s" * 32, certificate=None, previous=None, now_us=NOW)


def least(work: Callable[[], object], *, units: int, rounds: int = 7) -> float:
    """Microseconds of processor time of one unit."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, (time.process_time() - began) / units)
    return best * 1e6


def segment() -> bytes:
    """A segment of intents and outcomes, with a checkpoint after each 64."""
    writer = begun()
    lines = [writer.first()]
    for number in range(RECORDS // 2):
        asked = writer.add(intent(number), NOW)
        lines += [asked.line, writer.add(outcome(number, asked.id), NOW).line]
        if writer.unsigned >= EVERY:
            lines.append(writer.checkpoint(NOW)[0])
    lines.append(writer.checkpoint(NOW, final=True)[0])
    return b"".join(lines)


def repeated(entry: Entry) -> float:
    writer = begun()
    return least(lambda: [writer.add(entry, NOW) for _ in range(1_000)], units=1_000)


def main() -> int:
    data = segment()
    lines = data.split(b"\n")[:-1]
    assert verify_segment(data).ok
    proof = prove(data, len(lines) // 2)
    pairs = least(segment, units=len(lines), rounds=5)
    verifying = least(lambda: verify_segment(data), units=len(lines))
    rows: list[tuple[str, float, float | None, Any]] = [
        ("an intent, three commitments", repeated(intent(1)), 60, ""),
        ("an outcome, one commitment", repeated(outcome(1, f"{'a' * 32}:1")), None, ""),
        ("a record of a segment, signed at each 64", pairs, 100, f"{1e6 / pairs:,.0f}/s"),
        ("a checkpoint", least(lambda: begun().checkpoint(NOW), units=1, rounds=50), None, ""),
        ("reading a line", least(lambda: [parse_line(line) for line in lines], units=len(lines)), None, ""),
        ("verifying a record", verifying, 50, f"{1e6 / verifying:,.0f}/s"),
        (f"proving one of {len(lines):,}", least(lambda: prove(data, len(lines) // 2), units=1), None, ""),
        ("checking a proof", least(lambda: check_proof(proof), units=1), None, f"{len(proof):,} bytes"),
    ]
    print(f"{'us':>9}  {'target':>7}")
    for name, cost, target, more in rows:
        print(f"{cost:9.1f}  {'' if target is None else f'{target:7.0f}':>7}  {name}  {more}")
    print(f"{len(data) / len(lines):9.0f}  {'':>7}  bytes of a record")
    missed = [name for name, cost, target, _ in rows if target is not None and cost > target]
    print(f"missed: {', '.join(missed)}" if missed else "all targets met")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())

"""What a ledger in a directory costs: two records a call, records a second by fsync policy, several threads, four processes at once.

    python benchmarks/ledger_directory.py [DIRECTORY]      prints the table; exits with 1 when a target is missed

DIRECTORY is on the disk that is to be measured; without it a temporary one. What a call pays is the median over many calls of one thread;
rates are by the wall clock, the best of several rounds, so run this on an idle machine.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from saferoute.drivers.ledger import Ledger
from saferoute.values.receipt import Entry

CALL = "c" * 32
HASH = "a" * 64
SHARED = {"call": CALL, "capabilities": [HASH], "route": "fast", "tags": {"team": "maps"}, "verdicts": []}
TABLE = {"name": "acme/production", "sha256": HASH, "trust": "pinned", "version": 3}
REQUEST = b'{"model":"m1","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"' + b"hello " * 80 + b'"}]}'
INTENT = {
    **SHARED, "attempt": 1, "data": "internal", "max_cost": {"currency": "USD", "nano": 1_000_000}, "model": "model-1", "operation": "chat",
    "origin": "https://api.example.com", "provider": "example", "purpose": "support", "rejected": [["other", "it cannot see"]],
    "secret": "example", "stream": False, "table": TABLE, "target": "example-m1", "templates": [], "why": "the first that fits",
}  # fmt: skip
OUTCOME = {
    **SHARED, "attempt": 1, "cost": "0.00123", "currency": "USD", "deny": None, "estimated": False, "finish_reason": "stop",
    "first_us": 250_000, "model": "model-1-2026-10-01", "outcome": "ok", "request_id": "req_0123456789", "requests": 1, "status": 200,
    "target": "example-m1", "us": 912_345,
    "usage": {"cache_read": 0, "cache_write": None, "input": 412, "output": 128, "reasoning": None},
}  # fmt: skip
COMMON = {"data", "model", "operation", "origin", "provider", "purpose", "route", "secret", "table", "target"}
"""What a client says is the same for many of its calls."""
INTENTS, NEW_INTENT = ({name: value for name, value in INTENT.items() if (name in COMMON) is common} for common in (True, False))
OUTCOMES = {name: OUTCOME[name] for name in ("currency", "route", "target")}
NEW_OUTCOME = {name: value for name, value in OUTCOME.items() if name not in OUTCOMES}
RECORDS = 12_000


def call(ledger: Ledger) -> None:
    """What a client does around one request."""
    sent = ledger.append(Entry("intent", NEW_INTENT, {"asked": HASH.encode(), "request": REQUEST}, "be kind", "fast", INTENTS))
    ledger.append(Entry("outcome", {**NEW_OUTCOME, "intent": sent.id}, {"response": REQUEST}, None, "fast", OUTCOMES))
    if ledger.due:
        ledger.checkpoint()


def added(where: Path) -> tuple[float, float]:
    """Microseconds that two records add to a call: the median, and what 99 of 100 calls stay below."""
    ledger = Ledger.directory(where / "added", fsync="never", checkpoint_records=1 << 30, checkpoint_seconds=3_600)
    call(ledger)
    took = []
    for _ in range(RECORDS // 2):
        began = time.perf_counter_ns()
        call(ledger)
        took.append((time.perf_counter_ns() - began) / 1_000)
    ledger.close()
    return statistics.median(took), statistics.quantiles(took, n=100)[98]


def rate(where: Path, fsync: Any, *, threads: int = 1, records: int = RECORDS) -> float:
    """Records a second that one process writes."""
    ledger = Ledger.directory(where / f"{fsync}-{threads}", fsync=fsync)
    call(ledger)
    each = records // (2 * threads)

    def work() -> None:
        for _ in range(each):
            call(ledger)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - began
    ledger.close()
    return 2 * each * threads / took


def _process(where: str, fsync: str, begin: Any, rates: Any) -> None:
    ledger = Ledger.directory(Path(where), fsync=fsync)  # type: ignore[arg-type]
    call(ledger)
    begin.wait()
    began = time.perf_counter()
    for _ in range(RECORDS // 2):
        call(ledger)
    rates.put(RECORDS / (time.perf_counter() - began))
    ledger.close()


def processes(where: Path, fsync: str, number: int = 4) -> tuple[float, float]:
    """Records a second that all processes at once write together, and the slowest of them."""
    spawn = multiprocessing.get_context("spawn")
    begin, rates = spawn.Barrier(number), spawn.SimpleQueue()
    workers = [spawn.Process(target=_process, args=(str(where / f"processes-{fsync}"), fsync, begin, rates)) for _ in range(number)]
    for worker in workers:
        worker.start()
    found = [rates.get() for _ in workers]
    for worker in workers:
        worker.join()
    return sum(found), min(found)


def opening(where: Path) -> float:
    """Milliseconds until a first record is written in a directory whose newest segment is as large as one becomes."""
    ledger = Ledger.directory(where / "opening", fsync="never", checkpoint_records=1 << 30, checkpoint_seconds=3_600)
    for _ in range(RECORDS * 2):
        call(ledger)
    ledger.close()
    size = sum(len(data) for data in ledger.read().values())
    second = Ledger.directory(where / "opening", fsync="never")
    began = time.perf_counter()
    call(second)
    took = (time.perf_counter() - began) * 1_000
    second.close()
    return took * (64 << 20) / size


def best(work: Callable[[Path], float], where: Path, rounds: int = 3) -> float:
    """The best of several rounds, each in a directory of its own."""
    found = []
    for _ in range(rounds):
        with TemporaryDirectory(dir=where) as folder:
            found.append(work(Path(folder)))
    return max(found)


def main() -> int:
    """Measure, print, and say whether every target is met."""
    home = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with TemporaryDirectory(dir=home) as folder:
        where = Path(folder)
        median, late = min(added(where / str(number)) for number in range(3))
        never = best(lambda path: rate(path, "never"), where)
        synced = best(lambda path: rate(path, "checkpoint"), where)
        always = best(lambda path: rate(path, "always", records=400), where, 2)
        together, slowest = max(processes(where / str(number), "checkpoint") for number in range(2))
        rows = [
            ("two records add to a call, median", f"{median:,.0f} us", "at most 90 us", median <= 90),
            ("... 99 of 100 calls stay below", f"{late:,.0f} us", "", True),
            ("no fsync, one thread", f"{never:,.0f} /s", "at least 10,000 /s", never >= 10_000),
            ("fsync at checkpoints, one thread", f"{synced:,.0f} /s", "at least 4,000 /s", synced >= 4_000),
            ("... eight threads", f"{best(lambda path: rate(path, 'checkpoint', threads=8), where):,.0f} /s", "", True),
            ("... four processes at once, together", f"{together:,.0f} /s", "", True),
            ("... the slowest of them", f"{slowest:,.0f} /s", f"(on {os.cpu_count()} cores)", True),
            ("fsync of every record, one thread", f"{always:,.0f} /s", "", True),
            ("... eight threads", f"{best(lambda path: rate(path, 'always', threads=8, records=1_600), where, 2):,.0f} /s", "", True),
            ("first record behind a segment of 64 MiB", f"{opening(where):,.0f} ms", "", True),
        ]
    for what, found, target, met in rows:
        print(f"{what:42} {found:>14}   {target}{'' if met else '   MISSED'}")
    return 0 if all(met for *_, met in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

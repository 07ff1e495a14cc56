"""A bad day, all at once: thousands of calls through one client while its providers fail in every way that others' servers and ours know.

    CHAOS_CALLS=10000 python -m pytest -s tests/chaos          (or `nox -s chaos`; CHAOS_SEED for another day, CHAOS_THREADS for more than 32)

Runs only where CHAOS_CALLS says how many calls. Uses `servers/bad_upstream.py` of the shared folder, and llmock and aimock where
SAFEROUTE_LLMOCK_PORT and SAFEROUTE_AIMOCK_PORT name running ones; the table that it prints says which were there.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.call.limiting import draws_for
from saferoute.routing.authoring import build
from saferoute.routing.publish import pin, sign_release
from saferoute.routing.publish_root import new_root
from saferoute.signing.keys import PrivateKey
from saferoute.values.limits import Lease
from tests.chaos import invariants
from tests.chaos.calls import Lag, Record, call, call_async, planned
from tests.chaos.invariants import Check
from tests.chaos.running import Upstreams
from tests.chaos.table import written

CALLS = int(os.environ.get("CHAOS_CALLS", "0"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
SHARED = Path(os.environ.get("SAFEROUTE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
MOCKS = {name: int(os.environ.get(f"SAFEROUTE_{name.upper()}_PORT", "0")) for name in ("llmock", "aimock")}
AIMOCK_CHAOS = {"dropRate": 0.05, "rateLimitRate": 0.05, "malformedRate": 0.05, "disconnectRate": 0.05}

TASKS, THREADS = 128, int(os.environ.get("CHAOS_THREADS", "32"))
TAKES = {"test_tasks[memory-1.0]": (0.6, 2.2)}
"""Seconds that good answers take where it is not 0.3 to 1.4: memory is traced there, which makes calls dear, and fewer would be under way at once."""

LATE = 0.02
RAMP = 0.05
"""Seconds from one thread's first call to the next one's."""

BYTES_PER_CALL = 10
FEWEST_FOR_MEMORY = 8_000
LEAVERS_BUDGET = "50000"

pytestmark = [
    pytest.mark.skipif(not CALLS, reason="chaos takes minutes: set CHAOS_CALLS (nox -s chaos does)"),
    pytest.mark.timeout(400),
]


Standing = tuple[tuple[int, int], tuple[int, int]]
"""Spent and reserved, of the whole client and of those who leave."""


@pytest.fixture
def bad_port() -> Iterator[int]:
    """bad_upstream.py on a free port; 0 where it is not there."""
    script = SHARED / "servers" / "bad_upstream.py"
    if not script.exists():
        yield 0
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(script), str(port)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"listening")
    yield port
    process.terminate()
    process.wait(10)
    process.stdout.close()


@pytest.fixture
def upstreams(bad_port: int, request: pytest.FixtureRequest) -> Iterator[Upstreams]:
    if MOCKS["aimock"]:
        body = json.dumps(AIMOCK_CHAOS).encode()
        headers = {"content-type": "application/json"}
        urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{MOCKS['aimock']}/__aimock/chaos", body, headers), timeout=5
        ).close()
    running = Upstreams(
        SEED, {name: port for name, port in {"bad": bad_port, **MOCKS}.items() if port}, TAKES.get(request.node.name, (0.3, 1.4))
    )
    yield running
    running.stop()


class Day:
    """One client over the chaos table, the calls that were made with it, and what is checked of them."""

    def __init__(self, kind: type[Any], store: str, upstreams: Upstreams, folder: Path) -> None:
        self._upstreams = upstreams
        self._under_way = self.most = self.paced = 0
        self._cpu = time.process_time()
        self.record, self._books = Record(folder / "calls.jsonl"), folder / "books.json"
        self.lag, self.thread_lag = Lag(), Lag()
        self.descriptors = _descriptors()
        self.threads = threading.active_count()
        text, self.rows = written(upstreams.ports, "process" if store == "memory" else "host")
        root_key, table_key, now = PrivateKey.generate(), PrivateKey.generate(), time.time()
        root = new_root("chaos", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
        (folder / "root.json").write_bytes(root)
        (folder / "routes.json").write_bytes(sign_release(root, [build(text)], version=1, now=now, signers=[table_key]))
        trust = saferoute.Trust.pinned(folder / "root.json", sha256=pin(root))
        accounts = saferoute.Accounts.memory() if store == "memory" else saferoute.Accounts.sqlite(folder / "accounts.db")
        plain = {"trust": trust, "secrets": saferoute.Secrets.of({}), "data": "public", "state": folder / "state", "telemetry": False}
        self.client: Any = kind(folder / "routes.json", **plain, accounts=accounts)
        self.leaving: Any = self.client.using(budget=LEAVERS_BUDGET)

    def begins(self, more: int) -> None:
        """Count the calls under way."""
        self._under_way += more
        self.most = max(self.most, self._under_way)

    def client_for(self, leaving: str) -> Any:
        """Callers who leave have a budget of their own."""
        return self.leaving if leaving else self.client

    def under_way(self) -> dict[str, int]:
        """Rows of which the client thinks that requests are under way."""
        return {one.target: one.in_flight for one in self.client.health() if one.in_flight}

    def leases(self) -> dict[str, int]:
        """Rows whose bound on requests under way cannot be used in full, with the place that is not there."""
        shared = self.client._core.shared
        table, store, short = shared.opened.table, shared.limits(), {}
        for row in table.routes.values():
            if row.limits is None or row.limits.concurrent is None:
                continue
            draws = draws_for(row, row.id, table.policy(row.id), (), 1, table_name=table.name)
            taken = [store.acquire(draws, 60.0) for _ in range(row.limits.concurrent)]
            if missing := sum(not isinstance(one, Lease) for one in taken):
                short[row.id] = missing
            for one in taken:
                if isinstance(one, Lease):
                    store.release(one, (0,) * len(draws))
        return short

    def standing(self, remaining: Any) -> tuple[int, int]:
        """What is spent and reserved of the narrowest budget."""
        one = min(remaining, key=lambda one: one.limit)
        return one.spent, one.reserved

    def checks(self, whole: tuple[int, int], own: tuple[int, int], expected: int) -> tuple[list[Check], list[str]]:
        """Everything that calls, budgets and servers say, and a line or two about the day."""
        calls, books = list(self.record.lines()), self._upstreams.books()
        self._books.write_text(json.dumps(books), encoding="utf-8")  # beside the calls, for whoever looks into a failure
        least, most, wrong = invariants.billed(calls, self.rows, books)
        spent = whole[0] - own[0]
        checks = [
            *invariants.ended(calls, expected),
            invariants.in_time(calls, self.lag),
            *invariants.attempts(calls, books["requests"]),
            *invariants.budget(spent, whole[1], least, most, wrong),
            invariants.leavers(own[0], own[1], calls, self.rows),
            invariants.limited(books["arrived"]),
        ]
        return checks, self._facts(calls, books)

    def _facts(self, calls: list[dict[str, Any]], books: Mapping[str, Any]) -> list[str]:
        ends = Counter(one["error"] or ("answered" if one["answered"] else one["leaving"]) for one in calls)
        outcomes = Counter(outcome for one in calls for _, outcome, _, _ in one["attempts"])
        took = sorted(one["took"] for one in calls if one["answered"])
        places = Counter(key.split(" ")[1].rpartition("-")[2] for key in books["requests"])
        lag, threads = (
            f"worst {one.worst() * 1000:.0f} ms, 99 % within {one.share(99) * 1000:.0f} ms" for one in (self.lag, self.thread_lag)
        )
        spent = f"{(time.process_time() - self._cpu) / len(calls) * 1000:.1f} ms of processor time each"
        return [
            f"seed {SEED}; at most {self.most or THREADS} calls at once, {spent}; upstreams {', '.join(sorted(self._upstreams.ports))}",
            f"calls ended {dict(ends.most_common())}",
            f"attempts ended {dict(outcomes.most_common())}",
            f"calls by server {dict(places.most_common())}",
            f"answers: median {took[len(took) // 2]:.2f} s, 99 % within {took[int(len(took) * 0.99)]:.2f} s" if took else "no answers",
            f"lag {lag}; {self.paced} calls waited for it to begin"
            + (f"; of the loop's threads, stores included, {threads}" if self.thread_lag.worst() else ""),
        ]


def _descriptors() -> int:
    gc.collect()
    folder = Path("/proc/self/fd")
    return sum(1 for _ in folder.iterdir()) if folder.exists() else 0


async def _settled(day: Day) -> Standing:
    """How both budgets stand, when what tidies up after lost races has had its moment."""
    whole = own = (0, 0)
    for _ in range(100):
        whole, own = day.standing(await day.client.remaining()), day.standing(await day.leaving.remaining())
        if not whole[1] and not own[1] and not day.under_way():
            break
        await asyncio.sleep(0.02)
    return whole, own


def _forget_bounded(client: Any) -> None:
    """Let go of what is kept within bounds, and whose number is chance: idle connections, settled reservations, the last ids of answers."""
    client._core.shared._ids.clear()
    store = client._core.shared.store()
    store._due[:] = sorted(entry for entry in store._due if not entry[2] or entry[2] in store._holds)
    transport = client._abandon.__self__
    for pools in transport._by_loop.values():
        for pool in pools.values():
            for connection in pool.idle.empty():
                connection.discard()


async def _make(day: Day, tags: range, tasks: int) -> None:
    """Make the calls of these tags, so many at a time.

    They begin one by one, and not while the loop is late: a machine that is too slow for so many gets fewer, and is not what is tested.
    """
    left, door = iter(tags), asyncio.Lock()

    async def work() -> None:
        for tag in left:
            async with door:
                await asyncio.sleep(0)
                day.paced += day.lag.now > LATE
                while day.lag.now > LATE:  # noqa: ASYNC110  nothing tells when a loop is not late any more
                    await asyncio.sleep(LATE)
            plan = planned(SEED, tag, tasks=True)
            day.begins(1)
            await call_async(day.client_for(plan.leaving), plan, day.record)
            day.begins(-1)

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())


async def _kept(day: Day) -> tuple[tracemalloc.Snapshot, tracemalloc.Snapshot]:
    """The memory that Python has given out and not got back, with nothing under way: as it is, and without what `_forget_bounded` lets go."""
    for _ in range(100):
        await asyncio.sleep(0.02)
        if len(asyncio.all_tasks()) <= 2:  # this one, and the one that watches the lag
            break
    as_it_is = _snapshot()
    _forget_bounded(day.client)
    await asyncio.sleep(0.05)
    return as_it_is, _snapshot()


def _snapshot() -> tracemalloc.Snapshot:
    gc.collect()
    return tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(inclusive=False, filename_pattern=tracemalloc.__file__)])


def _flat(before: tuple[tracemalloc.Snapshot, ...], after: tuple[tracemalloc.Snapshot, ...], calls: int) -> Check:
    raw = sum(one.size_diff for one in after[0].compare_to(before[0], "filename")) / calls
    grown = after[1].compare_to(before[1], "lineno")
    each = sum(one.size_diff for one in grown) / calls
    places = ((one.traceback[0], one.size_diff) for one in grown[:5])
    where = ", ".join(f"{Path(at.filename).name}:{at.lineno} {size:+}" for at, size in places)
    found = f"{each:.1f} B ({where}); {raw:.1f} B with idle connections, settled reservations and the last ids, which have bounds"
    return Check("memory of a call after it", found, each <= BYTES_PER_CALL or calls < FEWEST_FOR_MEMORY)


async def _tasks_left() -> list[str]:
    left: list[str] = []
    for _ in range(100):
        left = [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if not left:
            break
        await asyncio.sleep(0.02)
    return left


async def _day_of_tasks(day: Day, calls: int, *, memory: bool) -> tuple[Standing, list[Check]]:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(f"{about['message']} {about.get('exception')!r}"))
    watching = {asyncio.ensure_future(day.lag.watch())} | (set() if memory else {asyncio.ensure_future(day.thread_lag.watch_threads())})
    checks = []
    if memory:
        tracemalloc.start()
        first = calls // 5
        await _make(day, range(first), TASKS)
        before = await _kept(day)
        await _make(day, range(first, calls), TASKS)
        checks.append(_flat(before, await _kept(day), calls - first))
        tracemalloc.stop()
    else:
        await _make(day, range(calls), TASKS)
    standing = await _settled(day)
    checks += _still(day)
    for watcher in watching:
        watcher.cancel()
    await asyncio.wait(watching)
    await day.client.close()
    left = await _tasks_left()
    checks += [
        Check("no task is left", f"{len(left)} {left[:2] or ''}", not left),
        Check("the event loop has nothing to complain of", f"{len(complaints)} {complaints[:2] or ''}", not complaints),
    ]
    return standing, checks


def _still(day: Day) -> list[Check]:
    under_way, leases = day.under_way(), day.leases()
    return [
        Check("health: nothing under way at the end", f"{under_way or 'none'}", not under_way),
        Check("limits: every place was given back", f"{leases or 'all'}", not leases),
    ]


def _let_go(day: Day) -> list[Check]:
    descriptors = threads = 0
    for _ in range(100):
        descriptors, threads = _descriptors(), threading.active_count()
        if descriptors <= day.descriptors and threads <= day.threads:
            break
        time.sleep(0.02)
    return [
        Check("no descriptor is left open", f"{day.descriptors} before, {descriptors} after", descriptors <= day.descriptors),
        Check("no thread is left", f"{day.threads} before, {threads} after", threads <= day.threads),
    ]


def _judge(title: str, day: Day, standing: Standing, expected: int, more: list[Check]) -> None:
    checks, facts = day.checks(*standing, expected)
    checks += more + _let_go(day)
    sys.stdout.write(invariants.shown(title, checks, facts) + "\n")
    failed = [f"{check.what}: {check.found}" for check in checks if not check.holds]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize(("store", "share"), [("memory", 1.0), ("sqlite", 1.0)])
def test_tasks(upstreams: Upstreams, tmp_path: Path, store: str, share: float) -> None:
    calls = max(1, int(CALLS * share))
    day = Day(saferoute.AsyncClient, store, upstreams, tmp_path)
    began = time.monotonic()
    standing, checks = asyncio.run(_day_of_tasks(day, calls, memory=store == "memory"))
    _judge(f"{calls} calls, {TASKS} tasks, budgets in {store}, {time.monotonic() - began:.0f} s", day, standing, calls, checks)


@pytest.mark.parametrize(("store", "share"), [("memory", 0.1), ("sqlite", 0.2)])
def test_threads(upstreams: Upstreams, tmp_path: Path, store: str, share: float) -> None:
    calls = max(1, int(CALLS * share))
    day = Day(saferoute.Client, store, upstreams, tmp_path)
    began, left, one_at_a_time = time.monotonic(), iter(range(calls)), threading.Lock()

    def work(number: int) -> None:
        time.sleep(number * RAMP)
        while True:
            with one_at_a_time:
                tag = next(left, None)
            if tag is None:
                return
            plan = planned(SEED, tag, tasks=False)
            call(day.client_for(plan.leaving), plan, day.record)

    watching = day.lag.watch_in_thread()
    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    until = time.monotonic() + 3
    while True:
        standing = day.standing(day.client.remaining()), day.standing(day.leaving.remaining())
        if not (standing[0][1] or standing[1][1] or day.under_way()) or time.monotonic() > until:
            break
        time.sleep(0.02)
    checks = _still(day)
    day.lag.stop()
    watching.join()
    day.client.close()
    _judge(f"{calls} calls, {THREADS} threads, budgets in {store}, {time.monotonic() - began:.0f} s", day, standing, calls, checks)

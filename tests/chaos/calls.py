"""What the calls of a chaos run are, drawn from its seed, and how one is made and put on record."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
import traceback
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saferoute.errors import SaferouteError
from tests.chaos.table import ALIASES

_LEAVING = 0.05
"""The share of calls whose caller leaves early, or that are copied: what they cost is known within bounds only, so they have a budget of their own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One call.

    Attributes:
        leaving: "" for a call that is waited for; "breaks" out of its stream, is "cancelled" from outside, or is "copied" to a shadow.
        patience: seconds until it is cancelled.
    """

    tag: int
    route: str
    stream: bool
    timeout: float
    max_attempts: int
    max_output: int
    wait: bool
    leaving: str
    patience: float

    @property
    def prompt(self) -> str:
        return f"hello tag-{self.tag:06d}"

    @property
    def options(self) -> dict[str, Any]:
        bounds = {"timeout": self.timeout, "max_attempts": self.max_attempts, "max_output_tokens": self.max_output}
        return {**bounds, "wait": self.wait}


def planned(seed: int, tag: int, *, tasks: bool) -> Plan:
    """The call of a tag; only tasks can be cancelled from outside."""
    chance = random.Random(f"{seed} {tag}")
    ways = ("breaks", "cancelled", "copied") if tasks else ("breaks", "copied")
    leaving = chance.choice(ways) if chance.random() < _LEAVING else ""
    route = "copied" if leaving == "copied" else chance.choice(tuple(ALIASES))
    return Plan(
        tag,
        route,
        chance.random() < 0.5 or leaving == "breaks",
        round(chance.uniform(1.0, 3.0), 3),
        chance.randint(1, 4),
        chance.choice((16, 32, 64)),
        chance.random() < 0.3,
        leaving,
        chance.uniform(0.0, 0.6),
    )


class Record:
    """A file with a line for each call: what thousands of calls came to must not count as what the client keeps of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="utf-8")

    def add(self, plan: Plan, began: float, reply: Any, error: BaseException | None) -> None:
        """Put a call on record that has ended now."""
        now = time.monotonic()
        ended: Any = error if isinstance(error, SaferouteError) else reply
        attempts = () if ended is None else ended.attempts
        line = {
            "tag": plan.tag,
            "route": plan.route,
            "leaving": plan.leaving,
            "timeout": plan.timeout,
            "max_attempts": plan.max_attempts,
            "max_output": plan.max_output,
            "ended": now,
            "took": now - began,
            "error": "" if error is None else type(error).__name__,
            "typed": error is None or isinstance(error, SaferouteError),
            "text": "" if isinstance(error, SaferouteError) or error is None else "".join(traceback.format_exception(error)[-3:]),
            "sent": getattr(error, "sent", None),
            "answered": reply is not None,
            "words": "" if reply is None else reply.text[:60],
            "attempts": [(one.target, one.outcome, one.status, None if one.cost is None else str(one.cost)) for one in attempts],
        }
        with self._lock:
            self._file.write(json.dumps(line) + "\n")

    def lines(self) -> Iterator[dict[str, Any]]:
        """All of them, once no more come."""
        self._file.close()
        with self._path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


async def call_async(client: Any, plan: Plan, record: Record) -> None:
    """Make one call of an asyncio client."""
    began, reply, error = time.monotonic(), None, None
    try:
        reply = await (_leave(client, plan) if plan.leaving == "cancelled" else _ask_async(client, plan))
    except Exception as caught:  # noqa: BLE001  that nothing but our own errors come is what is tested
        error = caught
    record.add(plan, began, reply, error)


async def _leave(client: Any, plan: Plan) -> Any:
    """Ask in a task, and cancel it after a while."""
    asking = asyncio.ensure_future(_ask_async(client, plan))
    if not (await asyncio.wait({asking}, timeout=plan.patience))[0]:
        asking.cancel()
    await asyncio.wait({asking})
    return None if asking.cancelled() else asking.result()


async def _ask_async(client: Any, plan: Plan) -> Any:
    if not plan.stream:
        return await client.chat(plan.route, plan.prompt, **plan.options)
    async with client.stream(plan.route, plan.prompt, **plan.options) as stream:
        async for _ in stream:
            if plan.leaving == "breaks":
                return None
        return stream.reply


def call(client: Any, plan: Plan, record: Record) -> None:
    """Make one call of a blocking client."""
    began, reply, error = time.monotonic(), None, None
    try:
        reply = _ask(client, plan)
    except Exception as caught:  # noqa: BLE001  as above
        error = caught
    record.add(plan, began, reply, error)


def _ask(client: Any, plan: Plan) -> Any:
    if not plan.stream:
        return client.chat(plan.route, plan.prompt, **plan.options)
    with client.stream(plan.route, plan.prompt, **plan.options) as stream:
        for _ in stream:
            if plan.leaving == "breaks":
                return None
        return stream.reply


class Lag:
    """How late this process itself is: a tick every 10 ms, in a task or a thread, and by how much each was late."""

    _EVERY = 0.01
    _MOST = 60_000

    def __init__(self) -> None:
        self._at = array("d", bytes(8 * self._MOST))
        self._late = array("d", bytes(8 * self._MOST))
        self._count = 0
        self._over = threading.Event()

    def _tick(self, before: float) -> float:
        now = time.monotonic()
        if self._count < self._MOST:
            self._at[self._count], self._late[self._count] = now, max(0.0, now - before - self._EVERY)
            self._count += 1
        return time.monotonic()

    async def watch(self) -> None:
        """Tick until cancelled."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(self._EVERY)
            before = self._tick(before)

    async def watch_threads(self) -> None:
        """The same for the loop's threads, which a store that waits for a disk is used in: how long nothing at all takes there."""
        while True:
            await asyncio.sleep(self._EVERY)
            before = time.monotonic()
            await asyncio.to_thread(time.monotonic)
            self._tick(before - self._EVERY)

    def watch_in_thread(self) -> threading.Thread:
        """Tick until `stop`."""

        def ticking() -> None:
            before = time.monotonic()
            while not self._over.wait(self._EVERY):
                before = self._tick(before)

        thread = threading.Thread(target=ticking, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        self._over.set()

    @property
    def now(self) -> float:
        """How late this process is at the moment."""
        return time.monotonic() - self._at[self._count - 1] - self._EVERY if self._count else 0.0

    def worst(self, since: float = 0.0, until: float = float("inf")) -> float:
        """The latest tick of a stretch of time, the tick after it included."""
        found = 0.0
        for at, late in zip(self._at[: self._count], self._late[: self._count], strict=True):
            if at >= since:
                found = max(found, late)
            if at > until:
                break
        return found

    def share(self, percent: float) -> float:
        """That many percent of all ticks were at most so late."""
        ordered = sorted(self._late[: self._count])
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0

"""A process that uses a store of limits: `python -m tests.support.limit_worker KIND WHERE NOW JOB ...`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from saferoute.drivers.accounts import RedisServer
from saferoute.drivers.storage.limits_sqlite import SqliteLimits
from saferoute.values.limits import Lease, LimitStore
from tests.support.limit_stores import draw, taken


def _store(kind: str, where: str, now: float) -> LimitStore:
    if kind == "sqlite":
        return SqliteLimits(Path(where), clock=lambda: now)
    from saferoute.drivers.storage.limits_redis import RedisLimits

    port, _, prefix = where.partition("/")
    return RedisLimits(RedisServer("127.0.0.1", int(port), prefix=prefix), clock=lambda: now)


def main(kind: str, where: str, now: str, job: str, *arguments: str) -> None:
    """Do a job and print what came of it."""
    store = _store(kind, where, float(now))
    if job == "hit":
        times, limit = map(int, arguments)
        given = 0
        for _ in range(times):
            outcome = store.acquire([draw(limit=limit), draw("tokens", 100 * limit, 7, "other")], 60.0)
            if isinstance(outcome, Lease):
                store.release(outcome, [None, 9])
                given += 1
        sys.stdout.write(f"{given}\n")
    else:  # take something, say so, and wait to be killed
        sys.stdout.write(f"{taken(store, draw('concurrent', 1), hold=float(arguments[0])).id}\n")
        sys.stdout.flush()
        time.sleep(60)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

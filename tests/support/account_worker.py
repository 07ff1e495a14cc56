"""A process that uses a store of accounts: `python -m tests.support.account_worker KIND WHERE NOW JOB ...`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from saferoute.drivers.accounts import RedisServer
from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts
from saferoute.errors import BudgetExceeded
from saferoute.values.account import AccountStore
from tests.support.account_stores import debit


def _store(kind: str, where: str, now: float) -> AccountStore:
    if kind == "sqlite":
        return SqliteAccounts(Path(where), clock=lambda: now)
    from saferoute.drivers.storage.accounts_redis import RedisAccounts

    port, _, prefix = where.partition("/")
    return RedisAccounts(RedisServer("127.0.0.1", int(port), prefix=prefix), clock=lambda: now)


def main(kind: str, where: str, now: str, job: str, *arguments: str) -> None:
    """Do a job and print what came of it."""
    store = _store(kind, where, float(now))
    if job == "reserve":
        times, limit = map(int, arguments)
        done = 0
        for _ in range(times):
            try:
                store.reserve([debit(1, limit=limit), debit(1, "other", limit=10 * limit)])
                done += 1
            except BudgetExceeded:
                continue
        sys.stdout.write(f"{done}\n")
    elif job == "nonces":
        new = sum(store.first_use(str(n), float(now) + 60) for n in range(int(arguments[0])))
        sys.stdout.write(f"{new}\n")
    else:  # hold an amount back, say so, and wait to be killed
        sys.stdout.write(f"{store.reserve([debit(int(arguments[0]))])}\n")
        sys.stdout.flush()
        time.sleep(60)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Many processes spend the same budget at once, or replay the same nonce, each before it sees the others.

The usual form: a limit that is read, compared and written back, by workers that each have their own copy of it.

Guards: saferoute/drivers/storage/accounts_memory.py::raise exceeded(debit, balance)
Guards: saferoute/drivers/storage/accounts_sqlite.py::raise exceeded(debit, Balance(spent, reserved, under_way))
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from saferoute.errors import BudgetExceeded
from saferoute.values.account import Balance
from tests.support.account_stores import KINDS, NOW, SHARED, Place, account, debit, place

PROCESSES = 4


@pytest.fixture(params=SHARED)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place(request.param, tmp_path) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_threads_never_pass_the_limit(kind: str, tmp_path: Path) -> None:
    with place(kind, tmp_path) as made:
        store = made.open()

        def take(_: int) -> bool:
            try:
                store.reserve([debit(7)])
            except BudgetExceeded:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(take, range(60))) == 14
        assert store.balance(account()) == Balance(0, 98, 14)
        store.close()


@pytest.mark.slow
def test_four_processes_reserve_exactly_what_there_is(here: Place) -> None:
    workers = [here.worker("reserve", 100, 100) for _ in range(PROCESSES)]
    done = [int(worker.communicate(timeout=50)[0]) for worker in workers]
    assert sum(done) == 100
    store = here.open()
    assert store.balance(account(limit=100)) == Balance(0, 100, 100)
    assert store.balance(account("other", 1_000)) == Balance(0, 100, 100)
    store.close()


@pytest.mark.slow
def test_a_nonce_is_new_to_one_process_only(here: Place) -> None:
    workers = [here.worker("nonces", 50) for _ in range(PROCESSES)]
    assert sum(int(worker.communicate(timeout=50)[0]) for worker in workers) == 50
    store = here.open()
    assert not any(store.first_use(str(n), NOW + 60) for n in range(50))
    store.close()

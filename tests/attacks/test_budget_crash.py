"""A process is killed between reserve and settle, so that what its call cost is never counted.

Guards: saferoute/drivers/storage/accounts_sqlite.py::connection.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", new)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.capabilities.accounts import KEPT
from saferoute.errors import BudgetExceeded
from saferoute.values.account import Balance
from tests.support.account_stores import END, NOW, SHARED, Place, account, debit, place


@pytest.fixture(params=SHARED)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place(request.param, tmp_path) as made:
        yield made


@pytest.mark.slow
def test_what_a_killed_process_held_back_stays_held_back_until_the_account_is_over(here: Place) -> None:
    worker = here.worker("hold", 80)
    assert worker.stdout is not None
    reservation = worker.stdout.readline().strip()
    assert len(reservation) == 32
    worker.kill()
    worker.communicate(timeout=30)
    assert worker.returncode == -9
    store = here.open()
    assert store.balance(account()) == Balance(0, 80, 1)
    with pytest.raises(BudgetExceeded) as refused:
        store.reserve([debit(21)])
    assert (refused.value.spent, refused.value.reserved) == (0, 80)
    store.reserve([debit(20)])
    here.clock.advance(END + KEPT - NOW)
    assert store.balance(account()) == Balance(0, 0, 0)
    store.settle(reservation, [80])
    assert store.balance(account()) == Balance(0, 0, 0)
    store.close()

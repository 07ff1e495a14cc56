"""The clock is set back, so that a budget that is spent, or a nonce that was used, would be forgotten and new again.

Guards: saferoute/drivers/storage/accounts_memory.py::raise ended(account)
Guards: saferoute/drivers/storage/accounts_sqlite.py::raise ended(account)
Guards: saferoute/drivers/storage/accounts_sqlite.py::connection.execute("UPDATE state SET forgotten = max(forgotten, ?)", (last,))
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.capabilities.accounts import KEPT, accounts_of, worst_case_debits
from saferoute.errors import BudgetExceeded, ConfigurationError
from saferoute.values.account import AccountStore, Balance
from saferoute.values.permission import Budget, Cost, Permission
from tests.support.account_stores import END, KINDS, NOW, Place, account, debit, place


@pytest.fixture(params=KINDS)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def store(here: Place) -> Iterator[AccountStore]:
    store = here.open()
    yield store
    store.close()


def test_yesterdays_budget_is_still_spent_when_the_clock_steps_back_over_midnight(here: Place, store: AccountStore) -> None:
    daily = Permission("the grant", budgets=(Budget("grant:x", 10, "USD", "day"),))
    here.clock.set_wall(END - 1)
    store.settle(store.reserve(worst_case_debits(accounts_of(daily, END - 1), Cost(10))), [10])
    here.clock.set_wall(END + 1)
    store.reserve(worst_case_debits(accounts_of(daily, END + 1), Cost(10)))
    here.clock.set_wall(END - 1)
    with pytest.raises(BudgetExceeded) as refused:
        store.reserve(worst_case_debits(accounts_of(daily, END - 1), Cost(1)))
    assert refused.value.spent == 10


def test_an_account_that_was_forgotten_does_not_begin_anew(here: Place, store: AccountStore) -> None:
    if here.kind == "redis":
        pytest.skip("the server forgets by its own clock; an account is over by the server's clock, see the next test")
    store.settle(store.reserve([debit(100)]), [100])
    here.clock.set_wall(END + KEPT)
    store.reserve([debit(1, "tomorrow", expires_at=END + 86_400)])
    here.clock.set_wall(NOW)
    assert store.balance(account()) == Balance(0, 0, 0)
    with pytest.raises(ConfigurationError, match="ended at 2026-01-02 00:00 UTC, and what was spent of it may be forgotten"):
        store.reserve([debit(1)])
    store.reserve([debit(1, "tomorrow", expires_at=END + 86_400)])


def test_one_client_with_an_old_clock_gets_nothing_of_an_account_that_is_over(here: Place) -> None:
    store = here.open(lambda: END + KEPT)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"This machine's clock is wrong, was wrong, or was set back: set it right$"):
            store.reserve([debit(1)])
    store.close()


def test_a_clock_that_jumped_far_ahead_once_stops_nothing_that_was_not_forgotten(here: Place, store: AccountStore) -> None:
    store.reserve([debit(1)])
    here.clock.set_wall(NOW + 40 * 366 * 86_400)
    with pytest.raises(ConfigurationError):
        store.reserve([debit(1)])
    here.clock.set_wall(NOW)
    store.reserve([debit(1, "later", expires_at=END + 1)])
    assert store.first_use("a", NOW + 60)


def test_a_nonce_that_was_forgotten_is_not_new_again(here: Place, store: AccountStore) -> None:
    assert store.first_use("a", NOW + 60)
    here.clock.set_wall(NOW + 61)
    assert store.first_use("b", NOW + 200)
    here.clock.set_wall(NOW)
    assert not store.first_use("a", NOW + 60)
    assert not store.first_use("b", NOW + 200)
    assert store.first_use("c", NOW + 61)

"""A service that gives every request a budget of its own is worn out by requests: accounts that nobody can charge any more fill its memory.

When no account fits any more every call is refused, until somebody restarts the process, with which all budgets begin anew.

Guards: saferoute/client/scope.py::finalize(self, drop, account.key).atexit = False
Guards: saferoute/drivers/storage/accounts_memory.py::if len(self._due) > 2 * (len(self._ends) + len(self._holds)) + _SLACK:  # what was settled is not waited for to be over
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.drivers.storage.accounts_memory import MemoryAccounts
from saferoute.errors import BudgetExceeded, ConfigurationError
from saferoute.testing import EmbeddedProvider
from saferoute.values.account import Account, Balance, Debit
from tests.drivers.test_capabilities_client import Deployment
from tests.support.both import KINDS, Face

LIFE = Account("life", 10**9, "calls", 253_402_300_799, "the budget of this client")
DAY = Account("day", 10**9, "calls", 90_000, "the grant")


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Face]:
    with EmbeddedProvider() as provider:
        deployed = Deployment(tmp_path, provider.origin)
        deployed.sign('[grant]\nroutes = ["cheap"]\ntools = []\n')
        with deployed.client(request.param) as made:
            made.client._core.shared._store = MemoryAccounts(most=3)
            yield made


def test_a_budget_is_forgotten_with_its_part(face: Face) -> None:
    for _ in range(10):
        part = face.client.using(budget="$1")
        inner = part.using(budget="$1")
        assert face.wait(inner.chat("cheap", "hi")).finish_reason == "stop"
        del part, inner
        gc.collect()
    assert len(face.client._core.shared.store()._balances) <= 3


def test_a_part_that_lives_keeps_its_budget(face: Face) -> None:
    part = face.client.using(budget="$0.0013")
    inner = part.using(purpose="more")
    with pytest.raises(BudgetExceeded):
        for _ in range(400):
            face.wait(inner.chat("cheap", "hi", max_output_tokens=100))
    del inner
    gc.collect()
    another = part.using(budget="$5")
    with pytest.raises(BudgetExceeded):
        face.wait(another.chat("cheap", "hi", max_output_tokens=100))
    spent = {one.limit: one.spent for one in face.wait(another.remaining())}
    assert spent[1_300_000] > 0
    assert spent[5_000_000_000] == 0


def test_parts_that_live_are_still_bounded(face: Face) -> None:
    parts = [face.client.using(budget="$1") for _ in range(4)]
    for part in parts[:3]:
        face.wait(part.chat("cheap", "hi"))
    with pytest.raises(ConfigurationError, match="3 accounts are counted in memory"):
        face.wait(parts[3].chat("cheap", "hi"))


def test_settled_calls_leave_nothing_behind() -> None:
    store = MemoryAccounts(clock=lambda: 1_000.0)
    kept = store.reserve([Debit(DAY, 1)])
    for _ in range(5_000):
        store.settle(store.reserve([Debit(LIFE, 1), Debit(DAY, 1)]), (1, 1))
    assert len(store._due) < 2_000
    assert store.balance(DAY) == Balance(5_000, 1, 1)
    store.settle(kept, (1,))
    assert store.balance(DAY) == Balance(5_001, 0, 0)


def test_what_is_over_is_still_forgotten_after_that() -> None:
    now = 1_000.0
    store = MemoryAccounts(clock=lambda: now)
    for _ in range(3_000):
        store.settle(store.reserve([Debit(LIFE, 1), Debit(DAY, 1)]), (1, 1))
    store.reserve([Debit(DAY, 1)])
    now = 90_000.0 + 3_600
    assert store.balance(LIFE) == Balance(3_000, 0, 0)
    assert store._balances.keys() == {"life"}
    assert not store._holds
    with pytest.raises(ConfigurationError, match="ended at"):
        store.reserve([Debit(DAY, 1)])


def test_an_account_that_was_dropped_begins_anew_and_one_that_was_not_does_not() -> None:
    store = MemoryAccounts(clock=lambda: 1_000.0)
    open_still = store.reserve([Debit(LIFE, 2), Debit(DAY, 2)])
    store.drop("life")
    assert (store.balance(LIFE), store.balance(DAY)) == (Balance(0, 0, 0), Balance(0, 2, 1))
    store.settle(open_still, (2, 2))
    assert (store.balance(LIFE), store.balance(DAY)) == (Balance(0, 0, 0), Balance(2, 0, 0))

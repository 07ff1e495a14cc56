"""A process forks after its client was made, and every child spends the whole of a budget that is counted in memory.

gunicorn with preload and multiprocessing with fork do this by design: each worker inherits a copy of all that was counted.

Guards: saferoute/drivers/storage/accounts_memory.py::self._refuse_in_a_child()
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from saferoute.errors import ConfigurationError
from saferoute.values.account import AccountStore, Balance
from tests.support.account_stores import NOW, SHARED, Place, account, debit, place

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")


def in_child(work: Callable[[], object]) -> str:
    """What a piece of work returns, or the message of the error that it raises, in a forked child."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forking with threads, which is the point
        child = os.fork()
    if child == 0:
        signal.alarm(10)  # a child that waits for a lock that nobody will give back ends, and says nothing
        try:
            said = repr(work())
        except BaseException as error:  # noqa: BLE001  whatever it is, the parent must hear of it
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        return pipe.read()


REFUSED = (
    "ConfigurationError: this process was forked off the one that counts these budgets in its memory, so it cannot know what is left of "
    "them: make the client after the fork, in each worker, or pass Client(accounts=saferoute.Accounts.sqlite(path))"
)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[AccountStore]:
    with place("memory", tmp_path) as made:
        yield made.open()


@pytest.fixture(params=SHARED)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place(request.param, tmp_path) as made:
        yield made


def test_a_child_does_not_believe_what_it_inherited(memory: AccountStore) -> None:
    memory.reserve([debit(10)])
    assert in_child(lambda: memory.reserve([debit(1)])) == REFUSED
    assert in_child(lambda: memory.balance(account())) == REFUSED
    assert in_child(lambda: memory.first_use("a", NOW + 60)) == REFUSED
    assert memory.balance(account()) == Balance(0, 10, 1)
    memory.reserve([debit(1)])


def test_a_child_refuses_also_when_a_thread_held_the_lock_as_it_was_forked(memory: AccountStore) -> None:
    with memory._lock:  # type: ignore[attr-defined]
        assert in_child(lambda: memory.reserve([debit(1)])) == REFUSED
        assert in_child(lambda: memory.settle("x", [1])) == "None"


def test_a_child_settles_nothing_of_its_parents(memory: AccountStore) -> None:
    held = memory.reserve([debit(10)])
    assert in_child(lambda: memory.settle(held, [0])) == "None"
    memory.settle(held, [4])
    assert memory.balance(account()) == Balance(4, 0, 0)


def test_children_of_a_shared_store_count_on_in_it(here: Place) -> None:
    store = here.open()
    held = store.reserve([debit(10)])
    for _ in range(3):
        assert len(in_child(lambda: store.reserve([debit(20)]))) == 34
    assert in_child(lambda: store.balance(account())) == repr(Balance(0, 70, 4))
    assert in_child(lambda: store.settle(held, [10])) == "None"
    assert "BudgetExceeded" in in_child(lambda: store.reserve([debit(31)]))
    assert store.balance(account()) == Balance(10, 60, 3)
    store.reserve([debit(30)])
    store.close()


def test_a_child_of_the_file_does_not_touch_the_lock_or_the_connection_of_its_parent(tmp_path: Path) -> None:
    with place("sqlite", tmp_path) as made:
        store = made.open()
        store.reserve([debit(10)])
        inherited = store._opened[os.getpid()]  # type: ignore[attr-defined]

        def work() -> object:
            store.reserve([debit(1)])
            store.close()
            return list(store._opened.values()) == [inherited], inherited.connection.total_changes > 0  # type: ignore[attr-defined]

        with store.turns.here():  # type: ignore[attr-defined]
            assert in_child(work) == "(True, True)"
        assert store.balance(account()) == Balance(0, 11, 2)
        store.close()


def test_the_message_is_a_configuration_error(memory: AccountStore) -> None:
    assert in_child(lambda: memory.reserve([])).startswith(ConfigurationError.__name__)

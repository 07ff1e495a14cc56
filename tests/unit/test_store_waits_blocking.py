"""What the blocking driver does while a store waits: no longer than the call may, nothing lost, and nothing kept that was not used."""

from __future__ import annotations

import math
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from saferoute.call.effects import UNBOUNDED, Acquire, Allowance, Release, Reserve, Settle
from saferoute.drivers import store_waits_blocking as module
from saferoute.drivers.accounts import RedisServer
from saferoute.drivers.background import Background, Job
from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts
from saferoute.drivers.storage.limits_sqlite import SqliteLimits
from saferoute.drivers.store_waits_blocking import afterwards, before, give_back_soon, hold_in_time, let_go_soon, take_in_time
from saferoute.errors import ConfigurationError, TimedOut
from saferoute.testing import ManualClock
from saferoute.values.account import Balance
from saferoute.values.limits import Busy, Lease
from tests.support.account_stores import account, debit
from tests.support.limit_stores import draw

NOW = 7.0
SOON = 0.05
"""Seconds that calls have here."""


def until(done: Callable[[], object]) -> None:
    ends = time.monotonic() + 5
    while not done():
        assert time.monotonic() < ends
        time.sleep(0.002)


@pytest.fixture
def background() -> Iterator[Background]:
    made = Background(most_asking=2)
    yield made
    made.close()


class Work:
    """Something that ends when it is let, and notes what was done with what came of it."""

    def __init__(self, outcome: Any = "done") -> None:
        self.outcome = outcome
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.threads: list[threading.Thread] = []
        self.undone: list[object] = []

    def __call__(self) -> Any:
        self.threads.append(threading.current_thread())
        self.begun.set()
        assert self.go_on.wait(10)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    def within(self, seconds: float, background: Background | None) -> Any:
        return before(Allowance(3.0, NOW + seconds), lambda: NOW, self, self.undone.append, background)


def let(outcome: Any = "done") -> Work:
    work = Work(outcome)
    work.go_on.set()
    return work


# ------------------------------------------------------------------------------------------------ before a request leaves


def test_a_thread_of_the_clients_own_asks_and_what_comes_of_it_is_handed_on(background: Background) -> None:
    work = let()
    assert work.within(5.0, background) == "done"
    assert work.threads[0].name == "saferoute-beside"
    failing = let(ConfigurationError("the store is gone"))
    with pytest.raises(ConfigurationError, match="the store is gone"):
        failing.within(5.0, background)
    assert (work.undone, failing.undone) == ([], [])


def test_a_call_without_an_end_waits_as_long_as_it_takes(background: Background) -> None:
    assert let().within(float("inf"), background) == "done"


def test_without_a_client_it_is_done_here() -> None:
    work = let()
    assert work.within(-1.0, None) == "done"
    assert work.threads == [threading.current_thread()]


@pytest.mark.timed
def test_what_ends_after_the_calls_allowance_is_taken_back(background: Background) -> None:
    work, began = Work(), time.monotonic()
    with pytest.raises(TimedOut, match="the total clock ran out after 3 s") as caught:
        work.within(SOON, background)
    assert SOON <= time.monotonic() - began < SOON + 0.5
    assert (caught.value.clock, caught.value.sent) == ("total", False)
    work.go_on.set()
    until(lambda: work.undone)
    assert work.undone == ["done"]


def test_what_fails_after_the_calls_allowance_has_nothing_to_take_back(background: Background) -> None:
    work = Work(ConfigurationError("the store is gone"))
    with pytest.raises(TimedOut):
        work.within(SOON, background)
    work.go_on.set()
    until(lambda: not background._kept)
    assert work.undone == []


def test_what_ends_in_the_last_moment_counts(background: Background, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_wait", lambda job, _: not job.done.wait(5))
    work = let()
    assert work.within(SOON, background) == "done"
    assert work.undone == []


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_call_whose_time_is_over_asks_nothing(background: Background, seconds: float) -> None:
    work = let()
    with pytest.raises(TimedOut):
        work.within(seconds, background)
    assert not work.begun.is_set()


def test_a_store_that_stands_still_costs_so_many_threads_and_no_more(background: Background) -> None:
    stuck = [Work(), Work()]
    for work in stuck:
        with pytest.raises(TimedOut):
            work.within(SOON, background)
    refused = let()
    with pytest.raises(TimedOut) as caught:
        refused.within(SOON, background)
    assert caught.value.sent is False
    assert not refused.begun.is_set()
    for work in stuck:
        work.go_on.set()
    assert let().within(5.0, background) == "done"


def test_races_do_not_take_the_threads_that_ask_stores() -> None:
    background, over = Background(most=1), threading.Event()
    assert background.start(Job(lambda: assert_(over.wait(10)), module.Stop(), awaited=True))
    assert not background.start(Job(lambda: None, module.Stop(), awaited=True))
    assert let().within(5.0, background) == "done"
    over.set()
    background.close()


def assert_(what: bool) -> None:
    assert what


def test_a_system_without_more_threads_does_it_here(background: Background, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Background, "keep", lambda _self, _job: False)
    work = let()
    for _ in range(3):  # more often than there is room: it is given back
        assert work.within(5.0, background) == "done"
    assert set(work.threads) == {threading.current_thread()}
    afterwards(UNBOUNDED, lambda: NOW, work, background)
    assert len(work.threads) == 4


@pytest.mark.parametrize("ended", [False, True])
def test_who_is_interrupted_keeps_nothing(background: Background, monkeypatch: pytest.MonkeyPatch, ended: bool) -> None:
    work = Work()

    def interrupted(job: Job, _: float) -> bool:
        if ended:
            work.go_on.set()
            assert job.done.wait(5)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        work.within(5.0, background)
    work.go_on.set()
    until(lambda: work.undone)
    assert work.undone == ["done"]


def test_who_is_interrupted_by_a_store_that_is_gone_has_nothing_to_take_back(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(job: Job, _: float) -> bool:
        assert job.done.wait(5)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_wait", interrupted)
    work = let(ConfigurationError("the store is gone"))
    with pytest.raises(KeyboardInterrupt):
        work.within(5.0, background)
    assert work.undone == []


# ------------------------------------------------------------------------------------------------ after it has ended


@pytest.mark.timed
def test_what_an_answer_cost_is_written_down_without_holding_the_answer_back(background: Background) -> None:
    work, began = Work(), time.monotonic()
    afterwards(UNBOUNDED, lambda: NOW, work, background)
    assert 0.03 < time.monotonic() - began < 0.5
    work.go_on.set()
    background.close()
    assert not background._kept


@pytest.mark.parametrize("late", [0.0, 7.0])
def test_a_call_that_has_outlasted_its_allowance_does_not_wait_for_what_is_written_down(
    monkeypatch: pytest.MonkeyPatch, late: float
) -> None:
    waits: list[float] = []

    class Watched(Background):
        """Jobs that nobody does, and that note how long they are waited for."""

        def keep(self, job: Job) -> bool:
            monkeypatch.setattr(job, "done", self)
            return True

        def wait(self, seconds: float) -> None:
            waits.append(seconds)

    for left in (-late, 0.001, 9.0, math.inf):
        afterwards(Allowance(3.0, NOW + left), lambda: NOW, let(), Watched())
    assert waits == [0.0, pytest.approx(0.001), 0.04, 0.04]


def test_closing_a_client_waits_a_moment_for_what_is_written_down(background: Background) -> None:
    work = Work()
    afterwards(UNBOUNDED, lambda: NOW, work, background)
    threading.Timer(0.05, work.go_on.set).start()
    background.close()
    assert not background._kept


@pytest.mark.timed
def test_closing_a_client_does_not_wait_for_a_store_that_stands_still(background: Background) -> None:
    work, began = Work(), time.monotonic()
    afterwards(UNBOUNDED, lambda: NOW, work, background)
    background.close(grace=0.05)
    assert time.monotonic() - began < 0.5
    work.go_on.set()
    until(lambda: not background._kept)


def test_what_ends_after_its_client_was_closed_is_written_down_too(background: Background) -> None:
    background.close()
    work = let()
    afterwards(UNBOUNDED, lambda: NOW, work, background)
    assert work.threads[0] is not threading.current_thread()


def test_without_a_client_it_is_written_down_here() -> None:
    work = let()
    afterwards(UNBOUNDED, lambda: NOW, work, None)
    assert work.threads == [threading.current_thread()]


# ------------------------------------------------------------------------------------------------ with stores


class Told:
    """A store of limits and of accounts that answers when it is let."""

    scope: Any = "process"
    waits = True

    def __init__(self, outcome: Any) -> None:
        self.work = Work(outcome)
        self.ended: list[tuple[object, tuple[int | None, ...]]] = []

    def acquire(self, draws: Sequence[object], hold: float) -> Any:
        assert (len(draws), hold) == (2, 60.0)
        return self.work()

    def reserve(self, debits: Sequence[object]) -> Any:
        assert len(debits) == 2
        return self.work()

    def release(self, lease: Lease, used: Sequence[int | None]) -> None:
        self.ended.append((lease, tuple(used)))

    def settle(self, reservation: str, amounts: Sequence[int]) -> None:
        self.ended.append((reservation, tuple(amounts)))


def acquiring(store: Any, seconds: float = SOON) -> Acquire:
    return Acquire(store, (draw(), draw("tokens", 9, 4)), 60.0, Allowance(3.0, NOW + seconds))


def reserving(store: Any, seconds: float = SOON) -> Reserve:
    return Reserve(store, (debit(7), debit(8)), None, Allowance(3.0, NOW + seconds))


def test_both_kinds_of_store_are_asked_in_time(background: Background) -> None:
    for outcome in (Lease("a"), Busy(draw().quota, 3.5)):
        limits: Any = Told(outcome)
        limits.work.go_on.set()
        assert take_in_time(acquiring(limits, 5.0), lambda: NOW, lambda: background) == outcome
        assert take_in_time(acquiring(limits), lambda: NOW, None) == outcome
    accounts: Any = Told("r")
    accounts.work.go_on.set()
    assert hold_in_time(reserving(accounts, 5.0), lambda: NOW, lambda: background) == "r"
    assert hold_in_time(reserving(accounts), lambda: NOW, None) == "r"
    for beside in (None, lambda: background):
        give_back_soon(Release(limits, Lease("a"), (None, 3)), lambda: NOW, beside)
        let_go_soon(Settle(accounts, "r", (1, 2)), lambda: NOW, beside)
    assert limits.ended == [(Lease("a"), (None, 3))] * 2
    assert accounts.ended == [("r", (1, 2))] * 2


@pytest.mark.parametrize("outcome", [Lease("a"), Busy(draw().quota, 3.5)])
def test_room_that_comes_too_late_is_given_back(background: Background, outcome: Lease | Busy) -> None:
    store: Any = Told(outcome)
    with pytest.raises(TimedOut):
        take_in_time(acquiring(store), lambda: NOW, lambda: background)
    store.work.go_on.set()
    until(lambda: not background._kept)
    assert store.ended == ([(Lease("a"), (0, 0))] if isinstance(outcome, Lease) else [])


def test_money_that_is_held_back_too_late_is_let_go(background: Background) -> None:
    store: Any = Told("r")
    with pytest.raises(TimedOut):
        hold_in_time(reserving(store), lambda: NOW, lambda: background)
    store.work.go_on.set()
    until(lambda: not background._kept)
    assert store.ended == [("r", (0, 0))]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """A file of accounts, and a connection of somebody else's that keeps everybody from writing in it."""
    tmp_path.chmod(0o700)
    made = SqliteAccounts(tmp_path / "accounts.db")
    made.check()
    made.close()
    other = sqlite3.connect(tmp_path / "accounts.db", isolation_level=None, check_same_thread=False)
    yield tmp_path / "accounts.db", other
    other.close()


@pytest.mark.timed
def test_a_file_that_another_process_holds_delays_no_call_and_loses_no_budget(
    held: tuple[Path, sqlite3.Connection], background: Background
) -> None:
    path, other = held
    store = SqliteAccounts(path, clock=ManualClock().wall)
    reservation = store.reserve([debit(9)])
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(TimedOut):
        hold_in_time(reserving(store), lambda: NOW, lambda: background)
    let_go_soon(Settle(store, reservation, (4,)), lambda: NOW, lambda: background)
    assert time.monotonic() - began < 0.5
    other.execute("ROLLBACK")
    until(lambda: not background._kept)
    assert store.balance(account()) == Balance(4, 0, 0)
    store.close()


@pytest.mark.timed
def test_limits_in_a_file_that_another_process_holds_delay_no_call_and_keep_no_place(
    held: tuple[Path, sqlite3.Connection], background: Background
) -> None:
    path, other = held
    store, draws = SqliteLimits(path), (draw("concurrent", 2),)
    lease = store.acquire(draws, 60.0)
    assert isinstance(lease, Lease)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(TimedOut):
        take_in_time(Acquire(store, draws, 60.0, Allowance(3.0, NOW + SOON)), lambda: NOW, lambda: background)
    give_back_soon(Release(store, lease, (None,)), lambda: NOW, lambda: background)
    assert time.monotonic() - began < 0.5
    other.execute("ROLLBACK")
    until(lambda: not background._kept)
    assert other.execute("SELECT count(*) FROM limit_under_way").fetchone() == (0,)
    store.close()


@pytest.mark.timed
def test_a_server_that_does_not_answer_delays_no_call(background: Background) -> None:
    pytest.importorskip("redis", reason="the extra redis is not installed")
    from saferoute.drivers.storage.accounts_redis import RedisAccounts
    from saferoute.drivers.storage.limits_redis import RedisLimits

    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = RedisServer("127.0.0.1", silent.getsockname()[1], timeout=0.5)
        accounts, limits, began = RedisAccounts(server), RedisLimits(server), time.monotonic()
        with pytest.raises(TimedOut):
            hold_in_time(reserving(accounts), lambda: NOW, lambda: background)
        with pytest.raises(TimedOut):
            take_in_time(acquiring(limits), lambda: NOW, lambda: background)
        assert time.monotonic() - began < 0.45
    until(lambda: not background._kept)
    accounts.close()
    limits.close()

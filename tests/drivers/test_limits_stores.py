"""What every store of limits promises: in memory, in an SQLite file, in a real Redis server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from saferoute.errors import ConfigurationError
from saferoute.routing.windows import GUESS, MOST
from saferoute.values.limits import Busy, Draw, Lease, LimitStore, Quota
from tests.support.limit_stores import KINDS, SHARED, LimitPlace, draw, limit_place, refused, taken


@pytest.fixture(params=KINDS)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LimitPlace]:
    with limit_place(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def store(here: LimitPlace) -> Iterator[LimitStore]:
    store = here.open()
    yield store
    store.close()


def test_says_how_widely_it_counts_and_whether_it_waits(here: LimitPlace, store: LimitStore) -> None:
    expected = {"memory": ("process", False), "sqlite": ("host", True), "redis": ("cluster", True)}
    assert (store.scope, store.waits) == expected[here.kind]


def test_nothing_but_the_limit_is_given_and_the_wait_is_exact(here: LimitPlace, store: LimitStore) -> None:
    here.clock.advance(0.5)
    leases = {taken(store, draw()).id for _ in range(3)}
    assert len(leases) == 3
    assert refused(store, draw()) == Busy(draw().quota, 60.5)
    here.clock.advance(60.25)
    assert refused(store, draw()) == Busy(draw().quota, 0.25)
    here.clock.advance(0.25)
    taken(store, draw())


def test_no_60_seconds_hold_more_than_the_limit_wherever_they_begin(here: LimitPlace, store: LimitStore) -> None:
    given = []
    for _ in range(1_300):
        if isinstance(store.acquire([draw(limit=5)], 600.0), Lease):
            given.append(here.clock.wall())
        here.clock.advance(0.125)
    assert all(sum(begin <= one <= begin + 60.0 for one in given) <= 5 for begin in given)
    assert len(given) == 15  # and not much less: 162 seconds begin three windows of 61 seconds


def test_the_oldest_second_counts_until_all_of_it_is_outside(here: LimitPlace, store: LimitStore) -> None:
    here.clock.advance(0.875)
    taken(store, draw(limit=1))
    here.clock.advance(60.0)
    assert refused(store, draw(limit=1)).retry_after == 0.125
    here.clock.advance(0.125)
    taken(store, draw(limit=1))


def test_room_for_an_amount_comes_when_enough_of_the_old_is_outside(here: LimitPlace, store: LimitStore) -> None:
    for amount in (10, 20, 30):
        taken(store, draw("tokens", 100, amount))
        here.clock.advance(5.0)
    waits = {amount: refused(store, draw("tokens", 100, amount)).retry_after for amount in (41, 50, 51, 70, 71, 100)}
    assert waits == {41: 46.0, 50: 46.0, 51: 51.0, 70: 51.0, 71: 56.0, 100: 56.0}
    taken(store, draw("tokens", 100, 40))
    assert refused(store, draw("tokens", 100, 1)).retry_after == 46.0
    taken(store, draw("tokens", 100, 0))


def test_more_than_the_whole_limit_is_given_only_when_nothing_else_is_taken(here: LimitPlace, store: LimitStore) -> None:
    taken(store, draw("tokens", 100, 1))
    assert refused(store, draw("tokens", 100, 250)).retry_after == 61.0
    here.clock.advance(61.0)
    taken(store, draw("tokens", 100, 250))
    assert refused(store, draw("tokens", 100, 1)).retry_after == 61.0
    assert refused(store, draw("tokens", 100, 0)).retry_after == 61.0
    here.clock.advance(61.0)
    taken(store, draw("tokens", 100, 100))


def test_all_limits_or_none_and_the_longest_wait_is_told(here: LimitPlace, store: LimitStore) -> None:
    taken(store, draw("tokens", 100, 90, "b"))
    here.clock.advance(7.0)
    taken(store, draw("requests", 1, name="c"))
    taken(store, draw("concurrent", 1, name="d"))
    full = [draw("tokens", 100, 11, "b"), draw("requests", 1, name="c"), draw("concurrent", 1, name="d")]
    for other in full:
        for order in ([draw(), other], [other, draw()]):
            assert refused(store, *order).quota == other.quota
    assert refused(store, draw(), *full) == Busy(full[1].quota, 61.0)
    assert refused(store, full[2], full[0]) == Busy(full[0].quota, 54.0)
    for _ in range(3):
        taken(store, draw())  # nothing of it was taken by those that were refused
    assert refused(store, draw()).quota == draw().quota


def test_one_limit_twice_has_to_have_room_for_both(store: LimitStore) -> None:
    taken(store, draw("tokens", 100, 30), draw("tokens", 100, 40))
    assert refused(store, draw("tokens", 100, 10), draw("tokens", 100, 21)).retry_after > 60.0
    lease = taken(store, draw("tokens", 100, 10), draw("tokens", 100, 20))
    assert refused(store, draw("tokens", 100, 1)).retry_after > 60.0
    store.release(lease, [0, 5])
    taken(store, draw("tokens", 100, 25))
    refused(store, draw("tokens", 100, 1))


def test_kinds_and_keys_are_limits_of_their_own(store: LimitStore) -> None:
    for one in (
        draw(limit=1),
        draw("tokens", 1),
        draw("concurrent", 1),
        draw(limit=1, name="row|t|b"),
        draw(limit=1, name="tokens:row|t|a"),
    ):
        taken(store, one)
        refused(store, one)


def test_a_limit_that_was_changed_counts_what_was_taken_before(here: LimitPlace, store: LimitStore) -> None:
    for _ in range(5):
        taken(store, draw(limit=5))
    refused(store, draw(limit=5))
    taken(store, draw(limit=6))
    assert refused(store, draw(limit=2)).retry_after == 61.0
    here.clock.advance(61.0)
    taken(store, draw(limit=2))


def test_what_is_under_way_counts_until_it_is_released(here: LimitPlace, store: LimitStore) -> None:
    one = draw("concurrent", 2)
    first, second = taken(store, one), taken(store, one)
    assert refused(store, one) == Busy(one.quota, GUESS)
    here.clock.advance(599.0)
    assert refused(store, one) == Busy(one.quota, GUESS)
    store.release(first, [None])
    third = taken(store, one)
    refused(store, one)
    store.release(second, [0])
    store.release(third, [1])
    taken(store, one)
    taken(store, one)
    refused(store, one)


def test_what_is_under_way_is_forgotten_when_its_time_is_up(here: LimitPlace, store: LimitStore) -> None:
    one = draw("concurrent", 2)
    short, long = taken(store, one, hold=10.0), taken(store, one, hold=20.0)
    here.clock.advance(9.75)
    refused(store, one)
    here.clock.advance(0.25)
    taken(store, one, hold=100.0)
    refused(store, one)
    store.release(short, [None])  # its place is somebody else's by now
    refused(store, one)
    here.clock.advance(5.0)
    store.release(long, [None])
    taken(store, one)
    refused(store, one)


def test_estimates_are_exchanged_for_less(here: LimitPlace, store: LimitStore) -> None:
    lease = taken(store, draw("tokens", 100, 80), draw())
    here.clock.advance(2.0)
    refused(store, draw("tokens", 100, 21))
    store.release(lease, [30, None])
    taken(store, draw("tokens", 100, 70))
    assert refused(store, draw("tokens", 100, 1)).retry_after == 59.0
    assert refused(store, draw("tokens", 100, 31)).retry_after == 61.0


def test_what_exceeds_an_estimate_counts_from_when_it_is_known(here: LimitPlace, store: LimitStore) -> None:
    lease = taken(store, draw("tokens", 100, 10))
    here.clock.advance(30.0)
    store.release(lease, [150])
    here.clock.advance(31.0)  # the estimate is outside; 140 are not
    assert refused(store, draw("tokens", 100, 1)).retry_after == 30.0
    here.clock.advance(30.0)
    taken(store, draw("tokens", 100, 100))


def test_what_exceeds_an_estimate_counts_also_when_the_estimate_is_forgotten(here: LimitPlace, store: LimitStore) -> None:
    lease = taken(store, draw("tokens", 100, 10))
    here.clock.advance(200.0)
    taken(store, draw("tokens", 100, 1, "other"))
    store.release(lease, [90])
    taken(store, draw("tokens", 100, 20))
    assert refused(store, draw("tokens", 100, 1)).retry_after == 61.0


def test_less_than_an_estimate_that_is_forgotten_gives_nothing_back(here: LimitPlace, store: LimitStore) -> None:
    lease = taken(store, draw("tokens", 100, 60))
    here.clock.advance(61.0)
    taken(store, draw("tokens", 100, 60))
    store.release(lease, [0])
    refused(store, draw("tokens", 100, 41))
    taken(store, draw("tokens", 100, 40))


def test_a_request_that_never_left_is_given_back(store: LimitStore) -> None:
    one, other = draw(limit=1), draw("concurrent", 1)
    for _ in range(4):
        store.release(taken(store, one, other), [0, 0])
    store.release(taken(store, one, other), [None, None])
    assert refused(store, one, other).quota == one.quota
    taken(store, other)


def test_released_twice_and_unknown_leases_change_nothing(store: LimitStore) -> None:
    one = draw("concurrent", 1)
    lease = taken(store, one, draw("tokens", 100, 50))
    store.release(lease, [None, 40])
    store.release(lease, [None, 0])
    for unknown in ("", "x", "0" * 32, lease.id[:-1], "a:b {x}\n", "*"):
        store.release(Lease(unknown), [0, 0])
    refused(store, draw("tokens", 100, 61))
    taken(store, one, draw("tokens", 100, 60))
    store.release(lease, [None, 0])
    refused(store, one)


def test_a_lease_that_is_over_changes_nothing(here: LimitPlace, store: LimitStore) -> None:
    lease = taken(store, draw("tokens", 100, 50), hold=5.0)
    here.clock.advance(5.0)
    store.release(lease, [0])
    refused(store, draw("tokens", 100, 51))


@pytest.mark.parametrize("used", [[], [1], [1, 2, 3], [1, -1], [1, True], [1, 1.0], [1, "1"], [1, MOST + 1]])
def test_a_release_that_does_not_fit_changes_nothing(store: LimitStore, used: list[Any]) -> None:
    one = draw("concurrent", 1)
    lease = taken(store, one, draw("tokens", 100, 50))
    with pytest.raises(ConfigurationError, match=r"released with as many whole numbers from 0 to 1000000000000 \(or None\)"):
        store.release(lease, used)
    refused(store, one)
    store.release(lease, [1, 20])
    taken(store, one, draw("tokens", 100, 80))


def test_nothing_to_draw_on(store: LimitStore) -> None:
    store.release(taken(store), [])


def test_the_largest_numbers_are_counted_exactly(store: LimitStore) -> None:
    lease = taken(store, draw("tokens", MOST, MOST - 1))
    refused(store, draw("tokens", MOST, 2))
    taken(store, draw("tokens", MOST, 1))
    store.release(lease, [MOST])
    assert refused(store, draw("tokens", MOST, 0)).quota.limit == MOST


HOSTILE = [
    "*",
    "a b",
    "{x}:clock",
    "a'); DROP TABLE limit_slots;--",
    "\\",
    '"',
    "%s",
    "../../x",
    "clock",
    "lease:0",
    "x" * 300,
    "-inf",
    "$1",
    "0",
]


def test_hostile_keys_are_only_keys(store: LimitStore) -> None:
    for key in HOSTILE:
        one = [draw(limit=1, name=key), draw("concurrent", 1, name=key)]
        store.release(taken(store, *one), [None, None])
        assert refused(store, one[0]).quota.key == key
        taken(store, one[1])


MALFORMED = [
    Draw(Quota("", "requests", 1, "x")),
    Draw(Quota("x" * 301, "requests", 1, "x")),
    Draw(Quota("a\nb", "requests", 1, "x")),
    Draw(Quota("\u0430", "requests", 1, "x")),
    Draw(Quota("a", "requests", 0, "x")),
    Draw(Quota("a", "requests", True, "x")),
    Draw(Quota("a", "requests", MOST + 1, "x")),
    Draw(Quota("a", "tokens", 1, "x"), -1),
    Draw(Quota("a", "tokens", 1, "x"), True),
    Draw(Quota("a", "tokens", 1, "x"), 1.5),  # type: ignore[arg-type]
    Draw(Quota("a", "tokens", 1, "x"), MOST + 1),
    Draw(Quota("a", "concurrent", 9, "x"), 2),
    Draw(Quota("a", "concurrent", 9, "x"), 0),
]


@pytest.mark.parametrize("malformed", MALFORMED)
def test_a_malformed_draw_takes_nothing(store: LimitStore, malformed: Draw) -> None:
    with pytest.raises(ConfigurationError):
        store.acquire([draw(limit=1), malformed], 60.0)
    taken(store, draw(limit=1))


@pytest.mark.parametrize("hold", [0.0, -1.0, float("nan"), float("inf"), 1e10])
def test_a_malformed_time_takes_nothing(store: LimitStore, hold: float) -> None:
    with pytest.raises(ConfigurationError, match="held for more than 0"):
        store.acquire([draw(limit=1)], hold)
    taken(store, draw(limit=1))


def test_too_many_limits_take_nothing(store: LimitStore) -> None:
    with pytest.raises(ConfigurationError, match="at most 64 limits; this one has 65"):
        store.acquire([draw(limit=1), *(draw(name=str(number)) for number in range(64))], 60.0)
    taken(store, draw(limit=1), *(draw(name=str(number)) for number in range(63)))


def test_threads_never_pass_the_limit(here: LimitPlace, store: LimitStore) -> None:
    def work(_: int) -> int:
        given = 0
        for _ in range(20):
            outcome = store.acquire([draw(limit=50), draw("concurrent", 1_000, name="c")], 60.0)
            if isinstance(outcome, Lease):
                given += 1
                store.release(outcome, [None, None])
        return given

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 50
    here.clock.advance(61.0)
    taken(store, draw(limit=1), draw("concurrent", 1, name="c"))


def test_another_store_of_the_same_place_counts_on(here: LimitPlace, store: LimitStore) -> None:
    if here.kind == "memory":
        pytest.skip("memory is this store's own")
    lease = taken(store, draw(limit=1), draw("concurrent", 1))
    other = here.open()
    refused(other, draw(limit=1))
    other.release(lease, [0, None])
    taken(other, draw(limit=1), draw("concurrent", 1))
    other.close()
    other.close()
    refused(other, draw(limit=1))  # closed, it opens again
    other.close()


@pytest.mark.parametrize("kind", SHARED)
def test_four_processes_are_given_exactly_what_there_is(kind: str, tmp_path: Path) -> None:
    with limit_place(kind, tmp_path) as made:
        processes = [made.worker("hit", 150, 100) for _ in range(4)]
        said = [process.communicate(timeout=120)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0, 0]
        assert sum(map(int, said)) == 100
        store = made.open()
        assert refused(store, draw(limit=100)).retry_after == 61.0
        taken(store, draw("tokens", 10_000, 10_000 - 900, "other"))
        refused(store, draw("tokens", 10_000, 1, "other"))
        store.close()


@pytest.mark.parametrize("kind", SHARED)
def test_what_a_killed_process_had_under_way_is_free_after_a_while(kind: str, tmp_path: Path) -> None:
    with limit_place(kind, tmp_path) as made:
        process = made.worker("hold", 30.0)
        assert process.stdout is not None
        assert len(process.stdout.readline()) == 33
        process.kill()
        process.communicate(timeout=30)
        store = made.open()
        made.clock.advance(29.75)
        refused(store, draw("concurrent", 1))
        made.clock.advance(0.25)
        taken(store, draw("concurrent", 1))
        store.close()


def test_a_clock_that_is_set_back_gives_nothing_twice_and_stops_nothing(here: LimitPlace, store: LimitStore) -> None:
    if here.kind == "memory":
        pytest.skip("a monotonic clock is not set")
    start = here.clock.wall()
    for _ in range(3):
        taken(store, draw())
    lease = taken(store, draw("concurrent", 1), hold=100.0)
    for back in (30.0, 3_600.0, 86_400.0):
        here.clock.set_wall(start - back)
        assert refused(store, draw()).retry_after == 61.0
    assert refused(store, draw("concurrent", 1)).retry_after == GUESS
    here.clock.advance(60.75)
    assert refused(store, draw()).retry_after == 0.25
    here.clock.advance(0.25)
    taken(store, draw())
    here.clock.advance(39.0)  # 100 seconds since it was taken, by a clock that knows of no step
    taken(store, draw("concurrent", 1))
    store.release(lease, [None])
    refused(store, draw("concurrent", 1))


def test_clocks_that_differ_by_less_than_a_second_do_not_run_ahead(here: LimitPlace, store: LimitStore) -> None:
    start = here.clock.wall()
    here.clock.set_wall(start + 0.5)
    for _ in range(3):
        taken(store, draw())
    for _ in range(100):  # two clocks, read in turn
        here.clock.set_wall(start)
        assert refused(store, draw()).retry_after == 60.5
        here.clock.set_wall(start + 0.5)
        assert refused(store, draw()).retry_after == 60.5
    here.clock.set_wall(start + 61.0)
    taken(store, draw())

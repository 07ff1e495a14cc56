"""The free list."""

from __future__ import annotations

from saferoute.drivers.pool import IdleList, PoolLimits


class Fake:
    def __init__(self, name: str, *, fresh: bool = True) -> None:
        self.name = name
        self.idle_since = 0.0
        self.fresh = fresh
        self.discarded = 0

    def is_fresh(self) -> bool:
        return self.fresh

    def discard(self) -> None:
        self.discarded += 1


def test_last_in_first_out() -> None:
    idle: IdleList[Fake] = IdleList(PoolLimits())
    one, two = Fake("one"), Fake("two")
    idle.put(one, 1.0)
    idle.put(two, 2.0)
    assert idle.take(3.0) is two
    assert idle.take(3.0) is one
    assert idle.take(3.0) is None


def test_stale_and_old_ones_are_closed_on_the_way() -> None:
    idle: IdleList[Fake] = IdleList(PoolLimits(max_age=10.0))
    old, good, stale = Fake("old"), Fake("good"), Fake("stale", fresh=False)
    idle.put(old, 0.0)
    idle.put(good, 9.0)
    idle.put(stale, 9.5)
    assert idle.take(10.1) is good
    assert stale.discarded == 1
    assert idle.take(10.1) is None
    assert old.discarded == 1


def test_exactly_the_age_is_still_good() -> None:
    idle: IdleList[Fake] = IdleList(PoolLimits(max_age=10.0))
    one = Fake("one")
    idle.put(one, 0.0)
    assert idle.take(10.0) is one


def test_the_number_is_capped() -> None:
    idle: IdleList[Fake] = IdleList(PoolLimits(max_idle=2))
    all_of_them = [Fake(str(number)) for number in range(4)]
    for one in all_of_them:
        idle.put(one, 0.0)
    assert [one.discarded for one in all_of_them] == [0, 0, 1, 1]
    assert len(idle) == 2


def test_what_lies_at_the_bottom_does_not_stay_for_ever() -> None:
    idle: IdleList[Fake] = IdleList(PoolLimits(max_age=10.0))
    bottom, top = Fake("bottom"), Fake("top")
    idle.put(bottom, 0.0)
    for now in range(1, 30):
        idle.put(top, float(now))
        assert idle.take(float(now)) is top
    assert bottom.discarded == 1


def test_closing() -> None:
    idle: IdleList[Fake] = IdleList(PoolLimits())
    here, back = Fake("here"), Fake("back")
    idle.put(here, 0.0)
    idle.close()
    idle.put(back, 1.0)
    assert (here.discarded, back.discarded, len(idle)) == (1, 1, 0)

"""Hang safety: no family of texts keeps the guards that are on by default, and the views, busy for much longer than prose of its size.

On a machine of one's own it is at most four times as long, which benchmarks/guard_tier.py prints and holds. How fast regular expressions are
beside the rest of Python differs between processors, so the bound here is wider; what a family must not do is grow with its square, or take
ten times as long, and either is far over it.
"""

from __future__ import annotations

import pytest

from saferoute.guards.defaults import guards_with_defaults
from saferoute.guards.views import views_of
from saferoute.values.guarding import Context, Segment
from tests.support.growth import times_as_long
from tests.support.hostile_texts import FAMILIES, prose_of, text_of

SIZE = 100_000
MOST = 6.0
GUARDS = guards_with_defaults((), enforce=True)


def judge_all(text: str) -> None:
    """Ask each guard once, at the stage where it has the most to do, as benchmarks/guard_tier.py does."""
    views_of(text)
    segment = Segment(text)
    for one in GUARDS:
        one.guard.check(segment, Context("input" if "input" in one.stages else "output"))


@pytest.mark.timed
@pytest.mark.parametrize("family", FAMILIES)
def test_no_family_of_texts_takes_much_longer_than_prose(family: str) -> None:
    prose, hostile = prose_of(SIZE), text_of(family, SIZE)
    assert times_as_long(lambda: judge_all(hostile), lambda: judge_all(prose), MOST) <= MOST

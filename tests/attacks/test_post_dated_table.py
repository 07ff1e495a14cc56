"""Attack: a table that begins in the future is signed today, and takes effect when nobody looks any more.

Every call asks the table itself, besides whoever opened it.

Guards: saferoute/routing/table.py::if not now >= self.issued - CLOCK_SKEW:
"""

from __future__ import annotations

import math

import pytest

from saferoute.errors import TableExpired
from tests.support.trust_cases import DAY, NOW, files


@pytest.mark.parametrize("now", [NOW - 301, 0, -1, math.nan])
def test_a_table_before_its_time_refuses_calls(now: float) -> None:
    table = files().open()
    with pytest.raises(TableExpired):
        table.check_time(now)


@pytest.mark.parametrize("now", [NOW - 300, NOW, NOW + 7 * DAY - 1])
def test_a_table_in_its_time_takes_them(now: float) -> None:
    files().open().check_time(now)

"""Attack: a small table whose aliases lead to each other so often that following them all takes for ever, or gives a call endless rows.

Configuration includes of a gateway climbed out of their folder (GHSA-5jmr-gcrj-2c9q).

Guards: saferoute/routing/resolve.py::if len(above) == _MAX_NESTING:
Guards: saferoute/routing/resolve.py::if len(rows) > MAX_ALIAS_TARGETS:
"""

from __future__ import annotations

import time

import pytest

from saferoute.errors import UntrustedTable
from saferoute.routing.resolve import resolve
from tests.support.trust_cases import alias, files, row, table

ROWS = [row(id=f"row{n}", model=f"model-{n}") for n in range(33)]


def levels(depth: int, width: int) -> dict[str, object]:
    """Aliases in levels, each of which leads to all of the level below: width ** depth ways down."""
    made: dict[str, object] = {f"a0x{n}": alias("row0", "row1") for n in range(width)}
    for level in range(1, depth):
        made |= {f"a{level}x{n}": alias(*(f"a{level - 1}x{m}" for m in range(width))) for n in range(width)}
    return made


@pytest.mark.timed
def test_a_bomb_of_aliases_is_followed_once_each() -> None:
    began = time.perf_counter()
    opened = files(table(*ROWS, aliases=levels(8, 16))).open()  # 16 ** 8 ways
    assert [target.id for target in resolve(opened, "a7x0")] == ["row0", "row1"]
    assert time.perf_counter() - began < 20


def test_aliases_nest_8_deep_and_not_9() -> None:
    chained = {f"a{n}": alias(f"a{n + 1}") for n in range(7)} | {"a7": alias("row0")}
    assert resolve(files(table(*ROWS, aliases=chained)).open(), "a0")[0].id == "row0"
    deeper = {f"a{n}": alias(f"a{n + 1}") for n in range(8)} | {"a8": alias("row0")}
    with pytest.raises(UntrustedTable, match=r"aliases\.a0 is nested deeper than 8"):
        files(table(*ROWS, aliases=deeper)).open()


def test_an_alias_leads_to_32_rows_and_not_33() -> None:
    names = [str(one["id"]) for one in ROWS]
    halves = {"left": alias(*names[:17]), "right": alias(*names[16:])}
    most = {**halves, "all": alias(*names[:32])}
    assert len(resolve(files(table(*ROWS, aliases=most)).open(), "all")) == 32
    with pytest.raises(UntrustedTable, match=r"aliases\.both leads to 33 rows; at most 32 are allowed"):
        files(table(*ROWS, aliases={**halves, "both": alias("left", "right")})).open()

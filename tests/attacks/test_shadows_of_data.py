"""Attack: a shadow gets copies of what nobody meant for trying a model: confidential calls, calls without a label, dear calls.

Guards: saferoute/call/admission.py::if shadow is None or asked.data is None or data_rank(asked.data) > data_rank(shadow.data): => if shadow is None:
Guards: saferoute/call/admission.py::if cost is None or cost > shadow.max_cost.amount or (cost and (prices is None or prices.currency != shadow.max_cost.currency)):
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.test_further_rows_outside_the_cap import DEAR, quiet
from tests.support.balanced import Bed, bed
from tests.support.both import KINDS

pytestmark = pytest.mark.parametrize("kind", KINDS)
HIGH = {name: {"data": "restricted"} for name in ("a", "b", "s")}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        yield made


def copied(world: Bed, kind: str, label: str | None, shadow: str, **rows: dict[str, str]) -> int:
    """How many copies a call makes."""
    world.sign(f'targets = ["a"]\nshadow = {{ target = "s", share = 1000, {shadow} }}\n', **{**HIGH, **rows})
    face = world.open(kind, data=label)
    reply = face.chat("fast", "hi")
    quiet(face)
    assert world.a.count == 1
    assert any("copy" in notice.message for notice in reply.warnings) == (world.s.count > 0)
    return world.s.count


@pytest.mark.parametrize(("label", "copies"), [("public", 1), ("internal", 1), ("confidential", 0), ("restricted", 0), (None, 0)])
def test_nothing_above_internal_is_copied_without_the_tables_word(kind: str, world: Bed, label: str | None, copies: int) -> None:
    assert copied(world, kind, label, 'max_cost = "$1"') == copies


@pytest.mark.parametrize(
    ("label", "said", "copies"),
    [("confidential", "confidential", 1), ("restricted", "confidential", 0), ("internal", "public", 0), (None, "restricted", 0)],
)
def test_the_tables_word_is_the_bound(kind: str, world: Bed, label: str | None, said: str, copies: int) -> None:
    assert copied(world, kind, label, f'max_cost = "$1", data = "{said}"') == copies


@pytest.mark.parametrize(
    ("most", "more", "copies"),
    [("$0.002", 'prices = { input = "$1/M", output = "$10/M" }', 1), ("$0.002", DEAR, 0), ("$9", "", 0), ("$9", DEAR, 1)],
)
def test_no_copy_may_cost_more_than_the_table_says(kind: str, world: Bed, most: str, more: str, copies: int) -> None:
    assert copied(world, kind, "public", f'max_cost = "{most}"', s={"data": "public", "more": more}) == copies

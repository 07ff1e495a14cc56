"""docs/how-to/choose-a-strategy.md: its tables build, every strategy has a line and a section, and the orders are as told."""

from __future__ import annotations

import re
from functools import cache

import pytest

from saferoute.routing.authoring import build
from saferoute.routing.release import Release
from saferoute.routing.resolve import resolve
from saferoute.routing.strategies import STRATEGIES, order
from saferoute.routing.table import RoutingTable, compile_table
from saferoute.values.balancing import Facts
from tests.support.commands import ROOT
from tests.unit.strategy_cases import unasked


@cache
def page() -> str:
    return (ROOT / "docs" / "how-to" / "choose-a-strategy.md").read_text(encoding="utf-8")


def table(extra: str = "") -> RoutingTable:
    blocks = re.findall(r"^```toml\n(.*?)^```", page(), re.DOTALL | re.MULTILINE)
    return compile_table(build("\n".join([*blocks, extra])), Release("page", 1, 1, 0, 1, ()))


def told(alias: str, facts: Facts) -> list[str]:
    made = table()
    return [row.id for row in order(resolve(made, alias), made.policy(alias), unasked, facts, 0.0, unasked)]


def test_every_strategy_in_the_how_to_has_a_table_that_builds() -> None:
    made = table()
    sections = re.findall(r"^## (\w+)\n\n```toml\n\[aliases\.([a-z]+)\]", page(), re.MULTILINE)
    assert [name for name, _ in sections] == list(STRATEGIES)
    assert sorted(alias for _, alias in sections) == sorted(made.aliases)
    assert {alias: name for name, alias in sections} == {alias: made.policy(alias).strategy for alias in made.aliases}


def test_every_line_of_the_overview_in_the_how_to_builds() -> None:
    lines = re.findall(r"^\| .* \| \[`(\w+)`\]\(#(\w+)\) \| (.*) \|$", page(), re.MULTILINE)
    assert [(name, anchor) for name, anchor, _ in lines] == [(name, name) for name in STRATEGIES]
    for name, _, written in lines:
        fields = re.findall(r"`(\w+ = [^`]+)`", written)
        alias = "\n".join(["[aliases.line]", 'targets = ["eu-1", "us-1"]', *fields])
        assert table(alias).policy("line").strategy == name


@pytest.mark.parametrize(
    ("alias", "facts", "expected"),
    [
        ("best", Facts(unasked), ["eu-1", "us-1"]),
        ("turns", Facts(unasked, turn=1), ["us-1", "eu-1"]),
        ("frugal", Facts(lambda: 1000), ["us-1", "eu-1"]),
        ("support", Facts(unasked, tags={"tier": "gold"}), ["eu-1", "us-1"]),
        ("support", Facts(unasked, tags={"tier": "free"}), ["us-1", "eu-1"]),
        ("guarded", Facts(unasked, data="internal"), ["us-1", "eu-1"]),
        ("guarded", Facts(unasked, data="confidential"), ["eu-1", "us-1"]),
        ("sized", Facts(lambda: 31_000), ["us-1", "eu-1"]),
        ("sized", Facts(lambda: 31_001), ["eu-1", "us-1"]),
    ],
)
def test_the_orders_in_the_how_to(alias: str, facts: Facts, expected: list[str]) -> None:
    assert told(alias, facts) == expected

"""An alias falls back to, or copies its calls to, a place that the table does not list, or more places than anybody can look over.

Guards: saferoute/routing/policies.py::raise Refused(f"{path}: {error}") from None
Guards: saferoute/routing/policies.py::if len(rows) > MAX_ALIAS_TARGETS:
Guards: saferoute/routing/table.py::or (target is not row.target and _FIXED(target) != _FIXED(row.target)) => or False
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import UntrustedTable
from saferoute.routing.policies import rows_beyond
from tests.support.trust_cases import alias, files, row, table, wildcard

COST = {"amount": 1, "currency": "USD"}


def beyond(target: str) -> list[dict[str, Any]]:
    causes = ("any", "context_window", "content_filter", "quota", "timeout")
    shadow = {"target": target, "share": 1, "max_cost": COST}
    return [{"fallback": {cause: [target]}} for cause in causes] + [{"shadow": shadow}]


@pytest.mark.parametrize("target", ["nowhere", "evil/model-1", "evil.example/v1", "open", "open/../x", "https://evil.example"])
def test_it_is_refused_when_the_table_is_opened(target: str) -> None:
    for fields in beyond(target):
        with pytest.raises(UntrustedTable, match=r"aliases\.a"):
            files(table(row(), wildcard(), aliases={"a": alias("main", **fields)})).open()


def test_a_bomb_of_fallbacks_is_refused() -> None:
    several = {f"x{part}": alias(*(f"open/m{part}-{number}" for number in range(17))) for part in range(2)}
    with pytest.raises(UntrustedTable, match="leads to 34 rows"):
        files(table(row(), wildcard(), aliases=several | {"a": alias("main", fallback={"any": list(several)})})).open()


def test_a_row_of_a_fallback_that_was_moved_in_memory_is_not_asked() -> None:
    opened = files(table(row(), wildcard(), aliases={"a": alias("main", fallback={"any": ["open/m"]})})).open()
    (target,) = rows_beyond(opened.policy("a"))
    opened.recheck(target)
    with pytest.raises(UntrustedTable, match="not what was signed"):
        opened.recheck(replace(target, origin="https://evil.example"))

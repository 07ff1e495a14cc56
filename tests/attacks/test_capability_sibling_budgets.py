"""Attack: a holder of $5 makes ten children of $5 each, or children of children, and spends $50.

Guards: saferoute/capabilities/narrowing.py::budgets=(*ceiling.budgets, *_budgets(claims, digests)), => budgets=tuple(_budgets(claims[-1:], digests[-1:])),
Guards: saferoute/capabilities/narrowing.py::if unit == bound.unit and comparable and amount > bound.limit:
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from saferoute.errors import CapabilityInvalid
from saferoute.values.permission import Budget, Permission
from tests.support.token_cases import LIFE, NOW, chain, root, verified


def _usd(amount: int, per: str | None = None) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"} | ({"per": per} if per else {})


def _budgets(*payloads: dict[str, Any]) -> tuple[Budget, ...]:
    return verified(chain(*payloads)).permission.budgets


def _prefix(text: str, blocks: int) -> str:
    return hashlib.sha256(".".join(text.split(".")[: blocks + 1]).encode()).hexdigest()


def test_every_child_draws_on_the_same_account() -> None:
    first = root(budget=_usd(5), calls=7)
    shared = set(_budgets(first))
    assert len(shared) == 2
    for n in range(1, 11):
        child = _budgets(first, {"budget": _usd(5), "tools": [f"t{n}"]})
        assert shared < set(child)
        assert len(child) == 3
    keys = {budget.key for n in range(1, 11) for budget in _budgets(first, {"budget": _usd(5), "tools": [f"t{n}"]})}
    assert len(keys) == 2 + 10


def test_a_grandchild_draws_on_every_account_above_it() -> None:
    payloads = (root(budget=_usd(5)), {"budget": _usd(9)}, {}, {"calls": 3})
    text = chain(*payloads)
    assert verified(text).permission.budgets == (
        Budget(f"cap:{_prefix(text, 1)}:budget", 5, "USD", None, NOW + LIFE),
        Budget(f"cap:{_prefix(text, 2)}:budget", 9, "USD", None, NOW + LIFE),
        Budget(f"cap:{_prefix(text, 4)}:calls", 3, "calls", None, NOW + LIFE),
    )


def test_an_account_is_another_one_for_another_token() -> None:
    one, other = _budgets(root(budget=_usd(5))), _budgets(root(budget=_usd(5), jti="f" * 32))
    assert one[0].key != other[0].key


def test_an_account_lives_as_long_as_anything_that_can_draw_on_it() -> None:
    payloads = (root(calls=1), {"calls": 1, "exp": NOW + 50}, {"calls": 1, "exp": NOW + 99}, {"budget": _usd(1, "day")})
    assert [budget.expires_at for budget in _budgets(*payloads)] == [NOW + LIFE, NOW + 50, NOW + 50, None]
    assert _budgets(root(budget=_usd(1, "week")))[0].per == "week"


def _ceiling(*budgets: Budget) -> dict[str, Any]:
    return {"ceiling": Permission("", budgets=budgets)}


@pytest.mark.parametrize(
    ("ceiling", "given", "refused"),
    [
        (Budget("i", 50, per="day"), {"budget": _usd(50, "day")}, False),
        (Budget("i", 50, per="day"), {"budget": _usd(51, "day")}, True),
        (Budget("i", 50, per="day"), {"budget": _usd(51, "hour")}, True),
        (Budget("i", 50, per="day"), {"budget": _usd(51, "week")}, False),
        (Budget("i", 50, per="day"), {"budget": _usd(51)}, False),
        (Budget("i", 50, per="month"), {"budget": _usd(51, "week")}, False),
        (Budget("i", 50, per="month"), {"budget": _usd(51, "day")}, True),
        (Budget("i", 50, per="month"), {"budget": _usd(51, "hour")}, True),
        (Budget("i", 50, per="week"), {"budget": _usd(51, "day")}, True),
        (Budget("i", 50, per="week"), {"budget": _usd(51, "hour")}, True),
        (Budget("i", 50, per="week"), {"budget": _usd(51, "month")}, False),
        (Budget("i", 50, per="hour"), {"budget": _usd(51, "hour")}, True),
        (Budget("i", 50, per="hour"), {"budget": _usd(51, "day")}, False),
        (Budget("i", 50), {"budget": _usd(51)}, True),
        (Budget("i", 50), {"budget": _usd(50)}, False),
        (Budget("i", 50), {"budget": _usd(51, "month")}, True),
        (Budget("i", 50), {"budget": {"amount": 51, "currency": "EUR"}}, False),
        (Budget("i", 50, "calls"), {"calls": 51}, True),
        (Budget("i", 50, "calls"), {"calls": 50}, False),
        (Budget("i", 50, "calls", per="day"), {"calls": 51}, False),
        (Budget("i", 50, "calls"), {"budget": _usd(51)}, False),
        (Budget("i", 50), {"calls": 51}, False),
        (Budget("i", 50), {}, False),
    ],
)
def test_an_issuer_cannot_give_out_more_than_it_may(ceiling: Budget, given: dict[str, Any], refused: bool) -> None:
    text = chain(root(**given))
    if not refused:
        budgets = verified(text, **_ceiling(ceiling)).permission.budgets
        assert budgets[0] is ceiling  # debited too, by all tokens of the issuer
        assert len(budgets) == 1 + len(given)
        return
    with pytest.raises(CapabilityInvalid) as caught:
        verified(text, **_ceiling(ceiling))
    assert caught.value.code == "ceiling"
    unit = ceiling.unit
    assert str(caught.value).endswith(f"it gives out more {unit} than its issuer may by the trust root: mint it with less")


def test_both_of_a_tokens_accounts_are_compared() -> None:
    text = chain(root(budget=_usd(5), calls=51))
    with pytest.raises(CapabilityInvalid):
        verified(text, **_ceiling(Budget("i", 50), Budget("j", 50, "calls")))


def test_a_later_block_may_say_what_it_likes_for_the_first_ones_account_holds() -> None:
    assert verified(chain(root(budget=_usd(5)), {"budget": _usd(500)}), **_ceiling(Budget("i", 50))).permission.budgets[1].limit == 5

"""What a request takes of limits, and what it is known to have used."""

from __future__ import annotations

import pytest

from saferoute.call.limiting import draws_for, used_amounts
from saferoute.routing.windows import MOST
from saferoute.values.balancing import PLAIN_POLICY, Limits, Policy
from saferoute.values.http import NetClass
from saferoute.values.limits import Draw, Quota
from saferoute.values.permission import Permission
from saferoute.values.target import Target


def row(limits: Limits | None = None, name: str = "fast") -> Target:
    return Target(name, "llm", "openai_chat", "https://llm.example.com", "/v1", NetClass(), "m1", None, "none", limits=limits)


ALL = Limits(requests_per_minute=60, tokens_per_minute=90_000, concurrent=8)


def test_nothing_is_drawn_where_nothing_is_limited() -> None:
    assert draws_for(row(), "", PLAIN_POLICY, (), 500, table_name="shop") == ()
    assert draws_for(row(), "", PLAIN_POLICY, (Permission("x"),), 500, table_name="shop") == ()


def test_a_row_and_an_alias_and_permissions() -> None:
    held = Quota("cap:0a:rpm", "requests", 5, "the capability 0a")
    counted = Quota("cap:0a:tpm", "tokens", 700, "the capability 0a")
    drawn = draws_for(
        row(ALL),
        "smart",
        Policy(limits=Limits(tokens_per_minute=1_000)),
        (Permission("x"), Permission("y", limits=(held, counted))),
        500,
        table_name="acme/shop",
    )
    assert drawn == (
        Draw(Quota("row|acme/shop|fast", "requests", 60, "the route fast"), 1),
        Draw(Quota("row|acme/shop|fast", "tokens", 90_000, "the route fast"), 500),
        Draw(Quota("row|acme/shop|fast", "concurrent", 8, "the route fast"), 1),
        Draw(Quota("alias|acme/shop|smart", "tokens", 1_000, "the alias smart"), 500),
        Draw(held, 1),
        Draw(counted, 500),
    )


def test_tables_rows_and_aliases_count_apart() -> None:
    keys = {
        draws_for(row(ALL, name), name, policy, (), 1, table_name=table)[-1].quota.key
        for table in ("a", "b")
        for name in ("a", "b")
        for policy in (PLAIN_POLICY, Policy(limits=ALL))
    }
    assert keys == {f"{what}|{table}|{name}" for what in ("row", "alias") for table in "ab" for name in "ab"}


def test_one_limit_that_several_name_is_drawn_once_at_its_lowest() -> None:
    shared = [Quota("grant:shop:rpm", "requests", limit, "the table's grant") for limit in (9, 5, 7)]
    other = Quota("grant:shop:rpm", "tokens", 9, "the table's grant")
    permissions = [Permission("x", limits=(one,)) for one in (*shared, other)]
    assert draws_for(row(), "", PLAIN_POLICY, permissions, 3, table_name="shop") == (Draw(shared[1], 1), Draw(other, 3))


@pytest.mark.parametrize(("tokens", "amount"), [(-5, 1), (0, 1), (1, 1), (2, 2), (MOST, MOST), (MOST + 1, MOST)])
def test_an_estimate_is_at_least_one_and_what_a_store_can_count(tokens: int, amount: int) -> None:
    [drawn] = draws_for(row(Limits(tokens_per_minute=5)), "", PLAIN_POLICY, (), tokens, table_name="shop")
    assert drawn.amount == amount


def test_what_adapts_itself_has_its_signed_limit_over_all_processes() -> None:
    [drawn] = draws_for(row(Limits(concurrent=4, adaptive=True)), "", PLAIN_POLICY, (), 1, table_name="shop")
    assert drawn == Draw(Quota("row|shop|fast", "concurrent", 4, "the route fast"), 1)
    assert draws_for(row(Limits(adaptive=True)), "", PLAIN_POLICY, (), 1, table_name="shop") == ()


def test_nothing_is_worked_out_twice() -> None:
    first, second = (draws_for(row(ALL), "", PLAIN_POLICY, (), 1, table_name="shop") for _ in range(2))
    assert all(one.quota is other.quota for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("tokens", "sent", "used"),
    [
        (None, False, (0, 0, 0)),
        (70, False, (0, 0, 0)),
        (None, True, (None, None, None)),
        (70, True, (None, 70, None)),
        (0, True, (None, 0, None)),
        (-1, True, (None, 0, None)),
        (MOST + 1, True, (None, MOST, None)),
    ],
)
def test_what_was_used(tokens: int | None, sent: bool, used: tuple[int | None, ...]) -> None:
    drawn = draws_for(row(ALL), "", PLAIN_POLICY, (), 500, table_name="shop")
    assert used_amounts(drawn, tokens, sent=sent) == used
    assert used_amounts((), tokens, sent=sent) == ()

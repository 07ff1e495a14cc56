"""What `client.costs()` says: every attempt that may be billed, once, whatever became of its call; under both drivers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

import saferoute
from saferoute.errors import CapabilityForbidden, ConnectFailed, ServerError, UnknownOption
from tests.receipts.conftest import with_two_capabilities
from tests.requirements.conftest import Way
from tests.support.both import Face
from tests.support.counting_server import CountingServer, Refusing, fails, says

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]
PRICED = 'default_max_output = 100\nprices = { input = "$1/M", output = "$2/M" }'
ONE = Decimal("0.000014")  # 10 tokens in, 2 out


@pytest.mark.parametrize("ledger", [None, "memory"])
def test_an_answer_counts_with_its_tags(four_ways: Way, serve: Serve, opened: Opened, ledger: str | None) -> None:
    face = opened(four_ways.kind, serve(says("ok")), fields=PRICED, ledger=ledger, tags={"service": "desk"})
    assert not face.client.costs()
    four_ways.ask(face)
    four_ways.ask(face, tags={"tenant": "acme"})
    costs = face.client.costs()
    assert [(row.name, row.calls, row.input_tokens, row.output_tokens, row.cost) for row in costs] == [("row", 2, 20, 4, {"USD": 2 * ONE})]
    assert face.client.costs("tag:tenant")["acme"].cost == {"USD": ONE}
    assert face.client.costs("tag:tenant")["(none)"].calls == 1
    assert face.client.costs("tag:service")["desk"].calls == 2
    assert face.client.costs("model")["alpha"].calls == 2
    with pytest.raises(UnknownOption):
        face.client.costs("colour")


def test_every_attempt_that_may_be_billed_counts(four_ways: Way, serve: Serve, opened: Opened) -> None:
    first, second = serve(fails(500)), serve(says("ok"))
    face = opened(four_ways.kind, first, second, fields=PRICED)
    four_ways.ask(face, "both")
    costs = face.client.costs("target")
    assert (costs["row"].calls, costs["row"].cost, costs["row"].unknown) == (1, {}, 1)
    assert costs["row2"].cost == {"USD": ONE}
    assert (costs.total.calls, costs.total.unknown) == (2, 1)


def test_what_was_counted_against_a_budget_has_its_worst_case(kind: str, serve: Serve, opened: Opened) -> None:
    face = opened(kind, serve(fails(500)), fields=PRICED)
    scoped = face.client.using(budget="1")
    with pytest.raises(ServerError):
        face.wait(scoped.chat("row", "hi", max_attempts=1, max_output_tokens=10))
    row = face.client.costs()["row"]
    assert (row.calls, row.cost, row.unknown, row.estimated_calls) == (1, {}, 0, 1)
    assert row.estimated["USD"] > Decimal("0.00002")  # ten tokens out, and the input


@pytest.mark.parametrize("status", [401, 404, 429, 503])
def test_what_the_provider_refused_costs_nothing(four_ways: Way, serve: Serve, opened: Opened, status: int) -> None:
    face = opened(four_ways.kind, serve(fails(status)), fields=PRICED)
    with pytest.raises(saferoute.SaferouteError):
        four_ways.ask(face, max_attempts=1)
    assert not face.client.costs()


def test_what_never_left_costs_nothing(four_ways: Way, opened: Opened) -> None:
    with Refusing() as server:
        face = opened(four_ways.kind, server, fields=PRICED)
        with pytest.raises(ConnectFailed):
            four_ways.ask(face, max_attempts=1)
    assert not face.client.costs()


def test_a_row_without_prices_has_a_cost_that_is_not_known(four_ways: Way, serve: Serve, opened: Opened) -> None:
    face = opened(four_ways.kind, serve(says("ok")))
    four_ways.ask(face)
    row = face.client.costs()["row"]
    assert (row.cost, row.unknown, row.input_tokens) == ({}, 1, 10)
    assert "0" not in {cell.strip() for cell in str(face.client.costs()).splitlines()[1].split("  ")}


def test_a_part_of_a_client_without_a_capability_is_refused(kind: str, serve: Serve, opened: Opened) -> None:
    face = opened(kind, serve(says("ok")))
    with pytest.raises(CapabilityForbidden, match="costs is for the client itself"):
        face.client.using(tags={"tenant": "acme"}).costs()


def test_a_part_sees_what_its_own_capability_and_those_below_it_cost(kind: str, serve: Serve) -> None:
    with with_two_capabilities(kind, serve) as (face, mine, other):
        narrower = mine.attenuate(max_output_tokens=20)
        for capability in (mine, narrower, other):
            face.wait(face.client.using(capability).chat("demo/m", "hi"))
        face.chat("demo/m", "hi")
        assert face.client.using(mine).costs().total.calls == 2
        assert face.client.using(narrower).costs().total.calls == 1
        assert face.client.using(other).costs().total.calls == 1
        assert face.client.costs().total.calls == 4
        assert len(face.client.costs("capability")) == 4  # three chains and no chain

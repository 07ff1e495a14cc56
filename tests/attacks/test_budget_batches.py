"""An operation that takes many requests is broken off when most of it was answered, and nothing of it counts; or it counts as one call.

Guards: saferoute/call/charging.py::cost, sent = in_all(progress.paid), bool(progress.paid) => cost, sent = None, False
Guards: saferoute/call/operation.py::exchange = counted(call.charge, progress, exchange)
Guards: saferoute/call/operation.py::progress.billed = in_all(progress.paid) if resumed else whole => progress.billed = whole
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from saferoute.call.charging import Charge
from saferoute.call.operation import OperationCall, operation_flow
from saferoute.drivers.blocking import run
from saferoute.drivers.concurrent import run_async
from saferoute.drivers.storage.accounts_memory import MemoryAccounts
from saferoute.errors import BudgetExceeded, ConnectFailed, RateLimited, SaferouteError, ServerError
from saferoute.providers.operations.contract import EmbedRequest
from saferoute.providers.registry import codec_for
from saferoute.values.account import Account, Balance
from saferoute.values.embeddings import Embeddings
from saferoute.values.permission import Cost
from saferoute.values.target import Prices
from tests.support.both import KINDS
from tests.support.scripted import Answer, AsyncWorld, Witness, World, target

TEXTS = tuple(f"{number} " + "x" * 299_000 for number in range(3))  # too large for two of them to go together
WORST = 1_000_000
MONEY = Account("money", 10 * WORST, "USD", 2_000_000_000, "the capability 1")
FEW = Account("few", 2, "calls", 2_000_000_000, "the capability 1")
MANY = Account("many", 100, "calls", 2_000_000_000, "the capability 1")
BUSY = json.dumps({"error": {"message": "busy", "type": "rate_limit_error"}}).encode()


def answered(tokens: int | None = 7) -> Answer:
    usage = {} if tokens is None else {"usage": {"prompt_tokens": tokens}}
    return Answer([json.dumps({"data": [{"index": 0, "embedding": [0.5]}], "model": "m-1", **usage}).encode()])


def failed(status: int) -> Answer:
    return Answer([BUSY], status)


def embed(kind: str, store: MemoryAccounts, *answers: Answer, accounts: tuple[Account, ...], attempts: int = 1, rows: Any = None) -> World:
    world = World(*answers)
    rows = rows or (target(prices=Prices(input=10)),)
    call = OperationCall(
        "embed", "fast", EmbedRequest(texts=TEXTS), Embeddings, rows, attempts, None, (), codec_for, lambda _: None, lambda: 0.5,
        None, Charge(store, accounts, {row.id: Cost(WORST) for row in rows}),
    )  # fmt: skip
    if kind == "blocking":
        run(operation_flow(call, world.now), world, world.clock, world.sleep, Witness())
    else:
        outside = AsyncWorld(world)
        asyncio.run(run_async(operation_flow(call, world.now), outside, world.clock, outside.sleep, Witness()))
    return world


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store() -> MemoryAccounts:
    return MemoryAccounts(clock=lambda: 1_000.0)


@pytest.mark.parametrize("refusal", [failed(429), failed(400), failed(503), Answer(opening=ConnectFailed("no"))])
def test_what_was_answered_before_a_refusal_stays_charged(kind: str, store: MemoryAccounts, refusal: Answer) -> None:
    with pytest.raises(SaferouteError):
        embed(kind, store, answered(), answered(5), refusal, accounts=(MONEY, MANY))
    assert store.balance(MONEY) == Balance(120, 0, 0)
    assert store.balance(MANY) == Balance(2, 0, 0)


def test_a_refusal_of_the_first_request_is_free(kind: str, store: MemoryAccounts) -> None:
    with pytest.raises(RateLimited):
        embed(kind, store, failed(429), accounts=(MONEY, MANY))
    assert (store.balance(MONEY), store.balance(MANY)) == (Balance(0, 0, 0), Balance(0, 0, 0))


def test_an_unknown_cost_before_a_refusal_is_the_worst_case(kind: str, store: MemoryAccounts) -> None:
    with pytest.raises(RateLimited):
        embed(kind, store, answered(), answered(None), failed(429), accounts=(MONEY,))
    assert store.balance(MONEY) == Balance(WORST, 0, 0)


def test_what_may_have_been_billed_after_an_answer_is_the_worst_case(kind: str, store: MemoryAccounts) -> None:
    with pytest.raises(ServerError):
        embed(kind, store, answered(), failed(500), accounts=(MONEY, MANY))
    assert (store.balance(MONEY), store.balance(MANY)) == (Balance(WORST, 0, 0), Balance(2, 0, 0))


def test_what_was_answered_before_a_retry_counts_once(kind: str, store: MemoryAccounts) -> None:
    embed(kind, store, answered(), failed(429), answered(5), failed(503), answered(3), accounts=(MONEY, MANY), attempts=3)
    assert (store.balance(MONEY), store.balance(MANY)) == (Balance(150, 0, 0), Balance(3, 0, 0))


def test_what_one_row_answered_in_vain_counts_beside_what_another_did(kind: str, store: MemoryAccounts) -> None:
    rows = (target("one", prices=Prices(input=10)), target("two", prices=Prices(input=1)))
    embed(kind, store, answered(), failed(429), answered(5), answered(5), answered(5), accounts=(MONEY, MANY), attempts=2, rows=rows)
    assert (store.balance(MONEY), store.balance(MANY)) == (Balance(85, 0, 0), Balance(4, 0, 0))


def test_every_request_is_a_call(kind: str, store: MemoryAccounts) -> None:
    embed(kind, store, answered(), answered(), answered(), accounts=(MONEY, MANY))
    assert (store.balance(MONEY), store.balance(MANY)) == (Balance(210, 0, 0), Balance(3, 0, 0))


def test_the_request_that_no_call_is_left_for_is_not_sent(kind: str, store: MemoryAccounts) -> None:
    with pytest.raises(BudgetExceeded, match=r"^the capability 1: 2 of 2 calls are used or held back") as refused:
        embed(kind, store, answered(), answered(), accounts=(MONEY, FEW), attempts=3)  # there is no third answer to ask for
    assert refused.value.code == "calls"
    assert (store.balance(MONEY), store.balance(FEW)) == (Balance(140, 0, 0), Balance(2, 0, 0))

"""Calls that are refused on purpose, and billed all the same, empty an account without any of them counting.

A provider that has read the input may bill it though it refuses the call: Azure says so of 400 for a filter or an input that is too
long, and of 408. Whoever sends what the filter refuses could otherwise spend without end.

Guards: saferoute/call/charging.py::_BILLED: Final = (Abandoned, ProtocolError, ContentFiltered, ContextWindowExceeded) => _BILLED: Final = (Abandoned, ProtocolError)
Guards: saferoute/call/charging.py::_REFUSED: Final = frozenset({*range(400, 500), 503, 529} - {408}) => _REFUSED: Final = frozenset({*range(400, 500), 503, 529})
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute.call.charging import Charge
from saferoute.drivers.storage.accounts_memory import MemoryAccounts
from saferoute.errors import BadRequest, ContentFiltered, ContextWindowExceeded, SaferouteError
from saferoute.values.account import Account
from saferoute.values.permission import Cost
from saferoute.values.target import Prices
from tests.support.both import KINDS
from tests.support.scripted import Answer, World, call, chat, target

MONEY = Account("money", 1_000, "USD", 2_000_000_000, "the capability 1")


def refused(status: int, code: str) -> Answer:
    return Answer([json.dumps({"error": {"message": "no", "type": "invalid_request_error", "code": code}}).encode()], status)


@pytest.mark.parametrize(
    ("status", "code", "error", "spent"),
    [
        (400, "content_filter", ContentFiltered, 100),
        (400, "context_length_exceeded", ContextWindowExceeded, 100),
        (408, "timeout", SaferouteError, 100),
        (400, "invalid_value", BadRequest, 0),
        (429, "rate_limit_exceeded", SaferouteError, 0),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_read_and_refused_counts_as_its_worst_case(kind: str, status: int, code: str, error: type[Any], spent: int) -> None:
    store = MemoryAccounts(clock=lambda: 1_000.0)
    row = target(prices=Prices("USD", input=1, output=1))
    what = call(row, max_attempts=1, charge=Charge(store, (MONEY,), {"row": Cost(100)}))
    with pytest.raises(error):
        chat(kind, World(refused(status, code)), what)
    assert store.balance(MONEY).spent == spent
    assert store.balance(MONEY).reserved == 0

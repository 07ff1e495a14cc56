"""A call that was left is told of in the log as it is on record."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.call.effects import Abandoned
from saferoute.ledger.attempts import LEFT
from saferoute.telemetry import spans
from tests.receipts.test_records_of_calls import Book
from tests.support.both import Face
from tests.support.counting_server import CountingServer, says

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]


def test_the_log_tells_of_a_call_that_was_left(kind: str, serve: Serve, opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "saferoute")
    book = Book()
    opened(kind, serve(says("one ", "two ", "three ")), ledger=book.ledger, guards=None).stream("row", "hi", take=1)
    ends: list[dict[str, Any]] = [one for record in caplog.records if (one := getattr(record, "saferoute", {})).get("event") == "call"]
    (outcome,) = book.of("outcome")
    assert [(one["outcome"], one["attempts"], one["receipt"]) for one in ends] == [("Abandoned", 1, f"{book.segment}:{outcome['seq']}")]


def test_whoever_leaves_has_one_name() -> None:
    """Spans and records may not import the flow that raises it, and tell it by its name."""
    assert {Abandoned.__name__, spans._LEFT, LEFT} == {"Abandoned"}

"""What a call writes into a ledger, as short as it may be, for tests of where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saferoute.ledger.verify import LedgerReport, verify_ledger
from saferoute.values.receipt import Entry, Receipt

__all__ = ["clean", "denial", "exchange", "intent", "outcome"]

CALL = "c" * 32
HASH = "a" * 64
PROMPT = b"what is the capital of France?"
ANSWER = b"Paris, of course"
SYSTEM = "be kind"


def _call(route: str, call: str) -> dict[str, Any]:
    return {"call": call, "capabilities": [], "route": route, "tags": {"team": "maps"}, "verdicts": []}


def _asked() -> dict[str, Any]:
    table = {"name": "acme/prod", "sha256": HASH, "trust": "pinned", "version": 3}
    return {"data": None, "operation": "chat", "purpose": None, "rejected": [], "table": table}


def intent(route: str = "fast", *, call: str = CALL, attempt: int = 1, request: bytes = PROMPT) -> Entry:
    fields = {
        **_call(route, call),
        **_asked(),
        "attempt": attempt,
        "max_cost": {"currency": "USD", "nano": 1_000},
        "model": "m1",
        "origin": "https://api.example.com",
        "provider": "example",
        "secret": "example",
        "stream": False,
        "target": "example-m1",
        "templates": [],
        "why": "first",
    }
    return Entry("intent", fields, {"asked": PROMPT, "request": request}, SYSTEM, route)


def outcome(receipt: Receipt | None, route: str = "fast", *, call: str = CALL, attempt: int = 1) -> Entry:
    fields = {
        **_call(route, call),
        "attempt": attempt,
        "cost": "0.0001",
        "currency": "USD",
        "deny": None,
        "estimated": False,
        "finish_reason": "stop",
        "first_us": None,
        "intent": None if receipt is None else receipt.id,
        "model": "m1",
        "outcome": "ok",
        "request_id": "r1",
        "requests": 1,
        "status": 200,
        "target": "example-m1",
        "us": 12_345,
        "usage": {"cache_read": None, "cache_write": None, "input": 10, "output": 5, "reasoning": None},
    }
    return Entry("outcome", fields, {"response": ANSWER}, None, route)


def denial(route: str = "fast", *, call: str = CALL) -> Entry:
    return Entry("denial", {**_call(route, call), **_asked(), "deny": "budget", "error": "BudgetExceeded"}, {"asked": PROMPT}, None, route)


def exchange(ledger: Any, route: str = "fast", *, call: str = CALL) -> Receipt | None:
    """What a client does around one request: an intent, an outcome, and a checkpoint if one is due."""
    sent: Receipt | None = ledger.append(intent(route, call=call))
    ended: Receipt | None = ledger.append(outcome(sent, route, call=call))
    if ledger.due:
        ledger.checkpoint()
    return ended


def clean(segments: Mapping[str, bytes], **options: Any) -> LedgerReport:
    """Verify a ledger in which nothing may be wrong."""
    report = verify_ledger(segments, **options)
    assert report.ok, report.faults[:3]
    return report

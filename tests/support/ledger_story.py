"""What a few days of calls would write into a ledger: made by a seed, so that a figure in a test stays what it is."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saferoute.values.receipt import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BEGIN", "DAY", "Story", "denial", "digest", "intent", "outcome", "verdict"]

BEGIN = 1_795_046_400_000_000  # 2026-11-19 00:00:00 UTC
DAY = 86_400_000_000


def digest(of: object) -> str:
    return hashlib.sha256(str(of).encode()).hexdigest()


def table(version: int = 12, trust: str = "production") -> dict[str, Any]:
    return {"name": "shop", "version": version, "sha256": digest(f"table {version}"), "trust": trust}


def verdict(guard: str, action: str, stage: str = "input", path: str = "/messages/0", *reasons: str) -> dict[str, Any]:
    return {"guard": guard, "version": "1", "stage": stage, "action": action, "path": path, "reasons": list(reasons)}


def intent(call: str, **fields: Any) -> dict[str, Any]:
    return {
        "call": call,
        "attempt": 1,
        "operation": "chat",
        "route": "fast",
        "target": "openai-eu",
        "model": "gpt-5-mini",
        "provider": "openai",
        "origin": "https://eu.api.openai.com",
        "why": "ordered",
        "rejected": [],
        "stream": False,
        "table": table(),
        "capabilities": [],
        "data": "internal",
        "purpose": None,
        "tags": {},
        "templates": [],
        "secret": "openai",
        "verdicts": [],
        "max_cost": {"nano": 20_000_000, "currency": "USD"},
        **fields,
    }


def outcome(began: dict[str, Any], receipt: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "intent": receipt,
        **{name: began[name] for name in ("call", "attempt", "route", "target", "tags", "capabilities")},
        "outcome": "ok",
        "deny": None,
        "status": 200,
        "requests": 1,
        "model": began["model"],
        "finish_reason": "stop",
        "request_id": f"req_{digest(began['call'])[:12]}",
        "usage": {"input": 1000, "output": 200, "cache_read": 0, "cache_write": 0, "reasoning": 0},
        "cost": "0.00065",
        "currency": "USD",
        "estimated": False,
        "us": 800_000,
        "first_us": None,
        "verdicts": [],
        **fields,
    }


def denial(call: str, **fields: Any) -> dict[str, Any]:
    return {
        "call": call,
        "operation": "chat",
        "route": "fast",
        "error": "CapabilityForbidden",
        "deny": "models",
        "table": table(),
        "capabilities": [],
        "data": "internal",
        "purpose": None,
        "tags": {},
        "verdicts": [],
        "rejected": [],
        **fields,
    }


@dataclass(frozen=True)
class Row:
    target: str
    model: str
    provider: str
    origin: str
    secret: str
    nano_in: int
    nano_out: int
    typical: float
    failing: float


ROWS = {
    "openai-eu": Row("openai-eu", "gpt-5-mini", "openai", "https://eu.api.openai.com", "openai", 250, 2000, 0.9, 0.02),
    "azure-eu": Row("azure-eu", "gpt-5-mini", "azure_openai", "https://shop-eu.openai.azure.com", "azure", 275, 2200, 1.1, 0.01),
    "anthropic": Row("anthropic", "claude-sonnet-5", "anthropic", "https://api.anthropic.com", "anthropic", 3000, 15000, 2.2, 0.015),
    "mistral": Row("mistral", "mistral-large-2611", "mistral", "https://api.mistral.ai", "mistral", 2000, 6000, 1.6, 0.02),
    "embed-small": Row("embed-small", "text-embedding-3-small", "openai", "https://eu.api.openai.com", "openai", 20, 0, 0.12, 0.004),
}
ALIASES = {"fast": ("openai-eu", "azure-eu", "mistral"), "smart": ("anthropic", "mistral"), "embed": ("embed-small",)}
FAILURES = (("RateLimited", 429, 6), ("Overloaded", 503, 3), ("ServerError", 500, 2), ("TimedOut", None, 2))
DENIALS = (
    ("BudgetExceeded", "budget", 5), ("CapabilityForbidden", "models", 3), ("CapabilityForbidden", "data", 3), ("CapabilityExpired", "expired", 2),
    ("GuardBlocked", None, 7), ("AllRoutesCooling", None, 1),
)  # fmt: skip
SYSTEM = {"fast": "Answer shortly.", "smart": "You help the shop's customers.", "embed": None}


class Story:
    """Entries with their times, for one process, in order. Whoever writes them fills in which intent an outcome belongs to."""

    def __init__(self, seed: int, calls: int, begin: int = BEGIN, end: int = BEGIN + 5 * DAY) -> None:
        self._chance = random.Random(seed)
        self._calls = calls
        self._begin, self._end = begin, end
        self._seed = seed

    def __iter__(self) -> Iterator[tuple[int, Entry]]:
        return iter(sorted(self._told(), key=lambda item: item[0]))

    def _told(self) -> Iterator[tuple[int, Entry]]:
        chance = self._chance
        times = sorted(self._when() for _ in range(self._calls))
        for number, now in enumerate(times):
            call = digest(f"{self._seed} {number}")[:32]
            route = chance.choices(("fast", "smart", "embed"), (60, 25, 15))[0]
            common = self._common(route, now)
            if chance.random() < 0.022:
                yield now, self._denial(call, route, common)
            else:
                yield from self._attempts(call, route, common, now)

    def _when(self) -> int:
        """More by day than by night."""
        while True:
            now = self._chance.randrange(self._begin, self._end)
            hour = now % DAY / (DAY / 24)
            if self._chance.random() < (0.95 if 8 <= hour < 18 else 0.25):
                return now

    def _common(self, route: str, now: int) -> dict[str, Any]:
        chance = self._chance
        team = chance.choices(("support", "search", "billing"), (5, 3, 2))[0]
        held = [digest(f"agent {team}")]
        later = now > BEGIN + int(2.6 * DAY)
        return {
            "operation": "embed" if route == "embed" else "chat",
            "table": table(13 if later else 12),
            "capabilities": held if chance.random() < 0.8 else [],
            "data": chance.choices(("public", "internal", "confidential"), (2, 6, 1))[0],
            "tags": {"environment": "production", "team": team},
        }

    def _denial(self, call: str, route: str, common: dict[str, Any]) -> Entry:
        error, deny, _ = self._chance.choices(DENIALS, [weight for *_, weight in DENIALS])[0]
        blocked = error == "GuardBlocked"
        guard = self._chance.choice(("injection", "secrets", "unicode"))
        deny = f"guard:{guard}" if blocked else deny
        verdicts = [verdict(guard, "block", self._chance.choice(("input", "tool_result")))] if blocked else []
        rejected = [[row, "its breaker is open"] for row in ALIASES[route]] if error == "AllRoutesCooling" else []
        return Entry(
            "denial", denial(call, route=route, error=error, deny=deny, verdicts=verdicts, rejected=rejected, **common), {"asked": b"{}"}
        )

    def _attempts(self, call: str, route: str, common: dict[str, Any], now: int) -> Iterator[tuple[int, Entry]]:
        chance = self._chance
        rejected: list[list[str]] = []
        why = "ordered" if route != "smart" else "weighted"
        verdicts = (
            [verdict("pii", chance.choice(("flag", "redact")), "input", "/messages/1", "pii.email: 1")] if chance.random() < 0.12 else []
        )
        for attempt, name in enumerate(ALIASES[route], 1):
            row = ROWS[name]
            outage = name == "openai-eu" and 3.35 * DAY < now - BEGIN < 3.5 * DAY
            if outage and chance.random() < 0.5 and route == "fast":
                rejected = [*rejected, [name, "its breaker is open"]]
                why = "next in order"
                continue
            stream = route != "embed" and chance.random() < 0.5
            templates = [{"name": "support-v3", "sha256": digest("support-v3")}] if route == "smart" else []
            began = intent(
                call, attempt=attempt, route=route, target=name, model=row.model, provider=row.provider, origin=row.origin, why=why,
                rejected=rejected, stream=stream, templates=templates, secret=row.secret, verdicts=verdicts,
                max_cost={"nano": 8000 * row.nano_in + 1500 * row.nano_out, "currency": "USD"}, **common,
            )  # fmt: skip
            yield now, Entry("intent", began, {"asked": b"{}", "request": b"{}"}, SYSTEM[route], route)
            if chance.random() < 0.0015:
                return
            receipt = f"{call} {attempt}"
            failed = chance.random() < (0.7 if outage else row.failing)
            us = int(row.typical * 1e6 * chance.lognormvariate(0, 0.5))
            ended = self._failed(began, receipt, us) if failed else self._answered(began, receipt, us, row)
            if stream and not failed and digest(receipt).startswith("00"):
                ended |= {"outcome": "Abandoned", "finish_reason": None, "usage": None, "cost": None, "currency": None, "estimated": True}
            yield now + us, Entry("outcome", ended, {} if failed else {"response": b"{}"}, None, route)
            if not failed:
                return
            now += us
            why = "next in order"

    def _failed(self, began: dict[str, Any], receipt: str, us: int) -> dict[str, Any]:
        error, status, _ = self._chance.choices(FAILURES, [weight for *_, weight in FAILURES])[0]
        estimated = error == "TimedOut"
        return outcome(
            began, outcome=error, status=status, usage=None, cost=None, currency=None, model=None, finish_reason=None,
            request_id=None if estimated else f"req_{digest(receipt)[:12]}", us=30_000_000 if estimated else us // 8, estimated=estimated,
        )  # fmt: skip

    def _answered(self, began: dict[str, Any], receipt: str, us: int, row: Row) -> dict[str, Any]:
        chance = self._chance
        into = int(chance.lognormvariate(7, 0.7))
        cached = into // 2 if chance.random() < 0.4 else 0
        out = 0 if row.nano_out == 0 else int(chance.lognormvariate(5.5, 0.8))
        cost = (into - cached) * row.nano_in + cached * row.nano_in // 10 + out * row.nano_out
        unpriced = chance.random() < 0.01
        flagged = [verdict("links", "redact", "output", "/text")] if chance.random() < 0.02 else []
        return outcome(
            began, us=us, first_us=us // 4 if began["stream"] else None, verdicts=flagged,
            usage={"input": into, "output": out, "cache_read": cached, "cache_write": 0, "reasoning": out // 3 if row.provider == "openai" else 0},
            cost=None if unpriced else f"{cost / 1e9:.9f}".rstrip("0"), currency=None if unpriced else "USD",
        )  # fmt: skip

"""Ledgers for tests: right by default, with fixed keys, times and contents. Nothing here is random, so that every run sees the same bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from saferoute.ledger.certificate import Certificate, certify
from saferoute.ledger.segment import SegmentWriter
from saferoute.signing.keys import PrivateKey
from saferoute.values.receipt import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.ledger.segment import Link
    from saferoute.signing.envelope import Envelope

NOW = 1_800_000_000_000_000
MINUTE = 60_000_000
SECRET = b"s" * 32
LOG_ROLE = PrivateKey.from_seed(b"l" * 32)
LOG_KEY = PrivateKey.from_seed(b"1" * 32)
OTHER_KEY = PrivateKey.from_seed(b"2" * 32)
TABLE = {"name": "acme", "sha256": hashlib.sha256(b"table").hexdigest(), "trust": "acme", "version": 3}
CHAIN = hashlib.sha256(b"chain").hexdigest()


def hexadecimal(word: str, digits: int = 32) -> str:
    """An id that is made of a word."""
    return hashlib.sha256(word.encode()).hexdigest()[:digits]


A, B, C, D = (hexadecimal(word) for word in "abcd")
INSTANCE = hexadecimal("instance")


def intent(number: int = 0, **changes: Any) -> Entry:
    """What is written before a request leaves."""
    asked, request, system = (
        changes.pop(name, default) for name, default in (("asked", b"yes"), ("request", b"{}"), ("system", "Be brief."))
    )
    fields = {
        "attempt": 1,
        "call": hexadecimal(f"call {number}"),
        "capabilities": [CHAIN],
        "data": "internal",
        "max_cost": {"currency": "USD", "nano": 1_234_000},
        "model": "gpt-5-mini",
        "operation": "chat",
        "origin": "https://api.openai.com",
        "provider": "openai",
        "purpose": None,
        "rejected": [["anthropic-sonnet", "breaker open for 4.2 s"]],
        "route": "fast",
        "secret": "openai",
        "stream": False,
        "table": TABLE,
        "tags": {"env": "prod", "team": "support"},
        "target": "openai-mini",
        "templates": [{"name": "support-v3", "sha256": CHAIN}],
        "verdicts": [{"action": "allow", "guard": "pii", "path": "/messages/0", "reasons": [], "stage": "input", "version": "1"}],
        "why": "next in order",
    }
    return Entry("intent", fields | changes, {"asked": asked, "request": request}, system, "fast")


def outcome(intent_id: str | None, number: int = 0, **changes: Any) -> Entry:
    """What is written after it."""
    response = changes.pop("response", b"no")
    fields = {
        "attempt": 1,
        "call": hexadecimal(f"call {number}"),
        "capabilities": [CHAIN],
        "cost": "0.00021",
        "currency": "USD",
        "deny": None,
        "estimated": False,
        "finish_reason": "stop",
        "first_us": None,
        "intent": intent_id,
        "model": "gpt-5-mini-2026-08-07",
        "outcome": "ok",
        "request_id": "req_0001",
        "requests": 1,
        "route": "fast",
        "status": 200,
        "tags": {"env": "prod", "team": "support"},
        "target": "openai-mini",
        "us": 812_345,
        "usage": {"cache_read": 0, "cache_write": 0, "input": 11, "output": 7, "reasoning": None},
        "verdicts": [],
    }
    return Entry("outcome", fields | changes, {"response": response}, None, "fast")


def denial(number: int = 0, **changes: Any) -> Entry:
    """What is written of a call that was refused."""
    fields = {
        "call": hexadecimal(f"call {number}"),
        "capabilities": [],
        "data": None,
        "deny": "models",
        "error": "CapabilityDenied",
        "operation": "chat",
        "purpose": None,
        "rejected": [],
        "route": "smart",
        "table": TABLE,
        "tags": {},
        "verdicts": [],
    }
    return Entry("denial", fields | changes, {"asked": b"yes"}, None, "smart")


def certificate(key: PrivateKey = LOG_KEY, **changes: Any) -> Envelope:
    """The log role's word for a log key."""
    signer = changes.pop("signer", LOG_ROLE)
    fields = {
        "key": key.public_key,
        "instance": INSTANCE,
        "issued": NOW // 1_000_000,
        "not_after": NOW // 1_000_000 + 86_400,
        "name": "acme",
    }
    return certify(Certificate(**(fields | changes)), [signer])


def writer(segment: str = A, key: PrivateKey = LOG_KEY, previous: Link | None = None, **changes: Any) -> SegmentWriter:
    """A segment that has its first record."""
    given = {"secret": SECRET, "certificate": None, "previous": previous, "now_us": NOW, **changes}
    return SegmentWriter(segment, given.pop("instance", INSTANCE), key, **given)


class Book:
    """A segment and its bytes so far."""

    def __init__(self, segment: str = A, key: PrivateKey = LOG_KEY, previous: Link | None = None, **changes: Any) -> None:
        self.writer = writer(segment, key, previous, **changes)
        self.lines = [self.writer.first()]
        self.notes: list[str] = []
        self.calls = 0
        self.now = NOW

    @property
    def data(self) -> bytes:
        return b"".join(self.lines)

    def add(self, *entries: Entry) -> list[str]:
        """Write records, and give their ids."""
        ids = []
        for entry in entries:
            self.now += 1_000
            written = self.writer.add(entry, self.now)
            self.lines.append(written.line)
            ids.append(written.id)
        return ids

    def call(self, **changes: Any) -> str:
        """Write an intent and its outcome, and give the intent's id."""
        self.calls += 1
        (name,) = self.add(intent(self.calls, **changes))
        self.add(outcome(name, self.calls))
        return name

    def fields(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Write a record of another kind."""
        self.now += 1_000
        self.lines.append(self.writer.add_fields(kind, fields, self.now).line)

    def checkpoint(self, *, final: bool = False) -> str:
        """Write a checkpoint, and give its note."""
        self.now += 1_000
        line, note = self.writer.checkpoint(self.now, final=final)
        self.lines.append(line)
        self.notes.append(note)
        return note

    def closed(self, calls: int = 1) -> Book:
        """With so many calls and a final checkpoint."""
        for _ in range(calls):
            self.call()
        self.checkpoint(final=True)
        return self


def book_of(records: int, every: int = 64, **changes: Any) -> Book:
    """A closed segment of so many records, with a checkpoint after so many."""
    book = Book(**changes)
    while len(book.lines) < records - 1:
        if book.writer.unsigned >= every or len(book.lines) > records - 3:
            book.checkpoint()
        else:
            book.call()
    book.checkpoint(final=True)
    return book

"""The ready header: looked up once, forgotten on request, safe in threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from saferoute.errors import ConfigurationError, OriginMismatch, SecretNotFound
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.lookup import MemorySource, Sources
from tests.support.secret_stores import CATALOGUE, ORIGIN, OTHER, record

if TYPE_CHECKING:
    from saferoute.secrets.secret import SecretRecord


class Counting(MemorySource):
    __slots__ = ("asked", "forgotten")

    def __init__(self, *records: SecretRecord) -> None:
        super().__init__(records)
        self.asked: list[str] = []
        self.forgotten: list[str] = []

    def find(self, name: str) -> SecretRecord | None:
        self.asked.append(name)
        return super().find(name)

    def forget(self, name: str) -> None:
        self.forgotten.append(name)


def test_the_source_is_asked_once() -> None:
    source = Counting(record(key="k-1"))
    credentials = Credentials(Sources([source]))
    assert credentials.cached("openai", "bearer", ORIGIN) is None
    for _ in range(3):
        assert credentials.header("openai", "bearer", ORIGIN) == (b"authorization", b"Bearer k-1")
        assert credentials.cached("openai", "bearer", ORIGIN) == (b"authorization", b"Bearer k-1")
    assert source.asked == ["openai"]
    assert credentials.header("openai", "x-api-key", ORIGIN) == (b"x-api-key", b"k-1")
    assert credentials.cached("openai", "bearer", OTHER) is None
    assert repr(credentials) == "Credentials(memory)"


def test_a_ready_header_is_for_its_own_origin_only() -> None:
    credentials = Credentials(Sources([Counting(record())]))
    credentials.header("openai", "bearer", ORIGIN)
    for origin in (OTHER, "http://api.openai.com", "https://api.openai.com:8443", "https://api.openai.com.", "https://api.openai.com/"):
        with pytest.raises(OriginMismatch):
            credentials.header("openai", "bearer", origin)
        assert credentials.cached("openai", "bearer", origin) is None


def test_forgetting() -> None:
    source = Counting(record(), record("other"))
    credentials = Credentials(Sources([source]))
    credentials.header("openai", "bearer", ORIGIN)
    credentials.header("other", "bearer", ORIGIN)
    credentials.forget("openai")
    assert credentials.cached("openai", "bearer", ORIGIN) is None
    assert credentials.cached("other", "bearer", ORIGIN) is not None
    credentials.header("openai", "bearer", ORIGIN)
    assert source.asked == ["openai", "other", "openai"]
    assert source.forgotten == ["openai"]


def test_what_is_missing_is_not_remembered() -> None:
    source = Counting()
    credentials = Credentials(Sources([source], catalogue=CATALOGUE))
    for _ in range(2):
        with pytest.raises(SecretNotFound, match="No key for openai in memory"):
            credentials.header("openai", "bearer", ORIGIN)
    assert source.asked == ["openai", "openai"]
    with pytest.raises(SecretNotFound, match="keys add llama --origin http://127"):
        credentials.header("llama", "bearer", "http://127.0.0.1:8080")
    with pytest.raises(ConfigurationError):
        credentials.header("env:X", "bearer", ORIGIN)


def test_threads_ask_once() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(Counting):
        __slots__ = ()

        def find(self, name: str) -> SecretRecord | None:
            entered.set()
            leave.wait(10)
            return super().find(name)

    source = Slow(record(key="k-1"))
    credentials = Credentials(Sources([source]))
    seen: list[tuple[bytes, bytes]] = []
    threads = [threading.Thread(target=lambda: seen.append(credentials.header("openai", "bearer", ORIGIN))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    leave.set()
    for thread in threads:
        thread.join()
    assert seen == [(b"authorization", b"Bearer k-1")] * 8
    assert source.asked == ["openai"]

"""A refused key whose store keeps another revision: one more request, with the other one, under both drivers."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from typing_extensions import override

from saferoute.errors import SecretError
from saferoute.secrets.lookup import MemorySource
from saferoute.secrets.secret import Previous, Secret, SecretRecord
from saferoute.values.http import NetClass
from tests.drivers.test_refused_keys import BEDROCK, Canned, Stored, presented
from tests.support.token_server import KINDS, LOOPBACK, TokenServer, Wall, clocks, request

NOTE = (
    "revision 2 of the secret 'main' was refused, and revision 1 was accepted: make sure that the new key is valid before the overlap ends"
)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def overlapping(origin: str, until: int, name: str = "main") -> SecretRecord:
    return SecretRecord(name, Secret("new"), (origin,), 2, Previous(Secret("old"), until))


class Keys(Stored):
    """The look-up before a transport, with a clock on the wall that the test sets."""

    def __init__(self, kind: str, record: SecretRecord, **more: Any) -> None:
        super().__init__(kind, MemorySource([record]), **more)
        self.wall = Wall()
        self.front._wall = self.wall

    @override
    def __enter__(self) -> Keys:
        return self

    def noted(self, origin: str) -> tuple[int, tuple[str, ...]]:
        exchange = self.wait(self.front.open(request(origin, "main", net=LOOPBACK), clocks()))
        while self.wait(exchange.read()):
            pass
        return exchange.head.status, exchange.head.notes


def test_the_other_revision_is_presented_once_and_then_first(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with TokenServer() as server, Keys(kind, overlapping(server.origin, 1_900_000_000)) as keys:
        server.rejected = {"new"}
        with caplog.at_level(logging.WARNING, "saferoute"):
            assert keys.noted(server.origin) == (200, (NOTE,))
        assert [entry.getMessage() for entry in caplog.records if entry.name == "saferoute"] == [f"saferoute: {NOTE}"]
        assert keys.noted(server.origin) == (200, ())
        assert presented(server) == ["new", "old", "old"]
        server.rejected = {"old"}
        status, notes = keys.noted(server.origin)
        assert (status, len(notes)) == (200, 1)
        assert presented(server)[3:] == ["old", "new"]


def test_if_both_are_refused_the_answer_is_the_refusal_and_the_store_is_asked_anew(kind: str) -> None:
    with TokenServer() as server, Keys(kind, overlapping(server.origin, 1_900_000_000)) as keys:
        server.rejected = {"new", "old"}
        assert keys.noted(server.origin) == (401, ())
        assert presented(server) == ["new", "old"]
        server.rejected = set()
        assert keys.noted(server.origin) == (200, ())
        assert presented(server) == ["new", "old", "new"]


@pytest.mark.parametrize(("left", "sent"), [(1, ["new", "old"]), (0, ["new"]), (-1, ["new"])])
def test_at_its_end_the_previous_key_is_not_sent(kind: str, left: int, sent: list[str]) -> None:
    with TokenServer() as server, Keys(kind, overlapping(server.origin, 1_800_000_000 + left)) as keys:
        server.rejected = {"new"}
        keys.noted(server.origin)
        assert presented(server) == sent


def test_when_the_overlap_ends_the_new_key_is_back(kind: str) -> None:
    with TokenServer() as server, Keys(kind, overlapping(server.origin, 1_800_000_010)) as keys:
        server.rejected = {"new"}
        keys.noted(server.origin)
        keys.wall.now += 9.9
        assert keys.noted(server.origin) == (200, ())
        keys.wall.now += 0.1
        assert keys.noted(server.origin) == (401, ())
        assert presented(server) == ["new", "old", "old", "new"]


def test_other_answers_switch_nothing(kind: str) -> None:
    for status in (200, 400, 403, 404, 429, 500):
        answer = Canned(kind, status)
        with Keys(kind, overlapping(BEDROCK, 1_900_000_000), transport=answer) as keys:
            assert keys.call(BEDROCK, net=NetClass()) == status
            assert keys.credentials.header("main", "bearer", BEDROCK)[1] == b"Bearer new"
            assert answer.closed == 0


def test_the_refused_exchange_is_closed(kind: str) -> None:
    class Closing(Canned):
        def close(self) -> Any:
            self.closed += 1

            async def done() -> None: ...

            return done() if self.kind == "asyncio" else None

    answer = Closing(kind, 401)
    with Keys(kind, overlapping(BEDROCK, 1_900_000_000), transport=answer) as keys:
        assert keys.call(BEDROCK, net=NetClass()) == 401
        assert answer.closed == 1


def test_if_switching_fails_the_connection_is_dropped(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Canned(kind, 401)
    with Keys(kind, overlapping(BEDROCK, 1_900_000_000), transport=answer) as keys:

        def broken(*_: object) -> None:
            raise SecretError("broken")

        monkeypatch.setattr(type(keys.credentials), "switch", broken)
        with pytest.raises(SecretError, match="broken"):
            keys.call(BEDROCK, net=NetClass())
        assert answer.closed == 1


def test_in_a_forked_child_switching_waits_for_no_lock_of_the_parent(kind: str) -> None:
    import os

    with TokenServer() as server, Keys(kind, overlapping(server.origin, 1_900_000_000)) as keys:
        keys.credentials.look_up("main", "bearer", server.origin)
        keys.credentials._lock.acquire()
        keys.front._pid = os.getpid() - 1
        server.rejected = {"new"}
        assert keys.noted(server.origin)[0] == 200
        assert keys.front._pid == os.getpid()

"""A rotated key that is presented after the end of its overlap, more than once a call, or to another place than the new one.

Whoever rotates a key because it leaked counts on the day at which it stops being used; a provider that refuses the new key on purpose must
not be able to draw the old one out for longer, and another origin must not get it at all.

Guards: saferoute/secrets/overlap.py::return self._clock() >= self._until
Guards: saferoute/secrets/overlap.py::return replace(self, presents_previous=not self.presents_previous) if now < self.previous.until else None
Guards: saferoute/secrets/secret.py::if origin not in record.origins:
"""

from __future__ import annotations

import pytest

from saferoute.errors import OriginMismatch
from saferoute.secrets.lookup import MemorySource
from saferoute.secrets.secret import Previous, Secret, SecretRecord
from tests.drivers.test_refused_keys import Stored, presented
from tests.support.token_server import KINDS, TokenServer, Wall

END = 1_800_000_010


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def front(kind: str, *origins: str) -> tuple[Stored, Wall]:
    keys = Stored(kind, MemorySource([SecretRecord("main", Secret("new"), origins, 2, Previous(Secret("old"), END))]))
    wall = Wall()
    keys.front._wall = wall
    return keys, wall


def test_a_provider_that_refuses_the_new_key_gets_the_old_one_until_its_end_and_once_a_call(kind: str) -> None:
    with TokenServer() as server:
        server.rejected = {"new"}
        keys, wall = front(kind, server.origin)
        with keys:
            assert [keys.call(server.origin) for _ in range(2)] == [200, 200]
            assert presented(server) == ["new", "old", "old"]
            server.rejected = {"new", "old"}
            assert keys.call(server.origin) == 401
            assert presented(server)[3:] == ["old", "new"]  # one more request, whichever was first
            wall.now = END
            server.calls.clear()
            assert [keys.call(server.origin) for _ in range(2)] == [401, 401]
            assert presented(server) == ["new", "new"]


def test_the_turn_of_the_old_key_ends_without_a_refusal(kind: str) -> None:
    with TokenServer() as server:
        server.rejected = {"new"}
        keys, wall = front(kind, server.origin)
        with keys:
            assert keys.call(server.origin) == 200
            wall.now = END
            server.rejected = set()
            assert keys.call(server.origin) == 200
            assert presented(server) == ["new", "old", "new"]


def test_the_old_key_goes_where_the_new_one_may(kind: str) -> None:
    with TokenServer() as server, TokenServer() as other:
        server.rejected = {"new"}
        keys, _ = front(kind, server.origin)
        with keys:
            assert keys.call(server.origin) == 200
            with pytest.raises(OriginMismatch):
                keys.call(other.origin)
            assert other.calls == []

"""Attack: what a call was checked against is changed before its request leaves: the alias leads elsewhere, the capability ends.

A new table comes with a reload while the call is under way, or time runs out between two attempts of it.

Guards: saferoute/call/prepare.py::powers.check(now, current.revoked)
Guards: saferoute/call/prepare.py::snapshot.opened.check(now)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.errors import CapabilityExpired, TableExpired
from saferoute.testing import Answer, Ask, EmbeddedProvider, ErrorAnswer
from tests.support.both import KINDS
from tests.support.deployment import Deployment, Make, faces, refused

OTHER = '\n[aliases]\nfast = ["dear"]\n'


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture
def deployed(provider: EmbeddedProvider, tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, provider.origin)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, deployed: Deployment) -> Iterator[Make]:
    with faces(deployed, request.param) as opened:
        yield opened


def test_a_call_under_way_keeps_the_rows_that_it_was_checked_for(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    deployed.aliases = '\n[aliases]\nfast = ["cheap"]\n'
    deployed.sign()
    face = make(capability=deployed.mint())

    def answer(ask: Ask) -> Answer | ErrorAnswer:
        if ask.number > 1:
            return Answer("done")
        deployed.aliases = OTHER
        deployed.sign()
        face.client._core.shared.reload()
        return ErrorAnswer(503)

    provider.script(answer)
    reply = face.chat("fast", "hi")
    assert (reply.target, [request.body["model"] for request in provider.requests]) == ("cheap", ["small", "small"])  # type: ignore[index,call-overload]
    assert face.client._core.table.version == 3
    assert face.chat("fast", "hi").target == "dear"


def test_the_next_call_is_checked_against_what_the_alias_means_now(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face = make()
    routes, models = deployed.mint(routes="cheap"), deployed.mint(models="small")
    assert face.chat("fast", "hi", capability=routes).target == face.chat("fast", "hi", capability=models).target == "cheap"
    deployed.aliases = OTHER
    deployed.sign()
    face.wait(face.client.reload())
    assert refused(face, "fast", "hi", capability=routes) == "routes"
    assert refused(face, "fast", "hi", capability=models) == "models"
    assert len(provider.requests) == 2


def test_a_proof_that_was_made_before_the_alias_moved_allows_no_other_row(
    make: Make, deployed: Deployment, provider: EmbeddedProvider
) -> None:
    face = make()
    token = deployed.mint(routes="cheap").prove("fast", "hi", audience="team", instance=face.client.instance)
    deployed.aliases = OTHER
    deployed.sign()
    face.wait(face.client.reload())
    assert refused(face, "fast", "hi", capability=token) == "routes"
    assert provider.requests == ()


class Clock:
    """The wall clock, from where it stands, and moved by hand from then on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time()
        monkeypatch.setattr(time, "time", lambda: self.now)


def test_a_capability_that_ends_between_two_attempts(
    make: Make, deployed: Deployment, provider: EmbeddedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    face = make(capability=deployed.mint(expires_in=60, now=clock.now))

    def answer(_: Ask) -> ErrorAnswer:
        clock.now += 60
        return ErrorAnswer(503)

    provider.script(answer)
    with pytest.raises(CapabilityExpired) as caught:
        face.chat("cheap", "hi", max_attempts=3)
    assert (caught.value.code, len(provider.requests)) == ("exp", 1)
    assert [attempt.outcome for attempt in caught.value.attempts] == ["Overloaded"]


def test_a_table_that_ends_between_two_attempts(
    make: Make, deployed: Deployment, provider: EmbeddedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    face = make(capability=deployed.mint(expires_in=86_400))

    def answer(_: Ask) -> ErrorAnswer:
        clock.now -= 600
        return ErrorAnswer(503)

    provider.script(answer)
    with pytest.raises(TableExpired):
        face.chat("cheap", "hi", max_attempts=3)
    assert len(provider.requests) == 1

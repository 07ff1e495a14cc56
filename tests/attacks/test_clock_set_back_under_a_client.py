"""Attack: the clock of the machine is set back under a running client, so that what was used up, spent or over is good again.

Guards: saferoute/drivers/storage/accounts_memory.py::raise ended(account)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute import Accounts
from saferoute.errors import ConfigurationError, TableExpired
from saferoute.testing import EmbeddedProvider
from tests.support.both import KINDS
from tests.support.deployment import Deployment, Make, faces, refused


class Clock:
    """The wall clock, from where it stands, and moved by hand from then on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = float(int(time.time()))  # proofs have whole seconds
        monkeypatch.setattr(time, "time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture
def deployed(clock: Clock, provider: EmbeddedProvider, tmp_path: Path) -> Deployment:
    assert clock.now
    return Deployment(tmp_path, provider.origin)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, deployed: Deployment) -> Iterator[Make]:
    with faces(deployed, request.param) as opened:
        yield opened


def accounts_of(where: str, folder: Path) -> Accounts:
    return Accounts.sqlite(folder / "accounts.db") if where == "sqlite" else Accounts.memory()


@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_a_call_token_is_not_new_again(
    where: str, make: Make, deployed: Deployment, provider: EmbeddedProvider, clock: Clock, tmp_path: Path
) -> None:
    face = make(accounts=accounts_of(where, tmp_path))
    began = clock.now
    token = deployed.mint().prove("cheap", "hi", audience="team", instance=face.client.instance)
    face.chat("cheap", "hi", capability=token)
    assert refused(face, "cheap", "hi", capability=token) == "replayed"
    clock.now = began + 61
    assert refused(face, "cheap", "hi", capability=token) == "stale"
    for seconds in (0, 60, -29):
        clock.now = began + seconds
        assert refused(face, "cheap", "hi", capability=token) == "replayed"
    clock.now = began + 400  # by now it may be forgotten
    later = deployed.mint().prove("cheap", "hi", audience="team", instance=face.client.instance)
    assert face.chat("cheap", "hi", capability=later).finish_reason == "stop"
    clock.now = began
    assert refused(face, "cheap", "hi", capability=token) == "replayed"
    assert len(provider.requests) == 2


@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_a_budget_that_was_forgotten_does_not_begin_anew(
    where: str, make: Make, deployed: Deployment, provider: EmbeddedProvider, clock: Clock, tmp_path: Path
) -> None:
    face = make(accounts=accounts_of(where, tmp_path))
    began = clock.now
    spender, later = deployed.mint(calls=1, expires_in=600), deployed.mint(calls=5, expires_in=20_000)
    face.chat("cheap", "hi", capability=spender)
    assert refused(face, "cheap", "hi", capability=spender) == "calls"
    clock.now = began + 600 + 3_600
    assert refused(face, "cheap", "hi", capability=spender) == "exp"
    face.chat("cheap", "hi", capability=later)  # the store forgets what is over
    clock.now = began
    with pytest.raises(ConfigurationError, match="clock is wrong, was wrong, or was set back"):
        face.chat("cheap", "hi", capability=spender)
    assert len(provider.requests) == 2


def test_a_clock_before_the_table_was_signed_allows_nothing(
    make: Make, deployed: Deployment, provider: EmbeddedProvider, clock: Clock
) -> None:
    face = make(capability=deployed.mint(calls=9))
    face.chat("cheap", "hi")
    clock.now -= 301
    with pytest.raises(TableExpired, match="clock"):
        face.chat("cheap", "hi")
    assert len(provider.requests) == 1

"""Attack: an answer that reports no usage, or is never read to its end, is taken for one that cost nothing.

Leaving a stream early, a connection that is cut, a provider that leaves the counts out: each would be a free call.

Guards: saferoute/capabilities/accounts.py::return debit.amount => return 0
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saferoute.errors import SaferouteError
from saferoute.testing import Answer, EmbeddedProvider, ErrorAnswer
from saferoute.testing.faults import CutStream, Hang, Reset
from tests.support.both import KINDS, Face
from tests.support.deployment import Deployment, Make, faces

WORST = range(1_000_000, 2_000_000)
"""100 tokens of output at $10 a million, and the bytes of the request at $1."""


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


def spent(face: Face) -> int:
    """What one account says; nothing is held back any more."""
    (standing,) = face.wait(face.client.remaining())
    assert standing.reserved == 0
    return int(standing.spent)


def test_an_answer_without_usage_costs_its_worst_case(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    provider.script([Answer("hello", usage="none")])
    face = make(capability=deployed.mint(budget="$1"))
    assert face.chat("cheap", "hi", max_output_tokens=100).cost is None
    assert spent(face) in WORST


def test_a_stream_that_is_left_early_costs_its_worst_case(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    provider.script([Answer("many words that nobody reads to the end")])
    face = make(capability=deployed.mint(budget="$1"))
    face.stream("cheap", "hi", take=1, max_output_tokens=100)
    assert spent(face) in WORST


@pytest.mark.parametrize(
    "step", [Answer("some words", fault=CutStream(2)), CutStream(2, how="clean"), Reset(), Hang(), ErrorAnswer(500)], ids=repr
)
def test_what_broke_after_it_was_sent_costs_its_worst_case(step: Any, make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    provider.script([step])
    face = make(capability=deployed.mint(budget="$1"))
    with pytest.raises(SaferouteError):
        face.stream("cheap", "hi", max_attempts=1, max_output_tokens=100, timeout=2)
    assert spent(face) in WORST


@pytest.mark.parametrize("status", [400, 401, 429, 503])
def test_only_what_was_refused_costs_nothing(status: int, make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    provider.script([ErrorAnswer(status)])
    face = make(capability=deployed.mint(budget="$1"))
    with pytest.raises(SaferouteError):
        face.chat("cheap", "hi", max_attempts=1, max_output_tokens=100)
    assert spent(face) == 0

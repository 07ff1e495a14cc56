"""Attack: retries and fallbacks are not counted, so that a provider that fails, or a caller that wants many attempts, spends more than the budget.

Guards: saferoute/call/tries.py::return (yield from charged(charge, target, progress, attempt(call, target, progress, total, deadline)))
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.errors import BudgetExceeded, RateLimited, StreamInterrupted
from saferoute.testing import Answer, EmbeddedProvider, ErrorAnswer
from saferoute.testing.faults import CutStream
from tests.support.both import KINDS
from tests.support.deployment import Deployment, Make, faces, refused


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


def test_every_attempt_is_a_call(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    provider.script([ErrorAnswer(500)] * 5)
    with pytest.raises(BudgetExceeded) as caught:
        make(capability=deployed.mint(calls=2)).chat("fast", "hi", max_attempts=5)
    assert (caught.value.code, len(provider.requests)) == ("calls", 2)
    assert [attempt.target for attempt in caught.value.attempts] == ["cheap", "dear"]


def test_every_attempt_holds_its_own_worst_case_back(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    deployed.aliases = '\n[aliases]\nfast = ["cheap"]\n'
    deployed.sign()
    provider.script([ErrorAnswer(500)] * 5)
    face = make(capability=deployed.mint(budget="$0.0025"))  # 100 tokens of output may cost $0.001, and the input a little
    with pytest.raises(BudgetExceeded) as caught:
        face.chat("fast", "hi", max_attempts=5, max_output_tokens=100)
    assert (caught.value.code, len(provider.requests)) == ("budget", 2)
    assert (caught.value.spent or 0) >= 2 * 1_000_000
    assert refused(face, "fast", "hi", max_output_tokens=100) == "budget"


def test_a_stream_that_breaks_off_costs_its_worst_case(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    provider.script([Answer("some words and more of them", fault=CutStream(2))])
    face = make(capability=deployed.mint(budget="$0.0025"))
    with pytest.raises(StreamInterrupted):
        face.stream("cheap", "hi", max_attempts=1, max_output_tokens=100)
    (standing,) = face.wait(face.client.remaining())
    assert standing.reserved == 0
    assert 1_000_000 <= standing.spent < 2_000_000


@pytest.mark.parametrize(("asked", "sent"), [(None, 2), (1, 1), (2, 2), (5, 2), (100, 2)])
def test_a_call_sends_no_more_requests_than_the_signed_table_allows(
    asked: int | None, sent: int, make: Make, deployed: Deployment, provider: EmbeddedProvider
) -> None:
    deployed.aliases = '\n[aliases.fast]\ntargets = ["cheap"]\nmax_attempts = 2\n'
    deployed.sign()
    provider.script([ErrorAnswer(429, headers={"retry-after": "0"})], then="repeat")
    options = {} if asked is None else {"max_attempts": asked}
    with pytest.raises(RateLimited) as caught:
        make(capability=deployed.mint()).chat("fast", "hi", timeout=30, **options)
    assert (len(provider.requests), len(caught.value.attempts)) == (sent, sent)

"""Attack: an answer costs more than its worst case was said to be, and what is over the top is never counted.

A provider bills hidden thinking, or more output than the bound that was sent. What it reports is settled in full, over the limit if need
be, and from then on the account has nothing left.

Guards: saferoute/capabilities/accounts.py::return min(cost.amount, MAX_AMOUNT)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute import Accounts
from saferoute.testing import Answer, EmbeddedProvider
from saferoute.values.usage import Usage
from tests.support.both import KINDS
from tests.support.deployment import Deployment, Make, faces, refused

OVER = Usage(input_tokens=10, output_tokens=900)
"""With a bound of 100 tokens of output: $0.00901 in place of about $0.001."""

COST = 10 * 1_000 + 900 * 10_000


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        running.script([Answer("much", usage=OVER)], then="repeat")
        yield running


@pytest.fixture
def deployed(provider: EmbeddedProvider, tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, provider.origin)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, deployed: Deployment) -> Iterator[Make]:
    with faces(deployed, request.param) as opened:
        yield opened


@pytest.mark.parametrize("where", ["memory", "sqlite"])
@pytest.mark.parametrize("how", ["chat", "stream"])
def test_what_runs_over_is_counted_in_full_and_then_denied(
    how: str, where: str, make: Make, deployed: Deployment, provider: EmbeddedProvider, tmp_path: Path
) -> None:
    accounts = Accounts.sqlite(tmp_path / "accounts.db") if where == "sqlite" else Accounts.memory()
    face = make(capability=deployed.mint(budget="$0.005"), accounts=accounts)
    if how == "chat":
        face.chat("cheap", "hi", max_output_tokens=100)
    else:
        assert face.stream("cheap", "hi", max_output_tokens=100)[-1].type == "finished"
    (standing,) = face.wait(face.client.remaining())
    assert (standing.limit, standing.spent, standing.reserved, standing.left) == (5_000_000, COST, 0, 0)
    assert refused(face, "cheap", "hi", max_output_tokens=1) == "budget"
    assert len(provider.requests) == 1


def test_a_siblings_overrun_is_its_parents_too(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face = make()
    parent = deployed.mint(budget="$0.005")
    face.chat("cheap", "hi", max_output_tokens=100, capability=parent.attenuate(budget="$0.004"))
    assert refused(face, "cheap", "hi", max_output_tokens=1, capability=parent.attenuate(budget="$0.005")) == "budget"
    assert len(provider.requests) == 1

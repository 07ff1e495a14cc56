"""Attack: a service that holds a mighty capability is asked through its client to do what a weak caller may not.

The caller's token comes with the request; a deputy that is confused checks the token and then acts with its own might.

Guards: saferoute/call/authority.py::permissions = (*[one.permission for one in held], proved.presented, *self.narrowed)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute import Accounts
from saferoute.testing import EmbeddedProvider
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


def test_the_services_own_might_is_not_lent(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    service = make(capability=deployed.mint())
    weak = deployed.mint(models="small", max_output_tokens=10)
    here = {"audience": "team", "instance": service.client.instance}
    assert refused(service, "dear", "hi", capability=weak.prove("dear", "hi", **here)) == "models"
    more = weak.prove("cheap", "hi", max_output_tokens=11, **here)
    assert refused(service, "cheap", "hi", capability=more, max_output_tokens=11) == "max_output"
    assert refused(service, "dear", "hi", capability=weak) == "models"
    assert provider.requests == ()
    assert service.chat("cheap", "hi", capability=weak.prove("cheap", "hi", **here)).target == "cheap"


def test_nor_does_a_caller_lend_the_service_more_than_it_has(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    service = make(capability=deployed.mint(models="small"))
    strong = deployed.mint()
    token = strong.prove("dear", "hi", audience="team", instance=service.client.instance)
    assert refused(service, "dear", "hi", capability=token) == "models"
    assert provider.requests == ()


def test_one_callers_proof_does_not_go_with_anothers_chain(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    service = make()
    weak, strong = deployed.mint(models="small"), deployed.mint()
    proof = weak.prove("dear", "hi", audience="team", instance=service.client.instance).rpartition("~")[2]
    assert refused(service, "dear", "hi", capability=f"{strong.chain}~{proof}") == "proof"
    assert provider.requests == ()


def test_a_callers_proof_is_for_its_own_request_only(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    service = make(capability=deployed.mint())
    token = deployed.mint().prove("cheap", "hi", audience="team", instance=service.client.instance)
    for route, words in (("dear", "hi"), ("fast", "hi"), ("cheap", "ho")):
        assert refused(service, route, words, capability=token) == "asked"
    assert provider.requests == ()


def test_the_callers_budget_is_charged_and_not_only_the_services(make: Make, deployed: Deployment, tmp_path: Path) -> None:
    service = make(capability=deployed.mint(calls=10))
    weak = deployed.mint(calls=1)
    service.chat("cheap", "hi", capability=weak)
    assert refused(service, "cheap", "hi", capability=weak) == "calls"
    (own,) = service.wait(service.client.remaining())
    assert (own.spent, own.limit) == (1, 10)
    shared = make(accounts=Accounts.sqlite(tmp_path / "accounts.db"), capability=deployed.mint())
    spender = deployed.mint(scope=None, calls=1)
    shared.chat("cheap", "hi", capability=spender.prove("cheap", "hi", audience="team"))
    assert refused(shared, "cheap", "hi", capability=spender.prove("cheap", "hi", audience="team")) == "calls"

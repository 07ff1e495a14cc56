"""Attack: a call that a caveat forbids is made with the capability that holds the caveat.

Every case goes through a client, under both drivers, and nothing may reach the provider.

Guards: saferoute/capabilities/authorise.py::if permission.audience is not None and asked.audience not in permission.audience:
Guards: saferoute/capabilities/authorise.py::if permission.operations is not None and asked.operation not in permission.operations:
Guards: saferoute/capabilities/authorise.py::if permission.purposes is not None and asked.purpose not in permission.purposes:
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.capabilities.authorise import Asked, authorise
from saferoute.errors import CapabilityForbidden, InvalidMessages
from saferoute.testing import EmbeddedProvider
from saferoute.values.permission import Budget, Cost, Permission
from saferoute.values.target import Prices
from tests.support.both import KINDS, Face
from tests.support.deployment import Deployment, Make, faces, part_of, refused
from tests.support.scripted import target

WEATHER = saferoute.Tool.from_schema("weather", {"type": "object"})
SHELL = saferoute.Tool.from_schema("shell", {"type": "object"})


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


@pytest.fixture
def face(make: Make) -> Face:
    return make()


@pytest.fixture(autouse=True)
def nothing_is_sent(provider: EmbeddedProvider) -> Iterator[None]:
    """A test that makes an allowed call as well names it "ok"."""
    yield
    assert [asked.body["messages"][-1]["content"] for asked in provider.requests if asked.body["messages"][-1]["content"] != "ok"] == []  # type: ignore[index,call-overload]


def denied(permission: Permission, asked: Asked, **row: Any) -> str:
    """The code with which a permission refuses a call at one row."""
    with pytest.raises(CapabilityForbidden) as caught:
        authorise((permission,), asked, (target("a", data="restricted", **row),), trust="production")
    return caught.value.code


def test_an_audience_outside(face: Face, deployed: Deployment) -> None:
    assert refused(face, "cheap", "hi", capability=deployed.mint(audience=["other", "teams"])) == "aud"
    assert face.chat("cheap", "ok", capability=deployed.mint(audience=["other", "team"])).finish_reason == "stop"


def test_an_operation_outside(face: Face, deployed: Deployment) -> None:
    assert refused(face, "cheap", "hi", capability=deployed.mint(operations="embed")) == "operation"
    with pytest.raises(CapabilityForbidden) as caught:
        face.wait(face.client.embed("cheap", ["hi"], capability=deployed.mint(operations="chat")))
    assert caught.value.code == "operation"


def test_a_route_outside_also_behind_an_alias(face: Face, deployed: Deployment) -> None:
    assert refused(face, "cheap", "hi", capability=deployed.mint(routes="dear")) == "routes"
    assert refused(face, "fast", "hi", capability=deployed.mint(routes="fast")) == "routes"  # an alias is no row: the next table moves it
    assert refused(face, "fast", "hi", capability=deployed.mint(routes="unpriced")) == "routes"
    assert face.chat("fast", "ok", capability=deployed.mint(routes="dear")).target == "dear"


def test_a_model_outside(face: Face, deployed: Deployment) -> None:
    assert refused(face, "dear", "hi", capability=deployed.mint(models="small")) == "models"


def test_a_provider_outside(face: Face, deployed: Deployment) -> None:
    assert refused(face, "cheap", "hi", capability=deployed.mint(providers="other")) == "providers"


def test_a_region_outside(face: Face, deployed: Deployment) -> None:
    assert refused(face, "dear", "hi", capability=deployed.mint(regions="eu")) == "regions"
    assert face.chat("cheap", "ok", capability=deployed.mint(regions="eu")).finish_reason == "stop"


def test_a_region_that_is_not_known_is_outside() -> None:
    assert denied(Permission("c", regions=frozenset({"eu"})), Asked("a"), region=None) == "regions"


def test_a_purpose_outside_or_not_said(face: Face, deployed: Deployment) -> None:
    support = deployed.mint(purpose="support")
    assert refused(face, "cheap", "hi", capability=support) == "purpose"
    assert refused(part_of(face, purpose="sales"), "cheap", "hi", capability=support) == "purpose"
    assert part_of(face, purpose="support").chat("cheap", "ok", capability=support).finish_reason == "stop"


def test_a_tool_outside(face: Face, deployed: Deployment) -> None:
    weather = deployed.mint(tools="weather")
    assert refused(face, "cheap", "hi", capability=weather, tools=[SHELL]) == "tools"
    assert refused(face, "cheap", "hi", capability=weather, tools=[WEATHER, SHELL]) == "tools"
    assert refused(face, "cheap", "hi", capability=deployed.mint(tools=[]), tools=[WEATHER]) == "tools"
    assert face.chat("cheap", "ok", capability=weather, tools=[WEATHER]).finish_reason is not None


def test_a_tool_choice_outside(face: Face, deployed: Deployment) -> None:
    with pytest.raises(InvalidMessages, match="names the tool 'shell', which is not among tools"):
        face.chat("cheap", "hi", capability=deployed.mint(tools=["weather"]), tools=[WEATHER], tool_choice="shell")
    assert refused(face, "cheap", "hi", capability=deployed.mint(tools=["weather"]), tools=[SHELL], tool_choice="shell") == "tools"


def test_a_tool_that_the_provider_runs(face: Face, deployed: Deployment) -> None:
    options: dict[str, dict[str, Any]] = {"demo": {"web_search_options": {}}}
    assert refused(face, "cheap", "hi", capability=deployed.mint(tools=["weather"]), provider_options=options) == "tools"
    assert refused(face, "cheap", "hi", capability=deployed.mint(tools=[]), provider_options=options) == "tools"


def test_a_guard_that_is_not_active(face: Face, deployed: Deployment) -> None:
    guarded = deployed.mint(guards="house-rules")
    assert refused(face, "cheap", "hi", capability=guarded) == "guards"
    assert refused(face, "cheap", "hi", capability=guarded.attenuate(max_output_tokens=5)) == "guards"
    assert refused(face, "cheap", "hi", capability=deployed.mint().attenuate(guards="dlp")) == "guards"


def test_a_data_label_above(face: Face, deployed: Deployment) -> None:
    assert refused(face, "cheap", "hi", capability=deployed.mint(data="public"), data="internal") == "data"
    assert refused(face, "cheap", "hi", capability=deployed.mint(data="restricted"), data="confidential") == "data"  # the row takes less
    assert face.chat("cheap", "ok", capability=deployed.mint(data="internal"), data="internal").finish_reason == "stop"


def test_unlabelled_data_counts_as_restricted(make: Make, deployed: Deployment) -> None:
    bare = make(data=None)
    assert refused(bare, "cheap", "hi", capability=deployed.mint()) == "data"
    assert refused(bare, "cheap", "hi", capability=deployed.mint(data="restricted")) == "data"
    assert refused(bare, "cheap", "hi", capability=deployed.mint(data="internal")) == "data"
    assert bare.chat("cheap", "ok", capability=deployed.mint(data="internal"), data="public").finish_reason == "stop"


def test_more_output_than_the_bound(face: Face, deployed: Deployment) -> None:
    bounded = deployed.mint(max_output_tokens=10)
    assert refused(face, "cheap", "hi", capability=bounded, max_output_tokens=11) == "max_output"
    assert face.chat("cheap", "ok", capability=bounded, max_output_tokens=10).finish_reason is not None


def test_several_answers_count_as_their_sum(face: Face, deployed: Deployment) -> None:
    assert refused(face, "cheap", "hi", capability=deployed.mint(max_output_tokens=10), max_output_tokens=6, n=2) == "max_output"


def test_more_input_than_the_bound(face: Face, deployed: Deployment) -> None:
    assert refused(face, "cheap", "hi" * 200, capability=deployed.mint(max_input_tokens=300)) == "max_input"


def test_a_call_that_may_cost_more_than_the_bound(face: Face, deployed: Deployment) -> None:
    assert refused(face, "dear", "hi", capability=deployed.mint(max_cost="$0.01"), max_output_tokens=100) == "max_cost"
    assert face.chat("cheap", "ok", capability=deployed.mint(max_cost="$0.01"), max_output_tokens=100).finish_reason == "stop"


def test_a_missing_output_bound_counts_as_unbounded() -> None:
    assert denied(Permission("c", max_output=10**9), Asked("a", max_output=None)) == "max_output"


def test_a_missing_input_size_counts_as_unbounded(face: Face, deployed: Deployment) -> None:
    assert denied(Permission("c", max_input=10**9), Asked("a", input_bytes=None)) == "max_input"
    assert denied(Permission("c", max_input=10**9), Asked("a", input_bytes=1, by_reference=True)) == "max_input"
    picture = saferoute.Image(url="https://pictures.example/x.png")
    message = saferoute.Message("user", (saferoute.Text("hi"), picture))
    assert refused(face, "cheap", [message], capability=deployed.mint(max_input_tokens=10**9)) == "max_input"


def test_a_missing_price_or_bound_counts_as_unbounded(face: Face, deployed: Deployment) -> None:
    assert refused(face, "unpriced", "hi", capability=deployed.mint(max_cost="$1000"), max_output_tokens=1) == "max_cost"
    priced = {"prices": Prices("USD", input=1, output=1), "max_output": None, "default_max_output": None}
    asked = Asked("a", input_bytes=1, max_output=None)
    assert denied(Permission("c", max_cost=Cost(10**15)), asked, **priced) == "max_cost"
    assert denied(Permission("c", max_cost=Cost(10**15, "EUR")), Asked("a", input_bytes=1, max_output=1), **priced) == "max_cost"


def test_a_budget_without_a_known_worst_case_allows_nothing(face: Face, deployed: Deployment) -> None:
    assert refused(face, "unpriced", "hi", capability=deployed.mint(budget="$1000"), max_output_tokens=1) == "budget"
    assert denied(Permission("c", budgets=(Budget("k", 10**15),)), Asked("a", input_bytes=1, max_output=1)) == "budget"


def test_a_stream_where_none_may_be(face: Face, deployed: Deployment) -> None:
    with pytest.raises(CapabilityForbidden) as caught:
        face.stream("cheap", "hi", capability=deployed.mint(stream=False))
    assert caught.value.code == "stream"


def test_an_older_table_than_is_needed(face: Face, deployed: Deployment) -> None:
    assert refused(face, "cheap", "hi", capability=deployed.mint(table_min=2)) == "table_min"
    assert face.chat("cheap", "ok", capability=deployed.mint(table_min=1)).finish_reason == "stop"


def test_another_request_than_the_bound_one(face: Face, deployed: Deployment) -> None:
    assert refused(face, "cheap", "hi", capability=deployed.mint(requests="ab" * 32)) == "req"


def test_a_store_that_counts_too_narrowly(face: Face, deployed: Deployment) -> None:
    for changes in ({"scope": "host"}, {"scope": "cluster"}, {"scope": None, "calls": 5}, {"scope": None, "budget": "$1"}):
        assert refused(face, "cheap", "hi", capability=deployed.mint(**changes), max_output_tokens=1) == "scope"

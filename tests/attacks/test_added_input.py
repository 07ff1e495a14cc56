"""Many small calls with tools pass a budget: each is billed for more input than it sends, which no worst case held back.

Providers explain tools, and the schema of an answer, to the model in words of their own, which count as input: Anthropic's documentation
gives 346 tokens for some models. Nor is reading from a cache always the cheaper price: what a row says counts.

Guards: saferoute/call/prepare.py::if request.tools or request.output is not None:
Guards: saferoute/values/cost.py::dearest = max(rates.input, rates.cache_read or 0, rates.cache_write_5m or 0, rates.cache_write_1h or 0) => dearest = max(rates.input, rates.cache_write_5m or 0, rates.cache_write_1h or 0)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saferoute.call.flow import Call
from saferoute.capabilities.authorise import worst_case
from saferoute.errors import CapabilityForbidden
from saferoute.values.target import Prices
from tests.drivers.test_capabilities_client import Deployment
from tests.support.both import Face
from tests.support.scripted import target

TOOL = {"name": "a", "parameters": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


@pytest.fixture
def face(tmp_path: Path) -> Iterator[tuple[Deployment, Face]]:
    deployed = Deployment(tmp_path, "http://127.0.0.1:9")
    with deployed.client("blocking") as made:
        yield deployed, made


def prepared(face: tuple[Deployment, Face], output: Any = None, **options: Any) -> tuple[Call, int]:
    """A prepared call that is counted, and the size of its body."""
    deployed, made = face
    options = {"capability": deployed.mint(budget="$1"), "max_output_tokens": 1, **options}
    call: Call = made.client._core.call("cheap", "hi", output, None, options, stream=False)
    return call, len(call.codec("openai_chat").encode(call.request, call.targets[0]).request.body)


@pytest.mark.parametrize(
    ("options", "added"), [({}, 0), ({"tools": [TOOL]}, 512), ({"output": SCHEMA}, 512), ({"tools": [TOOL], "output": SCHEMA}, 512)]
)
def test_what_providers_add_is_held_back(face: tuple[Deployment, Face], options: dict[str, Any], added: int) -> None:
    call, body = prepared(face, **options)
    (row,) = call.targets
    assert call.charge is not None
    assert row.prices is not None
    assert row.prices.input is not None
    assert row.prices.output is not None
    assert call.charge.worst[row.id].amount == (body + added) * row.prices.input + row.prices.output


def test_what_providers_add_counts_against_a_bound_of_the_input(face: tuple[Deployment, Face]) -> None:
    deployed, _ = face
    prepared(face, capability=deployed.mint(max_input_tokens=500))
    with pytest.raises(CapabilityForbidden) as refused:
        prepared(face, capability=deployed.mint(max_input_tokens=500), tools=[TOOL])
    assert refused.value.code == "max_input"


@pytest.mark.parametrize("name", ["input", "cache_read", "cache_write_5m", "cache_write_1h"])
def test_the_dearest_price_of_the_input_is_held_back(name: str) -> None:
    prices = Prices(**{"input": 1, "output": 0, name: 7})  # type: ignore[arg-type]  # a price's name
    assert worst_case(target(prices=prices), input_bytes=10, max_output=0) == 70

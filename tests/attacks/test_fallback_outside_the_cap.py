"""Attack: the row that a capability allows is made to fail, so that the call falls back to one that it does not allow.

Whoever can slow a provider down, or make it refuse, would choose where the prompt goes next.

Guards: saferoute/capabilities/authorise.py::refusal = _place_refusal(permission, asked.route, target)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saferoute.errors import ProviderError
from saferoute.testing import EmbeddedProvider, ErrorAnswer
from tests.support.both import KINDS
from tests.support.deployment import Deployment, Make, faces, part_of


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider([ErrorAnswer(429)], strict=True) as running:
        running.script(lambda ask: ErrorAnswer(429) if ask.model == "small" else ErrorAnswer(500))
        yield running


@pytest.fixture
def deployed(provider: EmbeddedProvider, tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, provider.origin)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, deployed: Deployment) -> Iterator[Make]:
    with faces(deployed, request.param) as opened:
        yield opened


def asked(provider: EmbeddedProvider) -> set[str]:
    """The models that requests named."""
    return {str(request.body["model"]) for request in provider.requests}  # type: ignore[index,call-overload]


def fails(face: Any, **options: Any) -> None:
    with pytest.raises(ProviderError):
        face.chat("fast", "hi", **{"max_attempts": 2, "timeout": 20, **options})


CAVEATS: dict[str, dict[str, Any]] = {
    "models": {"models": "small"},
    "routes": {"routes": ["cheap", "unpriced"]},
    "regions": {"regions": "eu"},
    "max_cost": {"max_cost": "$0.01"},
}


@pytest.mark.parametrize("caveat", CAVEATS)
def test_no_fallback_leaves_what_the_capability_allows(caveat: str, make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    fails(make(), capability=deployed.mint(), max_output_tokens=100)
    assert asked(provider) == {"small", "large"}  # without the caveat it falls back
    before = len(provider.requests)
    fails(make(), capability=deployed.mint(**CAVEATS[caveat]), max_output_tokens=100)  # another client: it knows of no rest
    assert {str(one.body["model"]) for one in provider.requests[before:]} == {"small"}  # type: ignore[index,call-overload]


def test_no_fallback_takes_data_above_the_rows_ceiling(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    fails(make(), capability=deployed.mint(), data="internal")
    assert asked(provider) == {"small"}


def test_no_fallback_leaves_a_narrowed_part(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    part = part_of(make(capability=deployed.mint()), deployed.mint(models="small"))
    fails(part)
    assert asked(provider) == {"small"}

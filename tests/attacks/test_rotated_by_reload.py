"""Attack: the root was rotated to shut an issuer out, and a client that verified its tokens before takes them on.

CVE-2026-6550 was a cache of verified messages that passed over the policy on a hit.

Guards: saferoute/client/core.py::if self._snapshot.opened is not shared.opened or self._snapshot.plain.health is not shared.health_here():
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute import Issuer
from saferoute.errors import CapabilityInvalid, RoutingError
from saferoute.testing import EmbeddedProvider
from tests.support.both import KINDS
from tests.support.deployment import Deployment, Make, faces, part_of, refused


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


def test_an_issuer_that_is_gone_is_gone(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face, capability = make(), deployed.mint()
    part = part_of(face, capability)
    token = capability.prove("cheap", "hi", audience="team", instance=face.client.instance)
    face.chat("cheap", "hi", capability=capability)
    deployed.rotate()
    face.wait(face.client.reload())
    for given in (capability, token, capability.attenuate()):
        assert refused(face, "cheap", "hi", capability=given) == "issuer"
    assert refused(part, "cheap", "hi") == "issuer"
    assert len(provider.requests) == 1


def test_an_issuers_old_key_is_gone(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face, capability = make(), deployed.mint()
    face.chat("cheap", "hi", capability=capability)
    deployed.rotate(deployed.named(keys=[Issuer.generate("billing-issuer").public_key]))
    face.wait(face.client.reload())
    assert refused(face, "cheap", "hi", capability=capability) == "signature"
    assert len(provider.requests) == 1


def test_a_lower_ceiling_holds_at_once(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face, capability = make(), deployed.mint()
    part = part_of(face, capability)
    face.chat("dear", "hi", capability=capability)
    deployed.rotate(deployed.named(ceiling={"models": ["small"]}))
    face.wait(face.client.reload())
    assert refused(face, "dear", "hi", capability=capability) == "models"
    assert refused(part, "dear", "hi") == "models"
    assert face.chat("cheap", "hi", capability=capability).finish_reason == "stop"
    deployed.rotate(deployed.named(max_life=60))
    face.wait(face.client.reload())
    assert refused(face, "cheap", "hi", capability=capability) == "life"


def test_what_was_signed_before_the_rotation_is_not_taken_back(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face, capability = make(), deployed.mint()
    before = {name: (deployed.folder / name).read_bytes() for name in ("routes.json", "revoked.json")}
    deployed.rotate()
    face.wait(face.client.reload())
    for name, data in before.items():
        (deployed.folder / name).write_bytes(data)
    with pytest.raises(RoutingError):
        face.wait(face.client.reload())
    (deployed.folder / "roots" / "2.json").unlink()  # the root that was rotated away is all there again
    with pytest.raises(RoutingError):
        face.wait(face.client.reload())
    assert refused(face, "cheap", "hi", capability=capability) == "issuer"
    with pytest.raises((RoutingError, CapabilityInvalid)):
        make(capability=capability)
    assert provider.requests == ()

"""Attack: a capability that was revoked is used on by a client that verified it before.

A process runs for weeks. What it was told by `client.reload()` holds for everything that it holds, and an old list does not undo it.

Guards: saferoute/call/authority.py::powers.check(now)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from saferoute import Capability
from saferoute.errors import CapabilityInvalid, TableRollback
from saferoute.testing import EmbeddedProvider
from tests.support.both import KINDS, Face
from tests.support.deployment import Deployment, Make, faces, part_of, refused
from tests.support.token_cases import unpacked


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture(params=["revocations", "status"])
def deployed(request: pytest.FixtureRequest, provider: EmbeddedProvider, tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, provider.origin, status=request.param == "status")


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, deployed: Deployment) -> Iterator[Make]:
    with faces(deployed, request.param) as opened:
        yield opened


def the_digest(capability: Capability) -> str:
    return capability.digest


def the_id(capability: Capability) -> str:
    data = unpacked(capability.chain.split(".")[1])
    return str(json.loads(data[4 : 4 + int.from_bytes(data[:4], "big")])["jti"])


def reload(face: Face, deployed: Deployment, *revoked: str) -> None:
    deployed.revoke(*revoked)
    face.wait(face.client.reload())


@pytest.mark.parametrize("name", [the_digest, the_id])
def test_what_was_verified_before_is_refused_at_once(
    name: Callable[[Capability], str], make: Make, deployed: Deployment, provider: EmbeddedProvider
) -> None:
    face, capability, other = make(), deployed.mint(), deployed.mint()
    child = capability.attenuate(models="small")
    part = part_of(face, capability)
    token = capability.prove("cheap", "hi", audience="team", instance=face.client.instance)
    for held in (capability, child, other):
        face.chat("cheap", "hi", capability=held)
    part.chat("cheap", "hi")
    reload(face, deployed, name(capability))
    for given in (capability, child, token):
        assert refused(face, "cheap", "hi", capability=given) == "revoked"
    assert refused(part, "cheap", "hi") == "revoked"
    assert len(provider.requests) == 4
    assert face.chat("cheap", "hi", capability=other).finish_reason == "stop"


def test_a_child_is_revoked_alone(make: Make, deployed: Deployment) -> None:
    face, capability = make(), deployed.mint()
    child, sibling = capability.attenuate(models="small"), capability.attenuate(models="large")
    reload(face, deployed, child.digest)
    assert refused(face, "cheap", "hi", capability=child) == "revoked"
    assert refused(face, "cheap", "hi", capability=child.attenuate()) == "revoked"
    assert face.chat("dear", "hi", capability=sibling).finish_reason == "stop"
    assert face.chat("cheap", "hi", capability=capability).finish_reason == "stop"


def test_an_old_list_does_not_undo_it(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face, capability = make(), deployed.mint()
    file = deployed.folder / "revoked.json"
    old = file.read_bytes()
    reload(face, deployed, capability.digest)
    file.write_bytes(old)
    with pytest.raises(TableRollback, match="version 2 was accepted here before"):
        face.wait(face.client.reload())
    assert refused(face, "cheap", "hi", capability=capability) == "revoked"
    with pytest.raises(TableRollback):  # nor in the next process
        make()
    assert provider.requests == ()


def test_a_client_does_not_begin_with_a_revoked_capability(make: Make, deployed: Deployment) -> None:
    capability = deployed.mint()
    deployed.revoke(capability.digest)
    with pytest.raises(CapabilityInvalid) as caught:
        make(capability=capability)
    assert caught.value.code == "revoked"

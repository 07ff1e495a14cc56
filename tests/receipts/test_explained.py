"""`client.explain(receipt)`: what became of a call, from the client's own ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import saferoute
from saferoute.errors import CapabilityForbidden, ConfigurationError, GuardBlocked, RequestError
from saferoute.guards import Action
from tests.requirements.conftest import Way
from tests.support.both import Face
from tests.support.counting_server import CountingServer, fails, says
from tests.support.guarded import Words

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]


@pytest.mark.parametrize("where", ["memory", "directory"])
def test_a_call_with_a_fallback_is_told(four_ways: Way, serve: Serve, opened: Opened, tmp_path: Path, where: str) -> None:
    ledger = "memory" if where == "memory" else saferoute.Ledger.directory(tmp_path / "audit")
    face = opened(four_ways.kind, serve(fails(503)), serve(says("ok")), ledger=ledger)
    reply = four_ways.ask(face, "both")
    assert reply.receipt is not None
    told = face.client.explain(reply.receipt)
    assert told == face.client.explain(reply.receipt.id)
    for words in ('asked for "both"', "row", "row2", "alpha", "beta", "503", "version 1"):
        assert words in told
    assert told.index("503") < told.rindex("beta")


def test_a_refused_call_is_told(four_ways: Way, serve: Serve, opened: Opened) -> None:
    face = opened(four_ways.kind, serve(says("never")), guards=[Words("falcon", action=Action.BLOCK)])
    with pytest.raises(GuardBlocked) as caught:
        four_ways.ask(face, messages="a falcon")
    assert isinstance(caught.value.receipt, saferoute.values.receipt.Receipt)
    told = face.client.explain(caught.value.receipt)
    assert "GuardBlocked" in told
    assert "words" in told
    assert "falcon" not in told


@pytest.mark.parametrize("wrong", ["", "nothing", 7, None, "0" * 32, "x" * 32 + ":1"])
def test_what_is_no_receipt_is_refused(kind: str, serve: Serve, opened: Opened, wrong: object) -> None:
    face = opened(kind, serve(says("ok")))
    with pytest.raises(RequestError, match=r"explain takes reply\.receipt"):
        face.client.explain(wrong)


def test_a_record_of_another_ledger_is_not_here(kind: str, serve: Serve, opened: Opened) -> None:
    face, other = opened(kind, serve(says("ok"))), opened(kind, serve(says("ok")))
    with pytest.raises(ConfigurationError, match="does not hold"):
        face.client.explain(other.chat("row", "hi").receipt)
    with pytest.raises(ConfigurationError, match="has no ledger"):
        opened(kind, serve(says("ok")), ledger=None).client.explain("0" * 32 + ":1")


def test_a_part_is_told_of_its_own_calls_only(kind: str, serve: Serve) -> None:
    server, issuer = serve(says("ok")), saferoute.Issuer.generate("desk")
    local = saferoute.loopback("demo", port=server.port, path="/v1")
    with Face(kind, lambda client: client.local(servers=[local], secrets=saferoute.Secrets.of({}), issuers=[issuer])) as face:
        mine, other = (
            saferoute.Capability.mint(issuer, audience="local", expires_in=600, models=["m"], providers=["demo"], max_output_tokens=50)
            for _ in range(2)
        )
        part = face.client.using(mine)
        own, foreign = (face.wait(face.client.using(one).chat("demo/m", "hi")).receipt for one in (mine, other))
        assert "demo" in part.explain(own)
        with pytest.raises(CapabilityForbidden):
            part.explain(foreign)
        with pytest.raises(CapabilityForbidden):
            face.client.using(tags={"a": "b"}).explain(own)
        assert "demo" in face.client.explain(foreign)

"""`client.explain(receipt)`: what became of a call, from the client's own ledger."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.errors import CapabilityForbidden, ConfigurationError, GuardBlocked, LedgerError, LedgerWarning, RequestError
from saferoute.guards import Action
from tests.receipts.conftest import with_two_capabilities
from tests.requirements.conftest import Deployed, Way, row
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
    told = face.wait(face.client.explain(reply.receipt))
    assert told == face.wait(face.client.explain(reply.receipt.id))
    for words in ('asked for "both"', "row", "row2", "alpha", "beta", "503", "version 1"):
        assert words in told
    assert told.index("503") < told.rindex("beta")


def test_a_refused_call_is_told(four_ways: Way, serve: Serve, opened: Opened) -> None:
    face = opened(four_ways.kind, serve(says("never")), guards=[Words("falcon", action=Action.BLOCK)])
    with pytest.raises(GuardBlocked) as caught:
        four_ways.ask(face, messages="a falcon")
    assert isinstance(caught.value.receipt, saferoute.values.receipt.Receipt)
    told = face.wait(face.client.explain(caught.value.receipt))
    assert "GuardBlocked" in told
    assert "words" in told
    assert "falcon" not in told


@pytest.mark.parametrize("wrong", ["", "nothing", 7, None, "0" * 32, "x" * 32 + ":1"])
def test_what_is_no_receipt_is_refused(kind: str, serve: Serve, opened: Opened, wrong: object) -> None:
    face = opened(kind, serve(says("ok")))
    with pytest.raises(RequestError, match=r"explain takes reply\.receipt"):
        face.wait(face.client.explain(wrong))


def test_a_record_of_another_ledger_is_not_here(kind: str, serve: Serve, opened: Opened) -> None:
    face, other = opened(kind, serve(says("ok"))), opened(kind, serve(says("ok")))
    with pytest.raises(ConfigurationError, match="does not hold"):
        face.wait(face.client.explain(other.chat("row", "hi").receipt))
    without = opened(kind, serve(says("ok")), ledger=None)
    with pytest.raises(ConfigurationError, match="has no ledger"):
        without.wait(without.client.explain("0" * 32 + ":1"))


def test_the_ledger_is_read_beside_the_event_loop(serve: Serve, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    face = opened("asyncio", serve(says("ok")))
    receipt, read, readers = face.chat("row", "hi").receipt, saferoute.Ledger.read, []

    def noted(ledger: saferoute.Ledger) -> Mapping[str, bytes]:
        readers.append(threading.current_thread())
        return read(ledger)

    monkeypatch.setattr(saferoute.Ledger, "read", noted)
    assert "alpha" in face.wait(face.client.explain(receipt))
    assert readers
    assert threading.main_thread() not in readers


def test_a_part_is_told_of_its_own_calls_only(kind: str, serve: Serve) -> None:
    with with_two_capabilities(kind, serve) as (face, mine, other):
        part = face.client.using(mine)
        own, foreign = (face.wait(face.client.using(one).chat("demo/m", "hi")).receipt for one in (mine, other))
        assert "demo" in face.wait(part.explain(own))
        with pytest.raises(CapabilityForbidden):
            face.wait(part.explain(foreign))
        with pytest.raises(CapabilityForbidden):
            face.wait(face.client.using(tags={"a": "b"}).explain(own))
        assert "demo" in face.wait(face.client.explain(foreign))


@pytest.mark.parametrize(
    ("made", "level", "said"),
    [
        (lambda _: None, "warning", "not recorded"),
        (lambda _: "memory", "warning", "end with the process"),
        (lambda folder: saferoute.Ledger.directory(folder / "audit"), "note", "no log role certifies"),
        (lambda folder: saferoute.Ledger.directory(folder / "audit", on_checkpoint=[lambda *_: None]), "ok", "calls are recorded"),
    ],
)
def test_the_security_report_says_what_can_be_proved(
    kind: str, serve: Serve, opened: Opened, tmp_path: Path, made: Callable[[Path], object], level: str, said: str
) -> None:
    face = opened(kind, serve(says("ok")), ledger=made(tmp_path))
    found = [one for one in face.client.security_report().findings if one.area == "receipts"]
    assert any(one.level == level and said in one.text for one in found)
    anchored = [one for one in found if "no checkpoint is kept elsewhere" in one.text]
    assert bool(anchored) is (said == "no log role certifies")


def test_a_table_that_lets_calls_go_on_is_told(kind: str, serve: Serve, deployed: Deployed, tmp_path: Path) -> None:
    """`ledger = "warn"`, signed: a call that cannot be recorded goes on, and the report says so; without the word it does not go out."""
    server = serve(says("ok"))

    def full(_: bytes, record: Mapping[str, Any]) -> None:
        if record["kind"] != "segment":
            raise OSError(28, "No space left on device")

    kept = deployed(kind, f'ledger = "warn"\n{row("row", server.origin)}', ledger=saferoute.Ledger.directory(tmp_path / "audit"))
    assert any("cannot be recorded" in one.text for one in kept.client.security_report().findings if one.area == "receipts")
    going_on = deployed(kind, f'ledger = "warn"\n{row("row", server.origin)}', ledger=saferoute.Ledger.to(full))
    with pytest.warns(LedgerWarning):
        assert going_on.chat("row", "hi").receipt is None
    for word in ("", 'ledger = "stop"\n'):
        stopping = deployed(kind, word + row("row", server.origin), ledger=saferoute.Ledger.to(full))
        with pytest.raises(LedgerError):
            stopping.chat("row", "hi")
    assert server.count == 1

"""Attack: what happened is kept out of the record, or the record is made to hold what it should not.

A call that leaves before anything is written, and then fails, never was. A denied call that leaves no trace can be tried until one passes.
A middle layer that changes the prompt is not seen where only one of the two texts is committed to. And a log that holds prompts and keys is
the next prize.

Guards: saferoute/call/flow.py::yield from recorded_intent(call, target, progress, encoded.request.body, _instructions(said))
Guards: saferoute/call/operation.py::yield from recorded_intent(call, target, progress, step.request.body, None)
Guards: saferoute/client/core.py::raise self._refused(error, "chat", route, options) from None => raise
Guards: saferoute/client/core.py::raise self._refused(error, operation, route, options) from None => raise
Guards: saferoute/client/refusing.py::_ended_without(self._recording, error)
Guards: saferoute/client/refusing.py::route if isinstance(route, str) and is_route_name(route) else "(no name)", => str(route),
Guards: saferoute/call/admission.py::if not is_route_name(route): => if False:
Guards: saferoute/call/recording.py::contents = {"asked": recording.asked(), "request": body} => contents = {"asked": recording.asked()}
Guards: saferoute/call/flow.py::call = replace(call.again(cleared), recording=call.recording) => call = call.again(cleared)
"""

from __future__ import annotations

import json
import pathlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import saferoute
from saferoute.errors import GuardBlocked, LedgerError, NoRoute, SaferouteError, ServerError, UnsupportedParameter
from saferoute.guards import Action
from saferoute.ledger.commitment import commit, salt
from saferoute.values.json import encode
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer, fails, says
from tests.support.guarded import Words

PROMPT = "Transfer 4711 crowns to Falcon Ltd"
ANSWER = "Falcon Ltd has been paid"
SYSTEM = "You are the bank of Owl Street"
KEY = "sk-proj-4f8a0c2e6b1d9a7c5e3f"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer(says(ANSWER)) as made:
        yield made


def face_of(kind: str, server: CountingServer, ledger: saferoute.Ledger | None, **options: Any) -> Face:
    local = saferoute.loopback("demo", port=server.port, path="/v1", secret="demo")
    secrets = saferoute.Secrets.of({"demo": (KEY, server.origin)})
    return Face(kind, lambda client: client.local(servers=[local], secrets=secrets, ledger=ledger, **options))


class Refusing:
    """What a full disk is to a ledger."""

    def __call__(self, line: bytes, record: Mapping[str, Any]) -> None:
        if record["kind"] != "segment":
            raise OSError(28, "No space left on device")


def test_no_request_leaves_that_is_not_on_record(kind: str, server: CountingServer) -> None:
    with face_of(kind, server, saferoute.Ledger.to(Refusing(), on_failure="stop")) as face:
        with pytest.raises(LedgerError, match="No call goes out"):
            face.chat("demo/m", PROMPT)
        with pytest.raises(LedgerError, match="No call goes out"):
            face.stream("demo/m", PROMPT)
        with pytest.raises(LedgerError, match="No call goes out"):
            face.wait(face.client.embed("demo/m", PROMPT))
    assert server.count == 0


def test_who_asks_for_it_goes_on_without_records_and_is_warned(kind: str, server: CountingServer) -> None:
    ledger = saferoute.Ledger.to(Refusing(), on_failure="warn")
    with face_of(kind, server, ledger) as face, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        reply = face.chat("demo/m", PROMPT)
    assert reply.text == ANSWER
    assert reply.receipt is None
    assert any("cannot be written" in str(one.message) for one in said)


@pytest.mark.parametrize("shape", ["chat", "stream", "embed"])
def test_whoever_is_refused_is_on_record(kind: str, server: CountingServer, shape: str) -> None:
    records: list[Mapping[str, Any]] = []
    ledger = saferoute.Ledger.to(lambda _, record: records.append(record))
    with face_of(kind, server, ledger) as face, pytest.raises(SaferouteError) as caught:
        face.wait(face.client.embed("nowhere/m", PROMPT)) if shape == "embed" else getattr(face, shape)("nowhere/m", PROMPT)
    (denied,) = (one for one in records if one["kind"] == "denial")
    assert denied["route"] == "nowhere/m"
    assert denied["error"] == type(caught.value).__name__
    assert caught.value.receipt is not None


def test_whoever_is_refused_by_a_guard_is_on_record(kind: str, server: CountingServer) -> None:
    records: list[Mapping[str, Any]] = []
    guards = [Words("Falcon", action=Action.BLOCK)]
    with face_of(kind, server, saferoute.Ledger.to(lambda _, record: records.append(record)), guards=guards) as face:
        for ask in (face.chat, face.stream):
            with pytest.raises(GuardBlocked):
                ask("demo/m", PROMPT)
    assert [one["error"] for one in records if one["kind"] == "denial"] == ["GuardBlocked"] * 2
    assert server.count == 0


@pytest.mark.parametrize("route", [PROMPT, KEY, f"Bearer {KEY}", "a\nb", "x" * 400, 7, None, [PROMPT]])
def test_a_prompt_in_the_place_of_a_route_is_not_kept(kind: str, server: CountingServer, route: Any) -> None:
    lines: list[bytes] = []
    ledger = saferoute.Ledger.to(lambda line, _: lines.append(line))
    with face_of(kind, server, ledger) as face, pytest.raises(NoRoute) as caught:
        face.chat(route, "fast")
    assert not isinstance(route, str) or route not in str(caught.value)
    denied = [json.loads(line) for line in lines if b'"denial"' in line]
    assert [one["route"] for one in denied] == ["(no name)"]


def test_what_left_and_what_was_asked_can_both_be_proved(kind: str, server: CountingServer) -> None:
    """A guard changes the prompt. The caller proves what was asked, whoever has the body what was sent, and neither passes for the other."""
    secret = b"s" * 32
    records: list[Mapping[str, Any]] = []
    ledger = saferoute.Ledger.to(lambda _, record: records.append(record), secret=secret)
    with face_of(kind, server, ledger, guards=[Words("Falcon")]) as face:
        face.chat("demo/m", PROMPT, system=SYSTEM)
    (intent,) = (one for one in records if one["kind"] == "intent")
    of = {name: salt(secret, intent["segment"], intent["seq"], name) for name in ("asked", "request")}
    asked, sent = encode(["system", SYSTEM, "user", PROMPT]), server.received[0].body
    assert intent["commit"]["asked"] == commit(of["asked"], asked)
    assert intent["commit"]["request"] == commit(of["request"], sent)
    assert b"Falcon" not in sent
    assert not {commit(of["asked"], sent), commit(of["request"], asked)} & set(intent["commit"].values())


def test_no_record_holds_what_was_said_or_a_key(kind: str, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "audit"
    with (
        CountingServer(says(ANSWER), fails(500, message=f"{PROMPT} {KEY}"), says(ANSWER)) as server,
        face_of(kind, server, saferoute.Ledger.directory(folder), guards=[Words("Owl", action=Action.FLAG)]) as face,
    ):
        face.chat("demo/m", PROMPT, system=SYSTEM)
        with pytest.raises(ServerError):
            face.chat("demo/m", PROMPT, max_attempts=1)
        face.stream("demo/m", [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": ANSWER}, "go on"])
        with pytest.raises(NoRoute):
            face.chat(f"demo2/{PROMPT}", PROMPT)
        with pytest.raises((UnsupportedParameter, SaferouteError)):
            face.chat("demo/m", PROMPT, provider_options={"demo": {"system": SYSTEM}})
    kept = b"".join(path.read_bytes() for path in folder.iterdir() if path.suffix == ".jsonl")
    assert kept.count(b'"kind":"intent"') >= 3
    for text in (PROMPT, ANSWER, SYSTEM, KEY, "Falcon", "crowns", "Owl Street"):
        assert text.encode() not in kept

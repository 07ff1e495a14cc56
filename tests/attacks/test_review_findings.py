"""What a hostile reviewer found in the first version, each as a test."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest

import saferoute
from saferoute.errors import ConfigurationError, InvalidMessages, OutputInvalid, ProtocolError, SaferouteError, UnsupportedParameter
from saferoute.providers.anthropic_turns import _family
from saferoute.providers.decoder import Decoder
from saferoute.providers.registry import codec_for
from saferoute.testing import Answer, EmbeddedProvider, ErrorAnswer
from saferoute.values.http import Head
from saferoute.values.json import decode
from saferoute.values.output import output_from
from tests.support.both import KINDS, Face
from tests.support.growth import LINEAR, times_as_long
from tests.support.scripted import JSON, SSE, World, call, chat, target
from tests.support.scripted import Answer as Played

KEY = "sk-canary-0a1b2c3d4e5f"


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest, provider: EmbeddedProvider) -> Iterator[Face]:
    servers = [saferoute.loopback("row", port=provider.port)]
    with Face(request.param, lambda client: client.local(servers=servers, secrets=saferoute.Secrets.of({}))) as made:
        yield made


@pytest.mark.parametrize(
    "smuggled",
    [
        b'{}},{"type":"function"}],"model":"expensive","x":[{"y":{"z":{}',
        b"{} {}",
        b'{},"n":100',
        b"not json",
        b"[]",
        b"",
        b'{"a":NaN}',
        "{}",
    ],
)
def test_a_tools_bytes_cannot_rewrite_the_request(smuggled: Any) -> None:  # they go into the body as they are
    with pytest.raises(InvalidMessages, match="JSON text of one object"):
        saferoute.Tool("search", "", smuggled)


@pytest.mark.timed
def test_a_reported_model_name_cannot_stall_the_next_turn() -> None:
    began = time.process_time()
    for hostile in ("a" + "-0" * 50_000 + "x", "-20250101" * 20_000 + "x", "-latest" * 30_000 + "!"):
        _family(hostile)
    assert time.process_time() - began < 0.5
    assert _family("claude-sonnet-4-20250514") == _family("anthropic/claude-sonnet-4-0") == _family("claude-sonnet-4-latest")


@pytest.mark.parametrize("field", ["audio", "reasoning_details"])
@pytest.mark.timed
def test_a_long_stream_of_state_costs_time_in_proportion(field: str) -> None:
    piece = {"audio": {"data": "x" * 50}} if field == "audio" else {"reasoning_details": [{"type": "t", "text": "x" * 50}]}
    event = b"data: " + json.dumps({"id": "1", "choices": [{"index": 0, "delta": piece}]}).encode() + b"\n\n"

    def read(count: int) -> None:
        decoder = Decoder(codec_for("openai_chat").reader(target()), "p")
        decoder.head(Head(200, SSE))
        for _ in range(count // 100):
            decoder.feed(event * 100)

    assert times_as_long(lambda: read(40_000), lambda: read(10_000), LINEAR) <= LINEAR


def test_a_small_body_of_countless_objects_is_refused_before_it_is_built() -> None:
    with pytest.raises(ValueError, match="more objects and arrays"):
        decode(b"[" + b"{}," * 1_000_000 + b"1]")
    with pytest.raises(ValueError, match=r"not JSON|NaN|expected"):
        decode(b'{"a":NaN}')


@pytest.mark.parametrize("digest", [None, "", "0" * 63, "G" * 64, "é" * 64, b"0" * 64])
def test_there_is_no_trust_without_a_digest(digest: Any) -> None:
    good = saferoute.Trust.pinned("root.json", sha256="0" * 64)
    for make in (lambda: saferoute.Trust("root.json", digest), lambda: dataclasses.replace(good, sha256=digest)):
        with pytest.raises(ConfigurationError, match="SHA-256"):
            make()


HOSTILE_BODIES: list[dict[str, Any]] = [
    {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": "@NAN@"}}}]},
    {"reasoning_details": [{"type": ["list"], "text": "x"}, {"type": ["list"], "text": "y"}]},
    {"reasoning_details": [{"type": "t", "text": "@NAN@"}]},
]


@pytest.mark.parametrize("message", HOSTILE_BODIES, ids=range(len(HOSTILE_BODIES)))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("streamed", [False, True])
def test_no_bytes_of_a_provider_raise_outside_the_tree(kind: str, message: dict[str, Any], streamed: bool) -> None:
    key = "delta" if streamed else "message"
    body = json.dumps({"id": "1", "choices": [{"index": 0, key: {"content": "x", **message}, "finish_reason": "stop"}]}).replace(
        '"@NAN@"', "NaN"
    )
    pieces = [f"data: {body}\n\n".encode(), b"data: [DONE]\n\n"] if streamed else [body.encode()]
    try:
        chat(kind, World(Played(pieces, headers=SSE if streamed else JSON)), call(max_attempts=1))
    except SaferouteError as error:
        assert isinstance(error, ProtocolError)


def test_what_a_provider_calls_itself_is_plain_or_not_there(face: Face, provider: EmbeddedProvider) -> None:
    for name in ("m)\nCRITICAL:root:transferred", "\x1b[2J", "m" * 300, KEY):
        provider.script([Answer("x", model=name, headers={"x-request-id": KEY})])
        reply = face.chat("row/asked", "hi")
        assert reply.model == "asked"
    provider.script([ErrorAnswer(401, headers={"x-request-id": KEY}, message="x" * 1990 + f" {KEY}.AbCdEfGhIjKlMnOp")])
    with pytest.raises(saferoute.errors.AuthenticationRejected) as caught:
        face.chat("row/asked", "hi")
    assert "canary" not in str(caught.value) + caught.value.diagnostics()
    assert "AbCdEfGh" not in caught.value.diagnostics()


class Bill(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    amounts: dict[str, int]


def test_an_answers_own_names_are_not_shown_in_errors() -> None:
    output = output_from(Bill)
    with pytest.raises(OutputInvalid) as caught:
        output.parse('{"amounts": {"patient John Doe": "x"}, "the launch code is 0000": 1}')
    assert "John" not in str(caught.value)
    assert "launch" not in str(caught.value)
    assert "amounts" in str(caught.value)


def test_what_was_sent_before_a_target_refused_stays_on_record() -> None:
    failing = Played([b'{"error":{"message":"m"}}'], 503, JSON)
    other = target("b", dialect="anthropic_messages")
    with pytest.raises(UnsupportedParameter) as caught:
        chat("blocking", World(failing), call(target("a"), other, seed=1))
    assert [attempt.outcome for attempt in caught.value.attempts] == ["Overloaded"]

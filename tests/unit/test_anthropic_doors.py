"""The Messages API behind a cloud's door: the version in the body, the model in the path; and which version a call gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute.errors import InvalidMessages, UnknownOption
from saferoute.values.target import Profile, Quirks, Target
from tests.unit.anthropic_cases import encode, target

PUBLISHER = "/v1/projects/p-1/locations/europe-west1/publishers/anthropic/models"
CLASSIC = "vertex-2023-10-16"
NEW, OLD = "2026-10-21", "2023-06-01"


def vertex(version: str = CLASSIC, **changes: Any) -> Target:
    quirks = Quirks(model_in_path=True, anthropic_version=version)
    return target(
        origin="https://europe-west1-aiplatform.googleapis.com",
        path=PUBLISHER,
        auth="bearer",
        model="claude-x@20260101",
        quirks=quirks,
        **changes,
    )


@pytest.mark.parametrize("stream", [False, True])
def test_vertex_has_the_model_in_the_path_and_the_version_in_the_body(stream: bool) -> None:
    request = encode(to=vertex(), stream=stream).request
    assert request.path == f"{PUBLISHER}/claude-x@20260101:{'streamRawPredict' if stream else 'rawPredict'}"
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    streams = {"stream": True} if stream else {}
    assert json.loads(request.body) == {"max_tokens": 1000, "anthropic_version": CLASSIC, "messages": messages} | streams
    accept = "text/event-stream" if stream else "application/json"
    assert request.headers == (("content-type", "application/json"), ("accept", accept))
    assert (request.origin, request.auth) == ("https://europe-west1-aiplatform.googleapis.com", "bearer")


def test_a_foundry_door_is_plain() -> None:
    row = target(origin="https://r.services.ai.azure.com", path="/anthropic")
    request = encode(to=row).request
    assert request.path == "/anthropic/v1/messages"
    assert dict(request.headers)["anthropic-version"] == NEW
    assert json.loads(request.body).keys() == {"model", "max_tokens", "messages"}


def test_each_quirk_stands_alone() -> None:
    in_body = encode(to=target(quirks=Quirks(anthropic_version="bedrock-2023-05-31"))).request
    assert in_body.path == "/v1/messages"
    assert json.loads(in_body.body)["model"] == "claude-sonnet-4-5"
    assert json.loads(in_body.body)["anthropic_version"] == "bedrock-2023-05-31"
    assert "anthropic-version" not in dict(in_body.headers)
    in_path = encode(to=target(path="/models", quirks=Quirks(model_in_path=True))).request
    assert in_path.path == "/models/claude-sonnet-4-5:rawPredict"
    assert json.loads(in_path.body).keys() == {"max_tokens", "messages"}
    assert dict(in_path.headers)["anthropic-version"] == NEW


# What the table names, what the call asks for, which version goes out. A cloud's own word holds for both; the API's own has two.
VERSIONS: list[tuple[str, dict[str, Any], str]] = [
    ("", {}, NEW),
    ("", {"temperature": 0.0}, OLD),
    ("", {"top_p": 1.0}, OLD),
    ("", {"provider_options": {"anthropic": {"top_k": 3}}}, OLD),
    ("", {"provider_options": {"anthropic": {"service_tier": "auto"}}}, NEW),
    (NEW, {}, NEW),
    (NEW, {"temperature": 0.0}, OLD),
    (NEW, {"provider_options": {"anthropic": {"top_k": 3}}}, OLD),
    (OLD, {}, OLD),
    (OLD, {"temperature": 0.0}, OLD),
    (CLASSIC, {}, CLASSIC),
    (CLASSIC, {"temperature": 0.0}, CLASSIC),
]


@pytest.mark.parametrize(("named", "asked", "sent"), VERSIONS)
def test_the_version_fits_what_the_call_asks_for(named: str, asked: dict[str, Any], sent: str) -> None:
    row = target(quirks=Quirks(anthropic_version=named), extra_params=frozenset({"top_k", "service_tier"}))
    request = encode(to=row, **asked).request
    found = json.loads(request.body).get("anthropic_version") if named else dict(request.headers)["anthropic-version"]
    assert found == sent
    assert ("anthropic-version" in dict(request.headers)) is not bool(named)


def test_a_dropped_parameter_does_not_choose_the_version() -> None:
    row = target(quirks=Quirks(anthropic_version=NEW), profile=Profile(sampling=False))
    body = json.loads(encode(to=row, temperature=0.5, on_unsupported="drop").request.body)
    assert body.keys() == {"model", "max_tokens", "anthropic_version", "messages"}
    assert body["anthropic_version"] == NEW


@pytest.mark.parametrize("model", ["../x", "a/b", "x:streamRawPredict", "x;y", "x?y=1", "x#y", "a\r\nhost: evil", "\x00", "ł", "%2e", "."])
def test_a_models_name_stays_one_segment(model: str) -> None:
    path = encode(to=target(path="/m", model=model, quirks=Quirks(model_in_path=True))).request.path
    assert path.isascii()
    assert path.isprintable()
    before, _, segment = path.rpartition("/")
    assert before == "/m"
    name, _, operation = segment.partition(":")
    assert operation == "rawPredict"
    assert not set(name) & set("/?#;:\r\n ")


@pytest.mark.parametrize(("model", "words"), [("", "no model"), ("a\ud800", "surrogate")])
def test_a_model_that_no_path_can_name_is_refused(model: str, words: str) -> None:
    with pytest.raises(InvalidMessages, match=words):
        encode(to=target(model=model, quirks=Quirks(model_in_path=True)))


def test_no_row_lets_a_call_choose_the_version() -> None:
    row = target(extra_params=frozenset({"anthropic_version"}))
    with pytest.raises(UnknownOption, match="chosen for each call"):
        encode(to=row, provider_options={"anthropic": {"anthropic_version": "x"}})

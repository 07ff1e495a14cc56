"""Attacks through what a caller, a prompt or a provider can write: where a call goes, and with which key, does not change."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

import saferoute
from saferoute.errors import NoRoute, OriginMismatch, RequestError, UnknownOption, UntrustedTable
from saferoute.testing import Answer, EmbeddedProvider
from tests.support.audited import audited
from tests.support.both import KINDS, Face

KEY = "sk-canary-3b1c9f27a8e64d50b7"
ROUTE = "row/model-1"


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider(extra_fields=["grammar"]) as running:
        yield running


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest, provider: EmbeddedProvider) -> Iterator[Face]:
    secrets = saferoute.Secrets.of({"row": (KEY, provider.origin)})
    servers = [saferoute.loopback("row", port=provider.port, secret="row")]
    with Face(request.param, lambda client: client.local(servers=servers, secrets=secrets)) as made:
        yield made


SINK = "http://127.0.0.1:9/"
OVERRIDES = {
    "api_base": SINK, "base_url": SINK, "api_key": "k", "headers": {"host": "evil"}, "extra_headers": {"authorization": "x"}, "proxy": SINK,
    "proxies": {"http": SINK}, "verify": False, "organization": "o", "api_version": "1", "extra_body": {"base_url": SINK}, "extra_query": {}, "http_client": None,
    "transport": None, "model": "x", "custom_llm_provider": "x", "endpoint": SINK, "host": "evil", "port": 1, "follow_redirects": True, "auth": "x", "cookies": {},
}  # fmt: skip


@pytest.mark.parametrize("name", OVERRIDES)
def test_d1_no_option_of_a_call_changes_where_it_goes(face: Face, provider: EmbeddedProvider, name: str) -> None:
    for run in (face.chat, face.stream):
        with pytest.raises(UnknownOption):
            run(ROUTE, "hi", **{name: OVERRIDES[name]})
    assert provider.connections == 0


@pytest.mark.parametrize("name", [*OVERRIDES, "authorization", "url", "stream", "messages", "callbacks", "mock_response"])
def test_d1_provider_options_are_a_closed_list(face: Face, provider: EmbeddedProvider, name: str) -> None:
    with pytest.raises(UnknownOption, match=name):
        face.chat(ROUTE, "hi", provider_options={"row": {name: "x"}})
    with pytest.raises(UnknownOption):
        face.chat(ROUTE, "hi", provider_options={name: {"top_k": 1}})
    assert provider.connections == 0


LOOKALIKES = [
    "http://evil.example/v1", "https://evil.example", "row@evil.example", "row/../../evil", "row//evil.example/v1", "row/http://evil.example/\n", "row/a b",
    "row/..%2f..%2fv1", "row/?x=1", "row/#x", "row/a\r\nhost: evil", "evil/row/model-1", "ROW/model-1", "row\u2044model-1", "openai/gpt-5.5", "*", "", "/", "row/",
    "row/" + "m" * 300, "127.0.0.1", "[::1]", "localhost/model", "row/\x00", "row/модель",
]  # fmt: skip


@pytest.mark.parametrize("route", LOOKALIKES)
def test_d1_a_route_is_a_name_in_the_table_and_nothing_else(face: Face, provider: EmbeddedProvider, route: str) -> None:
    with pytest.raises(NoRoute):
        face.chat(route, "hi")
    assert provider.connections == 0


FORBIDDEN = ("api_base", "base_url", "api_key", "headers", "cache_control", "callbacks", "__class__")


def nest(key: str, depth: int) -> Any:
    """A message whose forbidden key stands at a depth."""
    part: dict[str, Any] = {"type": "text", "text": "x"}
    picture: dict[str, Any] = {"url": "https://a.example/b.png"}
    match depth:
        case 1:
            return {"role": "user", "content": "x", key: 1}
        case 2:
            return {"role": "user", "content": [{**part, key: 1}]}
        case 3:
            return {"role": "user", "content": [{"type": "image_url", "image_url": {**picture, key: 1}}]}
        case 4:
            return {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}, key: 1}]}
        case 5:
            return {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}", key: 1}}]}
        case _:
            return {"role": "user", "content": [{"type": "file", "file": {"file_id": "f", key: 1}}]}


@pytest.mark.parametrize("key", FORBIDDEN)
@pytest.mark.parametrize("depth", range(1, 7))
def test_d2_unknown_keys_are_refused_at_every_depth(face: Face, provider: EmbeddedProvider, key: str, depth: int) -> None:
    with pytest.raises(UnknownOption, match=key):
        face.chat(ROUTE, ["q", nest(key, depth)])
    assert provider.connections == 0


def test_d2_schemas_and_arguments_are_data_and_kept_as_they_are(face: Face, provider: EmbeddedProvider) -> None:
    schema = {"type": "object", "properties": {"api_base": {"type": "string", "default": "os.environ/HOME"}}}
    face.chat(ROUTE, "hi", tools=[{"name": "f", "parameters": schema}], tool_choice="none")
    sent = provider.requests[-1].body
    assert sent["tools"][0]["function"]["parameters"] == schema  # type: ignore[index, call-overload]


REFERENCES = [
    "os.environ/HOME",
    "env:HOME",
    "$HOME",
    "${HOME}",
    "file:///etc/passwd",
    "@/etc/passwd",
    "oidc/google",
    "op://vault/key",
    "{{secrets.key}}",
    "vault:x",
]


@pytest.mark.parametrize("text", REFERENCES)
def test_d3_references_in_arguments_are_sent_literally_and_never_resolved(face: Face, provider: EmbeddedProvider, text: str) -> None:
    opened: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".so")):  # modules may load at first use
            opened.append(str(arguments[0]))

    with audited(hook):
        face.chat(ROUTE, text, system=text, stop=text, provider_options={"row": {"grammar": text}})
    body = json.dumps(provider.requests[-1].body)
    assert body.count(json.dumps(text)[1:-1]) >= 3
    assert opened == []
    with pytest.raises(NoRoute):
        face.chat(text, "hi")


def test_d5_nothing_of_a_table_can_be_changed_and_a_change_is_noticed(face: Face, provider: EmbeddedProvider) -> None:
    table = face.client._core.table
    row = table.routes["row"]
    for thing, name in ((row, "origin"), (table, "routes"), (table.index, "found"), (row.net, "kind")):
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
            setattr(thing, name, "x")
    with pytest.raises(TypeError):
        table.routes["evil"] = row
    face.chat(ROUTE, "hi")
    object.__setattr__(row, "origin", "http://127.0.0.1:9")
    with pytest.raises(UntrustedTable, match="Nothing was sent"):
        face.chat(ROUTE, "hi")
    assert len(provider.requests) == 1


def test_a_key_goes_to_its_own_origin_only(provider: EmbeddedProvider) -> None:
    for kind in KINDS:
        secrets = saferoute.Secrets.of({"row": (KEY, "https://api.openai.com")})
        servers = [saferoute.loopback("row", port=provider.port, secret="row")]
        with Face(kind, lambda client: client.local(servers=servers, secrets=secrets)) as face, pytest.raises(OriginMismatch) as caught:  # noqa: B023
            face.chat(ROUTE, "hi")
        assert KEY not in str(caught.value)
    assert not provider.saw_key(KEY)
    assert provider.connections == 0


def test_d14_a_tagged_answer_stays_plain_data(face: Face, provider: EmbeddedProvider) -> None:
    tagged = '{"lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"]}'
    provider.script([Answer(tagged)])
    reply = face.chat(ROUTE, "hi", output={"type": "object"})
    assert reply.parsed == {"lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"]}


def test_d15_a_picture_url_is_passed_on_and_never_fetched(face: Face, provider: EmbeddedProvider) -> None:
    sockets: list[Any] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.posix_spawn"}:
            sockets.append(arguments[1] if event == "socket.connect" else (event, arguments))

    url = f"https://127.0.0.1:{provider.port}/picture.png"
    with audited(hook):
        face.chat(ROUTE, [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])
    assert sockets == [("127.0.0.1", provider.port)]
    assert len(provider.requests) == 1


def test_a_request_error_is_one_tree() -> None:
    assert issubclass(UnknownOption, RequestError)

"""Attack: a variable of the environment sends calls, and the keys with them, to an address of the attacker's, or lets a weaker table in.

All six SDKs that were put under attack sent the environment's key to whatever address *_BASE_URL named.

Guards: saferoute/client/opening.py::if forbid_local():
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import saferoute
from saferoute.client.blocking import Client
from saferoute.client.concurrent import AsyncClient
from saferoute.errors import ConfigurationError, UntrustedTable
from saferoute.routing.local import local_bundle
from saferoute.testing import EmbeddedProvider
from tests.support.both import KINDS, Face
from tests.support.deployment import Deployment, faces, refused

KEY = "sk-canary-0123456789abcdef"
ADDRESSES = (
    "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_HOST", "OPENAI_PROXY", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL", "AZURE_OPENAI_ENDPOINT",
    "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE", "MISTRAL_BASE_URL", "OLLAMA_HOST", "OLLAMA_BASE_URL", "COHERE_API_URL", "CO_API_URL",
    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "GROQ_BASE_URL", "OPENROUTER_BASE_URL", "DEMO_BASE_URL", "BASE_URL", "API_BASE",
    "LITELLM_API_BASE", "LITELLM_PROXY_API_BASE", "SAFEROUTE_BASE_URL", "SAFEROUTE_ORIGIN", "SAFEROUTE_TABLE_URL", "HTTP_PROXY", "http_proxy",
    "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy",
)  # fmt: skip
LOOSER = (
    "SAFEROUTE_ALLOW_LOCAL", "SAFEROUTE_FORBID_LOCAL", "SAFEROUTE_TRUST", "SAFEROUTE_UNSAFE", "SAFEROUTE_INSECURE", "SAFEROUTE_DEV",
    "SAFEROUTE_GRANT", "SAFEROUTE_DATA", "SAFEROUTE_VERIFY", "SAFEROUTE_NO_VERIFY", "SAFEROUTE_MIN_TABLE_VERSION", "SAFEROUTE_SKIP_EXPIRY",
)  # fmt: skip


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider(api_key=KEY) as running:
        yield running


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        for name in ADDRESSES:
            monkeypatch.setenv(name, running.origin)
        (tmp_path / "netrc").write_text("default login a password b\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        yield running


def local(kind: str, provider: EmbeddedProvider) -> Face:
    secrets = saferoute.Secrets.of({"demo": (KEY, provider.origin), "openai": (KEY, "https://api.openai.com")})
    server = saferoute.loopback("demo", port=provider.port, secret="demo")
    return Face(kind, lambda client: client.local(servers=[server], secrets=secrets))


def origins(face: Face) -> dict[str, str]:
    return {info.name: info.origin for info in face.client.models()}


@pytest.mark.parametrize("kind", KINDS)
def test_no_variable_moves_a_call(kind: str, provider: EmbeddedProvider, request: pytest.FixtureRequest) -> None:
    with local(kind, provider) as face:
        before = origins(face)
    sink: EmbeddedProvider = request.getfixturevalue("sink")
    with local(kind, provider) as face:
        assert origins(face) == before
        assert set(before.values()) == {"https://api.openai.com", provider.origin}
        assert face.chat("demo/m", "hi").finish_reason == "stop"
        assert face.chat("demo/m", "hi").finish_reason == "stop"
    assert len(provider.requests) == 2
    assert sink.connections == 0
    assert not any("authorization" in request_.headers and "YTpi" in str(request_.headers) for request_ in provider.requests)


@pytest.mark.parametrize("value", ["1", "0", "true", "off", ""])
def test_no_variable_loosens_anything(value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in LOOSER:
        monkeypatch.setenv(name, value)
    (tmp_path / "real").mkdir()
    with EmbeddedProvider() as provider:
        deployed = Deployment(tmp_path / "real", provider.origin)
        for kind in KINDS:
            with faces(deployed, kind) as make:
                assert refused(make(), "cheap", "hi") == "no_grant"
        assert provider.connections == 0
    made = local_bundle([], [saferoute.loopback("x", port=1)], time.time())
    (tmp_path / "root.json").write_bytes(made.root)
    (tmp_path / "routes.json").write_bytes(made.bundle)
    for client in (Client, AsyncClient):
        with pytest.raises(UntrustedTable, match="made in memory"):
            client(tmp_path / "routes.json", trust=saferoute.Trust.pinned(tmp_path / "root.json", sha256=made.sha256))


@pytest.mark.parametrize("value", ["1", "true", "no", " "])
def test_where_tables_in_memory_are_forbidden_there_are_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFEROUTE_FORBID_LOCAL", value)
    for client in (Client, AsyncClient):
        with pytest.raises(ConfigurationError, match="SAFEROUTE_FORBID_LOCAL is set"):
            client.local(servers=[saferoute.loopback("x", port=1)], secrets=saferoute.Secrets.of({}))

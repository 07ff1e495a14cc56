"""The catalogue, and the local tables that are made from it."""

from __future__ import annotations

import pytest

from saferoute.errors import ConfigurationError
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.local import LocalBundle, local_bundle
from saferoute.routing.resolve import names, resolve
from saferoute.routing.table import RoutingTable
from saferoute.routing.trust import verify_bundle
from saferoute.signing.keys import PrivateKey
from saferoute.values.server import Server, loopback
from tests.support.trust_cases import DAY, NOW

CATALOGUE = load_catalogue()


def opened(made: LocalBundle, now: float = NOW) -> RoutingTable:
    return verify_bundle(made.root, made.sha256, made.bundle, now, allow_local=True)


def test_every_provider_makes_a_table_of_its_own() -> None:
    for provider in CATALOGUE.complete:
        made = opened(local_bundle([provider.name], [], NOW))
        assert made.routes[provider.name].origin == provider.origin
        assert made.routes[provider.name].secret == provider.secret
        assert resolve(made, f"{provider.name}/launched-yesterday")[0].model == "launched-yesterday"
        for alias, model in provider.aliases.items():
            assert [target.model for target in resolve(made, alias)] == [model]


def test_the_catalogue_knows_whom_it_should() -> None:
    assert [(one.name, one.secret, one.environment, one.origin) for one in CATALOGUE.providers[:2]] == [
        ("openai", "openai", ("OPENAI_API_KEY",), "https://api.openai.com"),
        ("anthropic", "anthropic", ("ANTHROPIC_API_KEY",), "https://api.anthropic.com"),
    ]
    assert {name: server.port for name, server in CATALOGUE.presets.items()} == {
        "openai-compatible": 8000,
        "llama.cpp": 8080,
        "llama.cpp-responses": 8080,
        "llama.cpp-anthropic": 8080,
        "ollama": 11434,
        "ollama-openai": 11434,
        "vllm": 8000,
        "sglang": 30000,
        "lm-studio": 1234,
        "localai": 8080,
        "text-generation-inference": 8080,
    }
    assert CATALOGUE.provider("acme") is None
    assert CATALOGUE.preset_row("acme") is None


@pytest.mark.parametrize("name", sorted(CATALOGUE.presets))
def test_every_server_makes_a_table_of_its_own(name: str) -> None:
    made = opened(local_bundle([], [CATALOGUE.presets[name]], NOW))
    target = resolve(made, f"{name}/some-model")[0]
    assert (target.net.kind, target.secret, target.auth, target.provider_name) == ("loopback", None, "none", name)
    assert (target.quirks.max_tokens_field == "max_tokens") == (target.dialect == "openai_chat")


@pytest.mark.parametrize(
    ("model", "reasoning"),
    [("openai/gpt-5.4-mini", "effort"), ("openai/gpt-6.2-sol", "effort"), ("openai/gpt-4.1", "none"), ("openai/o4-mini", "effort"),
     ("openai/unheard-of", None), ("anthropic/claude-sonnet-5-5", "adaptive"), ("anthropic/claude-haiku-4-5-20251001", "budget"),
     ("anthropic/claude-unheard-of", "adaptive")],
)  # fmt: skip
def test_families_say_what_models_can_do(model: str, reasoning: str | None) -> None:
    made = opened(local_bundle(["openai", "anthropic"], [], NOW))
    assert resolve(made, model)[0].profile.reasoning == reasoning


def test_the_aliases_go_to_the_first_provider_in_the_catalogues_order() -> None:
    made = opened(local_bundle(["anthropic", "openai"], [loopback("llama", port=8080)], NOW))
    assert resolve(made, "fast")[0].provider_name == "openai"
    assert sorted(names(made)) == ["anthropic/*", "fast", "llama/*", "openai/*", "openai_responses/*", "smart"]
    assert all(target.data == "restricted" for target in made.routes.values())
    assert made.grant is None


def test_without_a_provider_the_aliases_go_to_a_server_whose_model_is_given() -> None:
    made = opened(local_bundle([], [loopback("open", port=1), loopback("llama", port=2, model="tiny")], NOW))
    assert [target.id for target in resolve(made, "smart")] == ["llama"]
    assert opened(local_bundle([], [loopback("open", port=1)], NOW)).aliases == {}


def test_a_servers_key_and_dialect_arrive() -> None:
    servers = [loopback("a", port=80, secret="k"), loopback("b", port=81, dialect="anthropic_messages", secret="k", model="m")]
    made = opened(local_bundle([], servers, NOW))
    a, b = made.routes["a"], made.routes["b"]
    assert (a.origin, a.path, a.secret, a.auth) == ("http://127.0.0.1", "/v1", "k", "bearer")
    assert (b.origin, b.path, b.secret, b.auth) == ("http://127.0.0.1:81", "", "k", "x-api-key")
    assert b.default_max_output is not None
    six = opened(local_bundle([], [Server("six", 9, host="::1")], NOW))
    assert six.routes["six"].origin == "http://[::1]:9"


def test_a_local_table_outlives_a_long_notebook_and_names_no_one() -> None:
    made = local_bundle(["openai"], [], NOW)
    assert opened(made, NOW + 300 * DAY).name.startswith("local/")
    assert local_bundle(["openai"], [], NOW).sha256 != made.sha256
    keys = (PrivateKey.from_seed(b"1" * 32), PrivateKey.from_seed(b"2" * 32))
    assert local_bundle(["openai"], [], NOW, keys=keys, catalogue=CATALOGUE) == local_bundle(["openai"], [], NOW, keys=keys)


@pytest.mark.parametrize(
    ("providers", "servers", "why"),
    [
        ([], [], "needs a provider whose key is found"),
        (["acme"], [], "no provider 'acme'; it has openai, openai_responses, anthropic, "),
        (["vertex_gemini"], [], r"vertex_gemini needs its project and location.*\[providers\.vertex_gemini\] in routes\.toml"),
        (["openai"], [Server("openai", 1)], "two servers or providers are called 'openai'"),
        ([], [Server("a", 1), Server("a", 2)], "called 'a'"),
        ([], [Server("a", 1, model="../x")], "makes no routing table"),
        ([], [Server("a", 1, path="v1")], "makes no routing table"),
        ([], [Server("fast", 1, model="m")], "makes no routing table"),
    ],
)
def test_what_makes_no_local_table(providers: list[str], servers: list[Server], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        local_bundle(providers, servers, NOW)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "../x"}, "name"), ({"name": ""}, "name"), ({"name": "A"}, "name"), ({"name": "a" * 65}, "name"), ({"port": 0}, "port"),
        ({"port": 65536}, "port"), ({"port": "80"}, "port"), ({"port": True}, "port"), ({"dialect": "grpc"}, "dialect"),
    ],
)  # fmt: skip
def test_what_is_no_server(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        loopback(**{"name": "llama", "port": 8080, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["0.0.0.0", "example.com", "127.0.0.2", "localhost.evil.example"])
def test_a_server_elsewhere_is_no_local_server(host: str) -> None:
    with pytest.raises(ConfigurationError, match="not this machine"):
        Server("x", 80, host=host)

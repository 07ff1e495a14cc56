"""The catalogue, and the local tables that are made from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import saferoute
from saferoute.errors import ConfigurationError, NoRoute, SecretNotFound, UnknownOption
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.local import LocalBundle, local_bundle
from saferoute.routing.resolve import names, resolve
from saferoute.routing.table import RoutingTable
from saferoute.routing.trust import verify_bundle
from saferoute.signing.keys import PrivateKey
from saferoute.values.server import Server, loopback
from saferoute.values.target import Profile
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
        "tgi": 8080,
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


KINDS = [
    # kind, dialect asked for, where it goes, the dialect, the row that it is like
    ("llama.cpp", None, "http://127.0.0.1:8080", "openai_chat", "llama.cpp"),
    ("llama.cpp", "openai_responses", "http://127.0.0.1:8080", "openai_responses", "llama.cpp-responses"),
    ("llama.cpp", "anthropic_messages", "http://127.0.0.1:8080", "anthropic_messages", "llama.cpp-anthropic"),
    ("llama.cpp-anthropic", None, "http://127.0.0.1:8080", "anthropic_messages", "llama.cpp-anthropic"),
    ("llama.cpp-anthropic", "openai_chat", "http://127.0.0.1:8080", "openai_chat", "llama.cpp"),
    ("ollama", None, "http://127.0.0.1:11434", "ollama_chat", "ollama"),
    ("ollama", "openai_chat", "http://127.0.0.1:11434", "openai_chat", "ollama-openai"),
    ("vllm", None, "http://127.0.0.1:8000", "openai_chat", "vllm"),
    ("sglang", None, "http://127.0.0.1:30000", "openai_chat", "sglang"),
    ("lm-studio", None, "http://127.0.0.1:1234", "openai_chat", "lm-studio"),
    ("localai", None, "http://127.0.0.1:8080", "openai_chat", "localai"),
    ("tgi", None, "http://127.0.0.1:8080", "openai_chat", "text-generation-inference"),
]


@pytest.mark.parametrize(("kind", "dialect", "origin", "spoken", "like"), KINDS)
def test_a_server_of_a_kind_has_what_its_door_is_known_for(kind: str, dialect: Any, origin: str, spoken: str, like: str) -> None:
    made = opened(local_bundle([], [loopback("here", kind=kind, dialect=dialect)], NOW)).routes["here"]
    preset = opened(local_bundle([], [CATALOGUE.presets[like]], NOW)).routes[like]
    assert (made.provider_name, made.origin, made.dialect) == ("here", origin, spoken)
    assert replace(made, id=like, provider_name=like, digest=preset.digest) == preset
    elsewhere = opened(local_bundle([], [loopback("here", kind=kind, dialect=dialect, port=9)], NOW)).routes["here"]
    assert replace(elsewhere, origin=origin, digest=made.digest) == made


def test_what_a_kind_is_known_for_is_not_what_any_server_is() -> None:
    any_one = opened(local_bundle([], [loopback("here", port=8080)], NOW)).routes["here"]
    assert any_one.profile == Profile()
    llama = opened(local_bundle([], [loopback("here", kind="llama.cpp")], NOW)).routes["here"]
    assert (llama.quirks.reasoning_field, llama.profile.tool_choice) == ("chat_template_kwargs", False)
    assert llama.quirks.max_tokens_field == "max_tokens"  # what all such servers have in common stays
    assert "grammar" in llama.extra_params


def test_a_dialect_of_which_nothing_is_known_of_the_kind_has_its_port_and_no_more() -> None:
    door = opened(local_bundle([], [loopback("here", kind="vllm", dialect="anthropic_messages", secret="k")], NOW)).routes["here"]
    assert (door.origin, door.dialect, door.path, door.auth) == ("http://127.0.0.1:8000", "anthropic_messages", "", "x-api-key")
    assert door.profile == Profile()


def test_an_unknown_kind_is_refused_with_the_kinds() -> None:
    with pytest.raises(ConfigurationError, match=r"no kind 'llamacpp'; it knows openai-compatible, llama\.cpp, .*, tgi"):
        local_bundle([], [loopback("here", port=1, kind="llamacpp")], NOW)
    with pytest.raises(ConfigurationError, match="the kind 7 must be the name"):
        loopback("here", kind=7)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="give the port where it listens, or the kind"):
        loopback("here")
    with pytest.raises(ConfigurationError, match=r"the port of 'here' is left to its kind, 'ollama'"):
        _ = loopback("here", kind="ollama").origin
    assert loopback("here", kind="ollama", path="/x").prefix == "/x"
    assert loopback("here", kind="ollama").dialect is None


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


# ----------------------------------------------------------------------------------------------- keys of rows with parameters


def test_a_key_of_a_row_with_parameters_alone_says_that_it_needs_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, asked in (("azure_openai", "resource"), ("aws", "region"), ("vertex", "project and location")):
        with pytest.raises(SecretNotFound) as caught:
            saferoute.Client.local(secrets=saferoute.Secrets.of({name: ("k" * 40, "https://x.example")}))
        row = {"aws": "bedrock", "vertex": "vertex_gemini"}.get(name, name)
        assert f"There is a key for {row}, and {row} needs its {asked}, which a local table cannot have" in str(caught.value)
        assert f"write [providers.{row}] in routes.toml (saferoute init makes one)." in str(caught.value)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k" * 40)
    with pytest.raises(SecretNotFound, match=r"azure_openai needs its resource.*\[providers\.azure_openai\] in routes\.toml"):
        saferoute.Client.local(secrets="env")
    with pytest.raises(SecretNotFound) as caught:
        saferoute.Client.local(secrets=saferoute.Secrets.of({}))
    assert "routes.toml" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::saferoute.errors.LocalTrustWarning")
def test_a_route_that_no_local_table_can_have_says_so() -> None:
    with saferoute.Client.local(secrets=saferoute.Secrets.of({}), servers=[loopback("here", port=9)]) as client:
        for ask in (lambda: client.chat("azure_openai/dep", "hi"), lambda: client.embed("azure_openai/dep", "hi")):
            with pytest.raises(NoRoute, match=r"no route 'azure_openai/dep'.*azure_openai needs its resource.*routes\.toml"):
                ask()
        for route in ("openai/gpt-5.4-mini", "nobody/x", "nobody"):
            with pytest.raises(NoRoute) as caught:
                client.chat(route, "hi")
            assert "routes.toml" not in str(caught.value)
        with pytest.raises(NoRoute, match="the route must be a str"):
            client.chat(7, "hi")  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::saferoute.errors.LocalTrustWarning")
def test_passed_fields_may_stand_under_the_rows_own_name() -> None:
    with saferoute.Client.local(
        secrets=saferoute.Secrets.of({"gemini": ("k" * 40, "https://generativelanguage.googleapis.com")})
    ) as client:
        for name in ("gemini", "gcp.gemini", "gemini_generate"):
            with pytest.raises(UnknownOption, match="does not open"):  # past the check of names: the row says what it opens
                client.chat("gemini/m", "hi", provider_options={name: {"odd": 1}})
        with pytest.raises(UnknownOption, match=r"'vertex_gemini', but this route goes to 'gcp\.gemini', 'gemini', 'gemini_generate'"):
            client.chat("gemini/m", "hi", provider_options={"vertex_gemini": {"topK": 1}})
        with pytest.raises(UnknownOption, match=r"'vertex_gemini', but this route goes to 'gcp\.gemini', 'gemini', 'gemini_generate'"):
            client.embed("gemini/m", "hi", provider_options={"vertex_gemini": {"topK": 1}})

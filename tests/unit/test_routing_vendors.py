"""Every row of the catalogue: it compiles, and a chat goes to its URL with its key in its header, and with its departures in the body."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files as package_files
from typing import Any, get_args

import pytest

from saferoute.errors import UnknownOption, UnsupportedParameter
from saferoute.providers.fitting import fit
from saferoute.providers.registry import codec_for
from saferoute.routing.authoring import build
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.parameters import PARAMETERS
from saferoute.routing.resolve import resolve
from saferoute.routing.rows import is_passable
from saferoute.secrets.secret import Secret, SecretRecord, credential_header
from saferoute.values.target import Dialect, Quirks, Target
from tests.support.features import CLOCK, SCHEMA, WEATHER, asks
from tests.support.trust_cases import files

CATALOGUE = load_catalogue()

# name, provider, dialect, how the key is presented:the key's name, where a chat goes
VENDORS = [
    ("openai", "openai", "openai_chat", "bearer:openai", "https://api.openai.com/v1/chat/completions"),
    ("openai_responses", "openai", "openai_responses", "bearer:openai", "https://api.openai.com/v1/responses"),
    ("anthropic", "anthropic", "anthropic_messages", "x-api-key:anthropic", "https://api.anthropic.com/v1/messages"),
    (
        "gemini",
        "gcp.gemini",
        "gemini_generate",
        "x-goog-api-key:gemini",
        "https://generativelanguage.googleapis.com/v1beta/models/some-model:generateContent",
    ),
    ("mistral", "mistral_ai", "mistral_chat", "bearer:mistral", "https://api.mistral.ai/v1/chat/completions"),
    ("cohere", "cohere", "cohere_chat", "bearer:cohere", "https://api.cohere.com/v2/chat"),
    ("ollama_cloud", "ollama_cloud", "ollama_chat", "bearer:ollama_cloud", "https://ollama.com/api/chat"),
    ("groq", "groq", "openai_chat", "bearer:groq", "https://api.groq.com/openai/v1/chat/completions"),
    ("deepseek", "deepseek", "openai_chat", "bearer:deepseek", "https://api.deepseek.com/chat/completions"),
    ("deepseek_anthropic", "deepseek", "anthropic_messages", "x-api-key:deepseek", "https://api.deepseek.com/anthropic/v1/messages"),
    ("xai", "x_ai", "openai_chat", "bearer:xai", "https://api.x.ai/v1/chat/completions"),
    ("xai_responses", "x_ai", "openai_responses", "bearer:xai", "https://api.x.ai/v1/responses"),
    ("openrouter", "openrouter", "openai_chat", "bearer:openrouter", "https://openrouter.ai/api/v1/chat/completions"),
    ("together", "together", "openai_chat", "bearer:together", "https://api.together.xyz/v1/chat/completions"),
    ("fireworks", "fireworks", "openai_chat", "bearer:fireworks", "https://api.fireworks.ai/inference/v1/chat/completions"),
    ("perplexity", "perplexity", "openai_responses", "bearer:perplexity", "https://api.perplexity.ai/v1/responses"),
    ("moonshot", "moonshot", "openai_chat", "bearer:moonshot", "https://api.moonshot.ai/v1/chat/completions"),
    ("moonshot_anthropic", "moonshot", "anthropic_messages", "x-api-key:moonshot", "https://api.moonshot.ai/anthropic/v1/messages"),
    ("zai", "zai", "openai_chat", "bearer:zai", "https://api.z.ai/api/paas/v4/chat/completions"),
    ("meta", "meta", "openai_chat", "bearer:meta", "https://api.meta.ai/v1/chat/completions"),
    ("cerebras", "cerebras", "openai_chat", "bearer:cerebras", "https://api.cerebras.ai/v1/chat/completions"),
    ("huggingface", "huggingface", "openai_chat", "bearer:huggingface", "https://router.huggingface.co/v1/chat/completions"),
    ("nvidia", "nvidia", "openai_chat", "bearer:nvidia", "https://integrate.api.nvidia.com/v1/chat/completions"),
    ("sambanova", "sambanova", "openai_chat", "bearer:sambanova", "https://api.sambanova.ai/v1/chat/completions"),
    ("nebius", "nebius", "openai_chat", "bearer:nebius", "https://api.tokenfactory.nebius.com/v1/chat/completions"),
    ("deepinfra", "deepinfra", "openai_chat", "bearer:deepinfra", "https://api.deepinfra.com/v1/openai/chat/completions"),
    ("hyperbolic", "hyperbolic", "openai_chat", "bearer:hyperbolic", "https://api.hyperbolic.xyz/v1/chat/completions"),
    ("github_models", "github_models", "openai_chat", "bearer:github_models", "https://models.github.ai/inference/chat/completions"),
    ("azure_openai", "azure.ai.openai", "openai_chat", "api-key:azure_openai", "https://acme.openai.azure.com/openai/v1/chat/completions"),
    (
        "azure_openai_responses",
        "azure.ai.openai",
        "openai_responses",
        "api-key:azure_openai",
        "https://acme.openai.azure.com/openai/v1/responses",
    ),
    (
        "azure_openai_dated",
        "azure.ai.openai",
        "openai_chat",
        "api-key:azure_openai",
        "https://acme.openai.azure.com/openai/deployments/some-model/chat/completions?api-version=2024-10-21",
    ),
    (
        "azure_anthropic",
        "azure.ai.inference",
        "anthropic_messages",
        "x-api-key:azure_anthropic",
        "https://acme.services.ai.azure.com/anthropic/v1/messages",
    ),
    (
        "vertex_gemini",
        "gcp.vertex_ai",
        "gemini_generate",
        "bearer:vertex",
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/acme-prod/locations/europe-west4/publishers/google/models/some-model:generateContent",
    ),
    (
        "vertex_anthropic",
        "gcp.vertex_ai",
        "anthropic_messages",
        "bearer:vertex",
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/acme-prod/locations/europe-west4/publishers/anthropic/models/some-model:rawPredict",
    ),
    (
        "bedrock",
        "aws.bedrock",
        "bedrock_converse",
        "sigv4:aws",
        "https://bedrock-runtime.eu-central-1.amazonaws.com/model/some-model/converse",
    ),
    (
        "bedrock_key",
        "aws.bedrock",
        "bedrock_converse",
        "bearer:bedrock",
        "https://bedrock-runtime.eu-central-1.amazonaws.com/model/some-model/converse",
    ),
    ("bedrock_mantle", "aws.bedrock", "openai_chat", "bearer:bedrock", "https://bedrock-mantle.eu-central-1.api.aws/v1/chat/completions"),
    (
        "databricks",
        "databricks",
        "openai_chat",
        "bearer:databricks",
        "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com/serving-endpoints/chat/completions",
    ),
    (
        "snowflake",
        "snowflake",
        "openai_chat",
        "bearer:snowflake",
        "https://acme-prod.snowflakecomputing.com/api/v2/cortex/v1/chat/completions",
    ),
    (
        "cloudflare",
        "cloudflare",
        "openai_chat",
        "bearer:cloudflare",
        "https://api.cloudflare.com/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/v1/chat/completions",
    ),
    ("watsonx", "ibm.watsonx.ai", "openai_chat", "bearer:watsonx", "https://eu-central-1.ml.cloud.ibm.com/ml/gateway/v1/chat/completions"),
]
HEADERS = {"bearer": b"authorization", "x-api-key": b"x-api-key", "api-key": b"api-key", "x-goog-api-key": b"x-goog-api-key"}


def row(name: str, model: str = "some-model") -> Target:
    """The compiled row of a provider, its parameters filled in with their examples."""
    provider = CATALOGUE.provider(name)
    assert provider is not None
    given = "".join(f'{one} = "{PARAMETERS[one].example}"\n' for one in provider.parameters)
    return resolve(files(build(f"[providers.{name}]\n{given}")).open(), f"{name}/{model}")[0]


def body(target: Target, **options: Any) -> dict[str, Any]:
    written = codec_for(target.dialect).encode(asks(**options), target).request.body
    return json.loads(written)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "provider", "dialect", "key", "url"), VENDORS, ids=[vendor[0] for vendor in VENDORS])
def test_a_chat_goes_to_its_url_with_its_key(name: str, provider: str, dialect: str, key: str, url: str) -> None:
    target = row(name)
    request = codec_for(target.dialect).encode(asks(), target).request
    assert (target.provider_name, target.dialect, f"{target.auth}:{target.secret}") == (provider, dialect, key)
    assert request.origin + request.path == url
    assert (request.secret, request.auth, request.net.kind) == (target.secret, target.auth, "public")
    if target.auth != "sigv4":
        record = SecretRecord("k", Secret("k-0123456789"), (target.origin,))
        assert credential_header(record, target.auth, request.origin)[0] == HEADERS[target.auth]


def test_every_row_has_a_line_here() -> None:
    assert [vendor[0] for vendor in VENDORS] == [entry.name for entry in CATALOGUE.entries]
    assert len(VENDORS) >= 35
    assert {vendor[2] for vendor in VENDORS} == set(get_args(Dialect))


@pytest.mark.parametrize("entry", CATALOGUE.entries, ids=lambda entry: str(entry.name))
def test_every_entry_is_whole(entry: Any) -> None:
    holes = set(entry.parameters)
    assert holes == {name for name in PARAMETERS if any(f"{{{name}}}" in str(entry.row.get(field)) for field in ("origin", "path"))}
    assert entry.label
    assert entry.evidence in {"S", "D", "L", "I"}
    assert entry.environment or entry.row["auth"] == "sigv4" or entry.secret == "vertex"
    assert all(variable.isupper() for variable in entry.environment)
    assert set(entry.aliases) in (set(), {"fast", "smart"})
    assert entry.origin.startswith("https://")
    assert all(map(is_passable, entry.row.get("extra_params", ())))
    assert entry.row.get("extra_params", []) == sorted(entry.row.get("extra_params", []))


def test_one_key_goes_to_one_origin() -> None:
    """A row that shares a key with another shares its place: a key has one binding."""
    origins: dict[str, set[str]] = {}
    for entry in CATALOGUE.complete:
        origins.setdefault(entry.secret, set()).add(entry.origin)
    assert {secret: len(known) for secret, known in origins.items() if len(known) > 1} == {}
    assert all(set(entry.environment) == set(next(one for one in CATALOGUE.complete if one.secret == entry.secret).environment)
               for entry in CATALOGUE.complete)  # fmt: skip


@pytest.mark.parametrize("name", ["catalogue", "catalogue_compatible", "catalogue_clouds"])
def test_rows_that_are_read_late_are_what_the_file_says(name: str) -> None:
    text = package_files("saferoute.routing").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    for provider, raw in tomllib.loads(text)["providers"].items():
        entry = CATALOGUE.provider(provider)
        assert entry is not None
        assert raw["row"].items() <= dict(entry.row).items()
        assert (raw["origin"], raw.get("secret", provider)) == (entry.row["origin"], entry.row["secret"])


def test_reading_the_catalogue_reads_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    loads = tomllib.loads
    monkeypatch.setattr("tomllib.loads", lambda text: read.append(text) or loads(text))  # type: ignore[func-returns-value]
    catalogue = load_catalogue()
    assert len(catalogue.providers) > 20
    assert sum(map(len, read)) < 9000
    assert not any("extra_params" in text for text in read)
    assert len(read) == 2
    catalogue.preset_row("vllm")
    catalogue.preset_row("sglang")
    assert len(read) == 3


REGIONS = ("", "us.", "us-gov.", "eu.", "apac.", "jp.", "au.", "ca.", "sa.", "me.", "af.", "global.")
CLAUDES = [
    # model, how it thinks, tokens of input and output
    ("claude-opus-5-5", "adaptive", 1_000_000),
    ("claude-haiku-4-5-20251001-v1:0", "budget", 200_000),
    ("claude-opus-4-1-20250805-v1:0", "budget", 200_000),
    ("claude-3-5-sonnet-20241022-v2:0", "none", 200_000),
    ("claude-launched-yesterday", "adaptive", None),
]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(("model", "reasoning", "window"), CLAUDES)
def test_a_model_of_bedrock_is_the_same_in_every_region(region: str, model: str, reasoning: str, window: int | None) -> None:
    name = f"{region}anthropic.{model}"
    profile = row("bedrock", name).profile
    assert (profile.reasoning, profile.context_window, profile.tools) == (reasoning, window, True)
    assert row("bedrock_key", name).profile == profile
    named = f'[routes.mine]\nextends = "bedrock"\nregion = "eu-central-1"\nmodel = "{name}"\n'
    assert resolve(files(build(named)).open(), "mine")[0].profile == profile
    assert row("bedrock", f"arn:aws:bedrock:eu-central-1:123456789012:inference-profile/{name}").profile == profile


@pytest.mark.parametrize(
    "name", ["xx.anthropic.claude-opus-5-5", "us.claude-opus-5-5", "us.us.anthropic.claude-opus-5-5", "us-anthropic.claude"]
)
def test_what_only_looks_like_a_region_is_no_region(name: str) -> None:
    assert row("bedrock", name).profile.reasoning is None


def test_a_region_is_one_on_bedrock_only() -> None:
    assert row("openai", "us.gpt-4.1").profile.max_output is None
    assert row("anthropic", "us.anthropic.claude-opus-4-5").profile.reasoning == "adaptive"  # as any name that no family has


@pytest.mark.parametrize(
    ("name", "model", "window", "most"),
    [
        ("openai", "gpt-4.1-mini", 1_047_576, 32_768), ("openai", "gpt-5.4-mini", 400_000, None), ("openai", "gpt-5-mini", 400_000, 128_000),
        ("openai", "gpt-5-pro", 400_000, 272_000), ("openai", "gpt-6-sol", 1_050_000, None), ("openai", "gpt-6.2-sol", None, None),
        ("openai", "o4-mini", 200_000, 100_000), ("openai_responses", "gpt-4o", 128_000, 16_384), ("openai_responses", "gpt-5-pro", 400_000, 272_000),
        ("anthropic", "claude-sonnet-5-5", 1_000_000, None), ("anthropic", "claude-haiku-4-5", 200_000, 64_000),
        ("vertex_anthropic", "claude-opus-4@20250514", 200_000, 32_000), ("gemini", "gemini-2.5-pro", 1_048_576, 65_536),
        ("gemini", "gemini-3.1-pro-preview", 1_048_576, 65_536), ("gemini", "gemini-3-pro-image", None, None),
        ("mistral", "codestral-2508", 256_000, None), ("cohere", "command-r7b-12-2024", 128_000, None), ("xai", "grok-4.20", 1_000_000, None),
        ("moonshot", "kimi-k3", 1_048_576, None), ("zai", "glm-5.3", 1_000_000, None), ("deepseek", "deepseek-v4-pro", 1_000_000, None),
        ("deepseek_anthropic", "deepseek-v4-pro", 1_000_000, None), ("bedrock", "us.amazon.nova-pro-v1:0", 300_000, None),
    ],
)  # fmt: skip
def test_how_much_well_known_models_take(name: str, model: str, window: int | None, most: int | None) -> None:
    profile = row(name, model).profile
    assert (profile.context_window, profile.max_output) == (window, most)


def test_no_family_hides_behind_another() -> None:
    for provider in CATALOGUE.entries:
        seen: list[str] = []
        for family in provider.row.get("families", ()):
            assert not [one for one in seen if family["prefix"].startswith(one)], (provider.name, family["prefix"])
            seen.append(family["prefix"])


PASSED = [("gemini", "topK"), ("xai", "user"), ("azure_openai", "user"), ("openai_responses", "safety_identifier"), ("anthropic", "top_k"),
          ("bedrock", "top_k"), ("cohere", "k"), ("mistral", "top_k"), ("ollama_cloud", "top_k"), ("openai", "user")]  # fmt: skip


@pytest.mark.parametrize(("name", "field"), PASSED)
def test_fields_pass_under_the_providers_name_the_dialects_and_the_rows(name: str, field: str) -> None:
    target = row(name)
    names = dict.fromkeys((target.provider_name, target.dialect, target.id))
    assert target.id == name
    bodies = [body(target, provider_options={one: {field: 7}}) for one in names]
    assert all(written == bodies[0] != body(target) for written in bodies)
    with pytest.raises(UnknownOption):
        body(target, provider_options={name: {"not_open": 7}})
    if len(names) > 1:
        with pytest.raises(UnknownOption):
            body(target, provider_options={one: {field: 7} for one in names})


# ------------------------------------------------------------------------------------------------------------- departures


@pytest.mark.parametrize(
    ("name", "quirks"),
    [
        ("openai", Quirks()),
        ("groq", Quirks(tool_result_text_only=True)),
        ("deepseek", Quirks("max_tokens", reasoning_field="thinking", reasoning_echo="with_tools")),
        ("xai", Quirks()),
        ("openrouter", Quirks("max_tokens", reasoning_field="reasoning")),
        ("together", Quirks("max_tokens", reasoning_field="reasoning_enabled")),
        ("moonshot", Quirks(reasoning_field="thinking", reasoning_echo="always")),
        ("zai", Quirks("max_tokens", reasoning_field="thinking", reasoning_echo="with_tools")),
        ("meta", Quirks(instruction_role="developer")),
        ("cerebras", Quirks()),
        ("azure_openai_dated", Quirks(api_version="2024-10-21", model_in_path=True)),
        ("vertex_anthropic", Quirks(model_in_path=True, anthropic_version="vertex-2023-10-16")),
    ],
)
def test_departures(name: str, quirks: Quirks) -> None:
    assert row(name).quirks == quirks


def test_departures_reach_the_wire() -> None:
    assert body(row("deepseek"), reasoning="max", max_output_tokens=9)["thinking"] == {"type": "enabled"}
    assert body(row("deepseek"), reasoning="none", max_output_tokens=9)["thinking"] == {"type": "disabled"}
    assert body(row("deepseek"), max_output_tokens=9)["max_tokens"] == 9
    assert body(row("openrouter"), reasoning="low")["reasoning"] == {"effort": "low"}
    assert body(row("together"), reasoning="none")["reasoning"] == {"enabled": False}
    azure = codec_for("openai_chat").encode(asks(), row("azure_openai_dated", "my-deployment"))
    assert "model" not in json.loads(azure.request.body)
    vertex = body(row("vertex_anthropic", "claude-sonnet-5-5"))
    assert "model" not in vertex
    assert vertex["anthropic_version"] == "vertex-2023-10-16"


# What the sheets know to be ignored without a word, or answered with an error that says less than ours.
TOOLS = {"tools": (WEATHER, CLOCK)}
IGNORED: list[tuple[str, dict[str, Any], str]] = [
    ("zai/glm-5", {**TOOLS, "tool_choice": "required"}, "tool_choice"),
    ("zai/glm-5", {"output": SCHEMA}, "output"),
    ("zai/glm-5.3", {"reasoning": "none"}, "reasoning"),
    ("deepseek/deepseek-chat", {"output": SCHEMA}, "output"),
    ("deepseek/deepseek-chat", {**TOOLS, "tool_choice": "get_time"}, "tool_choice"),
    ("deepseek/deepseek-chat", {"reasoning": "medium"}, "reasoning"),
    ("xai/grok-4.20", {"logprobs": 2}, "logprobs"),
    ("xai/grok-9", {"logprobs": 2}, "logprobs"),
    ("xai/grok-4", {"reasoning": "none"}, "reasoning"),
    ("together/any", {**TOOLS, "tool_choice": "required"}, "tool_choice"),
    ("meta/any", {"reasoning": "none"}, "reasoning"),
    ("moonshot/kimi-k3", {"reasoning": "medium"}, "reasoning"),
    ("bedrock_mantle/openai.gpt-oss-120b", {**TOOLS, "tool_choice": "required"}, "tool_choice"),
    ("bedrock_mantle/openai.gpt-oss-120b", {"output": SCHEMA}, "output"),
    ("bedrock_mantle/google.gemma-3", {**TOOLS, "tool_choice": "required"}, "tool_choice"),
    ("gemini/gemini-3.8-flash", {**TOOLS, "parallel_tool_calls": False}, "parallel_tool_calls"),
    ("openai/o3", {"temperature": 0.5}, "temperature"),
    ("openai/gpt-3.5-turbo", {"output": SCHEMA}, "output"),
    ("openai/gpt-4o", {"max_output_tokens": 20_000}, "max_output_tokens"),
]


@pytest.mark.parametrize(("route", "options", "parameter"), IGNORED)
def test_what_would_be_ignored_is_refused(route: str, options: dict[str, Any], parameter: str) -> None:
    name, _, model = route.partition("/")
    with pytest.raises(UnsupportedParameter) as caught:
        fit(asks(**options), row(name, model))
    assert caught.value.parameter == parameter


def test_a_kimi_of_the_second_generation_can_be_told_not_to_think() -> None:
    k2, k3 = row("moonshot", "kimi-k2.6"), row("moonshot", "kimi-k3")
    assert fit(asks(reasoning="none"), k2)[1] == ()
    assert fit(asks(reasoning="none", on_unsupported="drop"), k3)[0].reasoning == "low"
    assert row("xai", "grok-3-mini").profile.logprobs is True


# ---------------------------------------------------------------------------------------------------------------- servers


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("openai-compatible", "http://127.0.0.1:8000/v1/chat/completions"),
        ("llama.cpp", "http://127.0.0.1:8080/v1/chat/completions"),
        ("llama.cpp-responses", "http://127.0.0.1:8080/v1/responses"),
        ("llama.cpp-anthropic", "http://127.0.0.1:8080/v1/messages"),
        ("ollama", "http://127.0.0.1:11434/api/chat"),
        ("ollama-openai", "http://127.0.0.1:11434/v1/chat/completions"),
        ("vllm", "http://127.0.0.1:8000/v1/chat/completions"),
        ("sglang", "http://127.0.0.1:30000/v1/chat/completions"),
        ("lm-studio", "http://127.0.0.1:1234/v1/chat/completions"),
        ("localai", "http://127.0.0.1:8080/v1/chat/completions"),
        ("text-generation-inference", "http://127.0.0.1:8080/v1/chat/completions"),
        ("tgi", "http://127.0.0.1:8080/v1/chat/completions"),
    ],
)
def test_a_server_is_taken_over_by_its_kind(name: str, url: str) -> None:
    target = resolve(files(build(f'[routes.here]\nextends = "{name}"\n')).open(), "here/some-model")[0]
    request = codec_for(target.dialect).encode(asks(), target).request
    assert (request.origin + request.path, request.secret, request.auth, target.net.kind) == (url, None, "none", "loopback")
    assert CATALOGUE.kinds[name].evidence in {"S", "D", "L", "I"}


def test_every_kind_of_server_has_a_line_above() -> None:
    assert len(CATALOGUE.kinds) == 12


def test_what_llama_cpp_does_not_hold_to() -> None:
    made = files(build('[routes.chat]\nextends = "llama.cpp"\n[routes.messages]\nextends = "llama.cpp-anthropic"\n')).open()
    chat, messages = resolve(made, "chat/m")[0], resolve(made, "messages/m")[0]
    forced = asks(**TOOLS, tool_choice="required")
    for target in (chat, messages):
        with pytest.raises(UnsupportedParameter, match="tool_choice"):
            fit(forced, target)
    assert fit(asks(output=SCHEMA), chat)[1] == ()
    emulated, notices = fit(asks(output=SCHEMA, on_unsupported="emulate"), messages)
    assert (emulated.output, emulated.json_object, len(notices)) == (None, True, 1)
    assert body(chat, reasoning="low", max_output_tokens=5)["chat_template_kwargs"] == {"enable_thinking": True}
    assert chat.quirks.max_tokens_field == "max_tokens"

"""A row of the routing table, compiled: everything that a call needs to know about where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from saferoute.values.balancing import Limits
    from saferoute.values.guard_profile import GuardProfile
    from saferoute.values.http import AuthScheme, NetClass
    from saferoute.values.request import DataLabel

__all__ = ["Deadlines", "Dialect", "PriceTier", "Prices", "Profile", "Quirks", "Target"]

Dialect: TypeAlias = Literal[
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini_generate",
    "bedrock_converse",
    "cohere_chat",
    "mistral_chat",
    "ollama_chat",
]


@dataclass(frozen=True, slots=True)
class Quirks:
    """Where a vendor's server departs from its dialect.

    Attributes:
        max_tokens_field: the request field for the output bound.
        instruction_role: what the wire calls a system message.
        stream_usage: whether to ask for usage at the end of a stream (servers that refuse unknown fields say False).
        tool_result_text_only: tool results must be one plain string.
        reasoning_field: how the dial of thinking is written: "reasoning_effort" (a word), "thinking" (`{type}` and a word beside it),
            "reasoning" (`{effort}` or `{max_tokens}`), "reasoning_enabled" (`reasoning {enabled}` and a word beside it), or
            "chat_template_kwargs" (`{enable_thinking}`).
        reasoning_echo: which assistant turns carry their `reasoning_content` back, empty if there is none: those of a call with tools,
            all of them, or none.
        json_object: has a mode that answers any JSON object; what a schema is emulated with.
        api_version: the dated version that a request names in its query; "" for none.
        model_in_path: the model is part of the path, and not of the body.
        anthropic_version: what the body names in place of the header, where a cloud serves Anthropic's models; "" for none.
    """

    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    instruction_role: Literal["system", "developer"] = "system"
    stream_usage: bool = True
    tool_result_text_only: bool = False
    reasoning_field: Literal["reasoning_effort", "thinking", "reasoning", "reasoning_enabled", "chat_template_kwargs"] = "reasoning_effort"
    reasoning_echo: Literal["never", "with_tools", "always"] = "never"
    json_object: bool = True
    api_version: str = ""
    model_in_path: bool = False
    anthropic_version: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a model can do; None means "not known: ask and see".

    Attributes:
        context_window: tokens of input and output together.
        max_output: tokens of output at most.
        tools: takes tool definitions.
        tool_choice: obeys a choice that forces a call ("required", or a tool's name).
        parallel_tools: can be told to make at most one call a turn.
        vision: takes pictures.
        files: takes documents.
        audio: takes sound.
        json_schema: enforces a schema.
        sampling: takes temperature and top_p.
        seed: takes a seed.
        logprobs: tells how likely its tokens were.
        reasoning: "effort" (a word), "budget" (tokens), "adaptive" (Anthropic's current form) or "none".
        efforts: the words that the dial has; () for not known.
    """

    context_window: int | None = None
    max_output: int | None = None
    tools: bool | None = None
    tool_choice: bool | None = None
    parallel_tools: bool | None = None
    vision: bool | None = None
    files: bool | None = None
    audio: bool | None = None
    json_schema: bool | None = None
    sampling: bool | None = None
    seed: bool | None = None
    logprobs: bool | None = None
    reasoning: Literal["effort", "budget", "adaptive", "none"] | None = None
    efforts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceTier:
    """What every token of a request costs that has more than `above` input tokens, in nano-units; None: not known."""

    above: int
    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in nano-units of `currency` per token (a price of $15 per million tokens is 15000). None: not known.

    Attributes:
        currency: of every price here.
        input: of input that was neither read from the provider's cache nor written to it, and is no sound.
        output: of output, thinking included, that is no sound.
        cache_read: of input read from the cache.
        cache_write_5m: of input written to a cache that keeps it for minutes.
        cache_write_1h: of input written to a cache that keeps it for an hour or more.
        input_audio: of sound that was read.
        output_audio: of sound that was made.
        tiers: what requests with a long input cost, the lowest bound first: the last one that a request is above prices all its tokens.
        multipliers: (a term that the provider may report, such as "flex"; thousandths of the price that it then takes).
    """

    currency: str = "USD"
    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    tiers: tuple[PriceTier, ...] = ()
    multipliers: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Default clocks of a route, in seconds."""

    connect: float = 10.0
    first_byte: float = 300.0
    idle: float = 60.0
    total: float = 600.0


@dataclass(frozen=True, slots=True)
class Target:
    """One row: a model at one origin with one key.

    Attributes:
        id: the row's name in the table.
        provider_name: GenAI convention's name, such as "openai", "anthropic" or a server's own.
        dialect: the wire format spoken there.
        origin: canonical origin.
        path: path prefix before the dialect's own path, such as "/v1"; "" for none.
        net: how the origin may be reached: addresses, certificate authorities and pins, the proxy in between.
        model: the model's name there ("*" is replaced by the asked name when the row is resolved).
        secret: name of the secret; None where the server takes none.
        auth: how the secret is presented.
        headers: static headers out of the table's closed list.
        data: highest data label that may go there.
        max_output: hard upper bound of output tokens; None for none known.
        default_max_output: output bound where the caller gives none; None leaves it to the provider.
        extra_params: wire fields that a caller may pass through provider_options.
        quirks: departures from the dialect.
        profile: what the model can do.
        prices: None when not known.
        deadlines: default clocks.
        region: the signer's word for where the data stays; "" for none.
        digest: SHA-256 of the row's canonical bytes, in hex.
        limits: how much may be asked of it; None for no bound.
        quota_group: rows of one group share the provider's rate limit; "" for the group of its key, provider and model family.
        guards: what the row asks of guards; None for nothing beyond what the client has.
    """

    id: str
    provider_name: str
    dialect: Dialect
    origin: str
    path: str
    net: NetClass
    model: str
    secret: str | None
    auth: AuthScheme
    headers: tuple[tuple[str, str], ...] = ()
    data: DataLabel = "public"
    max_output: int | None = None
    default_max_output: int | None = None
    extra_params: frozenset[str] = frozenset()
    quirks: Quirks = Quirks()
    profile: Profile = Profile()
    prices: Prices | None = None
    deadlines: Deadlines = Deadlines()
    region: str = ""
    digest: str = ""
    limits: Limits | None = None
    quota_group: str = ""
    guards: GuardProfile | None = None

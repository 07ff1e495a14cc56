"""What an answer says besides its counts that its price goes by, in every dialect that says it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute.providers.decoder import Decoder
from saferoute.providers.price_terms import under_terms
from saferoute.providers.registry import codec_for
from saferoute.values.fold import Fold
from saferoute.values.http import Head
from saferoute.values.usage import Buckets, Usage
from tests.requirements.dialects import DIALECTS
from tests.support.scripted import target


def usage_of(dialect: str, usage: dict[str, Any], **besides: Any) -> Usage:
    row = target(dialect=dialect)
    decoder = Decoder(codec_for(row.dialect).reader(row), row.provider_name)
    decoder.head(Head(200, {"content-type": "application/json"}))
    body = {**DIALECTS[dialect].whole(usage), **besides}
    fold = Fold()
    fold.add([*decoder.feed(json.dumps(body).encode()), *decoder.close()])
    assert fold.completed is not None
    return fold.completed.usage


CHAT = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
CLAUDE = {"input_tokens": 5, "output_tokens": 2}
GEMINI = {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
SAID = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "hi", "annotations": []}],
}


def part(modality: str, count: int) -> list[dict[str, Any]]:
    return [{"modality": "TEXT", "tokenCount": 1}, {"modality": modality, "tokenCount": count}, 3]  # type: ignore[list-item]  # as sent


@pytest.mark.parametrize(
    ("dialect", "usage", "besides", "terms"),
    [
        ("openai_chat", CHAT, {}, ()),
        ("openai_chat", CHAT, {"service_tier": "default"}, ()),
        ("openai_chat", CHAT, {"service_tier": "auto"}, ()),
        ("openai_chat", CHAT, {"service_tier": None}, ()),
        ("openai_chat", CHAT, {"service_tier": 3}, ()),
        ("openai_chat", CHAT, {"service_tier": "on_demand"}, ()),
        ("openai_chat", CHAT, {"service_tier": "flex"}, ("flex",)),
        ("openai_chat", CHAT, {"service_tier": "Priority"}, ("priority",)),
        ("openai_chat", CHAT, {"service_tier": "no word!"}, ("other",)),
        ("openai_chat", CHAT, {"service_tier": "x" * 65}, ("other",)),
        ("openai_chat", CHAT, {"search_results": [{"url": "https://a.example.com"}]}, ("search_results",)),
        ("openai_chat", {**CHAT, "num_sources_used": 0}, {}, ()),
        ("openai_chat", {**CHAT, "num_sources_used": 2}, {}, ("num_sources_used",)),
        ("openai_chat", {**CHAT, "num_sources_used": "many"}, {}, ()),
        ("openai_responses", {"input_tokens": 5, "output_tokens": 2}, {"service_tier": "flex"}, ("flex",)),
        ("openai_responses", {"input_tokens": 5, "output_tokens": 2}, {"output": [SEARCH, SAID]}, ("server_items",)),
        ("anthropic_messages", {**CLAUDE, "service_tier": "standard", "inference_geo": "global", "speed": "standard"}, {}, ()),
        ("anthropic_messages", {**CLAUDE, "inference_geo": "not_available"}, {}, ()),
        ("anthropic_messages", {**CLAUDE, "service_tier": "priority", "speed": "fast", "inference_geo": "us"}, {}, ("priority", "fast", "us")),
        (
            "anthropic_messages", {**CLAUDE, "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 0}}, {},
            ("web_search_requests",),
        ),
        ("gemini_generate", {**GEMINI, "trafficType": "ON_DEMAND"}, {"serviceTier": "standard"}, ()),
        ("gemini_generate", {**GEMINI, "trafficType": "ON_DEMAND_FLEX"}, {}, ("flex",)),
        ("gemini_generate", GEMINI, {"serviceTier": "flex"}, ("flex",)),
        ("gemini_generate", {**GEMINI, "trafficType": "ON_DEMAND_FLEX"}, {"serviceTier": "flex"}, ("flex",)),
        ("gemini_generate", {**GEMINI, "candidatesTokensDetails": part("IMAGE", 1290)}, {}, ("candidatestokensdetails.image",)),
        ("gemini_generate", {**GEMINI, "candidatesTokensDetails": part("AUDIO", 9)}, {}, ()),
        ("gemini_generate", {**GEMINI, "cacheTokensDetails": part("AUDIO", 9)}, {}, ("cachetokensdetails.audio",)),
        ("gemini_generate", {**GEMINI, "cacheTokensDetails": part("AUDIO", 0)}, {}, ()),
        ("bedrock_converse", {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}, {"serviceTier": {"type": "default"}}, ()),
        ("bedrock_converse", {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}, {"serviceTier": {"type": "flex"}}, ("flex",)),
        ("mistral_chat", {**CHAT, "service_tier": "standard"}, {}, ()),
        ("mistral_chat", {**CHAT, "service_tier": "priority"}, {}, ("priority",)),
    ],
)  # fmt: skip
def test_what_the_price_goes_by(dialect: str, usage: dict[str, Any], besides: dict[str, Any], terms: tuple[str, ...]) -> None:
    assert usage_of(dialect, usage, **besides).terms == terms


def test_without_terms_the_usage_is_the_same_object() -> None:
    usage = Usage(raw={"service_tier": "default"})
    assert under_terms(usage, {"citations": []}, "citations") is usage


def test_a_term_is_said_once() -> None:
    assert under_terms(Usage(raw={"service_tier": "flex"}), {"service_tier": "flex"}).terms == ("flex",)


@pytest.mark.parametrize(
    ("usage", "billed"),
    [
        (
            {"billed_units": {"input_tokens": 5.0, "output_tokens": 2.0}, "tokens": {"input_tokens": 12.0, "output_tokens": 9.0}},
            Buckets(5, output_text=2),
        ),
        ({"tokens": {"input_tokens": 12, "output_tokens": 9}}, None),
        ({"billed_units": {"input_tokens": 5}, "tokens": {"input_tokens": 12, "output_tokens": 9}}, None),
    ],
)
def test_cohere_says_what_it_bills(usage: dict[str, Any], billed: Buckets | None) -> None:
    found = usage_of("cohere_chat", usage)
    assert (found.input_tokens, found.output_tokens, found.billed) == (12, 9, billed)

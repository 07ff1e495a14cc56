"""What the names of provider_options tell about price and tools."""

from __future__ import annotations

import pytest

from saferoute.capabilities.extras import repricing, server_tools
from saferoute.routing.catalogue import load_catalogue

TOOLS = [
    "web_search_options", "search_parameters", "codeExecution", "code_execution", "googleSearch", "googleSearchRetrieval", "urlContext",
    "googleMaps", "container", "max_tool_calls", "mcp_servers", "plugins", "connectors", "computerUse", "fileSearch", "web_search",
    "enable_search", "grounding", "code_interpreter", "retrieval", "agent_config",
]  # fmt: skip


@pytest.mark.parametrize("name", TOOLS)
def test_what_a_provider_runs_is_a_tool_and_has_a_price_of_its_own(name: str) -> None:
    assert server_tools({"p": {"top_k": 1, name: {}}}) == (name,)
    assert repricing({"p": {"top_k": 1, name: {}}}) == (name,)


@pytest.mark.parametrize("name", ["service_tier", "speed", "inference_geo", "prediction", "modalities", "audio", "serviceTier", "anything"])
def test_what_may_change_a_price_is_no_tool(name: str) -> None:
    assert server_tools({"p": {name: 1}}) == ()
    assert repricing({"p": {name: 1}}) == (name,)


@pytest.mark.parametrize("name", ["top_k", "frequency_penalty", "metadata", "user", "grammar", "chat_template_kwargs", "prompt_cache_key"])
def test_what_only_chooses_tokens_does_neither(name: str) -> None:
    assert server_tools({"p": {name: 1}}) == ()
    assert repricing({"p": {name: 1}, "q": {}}) == ()


def test_no_field_of_the_catalogue_is_a_tool_and_neutral_at_once() -> None:
    for provider in load_catalogue().providers:
        for name in provider.row.get("extra_params", ()):
            if server_tools({"p": {name: 1}}):
                assert repricing({"p": {name: 1}}), name

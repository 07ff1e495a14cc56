"""What provider_options may do to a call's price and to its tools, as far as their names tell.

A row opens wire fields to callers. Some of them cost money that no token price covers (a dearer tier, a search, sound), and some let the
provider run tools of its own. A bound on the cost, or on the tools, must not be got around that way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["repricing", "server_tools"]

# Fields that change which tokens come and never what one costs. Whatever is not here may.
_NEUTRAL: Final = frozenset(
    {
        "cache_prompt", "chat_template_kwargs", "citation_options", "disable_tool_validation", "dynatemp_exponent", "dynatemp_range",
        "enable_thinking", "frequency_penalty", "frequencyPenalty", "grammar", "ignore_eos", "id_slot", "include_reasoning", "k",
        "keep_alive", "labels", "logit_bias", "logprobs", "metadata", "min_p", "mirostat", "mirostat_eta", "mirostat_tau", "num_ctx",
        "presence_penalty", "presencePenalty", "priority", "promptMode", "prompt_cache_key", "prompt_mode", "reasoning_format",
        "reasoning_summary", "repeat_last_n", "repeat_penalty", "repetition_penalty", "safe_prompt", "safetySettings", "safety_identifier",
        "safety_mode", "samplers", "stop_token_ids", "store", "structured_outputs", "topK", "top_k", "top_logprobs", "truncate",
        "truncation", "typical_p", "user", "user_id", "verbosity",
    }
)  # fmt: skip
_SERVER_TOOL: Final = re.compile(
    r"search|tool|execut|retriev|context|maps|browser|computer|container|ground|interpreter|mcp|plugin|connector|agent", re.IGNORECASE
)
_NO_TOOLS: Final = frozenset({"disable_tool_validation", "truncate_prompt_tokens", "num_ctx", "context_length_exceeded_behavior"})


def repricing(provider_options: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The fields among a call's provider_options after which the prices of tokens may not tell its cost."""
    return tuple(name for fields in provider_options.values() for name in fields if name not in _NEUTRAL)


def server_tools(provider_options: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The fields among a call's provider_options that look like tools which the provider runs."""
    return tuple(
        name for fields in provider_options.values() for name in fields if name not in _NO_TOOLS and _SERVER_TOOL.search(name) is not None
    )

"""Write a ChatRequest in the words of OpenAI Chat Completions. Pure; the vendors' departures are data in the target's quirks.

How the conversation is written stands in openai_chat_turns. Tool parameters and output schemas are JSON already and go into the body as
they are, so that a request with many tools costs no second encoding. Options that were not given are not sent: the provider's default
holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from saferoute.errors import UnsupportedParameter
from saferoute.providers.codec import Encoded
from saferoute.providers.openai_chat_turns import Conversation
from saferoute.providers.writing import (
    NoticingOnce,
    add_sampling,
    choice_written,
    extra_fields,
    post,
    schema_raw,
    tools_raw,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["encode_chat"]

# Fields that have an option of ours and rules behind it; no signed row can open them to provider_options.
_RESERVED: Final[Mapping[str, str]] = {
    "model": "the route names the model",
    "messages": "pass messages",
    "stream": "call stream() or chat()",
    "tools": "pass tools",
    "max_tokens": "pass max_output_tokens",
    "max_completion_tokens": "pass max_output_tokens",
    "n": "pass n",
}


def encode_chat(request: ChatRequest, target: Target) -> Encoded:
    """Write the request for the target.

    Raises:
        UnsupportedParameter: for what the dialect cannot carry (unless the request says drop).
        UnknownOption: for a provider option that the row does not list, or that has an option of its own.
        InvalidMessages: for a conversation or tool choice that this dialect cannot express.
    """
    noticing = NoticingOnce(request.on_unsupported)
    quirks = target.quirks
    fields: dict[str, Any] = {} if quirks.model_in_path else {"model": target.model}
    fields["messages"] = Conversation(request, target, noticing).messages(request.messages)
    add_sampling(fields, request, target, bound=quirks.max_tokens_field, seed="seed")
    if request.reasoning is not None:
        _add_reasoning(fields, request.reasoning, target, noticing)
    spliced: dict[str, bytes] = {}
    if request.tools:
        spliced["tools"] = tools_raw(request.tools, strict=True)
        if request.tool_choice is not None:
            fields["tool_choice"] = choice_written(request.tool_choice)
        if request.parallel_tool_calls is not None:
            fields["parallel_tool_calls"] = request.parallel_tool_calls
    if request.output is not None:
        spliced["response_format"] = schema_raw(request.output)
    elif request.json_object and quirks.json_object:
        fields["response_format"] = {"type": "json_object"}
    if request.cache == "provider":
        noticing.once("noted", "cache", "Chat Completions has no cache marks: a server that caches prompts does so by itself")
    if request.stream:
        fields["stream"] = True
        if quirks.stream_usage:
            fields["stream_options"] = {"include_usage": True}
    if request.provider_options:
        fields |= extra_fields(request, target, _RESERVED, fields.keys() | spliced.keys())
    path = _path(target) if quirks.api_version or quirks.model_in_path else "/chat/completions"
    accept = "text/event-stream" if request.stream else "application/json"
    return Encoded(post(target, path, fields, spliced, accept=accept), tuple(noticing.notices))


def _path(target: Target) -> str:
    """The path where it is not the usual one: Azure's older doors name the deployment and the version of the API there."""
    version = f"?api-version={quote(target.quirks.api_version, safe='')}" if target.quirks.api_version else ""
    if not target.quirks.model_in_path:
        return f"/chat/completions{version}"
    if target.model in {"", ".", ".."}:  # quoting leaves dots as they are, and a path reads them as steps
        msg = f"{target.model!r} is no deployment's name that a path could hold; name another model"
        raise UnsupportedParameter(msg, parameter="model")
    return f"/deployments/{quote(target.model, safe='')}/chat/completions{version}"


def _add_reasoning(fields: dict[str, Any], reasoning: str | int, target: Target, noticing: NoticingOnce) -> None:
    asked = "none" if reasoning == 0 else reasoning
    field, form = target.quirks.reasoning_field, target.profile.reasoning
    turned_on = asked != "none"
    if form == "none":  # what is asked of a model without reasoning is "none", which it does anyway
        return
    if field == "reasoning":
        fields["reasoning"] = {"max_tokens": asked} if isinstance(asked, int) else {"effort": asked}
    elif isinstance(asked, int):
        noticing.unsupported("reasoning", f"{target.provider_name} has no reasoning budget in tokens, only the words none to max")
    elif field == "reasoning_effort":
        if form in {None, "effort"}:
            fields["reasoning_effort"] = asked
        else:
            noticing.unsupported("reasoning", f"{target.model} has no reasoning effort, nor the word that turns its thinking off")
    else:
        match field:
            case "thinking":
                fields["thinking"] = {"type": "enabled" if turned_on else "disabled"}
            case "reasoning_enabled":
                fields["reasoning"] = {"enabled": turned_on}
            case "chat_template_kwargs":
                fields["chat_template_kwargs"] = {"enable_thinking": turned_on}
        if turned_on and field != "chat_template_kwargs" and form in {None, "effort"}:
            fields["reasoning_effort"] = asked
        elif turned_on:
            noticing.changed("reasoning", f"{target.model} only reasons or does not; the effort {asked!r} is left out")

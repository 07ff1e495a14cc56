"""A chat request in the words of the Messages API: version, bounds, sampling, reasoning, tools, structured output, options.

The API version is chosen per call: since 2026-10-21 the API refuses temperature, top_p and top_k even at their defaults, so that a
call which sets one goes out as 2023-06-01. A cloud may have doors of its own (`Quirks`): the version in the body, the model in the path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from saferoute.errors import InvalidMessages, UnknownOption
from saferoute.providers.anthropic_turns import encode_conversation, written
from saferoute.providers.codec import Encoded, Noticing
from saferoute.providers.thinking_budgets import BUDGETS, checked_budget
from saferoute.providers.writing import namespaces, object_schema, offered, output_bound, sampling
from saferoute.values.events import Notice
from saferoute.values.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target
    from saferoute.values.tools import Tool

__all__ = ["encode_request"]

VERSION = "2026-10-21"
SAMPLING_VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 4096
MAX_TEMPERATURE = 1

_SAMPLING = ("temperature", "top_p", "top_k")
_EFFORTS: Mapping[str, str] = {word: word for word in ("low", "medium", "high", "xhigh", "max")} | {"minimal": "low"}
# Fields that provider_options may not set whatever the table allows, and what to use instead.
_RESERVED: Mapping[str, str] = {
    "anthropic_version": "it is chosen for each call",
    "model": "the route names the model",
    "messages": "pass messages",
    "system": "pass system",
    "stream": "call stream() or chat()",
    "max_tokens": "pass max_output_tokens",
}


def encode_request(request: ChatRequest, target: Target) -> Encoded:
    """Write a chat request.

    Raises:
        UnsupportedParameter: for what the API cannot carry (unless the request says drop).
        InvalidMessages: for a conversation that the API cannot express.
        UnknownOption: for a provider option that the row does not allow, or that the call sets already.
    """
    noticing = Noticing(request.on_unsupported)
    quirks = target.quirks
    fields: dict[str, object] = {} if quirks.model_in_path else {"model": target.model}
    fields["max_tokens"] = bound = _max_tokens(request, target, noticing)
    if request.stream:
        fields["stream"] = True
    if request.stop:
        fields["stop_sequences"] = request.stop
    if request.cache == "provider":
        fields["cache_control"] = {"type": "ephemeral"}
    _refuse(request, noticing)
    effort = _reasoning(request, target, fields, bound, noticing)
    system, messages = encode_conversation(request.messages, target, noticing)
    spliced = {"system": system, "messages": messages, **_tools(request)}
    spliced["output_config"] = _output_config(request, effort)
    options: dict[str, Any] = {}
    if request.provider_options:
        taken = fields.keys() | {name for name, raw in spliced.items() if raw is not None}
        options = _options(request, target, taken)
    if options or request.temperature is not None or request.top_p is not None:
        _sampling(request, target, fields, options, noticing)
        fields |= options
    version = _version(quirks.anthropic_version, fields)
    if quirks.anthropic_version:
        fields["anthropic_version"] = version
    ready = b"".join(b',"%s":%s' % (name.encode(), raw) for name, raw in spliced.items() if raw is not None)
    return Encoded(
        HttpRequest(
            method="POST",
            origin=target.origin,
            path=_path(request, target),
            headers=_headers(request, target, "" if quirks.anthropic_version else version),
            body=written(fields)[:-1] + ready + b"}",
            secret=target.secret,
            auth=target.auth,
            net=target.net,
        ),
        tuple(noticing.notices),
    )


def _refuse(request: ChatRequest, noticing: Noticing) -> None:
    """Say no to what the API has nothing for."""
    if request.seed is not None:
        noticing.unsupported("seed", "the Messages API has no seed")
    if request.n != 1:
        noticing.unsupported("n", "the Messages API gives one answer a call; call several times")
    if request.logprobs is not None:
        noticing.unsupported("logprobs", "the Messages API does not tell how likely its tokens were")


def _path(request: ChatRequest, target: Target) -> str:
    """The model is one segment of the path where it is part of it, whatever it holds."""
    if not target.quirks.model_in_path:
        return target.path + "/v1/messages"
    if not target.model:
        raise InvalidMessages(f"the table row {target.id!r} got no model, which its path has to name")
    try:
        return f"{target.path}/{quote(target.model, safe='@')}:{'streamRawPredict' if request.stream else 'rawPredict'}"
    except UnicodeEncodeError:
        raise InvalidMessages(f"the model that the table row {target.id!r} got has half a surrogate pair") from None


def _version(fixed: str, fields: Mapping[str, object]) -> str:
    """The API version of the call: a cloud's own word as it is, and of the API's two the one that has what the call asks for."""
    if fixed not in {"", VERSION}:
        return fixed
    return VERSION if fields.keys().isdisjoint(_SAMPLING) else SAMPLING_VERSION


def _headers(request: ChatRequest, target: Target, version: str) -> tuple[tuple[str, str], ...]:
    ours = {"content-type": "application/json", "accept": "text/event-stream" if request.stream else "application/json"}
    if version:
        ours["anthropic-version"] = version
    return tuple((ours | dict(target.headers)).items())


def _max_tokens(request: ChatRequest, target: Target, noticing: Noticing) -> int:
    """The output bound, which the API wants in every call."""
    bound = output_bound(request, target)
    if bound is None:
        bound = target.max_output
    if bound is not None:
        return bound
    said = f"the Messages API wants a bound in every call, and neither the call nor the table gives one; {DEFAULT_MAX_TOKENS} is used"
    noticing.notices.append(Notice("filled", "max_output_tokens", said))
    return DEFAULT_MAX_TOKENS


def _sampling(request: ChatRequest, target: Target, fields: dict[str, object], options: dict[str, Any], noticing: Noticing) -> None:
    """Add temperature and top_p; where the model takes no sampling parameters, provider options have none either."""
    asked = sampling(request)
    for name in asked.keys() & options.keys():
        raise _twice(name)
    if asked.get("temperature", 0) > MAX_TEMPERATURE:
        noticing.unsupported("temperature", f"the Messages API takes 0 to {MAX_TEMPERATURE}")
        del asked["temperature"]
    fields |= asked
    if target.profile.sampling is not False:
        return
    for name in _SAMPLING:  # fit does not see provider options, and one of these would choose an older version of the API
        if name in options:
            noticing.unsupported(name, f"{target.model} takes no sampling parameters")
            del options[name]


def _reasoning(request: ChatRequest, target: Target, fields: dict[str, object], bound: int, noticing: Noticing) -> str | None:
    """Set the reasoning dial: `thinking`, and the effort word that goes into `output_config`.

    Returns:
        The effort; None for none.
    """
    asked, form = request.reasoning, target.profile.reasoning
    if asked is None or form == "none":  # what is asked of a model without reasoning is "none", which it does anyway
        return None
    if asked in {"none", 0}:
        fields["thinking"] = {"type": "disabled"}
        return None
    if isinstance(asked, int) or form == "budget":
        budget = asked if isinstance(asked, int) else BUDGETS[asked]
        fields["thinking"] = {"type": "enabled", "budget_tokens": checked_budget(budget, bound)}
        return None
    if form != "effort":
        fields["thinking"] = {"type": "adaptive"}
    if asked == "minimal":
        noticing.changed("reasoning", 'the Messages API has no effort "minimal"; "low" is sent')
    return _EFFORTS[asked]


def _output_config(request: ChatRequest, effort: str | None) -> bytes | None:
    parts = []
    if effort is not None:
        parts.append(b'"effort":"%s"' % effort.encode())
    if request.output is not None:
        parts.append(b'"format":{"type":"json_schema","schema":%s}' % request.output.schema)
    return b"{%s}" % b",".join(parts) if parts else None


def _tools(request: ChatRequest) -> dict[str, bytes | None]:
    """The fields `tools` and `tool_choice`."""
    tools, choice = offered(request)
    if not tools:
        return {}
    fields: dict[str, bytes | None] = {"tools": b"[%s]" % b",".join(map(_tool, tools))}
    kinds = {None: "auto", "auto": "auto", "none": "none", "required": "any"}
    wire: dict[str, object] = {"type": kinds[choice]} if choice in kinds else {"type": "tool", "name": choice}
    if request.parallel_tool_calls is False and choice != "none":
        wire["disable_parallel_tool_use"] = True
    if choice is not None or len(wire) > 1:
        fields["tool_choice"] = written(wire)
    return fields


def _tool(tool: Tool) -> bytes:
    head = {"name": tool.name, "description": tool.description} if tool.description else {"name": tool.name}
    strict = b',"strict":true' if tool.strict else b""
    return b'%s,"input_schema":%s%s}' % (written(head)[:-1], object_schema(tool.parameters), strict)


def _options(request: ChatRequest, target: Target, taken: set[str]) -> dict[str, Any]:
    """What the caller passes through, under the provider's name, the dialect's or the row's, as far as the table allows it."""
    options: dict[str, Any] = {}
    for namespace in namespaces(target):
        for name, value in request.provider_options.get(namespace, {}).items():
            if name in _RESERVED:
                msg = f"provider_options may not set {name!r}: {_RESERVED[name]}"
                raise UnknownOption(msg)
            if name not in target.extra_params:
                allowed = ", ".join(sorted(target.extra_params)) or "none"
                msg = f"the table row {target.id!r} does not let provider_options set {name!r}; it allows: {allowed}"
                raise UnknownOption(msg)
            if name in taken or name in options:
                raise _twice(name)
            options[name] = value
    return options


def _twice(name: str) -> UnknownOption:
    return UnknownOption(f"provider_options sets {name!r}, which the call's own options set already")

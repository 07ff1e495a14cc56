"""A chat request in the words of Converse: path, bounds, sampling, reasoning, tools, structured output, options.

Converse itself has four sampling fields. What else a model takes stands in `additionalModelRequestFields`; so do the provider options
that are no field of Converse's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from saferoute.errors import InvalidMessages
from saferoute.providers.bedrock_turns import Turns, checked_tool_name
from saferoute.providers.codec import Encoded, Noticing
from saferoute.providers.thinking_budgets import BUDGETS, checked_budget
from saferoute.providers.writing import extra_fields, object_schema, offered, output_bound, written
from saferoute.values.events import Notice
from saferoute.values.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target
    from saferoute.values.tools import Tool

__all__ = ["encode_request"]

MAX_SAMPLING = 1
# Converse's own fields that provider_options may set if the table allows them; everything else is a field of the model.
_OWN_FIELDS = frozenset(
    {
        "additionalModelResponseFieldPaths",
        "guardrailConfig",
        "performanceConfig",
        "promptVariables",
        "requestMetadata",
        "serviceTier",
    }
)
# Fields that provider_options may not set whatever the table allows, and what to use instead.
_RESERVED: Mapping[str, str] = {
    "modelId": "the route names the model",
    "model": "the route names the model",
    "messages": "pass messages",
    "system": "pass system",
    "stream": "call stream() or chat()",
    "inferenceConfig": "pass max_output_tokens, temperature, top_p and stop",
    "maxTokens": "pass max_output_tokens",
    "max_tokens": "pass max_output_tokens",
    "toolConfig": "pass tools and tool_choice",
    "tools": "pass tools",
    "outputConfig": "pass output and reasoning",
    "additionalModelRequestFields": "give its fields by their own names; they are put there",
}


def encode_request(request: ChatRequest, target: Target) -> Encoded:
    """Write a chat request.

    Raises:
        UnsupportedParameter: for what Converse cannot carry (unless the request says drop).
        InvalidMessages: for a conversation that Converse cannot express.
        UnknownOption: for a provider option that the row does not allow, or that the call sets already.
    """
    noticing = Noticing(request.on_unsupported)
    bound = output_bound(request, target)
    extra: dict[str, Any] = {}
    effort = _reasoning(request, target, extra, bound, noticing)
    turns = Turns(request.messages, target, noticing)
    cache = request.cache == "provider"
    fields = {
        "system": turns.system(cache=cache),
        "messages": turns.messages(cache=cache),
        "inferenceConfig": _inference(request, bound, noticing),
        "toolConfig": _tools(request, turns.used_tools, noticing),
        "outputConfig": _output_config(request, effort),
    }
    for name, value in extra_fields(request, target, _RESERVED, extra.keys()).items():
        if name in _OWN_FIELDS:
            fields[name] = written(value)
        else:
            extra[name] = value
    fields["additionalModelRequestFields"] = written(extra) if extra else None
    body = b",".join(b'"%s":%s' % (name.encode(), raw) for name, raw in fields.items() if raw is not None)
    accept = "application/vnd.amazon.eventstream" if request.stream else "application/json"
    return Encoded(
        HttpRequest(
            method="POST",
            origin=target.origin,
            path=_path(target, "converse-stream" if request.stream else "converse"),
            headers=tuple(({"content-type": "application/json", "accept": accept} | dict(target.headers)).items()),
            body=b"{%s}" % body,
            secret=target.secret,
            auth=target.auth,
            net=target.net,
        ),
        tuple(noticing.notices),
    )


def _path(target: Target, operation: str) -> str:
    """The model is one segment of the path, whatever it holds: an ARN has colons and slashes, and dots alone would climb."""
    if target.model in {"", ".", ".."}:
        raise InvalidMessages(f"the table row {target.id!r} got {target.model!r} for a model, which no path can name")
    try:
        return f"{target.path}/model/{quote(target.model, safe='')}/{operation}"
    except UnicodeEncodeError:
        raise InvalidMessages(f"the model that the table row {target.id!r} got has half a surrogate pair") from None


def _inference(request: ChatRequest, bound: int | None, noticing: Noticing) -> bytes | None:
    fields: dict[str, object] = {} if bound is None else {"maxTokens": bound}
    for ours, theirs, value in (("temperature", "temperature", request.temperature), ("top_p", "topP", request.top_p)):
        if value is not None and value > MAX_SAMPLING:
            noticing.unsupported(ours, f"Converse takes 0 to {MAX_SAMPLING}")
        elif value is not None:
            fields[theirs] = value
    if request.stop:
        fields["stopSequences"] = request.stop
    if request.seed is not None:
        noticing.unsupported("seed", "Converse has no seed")
    if request.n != 1:
        noticing.unsupported("n", "Converse gives one answer a call; call several times")
    if request.logprobs is not None:
        noticing.unsupported("logprobs", "Converse does not tell how likely its tokens were")
    return written(fields) if fields else None


def _reasoning(request: ChatRequest, target: Target, extra: dict[str, Any], bound: int | None, noticing: Noticing) -> str | None:
    """Set the reasoning dial: `thinking` among the model's own fields, or the effort word that goes into `outputConfig`.

    Returns:
        The effort; None for none.
    """
    asked, form = request.reasoning, target.profile.reasoning
    if asked is None or form == "none":  # what is asked of a model without reasoning is "none", which it does anyway
        return None
    if asked == 0 or (asked == "none" and form in {"budget", "adaptive"}):
        extra["thinking"] = {"type": "disabled"}
        return None
    if isinstance(asked, int) or form == "budget":
        budget = asked if isinstance(asked, int) else BUDGETS[asked]
        extra["thinking"] = {"type": "enabled", "budget_tokens": checked_budget(budget, bound)}
        return None
    if form != "adaptive":
        return asked
    extra["thinking"] = {"type": "adaptive"}
    if asked == "minimal":
        noticing.changed("reasoning", f'{target.model} has no effort "minimal"; "low" is sent')
        return "low"
    return asked


def _output_config(request: ChatRequest, effort: str | None) -> bytes | None:
    fields: dict[str, object] = {}
    if effort is not None:
        fields["effort"] = effort
    if request.output is not None:
        schema = {"name": request.output.name, "schema": request.output.schema.decode()}  # JSON inside a string
        fields["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    return written(fields) if fields else None


def _tools(request: ChatRequest, used: Collection[str], noticing: Noticing) -> bytes | None:
    """The field `toolConfig`: the tools, those that the conversation calls besides, and the choice."""
    tools, choice = offered(request)
    if tools and request.parallel_tool_calls is False:
        noticing.unsupported("parallel_tool_calls", "Converse has no switch for calls in parallel")
    declared = [_tool(tool) for tool in tools]
    missing = [name for name in used if name not in {tool.name for tool in tools}]
    if choice == "none" and tools and used:
        why = 'Converse has no "none", and a conversation with tool calls in it needs its tools: the model may call one'
        noticing.unsupported("tool_choice", why)
    elif choice == "none" and tools:
        noticing.changed("tool_choice", 'Converse has no tool_choice "none"; the tools are left out instead')
        declared = []
    if missing:
        said = "Converse wants the tools declared that the conversation calls; those that the call does not give are declared by name"
        noticing.notices.append(Notice("filled", "tools", said))
        declared += [_declared(name, b"", b'{"type":"object"}') for name in missing]
    if not declared:
        return None
    return b'{"tools":[%s]%s}' % (b",".join(declared), _choice(choice))


def _choice(choice: str | None) -> bytes:
    if choice in {None, "none"}:
        return b""
    kinds: Mapping[str | None, object] = {"auto": {"auto": {}}, "required": {"any": {}}}
    return b',"toolChoice":%s' % written(kinds.get(choice, {"tool": {"name": choice}}))


def _tool(tool: Tool) -> bytes:
    more = b',"description":%s' % written(tool.description) if tool.description else b""
    if tool.strict:
        more += b',"strict":true'
    return _declared(checked_tool_name(tool.name), more, object_schema(tool.parameters))


def _declared(name: str, more: bytes, schema: bytes) -> bytes:
    return b'{"toolSpec":{"name":%s%s,"inputSchema":{"json":%s}}}' % (written(name), more, schema)

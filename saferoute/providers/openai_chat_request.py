"""Write a ChatRequest in the words of OpenAI Chat Completions. Pure; the vendors' departures are data in the target's quirks.

Tool parameters and output schemas are JSON already and go into the body as they are, so that a request with many tools costs no
second encoding. Options that were not given are not sent: the provider's default holds.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from saferoute.errors import InvalidMessages, UnknownOption, UnsupportedParameter
from saferoute.providers.codec import Encoded, Noticing
from saferoute.values.events import Notice
from saferoute.values.http import HttpRequest
from saferoute.values.json import as_mapping, decode, encode
from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.messages import Message, OpaqueState, Part
    from saferoute.values.request import ChatRequest, OutputSchema
    from saferoute.values.target import Target
    from saferoute.values.tools import Tool

__all__ = ["DIALECT", "encode_chat"]

DIALECT = "openai_chat"
_CHOICE_WORDS = frozenset({"auto", "none", "required"})
# Fields that have an option of ours and rules behind it; no signed row can open them to provider_options.
_NEVER_EXTRA = frozenset({"model", "messages", "stream", "tools", "max_tokens", "max_completion_tokens"})


def encode_chat(request: ChatRequest, target: Target) -> Encoded:
    """Write the request for the target.

    Raises:
        UnsupportedParameter: for what the dialect or the row's profile cannot carry (unless the request says drop).
        UnknownOption: for a provider option that the row does not list, or that has an option of its own.
        InvalidMessages: for a conversation or tool choice that this dialect cannot express.
    """
    noticing = Noticing(request.on_unsupported)
    fields: dict[str, Any] = {"model": target.model, "messages": _Conversation(target, noticing).messages(request.messages)}
    _add_sampling(fields, request, target, noticing)
    raw = _tools_raw(fields, request, target, noticing)
    if request.output is not None:
        if target.profile.json_schema is False:
            noticing.unsupported("output", f"{target.model} enforces no JSON Schema")
        else:
            raw += b',"response_format":' + _output_raw(request.output)
    if request.stream:
        fields["stream"] = True
        if target.quirks.stream_usage:
            fields["stream_options"] = {"include_usage": True}
    _add_extras(fields, raw, request, target)
    try:
        body = encode(fields)
    except ValueError as error:
        msg = f"the request is not JSON: {error}; look for it in the messages and in provider_options"
        raise InvalidMessages(msg) from None
    accept = "text/event-stream" if request.stream else "application/json"
    return Encoded(
        HttpRequest(
            method="POST",
            origin=target.origin,
            path=target.path + "/chat/completions",
            headers=(("content-type", "application/json"), ("accept", accept), *target.headers),
            body=body[:-1] + raw + b"}" if raw else body,
            secret=target.secret,
            auth=target.auth,
            net=target.net,
        ),
        tuple(noticing.notices),
    )


# ------------------------------------------------------------------------------------------------------------- options


def _add_sampling(fields: dict[str, Any], request: ChatRequest, target: Target, noticing: Noticing) -> None:
    bound = request.max_output_tokens
    if bound is not None and target.max_output is not None and bound > target.max_output:
        msg = f"max_output_tokens={bound} is over the {target.max_output} that the table allows for {target.id}"
        raise UnsupportedParameter(msg, parameter="max_output_tokens")
    if bound is None:
        bound = target.default_max_output
    if bound is not None:
        fields[target.quirks.max_tokens_field] = bound
    for name, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        if value is not None:
            if target.profile.sampling is False:
                noticing.unsupported(name, f"{target.model} takes no sampling parameters")
            else:
                fields[name] = value
    if request.stop:
        fields["stop"] = list(request.stop)
    if request.seed is not None:
        fields["seed"] = request.seed
    if request.reasoning is not None:
        _add_reasoning(fields, request.reasoning, target, noticing)


def _add_reasoning(fields: dict[str, Any], reasoning: str | int, target: Target, noticing: Noticing) -> None:
    if isinstance(reasoning, int):
        noticing.unsupported("reasoning", "Chat Completions has no reasoning budget in tokens, only the words none to max")
    elif target.profile.reasoning in {None, "effort"}:
        fields["reasoning_effort"] = reasoning
    elif reasoning != "none":  # "none" is what a model without reasoning does anyway
        noticing.unsupported("reasoning", f"{target.model} has no reasoning effort")


def _tools_raw(fields: dict[str, Any], request: ChatRequest, target: Target, noticing: Noticing) -> bytes:
    choice = request.tool_choice
    if choice is not None and choice not in _CHOICE_WORDS and all(tool.name != choice for tool in request.tools):
        msg = f"tool_choice names {choice!r}, which is not among the tools"
        raise InvalidMessages(msg)
    if not request.tools:
        if choice == "required":
            msg = "tool_choice='required' needs tools"
            raise InvalidMessages(msg)
        return b""
    if target.profile.tools is False:
        noticing.unsupported("tools", f"{target.model} takes no tools")
        return b""
    if choice is not None:
        fields["tool_choice"] = choice if choice in _CHOICE_WORDS else {"type": "function", "function": {"name": choice}}
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    return b',"tools":[' + b",".join(map(_tool_raw, request.tools)) + b"]"


def _tool_raw(tool: Tool) -> bytes:
    words: dict[str, Any] = {"name": tool.name}
    if tool.description:
        words["description"] = tool.description
    if tool.strict is not None:
        words["strict"] = tool.strict
    try:
        return b'{"type":"function","function":' + encode(words)[:-1] + b',"parameters":' + tool.parameters + b"}}"
    except ValueError as error:
        msg = f"tool {tool.name!r}: its description is not JSON: {error}"
        raise InvalidMessages(msg) from None


def _output_raw(output: OutputSchema) -> bytes:
    words = encode({"name": output.name, "strict": output.strict})
    return b'{"type":"json_schema","json_schema":' + words[:-1] + b',"schema":' + output.schema + b"}}"


def _add_extras(fields: dict[str, Any], raw: bytes, request: ChatRequest, target: Target) -> None:
    for namespace in dict.fromkeys((target.provider_name, DIALECT)):
        for name, value in request.provider_options.get(namespace, {}).items():
            if name not in target.extra_params or name in _NEVER_EXTRA:
                listed = ", ".join(sorted(target.extra_params - _NEVER_EXTRA)) or "none"
                msg = f"provider_options[{namespace!r}] has {name!r}, which the table does not open for {target.id}; it opens: {listed}"
                raise UnknownOption(msg)
            if name in fields or (name == "response_format" and b',"response_format":' in raw):
                msg = f"provider_options[{namespace!r}] has {name!r}, which this call says already: by an option of its own, or twice"
                raise UnknownOption(msg)
            fields[name] = value


# ------------------------------------------------------------------------------------------------------------ messages


class _Conversation:
    """Writes messages; knows where they go, and collects what cannot go there."""

    __slots__ = ("_noted", "_noticing", "_target", "_thinks")

    def __init__(self, target: Target, noticing: Noticing) -> None:
        self._target = target
        self._noticing = noticing
        self._noted: set[str] = set()
        self._thinks = False

    def messages(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        written: list[dict[str, Any]] = []
        for message in messages:
            match message.role:
                case "assistant":
                    written.append(self._assistant(message))
                case "system":
                    written.append(self._plain(message, self._target.quirks.instruction_role))
                case "user" | "tool":
                    results = [part for part in message.content if isinstance(part, ToolResult)]
                    written += map(self._result, results)
                    if len(results) < len(message.content):
                        written.append(self._plain(message, "user"))
        if self._thinks:  # a server that wants its reasoning_content back wants it in every turn, be it empty (DeepSeek answers 400)
            for entry in written:
                if entry["role"] == "assistant":
                    entry.setdefault("reasoning_content", "")
        return written

    def _plain(self, message: Message, role: str) -> dict[str, Any]:
        parts = [part for part in message.content if not isinstance(part, ToolResult)]
        entry: dict[str, Any] = {"role": role}
        if len(parts) == 1 and isinstance(parts[0], Text):
            entry["content"] = parts[0].text
        else:
            entry["content"] = [written for part in parts if (written := self._part(part, role)) is not None]
        if message.name is not None:
            entry["name"] = message.name
        return entry

    def _part(self, part: Part, role: str) -> dict[str, Any] | None:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text}
        if role == "user":
            match part:
                case Image():
                    return self._image(part)
                case Audio():
                    return {"type": "input_audio", "input_audio": {"data": b64encode(part.data).decode(), "format": part.format}}
                case File():
                    return self._file(part)
                case _:
                    pass
        self._noticing.unsupported("messages", f"Chat Completions has no {part.type} in a {role} message")
        return None

    def _image(self, part: Image) -> dict[str, Any] | None:
        if self._target.profile.vision is False:
            self._noticing.unsupported("messages", f"{self._target.model} takes no images")
            return None
        inner = {"url": part.url if part.data is None else _data_uri(part.media_type, part.data)}
        if part.detail is not None:
            inner["detail"] = part.detail
        return {"type": "image_url", "image_url": inner}

    def _file(self, part: File) -> dict[str, Any] | None:
        if part.url is not None:
            self._noticing.unsupported("messages", "Chat Completions takes a file as bytes or by id, not by URL")
            return None
        if part.data is None:
            return {"type": "file", "file": {"file_id": part.file_id}}
        name = part.filename or ("file.pdf" if part.media_type == "application/pdf" else "file")
        return {"type": "file", "file": {"filename": name, "file_data": _data_uri(part.media_type, part.data)}}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        texts = [part for part in result.content if isinstance(part, Text)]
        if len(texts) < len(result.content):
            self._noticing.unsupported("messages", "Chat Completions takes text only in a tool result")
        if result.is_error:
            self._note("noted", "is_error", "Chat Completions cannot mark a tool result as an error; its text has to say so")
        entry: dict[str, Any] = {"role": "tool", "tool_call_id": result.call_id}
        if len(texts) > 1 and not self._target.quirks.tool_result_text_only:
            entry["content"] = [{"type": "text", "text": part.text} for part in texts]
        else:
            entry["content"] = "".join(part.text for part in texts)
        return entry

    def _assistant(self, message: Message) -> dict[str, Any]:
        entry: dict[str, Any] = {"role": "assistant"}
        texts: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        thinking: list[Any] = []
        for part in message.content:
            match part:
                case Text():
                    texts.append({"type": "text", "text": part.text})
                case Refusal():
                    entry["refusal"] = entry.get("refusal", "") + part.text
                case ToolCall():
                    calls.append(self._call(part))
                case Reasoning():
                    self._reasoning(part, entry, thinking)
                case _:
                    self._noticing.unsupported("messages", f"Chat Completions has no {part.type} in an assistant message")
        if thinking or len(texts) > 1:
            entry["content"] = thinking + texts
        else:
            entry["content"] = texts[0]["text"] if texts else None
        if calls:
            entry["tool_calls"] = calls
        elif entry["content"] is None and "refusal" not in entry:
            entry["content"] = ""
        if message.name is not None:
            entry["name"] = message.name
        return entry

    def _call(self, call: ToolCall) -> dict[str, Any]:
        written: dict[str, Any] = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
        if call.state is not None and (extra := self._own(call.state)):
            written.update({name: extra[name] for name in ("extra_content",) if name in extra})
        return written

    def _reasoning(self, part: Reasoning, entry: dict[str, Any], thinking: list[Any]) -> None:
        if part.state is None:
            self._note("noted", "reasoning", "Chat Completions takes shown reasoning back only where the provider asks for it; left out")
            return
        own = self._own(part.state)
        if "reasoning_details" in own:
            entry["reasoning_details"] = own["reasoning_details"]
        if "reasoning_content" in own:
            entry["reasoning_content"] = entry.get("reasoning_content", "") + own["reasoning_content"]
            self._thinks = True
        thinking += own.get("thinking", ())

    def _own(self, state: OpaqueState) -> Mapping[str, Any]:
        """The state's content if it was made by where this goes, else nothing and a notice."""
        target = self._target
        if (state.provider_name, state.dialect, state.model) == (target.provider_name, DIALECT, target.model):
            return as_mapping(decode(state.payload))
        why = f"state of {state.provider_name} {state.model} means nothing to {target.provider_name} {target.model}; left out"
        self._note("dropped", "reasoning", why)
        return {}

    def _note(self, kind: Any, parameter: str, message: str) -> None:  # noqa: ANN401  Notice's own literal
        """Say it once per request, whatever `on_unsupported` says."""
        if message not in self._noted:
            self._noted.add(message)
            self._noticing.notices.append(Notice(kind, parameter, message))


def _data_uri(media_type: str | None, data: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"

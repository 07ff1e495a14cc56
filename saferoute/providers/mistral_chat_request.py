"""Write a ChatRequest in the words of Mistral's chat API. Pure.

It looks like OpenAI's, and refuses unknown fields. Its own ways, arranged here:

- `max_tokens`, `random_seed`; no `stream_options`, and no names of speakers.
- Thinking is a chunk of the content list. It goes back unchanged, with its signature, and only to the model that made it.
- Call ids have nine letters and digits; other providers' ids are replaced by a digest, in the call and in its result.
- A user message right after a tool result is refused ("Unexpected role 'user' after role 'tool'"), so that an assistant's "OK" is put
  between them, with a notice.
- Documents go by URL, also as data URIs; sound goes as base64 without its format.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import InvalidMessages
from saferoute.providers.codec import Encoded
from saferoute.providers.writing import (
    NoticingOnce,
    add_sampling,
    choice_written,
    data_uri,
    extra_fields,
    misplaced,
    offered,
    post,
    schema_raw,
    tools_raw,
)
from saferoute.values.json import as_list, as_mapping, as_text
from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.values.messages import Message, Part
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["encode_mistral"]

_RESERVED: Final[Mapping[str, str]] = {
    "model": "the route names the model",
    "messages": "pass messages",
    "stream": "call stream() or chat()",
    "tools": "pass tools",
    "tool_choice": "pass tool_choice",
    "max_tokens": "pass max_output_tokens",
    "n": "pass n",
}
_CALL_ID: Final = re.compile(r"[A-Za-z0-9]{9}")
_CALL_ID_LENGTH: Final = 9
_FILLED: Final = 'Mistral refuses a user message right after a tool result; an assistant\'s "OK" stands between them'
# What a thinking chunk may have that goes back; `thinking` itself is checked against the text that the part shows.
_THINKING_FIELDS: Final = ("closed", "signature")


def encode_mistral(request: ChatRequest, target: Target) -> Encoded:
    """Write the request for the target.

    Raises:
        UnsupportedParameter: for what the API cannot carry (unless the request says drop).
        UnknownOption: for a provider option that the row does not list, or that has an option of its own.
        InvalidMessages: for a conversation or tool choice that the API cannot express.
    """
    noticing = NoticingOnce(request.on_unsupported)
    conversation = _Conversation(target, noticing)
    fields: dict[str, Any] = {"model": target.model, "messages": conversation.messages(request.messages)}
    if request.stream:
        fields["stream"] = True
    add_sampling(fields, request, target, bound="max_tokens", seed="random_seed")
    if request.reasoning is not None:
        _add_reasoning(fields, request.reasoning, target, noticing)
    spliced: dict[str, bytes] = {}
    tools, choice = offered(request)
    if tools:
        spliced["tools"] = tools_raw(tools, strict=True)
        if choice is not None:
            fields["tool_choice"] = choice_written(choice)
        if request.parallel_tool_calls is not None:
            fields["parallel_tool_calls"] = request.parallel_tool_calls
    if request.output is not None:
        spliced["response_format"] = schema_raw(request.output)
    elif request.json_object and target.quirks.json_object:
        fields["response_format"] = {"type": "json_object"}
    if request.cache == "provider":
        noticing.once("noted", "cache", "Mistral has no cache marks: it caches prompts by itself")
    fields |= extra_fields(request, target, _RESERVED, fields.keys() | spliced.keys())
    accept = "text/event-stream" if request.stream else "application/json"
    return Encoded(post(target, "/chat/completions", fields, spliced, accept=accept), tuple(noticing.notices))


def _add_reasoning(fields: dict[str, Any], reasoning: str | int, target: Target, noticing: NoticingOnce) -> None:
    asked, form = "none" if reasoning == 0 else reasoning, target.profile.reasoning
    if isinstance(asked, int):
        noticing.unsupported("reasoning", "Mistral has no reasoning budget in tokens, only the words none to max")
    elif form in {None, "effort"}:
        fields["reasoning_effort"] = asked
    elif asked != "none" and form == "adaptive":
        fields["prompt_mode"] = "reasoning"
        noticing.changed("reasoning", f"{target.model} only reasons or does not; the effort {asked!r} is left out")
    elif form != "none":
        noticing.unsupported("reasoning", f"{target.model} has no reasoning effort, nor the word that turns its thinking off")


class _Conversation:
    """Writes messages; knows where they go, and collects what cannot go there."""

    __slots__ = ("_noticing", "_target")

    def __init__(self, target: Target, noticing: NoticingOnce) -> None:
        self._target = target
        self._noticing = noticing

    def messages(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Write them all, in order."""
        wire: list[dict[str, Any]] = []
        for message in messages:
            if message.name is not None:
                self._noticing.once("dropped", "messages.name", "Mistral has no names of speakers; the name is left out")
            if message.role == "assistant":
                wire.append(self._assistant(message))
                continue
            results = [part for part in message.content if isinstance(part, ToolResult)]
            wire += map(self._result, results)
            if not results or len(results) < len(message.content):
                if wire and wire[-1]["role"] == "tool" and message.role == "user":
                    wire.append({"role": "assistant", "content": "OK"})
                    self._noticing.once("filled", "messages", _FILLED)
                wire.append(self._plain(message))
        return wire

    def _plain(self, message: Message) -> dict[str, Any]:
        parts = [part for part in message.content if not isinstance(part, ToolResult)]
        chunks = [self._chunk(part, message.role) for part in parts]
        if not chunks:
            msg = f"a {message.role} message has no content that Mistral takes"
            raise InvalidMessages(msg)
        return {"role": message.role, "content": _shortest(chunks)}

    def _chunk(self, part: Part, role: str) -> dict[str, Any]:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text}
        if role == "system" or not isinstance(part, Image | File | Audio):
            raise misplaced(part, role)
        if isinstance(part, Audio):
            return {"type": "input_audio", "input_audio": b64encode(part.data).decode()}
        if isinstance(part, File) and part.file_id is not None:
            return {"type": "file", "file_id": part.file_id}
        url = part.url if part.data is None else data_uri(part)
        if isinstance(part, File) and not (part.media_type or "").startswith("image/"):
            name = {"document_name": part.filename} if part.filename else {}
            return {"type": "document_url", "document_url": url} | name
        if isinstance(part, Image) and part.detail is not None:
            return {"type": "image_url", "image_url": {"url": url, "detail": part.detail}}
        return {"type": "image_url", "image_url": url}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        chunks = [self._chunk(part, "tool") for part in result.content]
        if result.is_error:
            self._noticing.once("noted", "is_error", "Mistral cannot mark a tool result as an error; its text has to say so")
        content = "".join(chunk["text"] for chunk in chunks) if all(chunk["type"] == "text" for chunk in chunks) else chunks
        return {"role": "tool", "tool_call_id": self._call_id(result.call_id), "content": content}

    def _assistant(self, message: Message) -> dict[str, Any]:
        chunks: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        for part in message.content:
            match part:
                case Text() | Refusal():
                    chunks.append({"type": "text", "text": part.text})
                case ToolCall():
                    function = {"name": part.name, "arguments": part.arguments or "{}"}
                    calls.append({"id": self._call_id(part.id), "type": "function", "function": function})
                case Reasoning():
                    chunks += self._thinking(part)
                case Image() | File() | Audio():
                    self._noticing.unsupported("messages", f"Mistral takes no {part.type} in an assistant message")
                case ToolResult():
                    raise misplaced(part, "assistant")
        entry: dict[str, Any] = {"role": "assistant", "content": _shortest(chunks)}
        if calls:
            entry["tool_calls"] = calls
        return entry

    def _call_id(self, call_id: str) -> str:
        if _CALL_ID.fullmatch(call_id):
            return call_id
        self._noticing.once("changed", "messages", "tool call ids that are not nine letters and digits are replaced by a digest")
        return sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:_CALL_ID_LENGTH]

    def _thinking(self, part: Reasoning) -> list[dict[str, Any]]:
        if part.state is None:
            self._noticing.once("noted", "reasoning", "shown reasoning without its state is not sent back; left out")
            return []
        content = self._noticing.own_state(part.state, self._target)
        if content is None:
            return []
        pieces = [as_mapping(piece) for piece in as_list(content.get("thinking"))]
        # Whoever looked at the conversation saw the part's text, so nothing else may go out in its name.
        if "".join(as_text(piece.get("text")) for piece in pieces) != part.text or any(map(_odd, pieces)):
            self._noticing.once("dropped", "reasoning", "a reasoning state that does not say what its text says is left out")
            return []
        chunk = {"type": "thinking", "thinking": content["thinking"]}
        return [chunk | {name: content[name] for name in _THINKING_FIELDS if name in content}]


def _odd(piece: Mapping[str, Any]) -> bool:
    """Whether a piece of thinking is neither plain text nor a reference to a source."""
    if piece.get("type") == "text":
        return piece.keys() != {"type", "text"}
    ids = piece.get("reference_ids")
    return piece.keys() != {"type", "reference_ids"} or not all(isinstance(i, int | str) for i in as_list(ids))


def _shortest(chunks: list[dict[str, Any]]) -> Any:  # noqa: ANN401  a text or a list
    """Content as one text where it is one, or nothing; else as chunks."""
    if not chunks:
        return ""
    return chunks[0]["text"] if len(chunks) == 1 and chunks[0]["type"] == "text" else chunks

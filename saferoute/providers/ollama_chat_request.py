"""Write a ChatRequest in the words of Ollama's native chat API. Pure.

What the API has its own way of, and is arranged here:

- `stream` is said always: the server's default is a stream.
- Sampling and bounds stand in `options`, and so does every provider option that is not a field of the request itself.
- A message has one text, and pictures beside it as bare base64; several texts are joined by line ends.
- Arguments of calls are objects. Results name their tool, and stand in the order of their calls, because older servers match them by
  name and order; newer ones read the ids too.
- The server keeps what it read of earlier prompts by itself; there are no cache marks to set.
- There is no tool choice: "none" sends no tools, a name sends only that tool, and "required" is not to be had.
- The server cuts a prompt that does not fit into `num_ctx`, and does not say so: the row's context window is sent as `num_ctx`. Where
  neither row nor call says one, a long prompt is pointed out with a notice.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import InvalidMessages
from saferoute.providers.codec import Encoded
from saferoute.providers.writing import (
    CHOICE_WORDS,
    NoticingOnce,
    extra_fields,
    misplaced,
    offered,
    output_bound,
    post,
    sampling,
    tools_raw,
)
from saferoute.values.json import decode
from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.values.messages import Message, Part
    from saferoute.values.request import ChatRequest, ReasoningEffort
    from saferoute.values.target import Target
    from saferoute.values.tools import Tool

__all__ = ["encode_ollama"]

_RESERVED: Final[Mapping[str, str]] = {
    "model": "the route names the model",
    "messages": "pass messages",
    "stream": "call stream() or chat()",
    "tools": "pass tools",
    "options": "name each option by itself",
    "num_predict": "pass max_output_tokens",
}
# Fields of the request itself; everything else that a row opens is one of its `options`.
_FIELDS: Final = frozenset({"format", "think", "keep_alive", "logprobs", "top_logprobs", "truncate", "shift"})
# `think` takes these words of the models that have a dial; other models take true and false only.
_WORDS: Final[Mapping[ReasoningEffort, str]] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_LONG_PROMPT: Final = 8_000  # bytes of JSON; the least default window of the server, 2,048 tokens, may not hold more


def encode_ollama(request: ChatRequest, target: Target) -> Encoded:
    """Write the request for the target.

    Raises:
        UnsupportedParameter: for what the API cannot carry (unless the request says drop).
        UnknownOption: for a provider option that the row does not list, or that has an option of its own.
        InvalidMessages: for a conversation or tool choice that the API cannot express.
    """
    noticing = NoticingOnce(request.on_unsupported)
    messages = _Conversation(target, noticing).messages(request.messages)
    fields: dict[str, Any] = {"model": target.model, "messages": messages, "stream": request.stream}
    options = _options(request, target, noticing)
    if request.reasoning is not None:
        _add_think(fields, request.reasoning, target, noticing)
    spliced: dict[str, bytes] = {}
    tools = _tools(request, noticing)
    if tools:
        spliced["tools"] = tools_raw(tools, strict=False)
    if request.output is not None:
        spliced["format"] = request.output.schema
    elif request.json_object and target.quirks.json_object:
        fields["format"] = "json"
    if request.logprobs is not None:
        fields["logprobs"] = True
        if request.logprobs:
            fields["top_logprobs"] = request.logprobs
    if request.cache == "provider":
        noticing.once("noted", "cache", "Ollama has no cache marks: it keeps what it read of a prompt by itself")
    taken = fields.keys() | options.keys() | spliced.keys()
    for name, value in extra_fields(request, target, _RESERVED, taken).items():
        (fields if name in _FIELDS else options)[name] = value
    window = target.profile.context_window
    if window is not None:
        options.setdefault("num_ctx", window)
    if options:
        fields["options"] = options
    accept = "application/x-ndjson" if request.stream else "application/json"
    http = post(target, "/api/chat", fields, spliced, accept=accept)
    if "num_ctx" not in options and len(http.body) > _LONG_PROMPT:
        why = "Ollama cuts a prompt that does not fit into num_ctx, without a word; say a context window in the table's profile"
        noticing.once("noted", "num_ctx", why)
    return Encoded(http, tuple(noticing.notices))


def _options(request: ChatRequest, target: Target, noticing: NoticingOnce) -> dict[str, Any]:
    options: dict[str, Any] = {**sampling(request)}
    bound = output_bound(request, target)
    if bound is not None:
        options["num_predict"] = bound
    if request.stop:
        options["stop"] = list(request.stop)
    if request.seed is not None:
        options["seed"] = request.seed
    if request.n > 1:
        noticing.unsupported("n", "Ollama makes one answer a call; call it several times for several answers")
    return options


def _add_think(fields: dict[str, Any], asked: ReasoningEffort | int, target: Target, noticing: NoticingOnce) -> None:
    if target.profile.reasoning == "none":  # what is asked of a model without reasoning is "none", which it does anyway
        return
    if asked in {"none", 0}:
        fields["think"] = False
    elif isinstance(asked, int):
        noticing.unsupported("reasoning", "Ollama has no reasoning budget in tokens")
    elif target.profile.reasoning == "effort":
        fields["think"] = _WORDS[asked]
        if _WORDS[asked] != asked:
            noticing.changed("reasoning", f"Ollama's words end at low and high; {_WORDS[asked]!r} is sent for {asked!r}")
    else:
        fields["think"] = True
        why = f'thinking is on, but {asked!r} is left out: only models whose row says reasoning "effort" take a word'
        noticing.changed("reasoning", why)


def _tools(request: ChatRequest, noticing: NoticingOnce) -> Sequence[Tool]:
    tools, choice = offered(request)
    if not tools or choice == "none":
        return ()
    if choice == "required":
        noticing.unsupported("tool_choice", "Ollama cannot be made to call a tool")
    elif choice is not None and choice not in CHOICE_WORDS:
        tools = tuple(tool for tool in tools if tool.name == choice)
        noticing.changed("tool_choice", f"Ollama has no tool choice; only {choice!r} is offered, and may still not be called")
    if request.parallel_tool_calls is False:
        noticing.unsupported("parallel_tool_calls", "Ollama cannot be asked for at most one call a turn")
    if any(tool.strict for tool in tools):
        noticing.unsupported("tools", "Ollama enforces no tool's schema, so that strict=True would say nothing")
    return tools


class _Conversation:
    """Writes messages; knows where they go, and which call is whose."""

    __slots__ = ("_asked", "_noticing", "_target")

    def __init__(self, target: Target, noticing: NoticingOnce) -> None:
        self._target = target
        self._noticing = noticing
        self._asked: dict[str, tuple[int, str]] = {}  # the calls so far: their place and their tool

    def messages(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Write them all, in order."""
        wire: list[dict[str, Any]] = []
        results: list[ToolResult] = []
        for message in messages:
            if message.name is not None:
                self._noticing.once("dropped", "messages.name", "Ollama has no names of speakers; the name is left out")
            found = [part for part in message.content if isinstance(part, ToolResult)]
            if message.role == "assistant" and found:
                raise misplaced(found[0], "assistant")
            results += found
            if not found or len(found) < len(message.content):
                wire += self._results(results)
                results.clear()
                wire.append(self._assistant(message) if message.role == "assistant" else self._plain(message))
        return wire + self._results(results)

    def _plain(self, message: Message) -> dict[str, Any]:
        texts: list[str] = []
        images: list[str] = []
        for part in message.content:
            if isinstance(part, Text):
                texts.append(part.text)
            elif not isinstance(part, ToolResult):
                images += self._images(part, message.role)
        return _entry(message.role, texts, images)

    def _images(self, part: Part, role: str) -> list[str]:
        """The part as a picture; none for what was dropped."""
        if role not in {"user", "tool"} or not isinstance(part, Image | File | Audio):
            raise misplaced(part, role)
        if isinstance(part, Audio) or not (isinstance(part, Image) or (part.media_type or "").startswith("image/")):
            self._noticing.unsupported("messages", f"Ollama takes text and pictures, no {part.type}; what is text can go as Text")
        elif part.data is None:
            self._noticing.unsupported("messages", "Ollama takes pictures as bytes only; pass data= instead of a URL or an id")
        else:
            if isinstance(part, Image) and part.detail not in {None, "auto"}:
                self._noticing.once("dropped", "messages", "Ollama has no dial for how closely to look at a picture; detail is left out")
            return [b64encode(part.data).decode()]
        return []

    def _results(self, results: Sequence[ToolResult]) -> list[dict[str, Any]]:
        """The results since the last turn, in the order of their calls."""
        wire = []
        for result in sorted(results, key=lambda result: self._asked.get(result.call_id, (len(self._asked), ""))[0]):
            texts = [part.text for part in result.content if isinstance(part, Text)]
            images: list[str] = []
            for part in result.content:
                images += [] if isinstance(part, Text) else self._images(part, "tool")
            if result.is_error:
                self._noticing.once("noted", "is_error", "Ollama cannot mark a tool result as an error; its text has to say so")
            entry = _entry("tool", texts, images) | {"tool_call_id": result.call_id}
            if result.call_id in self._asked:
                entry["tool_name"] = self._asked[result.call_id][1]
            wire.append(entry)
        return wire

    def _assistant(self, message: Message) -> dict[str, Any]:
        texts: list[str] = []
        thinking: list[str] = []
        calls: list[dict[str, Any]] = []
        for part in message.content:
            match part:
                case Text() | Refusal():
                    texts.append(part.text)
                case ToolCall():
                    calls.append(self._call(part))
                case Reasoning():
                    thinking += self._thinking(part)
                case Image() | File() | Audio():
                    self._noticing.unsupported("messages", f"Ollama takes no {part.type} in an assistant message")
                case ToolResult():
                    raise misplaced(part, "assistant")
        entry = _entry("assistant", texts, [])
        if thinking:
            entry["thinking"] = "".join(thinking)
        if calls:
            entry["tool_calls"] = calls
        return entry

    def _call(self, call: ToolCall) -> dict[str, Any]:
        try:
            arguments = decode(call.arguments.encode()) if call.arguments.strip() else {}
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            msg = f"the arguments of the call to tool {call.name!r} are not a JSON object, and Ollama takes nothing else"
            raise InvalidMessages(msg)
        self._asked[call.id] = (len(self._asked), call.name)
        return {"id": call.id, "function": {"name": call.name, "arguments": arguments}}

    def _thinking(self, part: Reasoning) -> list[str]:
        if part.state is None:
            self._noticing.once("noted", "reasoning", "shown reasoning without its state is not sent back; left out")
            return []
        content = self._noticing.own_state(part.state, self._target)
        if content is None:
            return []
        # Whoever looked at the conversation saw the part's text, so nothing else may go out in its name.
        if content.get("thinking") != part.text:
            self._noticing.once("dropped", "reasoning", "a reasoning state that does not say what its text says is left out")
            return []
        return [part.text]


def _entry(role: str, texts: Sequence[str], images: Sequence[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": role, "content": "\n".join(texts)}
    if images:
        entry["images"] = list(images)
    return entry

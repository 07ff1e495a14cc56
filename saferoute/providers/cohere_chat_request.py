"""Write a ChatRequest in the words of Cohere's chat API, version 2. Pure.

What the API has its own way of, and is arranged here:

- A tool choice is REQUIRED, NONE or nothing: one certain tool is asked for by sending only that one, with REQUIRED.
- `strict_tools` holds for all tools of a call or for none.
- Thinking has a budget in tokens and no words: a word is turned into a budget, with a notice.
- A JSON Schema, or JSON at all, can be asked for only where the call has neither tools nor documents.
- Prompts are cached by the provider on its own; there are no marks to set.
- Text files are `documents` of the call, which the model cites; in a tool's result they are document blocks.
- The plan that a model makes before its calls (`tool_plan`) and its thinking come back as they were, to the same model only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import InvalidMessages
from saferoute.providers.codec import Encoded
from saferoute.providers.writing import (
    NoticingOnce,
    data_uri,
    extra_fields,
    misplaced,
    offered,
    output_bound,
    post,
    sampling,
    tools_raw,
)
from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.messages import Message, Part
    from saferoute.values.request import ChatRequest, ReasoningEffort
    from saferoute.values.target import Target

__all__ = ["encode_cohere"]

# What a reasoning word is worth in tokens; "max" sets no bound but the model's own.
_BUDGETS: Final[Mapping[ReasoningEffort, int | None]] = {
    "minimal": 512,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 24576,
    "max": None,
}
_RESERVED: Final[Mapping[str, str]] = {
    "model": "the route names the model",
    "messages": "pass messages",
    "stream": "call stream() or chat()",
    "tools": "pass tools",
    "tool_choice": "pass tool_choice",
    "max_tokens": "pass max_output_tokens",
}
_TEXT_TYPES: Final = frozenset({"application/json", "application/xml", "application/yaml"})


def encode_cohere(request: ChatRequest, target: Target) -> Encoded:
    """Write the request for the target.

    Raises:
        UnsupportedParameter: for what the API cannot carry (unless the request says drop).
        UnknownOption: for a provider option that the row does not list, or that has an option of its own.
        InvalidMessages: for a conversation or tool choice that the API cannot express.
    """
    noticing = NoticingOnce(request.on_unsupported)
    conversation = _Conversation(target, noticing)
    fields: dict[str, Any] = {"model": target.model, "messages": conversation.messages(request.messages)}
    if conversation.documents:
        fields["documents"] = conversation.documents
    if request.stream:
        fields["stream"] = True
    _add_sampling(fields, request, target, noticing)
    spliced: dict[str, bytes] = {}
    _add_tools(fields, spliced, request, noticing)
    _add_format(spliced, request, target, noticing, alone="tools" not in spliced and not conversation.documents)
    if request.cache == "provider":
        noticing.once("noted", "cache", "Cohere has no cache marks: it caches prompts by itself")
    fields |= extra_fields(request, target, _RESERVED, fields.keys() | spliced.keys())
    accept = "text/event-stream" if request.stream else "application/json"
    return Encoded(post(target, "/v2/chat", fields, spliced, accept=accept), tuple(noticing.notices))


def _add_sampling(fields: dict[str, Any], request: ChatRequest, target: Target, noticing: NoticingOnce) -> None:
    bound = output_bound(request, target)
    if bound is not None:
        fields["max_tokens"] = bound
    fields |= sampling(request, "p")
    if request.stop:
        fields["stop_sequences"] = list(request.stop)
    if request.seed is not None:
        fields["seed"] = request.seed
    if request.n > 1:
        noticing.unsupported("n", "Cohere makes one answer a call; call it several times for several answers")
    if request.logprobs is not None:
        fields["logprobs"] = True
        if request.logprobs:
            noticing.unsupported("logprobs", "Cohere tells no alternatives to a token; logprobs=0 asks for the tokens' own probabilities")
    if request.reasoning is not None:
        _add_thinking(fields, request.reasoning, target, noticing)


def _add_thinking(fields: dict[str, Any], asked: ReasoningEffort | int, target: Target, noticing: NoticingOnce) -> None:
    if target.profile.reasoning == "none":  # what is asked of a model without reasoning is "none", which it does anyway
        return
    if asked in {"none", 0}:
        fields["thinking"] = {"type": "disabled"}
    elif isinstance(asked, int):
        fields["thinking"] = {"type": "enabled", "token_budget": asked}
    else:
        budget = _BUDGETS[asked]
        fields["thinking"] = {"type": "enabled"} if budget is None else {"type": "enabled", "token_budget": budget}
        noticing.changed("reasoning", f"Cohere has no word for effort; {asked!r} goes out as {budget or 'an unbounded number of'} tokens")


def _add_format(spliced: dict[str, bytes], request: ChatRequest, target: Target, noticing: NoticingOnce, *, alone: bool) -> None:
    if request.output is not None and not alone:
        noticing.unsupported("output", "Cohere enforces a JSON Schema only in a call without tools and text files")
    elif request.output is not None:
        spliced["response_format"] = b'{"type":"json_object","json_schema":%s}' % request.output.schema
    elif request.json_object and alone and target.quirks.json_object:
        spliced["response_format"] = b'{"type":"json_object"}'


def _add_tools(fields: dict[str, Any], spliced: dict[str, bytes], request: ChatRequest, noticing: NoticingOnce) -> None:
    tools, choice = offered(request)
    if not tools:
        return
    if choice == "none":
        fields["tool_choice"] = "NONE"
    elif choice not in {None, "auto"}:
        fields["tool_choice"] = "REQUIRED"
        if choice != "required":
            tools = tuple(tool for tool in tools if tool.name == choice)
            noticing.changed("tool_choice", f"Cohere cannot name one tool; only {choice!r} goes out, and a call is required")
    if request.parallel_tool_calls is False:
        noticing.unsupported("parallel_tool_calls", "Cohere cannot be asked for at most one call a turn")
    strict = [tool.strict is True for tool in tools]
    if all(strict):
        fields["strict_tools"] = True
    elif any(strict):
        noticing.unsupported("tools", "Cohere enforces the schemas of all tools of a call or of none, and only some are strict")
    spliced["tools"] = tools_raw(tools, strict=False)


class _Conversation:
    """Writes messages; `documents` are the files among them."""

    __slots__ = ("_noticing", "_target", "documents")

    def __init__(self, target: Target, noticing: NoticingOnce) -> None:
        self._target = target
        self._noticing = noticing
        self.documents: list[dict[str, Any]] = []

    def messages(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        """Write them all, in order."""
        wire: list[dict[str, Any]] = []
        for message in messages:
            if message.name is not None:
                self._noticing.once("dropped", "messages.name", "Cohere has no names of speakers; the name is left out")
            if message.role == "assistant":
                wire.append(self._assistant(message))
                continue
            results = [part for part in message.content if isinstance(part, ToolResult)]
            wire += map(self._result, results)
            if len(results) < len(message.content):
                wire.append(self._plain(message))
        return wire

    def _plain(self, message: Message) -> dict[str, Any]:
        parts = [part for part in message.content if not isinstance(part, ToolResult)]
        blocks = [block for part in parts if (block := self._block(part, message.role)) is not None]
        if not blocks:
            msg = f"a {message.role} message has no text or picture that Cohere takes; files need words beside them"
            raise InvalidMessages(msg)
        plain = len(blocks) == 1 and blocks[0]["type"] == "text"
        return {"role": message.role, "content": blocks[0]["text"] if plain else blocks}

    def _block(self, part: Part, role: str) -> dict[str, Any] | None:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text}
        if role != "user" or not isinstance(part, Image | File | Audio):
            raise misplaced(part, role)
        if isinstance(part, Audio):
            self._noticing.unsupported("messages", "Cohere takes no audio")
            return None
        if isinstance(part, Image) or _kind(part).startswith("image/"):
            return self._image(part)
        document = self._document(part)
        if document is not None:
            self.documents.append(document)
            self._noticing.once("changed", "messages", "files go to Cohere as documents of the call, not at their place in the message")
        return None

    def _image(self, part: Image | File) -> dict[str, Any] | None:
        if part.data is None and part.url is None:
            self._noticing.unsupported("messages", "Cohere holds no files to be named by id")
            return None
        inner = {"url": part.url if part.data is None else data_uri(part)}
        if isinstance(part, Image) and part.detail is not None:
            inner["detail"] = part.detail
        return {"type": "image_url", "image_url": inner}

    def _document(self, part: File) -> dict[str, Any] | None:
        kind = _kind(part)
        if part.data is None or not (kind.startswith("text/") or kind in _TEXT_TYPES):
            self._noticing.unsupported("messages", "Cohere takes files of text as bytes, and no others")
            return None
        try:
            text = part.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            msg = "a text document is not UTF-8"
            raise InvalidMessages(msg) from None
        return {"data": {"title": part.filename, "text": text} if part.filename else {"text": text}}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = []
        for part in result.content:
            if isinstance(part, Text):
                blocks.append({"type": "text", "text": part.text})
            elif isinstance(part, Image) or _kind(part).startswith("image/"):
                self._noticing.unsupported("messages", "Cohere takes no pictures in a tool result")
            elif (document := self._document(part)) is not None:
                blocks.append({"type": "document", "document": document})
        if result.is_error:
            self._noticing.once("noted", "is_error", "Cohere cannot mark a tool result as an error; its text has to say so")
        plain = "".join(block["text"] for block in blocks) if all(block["type"] == "text" for block in blocks) else None
        return {"role": "tool", "tool_call_id": result.call_id, "content": blocks if plain is None or len(blocks) > 1 else plain}

    def _assistant(self, message: Message) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        plan = ""
        for part in message.content:
            match part:
                case Text() | Refusal():
                    blocks.append({"type": "text", "text": part.text})
                case ToolCall():
                    function = {"name": part.name, "arguments": part.arguments or "{}"}
                    calls.append({"id": part.id, "type": "function", "function": function})
                case Reasoning():
                    own = self._own(part)
                    if own == "tool_plan":
                        plan += part.text
                    elif own is not None:
                        blocks.append({"type": "thinking", "thinking": part.text})
                case Image() | File() | Audio():
                    self._noticing.unsupported("messages", f"Cohere takes no {part.type} in an assistant message")
                case ToolResult():
                    raise misplaced(part, "assistant")
        entry: dict[str, Any] = {"role": "assistant"}
        if len(blocks) == 1 and blocks[0]["type"] == "text":
            entry["content"] = blocks[0]["text"]
        elif blocks or not calls:
            entry["content"] = blocks or ""
        if plan:
            entry["tool_plan"] = plan
        if calls:
            entry["tool_calls"] = calls
        return entry

    def _own(self, part: Reasoning) -> str | None:
        """Where the reasoning goes back to: "thinking" or "tool_plan"; None for what this model did not make."""
        if part.state is None:
            self._noticing.once("noted", "reasoning", "shown reasoning without its state is not sent back; left out")
            return None
        content = self._noticing.own_state(part.state, self._target)
        for name in ("thinking", "tool_plan"):
            # Whoever looked at the conversation saw the part's text, so nothing else may go out in its name.
            if content is not None and content.get(name) == part.text:
                return name
        if content is not None:
            self._noticing.once("dropped", "reasoning", "a reasoning state that does not say what its text says is left out")
        return None


def _kind(part: File) -> str:
    return (part.media_type or "").partition(";")[0].strip().lower()

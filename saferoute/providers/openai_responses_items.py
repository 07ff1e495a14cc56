"""Write a conversation as the items of OpenAI Responses: messages, function calls, their outputs, and what only the provider reads.

Items are written one by one as bytes and joined, so that an opaque state goes in byte for byte, without a placeholder that some text
could imitate. What has to come back in the next turn comes as the state of reasoning parts, which the reader made:

- A reasoning item, a server-side tool's item and the like are their own JSON.
- A message item that has a phase, or follows reasoning, is announced by a state that holds its id and phase and nothing else: its
  words stay in the text parts that follow, where whoever guards a conversation sees and may change them.
- A message without an id goes back as plain text: the API wants parts of an answer together with its id.
- Ids of messages and calls go back only beside the reasoning that they came with: the API refuses the one without the other.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from saferoute.errors import InvalidMessages
from saferoute.values.events import Notice
from saferoute.values.json import decode, encode
from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.providers.codec import Noticing
    from saferoute.values.messages import Message, OpaqueState, Part
    from saferoute.values.target import Target

__all__ = ["CALL_EXTRAS", "DIALECT", "encode_items", "written"]

DIALECT = "openai_responses"
# What a function call has besides its id, name and arguments, and has to come back with it.
CALL_EXTRAS = ("namespace", "caller")

_MAX_CALL_ID = 64
# A reported name and an asked one may differ in a date: gpt-5-2025-08-07 answers for gpt-5.
_DATE = re.compile(r"-[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
# Items that an opaque state may not be: they have parts of their own, which guards look at, or speak for the caller, as a tool's
# output, an approval, or a pointer to something that the provider stored.
_NEVER_STATE = frozenset(
    {
        "additional_tools",
        "apply_patch_call_output",
        "compaction_trigger",
        "computer_call_output",
        "custom_tool_call_output",
        "function_call",
        "function_call_output",
        "item_reference",
        "local_shell_call_output",
        "mcp_approval_response",
    }
)


def encode_items(messages: Sequence[Message], target: Target, noticing: Noticing) -> bytes:
    """Write a conversation as a JSON array of items.

    Raises:
        UnsupportedParameter: for parts that the API or the model does not take (unless the request says drop).
        InvalidMessages: for a message of which nothing is left to send.
    """
    return _Conversation(target, noticing).items(messages)


class _Conversation:
    """Writes messages as items; knows where they go, and collects what cannot go there."""

    __slots__ = ("_noted", "_noticing", "_target")

    def __init__(self, target: Target, noticing: Noticing) -> None:
        self._target = target
        self._noticing = noticing
        self._noted: set[str] = set()

    def items(self, messages: Sequence[Message]) -> bytes:
        items: list[bytes] = []
        for message in messages:
            if message.name is not None:
                self._note("dropped", "messages.name", "Responses has no names of speakers; the name is left out")
            if message.role == "assistant":
                turn = _Turn(self).items(message)
                if not turn:
                    self._note("dropped", "messages", "an assistant message without content that Responses takes is left out")
                items += turn
                continue
            results = [part for part in message.content if isinstance(part, ToolResult)]
            items += map(self._result, results)
            if len(results) < len(message.content) or not message.content:
                items.append(self._plain(message))
        if not items:
            msg = "the conversation has nothing that Responses takes; it needs at least one message"
            raise InvalidMessages(msg)
        return b"[%s]" % b",".join(items)

    def _plain(self, message: Message) -> bytes:
        role = self._target.quirks.instruction_role if message.role == "system" else "user"
        parts = [part for part in message.content if not isinstance(part, ToolResult)]
        if len(parts) == 1 and isinstance(parts[0], Text):
            return written({"type": "message", "role": role, "content": parts[0].text})
        content = [words for part in parts if (words := self._part(part, message.role)) is not None]
        if not content:
            msg = f"a {message.role} message has no content that {self._target.model} takes"
            raise InvalidMessages(msg)
        return written({"type": "message", "role": role, "content": content})

    def _part(self, part: Part, role: str) -> dict[str, Any] | None:
        match part:
            case Text():
                return {"type": "input_text", "text": part.text}
            case Image() if role != "system":
                return self._image(part)
            case File() if role != "system":
                return self._file(part)
            case Audio() if role != "system":
                self._noticing.unsupported("messages", "Responses takes no audio")
            case _:
                self._noticing.unsupported("messages", f"Responses has no {part.type} in a {role} message")
        return None

    def _image(self, part: Image | File) -> dict[str, Any]:
        url = part.url if part.data is None else _data_uri(part.media_type, part.data)
        return {"type": "input_image", "image_url": url, "detail": (part.detail if isinstance(part, Image) else None) or "auto"}

    def _file(self, part: File) -> dict[str, Any] | None:
        if part.file_id is not None:
            return {"type": "input_file", "file_id": part.file_id}
        if (part.media_type or "").startswith("image/"):
            return self._image(part)
        if part.data is None:
            return {"type": "input_file", "file_url": part.url}
        name = part.filename or ("file.pdf" if part.media_type == "application/pdf" else "file")
        return {"type": "input_file", "filename": name, "file_data": _data_uri(part.media_type, part.data)}

    def _result(self, result: ToolResult) -> bytes:
        if result.is_error:
            self._note("noted", "is_error", "Responses cannot mark a tool result as an error; its text has to say so")
        texts = [part for part in result.content if isinstance(part, Text)]
        output: object = "".join(part.text for part in texts)
        if self._target.quirks.tool_result_text_only:
            if len(texts) < len(result.content):
                self._noticing.unsupported("messages", f"{self._target.provider_name} takes text only in a tool result")
        elif len(texts) < len(result.content) or len(texts) > 1:
            output = [words for part in result.content if (words := self._part(part, "tool")) is not None]
        return written({"type": "function_call_output", "call_id": self.call_id(result.call_id), "output": output})

    def call(self, call: ToolCall, *, thinks: bool) -> bytes:
        """A function call; `thinks` says that its reasoning goes back with it."""
        words: dict[str, Any] = {"type": "function_call", "call_id": self.call_id(call.id), "name": call.name}
        words["arguments"] = call.arguments or "{}"
        own = self.own(call.state) if call.state is not None else None
        if own is not None:
            words |= {name: own[name] for name in (*CALL_EXTRAS, *(("id",) if thinks else ())) if name in own}
        return written(words)

    def call_id(self, call_id: str) -> str:
        """The call's id, shortened to what the API takes: other providers' ids may be longer."""
        if len(call_id) <= _MAX_CALL_ID:
            return call_id
        why = f"tool call ids of more than {_MAX_CALL_ID} characters are replaced by a digest"
        self._note("changed", "messages", why)
        return "call_" + sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def own(self, state: OpaqueState) -> dict[str, Any] | None:
        """The state's content if it was made by where this goes; else nothing and a notice."""
        target = self._target
        if (state.dialect, state.provider_name, _family(state.model)) != (DIALECT, target.provider_name, _family(target.model)):
            why = f"state of {state.provider_name} {state.model} means nothing to {target.provider_name} {target.model}; left out"
            self._note("dropped", "messages", why)
            return None
        value = _object(state.payload)
        if value is None:
            self._note("dropped", "messages", "a state that is no JSON object, or gives a key twice, is left out")
        return value

    def item(self, state: OpaqueState) -> tuple[str, dict[str, Any]]:
        """The kind and content of the item that a reasoning part's state is; "" for one that does not go back."""
        value = self.own(state)
        if value is None:
            return "", {}
        kind = value.get("type")
        if not isinstance(kind, str) or not kind or "role" in value or kind in _NEVER_STATE:
            self._note("dropped", "messages", "a state that is no item which only the provider understands is left out")
            return "", {}
        return kind, value

    def silent(self, part: Reasoning) -> None:
        """Say that shown reasoning without its state stays here."""
        del part
        self._note("dropped", "messages", "shown reasoning without the provider's own state cannot go back and is left out")

    def plain_refusal(self) -> None:
        """Say that words of refusal lose their mark."""
        self._note("changed", "messages", "words of refusal without the id of their answer go back as plain text")

    def misplaced(self, part: Part) -> None:
        """Refuse or drop a part that an assistant message cannot have."""
        self._noticing.unsupported("messages", f"Responses has no {part.type} in an assistant message")

    def _note(self, kind: Literal["dropped", "changed", "noted"], parameter: str, message: str) -> None:
        """Say it once per request, whatever `on_unsupported` says."""
        if message not in self._noted:
            self._noted.add(message)
            self._noticing.notices.append(Notice(kind, parameter, message))


class _Turn:
    """Writes one assistant message: any number of items, in the order of its parts."""

    __slots__ = ("_content", "_conversation", "_head", "_items", "_thinks")

    def __init__(self, conversation: _Conversation) -> None:
        self._conversation = conversation
        self._items: list[bytes] = []
        self._content: list[dict[str, Any]] = []  # of the message item that is being gathered
        self._head: dict[str, Any] = {}  # id and phase of that message item
        self._thinks = False

    def items(self, message: Message) -> list[bytes]:
        for part in message.content:
            match part:
                case Text():
                    self._content.append({"type": "output_text", "text": part.text, "annotations": []})
                case Refusal():
                    self._content.append({"type": "refusal", "refusal": part.text})
                case ToolCall():
                    self._close_message()
                    self._items.append(self._conversation.call(part, thinks=self._thinks))
                case Reasoning():
                    self._reasoning(part)
                case _:
                    self._conversation.misplaced(part)
        self._close_message()
        return self._items

    def _reasoning(self, part: Reasoning) -> None:
        if part.state is None:
            self._conversation.silent(part)
            return
        kind, value = self._conversation.item(part.state)
        if not kind:
            return
        self._close_message()
        if kind == "message":
            self._head = value
            return
        self._items.append(part.state.payload.encode())
        self._thinks = self._thinks or kind == "reasoning"

    def _close_message(self) -> None:
        content, head = self._content, self._head
        self._content, self._head = [], {}
        if not content:
            return
        words: dict[str, Any] = {"type": "message", "role": "assistant"}  # llama.cpp wants the type
        if isinstance(head.get("phase"), str):
            words["phase"] = head["phase"]
        if self._thinks and isinstance(head.get("id"), str):
            self._items.append(written(words | {"id": head["id"], "status": "completed", "content": content}))
            return
        for part in content:  # parts of an answer need the answer's id; without it each goes as a message of its own
            if "refusal" in part:
                self._conversation.plain_refusal()
            self._items.append(written(words | {"content": part.get("text", part.get("refusal"))}))


def _object(text: str) -> dict[str, Any] | None:
    """Read JSON that goes on as it stands; None unless it is an object that can be read in one way only."""
    try:
        decode(text.encode())  # first, as it bounds the depth
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key given twice could mean one thing to our checks and another to the provider."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(len(pairs))
    return found


def _refuse(name: str) -> None:
    raise ValueError(name)


def _family(model: str) -> str:
    return _DATE.sub("", model)


def _data_uri(media_type: str | None, data: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"


def written(value: object) -> bytes:
    """Write JSON.

    Raises:
        InvalidMessages: for what JSON cannot hold.
    """
    try:
        return encode(value)
    except ValueError as error:
        msg = f"the request is not JSON: {error}; look for it in the messages, the tools and in provider_options"
        raise InvalidMessages(msg) from None

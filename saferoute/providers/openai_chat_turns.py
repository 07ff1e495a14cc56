"""Write a conversation as the messages of OpenAI Chat Completions. Pure.

Reasoning goes back only to the model that made it, and only where the vendor wants it: `reasoning_details` and thinking blocks as they
came, `reasoning_content` as the row's `reasoning_echo` says, and then in every assistant turn, be it empty (DeepSeek answers 400).
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from saferoute.providers.writing import data_uri
from saferoute.values.json import as_list, as_mapping, as_text
from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.writing import NoticingOnce
    from saferoute.values.messages import Message, Part
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["Conversation"]

_NO_ECHO = "Chat Completions takes shown reasoning back only where the provider asks for it; left out"
_FORGED = "a reasoning state that does not say what its text says is left out"


class Conversation:
    """Writes messages; knows where they go, and collects what cannot go there."""

    __slots__ = ("_echoes", "_noticing", "_target")

    def __init__(self, request: ChatRequest, target: Target, noticing: NoticingOnce) -> None:
        self._target = target
        self._noticing = noticing
        echo = target.quirks.reasoning_echo
        self._echoes = echo == "always" or (echo == "with_tools" and bool(request.tools))

    def messages(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        """Write them all, in order."""
        written: list[dict[str, Any]] = []
        roles = {"system": self._target.quirks.instruction_role, "user": "user", "tool": "user"}
        for message in messages:
            content = message.content
            if len(content) == 1 and content[0].__class__ is Text and message.role in roles:  # as most are
                written.append({"role": roles[message.role], "content": content[0].text})
                if message.name is not None:
                    written[-1]["name"] = message.name
                continue
            match message.role:
                case "assistant":
                    written.append(self._assistant(message))
                case "system":
                    written.append(self._plain(message, roles["system"]))
                case "user" | "tool":
                    results = [part for part in content if isinstance(part, ToolResult)]
                    written += map(self._result, results)
                    if len(results) < len(content):
                        written.append(self._plain(message, "user"))
        return written

    def _plain(self, message: Message, role: str) -> dict[str, Any]:
        parts = [part for part in message.content if not isinstance(part, ToolResult)]
        entry: dict[str, Any] = {"role": role}
        if len(parts) == 1 and isinstance(parts[0], Text):  # beside results of tools
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

    def _image(self, part: Image) -> dict[str, Any]:
        inner = {"url": part.url if part.data is None else data_uri(part)}
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
        return {"type": "file", "file": {"filename": name, "file_data": data_uri(part)}}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        texts = [part for part in result.content if isinstance(part, Text)]
        if len(texts) < len(result.content):
            self._noticing.unsupported("messages", "Chat Completions takes text only in a tool result")
        if result.is_error:
            self._noticing.once("noted", "is_error", "Chat Completions cannot mark a tool result as an error; its text has to say so")
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
        if self._echoes:
            entry.setdefault("reasoning_content", "")
        if message.name is not None:
            entry["name"] = message.name
        return entry

    def _call(self, call: ToolCall) -> dict[str, Any]:
        written: dict[str, Any] = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
        own = self._noticing.own_state(call.state, self._target) if call.state is not None else None
        if own and "extra_content" in own:
            written["extra_content"] = own["extra_content"]
        return written

    def _reasoning(self, part: Reasoning, entry: dict[str, Any], thinking: list[Any]) -> None:
        if part.state is None:
            self._noticing.once("noted", "reasoning", _NO_ECHO)
            return
        own = self._noticing.own_state(part.state, self._target)
        if own is None:
            return
        if details := as_list(own.get("reasoning_details")):
            entry["reasoning_details"] = entry.get("reasoning_details", []) + details
        # Whoever looked at the conversation saw the part's text, so nothing else may go out in its name.
        if blocks := as_list(own.get("thinking")):
            if _said_in(blocks) == part.text:
                thinking += blocks
            else:
                self._noticing.once("dropped", "reasoning", _FORGED)
        if "reasoning_content" not in own:
            return
        if not self._echoes:
            self._noticing.once("noted", "reasoning", _NO_ECHO)
        elif own["reasoning_content"] == part.text:
            entry["reasoning_content"] = entry.get("reasoning_content", "") + part.text
        else:
            self._noticing.once("dropped", "reasoning", _FORGED)


def _said_in(blocks: list[Any]) -> str | None:
    """The text of thinking blocks; None if something else is among them."""
    texts = []
    for block in map(as_mapping, blocks):
        pieces: list[Mapping[str, Any]] = [as_mapping(piece) for piece in as_list(block.get("thinking"))]
        if block.get("type") != "thinking" or any(piece.keys() != {"type", "text"} for piece in pieces):
            return None
        texts += [as_text(piece["text"]) for piece in pieces]
    return "".join(texts)

"""The events of a recorded stream, read from the wire formats and by nothing of saferoute's own."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_STRING = 7  # the type of a frame's header whose value is a text


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One event.

    Attributes:
        begin: where it begins: its frame, or the first line of its data.
        end: how many bytes of the stream make it whole; more than there are if its end never came.
        data: its JSON; of a frame, under the event's name.
    """

    begin: int
    end: int
    data: dict[str, Any]


def wire_events(dialect: str, data: bytes) -> tuple[WireEvent, ...]:
    """All events of a stream; what is no JSON object is left out."""
    match dialect:
        case "bedrock_converse":
            return tuple(_frames(data))
        case "ollama_chat":
            return tuple(_lines(data))
        case _:
            return tuple(_server_sent(data))


def _server_sent(data: bytes) -> Iterator[WireEvent]:
    begin, said = -1, list[bytes]()
    for line in _LINE.finditer(data):
        text = line[1].removeprefix(b"\xef\xbb\xbf") if line.start() == 0 else line[1]
        if text.startswith(b"data:"):
            begin = line.start() if begin < 0 else begin
            said.append(text[5:].strip())
        elif not text and said:
            whole = b"\n".join(said)
            if whole.startswith(b"{"):
                yield WireEvent(begin, line.start() + 1, json.loads(whole))
            begin, said = -1, []


def _lines(data: bytes) -> Iterator[WireEvent]:
    begin = 0
    for line in data.split(b"\n"):
        end = begin + len(line) + 1
        if line.strip():
            yield WireEvent(begin, end, json.loads(line))
        begin = end


def _frames(data: bytes) -> Iterator[WireEvent]:
    """Frames: total length, length of the headers, their checksum; headers; payload; checksum."""
    begin = 0
    while begin < len(data):
        total, headers = struct.unpack_from(">II", data, begin)
        first, payload = begin + 12, begin + 12 + headers
        name = dict(_headers(data[first:payload]))[":event-type"]
        yield WireEvent(begin, begin + total, {name: json.loads(data[payload : begin + total - 4])})
        begin += total


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(data):
        name = data[at + 1 : at + 1 + data[at]].decode()
        at += 1 + data[at]
        kind, size = struct.unpack_from(">BH", data, at)
        assert kind == _STRING
        yield name, data[at + 3 : at + 3 + size].decode()
        at += 3 + size


def terminal_of(dialect: str, events: Iterable[WireEvent]) -> WireEvent:
    """The event that ends the answer: the last of its dialect, or the first that tells the finish reason."""
    return next(event for event in events if _ends(dialect, event.data))


def cut_places(terminal: WireEvent, count: int) -> list[int]:
    """Where to cut a stream: at `count` places evenly as far as the middle of the event that ends the answer, and right before it."""
    middle = (terminal.begin + terminal.end) // 2
    return sorted({terminal.begin, *(middle * n // count for n in range(1, count + 1))} - {0})


def _ends(dialect: str, event: dict[str, Any]) -> bool:
    match dialect:
        case "anthropic_messages":
            return event.get("type") == "message_stop"
        case "openai_responses":
            return event.get("type") in {"response.completed", "response.incomplete", "response.failed"}
        case "gemini_generate":
            return any(candidate.get("finishReason") for candidate in event.get("candidates") or [])
        case "bedrock_converse":
            return "messageStop" in event
        case "cohere_chat":
            return event.get("type") == "message-end"
        case "ollama_chat":
            return event.get("done") is True
        case _:
            return any(choice.get("finish_reason") and not choice.get("index") for choice in event.get("choices") or [])


def text_before(dialect: str, events: Iterable[WireEvent], cut: int) -> str:
    """The text in the events that are whole in the stream's first bytes."""
    if dialect == "openai_responses":
        return _responses_text(event.data for event in events if event.end <= cut)
    return "".join(text for event in events if event.end <= cut for text in _texts(dialect, event.data))


def _texts(dialect: str, event: dict[str, Any]) -> Iterator[str]:
    match dialect:
        case "anthropic_messages":
            part = {"content_block_start": event.get("content_block"), "content_block_delta": event.get("delta")}.get(event["type"]) or {}
            if part.get("type") in {"text", "text_delta"}:
                yield part["text"]
        case "gemini_generate":
            for candidate in event.get("candidates") or []:
                parts = (candidate.get("content") or {}).get("parts") or []
                yield from (part["text"] for part in parts if "text" in part and not part.get("thought"))
        case "bedrock_converse":
            yield event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        case "cohere_chat":
            message = (event.get("delta") or {}).get("message") or {}
            if event.get("type") in {"content-start", "content-delta"}:
                yield message["content"].get("text") or ""
        case "ollama_chat":
            yield event["message"].get("content") or ""
        case _:
            yield from _choice_texts(event)


def _responses_text(events: Iterable[dict[str, Any]]) -> str:
    """The pieces, and what an item's last word has beyond them."""
    texts: dict[tuple[int, int], str] = {}
    for event in events:
        if event.get("type") == "response.output_text.delta":
            place = event["output_index"], event["content_index"]
            texts[place] = texts.get(place, "") + event["delta"]
        elif event.get("type") == "response.output_item.done" and event["item"]["type"] == "message":
            for index, block in enumerate(event["item"]["content"]):
                place = event["output_index"], index
                if block["type"] == "output_text" and block["text"].startswith(texts.get(place, "")):
                    texts[place] = block["text"]
    return "".join(texts.values())


def _choice_texts(chunk: dict[str, Any]) -> Iterator[str]:
    for choice in chunk.get("choices") or []:
        content = (choice.get("delta") or {}).get("content") or ""
        if not choice.get("index"):
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            yield from (block["text"] for block in blocks if block["type"] == "text")

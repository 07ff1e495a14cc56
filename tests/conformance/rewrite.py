"""Rewrite a whole answer as the stream that the same provider would have sent. Knows the wire formats, and nothing of our decoders."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]


def as_stream(dialect: str, body: Json, seed: str) -> bytes:
    """The body as server-sent events; texts are cut at places drawn from the seed, line ends vary with it."""
    rnd = random.Random(seed)
    chunks = _openai_chat(body, rnd) if dialect == "openai_chat" else _anthropic_messages(body, rnd)
    end = rnd.choice(["\n", "\n", "\r\n", "\r"])
    escaped = rnd.random() < 0.5
    events = []
    for name, data in chunks:
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=escaped, separators=(",", ":"))
        events.append((f"event: {name}{end}" if name else "") + f"data: {text}{end}{end}")
        if rnd.random() < 0.1:
            events.append(f": keep-alive{end}{end}")
    return "".join(events).encode("utf-8", "surrogatepass")


def _pieces(text: str, rnd: random.Random) -> list[str]:
    if len(text) < 2:
        return [text] if text else []
    cuts = sorted(rnd.sample(range(1, len(text)), min(len(text) - 1, rnd.randint(1, 6))))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _openai_chat(body: Json, rnd: random.Random) -> Iterator[tuple[str, Json | str]]:
    common = {name: value for name, value in body.items() if name not in {"choices", "usage", "object", "x_groq"}}
    common["object"] = "chat.completion.chunk"
    for choice in body["choices"]:

        def chunk(delta: Json, index: int = choice.get("index", 0), finish: str | None = None) -> tuple[str, Json]:
            return "", {**common, "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}

        yield chunk({"role": "assistant", "content": ""})
        for delta in _openai_deltas(choice["message"], rnd):
            yield chunk(delta)
        yield chunk({}, finish=choice.get("finish_reason"))
    if body.get("usage") is not None:
        yield "", {**common, "choices": [], "usage": body["usage"]}
    if "x_groq" in body:
        yield "", {**common, "choices": [], "x_groq": body["x_groq"]}
    yield "", "[DONE]"


def _openai_deltas(message: Json, rnd: random.Random) -> Iterator[Json]:
    for name in ("reasoning_content", "reasoning"):
        for piece in _pieces(message.get(name) or "", rnd):
            yield {name: piece}
    for detail in message.get("reasoning_details") or []:
        yield from ({"reasoning_details": [piece]} for piece in _openai_detail(detail, rnd))
    content = message.get("content")
    if isinstance(content, list):
        for block in content:
            yield {"content": [block]}
    else:
        yield from ({"content": piece} for piece in _pieces(content or "", rnd))
    yield from ({"refusal": piece} for piece in _pieces(message.get("refusal") or "", rnd))
    if message.get("function_call"):
        call = message["function_call"]
        yield {"function_call": {"name": call["name"], "arguments": ""}}
        yield from ({"function_call": {"arguments": piece}} for piece in _pieces(call["arguments"], rnd))
    for index, call in enumerate(message.get("tool_calls") or []):
        yield from ({"tool_calls": [piece]} for piece in _openai_call(call, index, rnd))


def _openai_detail(detail: Json, rnd: random.Random) -> Iterator[Json]:
    name = next((n for n in ("text", "summary", "data") if isinstance(detail.get(n), str)), None)
    if name is None or detail.get("type") == "reasoning.encrypted":
        yield detail
        return
    same = {key: detail[key] for key in ("type", "format", "index", "id") if key in detail}
    yield from ({**same, name: piece} for piece in _pieces(detail[name], rnd))
    if "signature" in detail:
        yield {**same, name: "", "signature": detail["signature"]}


def _openai_call(call: Json, index: int, rnd: random.Random) -> Iterator[Json]:
    function = call["function"]
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        yield {**call, "index": index}
        return
    yield {**call, "index": index, "function": {**function, "arguments": ""}}
    yield from ({"index": index, "function": {"arguments": piece}} for piece in _pieces(arguments, rnd))


# Of a content block: the field that is streamed, and the delta that carries it.
_ANTHROPIC_DELTAS = {
    "text": ("text", "text_delta", "text"),
    "thinking": ("thinking", "thinking_delta", "thinking"),
}


def _anthropic_messages(body: Json, rnd: random.Random) -> Iterator[tuple[str, Json]]:
    usage = body.get("usage") or {}
    begun = {**body, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
    yield "message_start", {"type": "message_start", "message": begun}
    yield "ping", {"type": "ping"}
    for index, block in enumerate(body["content"]):
        start, deltas = _anthropic_block(block, rnd)
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": index}
    end = {name: body.get(name) for name in ("stop_reason", "stop_sequence", "stop_details", "container") if name in body}
    yield "message_delta", {"type": "message_delta", "delta": end, "usage": usage}
    yield "message_stop", {"type": "message_stop"}


def _anthropic_block(block: Json, rnd: random.Random) -> tuple[Json, list[Json]]:
    kind = block["type"]
    if kind in {"tool_use", "server_tool_use", "mcp_tool_use"} and block.get("input") is not None:
        text = json.dumps(block["input"], ensure_ascii=rnd.random() < 0.5, separators=(",", ":")) if block["input"] else ""
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *_pieces(text, rnd)]]
        return {**block, "input": {}}, deltas
    if kind not in _ANTHROPIC_DELTAS:
        return block, []
    field, delta_type, delta_field = _ANTHROPIC_DELTAS[kind]
    start = {**block, field: ""}
    deltas = [{"type": delta_type, delta_field: piece} for piece in _pieces(block[field], rnd)]
    if block.get("citations"):
        start["citations"] = []
        deltas = [{"type": "citations_delta", "citation": citation} for citation in block["citations"]] + deltas
    if "signature" in block:
        start["signature"] = ""
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    return start, deltas

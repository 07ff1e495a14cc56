"""Rewrite a whole answer as the stream that the same provider would have sent. Knows the wire formats, and nothing of our decoders."""

from __future__ import annotations

import json
import random
import struct
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Json = dict[str, Any]
Named = tuple[str, "Json | str"]


def content_type(dialect: str) -> str:
    """What a stream of the dialect says that it is."""
    return {"bedrock_converse": "application/vnd.amazon.eventstream", "ollama_chat": "application/x-ndjson"}.get(
        dialect, "text/event-stream"
    )


def as_stream(dialect: str, body: Json, seed: str) -> bytes:
    """The body as a stream; texts are cut at places drawn from the seed, and what a format leaves open varies with it."""
    rnd = random.Random(seed)
    events = _DIALECTS[dialect](body, rnd)
    match dialect:
        case "bedrock_converse":
            return b"".join(_frame(name, _written(data, escaped=rnd.random() < 0.5)) for name, data in events)
        case "ollama_chat":
            return b"".join(_written(data, escaped=rnd.random() < 0.5) + b"\n" for _, data in events)
        case _:
            return _server_sent(events, rnd)


def _written(data: Json | str, *, escaped: bool) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=escaped, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _server_sent(events: Iterator[Named], rnd: random.Random) -> bytes:
    end = rnd.choice([b"\n", b"\n", b"\r\n", b"\r"])
    escaped = rnd.random() < 0.5
    stream = []
    for name, data in events:
        stream.append((b"event: " + name.encode() + end if name else b"") + b"data: " + _written(data, escaped=escaped) + end + end)
        if rnd.random() < 0.1:
            stream.append(b": keep-alive" + end + end)
    return b"".join(stream)


def _frame(name: str, payload: bytes) -> bytes:
    headers = b""
    for key, value in ((":event-type", name), (":content-type", "application/json"), (":message-type", "event")):
        headers += struct.pack(">B", len(key)) + key.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def _pieces(text: str, rnd: random.Random) -> list[str]:
    if len(text) < 2:
        return [text] if text else []
    cuts = sorted(rnd.sample(range(1, len(text)), min(len(text) - 1, rnd.randint(1, 6))))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _openai_chat(body: Json, rnd: random.Random) -> Iterator[Named]:
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
    yield from ({"annotations": [note]} for note in message.get("annotations") or [])
    yield from ({"executed_tools": [tool]} for tool in message.get("executed_tools") or [])
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
    same: Json = {key: detail[key] for key in ("type", "format", "index", "id") if key in detail}
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


def _anthropic_messages(body: Json, rnd: random.Random) -> Iterator[Named]:
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


def _openai_responses(body: Json, rnd: random.Random) -> Iterator[Named]:
    def event(kind: str, **fields: Any) -> Named:
        return kind, {"type": kind, **fields}

    begun = {**body, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for index, item in enumerate(body["output"]):
        kind = item.get("type", "message")
        first = {**item, **{name: [] for name in ("content", "summary") if isinstance(item.get(name), list)}}
        if "status" in item:
            first["status"] = "in_progress"
        if kind == "function_call":
            first["arguments"] = ""
        yield event("response.output_item.added", output_index=index, item=first)
        place = {"item_id": item.get("id"), "output_index": index}
        for name, fields in _responses_texts(kind, item, rnd):
            yield event(name, **place, **fields)
        yield event("response.output_item.done", output_index=index, item=item)
    end = "response.incomplete" if body.get("status") == "incomplete" else "response.completed"
    yield event(end, response=body)


def _responses_texts(kind: str, item: Json, rnd: random.Random) -> Iterator[tuple[str, Json]]:
    if kind == "function_call":
        yield from (("response.function_call_arguments.delta", {"delta": piece}) for piece in _pieces(item["arguments"], rnd))
        yield "response.function_call_arguments.done", {"arguments": item["arguments"]}
    for number, summary in enumerate(item.get("summary") or [] if kind == "reasoning" else []):
        for piece in _pieces(summary["text"], rnd):
            yield "response.reasoning_summary_text.delta", {"summary_index": number, "delta": piece}
    for number, block in enumerate(item.get("content") or [] if kind in {"message", "reasoning"} else []):
        name = {"output_text": "output_text", "refusal": "refusal", "reasoning_text": "reasoning_text"}[block["type"]]
        text = block.get("text", block.get("refusal"))
        for piece in _pieces(text, rnd):
            yield f"response.{name}.delta", {"content_index": number, "delta": piece}
        for place, note in enumerate(block.get("annotations") or []):
            yield "response.output_text.annotation.added", {"content_index": number, "annotation_index": place, "annotation": note}
        yield f"response.{name}.done", {"content_index": number, "refusal" if name == "refusal" else "text": text}


def _gemini_generate(body: Json, rnd: random.Random) -> Iterator[Named]:
    common = {name: value for name, value in body.items() if name != "candidates"}
    usage = common.get("usageMetadata") or {}
    so_far = {name: usage[name] for name in ("promptTokenCount", "promptTokensDetails") if name in usage}

    def fragment(candidate: Json) -> Named:
        return "", {**common, "candidates": [candidate], "usageMetadata": so_far}

    last: Json | None = None
    for candidate in body.get("candidates") or []:
        content = candidate.get("content") or {}
        for part in content.get("parts") or []:
            for piece in _gemini_pieces(part, rnd):
                yield fragment({"index": candidate.get("index", 0), "content": {"role": "model", "parts": [piece]}})
        last = {**candidate, "content": {**content, "parts": rnd.choice([[], [{"text": ""}]])}} if content else candidate
    yield "", {**common, **({} if last is None else {"candidates": [last]})}


def _gemini_pieces(part: Json, rnd: random.Random) -> list[Json]:
    if not isinstance(part.get("text"), str):
        return [part]
    same = {name: value for name, value in part.items() if name not in {"text", "thoughtSignature"}}
    pieces = [{**same, "text": piece} for piece in _pieces(part["text"], rnd)]
    if "thoughtSignature" in part and pieces and rnd.random() < 0.5:
        pieces[-1]["thoughtSignature"] = part["thoughtSignature"]
    elif "thoughtSignature" in part:
        pieces.append({**same, "text": "", "thoughtSignature": part["thoughtSignature"]})
    return pieces


def _bedrock_converse(body: Json, rnd: random.Random) -> Iterator[Named]:
    message = body["output"]["message"]
    yield "messageStart", {"role": message["role"]}
    for index, block in enumerate(message["content"]):
        for kind, value in block.items():
            place = {"contentBlockIndex": index}
            if kind == "toolUse":
                start = {name: inner for name, inner in value.items() if name != "input"}
                yield "contentBlockStart", {"start": {"toolUse": start}, **place}
            for delta in _bedrock_deltas(kind, value, rnd):
                yield "contentBlockDelta", {"delta": delta, **place}
            yield "contentBlockStop", place
    yield "messageStop", {name: body[name] for name in ("stopReason", "additionalModelResponseFields") if name in body}
    yield "metadata", {name: body[name] for name in ("usage", "metrics", "trace") if name in body}


def _bedrock_deltas(kind: str, value: Any, rnd: random.Random) -> list[Json]:
    match kind:
        case "text":
            return [{"text": piece} for piece in _pieces(value, rnd)]
        case "toolUse":
            text = json.dumps(value["input"]) if value["input"] else ""
            return [{"toolUse": {"input": piece}} for piece in _pieces(text, rnd)]
        case "reasoningContent" if "reasoningText" in value:
            said = value["reasoningText"]
            pieces = [{"text": piece} for piece in _pieces(said["text"], rnd)]
            return [{"reasoningContent": piece} for piece in (*pieces, *({name: said[name]} for name in said if name != "text"))]
        case "reasoningContent":
            return [{"reasoningContent": value}]
        case "citationsContent":
            texts = [{"text": piece} for part in value["content"] for piece in _pieces(part["text"], rnd)]
            return [*texts, *({"citation": citation} for citation in value["citations"])]
        case _:
            raise AssertionError(kind)


def _cohere_chat(body: Json, rnd: random.Random) -> Iterator[Named]:
    message = body["message"]

    def event(kind: str, index: int | None = None, said: Json | None = None, **fields: Any) -> Named:
        place = {} if index is None else {"index": index}
        return kind, {"type": kind, **place, **({} if said is None else {"delta": {"message": said}}), **fields}

    yield event(
        "message-start", None, {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}, id=body["id"]
    )
    for index, block in enumerate(message.get("content") or []):
        name = block["type"]
        yield event("content-start", index, {"content": {"type": name, name: ""}})
        yield from (event("content-delta", index, {"content": {name: piece}}) for piece in _pieces(block[name], rnd))
        for number, citation in enumerate(message.get("citations") or [] if name == "text" else []):
            yield event("citation-start", number, {"citations": citation})
            yield event("citation-end", number)
        yield event("content-end", index)
    yield from (event("tool-plan-delta", None, {"tool_plan": piece}) for piece in _pieces(message.get("tool_plan") or "", rnd))
    for index, call in enumerate(message.get("tool_calls") or []):
        function = call["function"]
        yield event("tool-call-start", index, {"tool_calls": {**call, "function": {**function, "arguments": ""}}})
        for piece in _pieces(function["arguments"], rnd):
            yield event("tool-call-delta", index, {"tool_calls": {"function": {"arguments": piece}}})
        yield event("tool-call-end", index)
    delta = {name: body[name] for name in ("finish_reason", "usage") if name in body}
    yield "message-end", {"type": "message-end", "delta": delta}
    yield "", "[DONE]"


def _ollama_chat(body: Json, rnd: random.Random) -> Iterator[Named]:
    message = body["message"]
    common = {name: body[name] for name in ("model", "created_at")}

    def line(**said: Any) -> Named:
        return "", {**common, "message": {"role": "assistant", "content": "", **said}, "done": False}

    yield from (line(thinking=piece) for piece in _pieces(message.get("thinking") or "", rnd))
    yield from (line(content=piece) for piece in _pieces(message["content"], rnd))
    yield from (line(tool_calls=[call]) for call in message.get("tool_calls") or [])
    yield "", {**body, "message": {"role": "assistant", "content": ""}}


_DIALECTS: Mapping[str, Callable[[Json, random.Random], Iterator[Named]]] = {
    "openai_chat": _openai_chat,
    "openai_responses": _openai_responses,
    "anthropic_messages": _anthropic_messages,
    "gemini_generate": _gemini_generate,
    "bedrock_converse": _bedrock_converse,
    "cohere_chat": _cohere_chat,
    "mistral_chat": _openai_chat,
    "ollama_chat": _ollama_chat,
}

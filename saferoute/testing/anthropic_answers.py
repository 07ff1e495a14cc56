"""Writes answers as Anthropic Messages does: whole bodies, named event streams and errors."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from saferoute.errors import ConfigurationError
from saferoute.testing.counts import arguments_text, dump, fragments, usage_of
from saferoute.testing.improvise import pieces_of
from saferoute.testing.script import Answer, Ask, Call, ErrorAnswer, RawAnswer, more_headers
from saferoute.values.json import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from saferoute.testing.checks import Refused
    from saferoute.values.json import Json
    from saferoute.values.usage import Usage

__all__ = ["AnthropicDialect", "sign_thinking"]

_CREATED = "2026-01-01T00:00:00Z"
_STOP = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_call": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
    "pause": "pause_turn",
    "context_overflow": "model_context_window_exceeded",
}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def sign_thinking(text: str) -> str:
    """The signature of a thinking block: like the real one opaque to the caller and checked when it comes back."""
    return base64.b64encode(hashlib.sha256(b"embedded-1 thinking\0" + text.encode("utf-8", "surrogatepass")).digest()).decode()


class AnthropicDialect:
    """The anthropic_messages dialect, as a server speaks it."""

    __slots__ = ()

    request_id_header = "request-id"

    def render(self, answer: Answer, ask: Ask) -> RawAnswer:
        """Write an answer, whole or as a stream, as the request wants it.

        Raises:
            ConfigurationError: for a whole answer with a call whose scripted arguments are no JSON object: this wire cannot say that.
        """
        if ask.stream:
            headers = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
            raw = RawAnswer(200, headers, tuple(_stream(answer, ask)), "chunked", first_pause=answer.first_pause, pause=answer.pause)
        else:
            raw = RawAnswer(200, pieces=(dump(_body(answer, ask)),), first_pause=answer.first_pause)
        return more_headers(raw, answer.headers)

    def error_body(self, error: ErrorAnswer, request_id: str) -> bytes:
        """An error as a whole body."""
        return dump({**_error(error), "request_id": request_id})

    def error_event(self, error: ErrorAnswer) -> bytes:
        """An error inside a stream."""
        return _event(_error(error))

    def refusal(self, refused: Refused) -> ErrorAnswer:
        """Word a refusal as Anthropic does."""
        where = ".".join(map(str, refused.path))
        why = {"unknown": "Extra inputs are not permitted", "missing": "Field required"}.get(refused.kind, refused.why)
        return ErrorAnswer(refused.status, message=f"{where}: {why}" if where else why)

    def models(self, names: Iterable[str]) -> Json:
        """The list of models: one page of it."""
        data = [self.model(name) for name in names]
        listed = [*names]
        first, last = (listed[0], listed[-1]) if listed else (None, None)
        return {"data": data, "has_more": False, "first_id": first, "last_id": last}

    def model(self, name: str) -> Json:
        """One model of the list."""
        return {
            "type": "model",
            "id": name,
            "display_name": f"{name} (embedded provider, no real model)",
            "created_at": _CREATED,
            "lifecycle": "active",
            "max_input_tokens": 200_000,
            "max_tokens": 64_000,
            "capabilities": None,
            "deprecated_at": None,
            "retires_at": None,
        }


def _error(error: ErrorAnswer) -> dict[str, Json]:
    usual = _TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")  # noqa: PLR2004
    known = error.code in _TYPES.values()
    inner: dict[str, Json] = {"type": error.code if known else usual, "message": error.message}
    if error.code and not known:
        inner["details"] = {"error_code": error.code}
    return {"type": "error", "error": inner}


def _stop_reason(answer: Answer) -> str:
    if answer.finish is not None:
        return _STOP.get(answer.finish, answer.finish)
    if answer.refusal:
        return "refusal"
    return "tool_use" if answer.tool_calls else "end_turn"


def _ending(answer: Answer, ask: Ask) -> dict[str, Json]:
    reason = _stop_reason(answer)
    details: Json = None
    if reason == "refusal":
        details = {"type": "refusal", "category": None, "explanation": answer.refusal or None}
    hit = ask.stop[0] if reason == "stop_sequence" and ask.stop else None
    return {"stop_reason": reason, "stop_sequence": hit, "stop_details": details}


def _usage(usage: Usage) -> dict[str, Json]:
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    long_lived = usage.buckets.cache_write_1h if usage.buckets is not None else 0
    return {
        "input_tokens": max(0, (usage.input_tokens or 0) - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written - long_lived, "ephemeral_1h_input_tokens": long_lived},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_output_tokens},
        "service_tier": "standard",
    }


def _call_id(call: Call, ask: Ask, at: int) -> str:
    return call.id if call.id is not None else f"toolu_embedded_{ask.number:06d}_{at}"


def _blocks(answer: Answer, ask: Ask) -> Iterator[tuple[dict[str, Json], str, list[str]]]:
    """Each block as it starts, the kind of its deltas, and what they bring."""
    if answer.reasoning:
        shown = answer.reasoning if ask.shows_thinking else ""
        yield {"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", pieces_of(shown)
    if answer.redacted_reasoning:
        yield {"type": "redacted_thinking", "data": answer.redacted_reasoning}, "", []
    text = answer.text or answer.refusal
    if text:
        yield {"type": "text", "text": ""}, "text_delta", pieces_of(text)
    for at, call in enumerate(answer.tool_calls):
        block: dict[str, Json] = {"type": "tool_use", "id": _call_id(call, ask, at), "name": call.name, "input": {}}
        yield block, "input_json_delta", ["", *fragments(arguments_text(call))]


_DELTA_FIELD = {"thinking_delta": "thinking", "text_delta": "text", "input_json_delta": "partial_json"}


def _whole_block(block: dict[str, Json], kind: str, pieces: list[str]) -> dict[str, Json]:
    joined = "".join(pieces)
    if kind == "input_json_delta":
        try:
            value = json.loads(joined or "{}")
        except ValueError:
            value = None
        if not isinstance(value, dict):
            msg = (
                f"the scripted arguments of {as_text(block['name'])!r} are no JSON object: only a streamed Anthropic answer can carry them"
            )
            raise ConfigurationError(msg)
        return {**block, "input": value}
    if kind == "thinking_delta":
        return {**block, "thinking": joined, "signature": sign_thinking(joined)}
    return {**block, "text": joined} if kind else block


def _body(answer: Answer, ask: Ask) -> dict[str, Json]:
    usage = usage_of(answer, ask)
    content: list[Json] = [_whole_block(*block) for block in _blocks(answer, ask)]
    counted: dict[str, Json] = {} if usage is None else {"usage": _usage(usage)}
    return {**_frame(answer, ask), "content": content, **_ending(answer, ask), **counted}


def _frame(answer: Answer, ask: Ask) -> dict[str, Json]:
    return {"id": f"msg_embedded_{ask.number:06d}", "type": "message", "role": "assistant", "model": answer.model}


def _event(value: dict[str, Json]) -> bytes:
    return b"event: " + as_text(value["type"]).encode() + b"\ndata: " + dump(value) + b"\n\n"


def _stream(answer: Answer, ask: Ask) -> Iterator[bytes]:
    usage = usage_of(answer, ask)
    counted: dict[str, Json] = {} if usage is None else _usage(usage)
    opening: dict[str, Json] = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    if counted:
        opening["usage"] = {**counted, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 0}}
    yield _event({"type": "message_start", "message": {**_frame(answer, ask), **opening}})
    for index, (block, kind, pieces) in enumerate(_blocks(answer, ask)):
        yield _event({"type": "content_block_start", "index": index, "content_block": block})
        if index == 0:
            yield _event({"type": "ping"})
        for piece in pieces:
            yield _event({"type": "content_block_delta", "index": index, "delta": {"type": kind, _DELTA_FIELD[kind]: piece}})
        if kind == "thinking_delta":
            signed: dict[str, Json] = {"type": "signature_delta", "signature": sign_thinking("".join(pieces))}
            yield _event({"type": "content_block_delta", "index": index, "delta": signed})
        yield _event({"type": "content_block_stop", "index": index})
    ending: dict[str, Json] = {"type": "message_delta", "delta": _ending(answer, ask)}
    if counted:
        words = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens", "output_tokens_details")
        ending["usage"] = {word: counted[word] for word in words}
    yield _event(ending)
    yield _event({"type": "message_stop"})

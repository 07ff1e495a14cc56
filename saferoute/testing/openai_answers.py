"""Writes answers as OpenAI Chat Completions does: whole bodies, chunk streams and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.testing.counts import arguments_text, dump, fragments, usage_of
from saferoute.testing.improvise import pieces_of
from saferoute.testing.script import Answer, Ask, ErrorAnswer, RawAnswer, more_headers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from saferoute.testing.checks import Refused
    from saferoute.values.json import Json
    from saferoute.values.usage import Usage

__all__ = ["OpenAiDialect"]

_CREATED = 1_767_225_600  # 2026-01-01: a fixed time keeps answers the same from run to run
_FINGERPRINT = "fp_embedded_no_real_model"
_FINISH = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "stop",
}
_USUAL = {  # status: (type, code)
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "service_unavailable"),
}
_ORDINARY_ERROR = ("invalid_request_error", None)
_SERVER_ERROR = ("server_error", "server_error")
_KIND_CODES = {"unknown": "unknown_parameter", "missing": "missing_required_parameter"}


class OpenAiDialect:
    """The openai_chat dialect, as a server speaks it."""

    __slots__ = ()

    request_id_header = "x-request-id"

    def render(self, answer: Answer, ask: Ask) -> RawAnswer:
        """Write an answer, whole or as a stream, as the request wants it."""
        if ask.stream:
            headers = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
            raw = RawAnswer(200, headers, tuple(_stream(answer, ask)), "chunked", first_pause=answer.first_pause, pause=answer.pause)
        else:
            raw = RawAnswer(200, pieces=(dump(_body(answer, ask)),), first_pause=answer.first_pause)
        return more_headers(raw, answer.headers)

    def error_body(self, error: ErrorAnswer, request_id: str) -> bytes:  # noqa: ARG002  this dialect has the id in a header only
        """An error as a whole body."""
        return dump(_error(error))

    def error_event(self, error: ErrorAnswer) -> bytes:
        """An error inside a stream."""
        return _data(_error(error))

    def refusal(self, refused: Refused) -> ErrorAnswer:
        """Word a refusal as OpenAI does."""
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in refused.path).removeprefix(".")
        code = refused.code or _KIND_CODES.get(refused.kind, "")
        if refused.kind == "unknown":
            message = f"Unknown parameter: '{where}'."
        elif refused.kind == "missing":
            message = f"Missing required parameter: '{where}'."
        else:
            message = f"Invalid '{where}': {refused.why}." if where else f"{refused.why}."
        return ErrorAnswer(refused.status, code, message, where or None)

    def models(self, names: Iterable[str]) -> Json:
        """The list of models."""
        return {"object": "list", "data": [self.model(name) for name in names]}

    def model(self, name: str) -> Json:
        """One model of the list."""
        return {"id": name, "object": "model", "created": _CREATED, "owned_by": "saferoute.testing (no real model)"}


def _error(error: ErrorAnswer) -> dict[str, Json]:
    kind, code = _USUAL.get(error.status, _SERVER_ERROR if error.status >= 500 else _ORDINARY_ERROR)  # noqa: PLR2004
    if error.code == "insufficient_quota":
        kind = error.code
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code or code}}


def _finish(answer: Answer) -> str:
    if answer.finish is not None:
        return _FINISH.get(answer.finish, answer.finish)
    return "tool_calls" if answer.tool_calls else "stop"


def _usage(usage: Usage) -> dict[str, Json]:
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_output_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _ids(answer: Answer, ask: Ask) -> Sequence[str]:
    return [call.id if call.id is not None else f"call_embedded_{ask.number:06d}_{at}" for at, call in enumerate(answer.tool_calls)]


def _body(answer: Answer, ask: Ask) -> dict[str, Json]:
    calls: list[Json] = [
        {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": arguments_text(call)}}
        for call_id, call in zip(_ids(answer, ask), answer.tool_calls, strict=True)
    ]
    message: dict[str, Json] = {
        "role": "assistant",
        "content": answer.text or (None if calls or answer.refusal else ""),
        "refusal": answer.refusal or None,
        "annotations": [],
    }
    if answer.reasoning and (ask.shows_thinking or not ask.thinking):
        message["reasoning_content"] = answer.reasoning
    if calls:
        message["tool_calls"] = calls
    body = _frame(answer, ask, "chat.completion")
    body["choices"] = [{"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}]
    usage = usage_of(answer, ask)
    if usage is not None:
        body["usage"] = _usage(usage)
    return body


def _frame(answer: Answer, ask: Ask, kind: str) -> dict[str, Json]:
    return {
        "id": f"chatcmpl-embedded-{ask.number:06d}",
        "object": kind,
        "created": _CREATED,
        "model": answer.model,
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }


def _data(value: object) -> bytes:
    return b"data: " + dump(value) + b"\n\n"


def _stream(answer: Answer, ask: Ask) -> Iterator[bytes]:
    frame = _frame(answer, ask, "chat.completion.chunk")
    usage = usage_of(answer, ask) if ask.stream_usage else None
    nulls: dict[str, Json] = {"usage": None} if usage is not None else {}

    def chunk(delta: dict[str, Json], finish: str | None = None) -> bytes:
        choice: Json = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({**frame, "choices": [choice], **nulls})

    yield chunk({"role": "assistant", "content": "" if answer.text or not answer.tool_calls else None, "refusal": None})
    if answer.reasoning and (ask.shows_thinking or not ask.thinking):
        for piece in pieces_of(answer.reasoning):
            yield chunk({"reasoning_content": piece})
    for piece in pieces_of(answer.refusal):
        yield chunk({"refusal": piece})
    for piece in pieces_of(answer.text):
        yield chunk({"content": piece})
    for at, (call_id, call) in enumerate(zip(_ids(answer, ask), answer.tool_calls, strict=True)):
        yield chunk({"tool_calls": [{"index": at, "id": call_id, "type": "function", "function": {"name": call.name, "arguments": ""}}]})
        for piece in fragments(arguments_text(call)):
            yield chunk({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
    yield chunk({}, _finish(answer))
    if usage is not None:
        yield _data({**frame, "choices": [], "usage": _usage(usage)})
    yield b"data: [DONE]\n\n"

"""One answer in each of the eight dialects, whole and streamed, with the usage that a test wants, and with or without its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from saferoute.testing.script import RawAnswer
from saferoute.testing.server import Received
from tests.unit import anthropic_cases, bedrock_cases, gemini_cases, openai_responses_cases

Json = dict[str, Any]
SSE = "text/event-stream"


@dataclass(frozen=True)
class Spoken:
    """How a dialect says "hello".

    Attributes:
        whole: the body, given the usage in the dialect's own words; None for none.
        pieces: the events of its stream, likewise.
        end: how many of the last pieces say that the answer is whole.
        kind: the content type of a stream.
    """

    whole: Callable[[Json | None], Json]
    pieces: Callable[[Json | None], list[bytes]]
    end: int
    kind: str = SSE

    def answer(self, usage: Json | None = None, *, keep: int | None = None, **wire: Any) -> Callable[[Received], RawAnswer]:
        """The answer to a request, in the shape that it asks for."""

        def answered(received: Received) -> RawAnswer:
            if not streams(received):
                return RawAnswer(pieces=(json.dumps(self.whole(usage)).encode(),))
            return self.stream(usage, keep=keep, **wire)

        return answered

    def stream(self, usage: Json | None = None, *, keep: int | None = None, **wire: Any) -> RawAnswer:
        """The answer as a stream; `keep` is how many of its pieces are sent."""
        framing = {"framing": "chunked", **wire}
        return RawAnswer(headers=(("content-type", self.kind),), pieces=tuple(self.pieces(usage)[:keep]), **framing)


def streams(received: Received) -> bool:
    """Whether a request asks for a stream: in the body, or in the path."""
    if "stream" in received.target.lower():
        return True
    body: Mapping[str, Any] = json.loads(received.body)
    return bool(body.get("stream"))


def _sse(events: Iterable[Json | str]) -> list[bytes]:
    return [b"data: %s\n\n" % (event if isinstance(event, str) else json.dumps(event)).encode() for event in events]


def _given(name: str, usage: Json | None) -> Json:
    return {} if usage is None else {name: usage}


def _chat_whole(usage: Json | None) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    return {"id": "c-1", "model": "m-1", "choices": [choice], **_given("usage", usage)}


def _chat_pieces(usage: Json | None) -> list[bytes]:
    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {"id": "c-1", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    last = {**chunk({}, "stop"), **_given("usage", usage)}
    return _sse([chunk({"role": "assistant", "content": "hel"}), chunk({"content": "lo"}), last, "[DONE]"])


def _responses_whole(usage: Json | None) -> Json:
    return openai_responses_cases.response(openai_responses_cases.message("hello"), usage=usage)


def _responses_pieces(usage: Json | None) -> list[bytes]:
    return [openai_responses_cases.sse([event]) for event in openai_responses_cases.as_events(_responses_whole(usage))]


def _anthropic_whole(usage: Json | None) -> Json:
    return anthropic_cases.message(anthropic_cases.text("hello"), usage=usage or {"input_tokens": 1, "output_tokens": 1})


def _anthropic_pieces(usage: Json | None) -> list[bytes]:
    return [anthropic_cases.sse([event]) for event in anthropic_cases.events_of(_anthropic_whole(usage))]


def _gemini_whole(usage: Json | None) -> Json:
    return gemini_cases.answer(gemini_cases.text("hello"), usageMetadata=usage or {})


def _gemini_pieces(usage: Json | None) -> list[bytes]:
    return [gemini_cases.sse([event]) for event in gemini_cases.fragments(_gemini_whole(usage), 3)]


def _bedrock_whole(usage: Json | None) -> Json:
    return bedrock_cases.message(bedrock_cases.text("hello"), usage=usage or {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2})


def _bedrock_pieces(usage: Json | None) -> list[bytes]:
    return [bedrock_cases.frames([event]) for event in bedrock_cases.events_of(_bedrock_whole(usage))]


def _cohere_whole(usage: Json | None) -> Json:
    message = {"role": "assistant", "content": [{"type": "text", "text": "hello"}]}
    return {"id": "r-1", "message": message, "finish_reason": "COMPLETE", **_given("usage", usage)}


def _cohere_pieces(usage: Json | None) -> list[bytes]:
    def content(kind: str, **fields: Any) -> Json:
        return {"type": f"content-{kind}", "index": 0, **fields}

    begun = {"type": "message-start", "id": "r-1", "delta": {"message": {"role": "assistant", "content": []}}}
    events = [
        begun,
        content("start", delta={"message": {"content": {"type": "text", "text": ""}}}),
        content("delta", delta={"message": {"content": {"text": "hel"}}}),
        content("delta", delta={"message": {"content": {"text": "lo"}}}),
        content("end"),
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", **_given("usage", usage)}},
    ]
    return _sse(events)


def _ollama_whole(usage: Json | None) -> Json:
    return {"model": "m-1", "message": {"role": "assistant", "content": "hello"}, "done": True, "done_reason": "stop", **(usage or {})}


def _ollama_pieces(usage: Json | None) -> list[bytes]:
    def line(text: str, **fields: Any) -> bytes:
        return json.dumps({"model": "m-1", "message": {"role": "assistant", "content": text}, "done": False, **fields}).encode() + b"\n"

    return [line("hel"), line("lo"), line("", done=True, done_reason="stop", **(usage or {}))]


DIALECTS: Mapping[str, Spoken] = {
    "openai_chat": Spoken(_chat_whole, _chat_pieces, 2),
    "openai_responses": Spoken(_responses_whole, _responses_pieces, 1),
    "anthropic_messages": Spoken(_anthropic_whole, _anthropic_pieces, 2),
    "gemini_generate": Spoken(_gemini_whole, _gemini_pieces, 1),
    "bedrock_converse": Spoken(_bedrock_whole, _bedrock_pieces, 2, "application/vnd.amazon.eventstream"),
    "cohere_chat": Spoken(_cohere_whole, _cohere_pieces, 1),
    "mistral_chat": Spoken(_chat_whole, _chat_pieces, 2),
    "ollama_chat": Spoken(_ollama_whole, _ollama_pieces, 1, "application/x-ndjson"),
}

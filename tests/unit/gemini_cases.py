"""Answers of generateContent, and how the tests of the dialect write requests and read answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saferoute.providers.decoder import Decoder
from saferoute.providers.gemini_generate import GeminiGenerate
from saferoute.values.fold import Fold
from saferoute.values.http import Head, NetClass
from saferoute.values.messages import Message, OpaqueState, Text
from saferoute.values.request import ChatRequest
from saferoute.values.target import Profile, Target
from tests.support.fitted import fit_and_encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from saferoute.providers.codec import Encoded
    from saferoute.values.events import DecodedEvent
    from saferoute.values.messages import Part

MODEL = "gemini-3.5-flash"
REPORTED = "gemini-3.5-flash-001"
TARGET = Target(
    id="flash",
    provider_name="gcp.gemini",
    dialect="gemini_generate",
    origin="https://generativelanguage.googleapis.com",
    path="/v1beta",
    net=NetClass(),
    model=MODEL,
    secret="gemini",
    auth="x-goog-api-key",
)
VERTEX = replace(
    TARGET,
    id="vertex",
    provider_name="gcp.vertex_ai",
    origin="https://aiplatform.googleapis.com",
    path="/v1beta1/projects/p/locations/global/publishers/google",
    auth="bearer",
)


def target(*, profile: Profile | None = None, **changes: Any) -> Target:
    return replace(TARGET, profile=profile or Profile(), **changes)


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def assistant(*parts: Part | str) -> Message:
    return Message("assistant", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def tool(*parts: Part) -> Message:
    return Message("tool", parts)


def system(*texts: str) -> Message:
    return Message("system", tuple(map(Text, texts)))


def encode(*messages: Message, to: Target = TARGET, **fields: Any) -> Encoded:
    return fit_and_encode(GeminiGenerate(), ChatRequest(messages or (user("hi"),), **fields), to)


def _no_constants(name: str) -> None:
    raise AssertionError(name)


def body_of(*messages: Message, to: Target = TARGET, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode(*messages, to=to, **fields).request.body, parse_constant=_no_constants)
    return body


def state(of: object, *, model: str = MODEL, provider: str = "gcp.gemini") -> OpaqueState:
    return OpaqueState(provider, "gemini_generate", model, json.dumps(of, ensure_ascii=False, separators=(",", ":")))


# ---------------------------------------------------------------------------------------------------- answers


def call(name: str = "weather", signature: str | None = None, args: object = None, **fields: Any) -> dict[str, Any]:
    inner = {"name": name, "args": {"city": "Łódź", "days": [1, 2]} if args is None else args} | fields
    return {"functionCall": inner} | ({"thoughtSignature": signature} if signature else {})


def text(words: str, signature: str | None = None) -> dict[str, Any]:
    return {"text": words} | ({"thoughtSignature": signature} if signature else {})


def thought(words: str, signature: str | None = None) -> dict[str, Any]:
    return {"text": words, "thought": True} | ({"thoughtSignature": signature} if signature else {})


USAGE = {"promptTokenCount": 12, "candidatesTokenCount": 30, "thoughtsTokenCount": 4, "totalTokenCount": 46}
CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)", "id": "x1"}, "thoughtSignature": "c2ln"}
RAN = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n", "id": "x1"}}
SEARCHED = {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["łódź"]}, "id": "t1"}, "thoughtSignature": "c2ln"}
FOUND = {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "response": {"x": 1.5}, "id": "t1"}, "thoughtSignature": "c2ln"}
DRAWN = {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}, "thoughtSignature": "c2ln"}


def answer(*parts: object, finish: str | None = "STOP", **fields: Any) -> dict[str, Any]:
    """A whole answer; more fields of the candidate in `candidate`."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0} | fields.pop("candidate", {})
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": REPORTED, "responseId": "resp_1"} | fields


ANSWERS: dict[str, dict[str, Any]] = {
    "text": answer(text("Grüße, 世界 👩‍🚀!")),
    "signed text": answer(text("Grüße, 世界!", "U0lH")),
    "signed texts": answer(text("one ", "QQ=="), text("two", "Qg==")),
    "nothing": answer(),
    "empty text": answer(text("")),
    "one call": answer(call(signature="U0lH")),
    "text and parallel calls": answer(text("Let me look."), call(signature="U0lH"), call("clock", args={"zone": "CET"})),
    "two calls of one tool": answer(call(), call()),
    "call with an id": answer(call(id="fc_1")),
    "call without arguments": answer(call(args={})),
    "signature after a call": answer(call(signature="U0lH"), text("", "Qg==")),
    "thinking": answer(thought("Let me\nsee."), text("Yes.")),
    "signed thinking": answer(thought("Let me see.", "U0lH"), text("Yes.", "Qg==")),
    "code": answer(text("Running. "), CODE, RAN, text("It is 1.")),
    "search": answer(thought("hm"), SEARCHED, FOUND, text("Rain.")),
    "picture": answer(text("Here:"), DRAWN),
    "too long": answer(text("a"), finish="MAX_TOKENS"),
    "stopped by a filter": answer(finish="SAFETY", candidate={"safetyRatings": [{"category": "HARM", "probability": "HIGH"}]}),
}


def fragments(body: dict[str, Any], size: int = 5) -> Iterator[dict[str, Any]]:
    """The fragments in which the API would have streamed an answer."""
    common: dict[str, Any] = {name: body[name] for name in ("modelVersion", "responseId") if name in body}
    (candidate,) = body["candidates"]
    for part in candidate["content"]["parts"]:
        if part.get("text"):
            signature = part.get("thoughtSignature")
            plain = {name: value for name, value in part.items() if name != "thoughtSignature"}
            for at in range(0, len(part["text"]), size):
                yield {"candidates": [{"content": {"role": "model", "parts": [plain | {"text": part["text"][at : at + size]}]}}], **common}
            last = plain | {"text": "", "thoughtSignature": signature} if signature else {}
        else:
            last = part
        if last:
            usage = {"promptTokenCount": 12, "totalTokenCount": 12}
            yield {"candidates": [{"content": {"role": "model", "parts": [last]}, "index": 0}], "usageMetadata": usage, **common}
    rest = {name: value for name, value in candidate.items() if name != "content"}
    yield {"candidates": [{"content": {"parts": [{"text": ""}]}, **rest}], "usageMetadata": body["usageMetadata"], **common}


def sse(events: Sequence[object]) -> bytes:
    return b"".join(b"data: %s\r\n\r\n" % json.dumps(event, ensure_ascii=False).encode() for event in events)


def stream_of(body: dict[str, Any]) -> bytes:
    return sse(list(fragments(body)))


def decoded(
    *chunks: bytes, content_type: str = "text/event-stream", status: int = 200, to: Target = TARGET, headers: dict[str, str] | None = None
) -> list[DecodedEvent]:
    decoder = Decoder(GeminiGenerate().reader(to), to.provider_name)
    decoder.head(Head(status, {"content-type": content_type} | (headers or {})))
    events: list[DecodedEvent] = []
    for chunk in chunks:
        events += decoder.feed(chunk)
    return events + decoder.close()


def decoded_whole(body: object, **fields: Any) -> list[DecodedEvent]:
    return decoded(json.dumps(body, ensure_ascii=False).encode(), content_type="application/json", **fields)


def folded(events: list[DecodedEvent]) -> Fold:
    fold = Fold()
    fold.add(events)
    return fold

"""Clients with guards against counting servers on loopback, and answers that hold what no guard should let pass."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import saferoute
from saferoute.testing.script import RawAnswer
from tests.support.both import Face
from tests.support.counting_server import CountingServer, Received, is_stream, sse

__all__ = ["LOOK", "asks_tool", "guarded", "hurried", "several"]

LOOK = {"name": "look", "description": "looks", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}
_HEAD = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-1"}
_USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
_KIND = (("content-type", "application/json"),)


def guarded(kind: str, server: CountingServer, *guards: Any) -> Face:
    """A client of one server, the row "here/m"."""

    def made(client: type[Any]) -> Any:
        servers = [saferoute.loopback("here", port=server.port)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return client.local(servers=servers, secrets=saferoute.Secrets.of({}), guards=list(guards))

    return Face(kind, made)


def hurried(face: Face, seconds: float) -> Face:
    """The client, with another bound for guards that take their time."""
    core = face.client._core
    core.shared.guards = replace(core.shared.guards, seconds=seconds)
    core._snapshot = core._taken()
    return face


def asks_tool(*pieces: str, name: str = "look", **wire: Any) -> Callable[[Received], RawAnswer]:
    """An answer that calls a tool, its arguments in these pieces."""

    def answer(received: Received) -> RawAnswer:
        if not is_stream(received):
            call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": "".join(pieces)}}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
            body = {**_HEAD, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": _USAGE}
            return RawAnswer(headers=_KIND, pieces=(json.dumps(body).encode(),), **wire)
        begin = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
        deltas = [begin, *({"index": 0, "function": {"arguments": piece}} for piece in pieces)]
        chunks = [{**_HEAD, "choices": [{"index": 0, "delta": {"tool_calls": [delta]}, "finish_reason": None}]} for delta in deltas]
        last = {**_HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
        events = sse(*chunks, last, {**_HEAD, "choices": [], "usage": _USAGE}, "[DONE]")
        return RawAnswer(headers=(("content-type", "text/event-stream"),), pieces=events, **{"framing": "chunked", **wire})

    return answer


def several(texts: Iterable[str]) -> Callable[[Received], RawAnswer]:
    """A whole answer with alternatives."""

    def answer(_: Received) -> RawAnswer:
        choices = [
            {"index": number, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            for number, text in enumerate(texts)
        ]
        return RawAnswer(headers=_KIND, pieces=(json.dumps({**_HEAD, "choices": choices, "usage": _USAGE}).encode(),))

    return answer

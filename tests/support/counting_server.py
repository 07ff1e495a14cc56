"""Origins on loopback that count what reaches them: connections, requests, and bytes in both directions.

`CountingServer` plays a script of `saferoute.testing` answers over the same server as the embedded provider; a test reads off its counts
what was really on the wire. `Refusing` and `Unanswering` are origins that are never reached.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from saferoute.testing.script import RawAnswer
from saferoute.testing.server import LoopbackServer, Received

__all__ = ["CountingServer", "Line", "Received", "Refusing", "Step", "Unanswering", "fails", "is_stream", "says", "sse"]

Step = RawAnswer | Callable[[Received], RawAnswer]


@dataclass
class Line:
    """What went over one connection."""

    requests: int = 0
    received: int = 0
    sent: int = 0


class _Counted:
    """A socket whose bytes are counted; everything else is the socket's."""

    def __init__(self, sock: socket.socket, line: Line) -> None:
        self._sock, self._line = sock, line

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = self._sock.recv(size, flags)
        if not flags:
            self._line.received += len(data)
        return data

    def sendall(self, data: bytes) -> None:
        self._sock.sendall(data)
        self._line.sent += len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class CountingServer(LoopbackServer):
    """Answers with its steps, one after the other; the last one stays.

    Attributes:
        received: every request, in order of arrival; empty where `keep` is off.
        count: how many requests came.
        arrived: when each came, on the monotonic clock; empty where `keep` is off.
        lines: what went over each connection.
    """

    def __init__(self, *steps: Step, keep: bool = True) -> None:
        super().__init__(self._next)
        self._steps = list(steps)
        self._keep = keep
        self._order = threading.Lock()
        self.received: list[Received] = []
        self.arrived: list[float] = []
        self.lines: dict[int, Line] = {}
        self.count = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bytes_received(self) -> int:
        return sum(line.received for line in self.lines.values())

    @property
    def bytes_sent(self) -> int:
        return sum(line.sent for line in self.lines.values())

    @property
    def paths(self) -> list[str]:
        return [received.target for received in self.received]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(received.body or b"null") for received in self.received]

    @property
    def gaps(self) -> list[float]:
        """Seconds from each request to the next."""
        return [later - sooner for sooner, later in zip(self.arrived, self.arrived[1:], strict=False)]

    def script(self, *steps: Step) -> None:
        """Answer with these from now on."""
        with self._order:
            self._steps = list(steps)

    def settled(self, hang_ups: int, seconds: float = 8.0) -> bool:
        """Wait until that many answers were not waited for to their end; False if that does not come about."""
        with self.changed:
            return self.changed.wait_for(lambda: self.hang_ups >= hang_ups, seconds)

    def quiet(self, seconds: float = 8.0) -> bool:
        """Wait until no connection is open here; False if that does not come about."""
        until = time.monotonic() + seconds
        while self._open and time.monotonic() < until:
            time.sleep(0.002)
        return not self._open

    def _next(self, received: Received) -> RawAnswer:
        with self._order:
            self.count += 1
            self.lines[received.connection].requests += 1
            if self._keep:
                self.received.append(received)
                self.arrived.append(time.monotonic())
            step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        return step(received) if callable(step) else step

    def _serve(self, connection: socket.socket, number: int) -> None:
        line = self.lines.setdefault(number, Line())
        super()._serve(_Counted(connection, line), number)  # type: ignore[arg-type]  # a socket, as far as the server uses it

    def __enter__(self) -> CountingServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Refusing:
    """A port that is taken and that nobody listens at: whoever connects is refused."""

    def __init__(self) -> None:
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self.port: int = self._sock.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Refusing:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()


@contextmanager
def Unanswering() -> Iterator[str]:  # noqa: N802  reads as the other origins do
    """An origin whose queue of connections is full, so that the next one is neither taken nor refused."""
    fillers = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        time.sleep(0.02)  # the kernel takes the first of them
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for filler in fillers:
                filler.close()


def is_stream(received: Received) -> bool:
    """Whether a request asks for a stream, in the dialects that say so in the body."""
    return bool(json.loads(received.body or b"{}").get("stream"))


def sse(*events: object) -> tuple[bytes, ...]:
    """Server-sent events, each a piece of its own; a text stands as it is."""
    return tuple(b"data: %s\n\n" % (event if isinstance(event, str) else json.dumps(event)).encode() for event in events)


_USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}


def says(
    *texts: str,
    usage: Mapping[str, Any] | None = _USAGE,
    id: str | None = "chatcmpl-1",  # noqa: A002  what the wire calls it
    headers: tuple[tuple[str, str], ...] = (),
    **wire: Any,
) -> Callable[[Received], RawAnswer]:
    """An answer of OpenAI Chat Completions, whole or streamed as it was asked for; more fields of RawAnswer by keyword."""
    named = {} if id is None else {"id": id}
    counted = {} if usage is None else {"usage": dict(usage)}
    head = {**named, "object": "chat.completion", "created": 1, "model": "m-1"}

    def answer(received: Received) -> RawAnswer:
        if not is_stream(received):
            message = {"role": "assistant", "content": "".join(texts)}
            body = {**head, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **counted}
            kind = (("content-type", "application/json"), *headers)
            return RawAnswer(headers=kind, pieces=(json.dumps(body).encode(),), **wire)
        chunks = [{**head, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts]
        last = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        pieces = sse(*chunks, last, *([{**head, "choices": [], **counted}] if counted else []), "[DONE]")
        kind = (("content-type", "text/event-stream"), *headers)
        return RawAnswer(headers=kind, pieces=pieces, **{"framing": "chunked", **wire})

    return answer


def fails(status: int, code: str = "", *, message: str = "no", **headers: str) -> RawAnswer:
    """An error in OpenAI's shape; headers by keyword, with "_" for "-". 1 ms is all that it asks to wait, unless it says otherwise."""
    body = {"error": {"message": message, "type": code or "error", "code": code or None}}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if not any("retry" in name.lower() for name in given):
        given["retry-after-ms"] = "1"
    return RawAnswer(status, (("content-type", "application/json"), *given.items()), (json.dumps(body).encode(),))

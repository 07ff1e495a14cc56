"""What the probes talk to: HTTP servers on loopback that write down every byte they are sent, and misbehave on request.

The first segment of a path says how a sink answers: /cut-N/... ends a stream after N bytes, cleanly; /to-PORT/... redirects to another
port of loopback; /busy/... says 429; anything else is answered as a provider would.
"""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = "A plain answer of a dozen words, so that it can be cut anywhere."
WORDS = TEXT.split()
CHAT = "chat"
MESSAGES = "messages"


def forms(canary):
    """How a key may show: as it is, in base64, in hex."""
    raw = canary.encode()
    return [raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode()]


def shows(canary, data):
    return any(form in data for form in forms(canary))


def _events(wire):
    """A stream as the provider writes it: (event bytes, whether the answer is complete with it)."""
    pieces = [word if at == 0 else " " + word for at, word in enumerate(WORDS)]
    if wire == CHAT:
        frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt-4o-mini"}

        def chunk(delta, finish=None):
            choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
            return b"data: " + json.dumps({**frame, "choices": choices}).encode() + b"\n\n"

        yield chunk({"role": "assistant", "content": ""}), False
        for piece in pieces:
            yield chunk({"content": piece}), False
        yield chunk({}, "stop"), True
        yield b"data: [DONE]\n\n", True
        return

    def event(value):
        return b"event: " + value["type"].encode() + b"\ndata: " + json.dumps(value).encode() + b"\n\n"

    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5", "content": [], "stop_reason": None}
    usage = {"input_tokens": 5, "output_tokens": 1}
    yield event({"type": "message_start", "message": {**message, "stop_sequence": None, "usage": usage}}), False
    yield event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}), False
    for piece in pieces:
        yield event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}), False
    yield event({"type": "content_block_stop", "index": 0}), False
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    yield event({"type": "message_delta", "delta": ending, "usage": {"output_tokens": 12}}), True
    yield event({"type": "message_stop"}), True


def stream(wire):
    return b"".join(data for data, _ in _events(wire))


def cuts(wire):
    """Where to cut: at the end of each event, and in its middle, as long as the provider has not said how the answer ended."""
    found, at = [], 0
    for data, complete in _events(wire):
        found.append(at + len(data) // 2)
        if complete:
            return found
        at += len(data)
        found.append(at)
    return found


def _whole(wire):
    if wire == CHAT:
        message = {"role": "assistant", "content": TEXT, "refusal": None}
        usage = {"prompt_tokens": 5, "completion_tokens": 12, "total_tokens": 17}
        choices = [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}]
        frame = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "gpt-4o-mini"}
        return {**frame, "choices": choices, "usage": usage}
    frame = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5"}
    ending = {"stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 12}}
    return {**frame, "content": [{"type": "text", "text": TEXT}], **ending}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Not on the terminal: `seen` has it."""

    def _body(self):
        if "chunked" in self.headers.get("transfer-encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _serve(self):
        body = self._body()
        head = f"{self.command} {self.path}\n{self.headers}".encode("utf-8", "surrogateescape")
        self.server.seen.append((head, body))
        path = self.path.split("://", 1)[-1]  # a proxy is asked for http://host/path
        step = path.split("/")[1] if "/" in path else ""
        wire = MESSAGES if path.split("?")[0].endswith("/messages") else CHAT
        if self.command == "CONNECT":
            return self._send(502, b"")
        if step.startswith("to-"):
            rest = path.split("/", 2)[2]
            return self._send(307, b"", ("location", f"http://127.0.0.1:{int(step[3:])}/{rest}"))
        if step == "busy":
            error = {"type": "rate_limit_error", "message": "slow down", "code": "rate_limit_exceeded"}
            return self._send(429, json.dumps({"type": "error", "error": error}).encode(), ("retry-after", "0"), ("retry-after-ms", "1"))
        if b'"stream": true' in body or b'"stream":true' in body:
            data = stream(wire)
            return self._stream(data[: int(step[4:])] if step.startswith("cut-") else data)
        return self._send(200, json.dumps(_whole(wire)).encode())

    do_GET = do_POST = do_PUT = do_HEAD = do_CONNECT = _serve  # noqa: N815  http.server's names

    def _send(self, status, body, *headers):
        self.send_response(status)
        for name, value in (("content-type", "application/json"), ("content-length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, data):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for at in range(0, len(data), 100):
            piece = data[at : at + 100]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")  # the connection ends as it should: only the stream's own words say that it was cut


class Sink:
    """A server on a port of its own; `seen` is what it was sent, as (head, body)."""

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.seen = []
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def port(self):
        return self._server.server_address[1]

    @property
    def seen(self):
        return self._server.seen

    def base(self, step=""):
        return f"http://127.0.0.1:{self.port}" + (f"/{step}" if step else "") + "/v1"

    def saw(self, canary):
        return any(shows(canary, head + body) for head, body in self.seen)

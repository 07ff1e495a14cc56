"""A server on loopback that is Bedrock to its clients: it checks each request's signature with AWS' own SDK before it answers."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock

HOST = "bedrock-runtime.us-east-1.amazonaws.com"
KEY_ID, SECRET, TOKEN = "AKIDCANARYEXAMPLE", "wJalrCANARY/bPxRfiCYEXAMPLEKEY+0", "FwoGCANARY//TOKEN=="
STORED = f"{KEY_ID}:{SECRET}"
TEMPORARY = f"{STORED}:{TOKEN}"


def signature_of(method: str, url: str, headers: dict[str, str], body: bytes, region: str = "us-east-1", service: str = "bedrock") -> str:
    """What botocore writes into Authorization for a request that came with these headers (lower-case names)."""
    from botocore import auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    named = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    when = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    given = {name: headers[name] for name in named if name not in ("host", "x-amz-date", "x-amz-security-token")}
    made = AWSRequest(method, url, headers=given, data=body)
    keys = Credentials(KEY_ID, SECRET, headers.get("x-amz-security-token"))
    with mock.patch.object(auth, "get_current_datetime", return_value=when.replace(tzinfo=None)):
        auth.SigV4Auth(keys, service, region).add_auth(made)
    return str(made.headers["Authorization"])


class AwsServer:
    """Answers with the bytes of `answers`, by the last word of the path, when the signature is right; else with AWS' own 403.

    The path "/" needs no signature: it is STS, and what comes there is a web identity.

    Attributes:
        requests: (path, headers, body) of each request.
        refused: how many were.
    """

    def __init__(self, answers: dict[str, tuple[str, bytes]], tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.refused = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.path, headers, body))
                kind, answer = answers[self.path.rpartition("/")[2]]
                status = 200
                if self.path != "/" and signature_of("POST", f"{outer.origin}{self.path}", headers, body) != headers["authorization"]:
                    outer.refused += 1
                    status, kind, answer = 403, "application/json", b'{"message": "The request signature we calculated does not match"}'
                self.send_response(status)
                if status != 200:
                    self.send_header("x-amzn-errortype", "InvalidSignatureException:http://internal.amazon.com/")
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.origin = f"http{'s' if tls else ''}://{HOST}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> AwsServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def to_loopback(host: str, port: int) -> list[str]:
    """A resolver that knows one host of AWS, on this machine."""
    assert host == HOST, host
    assert port
    return ["127.0.0.1"]

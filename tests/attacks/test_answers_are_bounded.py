"""Attack: an answer without end, or nested without end, or a table whose rows extend each other without end.

Bombs and deep nesting have stopped parsers of every kind, and includes of a gateway's configuration climbed out of their folder
(GHSA-5jmr-gcrj-2c9q). Every reader has a cap on bytes and on depth, and `extends` names rows of the same file or of the catalogue.

Guards: saferoute/wire/http1.py#2::if self._room < 0:
"""

from __future__ import annotations

import tracemalloc

import pytest

import saferoute
from saferoute.errors import ProtocolError, SaferouteError
from saferoute.routing.authoring import build
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import parse
from saferoute.testing import Answer, EmbeddedProvider
from saferoute.testing.faults import NotJson
from saferoute.wire.http1 import Limits, ResponseReader
from tests.support.both import KINDS, Face

CAP = 8 << 20
HEADS = {
    "a length": b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    "until it closes": b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_body_of_100_megabytes_is_refused_long_before_its_end(name: str) -> None:
    reader = ResponseReader(Limits(max_body=CAP))
    piece = b"x" * 65_536
    if name == "chunks":
        piece = b"10000\r\n" + piece + b"\r\n"
    fed = 0
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            reader.feed(HEADS[name])
            for _ in range(1600):
                reader.feed(piece)
                fed += 65_536
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fed <= CAP
    assert most < 4 * CAP


DEEP = {"lists": b"[" * 100_000 + b"]" * 100_000, "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "open lists": b"[" * 100_000}


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting_is_an_error_of_ours(name: str) -> None:
    with pytest.raises(Refused):
        parse(b'{"a":' + DEEP[name] + b"}")
    with EmbeddedProvider() as provider:
        servers = [saferoute.loopback("row", port=provider.port)]
        for kind in KINDS:
            with Face(kind, lambda client: client.local(servers=servers, secrets=saferoute.Secrets.of({}))) as face:
                provider.script([Answer("x", fault=NotJson(DEEP[name]))], then="repeat")
                with pytest.raises(SaferouteError):
                    face.chat("row/m", "hi", max_attempts=1)
                provider.script([Answer(DEEP[name].decode())], then="repeat")
                with pytest.raises(SaferouteError):
                    face.chat("row/m", "hi", output={"type": "object"}, max_attempts=1)


ROW = 'provider = "demo"\ndialect = "openai_chat"\norigin = "https://api.example.com"\npath = "/v1"\nnet = "public"\nmodel = "m"\nauth = "none"\ndata = "internal"\n'
EXTENDS = {
    "itself": '[routes.a]\nextends = "a"\n',
    "each other": '[routes.a]\nextends = "b"\n[routes.b]\nextends = "a"\n',
    "a file": '[routes.a]\nextends = "../other.toml"\n',
    "an absolute file": '[routes.a]\nextends = "/etc/passwd"\n',
    "an address": '[routes.a]\nextends = "https://evil.example/routes.toml"\n',
    "a number": "[routes.a]\nextends = 1\n",
    "a list": '[routes.a]\nextends = ["b"]\n',
    "nothing that is there": '[routes.a]\nextends = "nowhere"\n',
    "a long chain": "".join(f'[routes.r{n}]\nextends = "r{n + 1}"\n' for n in range(500)) + f"[routes.r500]\n{ROW}",
    "an include": 'include = ["../other.toml"]\n',
}


@pytest.mark.parametrize("name", EXTENDS)
def test_extends_leads_to_rows_of_the_same_file_and_to_an_end(name: str) -> None:
    with pytest.raises((SaferouteError, Refused)):
        build(EXTENDS[name])

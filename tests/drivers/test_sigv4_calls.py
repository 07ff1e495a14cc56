"""Calls that are signed, from a prepared call to the bytes on a socket: AWS' own SDK checks every signature on the other side."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import trustme

from saferoute.call.flow import call_flow
from saferoute.drivers.blocking import BlockingRun, Stream, run
from saferoute.drivers.concurrent import AsyncStream, ConcurrentRun, run_async
from saferoute.drivers.httpx_bridge import AsyncHttpxBridge, AsyncHttpxTransport, HttpxBridge, HttpxTransport
from saferoute.drivers.key_lookup import AsyncKeysFirst, KeysFirst
from saferoute.drivers.tls import ClientTls
from saferoute.drivers.transport import BlockingTransport
from saferoute.drivers.transport_async import AsyncioTransport
from saferoute.errors import AuthenticationRejected, ConfigurationError, OriginMismatch, PermissionDenied, RequestError, SaferouteError
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.lookup import MemorySource, Sources
from saferoute.secrets.secret import Secret, SecretRecord
from saferoute.values.credential import CredentialSpec
from saferoute.values.events import TextDelta
from saferoute.values.http import NetClass
from saferoute.values.target import Target
from tests.drivers.doors import KINDS, LOOPBACK, PARSERS, Door, OneKey, clocks, request
from tests.support.aws_server import HOST, KEY_ID, SECRET, STORED, TEMPORARY, TOKEN, AwsServer, to_loopback
from tests.support.scripted import Witness, call
from tests.unit.bedrock_cases import MODEL, STREAM, TARGET, frames, message, text

pytest.importorskip("botocore", reason="botocore is not installed; it checks the signatures here")

WHOLE = json.dumps(message(text("signed"))).encode()
STREAMED = frames(
    [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "sig"}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "ned"}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {"latencyMs": 1}}),
    ]
)
ANSWERS = {"converse": ("application/json", WHOLE), "converse-stream": (STREAM, STREAMED), "large": ("text/plain", b"ok")}


@pytest.fixture(scope="module", params=["plain", "tls"])
def aws(request: pytest.FixtureRequest) -> Iterator[tuple[AwsServer, ClientTls]]:
    authority = trustme.CA()
    context = None
    if request.param == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(context)
    with AwsServer(ANSWERS, context) as server:
        yield server, ClientTls(authority.cert_pem.bytes().decode())


def credentials(origin: str, stored: str = TEMPORARY, name: str = "aws") -> Credentials:
    return Credentials(Sources([MemorySource([SecretRecord(name, Secret(stored), (origin,))])]))


def row(origin: str) -> Target:
    return replace(TARGET, origin=origin, net=LOOPBACK, secret="aws", auth="sigv4")


def answer(kind: str, keys: Credentials, tls: ClientTls, target: Target, *, stream: bool, **options: Any) -> str:
    """The text of a call's answer, under the named driver, over our own transport."""
    what, witness, now = call(target, stream=stream, max_attempts=1), Witness(), time.monotonic()

    def blocking() -> str:
        transport = KeysFirst(BlockingTransport(keys, tls=tls, resolver=to_loopback, **options), keys)
        try:
            if not stream:
                return run(call_flow(what, now), transport, time.monotonic, time.sleep, witness).text or ""
            with Stream("row", BlockingRun(call_flow(what, now), transport, time.monotonic, time.sleep), witness) as opened:
                return "".join(event.text for event in opened if isinstance(event, TextDelta))
        finally:
            transport.close()

    async def concurrent() -> str:
        transport = AsyncKeysFirst(AsyncioTransport(keys, tls=tls, resolver=to_loopback, **options), keys)
        try:
            if not stream:
                return (await run_async(call_flow(what, now), transport, time.monotonic, asyncio.sleep, witness)).text or ""
            work = ConcurrentRun(call_flow(what, now), transport, time.monotonic, asyncio.sleep)
            async with AsyncStream("row", work, lambda: witness) as opened:
                return "".join([event.text async for event in opened if isinstance(event, TextDelta)])
        finally:
            await transport.close()

    return blocking() if kind == "blocking" else asyncio.run(concurrent())


@pytest.mark.parametrize("stored", [STORED, TEMPORARY], ids=["long-term", "temporary"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_is_signed(aws: tuple[AwsServer, ClientTls], kind: str, parser: str, stream: bool, stored: str) -> None:
    server, tls = aws
    assert answer(kind, credentials(server.origin, stored), tls, row(server.origin), stream=stream, parser=parser) == "signed"
    path, headers, body = server.requests[-1]
    quoted = MODEL.replace(":", "%3A")
    assert path == f"/model/{quoted}/converse{'-stream' if stream else ''}"
    assert server.refused == 0
    token = ";x-amz-security-token" if stored == TEMPORARY else ""
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert signed == sorted(signed)
    assert {"host", "content-type", "x-amz-date", *filter(None, [token[1:]])} <= set(signed)
    assert "user-agent" not in signed
    assert headers.get("x-amz-security-token") == (TOKEN if token else None)
    assert json.loads(body)["messages"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_time_is_the_callers_and_the_derived_key_follows_the_day(aws: tuple[AwsServer, ClientTls], kind: str) -> None:
    server, tls = aws
    times = iter([1_795_391_998.0, 1_795_391_999.9, 1_795_392_000.0, 1_795_391_999.0])
    with Door(kind, credentials=OneKey(server.origin, key=TEMPORARY), tls=tls, resolver=to_loopback, wall=lambda: next(times)) as door:
        for stamp in ("20261122T235958Z", "20261122T235959Z", "20261123T000000Z", "20261122T235959Z"):
            head, body = door.fetch(request(server.origin, "/model/x/converse", secret="main", auth="sigv4"))
            assert (head.status, body) == (200, WHOLE)
            assert server.requests[-1][1]["x-amz-date"] == stamp


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_body_is_signed_as_it_is_written(aws: tuple[AwsServer, ClientTls], kind: str) -> None:
    server, tls = aws
    body = bytes(range(256)) * 4096
    with Door(kind, credentials=OneKey(server.origin, key=STORED), tls=tls, resolver=to_loopback) as door:
        head, got = door.fetch(request(server.origin, "/a/large", body, secret="main", auth="sigv4"))
    assert (head.status, got) == (200, b"ok")
    assert server.requests[-1][2] == body


def test_a_wrong_secret_is_a_typed_error(aws: tuple[AwsServer, ClientTls]) -> None:
    server, tls = aws
    with pytest.raises(SaferouteError) as caught:
        answer("blocking", credentials(server.origin, "AKIDCANARYEXAMPLE:another"), tls, row(server.origin), stream=False)
    server.refused = 0
    assert isinstance(caught.value, AuthenticationRejected | PermissionDenied)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}", "http://localhost:{port}", "http://s3.us-east-1.amazonaws.com:{port}"])
def test_a_host_without_a_scope_is_not_connected_to(kind: str, origin: str) -> None:
    with AwsServer(ANSWERS) as server:
        bad = origin.format(port=server.origin.rpartition(":")[2])
        with (
            Door(kind, credentials=OneKey(bad, key=STORED), resolver=lambda *_: pytest.fail("looked up")) as door,
            pytest.raises(ConfigurationError, match="not an AWS address"),
        ):
            door.fetch(request(bad, "/model/x/converse", secret="main", auth="sigv4"))
        with pytest.raises(ConfigurationError, match="not an AWS address"):
            answer(kind, credentials(bad), ClientTls(), row(bad), stream=False)
        assert server.requests == []


@pytest.mark.parametrize("name", ["x-amz-date", "x-amz-security-token", "authorization"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_request_cannot_bring_the_signatures_headers(kind: str, name: str) -> None:
    origin = f"http://{HOST}:1"
    sent = request(origin, "/x", headers=((name, "mine"),), secret="main", auth="sigv4")
    with Door(kind, credentials=OneKey(origin, key=STORED)) as door, pytest.raises(RequestError, match=name):
        door.fetch(sent)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_another_region_is_not_used(kind: str) -> None:
    with AwsServer(ANSWERS) as server:
        keys = credentials("https://bedrock-runtime.us-west-2.amazonaws.com")
        with pytest.raises(OriginMismatch, match="us-west-2"):
            answer(kind, keys, ClientTls(), row(server.origin), stream=False)
        assert server.requests == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_web_identity_signs_a_call(kind: str, stream: bool) -> None:
    """From a token to STS to a signed call, over one transport; the second call asks STS nothing."""
    made = {"AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "SessionToken": TOKEN, "Expiration": ""}
    made["Expiration"] = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in made.items())
    names = ("AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult", "Credentials")
    document = "".join(f"<{name}>" for name in names) + inner + "".join(f"</{name}>" for name in reversed(names))
    with AwsServer({**ANSWERS, "": ("text/xml", document.encode())}) as server:
        sts = f"http://127.0.0.1:{server.origin.rpartition(':')[2]}"
        role = {"role": "arn:aws:iam::123456789012:role/reader"}
        spec = CredentialSpec("aws", "aws_web_identity", sts, LOOPBACK, "identity", (server.origin,), role)
        token = MemorySource([SecretRecord("identity", Secret("eyJ0.e30.c2ln"), (sts,))])
        keys = Credentials(Sources([token]), {"aws": spec})
        for _ in range(2):
            assert answer(kind, keys, ClientTls(), row(server.origin), stream=stream) == "signed"
        first, *calls = server.requests
        assert (first[0], first[1].get("authorization"), b"WebIdentityToken=eyJ0.e30.c2ln" in first[2]) == ("/", None, True)
        assert [headers["x-amz-security-token"] for _, headers, _ in calls] == [TOKEN, TOKEN]
        assert server.refused == 0


# ---------------------------------------------------------------------------------------------------- over httpx


def _checked(sent: httpx.Request) -> httpx.Response:
    """An httpx transport that checks the signature as the server does."""
    from tests.support.aws_server import signature_of

    headers = {name.decode().lower(): value.decode() for name, value in sent.headers.raw}
    url = str(sent.url)
    assert signature_of(sent.method, url, headers, sent.content) == headers["authorization"]
    assert headers["host"] == HOST
    return httpx.Response(200, json={"url": url})


@pytest.mark.parametrize("path", ["/model/a%3A0/converse", "/model/arn%3Aaws%3Abedrock%3A%3A1%3Ax%2Fy/converse?b=2&a=%20"])
def test_the_bridge_signs(path: str) -> None:
    origin = f"https://{HOST}"
    sent = request(origin, path, secret="main", auth="sigv4", net=NetClass())
    mock = httpx.MockTransport(_checked)
    key = OneKey(origin, key=TEMPORARY)
    whole = HttpxBridge(mock, key, wall=lambda: 1e9).open(sent, clocks())
    assert json.loads(whole.read())["url"] == origin + path

    async def concurrent() -> bytes:
        return await (await AsyncHttpxBridge(mock, key, wall=lambda: 1e9).open(sent, clocks())).read()

    assert json.loads(asyncio.run(concurrent()))["url"] == origin + path


def test_the_bridge_refuses_a_host_without_a_scope() -> None:
    mock = httpx.MockTransport(lambda _: pytest.fail("asked"))
    sent = request("https://api.example.com", "/", secret="main", auth="sigv4", net=NetClass())
    with pytest.raises(ConfigurationError, match="not an AWS address"):
        HttpxBridge(mock, OneKey("https://api.example.com", key=STORED)).open(sent, clocks())


def test_under_httpx_what_another_program_signed_is_signed_anew() -> None:
    old = {"authorization": "AWS4-HMAC-SHA256 old", "x-amz-date": "20200101T000000Z", "x-amz-security-token": "old"}
    with AwsServer(ANSWERS) as server:
        ours = BlockingTransport(OneKey(server.origin, key=STORED), resolver=to_loopback)
        with httpx.Client(transport=HttpxTransport(ours, secret="main", auth="sigv4", net=LOOPBACK)) as client:
            response = client.post(server.origin + "/model/a%3A0/converse", content=b"{}", headers=old)

        async def concurrent() -> httpx.Response:
            theirs = AsyncioTransport(OneKey(server.origin, key=TEMPORARY), resolver=to_loopback)
            async with httpx.AsyncClient(transport=AsyncHttpxTransport(theirs, secret="main", auth="sigv4", net=LOOPBACK)) as other:
                return await other.post(server.origin + "/model/a%3A0/converse", content=b"{}", headers=old)

        assert (response.status_code, asyncio.run(concurrent()).status_code) == (200, 200)
        assert server.refused == 0
        assert "x-amz-security-token" not in server.requests[0][1]
        assert server.requests[1][1]["x-amz-security-token"] == TOKEN

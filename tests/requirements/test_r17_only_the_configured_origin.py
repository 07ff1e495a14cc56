"""Requirement 17: traffic goes to the configured origin and nowhere else; every other socket is blocked while the test runs."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

import saferoute
from saferoute.errors import ProviderError, SaferouteError, UnexpectedRedirect
from saferoute.testing.script import RawAnswer
from tests.requirements.conftest import Deployed, Way, row
from tests.requirements.connections import watched
from tests.requirements.dialects import DIALECTS
from tests.support.both import Face
from tests.support.counting_server import CountingServer, fails, says

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]

VARIABLES = (
    "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_HOST", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL", "AZURE_OPENAI_ENDPOINT",
    "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE", "MISTRAL_BASE_URL", "OLLAMA_HOST", "OLLAMA_BASE_URL", "COHERE_API_URL", "CO_API_URL",
    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "GROQ_BASE_URL", "DEMO_BASE_URL", "BASE_URL", "API_BASE", "LITELLM_API_BASE",
    "SAFEROUTE_BASE_URL", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy",
)  # fmt: skip


@pytest.fixture
def decoy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> CountingServer:
    """A server that every variable of the environment points to."""
    server = serve(says("from the decoy"))
    for name in VARIABLES:
        monkeypatch.setenv(name, server.origin)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    return server


def test_the_watch_would_notice(serve: Serve) -> None:
    server = serve(says("hi"))
    with watched(1) as seen, socket.socket() as sock, pytest.raises(ConnectionRefusedError, match="allows no connection"):
        sock.connect(("127.0.0.1", server.port))
    assert seen.refused == [("127.0.0.1", server.port)]
    assert server.connections == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_asks_its_row_s_origin_alone(
    four_ways: Way, serve: Serve, deployed: Deployed, decoy: CountingServer, dialect: str
) -> None:
    server = serve(DIALECTS[dialect].answer())
    face = deployed(four_ways.kind, row("row", server.origin, dialect=dialect))
    with watched(server.port) as seen:
        assert four_ways.ask(face).text == "hello"
    assert seen.connects == [("127.0.0.1", server.port)]
    assert (seen.refused, seen.names) == ([], [])
    assert (server.count, decoy.connections) == (1, 0)
    assert server.received[0].header("host") == f"127.0.0.1:{server.port}"


def test_the_key_goes_to_its_origin_alone(four_ways: Way, serve: Serve, opened: Opened, decoy: CountingServer) -> None:
    server = serve(says("ok"))
    secrets = saferoute.Secrets.of({"demo": ("sk-canary-1", server.origin)})
    face = opened(four_ways.kind, server, fields='auth = "bearer"\nsecret = "demo"', secrets=secrets)
    with watched(server.port) as seen:
        four_ways.ask(face)
    assert server.received[0].header("authorization") == "Bearer sk-canary-1"
    assert (len(seen.connects), decoy.connections) == (1, 0)


def test_a_key_that_is_bound_elsewhere_connects_to_nobody(four_ways: Way, serve: Serve, opened: Opened, decoy: CountingServer) -> None:
    server = serve(says("never"))
    secrets = saferoute.Secrets.of({"demo": ("sk-canary-1", decoy.origin)})
    face = opened(four_ways.kind, server, fields='auth = "bearer"\nsecret = "demo"', secrets=secrets)
    with watched(server.port, decoy.port) as seen, pytest.raises(saferoute.errors.OriginMismatch):
        four_ways.ask(face)
    assert seen.connects == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["another origin", "the same origin"])
def test_a_redirect_is_not_followed(four_ways: Way, serve: Serve, opened: Opened, decoy: CountingServer, status: int, to: str) -> None:
    server = serve(RawAnswer(status))
    there = f"{decoy.origin if to == 'another origin' else server.origin}/v1/chat/completions"
    server.script(RawAnswer(status, (("location", there), ("refresh", f"0; url={there}"))))
    face = opened(four_ways.kind, server)
    with watched(server.port) as seen, pytest.raises(UnexpectedRedirect):
        four_ways.ask(face, max_attempts=5)
    assert seen.connects == [("127.0.0.1", server.port)]
    assert (server.count, decoy.connections) == (1, 0)


HINTS = {
    "Alt-Svc": 'h2="{there}"; ma=86400',
    "Content-Location": "http://{there}/v1/chat/completions",
    "Link": '<http://{there}/next>; rel="next"',
    "Refresh": "0; url=http://{there}/",
    "Proxy-Authenticate": "Basic",
    "Set-Cookie": "a=b",
}


@pytest.mark.parametrize("status", [200, 401, 407, 421, 500])
def test_no_header_of_an_answer_leads_anywhere_else(
    four_ways: Way, serve: Serve, opened: Opened, decoy: CountingServer, status: int
) -> None:
    hints = tuple((name, value.format(there=f"127.0.0.1:{decoy.port}")) for name, value in HINTS.items())
    body = fails(status).pieces
    server = serve(says("ok", headers=hints) if status == 200 else RawAnswer(status, hints, body))
    face = opened(four_ways.kind, server)
    with watched(server.port) as seen:
        for _ in range(2):
            try:
                four_ways.ask(face, max_attempts=1)
            except ProviderError as error:
                assert error.status == status
    assert set(seen.connects) == {("127.0.0.1", server.port)}
    assert (server.count, decoy.connections) == (2, 0)
    assert all(received.header("cookie") is None for received in server.received)
    assert all(received.header("proxy-authorization") is None for received in server.received)


def test_an_alias_goes_to_its_rows_and_nowhere_else(four_ways: Way, serve: Serve, opened: Opened, decoy: CountingServer) -> None:
    first, second = serve(fails(500)), serve(says("ok"))
    face = opened(four_ways.kind, first, second)
    with watched(first.port, second.port) as seen:
        assert four_ways.ask(face, "both").text == "ok"
    assert [address[1] for address in seen.connects] == [first.port, second.port]
    assert decoy.connections == 0


@pytest.mark.parametrize("option", ["api_base", "base_url", "proxy", "headers", "api_key", "verify"])
def test_no_option_of_a_call_moves_it(four_ways: Way, serve: Serve, opened: Opened, decoy: CountingServer, option: str) -> None:
    server = serve(says("ok"))
    face = opened(four_ways.kind, server)
    with watched(server.port) as seen, pytest.raises(SaferouteError, match="no option"):
        four_ways.ask(face, **{option: decoy.origin})
    assert seen.connects == []


def test_operations_ask_the_row_s_origin_alone(kind: str, serve: Serve, deployed: Deployed, decoy: CountingServer) -> None:
    counted = RawAnswer(pieces=(b'{"input_tokens": 3}',))
    server = serve(counted)
    face = deployed(kind, row("row", server.origin, dialect="anthropic_messages"))
    with watched(server.port) as seen:
        assert int(face.wait(face.client.count_tokens("row", "hi"))) == 3
    assert (len(seen.connects), decoy.connections, seen.names) == (1, 0, [])


def test_making_and_closing_a_client_connects_to_nobody(kind: str, serve: Serve, opened: Opened, decoy: CountingServer) -> None:
    server = serve(says("ok"))
    with watched(server.port) as seen:
        face = opened(kind, server)
        face.client.models()
        face.client.security_report()
        face.wait(face.client.check())
        face.wait(face.client.close())
    assert (seen.connects, seen.names) == ([], [])
    assert (server.connections, decoy.connections) == (0, 0)

"""The embedded provider itself: recording, keys, scripts, its HTTP, its end."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import socket
import threading
import time

import pytest

import saferoute
from saferoute.errors import ConfigurationError, SecretError
from saferoute.testing import Answer, Ask, EmbeddedProvider, ErrorAnswer, ManualClock, RawAnswer, Script, memory_secrets
from saferoute.testing.faults import Hang, NotJson
from saferoute.testing.script import ScriptExhausted

KEY = "sk-test-0123456789abcdef"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}


def ask(
    provider: EmbeddedProvider,
    *,
    body: object = BODY,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=10)
    try:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, data, headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def talk(provider: EmbeddedProvider, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", provider.port), timeout=10) as connection:
        connection.sendall(sent)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


# -------------------------------------------------------------------------------------------------------------- keys


def test_the_record_holds_no_key_and_knows_it() -> None:
    with EmbeddedProvider() as provider:
        ask(provider, headers={"Authorization": f"Bearer {KEY}", "X-Trace": "1"})
        ask(provider, headers={"x-api-key": KEY}, path=f"/v1/chat/completions?key={KEY}")
        first, second = provider.requests
        assert provider.saw_key(KEY)
        assert first.carries_key(KEY)
        assert second.carries_key(KEY)
        assert not provider.saw_key(KEY + "x")
        assert not provider.saw_key("Bearer " + KEY)
        assert first.headers["authorization"] == "Bearer sha256:" + hashlib.sha256(KEY.encode()).hexdigest()
        assert first.headers["x-trace"] == "1"
        assert not first.leaks_key(KEY)
        assert second.leaks_key(KEY)
        shown = repr(provider) + repr(first) + repr(second) + repr(vars(provider)) + second.path + str(dict(second.headers))
        assert KEY not in shown


@pytest.mark.parametrize(
    ("headers", "body"),
    [({"x-trace": KEY}, BODY), ({}, {**BODY, "messages": [{"role": "user", "content": KEY}]})],
    ids=["header", "body"],
)
def test_a_key_where_no_key_belongs_is_found(headers: dict[str, str], body: object) -> None:
    with EmbeddedProvider() as provider:
        ask(provider, headers=headers, body=body)
        assert provider.requests[0].leaks_key(KEY)
        assert not provider.saw_key(KEY)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/chat/completions", {"authorization": f"Bearer {KEY}"}, 200),
        ("/v1/chat/completions", {"authorization": "Bearer wrong"}, 401),
        ("/v1/chat/completions", {}, 401),
        ("/v1/messages", {"x-api-key": KEY, "anthropic-version": "2026-10-21"}, 200),
        ("/v1/messages", {"authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}, 200),
        ("/v1/messages", {"x-api-key": "wrong", "anthropic-version": "2026-10-21"}, 401),
        ("/v1/messages", {"anthropic-version": "2026-10-21"}, 401),
    ],
)
def test_a_required_key(path: str, headers: dict[str, str], status: int) -> None:
    with EmbeddedProvider(api_key=KEY) as provider:
        got, _, body = ask(provider, path=path, headers=headers, body={**BODY, "max_tokens": 50})
        assert got == status
        assert KEY not in repr(vars(provider))
        if status == 401:
            error = json.loads(body)["error"]
            assert error["type"] == ("authentication_error" if path == "/v1/messages" else "invalid_request_error")
            assert error.get("code") == (None if path == "/v1/messages" else "invalid_api_key")


# -------------------------------------------------------------------------------------------------------------- records


def test_requests_are_recorded_in_order_with_their_connection() -> None:
    with EmbeddedProvider() as provider:
        connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=10)
        for number in range(3):
            connection.request("POST", "/v1/chat/completions", json.dumps({**BODY, "seed": number}))
            connection.getresponse().read()
        connection.close()
        ask(provider, body=b"{", headers={"content-type": "application/json"})
        assert [r.number for r in provider.requests] == [1, 2, 3, 4]
        assert [r.connection for r in provider.requests] == [1, 1, 1, 2]
        assert [r.body["seed"] for r in provider.requests[:3]] == [0, 1, 2]
        assert provider.requests[3].body is None
        assert provider.requests[3].raw == b"{"
        assert provider.requests[0].header_names[0] == "host"
        assert provider.connections == 2
        provider.forget()
        assert provider.requests == ()


def test_only_so_many_requests_are_kept() -> None:
    with EmbeddedProvider(keep_requests=2) as provider:
        for _ in range(3):
            ask(provider)
        assert [r.number for r in provider.requests] == [2, 3]


def test_a_repeated_header_is_joined_and_counted() -> None:
    with EmbeddedProvider() as provider:
        data = json.dumps(BODY).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        assert talk(provider, head % len(data) + data).startswith(b"HTTP/1.1 200 OK\r\n")
        assert provider.requests[0].headers["x-a"] == "1, 2"
        assert provider.requests[0].header_names[:2] == ("x-a", "x-a")


# -------------------------------------------------------------------------------------------------------------- scripts


def test_a_script_is_used_up_in_order_and_then_says_so() -> None:
    provider = EmbeddedProvider(["one", ErrorAnswer(429), NotJson()])
    with pytest.raises(ScriptExhausted, match="had 3 answers"), provider:
        assert b"one" in ask(provider)[2]
        assert ask(provider)[0] == 429
        assert ask(provider)[2] == b'{"id": "x '
        status, _, body = ask(provider)
        assert status == 400
        assert b"all are used" in body
    assert isinstance(provider.problems[0], ScriptExhausted)


@pytest.mark.parametrize(("then", "second"), [("repeat", b"one"), ("improvise", b"You said: hello there")])
def test_what_follows_a_script(then: str, second: bytes) -> None:
    with EmbeddedProvider() as provider:
        script = provider.script("one", then=then)  # type: ignore[arg-type]
        ask(provider)
        assert second in ask(provider)[2]
        assert repr(script) == f"Script(0 of 1 left, then='{then}')"
        provider.script(None)
        assert b"You said" in ask(provider)[2]


def test_a_callable_is_asked_each_time_and_sees_the_request() -> None:
    seen: list[Ask] = []

    def answer(asked: Ask) -> str | Answer:
        seen.append(asked)
        return f"answer {asked.number}"

    with EmbeddedProvider(answer) as provider:
        assert b"answer 1" in ask(provider)[2]
        assert b"answer 2" in ask(provider)[2]
    assert [(a.dialect, a.text, a.turns, a.stream) for a in seen] == [("openai_chat", "hello there", 1, False)] * 2
    assert repr(Script(answer)) == "Script(callable, then='refuse')"


def test_an_error_in_a_callable_reaches_the_test() -> None:
    def answer(_: Ask) -> str:
        raise LookupError("the prompt was here")

    with pytest.raises(LookupError), EmbeddedProvider(answer) as provider:
        status, _, body = ask(provider)
        assert status == 400
        assert b"LookupError" in body
        assert b"the prompt" not in body


def test_an_error_in_the_test_is_not_hidden_by_one_in_the_script() -> None:
    with pytest.raises(ZeroDivisionError), EmbeddedProvider([]) as provider:
        ask(provider)
        raise ZeroDivisionError


def test_what_is_no_step_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a int is no step"), EmbeddedProvider([7]) as provider:  # type: ignore[list-item]
        ask(provider)


def test_a_refused_request_uses_up_nothing() -> None:
    with EmbeddedProvider(["one"]) as provider:
        assert ask(provider, body={"model": "m"})[0] == 400
        assert b"one" in ask(provider)[2]


def test_a_script_shared_by_many_connections_gives_each_step_once() -> None:
    with EmbeddedProvider([str(number) for number in range(40)]) as provider:
        said: list[str] = []

        def work() -> None:
            said.extend(json.loads(ask(provider)[2])["choices"][0]["message"]["content"] for _ in range(10))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(int, said)) == list(range(40))


# -------------------------------------------------------------------------------------------------------------- HTTP


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/", 404),
        ("POST", "/v1/responses", 404),
        ("POST", "/v1/models", 404),
        ("GET", "/v1/models/nobody", 404),
        ("GET", "/v1/models", 200),
    ],
)
def test_paths_and_methods(method: str, path: str, status: int) -> None:
    with EmbeddedProvider() as provider:
        assert ask(provider, method=method, path=path, body=None)[0] == status


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"null"])
def test_a_body_that_is_no_json_object(path: str, body: bytes) -> None:
    with EmbeddedProvider() as provider:
        status, headers, answer = ask(provider, path=path, body=body, headers={"anthropic-version": "2026-10-21"})
        assert status == 400
        assert json.loads(answer)["error"]["message"]
        assert headers["x-request-id" if "chat" in path else "request-id"] == "req_embedded_000001"


def test_the_anthropic_version_is_required() -> None:
    with EmbeddedProvider() as provider:
        status, _, body = ask(provider, path="/v1/messages", body={**BODY, "max_tokens": 5})
        assert status == 400
        assert json.loads(body)["error"]["message"] == "anthropic-version: header is required"


def test_a_chunked_request_and_expect_continue() -> None:
    with EmbeddedProvider() as provider:
        data = json.dumps(BODY).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nConnection: close\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(data[i : i + 9]), data[i : i + 9]) for i in range(0, len(data), 9))
        answer = talk(provider, head + chunks + b"0\r\ntrailer: 1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
        assert provider.requests[0].raw == data


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"GET / HTTP/1.1\r\nbad name: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 600_000,
    ],
)
def test_requests_that_are_not_http_are_refused(sent: bytes) -> None:
    with EmbeddedProvider() as provider:
        try:
            assert talk(provider, sent).startswith(b"HTTP/1.1 400 ")
        except ConnectionError:
            assert len(sent) > 500_000  # closed with input unread: the kernel may reset before the answer is read
        assert provider.requests == ()


def test_pipelined_requests_are_answered_in_order() -> None:
    with EmbeddedProvider(["one", "two"]) as provider:
        data = json.dumps(BODY).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n" % len(data)
        answer = talk(provider, head + b"\r\n" + data + head + b"Connection: close\r\n\r\n" + data)
        assert answer.index(b'"one"') < answer.index(b'"two"')


def test_streams_are_chunked_event_by_event() -> None:
    with EmbeddedProvider(["a b"]) as provider:
        data = json.dumps({**BODY, "stream": True}).encode()
        answer = talk(provider, b"POST /v1/chat/completions HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert b"content-length" not in head
        events = []
        while body != b"0\r\n\r\n":
            size, _, body = body.partition(b"\r\n")
            events.append(body[: int(size, 16)])
            body = body[int(size, 16) + 2 :]
        assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in events)
        assert events[-1] == b"data: [DONE]\n\n"
        assert len(events) == 5


# -------------------------------------------------------------------------------------------------------------- life


def test_it_does_not_listen_before_or_after() -> None:
    provider = EmbeddedProvider()
    with pytest.raises(ConfigurationError, match="not running"):
        _ = provider.origin
    assert repr(provider) == "EmbeddedProvider(not running, 0 requests)"
    with provider:
        port = provider.port
        assert provider.origin == f"http://127.0.0.1:{port}"
        with pytest.raises(ConfigurationError, match="runs already"):
            provider.__enter__()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=2)
    with provider:  # and again
        assert ask(provider)[0] == 200


@pytest.mark.timed
def test_its_threads_end_with_it_even_in_the_middle_of_a_hang() -> None:
    started = time.monotonic()
    with EmbeddedProvider([Hang(60)]) as provider:
        port = provider.port
        idle = socket.create_connection(("127.0.0.1", provider.port), timeout=10)
        waiting = socket.create_connection(("127.0.0.1", provider.port), timeout=10)
        data = json.dumps(BODY).encode()
        waiting.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        assert provider.wait_for_requests(1)
    assert time.monotonic() - started < 5
    assert f"embedded-provider-{port}" not in {thread.name for thread in threading.enumerate()}
    assert (idle.recv(1), waiting.recv(1)) == (b"", b"")
    idle.close()
    waiting.close()


def test_a_client_that_leaves_is_noticed() -> None:
    with EmbeddedProvider([Answer("one two three four", pause=5)]) as provider:
        data = json.dumps({**BODY, "stream": True}).encode()
        with socket.create_connection(("127.0.0.1", provider.port), timeout=10) as connection:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            assert connection.recv(1000)
            assert provider.hang_ups == 0
        assert provider.wait_for_hang_ups(1)
        assert not provider.wait_for_requests(2, timeout=0.01)


def test_an_answer_to_the_end_is_no_hang_up() -> None:
    with EmbeddedProvider() as provider:
        ask(provider)
        assert not provider.wait_for_hang_ups(1, timeout=0.02)


def test_async_with() -> None:
    async def main() -> int:
        async with EmbeddedProvider() as provider:
            return (await asyncio.to_thread(ask, provider))[0]

    assert asyncio.run(main()) == 200


def test_raw_answers_are_sent_as_they_stand() -> None:
    with EmbeddedProvider([RawAnswer(418, (("x-a", "1"),), (b"tea", b"pot"), "until_close")]) as provider:
        data = json.dumps(BODY).encode()
        answer = talk(provider, b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        assert answer == b"HTTP/1.1 418 Status\r\nx-a: 1\r\nx-request-id: req_embedded_000001\r\nconnection: close\r\n\r\nteapot"


# -------------------------------------------------------------------------------------------------------------- clock, keys in memory


def test_the_clock_moves_when_told_to() -> None:
    clock = ManualClock(monotonic=10, wall=100)
    assert clock.advance(2.5) == 12.5
    clock.sleep(1)
    asyncio.run(clock.sleep_async(0.5))
    assert (clock.monotonic(), clock.wall(), clock.slept) == (14, 104, (1, 0.5))
    clock.set_wall(50)
    assert (clock.monotonic(), clock.wall()) == (14, 50)
    with pytest.raises(ValueError, match="set_wall"):
        clock.advance(-1)
    assert repr(clock) == "ManualClock(monotonic=14, wall=50)"


def test_keys_in_memory_are_bound_and_do_not_show() -> None:
    secrets = memory_secrets({"openai": KEY}, origin="http://127.0.0.1:8080")
    assert KEY not in repr(secrets)
    with pytest.raises(ConfigurationError):
        memory_secrets({"a": "b"}, origin="https://a.example/")
    with pytest.raises(SecretError):
        memory_secrets({"a": "b\n"}, origin="https://a.example")


@pytest.mark.filterwarnings("ignore::saferoute.errors.LocalTrustWarning")
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic_messages"])
def test_a_client_takes_them_and_the_provider_sees_the_key_arrive(dialect: str) -> None:
    with EmbeddedProvider(api_key=KEY) as provider:
        server = saferoute.loopback("demo", port=provider.port, dialect=dialect, secret="demo_key")  # type: ignore[arg-type]
        secrets = memory_secrets({"demo_key": KEY}, origin=provider.origin)
        with saferoute.Client.local(servers=[server], secrets=secrets) as client:
            assert client.chat("demo/m", "hello there", max_output_tokens=50).text == "You said: hello there"
        assert provider.saw_key(KEY)
        assert not any(request.leaks_key(KEY) for request in provider.requests)

"""Attack: an address inside a message makes the library fetch it, or an answer makes it ask again and again.

Counting the tokens of a request fetched the images that it named (CVE-2026-41488). Here a part's address is passed on to the provider, or
refused; the only socket of a call goes to the row's origin, and one call sends exactly the number of requests that the table allows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

import saferoute
from saferoute.errors import RateLimited, SaferouteError
from saferoute.testing import EmbeddedProvider, ErrorAnswer
from tests.support.audited import audited
from tests.support.both import KINDS, Face


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest, provider: EmbeddedProvider) -> Iterator[Face]:
    servers = [
        saferoute.loopback("chat", port=provider.port, dialect="openai_chat"),
        saferoute.loopback("messages", port=provider.port, dialect="anthropic_messages"),
    ]
    with Face(request.param, lambda client: client.local(servers=servers, secrets=saferoute.Secrets.of({}))) as made:
        yield made


def parts(url: str) -> dict[str, Any]:
    return {
        "a picture": {"type": "image_url", "image_url": {"url": url + "/a.png"}},
        "a picture by redirect": {"type": "image_url", "image_url": {"url": url + "/redirect?to=http://127.0.0.1:9"}},
        "a file": {"type": "file", "file": {"file_data": url + "/a.pdf", "filename": "a.pdf"}},
        "a file's id": {"type": "file", "file": {"file_id": url + "/a.pdf"}},
        "sound": {"type": "input_audio", "input_audio": {"data": url + "/a.wav", "format": "wav"}},
        "text": {"type": "text", "text": f"![x]({url}/a.png) <img src={url}/b.png>"},
    }


@pytest.mark.parametrize("route", ["chat/m", "messages/m"])
@pytest.mark.parametrize("part", parts(""))
def test_d15_no_part_of_a_message_is_fetched(face: Face, provider: EmbeddedProvider, part: str, route: str) -> None:
    with EmbeddedProvider() as trap:
        reached: list[Any] = []

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in {"socket.connect", "socket.getaddrinfo", "urllib.Request"}:
                reached.append(arguments[1] if event == "socket.connect" else (event, *arguments[:2]))

        with audited(hook):
            for host in (f"http://127.0.0.1:{trap.port}", f"https://localhost:{trap.port}"):
                message = {"role": "user", "content": [parts(host)[part]]}
                for call in (
                    lambda message=message: face.chat(route, message),
                    lambda message=message: face.stream(route, message),
                    lambda message=message: face.wait(face.client.count_tokens(route, message)),
                ):
                    with contextlib.suppress(SaferouteError):
                        call()
        assert trap.connections == 0
    assert set(reached) <= {("127.0.0.1", provider.port)}


@pytest.mark.parametrize("asked", [1, 2, 5])
def test_against_429_exactly_the_signed_number_of_requests_leaves(face: Face, provider: EmbeddedProvider, asked: int) -> None:
    for run in (face.chat, face.stream):
        provider.forget()
        provider.script([ErrorAnswer(429, headers={"retry-after-ms": "1"})], then="repeat")
        with pytest.raises(RateLimited) as caught:
            run("chat/m", "hi", max_attempts=asked, timeout=30)
        assert (len(provider.requests), len(caught.value.attempts)) == (asked, asked)

"""The recorded traffic of real providers through the public client, over real sockets. Skipped where the shared folder is absent."""

from __future__ import annotations

import base64
import json
import socket
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

import saferoute
from saferoute.errors import ProviderError, SaferouteError, StreamInterrupted
from saferoute.testing import memory_secrets
from tests.conformance import corpus
from tests.conformance.fence import Blocked, Fence
from tests.conformance.misses import MISSES
from tests.conformance.rewrite import as_stream, content_type
from tests.conformance.wire_events import cut_places, terminal_of, text_before, wire_events
from tests.support.both import KINDS, Face

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from saferoute.values.events import StreamEvent

pytestmark = [
    pytest.mark.skipif(corpus.shared_corpus() is None, reason="the shared corpus is not here (SAFEROUTE_SHARED or ../shared)"),
    pytest.mark.timeout(240),
    pytest.mark.slow,
]
FLOOR = 0.995  # of all records together
PROVIDER_FLOOR, MANY = 0.98, 20  # of a provider with this many records
CUTS_PER_STREAM = 10


class ClientUnderTest:
    """The seam: what the corpus' scorer calls. Keeps one client per driver and address of the replay server, and takes drivers in turn.

    Attributes:
        shown: what the events of each stream said, by record.
        partial: what the error of a cut stream says of it, by record.
    """

    def __init__(self, dialect: str, fence: Fence, *kinds: str) -> None:
        self.shown: dict[str, str] = {}
        self.partial: dict[str, str] = {}
        self._dialect, self._fence, self._kinds = dialect, fence, kinds
        self._faces: dict[tuple[str, str], Face] = {}
        self._open = ExitStack()
        self._asked = 0

    def __call__(self, view: dict[str, Any], base_url: str) -> dict[str, Any]:
        face = self._face(self._kinds[self._asked % len(self._kinds)], base_url)
        self._asked += 1
        face.seen = []
        try:
            return corpus.result_of_reply(self._ask(face, view))
        except SaferouteError as error:
            if isinstance(error, StreamInterrupted):
                self.partial[view["id"]] = error.partial.text if error.partial is not None else ""  # None: nothing came
            status = error.status if isinstance(error, ProviderError) else None
            return {"error": {"status": status, "type": type(error).__name__, "message": str(error)}}
        finally:
            self.shown[view["id"]] = _text(face.seen)

    def _ask(self, face: Face, view: dict[str, Any]) -> saferoute.Reply[Any]:
        route, messages = f"corpus/{view['model']}", view["neutral"]["messages"]
        options: dict[str, Any] = {"max_attempts": 1, "max_output_tokens": 1000}
        if view["neutral"]["tools"]:
            options["tools"] = view["neutral"]["tools"]
        if not view["stream"]:
            return face.chat(route, messages, **options)
        last = face.stream(route, messages, **options)[-1]
        assert last.type == "finished"
        return last.reply

    def _face(self, kind: str, base_url: str) -> Face:
        port = urlsplit(base_url).port
        assert port is not None
        self._fence.open_to = {("127.0.0.1", port)}
        if (kind, base_url) not in self._faces:
            server = saferoute.loopback("corpus", port=port, dialect=self._dialect)  # type: ignore[arg-type]
            secrets = memory_secrets({}, origin=server.origin)
            # What is compared is what was read off the wire; guards that are on by default take pictures of unknown hosts out of answers.
            face = Face(kind, lambda client: client.local(servers=[server], secrets=secrets, guards=None))
            self._faces[kind, base_url] = self._open.enter_context(face)
        return self._faces[kind, base_url]

    def __enter__(self) -> ClientUnderTest:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _text(events: Iterable[StreamEvent[Any]]) -> str:
    return "".join(event.text for event in events if event.type == "text")


@pytest.fixture(scope="module")
def raised_fence() -> Fence:
    return Fence()


@pytest.fixture
def fence(raised_fence: Fence) -> Iterator[Fence]:
    with raised_fence.up():
        yield raised_fence


@pytest.mark.parametrize("kind", KINDS)
def test_the_client_understands_real_traffic(fence: Fence, kind: str) -> None:
    """The whole corpus, every record once, with all sockets blocked but those to the server that has it."""
    rows = []
    for dialect in corpus.DIALECTS:
        chosen = [record for record in corpus.every_record_once() if record["dialect"] == dialect]
        with ClientUnderTest(dialect, fence, kind) as client:
            rows += corpus.answers_over_http(chosen, client)
    score = corpus.score(rows)
    sys.stdout.write(f"\n{score.count} records: core {score.core:.2%}, all {score.everything:.2%}\n{score.table}\n")
    assert score.count == len(corpus.every_record_once())
    assert score.core >= FLOOR, score.table
    assert score.everything >= FLOOR, score.table
    assert score.missed == MISSES.keys(), score.table
    low = {name: share for name, (count, share) in score.providers.items() if count >= MANY and share < PROVIDER_FLOOR}
    assert not low


@pytest.mark.parametrize("dialect", corpus.DIALECTS)
def test_a_shortened_stream_is_interrupted_with_its_text(fence: Fence, dialect: str) -> None:
    """Every stream at every cut, half of them under each driver: what the wire held, events showed and the error has is the same."""
    shortened: list[dict[str, Any]] = []
    texts: dict[str, str] = {}
    for record in _streams(dialect):
        data = corpus.body_of(record)
        events = wire_events(dialect, data)
        for cut in cut_places(terminal_of(dialect, events), CUTS_PER_STREAM):
            response = {**record["response"], "body": base64.b64encode(data[:cut]).decode(), "base64": True}
            shortened.append({**record, "id": f"{record['id']}-{cut}", "response": response})
            texts[shortened[-1]["id"]] = text_before(dialect, events, cut)
    with ClientUnderTest(dialect, fence, *KINDS) as client:
        rows = corpus.replay().score(shortened, client, plain=True)
    assert {row["got"]["error"] and row["got"]["error"]["type"] for row in rows} == {"StreamInterrupted"}
    differing = [name for name, text in texts.items() if not client.shown[name] == client.partial[name] == text]
    assert not differing
    assert sum(map(bool, texts.values())) > len(rows) // 5 > 10


def _streams(dialect: str) -> Iterator[dict[str, Any]]:
    """The recorded streams of a dialect; of Ollama's, of which none were recorded, its bodies as streams."""
    for record in corpus.every_record_once():
        if record["dialect"] != dialect or not corpus.is_answered(record):
            continue
        if record["stream"]:
            yield record
        elif dialect == "ollama_chat":
            data = as_stream(dialect, json.loads(corpus.body_of(record)), record["id"])
            headers = {"content-type": content_type(dialect)}
            response = {"status": 200, "headers": headers, "body": base64.b64encode(data).decode(), "base64": True}
            yield {**record, "stream": True, "response": response}


def test_the_fence_lets_nothing_else_through(fence: Fence) -> None:
    fence.open_to = {("127.0.0.1", 1)}
    with socket.create_server(("127.0.0.1", 0)) as other, socket.socket() as leaving:
        with pytest.raises(Blocked):
            leaving.connect(other.getsockname())
        with pytest.raises(Blocked):
            socket.getaddrinfo("provider.example", 443)
    assert [refused.split()[0] for refused in fence.refused] == ["socket.connect", "socket.getaddrinfo"]
    fence.refused.clear()

"""The recorded traffic of real providers through the public client, over real sockets. Skipped where the shared folder is absent."""

from __future__ import annotations

import base64
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

import saferoute
from saferoute.errors import ProviderError, SaferouteError, StreamInterrupted
from saferoute.testing import memory_secrets
from tests.conformance import corpus

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(corpus.shared_corpus() is None, reason="the shared corpus is not here (SAFEROUTE_SHARED or ../shared)"),
    pytest.mark.timeout(240),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::saferoute.errors.LocalTrustWarning"),
]
FLOOR = 0.99
CUTS_PER_STREAM = 10


class ClientUnderTest:
    """The seam: what the corpus' scorer calls. Keeps one client per address of the replay server."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], saferoute.Client] = {}
        self.shown: list[str] = []  # the texts of the events of the stream that was asked last
        self.interrupted: list[tuple[str, str | None]] = []  # what events showed of a cut stream, and what its error says of that

    def __call__(self, view: dict[str, Any], base_url: str) -> dict[str, Any]:
        self.shown = []
        try:
            return corpus.result_of_reply(self._ask(self._client(view["endpoint"], base_url), view))
        except SaferouteError as error:
            if isinstance(error, StreamInterrupted):
                self.interrupted.append(("".join(self.shown), error.partial.text if error.partial is not None else None))
            status = error.status if isinstance(error, ProviderError) else None
            return {"error": {"status": status, "type": type(error).__name__, "message": str(error)}}

    def _ask(self, client: saferoute.Client, view: dict[str, Any]) -> saferoute.Reply[Any]:
        route, messages = f"corpus/{view['model']}", view["neutral"]["messages"]
        options: dict[str, Any] = {"max_attempts": 1, "max_output_tokens": 1000}
        if view["neutral"]["tools"]:
            options["tools"] = view["neutral"]["tools"]
        if not view["stream"]:
            return client.chat(route, messages, **options)
        with client.stream(route, messages, **options) as stream:
            for event in stream:
                if event.type == "text":
                    self.shown.append(event.text)
            return stream.reply

    def _client(self, dialect: str, base_url: str) -> saferoute.Client:
        key = (dialect, base_url)
        if key not in self._clients:
            port = urlsplit(base_url).port
            assert port is not None
            server = saferoute.loopback("corpus", port=port, dialect=dialect)  # type: ignore[arg-type]
            self._clients[key] = saferoute.Client.local(servers=[server], secrets=memory_secrets({}, origin=server.origin))
        return self._clients[key]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@pytest.fixture
def client_under_test() -> Iterator[ClientUnderTest]:
    with closing(ClientUnderTest()) as client:
        yield client


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", corpus.DIALECTS)
def test_the_client_understands_real_traffic(client_under_test: ClientUnderTest, dialect: str, stream: bool) -> None:
    chosen = [record for record in corpus.records(dialect) if record["stream"] is stream and corpus.is_one_answer(record)]
    core, everything, table = corpus.score_over_http(chosen, client_under_test)
    sys.stdout.write(f"\n{table}\n")
    assert core >= FLOOR, table
    assert everything >= FLOOR, table


@pytest.mark.parametrize("dialect", corpus.DIALECTS)
def test_a_shortened_stream_is_interrupted_with_its_text(client_under_test: ClientUnderTest, dialect: str) -> None:
    """Every third stream at every cut; the decoder's own test has every stream."""
    streams = [record for record in corpus.records(dialect) if record["stream"] and corpus.is_answered(record)]
    shortened, texts = [], []
    for record in streams[::3]:
        data = corpus.body_of(record)
        for cut in corpus.cut_places(dialect, data, CUTS_PER_STREAM):
            response = {**record["response"], "body": base64.b64encode(data[:cut]).decode(), "base64": True}
            shortened.append({**record, "id": f"{record['id']}-{cut}", "response": response})
            texts.append(corpus.text_before(dialect, data[:cut]))
    rows = corpus.replay().score(shortened, client_under_test, plain=True)
    assert {row["got"]["error"]["type"] if row["got"]["error"] else None for row in rows} == {"StreamInterrupted"}
    differing = [
        row["id"]
        for row, text, (shown, partial) in zip(rows, texts, client_under_test.interrupted, strict=True)
        if shown != text or (partial or "") != text  # a stream of which nothing came has no partial answer
    ]
    assert not differing
    assert sum(map(bool, texts)) > len(rows) // 3

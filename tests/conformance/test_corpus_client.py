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
        self.interrupted: list[StreamInterrupted] = []

    def __call__(self, view: dict[str, Any], base_url: str) -> dict[str, Any]:
        try:
            return corpus.result_of_reply(self._ask(self._client(view["endpoint"], base_url), view))
        except SaferouteError as error:
            if isinstance(error, StreamInterrupted):
                self.interrupted.append(error)
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
            return stream.finish()

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
    shortened = []
    for record in corpus.records(dialect):
        if not record["stream"] or record["response"]["status"] >= 400 or record["expected"]["error"]:
            continue
        data = corpus.body_of(record)
        terminal = corpus.terminal_at(dialect, data)
        for number in range(1, CUTS_PER_STREAM + 1, 3):  # the decoder's own test has every cut
            body = base64.b64encode(data[: max(1, terminal * number // CUTS_PER_STREAM)]).decode()
            response = {**record["response"], "body": body, "base64": True}
            shortened.append({**record, "id": f"{record['id']}-{number}", "response": response})
    rows = corpus.replay().score(shortened, client_under_test, plain=True)
    assert {row["got"]["error"]["type"] if row["got"]["error"] else None for row in rows} == {"StreamInterrupted"}
    texts = [error.partial.text for error in client_under_test.interrupted if error.partial]
    assert sum(map(bool, texts)) > len(rows) // 3

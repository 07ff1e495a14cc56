"""One span per call, in the GenAI conventions' names; none paid for while nobody listens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import saferoute
from saferoute.errors import RateLimited, StreamInterrupted
from saferoute.testing import Answer, EmbeddedProvider, ErrorAnswer
from saferoute.testing.faults import CutStream
from tests.support.both import KINDS, Face


class Watched:
    """A client whose spans are kept."""

    def __init__(self, kind: str) -> None:
        self.exporter = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.provider = EmbeddedProvider().__enter__()
        servers = [saferoute.loopback("row", port=self.provider.port)]
        self.face = Face(kind, lambda client: client.local(servers=servers, telemetry=tracers, secrets=saferoute.Secrets.of({})))

    @property
    def span(self) -> ReadableSpan:
        """The one span."""
        spans = self.exporter.get_finished_spans()
        assert len(spans) == 1
        return spans[0]


@pytest.fixture(params=KINDS)
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    made = Watched(request.param)
    yield made
    made.face.__exit__()
    made.provider.__exit__(None, None, None)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_is_one_span_without_content(watched: Watched, streamed: bool) -> None:
    (watched.face.stream if streamed else watched.face.chat)("row/m-1", "private words", temperature=0.5, max_output_tokens=9, stop="x")
    span = watched.span
    assert (span.name, span.kind) == ("chat m-1", SpanKind.CLIENT)
    attributes = dict(span.attributes or {})
    expected = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "row", "gen_ai.request.model": "m-1", "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9, "gen_ai.request.stop_sequences": ("x",), "gen_ai.response.model": "embedded-1",
        "gen_ai.response.finish_reasons": ("stop",), "saferoute.route": "row/m-1", "saferoute.target": "row", "saferoute.stream": streamed,
        "saferoute.attempts": 1,
    }  # fmt: skip
    assert expected.items() <= attributes.items()
    assert attributes["gen_ai.usage.input_tokens"] == 2
    assert "private" not in span.to_json()


def test_an_error_ends_the_span_with_its_class_and_no_text(watched: Watched) -> None:
    watched.provider.script([ErrorAnswer(429, message="private words")], then="repeat")
    with pytest.raises(RateLimited):
        watched.face.chat("row/m-1", "hi", max_attempts=1)
    span = watched.span
    assert span.status.status_code is StatusCode.ERROR
    assert {"error.type": "RateLimited", "http.response.status_code": 429}.items() <= dict(span.attributes or {}).items()
    assert "private" not in span.to_json()
    assert span.events == ()


def test_a_cut_stream_and_one_that_is_left_end_their_spans(watched: Watched) -> None:
    watched.provider.script([Answer("a b c", fault=CutStream(2)), Answer("a b c")])
    with pytest.raises(StreamInterrupted):
        watched.face.stream("row/m-1", "hi", max_attempts=1)
    watched.face.stream("row/m-1", "hi", take=2)
    assert [dict(span.attributes or {})["error.type"] for span in watched.exporter.get_finished_spans()] == [
        "StreamInterrupted",
        "Abandoned",
    ]


def test_telemetry_false_is_silent(watched: Watched) -> None:
    watched.face.client._core.shared.telemetry = False
    watched.face.chat("row/m-1", "hi")
    assert watched.exporter.get_finished_spans() == ()


PROGRAM = """
import sys, warnings, saferoute
from saferoute.testing import EmbeddedProvider
warnings.simplefilter("ignore")
with EmbeddedProvider() as provider:
    with saferoute.Client.local(servers=[saferoute.loopback("row", port=provider.port)], secrets=saferoute.Secrets.of({})) as client:
        client.chat("row/m", "hi")
print(sorted({name.split(".")[0] for name in sys.modules} & {"opentelemetry", "httpx", "keyring", "tenacity", "h11", "asyncio"}))
"""


def test_a_call_loads_neither_opentelemetry_nor_what_else_it_does_not_need() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""


def test_an_operation_is_one_span_without_content(watched: Watched) -> None:
    watched.face.wait(watched.face.client.embed("row/m-1", ["private words"]))
    span = watched.span
    assert (span.name, span.kind) == ("embeddings m-1", SpanKind.CLIENT)
    expected = {
        "gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "row", "gen_ai.request.model": "m-1", "saferoute.route": "row/m-1",
        "saferoute.target": "row", "saferoute.attempts": 1, "gen_ai.usage.input_tokens": 2,
    }  # fmt: skip
    assert expected.items() <= dict(span.attributes or {}).items()
    assert "private" not in span.to_json()


def test_an_operation_that_fails_ends_its_span_with_the_class_of_the_error(watched: Watched) -> None:
    with pytest.raises(saferoute.errors.ProviderError):
        watched.face.wait(watched.face.client.rerank("row/m-1", "private words", ["a", "b"], max_attempts=1))
    assert watched.span.status.status_code is StatusCode.ERROR
    assert watched.span.name == "rerank m-1"
    assert "private" not in watched.span.to_json()

"""Histograms of tokens, durations and times to the first chunk: few series, made once for each meter provider."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from opentelemetry import metrics

from saferoute.errors import NoRoute, RateLimited
from saferoute.testing import Answer, ErrorAnswer
from tests.support.balanced import bed
from tests.support.both import KINDS
from tests.support.counting_server import fails
from tests.support.watched import Kept, watching

TOKENS, DURATION, CHUNK = "gen_ai.client.token.usage", "gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk"
OWN = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "row", "gen_ai.request.model": "m-1", "saferoute.route": "row/m-1"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_answer_counts_its_tokens_and_its_time(kind: str) -> None:
    with watching(kind) as watched:
        replies = [watched.face.chat("row/m-1", "hi", tags={"person": "x"}) for _ in range(3)]
    assert watched.points(TOKENS) == [
        (OWN | {"gen_ai.token.type": "input"}, 3, sum(reply.usage.input_tokens or 0 for reply in replies)),
        (OWN | {"gen_ai.token.type": "output"}, 3, sum(reply.usage.output_tokens or 0 for reply in replies)),
    ]
    ((attributes, count, seconds),) = watched.points(DURATION)
    assert (attributes, count, 0 < seconds < 60) == (OWN, 3, True)
    assert watched.points(CHUNK) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_counts_the_time_to_its_first_chunk(kind: str) -> None:
    with watching(kind) as watched:
        watched.provider.script([Answer("one two three")])
        watched.face.stream("row/m-1", "hi")
    ((attributes, count, first),), ((_, _, whole),) = watched.points(CHUNK), watched.points(DURATION)
    assert (attributes, count, 0 < first <= whole) == (OWN, 1, True)


def test_the_time_to_the_first_chunk_counts_from_the_beginning_of_the_call(tmp_path: Path) -> None:
    kept = Kept()
    with bed(tmp_path) as made:
        made.a.script(fails(503))
        made.sign('targets = ["a", "b"]')
        face = made.open("blocking", telemetry=kept.options())
        face.stream("fast", "hi")
    ((attributes, _, first),) = kept.points(CHUNK)
    (_, last), call = kept.attempts, kept.call
    began = ((last.start_time or 0) - (call.start_time or 0)) / 1e9
    assert first >= began
    assert (attributes["gen_ai.request.model"], attributes["saferoute.route"]) == ("b", "fast")  # the row that answered


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_counts_under_its_class(kind: str) -> None:
    with watching(kind) as watched:
        watched.provider.script([ErrorAnswer(429)], then="repeat")
        with pytest.raises(RateLimited):
            watched.face.chat("row/m-1", "hi", max_attempts=1)
        for name in ("nowhere", "nowhere-else"):
            with pytest.raises(NoRoute):
                watched.face.chat(name, "hi")
    assert [(attributes, count) for attributes, count, _ in watched.points(DURATION)] == [
        (OWN | {"error.type": "RateLimited"}, 1),
        ({"gen_ai.operation.name": "chat", "error.type": "NoRoute"}, 2),  # what was asked for in vain makes no series
    ]
    assert watched.points(TOKENS) == []


def test_what_a_provider_makes_up_makes_no_series() -> None:
    with watching("blocking") as watched:
        watched.provider.script([Answer("x", model=f"made-up-{number}") for number in range(5)])
        assert {watched.face.chat("row/m-1", "hi").model for _ in range(5)} == {f"made-up-{number}" for number in range(5)}
    assert [count for _, count, _ in watched.points(DURATION)] == [5]
    assert "made-up" not in str(watched.points(TOKENS) + watched.points(DURATION))


@pytest.mark.parametrize("kind", KINDS)
def test_operations_are_counted_too(kind: str) -> None:
    with watching(kind) as watched:
        watched.face.wait(watched.face.client.embed("row/m-1", ["a b"]))
        watched.face.wait(watched.face.client.available_models("row"))
    assert [(attributes["gen_ai.operation.name"], count) for attributes, count, _ in watched.points(DURATION)] == [
        ("embeddings", 1),
        ("models", 1),
    ]
    assert [(attributes["gen_ai.token.type"], total) for attributes, _, total in watched.points(TOKENS)] == [("input", 2)]


def test_histograms_are_made_once_for_each_provider(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "opentelemetry")
    first, second = Kept(), Kept()
    with watching("blocking", {"meter_provider": None}) as watched, watching("blocking", {"meter_provider": None}) as other:
        for kept in (first, second, first):
            monkeypatch.setattr(metrics, "get_meter_provider", lambda kept=kept: kept.meters)
            watched.face.chat("row/m-1", "hi")
            other.face.chat("row/m-1", "hi")
    assert [count for _, count, _ in first.points(DURATION)] == [4]
    assert [count for _, count, _ in second.points(DURATION)] == [2]
    assert caplog.records == []  # the SDK warns of an instrument that is made anew in another shape


def test_the_bounds_of_the_buckets_are_the_conventions() -> None:
    with watching("blocking") as watched:
        watched.face.chat("row/m-1", "hi")
    data = watched.reader.get_metrics_data()
    assert data is not None
    bounds = {
        metric.name: metric.data.data_points[0].explicit_bounds  # type: ignore[union-attr]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert tuple(bounds[DURATION])[:3] == (0.01, 0.02, 0.04)
    assert tuple(bounds[TOKENS])[:4] == (1, 4, 16, 64)

"""The recorded traffic of real providers, decoded without a network. Skipped where the shared folder is absent."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.errors import ProviderError, StreamInterrupted
from saferoute.values.events import TextDelta
from saferoute.values.http import Head
from saferoute.values.messages import Reasoning, ToolCall
from tests.conformance import corpus
from tests.conformance.rewrite import as_stream
from tests.support.scripted import Answer, World, call, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from saferoute.values.events import DecodedEvent
    from saferoute.values.messages import Part

pytestmark = [
    pytest.mark.skipif(corpus.shared_corpus() is None, reason="the shared corpus is not here (SAFEROUTE_SHARED or ../shared)"),
    pytest.mark.timeout(240),
]
FLOOR = 0.99
CUTS_PER_STREAM = 10
SMALL = 3_000


def _records(dialect: str, *, stream: bool, answered: bool = False) -> Iterator[dict[str, Any]]:
    for record in corpus.records(dialect):
        if record["stream"] is stream and (corpus.is_answered(record) or not answered):
            yield record


def _some_cuts(record: dict[str, Any]) -> list[int]:
    size = len(corpus.body_of(record))
    rnd = random.Random(record["id"])
    return sorted(rnd.sample(range(1, size), min(size - 1, 160, 1 + size // 40))) if size > 1 else []


def _all_cuts(record: dict[str, Any]) -> list[int]:
    size = len(corpus.body_of(record))
    return list(range(1, size)) if size <= SMALL else _some_cuts(record)


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", corpus.DIALECTS)
@pytest.mark.parametrize("cuts", [lambda _: [], _some_cuts, _all_cuts], ids=["uncut", "cut at random", "byte by byte"])
def test_decodes_real_traffic_as_the_official_sdk_does(dialect: str, stream: bool, cuts: Callable[[dict[str, Any]], list[int]]) -> None:
    rows = [
        (record, corpus.decode_record(record, cuts(record))) for record in _records(dialect, stream=stream) if corpus.is_one_answer(record)
    ]
    core, everything, table = corpus.score(rows)
    sys.stdout.write(f"\n{table}\n")
    assert core >= FLOOR, table
    assert everything >= FLOOR, table


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_whole_corpus_with_nothing_left_out(stream: bool) -> None:
    """Both dialects together, also the two recordings that glue several answers into one body, which no reader can tell apart."""
    rows = [
        (record, corpus.decode_record(record, _some_cuts(record)))
        for dialect in corpus.DIALECTS
        for record in _records(dialect, stream=stream)
    ]
    core, everything, table = corpus.score(rows)
    sys.stdout.write(f"\n{len(rows)} records: core {core:.2%}, all {everything:.2%}\n{table}\n")
    assert core >= FLOOR, table
    assert everything >= FLOOR, table


def _cut_streams(dialect: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    for record in _records(dialect, stream=True, answered=True):
        data = corpus.body_of(record)
        yield from ((record, data[:cut]) for cut in corpus.cut_places(dialect, data, CUTS_PER_STREAM))


@pytest.mark.slow
@pytest.mark.parametrize("dialect", corpus.DIALECTS)
def test_a_stream_cut_before_its_end_is_interrupted(dialect: str) -> None:
    count = 0
    for record, data in _cut_streams(dialect):
        with pytest.raises(StreamInterrupted):
            corpus.decode(record, data)
        count += 1
    assert count > 1000


@pytest.mark.slow
@pytest.mark.parametrize("dialect", corpus.DIALECTS)
def test_the_error_of_a_cut_stream_holds_the_text_so_far(dialect: str) -> None:
    """Through the flow and a driver, every stream at every cut: what the wire held, what events showed and `partial.text` are the same."""
    differing = []
    texts = 0
    for number, (record, data) in enumerate(_cut_streams(dialect)):
        head, half = corpus.head_of(record), len(data) // 2
        world = World(Answer([data[:half], data[half:]], head.status, dict(head.headers)))
        kind = "asyncio" if number % CUTS_PER_STREAM == 0 else "blocking"  # an event loop per cut would cost more than the cut
        events, error, _ = stream(kind, world, call(corpus.target_for(record), stream=True, max_attempts=1))
        assert isinstance(error, StreamInterrupted)
        expected = corpus.text_before(dialect, data)
        partial = error.partial.text if error.partial is not None else ""  # None: not even the first event came
        shown = "".join(event.text for event in events if isinstance(event, TextDelta))
        differing += [(record["id"], len(data))] if not expected == shown == partial else []
        texts += bool(expected)
    assert not differing
    assert texts > 400


def test_a_stream_that_carries_an_error_raises_it_or_is_interrupted() -> None:
    for dialect in corpus.DIALECTS:
        for record in _records(dialect, stream=True):
            if record["expected"]["error"]:
                data = corpus.body_of(record)
                for cut in range(1, len(data), max(1, len(data) // CUTS_PER_STREAM)):
                    with pytest.raises((StreamInterrupted, ProviderError)):
                        corpus.decode(record, data[:cut])


def _part(part: Part) -> Any:
    match part:
        case ToolCall():
            return part.id, part.name, json.loads(part.arguments or "{}"), part.state and json.loads(part.state.payload)
        case Reasoning():
            return part.text, part.state and replace(part.state, payload=""), part.state and json.loads(part.state.payload)
        case _:
            return part


def _essence(events: Iterable[DecodedEvent]) -> dict[str, Any]:
    """What a body and its stream must agree on: everything but the order of keys in JSON, and the usage record's own JSON."""
    fold = corpus.folded(events)
    assert fold.started is not None
    assert fold.completed is not None
    parts = [_part(part) for part in fold.content()]
    completed = fold.completed
    usage = replace(completed.usage, raw={})
    return {"started": fold.started, "parts": parts, "finish": completed.finish_reason, "raw": completed.raw_finish_reason, "usage": usage}


@pytest.mark.slow
@pytest.mark.parametrize("dialect", corpus.DIALECTS)
def test_a_body_rewritten_as_a_stream_folds_to_the_same(dialect: str) -> None:
    count = 0
    differing = []
    for record in _records(dialect, stream=False, answered=True):
        body = corpus.body_of(record)
        stream = as_stream(dialect, json.loads(body), record["id"])
        head = Head(200, {"content-type": "text/event-stream"})
        whole, streamed = _essence(corpus.decode(record, body)), _essence(corpus.decode(record, stream, head=head))
        differing += [(record["id"], name) for name in whole if whole[name] != streamed[name]]
        count += 1
    assert not differing
    assert count > 100

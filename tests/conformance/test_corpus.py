"""The recorded traffic of real providers, decoded without a network. Skipped where the shared folder is absent."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.errors import ProviderError, SaferouteError, StreamInterrupted
from saferoute.providers.decoder import Decoder
from saferoute.providers.registry import codec_for
from saferoute.values.events import TextDelta
from saferoute.values.http import Head
from saferoute.values.messages import Reasoning, ToolCall
from tests.conformance import corpus
from tests.conformance.misses import MISSES
from tests.conformance.rewrite import as_stream, content_type
from tests.conformance.wire_events import cut_places, terminal_of, text_before, wire_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from saferoute.values.events import DecodedEvent
    from saferoute.values.messages import Part

pytestmark = [
    pytest.mark.skipif(corpus.shared_corpus() is None, reason="the shared corpus is not here (SAFEROUTE_SHARED or ../shared)"),
    pytest.mark.timeout(240),
    pytest.mark.slow,
]
FLOOR = 0.995  # of all records together
PROVIDER_FLOOR, MANY = 0.98, 20  # of a provider with this many records
CUTS_PER_STREAM = 10
SMALL = 3_000


def _some_cuts(record: dict[str, Any]) -> list[int]:
    size = len(corpus.body_of(record))
    rnd = random.Random(record["id"])
    return sorted(rnd.sample(range(1, size), min(size - 1, 160, 1 + size // 40))) if size > 1 else []


def _all_cuts(record: dict[str, Any]) -> list[int]:
    size = len(corpus.body_of(record))
    return list(range(1, size)) if size <= SMALL else _some_cuts(record)


@pytest.mark.parametrize("dialect", corpus.DIALECTS)
@pytest.mark.parametrize("cuts", [lambda _: [], _some_cuts, _all_cuts], ids=["uncut", "cut at random", "byte by byte"])
def test_decodes_real_traffic_as_the_official_sdk_does(dialect: str, cuts: Callable[[dict[str, Any]], list[int]]) -> None:
    records = corpus.records(dialect)
    score = corpus.score([(record, corpus.decode_record(record, cuts(record))) for record in records])
    sys.stdout.write(f"\n{score.table}\n")
    assert score.count == len(records) > 0
    assert score.missed == {record["id"] for record in records} & MISSES.keys(), score.table


def test_the_whole_corpus_with_nothing_left_out() -> None:
    """Every record once, those included that the list of misses explains."""
    score = corpus.score([(record, corpus.decode_record(record, _some_cuts(record))) for record in corpus.every_record_once()])
    sys.stdout.write(f"\n{score.count} records: core {score.core:.2%}, all {score.everything:.2%}\n{score.table}\n")
    assert score.core >= FLOOR, score.table
    assert score.everything >= FLOOR, score.table
    assert score.missed == MISSES.keys(), score.table
    low = {name: share for name, (count, share) in score.providers.items() if count >= MANY and share < PROVIDER_FLOOR}
    assert not low


# ---------------------------------------------------------------------------------------------------------- streams that are cut


@cache
def _streams(dialect: str) -> tuple[tuple[dict[str, Any], bytes], ...]:
    """The recorded streams of a dialect; of Ollama's, of which none were recorded, its bodies as streams."""
    if dialect == "ollama_chat":
        bodies = _bodies(dialect)
        return tuple(({**record, "stream": True}, as_stream(dialect, json.loads(body), record["id"])) for record, body in bodies)
    chosen = [record for record in corpus.records(dialect) if record["stream"] and corpus.is_answered(record)]
    return tuple((record, corpus.body_of(record)) for record in chosen)


def _bodies(dialect: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    for record in corpus.records(dialect):
        if not record["stream"] and corpus.is_answered(record):
            yield record, corpus.body_of(record)


def _head(record: dict[str, Any]) -> Head:
    return Head(200, {"content-type": content_type(record["dialect"])}) if record["dialect"] == "ollama_chat" else corpus.head_of(record)


def _cut_answer(record: dict[str, Any], data: bytes) -> tuple[str, dict[str, Any] | SaferouteError]:
    """What events show of a stream that was cut: its text, and its end."""
    target = corpus.target_for(record)
    decoder = Decoder(codec_for(target.dialect).reader(target), target.provider_name)
    events: list[DecodedEvent] = []
    half = len(data) // 2
    try:
        decoder.head(_head(record))
        events += decoder.feed(data[:half])
        events += decoder.feed(data[half:])
        events += decoder.close()
    except SaferouteError as error:
        return _text(events), error
    return _text(events), corpus.result_of(corpus.folded(events))


def _text(events: Iterable[DecodedEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("dialect", corpus.DIALECTS)
def test_a_stream_cut_before_its_end_is_interrupted_and_its_text_is_that_of_its_whole_events(dialect: str) -> None:
    count = 0
    wrong = []
    for record, data in _streams(dialect):
        events = wire_events(dialect, data)
        for cut in cut_places(terminal_of(dialect, events), CUTS_PER_STREAM):
            text, end = _cut_answer(record, data[:cut])
            wrong += [] if isinstance(end, StreamInterrupted) and text == text_before(dialect, events, cut) else [(record["id"], cut, end)]
            count += 1
    assert not wrong
    assert count >= CUTS_PER_STREAM * len(_streams(dialect)) >= 80


@pytest.mark.parametrize("dialect", corpus.DIALECTS)
def test_a_stream_cut_anywhere_is_interrupted_or_complete(dialect: str) -> None:
    """Also behind the event that tells the end: what is taken for an answer is the answer, but for counts that come later."""
    wrong: list[tuple[str, int, object]] = []
    for record, data in _streams(dialect):
        rnd = random.Random(record["id"])
        terminal = terminal_of(dialect, wire_events(dialect, data))
        for cut in {rnd.randrange(1, len(data)), rnd.randrange(terminal.begin, len(data) + 1)}:
            _, end = _cut_answer(record, data[:cut])
            if isinstance(end, SaferouteError):
                wrong += [] if isinstance(end, StreamInterrupted) else [(record["id"], cut, end)]
            elif record["id"] not in MISSES:
                verdict = corpus.replay().compare(record["expected"], end)
                wrong += [(record["id"], cut, end) for name in corpus.CORE if verdict[name] is False]
    assert not wrong


def test_a_stream_that_carries_an_error_raises_it_or_is_interrupted() -> None:
    count = 0
    for record in corpus.every_record_once():
        if record["stream"] and record["expected"]["error"]:
            data = corpus.body_of(record)
            for cut in range(1, len(data), max(1, len(data) // CUTS_PER_STREAM)):
                with pytest.raises((StreamInterrupted, ProviderError)):
                    corpus.decode(record, data[:cut])
                count += 1
    assert count > CUTS_PER_STREAM


# --------------------------------------------------------------------------------------------------- whole bodies and streams


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


@pytest.mark.parametrize("dialect", corpus.DIALECTS)
def test_a_body_rewritten_as_a_stream_folds_to_the_same(dialect: str) -> None:
    count = 0
    differing = []
    for record, body in _bodies(dialect):
        stream = as_stream(dialect, json.loads(body), record["id"])
        head = Head(200, {"content-type": content_type(dialect)})
        whole, streamed = _essence(corpus.decode(record, body)), _essence(corpus.decode(record, stream, head=head))
        differing += [(record["id"], name) for name in whole if whole[name] != streamed[name]]
        count += 1
    assert not differing
    assert count > 7

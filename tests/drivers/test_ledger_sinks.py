"""Ledgers without a directory: in memory, handed to a function, and sent as log records of OpenTelemetry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.ledger import Ledger
from saferoute.drivers.ledger_capture import Capture
from saferoute.drivers.ledger_sinks import DirectoryPlace, FunctionPlace, MemoryPlace, Place
from saferoute.errors import ConfigurationError, LedgerError, LedgerWarning
from saferoute.ledger.certificate import LogRole
from saferoute.ledger.record import parse_line
from saferoute.signing.keys import PrivateKey
from tests.support.ledger_entries import clean, denial, exchange, intent

KEY = PrivateKey.from_seed(bytes(32))


def test_memory_keeps_whole_segments_of_the_newest_records() -> None:
    ledger = Ledger.memory(keep=100)
    for number in range(400):
        exchange(ledger, f"route-{number}")
    ledger.close()
    report = clean(ledger.read())
    assert len(report.segments) == 2
    routes = [json.loads(line).get("route") for data in ledger.read().values() for line in data.splitlines()]
    kept = list(dict.fromkeys(route for route in routes if route))
    assert kept == [f"route-{number}" for number in range(400 - len(kept), 400)]
    assert 50 <= len(kept) <= 140


def test_memory_needs_no_directory_and_says_what_it_is() -> None:
    ledger = Ledger.memory()
    assert repr(ledger) == "Ledger('the ledger in memory')"
    exchange(ledger)
    assert ledger.read()
    ledger.close()
    with pytest.raises(ConfigurationError, match="keep="):
        Ledger.memory(0)


def test_a_function_gets_every_line_and_its_fields(tmp_path: Path) -> None:
    got: list[tuple[bytes, Mapping[str, Any]]] = []
    ledger = Ledger.to(lambda line, record: got.append((line, record)), signer=KEY, capture=Capture(["fast"], tmp_path / "key"))
    receipt = exchange(ledger)
    ledger.close()
    assert [record["kind"] for _, record in got] == ["segment", "intent", "content", "content", "outcome", "content", "checkpoint"]
    segment = got[0][1]["segment"]
    assert receipt is not None
    assert receipt.id == f"{segment}:4"
    for line, record in got:
        assert record == {**parse_line(line).fields, "segment": segment}
    report = clean({segment: b"".join(line + b"\n" for line, _ in got)}, log_roles=[LogRole((KEY.public_key,))])
    assert report.certified
    with pytest.raises(LedgerError, match="cannot be read back: read it where its records went"):
        ledger.read()


def test_a_function_that_raises_ends_the_segment_and_says_nothing_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[bytes] = []
    broken = [False]

    def emit(line: bytes, record: Mapping[str, Any]) -> None:
        got.append(line)  # it may have been taken or not: nobody can say
        if broken[0]:
            raise RuntimeError("postgres://user:hunter2@db")

    ledger = Ledger.to(emit)
    exchange(ledger)
    broken[0] = True
    with pytest.raises(LedgerError, match=r"the ledger that a function takes cannot be written: RuntimeError\. ") as error:
        ledger.append(denial())
    assert "hunter2" not in str(error.value)
    with pytest.raises(LedgerError, match="RuntimeError"):
        ledger.append(denial())
    broken[0] = False
    monkeypatch.setattr("saferoute.drivers.ledger_writing._AGAIN", 0)
    ledger._own()._again_at = 0
    exchange(ledger)
    ledger.close()
    firsts = [record for line in got if (record := parse_line(line).fields)["kind"] == "segment"]
    assert len({record["segment"] for record in firsts}) == 3
    assert firsts[-1]["previous"]["segment"] == firsts[0]["segment"]


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Ledger\.to takes a function of a line and its fields, not str"):
        Ledger.to("x")  # type: ignore[arg-type]


def test_records_go_out_as_log_records() -> None:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    ledger = Ledger.otlp(provider)
    assert repr(ledger) == 'Ledger("the ledger in OpenTelemetry\'s logs")'
    exchange(ledger)
    ledger.close()
    lines = [str(one.log_record.body).encode() for one in exporter.get_finished_logs()]
    assert [parse_line(line).kind for line in lines] == ["segment", "intent", "outcome", "checkpoint"]
    clean({"": b"".join(line + b"\n" for line in lines)})
    provider.shutdown()


def test_what_is_not_sent_in_time_is_not_signed_off() -> None:
    place = FunctionPlace(lambda line, record: None, "the ledger somewhere", waits=False, flush=lambda: False)
    stream = place.begin("0" * 32, 0)
    with pytest.raises(OSError, match="not all of it was sent in time"):
        stream.sync()
    FunctionPlace(print, "x", waits=False, flush=lambda: True).begin("0" * 32, 0).sync()


def test_a_ledger_that_may_fail_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def emit(line: bytes, record: Mapping[str, Any]) -> None:
        raise OSError(104, "Connection reset by peer")

    ledger = Ledger.to(emit, on_failure="warn")
    with pytest.warns(LedgerWarning, match=r"Connection reset by peer \(ECONNRESET\)"):
        assert ledger.append(intent()) is None


def test_each_kind_of_place_is_one(tmp_path: Path) -> None:
    places: list[Place] = [DirectoryPlace(tmp_path, None), MemoryPlace(), FunctionPlace(print, "x", waits=True)]
    for place in places[1:]:
        place.prepare()
        assert list(place.earlier()) == []
        assert place.expired(0) == []
        place.remove("none")
    for place in places:
        stream = place.begin("0" * 32, 0)
        stream.check()
        assert stream.recover() is not isinstance(place, FunctionPlace)
        stream.disown()
        stream.abandon()

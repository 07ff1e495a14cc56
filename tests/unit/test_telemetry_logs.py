"""A ledger's lines as OpenTelemetry's log records; and what the standard log says, for programs that read logs."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import _logs as logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter, SimpleLogRecordProcessor

from saferoute.errors import ConfigurationError, LedgerError, NoRoute, RateLimited
from saferoute.telemetry.logs import emitter
from saferoute.testing import ErrorAnswer
from tests.support.balanced import bed
from tests.support.both import KINDS
from tests.support.counting_server import fails
from tests.support.watched import Watched, watching

RECORD = {"v": 1, "kind": "intent", "segment": "ab", "seq": 7, "call": "c" * 32, "route": "r", "target": "t", "time": 1_790_000_000_000_001}
LINE = json.dumps(RECORD).encode() + b"\n"


def kept(processor: Any = SimpleLogRecordProcessor) -> tuple[LoggerProvider, InMemoryLogRecordExporter]:
    memory, provider = InMemoryLogRecordExporter(), LoggerProvider()
    provider.add_log_record_processor(processor(memory))
    return provider, memory


def test_a_line_is_a_log_record_with_its_text_and_its_time() -> None:
    provider, memory = kept()
    emitter(provider)(LINE, RECORD)
    ((told,),) = (memory.get_finished_logs(),)
    record = told.log_record
    assert (record.event_name, record.body, record.timestamp) == ("saferoute.ledger.record", LINE.decode()[:-1], RECORD["time"] * 1000)  # type: ignore[operator]
    assert dict(record.attributes or {}) == {
        "saferoute.ledger.kind": "intent", "saferoute.ledger.segment": "ab", "saferoute.ledger.seq": 7, "saferoute.call": "c" * 32,
        "saferoute.route": "r", "saferoute.target": "t",
    }  # fmt: skip


def test_what_a_record_does_not_have_is_no_attribute() -> None:
    provider, memory = kept()
    emitter(provider)(b"{}", {"kind": "checkpoint", "seq": 3})
    record = memory.get_finished_logs()[0].log_record
    assert (dict(record.attributes or {}), record.timestamp) == ({"saferoute.ledger.kind": "checkpoint", "saferoute.ledger.seq": 3}, None)


def test_the_rest_is_sent_on_demand() -> None:
    provider, memory = kept(BatchLogRecordProcessor)
    emit = emitter(provider)
    emit(LINE, RECORD)
    assert emit.flush()
    assert len(memory.get_finished_logs()) == 1
    provider.shutdown()


class Other:
    """A provider of somebody else's."""

    def get_logger(self, name: str) -> Any:
        assert name == "saferoute"
        return self

    def emit(self, **_: Any) -> None:
        raise ValueError("with the line in it")


def test_a_processor_that_breaks_is_a_ledger_that_broke() -> None:
    emit = emitter(Other())
    with pytest.raises(LedgerError, match="ValueError") as caught:
        emit(LINE, RECORD)
    assert "in it" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert emit.flush()


def test_a_ledger_that_nobody_would_get_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for nobody in (7, logs.NoOpLoggerProvider()):
        with pytest.raises(ConfigurationError):
            emitter(nobody)
    provider, memory = kept()
    monkeypatch.setattr(logs, "get_logger_provider", lambda: provider)
    emitter()(LINE, RECORD)
    assert len(memory.get_finished_logs()) == 1


def test_without_an_sdk_there_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(ConfigurationError, match="no OpenTelemetry SDK"):
        patch.delitem(sys.modules, "opentelemetry.sdk._logs")
        emitter()
    program = """
import sys
from saferoute.errors import ConfigurationError
from saferoute.telemetry.logs import emitter
try:
    emitter()
except ConfigurationError as error:
    print("no OpenTelemetry SDK" in str(error), "opentelemetry" in sys.modules)
import opentelemetry.sdk._logs
try:
    emitter()
except ConfigurationError as error:
    print("discards" in str(error))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True False\nTrue\n", "")


# ------------------------------------------------------------------------------------------------ the standard log


@pytest.fixture(params=KINDS)
def quiet(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[Watched]:
    caplog.set_level(logging.DEBUG, "saferoute")
    with watching(request.param, telemetry=False) as made:
        yield made


def facts(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.saferoute for record in caplog.records if hasattr(record, "saferoute")]


@pytest.mark.parametrize("streamed", [False, True])
def test_the_end_of_a_call_is_one_line_with_its_facts(quiet: Watched, streamed: bool, caplog: pytest.LogCaptureFixture) -> None:
    (quiet.face.stream if streamed else quiet.face.chat)("row/m-1", "private words")
    (told,) = facts(caplog)
    assert told["seconds"] > 0
    assert told["receipt"] is None or ":" in told["receipt"]
    assert {name: value for name, value in told.items() if name not in {"seconds", "receipt", "output_tokens"}} == {
        "event": "call", "operation": "chat", "route": "row/m-1", "outcome": "ok", "target": "row", "model": "embedded-1",
        "provider": "row", "input_tokens": 2, "cost": None, "attempts": 1,
    }  # fmt: skip
    assert "private" not in caplog.text + str(facts(caplog))


def test_the_end_of_a_call_that_failed_or_was_refused_is_one_too(quiet: Watched, caplog: pytest.LogCaptureFixture) -> None:
    quiet.provider.script([ErrorAnswer(429, message="private")], then="repeat")
    with pytest.raises(RateLimited):
        quiet.face.chat("row/m-1", "hi", max_attempts=1)
    with pytest.raises(NoRoute):
        quiet.face.chat("nowhere", "hi")
    assert [(one["outcome"], one["status"], one["attempts"], one["route"]) for one in facts(caplog)] == [
        ("RateLimited", 429, 1, "row/m-1"),
        ("NoRoute", None, 0, "nowhere"),
    ]
    assert "private" not in caplog.text + str(facts(caplog))


def test_an_operation_is_one_too(quiet: Watched, caplog: pytest.LogCaptureFixture) -> None:
    quiet.face.wait(quiet.face.client.embed("row/m-1", ["private"]))
    quiet.face.wait(quiet.face.client.available_models("row"))
    assert [(one["operation"], one["target"], one["attempts"]) for one in facts(caplog)] == [("embed", "row", 1), ("models", None, 0)]
    assert "private" not in caplog.text + str(facts(caplog))


@pytest.mark.parametrize("kind", KINDS)
def test_retries_and_fallbacks_are_lines_while_they_happen(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "saferoute")
    with bed(tmp_path) as made:
        made.a.script(fails(503))
        made.sign('targets = ["a"]\nfallback = { any = "b" }')
        made.open(kind, telemetry=False).chat("fast", "hi")
        assert [(one["event"], one["target"]) for one in facts(caplog)] == [("failed", "a"), ("fallback", "b")]
        assert {one["route"] for one in facts(caplog)} == {"fast"}
        caplog.clear()
        made.b.script(fails(500))
        made.sign('targets = ["b"]')
        with pytest.raises(Exception, match="500"):
            made.open(kind, telemetry=False).chat("fast", "hi", max_attempts=2)
    assert [one["event"] for one in facts(caplog)] == ["failed", "wait", "again"]
    assert facts(caplog)[0]["outcome"] == "ServerError"
    assert facts(caplog)[1]["seconds"] > 0


def test_a_client_whose_log_is_off_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "saferoute")
    with watching("blocking", telemetry=False) as watched:
        watched.face.chat("row/m-1", "hi")
        with pytest.raises(NoRoute):
            watched.face.chat("nowhere", "hi")
    assert caplog.records == []

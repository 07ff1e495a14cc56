"""One span for a call and one for each attempt, in the GenAI conventions' names; none paid for while nobody listens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

import saferoute
from saferoute.errors import ConfigurationError, GuardBlocked, NoRoute, RateLimited, ServerError, StreamInterrupted
from saferoute.telemetry import TelemetryOptions, options_from
from saferoute.testing import Answer, ErrorAnswer
from saferoute.testing.faults import CutStream
from tests.support.balanced import bed
from tests.support.both import KINDS
from tests.support.counting_server import fails
from tests.support.watched import Kept, Watched, watching


@pytest.fixture(params=KINDS)
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    with watching(request.param) as made:
        yield made


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_is_one_span_without_content(watched: Watched, streamed: bool) -> None:
    (watched.face.stream if streamed else watched.face.chat)(
        "row/m-1", "private words", temperature=0.5, top_p=0.9, seed=3, max_output_tokens=9, stop="private stop", tags={"who": "private"}
    )
    span = watched.call
    assert (span.name, span.kind, span.instrumentation_scope.name if span.instrumentation_scope else "") == (
        "chat m-1", SpanKind.CLIENT, "saferoute",
    )  # fmt: skip
    attributes = dict(span.attributes or {})
    receipt, chunk = attributes.pop("saferoute.receipt", None), attributes.pop("gen_ai.response.time_to_first_chunk", None)
    assert attributes.pop("gen_ai.response.id")
    assert attributes == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "row", "gen_ai.request.model": "m-1", "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9, "gen_ai.request.seed": 3, "gen_ai.request.max_tokens": 9, "gen_ai.request.stream": streamed,
        "gen_ai.response.model": "embedded-1", "gen_ai.response.finish_reasons": ("stop",), "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": attributes["gen_ai.usage.output_tokens"], "saferoute.route": "row/m-1", "saferoute.target": "row",
        "saferoute.attempts": 1, "server.address": "127.0.0.1", "server.port": watched.provider.port,
    }  # fmt: skip
    assert (receipt is None or ":" in str(receipt), chunk is None) == (True, not streamed)
    assert "private" not in watched.everything()


def test_an_attempt_is_a_span_below_the_calls(watched: Watched) -> None:
    watched.face.chat("row/m-1", "hi")
    (attempt,), call = watched.attempts, watched.call
    assert (attempt.name, attempt.kind) == ("attempt row", SpanKind.CLIENT)
    assert attempt.parent is not None
    assert call.context is not None
    assert (attempt.parent.span_id, attempt.parent.trace_id) == (call.context.span_id, call.context.trace_id)
    assert attempt.status.status_code is StatusCode.UNSET
    attributes = dict(attempt.attributes or {})
    assert attributes.items() >= {
        "saferoute.attempt.number": 1, "saferoute.attempt.outcome": "ok", "saferoute.target": "row", "saferoute.attempt.model": "m-1",
        "http.response.status_code": 200, "server.address": "127.0.0.1",
    }.items()  # fmt: skip
    assert not [name for name in attributes if name.startswith("gen_ai.")]  # or receivers would count the call twice


def within(kept: Kept) -> bool:
    """Whether every attempt lies within its call, and the next one begins when the one before has ended."""
    call, at = kept.call, kept.call.start_time or 0
    for span in kept.attempts:
        if not at <= (span.start_time or 0) <= (span.end_time or 0) <= (call.end_time or 0):
            return False
        at = span.end_time or 0
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_a_fallback_is_attempts_in_order_within_the_call(kind: str, tmp_path: Path) -> None:
    kept = Kept()
    with bed(tmp_path) as made:
        made.a.script(fails(503))
        made.sign('targets = ["a"]\nfallback = { any = "b" }')
        face = made.open(kind, telemetry=kept.options())
        reply = face.chat("fast", "hi")
        port = made.b.port
    assert [attempt.outcome for attempt in reply.attempts][-1] == "ok"
    call, spans = dict(kept.call.attributes or {}), [dict(span.attributes or {}) for span in kept.attempts]
    assert [span["saferoute.target"] for span in spans] == [attempt.target for attempt in reply.attempts]
    assert [span["saferoute.attempt.number"] for span in spans] == list(range(1, len(spans) + 1))
    assert (spans[0]["error.type"], spans[0]["http.response.status_code"]) == ("Overloaded", 503)
    assert spans[-1]["saferoute.attempt.why"] == "fallback: any"
    assert (spans[-1]["server.port"], call["server.port"], call["saferoute.target"]) == (port, port, "b")  # a fallback's row is known too
    assert [span.status.status_code for span in kept.attempts] == [StatusCode.ERROR] * (len(spans) - 1) + [StatusCode.UNSET]
    assert kept.call.status.status_code is StatusCode.UNSET
    assert (kept.call.name, call["gen_ai.request.model"]) == ("chat b", "b")
    assert within(kept)


def test_attempts_of_a_call_that_failed_are_spans_too(watched: Watched) -> None:
    watched.provider.script([ErrorAnswer(500)], then="repeat")
    with pytest.raises(ServerError):
        watched.face.chat("row/m-1", "hi", max_attempts=2)
    assert [dict(span.attributes or {})["saferoute.attempt.outcome"] for span in watched.attempts] == ["ServerError"] * 2
    assert within(watched)


def test_an_error_ends_the_span_with_its_class_and_no_text(watched: Watched) -> None:
    watched.provider.script([ErrorAnswer(429, message="private words")], then="repeat")
    with pytest.raises(RateLimited):
        watched.face.chat("row/m-1", "hi", max_attempts=1)
    span = watched.call
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "RateLimited")
    assert {"error.type": "RateLimited", "http.response.status_code": 429}.items() <= dict(span.attributes or {}).items()
    assert "private" not in watched.everything()
    assert span.events == ()


def test_a_cut_stream_and_one_that_is_left_end_their_spans(watched: Watched) -> None:
    watched.provider.script([Answer("a b c", fault=CutStream(2)), Answer("a b c")])
    with pytest.raises(StreamInterrupted):
        watched.face.stream("row/m-1", "hi", max_attempts=1)
    watched.face.stream("row/m-1", "hi", take=2)
    assert [dict(span.attributes or {})["error.type"] for span in watched.calls] == ["StreamInterrupted", "Abandoned"]


def test_a_call_that_is_refused_before_it_begins_is_a_span_without_what_was_in_the_place_of_the_route(watched: Watched) -> None:
    for route in ("no-such-route", "a prompt in the wrong place", "sk-0123456789abcdef"):
        with pytest.raises(NoRoute):
            watched.face.chat(route, "hi")
    with pytest.raises(saferoute.errors.SaferouteError):
        watched.face.chat(7, "hi")
    assert [(span.name, dict(span.attributes or {}).get("saferoute.route")) for span in watched.calls] == [
        ("chat", "no-such-route"), ("chat", None), ("chat", None), ("chat", None),
    ]  # fmt: skip
    assert {dict(span.attributes or {})["error.type"] for span in watched.calls[:3]} == {"NoRoute"}


def test_a_guards_refusal_says_which_guard_and_not_why(watched: Watched) -> None:
    with pytest.raises(GuardBlocked):
        watched.face.chat("row/m-1", "hidden \U000e0068\U000e0069 words")
    attributes = dict(watched.call.attributes or {})
    verdicts: Any = attributes["saferoute.verdicts"]
    assert attributes["error.type"] == "GuardBlocked"
    assert "unicode:block:input" in verdicts
    assert all(len(verdict.split(":")) == 3 for verdict in verdicts)


def test_what_a_call_cost_is_told_and_what_is_not_known_is_absent(tmp_path: Path, watched: Watched) -> None:
    watched.face.chat("row/m-1", "hi")
    assert not {"saferoute.cost", "saferoute.currency"} & set(watched.call.attributes or {})
    kept = Kept()
    with bed(tmp_path) as made:
        made.sign('targets = ["a"]')
        reply = made.open("blocking", telemetry=kept.options()).chat("fast", "hi")
    attributes = dict(kept.call.attributes or {})
    assert reply.cost is not None
    assert (attributes["saferoute.cost"], attributes["saferoute.currency"]) == (float(reply.cost), "USD")


def test_a_capability_that_does_not_allow_a_call_leaves_its_code(tmp_path: Path) -> None:
    kept = Kept()
    with bed(tmp_path) as made:
        made.sign('targets = ["a"]')
        face = made.open("blocking", made.mint(operations=["embed"]), telemetry=kept.options())
        with pytest.raises(saferoute.errors.CapabilityForbidden) as caught:
            face.chat("fast", "hi")
    assert dict(kept.call.attributes or {})["saferoute.deny"] == caught.value.code


@pytest.mark.parametrize("kind", KINDS)
def test_tags_are_told_if_they_are_asked_for(kind: str) -> None:
    with watching(kind, {"tags": ("team", "absent")}) as watched:
        watched.face.chat("row/m-1", "hi", tags={"team": "a\ud800" + "b" * 100, "person": "private"})
    attributes = dict(watched.call.attributes or {})
    assert {name: value for name, value in attributes.items() if name.startswith("saferoute.tag.")} == {
        "saferoute.tag.team": "a?" + "b" * 100
    }


def test_several_answers_and_structured_ones_say_so(watched: Watched) -> None:
    with pytest.raises(saferoute.errors.BadRequest):  # this provider makes one
        watched.face.chat("row/m-1", "hi", n=2)
    assert dict(watched.call.attributes or {})["gen_ai.request.choice.count"] == 2
    watched.provider.script([Answer('{"a": 1}')])
    watched.face.chat("row/m-1", "hi", output={"type": "object", "properties": {"a": {"type": "integer"}}})
    assert dict(watched.calls[-1].attributes or {})["gen_ai.output.type"] == "json"


def test_an_operation_is_one_span_without_content(watched: Watched) -> None:
    watched.face.wait(watched.face.client.embed("row/m-1", ["private words"]))
    span = watched.call
    assert (span.name, span.kind) == ("embeddings m-1", SpanKind.CLIENT)
    expected = {
        "gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "row", "gen_ai.request.model": "m-1", "saferoute.route": "row/m-1",
        "saferoute.target": "row", "saferoute.attempts": 1, "gen_ai.usage.input_tokens": 2,
    }  # fmt: skip
    assert expected.items() <= dict(span.attributes or {}).items()
    assert len(watched.attempts) == 1
    assert "private" not in watched.everything()


def test_an_operation_whose_result_says_nothing_about_itself_ends_its_span(watched: Watched) -> None:
    watched.face.wait(watched.face.client.available_models("row"))
    assert (watched.call.name, watched.call.status.status_code) == ("models *", StatusCode.UNSET)


def test_an_operation_that_fails_ends_its_span_with_the_class_of_the_error(watched: Watched) -> None:
    with pytest.raises(saferoute.errors.ProviderError):
        watched.face.wait(watched.face.client.rerank("row/m-1", "private words", ["a", "b"], max_attempts=1))
    assert watched.call.status.status_code is StatusCode.ERROR
    assert watched.call.name == "rerank m-1"
    assert "private" not in watched.everything()


# ------------------------------------------------------------------------------------------------ who listens


@pytest.mark.parametrize("kind", KINDS)
def test_telemetry_false_is_silent(kind: str) -> None:
    with watching(kind, telemetry=False) as watched:
        watched.face.chat("row/m-1", "hi")
        with pytest.raises(NoRoute):
            watched.face.chat("nowhere", "hi")
    assert (watched.calls, watched.points("gen_ai.client.operation.duration")) == ([], [])


def test_each_of_the_two_can_be_switched_off() -> None:
    with watching("blocking", {"meter_provider": False}) as watched:
        watched.face.chat("row/m-1", "hi")
        with pytest.raises(NoRoute):
            watched.face.chat("nowhere", "hi")
    assert (len(watched.calls), watched.points("gen_ai.client.operation.duration")) == (2, [])
    with watching("blocking", {"tracer_provider": False}) as watched:
        watched.face.chat("row/m-1", "hi")
        with pytest.raises(NoRoute):
            watched.face.chat("nowhere", "hi")
    assert (watched.calls, sum(count for _, count, _ in watched.points("gen_ai.client.operation.duration"))) == ([], 2)
    with watching("blocking", {"tracer_provider": False, "meter_provider": False}) as watched:
        watched.face.chat("row/m-1", "hi")
    assert (watched.calls, watched.points("gen_ai.client.operation.duration")) == ([], [])


def test_a_bare_tracer_provider_gets_spans() -> None:
    kept = Kept()
    with watching("blocking", telemetry=kept.tracers) as watched:
        watched.face.chat("row/m-1", "hi")
    assert len(kept.calls) == 1


def test_the_programs_own_provider_is_the_one_that_it_has_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Kept(), Kept()
    with watching("blocking", {"tracer_provider": None}) as watched:
        for kept, times in ((first, 2), (second, 1)):
            monkeypatch.setattr(trace, "get_tracer_provider", lambda kept=kept: kept.tracers)
            for _ in range(times):
                watched.face.chat("row/m-1", "hi")
    assert (len(first.calls), len(second.calls)) == (2, 1)


def test_a_span_that_is_not_sampled_has_no_attempts_and_costs_no_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()
    with watching("blocking", {"tracer_provider": TracerProvider(sampler=ALWAYS_OFF)}) as watched:
        watched.face.chat("row/m-1", "hi")
        with pytest.raises(NoRoute):
            watched.face.chat("nowhere", "hi")
    assert (kept.calls, watched.calls) == ([], [])


@pytest.mark.parametrize("loaded", [False, True])
def test_nobody_is_told_before_the_program_has_loaded_an_sdk(monkeypatch: pytest.MonkeyPatch, loaded: bool) -> None:
    kept = Kept()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: kept.tracers)
    if not loaded:
        for name in ("opentelemetry.sdk.trace", "opentelemetry.sdk.metrics"):
            monkeypatch.delitem(sys.modules, name)
    with watching("blocking", telemetry=None) as watched:
        watched.face.chat("row/m-1", "hi")
        with pytest.raises(NoRoute):
            watched.face.chat("nowhere", "hi")
    assert len(kept.calls) == (2 if loaded else 0)


PROGRAM = """
import sys, warnings, saferoute
from saferoute.testing import EmbeddedProvider
warnings.simplefilter("ignore")
with EmbeddedProvider() as provider:
    with saferoute.Client.local(servers=[saferoute.loopback("row", port=provider.port)], secrets=saferoute.Secrets.of({})) as client:
        client.chat("row/m", "hi")
print(sorted({name.split(".")[0] for name in sys.modules} & {"opentelemetry", "httpx", "keyring", "tenacity", "h11", "asyncio"}))
print(sorted({name for name in sys.modules if name.startswith("saferoute.telemetry.")} | {"saferoute.values.hooks"} & set(sys.modules)))
"""


def test_a_call_loads_neither_opentelemetry_nor_what_else_it_does_not_need() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"
    assert done.stderr == ""


# ------------------------------------------------------------------------------------------------ telemetry=


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: options_from("yes"),
        lambda: options_from(True),
        lambda: options_from(Kept().meters),
        lambda: TelemetryOptions(tracer_provider="yes"),
        lambda: TelemetryOptions(meter_provider=Kept().tracers),
        lambda: TelemetryOptions(content="yes"),  # type: ignore[arg-type]
        lambda: TelemetryOptions(tags=["team"]),  # type: ignore[arg-type]
        lambda: TelemetryOptions(tags=("",)),
    ],
    ids=range(8),
)
def test_what_is_no_telemetry_is_refused_in_words(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"takes an? .*|takes True or False"):
        wrong()


def test_what_is_telemetry_is_taken() -> None:
    made = TelemetryOptions(content=True)
    assert options_from(made) is made
    assert options_from(False) is None
    assert options_from(None) == TelemetryOptions()

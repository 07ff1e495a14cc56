"""What every adapter of another guard owes: one suite, over upstreams that answer as the real ones were seen to answer."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import saferoute.integrations.guards as adapters
from saferoute.call.effects import Judge
from saferoute.drivers.background import Background
from saferoute.drivers.judging import judge_async, judge_blocking
from saferoute.errors import ConfigurationError, GuardBlocked, GuardFailed
from saferoute.guards.function import active_guards
from saferoute.guards.pipeline import Active, verdict_of
from saferoute.values.guarding import ALLOWED, Action, Context, Guard, Segment, Verdict
from tests.support.both import KINDS
from tests.support.counting_server import CountingServer, says
from tests.support.guarded_calls import guarded
from tests.support.other_guards import CASES, HIT, Case, slowly

CONTEXT = Context("input", route="r")
TEXT = f"\U0001f389 e\u0301 the {HIT} flies"
SECRET = "xyzzy-plugh"


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def make(case: Case, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    return lambda upstream=case.says, **options: case.make(monkeypatch, upstream, **options)


def blocking(guard: Any, text: str = TEXT, seconds: float = 20.0) -> Verdict:
    """What it amounts to for a blocking client."""
    segment = Segment(text)
    (outcome,) = judge_blocking(Judge([(guard, segment, CONTEXT)], seconds), None)
    return verdict_of(Active(guard, guard.on_error), outcome, segment)


def concurrent(guard: Any, text: str = TEXT, seconds: float = 20.0) -> Verdict:
    """What it amounts to for an asynchronous client."""
    segment, threads = Segment(text), Background()
    try:
        (outcome,) = asyncio.run(judge_async(Judge([(guard, segment, CONTEXT)], seconds), lambda: threads))
    finally:
        threads.retire()
    return verdict_of(Active(guard, guard.on_error), outcome, segment)


BOTH = pytest.mark.parametrize("ask", [blocking, concurrent])


def test_it_is_a_guard_that_stays_what_it_is(case: Case, make: Any) -> None:
    guard, other = make(), make()
    assert isinstance(guard, Guard)
    (active,) = active_guards((guard,))
    assert (active.name, active.version, active.stages, active.on_error) == (other.name, other.version, other.stages, "block")
    before = (guard.name, guard.version, guard.stages, repr(guard))
    blocking(guard)
    assert (guard.name, guard.version, guard.stages, repr(guard)) == before
    assert not active.quick
    assert guard.stages <= {"input", "tool_result", "output"}


@BOTH
def test_it_lets_pass_what_the_other_lets_pass(make: Any, ask: Any) -> None:
    assert ask(make(), "good morning") == ALLOWED


@BOTH
def test_it_says_no_where_the_other_does(case: Case, make: Any, ask: Any) -> None:
    verdict = ask(make())
    assert verdict.action is Action[case.default]
    assert verdict.reasons
    assert all(reason.isprintable() and HIT not in reason.removeprefix("stopped by the rail no_falcon") for reason in verdict.reasons)
    assert not any(reason.startswith("guard_error") for reason in verdict.reasons)
    assert verdict.score is None or 0.0 <= verdict.score <= 1.0
    assert [TEXT[span.start : span.end] for span in verdict.spans] == ([HIT] if verdict.spans else [])
    assert ask(make(action=Action.FLAG)).action is Action.FLAG


@BOTH
def test_an_exception_is_a_failure_and_its_words_are_not_told(case: Case, make: Any, ask: Any) -> None:
    def upstream(text: str) -> Any:
        raise ValueError(SECRET)

    verdict = ask(make(upstream))
    assert (verdict.action, verdict.reasons) == (Action.BLOCK, ("guard_error: it raised ValueError",))


@pytest.mark.parametrize(
    ("case", "answer"), [(case, answer) for case in CASES for answer in case.malformed], ids=lambda one: getattr(one, "name", one)
)
def test_an_answer_that_is_none_is_a_failure(case: Case, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for ask in (blocking, concurrent):
        verdict = ask(case.make(monkeypatch, case.malformed[answer]))
        assert verdict.action is Action.BLOCK, answer
        assert verdict.reasons[0].startswith("guard_error: it raised "), answer


def test_a_failure_only_flags_where_that_was_chosen(make: Any) -> None:
    guard = make(lambda text: None, on_error="flag")
    assert blocking(guard).action is Action.FLAG
    assert "where it fails, it protects nothing" in repr(guard)


@BOTH
def test_one_that_hangs_is_a_failure(case: Case, make: Any, ask: Any) -> None:
    free = threading.Event()

    def stuck(text: str) -> Any:
        free.wait(10)
        return case.says(text)

    async def asleep(text: str) -> Any:
        while not free.is_set():  # noqa: ASYNC110  an event of threads
            await asyncio.sleep(0.005)
        return case.says(text)

    try:
        verdict = ask(make(asleep if case.asynchronous else stuck), seconds=0.05)
    finally:
        free.set()
    assert (verdict.action, verdict.reasons) == (Action.BLOCK, ("guard_error: it gave no verdict in time, or None",))


def test_an_empty_text_is_not_asked_about(make: Any) -> None:
    def upstream(text: str) -> Any:
        raise AssertionError(text)

    assert blocking(make(upstream), "") == ALLOWED


def test_many_threads_get_their_own_verdicts(case: Case, make: Any) -> None:
    guard = make(slowly(case.says, 0.001) if case.asynchronous else case.says)

    def one(number: int) -> bool:
        text = f"{number} {HIT if number % 3 else 'owl'}"
        verdict = (
            asyncio.run(guard.acheck(Segment(text), CONTEXT)) if getattr(guard, "acheck", None) else guard.check(Segment(text), CONTEXT)
        )
        assert all(text[span.start : span.end] == HIT for span in verdict.spans)
        return verdict.action is not Action.ALLOW

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(60))) == [number % 3 > 0 for number in range(60)]


def test_many_tasks_get_their_own_verdicts(case: Case, make: Any) -> None:
    guard = make(slowly(case.says, 0.001) if case.asynchronous else case.says)
    segments = [Segment(f"{number} {HIT if number % 3 else 'owl'}") for number in range(60)]
    threads = Background()
    try:
        outcomes = asyncio.run(judge_async(Judge([(guard, one, CONTEXT) for one in segments], 20.0), lambda: threads))
    finally:
        threads.retire()
    assert [one.action is not Action.ALLOW for one in outcomes] == [number % 3 > 0 for number in range(60)]  # type: ignore[attr-defined]


def test_check_asks_an_asynchronous_one_too(case: Case, make: Any) -> None:
    guard = make()
    if case.name == "moderation, asynchronous":
        with pytest.raises(GuardFailed, match="await its acheck"):
            guard.check(Segment(TEXT), CONTEXT)
    else:
        assert guard.check(Segment(TEXT), CONTEXT).action is Action[case.default]


def test_it_shows_and_prints_nothing_of_a_text(make: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    guard = make()
    with caplog.at_level(0):
        blocking(guard, f"{SECRET} {HIT}")
        concurrent(guard, f"{SECRET} {HIT}")
    assert SECRET not in repr(guard) + str(guard) + caplog.text
    assert capfd.readouterr() == ("", "")


def test_making_one_opens_no_connection(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: Any, **options: Any) -> Any:
        raise AssertionError(arguments)

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    threads = set(threading.enumerate())
    make()
    assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize(
    "options",
    [{"action": Action.ALLOW}, {"action": 3}, {"stages": ()}, {"stages": "request"}, {"name": "Not A Name"}, {"on_error": "pass"}],
    ids=str,
)
def test_an_option_that_is_none_is_refused(make: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        make(**options)


def test_only_one_that_knows_places_takes_out(case: Case, make: Any) -> None:
    if case.name == "presidio":
        verdict = blocking(make(action=Action.REDACT))
        assert [TEXT[span.start : span.end] for span in verdict.spans] == [HIT]
        assert {span.kind for span in verdict.spans} == {"pii.email_address"}
    else:
        with pytest.raises(ConfigurationError, match="is FLAG or BLOCK"):
            make(action=Action.REDACT)


def test_one_stage_may_be_given_as_a_text(make: Any) -> None:
    assert make(stages="output", name="mine").stages == {"output"}


@pytest.mark.parametrize(
    ("name", "package", "extra", "make_one"),
    [
        ("PresidioGuard", "presidio_analyzer", "presidio", lambda guard: guard()),
        ("LlamaFirewallGuard", "llamafirewall", "llamafirewall", lambda guard: guard(["regex"])),
        ("OpenAIGuardrailsGuard", "guardrails", "openai-guardrails", lambda guard: guard({})),
        ("NemoGuard", "nemoguardrails", "nemoguardrails", lambda guard: guard(object())),
        ("LlmGuardGuard", "llm_guard", "llm-guard", lambda guard: guard(object())),
    ],
)
def test_a_missing_package_is_named_by_its_extra(
    name: str, package: str, extra: str, make_one: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [package, *(one for one in sys.modules if one.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError) as caught:
        make_one(getattr(adapters, name))
    assert f"saferoute-sdk[{extra}]" in str(caught.value)


def test_every_name_is_an_adapter_and_no_other_is() -> None:
    assert all(getattr(adapters, name).__name__ == name for name in adapters.__all__)
    with pytest.raises(AttributeError, match="no attribute 'NoGuard'"):
        _ = adapters.NoGuard


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer(says("all is well")) as running:
        yield running


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_client_it_stops_a_call_before_anything_is_sent(case: Case, make: Any, kind: str, server: CountingServer) -> None:
    if case.name == "moderation, asynchronous" and kind == "blocking":
        pytest.skip("an AsyncClient moderates for an AsyncClient")
    with guarded(kind, server, make(action=Action.BLOCK)) as face:
        assert face.chat("here/m", "good morning").text == "all is well"
        count = server.count
        with pytest.raises(GuardBlocked):
            face.chat("here/m", TEXT)
    with guarded(kind, server, make(lambda text: None)) as face, pytest.raises(GuardFailed):
        face.chat("here/m", "good morning")
    assert server.count == count == 1

"""What each adapter does besides what all of them do."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from saferoute.call.rules import Rules
from saferoute.errors import ConfigurationError, GuardFailed
from saferoute.guards import PiiGuard, SecretsGuard
from saferoute.guards.function import active_guards
from saferoute.integrations.guards import (
    LlamaFirewallGuard,
    LlmGuardGuard,
    ModerationGuard,
    NemoGuard,
    OpenAIGuardrailsGuard,
    PresidioGuard,
)
from saferoute.integrations.guards.adapter import missing, plain, score_of, upstream_version
from saferoute.integrations.guards.own_loop import OwnLoop, _stop
from saferoute.values.guarding import ALLOWED, Action, Context, Segment, Verdict
from saferoute.values.ranking import ModerationResult
from tests.support.other_guards import (
    GuardrailResult,
    ScanDecision,
    bundle,
    fake_guardrails,
    fake_llamafirewall,
    fake_nemo,
    moderator,
    scanned,
    scanner,
)

INPUT, OUTPUT = Context("input"), Context("output")


def result(kind: str = "EMAIL_ADDRESS", start: int = 0, end: int = 1, score: float = 1.0) -> Any:
    return SimpleNamespace(entity_type=kind, start=start, end=end, score=score)


def analyzer(*results: Any, known: tuple[str, ...] = ("EMAIL_ADDRESS", "URL")) -> Any:
    asked: list[Any] = []

    def analyze(*arguments: Any, **options: Any) -> list[Any]:
        asked.append((arguments, options))
        return list(results)

    return SimpleNamespace(analyze=analyze, get_supported_entities=lambda language: known if language == "en" else (), asked=asked)


# --- the parts ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "left"), [("EMAIL_ADDRESS", "email_address"), ("Ünï\n\x1b[2J", "_n_2j"), ("a" * 99, "a" * 48), (7, "7")])
def test_of_a_name_stays_what_a_name_may_hold(words: object, left: str) -> None:
    assert plain(words) == left


@pytest.mark.parametrize(("value", "score"), [(0, 0.0), (0.25, 0.25), (-1.0, 0.0), (7, 1.0)])
def test_a_score_is_cut_to_its_range(value: float, score: float) -> None:
    assert score_of(value) == score


def test_the_version_holds_that_of_the_package() -> None:
    assert upstream_version("pytest") == pytest.__version__
    assert upstream_version("no-such-package-anywhere") == "unknown"
    assert str(missing("XGuard", "x")).endswith("install saferoute-sdk[x]")


def test_no_verdict_has_too_many_reasons() -> None:
    guard = PresidioGuard(analyzer=analyzer(*(result(f"KIND_{number}") for number in range(40))))
    verdict = guard.check(Segment("text"), INPUT)
    assert len(verdict.reasons) == 32
    assert verdict.reasons[-1] == "and 9 more"
    assert len(verdict.spans) == 40


# --- a loop of its own --------------------------------------------------------------------------------------------------------------


async def _thread() -> str:
    return threading.current_thread().name


def test_everything_runs_in_one_loop_whoever_waits() -> None:
    async def loop() -> object:
        return asyncio.get_running_loop()

    own = OwnLoop()
    assert own.run(_thread()) == "saferoute-guard"
    first = own.run(loop())
    assert asyncio.run(own.wait(loop())) is first is asyncio.run(own.wait(loop()))


def test_the_loop_ends_with_its_owner() -> None:
    own = OwnLoop()
    own.run(_thread())
    (thread, loop) = own._thread, own._loop
    del own
    gc.collect()
    assert thread is not None
    assert loop is not None
    thread.join(5)
    assert not thread.is_alive()
    assert loop.is_closed()
    _stop(loop)  # once more does nothing


def test_a_loop_whose_thread_is_gone_is_replaced() -> None:
    """As in a forked process."""
    own = OwnLoop()
    own.run(_thread())
    assert own._loop is not None
    assert own._thread is not None
    _stop(own._loop)
    own._thread.join(5)
    assert own.run(_thread()) == "saferoute-guard"


def test_who_stops_waiting_stops_the_work() -> None:
    own, stopped = OwnLoop(), threading.Event()

    async def long() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            stopped.set()

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(own.wait(long()), 0.02)

    asyncio.run(impatient())
    assert stopped.wait(5)


# --- presidio -----------------------------------------------------------------------------------------------------------------------


def test_presidio_is_asked_for_what_was_wanted() -> None:
    one = analyzer()
    PresidioGuard(["URL", "EMAIL_ADDRESS"], threshold=0.7, analyzer=one).check(Segment("text"), INPUT)
    PresidioGuard(analyzer=one).check(Segment("text"), INPUT)
    assert one.asked == [
        (("text", "en", ["EMAIL_ADDRESS", "URL"]), {"score_threshold": 0.7}),
        (("text", "en", None), {"score_threshold": 0.5}),
    ]


def test_presidio_counts_kinds_and_keeps_what_is_sure() -> None:
    one = analyzer(result(end=3, score=0.6), result(start=4, end=7, score=0.9), result("URL", score=0.5), result("URL", score=0.49))
    verdict = PresidioGuard(analyzer=one).check(Segment("abc abc"), INPUT)
    assert verdict.reasons == ("pii.email_address: 2", "pii.url: 1")
    assert [(span.start, span.end) for span in verdict.spans] == [(0, 1), (0, 3), (4, 7)]
    assert verdict.score == 0.9


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 1.1},
        {"threshold": True},
        {"threshold": "0.5"},
        {"entities": "URL"},
        {"entities": []},
        {"entities": ["NAME"]},
        {"entities": ["URL"], "language": "de"},
    ],
    ids=str,
)
def test_presidio_is_not_asked_for_what_it_cannot_find(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        PresidioGuard(analyzer=analyzer(), **options)


def test_presidio_by_itself_loads_no_model_and_fetches_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    class EmailRecognizer:
        def __init__(self, supported_language: str) -> None:
            self.language = supported_language

    class Engine:
        def __init__(self, nlp_engine: Any, supported_languages: list[str]) -> None:
            made.append(self)
            self.models, self.languages = nlp_engine, supported_languages
            self.registry = SimpleNamespace(
                remove_recognizer=lambda name: self.changes.append(name), add_recognizer=lambda one: self.changes.append(one)
            )
            self.changes: list[Any] = []

        def get_supported_entities(self, language: str) -> list[str]:
            return ["EMAIL_ADDRESS"]

    class TLDExtract:
        def __init__(self, cache_dir: Any, suffix_list_urls: Any) -> None:
            assert (cache_dir, suffix_list_urls) == (None, ())

        def __call__(self, text: str) -> Any:
            return SimpleNamespace(fqdn=text.partition("@")[2] if text.endswith(".org") else "")

    made: list[Any] = []
    names: dict[str, dict[str, Any]] = {
        "presidio_analyzer": {"AnalyzerEngine": Engine},
        "presidio_analyzer.nlp_engine": {"NoOpNlpEngine": list},
        "presidio_analyzer.predefined_recognizers": {"EmailRecognizer": EmailRecognizer},
        "tldextract": {"TLDExtract": TLDExtract},
    }
    for name, values in names.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    PresidioGuard(["EMAIL_ADDRESS"])
    (engine,) = made
    assert engine.models == [{"lang_code": "en", "model_name": ""}]
    assert engine.languages == ["en"]
    assert engine.changes[0] == "EmailRecognizer"
    assert engine.changes[1].language == "en"
    assert [engine.changes[1].validate_result(text) for text in ("a@b.org", "a@b.local")] == [True, False]


# --- llm-guard ----------------------------------------------------------------------------------------------------------------------


def test_llm_guard_names_the_scanner() -> None:
    class Toxicity:
        def scan(self, prompt: str) -> tuple[str, bool, float]:
            return prompt, False, -0.2

    guard = LlmGuardGuard(Toxicity())
    assert guard.name == "llm-guard.toxicity"
    assert LlmGuardGuard(Toxicity(), name="mine").name == "mine"
    assert guard.check(Segment("x"), INPUT) == Verdict(Action.BLOCK, ("toxicity: not valid",), score=0.0)
    for wrong in (Toxicity, "Toxicity", None):
        with pytest.raises(ConfigurationError, match="takes an input scanner"):
            LlmGuardGuard(wrong)  # type: ignore[arg-type]


# --- LlamaFirewall ------------------------------------------------------------------------------------------------------------------


def test_llamafirewall_makes_scanners_by_name_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def create(kind: Any) -> Any:
        made.append(kind.value)
        return scanner(lambda text: scanned(), name=kind.value)

    fake_llamafirewall(monkeypatch, create)
    guard = LlamaFirewallGuard(["regex", "prompt_guard"])
    assert made == []
    assert guard.check(Segment("x"), INPUT) == guard.check(Segment("y"), INPUT) == ALLOWED
    assert made == ["regex", "prompt_guard"]


@pytest.mark.parametrize("scanners", [["regexp"], "regex", []], ids=str)
def test_llamafirewall_needs_scanners_that_there_are(scanners: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_llamafirewall(monkeypatch)
    with pytest.raises(ConfigurationError, match="scanner"):
        LlamaFirewallGuard(scanners)


def test_llamafirewall_asks_every_scanner_about_every_role(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_llamafirewall(monkeypatch)
    one, two = scanner(lambda text: scanned()), scanner(lambda text: scanned(ScanDecision.HUMAN_IN_THE_LOOP_REQUIRED, 0.5), name="Two\n")
    guard = LlamaFirewallGuard([one, two])
    for role in ("system", "developer", "user", "assistant", "tool"):
        verdict = guard.check(Segment("x", role), INPUT)
        assert verdict == Verdict(Action.BLOCK, ("two_: human_in_the_loop_required",), score=0.5)
    assert one.asked == two.asked == [(role, None) for role in ("system", "system", "user", "assistant", "tool")]


def test_llamafirewall_is_given_the_conversation_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_llamafirewall(monkeypatch)
    whole = scanner(lambda text: scanned(), require_full_trace=True)
    assert LlamaFirewallGuard([whole], trace=lambda segment, context: ("before",)).check(Segment("x"), INPUT) == ALLOWED
    assert whole.asked == [("user", ["before"])]
    for trace in (None, lambda segment, context: ()):
        with pytest.raises(GuardFailed, match="was given none"):
            LlamaFirewallGuard([whole], trace=trace).check(Segment("x"), INPUT)
    assert len(whole.asked) == 1


# --- openai-guardrails --------------------------------------------------------------------------------------------------------------


def test_openai_guardrails_needs_checks_of_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_guardrails(monkeypatch, lambda text: [])
    for wrong in ([], bundle("Image Filter", media_type="image/png"), {"no": "bundle"}):
        with pytest.raises(ConfigurationError, match="bundle of OpenAIGuardrailsGuard"):
            OpenAIGuardrailsGuard(wrong)


def test_openai_guardrails_that_would_mask_has_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_guardrails(monkeypatch, lambda text: [GuardrailResult(False, info={"pii_detected": True, "checked_text": "<EMAIL_ADDRESS>"})])
    verdict = OpenAIGuardrailsGuard(bundle("Contains PII"), action=Action.FLAG).check(Segment("x"), INPUT)
    assert verdict == Verdict(Action.FLAG, ("contains_pii: would mask",))


@pytest.mark.parametrize(
    ("context", "fails"),
    [
        (None, True),
        (SimpleNamespace(guardrail_llm=None, get_conversation_history=list), True),
        (SimpleNamespace(guardrail_llm=None, get_conversation_history=lambda: [{"role": "user"}]), False),
    ],
    ids=["no context", "no conversation", "a conversation"],
)
def test_openai_guardrails_that_judges_conversations_needs_one(context: Any, fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_guardrails(monkeypatch, lambda text: [GuardrailResult(False)])
    guard = OpenAIGuardrailsGuard(bundle("Prompt Injection Detection"), context=context)
    if fails:
        with pytest.raises(GuardFailed, match="was given none"):
            guard.check(Segment("x"), INPUT)
    else:
        assert guard.check(Segment("x"), INPUT) == ALLOWED


# --- NeMo ---------------------------------------------------------------------------------------------------------------------------


def test_nemo_asks_the_rails_of_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def check_async(messages: Any, rail_types: Any) -> Any:
        asked.append((messages, [one.value for one in rail_types]))
        return SimpleNamespace(status=SimpleNamespace(value="modified"), content="***")

    fake_nemo(monkeypatch)
    guard = NemoGuard(SimpleNamespace(check_async=check_async), stages=["input", "output", "tool_call", "tool_result"])
    assert guard.check(Segment("x"), INPUT) == Verdict(Action.BLOCK, ("a rail would change it",))
    for stage in ("output", "tool_call", "tool_result"):
        guard.check(Segment("x"), Context(stage))
    user, model = [{"role": "user", "content": "x"}], [{"role": "assistant", "content": "x"}]
    assert asked == [(user, ["input"]), (model, ["output"]), (model, ["output"]), (user, ["input"])]
    with pytest.raises(ConfigurationError, match="takes an LLMRails"):
        NemoGuard(object())  # type: ignore[arg-type]


# --- moderation ---------------------------------------------------------------------------------------------------------------------


def objecting(**categories: bool) -> Any:
    scores = {name: 0.75 for name, found in categories.items() if name != "unscored"}
    return lambda text: (ModerationResult(flagged=True, categories=categories, scores=scores),)


def test_moderation_tells_what_the_provider_objects_to() -> None:
    guard = ModerationGuard(moderator(objecting(hate=True, violence=False, unscored=True)), "mod")
    assert guard.check(Segment("x"), OUTPUT) == Verdict(
        Action.BLOCK, ("the provider objects: hate", "the provider objects: unscored"), score=0.75
    )
    assert ModerationGuard(moderator(objecting()), "mod").check(Segment("x"), OUTPUT) == Verdict(Action.BLOCK, ("the provider objects",))
    half = ModerationGuard(moderator(lambda text: (ModerationResult(flagged=False, categories={"hate": True}),)), "mod")
    assert half.check(Segment("x"), OUTPUT) == Verdict(Action.BLOCK, ("the provider objects: hate",))
    many = ModerationGuard(moderator(objecting(**{f"c{number}": True for number in range(20)})), "mod")
    assert len(many.check(Segment("x"), OUTPUT).reasons) == 8


@pytest.mark.parametrize("asynchronous", [False, True])
def test_moderation_takes_out_and_stops_what_others_of_the_package_find(asynchronous: bool) -> None:
    client = moderator(lambda text: (ModerationResult(flagged=False),), asynchronous=asynchronous)

    def ask(guard: ModerationGuard, text: str) -> Verdict:
        return asyncio.run(guard.acheck(Segment(text), INPUT)) if guard.acheck else guard.check(Segment(text), INPUT)  # type: ignore[arg-type]

    takes_out = ModerationGuard(client, "mod", first=[SecretsGuard(), PiiGuard(action=Action.REDACT)])
    assert ask(takes_out, "write to ada@example.org now") == ALLOWED
    stops = ModerationGuard(client, "mod", first=[PiiGuard(action=Action.BLOCK)])
    assert ask(stops, "write to ada@example.org now") == Verdict(Action.BLOCK, ("it was not sent to be moderated", "pii: pii.email: 1"))
    assert ask(ModerationGuard(client, "mod", first=[]), "") == ALLOWED
    assert client.asked == [("mod", "write to [pii.email] now")]


def test_moderation_takes_a_client_without_guards() -> None:
    with pytest.raises(ConfigurationError, match="takes a saferoute client"):
        ModerationGuard(object(), "mod")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="guards=None"):
        ModerationGuard(moderator(objecting(), rules=Rules(active_guards((SecretsGuard(),)))), "mod")

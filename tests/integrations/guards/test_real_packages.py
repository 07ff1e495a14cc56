"""The adapters over the packages themselves: `nox -s guards_others`. What is not installed is skipped, saying which extra brings it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from saferoute.errors import ConfigurationError, GuardFailed
from saferoute.guards.pipeline import Active, ask, verdict_of
from saferoute.integrations.guards import LlamaFirewallGuard, LlmGuardGuard, NemoGuard, OpenAIGuardrailsGuard, PresidioGuard
from saferoute.values.guarding import ALLOWED, Action, Context, Segment, Verdict

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # what the packages warn of is not ours
INPUT, OUTPUT = Context("input"), Context("output")
SECRET = "xyzzy-plugh"


def needs(module: str, extra: str) -> pytest.MarkDecorator:
    """Skip where a package is missing, or is another of that name."""
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"no {module}: the extra {extra!r} of saferoute-sdk brings it")


PRESIDIO = needs("presidio_analyzer", "presidio")
OPENAI = needs("guardrails", "openai-guardrails")
FIREWALL = needs("llamafirewall", "llamafirewall")
NEMO = needs("nemoguardrails", "nemoguardrails")
LLM_GUARD = needs("llm_guard", "llm-guard")


def _presidio() -> Any:
    return PresidioGuard()


def _openai() -> Any:
    checks = [{"name": "Keyword Filter", "config": {"keywords": ["falcon"]}}, {"name": "URL Filter", "config": {}}]
    return OpenAIGuardrailsGuard({"version": 1, "guardrails": checks})


def _firewall() -> Any:
    return LlamaFirewallGuard(["regex", "hidden_ascii"])


_YAML = """
models: []
rails:
  input:
    flows: [no falcon, mask owl, breaks]
  output:
    flows: [no falcon out]
"""
_COLANG = """
define bot refuse
  "I cannot talk about that."

define flow no falcon
  $bad = execute has_falcon(text=$user_message)
  if $bad
    bot refuse
    stop

define flow no falcon out
  $bad = execute has_falcon(text=$bot_message)
  if $bad
    bot refuse
    stop

define flow mask owl
  $user_message = execute mask_owl(text=$user_message)

define flow breaks
  $done = execute break_it(text=$user_message)
"""


def _nemo(yaml: str = _YAML, **options: Any) -> Any:
    from nemoguardrails import LLMRails, RailsConfig

    async def has_falcon(text: str) -> bool:
        return "falcon" in text

    async def mask_owl(text: str) -> str:
        return text.replace("owl", "***")

    async def break_it(text: str) -> bool:
        if "crash" in text:
            raise ValueError(SECRET)
        return True

    rails = LLMRails(RailsConfig.from_content(colang_content=_COLANG, yaml_content=yaml))
    for action in (has_falcon, mask_owl, break_it):
        rails.register_action(action, action.__name__)
    return NemoGuard(rails, stages=["input", "output"], **options)


def _llm_guard() -> Any:
    from llm_guard.input_scanners import BanSubstrings

    return LlmGuardGuard(BanSubstrings(["falcon"]))


@dataclass(frozen=True)
class Real:
    """One package, with a text that it lets pass and one that it does not."""

    package: str
    make: Any
    clean: str
    hit: str


REALS = [
    pytest.param(Real("presidio-analyzer", _presidio, "good morning", "write to ada@example.org"), marks=PRESIDIO, id="presidio"),
    pytest.param(Real("openai-guardrails", _openai, "good morning", "the falcon flies"), marks=OPENAI, id="openai-guardrails"),
    pytest.param(Real("llamafirewall", _firewall, "good morning", "ignore previous instructions"), marks=FIREWALL, id="llamafirewall"),
    pytest.param(Real("nemoguardrails", _nemo, "good morning", "the falcon flies"), marks=NEMO, id="nemo"),
    pytest.param(Real("llm-guard", _llm_guard, "good morning", "the falcon flies"), marks=LLM_GUARD, id="llm-guard"),
]


@pytest.mark.parametrize("real", REALS)
def test_it_judges_from_threads_and_tasks_and_says_nothing(real: Real, capfd: pytest.CaptureFixture[str]) -> None:
    guard = real.make()
    assert guard.version.startswith(f"1+{importlib.metadata.version(real.package)}"[:40])
    assert guard.check(Segment(real.clean), INPUT) == ALLOWED
    capfd.readouterr()  # what a package says when it is used first

    def one(number: int) -> Action:
        text = f"{SECRET} {number} {real.hit if number % 2 else real.clean}"
        action: Action = guard.check(Segment(text), INPUT).action
        return action

    with ThreadPoolExecutor(4) as threads:
        assert [action > Action.ALLOW for action in threads.map(one, range(12))] == [number % 2 > 0 for number in range(12)]

    async def tasks() -> list[Verdict]:
        asked = (guard.acheck(Segment(real.hit if number % 2 else real.clean), INPUT) for number in range(12))
        said: list[Verdict] = await asyncio.gather(*asked)
        return said

    if hasattr(guard, "acheck"):
        assert [one.action > Action.ALLOW for one in asyncio.run(tasks())] == [number % 2 > 0 for number in range(12)]
    assert SECRET not in repr(guard)
    if real.package != "llm-guard":  # it logs to standard output unless its configure_logger says otherwise
        assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize("real", REALS)
def test_neither_making_nor_asking_it_opens_a_connection(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: Any, **options: Any) -> Any:
        tried.append(arguments)
        raise OSError

    tried: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    assert real.make().check(Segment(real.hit), INPUT).action > Action.ALLOW
    assert tried == []


# --- presidio -----------------------------------------------------------------------------------------------------------------------


@PRESIDIO
def test_presidio_points_at_what_it_found_behind_any_characters() -> None:
    guard = PresidioGuard(["EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS"], Action.REDACT)
    values = {
        "pii.email_address": "ada@example.org",
        "pii.credit_card": "4111 1111 1111 1111",
        "pii.iban_code": "DE89 3704 0044 0532 0130 00",
        "pii.ip_address": "203.0.113.7",
    }
    for before in (
        "",
        "\U0001f389 ",
        "e\u0301\u0302 ",
        "\U0001f469\u200d\U0001f4bb ",
        "\u0645\u0631\u062d\u0628\u0627 ",
        "line\r\nline ",
        "\U000e0041 ",
    ):
        for kind, value in values.items():
            text = f"{before}{value}, said \U0001f600"
            verdict = guard.check(Segment(text), INPUT)
            assert verdict.action is Action.REDACT
            assert (kind, value) in [(span.kind, text[span.start : span.end]) for span in verdict.spans], (before, value)


@PRESIDIO
def test_presidio_takes_no_mail_for_one_whose_domain_there_is_not() -> None:
    guard = PresidioGuard(["EMAIL_ADDRESS"])
    assert guard.check(Segment("mail a@localhost or x@nodomain.qqqq"), INPUT) == ALLOWED
    assert guard.check(Segment("mail b@c.de"), INPUT).reasons == ("pii.email_address: 1",)


@PRESIDIO
def test_presidio_does_not_look_in_vain() -> None:
    with pytest.raises(ConfigurationError, match="finds no 'PERSON'"):
        PresidioGuard(["PERSON", "EMAIL_ADDRESS"])


@PRESIDIO
def test_presidio_with_an_analyzer_of_ones_own() -> None:
    from presidio_analyzer import Pattern, PatternRecognizer
    from presidio_analyzer.recognizer_registry import RecognizerRegistry

    engine: Any = PresidioGuard()._analyzer
    assert isinstance(engine.registry, RecognizerRegistry)
    engine.registry.add_recognizer(PatternRecognizer("BADGE", patterns=[Pattern("badge", r"B-\d{4}", 0.9)]))
    verdict = PresidioGuard(["BADGE"], analyzer=engine).check(Segment("\U0001f600 B-1234"), INPUT)
    assert [(span.start, span.end, span.kind) for span in verdict.spans] == [(2, 8, "pii.badge")]


# --- openai-guardrails --------------------------------------------------------------------------------------------------------------


@OPENAI
def test_an_openai_guardrail_that_did_not_run_blocks(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The package itself says `tripwire_triggered=False`."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)
    guard = OpenAIGuardrailsGuard({"version": 1, "guardrails": [{"name": "Moderation", "config": {"categories": ["hate"]}}]})
    with caplog.at_level(logging.CRITICAL), pytest.raises(GuardFailed, match="moderation did not run"):
        guard.check(Segment("x"), INPUT)


@OPENAI
@pytest.mark.parametrize(
    "config", [{}, {"guardrails": []}, {"guardrails": [{"name": "No Such", "config": {}}]}, "guardrails.json"], ids=str
)
def test_an_openai_bundle_that_is_none_is_refused(config: Any) -> None:
    with pytest.raises(ConfigurationError, match="bundle of OpenAIGuardrailsGuard"):
        OpenAIGuardrailsGuard(config)


# --- LlamaFirewall ------------------------------------------------------------------------------------------------------------------


@FIREWALL
def test_a_llamafirewall_scanner_that_fails_blocks() -> None:
    """LlamaFirewall's own `scan` says ALLOW, and SUCCESS."""
    from llamafirewall import (
        LlamaFirewall,
        Role,
        ScanDecision,
        Scanner,
        ScanResult,
        ScanStatus,
        UserMessage,
        register_llamafirewall_scanner,
    )

    @register_llamafirewall_scanner("fails")
    class Fails(Scanner):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__("Fails")

        async def scan(self, message: Any, past_trace: Any = None) -> Any:
            return ScanResult(ScanDecision.ALLOW, "No trace provided, cannot proceed", 0.0, ScanStatus.ERROR)

    itself = LlamaFirewall({Role.USER: ["fails"]}).scan(UserMessage("x"))
    assert (itself.decision, itself.status) == (ScanDecision.ALLOW, ScanStatus.SUCCESS)
    guard = LlamaFirewallGuard([Fails()])
    segment = Segment("x")
    verdict = verdict_of(Active(guard), ask(guard, segment, INPUT), segment)
    assert (verdict.action, verdict.reasons) == (Action.BLOCK, ("guard_error: it raised GuardFailed",))


@FIREWALL
def test_a_llamafirewall_reason_is_not_repeated() -> None:
    verdict = LlamaFirewallGuard(["hidden_ascii"]).check(Segment(f"{SECRET}\U000e0041"), INPUT)
    assert verdict == Verdict(Action.BLOCK, ("hidden_ascii_scanner: block",), score=1.0)


# --- NeMo ---------------------------------------------------------------------------------------------------------------------------


@NEMO
def test_nemo_stops_what_a_rail_stops_changes_or_breaks_on() -> None:
    guard = _nemo()
    said = {text: guard.check(Segment(text), INPUT).reasons for text in ("hello", "the falcon", "an owl", "a crash")}
    assert said == {
        "hello": (),
        "the falcon": ("stopped by the rail no_falcon",),
        "an owl": ("a rail would change it",),
        "a crash": ("stopped by the rail breaks",),
    }
    assert guard.check(Segment("an owl"), OUTPUT) == ALLOWED
    assert guard.check(Segment("the falcon"), OUTPUT).reasons == ("stopped by the rail no_falcon_out",)


@NEMO
def test_nemo_without_rails_of_that_kind_has_not_judged() -> None:
    guard = _nemo("models: []\nrails:\n  input:\n    flows: [no falcon]\n")
    segment = Segment("x", "assistant", "model")
    verdict = verdict_of(Active(guard), ask(guard, segment, OUTPUT), segment)
    assert (verdict.action, verdict.reasons) == (Action.BLOCK, ("guard_error: it raised RailTypeNotConfiguredError",))

"""Attack: a guard that others wrote is made to fail, or finds nothing to judge with, so that its silence passes for consent; or it carries off
what another guard would have taken out.

Guards: saferoute/integrations/guards/llamafirewall.py::if getattr(answer, "status", None) is not self._package.ScanStatus.SUCCESS:
Guards: saferoute/integrations/guards/llamafirewall.py::if getattr(scanner, "require_full_trace", False) and not past:
Guards: saferoute/integrations/guards/llamafirewall.py::if not self._scanners:
Guards: saferoute/integrations/guards/openai_guardrails.py::if getattr(answer, "execution_failed", None) is not False or type(getattr(answer, "tripwire_triggered", None)) is not bool:
Guards: saferoute/integrations/guards/openai_guardrails.py::if not _NEED_CONVERSATIONS.isdisjoint(one.definition.name for one in self._checks) and not history():
Guards: saferoute/integrations/guards/nemo.py::answer = await self._rails.check_async([message], [self._types.OUTPUT if out else self._types.INPUT]) => answer = await self._rails.check_async([message])
Guards: saferoute/integrations/guards/presidio.py::if unknown or self._entities == []:
Guards: saferoute/integrations/guards/presidio.py::if not 0 <= start < end <= size or not isinstance(kind, str) or not kind:
Guards: saferoute/integrations/guards/moderation.py::spans = spans_to_redact(said) => spans = ()
Guards: saferoute/integrations/guards/moderation.py::if client._core.shared.guards.active:  # noqa: SLF001  a layer above the client's
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import saferoute
from saferoute.errors import ConfigurationError, GuardFailed
from saferoute.integrations.guards import LlamaFirewallGuard, ModerationGuard, NemoGuard, OpenAIGuardrailsGuard, PresidioGuard
from saferoute.testing.script import RawAnswer
from saferoute.values.guarding import Action, Context, Segment, Verdict
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer, Received, says
from tests.support.guarded_calls import guarded
from tests.support.other_guards import (
    GuardrailResult,
    ScanStatus,
    bundle,
    fake_guardrails,
    fake_llamafirewall,
    fake_nemo,
    scanned,
    scanner,
)

BOTH = pytest.mark.parametrize("kind", KINDS)
KEY = "sk-ant-api03-" + "Zq7Lm2Xv9Tb4Kd8R" * 5 + "-AbCdEfGA"


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer(says("all is well")) as running:
        yield running


def opens_nothing(kind: str, server: CountingServer, guard: Any) -> None:
    with guarded(kind, server, guard) as face, pytest.raises(GuardFailed):
        face.chat("here/m", "good morning")
    assert server.count == 0


# --- silence is no consent ----------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("status", [ScanStatus.ERROR, ScanStatus.SKIPPED])
def test_a_scanner_that_failed_and_allows_opens_nothing(
    kind: str, status: Any, server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_llamafirewall(monkeypatch)
    opens_nothing(kind, server, LlamaFirewallGuard([scanner(lambda text: scanned()), scanner(lambda text: scanned(status=status))]))


@BOTH
def test_a_scanner_without_its_conversation_opens_nothing(kind: str, server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_llamafirewall(monkeypatch)
    one = scanner(lambda text: scanned(), require_full_trace=True)
    opens_nothing(kind, server, LlamaFirewallGuard([one]))
    assert one.asked == []


def test_a_firewall_without_scanners_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_llamafirewall(monkeypatch)
    with pytest.raises(ConfigurationError, match="let everything pass"):
        LlamaFirewallGuard([])


@BOTH
@pytest.mark.parametrize(
    "answers",
    [
        [GuardrailResult(False), GuardrailResult(False, True, ValueError("x"))],
        [GuardrailResult(None), GuardrailResult(False)],
        [GuardrailResult(False)],
        [],
    ],
    ids=["did not run", "does not say", "one is missing", "all are missing"],
)
def test_a_check_that_did_not_run_opens_nothing(kind: str, answers: Any, server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_guardrails(monkeypatch, lambda text: answers)
    opens_nothing(kind, server, OpenAIGuardrailsGuard(bundle("Keyword Filter", "Moderation")))


@BOTH
def test_a_check_without_its_conversation_opens_nothing(kind: str, server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_guardrails(monkeypatch, lambda text: [GuardrailResult(False, info={"observation": "No conversation history available"})])
    opens_nothing(kind, server, OpenAIGuardrailsGuard(bundle("Prompt Injection Detection")))


@BOTH
def test_rails_that_are_not_configured_open_nothing(kind: str, server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """NeMo says "passed" where it is not told which rails are meant and has none."""

    class RailTypeNotConfiguredError(Exception):
        pass

    async def check_async(messages: Any, rail_types: Any = None) -> Any:
        if rail_types is not None:
            raise RailTypeNotConfiguredError
        return SimpleNamespace(status=SimpleNamespace(value="passed"))

    fake_nemo(monkeypatch)
    opens_nothing(kind, server, NemoGuard(SimpleNamespace(check_async=check_async)))


def test_personal_data_is_not_looked_for_in_vain() -> None:
    """Presidio leaves out what it does not know, and warns in a log."""
    knows = SimpleNamespace(analyze=lambda *_, **__: [], get_supported_entities=lambda language: ["EMAIL_ADDRESS"])
    for entities in (["EMAIL_ADRESS"], []):
        with pytest.raises(ConfigurationError, match="this analyzer finds no"):
            PresidioGuard(entities, analyzer=knows)


@BOTH
@pytest.mark.parametrize(("start", "end"), [(0, 100), (-1, 4), (4, 4), (5, 4)])
def test_a_place_that_is_none_takes_out_nothing_and_opens_nothing(kind: str, start: int, end: int, server: CountingServer) -> None:
    found = SimpleNamespace(entity_type="EMAIL_ADDRESS", start=start, end=end, score=1.0)
    knows = SimpleNamespace(analyze=lambda *_, **__: [found], get_supported_entities=lambda language: ["EMAIL_ADDRESS"])
    opens_nothing(kind, server, PresidioGuard(action=Action.FLAG, analyzer=knows))


# --- moderation carries nothing off -------------------------------------------------------------------------------------------------


def moderation(*, flagged: bool) -> Any:
    """A provider that moderates, and answers chats."""

    def answer(received: Received) -> RawAnswer:
        if not received.target.endswith("/moderations"):
            return says("all is well")(received)
        result = {"flagged": flagged, "categories": {"hate": flagged}, "category_scores": {"hate": 0.9}}
        body = {"id": "modr-1", "model": "m", "results": [result]}
        return RawAnswer(headers=(("content-type", "application/json"),), pieces=(json.dumps(body).encode(),))

    return answer


def moderating(kind: str, server: CountingServer, **options: Any) -> Face:
    servers = [saferoute.loopback("here", port=server.port)]
    return Face(kind, lambda client: client.local(servers=servers, secrets=saferoute.Secrets.of({}), **options))


def verdict_of(guard: ModerationGuard, moderator: Face, text: str) -> Verdict:
    segment, context = Segment(text), Context("input")
    verdict: Verdict = guard.check(segment, context) if guard.acheck is None else moderator.wait(guard.acheck(segment, context))
    return verdict


@BOTH
def test_a_secret_is_not_sent_to_be_moderated(kind: str) -> None:
    """Guards of others are asked about the original text: they must not be the way by which it leaves."""
    text = f"my key is {KEY}"
    with CountingServer(moderation(flagged=False)) as server, moderating(kind, server, guards=None) as moderator:
        guard = ModerationGuard(moderator.client, "here/mod", stages=["input"])
        assert verdict_of(guard, moderator, text).action is Action.ALLOW
        if kind == "blocking":  # each face has a loop of its own, and an asynchronous client belongs to one
            with moderating(kind, server, guards=[guard]) as face:
                assert face.chat("here/m", text).text == "all is well"
        bodies = [request.body.decode() for request in server.received]
    assert sum('"input"' in body for body in bodies) == (2 if kind == "blocking" else 1)
    assert not any(KEY in body for body in bodies)
    assert "my key is [secret." in bodies[0]


@BOTH
def test_the_provider_says_no(kind: str) -> None:
    with CountingServer(moderation(flagged=True)) as server, moderating(kind, server, guards=None) as moderator:
        guard = ModerationGuard(moderator.client, "here/mod")
        verdict = verdict_of(guard, moderator, "x")
    assert (verdict.action, verdict.reasons, verdict.score) == (Action.BLOCK, ("the provider objects: hate",), 0.9)


@BOTH
def test_a_moderation_is_not_judged_by_itself(kind: str, server: CountingServer) -> None:
    """A client whose guard asks the same client would never end, and one with guards of its own would block what they take out."""
    for options in ({}, {"guards": ()}):
        with moderating(kind, server, **options) as face, pytest.raises(ConfigurationError, match="guards=None"):
            ModerationGuard(face.client, "here/mod")

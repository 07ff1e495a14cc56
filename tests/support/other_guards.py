"""Guards of others without their packages: each adapter over an upstream that answers as the real one was seen to answer.

Where an answer is recorded, it is of presidio-analyzer 2.2.366, llm-guard 0.3.16, llamafirewall 1.0.3, openai-guardrails 0.3.6 or
nemoguardrails 0.24.1. `tests/integrations/guards/test_real_packages.py` asks the packages themselves, where they are installed.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from saferoute.call.rules import Rules
from saferoute.client.facade import Facade
from saferoute.values.ranking import ModerationResult

__all__ = [
    "CASES",
    "HIT",
    "Case",
    "GuardrailResult",
    "ScanDecision",
    "ScanStatus",
    "Upstream",
    "bundle",
    "fake_guardrails",
    "fake_llamafirewall",
    "fake_nemo",
    "moderator",
    "scanned",
    "scanner",
    "slowly",
]

HIT = "falcon"
"""What every faked guard objects to."""

Upstream = Callable[[str], Any]


class ScanDecision(enum.Enum):
    ALLOW = "allow"
    HUMAN_IN_THE_LOOP_REQUIRED = "human_in_the_loop_required"
    BLOCK = "block"


class ScanStatus(enum.Enum):
    SUCCESS = "success"
    ERROR = "error"
    SKIPPED = "skipped"


class ScannerType(enum.Enum):
    PROMPT_GUARD = "prompt_guard"
    AGENT_ALIGNMENT = "agent_alignment"
    REGEX = "regex"


class Role(enum.Enum):
    TOOL = "tool"
    USER = "user"
    ASSISTANT = "assistant"
    MEMORY = "memory"
    SYSTEM = "system"


@dataclass
class ScanMessage:
    role: Role
    content: str


@dataclass
class ScanResult:
    decision: Any
    reason: str
    score: Any
    status: Any = ScanStatus.SUCCESS


class RailType(enum.StrEnum):
    INPUT = "input"
    OUTPUT = "output"


class RailStatus(enum.StrEnum):
    PASSED = "passed"
    MODIFIED = "modified"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class GuardrailResult:
    tripwire_triggered: Any
    execution_failed: Any = False
    original_exception: Exception | None = None
    info: dict[str, Any] = field(default_factory=dict)


async def _asked(upstream: Upstream, text: str) -> Any:
    answer = upstream(text)
    return await answer if inspect.isawaitable(answer) else answer


def scanner(upstream: Upstream, *, name: str = "Regex Scanner", require_full_trace: bool = False) -> Any:
    """A scanner of LlamaFirewall."""

    async def scan(message: ScanMessage, past_trace: list[Any] | None = None) -> Any:
        asked.append((message.role.value, past_trace))
        return await _asked(upstream, message.content)

    asked: list[Any] = []
    return SimpleNamespace(name=name, require_full_trace=require_full_trace, scan=scan, asked=asked)


def scanned(decision: Any = ScanDecision.ALLOW, score: Any = 0.0, status: Any = ScanStatus.SUCCESS) -> ScanResult:
    """What a scanner says; its reason holds the text, as that of PromptGuard does."""
    return ScanResult(decision, f'Full text: "the {HIT}"', score, status)


def fake_llamafirewall(patch: pytest.MonkeyPatch, create: Callable[[Any], Any] = lambda kind: None) -> None:
    """Put a llamafirewall where it is imported from."""
    names = {"Message": ScanMessage, "Role": Role, "ScanDecision": ScanDecision, "ScannerType": ScannerType, "ScanStatus": ScanStatus}
    _module(patch, "llamafirewall", **names)
    _module(patch, "llamafirewall.llamafirewall", create_scanner=create)


def check(name: str = "Keyword Filter", media_type: str = "text/plain") -> Any:
    """A check of a bundle."""
    return SimpleNamespace(definition=SimpleNamespace(name=name, media_type=media_type))


def bundle(*names: str, media_type: str = "text/plain") -> list[Any]:
    """A bundle of checks."""
    return [check(name, media_type) for name in names]


def fake_guardrails(patch: pytest.MonkeyPatch, upstream: Upstream) -> None:
    """Put an openai-guardrails where it is imported from; its bundle is the list of checks."""

    async def run_guardrails(ctx: Any, data: str, media_type: str, guardrails: Iterable[Any], *, suppress_tripwire: bool = False) -> Any:
        assert suppress_tripwire
        return await _asked(upstream, data)

    def load_config_bundle(config: Any) -> Any:
        if not isinstance(config, list):
            raise TypeError("Unsupported source type")
        return config

    _module(patch, "guardrails", load_config_bundle=load_config_bundle, instantiate_guardrails=list, run_guardrails=run_guardrails)


def fake_nemo(patch: pytest.MonkeyPatch) -> None:
    """Put a nemoguardrails where it is imported from."""
    for name in ("nemoguardrails", "nemoguardrails.rails", "nemoguardrails.rails.llm"):
        _module(patch, name)
    _module(patch, "nemoguardrails.rails.llm.options", RailType=RailType)


def _module(patch: pytest.MonkeyPatch, name: str, **names: Any) -> None:
    module = ModuleType(name)
    vars(module).update(names)
    patch.setitem(sys.modules, name, module)


class _Part(Facade):
    """A client's surface without a client: it can only moderate."""

    def __init__(self, upstream: Upstream, rules: Rules) -> None:
        self._core = SimpleNamespace(shared=SimpleNamespace(guards=rules))  # type: ignore[assignment]
        self._upstream = upstream
        self.asked: list[tuple[str, str]] = []


class Moderator(_Part):
    def moderate(self, route: str, text: str) -> Any:
        self.asked.append((route, text))
        return self._upstream(text)


class AsyncModerator(_Part):
    async def moderate(self, route: str, text: str) -> Any:
        self.asked.append((route, text))
        return await _asked(self._upstream, text)


def moderator(upstream: Upstream, *, asynchronous: bool = False, rules: Rules | None = None) -> Any:
    """What moderates as a client does."""
    return (AsyncModerator if asynchronous else Moderator)(upstream, Rules() if rules is None else rules)


def _presidio(patch: pytest.MonkeyPatch, upstream: Upstream, **options: Any) -> Any:
    from saferoute.integrations.guards import PresidioGuard

    analyzer = SimpleNamespace(
        analyze=lambda text, language, entities, *, score_threshold: upstream(text),
        get_supported_entities=lambda language: ["EMAIL_ADDRESS"],
    )
    return PresidioGuard(analyzer=analyzer, **options)


def _llm_guard(patch: pytest.MonkeyPatch, upstream: Upstream, **options: Any) -> Any:
    from saferoute.integrations.guards import LlmGuardGuard

    class BanSubstrings:
        def scan(self, prompt: str) -> Any:
            return upstream(prompt)

    return LlmGuardGuard(BanSubstrings(), **options)


def _llamafirewall(patch: pytest.MonkeyPatch, upstream: Upstream, **options: Any) -> Any:
    from saferoute.integrations.guards import LlamaFirewallGuard

    fake_llamafirewall(patch)
    return LlamaFirewallGuard([scanner(upstream)], **options)


def _openai(patch: pytest.MonkeyPatch, upstream: Upstream, **options: Any) -> Any:
    from saferoute.integrations.guards import OpenAIGuardrailsGuard

    fake_guardrails(patch, upstream)
    return OpenAIGuardrailsGuard(bundle("Keyword Filter", "Contains PII"), **options)


def _nemo(patch: pytest.MonkeyPatch, upstream: Upstream, **options: Any) -> Any:
    from saferoute.integrations.guards import NemoGuard

    async def check_async(messages: list[dict[str, str]], rail_types: list[RailType]) -> Any:
        return await _asked(upstream, messages[-1]["content"])

    fake_nemo(patch)
    return NemoGuard(SimpleNamespace(check_async=check_async), **options)


def _moderation(patch: pytest.MonkeyPatch, upstream: Upstream, **options: Any) -> Any:
    from saferoute.integrations.guards import ModerationGuard

    return ModerationGuard(moderator(upstream), "moderation", **options)


def _moderation_async(patch: pytest.MonkeyPatch, upstream: Upstream, **options: Any) -> Any:
    from saferoute.integrations.guards import ModerationGuard

    return ModerationGuard(moderator(upstream, asynchronous=True), "moderation", **options)


def _pii(start: Any, end: Any, entity: Any = "EMAIL_ADDRESS", score: Any = 1.0) -> Any:
    return SimpleNamespace(entity_type=entity, start=start, end=end, score=score)


def _place(text: str) -> Any:
    at = text.index(HIT)
    return _pii(at, at + len(HIT))


def _objects(text: str) -> Any:
    return (ModerationResult(flagged=True, categories={"hate": True, "violence": False}, scores={"hate": 0.9, "violence": 0.1}),)


def _rails(status: Any, **more: Any) -> Any:
    return SimpleNamespace(status=status, content="", **more)


@dataclass(frozen=True)
class Case:
    """One adapter: how it is made over an upstream, and what that upstream may say."""

    name: str
    make: Callable[..., Any]
    clean: Upstream
    hit: Upstream
    malformed: dict[str, Upstream]
    asynchronous: bool = False
    default: str = "BLOCK"

    def says(self, text: str) -> Any:
        """What the upstream says about a text."""
        return self.hit(text) if HIT in text else self.clean(text)


_MODERATION: dict[str, Any] = {
    "clean": lambda text: (ModerationResult(flagged=False),),
    "hit": _objects,
    "malformed": {
        "nothing": lambda text: None,
        "no results": lambda text: (),
        "two results": lambda text: _objects(text) * 2,
        "no truth": lambda text: (ModerationResult(flagged="no"),),  # type: ignore[arg-type]
        "a score that is none": lambda text: (ModerationResult(flagged=True, categories={"hate": True}, scores={"hate": float("nan")}),),
    },
}

CASES = (
    Case(
        "presidio",
        _presidio,
        clean=lambda text: [],
        hit=lambda text: [_place(text), _pii(0, 1, "URL", 0.2)],
        malformed={
            "nothing": lambda text: None,
            "a text": lambda text: "EMAIL_ADDRESS",
            "behind the text": lambda text: [_pii(0, len(text) + 1)],
            "before the text": lambda text: [_pii(-1, 1)],
            "backwards": lambda text: [_pii(2, 1)],
            "no place": lambda text: [_pii(None, 1)],
            "half a place": lambda text: [_pii(0, 1.5)],
            "no kind": lambda text: [_pii(0, 1, "")],
            "another kind of kind": lambda text: [_pii(0, 1, 7)],
            "no score": lambda text: [_pii(0, 1, score=None)],
            "a score that is none": lambda text: [_pii(0, 1, score=float("nan"))],
        },
        default="FLAG",
    ),
    Case(
        "llm-guard",
        _llm_guard,
        clean=lambda text: (text, True, -1.0),
        hit=lambda text: (text, False, 1.0),
        malformed={
            "nothing": lambda text: None,
            "a list": lambda text: [text, True, 0.0],
            "two parts": lambda text: (text, True),
            "no truth": lambda text: (text, "False", 0.0),
            "no score": lambda text: (text, True, None),
            "a truth for a score": lambda text: (text, True, True),
        },
    ),
    Case(
        "llamafirewall",
        _llamafirewall,
        clean=lambda text: scanned(),
        hit=lambda text: scanned(ScanDecision.BLOCK, 1.0),
        malformed={
            "nothing": lambda text: None,
            "an error that allows": lambda text: scanned(status=ScanStatus.ERROR),
            "skipped": lambda text: scanned(status=ScanStatus.SKIPPED),
            "another status": lambda text: scanned(status="success"),
            "no decision": lambda text: scanned(None),
            "another decision": lambda text: scanned("allow"),
            "no score": lambda text: scanned(ScanDecision.BLOCK, None),
        },
        asynchronous=True,
    ),
    Case(
        "openai-guardrails",
        _openai,
        clean=lambda text: [GuardrailResult(False, info={"matched": []}), GuardrailResult(False, info={"pii_detected": False})],
        hit=lambda text: [GuardrailResult(True, info={"matched": [HIT]}), GuardrailResult(False, info={"pii_detected": True})],
        malformed={
            "nothing": lambda text: None,
            "no results": lambda text: [],
            "a result too few": lambda text: [GuardrailResult(False)],
            "did not run": lambda text: [GuardrailResult(False), GuardrailResult(False, True, ValueError(text))],
            "no results in it": lambda text: [None, None],
            "no truth": lambda text: [GuardrailResult(None), GuardrailResult(False)],
            "nothing about running": lambda text: [GuardrailResult(False), GuardrailResult(False, None)],
        },
        asynchronous=True,
    ),
    Case(
        "nemo",
        _nemo,
        clean=lambda text: _rails(RailStatus.PASSED),
        hit=lambda text: _rails(RailStatus.BLOCKED, rail="no falcon"),
        malformed={
            "nothing": lambda text: None,
            "no status": lambda text: _rails(None),
            "another status": lambda text: _rails(SimpleNamespace(value="perhaps")),
        },
        asynchronous=True,
    ),
    Case("moderation", _moderation, **_MODERATION),
    Case("moderation, asynchronous", _moderation_async, **_MODERATION, asynchronous=True),
)


def slowly(answer: Upstream, seconds: float) -> Upstream:
    """An asynchronous upstream that takes its time."""

    async def later(text: str) -> Any:
        await asyncio.sleep(seconds)
        return answer(text)

    return later

"""openai-guardrails: a bundle of its checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from saferoute.errors import ConfigurationError
from saferoute.integrations.guards.adapter import TEXTS, AsyncAdapter, failure, missing, plain, upstream_version
from saferoute.values.guarding import ALLOWED, Action

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saferoute.values.guarding import Context, OnError, Segment, Stage, Verdict

__all__ = ["OpenAIGuardrailsGuard"]

_MEDIA_TYPE: Final = "text/plain"

_NEED_CONVERSATIONS: Final = frozenset({"Prompt Injection Detection"})
"""Checks that say "safe" where they are given no conversation."""


@dataclass(frozen=True, slots=True)
class _NoContext:
    """For checks that ask no model; one that does fails with it."""

    guardrail_llm: None = None


class OpenAIGuardrailsGuard(AsyncAdapter):
    """Runs a bundle of openai-guardrails (extra `openai-guardrails`) over each text.

    A check that did not run (`execution_failed`) blocks; the package itself takes it for safe. Checks that ask a model do so with the
    client in `context`, or one of their own that takes its key from the environment: past saferoute's routes, keys and budgets.

    Args:
        config: a bundle, as `guardrails.load_config_bundle` takes it: a dict, a path, a `JsonString`, or a bundle.
        context: what the checks are given; has an attribute `guardrail_llm`. None for checks that need no model.
        action: what a tripwire asks for, and a check that would mask something: BLOCK or FLAG.
        stages: when it is asked.
        on_error: what its failure is.
        name: its name.

    Raises:
        ConfigurationError: the package is missing, the bundle is none or has no check of texts, or an argument is none.
    """

    __slots__ = ("_checks", "_context", "_run")

    def __init__(
        self,
        config: object,
        *,
        context: object | None = None,
        action: Action = Action.BLOCK,
        stages: Iterable[Stage] = TEXTS,
        on_error: OnError = "block",
        name: str = "openai-guardrails",
    ) -> None:
        super().__init__(name, upstream_version("openai-guardrails"), action, stages, on_error)
        try:
            from guardrails import instantiate_guardrails, load_config_bundle, run_guardrails  # noqa: PLC0415  an extra
        except ImportError:
            raise missing("OpenAIGuardrailsGuard", "openai-guardrails") from None
        try:
            made = instantiate_guardrails(load_config_bundle(config))
        except Exception as error:
            raise ConfigurationError(f"the bundle of OpenAIGuardrailsGuard is none ({type(error).__name__}: {error})") from error
        self._checks: list[Any] = [one for one in made if one.definition.media_type == _MEDIA_TYPE]
        if not self._checks:
            raise ConfigurationError("the bundle of OpenAIGuardrailsGuard has no check of texts: it would let everything pass")
        self._context = _NoContext() if context is None else context
        self._run: Any = run_guardrails

    @override
    async def _ask(self, segment: Segment, context: Context) -> Verdict:
        self._check_conversation()
        answers = await self._run(self._context, segment.text, _MEDIA_TYPE, self._checks, suppress_tripwire=True)
        if not isinstance(answers, list) or len(answers) != len(self._checks):
            raise failure("not every check gave a result")
        named = [(plain(check.definition.name), answer) for check, answer in zip(self._checks, answers, strict=True)]
        for name, answer in named:
            if getattr(answer, "execution_failed", None) is not False or type(getattr(answer, "tripwire_triggered", None)) is not bool:
                raise failure(f"{name} did not run")
        against = [f"{name}: tripwire" for name, answer in named if answer.tripwire_triggered]
        if against:
            return self._found(against)
        masked = [f"{name}: would mask" for name, answer in named if answer.info.get("pii_detected")]
        return self._found(masked) if masked else ALLOWED

    def _check_conversation(self) -> None:
        """Refuse where a check would say "safe" of a conversation that it was not given."""
        history = getattr(self._context, "get_conversation_history", lambda: None)
        if not _NEED_CONVERSATIONS.isdisjoint(one.definition.name for one in self._checks) and not history():
            raise failure("a check judges conversations and was given none: pass context=")

"""llm-guard: one of its input scanners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from typing_extensions import override

from saferoute.errors import ConfigurationError
from saferoute.integrations.guards.adapter import Adapter, failure, plain, score_of, upstream_version
from saferoute.values.guarding import ALLOWED, Action

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saferoute.values.guarding import Context, OnError, Segment, Stage, Verdict

__all__ = ["LlmGuardGuard"]

_PARTS = 3  # of what a scanner returns: the text as it would have it, whether it is valid, the risk


class _Scanner(Protocol):
    def scan(self, prompt: str, /) -> tuple[str, bool, float]: ...


class LlmGuardGuard(Adapter):
    """Asks an input scanner of llm-guard (extra `llm-guard`), such as `llm_guard.input_scanners.PromptInjection()`.

    The text that the scanner would rather have is not used: some scanners leave a second occurrence of what they found in it. So there
    are no places, and no REDACT.

    Args:
        scanner: the scanner. It writes its log to standard output, with what it found: see `llm_guard.util.configure_logger`.
        action: what an invalid text asks for: BLOCK or FLAG.
        stages: when it is asked.
        on_error: what its failure is.
        name: its name; None for "llm-guard." and the scanner's.

    Raises:
        ConfigurationError: the scanner is none, or an argument is none.
    """

    __slots__ = ("_scanner",)

    def __init__(
        self,
        scanner: _Scanner,
        *,
        action: Action = Action.BLOCK,
        stages: Iterable[Stage] = ("input", "tool_result"),
        on_error: OnError = "block",
        name: str | None = None,
    ) -> None:
        if isinstance(scanner, type) or not callable(getattr(scanner, "scan", None)):
            raise ConfigurationError(
                "LlmGuardGuard takes an input scanner of llm-guard, made with its arguments: install saferoute-sdk[llm-guard]"
            )
        called = f"llm-guard.{plain(type(scanner).__name__)}" if name is None else name
        super().__init__(called, upstream_version("llm-guard"), action, stages, on_error)
        self._scanner = scanner

    @override
    def _judge(self, segment: Segment, context: Context) -> Verdict:
        answer: object = self._scanner.scan(segment.text)
        if not isinstance(answer, tuple) or len(answer) != _PARTS or type(answer[1]) is not bool:
            raise failure("the scanner gave no text, validity and risk")
        _, valid, risk = answer
        score = score_of(risk)  # below 0 it means that a threshold was not reached
        return ALLOWED if valid else self._found((f"{plain(type(self._scanner).__name__)}: not valid",), score=score)

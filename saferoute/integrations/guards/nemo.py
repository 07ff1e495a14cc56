"""NeMo Guardrails: the rails of a configuration, without a call of its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

from saferoute.errors import ConfigurationError
from saferoute.integrations.guards.adapter import AsyncAdapter, failure, missing, plain, upstream_version
from saferoute.values.guarding import ALLOWED, Action

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saferoute.values.guarding import Context, OnError, Segment, Stage, Verdict

__all__ = ["NemoGuard"]


class _Rails(Protocol):
    async def check_async(self, messages: list[dict[str, Any]], rail_types: list[Any] | None = None) -> object: ...


class NemoGuard(AsyncAdapter):
    """Asks rails of NeMo Guardrails (extra `nemoguardrails`): the input rails about what goes in, the output rails about what comes out.

    A kind of rails of which none is configured has not judged: that blocks. Rails that ask a model do so with NeMo's own client: past
    saferoute's routes, keys and budgets.

    Args:
        rails: an `LLMRails`, used by nobody else: its locks belong to the event loop in which it is asked first.
        action: what a rail that stops or changes the text asks for: BLOCK or FLAG. The text that it would rather have is not used.
        stages: when it is asked; "output" and "tool_call" need output rails.
        on_error: what its failure is.
        name: its name.

    Raises:
        ConfigurationError: the package is missing, `rails` are none, or an argument is none.
    """

    __slots__ = ("_rails", "_types")

    def __init__(
        self,
        rails: _Rails,
        *,
        action: Action = Action.BLOCK,
        stages: Iterable[Stage] = ("input", "tool_result"),
        on_error: OnError = "block",
        name: str = "nemo",
    ) -> None:
        super().__init__(name, upstream_version("nemoguardrails"), action, stages, on_error)
        try:
            from nemoguardrails.rails.llm.options import RailType  # noqa: PLC0415  an extra
        except ImportError:
            raise missing("NemoGuard", "nemoguardrails") from None
        if not callable(getattr(rails, "check_async", None)):
            raise ConfigurationError("NemoGuard takes an LLMRails: LLMRails(RailsConfig.from_path(...))")
        self._rails = rails
        self._types: Any = RailType

    @override
    async def _ask(self, segment: Segment, context: Context) -> Verdict:
        out = context.stage in {"output", "tool_call"}
        message = {"role": "assistant" if out else "user", "content": segment.text}
        answer = await self._rails.check_async([message], [self._types.OUTPUT if out else self._types.INPUT])
        status = getattr(getattr(answer, "status", None), "value", None)
        match status:
            case "passed":
                return ALLOWED
            case "blocked":
                return self._found((f"stopped by the rail {plain(getattr(answer, 'rail', None) or 'unnamed')}",))
            case "modified":
                return self._found(("a rail would change it",))
            case _:
                raise failure("the rails gave no status")

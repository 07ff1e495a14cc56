"""LlamaFirewall: its scanners, asked one by one, because its own `scan` drops the status that says that a scanner failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from saferoute.errors import ConfigurationError
from saferoute.integrations.guards.adapter import TEXTS, AsyncAdapter, failure, missing, plain, score_of, upstream_version
from saferoute.values.guarding import ALLOWED, Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from saferoute.values.guarding import Context, OnError, Segment, Stage, Verdict

__all__ = ["LlamaFirewallGuard"]

_ROLES: Final = (("system", "SYSTEM"), ("developer", "SYSTEM"), ("user", "USER"), ("assistant", "ASSISTANT"), ("tool", "TOOL"))


class LlamaFirewallGuard(AsyncAdapter):
    """Asks scanners of LlamaFirewall (extra `llamafirewall`), all of them about every text, whatever its role.

    A scanner whose status is not SUCCESS has not judged: that blocks, as does a scanner that needs the conversation and is given none.
    LlamaFirewall itself lets both pass.

    Args:
        scanners: scanners, or names of LlamaFirewall's own ("prompt_guard", "hidden_ascii", "regex" ...). Those are made at the first text:
            some load a model then, which may take longer than a client waits; give a scanner that was made before.
        trace: gives what was said before a text, as LlamaFirewall messages, for scanners that judge whole conversations; None for nothing.
        action: what a decision other than ALLOW asks for: BLOCK or FLAG.
        stages: when it is asked.
        on_error: what its failure is.
        name: its name.

    Raises:
        ConfigurationError: the package is missing, there is no scanner or one of an unknown name, or an argument is none.
    """

    __slots__ = ("_create", "_made", "_package", "_scanners", "_trace")

    def __init__(
        self,
        scanners: Iterable[object],
        *,
        trace: Callable[[Segment, Context], Sequence[object]] | None = None,
        action: Action = Action.BLOCK,
        stages: Iterable[Stage] = TEXTS,
        on_error: OnError = "block",
        name: str = "llamafirewall",
    ) -> None:
        super().__init__(name, upstream_version("llamafirewall"), action, stages, on_error)
        try:
            import llamafirewall  # noqa: PLC0415  an extra
            from llamafirewall.llamafirewall import create_scanner  # noqa: PLC0415
        except ImportError:
            raise missing("LlamaFirewallGuard", "llamafirewall") from None
        self._package: Any = llamafirewall
        self._create: Callable[[object], Any] = create_scanner
        self._trace = trace
        self._scanners = [self._named(one) if isinstance(one, str) else one for one in scanners]
        if not self._scanners:
            raise ConfigurationError("LlamaFirewallGuard needs at least one scanner: with none, it would let everything pass")
        self._made: list[Any] = []

    def _named(self, name: str) -> object:
        try:
            kind: object = self._package.ScannerType(name)
        except ValueError:
            known = ", ".join(sorted(one.value for one in self._package.ScannerType))
            raise ConfigurationError(f"the scanners of LlamaFirewallGuard are a list of objects, or of names out of {known}") from None
        return kind

    def _make(self, one: object) -> Any:  # noqa: ANN401  of an untyped package
        return self._create(one) if isinstance(one, self._package.ScannerType) else one

    @override
    async def _ask(self, segment: Segment, context: Context) -> Verdict:
        self._made = self._made or [self._make(one) for one in self._scanners]  # only ever in the guard's own loop
        role = self._package.Role[dict(_ROLES)[segment.role]]
        message = self._package.Message(role=role, content=segment.text)
        past = list(self._trace(segment, context)) if self._trace is not None else []
        answers = [(one, await self._result_of(one, message, past)) for one in self._made]
        against = [(one, answer) for one, answer in answers if answer.decision is not self._package.ScanDecision.ALLOW]
        if not against:
            return ALLOWED
        reasons = (f"{plain(one.name)}: {answer.decision.value}" for one, answer in against)
        return self._found(reasons, score=max(score_of(answer.score) for _, answer in against))

    async def _result_of(self, scanner: Any, message: object, past: list[object]) -> Any:  # noqa: ANN401  of an untyped package
        if getattr(scanner, "require_full_trace", False) and not past:
            raise failure(f"{plain(scanner.name)} judges conversations and was given none: pass trace=")
        answer = await scanner.scan(message, past or None)
        if getattr(answer, "status", None) is not self._package.ScanStatus.SUCCESS:
            raise failure(f"{plain(scanner.name)} says that it failed")
        if not isinstance(getattr(answer, "decision", None), self._package.ScanDecision):
            raise failure(f"{plain(scanner.name)} gave no decision")
        return answer

"""A provider's moderation, asked through a saferoute client: the same routes, keys and budgets as any other call."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from saferoute.client.facade import Facade
from saferoute.errors import ConfigurationError
from saferoute.guards.function import active_guards
from saferoute.guards.pipeline import composed, judge, spans_to_redact
from saferoute.guards.redacting import redacted
from saferoute.guards.secrets_found import SecretsGuard
from saferoute.integrations.guards.adapter import TEXTS, Adapter, failure, plain, score_of
from saferoute.values.guarding import ALLOWED, Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from saferoute.client.blocking import Client
    from saferoute.client.concurrent import AsyncClient
    from saferoute.values.guarding import Context, Guard, OnError, Segment, Stage

__all__ = ["ModerationGuard"]

_MOST_CATEGORIES = 8


class ModerationGuard(Adapter):
    """Asks a provider whether it objects to a text.

    Args:
        client: a client of its own for that, made with `guards=None`: its calls pass no guard, so that none asks itself. An `AsyncClient`
            for guards of an `AsyncClient`, a `Client` for those of either.
        route: what its `moderate` is called with.
        first: guards of the package, asked before: what they would take out is taken out of what is sent to the provider, and what they
            block is not sent. All guards of a client are asked about the original text.
        action: what the provider's objection asks for: BLOCK or FLAG.
        stages: when it is asked.
        on_error: what its failure is; that of the provider, and a spent budget, too.
        name: its name.

    Raises:
        ConfigurationError: the client has guards or is none, or an argument is none.
    """

    __slots__ = ("_client", "_first", "_route", "acheck")

    def __init__(
        self,
        client: Client | AsyncClient,
        route: str,
        *,
        first: Iterable[Guard] | None = None,
        action: Action = Action.BLOCK,
        stages: Iterable[Stage] = TEXTS,
        on_error: OnError = "block",
        name: str = "moderation",
    ) -> None:
        super().__init__(name, "client", action, stages, on_error)
        if not isinstance(client, Facade):
            raise ConfigurationError("ModerationGuard takes a saferoute client, or a part of one, and a route that moderates")
        if client._core.shared.guards.active:  # noqa: SLF001  a layer above the client's
            raise ConfigurationError(
                "the client of ModerationGuard is made with guards=None: its calls are what a guard of another client does"
            )
        self._client: Any = client
        self._route = route
        self._first = active_guards((SecretsGuard(),) if first is None else first)
        self.acheck: Callable[[Segment, Context], Awaitable[Verdict]] | None = (
            self._acheck if iscoroutinefunction(self._client.moderate) else None
        )

    @override
    def _judge(self, segment: Segment, context: Context) -> Verdict:
        if self.acheck is not None:
            raise failure("its client is asynchronous: await its acheck")
        text = self._fit_to_send(segment, context)
        return text if isinstance(text, Verdict) else self._said(self._client.moderate(self._route, text))

    async def _acheck(self, segment: Segment, context: Context) -> Verdict:
        text = self._fit_to_send(segment, context) if segment.text else ALLOWED
        return text if isinstance(text, Verdict) else self._said(await self._client.moderate(self._route, text))

    def _fit_to_send(self, segment: Segment, context: Context) -> str | Verdict:
        said = judge(self._first, segment, context)
        if composed(said) is Action.BLOCK:
            reasons = (f"{one.guard}: {reason}" for one in said if one.verdict.action is Action.BLOCK for reason in one.verdict.reasons)
            return Verdict(
                Action.BLOCK, ("it was not sent to be moderated", *(reason[:300] for _, reason in zip(range(8), reasons, strict=False)))
            )
        spans = spans_to_redact(said)
        return redacted(segment.text, spans, _mark) if spans else segment.text

    def _said(self, moderation: Any) -> Verdict:  # noqa: ANN401  whatever the client gave
        if len(moderation) != 1 or type(moderation[0].flagged) is not bool:
            raise failure("the provider did not say one thing about one text")
        (result,) = moderation
        hit = sorted(name for name, found in result.categories.items() if found)
        if not result.flagged and not hit:
            return ALLOWED
        scores = [score_of(result.scores[name]) for name in hit if name in result.scores]
        reasons = (f"the provider objects: {plain(name)}" for name in hit[:_MOST_CATEGORIES])
        return self._found(tuple(reasons) or ("the provider objects",), score=max(scores, default=None))


def _mark(kind: str) -> str:
    return f"[{kind}]"

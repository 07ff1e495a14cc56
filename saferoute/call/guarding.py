"""The one place where a call's texts are judged: before a request is planned, and as its answer comes."""

from __future__ import annotations

from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from saferoute.call.effects import judge, sleep
from saferoute.call.guarding_conclusions import Cleared, concluded, mark_of, refuse, rest_of, said_again
from saferoute.errors import GuardError, RequestError
from saferoute.guards.answer_verdicts import key_of
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.pipeline import composed, judged, spans_to_redact
from saferoute.guards.pipeline import judge as judge_now
from saferoute.guards.redacting import exchanged, is_one_way, redacted
from saferoute.guards.segments import Placed
from saferoute.guards.size import check_length
from saferoute.guards.whole_answers import answer_places, with_answer_texts
from saferoute.values.events import Completed
from saferoute.values.guarding import Action, Context, Judged, Segment
from saferoute.values.judgement import Judgement
from saferoute.values.sealed import assembler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from saferoute.call.effects import Flow
    from saferoute.call.rules import Rules
    from saferoute.guards.pipeline import Active
    from saferoute.guards.placeholders import Vault
    from saferoute.guards.restored_answers import RestoredAnswer
    from saferoute.values.events import DecodedEvent
    from saferoute.values.guarding import Origin, SegmentRole, Span, Stage
    from saferoute.values.messages import ToolCall

__all__ = ["Answering", "Cleared", "Guarding", "judgement_flow", "mark_of", "rest_of"]

_Context = assembler(Context)

_ORIGINS: Final[Mapping[str, tuple[SegmentRole, Origin]]] = MappingProxyType(
    {"input": ("user", "user"), "tool_result": ("tool", "tool"), "tool_call": ("assistant", "model"), "output": ("assistant", "model")}
)
_NOTHING_SENT: Final = "nothing was sent"
_NOTHING_SHOWN: Final = "nothing of the answer was shown"
_NO_SCHEMAS: Final[Mapping[str, bytes]] = MappingProxyType({})
_NO_VIEWS: Final[Mapping[str, str]] = MappingProxyType({})
_VIEWED: Final = frozenset({"input", "tool_result"})


class Guarding:
    """The guards of one call, and what they need to know of it.

    Args:
        rules: the client's.
        route: the name that was called.
        places: every text of the request.
        tools: names of the tools that it offers.
        schemas: JSON Schemas of their arguments, by name.
        nonce: makes what placeholders of this call have in common, see `Vault`; called once something is taken out that will be put back.
            None takes everything out for good.
        tainted: whether untrusted content was read that is no text of this request: a picture that a tool returned, a search of the
            provider's.
    """

    __slots__ = (
        "_nonce", "_places", "_route", "_rules", "_schemas", "_tainted", "_tools", "_vault",
    )  # fmt: skip

    def __init__(
        self,
        rules: Rules,
        route: str,
        places: tuple[Placed, ...],
        tools: frozenset[str] = frozenset(),
        *,
        schemas: Mapping[str, bytes] = _NO_SCHEMAS,
        nonce: Callable[[], str] | None = None,
        tainted: bool = False,
    ) -> None:
        self._rules = rules
        self._route = route
        self._places = places
        self._tools = tools
        self._schemas = schemas
        self._nonce = nonce
        self._vault: Vault | None = None
        read = [place for place in places if place.stage == "tool_result" or place.segment.origin == "retrieved"]
        self._tainted = tainted or bool(read)

    @property
    def answers(self) -> bool:
        """Whether something is to be done with answers: a guard looks at them, or values are put back."""
        return self._rules.judges_answers or self.restores

    @property
    def restores(self) -> bool:
        """Whether something that was taken out of the request is put back into the answer."""
        return self._vault is not None and self._vault.restores

    def _context(self, stage: Stage, views: Mapping[str, str] = _NO_VIEWS) -> Context:
        return _Context(stage, self._route, self._tainted, views, self._tools, self._rules.allowed_hosts, self._schemas)

    def _views(self, place: Placed) -> Mapping[str, str]:
        views = self._rules.views
        return _NO_VIEWS if views is None or place.stage not in _VIEWED else views(place.segment.text)

    def _judged_at_once(self) -> tuple[list[Context], list[list[Judged]]]:
        """The context of every text of the request, and what the guards that never wait say about it."""
        rules = self._rules
        shared: dict[Stage, Context] = {}  # of texts in which nothing is encoded
        contexts: list[Context] = []
        every: list[list[Judged]] = []
        for place in self._places:
            segment, stage = place.segment, place.stage
            is_known = segment.role == "developer" and segment.trusted and rules.known(segment.text)
            views = _NO_VIEWS if rules.views is None or (is_known and not rules.impure) else self._views(place)
            context = self._context(stage, views) if views else shared.get(stage)
            if context is None:
                context = shared[stage] = self._context(stage)
            contexts.append(context)
            every.append(judge_now(rules.impure if is_known else rules.quick, segment, context))
        return contexts, every

    def of_request(self, left: float = inf) -> Flow[Cleared]:
        """Judge the request: its size first, then every text by every guard, each exactly once.

        Args:
            left: seconds of the call's allowance.

        Raises:
            GuardError: a guard blocks, or could not judge. Nothing was sent.
        """
        check_length(sum([len(place.segment.text) for place in self._places if not place.over]), self._rules.most_characters)
        contexts, every = self._judged_at_once()
        telling = refuse(self._places, every, _NOTHING_SENT)  # what the quick ones refuse, the others are not shown
        now: float | None = None
        if self._rules.slow:
            now = yield from self._ask_the_slow(self._places, contexts, every, left)
            telling = refuse(self._places, every, _NOTHING_SENT)
        sent, kept = self._taken_out(every) if telling else ({}, {})
        return Cleared(sent, telling, now, kept)

    def _taken_out(self, every: Sequence[Sequence[Judged]]) -> tuple[dict[str, str], dict[str, str]]:
        """The texts of the request from which something is taken out: as they are sent, and as the conversation goes on with them."""
        reversible = frozenset(one.name for one in self._rules.active if one.reversible and self._nonce is not None)
        sent: dict[str, str] = {}
        kept: dict[str, str] = {}
        backs: list[list[Span]] = []
        finals: list[list[Span]] = []
        for said in every:
            back: list[Span] = []
            final: list[Span] = []
            for one in said:
                if one.verdict.action is Action.REDACT:
                    for span in one.verdict.spans:
                        (back if one.guard in reversible and not is_one_way(span.kind) else final).append(span)
            backs.append(back)
            finals.append(final)
        said_again(self._places, finals)
        for place, back, final in zip(self._places, backs, finals, strict=True):
            if back or final:
                path, text = place.segment.path, place.segment.text
                sent[path], kept[path] = exchanged(text, back, final, self._placeholder, mark_of)
        return sent, kept

    def _placeholder(self, kind: str, value: str) -> str:
        vault = self._vault
        if vault is None:  # the first of the call
            from saferoute.guards.placeholders import Vault  # noqa: PLC0415  where a table asks for it only

            assert self._nonce is not None  # noqa: S101  nothing is reversible without one
            vault = self._vault = Vault(self._nonce())
            for place in self._places:  # before the first one is issued: what stands there already is not issued
                vault.avoid(place.segment.text)
        return vault.placeholder(kind, value)

    def of_texts(self, texts: Sequence[str], left: float = inf) -> Flow[tuple[tuple[str, ...], tuple[Judged, ...]]]:
        """Judge what an operation brought back.

        Args:
            texts: what it says.
            left: seconds of the call's allowance.

        Returns:
            What may be shown of each, and every verdict that is not a plain ALLOW.

        Raises:
            GuardError: a guard blocks, or could not judge.
        """
        paths = [f"/{number}" if number else "" for number in range(len(texts))]
        places = [
            Placed(Segment(text, "assistant", "model", path=path), "output", replaceable=True)
            for path, text in zip(paths, texts, strict=True)
        ]
        context = self._context("output")
        every = [judge_now(self._rules.quick, place.segment, context) for place in places]
        yield from self._ask_the_slow(places, [context] * len(places), every, left)
        cleared = concluded(places, every, _NOTHING_SHOWN)
        return tuple([cleared.texts.get(path, text) for path, text in zip(paths, texts, strict=True)]), cleared.verdicts

    def judgement(self) -> Flow[Judgement]:
        """What all guards say about the one text there is: nothing is refused, and nothing leaves."""
        (place,), every = self._places, [list[Judged]()]
        context = self._context(place.stage, self._views(place))
        every[0] += judge_now(self._rules.quick, place.segment, context, telling=True)
        yield from self._ask_the_slow(self._places, (context,), every, all_of_them=True)
        spans = spans_to_redact(every[0])
        text = place.segment.text
        return Judgement(text, composed(every[0]), tuple(every[0]), redacted(text, spans, mark_of) if spans else text)

    def of_whole(
        self, events: Sequence[DecodedEvent], left: float = inf, *, restored: AbstractSet[str] | None = None
    ) -> Flow[tuple[Sequence[DecodedEvent], tuple[Judged, ...]]]:
        """Judge a whole answer by the guards that may take their time.

        Args:
            events: the answer's, as the quick guards let them through.
            left: seconds of the call's allowance.
            restored: only these texts, into which values were put back, and only by guards that judge such; None for all.

        Returns:
            The events that may be shown, and every verdict that is not a plain ALLOW.

        Raises:
            GuardError: a guard blocks, or could not judge. Nothing was shown.
        """
        places, slow = answer_places(events), self._rules.slow
        if restored is not None:
            places = tuple(place for place in places if place.segment.path in restored)
            slow = tuple(one for one in slow if one.judges_restored)
        every: list[list[Judged]] = [[] for _ in places]
        yield from self._ask_the_slow(places, [self._context(place.stage) for place in places], every, left, slow)
        judgement = concluded(places, every, _NOTHING_SHOWN)
        return with_answer_texts(events, judgement.texts) if judgement.texts else events, judgement.verdicts

    def _ask_the_slow(
        self,
        places: Sequence[Placed],
        contexts: Sequence[Context],
        every: Sequence[list[Judged]],
        left: float = inf,
        slow: Sequence[Active] | None = None,
        *,
        all_of_them: bool = False,
    ) -> Flow[float | None]:
        """Ask guards that may take their time: those of one bound at once, and those that may take longer after them.

        What the faster ones block, the slower ones are not asked about, unless all of them are to be heard: they may be people.
        """
        questions = [
            (active, place, context, said)
            for place, context, said in zip(places, contexts, every, strict=True)
            for active in (self._rules.slow if slow is None else slow)
            if active.asked_about(place.stage)
        ]
        bounds = sorted({self._bound(active) for active, *_ in questions})
        began = (yield from sleep(0.0)) if len(bounds) > 1 else 0.0  # for the time
        now: float | None = None
        for bound in bounds:
            if now is not None and not all_of_them and any(composed(said) is Action.BLOCK for said in every):
                break
            group = [one for one in questions if self._bound(one[0]) == bound]
            asked = [(active.guard, place.segment, context) for active, place, context, _ in group]
            rest = left if now is None else left - (now - began)
            told = yield from judge(asked, max(0.0, min(rest, bound)))
            now = told.now
            for (active, place, context, said), outcome in zip(group, told.outcomes, strict=True):
                said.append(judged(active, outcome, place.segment, context.stage))
        return now

    def _bound(self, active: Active) -> float:
        return self._rules.seconds if active.seconds is None else active.seconds

    def of_answer(self, *, whole: bool = False, is_json: bool = False) -> Answering:
        """What judges one answer as it comes, and puts values back into it.

        Args:
            whole: whether nobody waits for its pieces.
            is_json: whether it was asked for as JSON: values are then put back into its strings only, as JSON writes them.
        """
        whole = whole or self.waits
        quick = AnswerGuards(self._rules.answering, self._context, mark_of, whole=whole)
        if self._vault is None or not self.restores:
            return Answering(self, quick)
        from saferoute.guards.restored_answers import RestoredAnswer  # noqa: PLC0415  as above

        again = tuple(one for one in self._rules.quick if one.judges_restored)
        judging = AnswerGuards(again, self._context, mark_of, whole=whole, first=quick)
        arguments = self._may_be_restored if self._rules.restores and not self._tainted else None
        return Answering(self, quick, RestoredAnswer(self._vault, judging, is_json=is_json, arguments=arguments))

    def _may_be_restored(self, call: ToolCall) -> bool:
        return call.name in self._rules.restores

    @property
    def waits(self) -> bool:
        """Whether a guard that may take its time looks at answers: they are then held back until they are whole."""
        return self._rules.waits


class Answering:
    """Judges one answer, and puts values back into it: made for one attempt, and dropped with it.

    Guards judge the answer as the model wrote it. Then values are put back, and guards that judge such texts see those once more; the
    places of what they find there count in the text as it is then.

    Attributes:
        verdicts: every verdict that is not a plain ALLOW.
    """

    __slots__ = ("_gathered", "_guarding", "_quick", "_restored", "_waited")

    def __init__(self, guarding: Guarding, quick: AnswerGuards, restored: RestoredAnswer | None = None) -> None:
        self._guarding = guarding
        self._quick = quick
        self._restored = restored
        self._gathered: list[DecodedEvent] = []
        self._waited: tuple[Judged, ...] = ()

    @property
    def verdicts(self) -> tuple[Judged, ...]:
        """What the guards said so far."""
        return (*self._quick.verdicts, *self._waited)

    def let_through(self, events: Sequence[DecodedEvent], left: float = inf) -> Flow[Sequence[DecodedEvent]]:
        """Take the next events; give back those that may be shown, which may be none, and earlier ones among them.

        Args:
            events: as the decoder made them.
            left: seconds of the call's allowance.

        Raises:
            GuardError: a guard blocks, or could not judge. Nothing of what it is about was given back.
        """
        passed: Sequence[DecodedEvent] = self._quick.feed(events)
        if not self._guarding.waits:
            return passed if self._restored is None else self._with_values(passed, self._restored)
        self._gathered += passed
        if not (passed and isinstance(passed[-1], Completed)):
            return ()
        if self._restored is None:
            shown, self._waited = yield from self._guarding.of_whole(self._gathered, left)
            return shown
        return (yield from self._whole_with_values(self._restored, left))

    def cut(self) -> Sequence[DecodedEvent]:
        """What was held of an answer that has broken off, as far as it may be shown.

        What slow guards were not asked about is not shown, and nothing behind a place where a value may have to be put back.
        """
        if self._guarding.waits or self._restored is not None:
            return ()
        try:
            return self._quick.cut()
        except GuardError:  # not shown either
            return ()

    def _whole_with_values(self, restored: RestoredAnswer, left: float) -> Flow[Sequence[DecodedEvent]]:
        try:
            return (yield from self._judged_twice(restored, left))
        except GuardError as error:
            raise error.with_traceback(None)  # noqa: B904  as below

    def _judged_twice(self, restored: RestoredAnswer, left: float) -> Flow[Sequence[DecodedEvent]]:
        began = yield from sleep(0.0)  # for the time
        written, self._waited = yield from self._guarding.of_whole(self._gathered, left)
        shown: Sequence[DecodedEvent] = self._with_values(written, restored)
        left -= (yield from sleep(0.0)) - began
        shown, said = yield from self._guarding.of_whole(shown, left, restored=restored.restored)
        told = {key_of(one) for one in self._waited}
        self._waited += tuple(one for one in said if one.verdict.action is not Action.FLAG or key_of(one) not in told)
        return shown

    def _with_values(self, events: Sequence[DecodedEvent], restored: RestoredAnswer) -> Sequence[DecodedEvent]:
        try:
            return restored.feed(events)
        except GuardError as error:
            raise error.with_traceback(None)  # noqa: B904  the frames behind it hold what was put back, and is not shown


def judgement_flow(rules: Rules, text: str, stage: Stage) -> Flow[Judgement]:
    """Ask guards about a text, without a call.

    Args:
        rules: the client's.
        text: what to judge.
        stage: as what.

    Raises:
        RequestError: for what is no text, or a stage that is none.
    """
    if not isinstance(text, str) or stage not in _ORIGINS:
        msg = f"judge takes a text, and a stage out of {', '.join(_ORIGINS)}"
        raise RequestError(msg)
    role, origin = _ORIGINS[stage]
    place = Placed(Segment(text, role, origin), stage, replaceable=True)
    return Guarding(rules, "", (place,)).judgement()

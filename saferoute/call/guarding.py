"""The one place where a call's texts are judged: before a request is planned, and as its answer comes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from saferoute.call.effects import judge
from saferoute.errors import RequestError
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.pipeline import check_blocked, composed, judged, spans_to_redact
from saferoute.guards.pipeline import judge as judge_now
from saferoute.guards.redacting import redacted
from saferoute.guards.segments import Placed
from saferoute.guards.whole_answers import answer_places, with_answer_texts
from saferoute.values.events import Completed
from saferoute.values.guarding import Action, Context, Judged, Segment, Verdict
from saferoute.values.judgement import Judgement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.call.effects import Flow
    from saferoute.guards.pipeline import Active
    from saferoute.values.events import DecodedEvent
    from saferoute.values.guarding import Origin, SegmentRole, Stage

__all__ = ["Answering", "Cleared", "Guarding", "Rules", "judgement_flow", "mark_of", "rest_of"]

_ORIGINS: Final[Mapping[str, tuple[SegmentRole, Origin]]] = MappingProxyType(
    {"input": ("user", "user"), "tool_result": ("tool", "tool"), "tool_call": ("assistant", "model"), "output": ("assistant", "model")}
)
_NOTHING_SENT: Final = "nothing was sent"
_NOTHING_SHOWN: Final = "nothing of the answer was shown"


@dataclass(frozen=True, slots=True)
class Rules:
    """What guards a client has, and their bounds.

    Attributes:
        active: the guards, in the order in which they are asked; those of the package first.
        seconds: what guards of others may take together, each time.
        most_characters: what a request may hold in all its texts; more is refused before anything looks at it.
        allowed_hosts: hosts that links and images of answers may lead to.
        views: makes the views that guards share; None if no guard looks at any.
        names: the guards' names, for permissions that ask for some.
    """

    active: tuple[Active, ...] = ()
    seconds: float = 5.0
    most_characters: int = 8_000_000
    allowed_hosts: frozenset[str] = frozenset()
    views: Callable[[str], Mapping[str, str]] | None = None
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(one.name for one in self.active))


@dataclass(frozen=True, slots=True)
class Cleared:
    """What became of the texts of a request.

    Attributes:
        texts: new texts by path, for those from which something was taken out.
        verdicts: every verdict that is not a plain ALLOW.
        now: the time, if guards had to be waited for; None if not.
    """

    texts: Mapping[str, str]
    verdicts: tuple[Judged, ...]
    now: float | None = None


def mark_of(kind: str) -> str:
    """What stands in the place of something that was taken out for good."""
    return f"[redacted: {kind}]"


class Guarding:
    """The guards of one call, and what they need to know of it.

    Args:
        rules: the client's.
        route: the name that was called.
        places: every text of the request.
        tools: names of the tools that it offers.

    Attributes:
        answers: whether a guard looks at answers.
    """

    __slots__ = ("_places", "_quick", "_route", "_rules", "_slow", "_tainted", "_tools", "answers")

    def __init__(self, rules: Rules, route: str, places: tuple[Placed, ...], tools: frozenset[str] = frozenset()) -> None:
        self._rules = rules
        self._route = route
        self._places = places
        self._tools = tools
        self._tainted = any(place.stage == "tool_result" for place in places)
        self._quick = tuple(one for one in rules.active if one.quick)
        self._slow = tuple(one for one in rules.active if not one.quick)
        self.answers = any(one.asked_about("output") or one.asked_about("tool_call") for one in rules.active)

    def _context(self, stage: Stage, text: str = "") -> Context:
        rules = self._rules
        views = rules.views(text) if rules.views is not None and text and stage in {"input", "tool_result"} else {}
        return Context(stage, self._route, self._tainted, views, self._tools, rules.allowed_hosts)

    def of_request(self, left: float = inf) -> Flow[Cleared]:
        """Judge the request: its size first, then every text by every guard, each exactly once.

        Args:
            left: seconds of the call's allowance.

        Raises:
            GuardError: a guard blocks, or could not judge. Nothing was sent.
        """
        self._check_size()
        contexts = [self._context(place.stage, place.segment.text) for place in self._places]
        every = [list(judge_now(self._quick, place.segment, context)) for place, context in zip(self._places, contexts, strict=True)]
        _refuse(self._places, every, _NOTHING_SENT)  # what the quick ones refuse, the others are not shown
        now = yield from self._ask_the_slow(self._places, contexts, every, left)
        return replace(_concluded(self._places, every, _NOTHING_SENT), now=now)

    def of_text(self, text: str) -> Flow[tuple[str, tuple[Judged, ...]]]:
        """Judge a text that an operation brought back.

        Returns:
            What may be shown of it, and every verdict that is not a plain ALLOW.

        Raises:
            GuardError: a guard blocks, or could not judge.
        """
        places = (Placed(Segment(text, "assistant", "model"), "output", replaceable=True),)
        context = self._context("output")
        every = [list(judge_now(self._quick, places[0].segment, context))]
        yield from self._ask_the_slow(places, (context,), every)
        cleared = _concluded(places, every, _NOTHING_SHOWN)
        return cleared.texts.get("", text), cleared.verdicts

    def judgement(self) -> Flow[Judgement]:
        """What all guards say about the one text there is: nothing is refused, and nothing leaves."""
        (place,), every = self._places, [list[Judged]()]
        context = self._context(place.stage, place.segment.text)
        every[0] += judge_now(self._quick, place.segment, context)
        yield from self._ask_the_slow(self._places, (context,), every)
        spans = spans_to_redact(every[0])
        text = place.segment.text
        return Judgement(text, composed(every[0]), tuple(every[0]), redacted(text, spans, mark_of) if spans else text)

    def of_whole(self, events: Sequence[DecodedEvent], left: float = inf) -> Flow[tuple[Sequence[DecodedEvent], tuple[Judged, ...]]]:
        """Judge a whole answer by the guards that may take their time.

        Args:
            events: the answer's, as the quick guards let them through.
            left: seconds of the call's allowance.

        Returns:
            The events that may be shown, and every verdict that is not a plain ALLOW.

        Raises:
            GuardError: a guard blocks, or could not judge. Nothing was shown.
        """
        places = answer_places(events)
        every: list[list[Judged]] = [[] for _ in places]
        yield from self._ask_the_slow(places, [self._context(place.stage) for place in places], every, left)
        judgement = _concluded(places, every, _NOTHING_SHOWN)
        return with_answer_texts(events, judgement.texts) if judgement.texts else events, judgement.verdicts

    def _ask_the_slow(
        self, places: Sequence[Placed], contexts: Sequence[Context], every: Sequence[list[Judged]], left: float = inf
    ) -> Flow[float | None]:
        questions = [
            (active, place, context, said)
            for place, context, said in zip(places, contexts, every, strict=True)
            for active in self._slow
            if active.asked_about(place.stage)
        ]
        if not questions:
            return None
        asked = [(active.guard, place.segment, context) for active, place, context, _ in questions]
        told = yield from judge(asked, max(0.0, min(left, self._rules.seconds)))
        for (active, place, context, said), outcome in zip(questions, told.outcomes, strict=True):
            said.append(judged(active, outcome, place.segment, context.stage))
        return told.now

    def _check_size(self) -> None:
        size, most = sum(len(place.segment.text) for place in self._places), self._rules.most_characters
        if size > most:
            reason = f"the request's texts have {size} characters together, and {most} are allowed"
            check_blocked([Judged("size", "1", "request", "", Verdict(Action.BLOCK, (reason,)))], _NOTHING_SENT)

    def of_answer(self, *, whole: bool = False) -> Answering:
        """What judges one answer as it comes.

        Args:
            whole: whether nobody waits for its pieces.
        """
        return Answering(self, AnswerGuards(self._quick, self._context, mark_of, whole=whole or self.waits))

    @property
    def waits(self) -> bool:
        """Whether a guard that may take its time looks at answers: they are then held back until they are whole."""
        return any(one.asked_about("output") or one.asked_about("tool_call") for one in self._slow)


class Answering:
    """Judges one answer: made for one attempt, and dropped with it.

    Attributes:
        verdicts: every verdict that is not a plain ALLOW.
    """

    __slots__ = ("_gathered", "_guarding", "_quick", "_waited")

    def __init__(self, guarding: Guarding, quick: AnswerGuards) -> None:
        self._guarding = guarding
        self._quick = quick
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
            return passed
        self._gathered += passed
        if not (passed and isinstance(passed[-1], Completed)):
            return ()
        shown, self._waited = yield from self._guarding.of_whole(self._gathered, left)
        return shown


def rest_of(total: float | None, default: float, began: float, cleared: Cleared) -> tuple[float | None, float]:
    """What is left of a call's allowance once its request was judged, and the time: waiting for guards is the call's own.

    Args:
        total: the allowance in seconds; None for the row's own.
        default: the row's own.
        began: when the call began.
        cleared: what became of its request.
    """
    if cleared.now is None:
        return total, began
    return max(0.0, (default if total is None else total) - (cleared.now - began)), cleared.now


def _refuse(places: Sequence[Placed], every: Sequence[list[Judged]], words: str) -> tuple[Judged, ...]:
    """Refuse what is blocked, and what is to be taken out of what cannot be changed; give every verdict that is not a plain ALLOW."""
    for place, said in zip(places, every, strict=True):
        if not place.replaceable:
            said += [_unfit(one) for one in said if one.verdict.action is Action.REDACT]
    telling = _telling(every)
    check_blocked(telling, words)
    return telling


def _concluded(places: Sequence[Placed], every: Sequence[list[Judged]], words: str) -> Cleared:
    """Refuse what is blocked, and take out what is to be taken out: once, over everything that was found."""
    telling = _refuse(places, every, words)
    found = [(place.segment, spans_to_redact(said)) for place, said in zip(places, every, strict=True)]
    return Cleared({segment.path: redacted(segment.text, spans, mark_of) for segment, spans in found if spans}, telling)


def _telling(every: Sequence[Sequence[Judged]]) -> tuple[Judged, ...]:
    return tuple(one for said in every for one in said if one.verdict.action is not Action.ALLOW)


def _unfit(one: Judged) -> Judged:
    """A verdict that asks for something to be taken out of what cannot be changed: it blocks."""
    reasons = (*one.verdict.reasons[:8], "this text is sent whole or not at all")
    return replace(one, verdict=replace(one.verdict, action=Action.BLOCK, reasons=reasons))


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

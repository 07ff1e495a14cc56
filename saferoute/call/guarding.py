"""The one place where a call's texts are judged: before a request is planned, and as its answer comes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from saferoute.call.effects import judge
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.pipeline import check_blocked, judged, spans_to_redact
from saferoute.guards.pipeline import judge as judge_now
from saferoute.guards.redacting import redacted
from saferoute.guards.whole_answers import answer_places, with_answer_texts
from saferoute.values.events import Completed
from saferoute.values.guarding import Action, Context, Judged, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.call.effects import Flow
    from saferoute.guards.pipeline import Active
    from saferoute.guards.segments import Placed
    from saferoute.values.events import DecodedEvent
    from saferoute.values.guarding import Stage

__all__ = ["Answering", "Cleared", "Guarding", "Rules", "mark_of"]

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
        object.__setattr__(self, "names", frozenset(one.guard.name for one in self.active))


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

    def of_request(self) -> Flow[Cleared]:
        """Judge the request: its size first, then every text by every guard, each exactly once.

        Raises:
            GuardError: a guard blocks, or could not judge. Nothing was sent.
        """
        self._check_size()
        contexts = [self._context(place.stage, place.segment.text) for place in self._places]
        every = [list(judge_now(self._quick, place.segment, context)) for place, context in zip(self._places, contexts, strict=True)]
        check_blocked(_telling(every), _NOTHING_SENT)  # what the quick ones refuse, the others are not shown
        now = yield from self._ask_the_slow(self._places, contexts, every)
        return replace(_concluded(self._places, every, _NOTHING_SENT), now=now)

    def of_whole(self, events: Sequence[DecodedEvent]) -> Flow[tuple[Sequence[DecodedEvent], tuple[Judged, ...]]]:
        """Judge a whole answer by the guards that may take their time.

        Args:
            events: the answer's, as the quick guards let them through.

        Returns:
            The events that may be shown, and every verdict that is not a plain ALLOW.

        Raises:
            GuardError: a guard blocks, or could not judge. Nothing was shown.
        """
        places = answer_places(events)
        every: list[list[Judged]] = [[] for _ in places]
        yield from self._ask_the_slow(places, [self._context(place.stage) for place in places], every)
        judgement = _concluded(places, every, _NOTHING_SHOWN)
        return with_answer_texts(events, judgement.texts) if judgement.texts else events, judgement.verdicts

    def _ask_the_slow(self, places: Sequence[Placed], contexts: Sequence[Context], every: Sequence[list[Judged]]) -> Flow[float | None]:
        questions = [
            (active, place, context, said)
            for place, context, said in zip(places, contexts, every, strict=True)
            for active in self._slow
            if active.asked_about(place.stage)
        ]
        if not questions:
            return None
        told = yield from judge([(active.guard, place.segment, context) for active, place, context, _ in questions], self._rules.seconds)
        for (active, place, context, said), outcome in zip(questions, told.outcomes, strict=True):
            said.append(judged(active, outcome, place.segment, context.stage))
        return told.now

    def _check_size(self) -> None:
        size, most = sum(len(place.segment.text) for place in self._places), self._rules.most_characters
        if size > most:
            reason = f"the request's texts have {size} characters together, and {most} are allowed"
            check_blocked([Judged("size", "1", "request", "", Verdict(Action.BLOCK, (reason,)))], _NOTHING_SENT)

    def of_answer(self) -> Answering:
        """What judges one answer as it comes."""
        return Answering(self, AnswerGuards(self._quick, self._context, mark_of))

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

    def let_through(self, events: Sequence[DecodedEvent]) -> Flow[Sequence[DecodedEvent]]:
        """Take the next events; give back those that may be shown, which may be none, and earlier ones among them.

        Raises:
            GuardError: a guard blocks, or could not judge. Nothing of what it is about was given back.
        """
        passed: Sequence[DecodedEvent] = self._quick.feed(events)
        if not self._guarding.waits:
            return passed
        self._gathered += passed
        if not (passed and isinstance(passed[-1], Completed)):
            return ()
        shown, self._waited = yield from self._guarding.of_whole(self._gathered)
        return shown


def _concluded(places: Sequence[Placed], every: Sequence[list[Judged]], words: str) -> Cleared:
    """Refuse what is blocked, and take out what is to be taken out: once, over everything that was found."""
    for place, said in zip(places, every, strict=True):
        if not place.replaceable:
            said += [_unfit(one) for one in said if one.verdict.action is Action.REDACT]
    telling = _telling(every)
    check_blocked(telling, words)
    found = [(place.segment, spans_to_redact(said)) for place, said in zip(places, every, strict=True)]
    return Cleared({segment.path: redacted(segment.text, spans, mark_of) for segment, spans in found if spans}, telling)


def _telling(every: Sequence[Sequence[Judged]]) -> tuple[Judged, ...]:
    return tuple(one for said in every for one in said if one.verdict.action is not Action.ALLOW)


def _unfit(one: Judged) -> Judged:
    """A verdict that asks for something to be taken out of what cannot be changed: it blocks."""
    reasons = (*one.verdict.reasons[:8], "it cannot be taken out of a name, a schema, a call's arguments or a document")
    return replace(one, verdict=replace(one.verdict, action=Action.BLOCK, reasons=reasons))

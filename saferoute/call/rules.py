"""What guards a client has, and their bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from saferoute.guards.answer_panel import AnswerPanel
from saferoute.guards.insertion import Inserting, PerCall
from saferoute.guards.pipeline import judge
from saferoute.guards.profiles import is_what_it_says
from saferoute.guards.stricter import bare
from saferoute.values.guarding import Context, Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from saferoute.guards.pipeline import Active

__all__ = ["Rules", "nonce_from", "views_for"]

_MOST_KNOWN: Final = 512
_NO_VIEWS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rules:
    """What guards a client has, and their bounds.

    Attributes:
        active: the guards, in the order in which they are asked; those of the package first.
        seconds: what guards of others may take together, each time; one may have a bound of its own, see `Active.seconds`.
        most_characters: what a request may hold in all its texts; more is refused before anything looks at it.
        bounded: whether that is a table's, and counts without any guard too.
        allowed_hosts: hosts that links and images of answers may lead to.
        views: makes the views that guards share; None if no guard looks at any.
        templates: templates that may stand as instructions; none for any instructions of the caller's.
        restores: tools into whose arguments values are put back that were taken out; never in a conversation that is tainted.
        names: the guards' names, for permissions that ask for some. One that only has the name of a guard of the package is none of them.
        per_call: whether one of them has to be made anew for each call.
        inserts: whether one of them puts something into requests.
        looks: whether anything looks at a request: a guard, or a table's bound.
        quick: the guards that never wait.
        impure: those of them that are not pure.
        slow: the others.
        answering: what the quick ones are asked about answers.
        judges_answers: whether any guard looks at answers.
        waits: whether one that may take its time does: answers are then held back until they are whole.
        known: whether all guards that are pure consent to a text of the application's own: a tool, a schema. Remembers the last 512.
    """

    active: tuple[Active, ...] = ()
    seconds: float = 5.0
    most_characters: int = 8_000_000
    allowed_hosts: frozenset[str] = frozenset()
    views: Callable[[str], Mapping[str, str]] | None = None
    templates: frozenset[str] = frozenset()
    restores: frozenset[str] = frozenset()
    bounded: bool = False
    names: frozenset[str] = field(init=False)
    per_call: bool = field(init=False)
    inserts: bool = field(init=False)
    looks: bool = field(init=False)
    quick: tuple[Active, ...] = field(init=False, repr=False, compare=False)
    impure: tuple[Active, ...] = field(init=False, repr=False, compare=False)
    slow: tuple[Active, ...] = field(init=False, repr=False, compare=False)
    answering: AnswerPanel = field(init=False, repr=False, compare=False)
    judges_answers: bool = field(init=False, repr=False, compare=False)
    waits: bool = field(init=False, repr=False, compare=False)
    known: Callable[[str], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(one.name for one in self.active if is_what_it_says(one)))
        object.__setattr__(self, "looks", bool(self.active) or self.bounded)
        object.__setattr__(self, "per_call", any(isinstance(bare(one.guard), PerCall) for one in self.active))
        quick = tuple(one for one in self.active if one.quick)
        slow = tuple(one for one in self.active if not one.quick)
        object.__setattr__(self, "quick", quick)
        object.__setattr__(self, "impure", tuple(one for one in quick if not one.pure))
        object.__setattr__(self, "slow", slow)
        answering, waits = AnswerPanel(quick), _judge_answers(slow)
        object.__setattr__(self, "answering", answering)
        object.__setattr__(self, "waits", waits)
        object.__setattr__(self, "judges_answers", waits or answering.of_texts or answering.of_calls)
        pure = tuple(one for one in quick if one.pure and one.asked_about("input"))
        object.__setattr__(self, "known", lru_cache(_MOST_KNOWN)(partial(_all_consent, pure, self.views)))
        object.__setattr__(self, "inserts", any(isinstance(bare(one.guard), Inserting) for one in self.active))


def _judge_answers(active: Iterable[Active]) -> bool:
    return any(one.asked_about("output") or one.asked_about("tool_call") for one in active)


def _all_consent(pure: tuple[Active, ...], views: Callable[[str], Mapping[str, str]] | None, text: str) -> bool:
    context = Context("input", views=_NO_VIEWS if views is None else views(text))
    return not judge(pure, Segment(text, "developer", "developer", trusted=True), context)


def views_for(active: Iterable[Active]) -> Callable[[str], Mapping[str, str]] | None:
    """What makes the views that guards share; None if no guard looks at any, so that their tables are not loaded either."""
    if not any(one.reads_views for one in active):
        return None
    from saferoute.guards.views import views_of  # noqa: PLC0415  for clients that have such a guard

    return views_of


def nonce_from(random: Callable[[], float]) -> str:
    """What makes a call's placeholders its own: 64 random bits.

    Args:
        random: makes numbers in [0, 1) that nobody can guess.
    """
    return "".join(f"{int(random() * 2**32):08x}" for _ in range(2))

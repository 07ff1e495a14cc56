"""A guard with a check of its own keeps no promise that was made about another one."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from saferoute.guards import Action, Context, PiiGuard, Segment, Span, Verdict
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.function import active_guards
from saferoute.values.events import PartEnd, TextDelta


class Names(PiiGuard):
    """Finds a name besides, which the package's guard takes for plain text."""

    def check(self, segment: Segment, context: Context) -> Verdict:
        place = segment.text.find("Falcon")
        if place < 0:
            return super().check(segment, context)
        return Verdict(Action.REDACT, ("a name",), (Span(place, place + 6, "name"),))


class Renamed(PiiGuard):
    """Only called something else."""

    version = "2"


@dataclass(frozen=True)
class Promising(Names):
    """Says of its own check that it depends on the text alone, and when there is nothing to find."""

    pure = True

    def plain_until(self, text: str, start: int = 0, plain: int = 0) -> int:
        del start, plain
        return -1 if "Falcon" in text else len(text)


@pytest.mark.parametrize(("guard", "kept"), [(PiiGuard(), True), (Renamed(), True), (Names(), False), (Promising(), True)])
def test_a_promise_is_about_the_check_that_it_came_with(guard: PiiGuard, kept: bool) -> None:
    (active,) = active_guards([guard])
    assert (active.pure, active.tells_plain) == (kept, kept)


def test_an_object_may_promise_by_itself() -> None:
    one: Any = SimpleNamespace(
        name="own", version="1", stages=frozenset({"input"}), quick=True, pure=True, check=print, plain_until=print, open_candidate=print
    )
    (active,) = active_guards([one])
    assert (active.pure, active.tells_plain) == (True, True)


@pytest.mark.parametrize("guard", [Names(), Promising()])
def test_what_a_subclass_finds_besides_is_not_shown(guard: PiiGuard) -> None:
    guards = AnswerGuards(active_guards([guard]), Context, lambda kind: f"[{kind}]")
    shown = guards.feed([TextDelta("the "), TextDelta("Falcon project"), PartEnd(0)])
    assert "".join(one.text for one in shown if isinstance(one, TextDelta)) == "the [name] project"

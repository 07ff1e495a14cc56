"""Attack: what a guard would take out is sent in pieces, so that some of it is shown before the guard has seen the rest.

Guards: saferoute/guards/answers.py::if self._whole or flow.length < flow.due: => if flow.length < flow.due:
Guards: saferoute/guards/answers.py::while reaching := [span.start for span in found if span.start < end < span.end]: => while False:
Guards: saferoute/guards/answers.py::case ToolCallDelta() if self._judges_calls: => case ToolCallDelta() if False:
Guards: saferoute/guards/answers.py::event = PartEnd(event.index)  # the state of a thought holds its words
Guards: saferoute/guards/whole_answers.py::numbers = {name: value for name, value in event.metadata.items() if value is None or isinstance(value, bool | int | float)} => numbers = event.metadata
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.call.guarding import mark_of
from saferoute.errors import GuardBlocked
from saferoute.guards import Action, Context
from saferoute.guards.answers import LONGEST_HELD, AnswerGuards
from saferoute.guards.function import active_guards
from saferoute.guards.redacting import redacted
from saferoute.values.events import Completed, DecodedEvent, PartEnd, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.messages import OpaqueState, ToolCall
from saferoute.values.usage import Usage
from tests.support.guarded import Saying, Stopping, Words, pieces_of

END = Completed("stop", "stop", Usage(), {"citations": ["the falcon"]})
MARK = "[redacted: word]"


def judging(*guards: Saying) -> AnswerGuards:
    return AnswerGuards(active_guards(guards), Context, mark_of)


def shown_of(guards: AnswerGuards, pieces: list[str]) -> str:
    """Everything that is shown, piece by piece."""
    events = [event for piece in pieces for event in guards.feed([TextDelta(piece)])]
    events += guards.feed([PartEnd(0), END])
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@given(
    text=st.text("abc ", max_size=30),
    words=st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=2),
    others=st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=2),
    cuts=st.lists(st.integers(0, 40), max_size=10),
)
def test_no_piece_of_any_find_of_two_guards_is_shown_however_a_text_is_cut(
    text: str, words: list[str], others: list[str], cuts: list[int]
) -> None:
    one, two = Words(*words), Words(*others, name="others")
    expected = redacted(text, [*one.places(text), *two.places(text)], mark_of)
    assert shown_of(judging(one, two), pieces_of(text, cuts)) == expected


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_find_that_another_guards_candidate_begins_in_is_not_cut_in_two(cut: int) -> None:
    guards = judging(Words("falcon"), Words("continent", name="other"))
    text = "a falcon!"
    assert shown_of(guards, [text[:cut], text[cut:]]) == f"a {MARK}!"


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_guard_that_cannot_stream_sees_the_text_before_anybody_else(cut: int) -> None:
    text = "a falcon"
    assert shown_of(judging(Stopping("falcon")), [text[:cut], text[cut:]]) == f"a {MARK}"


def test_a_find_longer_than_what_may_be_held_does_not_get_out_behind_its_mark() -> None:
    word = "<" + "k" * (LONGEST_HELD + 5_000) + ">"
    shown = shown_of(judging(Words(word)), pieces_of(f"key {word} end", range(0, 25_000, 700)))
    assert shown == f"key [redacted: unfinished]{MARK} end"


def test_no_piece_of_a_call_is_shown_before_the_call_is_judged() -> None:
    guards = judging(Saying(quick=True, stages=["tool_call"]), Words("falcon", action=Action.BLOCK, stages=["tool_call"]))
    assert guards.feed([ToolCallDelta(0, "c", "look", '{"q":"falcon"')]) == []
    with pytest.raises(GuardBlocked):
        guards.feed([ToolCallReady(0, ToolCall("c", "look", '{"q":"falcon"}'))])


def test_nothing_of_it_stands_in_the_state_of_a_thought_or_in_what_the_provider_says_besides() -> None:
    state = OpaqueState("demo", "openai_chat", "m", '{"thinking":"the falcon"}')
    events: list[DecodedEvent] = judging(Words("falcon")).feed([ReasoningDelta("the falcon"), PartEnd(0, state), END])
    assert events[:2] == [ReasoningDelta(f"the {MARK}"), PartEnd(0)]
    assert isinstance(events[2], Completed)
    assert dict(events[2].metadata) == {}

r"""Attack: what guards take out goes around them, in a text that reaches somebody and that no guard was asked about.

A key is written `\u0041KIA...` in the arguments of a tool call, which every tool reads as the key; it stands in the title, the words or the
address of a source, beside the answer; or it leaves in the name of a file or among the words at which an answer is to end.

Guards: saferoute/guards/call_arguments.py::return _ESCAPED.sub(_plain, arguments) if "\\" in arguments else arguments => return arguments
Guards: saferoute/guards/call_arguments.py::return found[0] if letter in _KEPT else before + letter => return before + letter
Guards: saferoute/guards/answers.py::citation = self._judged_citation(event.citation, f"/content/{event.index}") => citation = event.citation
Guards: saferoute/guards/answers.py::return self._with_judged_citations(part, path) if isinstance(part, Text) and part.citations else part => return part
Guards: saferoute/guards/cited.py::new["url"] = None => pass
Guards: saferoute/guards/whole_answers.py::yield replace(event, citation=with_citation_texts(event.citation, new)) if new else event => yield event
Guards: saferoute/guards/segments.py::yield _developer(words, f"/stop/{number}") => pass
Guards: saferoute/guards/segments.py::yield Placed(Segment(called, role, origin, trusted, f"{place}/filename"), stage, replaceable=False) => pass
Guards: saferoute/guards/segments.py::segment = Segment(called, "tool", "tool", path=f"{place}/content/{inner}/filename", name=part.call_id) => continue
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.call.guarding import mark_of
from saferoute.errors import GuardBlocked
from saferoute.guards import Action, Context, SecretsGuard
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.call_arguments import plainly_written
from saferoute.guards.function import active_guards
from saferoute.guards.segments import segments_of
from saferoute.guards.whole_answers import answer_places, with_answer_texts
from saferoute.values.events import Alternative, Cited, Completed, DecodedEvent, PartEnd, TextDelta, ToolCallReady
from saferoute.values.messages import Citation, File, Message, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest
from saferoute.values.usage import Usage
from tests.support.both import KINDS
from tests.support.counting_server import CountingServer, says
from tests.support.guarded import Stopping, Words
from tests.support.guarded_calls import guarded

KEY = "AKIA" + "QZ7LMR3KX5TWN2PB"
ESCAPED = "".join(f"\\u{ord(one):04x}" for one in KEY)
MARK = "[redacted: word]"


def judging(*guards: Any) -> AnswerGuards:
    return AnswerGuards(active_guards(guards), Context, mark_of)


# ------------------------------------------------------------------------------------------------------------------ escaped


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (r'{"q":"\u0041\u004bIA"}', '{"q":"AKIA"}'),
        (r'{"q":"a\\u0041"}', r'{"q":"a\\u0041"}'),  # a backslash, and then letters
        (r'{"q":"a\\\u0041"}', r'{"q":"a\\A"}'),
        (r'{"q":"\u0022\u005c\u007f\u000a\u00e4\n"}', r'{"q":"\u0022\u005c\u007f\u000a\u00e4\n"}'),
        (r'{"q":"https:\/\/a.example\/"}', '{"q":"https://a.example/"}'),
        (r'{"q":"\u004', r'{"q":"\u004'),
        ("{}", "{}"),
    ],
)
def test_what_is_escaped_without_need_is_written_plainly(written: str, plain: str) -> None:
    assert plainly_written(written) == plain


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["\\", "\\\\", '"', "/", "a", "A", "é", "\n", "u0041", "\x7f", "\u2028"]), max_size=12).map("".join), st.data()
)
def test_it_is_the_same_json(text: str, data: st.DataObject) -> None:
    letters = [f"\\u{ord(one):04x}" if data.draw(st.booleans()) else json.dumps(one, ensure_ascii=False)[1:-1] for one in text]
    written = f'{{"q":"{"".join(letters)}","q":1}}'
    read = partial(json.loads, object_pairs_hook=list)  # nor is what it says twice
    assert read(plainly_written(written)) == read(written)


def test_a_long_run_of_backslashes_costs_time_in_proportion() -> None:
    assert len(plainly_written("\\" * 1_000_001 + "u0041")) == 1_000_001


def test_an_escaped_key_reaches_no_tool() -> None:
    call = ToolCall("c", "look", f'{{"q":"{ESCAPED}"}}')
    *_, shown = judging(SecretsGuard()).feed([ToolCallReady(0, call)])
    assert isinstance(shown, ToolCallReady)
    assert json.loads(shown.call.arguments) == {"q": "[redacted: secret.aws-key-id]"}
    other = Alternative(Message("assistant", (call,)), "stop", "stop")
    places = answer_places([ToolCallReady(0, call), Completed("stop", "stop", Usage(), alternatives=(other,))])
    assert [KEY in one.segment.text for one in places] == [True, True]


def test_what_holds_no_find_arrives_as_it_was_written() -> None:
    call = ToolCall("c", "look", r'{"q":"\u0041 \/"}')
    assert judging(SecretsGuard()).feed([ToolCallReady(0, call)]) == [ToolCallReady(0, call)]


def test_an_escaped_key_of_an_earlier_call_does_not_leave() -> None:
    request = ChatRequest((Message("assistant", (ToolCall("c", "look", f'{{"q":"{ESCAPED}"}}'),)),))
    assert [one.segment.text for one in segments_of(request)] == [f'{{"q":"{KEY}"}}']


# ------------------------------------------------------------------------------------------------------------------ citations

CITATION = Citation(0, 5, title="a falcon", url="https://falcon.example", source="doc falcon", quote="the falcon flies")
CLEAN = Citation(0, 5, title=f"a {MARK}", url=None, source=f"doc {MARK}", quote=f"the {MARK} flies")
HARMLESS = Citation(0, 5, title="a bird")
EVENTS: list[DecodedEvent] = [TextDelta("hello"), Cited(0, CITATION), Cited(0, HARMLESS), PartEnd(0)]


@pytest.mark.parametrize("events", [EVENTS, EVENTS[1:]])
def test_the_words_of_a_source_are_judged(events: list[DecodedEvent]) -> None:
    guards = judging(Words("falcon"))
    shown = [event.citation for event in guards.feed(events) if isinstance(event, Cited)]
    assert shown == [CLEAN, HARMLESS]
    assert {one.path for one in guards.verdicts} == {f"/content/0/citations/{name}" for name in ("title", "quote", "source", "url")}
    (end,) = guards.feed([Completed("stop", "stop", Usage(), {"annotations": ["a falcon"], "seconds": 1})])
    assert isinstance(end, Completed)
    assert end.metadata == {"seconds": 1}


def test_an_address_in_which_nothing_was_found_stays() -> None:
    shown = judging(Words("falcon")).feed([Cited(0, Citation(title="falcon", url="https://a.example"))])
    assert shown == [Cited(0, Citation(title=MARK, url="https://a.example"))]


def test_a_source_that_is_blocked_ends_the_answer() -> None:
    with pytest.raises(GuardBlocked):
        judging(Words("falcon", action=Action.BLOCK)).feed(EVENTS)


def test_the_words_of_a_source_of_another_answer_are_judged() -> None:
    guards = judging(Words("falcon"))
    other = Alternative(Message("assistant", (Text("hello", (CITATION,)), Text("hello"))), "stop", "stop")
    (end,) = guards.feed([Completed("stop", "stop", Usage(), alternatives=(other,))])
    assert isinstance(end, Completed)
    assert end.alternatives[0].message.content == (Text("hello", (CLEAN,)), Text("hello"))


def test_guards_that_take_their_time_see_the_words_of_a_source() -> None:
    words = Stopping("falcon")
    found = {one.segment.path: one.segment.text for one in answer_places(EVENTS) if words.places(one.segment.text)}
    assert len(found) == 4
    shown = with_answer_texts(EVENTS, {path: text.replace("falcon", MARK) for path, text in found.items()})
    assert shown == [TextDelta("hello"), Cited(0, CLEAN), Cited(0, HARMLESS), PartEnd(0)]


# ------------------------------------------------------------------------------------------------------------------ names, ends


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["file", "result", "stop"])
def test_a_key_in_a_name_does_not_leave(kind: str, way: str) -> None:
    named = File(b"a,b", media_type="text/csv", filename=f"{KEY}.csv")
    messages: list[Any] = [Message("user", (Text("hi"),))]
    if way == "file":
        messages = [Message("user", (Text("hi"), named))]
    elif way == "result":
        messages += [Message("assistant", (ToolCall("c", "look", "{}"),)), Message("tool", (ToolResult("c", (named,)),))]
    with CountingServer(says("ok")) as server, guarded(kind, server) as face:
        with pytest.raises(GuardBlocked, match="aws-key-id"):
            face.chat("here/m", messages, **({"stop": [KEY]} if way == "stop" else {}))
        assert server.count == 0

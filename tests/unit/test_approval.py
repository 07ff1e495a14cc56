"""What the check of prompt integrity lets pass and what it stops, place by place; whole bodies are in tests/properties/test_integrity.py."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.errors import GuardBlocked
from saferoute.guards.approval import INTEGRITY, approved, check_integrity
from saferoute.guards.approval_walk import texts_of
from saferoute.values.guarding import Action
from saferoute.values.json_exact import decode_exact
from saferoute.values.messages import Audio, File, Image, Message, OpaqueState, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest, OutputSchema
from saferoute.values.tools import Tool

Found = tuple[str, str, str]
U, A, S, R, C, T = "user", "assistant", "system", "tool_result", "tool_call", "reasoning"
N, D, J = "tool_name", "tool_description", "tool_schema"
OBJECT = '{"type":"object"}'
LOOK, ACT = Tool("look", "Looks.", OBJECT.encode()), Tool("act", "", b"{}")


def said(role: Any, *parts: str | Part, name: str | None = None) -> Message:
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts), name)


def asks(*messages: Message, **options: Any) -> ChatRequest:
    return ChatRequest(messages, **options)


def called(id_: str, name: str = "look", arguments: str = "{}", state: OpaqueState | None = None) -> ToolCall:
    return ToolCall(id_, name, arguments, state)


def gives(id_: str, *texts: Any) -> ToolResult:
    return ToolResult(id_, tuple(Text(text) if isinstance(text, str) else text for text in texts))


def text_file(text: str, name: str | None = None, kind: str = "text/plain") -> File:
    return File(text.encode(), media_type=kind, filename=name)


def state(payload: str) -> OpaqueState:
    return OpaqueState("p", "d", "m", payload)


def found(*texts: tuple[str, str] | Found) -> list[Found]:
    """Kind and text, or kind, path and text."""
    return [(one[0], f"/{number}", one[1]) if len(one) == 2 else one for number, one in enumerate(texts)]


TALK = asks(said("system", "s"), said("user", "u1"), said("assistant", "a1"), said("user", "u2"))
TOOLS = (
    said("user", "u"),
    said("assistant", "a", called("1", "look", '{"a": 1}'), called("2", "act")),
    said("tool", gives("2", "r2"), gives("1", "r1", "r1b")),
)
CALLS = ((C, "look"), (C, '{"a": 1}'), (C, "act"), (C, "{}"))
THOUGHT = Reasoning("deep", state('{"thinking":"deep","found":{"x":"y"}}'))
OFFERS = ((N, "look"), (D, "Looks."), (J, OBJECT), (N, "act"), (J, "{}"))
OUTPUT = OutputSchema("city", b'{"n": 1.0}', strict=True)
OPTIONS = {
    "p": {
        "documents": [{"data": {"title": "t", "text": "d"}}],
        "tools": [{"type": "x_1"}],
        "text": {"format": {"name": "o"}},
        "user": "who",
    }
}

PASSES: dict[str, tuple[ChatRequest, list[Found]]] = {
    "nothing": (asks(), []),
    "in order": (TALK, found((S, "s"), (U, "u1"), (A, "a1"), (U, "u2"))),
    "the system behind": (TALK, found((U, "u1"), (A, "a1"), (U, "u2"), (S, "s"))),
    "empty texts anywhere": (TALK, found((S, "s"), (U, "u1"), (U, ""), (A, "a1"), (A, ""), (U, "u2"), (R, ""))),
    "blank texts left out": (asks(said("user", "u", " ", "\n"), said("assistant", " ")), found((U, "u"))),
    "blank texts said": (asks(said("user", "u", " ", "\n"), said("assistant", " ")), found((U, "u"), (U, " "), (U, "\n"), (A, " "))),
    "blank texts joined": (asks(said("user", " ", "\n")), found((U, " \n\n"))),
    "an empty text of another turn than the one left out": (
        asks(said("assistant", "a", ""), said("user", "u"), said("assistant", "b")), found((A, "a"), (U, "u"), (A, ""), (A, "b")),
    ),
    "joined by nothing": (asks(said("user", "a", "b", "")), found((U, "ab"))),
    "joined by line ends": (asks(said("user", "a", "", "b")), found((U, "a\n\nb"))),
    "texts before documents": (asks(said("user", text_file("d"), "a", "b")), found((U, "ab"), (U, "d"))),
    "refusals before texts": (asks(said("assistant", "a", Refusal("no"), "b", Refusal("!"))), found((A, "no!"), (A, "a"), (A, "b"))),
    "refusals in place": (asks(said("assistant", "a", Refusal("no"))), found((A, "a"), (A, "no"))),
    "calls": (asks(*TOOLS), found((U, "u"), (A, "a"), *CALLS, (R, "r2"), (R, "r1"), (R, "r1b"))),
    "results in the order of the calls": (asks(*TOOLS), found((U, "u"), (A, "a"), *CALLS, (R, "r1r1b"), (R, "r2"))),
    "results with their tools": (
        asks(*TOOLS), found((U, "u"), (A, "a"), *CALLS, (R, "/name", "act"), (R, "r2"), (R, "/name", "look"), (R, "r1r1b")),
    ),
    "tools of results as of calls": (
        asks(*TOOLS), found((U, "u"), (A, "a"), *CALLS, (R, "r2"), (C, "/tool_name", "act"), (R, "r1r1b"), (C, "/tool_name", "look")),
    ),
    "arguments as a value": (asks(said("assistant", called("1", "x", ' {"a": 1e2} '))), found((C, "x"), (C, '{"a":100.0}'))),
    "arguments with a key twice": (asks(said("assistant", called("1", "x", '{"a":1,"a":2}'))), found((C, "x"), (C, '[NaN,["a",1],["a",2]]'))),
    "arguments of which the last count": (asks(said("assistant", called("1", "x", '{"a":1,"a":2}'))), found((C, "x"), (C, '{"a":2}'))),
    "arguments that are none": (asks(said("assistant", called("1", "x", "{a"))), found((C, "x"), (C, "{a"))),
    "no arguments as an object": (asks(said("assistant", called("1", "x", " "))), found((C, "x"), (C, "{}"))),
    "no arguments as they are": (asks(said("assistant", called("1", "x", " "))), found((C, "x"), (C, " "))),
    "what a call's state says": (asks(said("assistant", called("1", "x", "{}", state('{"namespace":"k"}')))), found((C, "x"), (C, "{}"), (C, "k"))),
    "a state that is no JSON": (asks(said("assistant", called("1", "x", "{}", state("{")))), found((C, "x"), (C, "{}"))),
    "a filler between results and words": (asks(*TOOLS[1:], said("user", "u")), found((A, "a"), *CALLS, (R, "r2"), (R, "r1"), (R, "r1b"), (A, "OK"), (U, "u"))),
    "a filler between results and several words": (asks(*TOOLS[1:], said("user", "u", "v")), found((A, "a"), *CALLS, (R, "r2"), (R, "r1"), (R, "r1b"), (A, "OK"), (U, "u"), (U, "v"))),
    "results among words": (asks(*TOOLS[:2], said("user", gives("2", "r2"), "u2"), said("tool", gives("1", "r1"))), found((U, "u"), (A, "a"), *CALLS, (R, "r1"), (R, "r2"), (U, "u2"))),
    "a tool's words as a user's": (asks(said("tool", "w")), found((U, "w"))),
    "a tool's words as a result": (asks(said("tool", "w")), found((R, "w"))),
    "no thoughts": (asks(said("assistant", THOUGHT, "a")), found((A, "a"))),
    "thoughts": (asks(said("assistant", THOUGHT, "a")), found((T, "deep"), (A, "a"))),
    "thoughts joined": (asks(said("assistant", Reasoning("x"), THOUGHT, Reasoning("y"), "a")), found((T, "xdeepy"), (T, ""), (A, "a"))),
    "thoughts of the second": (asks(said("assistant", Reasoning("x"), "a"), said("assistant", THOUGHT)), found((A, "a"), (T, "deep"))),
    "what a state says": (asks(said("assistant", THOUGHT, "a")), found((T, "y"), (C, '{"x":"y"}'), (R, "y"), (A, "a"))),
    "names": (asks(said("user", "u", name="bob")), found((U, "u"), (U, "/name", "bob"))),
    "no names": (asks(said("user", "u", name="bob"), said("user", text_file("d", "f.txt"))), found((U, "u"), (U, "d"))),
    "a file's name": (asks(said("user", text_file("d", "f.txt"))), found((U, "/filename", "f.txt"), (U, "d"))),
    "a file's name without its ending": (asks(said("user", text_file("d", "a__b.c.txt"))), found((U, "/name", "a--b-c"), (U, "d"))),
    "two files of one name": (asks(said("user", text_file("d", "f.md"), text_file("e", "f.md"))), found((U, "/name", "f"), (U, "d"), (U, "/name", "f 2"), (U, "e"))),
    "a name of other letters": (asks(said("user", text_file("d", "報告.pdf"))), found((U, "/name", "--"), (U, "d"))),
    "a file without name": (asks(said("user", text_file("d"), text_file("e"))), found((U, "/name", "document"), (U, "d"), (U, "/name", "file"), (U, "e"))),
    "a name that begins with a dot": (asks(said("user", text_file("d", ".x"))), found((U, "/name", "-x"), (U, "d"))),
    "a document without its mark": (asks(said("user", text_file("\ufeffd"))), found((U, "d"))),
    "documents apart": (asks(said("user", text_file("d", "f"), "u", text_file("e"))), found((U, "u"), (U, "/documents/0/data/title", "f"), (U, "/documents/0/data/text", "d"), (U, "/documents/1/data/text", "e"))),
    "documents of the options": (asks(said("user", "u"), provider_options=OPTIONS), found((U, "u"), (U, "/documents/0/data/title", "t"), (U, "/documents/0/data/text", "d"))),
    "a document that may be dropped": (asks(said("user", text_file("d"), "u"), on_unsupported="drop"), found((U, "u"))),
    "what holds no text": (asks(said("user", "u", Image(b"x", media_type="image/png"), File(b"%PDF", media_type="application/pdf"), File(b"\xff", media_type="text/plain"), File(file_id="f"), Audio(b"x", "wav"))), found((U, "u"))),
    "a picture that is text": (asks(said("user", Image(b"<svg/>", media_type="image/svg+xml"))), found((U, "<svg/>"))),
    "tools": (asks(tools=(LOOK, ACT)), found(*OFFERS)),
    "tools with the type": (asks(tools=(ACT, Tool("b", "", b'{"title": "x"}'))), found((N, "act"), (J, OBJECT), (N, "b"), (J, '{"type":"object","title":"x"}'))),
    "a schema as a value": (asks(tools=(Tool("b", "", b'{"type": "object"}'),)), found((N, "b"), (J, OBJECT))),
    "no tools: none is to be called": (asks(tools=(LOOK, ACT), tool_choice="none"), []),
    "no tools: they may be dropped": (asks(tools=(LOOK, ACT), on_unsupported="drop"), []),
    "the one tool that is to be called": (asks(tools=(LOOK, ACT), tool_choice="look"), found(*OFFERS[:3])),
    "tools of the conversation": (asks(said("assistant", called("1", "old"))), found((C, "old"), (C, "{}"), (N, "old"), (J, OBJECT))),
    "tools of the options": (asks(provider_options=OPTIONS), found((J, '{"type":"x_1"}'))),
    "a schema": (asks(output=OUTPUT), found(("schema", "city"), ("schema", '{"n": 1.0}'))),
    "a schema as a value, and its name": (asks(output=OUTPUT), found(("schema", "city"), ("schema", '{"n":1.0}'))),
    "two texts of a state before a call": (
        asks(said("assistant", Reasoning("", state('{"a":"k","b":"l"}')), called("1"))), found((C, "k"), (C, "l"), (C, "look"), (C, "{}")),
    ),
    "a schema without a name, as a value": (asks(output=OUTPUT), found(("schema", '{"n":1.0}'))),
    "no schema: it may be dropped": (asks(output=OUTPUT, on_unsupported="drop"), []),
    "a schema of the options": (asks(provider_options=OPTIONS), found(("schema", "o"))),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSES)
def test_what_a_wire_format_may_do(name: str) -> None:
    request, texts = PASSES[name]
    check_integrity(approved(request), texts)


STOPS: dict[str, tuple[ChatRequest, list[Found], str]] = {
    "a changed text": (TALK, found((S, "s"), (U, "u1!"), (A, "a1"), (U, "u2")), "/1"),
    "a further text": (TALK, found((S, "s"), (U, "u1"), (A, "a1"), (U, "u2"), (U, "x")), "/4"),
    "a text from nowhere": (asks(), found((S, "x")), "/0"),
    "a missing text": (TALK, found((S, "s"), (U, "u1"), (A, "a1")), "/1"),
    "a missing kind": (TALK, found((S, "s"), (U, "u1"), (U, "u2")), "assistant is missing"),
    "another order": (TALK, found((S, "s"), (U, "u2"), (A, "a1"), (U, "u1")), "/1"),
    "another order between kinds": (TALK, found((S, "s"), (U, "u1"), (U, "u2"), (A, "a1")), "later in the conversation at '/3'"),
    "another role": (TALK, found((S, "s"), (U, "u1"), (S, "a1"), (U, "u2")), "/2"),
    "white space from nowhere": (TALK, found((S, "s"), (U, "u1"), (A, "a1"), (U, "u2"), (U, " ")), "/4"),
    "texts of two messages joined": (TALK, found((S, "s"), (U, "u1u2"), (A, "a1")), "/1"),
    "joined by something": (asks(said("user", "a", "b")), found((U, "a b")), "/0"),
    "a filler before anybody speaks": (asks(said("user", "u"), said("assistant", "a")), found((A, "OK"), (U, "u"), (A, "a")), "/0"),
    "a filler without results": (TALK, found((S, "s"), (U, "u1"), (A, "OK"), (A, "a1"), (U, "u2")), "/2"),
    "two fillers": (asks(*TOOLS[1:], said("user", "u")), found((A, "a"), *CALLS, (R, "r2"), (R, "r1"), (R, "r1b"), (A, "OK"), (A, "OK"), (U, "u")), "/9"),
    "a filler that nobody speaks after": (asks(*TOOLS[1:]), found((A, "a"), *CALLS, (R, "r2"), (R, "r1"), (R, "r1b"), (A, "OK")), "/8"),
    "other arguments that are none": (asks(said("assistant", called("1", "x", "{a"))), found((C, "x"), (C, "{b")), "/1"),
    "what a state that is no JSON says": (asks(said("assistant", called("1", "x", "{}", state("{")))), found((C, "x"), (C, "{}"), (C, "k")), "/2"),
    "another result": (asks(*TOOLS), found((U, "u"), (A, "a"), *CALLS, (R, "r2"), (R, "x")), "/7"),
    "the results of others": (asks(*TOOLS), found((U, "u"), (A, "a"), *CALLS, (R, "r2"), (R, "r1b"), (R, "r1")), "/7"),
    "other arguments": (asks(said("assistant", called("1"))), found((C, "look"), (C, '{"a":1}')), "/1"),
    "a number of another type": (asks(said("assistant", called("1", "look", '{"a":1}'))), found((C, "look"), (C, '{"a":true}')), "/1"),
    "arguments of a call in its name": (asks(said("assistant", called("1"))), found((C, "look{}")), "/0"),
    "a tool of results too often": (asks(*TOOLS[1:]), found((A, "a"), *CALLS, (R, "r2"), (R, "r1r1b"), *((R, f"/{n}/name", "act") for n in range(2))), "/0/name"),
    "more than a state has": (asks(said("assistant", called("1", "x", "{}", state('"k"')))), found((C, "x"), (C, "{}"), (C, "k"), (C, "k"), (C, "k")), "/4"),
    "another thought": (asks(said("assistant", THOUGHT, "a")), found((T, "deeper"), (A, "a")), "/0"),
    "a thought too often": (asks(said("assistant", Reasoning("x"), "a")), found((T, "x"), (T, "x"), (A, "a")), "/1"),
    "thoughts in another order": (asks(said("assistant", Reasoning("x"), "a"), said("assistant", Reasoning("y"))), found((T, "y"), (T, "x"), (A, "a")), "/1"),
    "another name": (asks(said("user", "u", name="bob")), found((U, "u"), (U, "/name", "eve")), "/name"),
    "a name twice": (asks(said("user", "u", name="bob")), found((U, "u"), (U, "/0/name", "bob"), (U, "/1/name", "bob")), "/1/name"),
    "a name as a text": (asks(said("user", "u", name="bob")), found((U, "u"), (U, "bob")), "/1"),
    "a file's name with more behind": (asks(said("user", text_file("d", "f.md"))), found((U, "/name", "f x"), (U, "d")), "/name"),
    "a name that only looks numbered": (asks(said("user", text_file("d", "f.md"))), found((U, "/name", "f ²"), (U, "d")), "/name"),
    "the name of a file that has another": (asks(said("user", text_file("d", "x"))), found((U, "/name", "file"), (U, "d")), "/name"),
    "another document": (asks(said("user", text_file("d"), "u")), found((U, "e"), (U, "u")), "/0"),
    "no document": (asks(said("user", text_file("d"), "u")), found((U, "u")), "/0"),
    "another document apart": (asks(said("user", text_file("d"), "u")), found((U, "u"), (U, "/documents/0/data/text", "e")), "/documents/0"),
    "one document of two apart": (asks(said("user", text_file("d"), text_file("e"), "u")), found((U, "u"), (U, "/documents/0/data/text", "d")), "/documents/0"),
    "one more document apart": (asks(said("user", text_file("d"), "u")), found((U, "u"), (U, "/documents/0/data/text", "d"), (U, "/documents/1/data/text", "x")), "/documents/1"),
    "a title that nobody gave": (asks(said("user", "u"), provider_options=OPTIONS), found((U, "u"), (U, "/documents/0/data/title", "x")), "/documents/0/data/title"),
    "an option that has no such place": (asks(said("user", "u"), provider_options=OPTIONS), found((U, "u"), (U, "who")), "/1"),
    "one more tool": (asks(tools=(LOOK,)), found(*OFFERS), "/3"),
    "one tool less": (asks(tools=(LOOK, ACT)), found(*OFFERS[:3]), "a tool is missing"),
    "another description": (asks(tools=(LOOK, ACT)), found((N, "look"), (D, "Looks!"), *OFFERS[2:]), "/1"),
    "a description of another tool": (asks(tools=(LOOK, ACT)), found((N, "look"), (J, OBJECT), (N, "act"), (D, "Looks."), (J, "{}")), "/1"),
    "another schema": (asks(tools=(LOOK,)), found((N, "look"), (D, "Looks."), (J, '{"type":"object","x":1}')), "/2"),
    "a schema of another type": (asks(tools=(Tool("a", "", b'{"type":"array"}'),)), found((N, "a"), (J, '{"type":"object","type":"array"}')), "/1"),
    "another tool than is to be called": (asks(tools=(LOOK, ACT), tool_choice="look"), found(*OFFERS[3:]), "/0"),
    "a tool of the conversation with other words": (asks(said("assistant", called("1", "old"))), found((C, "old"), (C, "{}"), (N, "old"), (D, "x"), (J, OBJECT)), "/3"),
    "a tool of the options twice": (asks(provider_options=OPTIONS), found((J, '{"type":"x_1"}'), (J, '{"type":"x_1"}')), "/1"),
    "another output": (asks(output=OUTPUT), found(("schema", "city"), ("schema", '{"n":1}')), "/0"),
    "another name of the output": (asks(output=OUTPUT), found(("schema", "town"), ("schema", '{"n":1.0}')), "/0"),
    "no output": (asks(output=OUTPUT), [], "schema is missing"),
    "an output from nowhere": (asks(), found(("schema", "x")), "/0"),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPS)
def test_what_is_stopped_and_where(name: str) -> None:
    request, texts, where = STOPS[name]
    with pytest.raises(GuardBlocked, match="nothing was sent") as caught:
        check_integrity(approved(request), texts)
    assert where in str(caught.value)
    (judged,) = caught.value.verdicts
    assert (judged.guard, judged.verdict.action) == (INTEGRITY, Action.BLOCK)


OWN = ("first of ours", "second of ours")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ((), ("first of ours",)),
        ((), ("first of ours\n\nsecond of ours",)),
        (("s",), ("s",)),
        (("s",), ("s\n\nfirst of ours\n\nsecond of ours",)),
        (("s",), ("s\n\nsecond of ours",)),
        (("s",), ("s", "second of ours")),
        (("",), ("\n\nfirst of ours",)),
        (("s", "t"), ("s", "t\n\nfirst of ours")),
        (("s\n\nfirst of ours",), ("s\n\nfirst of ours",)),
        (("s\n\nfirst of ours",), ("s\n\nfirst of ours\n\nfirst of ours",)),
        (("first of ours",), ("first of ours", "first of ours")),
    ],
)
def test_our_own_instructions_may_stand_behind_the_systems(given: tuple[str, ...], sent: tuple[str, ...]) -> None:
    check_integrity(approved(asks(said("system", *given)), OWN), found(*((S, text) for text in sent)))


@pytest.mark.parametrize(
    "sent", [("second of ours\n\nfirst of ours",), ("s\n\nfirst of ours\n\nx",), ("first of ours\n\ns",), ("t\n\nfirst of ours",)]
)
def test_nothing_else_may_stand_there(sent: tuple[str, ...]) -> None:
    with pytest.raises(GuardBlocked):
        check_integrity(approved(asks(said("system", "s")), OWN), found(*((S, text) for text in sent)))


def test_our_own_instructions_are_the_systems_and_nobody_elses() -> None:
    with pytest.raises(GuardBlocked):
        check_integrity(approved(asks(said("user", "u")), OWN), found((U, "u\n\nfirst of ours")))


def test_what_is_approved_does_not_change_with_the_request() -> None:
    options: dict[str, Any] = {"p": {"tools": [{"type": "x"}]}}
    text = Text("before")
    request = asks(Message("user", (text,)), provider_options=options)
    allowed = approved(request)
    object.__setattr__(text, "text", "after")
    options["p"]["tools"].append({"type": "y"})
    check_integrity(allowed, found((U, "before"), (J, '{"type":"x"}')))
    for texts in (found((U, "after")), found((U, "before"), (J, '{"type":"y"}'))):
        with pytest.raises(GuardBlocked):
            check_integrity(allowed, texts)


def test_neither_what_is_approved_nor_the_error_shows_a_text() -> None:
    request = asks(*TOOLS, said("user", "hidden", name="hidden"), tools=(LOOK,), output=OUTPUT, tool_choice="auto")
    assert "hidden" not in repr(approved(request))
    with pytest.raises(GuardBlocked) as caught:
        check_integrity(approved(request), found((U, "/messages/0/" + "x" * 500, "planted")))
    assert "planted" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("bad", [float("nan"), object(), {"a": float("inf")}, "\ud800"])
def test_an_option_that_is_no_json_allows_nothing_and_keeps_no_other_from_it(bad: Any) -> None:
    options: dict[str, Any] = {"p": {"documents": bad, "tools": [{"type": "x"}]}, "q": {"metadata": bad}}
    allowed = approved(asks(said("user", "u"), provider_options=options))
    check_integrity(allowed, found((U, "u"), (J, '{"type":"x"}')))
    with pytest.raises(GuardBlocked):
        check_integrity(allowed, found((U, "u"), (U, "/documents/0", "NaN")))


def test_every_value_of_a_state_has_its_text_and_what_is_no_json_has_none() -> None:
    assert sorted(texts_of(decode_exact(b'{"a":[1,"b"],"c":{"d":2,"d":3}}'))) == sorted(
        ['{"a":[1,"b"],"c":[NaN,["d",2],["d",3]]}', '[1,"b"]', "1", '"b"', "b", '[NaN,["d",2],["d",3]]', "2", "3"]
    )
    around: list[object] = []
    around.append(around)
    assert texts_of([object()]) == texts_of(around) == []
    assert texts_of(("a",)) == ['["a"]', '"a"', "a"]


@pytest.mark.parametrize("text", ["OK", "a", " "])
def test_long_conversations_of_equal_texts_take_linear_time(text: str) -> None:
    count = 2_000
    turns = [message for n in range(count) for message in (said("assistant", called(str(n)), text), said("tool", gives(str(n), text)))]
    texts = [one for _ in range(count) for one in ((A, text), (C, "look"), (C, "{}"), (R, "/name", "look"), (R, text))]
    check_integrity(approved(asks(*turns)), found(*texts))

"""Prompt templates: how they are read, what values are, how both become a text, and which texts guards see."""

from __future__ import annotations

import enum
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import saferoute
from saferoute.capabilities.asked import asked_hash
from saferoute.errors import InvalidMessages, RequestError
from saferoute.guards.segments import segments_of, with_texts
from saferoute.guards.template_places import Placed, settle
from saferoute.guards.templates import LONGEST_RENDERED, rendered, with_templates
from saferoute.values.conversation import messages_from
from saferoute.values.guarding import Action, Judged, Segment, Span, Verdict
from saferoute.values.messages import Image, Message, Text, ToolResult
from saferoute.values.request import ChatRequest
from saferoute.values.signed_template import SignedTemplate, VariableType
from saferoute.values.template import Piece, Rendered, Template
from saferoute.values.template_text import LONGEST_TEMPLATE, is_variable_name, source_of, split_template, template_digest, variables_in
from saferoute.values.template_values import JsonText, fits

SUPPORT = "You help {customer}.\nPlan: {plan}; {{json}}: {facts}"


def signed(text: str, **variables: VariableType) -> SignedTemplate:
    return SignedTemplate("t", template_digest(text), variables, text)


def made(text: str, values: Mapping[str, Any], **variables: VariableType) -> str:
    return rendered(Template("t", values), signed(text, **variables)).text


# ------------------------------------------------------------------------------------------------------------- the text of a template


def test_a_template_is_words_and_names() -> None:
    assert split_template(SUPPORT) == (
        ("You help ", ""), ("", "customer"), (".\nPlan: ", ""), ("", "plan"), ("; {json}: ", ""), ("", "facts"),
    )  # fmt: skip
    assert variables_in(SUPPORT) == {"customer", "plan", "facts"}
    assert split_template("") == ()
    assert split_template("{{{x}}}") == (("{", ""), ("", "x"), ("}", ""))
    assert split_template("{a}{a}") == (("", "a"), ("", "a"))
    assert not is_variable_name(3)


@given(st.text(alphabet="{}ab \n", max_size=40))
def test_there_is_one_text_for_what_was_read(text: str) -> None:
    try:
        pairs = split_template(text)
    except ValueError:
        return
    assert source_of(pairs) == text


@given(st.lists(st.one_of(st.text(max_size=9).map(lambda words: (words, "")), st.sampled_from(["a", "b_2"]).map(lambda name: ("", name)))))
def test_any_words_can_stand_in_a_template(pairs: list[tuple[str, str]]) -> None:
    read = split_template(source_of(pairs))
    assert "".join(words or f"<{name}>" for words, name in read) == "".join(f"<{name}>" if name else words for words, name in pairs)


@pytest.mark.parametrize("text", ["{", "}", "a\n{ x}", "{x", "{X}", "{}", "{x.y}", "{x[0]}", "{x!r}", "{x:>9}", "{0}", "{{x}", "{\u0445}"])
def test_a_brace_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"in line {1 + text.count(chr(10))} that means nothing: a variable is"):
        split_template(text)


def test_templates_are_bounded() -> None:
    with pytest.raises(ValueError, match="at most 262144 are allowed"):
        split_template("x" * (LONGEST_TEMPLATE + 1))
    with pytest.raises(ValueError, match="more than 512 places"):
        split_template("{x}" * 513)


# ------------------------------------------------------------------------------------------------------------------------ the values


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Ratio(float):
    pass


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("Ada\nL.", "text", "Ada\nL."),
        ("", "text", ""),
        (Colour.RED, "line", "red"),
        ("Ada", "line", "Ada"),
        (-7, "integer", "-7"),
        (Level.HIGH, "integer", "3"),
        (1.50, "number", "1.5"),
        (2.0, "number", "2"),
        (-0.0, "number", "0"),
        (1e300, "number", "1e+300"),
        (Ratio(0.25), "number", "0.25"),
        (10**30, "number", "1" + "0" * 30),
        (True, "boolean", "true"),
        (False, "boolean", "false"),
        ({"b": [1, 2.0, None], "a": 'caf\u00e9 "{x}"'}, "json", '{"a":"caf\u00e9 \\"{x}\\"","b":[1,2,null]}'),
        ([], "json", "[]"),
        ({}, "json", "{}"),
        (("a", {"k": True}), "json", '["a",{"k":true}]'),
        ("a", "json", '"a"'),
        (None, "json", "null"),
        (3, "json", "3"),
    ],
)  # fmt: skip
def test_a_value_is_written_in_one_way(value: object, kind: VariableType, text: str) -> None:
    assert made("{x}!", {"x": value}, x=kind) == f"{text}!"
    assert fits(text, kind)


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (3, "text", "pass a str, not int"),
        (None, "text", "pass a str, not None"),
        ("a\u2028b", "line", "pass a str without line breaks, not a str with line breaks"),
        (4, "line", "pass a str without line breaks, not int"),
        ("3", "integer", "pass an int, not str"),
        (True, "integer", "pass an int, not bool"),
        (3.0, "integer", "pass an int, not float"),
        (True, "number", "pass an int or a float, not bool"),
        ([1], "number", "pass an int or a float, not a list or a mapping"),
        (1, "boolean", "pass True or False, not int"),
    ],
)
def test_a_value_of_another_type_is_refused(value: object, kind: VariableType, said: str) -> None:
    with pytest.raises(InvalidMessages, match=f"the variable 'x' is declared as {kind}: {said}$"):
        made("{x}", {"x": value}, x=kind)


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "it holds a value of type object; texts, numbers"),
        (b"x", "it holds a value of type bytes"),
        ({"a": {1, 2}}, "type set"),
        (float("nan"), "not finite"),
        ([float("inf")], "not finite"),
        (1 << 300, "more than 256 bits"),
        ([1 << 300], "more than 256 bits"),
        ({1: "a"}, "a key that is no str"),
        (endless(), "nested deeper than 32"),
        ([0] * 100_001, "more than 100000 values"),
    ],
)
def test_what_is_no_value_is_refused(value: object, said: str) -> None:
    with pytest.raises(InvalidMessages, match=f"the value of 'x' cannot stand in a template: .*{said}"):
        Template("t", {"x": value})


def test_keys_that_only_look_different_are_twice_the_same() -> None:
    class Key(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return self is other

        __hash__ = str.__hash__

    with pytest.raises(InvalidMessages, match="twice the same"):
        Template("t", {"x": {Key("a"): 1, Key("a"): 2}})


@pytest.mark.parametrize(
    ("text", "kind", "fitting"),
    [("a\nb", "line", False), ("a", "line", True), ("03", "integer", False), ("-1", "integer", True), ("1.", "number", False),
     ("1e-07", "number", True), ("True", "boolean", False), ("anything", "text", True), ("anything", "json", True)],
)  # fmt: skip
def test_what_can_have_come_from_a_type(text: str, kind: VariableType, fitting: bool) -> None:
    assert fits(text, kind) is fitting


# ---------------------------------------------------------------------------------------------------------------------- the Template


def test_a_template_shows_names_and_no_values() -> None:
    template = Template("support-v3", {"plan": "secret-1", "customer": "secret-2", "facts": ["secret-3"]}, text="secret-4 {x}")
    shown = repr(template) + repr(template.given[1][1]) + repr(Piece("secret", "x")) + repr(Text("", template=template))
    assert repr(template) == "Template('support-v3', customer, facts, plan)"
    assert "secret" not in shown
    assert repr(Piece("abc")) == "Piece(words, 3 chars)"


def test_a_template_is_a_value() -> None:
    facts: dict[str, Any] = {"b": [1], "a": 2}
    template = Template("t", {"x": facts}, text="{x}", retrieved={"x"})
    facts["b"].append(9)
    assert template.given == (("x", JsonText('{"a":2,"b":[1]}')),)
    assert template == pickle.loads(pickle.dumps(template))
    assert len({template, Template("t", {"x": {"a": 2.0, "b": (1,)}}, text="{x}", retrieved=["x"])}) == 1
    assert (Template("t").given, Template("t", {}).retrieved) == ((), ())
    assert saferoute.Template is Template


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Template(3), "a value of type int is none"),  # type: ignore[arg-type]
        (lambda: Template(""), "'' is none"),
        (lambda: Template("t", ["x"]), "takes a mapping of at most 64 values"),  # type: ignore[arg-type]
        (lambda: Template("t", {f"x{n}": 1 for n in range(65)}), "mapping of at most 64 values"),
        (lambda: Template("t", {"X": 1}), "a variable's name has lower case letters a to z, digits and _ .*'X' is none"),
        (lambda: Template("t", {1: 1}), "; a value of type int is none"),  # type: ignore[dict-item]
        (lambda: Template("t", text=b"x"), "takes a str of at most"),  # type: ignore[arg-type]
        (lambda: Template("t", text="x" * (LONGEST_TEMPLATE + 1)), "takes a str of at most 262144 characters"),
        (lambda: Template("t", {"x": "a"}, retrieved="x"), "takes a set of names out of its values: x"),
        (lambda: Template("t", retrieved=3), "takes a set of names out of its values: it has none"),  # type: ignore[arg-type]
        (lambda: Template("t", {"x": "a"}, retrieved=["y"]), "a set of names out of its values: x"),
        (lambda: Template("t", {"x": "a"}, retrieved=[3]), "takes a set of names"),  # type: ignore[list-item]
    ],
)
def test_what_is_no_template_is_refused(make: Any, said: str) -> None:
    with pytest.raises(InvalidMessages, match=said):
        make()


# ------------------------------------------------------------------------------------------------------------------------- rendering


TABLE = {
    "support-v3": SignedTemplate(
        "support-v3", template_digest(SUPPORT), {"customer": "line", "plan": "line", "facts": "json"}, SUPPORT
    ),
    "brought": SignedTemplate("brought", template_digest("Say {what}"), {"what": "text"}),
}  # fmt: skip
VALUES = {"customer": "Ada", "plan": "gold", "facts": {"since": 2021}}
WRITTEN = 'You help Ada.\nPlan: gold; {json}: {"since":2021}'


def asked(*messages: Any, system: Any = None) -> ChatRequest:
    return with_templates(ChatRequest(messages_from(list(messages), system=system, templates=True)), TABLE)


def test_a_template_stands_wherever_a_text_of_system_or_user_can() -> None:
    template, picture = Template("support-v3", VALUES), Image(b"\x89PNG\r\n\x1a\n")
    request = asked(template, {"role": "user", "content": ["see", template, picture]}, system=template)
    assert [message.role for message in request.messages] == ["system", "user", "user"]
    assert [message.text for message in request.messages] == [WRITTEN, WRITTEN, "see" + WRITTEN]
    assert asked({"role": "developer", "content": template}).messages[0] == request.messages[0]
    alone = messages_from(template, templates=True)
    assert alone == (Message("user", (Text("", template=template),)),)


def test_the_text_can_be_brought() -> None:
    request = asked(Template("brought", {"what": "hi {x}"}, text="Say {what}"))
    assert request.messages[0].text == "Say hi {x}"
    part = request.messages[0].content[0]
    assert isinstance(part, Text)
    assert isinstance(part.template, Rendered)
    assert (part.template.name, part.template.source) == ("brought", "Say {what}")
    assert template_digest(part.template.source) == part.template.sha256 == TABLE["brought"].sha256


def test_an_earlier_turn_stays_as_it_was_written_out() -> None:
    first = asked("hello", system=Template("support-v3", VALUES))
    again = with_templates(ChatRequest(messages_from([*first.messages, Message("assistant", (Text("yes"),)), "and?"])), {})
    assert again.messages[0] == first.messages[0]
    plain = ChatRequest(messages_from("hello"))
    assert with_templates(plain, TABLE) is plain


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (Template("nobody", {}), "the routing table has no template 'nobody'; its templates are brought, support-v3"),
        (Template("support-v3", {"customer": "Ada"}), "'support-v3' lack facts, plan; its variables are customer, facts, plan"),
        (Template("support-v3", {**VALUES, "extra": 1}), "'support-v3' hold too many: extra; its variables"),
        (Template("support-v3", {"customer": "Ada", "extra": 1, "plan": ""}), "lack facts and hold too many: extra"),
        (Template("support-v3", {**VALUES, "customer": 3}), "the variable 'customer' is declared as line"),
        (Template("brought", {"what": "x"}), "has the digest of the template 'brought' and not its text: pass Template"),
        (Template("brought", {"what": "x"}, text="Say {what} "), "is not the one that was signed: its SHA-256 begins with"),
        (Template("brought", {"what": "x"}, text="\ud800"), "begins with no UTF-8, "),
        (Template("brought", {"what": "\ud800"}, text="Say {what}"), "half a surrogate pair, which no provider"),
    ],
)
def test_what_cannot_be_written_out_is_refused(template: Template, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        asked(template)


def test_a_table_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(InvalidMessages, match="uses x and declares x, y: whoever signs the table has to mend it"):
        made("{x}", {"x": "a", "y": "b"}, x="text", y="text")
    with pytest.raises(InvalidMessages, match=r"the table's template 't' cannot be used: .*in line 1 that means nothing"):
        made("{x", {}, x="text")
    with pytest.raises(InvalidMessages, match=r"lack x00, .*x19 and 5 more"):
        names: dict[str, VariableType] = {f"x{n:02}": "text" for n in range(25)}
        made("".join(f"{{{name}}}" for name in names), {}, **names)
    with pytest.raises(InvalidMessages, match="no template 't'; it has none"):
        with_templates(ChatRequest(messages_from(Template("t"), templates=True)), {})
    with pytest.raises(InvalidMessages, match="with these values is an empty text"):
        with_templates(ChatRequest(messages_from(Template("t", {"x": ""}), templates=True)), {"t": signed("{x}", x="text")})


def test_the_whole_is_bounded_before_it_is_made() -> None:
    half = "x" * (LONGEST_RENDERED // 2)
    assert len(made("{x}{x}", {"x": half}, x="text")) == LONGEST_RENDERED
    with pytest.raises(InvalidMessages, match="has 2000001 characters, and at most 2000000"):
        made("{x}{x}!", {"x": half}, x="text")


def test_where_no_template_may_stand() -> None:
    template = Template("support-v3", VALUES)
    with pytest.raises(InvalidMessages, match=r"messages\[0\] is a template, and templates are for chats"):
        messages_from(template)
    with pytest.raises(InvalidMessages, match=r"messages\[1\].content\[0\] is a template, and stands in what role 'assistant' says"):
        asked("hi", {"role": "assistant", "content": template})
    with pytest.raises(InvalidMessages, match="system must be a non-empty str, or a Template"):
        messages_from("hi", system=3, templates=True)  # type: ignore[arg-type]
    changed = Text("You help nobody.", template=rendered(template, TABLE["support-v3"]))
    with pytest.raises(InvalidMessages, match=r"messages\[0\].content\[0\] was written out of the template 'support-v3' and then changed"):
        asked(Message("user", (changed,)))


def test_the_asked_hash_binds_name_values_and_text_as_they_were_given() -> None:
    def hashed(template: Template | str) -> str:
        return asked_hash("chat", "fast", ChatRequest(messages_from(template, templates=True)))

    different: list[Template | str] = [
        WRITTEN, Template("support-v3", VALUES), Template("support-v4", VALUES), Template("support-v3", {**VALUES, "plan": "free"}),
        Template("support-v3", VALUES, text=SUPPORT), Template("support-v3", VALUES, retrieved={"plan"}),
    ]  # fmt: skip
    assert len({hashed(one) for one in different}) == len(different)
    assert hashed(Template("support-v3", dict(reversed(VALUES.items())))) == hashed(different[1])


# ---------------------------------------------------------------------------------------------------------------- what guards see


def told(places: tuple[Placed, ...]) -> list[tuple[str, str, str, bool, str, bool]]:
    return [
        (one.segment.path.removeprefix("/messages/0/content/0"), one.segment.text, one.segment.origin, one.segment.trusted, one.stage, one.replaceable)
        for one in places
    ]  # fmt: skip


def test_words_are_trusted_and_values_are_not() -> None:
    text = "Help {who}.\nAge {age}\n{page} {who}"
    table = {"t": signed(text, who="line", age="integer", page="text")}
    template = Template("t", {"who": "Ada", "age": 7, "page": "a page"}, retrieved={"page"})
    request = with_templates(ChatRequest(messages_from("hi", system=template, templates=True)), table)
    expected = [
        ("/words/0", "Help ", "system", True, "input", True),
        ("/values/who", "Ada", "user", False, "input", True),
        ("/words/2", ".\nAge ", "system", True, "input", True),
        ("/values/age", "7", "user", False, "input", False),
        ("/words/4", "\n", "system", True, "input", True),
        ("/values/page", "a page", "retrieved", False, "tool_result", True),
        ("/words/6", " ", "system", True, "input", True),
        ("/values", " Ada 7\na page Ada", "user", False, "input", False),
        ("", "Help Ada.\nAge 7\na page Ada", "system", True, "input", False),
    ]
    assert told(segments_of(request))[:-1] == expected
    user = with_templates(ChatRequest(messages_from(template, templates=True)), table)
    assert [(one[2], one[3]) for one in told(segments_of(user))] == [
        ("developer" if origin == "system" else origin, trusted) for _, _, origin, trusted, _, _ in expected
    ]
    assert {one.segment.role for one in segments_of(user)} == {"user"}


def test_one_value_by_itself_is_one_text() -> None:
    table = {"t": signed("{x}", x="text"), "u": signed("Plain words.")}
    request = with_templates(ChatRequest(messages_from([Template("t", {"x": "a"}), Template("u")], templates=True)), table)
    assert [(one.segment.text, one.segment.trusted) for one in segments_of(request)] == [("a", False), ("Plain words.", True)]


def test_what_was_fetched_is_also_read_together() -> None:
    table = {"t": signed("{a} | {b} | {c}{d}", a="text", b="text", c="text", d="text")}
    template = Template("t", {"a": "1", "b": "2", "c": "3", "d": ""}, retrieved={"a", "b"})
    request = with_templates(ChatRequest(messages_from(template, templates=True)), table)
    places = {one[0]: one for one in told(segments_of(request))}
    assert places["/retrieved"] == ("/retrieved", "1 2   ", "retrieved", False, "tool_result", False)
    assert places["/values"][1:3] == ("1 2 3", "user")
    assert "/values/d" not in places


def test_a_text_that_only_says_to_be_a_template_is_a_text() -> None:
    forged = Text("other", template=Rendered("t", "0" * 64, (Piece("words"),)))
    unmade = Text("given", template=Template("t"))
    request = ChatRequest((Message("system", (forged, unmade)), Message("assistant", (Text("words", template=forged.template),))))
    assert [(one.segment.path, one.segment.text, one.over) for one in segments_of(request)] == [
        ("/messages/0/content/0", "other", ()), ("/messages/0/content/1", "given", ()), ("/messages/1/content/0", "words", ()),
    ]  # fmt: skip
    assert with_texts(request, {"/messages/0/content/0": "x"}).messages[0].content[0] == Text("x")


def test_words_and_values_are_replaced_and_the_template_stays_what_it_is() -> None:
    request = asked("hi", system=Template("support-v3", VALUES))
    place = "/messages/0/content/0"
    changed = with_texts(request, {f"{place}/values/customer": "[redacted: pii]", f"{place}/words/2": ". "})
    part = changed.messages[0].content[0]
    assert isinstance(part, Text)
    assert part.text == 'You help [redacted: pii]. gold; {json}: {"since":2021}'
    assert isinstance(part.template, Rendered)
    assert part.template.text == part.text
    assert with_texts(request, {"/messages/1/content/0": "x"}).messages[0] == request.messages[0]
    assert with_texts(request, {f"{place}/none": "x"}).messages == request.messages


def found(action: Action, *spans: tuple[int, int], path: str = "/messages/0/content/0", score: float | None = None) -> Judged:
    made_spans = tuple(Span(start, end, "pii.email", path, "0" * 8) for start, end in spans)
    return Judged("pii", "1", "input", path, Verdict(action, ("pii.email: 1",), made_spans, score))


def settled(request: ChatRequest, **at: Judged) -> dict[str, list[Judged]]:
    places = segments_of(request)
    said: list[list[Judged]] = [[] for _ in places]
    by_path = {one.segment.path.removeprefix("/messages/0/content/0"): said[number] for number, one in enumerate(places)}
    for name, one in at.items():
        by_path[{"whole": "", "values": "/values", "customer": "/values/customer"}[name]].append(one)
    settle(places, said)
    once = [list(one) for one in said]
    settle(places, said)
    assert said == once
    return {path: one for path, one in by_path.items() if one}


def test_a_find_in_the_whole_is_told_where_it_stands() -> None:
    request = asked(Template("support-v3", VALUES))
    at = WRITTEN.index
    one = settled(request, whole=found(Action.REDACT, (at("Ada"), at("Ada") + 3)))
    assert one == {"/values/customer": [found(Action.REDACT, (0, 3), path="/messages/0/content/0/values/customer")]}
    over = settled(request, whole=found(Action.REDACT, (at("Ada") + 1, at("gold") + 2), (4, 5)))
    assert {
        path: [(span.start, span.end, span.path[-8:]) for one in said for span in one.verdict.spans] for path, said in over.items()
    } == {
        "/words/0": [(4, 5, "/words/0")],
        "/values/customer": [(1, 3, "customer")],
        "/words/2": [(0, 8, "/words/2")],
        "/values/plan": [(0, 2, "ues/plan")],
    }


def test_what_is_found_twice_is_told_once() -> None:
    request = asked(Template("support-v3", VALUES))
    here = found(Action.FLAG, (0, 3), path="/messages/0/content/0/values/customer")
    at = WRITTEN.index("Ada")
    assert settled(request, customer=here, whole=found(Action.FLAG, (at, at + 3)), values=found(Action.FLAG, (1, 4))) == {
        "/values/customer": [here]
    }
    more = found(Action.FLAG, (at, at + 3), (at + 1, at + 2))
    assert len(settled(request, customer=here, whole=more)["/values/customer"]) == 2
    louder = found(Action.REDACT, (at, at + 3))
    assert [one.verdict.action for one in settled(request, customer=here, whole=louder)["/values/customer"]] == [Action.FLAG, Action.REDACT]


def test_what_points_at_nothing_stays() -> None:
    request = asked(Template("support-v3", VALUES))
    kept = [found(Action.BLOCK, (0, 3)), found(Action.FLAG), found(Action.ALLOW)]
    assert [settled(request, whole=one) for one in kept] == [{"": [one]} for one in kept]
    between = found(Action.REDACT, (0, 1), path="/messages/0/content/0/values")  # the space for the template's words
    assert settled(request, values=between) == {"/values": [between]}
    last = len(WRITTEN)
    both = settled(request, whole=found(Action.FLAG, (last - 1, last)), values=found(Action.FLAG, (4, 5), (5, 6)))
    assert {path: [(span.start, span.end) for one in said for span in one.verdict.spans] for path, said in both.items()} == {
        "/values/plan": [(0, 1)],
        "/values/facts": [(13, 14)],
    }


def test_without_a_template_nothing_is_settled() -> None:
    places, said = (Placed(Segment("x", path="/a"), "input", replaceable=True),), [[found(Action.FLAG, (0, 1), path="/a")]]
    before = [list(one) for one in said]
    settle(places, said)
    assert said == before


def test_a_template_in_a_tools_result_is_a_text() -> None:
    result = ToolResult("c", (Text("given", template=Template("t")),))
    assert [one.segment.text for one in segments_of(ChatRequest((Message("tool", (result,)),)))] == ["given"]

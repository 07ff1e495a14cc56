"""What is asked, compared and said: cases in which a small change of the code would let something else pass, or tell it otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.call.guarding import mark_of
from saferoute.errors import GuardBlocked
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.approval import approved, check_integrity
from saferoute.guards.function import active_guards
from saferoute.guards.placeholders import Restorer
from saferoute.guards.secret_blocks import open_block
from saferoute.guards.size import check_length
from saferoute.guards.template_places import template_places
from saferoute.guards.templates import rendered
from saferoute.guards.tool_policy_arguments import read_arguments
from saferoute.guards.unicode import UnicodeGuard
from saferoute.guards.views import views_of
from saferoute.values.events import Alternative, Completed
from saferoute.values.guarding import ALLOWED, Action, Context, Judged, Segment, Verdict
from saferoute.values.messages import File, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest, OutputSchema
from saferoute.values.signed_template import SignedTemplate, VariableType
from saferoute.values.template import Rendered, Template
from saferoute.values.template_text import template_digest
from saferoute.values.tools import Tool
from saferoute.values.usage import Usage
from tests.support.guarded import Saying

ACT = Tool("act", "", b"{}")
PLACEHOLDER = "«SR:EMAIL:1:k3f9x0ab»"


def asks(*messages: Message, **options: Any) -> ChatRequest:
    return ChatRequest(messages, **options)


# ---------------------------------------------------------------------------------------------------------------------- integrity


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (asks(tools=(ACT,)), "prompt integrity: a tool is missing. Something between"),
        (asks(output=OutputSchema("city", b"{}", strict=True)), "prompt integrity: the output's schema is missing. Something between"),
    ],
)
def test_what_is_missing_has_no_place(request_: ChatRequest, why: str) -> None:
    with pytest.raises(GuardBlocked) as caught:
        check_integrity(approved(request_), [])
    assert str(caught.value).startswith(why)
    assert caught.value.verdicts[0].path == ""


@pytest.mark.parametrize("name", ["X.pdf", "XX.pdf", "report.X"])
def test_a_name_loses_its_ending_whatever_letters_it_has(name: str) -> None:
    request = asks(Message("user", (File(b"d", media_type="text/plain", filename=name),)))
    check_integrity(approved(request), [("user", "/name", name.rpartition(".")[0]), ("user", "/0", "d")])


def test_a_call_without_arguments_keeps_its_turn() -> None:
    request = asks(
        Message("assistant", (Text("a"), ToolCall("1", "x", " "))),
        Message("tool", (ToolResult("1", (Text("r"),)),)),
    )
    check_integrity(
        approved(request), [("assistant", "/0", "a"), ("tool_call", "/1", "x"), ("tool_call", "/2", " "), ("tool_result", "/3", "r")]
    )
    with pytest.raises(GuardBlocked, match="came later in the conversation at '/2'"):
        check_integrity(
            approved(request), [("assistant", "/0", "a"), ("tool_result", "/1", "r"), ("tool_call", "/2", "x"), ("tool_call", "/3", " ")]
        )


def test_a_format_that_changes_nothing_is_compared_at_once() -> None:
    request = asks(Message("user", (Text("u"),)), tools=(ACT, Tool("look", "Looks.", b"{}")))
    assert approved(request).plain == (
        "user", "u", "tool_name", "act", "tool_schema", "{}", "tool_name", "look", "tool_description", "Looks.", "tool_schema", "{}",
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------- what guards are asked, and told


def test_a_size_is_judged_by_the_first_version() -> None:
    with pytest.raises(GuardBlocked) as caught:
        check_length(3, 2)
    reason = "the request's texts have 3 characters together, and 2 are allowed"
    assert caught.value.verdicts == (Judged("size", "1", "request", "", Verdict(Action.BLOCK, (reason,))),)


@pytest.mark.parametrize(("part", "name"), [(Text("a"), ""), (Refusal("a"), "refusal"), (Reasoning("a"), "reasoning")])
def test_a_part_of_an_alternative_is_named_by_its_kind(part: Part, name: str) -> None:
    names: list[tuple[str, str]] = []

    def check(segment: Segment, _: Context) -> Verdict:
        names.append((segment.path, segment.name))
        return ALLOWED

    guards = AnswerGuards(active_guards([Saying(check, quick=True)]), Context, mark_of, whole=False)
    guards.feed([Completed("stop", "stop", Usage(), alternatives=(Alternative(Message("assistant", (part,)), "stop", "stop"),))])
    assert names == [("/alternatives/1/content/0", name)]


def test_every_text_of_arguments_has_its_place() -> None:
    found = read_arguments('{"a": ["x", {"b": "y"}, ["z"]]}').texts
    assert set(found) == {(("a",), "a"), (("a", "0"), "x"), (("a", "1", "b"), "b"), (("a", "1", "b"), "y"), (("a", "2", "0"), "z")}


def written(text: str, values: dict[str, Any], **variables: VariableType) -> Rendered:
    return rendered(Template("t", values), SignedTemplate("t", template_digest(text), variables, text))


def test_values_are_read_together_where_more_than_one_can_say_something() -> None:
    one = written("{a} of {n}", {"a": "x", "n": 3}, a="text", n="integer")
    assert [place.segment.path for place in template_places(one, "user", "/p")] == ["/p/values/a", "/p/words/1", "/p/values/n", "/p"]
    two = written("{a} of {b}", {"a": "x", "b": "y"}, a="text", b="text")
    *_, together, whole = template_places(two, "user", "/p")
    assert (together.segment.path, together.segment.text, together.segment.origin) == ("/p/values", "x y", "user")
    assert [(over.start, over.end, over.path) for over in together.over] == [(0, 1, "/p/values/a"), (2, 3, "/p/values/b")]
    assert [over.path for over in whole.over] == ["/p/values/a", "/p/words/1", "/p/values/b"]


def test_retrieved_values_are_read_together_where_they_stand() -> None:
    text = "{a} and {b}"
    signed = SignedTemplate("t", template_digest(text), {"a": "text", "b": "text"}, text)
    made = rendered(Template("t", {"a": "x", "b": "y"}, retrieved={"a", "b"}), signed)
    together = next(place for place in template_places(made, "user", "/p") if place.segment.path == "/p/retrieved")
    assert (together.stage, together.segment.origin, together.segment.trusted) == ("tool_result", "retrieved", False)
    assert [over.path for over in together.over] == ["/p/values/a", "/p/values/b"]


def test_half_a_character_that_is_written_as_an_escape_is_told_as_one() -> None:
    verdict = UnicodeGuard().check(Segment('{"a": "\\ud800"}'), Context("tool_call"))
    assert (verdict.action, verdict.reasons, verdict.spans) == (Action.BLOCK, ("half of a character",), ())


# --------------------------------------------------------------------------------------------------------------- texts and places


@pytest.mark.parametrize(
    ("text", "shown"), [("[x](u X) {} X", True), ("[x](u 'X) {} X", False), ("[x](u 'X') {}", True), ("[x](u {}", False)]
)
def test_only_a_quotation_mark_begins_the_title_of_a_link(text: str, *, shown: bool) -> None:
    restorer = Restorer({PLACEHOLDER: "ada@example.org"})
    read = restorer.feed(text.format(PLACEHOLDER)) + restorer.close()
    assert read == text.format("ada@example.org" if shown else PLACEHOLDER)


def test_a_block_that_ends_at_a_place_does_not_reach_behind_it() -> None:
    lines = "\n".join(["MIIEpAIBAAKCAQEA7d9f3k2m5n8q1r4t6w9z2c5v8b1n4m7k0j3h6g9f2d5s8aXy"] * 4)
    block = f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----"
    text = f"{block} and more"
    assert open_block(text, len(block)) == len(block)
    assert open_block(text, len(block) - 1) == 0
    assert open_block(text, len(block) + 1) == len(block) + 1


def test_parted_letters_are_seen_among_letters_that_are_not_ascii_too() -> None:
    for text in ("é: d e l e t e it", "a: d e l e t e it"):
        assert views_of(text)["spaced"] == text.replace("d e l e t e", "delete")


def test_words_of_one_ending_are_read_backwards() -> None:
    assert views_of("gnirongi gnihtyreve gniog gniyas gnitirw")["reversed.words"] == "ignoring everything going saying writing"
    assert views_of("xyz gniyfilpma")["reversed.words"] == "zyx amplifying"


@pytest.mark.parametrize(("letters", "joined"), [(13, False), (14, True)])
def test_of_twenty_signs_fourteen_are_letters_in_a_word(letters: int, *, joined: bool) -> None:
    signs = " ".join("deleteeverything"[:letters] + "12345678"[: 20 - letters])
    assert ("spaced" in views_of(signs)) is joined

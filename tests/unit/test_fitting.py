"""Fitting a request to what a model can do: refused, left out, or done in another way, and always said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from saferoute.errors import UnsupportedParameter
from saferoute.providers.fitting import fit
from saferoute.values.events import Notice
from saferoute.values.http import NetClass
from saferoute.values.messages import Audio, File, Image, Message, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest, OnUnsupported
from saferoute.values.target import Dialect, Profile, Quirks, Target
from tests.support.features import CLOCK, FEATURES, HELLO, PNG, SCHEMA, WEATHER, asks

NOTHING = Profile(
    tools=False, tool_choice=False, parallel_tools=False, vision=False, files=False, audio=False, json_schema=False, sampling=False,
    seed=False, logprobs=False, reasoning="none", max_output=10,
)  # fmt: skip
EVERYTHING = Profile(
    tools=True, tool_choice=True, parallel_tools=True, vision=True, files=True, audio=True, json_schema=True, sampling=True, seed=True,
    logprobs=True, reasoning="effort", max_output=10_000,
)  # fmt: skip
POLICIES: tuple[OnUnsupported, ...] = get_args(OnUnsupported)
TOOLS = (WEATHER, CLOCK)


def target(dialect: Dialect = "openai_chat", max_output: int | None = None, **profile: Any) -> Target:
    return Target(
        "row", "acme", dialect, "https://api.acme.example", "/v1", NetClass(), "mini", "acme", "bearer",
        max_output=max_output, profile=Profile(**profile),
    )  # fmt: skip


def fitted(request: ChatRequest, policy: OnUnsupported, **where: Any) -> tuple[ChatRequest, list[tuple[str, str]]]:
    request, notices = fit(replace(request, on_unsupported=policy), target(**where))
    assert all(notice.message and "mini" in notice.message for notice in notices)
    return request, [(notice.kind, notice.parameter) for notice in notices]


@pytest.mark.parametrize("feature", sorted(FEATURES.keys() - {"reasoning: 2048 tokens"}))
@pytest.mark.parametrize("policy", ["error", "drop"])
def test_what_a_profile_does_not_speak_of_passes_as_it_is(feature: str, policy: OnUnsupported) -> None:
    request = replace(FEATURES[feature], on_unsupported=policy)
    fit_one, notices = fit(request, target())
    assert fit_one is request
    assert notices == ()


@pytest.mark.parametrize("feature", sorted(FEATURES.keys() - {"reasoning: 2048 tokens"}))
@pytest.mark.parametrize("policy", POLICIES)
def test_what_a_model_can_do_passes_as_it_is(feature: str, policy: OnUnsupported) -> None:
    request = replace(FEATURES[feature], on_unsupported=policy)
    fit_one, notices = fit(request, replace(target(), profile=EVERYTHING))
    assert fit_one is request
    assert notices == ()


LACKING = {
    "temperature": ("temperature", "takes no sampling parameters"),
    "top_p": ("top_p", "takes no sampling parameters"),
    "seed": ("seed", "takes no seed"),
    "logprobs": ("logprobs", "does not tell how likely its tokens were"),
    "tools": ("tools", "takes no tools"),
    "JSON Schema": ("output", "enforces no JSON Schema"),
    "reasoning: low": ("reasoning", "does not reason"),
    "picture as bytes": ("messages", "takes no pictures"),
    "picture by URL": ("messages", "takes no pictures"),
    "PDF as bytes": ("messages", "takes no documents"),
    "file held by the provider": ("messages", "takes no documents"),
    "sound": ("messages", "takes no sound"),
    "picture in a tool result": ("messages", "takes no pictures"),
}


@pytest.mark.parametrize("feature", LACKING)
def test_what_a_model_lacks_is_refused_with_what_to_do(feature: str) -> None:
    parameter, why = LACKING[feature]
    profile = replace(NOTHING, tools=True) if feature == "picture in a tool result" else NOTHING
    with pytest.raises(UnsupportedParameter) as caught:
        fit(FEATURES[feature], replace(target(), profile=profile))
    assert caught.value.parameter == parameter
    assert str(caught.value).startswith(f"{parameter}: mini {why}. Leave it out, choose another route, or pass on_unsupported=")
    assert ('or "emulate"' in str(caught.value)) == (parameter == "output")


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"temperature": 0.5, "top_p": 0.9, "seed": 1, "logprobs": 0, "reasoning": "high"}, {}),
        ({"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}, {}),
        ({"output": SCHEMA}, {}),
        ({"max_output_tokens": 11}, {"max_output_tokens": 10}),
        ({"max_output_tokens": 10}, {"max_output_tokens": 10}),
        ({"reasoning": "none"}, {"reasoning": "none"}),
        ({"reasoning": 0}, {"reasoning": 0}),
    ],
)
def test_what_a_model_lacks_is_dropped_with_a_notice(asked: dict[str, Any], left: dict[str, Any]) -> None:
    request, notices = fit(asks(on_unsupported="drop", **asked), replace(target(), profile=NOTHING))
    assert request == asks(on_unsupported="drop", **left)
    gone = {"tools"} if "tools" in asked else asked.keys() - left.keys()
    assert {notice.parameter for notice in notices if notice.kind == "dropped"} == gone
    assert bool(notices) == (asked != left)


def test_parts_that_a_model_does_not_take_go_and_the_rest_stays() -> None:
    parts = (Text("see"), Image(PNG, media_type="image/png"), File(PNG, media_type="image/png"), Audio(b"x", "wav"))
    turns = ChatRequest(
        (
            Message("user", parts),
            Message("assistant", (ToolCall("c", "get_weather", "{}"),)),
            Message("tool", (ToolResult("c", (Text("rain"), Image(PNG, media_type="image/png"))),)),
            HELLO,
        )
    )
    request, notices = fitted(turns, "drop", vision=False)
    assert request.messages[0].content == (parts[0], parts[3])
    assert request.messages[2].content == (ToolResult("c", (Text("rain"),)),)
    assert request.messages[1] is turns.messages[1]
    assert request.messages[3] is HELLO
    assert notices == [("dropped", "messages")]
    both, notices = fitted(turns, "drop", vision=False, audio=False, files=False)
    assert both.messages[0].content == (Text("see"),)
    assert notices == [("dropped", "messages")] * 2


@pytest.mark.parametrize("policy", POLICIES)
def test_a_message_of_nothing_but_what_cannot_go_is_never_sent_empty(policy: OnUnsupported) -> None:
    with pytest.raises(UnsupportedParameter, match="messages: mini takes no pictures"):
        fitted(asks(Image(PNG, media_type="image/png")), policy, vision=False)


@pytest.mark.parametrize("feature", ["temperature", "seed", "logprobs", "picture as bytes", "sound", "tools"])
def test_what_has_no_other_way_is_refused_under_emulate_too(feature: str) -> None:
    with pytest.raises(UnsupportedParameter):
        fit(replace(FEATURES[feature], on_unsupported="emulate"), replace(target(), profile=NOTHING))


# ------------------------------------------------------------------------------------------------------------- another way


def test_a_schema_is_asked_for_in_words_and_in_json_mode() -> None:
    request, notices = fitted(asks(output=SCHEMA), "emulate", json_schema=False)
    assert request.output is None
    assert request.json_object
    assert [message.role for message in request.messages] == ["system", "user"]
    assert request.messages[0].text == (
        "Answer with exactly one JSON value that fits this JSON Schema, and with nothing besides it: no words, no Markdown.\n"
        + SCHEMA.schema.decode()
    )
    assert notices == [("changed", "output")]


def test_instructions_stand_behind_the_callers_own() -> None:
    system = Message("system", (Text("be brief"),))
    asked = replace(asks(output=SCHEMA, tools=TOOLS, parallel_tool_calls=False), messages=(system, HELLO))
    request, _ = fitted(asked, "emulate", json_schema=False, parallel_tools=False)
    assert [message.role for message in request.messages] == ["system", "user"]
    assert request.messages[0].text.startswith(
        "be brief\n\nCall at most one tool in a turn; wait for its result before you call another.\n\n"
    )
    assert request.messages[0].text.endswith(SCHEMA.schema.decode())
    assert len(request.messages[0].content) == 1
    assert system.text == "be brief"


def test_instructions_join_a_system_message_that_ends_in_something_else() -> None:
    picture = Image(PNG, media_type="image/png")
    asked = replace(asks(output=SCHEMA), messages=(Message("system", (picture,)), HELLO))
    request, _ = fitted(asked, "emulate", json_schema=False)
    assert request.messages[0].content[0] is picture
    assert isinstance(request.messages[0].content[1], Text)
    alone, _ = fitted(replace(asked, messages=()), "emulate", json_schema=False)
    assert [message.role for message in alone.messages] == ["system"]


def test_a_forced_call_is_asked_for_in_words() -> None:
    request, notices = fitted(asks(tools=TOOLS, tool_choice="required"), "emulate", tool_choice=False)
    assert (request.tools, request.tool_choice) == (TOOLS, None)
    assert request.messages[0].text == "Your next turn must be a call of one of the tools, not an answer in words."
    assert notices == [("changed", "tool_choice")]
    request, notices = fitted(asks(tools=TOOLS, tool_choice="get_time"), "emulate", tool_choice=False)
    assert (request.tools, request.tool_choice) == ((CLOCK,), None)
    assert request.messages[0].text == "Your next turn must be a call of the tool get_time, not an answer in words."
    assert notices == [("changed", "tool_choice")]


@pytest.mark.parametrize("choice", ["required", "get_time"])
def test_a_forced_call_is_refused_or_left_to_the_model_otherwise(choice: str) -> None:
    asked = asks(tools=TOOLS, tool_choice=choice)
    with pytest.raises(UnsupportedParameter, match=r'tool_choice: mini cannot be made to call a tool.*or "emulate"'):
        fitted(asked, "error", tool_choice=False)
    request, notices = fitted(asked, "drop", tool_choice=False)
    assert (request.tools, request.tool_choice, notices) == (TOOLS, None, [("dropped", "tool_choice")])


@pytest.mark.parametrize("policy", POLICIES)
def test_no_call_is_had_by_offering_no_tools_where_the_choice_is_not_obeyed(policy: OnUnsupported) -> None:
    request, notices = fitted(asks(tools=TOOLS, tool_choice="none", parallel_tool_calls=False), policy, tool_choice=False)
    assert (request.tools, request.tool_choice, request.parallel_tool_calls) == ((), None, None)
    assert notices == [("changed", "tool_choice")]
    auto, notices = fitted(asks(tools=TOOLS, tool_choice="auto"), policy, tool_choice=False)
    assert (auto.tools, auto.tool_choice, notices) == (TOOLS, "auto", [])


def test_one_call_a_turn() -> None:
    asked = asks(tools=TOOLS, parallel_tool_calls=False)
    with pytest.raises(UnsupportedParameter, match="parallel_tool_calls: mini cannot be told to make at most one call a turn"):
        fitted(asked, "error", parallel_tools=False)
    request, notices = fitted(asked, "drop", parallel_tools=False)
    assert (request.parallel_tool_calls, notices) == (None, [("dropped", "parallel_tool_calls")])
    request, notices = fitted(asked, "emulate", parallel_tools=False)
    assert request.parallel_tool_calls is None
    assert request.messages[0].text == "Call at most one tool in a turn; wait for its result before you call another."
    assert notices == [("changed", "parallel_tool_calls")]
    for nothing_to_say in (replace(asked, tools=()), replace(asked, parallel_tool_calls=True), replace(asked, tool_choice="none")):
        assert fitted(nothing_to_say, "error", parallel_tools=False)[1] == []


@pytest.mark.parametrize("dialect", ["bedrock_converse", "cohere_chat", "gemini_generate", "ollama_chat"])
def test_what_the_dialect_has_no_words_for_is_asked_for_in_words_too(dialect: Dialect) -> None:
    asked = asks(tools=TOOLS, parallel_tool_calls=False, tool_choice="required")
    request, notices = fitted(asked, "emulate", dialect=dialect)
    assert request.parallel_tool_calls is None
    assert ("changed", "parallel_tool_calls") in notices
    assert (request.tool_choice is None) == (dialect == "ollama_chat")
    assert fitted(asked, "error", dialect=dialect)[1] == []  # the dialect refuses it in its own words


# ------------------------------------------------------------------------------------------------------------------ dials


@pytest.mark.parametrize(
    ("asked", "words", "sent"),
    [
        ("minimal", ("none", "low", "high"), "low"),
        ("none", ("low", "high", "max"), "low"),
        ("none", ("minimal", "low"), "minimal"),
        ("medium", ("low", "high"), "low"),
        ("max", ("low", "medium", "high"), "high"),
        ("xhigh", ("low", "high", "max"), "high"),
        ("low", ("none",), "none"),
        ("high", ("max",), "max"),
    ],
)
@pytest.mark.parametrize("policy", ["drop", "emulate"])
def test_a_word_that_the_dial_lacks_becomes_the_nearest(asked: Any, words: tuple[str, ...], sent: str, policy: OnUnsupported) -> None:
    request, notices = fit(asks(reasoning=asked, on_unsupported=policy), target(reasoning="effort", efforts=words))
    assert request.reasoning == sent
    assert notices == (Notice("changed", "reasoning", f"mini has no {asked!r}; {sent!r} is sent"),)
    with pytest.raises(UnsupportedParameter) as caught:
        fitted(asks(reasoning=asked), "error", reasoning="effort", efforts=words)
    assert f"mini has no {asked!r}; it has {', '.join(words)}" in str(caught.value)
    assert caught.value.parameter == "reasoning"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_word_that_the_dial_has_goes_out(policy: OnUnsupported) -> None:
    assert fitted(asks(reasoning="high"), policy, reasoning="effort", efforts=("low", "high")) == (
        asks(reasoning="high", on_unsupported=policy),
        [],
    )
    zero, notices = fitted(asks(reasoning=0), policy, reasoning="effort")
    assert (zero.reasoning, notices) == ("none", [])
    budget, notices = fitted(asks(reasoning=2048), policy, reasoning="budget")
    assert (budget.reasoning, notices) == (2048, [])


@pytest.mark.parametrize(
    ("budget", "word"),
    [(1, "minimal"), (1024, "minimal"), (1025, "low"), (12288, "medium"), (20000, "high"), (40960, "xhigh"), (40961, "max")],
)
def test_a_budget_becomes_a_word_where_the_caller_takes_another_way(budget: int, word: str) -> None:
    request, notices = fitted(asks(reasoning=budget), "emulate", reasoning="effort")
    assert (request.reasoning, notices) == (word, [("changed", "reasoning")])
    with pytest.raises(UnsupportedParameter, match="not a budget in tokens"):
        fitted(asks(reasoning=budget), "error", reasoning="effort")
    request, notices = fitted(asks(reasoning=budget), "drop", reasoning="effort")
    assert (request.reasoning, notices) == (None, [("dropped", "reasoning")])


@pytest.mark.parametrize("dialect", ["mistral_chat", "ollama_chat", "openai_chat", "openai_responses"])
@pytest.mark.parametrize(("budget", "word"), [(1, "low"), (3000, "low"), (12000, "medium"), (20000, "high"), (90000, "high")])
def test_a_dialect_of_words_takes_a_word_for_a_budget_even_if_the_model_is_not_known(dialect: Dialect, budget: int, word: str) -> None:
    request, notices = fitted(asks(reasoning=budget), "emulate", dialect=dialect, vision=True)
    assert (request.reasoning, notices) == (word, [("changed", "reasoning")])
    with pytest.raises(UnsupportedParameter, match=r'a word for how hard to think .*on_unsupported="drop" or "emulate"$'):
        fitted(asks(reasoning=budget), "error", dialect=dialect)
    request, notices = fitted(asks(reasoning=budget), "drop", dialect=dialect)
    assert (request.reasoning, notices) == (None, [("dropped", "reasoning")])
    assert fitted(asks(reasoning=0), "emulate", dialect=dialect)[0].reasoning == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_a_budget_goes_where_budgets_are_taken_or_nothing_is_known(policy: OnUnsupported) -> None:
    for dialect in ("anthropic_messages", "bedrock_converse", "cohere_chat", "gemini_generate"):
        assert fitted(asks(reasoning=3000), policy, dialect=dialect)[1] == []
    for dialect in get_args(Dialect):
        assert fitted(asks(reasoning=3000), policy, dialect=dialect, reasoning="budget")[1] == []
    router = replace(target(), quirks=Quirks(reasoning_field="reasoning"))
    assert fit(asks(reasoning=3000, on_unsupported=policy), router) == (asks(reasoning=3000, on_unsupported=policy), ())


@pytest.mark.parametrize("dialect", ["anthropic_messages", "bedrock_converse", "openai_chat"])
@pytest.mark.parametrize(("budget", "word"), [(500, "low"), (3000, "low"), (12000, "medium"), (40000, "xhigh"), (64000, "max")])
def test_the_older_form_of_a_budget_never_goes_to_a_model_of_the_newer_one(dialect: Dialect, budget: int, word: str) -> None:
    where = replace(target(dialect), model="claude-opus-5-5", profile=Profile(reasoning="adaptive"))
    for policy in ("drop", "emulate"):
        request, notices = fit(asks(reasoning=budget, on_unsupported=policy), where)
        how = f"claude-opus-5-5 takes a word for how hard to think (none to max), not a budget in tokens; '{word}' is sent for {budget}"
        assert (request.reasoning, notices) == (word, (Notice("changed", "reasoning", how),))
    with pytest.raises(UnsupportedParameter, match="claude-opus-5-5 takes a word for how hard to think"):
        fit(asks(reasoning=budget), where)
    assert fit(asks(reasoning=0), where)[0].reasoning == 0


def test_a_budget_becomes_a_word_that_the_dial_has() -> None:
    request, _ = fitted(asks(reasoning=500), "emulate", reasoning="effort", efforts=("none", "low", "high"))
    assert request.reasoning == "low"


@pytest.mark.parametrize(
    ("rows", "models", "most", "whose"),
    [(100, None, 100, "the table allows for row"), (None, 50, 50, "mini gives"), (100, 50, 50, "mini gives"), (50, 100, 50, "the table")],
)
def test_the_tighter_bound_holds(rows: int | None, models: int | None, most: int, whose: str) -> None:
    where = replace(target(max_output=rows), profile=Profile(max_output=models))
    with pytest.raises(UnsupportedParameter, match=f"max_output_tokens=101 is over the {most} that {whose}.*Pass max_output_tokens={most}"):
        fit(asks(max_output_tokens=101), where)
    for policy in ("drop", "emulate"):
        request, notices = fit(asks(max_output_tokens=101, on_unsupported=policy), where)
        assert request.max_output_tokens == most
        assert [(notice.kind, notice.parameter) for notice in notices] == [("changed", "max_output_tokens")]
    assert fit(asks(max_output_tokens=most), where)[1] == ()
    assert fit(asks(), where)[1] == ()

"""How a request is written in the words of Responses: tables of what goes in and what stands on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute import errors
from saferoute.values.messages import Audio, File, Image, Message, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import OutputSchema
from saferoute.values.target import Profile, Quirks
from saferoute.values.tools import Tool
from tests.unit.openai_responses_cases import (
    MODEL,
    TARGET,
    assistant,
    body_of,
    encode,
    folded,
    function_call,
    message,
    reasoning,
    response,
    state,
    target,
    thought,
    tool,
    user,
    whole,
)

Json = dict[str, Any]
PNG = Image(data=b"png", media_type="image/png")
PNG_URI = "data:image/png;base64,cG5n"
SCHEMA = b'{"type":"object","properties":{}}'
WEATHER = Tool("weather", "Tells it", SCHEMA)
COLOUR = OutputSchema("colour", b'{"type":"object"}', strict=True)
ENCRYPTED = reasoning("I think", encrypted_content="gAAA==")
OPEN = frozenset({"text", "reasoning", "include", "service_tier", "temperature"})


def items(*messages: Message, **more: Any) -> list[Json]:
    written: list[Json] = body_of(*messages, **more)["input"]
    return written


def said_by(role: str, content: object, **more: object) -> Json:
    return {"type": "message", "role": role, "content": content, **more}


# ------------------------------------------------------------------------------------------------------------ options


def test_a_plain_request() -> None:
    request = encode(user("hi")).request
    assert (request.method, request.origin, request.path) == ("POST", "https://api.example.com", "/v1/responses")
    assert (request.secret, request.auth, request.net) == ("openai", "bearer", TARGET.net)
    assert request.headers == (("content-type", "application/json"), ("accept", "application/json"))
    assert json.loads(request.body) == {
        "model": MODEL,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [said_by("user", "hi")],
    }


def test_a_stream_asks_for_one() -> None:
    request = encode(user("hi"), stream=True, to=target(headers=(("x-a", "b"),))).request
    assert json.loads(request.body)["stream"] is True
    assert request.headers == (("content-type", "application/json"), ("accept", "text/event-stream"), ("x-a", "b"))


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "top_p": 0.9}),
        ({"max_output_tokens": 99}, {"max_output_tokens": 99}),
        ({"reasoning": "none"}, {"reasoning": {"effort": "none"}}),
        ({"reasoning": 0}, {"reasoning": {"effort": "none"}}),
        ({"reasoning": "xhigh"}, {"reasoning": {"effort": "xhigh"}}),
        ({"output": COLOUR}, {"text": {"format": {"type": "json_schema", "name": "colour", "strict": True, "schema": {"type": "object"}}}}),
        (
            {"tools": (WEATHER,)},
            {
                "tools": [
                    {"type": "function", "name": "weather", "description": "Tells it", "strict": None, "parameters": json.loads(SCHEMA)}
                ]
            },
        ),
        (
            {"tools": (Tool("t", "", SCHEMA, strict=True),)},
            {"tools": [{"type": "function", "name": "t", "strict": True, "parameters": json.loads(SCHEMA)}]},
        ),
        ({"tool_choice": "none"}, {}),
    ],
)
def test_options(fields: Json, written: Json) -> None:
    body = body_of(user("hi"), **fields)
    assert {name: value for name, value in body.items() if name not in {"model", "store", "include", "input"}} == written


@pytest.mark.parametrize(
    ("choice", "written"),
    [("auto", "auto"), ("none", "none"), ("required", "required"), ("weather", {"type": "function", "name": "weather"})],
)
def test_tool_choice(choice: str, written: object) -> None:
    body = body_of(user("hi"), tools=(WEATHER,), tool_choice=choice, parallel_tool_calls=False)
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (written, False)


def test_the_output_bound_is_the_callers_else_the_rows() -> None:
    assert body_of(user("a"), to=target(default_max_output=7))["max_output_tokens"] == 7
    assert body_of(user("a"), to=target(default_max_output=7, max_output=50), max_output_tokens=50)["max_output_tokens"] == 50
    with pytest.raises(errors.UnsupportedParameter) as caught:
        encode(user("a"), to=target(max_output=50), max_output_tokens=51)
    assert caught.value.parameter == "max_output_tokens"
    lowered = encode(user("a"), to=target(max_output=50), max_output_tokens=51, on_unsupported="drop")
    assert json.loads(lowered.request.body)["max_output_tokens"] == 50
    assert [(notice.kind, notice.parameter) for notice in lowered.notices] == [("changed", "max_output_tokens")]


def test_encrypted_reasoning_is_asked_of_models_that_reason_or_may() -> None:
    for form, asked in ((None, True), ("effort", True), ("budget", True), ("none", False)):
        body = body_of(user("a"), to=target(profile=Profile(reasoning=form)))  # type: ignore[arg-type]
        assert ("include" in body, body["store"]) == (asked, False)


@pytest.mark.parametrize(
    ("profile", "fields", "parameter"),
    [
        (Profile(), {"stop": ("x",)}, "stop"),
        (Profile(), {"seed": 1}, "seed"),
        (Profile(), {"reasoning": 2048}, "reasoning"),
        (Profile(reasoning="none"), {"reasoning": "low"}, "reasoning"),
        (Profile(sampling=False), {"temperature": 0.0}, "temperature"),
        (Profile(sampling=False), {"top_p": 1.0}, "top_p"),
        (Profile(tools=False), {"tools": (WEATHER,), "tool_choice": "auto"}, "tools"),
        (Profile(json_schema=False), {"output": COLOUR}, "output"),
    ],
)
def test_what_cannot_be_carried_is_refused_or_dropped_with_a_notice(profile: Profile, fields: Json, parameter: str) -> None:
    with pytest.raises(errors.UnsupportedParameter) as caught:
        encode(user("hi"), to=target(profile=profile), **fields)
    assert caught.value.parameter == parameter
    dropped = encode(user("hi"), to=target(profile=profile), on_unsupported="drop", **fields)
    assert [(notice.kind, notice.parameter) for notice in dropped.notices] == [("dropped", parameter)]
    assert json.loads(dropped.request.body).keys() <= {"model", "store", "include", "input"}


def test_no_reasoning_asked_of_a_model_without_it_is_nothing() -> None:
    encoded = encode(user("hi"), to=target(profile=Profile(reasoning="none")), reasoning="none")
    assert not encoded.notices
    assert b"reasoning" not in encoded.request.body


# ------------------------------------------------------------------------------------------------- provider options


@pytest.mark.parametrize(
    ("fields", "options", "written"),
    [
        ({}, {"service_tier": "flex"}, {"service_tier": "flex"}),
        ({}, {"text": {"verbosity": "low"}}, {"text": {"verbosity": "low"}}),
        (
            {"output": COLOUR},
            {"text": {"verbosity": "low"}},
            {
                "text": {
                    "verbosity": "low",
                    "format": {"type": "json_schema", "name": "colour", "strict": True, "schema": {"type": "object"}},
                }
            },
        ),
        ({}, {"text": {"format": {"type": "json_object"}}}, {"text": {"format": {"type": "json_object"}}}),
        ({"reasoning": "low"}, {"reasoning": {"summary": "auto"}}, {"reasoning": {"effort": "low", "summary": "auto"}}),
        ({}, {"reasoning": {"summary": "auto"}}, {"reasoning": {"summary": "auto"}}),
        (
            {},
            {"include": ["message.output_text.logprobs", "reasoning.encrypted_content"]},
            {"include": ["reasoning.encrypted_content", "message.output_text.logprobs"]},
        ),
    ],
)
def test_provider_options_join_what_the_call_says(fields: Json, options: Json, written: Json) -> None:
    for namespace in ("openai", "openai_responses"):
        body = body_of(user("hi"), to=target(extra_params=OPEN), provider_options={namespace: options}, **fields)
        assert {name: body[name] for name in written} == written


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {"openai": {"unknown": 1}}),
        ({}, {"openai": {"service_tier": "flex"}, "openai_responses": {"service_tier": "auto"}}),
        ({}, {"openai": {"text": {"verbosity": "low"}}, "openai_responses": {"text": {"verbosity": "low"}}}),
        ({"temperature": 0.5}, {"openai": {"temperature": 0.7}}),
        ({"reasoning": "low"}, {"openai": {"reasoning": {"effort": "high"}}}),
        ({"reasoning": "low"}, {"openai": {"reasoning": "high"}}),
        ({"output": COLOUR}, {"openai": {"text": {"format": {"type": "text"}}}}),
        ({"output": COLOUR}, {"openai": {"text": "x"}}),
        ({}, {"openai": {"include": "x"}}),
    ],
)
def test_provider_options_never_contradict(fields: Json, options: Json) -> None:
    with pytest.raises(errors.UnknownOption):
        encode(user("hi"), to=target(extra_params=OPEN), provider_options=options, **fields)


# ------------------------------------------------------------------------------------------------------------ messages


@pytest.mark.parametrize(
    ("messages", "written"),
    [
        ([Message("system", (Text("Be brief."),)), user("hi")], [said_by("system", "Be brief."), said_by("user", "hi")]),
        ([user("a", "b")], [said_by("user", [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}])]),
        ([user(PNG)], [said_by("user", [{"type": "input_image", "image_url": PNG_URI, "detail": "auto"}])]),
        ([user(Image(url="https://e.example/a.png", detail="high"))], [said_by("user", [{"type": "input_image", "image_url": "https://e.example/a.png", "detail": "high"}])]),
        ([user(File(data=b"png", media_type="image/png"))], [said_by("user", [{"type": "input_image", "image_url": PNG_URI, "detail": "auto"}])]),
        ([user(File(data=b"pdf", media_type="application/pdf"))], [said_by("user", [{"type": "input_file", "filename": "file.pdf", "file_data": "data:application/pdf;base64,cGRm"}])]),
        ([user(File(data=b"a,b", media_type="text/csv", filename="t.csv"))], [said_by("user", [{"type": "input_file", "filename": "t.csv", "file_data": "data:text/csv;base64,YSxi"}])]),
        ([user(File(url="https://e.example/a.pdf"))], [said_by("user", [{"type": "input_file", "file_url": "https://e.example/a.pdf"}])]),
        ([user(File(file_id="file_1"))], [said_by("user", [{"type": "input_file", "file_id": "file_1"}])]),
        ([assistant("Yes")], [said_by("assistant", "Yes")]),
        ([assistant("Yes", "and no")], [said_by("assistant", "Yes"), said_by("assistant", "and no")]),
        (
            [assistant("Wait", ToolCall("c1", "weather", ""), ToolCall("c2", "weather", '{"a":1}'), "Done")],
            [
                said_by("assistant", "Wait"),
                {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
                {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": '{"a":1}'},
                said_by("assistant", "Done"),
            ],
        ),
        ([tool(ToolResult("c1", (Text("sun"),)))], [{"type": "function_call_output", "call_id": "c1", "output": "sun"}]),
        ([tool(ToolResult("c1", ()))], [{"type": "function_call_output", "call_id": "c1", "output": ""}]),
        (
            [tool(ToolResult("c1", (Text("see"), PNG)), ToolResult("c2", (Text("a"), Text("b"))))],
            [
                {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": PNG_URI, "detail": "auto"}]},
                {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
            ],
        ),
        ([user("next", ToolResult("c1", (Text("sun"),)))], [{"type": "function_call_output", "call_id": "c1", "output": "sun"}, said_by("user", "next")]),
    ],
)  # fmt: skip
def test_messages(messages: list[Message], written: list[Json]) -> None:
    assert items(*messages) == written
    assert not encode(*messages).notices


def test_words_of_refusal_without_the_id_of_their_answer_go_back_as_text() -> None:
    encoded = encode(assistant("Yes", Refusal("No"), Refusal("never")))
    assert json.loads(encoded.request.body)["input"] == [said_by("assistant", text) for text in ("Yes", "No", "never")]
    assert [(notice.kind, notice.parameter) for notice in encoded.notices] == [("changed", "messages")]
    assert "refusal" in encoded.notices[0].message


def test_a_vendors_quirks() -> None:
    quirky = target(quirks=Quirks(instruction_role="developer", tool_result_text_only=True))
    assert items(Message("system", (Text("x"),)), to=quirky) == [said_by("developer", "x")]
    assert items(tool(ToolResult("c", (Text("a"), Text("b")))), to=quirky)[0]["output"] == "ab"
    with pytest.raises(errors.UnsupportedParameter):
        encode(tool(ToolResult("c", (Text("a"), PNG))), to=quirky)


@pytest.mark.parametrize(
    ("message", "profile"),
    [
        (user("a", Audio(b"x", "wav")), Profile()),
        (user("a", PNG), Profile(vision=False)),
        (user("a", ToolCall("c", "n", "{}")), Profile()),
        (Message("system", (Text("a"), PNG)), Profile()),
        (Message("system", (Text("a"), Audio(b"x", "wav"))), Profile()),
        (assistant("a", PNG), Profile()),
        (assistant("a", ToolResult("c", ())), Profile()),
    ],
)
def test_parts_that_cannot_go_are_refused_or_dropped(message: Message, profile: Profile) -> None:
    with pytest.raises(errors.UnsupportedParameter):
        encode(message, to=target(profile=profile))
    encoded = encode(message, to=target(profile=profile), on_unsupported="drop")
    assert [notice.kind for notice in encoded.notices] == ["dropped"]
    assert json.loads(encoded.request.body)["input"][0]["content"] in ("a", [{"type": "input_text", "text": "a"}])


@pytest.mark.parametrize(
    ("message", "kind", "word"),
    [
        (Message("user", (Text("a"),), name="Ann"), "dropped", "names"),
        (tool(ToolResult("c", (Text("boom"),), is_error=True)), "noted", "error"),
        (assistant(Reasoning("hm"), "a"), "dropped", "reasoning"),
        (assistant(ToolCall("x" * 65, "n", "{}")), "changed", "digest"),
    ],
)
def test_small_losses_are_said_once(message: Message, kind: str, word: str) -> None:
    (notice,) = encode(message, message).notices
    assert notice.kind == kind
    assert word in notice.message


def test_long_call_ids_stay_pairs() -> None:
    call, result = items(assistant(ToolCall("x" * 65, "n", "{}")), tool(ToolResult("x" * 65, (Text("a"),))))
    assert call["call_id"] == result["call_id"]
    assert len(call["call_id"]) <= 64
    assert items(assistant(ToolCall("x" * 64, "n", "{}")))[0]["call_id"] == "x" * 64


def test_an_empty_assistant_turn_is_left_out() -> None:
    encoded = encode(user("a"), assistant(Reasoning("hm")))
    assert json.loads(encoded.request.body)["input"] == [said_by("user", "a")]
    assert [notice.kind for notice in encoded.notices] == ["dropped", "dropped"]


@pytest.mark.parametrize("messages", [[assistant(Reasoning("hm"))], [Message("user", ())], [user(Audio(b"x", "wav"))]])
def test_a_conversation_of_nothing_is_refused(messages: list[Message]) -> None:
    with pytest.raises(errors.InvalidMessages):
        encode(*messages, on_unsupported="drop")


@pytest.mark.parametrize("fields", [{"provider_options": {"openai": {"service_tier": float("nan")}}}, {"temperature": float("inf")}])
def test_what_json_does_not_have_is_refused(fields: Json) -> None:
    with pytest.raises(errors.InvalidMessages):
        encode(user("a"), to=target(extra_params=OPEN), **fields)
    with pytest.raises(errors.InvalidMessages):
        encode(user("\ud800"))


# ------------------------------------------------------------------------------------------------- state, there and back


def _next_turn(*output: Json, **more: Any) -> list[Json]:
    """What of an answer goes back with the next turn."""
    return items(Message("assistant", folded(whole(response(*output))).content()), **more)


@pytest.mark.parametrize(
    "output",
    [
        [ENCRYPTED, message("Hello")],
        [ENCRYPTED, message("Hello", phase="final_answer")],
        [ENCRYPTED, message("Wait", phase="commentary"), function_call(), function_call(call_id="call_2", id="fc_2")],
        [
            ENCRYPTED,
            message("One", {"type": "refusal", "refusal": "No"}),
            reasoning(item_id="rs_2", encrypted_content="é+/"),
            function_call(namespace="crm", caller={"type": "program", "caller_id": "p"}),
        ],
        [
            {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
            ENCRYPTED,
            message("Found"),
        ],
        [{"id": "cmp_1", "type": "compaction", "encrypted_content": "x"}, {"id": "new", "type": "new_kind", "deep": [{"a": 1.5}, None]}],
        [reasoning(content=[{"type": "reasoning_text", "text": "open"}]), message("Hello")],
    ],
)
def test_all_output_items_go_back_unchanged(output: list[Json]) -> None:
    back = [{name: value for name, value in item.items() if not (item["type"] == "function_call" and name == "status")} for item in output]
    assert _next_turn(*output) == back


def test_phases_go_back_without_reasoning_too() -> None:
    assert _next_turn(
        message("a", phase="commentary"), message("b", item_id="msg_2", phase="final_answer"), message("c", item_id="msg_3")
    ) == [
        said_by("assistant", "a", phase="commentary"),
        said_by("assistant", "b", phase="final_answer"),
        said_by("assistant", "c"),
    ]


def test_an_opaque_state_goes_back_byte_for_byte() -> None:
    payload = '{ "id":"rs_1",  "type":"reasoning","summary":[],"encrypted_content":"gAAA+\\/=é\\u00e9","n":1.50e+3 }'
    assert payload.encode() in encode(assistant(thought(payload), "a")).request.body


def test_ids_stay_here_when_their_reasoning_does() -> None:
    content = folded(whole(response(ENCRYPTED, message("Hello"), function_call()))).content()
    trimmed = Message("assistant", tuple(part for part in content if not isinstance(part, Reasoning)))
    call = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Paris"}'}
    assert items(trimmed) == [said_by("assistant", "Hello"), call]


@pytest.mark.parametrize("elsewhere", [{"provider": "azure.ai.openai"}, {"dialect": "openai_chat"}, {"model": "gpt-4o"}])
def test_state_made_elsewhere_is_left_out_with_a_notice(elsewhere: Json) -> None:
    call = ToolCall("c", "n", "{}", state({"namespace": "crm"}, **elsewhere))
    encoded = encode(
        user("q"), assistant(thought(ENCRYPTED, **elsewhere), thought({"type": "message", "phase": "commentary"}, **elsewhere), "a", call)
    )
    assert [(notice.kind, notice.parameter) for notice in encoded.notices] == [("dropped", "messages")]
    assert json.loads(encoded.request.body)["input"][1:] == [
        said_by("assistant", "a"),
        {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"},
    ]


def test_a_dated_name_is_the_same_model() -> None:
    encoded = encode(assistant(thought(ENCRYPTED, model=f"{MODEL}-2025-08-07"), "a"))
    assert not encoded.notices
    assert json.loads(encoded.request.body)["input"][0] == ENCRYPTED


# ------------------------------------------------------------------------------------------------- the official types


def test_the_official_sdks_types_take_what_is_sent() -> None:
    sdk = pytest.importorskip("openai.types.responses.response_create_params", reason="the official SDK is not installed")
    pydantic = pytest.importorskip("pydantic")
    output = [ENCRYPTED, message("Hm", phase="commentary"), function_call()]
    history = Message("assistant", folded(whole(response(*output))).content())
    results = tool(ToolResult("call_1", (Text("sun"), PNG)), ToolResult("call_1", (Text("a"),)))
    document = File(data=b"pdf", media_type="application/pdf")
    messages = (Message("system", (Text("s"),)), user("q", PNG, document), history, results, assistant("ok"), user("go"))
    body = body_of(
        *messages,
        tools=(WEATHER,),
        tool_choice="weather",
        parallel_tool_calls=False,
        output=COLOUR,
        reasoning="low",
        temperature=0.1,
        top_p=0.9,
        max_output_tokens=64,
    )
    strict = pydantic.TypeAdapter(sdk.ResponseCreateParamsNonStreaming, config=None)
    parsed = strict.validate_python(body)
    assert parsed.keys() == body.keys()

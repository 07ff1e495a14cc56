"""What Ollama's native chat API answers: every case as a body and as its stream of lines, cut everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from saferoute import errors
from saferoute.values.events import PartEnd, ReasoningDelta, Started, TextDelta, TokenLogprob, ToolCallDelta, ToolCallReady
from saferoute.values.messages import Content, OpaqueState, Reasoning, Text, ToolCall
from saferoute.values.usage import Buckets
from tests.unit.dialect_cases import (
    LINES,
    OLLAMA,
    WHOLE,
    assistant,
    check_every_cut,
    check_every_end,
    decoded,
    decoded_whole,
    essence,
    fold_of,
    lines,
    messages_of,
    user,
)

END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 70,
    "load_duration": 10,
    "prompt_eval_count": 12,
    "prompt_eval_duration": 20,
    "eval_count": 9,
    "eval_duration": 40,
}


def _body(content: str = "", *, done_reason: str = "stop", **message: Any) -> dict[str, Any]:
    head = {"model": "qwen3:8b", "created_at": "2026-10-01T00:00:00Z"}
    return head | {"message": {"role": "assistant", "content": content} | message} | END | {"done_reason": done_reason}


def _call(name: str = "weather", arguments: object = None, **more: object) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": {"city": "Łódź", "days": [1, 2.5]} if arguments is None else arguments}} | more


BODIES: dict[str, dict[str, Any]] = {
    "text": _body("Grüße, 世界 👩‍🚀!"),
    "nothing": _body(),
    "thinking": _body("Yes.", thinking="Let me\nsee."),
    "a call": _body(tool_calls=[_call()]),
    "parallel calls with ids": _body(tool_calls=[_call(id="c1"), _call("clock", {}, id="c2")]),
    "parallel calls of one tool": _body("see", tool_calls=[_call(), _call()]),
    "thinking and a call": _body(thinking="hm", tool_calls=[_call()]),
    "cut off": _body("a", done_reason="length"),
}


def _lines(body: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The lines in which the server would have streamed a body."""
    head = {"model": body["model"], "created_at": body["created_at"], "done": False}
    message = body["message"]
    for field in ("thinking", "content"):
        text = message.get(field, "")
        yield from (head | {"message": {"role": "assistant", "content": ""} | {field: text[at : at + 3]}} for at in range(0, len(text), 3))
    for call in message.get("tool_calls", ()):
        yield head | {"message": {"role": "assistant", "content": "", "tool_calls": [call]}}
    yield body | {"message": {"role": "assistant", "content": ""}}


def _stream(body: dict[str, Any]) -> bytes:
    return lines(_lines(body))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_and_its_stream_fold_to_the_same(body: dict[str, Any]) -> None:
    assert essence(decoded(OLLAMA, _stream(body), kind=LINES)) == essence(decoded_whole(OLLAMA, body))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_every_cut_gives_the_same_events(body: dict[str, Any]) -> None:
    check_every_cut(OLLAMA, _stream(body), LINES)
    check_every_cut(OLLAMA, _stream(body), WHOLE)


@pytest.mark.parametrize("body", [BODIES["text"], BODIES["thinking and a call"]])
def test_a_stream_without_its_last_object_is_interrupted(body: dict[str, Any]) -> None:
    data = _stream(body)
    check_every_end(OLLAMA, data, LINES, len(data) - 1)


def test_a_stream_that_says_it_is_a_whole_body_is_read_and_interrupted_all_the_same() -> None:
    data = _stream(BODIES["text"])
    assert essence(decoded(OLLAMA, data, kind=WHOLE)) == essence(decoded(OLLAMA, data, kind=LINES))
    first = data.index(b"\n") + 1
    for end in range(first + 2, len(data) - 1):  # one line alone cannot be told from a body that is not done
        with pytest.raises(errors.StreamInterrupted):
            decoded(OLLAMA, data[:end], kind=WHOLE)


def test_the_events_of_a_stream() -> None:
    events = decoded(
        OLLAMA,
        _stream(
            BODIES["parallel calls with ids"]
            | {"message": BODIES["parallel calls with ids"]["message"] | {"thinking": "hm", "content": "ok"}}
        ),
        kind=LINES,
    )
    arguments = '{"city":"Łódź","days":[1,2.5]}'
    assert events[:-1] == [
        Started("", "qwen3:8b"),
        ReasoningDelta("hm", 0),
        TextDelta("ok", 1),
        ToolCallDelta(2, "c1", "weather", arguments),
        ToolCallReady(2, ToolCall("c1", "weather", arguments)),
        ToolCallDelta(3, "c2", "clock", "{}"),
        ToolCallReady(3, ToolCall("c2", "clock", "{}")),
        PartEnd(0, OpaqueState("ollama", "ollama_chat", "qwen3", '{"thinking":"hm"}')),
        PartEnd(1),
    ]


def test_text_is_shown_while_the_stream_comes() -> None:
    data = _stream(BODIES["text"])
    one = data.index(b"\n") + 1
    assert decoded(OLLAMA, data[:one], data[one:], kind=LINES)[:2] == [Started("", "qwen3:8b"), TextDelta("Grü", 0)]


def test_calls_without_ids_get_different_ones_that_stay_the_same() -> None:
    calls = [part for part in fold_of(decoded_whole(OLLAMA, BODIES["parallel calls of one tool"]))[0] if isinstance(part, ToolCall)]
    assert len({call.id for call in calls}) == 2
    later = BODIES["parallel calls of one tool"] | {"created_at": "2026-10-01T00:00:09Z"}
    others = [part for part in fold_of(decoded_whole(OLLAMA, later))[0] if isinstance(part, ToolCall)]
    assert not {call.id for call in calls} & {call.id for call in others}


@pytest.mark.parametrize(
    ("word", "calls", "finish"),
    [
        ("stop", [], "stop"),
        (None, [], "stop"),
        ("length", [], "length"),
        ("load", [], "other"),
        ("unload", [], "other"),
        ("stop", [_call()], "tool_call"),
        ("length", [_call()], "length"),
    ],
)
def test_finish_reasons(word: Any, calls: list[dict[str, Any]], finish: str) -> None:
    completed = fold_of(decoded_whole(OLLAMA, _body("a", tool_calls=calls, done_reason=word)))[1]
    assert (completed.finish_reason, completed.raw_finish_reason) == (finish, word or "")


def test_usage_and_durations() -> None:
    completed = fold_of(decoded_whole(OLLAMA, BODIES["text"]))[1]
    assert (completed.usage.input_tokens, completed.usage.output_tokens) == (12, 9)
    assert completed.usage.buckets == Buckets(input_uncached=12, output_text=9)
    assert completed.usage.raw == {name: value for name, value in END.items() if name not in {"done", "done_reason"}}
    assert completed.metadata == {"total_duration": 70, "load_duration": 10, "prompt_eval_duration": 20, "eval_duration": 40}
    cached = {name: value for name, value in BODIES["text"].items() if name != "prompt_eval_count"}
    usage = fold_of(decoded_whole(OLLAMA, cached))[1].usage
    assert (usage.input_tokens, usage.output_tokens, usage.buckets) == (None, 9, None)


def test_logprobs_come_with_their_alternatives() -> None:
    said = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -2}]}
    given = [line | {"logprobs": [said]} for line in _lines(_body("abcdef"))]
    completed = fold_of(decoded(OLLAMA, lines(given), kind=LINES))[1]
    assert completed.logprobs == (TokenLogprob("a", -0.5, (("a", -0.5), ("b", -2.0))),) * 3
    assert "logprobs" not in completed.metadata
    whole = fold_of(decoded_whole(OLLAMA, _body("abcdef") | {"logprobs": [said, {"token": 1}]}))[1]
    assert whole.logprobs == completed.logprobs[:1]
    assert fold_of(decoded_whole(OLLAMA, _body("a") | {"logprobs": None}))[1].logprobs == ()


def test_thinking_and_calls_go_back_as_they_came() -> None:
    content = fold_of(decoded(OLLAMA, _stream(BODIES["thinking and a call"]), kind=LINES))[0]
    (_, back) = messages_of(OLLAMA, user("a"), assistant(*content))
    assert (back["thinking"], back["tool_calls"][0]["function"]) == ("hm", _call()["function"])


SHAPES: list[tuple[str, dict[str, Any], Content]] = [
    ("an end without a message", {"model": "m", "done": True}, ()),
    ("null everywhere", _body() | {"message": {"role": "assistant", "content": None, "thinking": None, "tool_calls": None}}, ()),
    ("arguments as a text", _body(tool_calls=[_call("f", '{"x": 1}', id="c")]), (ToolCall("c", "f", '{"x": 1}'),)),
    ("no arguments", _body(tool_calls=[{"id": "c", "function": {"name": "f"}}]), (ToolCall("c", "f", "{}"),)),
]


@pytest.mark.parametrize(("body", "content"), [case[1:] for case in SHAPES], ids=[case[0] for case in SHAPES])
def test_shapes_of_bodies(body: dict[str, Any], content: Content) -> None:
    assert fold_of(decoded_whole(OLLAMA, body))[0] == content


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"done": False},
        {"done": "true"},
        {"message": "x"},
        {"status": "pulling"},
        _body() | {"done": False},
        _body(tool_calls=[{"function": {}}]),
    ],
)
def test_a_body_that_is_no_answer_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(errors.ProtocolError):
        decoded_whole(OLLAMA, body)


@pytest.mark.parametrize("line", [b"[]", b"1", b"{", b"null", b"data: {}", b'{"status":"x"}', b"\xff"])
def test_a_line_that_is_no_part_of_a_chat_is_refused(line: bytes) -> None:
    with pytest.raises(errors.ProtocolError):
        decoded(OLLAMA, line + b"\n" + _stream(BODIES["text"]), kind=LINES)


def test_blank_lines_line_ends_and_a_pretty_body() -> None:
    expected = essence(decoded_whole(OLLAMA, BODIES["thinking"]))
    assert essence(decoded(OLLAMA, b"\xef\xbb\xbf\n" + _stream(BODIES["thinking"]).replace(b"\n", b"\r\n\r\n"), kind=LINES)) == expected
    assert essence(decoded(OLLAMA, json.dumps(BODIES["thinking"], indent=2).encode(), kind=WHOLE)) == expected
    assert essence(decoded(OLLAMA, lines([BODIES["thinking"]]), kind=LINES)) == expected


def test_an_error_inside_a_stream_or_a_body_is_raised() -> None:
    first = next(iter(_lines(BODIES["text"])))
    error = {"error": "an error was encountered while running the model"}
    for kind in (LINES, WHOLE):
        with pytest.raises(errors.ServerError) as caught:
            decoded(OLLAMA, lines([first, error]), kind=kind)
        assert "encountered" not in str(caught.value)
        assert "encountered" in caught.value.diagnostics()
    with pytest.raises(errors.ServerError):
        decoded_whole(OLLAMA, error)


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "model does not support tools", errors.BadRequest),
        (400, "the input length exceeds the context length", errors.ContextWindowExceeded),
        (401, "unauthorized", errors.AuthenticationRejected),
        (403, "cloud is disabled", errors.PermissionDenied),
        (404, "model 'x' not found", errors.ModelNotFound),
        (413, "x", errors.RequestTooLarge),
        (429, "slow down", errors.RateLimited),
        (500, "x", errors.ServerError),
        (502, "x", errors.ServerError),
        (503, "server busy, please try again", errors.Overloaded),
        (529, "x", errors.Overloaded),
    ],
)
@pytest.mark.parametrize("kind_of_body", [WHOLE, LINES])
def test_error_answers(status: int, text: str, kind: type[errors.ProviderError], kind_of_body: str) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        decoded(OLLAMA, lines([{"error": text}]), kind=kind_of_body, status=status, headers={"retry-after": "7"})
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.retry_after) == (status, 7.0)


def test_the_parts_are_one_text_and_one_reasoning() -> None:
    head = {"model": "m", "created_at": "t", "done": False}
    pieces = [{"content": "a"}, {"thinking": "h"}, {"content": "b"}, {"thinking": "m"}]
    data = lines([*(head | {"message": piece} for piece in pieces), _body()])
    assert [part.text for part in fold_of(decoded(OLLAMA, data, kind=LINES))[0] if isinstance(part, Text | Reasoning)] == ["ab", "hm"]

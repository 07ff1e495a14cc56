"""Content in spans: for those who ask for it, as guards left it, and never a key."""

from __future__ import annotations

import json
from typing import Any

import pytest

import saferoute
from saferoute.errors import GuardBlocked, RateLimited
from saferoute.guards import PiiGuard
from saferoute.telemetry.content import input_messages
from saferoute.testing import Answer, ErrorAnswer
from saferoute.values.guarding import Action
from saferoute.values.messages import Message, OpaqueState, Reasoning, Refusal, ToolCall, ToolResult
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer
from tests.support.reversible import repeats, reversible
from tests.support.watched import Kept, watching

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
MAIL = "ada.lovelace@example.org"


def content(kept: Kept) -> tuple[Any, Any]:
    attributes = dict(kept.calls[-1].attributes or {})
    return tuple(json.loads(str(attributes[f"gen_ai.{way}.messages"])) for way in ("input", "output"))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("streamed", [False, True])
def test_the_conversation_and_the_answer_are_told_to_whom_asks_for_them(kind: str, streamed: bool) -> None:
    with watching(kind, {"content": True}) as watched:
        watched.provider.script([Answer("The answer.")])
        (watched.face.stream if streamed else watched.face.chat)("row/m-1", "A question?", system="Be brief.", stop=["END"])
    assert content(watched) == (
        [
            {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
            {"role": "user", "parts": [{"type": "text", "content": "A question?"}]},
        ],
        [{"role": "assistant", "parts": [{"type": "text", "content": "The answer."}], "finish_reason": "stop"}],
    )
    assert "END" not in watched.everything()
    assert all("question" not in span.to_json() for span in watched.attempts)


def test_what_guards_took_out_is_not_told() -> None:
    secret = "sk-proj-" + "a1B2c3D4" * 5
    with watching("blocking", {"content": True}) as watched:
        watched.provider.script([Answer("Noted.")])
        watched.face.chat("row/m-1", f"my key is {secret} and that is that")
    ((turn,), _) = content(watched)
    assert turn["parts"][0]["content"] == "my key is [redacted: secret.openai] and that is that"
    assert secret not in watched.everything()


def test_a_key_that_no_guard_was_asked_about_is_not_told() -> None:
    secret, plain = "sk-proj-" + "a1B2c3D4" * 5, "Zq7" * 12
    with watching("blocking", {"content": True}, guards=None) as watched:
        watched.provider.script([Answer(f"you said {plain}")])
        watched.face.chat("row/m-1", f"my key is {secret}")
    ((turn,), (answer,)) = content(watched)
    assert turn["parts"][0]["content"] == "my key is [removed]"
    assert answer["parts"][0]["content"] == "you said [removed]"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_put_back_into_an_answer_is_not_told(kind: str) -> None:
    kept = Kept()
    with CountingServer(repeats("Dear %1!")) as server:
        rows = [saferoute.loopback("here", port=server.port)]
        plain = {"servers": rows, "secrets": saferoute.Secrets.of({}), "telemetry": kept.options(content=True)}
        with reversible(Face(kind, lambda made: made.local(**plain, guards=[PiiGuard(Action.REDACT)])), "pii") as face:
            reply = face.chat("here/m", f"write to {MAIL}")
            assert MAIL in reply.text
    assert not [name for name in kept.call.attributes or {} if name.endswith(".messages")]
    assert MAIL not in kept.everything()


def test_a_call_that_fails_tells_no_content() -> None:
    with watching("blocking", {"content": True}) as watched:
        watched.provider.script([ErrorAnswer(429)], then="repeat")
        with pytest.raises(RateLimited):
            watched.face.chat("row/m-1", "private", max_attempts=1)
        with pytest.raises(GuardBlocked):
            watched.face.chat("row/m-1", "private \U000e0068\U000e0069")
        watched.face.client.embed("row/m-1", ["private"])
    assert "private" not in watched.everything()


def test_nobody_is_told_content_who_does_not_ask(request: pytest.FixtureRequest) -> None:
    with watching("blocking") as watched:
        watched.face.chat("row/m-1", "private", stop=["private"])
    assert "private" not in watched.everything()


def told(*parts: Any, role: Any = "user") -> list[Any]:
    ((turn,),) = (json.loads(input_messages([Message(role, parts)])),)
    return turn["parts"]  # type: ignore[no-any-return]


def test_every_part_is_told_without_bytes_states_and_tickets() -> None:
    state = OpaqueState("p", "d", "m", "secret state")
    assert told(saferoute.Text("a"), Refusal("no"), Reasoning("because", state), role="assistant") == [
        {"type": "text", "content": "a"},
        {"type": "text", "content": "no"},
        {"type": "reasoning", "content": "because"},
    ]
    assert told(ToolCall("c1", "look", '{"a": [1]}', state), ToolCall("c2", "look", "{no json"), ToolCall("c3", "look", "")) == [
        {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": [1]}},
        {"type": "tool_call", "id": "c2", "name": "look", "arguments": "{no json"},
        {"type": "tool_call", "id": "c3", "name": "look", "arguments": ""},
    ]
    assert told(ToolResult("c1", (saferoute.Text("found"), saferoute.Image(PNG))), role="tool") == [
        {"type": "tool_call_response", "id": "c1", "response": "found"}
    ]
    assert told(
        saferoute.Image(PNG),
        saferoute.Image(url="https://a.example/b.png?sig=private"),
        saferoute.File(file_id="file-1"),
        saferoute.File(b"%PDF-1.4", media_type="application/pdf"),
        saferoute.Audio(b"x", "wav"),
    ) == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": ""},
        {"type": "uri", "modality": "image", "uri": "https://a.example/b.png"},
        {"type": "file", "modality": "document", "file_id": "file-1"},
        {"type": "blob", "modality": "document", "mime_type": "application/pdf", "content": ""},
        {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": ""},
    ]


def test_a_key_in_the_form_of_a_guards_mark_is_none() -> None:
    for key in ("sk-proj-a1B2c3D4", "sk-abcdefgh", "q" * 30, "secret.sk-1234567890", "a.sk-aaaabbbbccccddddeeeeffff"):
        ((part,),) = (told(saferoute.Text(f"[redacted: {key}]")),)
        assert key not in part["content"]


def test_a_half_letter_does_not_break_the_export() -> None:
    assert input_messages([Message("user", (saferoute.Text("a\ud800"),))]).isascii()

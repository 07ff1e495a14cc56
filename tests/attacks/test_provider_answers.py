"""What a hostile or careless provider may answer must not leak, hang or steer."""

from __future__ import annotations

import json
import pickle

import pytest

from saferoute import errors
from saferoute.providers.decoder import MAX_ERROR_BYTES, Decoder
from saferoute.providers.openai_chat import OpenAIChat
from saferoute.values.http import Head, NetClass
from saferoute.values.messages import Message, Text
from saferoute.values.request import ChatRequest
from saferoute.values.target import Target
from saferoute.wire.sse import EventStream

KEY = "sk-proj-Abcdef0123456789Abcdef0123456789"
EVERYTHING = frozenset({"model", "messages", "stream", "tools", "max_tokens", "max_completion_tokens", "user"})
TARGET = Target("t", "openai", "openai_chat", "https://api.openai.com", "/v1", NetClass(), "m", "openai", "bearer", extra_params=EVERYTHING)


def _answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> errors.SaferouteError:
    decoder = Decoder(OpenAIChat().reader(TARGET), "openai")
    decoder.head(Head(status, headers or {}))
    try:
        decoder.feed(body)
        decoder.close()
    except errors.SaferouteError as error:
        return error
    pytest.fail("this answer must be an error")


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
@pytest.mark.parametrize("field", ["code", "type", "param", "message"])
@pytest.mark.parametrize("said", [KEY, f"Incorrect API key provided: {KEY}.", "gsk_" + "a" * 20, "A" * 40, "my secret prompt"])
def test_an_echoed_key_or_prompt_reaches_no_message_repr_or_pickle(status: int, field: str, said: str) -> None:
    error = _answer(status, json.dumps({"error": {field: said}}).encode(), {"x-request-id": f"<{KEY}>"})
    shown = str(error) + repr(error) + pickle.dumps(error).decode("latin-1") + str(vars(pickle.loads(pickle.dumps(error))))
    assert said not in shown
    assert KEY not in shown
    assert KEY not in error.diagnostics()


@pytest.mark.parametrize("body", [b"my secret prompt", b'["my secret prompt"]', b"data: my secret prompt\n\n", b"<b>my secret prompt</b>"])
@pytest.mark.parametrize("content_type", ["text/html", "application/json", "text/event-stream", "my secret prompt"])
def test_a_body_that_is_no_answer_reaches_no_message(body: bytes, content_type: str) -> None:
    error = _answer(200, body, {"content-type": content_type})
    assert isinstance(error, errors.ProtocolError | errors.StreamInterrupted)
    assert "secret" not in str(error) + repr(error) + error.diagnostics()


def test_a_redirect_is_never_followed_nor_shown() -> None:
    with pytest.raises(errors.UnexpectedRedirect) as caught:
        Decoder(OpenAIChat().reader(TARGET), "openai").head(Head(307, {"location": "https://evil.example/" + KEY}))
    assert "evil" not in str(caught.value)


def test_an_endless_error_answer_is_not_kept() -> None:
    decoder = Decoder(OpenAIChat().reader(TARGET), "openai")
    decoder.head(Head(500, {}))
    for _ in range(64):
        decoder.feed(b"x" * 65536)
    assert len(decoder._collected) <= MAX_ERROR_BYTES


def test_an_endless_event_is_refused() -> None:
    stream = EventStream(max_event_bytes=65536)
    stream.feed(b"data: " + b"x" * 65000)
    with pytest.raises(errors.ProtocolError):
        stream.feed(b"x" * 1000)


def test_a_long_event_in_small_pieces_is_read_in_linear_time() -> None:
    stream = EventStream()
    for _ in range(400_000):  # read quadratically, this would take minutes
        stream.feed(b"xxxx")
    assert stream.feed(b"\n\ndata: a\n\n") == [("", "a")]


@pytest.mark.parametrize("name", sorted(EVERYTHING - {"user"}))
def test_no_provider_option_changes_what_the_table_and_the_options_decide(name: str) -> None:
    request = ChatRequest((Message("user", (Text("hello"),)),), provider_options={"openai": {name: "other"}})
    with pytest.raises(errors.UnknownOption):
        OpenAIChat().encode(request, TARGET)


def test_a_wait_that_the_provider_asks_for_is_a_plain_number() -> None:
    for said in ("1e999", "nan", "-5", "0x10", "١٢"):
        error = _answer(429, b"{}", {"retry-after": said, "retry-after-ms": said})
        assert isinstance(error, errors.ProviderError)
        assert error.retry_after is None or 0 <= error.retry_after < 1000

"""Several answers in one body: none is joined with another, and none that was cut off passes for whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute.errors import ProtocolError, StreamInterrupted
from saferoute.providers.decoder import Decoder
from saferoute.providers.registry import codec_for
from saferoute.values.events import Completed, DecodedEvent
from saferoute.values.fold import Fold
from saferoute.values.http import Head, NetClass
from saferoute.values.target import Dialect, Target

FORMS: list[Dialect] = ["openai_chat", "mistral_chat", "gemini_generate"]
CUT = {
    "openai_chat": [("length", "length"), ("content_filter", "content_filter"), ("eos?", "other")],
    "mistral_chat": [("length", "length"), ("model_length", "context_overflow"), ("eos?", "other")],
    "gemini_generate": [("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("EOS", "other")],
}


def one(dialect: Dialect, text: str, index: object = None, finish: str | None = "stop", *, key: str = "message") -> dict[str, Any]:
    """An answer; without `index` it does not say which it is."""
    more = {} if index is None else {"index": index}
    if dialect == "gemini_generate":
        said = {"content": {"role": "model", "parts": [{"text": text}]}}
        return said | more | ({} if finish is None else {"finishReason": "STOP" if finish == "stop" else finish})
    return {key: {"role": "assistant", "content": text}, "finish_reason": finish} | more


def read(dialect: Dialect, *pieces: list[dict[str, Any]], stream: bool = False, done: bool = True) -> tuple[str, Completed]:
    target = Target("r", "x", dialect, "https://x.example", "", NetClass(), "m-1", "key", "bearer")
    decoder = Decoder(codec_for(dialect).reader(target), "x")
    name = "candidates" if dialect == "gemini_generate" else "choices"
    bodies = [json.dumps({"id": "r1", name: choices}) for choices in pieces]
    if stream and done and dialect != "gemini_generate":
        bodies.append("[DONE]")
    decoder.head(Head(200, {"content-type": "text/event-stream" if stream else "application/json"}))
    data = "".join(f"data: {body}\n\n" for body in bodies) if stream else bodies[0]
    events: list[DecodedEvent] = [*decoder.feed(data.encode()), *decoder.close()]
    fold = Fold()
    fold.add(events)
    assert fold.completed is not None
    return "".join(part.text for part in fold.content()), fold.completed  # type: ignore[union-attr]  # texts


@pytest.mark.parametrize("dialect", FORMS)
def test_answers_without_a_number_are_not_joined(dialect: Dialect) -> None:
    text, completed = read(dialect, [one(dialect, "yes"), one(dialect, "no"), one(dialect, "maybe")])
    assert (text, [other.text for other in completed.alternatives]) == ("yes", ["no", "maybe"])


@pytest.mark.parametrize("numbers", [(0, 0), (0, 1, 1), (None, 0), (0, 1, None, 2)])
@pytest.mark.parametrize("dialect", FORMS)
def test_two_answers_under_one_number_are_no_answer(dialect: Dialect, numbers: tuple[int | None, ...]) -> None:
    with pytest.raises(ProtocolError, match="two answers under one number"):
        read(dialect, [one(dialect, "no", number) for number in numbers])


@pytest.mark.parametrize("dialect", FORMS)
def test_a_zero_that_was_left_out_is_a_zero(dialect: Dialect) -> None:
    text, completed = read(dialect, [one(dialect, "no", 1), one(dialect, "yes")])
    assert (text, [other.text for other in completed.alternatives]) == ("yes", ["no"])


@pytest.mark.parametrize("dialect", ["openai_chat", "mistral_chat"])
def test_a_streams_pieces_without_a_number_are_of_one_answer(dialect: Dialect) -> None:
    pieces = [[one(dialect, "ye", finish=None, key="delta")], [one(dialect, "s", key="delta")]]
    text, completed = read(dialect, *pieces, stream=True)
    assert (text, completed.alternatives) == ("yes", ())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", FORMS)
def test_another_answer_says_why_it_ended(dialect: Dialect, stream: bool) -> None:
    for raw, finish in CUT[dialect]:
        key = "delta" if stream else "message"
        text, completed = read(dialect, [one(dialect, "yes", 0, key=key), one(dialect, "half of", 1, raw, key=key)], stream=stream)
        (other,) = completed.alternatives
        assert (text, completed.finish_reason) == ("yes", "stop")
        assert (other.text, other.finish_reason, other.raw_finish_reason) == ("half of", finish, raw)
        assert "half" not in repr(other)


@pytest.mark.parametrize("dialect", FORMS)
def test_another_answer_without_an_end_is_not_whole(dialect: Dialect) -> None:
    with pytest.raises(ProtocolError, match="alternative without a finish reason"):
        read(dialect, [one(dialect, "yes", 0), one(dialect, "half of", 1, None)])
    pieces = [one(dialect, "yes", 0, key="delta"), one(dialect, "half of", 1, None, key="delta")]
    with pytest.raises(StreamInterrupted):
        read(dialect, pieces, stream=True, done=False)
    if dialect != "gemini_generate":  # real servers leave it out before [DONE]: as for the answer itself, nobody knows why it ended
        (other,) = read(dialect, pieces, stream=True)[1].alternatives
        assert (other.finish_reason, other.raw_finish_reason) == ("other", "")

"""The decoder: what decides how a body is read, and how each kind ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from saferoute import errors
from saferoute.providers import decoder as decoder_module
from saferoute.providers.decoder import Decoder
from saferoute.providers.statuses import complaint_in, provider_error
from saferoute.values.events import Completed, Started, TextDelta
from saferoute.values.http import Head
from saferoute.values.json import decode
from saferoute.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.values.events import DecodedEvent

END = Completed("stop", "stop", Usage())


class Echo:
    """A dialect of one word: texts are texts, "end" ends, "bad" is no data, "oops" an error inside the stream."""

    def __init__(self, *, lenient: bool = False) -> None:
        self.completed = False
        self.lenient = lenient
        self.errors: list[Mapping[str, Any]] = []

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        if "error" in body:
            raise self.error(Head(200, {}), body)
        self.completed = True
        return [Started("id", "m"), TextDelta(body["text"]), END]

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:
        if name == "oops":
            raise self.error(Head(200, {}), decode(data))
        if data.startswith("bad"):
            msg = "bad"
            raise errors.ProtocolError(msg)
        if data == "end":
            self.completed = True
            return (END,)
        return (TextDelta(data),)

    def on_end(self) -> Sequence[DecodedEvent]:
        self.completed = self.lenient
        return (END,) if self.lenient else ()

    def error(self, head: Head, body: Mapping[str, Any]) -> errors.ProviderError:
        self.errors.append(body)
        return provider_error(head, complaint_in(body), provider_name="p")


def _decoded(data: bytes, content_type: str, *, status: int = 200, step: int = 1_000_000, reader: Echo | None = None) -> list[DecodedEvent]:
    decoder = Decoder(reader or Echo(), "p")
    headers = {"x-request-id": "req_1"} | ({"content-type": content_type} if content_type else {})
    decoder.head(Head(status, headers))
    events: list[DecodedEvent] = []
    for begin in range(0, len(data), step):
        events += decoder.feed(data[begin : begin + step])
    return events + decoder.close()


STREAM = [TextDelta("a"), END]
BODY = [Started("id", "m"), TextDelta("a"), END]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("content_type", "data", "events"),
    [
        ("text/event-stream", b"data: a\n\ndata: end\n\n", STREAM),
        ("Text/Event-Stream; charset=utf-8", b"data: a\n\ndata: end\n\n", STREAM),
        ("text/event-stream", b"\xef\xbb\xbfdata: a\n\ndata: end\n\n", STREAM),
        ("text/event-stream", b"foo: b\n\ndata: a\n\ndata: end\n\n", STREAM),
        ("application/json", b'{"text": "a"}', BODY),
        ("application/json", b'\xef\xbb\xbf \n{"text": "a"}', BODY),
        ("", b'{"text": "a"}', BODY),
        # mislabelled
        ("text/event-stream", b'{"text": "a"}', BODY),
        ("application/json", b"data: a\n\ndata: end\n\n", STREAM),
        ("", b": hi\n\nid: 1\ndata: a\n\nevent: x\ndata: end\n\n", STREAM),
        ("application/json", b"\n\nevent: x\ndata: a\n\ndata: end\n\n", STREAM),
        ("application/octet-stream", b'{"text": "a"}', BODY),
        # what comes after the end, and blank data
        ("text/event-stream", b"data: a\n\ndata:\n\ndata: end\n\ndata: b\n\nevent: oops\ndata: {}\n\n", STREAM),
        # the last blank line is missing
        ("text/event-stream", b"data: a\n\ndata: end", STREAM),
    ],
)
def test_type_and_first_bytes_decide(content_type: str, data: bytes, events: list[DecodedEvent], step: int) -> None:
    assert _decoded(data, content_type, step=step) == events


def test_completed_says_so() -> None:
    decoder = Decoder(Echo(), "p")
    decoder.head(Head(200, {"content-type": "text/event-stream"}))
    assert decoder.feed(b"data: a\n\n") == [TextDelta("a")]
    assert not decoder.completed
    assert decoder.feed(b"data: end\n\n") == [END]
    assert decoder.completed
    assert decoder.close() == []


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308])
def test_a_redirect_is_refused_at_its_head(status: int) -> None:
    with pytest.raises(errors.UnexpectedRedirect, match=str(status)):
        Decoder(Echo(), "p").head(Head(status, {"location": "https://elsewhere.example"}))


@pytest.mark.parametrize(
    "data",
    [b"data: a\n\n", b"data: a\n\ndata: b", b"data: a\n\nda", b"data: a\n\ndata: bad", b"data: a\n\nevent: x", b": hi\n\n"],
)
def test_a_stream_without_its_end_is_interrupted(data: bytes) -> None:
    with pytest.raises(errors.StreamInterrupted) as caught:
        _decoded(data, "text/event-stream")
    assert caught.value.partial is None


def test_an_empty_stream_is_interrupted() -> None:
    with pytest.raises(errors.StreamInterrupted):
        _decoded(b"", "text/event-stream")


def test_the_dialect_may_accept_an_end_without_terminal_event_unless_it_is_cut_inside_an_event() -> None:
    assert _decoded(b"data: a\n\n", "text/event-stream", reader=Echo(lenient=True)) == STREAM
    for cut in (b"data: a\n\ndata: bad", b"data: a\n\nda", b"data: a\n\ndata"):
        with pytest.raises(errors.StreamInterrupted):
            _decoded(cut, "text/event-stream", reader=Echo(lenient=True))


def test_data_of_the_dialect_that_is_none_is_a_protocol_error() -> None:
    with pytest.raises(errors.ProtocolError):
        _decoded(b"data: bad\n\n", "text/event-stream")


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"event: oops\ndata: {}\n\n", "text/event-stream"),
        (b"event: oops\ndata: {}", "text/event-stream"),
        (b'{"error": {}}', "application/json"),
    ],
)
def test_an_error_inside_an_answer_has_the_request_id_of_its_head(data: bytes, content_type: str) -> None:
    with pytest.raises(errors.ServerError) as caught:
        _decoded(data, content_type)
    assert caught.value.request_id == "req_1"
    assert caught.value.status == 200


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"<html><body>secret words</body></html>", "text/html; charset=utf-8"),
        (b"secret words", "text/plain"),
        (b'{"secret": "words"', "application/json"),
        (b'["secret words"]', "application/json"),
        (b'"secret words"', "application/json"),
        (b"", "application/json"),
        (b"  \n", ""),
        (b"dat", ""),
        (b"secret words", "x/" + "secret" * 9),
    ],
)
def test_an_answer_that_is_no_json_object_is_a_protocol_error_without_content(data: bytes, content_type: str) -> None:
    with pytest.raises(errors.ProtocolError) as caught:
        _decoded(data, content_type)
    assert "secret" not in str(caught.value)
    assert "no JSON object" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b'{"error": {"code": "c"}}', {"error": {"code": "c"}}),
        (b'\xef\xbb\xbf\n{"a": 1}', {"a": 1}),
        (b'[{"error": {"code": 1}}]', {"error": {"code": 1}}),
        (b'data: {"error": {}}\n\n', {"error": {}}),
        (b'event: error\ndata: {"error": {}}', {"error": {}}),
        (b"<html>nginx</html>", {}),
        (b"[]", {}),
        (b'"text"', {}),
        (b"data: no\n\n", {}),
        (b"", {}),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html", "text/event-stream", ""])
def test_an_error_answer_is_read_as_far_as_it_can_be(data: bytes, body: dict[str, Any], content_type: str) -> None:
    reader = Echo()
    with pytest.raises(errors.Overloaded) as caught:
        _decoded(data, content_type, status=503, step=5, reader=reader)
    assert caught.value.request_id == "req_1"
    assert reader.errors == [body]


def test_only_the_beginning_of_a_huge_error_answer_is_kept() -> None:
    decoder = Decoder(Echo(), "p")
    decoder.head(Head(500, {}))
    for _ in range(100):
        decoder.feed(b"x" * 10_000)
    assert len(decoder._collected) == decoder_module.MAX_ERROR_BYTES
    with pytest.raises(errors.ServerError):
        decoder.close()


def test_a_body_over_the_cap_is_refused_while_it_comes() -> None:
    decoder = Decoder(Echo(), "p", max_body_bytes=100)
    decoder.head(Head(200, {"content-type": "application/json"}))
    decoder.feed(b'{"text": "' + b"a" * 90)
    with pytest.raises(errors.ProtocolError, match="larger than 100 bytes"):
        decoder.feed(b"a")


@pytest.mark.parametrize("bad", [b'event: oops\ndata: {"error": "no"}\n\n', b"data: bad\n\n"], ids=["error", "no data"])
@pytest.mark.parametrize("together", [True, False], ids=["one piece", "two pieces"])
def test_what_came_before_a_failure_is_handed_out_wherever_the_answer_was_cut(bad: bytes, together: bool) -> None:
    good = b"data: one\n\ndata: two\n\n"
    decoder = Decoder(Echo(), "p")
    decoder.head(Head(200, {"content-type": "text/event-stream", "x-request-id": "req_1"}))
    events = decoder.feed(good + bad if together else good)
    assert events == [TextDelta("one"), TextDelta("two")]
    expected = errors.ProviderError if b"oops" in bad else errors.ProtocolError
    with pytest.raises(expected) as raised:
        decoder.feed(b"" if together else bad)
    if together:
        assert raised.value is decoder.failure
        with pytest.raises(expected):
            decoder.close()
    if b"oops" in bad:
        assert raised.value.request_id == "req_1"  # type: ignore[attr-defined]


def test_a_failure_at_the_beginning_of_a_piece_is_raised_at_once() -> None:
    decoder = Decoder(Echo(), "p")
    decoder.head(Head(200, {"content-type": "text/event-stream"}))
    with pytest.raises(errors.ProtocolError):
        decoder.feed(b"data: bad\n\ndata: one\n\n")
    assert decoder.failure is None

"""Read answers of Ollama's native chat API: one JSON object for a whole answer, one per line for a stream. Pure.

A whole answer is what a stream of one line would be. Rules:

- The object with `done` true ends the answer, and has the counts. A stream without it was cut off.
- There is one reasoning part and one text part; each call is a part; parts are numbered in order of appearance.
- Calls come whole, with arguments as an object. Older servers give them no id: one is made, the same for stream and body.
- The server says "stop" also when it asks for tools: the calls decide.
- An error inside a stream is an object with `error`.
- `prompt_eval_count` is missing where the whole prompt came from the cache: then the input is not known.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Final

from saferoute.errors import ProtocolError
from saferoute.providers.logprobs import token_logprobs
from saferoute.providers.statuses import complaint_in, provider_error
from saferoute.values.events import Completed, PartEnd, ReasoningDelta, Started, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode, encode, integer
from saferoute.values.messages import OpaqueState, ToolCall
from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.errors import ProviderError
    from saferoute.values.events import DecodedEvent, FinishReason
    from saferoute.values.target import Target

__all__ = ["OllamaReader"]

_DIALECT: Final = "ollama_chat"
_FINISH: Final[Mapping[str, FinishReason]] = {"": "stop", "stop": "stop", "length": "length"}
_COUNTS: Final = ("prompt_eval_count", "eval_count")
_DURATIONS: Final = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


class OllamaReader:
    """Reads one answer. See the module's docstring for the rules.

    Attributes:
        lines: True: a stream of this dialect is one JSON object a line, whatever its content type says.
        completed: whether the object that ends the answer has come.
    """

    lines: ClassVar[bool] = True

    __slots__ = (
        "_calls",
        "_created",
        "_logprobs",
        "_metadata",
        "_model",
        "_parts",
        "_provider",
        "_started",
        "_text",
        "_thinking",
        "_thoughts",
        "completed",
    )

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._provider = target.provider_name
        self._model = target.model
        self._started = False
        self._created = ""
        self._parts = 0
        self._text = self._thinking = -1  # indexes of these parts, once they exist
        self._thoughts: list[str] = []
        self._calls: list[ToolCallReady] = []
        self._logprobs: list[Any] = []
        self._metadata: dict[str, Any] = {}

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """Read a whole answer.

        Raises:
            ProviderError: for an error inside it.
            ProtocolError: for an object that does not end an answer.
        """
        events = self._read(body)
        if not self.completed:
            raise self._broken("an answer that is not done")
        return events

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:  # noqa: ARG002  lines have no names
        """Read one line of a stream.

        Raises:
            ProviderError: for an error inside the stream.
            ProtocolError: for a line that is not a JSON object of a chat.
        """
        try:
            line = decode(data)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise self._broken(f"a line of {len(data)} characters that is no JSON object")
        return self._read(line)

    def on_end(self) -> Sequence[DecodedEvent]:
        """A stream without its last object was cut off."""
        return ()

    def error(self, head: Head, body: Mapping[str, Any]) -> ProviderError:
        """Read an error answer."""
        said = {name: value for name, value in body.items() if name != "message" or isinstance(value, str)}  # or it is a chat's
        return provider_error(head, complaint_in(said), provider_name=self._provider)

    # ------------------------------------------------------------------------------------------------ one object

    def _read(self, line: Mapping[str, Any]) -> list[DecodedEvent]:
        if line.get("error"):
            raise self.error(Head(200, {}), line)
        message = line.get("message")
        if not isinstance(message, dict) and line.get("done") is not True:
            raise self._broken("an object that is no part of a chat")
        events: list[DecodedEvent] = []
        if not self._started:
            self._started = True
            self._created = as_text(line.get("created_at"))
            events.append(Started("", as_text(line.get("model"))))
        self._read_message(as_mapping(message), events)
        self._logprobs += as_list(line.get("logprobs"))
        if line.get("done") is True:
            self._end(line, events)
        return events

    def _read_message(self, message: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        thinking = as_text(message.get("thinking"))
        if thinking:
            if self._thinking < 0:
                self._thinking = self._new_part()
            self._thoughts.append(thinking)
            events.append(ReasoningDelta(thinking, self._thinking))
        text = as_text(message.get("content"))
        if text:
            if self._text < 0:
                self._text = self._new_part()
            events.append(TextDelta(text, self._text))
        for call in as_list(message.get("tool_calls")):
            self._read_call(as_mapping(call), events)

    def _read_call(self, call: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        function = as_mapping(call.get("function"))
        name, given = as_text(function.get("name")), function.get("arguments")
        if not name:
            raise self._broken("a tool call without a name")
        arguments = given if isinstance(given, str) else self._json({} if given is None else given)
        part = self._new_part()
        seed = f"{self._created}|{part}|{name}|{arguments}".encode("utf-8", "replace")
        call_id = as_text(call.get("id")) or f"call_{sha256(seed).hexdigest()[:24]}"
        events.append(ToolCallDelta(part, call_id, name, arguments))
        self._calls.append(ToolCallReady(part, ToolCall(call_id, name, arguments)))
        events.append(self._calls[-1])

    def _end(self, line: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        ends = sorted(index for index in (self._text, self._thinking) if index >= 0)
        events += [PartEnd(index, self._state() if index == self._thinking else None) for index in ends]
        raw = as_text(line.get("done_reason"))
        finish = _FINISH.get(raw, "other")
        if self._calls and finish in {"stop", "other"}:
            finish = "tool_call"
        self._metadata |= {name: line[name] for name in _DURATIONS if line.get(name) is not None}
        self.completed = True
        events.append(Completed(finish, raw, _usage(line), self._metadata, token_logprobs(self._logprobs)))

    def _new_part(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _state(self) -> OpaqueState:
        return OpaqueState(self._provider, _DIALECT, self._model, self._json({"thinking": "".join(self._thoughts)}))

    def _json(self, value: object) -> str:
        try:
            return encode(value).decode()
        except ValueError:
            raise self._broken("a number that JSON does not have") from None

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._provider or 'the provider'} sent {what}")


def _usage(line: Mapping[str, Any]) -> Usage:
    raw = {name: line[name] for name in (*_COUNTS, *_DURATIONS) if line.get(name) is not None}
    return usage_from_totals(input_tokens=integer(line.get(_COUNTS[0])), output_tokens=integer(line.get(_COUNTS[1])), raw=raw)

"""Read answers of OpenAI Responses, streamed or whole. Pure.

A whole body is read as a stream that gave every item at once, so that both give the same events. Rules:

- An answer is a list of items. Every text and every refusal of a message is a part, every reasoning item is one part, every function
  call is one; parts are numbered in order of appearance. Summaries and texts of one reasoning item are joined by a blank line.
- Other items (server-side tools, compaction, kinds that came later) become reasoning parts whose opaque state is the item: that is
  what has to come back in the next turn. They are no tool calls of the caller's. What ran at the provider also stands in the metadata
  under "server_items"; what waits for an answer of the caller that saferoute has no part for stands under "client_items", with a notice.
- A message with a phase, or after reasoning, is announced by a reasoning part without text whose state is its id and phase.
- A piece finds its item by the item's id, else by output index (llama.cpp sends none), else it belongs to the last item of its kind.
- An item's last word repeats its text: what had not been streamed of it is delivered then. Items that only the terminal event has are
  read from there.
- Sources of a text come while it is streamed or with the item's last word, each once; how likely the tokens were stands in Completed.
- Only a terminal event (completed, incomplete, failed, error) ends a stream; `[DONE]` means nothing here.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ProtocolError
from saferoute.providers.logprobs import token_logprobs
from saferoute.providers.openai_responses_annotations import citation_of
from saferoute.providers.openai_responses_arrivals import Arrivals, Item
from saferoute.providers.openai_responses_items import CALL_EXTRAS, DIALECT
from saferoute.providers.openai_responses_outcome import finish_of, judged, usage_of, waits_for_caller
from saferoute.providers.price_terms import under_terms
from saferoute.providers.statuses import complaint_in, provider_error
from saferoute.values.events import (
    Cited,
    Completed,
    Notice,
    Noticed,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallReady,
)
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode, encode
from saferoute.values.messages import OpaqueState, ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.errors import ProviderError
    from saferoute.values.events import DecodedEvent, TokenLogprob
    from saferoute.values.messages import Citation
    from saferoute.values.target import Target

__all__ = ["ResponsesReader"]

_TERMINAL: Final = {"response.completed": "completed", "response.incomplete": "incomplete"}
# Which kind of item, and which of its texts, a piece belongs to; the name of the index within the item.
_DELTAS: Final[Mapping[str, tuple[str, str, str]]] = {
    "response.output_text.delta": ("message", "text", "content_index"),
    "response.refusal.delta": ("message", "refusal", "content_index"),
    "response.reasoning_summary_text.delta": ("reasoning", "summary", "summary_index"),
    "response.reasoning_text.delta": ("reasoning", "content", "content_index"),
    "response.function_call_arguments.delta": ("function_call", "arguments", ""),
}
_NO_TOOLS: Final = frozenset({"compaction"})
_KEPT_OF_ANSWER: Final = ("service_tier", "incomplete_details", "moderation", "conversation", "citations", "search_results")


class ResponsesReader:
    """Reads one answer. See the module's docstring for the rules.

    Attributes:
        completed: whether the terminal event has come.
    """

    __slots__ = (
        "_arrivals", "_calls", "_cited", "_created", "_id", "_likely", "_marks", "_metadata",
        "_parts", "_refused", "_started", "_target", "_thought", "_waiting", "completed",
    )  # fmt: skip

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._target = target
        self._started = False
        self._id = self._created = ""
        self._arrivals = Arrivals()
        self._parts = 0
        self._calls = 0
        self._refused = False
        self._thought = False  # a reasoning item with state has come: ids matter from here on
        self._marks = False  # messages are announced from here on
        self._cited: dict[int, set[Citation]] = {}  # by part: the sources that were delivered
        self._likely: dict[int, list[TokenLogprob]] = {}  # by part: how likely its tokens were
        self._waiting: dict[str, None] = {}
        self._metadata: dict[str, Any] = {}

    # ------------------------------------------------------------------------------------------------- the contract

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """Read a whole answer.

        Raises:
            ProviderError: for an error inside it.
            ProtocolError: for a body without output.
        """
        if not isinstance(body.get("output"), list):
            if any(body.get(name) for name in ("error", "message", "detail")):
                raise self.error(Head(200, {}), body)
            raise self._broken("an answer without output")
        return [*self._start(body), *self._complete(body, "")]

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:
        """Read one event of a stream.

        Raises:
            ProviderError: for an error event and a failed answer.
            ProtocolError: for data that is not a JSON object, and for pieces out of place.
        """
        try:
            event = decode(data)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            if data.strip() == "[DONE]":
                return ()
            raise self._broken("an event that is no JSON object")
        kind = event.get("type", name)
        delta = _DELTAS.get(kind) if isinstance(kind, str) else None
        if delta is not None:
            return self._delta(event, *delta)
        return self._rare(kind, event)

    def on_end(self) -> Sequence[DecodedEvent]:
        """A stream without its terminal event was cut off."""
        return ()

    def error(self, head: Head, body: Mapping[str, Any]) -> ProviderError:
        """Read an error answer."""
        return provider_error(head, judged(complaint_in(body)), provider_name=self._target.provider_name)

    # ------------------------------------------------------------------------------------------------ events of a stream

    def _delta(self, event: Mapping[str, Any], kind: str, field: str, index_name: str) -> Sequence[DecodedEvent]:
        events: list[DecodedEvent] = []
        piece = event.get("delta")
        item = self._arrivals.find(event.get("item_id"), event.get("output_index"))
        if item is None or item.kind != kind:
            item = self._arrivals.last(kind)
            if item is None or not item.open:
                item = self._begin(event.get("output_index"), {"type": kind, "id": event.get("item_id")}, events)
        if not isinstance(piece, str) or not item.open:
            raise self._broken(f"a piece of {field} out of place")
        key = (field, _place(event, index_name))
        self._say(item, key, piece, events)
        if event.get("logprobs") and key in item.parts:
            self._likely.setdefault(item.parts[key], []).extend(token_logprobs(event["logprobs"]))
        return events

    def _rare(self, kind: object, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        events: list[DecodedEvent] = []
        match kind:
            case "response.output_item.added" if isinstance(event.get("item"), dict):
                self._begin(event.get("output_index"), event["item"], events)
            case "response.output_item.done" if isinstance(event.get("item"), dict):
                self._done(event.get("output_index"), event["item"], events)
            case "response.output_text.annotation.added":
                item = self._arrivals.find(event.get("item_id"), event.get("output_index")) or self._arrivals.last("message")
                part = item.parts.get(("text", _place(event, "content_index"))) if item is not None and item.open else None
                if part is not None:  # else of a text that has not begun; if it is real, the item's end says it again
                    self._cite(part, (event.get("annotation"),), events)
            case "response.created" | "response.in_progress" | "response.queued":
                return self._start(as_mapping(event.get("response")))
            case "response.completed" | "response.incomplete":
                response = as_mapping(event.get("response"))
                return [*self._start(response), *self._complete(response, _TERMINAL[str(kind)])]
            case "response.failed":
                raise self._failed(as_mapping(event.get("response")))
            case "error":  # the error stands beside the type, or inside
                raise self.error(Head(200, {}), {name: value for name, value in event.items() if name != "type"})
            case None | "" if event.get("error"):  # an error of some server on the way
                raise self.error(Head(200, {}), event)
            case _:  # progress of server-side tools, ends of texts that the item's end repeats, and events that came later
                pass
        return events

    def _start(self, response: Mapping[str, Any]) -> list[DecodedEvent]:
        if self._started:
            return []
        self._started = True
        self._id = as_text(response.get("id"))
        self._created = str(response.get("created_at"))
        return [Started(self._id, as_text(response.get("model")))]

    # ------------------------------------------------------------------------------------------------ items

    def _begin(self, index: object, first: Mapping[str, Any], events: list[DecodedEvent]) -> Item:
        events += self._start({})
        kind = first.get("type", "message" if "role" in first else None)
        if not isinstance(kind, str) or not kind:
            raise self._broken("an item without a type")
        if kind == "message" and (self._marks or self._thought or isinstance(first.get("phase"), str)):
            self._marks = True
            mark = {"type": "message"} | {name: first[name] for name in ("id", "phase") if isinstance(first.get(name), str)}
            events.append(PartEnd(self._new_part(), self._state(mark)))
        item = Item(kind, first, -1 if kind == "message" else self._new_part())
        if kind == "function_call":
            self._begin_call(item, events)
        self._arrivals.add(item, index)
        return item

    def _begin_call(self, item: Item, events: list[DecodedEvent]) -> None:
        self._calls += 1
        item.call_id = as_text(item.first.get("call_id"))
        if not item.call_id:
            seed = f"{self._id}|{self._created}|{item.part}"
            item.call_id = f"call_{sha256(seed.encode('utf-8', 'replace')).hexdigest()[:24]}"
        arguments = self._arguments(item.first)
        item.said["arguments", 0] = [arguments]
        events.append(ToolCallDelta(item.part, item.call_id, as_text(item.first.get("name")), arguments))

    def _say(self, item: Item, key: tuple[str, int], text: str, events: list[DecodedEvent]) -> None:
        """Deliver a piece of one of an item's texts."""
        if not text:
            return
        said = item.said.get(key)
        if said is None:
            if key[0] in {"summary", "content"} and item.said:
                events.append(ReasoningDelta("\n\n", item.part))
            said = item.said[key] = []
        said.append(text)
        match key[0]:
            case "arguments":
                events.append(ToolCallDelta(item.part, item.call_id, as_text(item.first.get("name")), text))
            case "summary" | "content":
                events.append(ReasoningDelta(text, item.part))
            case _:
                if key not in item.parts:
                    item.parts[key] = self._new_part()
                self._refused = self._refused or key[0] == "refusal"
                events.append((RefusalDelta if key[0] == "refusal" else TextDelta)(text, item.parts[key]))

    def _say_rest(self, item: Item, key: tuple[str, int], whole: object, events: list[DecodedEvent]) -> None:
        """Deliver what was not streamed of a text; where the two differ, what was shown stays."""
        said = "".join(item.said.get(key, ()))
        if isinstance(whole, str) and whole.startswith(said):
            self._say(item, key, whole[len(said) :], events)

    def _done(self, index: object, last: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        item = self._arrivals.find(last.get("id") or last.get("call_id"), index)
        if item is not None and not item.open and last.get("id") == item.first.get("id"):
            return  # said twice
        if item is None or not item.open or last.get("type", item.kind) != item.kind:
            item = self._begin(index, last, events)
        self._end(item, last, events)

    def _end(self, item: Item, last: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        """Take an item's last word; {} where it has none."""
        item.open = False
        match item.kind:
            case "message":
                self._end_message(item, last, events)
            case "reasoning":
                for field in ("summary", "content"):
                    for index, piece in enumerate(as_list(last.get(field))):
                        self._say_rest(item, (field, index), as_mapping(piece).get("text"), events)
                # without either the provider has nothing to read in it, and nothing stored to find by its id
                keeps = last.get("encrypted_content") or last.get("content")
                self._thought = self._thought or bool(keeps)
                events.append(PartEnd(item.part, self._state(last) if keeps else None))
            case "function_call":
                events.append(ToolCallReady(item.part, self._call(item, last, events)))
            case _:
                if last:
                    self._keep_item(item.kind, last)
                events.append(PartEnd(item.part, self._state(last) if last else None))

    def _end_message(self, item: Item, last: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        content = last.get("content")
        for index, piece in enumerate([{"type": "output_text", "text": content}] if isinstance(content, str) else as_list(content)):
            words = as_mapping(piece)
            field = "refusal" if words.get("type") == "refusal" else "text"
            self._say_rest(item, (field, index), words.get(field), events)
            part = item.parts.get((field, index))
            if part is None:
                continue
            annotations, likely = as_list(words.get("annotations")), token_logprobs(words.get("logprobs"))
            if annotations:
                self._cite(part, annotations, events)
                self._metadata.setdefault("citations", []).extend({"index": part, "citation": value} for value in annotations)
            if likely:
                self._likely[part] = list(likely)  # the same as the pieces had
        events += [PartEnd(part) for part in item.parts.values()]

    def _cite(self, part: int, annotations: Sequence[object], events: list[DecodedEvent]) -> None:
        """Deliver the sources of a text, each once: the item's end repeats what was streamed."""
        known = self._cited.setdefault(part, set())
        for citation in map(citation_of, annotations):
            if citation is not None and citation not in known:
                known.add(citation)
                events.append(Cited(part, citation))

    def _call(self, item: Item, last: Mapping[str, Any], events: list[DecodedEvent]) -> ToolCall:
        whole = self._arguments(last)
        self._say_rest(item, ("arguments", 0), whole, events)
        name = as_text(last.get("name")) or as_text(item.first.get("name"))
        if not name:
            raise self._broken("a tool call without a name")
        # A call that comes straight from the model says {"type": "direct"} or nothing; one out of server-side code has to say so again.
        extras = {name: last[name] for name in CALL_EXTRAS if last.get(name) not in (None, {"type": "direct"})}
        if self._thought and isinstance(last.get("id"), str):
            extras["id"] = last["id"]
        call_id = as_text(last.get("call_id")) or item.call_id
        arguments = whole or "".join(item.said["arguments", 0])
        return ToolCall(call_id, name, arguments, self._state(extras) if extras else None)

    def _arguments(self, item: Mapping[str, Any]) -> str:
        given = item.get("arguments")
        return given if isinstance(given, str) else self._json(given) if given else ""

    def _keep_item(self, kind: str, item: Mapping[str, Any]) -> None:
        waits = waits_for_caller(kind, item)
        if waits:
            self._waiting[kind] = None
        if kind not in _NO_TOOLS:
            self._metadata.setdefault("client_items" if waits else "server_items", []).append(item)

    def _new_part(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _state(self, value: Mapping[str, Any]) -> OpaqueState:
        # The asked model's name, not the reported one: on Azure the two have nothing in common.
        return OpaqueState(self._target.provider_name, DIALECT, self._target.model, self._json(value))

    def _json(self, value: object) -> str:
        try:
            return encode(value).decode()
        except ValueError:
            raise self._broken("a number or text that JSON does not have") from None

    # --------------------------------------------------------------------------------------------------------- the end

    def _complete(self, response: Mapping[str, Any], ended: str) -> list[DecodedEvent]:
        """End the answer; `ended` is how the stream ended, "" for a whole body."""
        if response.get("error") or response.get("status") == "failed":
            raise self._failed(response)
        events: list[DecodedEvent] = []
        self._end_items(as_list(response.get("output")), events)
        finish, raw = finish_of(response, ended, calls=self._calls > 0, refused=self._refused)
        self._metadata |= {name: response[name] for name in _KEPT_OF_ANSWER if response.get(name) not in (None, [])}
        for kind in self._waiting:
            why = f"the answer waits for the output of a {kind}, which saferoute has no part for; see client_items in the metadata"
            events.append(Noticed(Notice("noted", "tools", why)))
        self.completed = True
        likely = tuple(token for part in sorted(self._likely) for token in self._likely[part])
        usage = under_terms(usage_of(response.get("usage")), self._metadata, "server_items", "search_results")
        events.append(Completed(finish, raw, usage, self._metadata, likely))
        return events

    def _end_items(self, output: list[Any], events: list[DecodedEvent]) -> None:
        """Match the final list with what was streamed, and end what is open."""
        waiting = self._arrivals.waiting()
        for last in output:
            if not isinstance(last, dict):
                raise self._broken("an item that is no object")
            kind = last.get("type", "message" if "role" in last else None)
            item = self._arrivals.match(kind, last.get("id"), waiting) or self._begin(None, last, events)
            item.matched = True
            if item.open:
                self._end(item, last, events)
        for item in self._arrivals.items:
            if item.open:
                self._end(item, {}, events)

    def _failed(self, response: Mapping[str, Any]) -> ProviderError:
        return self.error(Head(200, {}), {"error": response.get("error") or {"code": "server_error"}})

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._target.provider_name or 'the provider'} sent {what}")


def _place(event: Mapping[str, Any], name: str) -> int:
    """An index of an event; 0 where it says none."""
    index = event.get(name, 0)
    return index if type(index) is int else 0

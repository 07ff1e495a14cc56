"""Gather one choice of an OpenAI Chat Completions answer: its parts, its calls, and what has to come back. Pure.

There is one text part, one refusal part and one reasoning part; each tool call is a part; parts are numbered in order of appearance.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from saferoute.providers.openai_chat_calls import Calls
from saferoute.providers.openai_chat_growth import gathered, join, settled
from saferoute.providers.openai_chat_outcome import FINISH, KEPT_OF_CHOICE, KEPT_OF_MESSAGE
from saferoute.values.events import PartEnd, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.json import as_list, as_mapping, as_text, encode
from saferoute.values.messages import OpaqueState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.events import DecodedEvent, FinishReason
    from saferoute.values.target import Target

__all__ = ["Choice"]

_DIALECT = "openai_chat"
_FINISH_OF_CALLS: Final = frozenset({"stop", "tool_call", "other"})  # cut-off and failed answers stay what they are
_PLAIN: Final = frozenset({"role", "content"})  # of a delta that has text only


class Choice:
    """One choice that is arriving.

    Attributes:
        finish: the provider's word for why it ended; "" until it came.
        metadata: what is kept of it beside its parts.
        seed: what the ids of calls that came without one are made of: whatever tells this answer from others.
        text: the index of the text part; -1 for none yet.
    """

    __slots__ = (
        "_blocks",
        "_calls",
        "_details",
        "_parts",
        "_reasoning",
        "_refusal",
        "_shown",
        "_target",
        "_thoughts",
        "finish",
        "metadata",
        "seed",
        "text",
    )

    def __init__(self, target: Target, seed: tuple[object, ...]) -> None:
        self.finish = ""
        self.metadata: dict[str, Any] = {}
        self.seed = seed
        self.text = self._refusal = self._reasoning = -1  # indexes of these parts, once they exist
        self._target = target
        self._parts = 0
        self._calls: Calls | None = None  # None for no call yet
        self._shown = False  # whether reasoning comes in a text field of its own
        self._thoughts: list[str] = []  # reasoning_content, to go back as it came
        self._details: list[dict[str, Any]] = []  # OpenRouter's reasoning_details, to go back as they came
        self._blocks: list[dict[str, Any]] = []  # Mistral's thinking blocks, to go back as they came

    def read(self, choice: Mapping[str, Any], key: str, events: list[DecodedEvent]) -> None:
        """Read a piece of the choice, or all of it, where `key` is "message"."""
        self.finish = as_text(choice.get("finish_reason")) or self.finish
        for name, value in choice.items():
            if name in KEPT_OF_CHOICE and value is not None and value != []:
                self._keep(name, value)
        delta = choice.get(key)
        if delta is None and not self._parts:  # a server that streams its whole message at once
            delta, key = choice.get("message"), "message"
        if isinstance(delta, dict):
            self._read_delta(delta, events, whole=key == "message")

    def text_part(self) -> int:
        """The index of the text part, which begins with this if it has not begun."""
        if self.text < 0:
            self.text = self._parts
            self._parts += 1
        return self.text

    def end_parts(self, events: list[DecodedEvent]) -> None:
        """Every part is whole."""
        calls = {} if self._calls is None else {call.index: call for call in self._calls.all}
        for index in range(self._parts):
            events.append(PartEnd(index, self._reasoning_state() if index == self._reasoning else None))
            if index in calls:
                events.append(ToolCallReady(index, calls[index].whole(self._state)))

    def finish_reason(self) -> FinishReason:
        """Why the choice ended, in our words."""
        finish: FinishReason = FINISH.get(self.finish, "other")
        if self._calls is not None and finish in _FINISH_OF_CALLS:
            return "tool_call"
        if self._refusal >= 0:
            return "refusal"
        return "stop" if finish == "tool_call" else finish

    # ------------------------------------------------------------------------------------------------------ the message

    def _read_delta(self, delta: Mapping[str, Any], events: list[DecodedEvent], *, whole: bool) -> None:
        more = False  # than text: what there is none of is left out, null or an empty list
        for name, value in delta.items():
            if name not in _PLAIN and value is not None and value != []:
                more = True
                if name in KEPT_OF_MESSAGE:
                    self._keep(name, value)
        if more:
            self._read_reasoning(delta, events, whole=whole)
        content = delta.get("content")
        if content.__class__ is str:
            if content:
                events.append(TextDelta(content, self.text_part()))
        else:
            for block in as_list(content):
                self._read_block(as_mapping(block), events, whole=whole)
        if more:
            self._read_refusal(delta.get("refusal"), events)
            for position, call in enumerate(as_list(delta.get("tool_calls"))):
                fragment = as_mapping(call)
                self._read_call(fragment, position if whole else fragment.get("index"), position, events)
            function = delta.get("function_call")
            if isinstance(function, dict):
                self._read_call({"function": function}, -1, 0, events)

    def _read_reasoning(self, delta: Mapping[str, Any], events: list[DecodedEvent], *, whole: bool) -> None:
        content = delta.get("reasoning_content")
        text = as_text(content) or as_text(delta.get("reasoning"))
        details = [detail for detail in as_list(delta.get("reasoning_details")) if isinstance(detail, dict)]
        if content and isinstance(content, str):
            self._thoughts.append(content)
        for detail in details:
            join(self._details, detail, whole=whole)
        self._shown = self._shown or bool(text)
        if details:
            self._reasoning_part()
            if not self._shown:  # most servers say the same text in a field of its own
                text = "".join(as_text(detail.get("text")) or as_text(detail.get("summary")) for detail in details)
        self._add_reasoning(text, events)

    def _read_block(self, block: Mapping[str, Any], events: list[DecodedEvent], *, whole: bool) -> None:
        thinking = block.get("thinking")
        if thinking is None:
            self._add_text(as_text(block.get("text")), events)
            return
        text = as_text(thinking) or "".join(as_text(as_mapping(piece).get("text")) for piece in as_list(thinking))
        join(self._blocks, {**block, "thinking": text}, whole=whole)
        self._reasoning_part()
        self._add_reasoning(text, events)

    def _read_refusal(self, refusal: object, events: list[DecodedEvent]) -> None:
        if refusal and isinstance(refusal, str):
            if self._refusal < 0:
                self._refusal = self._new_part()
            events.append(RefusalDelta(refusal, self._refusal))

    def _read_call(self, fragment: Mapping[str, Any], said: object, position: int, events: list[DecodedEvent]) -> None:
        function = as_mapping(fragment.get("function") or fragment.get("custom"))
        index, call_id, name = said if isinstance(said, int) else None, as_text(fragment.get("id")), as_text(function.get("name"))
        if self._calls is None:
            self._calls = Calls()
        call = self._calls.find(index, call_id, name, position)
        if call is None:
            call = self._calls.begin(index, call_id, self._new_part())
            if not call_id:
                seed = "|".join(map(str, (*self.seed, call.index)))
                call.id = f"call_{sha256(seed.encode('utf-8', 'replace')).hexdigest()[:24]}"
        call.name = call.name or name
        call.extra = fragment.get("extra_content") or call.extra
        arguments = call.take(function.get("arguments", function.get("input")))
        events.append(ToolCallDelta(call.index, call.id, call.name, arguments))

    # ------------------------------------------------------------------------------------------------------- parts

    def _new_part(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _reasoning_part(self) -> int:
        if self._reasoning < 0:
            self._reasoning = self._new_part()
        return self._reasoning

    def _add_text(self, text: str, events: list[DecodedEvent]) -> None:
        if text:
            events.append(TextDelta(text, self.text_part()))

    def _add_reasoning(self, text: str, events: list[DecodedEvent]) -> None:
        if text:
            events.append(ReasoningDelta(text, self._reasoning_part()))

    def _keep(self, name: str, value: object) -> None:
        self.metadata[name] = gathered(self.metadata.get(name), value)

    def _reasoning_state(self) -> OpaqueState | None:
        """What has to come back with the next turn; the vendors that want nothing back get nothing."""
        if self._details:
            return self._state({"reasoning_details": settled(self._details)})
        if self._blocks:
            blocks = [{**block, "thinking": [{"type": "text", "text": block["thinking"]}]} for block in settled(self._blocks)]
            return self._state({"thinking": blocks})
        if self._thoughts:
            return self._state({"reasoning_content": "".join(self._thoughts)})
        return None

    def _state(self, payload: Mapping[str, Any]) -> OpaqueState:
        return OpaqueState(self._target.provider_name, _DIALECT, self._target.model, encode(payload).decode())

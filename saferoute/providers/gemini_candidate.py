"""One candidate of a generateContent answer: its parts as events, whole or in pieces. The rules stand in `gemini_answer`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ProtocolError
from saferoute.providers.gemini_sources import cited, likely_tokens
from saferoute.providers.gemini_turns import transport
from saferoute.values.events import PartEnd, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.json import as_list, as_mapping, as_text, encode
from saferoute.values.messages import OpaqueState, ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.values.events import DecodedEvent, TokenLogprob
    from saferoute.values.target import Target

__all__ = ["UNSAID", "Candidate"]

# proto's words for "nothing was said"
UNSAID: Final = frozenset({"", "FINISH_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED"})
# What of a candidate besides its content is worth keeping; in streams, lists inside the second row come in pieces.
_METADATA: Final = ("finishMessage", "safetyRatings", "avgLogprobs")
_METADATA_IN_PIECES: Final = ("citationMetadata", "groundingMetadata", "urlContextMetadata")
_SERVER_PARTS: Final = frozenset({"executableCode", "codeExecutionResult", "toolCall", "toolResponse"})
_DIGEST_CHARS: Final = 24


class Candidate:
    """Reads one candidate.

    Attributes:
        finish: why it ended, in the API's words; "" before it has.
        calls: whether it asks for tools.
        metadata: what it says besides its content.
    """

    __slots__ = (
        "_answer_id",
        "_call_ids",
        "_logprobs",
        "_media",
        "_number",
        "_open",
        "_parts",
        "_server",
        "_target",
        "_texts",
        "finish",
        "metadata",
    )

    def __init__(self, target: Target, number: int, answer_id: str) -> None:
        self.finish = ""
        self.metadata: dict[str, Any] = {}
        self._target = target
        self._number = number  # among the answers that were asked for
        self._answer_id = answer_id
        self._parts = 0
        self._open: tuple[int, bool] | None = None  # the part that the next piece continues, and whether it is thinking
        self._call_ids: set[str] = set()
        self._texts: dict[int, list[str]] = {}
        self._logprobs: dict[str, Any] = {}
        self._server: list[Mapping[str, Any]] = []
        self._media: list[Mapping[str, Any]] = []

    @property
    def calls(self) -> bool:
        """Whether it asks for tools."""
        return bool(self._call_ids)

    def read(self, said: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        """Take a fragment, or all of it, and add its events.

        Raises:
            ProtocolError: for parts that make no sense.
        """
        for part in as_list(as_mapping(said.get("content")).get("parts")):
            if not isinstance(part, dict):
                raise self._broken("a part that is no object")
            text = part.get("text")
            if type(text) is str:
                self._read_text(part, text, events)
            else:
                self._read_other(part, events)
        finish = as_text(said.get("finishReason"))
        self.finish = self.finish if finish in UNSAID else finish
        self.metadata |= {name: said[name] for name in _METADATA if said.get(name) is not None}
        for name in _METADATA_IN_PIECES:
            if isinstance(said.get(name), dict):
                _join(self.metadata.setdefault(name, {}), said[name])
        if isinstance(said.get("logprobsResult"), dict):
            _join(self._logprobs, said["logprobsResult"])

    def end(self, events: list[DecodedEvent]) -> tuple[TokenLogprob, ...]:
        """End the open part, and add the sources of the texts; how likely the tokens were comes back."""
        self._close(events)
        if self._server:
            self.metadata["server_parts"] = self._server
        if self._media:
            self.metadata["media"] = self._media
        if not self.metadata.keys().isdisjoint(("citationMetadata", "groundingMetadata")):
            events += cited(self.metadata, {index: "".join(pieces) for index, pieces in self._texts.items()})
        return likely_tokens(self._logprobs)

    # ------------------------------------------------------------------------------------------------ parts

    def _read_text(self, part: Mapping[str, Any], text: str, events: list[DecodedEvent]) -> None:
        thinks = part.get("thought") is True
        signature = as_text(part.get("thoughtSignature"))
        if not text and not signature:
            return
        if self._open is not None and self._open[1] is not thinks:
            self._close(events)
        if text or thinks:
            if self._open is None:
                self._open = (self._next_part(), thinks)
                if not thinks:
                    self._texts[self._open[0]] = []
            index = self._open[0]
            if text and thinks:
                events.append(ReasoningDelta(text, index))
            elif text:
                self._texts[index].append(text)
                events.append(TextDelta(text, index))
        if signature:
            self._close(events, {"thoughtSignature": signature})

    def _close(self, events: list[DecodedEvent], signed: Mapping[str, Any] | None = None) -> None:
        """End the open text or thinking, with its signature if it has one; a signature without a part before it stands alone."""
        if self._open is not None:
            index, thinks = self._open
            self._open = None
            if thinks:
                events.append(PartEnd(index, self._state({"thought": True, **(signed or {})})))
                return
            events.append(PartEnd(index))
        if signed is not None:
            events.append(PartEnd(self._next_part(), self._state(signed)))

    def _read_other(self, part: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        """Read a part that is no text: a call, a part of a server-side tool, media, or something new."""
        if part.get("text") is not None:
            raise self._broken("a text that is no text")
        call = part.get("functionCall")
        if call is not None:
            self._close(events)
            events += self._read_call(call, as_text(part.get("thoughtSignature")))
            return
        kinds = [name for name, value in part.items() if isinstance(value, dict)]
        if not kinds:
            if part.get("thoughtSignature"):
                self._read_text(part, "", events)
            return
        self._close(events)
        index = self._next_part()
        if not _SERVER_PARTS.isdisjoint(kinds):
            self._server.append(part)
        if isinstance(part.get("inlineData"), dict) and part.get("thought") is not True:
            self._media.append({"index": index, **part["inlineData"]})
        events.append(PartEnd(index, self._state(part)))

    def _read_call(self, call: object, signature: str) -> Sequence[DecodedEvent]:
        name = as_text(call.get("name")) if isinstance(call, dict) else ""
        if not isinstance(call, dict) or not name:
            raise self._broken("a tool call without a name")
        if call.get("partialArgs") or call.get("willContinue"):
            raise self._broken("a tool call in pieces, which nobody asked for")
        given = call.get("args")
        arguments = given if isinstance(given, str) else self._json({} if given is None else given)
        arguments = arguments if arguments.strip() else "{}"
        call_id = as_text(call.get("id"))
        if not call_id or call_id in self._call_ids:
            call_id = self._made_id(name, arguments, signature)
        self._call_ids.add(call_id)
        index = self._next_part()
        state = self._state({"thoughtSignature": signature}) if signature else None
        return (ToolCallDelta(index, call_id, name, arguments), ToolCallReady(index, ToolCall(call_id, name, arguments, state)))

    def _made_id(self, *said: str) -> str:
        seed = self._json([self._answer_id, self._number, len(self._call_ids), *said])
        return "call_" + hashlib.sha256(seed.encode()).hexdigest()[:_DIGEST_CHARS]

    def _next_part(self) -> int:
        index, self._parts = self._parts, self._parts + 1
        return index

    def _state(self, value: Mapping[str, Any]) -> OpaqueState:
        """State for the model that was asked: names such as "-latest" answer under another name, and the state has to find back."""
        target = self._target
        return OpaqueState(target.provider_name, transport(target), target.model, self._json(value))

    def _json(self, value: object) -> str:
        try:
            return encode(value).decode()
        except ValueError:
            raise self._broken("a number that JSON does not have") from None

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._target.provider_name or 'the provider'} sent {what}")


def _join(known: dict[str, Any], now: Mapping[str, Any]) -> None:
    """Add metadata that comes in pieces: lists grow, everything else is replaced; a list said again as a whole is not doubled."""
    for name, value in now.items():
        old = known.get(name)
        if isinstance(old, list) and isinstance(value, list) and value[: len(old)] != old:
            old += value
        else:
            known[name] = value.copy() if isinstance(value, list) else value

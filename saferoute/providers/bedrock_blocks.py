"""Content blocks of a Converse answer, put together from their pieces; `bedrock_answer` says the rules."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from saferoute.errors import ProtocolError
from saferoute.providers.bedrock_citations import citation_of
from saferoute.providers.bedrock_turns import DIALECT, SERVER_TOOL_USE
from saferoute.values.events import Cited, Notice, Noticed, PartEnd, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.json import as_list, as_mapping, as_text, decode, encode
from saferoute.values.messages import OpaqueState, ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.values.events import DecodedEvent
    from saferoute.values.target import Target

__all__ = ["Blocks", "broken"]

_CALLS = frozenset({"call", "server call"})
_RESULTS = frozenset({"server result"})
# Kinds of content without a part here, by name; any other name from outside is not repeated in a notice.
_LEFT_OUT = frozenset({"image", "audio", "video", "document", "searchResult", "guardContent", "cachePoint"})


def broken(provider_name: str, what: str) -> ProtocolError:
    """The error for an answer that is not what Converse says."""
    return ProtocolError(f"{provider_name or 'the provider'} sent {what}")


class _Block:
    """A content block that is open.

    Attributes:
        part: number of the part that it makes.
        kind: "text", "reasoning", "redacted", "call", "server call" or "server result".
        start: what its first event said.
        pieces: text of the reasoning, base64 of the redacted reasoning, or JSON of the arguments.
        signature: pieces of the signature.
        items: content of a server-side tool's result.
    """

    __slots__ = ("items", "kind", "part", "pieces", "signature", "start")

    def __init__(self, part: int, kind: str, start: Mapping[str, Any]) -> None:
        self.part = part
        self.kind = kind
        self.start = start
        self.pieces: list[str] = []
        self.signature: list[str] = []
        self.items: list[Any] = []


class Blocks:
    """Puts blocks together and says what happened as events.

    Attributes:
        calls: how many calls of the caller's tools there were.
        server: the server-side calls and results, as they came.
        citations: what the text cites, with the part that does.
    """

    __slots__ = ("_model", "_open", "_parts", "_provider", "_skipped", "calls", "citations", "server")

    def __init__(self, target: Target) -> None:
        self.calls = 0
        self.server: list[Mapping[str, Any]] = []
        self.citations: list[dict[str, Any]] = []
        self._provider = target.provider_name
        self._model = target.model
        self._open: dict[int, _Block] = {}  # by wire index
        self._parts = 0
        self._skipped: set[str] = set()

    # ------------------------------------------------------------------------------------------------ what comes

    def whole(self, index: int, block: Mapping[str, Any]) -> list[DecodedEvent]:
        """Take a block of a body, as what it would have been in a stream."""
        events: list[DecodedEvent] = []
        for kind, value in block.items():
            inner = as_mapping(value)
            pieces: list[tuple[str, object]] = [(kind, value)]
            if kind == "toolUse":
                events += self.start(index, kind, {name: inner[name] for name in inner if name != "input"})
                given = inner.get("input")
                pieces = [(kind, {"input": given if isinstance(given, str) else self._json(given) if given else ""})]
            elif kind == "toolResult":
                events += self.start(index, kind, {name: inner[name] for name in inner if name != "content"})
                pieces = [(kind, inner.get("content"))]
            elif kind == "citationsContent":
                texts = [as_mapping(piece).get("text") for piece in as_list(inner.get("content"))]
                pieces = [("text", text) for text in texts if isinstance(text, str)]
                pieces += [("citation", citation) for citation in as_list(inner.get("citations"))]
            elif kind == "reasoningContent" and "reasoningText" in inner:
                pieces = [(kind, inner["reasoningText"])]
            for name, piece in pieces:
                events += self.delta(index, name, piece)
        return events + self.end(index)

    def start(self, index: int, kind: str, value: object) -> list[DecodedEvent]:
        """Take the beginning of a block; text and reasoning need none."""
        if kind not in {"toolUse", "toolResult"}:
            return [] if kind in {"text", "reasoningContent"} else self._skip(kind)
        events = self.end(index)
        start = as_mapping(value)
        if kind == "toolResult":
            self._enter(index, "server result", start)
            return events
        call_id, name = as_text(start.get("toolUseId")), as_text(start.get("name"))
        if not name:
            raise self._broken("a tool call without a name")
        if start.get("type") == SERVER_TOOL_USE:
            self._enter(index, "server call", start)
            return events
        self.calls += 1
        call_id = call_id or f"call_{self._parts}"
        block = self._enter(index, "call", {"id": call_id, "name": name})
        return [*events, ToolCallDelta(block.part, call_id, name, "")]

    def delta(self, index: int, kind: str, value: object) -> list[DecodedEvent]:
        """Take a piece of a block."""
        match kind:
            case "text":
                return self._add_text(index, value)
            case "toolUse":
                return self._add_input(index, as_mapping(value).get("input"))
            case "reasoningContent":
                return self._add_reasoning(index, as_mapping(value))
            case "toolResult":
                self._begun(index, _RESULTS).items += as_list(value)
                return []
            case "citation":
                return self._cite(index, value) if isinstance(value, dict) else []
            case _:
                return self._skip(kind)

    def end(self, index: int) -> list[DecodedEvent]:
        """Take the end of a block; an empty text has nothing else."""
        block = self._open.pop(index, None)
        if block is None:
            return []
        if block.kind == "call":
            arguments = "".join(block.pieces)
            call = ToolCall(block.start["id"], block.start["name"], arguments if arguments.strip() else "{}")
            return [ToolCallReady(block.part, call)]
        whole = _put_together(block)
        if whole is None:
            return [PartEnd(block.part)]
        if block.kind.startswith("server"):
            self.server.append(whole)
        return [PartEnd(block.part, OpaqueState(self._provider, DIALECT, self._model, self._json(whole)))]

    def end_all(self) -> list[DecodedEvent]:
        """End the blocks that nothing ended."""
        return [event for index in list(self._open) for event in self.end(index)]

    # ------------------------------------------------------------------------------------------------ pieces

    def _add_text(self, index: int, value: object) -> list[DecodedEvent]:
        events: list[DecodedEvent] = []
        block = self._of_kind(index, "text", events)
        text = self._piece(value)
        return [*events, TextDelta(text, block.part)] if text else events

    def _cite(self, index: int, value: Mapping[str, Any]) -> list[DecodedEvent]:
        """Take a citation: of the text that is open, or of one that it begins."""
        events: list[DecodedEvent] = []
        block = self._open.get(index) or self._of_kind(index, "text", events)
        self.citations.append({"index": block.part, "citation": value})
        return [Cited(block.part, citation_of(value))] if block.kind == "text" else []

    def _add_input(self, index: int, value: object) -> list[DecodedEvent]:
        block = self._begun(index, _CALLS)
        piece = self._piece(value)
        block.pieces.append(piece)
        if not piece or block.kind != "call":
            return []
        return [ToolCallDelta(block.part, block.start["id"], block.start["name"], piece)]

    def _add_reasoning(self, index: int, value: Mapping[str, Any]) -> list[DecodedEvent]:
        events: list[DecodedEvent] = []
        if value.get("redactedContent") is not None:
            self._of_kind(index, "redacted", events).pieces.append(self._piece(value["redactedContent"]))
        if value.get("text") is not None:
            block = self._of_kind(index, "reasoning", events)
            text = self._piece(value["text"])
            block.pieces.append(text)
            events += [ReasoningDelta(text, block.part)] if text else []
        if value.get("signature") is not None:
            self._of_kind(index, "reasoning", events).signature.append(self._piece(value["signature"]))
        return events

    def _enter(self, index: int, kind: str, start: Mapping[str, Any]) -> _Block:
        block = self._open[index] = _Block(self._parts, kind, start)
        self._parts += 1
        return block

    def _of_kind(self, index: int, kind: str, events: list[DecodedEvent]) -> _Block:
        """The open block that takes a piece of this kind; a new one where none is open, or one of another kind."""
        block = self._open.get(index)
        if block is not None and block.kind == kind:
            return block
        if block is not None and block.kind not in {"text", "reasoning", "redacted"}:
            raise self._broken(f"a piece of {kind} inside a {block.kind}")
        events += self.end(index)
        return self._enter(index, kind, {})

    def _begun(self, index: int, kinds: frozenset[str]) -> _Block:
        """The open block that takes a piece of something that has a beginning."""
        block = self._open.get(index)
        if block is None or block.kind not in kinds:
            raise self._broken("a piece of a tool call or result that did not begin")
        return block

    def _piece(self, value: object) -> str:
        if not isinstance(value, str):
            raise self._broken("a piece of content that is no text")
        return value

    def _skip(self, kind: str) -> list[DecodedEvent]:
        known = kind if kind in _LEFT_OUT else "unknown"
        if known in self._skipped:
            return []
        self._skipped.add(known)
        return [Noticed(Notice("dropped", "content", f"the answer has content of kind {known}, which is left out"))]

    def _json(self, value: object) -> str:
        try:
            return encode(value).decode()
        except ValueError:
            raise self._broken("a number that JSON does not have") from None

    def _broken(self, what: str) -> ProtocolError:
        return broken(self._provider, what)


def _put_together(block: _Block) -> Mapping[str, Any] | None:
    """The block as the API wants it back; None for one that need not or cannot go back."""
    text, signature = "".join(block.pieces), "".join(block.signature)
    match block.kind:
        case "reasoning" if signature:
            return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
        case "redacted":
            redacted = _joined_base64(block.pieces)
            return None if redacted is None else {"reasoningContent": {"redactedContent": redacted}}
        case "server call":
            try:
                return {"toolUse": {**block.start, "input": decode(text or "{}")}}
            except ValueError:
                return None
        case "server result":
            return {"toolResult": {**block.start, "content": block.items}}
        case _:
            return None


def _joined_base64(pieces: Sequence[str]) -> str | None:
    """Pieces of base64, each of bytes of its own, as one; None where they are none. A single piece stays byte for byte."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b64encode(b"".join(b64decode(piece, validate=True) for piece in pieces)).decode()
    except ValueError:
        return None

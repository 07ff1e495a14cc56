"""Put streamed tool calls together, whatever a server leaves out of their fragments. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.values.json import encode
from saferoute.values.messages import ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.values.messages import OpaqueState

__all__ = ["Call", "Calls"]


class Call:
    """A tool call that is arriving."""

    __slots__ = ("arguments", "extra", "id", "index", "name")

    def __init__(self, index: int, call_id: str) -> None:
        self.index = index
        self.id = call_id
        self.name = ""
        self.arguments: list[str] = []
        self.extra: object = None

    def take(self, arguments: object) -> str:
        """Add a piece of the arguments, and return its text."""
        piece = arguments if isinstance(arguments, str) else ("" if arguments is None else encode(arguments).decode())
        self.arguments.append(piece)
        return piece

    def whole(self, state: Callable[[Mapping[str, Any]], OpaqueState]) -> ToolCall:
        """The call; `state` wraps what has to go back with it."""
        kept = state({"extra_content": self.extra}) if self.extra else None  # Gemini's thought signature on its OpenAI door
        return ToolCall(self.id, self.name, "".join(self.arguments), kept)


class Calls:
    """Finds the call that a fragment belongs to: by index, by id, or the last one."""

    __slots__ = ("_by_key", "all")

    def __init__(self) -> None:
        self.all: list[Call] = []
        self._by_key: dict[int | str, Call] = {}

    def find(self, index: int | None, call_id: str, name: str, position: int) -> Call | None:
        """The call that a fragment with these continues; None if it begins one. `position` is its place in its chunk."""
        if index is not None:
            call = self._by_key.get(index)
            # some servers number every parallel call 0: a new id together with a name begins a new call
            return None if call is not None and call_id and name and call_id != call.id else call
        if call_id:
            return self._by_key.get(call_id)
        return None if name or position else (self.all[-1] if self.all else None)

    def begin(self, index: int | None, call_id: str, part: int) -> Call:
        """Begin the call that becomes this part."""
        call = Call(part, call_id)
        self.all.append(call)
        if index is not None:
            self._by_key[index] = call
        if call_id:
            self._by_key[call_id] = call
        return call

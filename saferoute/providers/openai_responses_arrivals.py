"""The items of an OpenAI Responses answer that is arriving: what has come of each, and which of them a piece belongs to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from saferoute.values.json import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Arrivals", "Item", "Waiting"]

Waiting: TypeAlias = dict[str, deque["Item"]]


class Item:
    """An item that is arriving.

    Attributes:
        kind: the wire's type.
        first: the item as it began.
        part: number of its part; -1 for a message, whose texts have parts of their own.
        call_id: of a call, the id that its result names.
        parts: parts of a message, by which text.
        said: what was delivered of each text, in pieces.
        open: whether its last word has not come.
        matched: whether the terminal event named it.
    """

    __slots__ = ("call_id", "first", "kind", "matched", "open", "part", "parts", "said")

    def __init__(self, kind: str, first: Mapping[str, Any], part: int) -> None:
        self.kind = kind
        self.first = first
        self.part = part
        self.call_id = ""
        self.parts: dict[tuple[str, int], int] = {}
        self.said: dict[tuple[str, int], list[str]] = {}
        self.open = True
        self.matched = False


class Arrivals:
    """The items so far, in order of their beginning.

    Attributes:
        items: all of them.
    """

    __slots__ = ("_by_id", "_by_index", "_last", "items")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._by_id: dict[str, Item] = {}
        self._by_index: dict[int, Item] = {}
        self._last: dict[str, Item] = {}

    def add(self, item: Item, index: object) -> None:
        """Take an item that begins; `index` is its place on the wire, where the wire says one."""
        self.items.append(item)
        self._last[item.kind] = item
        if type(index) is int:
            self._by_index[index] = item
        for name in (as_text(item.first.get("id")), item.call_id):
            if name:
                self._by_id[name] = item

    def find(self, item_id: object, index: object) -> Item | None:
        """The item with this id, else the one at this place; None for neither."""
        item = self._by_id.get(item_id) if isinstance(item_id, str) else None
        return item or (self._by_index.get(index) if type(index) is int else None)

    def last(self, kind: str) -> Item | None:
        """The last item of a kind."""
        return self._last.get(kind)

    def waiting(self) -> Waiting:
        """The items by kind, in order, for `match` to take from."""
        waiting: Waiting = {}
        for item in self.items:
            waiting.setdefault(item.kind, deque()).append(item)
        return waiting

    def match(self, kind: object, item_id: object, waiting: Waiting) -> Item | None:
        """The item that an entry of the final list is: by id, else the next of its kind, as some servers give new ids there."""
        item = self._by_id.get(as_text(item_id))
        if item is not None and not item.matched and item.kind == kind:
            return item
        queue = waiting.get(kind) if isinstance(kind, str) else None
        while queue and queue[0].matched:
            queue.popleft()
        return queue[0] if queue else None

"""What of a request's body is text that a model reads: the contract of every dialect's `texts(body)`.

An extractor reads the bytes that are about to leave, knows nothing of the code that wrote them, and gives every text with the place it
stands at. A body that has a key which the extractor does not know is refused: what nobody looked at does not leave.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeAlias

from typing_extensions import override

from saferoute.errors import ProtocolError

if TYPE_CHECKING:
    from saferoute.providers.text_memory import TextMemory

__all__ = ["NOTHING_OPENED", "Opened", "Raw", "Texts", "WireText", "WireTextKind", "unknown_place"]

WireTextKind: TypeAlias = Literal[
    "system", "user", "assistant", "reasoning", "tool_call", "tool_result", "tool_name", "tool_description", "tool_schema", "schema"
]


class WireText(NamedTuple):
    """One text of a body.

    Attributes:
        kind: who says it. "tool_call" is a call's name and its arguments (one text each); "tool_schema" and "schema" are JSON texts;
            "tool_result" is a tool's answer; texts of documents count for the role that gives them.
        path: JSON pointer to it in the body.
        text: the text. What the body has as JSON and not as a string is as `saferoute.values.json_exact.exact_text` writes it.
    """

    kind: WireTextKind
    path: str
    text: str

    @override
    def __repr__(self) -> str:
        return f"WireText({self.kind}, {self.path}, {len(self.text)} chars)"


Raw: TypeAlias = tuple[WireTextKind, str, str]
"""The fields of a WireText, while a body is read."""

Opened: TypeAlias = Mapping[str, Collection[str]]
"""What a caller passes through: by the field's name its values, as `exact_text` writes them."""

NOTHING_OPENED: Final[Opened] = MappingProxyType({})
"""For a call that passes nothing through."""


class Texts(Protocol):
    """A dialect's extractor."""

    def __call__(self, body: bytes, opened: Opened = ..., memory: TextMemory | None = ..., /) -> tuple[WireText, ...]:
        """Read a body.

        Args:
            body: the bytes that are about to leave.
            opened: what the caller passes through.
            memory: what the client has read before.

        Returns:
            Its texts, in wire order.

        Raises:
            ProtocolError: for a place that it does not know.
        """
        ...


def unknown_place(path: str) -> ProtocolError:
    """The error for a key or a kind of block that an extractor does not know; the key is shown as a JSON pointer."""
    return ProtocolError(f"the request's body has {path[:200]!r}, which nothing has looked at; nothing was sent")

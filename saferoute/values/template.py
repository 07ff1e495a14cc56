"""A prompt template with its values: as a caller asks for it, and as it was written out, with whose words are whose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from saferoute.errors import InvalidMessages
from saferoute.values.template_text import LONGEST_TEMPLATE, is_template_name, is_variable_name, source_of
from saferoute.values.template_values import frozen

if TYPE_CHECKING:
    from saferoute.values.signed_template import VariableType
    from saferoute.values.template_values import Given

__all__ = ["Piece", "Rendered", "Template"]

_MOST_VALUES: Final = 64


@dataclass(frozen=True, slots=True, repr=False)
class Template:
    """A prompt template of the signed routing table, and the values that go into it.

        >>> from saferoute import Template
        >>> Template("support-v3", {"customer": "Ada"})
        Template('support-v3', customer)

    The template's own words are the ones that were signed. What stands for `{customer}` is text, whatever it holds: it is not read
    again, and guards judge it as words that somebody else wrote.

    Args:
        name: as the table has it.
        values: by variable: a str, an int, a float, True, False, or, where the table declares the variable as json, lists and mappings
            of these. They are copied.
        text: the template, where the table holds its digest only.
        retrieved: variables whose values were fetched, from a page, a file or a database: they count as what a tool returned.

    Attributes:
        given: name and value of each variable, sorted by name.

    Raises:
        InvalidMessages: for what is no name, no value or no text.
    """

    name: str
    values: InitVar[Mapping[str, Any] | None] = None
    text: str | None = field(default=None, kw_only=True)
    retrieved: Iterable[str] = field(default=(), kw_only=True)
    given: tuple[tuple[str, Given], ...] = field(init=False)

    def __post_init__(self, values: Mapping[str, Any] | None) -> None:
        if not is_template_name(self.name):
            said = f"{self.name[:60]!a}" if isinstance(self.name, str) else f"a value of type {type(self.name).__name__}"
            msg = f"a template's name has lower case letters a to z, digits and _.- (up to 64), beginning with a letter; {said} is none"
            raise InvalidMessages(msg)
        if self.text is not None and (type(self.text) is not str or len(self.text) > LONGEST_TEMPLATE):
            msg = f"Template({self.name!r}, text=...) takes a str of at most {LONGEST_TEMPLATE} characters"
            raise InvalidMessages(msg)
        items = {} if values is None else values
        if not isinstance(items, Mapping) or len(items) > _MOST_VALUES:
            msg = f"Template({self.name!r}, values) takes a mapping of at most {_MOST_VALUES} values by the names of their variables"
            raise InvalidMessages(msg)
        given = [(name, frozen(value, name)) for name, value in self._named(items)]
        object.__setattr__(self, "given", tuple(sorted(given, key=_name)))
        object.__setattr__(self, "retrieved", self._fetched())

    def _named(self, items: Mapping[str, Any]) -> list[tuple[str, Any]]:
        pairs = list(items.items())
        for name, _ in pairs:
            if not is_variable_name(name):
                said = f"{name[:60]!a}" if isinstance(name, str) else f"a value of type {type(name).__name__}"
                msg = f"Template({self.name!r}): a variable's name has lower case letters a to z, digits and _ (up to 64); {said} is none"
                raise InvalidMessages(msg)
        return pairs

    def _fetched(self) -> tuple[str, ...]:
        named = frozenset(name for name, _ in self.given)
        fetched = None if isinstance(self.retrieved, str) or not isinstance(self.retrieved, Iterable) else list(self.retrieved)
        if fetched is None or not all(type(name) is str and name in named for name in fetched):
            known = ", ".join(sorted(named)) or "it has none"
            msg = f"Template({self.name!r}, retrieved=...) takes a set of names out of its values: {known}"
            raise InvalidMessages(msg)
        return tuple(sorted({*fetched}))

    @override
    def __repr__(self) -> str:
        return f"Template({', '.join([repr(self.name), *(name for name, _ in self.given)])})"


def _name(pair: tuple[str, Given]) -> str:
    return pair[0]


@dataclass(frozen=True, slots=True)
class Piece:
    """One stretch of a template that was written out.

    Attributes:
        text: what stands there.
        variable: whose value that is; "" for the template's own words.
        kind: the variable's type.
        retrieved: whether the value was fetched.
    """

    text: str
    variable: str = ""
    kind: VariableType = "text"
    retrieved: bool = False

    @override
    def __repr__(self) -> str:
        return f"Piece({self.variable or 'words'}, {len(self.text)} chars)"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template as it was written out. It proves its own origin: its words and variables give the template's text, and so its digest.

    Attributes:
        name: the template's.
        sha256: digest of the template's text, which was verified.
        pieces: words and values, in order.
    """

    name: str
    sha256: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """What the model reads."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def source(self) -> str:
        """The template's text, as its pieces have it."""
        return source_of(("" if piece.variable else piece.text, piece.variable) for piece in self.pieces)

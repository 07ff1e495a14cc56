"""A walk along approved texts: whether the texts of a body say them, on one of the ways in which formats say the texts of one message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from saferoute.values.json import decode, encode
from saferoute.values.json_exact import Twice, decode_exact, exact_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["Loose", "Piece", "Said", "Walk", "blanks_of", "canonical", "is_piece", "texts_in", "texts_of"]

Piece: TypeAlias = tuple[str, Literal["text", "refusal", "document", "name", "json"]]
"""A text, and what it is of."""


class Said(NamedTuple):
    """What one message, call or result says.

    Attributes:
        turn: whose move it is, counted through the conversation.
        pieces: its texts.
        due: whether it has to be there.
    """

    turn: int
    pieces: tuple[Piece, ...]
    due: bool = True


class Loose(NamedTuple):
    """Opaque state, any text of which a format may say here: it goes back as the provider gave it."""

    turn: int
    payload: str


class Walk:
    """A walk along what is approved, text by text of the body, on every way that is open."""

    __slots__ = ("_drops", "_items", "_loose", "_ways", "turns")

    def __init__(self, items: Sequence[Said | Loose], *, drops: bool) -> None:
        self._items = items
        self._drops = drops
        self._loose: dict[int, frozenset[str]] = {}
        self._ways: dict[int, list[tuple[Piece, ...]]] = {}
        self.turns: list[int | None] = []

    def through(self, texts: Sequence[str]) -> int | None:
        """Walk; None if the texts lead to the end, else the number of the text that leads nowhere, or how many there are."""
        states = set(self._from(0))
        for number, text in enumerate(texts):
            taken = {state for state in states if self._is(state, text)}
            if not taken:
                return number
            whose = {self._items[item].turn for item, _, _ in taken}
            self.turns.append(whose.pop() if len(whose) == 1 else None)
            states = {after for state in taken for after in self._behind(state)}
        return None if any(item == len(self._items) for item, _, _ in states) else len(texts)

    def _from(self, item: int) -> Iterator[tuple[int, int, int]]:
        """Where one stands who comes to an item: at it, and behind it if it can be left out."""
        while item < len(self._items):
            one = self._items[item]
            if isinstance(one, Said):
                ways = self._ways.get(item)
                if ways is None:
                    ways = self._ways[item] = _ways(one.pieces)
                open_ends = [end for way in range(len(ways)) for end in self._along(item, way, 0)]
                yield from [end for end in open_ends if end is not None]
                if one.due and None not in open_ends:
                    return
            else:
                yield item, 0, 0
            item += 1
        yield item, 0, 0

    def _along(self, item: int, way: int, place: int) -> Iterator[tuple[int, int, int] | None]:
        """Where one stands on a way through an item; None for behind its end."""
        pieces = self._ways[item][way]
        while place < len(pieces):
            yield item, way, place
            if not (self._drops and pieces[place][1] == "document"):
                return
            place += 1
        yield None

    def _behind(self, state: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
        item, way, place = state
        if isinstance(self._items[item], Loose):
            if place + 1 < len(self._texts(item)):
                yield item, 0, place + 1
            yield from self._from(item + 1)
            return
        for after in self._along(item, way, place + 1):
            if after is None:
                yield from self._from(item + 1)
            else:
                yield after

    def _is(self, state: tuple[int, int, int], text: str) -> bool:
        item, way, place = state
        if item == len(self._items):
            return False
        if isinstance(self._items[item], Loose):
            return text in self._texts(item)
        return is_piece(self._ways[item][way][place], text)

    def _texts(self, item: int) -> frozenset[str]:
        texts = self._loose.get(item)
        if texts is None:
            one = self._items[item]
            texts = self._loose[item] = frozenset(texts_in(one.payload) if isinstance(one, Loose) else ())
        return texts


def is_piece(piece: Piece, text: str) -> bool:
    """Whether a text of a body is this piece: JSON is the same value, and a document may be without its byte order mark."""
    approved, of = piece
    if text == approved:
        return True
    if of == "json":
        return text in {canonical(approved), _last_ones(approved)}
    return of == "document" and text == approved.removeprefix("\ufeff")


def _ways(pieces: tuple[Piece, ...]) -> list[tuple[Piece, ...]]:
    """How formats say the pieces of a message: one by one; the texts joined, before the documents; refusals joined, before the texts."""
    ways = [pieces]
    if len(pieces) > 1 and pieces[0][1] != "name":
        texts = [text for text, of in pieces if of != "document"]
        rest = [piece for piece in pieces if piece[1] == "document"]
        refused = [text for text, of in pieces if of == "refusal"]
        if texts:
            ways += [((separator.join(texts), "text"), *rest) for separator in ("", "\n")]
        if refused:
            ways.append((("".join(refused), "text"), *[piece for piece in pieces if piece[1] == "text"]))
    return [tuple([piece for piece in way if not _is_blank(piece[0])]) for way in ways]


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def blanks_of(items: Sequence[Said | Loose]) -> frozenset[str]:
    """Texts of nothing but white space, which a format may leave out, and which are not looked for."""
    blanks: set[str] = set()
    for item in items:
        if not isinstance(item, Said) or not any(_is_blank(text) for text, _ in item.pieces):
            continue
        blanks |= {text for text, _ in item.pieces}
        for kinds in (("text", "refusal"), ("refusal",)):
            joined = [text for text, of in item.pieces if of in kinds]
            blanks |= {separator.join(joined) for separator in ("", "\n")}
    return frozenset([text for text in blanks if _is_blank(text)])


def canonical(text: str) -> str:
    """The text of a JSON text's value; itself for what is none."""
    try:
        return exact_text(decode_exact(text.encode()))
    except ValueError:
        return text


def _last_ones(text: str) -> str:
    """The text of a JSON text's value, as a reader has it that takes the last of what an object says twice; itself for what is none."""
    try:
        return encode(decode(text)).decode()
    except ValueError:
        return text


def texts_in(payload: str) -> Collection[str]:
    """Every value of a state: strings as they are, and all as JSON."""
    try:
        value = decode_exact(payload.encode())
    except ValueError:
        return ()
    return texts_of(value)


def texts_of(value: Any) -> list[str]:  # noqa: ANN401  any JSON
    """Every text that a JSON value can make in a body: its strings, and each value in it as JSON."""
    texts: list[str] = []
    left = [value]
    while left:
        one = left.pop()
        try:
            texts.append(exact_text(one))
        except ValueError:  # of the caller's options: whoever writes it refuses it
            continue
        if isinstance(one, str):
            texts.append(one)
        elif isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list | tuple):
            left += one
        elif isinstance(one, Twice):
            left += [inner for _, inner in one.pairs]
    return texts

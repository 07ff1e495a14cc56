"""Whether the texts of a body are the approved ones, where a wire format does not say them one by one in the request's order.

What a format may do, and nothing besides: leave out blank texts, shown thinking, names, and what the caller said it may drop; join the
texts of one message; move system messages to the front, documents to the end, and results into the order of their calls; say the names of
speakers, documents and tools where it has a place for names; and say what an opaque state holds where the state stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from typing_extensions import override

from saferoute.errors import GuardBlocked
from saferoute.guards.approval_walk import Loose, Said, Walk, blanks_of, canonical, is_piece, texts_in
from saferoute.values.guarding import Action, Judged, Verdict
from saferoute.values.json_exact import decode_exact

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["INTEGRITY", "Approved", "Thoughts", "match"]

INTEGRITY: Final = "prompt-integrity"


class Thoughts(NamedTuple):
    """Shown thinking of one message, and the states that came with it."""

    texts: tuple[str, ...]
    payloads: tuple[str, ...]


class Approved(NamedTuple):
    """What may leave.

    Attributes:
        plain: every kind and text in order, as a format says them that changes nothing.
        said: by kind, what is said in order.
        others: by kind, what a format may say in place of that: results in another order, fillers between turns.
        names: by kind, names of speakers and of documents in order; "" for a document without one.
        answered: for each result, the name of the tool that it is of.
        thoughts: shown thinking, by message.
        tools: name, description and schema of each.
        called: names of the tools that the conversation calls.
        choice: the choice of a tool.
        schema: name and schema of the output.
        own: what saferoute itself may add to the system's words.
        opened: by name, the values of the caller's provider options as a body has them.
        options: by kind, texts of the caller's provider options that a format has a place for.
        on_unsupported: what the caller says of things that cannot be had.
    """

    plain: tuple[str, ...]
    said: Mapping[str, tuple[Said | Loose, ...]]
    others: Mapping[str, tuple[tuple[Said | Loose, ...], ...]]
    names: Mapping[str, tuple[str, ...]]
    answered: tuple[str, ...]
    thoughts: tuple[Thoughts, ...]
    tools: tuple[tuple[str, str, str], ...]
    called: tuple[str, ...]
    choice: str | None
    schema: tuple[str, str] | None
    own: tuple[str, ...]
    opened: Mapping[str, frozenset[str]]
    options: Mapping[str, tuple[str, ...]]
    on_unsupported: str

    @override
    def __repr__(self) -> str:
        return f"Approved({len(self.plain) // 2} texts)"


class _Differs(Exception):  # noqa: N818  becomes a GuardBlocked
    """What is wrong, and where; no text."""

    def __init__(self, why: str, path: str) -> None:
        self.why, self.path = why, path


_Found: TypeAlias = "tuple[str, str, str]"  # kind, path, text

_CHANGED: Final = "a text in the body is not the one that was approved"
_NAMED: Final = frozenset({"name", "filename", "title", "document_name"})
_NAME_PLACES: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("system", "user", "assistant", "tool_result"), _NAMED),
    "tool_call": frozenset({"tool_name"}),
}
_PARTS: Final = ("tool_name", "tool_description", "tool_schema")
_TOOL_KINDS: Final = frozenset(_PARTS)
_TALK: Final = frozenset({"user", "assistant", "tool_call", "tool_result"})
_KINDS: Final = ("system", "user", "assistant", "tool_call", "tool_result")
_UNNAMED: Final = re.compile(r"file(?:\.pdf)?")  # what formats call a document that has no name
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9()\[\] -]")
_SPACES: Final = re.compile(r" {2,}")
_MOST_OF_A_NAME: Final = 180


def match(allowed: Approved, found: Sequence[_Found]) -> None:
    """Compare, kind by kind.

    Raises:
        GuardBlocked: the texts of the body are not the approved ones; nothing was sent. The error tells the place, and no text.
    """
    by_kind: dict[str, list[int]] = {}
    for number, (kind, _, _) in enumerate(found):
        by_kind.setdefault("tools" if kind in _TOOL_KINDS else kind, []).append(number)
    turns: list[int | None] = [None] * len(found)
    try:
        for kind in _KINDS:
            _match_said(kind, allowed, found, by_kind.get(kind, []), turns)
        _match_thoughts(allowed, [found[number] for number in by_kind.get("reasoning", [])])
        _match_tools(allowed, [found[number] for number in by_kind.get("tools", [])])
        _match_schema(allowed, [found[number] for number in by_kind.get("schema", [])])
        _match_order(found, turns)
    except _Differs as differs:
        raise _blocked(differs.why, differs.path) from None


def _match_order(found: Sequence[_Found], turns: Sequence[int | None]) -> None:
    """Who answers whom: kinds are compared apart, so that a move of one of them between those of others shows here only."""
    last = 0
    for turn, (kind, path, _) in zip(turns, found, strict=True):
        if turn is not None and kind in _TALK and not _is_moved((kind, path, "")):
            if turn < last:
                raise _Differs("a text in the body stands behind one that came later in the conversation", path)
            last = turn


def _blocked(why: str, path: str) -> GuardBlocked:
    verdict = Verdict(Action.BLOCK, (why,))
    where = f" at {path[:200]!r}" if path else ""
    return GuardBlocked(
        f"prompt integrity: {why}{where}. Something between this call and the wire changed what was approved; nothing was sent. "
        "Find what wraps the client or its codecs; this check has no switch",
        verdicts=(Judged(INTEGRITY, "1", "request", path, verdict),),
    )


# ----------------------------------------------------------------------------------------------------------------- what is said


def _match_said(kind: str, allowed: Approved, found: Sequence[_Found], numbers: Sequence[int], turns: list[int | None]) -> None:
    """What a role, the calls or the results say; fills in whose turn each text is of, where that is beyond doubt."""
    places = _NAME_PLACES[kind]
    items: Sequence[Said | Loose] = allowed.said[kind]
    named = [found[number] for number in numbers if _last(found[number]) in places]
    if not named and _says_all(items, [found[number][2] for number in numbers]):
        for number, whose in zip(numbers, _turns(items), strict=True):
            turns[number] = whose
        return
    _match_names(kind, allowed, [one for one in named if not (_is_moved(one) and one[2] in allowed.options.get("user", ()))])
    numbers = [number for number in numbers if _last(found[number]) not in places]
    moved = [found[number] for number in numbers if _is_moved(found[number])]
    if moved:
        _match_documents(allowed, items, moved)
        numbers = [number for number in numbers if not _is_moved(found[number])]
        items = tuple(_without_documents(items))
    blanks = blanks_of(items)
    numbers = [number for number in numbers if found[number][2] and found[number][2] not in blanks]
    texts = [found[number][2] for number in numbers]
    orders = (items, *allowed.others.get(kind, ()))
    furthest = 0
    for wire in _without_own(texts, allowed.own) if kind == "system" else (texts,):
        for order in orders:
            walk = Walk(order, drops=allowed.on_unsupported == "drop")
            at = walk.through(wire)
            if at is None:
                for number, turn in zip(numbers, walk.turns, strict=False):
                    turns[number] = turn
                return
            furthest = max(furthest, at)
    if furthest < len(numbers):
        raise _Differs(_CHANGED, found[numbers[furthest]][1])
    raise _Differs(f"a text of the kind {kind} is missing", found[numbers[-1]][1] if numbers else "")


def _says_all(items: Sequence[Said | Loose], texts: Sequence[str]) -> bool:
    """Whether the texts are the approved ones, one by one: as good as always, and sooner seen than by a walk."""
    pieces = [piece for item in items if item.__class__ is Said for piece in item.pieces]
    if len(pieces) != len(texts) or [item for item in items if item.__class__ is not Said or not item.due]:
        return False
    return not [text for piece, text in zip(pieces, texts, strict=True) if piece[0] != text and not is_piece(piece, text)]


def _turns(items: Sequence[Said | Loose]) -> list[int | None]:
    """Whose turn each piece is of; None for white space, which may be left out here and put in there."""
    return [item.turn if text.strip() else None for item in items if isinstance(item, Said) for text, _ in item.pieces]


def _is_moved(found: _Found) -> bool:
    """Whether a text is a document's that stands apart from the message that gave it."""
    return found[1].startswith("/documents/")


def _last(found: _Found) -> str:
    return found[1].rpartition("/")[2]


def _without_own(texts: list[str], own: Sequence[str]) -> Iterator[list[str]]:
    """The system's texts, and the same without the instructions that saferoute may have put behind one of them."""
    yield texts
    for number, text in enumerate(texts):
        left: list[str | None] = [text]
        for one in reversed(own):
            left += [rest[: -len(one) - 2] for rest in left if rest is not None and rest.endswith(f"\n\n{one}")]
            left += [None for rest in left if rest == one]
        for rest in left[1:]:
            yield [*texts[:number], *([rest] if rest and not rest.isspace() else ()), *texts[number + 1 :]]


# ----------------------------------------------------------------------------------------------------------------- names, documents


def _match_names(kind: str, allowed: Approved, found: Sequence[_Found]) -> None:
    """Names of speakers and documents, in order; some formats say again which tool a result is of."""
    names = iter(allowed.names.get(kind, ()))
    lost = next((path for _, path, text in found if not any(_is_name(text, name) for name in names)), None)
    if lost is None:
        return
    tools = list(allowed.answered) if kind in {"tool_result", "tool_call"} else []
    for _, _, text in found:
        if text not in tools:
            raise _Differs(_CHANGED, lost)
        tools.remove(text)


def _is_name(text: str, name: str) -> bool:
    """Whether a text is a name, or what Bedrock makes of it: no ending, only letters that it takes, and a number if it came before."""
    if text == name:
        return True
    stem = name.rpartition(".")[0] if "." in name.strip(".") else name
    plain = _SPACES.sub(" ", _NOT_IN_NAMES.sub("-", stem)).strip()[:_MOST_OF_A_NAME] or "document"
    number = text.removeprefix(f"{plain} ")
    return (
        text == plain or (number != text and number.isascii() and number.isdecimal()) or (not name and _UNNAMED.fullmatch(text) is not None)
    )


def _match_documents(allowed: Approved, items: Sequence[Said | Loose], found: Sequence[_Found]) -> None:
    """Documents that stand together, apart from the messages that gave them."""
    documents = [Said(0, (piece,)) for item in items if isinstance(item, Said) for piece in item.pieces if piece[1] == "document"]
    walk = Walk(documents, drops=allowed.on_unsupported == "drop")
    known = {"", *blanks_of(documents), *allowed.options.get("user", ())}
    wire = [one for one in found if one[2] not in known]
    at = walk.through([text for _, _, text in wire])
    if at is not None:
        raise _Differs(_CHANGED, [*wire, found[-1]][at][1])


def _without_documents(items: Sequence[Said | Loose]) -> Iterator[Said | Loose]:
    for item in items:
        pieces = tuple([piece for piece in item.pieces if piece[1] != "document"]) if isinstance(item, Said) else ()
        yield item._replace(pieces=pieces) if isinstance(item, Said) else item


# ----------------------------------------------------------------------------------------------------------------- thinking


def _match_thoughts(allowed: Approved, found: Sequence[_Found]) -> None:
    """Shown thinking and what its states hold, message by message; any of it may be missing."""
    message = times = 0
    shown: Sequence[str] = ()
    states: Sequence[str] = ()
    for _, path, text in found:
        while text and not (times < len(states) + len(shown) and _is_thought(text, shown, states)):
            if message == len(allowed.thoughts):
                raise _Differs(_CHANGED, path)
            shown, payloads = allowed.thoughts[message]
            states = [one for payload in payloads for one in texts_in(payload)]
            message, times = message + 1, 0
        times += 1


def _is_thought(text: str, shown: Sequence[str], states: Collection[str]) -> bool:
    if text in states:
        return True
    ends = {0}  # where in the text one stands who has put some of the thoughts one behind the other
    for one in shown:
        ends |= {end + len(one) for end in ends if text.startswith(one, end)}
    return len(text) in ends


# ----------------------------------------------------------------------------------------------------------------- tools, schema


def _match_tools(allowed: Approved, found: Sequence[_Found]) -> None:
    """Tools with names, descriptions and schemas; all of them, or those that the choice among them leaves."""
    options = list(allowed.options.get("tool_schema", ()))
    wire = []
    for kind, path, text in found:
        if kind == "tool_schema" and text in options:
            options.remove(text)
        else:
            wire.append((kind, path, text))
    at = -1
    for offered in _offers(allowed):
        for declared in _declared(allowed, offered):
            expected = [*offered, *declared]
            pieces = [piece for tool in expected for piece in zip(_PARTS, tool, strict=True) if piece[1]]
            good = 0
            most = min(len(wire), len(pieces))
            while good < most and (wire[good][::2] == pieces[good] or _is_tool_text(pieces[good], wire[good])):
                good += 1
            if good == len(wire) == len(pieces):
                return
            at = max(at, good)
    if at < len(wire):
        raise _Differs(_CHANGED, wire[at][1])
    raise _Differs("a tool is missing", "")


def _offers(allowed: Approved) -> Iterator[Sequence[tuple[str, str, str]]]:
    yield allowed.tools
    if allowed.choice == "none" or allowed.on_unsupported == "drop":
        yield ()
    if allowed.choice is not None:
        yield [tool for tool in allowed.tools if tool[0] == allowed.choice]


def _declared(allowed: Approved, offered: Sequence[tuple[str, str, str]]) -> Iterator[Sequence[tuple[str, str, str]]]:
    """What Bedrock wants declared besides: the tools that the conversation calls and the call does not give."""
    yield ()
    for given in (offered, allowed.tools):
        names = {tool[0] for tool in given}
        yield [(name, "", '{"type":"object"}') for name in allowed.called if name not in names]


def _is_tool_text(piece: tuple[str, str], found: _Found) -> bool:
    kind, text = piece
    if kind != found[0]:
        return False
    return found[2] == text or (kind == "tool_schema" and found[2] in _schemas(text))


def _schemas(schema: str) -> Collection[str]:
    """A schema, as its value is written, and with the type that some formats insist on."""
    plain = canonical(schema)
    typed = '{"type":"object"' + ("" if plain == "{}" else ",") + plain[1:]
    return (schema, plain) if plain.startswith("{") and "type" in decode_exact(plain.encode()) else (schema, plain, typed)


def _match_schema(allowed: Approved, found: Sequence[_Found]) -> None:
    """The output's schema, and its name where there is a place for it."""
    options = list(allowed.options.get("schema", ()))
    wire = [one for one in found if one[2] not in options]
    if allowed.schema is not None:
        name, schema = allowed.schema
        if wire and (wire[-1][2] == schema or wire[-1][2] == canonical(schema)):
            wire = wire[:-1]
            if wire and wire[-1][2] == name:
                wire = wire[:-1]
        elif allowed.on_unsupported == "error" and not wire:
            raise _Differs("the output's schema is missing", "")
    if wire:
        raise _Differs(_CHANGED, wire[0][1])

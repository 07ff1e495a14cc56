"""Prompt integrity: the texts that leave are the texts that were approved, no more, no fewer, and nobody else's.

After all guards have judged a request, the list of its texts is frozen. What is about to leave is then read back out of the finished body,
by code that knows nothing of the code that wrote it, and compared with that list. A text that a middle layer put in, changed or took out
is noticed, whoever did it and however harmless it looks. The comparison is exact, so that it finds all of it and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from saferoute.errors import GuardBlocked
from saferoute.values.guarding import Action, Judged, Verdict
from saferoute.values.json import decode
from saferoute.values.messages import File, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from saferoute.values.messages import Message, Part
    from saferoute.values.request import ChatRequest

__all__ = ["INTEGRITY", "Approved", "Found", "approved", "check_integrity"]

INTEGRITY: Final = "prompt-integrity"

_MAY_BE_MISSING: Final = frozenset({"reasoning", "schema", "names", "tool_name", "tool_description", "tool_schema"})
"""Kinds of texts that a wire format may have no place for: shown thinking of another provider, a schema that is emulated, names of speakers
and of files, tools that the choice of a tool leaves out."""

_NUMBER: Final = 8
_JSON: Final = frozenset({"tool_schema", "schema"})
_SEPARATORS: Final = ("", "\n", "\n\n")
"""What may stand between the texts of one message where a wire format has room for one string only."""


class Found(Protocol):
    """A text that was found in a body."""

    @property
    def kind(self) -> str:
        """Who says it, as `saferoute.providers.wire_text` names it."""

    @property
    def path(self) -> str:
        """Where it stands in the body."""

    @property
    def text(self) -> str:
        """The text."""


@dataclass(frozen=True, slots=True)
class Approved:
    """What may leave.

    Attributes:
        texts: by kind, the texts of each message in order.
        names: names of the tools, which some formats repeat beside a call's result.
        options: every text of the caller's provider options.
        own: what saferoute itself may put in: instructions in place of a feature that a model lacks, and fillers between turns.
        optional: texts of documents, which are left out where the caller allows it.
    """

    texts: Mapping[str, tuple[tuple[str, ...], ...]]
    names: frozenset[str]
    options: frozenset[str]
    own: tuple[str, ...]
    optional: frozenset[str]


def approved(request: ChatRequest, own: Iterable[str] = ()) -> Approved:
    """Freeze the texts of a request, as guards left it.

    Args:
        request: what is asked.
        own: texts that saferoute may add.
    """
    texts: dict[str, list[tuple[str, ...]]] = {}
    for message in request.messages:
        _freeze(message, texts)
    for tool in request.tools:
        texts.setdefault("tool_name", []).append((tool.name,))
        if tool.description:
            texts.setdefault("tool_description", []).append((tool.description,))
        texts.setdefault("tool_schema", []).append((tool.parameters.decode(),))
    if request.output is not None:
        texts["schema"] = [(request.output.schema.decode(),)]
        texts.setdefault("names", []).append((request.output.name,))
    names = {part.name for message in request.messages for part in message.content if isinstance(part, ToolCall)}
    options = frozenset(_strings(request.provider_options)) if request.provider_options else frozenset()
    frozen = {kind: tuple(groups) for kind, groups in texts.items()}
    documents = {text for message in request.messages for part in _with_inner(message) for text in _document(part)}
    optional = frozenset(documents if request.on_unsupported == "drop" else ())
    return Approved(frozen, frozenset(names | {tool.name for tool in request.tools}), options, tuple(own), optional)


def _with_inner(message: Message) -> Iterator[Part]:
    for part in message.content:
        yield part
        if isinstance(part, ToolResult):
            yield from part.content


def _freeze(message: Message, texts: dict[str, list[tuple[str, ...]]]) -> None:
    said: list[str] = []
    for part in message.content:
        match part:
            case ToolResult():
                results = tuple(text for inner in part.content for text in _texts_of(inner, texts))
                texts.setdefault("tool_result", []).append(results)
            case ToolCall():
                texts.setdefault("tool_call", []).append((part.name,))
                texts.setdefault("tool_call", []).append((part.arguments,))
            case Reasoning():
                texts.setdefault("reasoning", []).append((part.text,))
            case _:
                said += _texts_of(part, texts)
    if said:
        kind = message.role if message.role != "tool" else "tool_result"
        texts.setdefault(kind, []).append(tuple(said))
    if message.name:
        texts.setdefault("names", []).append((message.name,))


def _texts_of(part: Part, texts: dict[str, list[tuple[str, ...]]]) -> Iterator[str]:
    match part:
        case Text() | Refusal():
            yield part.text
        case File():
            if part.filename:
                texts.setdefault("names", []).append((part.filename,))
            yield from _document(part)
        case _:
            pass


def _document(part: Part) -> Iterator[str]:
    """The text of a document that is one."""
    if isinstance(part, File) and part.data is not None and (part.media_type or "").startswith("text/"):
        yield part.data.decode("utf-8", "replace")


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401  any JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)


def check_integrity(allowed: Approved, found: Sequence[Found]) -> None:
    """Compare what is about to leave with what was approved.

    Args:
        allowed: the frozen texts.
        found: the texts of the finished body, in wire order.

    Raises:
        GuardBlocked: they differ; nothing was sent. The error tells the place in the body, and no text.
    """
    by_kind: dict[str, list[Found]] = {}
    for one in found:
        by_kind.setdefault(one.kind, []).append(one)
    for kind, ones in by_kind.items():
        _compare(kind, ones, allowed)
    for kind, groups in allowed.texts.items():
        if kind not in by_kind and kind not in _MAY_BE_MISSING and _is_due(groups, allowed):
            raise _differs(f"all texts of the kind {kind} are missing", "")


def _compare(kind: str, found: Sequence[Found], allowed: Approved) -> None:
    groups = allowed.texts.get(kind, ())
    number = place = 0  # the next approved text: of which message, and which of it
    for one in found:
        after = _after(kind, one.text, groups, (number, place), allowed)
        if after is None:
            raise _differs("a text in the body is not the one that was approved", one.path)
        number, place = after
    if kind not in _MAY_BE_MISSING and _is_due(_rest(groups, number, place), allowed):
        raise _differs(f"a text of the kind {kind} is missing behind the last one", found[-1].path)


def _is_due(groups: Iterable[Sequence[str]], allowed: Approved) -> bool:
    return any(piece and piece not in allowed.optional for group in groups for piece in group)


def _rest(groups: Sequence[tuple[str, ...]], number: int, place: int) -> list[tuple[str, ...]]:
    rest = list(groups[number:])
    if rest:
        rest[0] = rest[0][place:]
    return rest


def _after(kind: str, text: str, groups: Sequence[tuple[str, ...]], at: tuple[int, int], allowed: Approved) -> tuple[int, int] | None:
    """The place behind the approved texts that this one consists of; None if it is not approved."""
    for own in reversed(allowed.own):  # instructions of our own stand behind the caller's, in their text or by themselves
        if text == own:
            return at
        if text.endswith(f"\n\n{own}"):
            text = text[: -len(own) - 2]
    number, place = at
    skipping = kind in _MAY_BE_MISSING
    while number < len(groups):
        group = groups[number]
        if place == len(group):
            number, place = number + 1, 0
            continue
        taken = _taken(kind, text, group[place:])
        if taken:
            return number, place + taken
        if skipping:
            number, place = number + 1, 0
        elif not group[place] or group[place] in allowed.optional:
            place += 1
        else:
            break
    repeated = text in allowed.names and kind in {"tool_call", "tool_result", "tool_name"}
    named = any(_is_name(text, name) for group in allowed.texts.get("names", ()) for name in group)
    return at if not text or repeated or named or text in allowed.options else None


def _taken(kind: str, text: str, pieces: Sequence[str]) -> int:
    """How many of the pieces, from the first on, make up the text; 0 if they do not."""
    if text == pieces[0]:
        return 1
    if kind in _JSON or kind == "tool_call":
        return int(_same_json(text, pieces[0]))
    if not text.startswith(pieces[0]):
        return 0
    for separator in _SEPARATORS:
        joined = pieces[0]
        for count, piece in enumerate(pieces[1:], 2):
            joined += separator + piece
            if joined == text:
                return count
            if not text.startswith(joined):
                break
    return 0


def _is_name(text: str, name: str) -> bool:
    """Whether a text is a name, or the beginning of one as a wire format that allows letters and digits only has it, with a number."""
    if text == name:
        return True
    letters, whole = (re.sub(r"[^0-9A-Za-z]+", "", one).rstrip("0123456789") for one in (text, name))
    return bool(letters) and whole.startswith(letters) and len(text) <= len(name) + _NUMBER


def _same_json(text: str, other: str) -> bool:
    try:
        one, two = decode(text), decode(other)
    except ValueError:
        return False
    return bool(one == two) and _shape(one) == _shape(two)


def _shape(value: object) -> object:
    """The types of a JSON value: Python takes 1, 1.0 and true for equal, and a reader of the body may not."""
    if isinstance(value, dict):
        return {key: _shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return type(value)


def _differs(why: str, path: str) -> GuardBlocked:
    verdict = Verdict(Action.BLOCK, (why,))
    where = f" at {path[:200]!r}" if path else ""
    return GuardBlocked(
        f"prompt integrity: {why}{where}. Something between this call and the wire changed what was approved; nothing was sent. "
        "Find what wraps the client or its codecs; this check has no switch",
        verdicts=(Judged(INTEGRITY, "1", "request", path, verdict),),
    )

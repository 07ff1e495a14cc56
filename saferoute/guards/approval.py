"""Prompt integrity: the texts that leave are the texts that were approved, no more, no fewer, and nobody else's.

Before anybody but the caller has touched a request, its texts are frozen. What is about to leave is then read back out of the finished
body, by code that knows nothing of the code that wrote it, and compared with them. A text that a middle layer put in, changed, moved or
took out is noticed, whoever did it and however harmless it looks. The comparison is exact, so that it finds all of it and nothing else.

Most bodies say the approved texts in the approved order, and one comparison of two lists proves it. `approval_matching` judges the rest:
what a wire format has to leave out, join, move or write in another way.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from saferoute.guards.approval_matching import INTEGRITY, Approved, Thoughts, match
from saferoute.guards.approval_walk import Loose, Said, texts_of
from saferoute.guards.documents import holds_no_text
from saferoute.values.json import encode
from saferoute.values.json_exact import decode_exact, exact_text
from saferoute.values.messages import File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from saferoute.guards.approval_walk import Piece
    from saferoute.values.messages import Content, Message, Part
    from saferoute.values.request import ChatRequest

__all__ = ["INTEGRITY", "Approved", "approved", "check_integrity"]

_FILLER: Final = "OK"  # an assistant's turn that Mistral wants between a tool's result and a user's words
_OPTION_KINDS: Final[Mapping[str, str]] = {
    "documents": "user",
    "format": "schema",
    "output_config": "schema",
    "response_format": "schema",
    "text": "schema",
    "tools": "tool_schema",
}
"""Provider options that hold texts which a format has a place for; texts in any other option are not expected anywhere."""


def approved(request: ChatRequest, own: Iterable[str] = ()) -> Approved:
    """Freeze the texts of a request. Later changes of the request, or of anything in it, change nothing here.

    Args:
        request: what is asked.
        own: instructions that saferoute may add to the system's, in the order in which it would.
    """
    plain: list[str] = []
    said: dict[str, list[Said | Loose]] = {"system": [], "user": [], "assistant": [], "tool_call": [], "tool_result": []}
    freezing: _Freezing | None = None  # for what is more than a text
    turn, answering = 0, False
    for message in request.messages:
        role, content = message.role, message.content
        if role == "assistant":
            if not answering and _is_sure(content):
                turn, answering = turn + 1, True
        elif answering and role != "system":
            turn, answering = turn + 1, False
        if len(content) == 1 and content[0].__class__ is Text and not message.name and role != "tool":  # as good as always
            text: str = content[0].text
            if freezing is not None and freezing.tool_spoke:
                freezing.fill(role, turn)
            plain += (role, text)
            said[role].append(_SAID((turn, ((text, "text"),), True)))
        else:
            if freezing is None:
                freezing = _Freezing(plain, said)
            freezing.add(message, turn)
    tools: list[tuple[str, str, str]] = []
    for tool in request.tools:
        name, description, schema = tool.name, tool.description, tool.parameters.decode()
        if description:
            plain += ("tool_name", name, "tool_description", description, "tool_schema", schema)
        else:
            plain += ("tool_name", name, "tool_schema", schema)
        tools.append((name, description, schema))
    output = None if request.output is None else (request.output.name, request.output.schema.decode())
    if output is not None:
        plain += ("schema", output[0], "schema", output[1])
    others, names, answered, thoughts, called = _NOTHING_MORE if freezing is None else freezing.more()
    return Approved(
        tuple(plain),
        {kind: tuple(items) for kind, items in said.items()},
        others,
        names,
        answered,
        thoughts,
        tuple(tools),
        called,
        request.tool_choice,
        output,
        tuple(own),
        *(_options(request) if request.provider_options else ({}, {})),
        request.on_unsupported,
    )


def check_integrity(allowed: Approved, found: Sequence[tuple[str, str, str]]) -> None:
    """Compare what is about to leave with what was approved.

    Args:
        allowed: the frozen texts.
        found: kind, place and text of all texts of the finished body, in wire order.

    Raises:
        GuardBlocked: they differ; nothing was sent. The error tells the place in the body, and no text.
    """
    kinds, _, texts = zip(*found, strict=True) if found else ((), (), ())
    if kinds != allowed.plain[::2] or texts != allowed.plain[1::2]:
        match(allowed, found)


def _is_sure(content: Content) -> bool:
    """Whether every format has something to say for this message of the model's, so that it parts what comes before and after."""
    return any(
        isinstance(part, ToolCall) or (isinstance(part, Text | Refusal) and bool(part.text) and not part.text.isspace()) for part in content
    )


def _options(request: ChatRequest) -> tuple[dict[str, frozenset[str]], dict[str, tuple[str, ...]]]:
    """By name, the values; and by kind, the texts in them that a format may say in a place of its own."""
    values: dict[str, frozenset[str]] = {}
    texts: dict[str, list[str]] = {}
    for namespace in request.provider_options.values():
        for name, value in namespace.items():
            try:
                values[name] = values.get(name, frozenset()) | {exact_text(decode_exact(encode(value)))}
            except ValueError:  # no JSON: whoever writes it refuses it
                continue
            if name in _OPTION_KINDS:
                texts.setdefault(_OPTION_KINDS[name], []).extend(texts_of(value))
    return values, {kind: tuple(found) for kind, found in texts.items()}


_More: TypeAlias = tuple[
    "Mapping[str, tuple[tuple[Said | Loose, ...], ...]]",
    "Mapping[str, tuple[str, ...]]",
    tuple[str, ...],
    tuple[Thoughts, ...],
    tuple[str, ...],
]
"""`others`, `names`, `answered`, `thoughts` and `called` of `Approved`."""

_NOTHING_MORE: Final[_More] = (MappingProxyType({}), MappingProxyType({}), (), (), ())

# The class itself would be a call more for every text of every request.
_SAID: Final = cast("Callable[[tuple[int, tuple[Piece, ...], bool]], Said]", partial(tuple.__new__, Said))


class _Freezing:
    """A request's texts while they are gathered; what they are is said at `Approved`."""

    __slots__ = ("_asked", "_filled", "_places", "_run", "answered", "called", "names", "plain", "said", "thoughts", "tool_spoke")

    def __init__(self, plain: list[str], said: dict[str, list[Said | Loose]]) -> None:
        self.plain = plain
        self.said = said
        self.names: dict[str, list[str]] = {}
        self.answered: list[str] = []
        self.called: dict[str, None] = {}
        self.thoughts: list[Thoughts] = []
        self.tool_spoke = False  # last
        self._filled: list[tuple[int, Said]] = []  # turns that a format may put in, and before which of the assistant's
        self._asked: dict[str, tuple[int, str]] = {}  # by id of the call: its position, and its tool
        self._places: list[tuple[int, int, int]] = []  # of each of tool_result: its turn, its run, the position of its call
        self._run = 0  # of results with nothing between them

    def add(self, message: Message, turn: int) -> None:
        """Any message."""
        kind, content = message.role, message.content
        pieces: list[Piece] = []
        results = [part for part in content if isinstance(part, ToolResult)]
        self._run += not results
        for part in content:
            match part:
                case ToolResult():
                    self._result(part, turn)
                case ToolCall():
                    self._call(part, turn)
                case Reasoning():
                    self.plain += ("reasoning", part.text)
                    if part.state is not None:
                        self._state(part.state.payload, turn)
                case _:
                    pieces += self._pieces(part, kind)
        thoughts = [part for part in content if isinstance(part, Reasoning)]
        if thoughts:
            payloads = [part.state.payload for part in thoughts if part.state is not None]
            self.thoughts.append(Thoughts(tuple([part.text for part in thoughts]), tuple(payloads)))
        self.tool_spoke = self.tool_spoke or bool(results)
        if len(results) < len(content) and self.tool_spoke:
            self.fill(kind, turn)
        self.plain += [one for text, _ in pieces for one in (kind, text)]
        if pieces and kind == "tool":  # formats do not agree whose words these are
            self.said["user"].append(Said(turn, tuple(pieces), due=False))
            self._place(Said(turn, tuple(pieces), due=False), turn)
        elif pieces:
            self.said[kind].append(Said(turn, tuple(pieces)))
        if message.name:
            self.names.setdefault(kind, []).append(message.name)
        self._run += bool(results) and len(results) < len(content)

    def fill(self, role: str, turn: int) -> None:
        """Somebody speaks after a tool."""
        self.tool_spoke = role == "tool"
        if role == "user":
            self._filled.append((len(self.said["assistant"]), Said(turn, ((_FILLER, "text"),))))

    def more(self) -> _More:
        """What else is approved."""
        names = {kind: tuple(found) for kind, found in self.names.items()}
        return self._orders(), names, tuple(self.answered), tuple(self.thoughts), tuple(self.called)

    def _orders(self) -> dict[str, tuple[tuple[Said | Loose, ...], ...]]:
        """What formats say otherwise: turns of the assistant's put in, and results in the order of their calls."""
        found: dict[str, tuple[tuple[Said | Loose, ...], ...]] = {}
        if self._filled:
            assistant, begun = [], 0
            for number, filler in self._filled:
                assistant += [*self.said["assistant"][begun:number], filler]
                begun = number
            found["assistant"] = ((*assistant, *self.said["assistant"][begun:]),)
        if self._places:
            found["tool_result"] = self._by_call()
        return found

    def _by_call(self) -> tuple[tuple[Said | Loose, ...], ...]:
        """The results in the order of their calls: within a turn, and within a run."""
        results, places = self.said["tool_result"], self._places
        by_turn = sorted(range(len(places)), key=lambda number: (places[number][0], places[number][2]))
        by_run = sorted(range(len(places)), key=lambda number: (places[number][1], places[number][2]))
        as_given = list(range(len(places)))
        return tuple([tuple([results[number] for number in order]) for order in (by_turn, by_run) if order != as_given])

    def _place(self, item: Said | Loose, turn: int, position: int = -1) -> None:
        self.said["tool_result"].append(item)
        self._places.append((turn, self._run, position))

    def _result(self, result: ToolResult, turn: int) -> None:
        pieces = [piece for part in result.content for piece in self._pieces(part, "tool_result")]
        self.plain += [one for text, _ in pieces for one in ("tool_result", text)]
        position, name = self._asked.get(result.call_id, (len(self._asked), ""))
        self._place(Said(turn, tuple(pieces)), turn, position)
        self.answered.append(name)

    def _call(self, call: ToolCall, turn: int) -> None:
        name, arguments, calls = call.name, call.arguments, self.said["tool_call"]
        self.plain += ("tool_call", name, "tool_call", arguments or "{}")
        self._asked[call.id] = (len(self._asked), name)
        self.called[name] = None
        if arguments and not arguments.isspace():
            calls.append(Said(turn, ((name, "name"), (arguments, "json"))))
        else:  # some formats say an empty object for it
            calls += (Said(turn, ((name, "name"), (arguments, "text"))), Said(turn, (("{}", "json"),), due=False))
        if call.state is not None:
            calls.append(Loose(turn, call.state.payload))

    def _state(self, payload: str, turn: int) -> None:
        """What a server-side tool was asked and answered goes back as it came."""
        self.said["tool_call"].append(Loose(turn, payload))
        self._place(Loose(turn, payload), turn)

    def _pieces(self, part: Part, kind: str) -> Iterator[Piece]:
        match part:
            case Text():
                yield part.text, "text"
            case Refusal():
                yield part.text, "refusal"
            case File() | Image():
                if isinstance(part, File):
                    self.names.setdefault(kind, []).append(part.filename or "")
                if part.data is not None and not holds_no_text(part.media_type or ""):
                    try:
                        yield part.data.decode(), "document"
                    except UnicodeDecodeError:  # no text; a format that takes it for one is refused where the body is read
                        return
            case _:
                pass

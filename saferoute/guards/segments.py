"""The texts of a chat request, each with who wrote it and where it stands; and the request with some of them replaced.

Every text that a model will read is a segment: what is said, tools' results, earlier calls' arguments, names of speakers and of files, the
names and descriptions of tools, schemas, words at which an answer ends, and what is passed through to a provider. Only what is said and
what tools answered can be replaced: what stands in a name or a schema is blocked instead. A prompt template is several texts:
`template_places` says which.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from saferoute.guards.call_arguments import plainly_written
from saferoute.guards.documents import document_text
from saferoute.guards.template_places import Placed, template_places, with_pieces
from saferoute.values.guarding import Segment
from saferoute.values.json import encode
from saferoute.values.messages import File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.sealed import assembler
from saferoute.values.template import Rendered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saferoute.values.guarding import Origin, SegmentRole, Stage
    from saferoute.values.messages import Message, Part
    from saferoute.values.request import ChatRequest

__all__ = ["Placed", "segments_of", "with_texts"]

_Segment = assembler(Segment)

_ORIGINS: Final[dict[str, tuple[SegmentRole, Origin, bool]]] = {
    "system": ("system", "system", True),
    "user": ("user", "user", False),
    "assistant": ("assistant", "model", False),
    "tool": ("tool", "tool", False),
}


def segments_of(request: ChatRequest) -> tuple[Placed, ...]:
    """Every text of a request that a model reads, in the order of the request."""
    places: list[Placed] = []
    for number, message in enumerate(request.messages):
        content = message.content
        if len(content) == 1 and type(content[0]) is Text and content[0].template is None and message.name is None:  # as good as always
            text, path = content[0].text, f"/messages/{number}/content/0"
            role, origin, trusted = _ORIGINS[message.role]
            if text:
                stage: Stage = "tool_result" if message.role == "tool" else "input"
                places.append(Placed(_Segment(text, role, origin, trusted, path), stage, replaceable=True))
        else:
            places += _of_message(message, f"/messages/{number}")
    if request.tools or request.output is not None or request.stop or request.provider_options:
        places += _of_options(request)
    return tuple(places)


def _of_options(request: ChatRequest) -> Iterator[Placed]:
    """Every text that is none of a message's."""
    for number, tool in enumerate(request.tools):
        path = f"/tools/{number}"
        yield _developer(tool.name, f"{path}/name", tool.name)
        if tool.description:
            yield _developer(tool.description, f"{path}/description", tool.name)
        yield _developer(tool.parameters.decode(), f"{path}/parameters", tool.name)
    if request.output is not None:
        yield _developer(request.output.name, "/output/name")
        yield _developer(request.output.schema.decode(), "/output/schema")
    if request.stop:
        for number, words in enumerate(request.stop):
            yield _developer(words, f"/stop/{number}")
    for namespace, options in request.provider_options.items():
        for name, value in options.items():
            text = _passed_through(value)
            if text:
                segment = Segment(text, "developer", "user", path=f"/provider_options/{namespace}/{name}", name=name)
                yield Placed(segment, "input", replaceable=False)


def _passed_through(value: object) -> str:
    """What a field holds that is passed through; "" for a number or a truth."""
    if isinstance(value, str):
        return value
    try:
        return encode(value).decode() if isinstance(value, dict | list | tuple) and value else ""
    except ValueError:  # no JSON: whoever writes it refuses it
        return ""


def _developer(text: str, path: str, name: str = "") -> Placed:
    return Placed(_Segment(text, "developer", "developer", trusted=True, path=path, name=name), "input", replaceable=False)


def _of_message(message: Message, path: str) -> Iterator[Placed]:
    role, origin, trusted = _ORIGINS[message.role]
    if message.name:
        yield Placed(_Segment(message.name, role, origin, trusted, f"{path}/name"), "input", replaceable=False)
    for number, part in enumerate(message.content):
        place = f"{path}/content/{number}"
        match part:
            case ToolResult():
                for inner, one in enumerate(part.content):
                    text, _ = _text_of(one)
                    match one:
                        case File(filename=str() as called) if called:
                            segment = _Segment(called, "tool", "tool", path=f"{place}/content/{inner}/filename", name=part.call_id)
                            yield Placed(segment, "tool_result", replaceable=False)
                        case _:
                            pass
                    if text:
                        segment = _Segment(text, "tool", "tool", trusted=False, path=f"{place}/content/{inner}", name=part.call_id)
                        yield Placed(segment, "tool_result", replaceable=isinstance(one, Text))
            case ToolCall():
                segment = _Segment(plainly_written(part.arguments), role, "model", path=f"{place}/arguments", name=part.name)
                yield Placed(segment, "input", replaceable=False)
            case Text(template=Rendered() as made) if _is_made(part, made, message):
                yield from template_places(made, role, place)
            case _:
                text, replaceable = _text_of(part)
                stage: Stage = "tool_result" if message.role == "tool" else "input"
                match part:  # no function's call: most parts are none
                    case File(filename=str() as called) if called:
                        yield Placed(_Segment(called, role, origin, trusted, f"{place}/filename"), stage, replaceable=False)
                    case _:
                        pass
                if text:
                    yield Placed(_Segment(text, role, origin, trusted, place), stage, replaceable)


def _text_of(part: Part) -> tuple[str, bool]:
    """The text of a part, and whether it can be replaced; "" for a part that has none."""
    match part:
        case Text() | Refusal():
            return part.text, True
        case Reasoning():
            return part.text, part.state is None  # with a state it goes back as it came, or is refused by the provider
        case File(data=bytes() as data, media_type=str() as kind) | Image(data=bytes() as data, media_type=str() as kind):
            return document_text(data, kind), False
        case _:
            return "", False


def _is_made(part: Text, made: Rendered, message: Message) -> bool:
    """Whether a text is what was written out of a template, where a template may stand; anything else is a text like any other."""
    return message.role in {"system", "user"} and part.text == made.text


def with_texts(request: ChatRequest, texts: Mapping[str, str]) -> ChatRequest:
    """The request with some of its texts replaced.

    Args:
        request: what is asked.
        texts: new texts by the path of the segment, which must be replaceable.
    """
    touched = {path.split("/", 3)[2] for path in texts}
    messages = tuple(
        _replaced(message, f"/messages/{number}", texts) if str(number) in touched else message
        for number, message in enumerate(request.messages)
    )
    return replace(request, messages=messages)


def _replaced(message: Message, path: str, texts: Mapping[str, str]) -> Message:
    content: list[Part] = []
    for number, part in enumerate(message.content):
        place = f"{path}/content/{number}"
        match part:
            case ToolResult():
                inner = tuple(
                    _with_text(one, texts.get(f"{place}/content/{index}")) if isinstance(one, Text) else one
                    for index, one in enumerate(part.content)
                )
                content.append(replace(part, content=inner))
            case Text(template=Rendered() as made) if _is_made(part, made, message):
                content.append(with_pieces(made, place, texts) or part)
            case Text():
                content.append(_with_text(part, texts.get(place)))
            case Refusal() | Reasoning() if place in texts:
                content.append(replace(part, text=texts[place]))
            case _:
                content.append(part)
    return replace(message, content=tuple(content))


def _with_text(part: Text, text: str | None) -> Text:
    return part if text is None else Text(text)  # citations count places that are gone

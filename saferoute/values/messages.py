"""Messages and their typed parts: what a conversation is made of, whichever provider it goes to.

Everything is frozen and slotted, and compares by value. Nothing here prints content: a repr names types and sizes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from typing_extensions import override

from saferoute.errors import InvalidMessages
from saferoute.values.json import decode
from saferoute.values.media_types import audio_format_of, media_type_of

if TYPE_CHECKING:
    from typing import Self

    from saferoute.values.template import Rendered, Template

__all__ = [
    "Audio",
    "Citation",
    "Content",
    "File",
    "Image",
    "Message",
    "OpaqueState",
    "Part",
    "Reasoning",
    "Refusal",
    "Role",
    "Text",
    "ToolCall",
    "ToolResult",
]

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class OpaqueState:
    """State of a provider that must come back unchanged in the next turn, and means nothing to anybody else.

    Attributes:
        provider_name: who made it.
        dialect: the wire format it came in.
        model: the model that made it, as the provider reported it.
        payload: the provider's JSON text of it, kept byte for byte.
    """

    provider_name: str
    dialect: str
    model: str
    payload: str

    @override
    def __repr__(self) -> str:
        return f"OpaqueState(provider_name={self.provider_name!r}, model={self.model!r}, {len(self.payload)} chars)"


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a piece of an answer's text comes from. What a provider does not say is None.

    Attributes:
        start: where the piece begins in the part's text, in characters.
        end: where it ends.
        title: what the source is called.
        url: where it is on the web.
        source: which of the given documents: an id, or its position written out.
        quote: the words of the source.
    """

    start: int | None = None
    end: int | None = None
    title: str | None = None
    url: str | None = None
    source: str | None = None
    quote: str | None = None

    @override
    def __repr__(self) -> str:
        return f"Citation(start={self.start}, end={self.end})"


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text.

    Attributes:
        text: the text.
        citations: where an answer's text comes from, as far as the provider says it; no request carries them.
        template: the prompt template that this is: one that is still to be written out, in place of the text, or what was written out of
            it, which is the text. `saferoute.Template` makes it; nobody else needs to.
    """

    type: ClassVar[Literal["text"]] = "text"
    text: str
    citations: tuple[Citation, ...] = ()
    template: Template | Rendered | None = None

    @override
    def __repr__(self) -> str:
        return f"Text({len(self.text)} chars)"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model's own words when it declines (OpenAI sends them apart from the text)."""

    type: ClassVar[Literal["refusal"]] = "refusal"
    text: str

    @override
    def __repr__(self) -> str:
        return f"Refusal({len(self.text)} chars)"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: its bytes with their media type, or an https URL that the provider (never saferoute) fetches.

    Attributes:
        data: the picture's bytes.
        url: an https URL.
        media_type: such as "image/png"; with data, None finds it out by the first bytes.
        detail: how closely to look, where a provider has that dial ("auto", "low", "high").
    """

    type: ClassVar[Literal["image"]] = "image"
    data: bytes | None = None
    url: str | None = None
    media_type: str | None = None
    detail: str | None = None

    def __post_init__(self) -> None:
        _check_bytes("Image", self.data)
        if self.media_type is None and self.data is not None:
            object.__setattr__(self, "media_type", media_type_of(self.data))  # before anybody has seen it
        if self.media_type is not None and not self.media_type.lower().startswith("image/"):
            msg = f"these bytes are no picture but {self.media_type[:80]}: use saferoute.File, or saferoute.Audio for sound"
            raise InvalidMessages(msg)
        _one_source("Image", self.data, self.url, self.media_type)

    @classmethod
    def from_path(cls, path: str | Path, *, detail: str | None = None) -> Self:
        """Read a picture, now, from a file that the caller names.

        Raises:
            OSError: if it cannot be read.
            InvalidMessages: if neither its bytes nor its name says what it is.
        """
        data = Path(path).read_bytes()
        return cls(data, media_type=media_type_of(data, str(path)), detail=detail)

    @override
    def __repr__(self) -> str:
        return f"Image({self.media_type or 'url'}, {len(self.data or b'')} bytes)"


@dataclass(frozen=True, slots=True)
class Audio:
    """Sound.

    Attributes:
        data: its bytes.
        format: "wav", "mp3" or another short word; "" finds it out by the first bytes.
    """

    type: ClassVar[Literal["audio"]] = "audio"
    data: bytes
    format: str = ""

    def __post_init__(self) -> None:
        _check_bytes("Audio", self.data)
        if not self.format:
            object.__setattr__(self, "format", audio_format_of(self.data) or "")  # before anybody has seen it
        if not self.format:
            msg = 'Audio(data) needs format=, such as "wav" or "mp3": its first bytes do not say what it is'
            raise InvalidMessages(msg)

    @classmethod
    def from_path(cls, path: str | Path) -> Self:
        """Read a recording, now, from a file that the caller names.

        Raises:
            OSError: if it cannot be read.
            InvalidMessages: if neither its bytes nor its name says what it is.
        """
        data = Path(path).read_bytes()
        return cls(data, audio_format_of(data, str(path)) or "")

    @override
    def __repr__(self) -> str:
        return f"Audio({self.format}, {len(self.data)} bytes)"


@dataclass(frozen=True, slots=True)
class File:
    """A document: its bytes with media type and name, an https URL, or the id of a file that the provider holds."""

    type: ClassVar[Literal["file"]] = "file"
    data: bytes | None = None
    url: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    filename: str | None = None

    def __post_init__(self) -> None:
        _check_bytes("File", self.data)
        if self.media_type is None and self.data is not None:
            object.__setattr__(self, "media_type", media_type_of(self.data, self.filename or ""))  # before anybody has seen it
        _one_source("File", self.data, self.url, self.media_type, self.file_id)

    @classmethod
    def from_path(cls, path: str | Path, *, media_type: str | None = None) -> Self:
        """Read a document, now, from a file that the caller names; its last part becomes `filename`.

        Raises:
            OSError: if it cannot be read.
            InvalidMessages: if neither its bytes nor its name says what it is, and `media_type` does not either.
        """
        return cls(Path(path).read_bytes(), media_type=media_type, filename=Path(path).name)

    @override
    def __repr__(self) -> str:
        return f"File({self.media_type or 'reference'}, {len(self.data or b'')} bytes)"


def _check_bytes(kind: str, data: object) -> None:
    if data is not None and not isinstance(data, bytes):
        msg = f"{kind}(data) takes bytes, not {type(data).__name__}; to read a file use {kind}.from_path(...)"
        raise InvalidMessages(msg)


def _one_source(kind: str, data: bytes | None, url: str | None, media_type: str | None, file_id: str | None = None) -> None:
    if sum(source is not None for source in (data, url, file_id)) != 1:
        sources = "data=, url= or file_id=" if kind == "File" else "data= or url="
        msg = f"{kind} takes exactly one of {sources}"
        raise InvalidMessages(msg)
    if data is not None and not media_type:
        msg = f'{kind}(data=...) needs media_type=, such as "image/png" or "application/pdf": its first bytes do not say what it is'
        raise InvalidMessages(msg)
    if url is not None and not url.startswith("https://"):
        msg = f"{kind}(url=...) must be an https URL; for a local file use {kind}.from_path(...)"
        raise InvalidMessages(msg)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for one of the caller's tools.

    Attributes:
        id: the provider's id, or one that saferoute made where the provider sends none; the result names it.
        name: the tool.
        arguments: JSON text, exactly as the provider sent it (a model can write invalid JSON).
        state: opaque provider state that has to go back with the call, where a provider has one.
    """

    type: ClassVar[Literal["tool_call"]] = "tool_call"
    id: str
    name: str
    arguments: str
    state: OpaqueState | None = None

    def parse(self) -> dict[str, Any]:
        """Read the arguments.

        Returns:
            The arguments by name; {} where the provider sent an empty text.

        Raises:
            InvalidMessages: if the model did not write a JSON object.
        """
        try:
            value = decode(self.arguments) if self.arguments.strip() else {}
        except ValueError:
            value = None
        if not isinstance(value, dict):
            msg = f"the model's arguments for tool {self.name!r} are not a JSON object; the raw text is in .arguments"
            raise InvalidMessages(msg)
        return value

    @override
    def __repr__(self) -> str:
        return f"ToolCall(id={self.id!r}, name={self.name!r}, {len(self.arguments)} chars)"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to one call."""

    type: ClassVar[Literal["tool_result"]] = "tool_result"
    call_id: str
    content: tuple[Text | Image | File, ...]
    is_error: bool = False

    @property
    def text(self) -> str:
        """The text of the result, without pictures and files."""
        return "".join(part.text for part in self.content if isinstance(part, Text))

    @override
    def __repr__(self) -> str:
        return f"ToolResult(call_id={self.call_id!r}, {len(self.content)} parts)"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model shows of its thinking, and the state that must come back with it."""

    type: ClassVar[Literal["reasoning"]] = "reasoning"
    text: str
    state: OpaqueState | None = None

    @override
    def __repr__(self) -> str:
        return f"Reasoning({len(self.text)} chars{', with state' if self.state else ''})"


Part: TypeAlias = Text | Refusal | Image | Audio | File | ToolCall | ToolResult | Reasoning
Content: TypeAlias = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: who speaks, and the parts of what they say."""

    role: Role
    content: Content
    name: str | None = None

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "".join([part.text for part in self.content if isinstance(part, Text)])

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls among the parts."""
        return tuple([part for part in self.content if isinstance(part, ToolCall)])

    @override
    def __repr__(self) -> str:
        return f"Message({self.role}, {len(self.content)} parts)"

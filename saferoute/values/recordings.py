"""Results of operations on sound and pictures."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from saferoute.values.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from saferoute.values.messages import Image

__all__ = ["GeneratedImages", "Segment", "Speech", "Transcript"]

_PLAYED: Final = frozenset({"audio/mpeg", "audio/wav", "audio/ogg", "audio/flac", "audio/aac"})
_SHOWN: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a transcript.

    Attributes:
        start: where it begins, in seconds.
        end: where it ends, in seconds.
        text: what is said.
    """

    start: float
    end: float
    text: str

    @override
    def __repr__(self) -> str:
        return f"Segment({self.start:.2f}, {self.end:.2f}, {len(self.text)} chars)"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Transcript(Outcome):
    """What is said in a recording. `str(transcript)` is its text.

    Attributes:
        text: all of it.
        language: the language that was heard, where the provider says it.
        seconds: how long the recording is, where the provider says it.
        segments: the text piece by piece, where the provider sends pieces.
    """

    text: str
    language: str | None = None
    seconds: float | None = None
    segments: tuple[Segment, ...] = ()

    @override
    def __str__(self) -> str:
        return self.text

    @override
    def __repr__(self) -> str:
        return f"Transcript({self.target!r}, model={self.model!r}, {len(self.text)} chars)"

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415  for notebooks

        return f'<pre style="white-space: pre-wrap">{escape(self.text)}</pre><small>{escape(self._facts())}</small>'


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Speech(Outcome):
    """Spoken text. `bytes(speech)` is the sound.

    Attributes:
        data: the sound, in the format of `media_type`.
        media_type: such as "audio/mpeg".
    """

    data: bytes
    media_type: str

    def __bytes__(self) -> bytes:
        return self.data

    @override
    def __repr__(self) -> str:
        return f"Speech({self.target!r}, {self.media_type}, {len(self.data)} bytes)"

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415  for notebooks

        played = ""
        if self.media_type in _PLAYED:
            played = f'<audio controls src="data:{self.media_type};base64,{b64encode(self.data).decode()}"></audio>'
        return f"{played}<br><small>{escape(self._facts())}</small>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GeneratedImages(Outcome):
    """Pictures that a model made; a sequence of `Image`.

    Attributes:
        images: with bytes and media type, or with an https URL where the provider keeps the picture; saferoute fetches none.
        revised_prompts: what the provider made of the prompt, for each picture; "" where it does not say.
    """

    images: tuple[Image, ...]
    revised_prompts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Image]:
        return iter(self.images)

    def __getitem__(self, index: int) -> Image:
        return self.images[index]

    @override
    def __repr__(self) -> str:
        return f"GeneratedImages({self.target!r}, model={self.model!r}, {len(self)} images)"

    def _repr_html_(self) -> str:
        """In a notebook: the pictures that came as bytes; what is only a URL is not fetched by the reader's browser either."""
        from html import escape  # noqa: PLC0415  for notebooks

        shown = "".join(
            f'<img style="max-width: 32em" src="data:{image.media_type};base64,{b64encode(image.data).decode()}">'
            for image in self.images
            if image.data is not None and image.media_type in _SHOWN
        )
        return f"{shown}<br><small>{escape(self._facts())}</small>"

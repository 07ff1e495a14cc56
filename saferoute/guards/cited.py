"""What a citation says besides places: the title, the words and the address of a source, which are shown with the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saferoute.values.messages import Citation

__all__ = ["citation_texts", "with_citation_texts"]

_TEXTS: Final = ("title", "quote", "source", "url")


def citation_texts(citation: Citation) -> Iterator[tuple[str, str]]:
    """Each text of a citation, by the name of its field."""
    for name in _TEXTS:
        text: str | None = getattr(citation, name)
        if text:
            yield name, text


def with_citation_texts(citation: Citation, texts: Mapping[str, str]) -> Citation:
    """The citation with some of its texts replaced, by the name of the field; an address that is not what it was is none any more.

    Args:
        citation: what is shown.
        texts: new texts.
    """
    if not texts:
        return citation
    new: dict[str, str | None] = dict(texts)
    if "url" in new:
        new["url"] = None
    return replace(citation, **new)  # type: ignore[arg-type]  # fields that hold texts

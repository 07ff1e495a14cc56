"""A citation in the words of Converse, as a value of ours.

What is cited is the whole text block that holds the citation, so that no place within the text is said. Converse's own places are in
the source; they, and what else a citation says, stand in the metadata of the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.values.json import as_list, as_mapping, as_text, integer
from saferoute.values.messages import Citation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["citation_of"]

_DOCUMENT_PLACES = ("documentChar", "documentPage", "documentChunk")


def citation_of(said: Mapping[str, Any]) -> Citation:
    """Read a citation: of a document (by position), of a search result that the caller gave (by its source), or of the web."""
    location = as_mapping(said.get("location"))
    web = as_mapping(location.get("web"))
    positions = (integer(as_mapping(location.get(place)).get("documentIndex")) for place in _DOCUMENT_PLACES)
    position = next((position for position in positions if position is not None), None)
    return Citation(
        title=as_text(said.get("title")) or None,
        url=as_text(web.get("url")) or None,
        source=as_text(said.get("source")) or (None if position is None else str(position)),
        quote="".join(as_text(as_mapping(piece).get("text")) for piece in as_list(said.get("sourceContent"))) or None,
    )

"""A citation in the words of the Messages API, as a value of ours.

What is cited is the whole text block that holds the citation, so that no place within the text is said. The API's own places are in
the source; they, and what else a citation says, stand in the metadata of the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.values.json import as_text, integer
from saferoute.values.messages import Citation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["citation_of"]


def citation_of(said: Mapping[str, Any]) -> Citation:
    """Read a citation: of a document (by file id or position), of a search result that the caller gave (by its source), or of the web."""
    position = integer(said.get("document_index"))
    source = as_text(said.get("file_id")) or as_text(said.get("source")) or (None if position is None else str(position))
    return Citation(
        title=as_text(said.get("document_title")) or as_text(said.get("title")) or None,
        url=as_text(said.get("url")) or None,
        source=source,
        quote=as_text(said.get("cited_text")) or None,
    )

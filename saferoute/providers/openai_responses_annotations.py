"""Where the text of an OpenAI Responses answer comes from. Pure."""

from __future__ import annotations

from saferoute.values.json import as_mapping, as_text, integer
from saferoute.values.messages import Citation

__all__ = ["citation_of"]


def citation_of(annotation: object) -> Citation | None:
    """The source that an annotation names; None for one that names none, as the path of a file that was made.

    A web page has a range of the text, a title and a URL; a file has the place behind the text that it supports, its name and its id.
    """
    said = as_mapping(annotation)
    if said.get("type") == "file_path":
        return None
    end = integer(said.get("end_index"))
    found = Citation(
        start=integer(said.get("start_index")),
        end=integer(said.get("index")) if end is None else end,
        title=as_text(said.get("title")) or as_text(said.get("filename")) or None,
        url=as_text(said.get("url")) or None,
        source=as_text(said.get("file_id")) or None,
        quote=as_text(said.get("content")) or None,  # OpenRouter's web search
    )
    return found if found.title or found.url or found.source or found.quote else None

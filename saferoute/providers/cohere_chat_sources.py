"""What Cohere's chat API says besides the words of an answer: the sources of its text, and how likely its tokens were. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.values.events import TokenLogprob
from saferoute.values.json import as_list, as_mapping, as_text, integer
from saferoute.values.messages import Citation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["citations_of", "token_logprobs"]


def citations_of(said: Mapping[str, Any]) -> tuple[Citation, ...]:
    """Read one citation of the wire, which names a place in the text and any number of sources: one citation for each of them.

    A source is a document that the call gave or the output of a tool, by its id. Its whole content stands beside it on the wire; which
    words of it were meant is not said.
    """
    start, end = integer(said.get("start")), integer(said.get("end"))
    found = []
    for source in map(as_mapping, as_list(said.get("sources")) or [{}]):
        document = as_mapping(source.get("document"))
        title, url, name = (as_text(value) or None for value in (document.get("title"), document.get("url"), source.get("id")))
        found.append(Citation(start, end, title, url, name))
    return tuple(found)


def token_logprobs(items: object) -> tuple[TokenLogprob, ...]:
    """Read `[{text, token_ids, logprobs}]`, the logarithms of the tokens that a piece of text is made of.

    Which token is which part of the text is not said, so that a piece of several tokens is one entry, with the probability of them all.
    What has another shape is passed over.
    """
    found = []
    for item in map(as_mapping, as_list(items)):
        text, values = item.get("text"), as_list(item.get("logprobs"))
        if (
            not isinstance(text, str)
            or not values
            or any(isinstance(value, bool) or not isinstance(value, int | float) for value in values)
        ):
            continue
        try:
            found.append(TokenLogprob(text, sum(map(float, values))))
        except OverflowError:  # JSON's whole numbers have no bound
            continue
    return tuple(found)

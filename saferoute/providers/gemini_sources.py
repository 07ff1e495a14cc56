"""What generateContent says about its text besides the text: where it comes from, and how likely its tokens were. Pure.

The API counts places in bytes of UTF-8, and from the beginning of one part; ours are characters of the part they stand in. A place whose
words are not what the part has there is not given: a source without a place is better than one in the wrong place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.providers.logprobs import token_logprobs
from saferoute.values.events import Cited
from saferoute.values.json import as_list, as_mapping, as_text, integer
from saferoute.values.messages import Citation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saferoute.values.events import TokenLogprob

__all__ = ["cited", "likely_tokens"]

_KINDS: Final = ("web", "retrievedContext", "maps", "image")
_MOST_PARTS: Final = 16  # texts that a place is looked for in
_Place = tuple[int, int, int]  # number of the part, and the range in bytes of its text


def cited(metadata: Mapping[str, Any], texts: Mapping[int, str]) -> list[Cited]:
    """The sources of an answer, each once.

    Args:
        metadata: the candidate's, with `groundingMetadata` and `citationMetadata` where the API said them.
        texts: the answer's texts by the number of their part, in order.
    """
    if not texts:
        return []
    written = [(index, text.encode("utf-8", "replace")) for index, text in list(texts.items())[:_MOST_PARTS]]
    found = [*_grounded(as_mapping(metadata.get("groundingMetadata")), written)]
    found += _quoted(as_mapping(metadata.get("citationMetadata")), written)
    characters = _characters([place for place, _ in found if place is not None], dict(written))
    events: dict[Cited, None] = {}
    for place, source in found:
        index = written[0][0]
        if place is None:
            citation = source
        else:
            index, start, end = place
            citation = Citation(characters[index, start], characters[index, end], source.title, source.url, source.source, source.quote)
        events[Cited(index, citation)] = None
    return list(events)


def _grounded(said: Mapping[str, Any], texts: list[tuple[int, bytes]]) -> Iterator[tuple[_Place | None, Citation]]:
    """The sources that a search found, with what of the text they support; all of them where nothing is said of that."""
    sources = [_source(chunk) for chunk in as_list(said.get("groundingChunks"))]
    supports = as_list(said.get("groundingSupports"))
    for support in supports:
        segment = as_mapping(as_mapping(support).get("segment"))
        place = _segment_place(segment, texts)
        for number in as_list(as_mapping(support).get("groundingChunkIndices")):
            source = sources[number] if type(number) is int and 0 <= number < len(sources) else None
            if source is not None:
                yield place, source
    if not supports:
        yield from ((None, source) for source in sources if source is not None)


def _source(chunk: object) -> Citation | None:
    said = as_mapping(chunk)
    inner = next((as_mapping(said[kind]) for kind in _KINDS if kind in said), {})
    found = Citation(
        title=as_text(inner.get("title")) or None,
        url=as_text(inner.get("uri")) or as_text(inner.get("sourceUri")) or None,
        source=as_text(inner.get("documentName")) or as_text(inner.get("placeId")) or None,
        quote=as_text(inner.get("text")) or None,
    )
    return None if found == Citation() else found


def _segment_place(segment: Mapping[str, Any], texts: list[tuple[int, bytes]]) -> _Place | None:
    start, end, words = integer(segment.get("startIndex", 0)), integer(segment.get("endIndex")), as_text(segment.get("text"))
    if start is None or end is None or end <= start:
        return None
    if not words:
        index, text = texts[0]
        return (index, start, end) if end <= len(text) else None
    wanted = words.encode("utf-8", "replace")
    if len(wanted) != end - start:
        return None
    return next(((index, start, end) for index, text in texts if text.startswith(wanted, start)), None)


def _quoted(said: Mapping[str, Any], texts: list[tuple[int, bytes]]) -> Iterator[tuple[_Place | None, Citation]]:
    """The sources that the text repeats at length; their places count through all of the answer's texts."""
    for entry in as_list(said.get("citations")) or as_list(said.get("citationSources")):
        words = as_mapping(entry)
        source = Citation(title=as_text(words.get("title")) or None, url=as_text(words.get("uri")) or None)
        if source == Citation():
            continue
        start, end = integer(words.get("startIndex", 0)), integer(words.get("endIndex"))
        yield (None if start is None or end is None or end <= start else _place_within(start, end, texts)), source


def _place_within(start: int, end: int, texts: list[tuple[int, bytes]]) -> _Place | None:
    for index, text in texts:
        if start < len(text):
            return index, start, min(end, len(text))
        start, end = start - len(text), end - len(text)
    return None


def _characters(places: list[_Place], texts: Mapping[int, bytes]) -> dict[tuple[int, int], int]:
    """How many characters stand before each of the places' ends, by the number of the part and the count of bytes."""
    counts: dict[tuple[int, int], int] = {}
    before, seen, part = 0, 0, -1
    for index, at in sorted({(index, end) for index, *ends in places for end in ends}):
        if index != part:
            before, seen, part = 0, 0, index
        text, whole = texts[index], at
        while before < whole < len(text) and text[whole] & 0xC0 == 0x80:  # noqa: PLR2004  within a character: at its beginning
            whole -= 1
        seen += len(text[before:whole].decode())
        counts[index, at] = seen
        before = whole
    return counts


def likely_tokens(said: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
    """Read a `logprobsResult`; a probability of 1 is a logarithm of 0, which the API leaves out."""
    others = as_list(said.get("topCandidates"))
    beside = [as_list(as_mapping(other).get("candidates")) for other in others]
    entries = []
    for number, entry in enumerate(as_list(said.get("chosenCandidates"))):
        top = [_likely(other) for other in beside[number]] if number < len(beside) else []
        entries.append(_likely(entry) | {"top_logprobs": top})
    return token_logprobs(entries)


def _likely(entry: object) -> dict[str, object]:
    said = as_mapping(entry)
    return {"token": said.get("token"), "logprob": said.get("logProbability", 0.0)}

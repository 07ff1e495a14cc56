"""What an answer says besides its counts that its price goes by, so that a call is never billed at a price it was not served at.

- How it was served: a tier of service, a speed or a place other than the standard one, in the provider's own words, lower-case.
- What was done apart: work that is billed by other than tokens (a search, a tool that the provider ran), and tokens that have a price of
  their own which no count here tells (pictures, cached sound).

A row's prices may have a multiplier for a term. Without one, the cost of the call is not known.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from saferoute.values.json import as_list, as_mapping, as_text, integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saferoute.values.usage import Usage

__all__ = ["under_terms"]

_SAYING: Final = ("service_tier", "serviceTier", "trafficType", "speed", "inference_geo")
_STANDARD: Final = frozenset(
    {"", "auto", "default", "standard", "Standard", "STANDARD", "on_demand", "ON_DEMAND", "global", "not_available"}
)
# Counts of what the provider did itself: under these names in its usage, or in the first one's own counts.
_DONE: Final = ("server_tool_use", "num_sources_used", "num_server_side_tools_used", "num_search_queries")
# Of these lists of (modality, count): the kinds of tokens that have prices of their own.
_KINDS: Final = (("candidatesTokensDetails", "IMAGE"), ("candidatesTokensDetails", "VIDEO"), ("cacheTokensDetails", "AUDIO"))
_IN_USAGE: Final = frozenset({*_SAYING, *_DONE, *(details for details, _ in _KINDS)})
_WORD: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_LONGEST: Final = 64


def under_terms(usage: Usage, metadata: Mapping[str, Any], *apart: str) -> Usage:
    """Put what else the price goes by to an answer's usage.

    Args:
        usage: as it was read, with the provider's own record.
        metadata: what else was kept of the answer.
        apart: names in the metadata under which there is something only if the provider did work that it bills by other than tokens.
    """
    raw, found = usage.raw, []
    told = not _IN_USAGE.isdisjoint(raw)  # most usage says nothing of all that
    for place in (metadata, raw) if told else (metadata,):
        for name in _SAYING:
            if name in place:
                said = place[name]
                if type(said) is not str:
                    said = as_text(as_mapping(said).get("type"))  # Bedrock writes an object
                if said not in _STANDARD:
                    found.append(_word(said))
    if told:
        for name in _DONE:
            if name in raw:
                found += _done(name, raw[name])
    for name in apart:
        if name in metadata and metadata[name]:  # noqa: RUF019  get() would be one more call for every name
            found.append(_word(name))
    if told:
        for details, kind in _KINDS:
            if details in raw and _has(raw[details], kind):
                found.append(f"{details}.{kind}".lower())
    return replace(usage, terms=tuple(dict.fromkeys(found))) if found else usage


def _word(said: str) -> str:
    """A word as a table may name it; one that no table can name has no multiplier, and is told as such."""
    word = said.lower().removeprefix("on_demand_")
    return word if len(word) <= _LONGEST and _WORD.fullmatch(word) else "other"


def _done(name: str, value: object) -> Iterator[str]:
    counts = as_mapping(value) if isinstance(value, dict) else {name: value}
    return (_word(one) for one, count in counts.items() if integer(count))


def _has(details: object, kind: str) -> bool:
    return any(as_mapping(entry).get("modality") == kind and integer(as_mapping(entry).get("tokenCount")) for entry in as_list(details))

"""Reads a ranking in the form that Cohere began and others took over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.providers.operations.reading import number, objects, wrong
from saferoute.values.ranking import Ranked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.operations.contract import RerankRequest
    from saferoute.values.target import Target

__all__ = ["scores"]


def scores(request: RerankRequest, target: Target, body: Mapping[str, Any]) -> tuple[Ranked, ...]:
    """The ranked documents of an answer, best first, as many as were asked for.

    Raises:
        ProtocolError: for an index out of range or there twice, a score that is no finite number, and too few results.
    """
    count = len(request.documents)
    wanted = min(request.top_n or count, count)
    found: dict[int, float] = {}
    for item in objects(target, body, "results"):
        index = item.get("index")
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count or index in found:
            raise wrong(target, "an index that is missing, out of range, or there twice")
        found[index] = number(target, item.get("relevance_score", item.get("score")), "score")
    if len(found) < wanted:
        raise wrong(target, f"{len(found)} ranked documents where {wanted} were asked for")
    best = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:wanted]
    return tuple(Ranked(index, score, request.documents[index]) for index, score in best)

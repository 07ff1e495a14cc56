"""Read how likely each token was, in the form that OpenAI began and others took over. Pure."""

from __future__ import annotations

from saferoute.values.events import TokenLogprob
from saferoute.values.json import as_list, as_mapping

__all__ = ["token_logprobs"]


def token_logprobs(items: object) -> tuple[TokenLogprob, ...]:
    """Read `[{token, logprob, top_logprobs: [{token, logprob}]}]`; what has another shape is passed over."""
    found = []
    for item in map(as_mapping, as_list(items)):
        said = _said(item)
        if said is not None:
            top = tuple(pair for other in as_list(item.get("top_logprobs")) if (pair := _said(other)) is not None)
            found.append(TokenLogprob(*said, top))
    return tuple(found)


def _said(item: object) -> tuple[str, float] | None:
    token, logprob = as_mapping(item).get("token"), as_mapping(item).get("logprob")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    try:
        return token, float(logprob)
    except OverflowError:  # JSON's whole numbers have no bound
        return None

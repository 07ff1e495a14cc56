"""Token counts before a call, and bounds where nobody counts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from typing_extensions import override

from saferoute.values.outcome import Outcome

__all__ = ["TokenCount", "estimate"]

# Bounds of an estimate. A byte-level tokenizer makes no token of less than one byte, and what it puts around a message and a tool is
# shorter than the JSON around them; so the bytes of the request's body are the upper bound, and a preamble that some put before tools.
TOOLS_PREAMBLE: Final = 2048
# No tokenizer in use makes text in any language of more than 8 characters a token on average, runs of white space taken as one.
_LONGEST_TOKEN: Final = 8
_BLANKS: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TokenCount(Outcome):
    """How many tokens a conversation is, as input.

    Attributes:
        tokens: the count.
        method: "provider": the provider counted. "estimate": nobody did; see `low` and `high`.
        low: the count is at least this; of an estimate, for text as people and programs write it.
        high: the count is at most this; None where a picture, sound or document has no bound that is known here.
    """

    tokens: int
    method: Literal["provider", "estimate"]
    low: int
    high: int | None

    def __int__(self) -> int:
        return self.tokens

    def __index__(self) -> int:
        return self.tokens

    @override
    def __repr__(self) -> str:
        return f"TokenCount({self.tokens}, {self.method!r}, low={self.low}, high={self.high})"

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415  for notebooks

        bounds = f"from {self.low} to {'no known bound' if self.high is None else self.high}"
        shown = f"{self.tokens} tokens, counted by the provider" if self.method == "provider" else f"about {self.tokens} tokens, {bounds}"
        return f"{shown}<br><small>{escape(self._facts())}</small>"


def estimate(texts: tuple[str, ...], body_bytes: int, *, tools: bool, unbounded: bool) -> tuple[int, int, int | None]:
    """Guess the tokens of a request.

    Args:
        texts: the texts that a model reads.
        body_bytes: the size of the request's JSON.
        tools: whether it offers tools.
        unbounded: whether it has pictures, sound or documents.

    Returns:
        The guess, and what the count is at least and at most.
    """
    squeezed = [_BLANKS.sub(" ", text) for text in texts]
    characters = sum(map(len, squeezed))
    plain = sum(len(text.encode("ascii", "ignore")) for text in squeezed)
    low = math.ceil(characters / _LONGEST_TOKEN)
    high = body_bytes + (TOOLS_PREAMBLE if tools else 0)
    guess = math.ceil(plain / 4 + (characters - plain) / 1.6) + 4 * len(texts)
    return max(low, min(guess, high)), low, None if unbounded else high

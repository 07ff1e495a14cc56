"""What a word of reasoning is worth in tokens, and which budgets can be asked for, where Anthropic's models take a budget. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.errors import UnsupportedParameter

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BUDGETS", "checked_budget"]

BUDGETS: Final[Mapping[str, int]] = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 49152}
_LEAST: Final = 1024


def checked_budget(budget: int, bound: int | None) -> int:
    """The budget, if it can be asked for; the bound of output counts it too.

    Raises:
        UnsupportedParameter: for a budget under the models' least, and for one that leaves nothing of the bound.
    """
    if budget < _LEAST:
        msg = f"reasoning: a budget of {budget} tokens is under the least that the models take, {_LEAST}: ask for {_LEAST} or more"
        raise UnsupportedParameter(msg, parameter="reasoning")
    if bound is not None and budget >= bound:
        msg = f"reasoning: {budget} tokens of thinking do not fit into {bound} output tokens: pass a max_output_tokens over {budget}"
        raise UnsupportedParameter(msg, parameter="reasoning")
    return budget

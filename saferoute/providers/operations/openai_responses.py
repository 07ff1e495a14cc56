"""What OpenAI's Responses API adds to the operations of `openai`: it counts tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.providers.operations.counting import body_of, count_by, encoded, moved
from saferoute.providers.operations.openai import version
from saferoute.providers.writing import written

if TYPE_CHECKING:
    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import CountRequest, Plan
    from saferoute.values.target import Target

__all__ = ["count"]

# What POST /responses/input_tokens takes of a request; the rest says nothing of the input.
_COUNTED: Final = frozenset(
    {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "truncation"}
)


def count(request: CountRequest, target: Target, codec: Codec) -> Plan:
    """Count by POST /responses/input_tokens."""
    made = encoded(request, target, codec)
    fields = {name: value for name, value in body_of(made).items() if name in _COUNTED}
    path = f"{target.path}/responses/input_tokens{version(target)}"
    return (yield from count_by(target, moved(made, path, written(fields)), "input_tokens", made.notices))

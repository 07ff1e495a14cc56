"""Running the rest of a flow that another driver began: what a race leaves to the call that it was run for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from saferoute.call.effects import Effect, Flow

__all__ = ["adopted"]

R = TypeVar("R")


def adopted(flow: Flow[R], pending: Effect) -> Flow[R]:
    """Run the rest of a flow that another driver began.

    Args:
        flow: suspended at an effect.
        pending: that effect.
    """
    effect = pending
    try:
        while True:
            try:
                answer = yield effect
            except BaseException as error:  # noqa: BLE001  whatever the driver throws in is the flow's
                effect = flow.throw(error)
            else:
                effect = flow.send(answer)
    except StopIteration as stop:
        return cast("R", stop.value)

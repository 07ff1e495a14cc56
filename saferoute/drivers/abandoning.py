"""Ends a flow whose stream was dropped without being closed: what it holds back is settled, and its place under limits given back."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from saferoute.call.effects import Abandoned, Cancel, Finish, Release, Settle, Tick
from saferoute.drivers.charging import let_go
from saferoute.drivers.limiting import give_back

if TYPE_CHECKING:
    from saferoute.call.effects import Flow

__all__ = ["settle_beside"]


def settle_beside(flow: Flow[Any]) -> None:
    """Drive a flow to its end in a thread of its own.

    A finalizer may run anywhere, also while this thread holds the lock of the very store that has to be told; and a store may wait for a
    disk or a network.
    """
    with contextlib.suppress(RuntimeError):  # the interpreter is ending: no thread can begin
        threading.Thread(target=_settle, args=(flow,), name="saferoute-dropped", daemon=True).start()


def _settle(flow: Flow[Any]) -> None:
    with contextlib.suppress(StopIteration, Abandoned):
        effect = flow.throw(Abandoned())
        while True:
            if isinstance(effect, Settle):
                let_go(effect)
            elif isinstance(effect, Release):
                give_back(effect)
            elif not isinstance(effect, Cancel | Finish):  # the connection is gone already; anything else would begin something new
                return
            effect = flow.send(Tick(0.0))

"""Ends a flow whose stream was dropped without being closed.

What it holds back is settled, its place under limits is given back, and what became of it is recorded.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from saferoute.call.effects import Abandoned, Cancel, Finish, Record, Recorded, Release, Settle, Tick
from saferoute.drivers.charging import let_go
from saferoute.drivers.limiting import give_back
from saferoute.errors import LedgerError

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
    with contextlib.suppress(StopIteration, Abandoned, LedgerError):
        effect = flow.throw(Abandoned())
        while True:
            if isinstance(effect, Settle):
                let_go(effect)
            elif isinstance(effect, Release):
                give_back(effect)
            elif isinstance(effect, Record):
                effect.writer.append(effect.entry)
            elif not isinstance(effect, Cancel | Finish):  # the connection is gone already; anything else would begin something new
                return
            effect = flow.send(Recorded(0.0, None) if isinstance(effect, Record) else Tick(0.0))

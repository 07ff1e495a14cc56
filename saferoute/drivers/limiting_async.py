"""The same for the asyncio driver: a store that waits for a disk or a network does so in a thread."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from saferoute.drivers.limiting import give_back, take, unsent
from saferoute.values.limits import Lease

if TYPE_CHECKING:
    from saferoute.call.effects import Acquire, Release
    from saferoute.values.limits import Busy

__all__ = ["give_back_async", "take_async"]


async def take_async(effect: Acquire) -> Lease | Busy:
    """As `take`. Whoever is cancelled while a thread works has sent nothing, so what it has taken by then is given back.

    Raises:
        ConfigurationError: the store cannot be reached or used.
    """
    if not effect.store.waits:
        return take(effect)
    taking = asyncio.ensure_future(asyncio.to_thread(take, effect))
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(partial(_return_lease, effect))
        raise


async def give_back_async(effect: Release) -> None:
    """As `give_back`, also if the caller leaves meanwhile."""
    if effect.store.waits:
        await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(give_back, effect)))
    else:
        give_back(effect)


def _return_lease(effect: Acquire, taking: asyncio.Future[Lease | Busy]) -> None:
    if taking.cancelled() or taking.exception() is not None:
        return
    outcome = taking.result()
    if isinstance(outcome, Lease):
        _given = asyncio.get_running_loop().run_in_executor(None, give_back, unsent(effect, outcome))

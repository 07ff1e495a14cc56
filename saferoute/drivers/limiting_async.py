"""The same for the asyncio driver: a store that waits for a disk or a network does so in a thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from saferoute.drivers.limiting import give_back, take, unsent
from saferoute.drivers.store_waits import afterwards, before
from saferoute.values.limits import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.call.effects import Acquire, Release
    from saferoute.drivers.background_async import AsyncBackground
    from saferoute.values.limits import Busy

__all__ = ["give_back_async", "take_async"]


async def take_async(effect: Acquire, clock: Callable[[], float]) -> Lease | Busy:
    """As `take`, within the call's allowance. Whoever is cancelled meanwhile has sent nothing, so what it has taken is given back.

    Raises:
        ConfigurationError: the store cannot be reached or used.
        TimedOut: the call's allowance has ended.
    """
    if not effect.store.waits:
        return take(effect)
    return await before(effect.allowance, clock, partial(take, effect), partial(_return_lease, effect))


async def give_back_async(effect: Release, clock: Callable[[], float], background: Callable[[], AsyncBackground] | None = None) -> None:
    """As `give_back`, also if the caller leaves meanwhile."""
    if effect.store.waits:
        await afterwards(effect.allowance, clock, partial(give_back, effect), background)
    else:
        give_back(effect)


def _return_lease(effect: Acquire, outcome: Lease | Busy) -> None:
    if isinstance(outcome, Lease):
        give_back(unsent(effect, outcome))

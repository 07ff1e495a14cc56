"""What both drivers do to take from limits before a request leaves, and to give back after it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from saferoute.call.effects import Release
from saferoute.errors import SaferouteError

if TYPE_CHECKING:
    from saferoute.call.effects import Acquire
    from saferoute.values.limits import Busy, Lease

__all__ = ["give_back", "take", "unsent"]

_log = logging.getLogger("saferoute")


def take(effect: Acquire) -> Lease | Busy:
    """Take from all of the limits, or from none.

    Raises:
        ConfigurationError: the store cannot be reached or used.
    """
    return effect.store.acquire(effect.draws, effect.hold)


def give_back(effect: Release) -> None:
    """Give back what is under way. If the store is gone by now the lease ends by itself, and the call's own result is not lost over it."""
    try:
        effect.store.release(effect.lease, effect.used)
    except SaferouteError as error:
        _log.warning("saferoute: a limit could not be told that a call has ended, so it counts as under way for a while longer: %s", error)


def unsent(effect: Acquire, lease: Lease) -> Release:
    """What gives a lease back whose request never left."""
    return Release(effect.store, lease, (0,) * len(effect.draws))

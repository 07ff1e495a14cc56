"""What both drivers do to hold an attempt's worst case back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from saferoute.capabilities.deny import Deny
from saferoute.errors import CapabilityInvalid, SaferouteError

if TYPE_CHECKING:
    from saferoute.call.effects import Reserve, Settle

__all__ = ["hold", "let_go"]

_log = logging.getLogger("saferoute")


def hold(effect: Reserve) -> str:
    """Use the nonce up, if there is one, and reserve the debits.

    Returns:
        The reservation's id; "" where there is nothing to count.

    Raises:
        CapabilityInvalid: the nonce was used before.
        BudgetExceeded: an account does not have it.
    """
    if effect.once is not None and not effect.store.first_use(*effect.once):
        raise CapabilityInvalid(
            "this call token was used before, or the store remembers too many to tell: every call needs a token of its own "
            "(Capability.prove)",
            code=Deny.REPLAYED.value,
        )
    return effect.store.reserve(effect.debits) if effect.debits else ""


def let_go(effect: Settle) -> None:
    """Settle what was held back. If the store is gone by now it stays held back, and the call's own result is not lost over it."""
    if not effect.reservation:
        return
    try:
        effect.store.settle(effect.reservation, effect.amounts)
    except SaferouteError as error:
        _log.warning("saferoute: what a call cost could not be settled, so its worst case stays held back: %s", error)

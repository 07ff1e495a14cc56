"""What both drivers do to hold an attempt's worst case back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.capabilities.deny import Deny
from saferoute.errors import CapabilityInvalid

if TYPE_CHECKING:
    from saferoute.call.effects import Reserve

__all__ = ["hold"]


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

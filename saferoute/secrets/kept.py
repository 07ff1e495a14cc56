"""How long a made credential serves: the rules of remembering, refreshing and refusing. Pure; the time is a parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from saferoute.errors import SecretError
from saferoute.secrets.minting import LONGEST_LIFE, endpoint
from saferoute.secrets.secret import SecretRecord

if TYPE_CHECKING:
    from saferoute.secrets.minting import Minted
    from saferoute.values.credential import CredentialSpec

__all__ = ["Kept", "keep", "postponed", "refused"]

_MARGIN: Final = 300.0
_SHARE: Final = 0.2
_PAUSE: Final = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A made credential that is remembered. Two are the same only if they are one object: each exchange makes a new one.

    Attributes:
        record: the credential, bound to the row's origins.
        refresh_at: seconds since the epoch; from then on another is asked for.
        expires_at: seconds since the epoch; from then on it is not sent by choice.
    """

    record: SecretRecord
    refresh_at: float
    expires_at: float

    def is_fresh(self, now: float) -> bool:
        """Whether nothing needs to be asked for."""
        return now < self.refresh_at

    def is_valid(self, now: float) -> bool:
        """Whether it may still be sent."""
        return now < self.expires_at


def keep(spec: CredentialSpec, minted: Minted, now: float) -> Kept:
    """Remember what was made, until five minutes before its end, or a fifth of its life if that is less.

    Args:
        spec: the row.
        minted: what its recipe ended with.
        now: seconds since the epoch.

    Raises:
        SecretError: its end is no time, is over, or is further away than such credentials live.
    """
    life = minted.expires_at - now
    if not math.isfinite(life) or not 0 < life <= LONGEST_LIFE:
        raise SecretError(
            f"{endpoint(spec)} made one whose end makes no sense here: it is over already, or months away. Nothing was sent; look at this "
            "machine's clock"
        )
    return Kept(SecretRecord(spec.name, minted.secret, spec.origins), minted.expires_at - min(_MARGIN, _SHARE * life), minted.expires_at)


def postponed(kept: Kept, now: float) -> Kept:
    """The same, after a refresh that failed: the next one is tried after half a minute, or half of what is left."""
    return replace(kept, refresh_at=now + min(_PAUSE, (kept.expires_at - now) / 2))


def refused(kept: Kept) -> Kept:
    """The same, after its receiver did not accept it: it is not valid any more, whatever its end says."""
    return replace(kept, refresh_at=-math.inf, expires_at=-math.inf)

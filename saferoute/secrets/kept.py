"""How long what is remembered serves: made credentials, and secrets whose place can tell that they changed. Pure; time is a parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from saferoute.errors import SecretError
from saferoute.secrets.minting import LONGEST_LIFE, endpoint
from saferoute.secrets.secret import SecretRecord

if TYPE_CHECKING:
    from saferoute.secrets.minting import Minted
    from saferoute.values.credential import CredentialSpec

__all__ = ["Kept", "Watch", "WatchedRecord", "keep", "may_remake", "postponed", "refused"]

_MARGIN: Final = 300.0
_SHARE: Final = 0.2
_PAUSE: Final = 30.0


class Watch(Protocol):
    """Tells whether a secret is still what was read."""

    @property
    def stamp(self) -> object:
        """What the place said of the secret when it was read; another stamp is another content."""

    def is_due(self) -> bool:
        """Whether it is time to look again; never waits."""

    def has_changed(self) -> bool:
        """Look again; may wait for a disk."""


@dataclass(frozen=True, slots=True)
class WatchedRecord(SecretRecord):
    """A secret out of a place that can tell when it changed.

    Attributes:
        watch: tells.
    """

    watch: Watch = field(kw_only=True, repr=False, compare=False)


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


def may_remake(last: float | None, now: float) -> bool:
    """Whether a refusal may lead to another exchange: one in half a minute may, so that endless refusals do not ask for endless tokens.

    Args:
        last: seconds since the epoch at which a refusal last did; None for never.
        now: seconds since the epoch. A clock that was set back does not make the pause longer.
    """
    return last is None or not 0 <= now - last < _PAUSE


def refused(kept: Kept) -> Kept:
    """The same, after its receiver did not accept it: it is not valid any more, whatever its end says."""
    return replace(kept, refresh_at=-math.inf, expires_at=-math.inf)

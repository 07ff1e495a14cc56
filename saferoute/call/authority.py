"""Under which permissions a call is made: capabilities, verified and conjoined, or the table's grant where there is none.

What is verified is kept for as long as root and issuers stay what they were. Time and revocation are looked at for every call, and again
before every attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final, Literal

from saferoute.capabilities.chain import check_now
from saferoute.capabilities.proof import verify_proof
from saferoute.capabilities.token import read_call
from saferoute.values.permission import PresentedToken
from saferoute.values.sealed import sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.capabilities.chain import Verified, VerifiedChains
    from saferoute.values.issuer import IssuerRecord
    from saferoute.values.permission import HeldChain, Permission

__all__ = ["Authority", "Powers"]

_MOST_KEPT: Final = 256


@sealed
class Powers:
    """What one call is made under.

    Attributes:
        permissions: every one of them must allow it.
        verified: the capabilities behind them, to be looked at again before every attempt.
        once: the nonce that the call uses up, and how long it is remembered; None for none.
        revoked: ids and digests that are revoked.
        needs_hash: whether one of the permissions is bound to the hash of a request.
        blocks: the digests of all blocks of each capability's chain: of every one that it was derived from, and its own.
    """

    permissions: tuple[Permission, ...]
    verified: tuple[Verified, ...] = ()
    once: tuple[str, float] | None = None
    revoked: frozenset[str] = frozenset()
    needs_hash: bool = field(init=False, default=False)
    blocks: tuple[str, ...] = field(init=False, default=())
    _begins: float = field(init=False, repr=False, default=-inf)
    _ends: float = field(init=False, repr=False, default=inf)
    _names: frozenset[str] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        """Put together, once, what is looked at for every call and before every attempt."""
        for permission in self.permissions:
            if permission.requests is not None:
                object.__setattr__(self, "needs_hash", True)
        if not self.verified:
            return
        blocks: tuple[str, ...] = ()
        names: set[str] = set()
        begins, ends = -inf, inf
        for one in self.verified:
            blocks += one.digests
            names.update(one.digests)
            names.add(one.token_id)
            begins, ends = max(begins, one.begins), min(ends, one.expires_at)
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "_begins", begins)
        object.__setattr__(self, "_ends", ends)
        object.__setattr__(self, "_names", frozenset(names))

    @property
    def digests(self) -> tuple[str, ...]:
        """The digest of each capability's chain."""
        return tuple([one.digests[-1] for one in self.verified])

    def check(self, now: float, revoked: frozenset[str] | None = None) -> None:
        """Check time and revocation of every capability.

        Args:
            now: the wall clock, in seconds since the epoch.
            revoked: what is revoked by now; None for what was when the call began.

        Raises:
            CapabilityError: one of them may not be used now.
        """
        gone = self.revoked if revoked is None else revoked
        if self._begins <= now < self._ends and (not gone or gone.isdisjoint(self._names)):
            return  # all of them at once; which of them it is, and why, is asked one by one
        for one in self.verified:
            check_now(one, now, gone)


@dataclass(frozen=True, slots=True)
class Authority:
    """What a client's calls are made under, for one table.

    Attributes:
        trust: how far the table's trust goes; only a local one needs neither grant nor capability.
        grant: the table's; it counts only for calls without a capability.
        issuers: who may mint, by name, out of the verified root.
        root_version: that root's version.
        revoked: ids and digests that are revoked.
        audience: the client's name.
        instance: gives this process's random id.
        chains: remembers what was verified.
        held: capabilities that every call is made under.
        narrowed: what the program has narrowed the client by, without a capability.
    """

    trust: Literal["local", "production"]
    grant: Permission | None
    issuers: Mapping[str, IssuerRecord]
    root_version: int
    revoked: frozenset[str]
    audience: str
    instance: Callable[[], str]
    chains: VerifiedChains
    held: tuple[HeldChain, ...] = ()
    narrowed: tuple[Permission, ...] = ()
    # What was worked out for calls with a capability of their own, by its chain, and for calls without one (None).
    _kept: dict[str | None, Powers] = field(init=False, repr=False, compare=False, default_factory=dict)

    def powers(self, capability: HeldChain | PresentedToken | None, asked: Callable[[], str], now: float) -> Powers:
        """Find what a call is made under.

        Args:
            capability: the call's own, conjoined with those that are held.
            asked: makes the hash of the request as the caller gave it.
            now: the wall clock, in seconds since the epoch.

        Raises:
            CapabilityError: a capability does not verify, is not valid now, or its proof is not for this call.
        """
        if isinstance(capability, PresentedToken):
            held = [self._verified(one.text) for one in self.held]
            token = read_call(capability.text)
            proved = self._verified(token.chain_text)
            once = verify_proof(token, proved, audience=self.audience, asked=asked(), now=now, instance=self.instance())
            permissions = (*[one.permission for one in held], proved.presented, *self.narrowed)
            powers = Powers(permissions, (*held, proved), once, self.revoked)
        else:
            # Grant, issuers and what is held are this authority's for good, so that only time and revocation have to be asked again.
            own = None if capability is None else capability.text
            powers = self._kept.get(own) or self._work_out(own)
        powers.check(now)
        return powers

    def _work_out(self, own: str | None) -> Powers:
        """Work out, and keep, what calls are made under whose own capability has this chain; None for calls without one.

        Raises:
            CapabilityError: a capability does not verify; then nothing is kept.
        """
        if self.held or own is not None:
            verified = [self._verified(one.text) for one in self.held]
            if own is not None:
                verified.append(self._verified(own))
            powers = Powers((*[one.permission for one in verified], *self.narrowed), tuple(verified), None, self.revoked)
        else:
            base = () if self.grant is None else (self.grant,)
            # What only narrows is no reason to allow anything.
            powers = Powers((*base, *self.narrowed) if base or self.trust == "local" else ())
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[own] = powers
        return powers

    def digest(self, capability: HeldChain) -> str:
        """The digest of a capability's chain.

        Raises:
            CapabilityError: it does not verify.
        """
        return self._verified(capability.text).digests[-1]

    def _verified(self, chain_text: str) -> Verified:
        return self.chains.verify(chain_text, self.issuers, self.root_version)

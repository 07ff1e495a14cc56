"""Under which permissions a call is made: capabilities, verified and conjoined, or the table's grant where there is none.

What is verified is kept for as long as root and issuers stay what they were. Time and revocation are looked at for every call, and again
before every attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from saferoute.capabilities.chain import check_now
from saferoute.capabilities.proof import verify_proof
from saferoute.capabilities.token import read_call
from saferoute.values.permission import PresentedToken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.capabilities.chain import Verified, VerifiedChains
    from saferoute.values.issuer import IssuerRecord
    from saferoute.values.permission import HeldChain, Permission

__all__ = ["Authority", "Powers"]


@dataclass(frozen=True, slots=True)
class Powers:
    """What one call is made under.

    Attributes:
        permissions: every one of them must allow it.
        verified: the capabilities behind them, to be looked at again before every attempt.
        once: the nonce that the call uses up, and how long it is remembered; None for none.
        revoked: ids and digests that are revoked.
    """

    permissions: tuple[Permission, ...]
    verified: tuple[Verified, ...] = ()
    once: tuple[str, float] | None = None
    revoked: frozenset[str] = frozenset()

    @property
    def needs_hash(self) -> bool:
        """Whether one of them is bound to the hash of a request."""
        return any(permission.requests is not None for permission in self.permissions) if self.permissions else False

    @property
    def blocks(self) -> tuple[str, ...]:
        """The digests of all blocks of each capability's chain: of every one that it was derived from, and its own."""
        return tuple([digest for one in self.verified for digest in one.digests]) if self.verified else ()

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
        for one in self.verified:
            check_now(one, now, self.revoked if revoked is None else revoked)


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

    def powers(self, capability: HeldChain | PresentedToken | None, asked: Callable[[], str], now: float) -> Powers:
        """Find what a call is made under.

        Args:
            capability: the call's own, conjoined with those that are held.
            asked: makes the hash of the request as the caller gave it.
            now: the wall clock, in seconds since the epoch.

        Raises:
            CapabilityError: a capability does not verify, is not valid now, or its proof is not for this call.
        """
        if not self.held and capability is None:
            base = () if self.grant is None else (self.grant,)
            # What only narrows is no reason to allow anything.
            return Powers((*base, *self.narrowed) if base or self.trust == "local" else ())
        verified = [self._verified(one.text) for one in self.held]
        once: tuple[str, float] | None = None
        if isinstance(capability, PresentedToken):
            token = read_call(capability.text)
            proved = self._verified(token.chain_text)
            once = verify_proof(token, proved, audience=self.audience, asked=asked(), now=now, instance=self.instance())
            # A nonce that only this process remembers stops no replay in another one, unless the proof names this process.
            scope = proved.permission.scope or "host"
            verified.append(replace(proved, permission=replace(proved.permission, scope=scope)))
        elif capability is not None:
            verified.append(self._verified(capability.text))
        powers = Powers((*(one.permission for one in verified), *self.narrowed), tuple(verified), once, self.revoked)
        powers.check(now)
        return powers

    def digest(self, capability: HeldChain) -> str:
        """The digest of a capability's chain.

        Raises:
            CapabilityError: it does not verify.
        """
        return self._verified(capability.text).digests[-1]

    def _verified(self, chain_text: str) -> Verified:
        return self.chains.verify(chain_text, self.issuers, self.root_version)

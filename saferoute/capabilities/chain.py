"""Is this chain genuine, and what does it allow? And, apart from that: may it be used now?

The first question has no time in it, so that its answer can be kept; the second is asked on every use.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from saferoute.capabilities.caveats import read_claims
from saferoute.capabilities.deny import Deny, refused
from saferoute.capabilities.narrowing import check_budgets, merged
from saferoute.capabilities.quotas import check_quotas
from saferoute.capabilities.token import Chain, block_message, read_chain
from saferoute.errors import CapabilityExpired
from saferoute.signing.keys import PublicKey
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from saferoute.capabilities.caveats import Claims
    from saferoute.capabilities.token import Block
    from saferoute.values.issuer import IssuerRecord
    from saferoute.values.permission import Permission

__all__ = ["SKEW", "Verified", "VerifiedChains", "check_now", "verify_chain"]

SKEW: Final = 30
"""Seconds by which the issuer's clock may be ahead of ours. None when a token ends."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A chain that was verified under one root; `check_now` says whether it may be used now.

    Attributes:
        permission: what it allows: all blocks and the issuer's ceiling, conjoined.
        token_id: its `jti`.
        issuer: its `iss`.
        issuer_digest: the digest of the issuer's record that it was verified under.
        digests: for each block the digest of the chain that ends with it; the last is the chain's own.
        tail: the 32-byte public key whose holder may use it.
        issued_at: its `iat`.
        not_before: the permission's, or 0.
        expires_at: the permission's.
        key: that of `tail`, ready to check proofs.
        presented: what it allows whoever presents it with a proof. A nonce that only this process remembers stops no replay in another
            one, unless the proof names this process: so without a scope of its own it is counted by the host.
        begins: from when on its time has begun for any clock here, in seconds since the epoch: `SKEW` before the later of its beginnings.
    """

    permission: Permission
    token_id: str
    issuer: str
    issuer_digest: str
    digests: tuple[str, ...]
    tail: bytes
    issued_at: int
    not_before: int
    expires_at: int
    key: PublicKey = field(compare=False)
    presented: Permission = field(init=False, compare=False)
    begins: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what follows from the rest, once."""
        permission = self.permission
        object.__setattr__(self, "presented", permission if permission.scope else replace(permission, scope="host"))
        object.__setattr__(self, "begins", max(self.not_before, self.issued_at) - SKEW)

    @property
    def digest(self) -> str:
        """The chain's digest, in hex."""
        return self.digests[-1]

    @property
    def depth(self) -> int:
        """How many blocks it has."""
        return len(self.digests)

    @override
    def __repr__(self) -> str:
        return f"Verified({self.digest[:12]}, issuer={self.issuer!r}, {self.depth} blocks)"


def verify_chain(chain: str | Chain, issuers: Mapping[str, IssuerRecord]) -> Verified:
    """Verify signatures, claims and the issuer's limits. About 0.15 ms and one Ed25519 check for each block.

    Args:
        chain: a chain without a proof, or its text.
        issuers: who may mint, by name, as the verified root says.

    Raises:
        CapabilityInvalid: with one of the codes of `saferoute.capabilities.deny.Deny`.
    """
    if not isinstance(chain, Chain):
        chain = read_chain(chain)
    claims = tuple(read_claims(block.payload, number) for number, block in enumerate(chain.blocks, 1))
    first = claims[0]
    record = issuers.get(first.issuer or "")
    if record is None:
        known = ", ".join(sorted(issuers)) or "none"
        raise refused(Deny.ISSUER, f"its issuer {first.issuer!r} is not named by the trust root, which names {known}")
    tail = _check_signatures(chain.blocks, (PublicKey(raw) for raw in sorted(record.keys)))
    _check_limits(claims, record)
    permission = merged(claims, chain.digests, record.ceiling)
    return Verified(
        permission=permission,
        token_id=first.token_id or "",
        issuer=record.name,
        issuer_digest=record.digest,
        digests=chain.digests,
        tail=tail.raw,
        issued_at=first.issued_at or 0,
        not_before=permission.not_before or 0,
        expires_at=permission.expires_at or 0,
        key=tail,
    )


def check_now(verified: Verified, now: float, revoked: Collection[str] = frozenset()) -> None:
    """Whether a verified chain may be used at this moment. Asked on every use, also of a kept chain; under a microsecond.

    Args:
        verified: what `verify_chain` made.
        now: the wall clock, in seconds since the epoch.
        revoked: ids and digests, in a set, that the revocation list names.

    Raises:
        CapabilityExpired: its time is over (`exp`), or has not begun (`nbf`).
        CapabilityInvalid: it was issued in the future (`iat`), or it, or what it was made of, was revoked (`revoked`).
    """
    if not now < verified.expires_at:
        why = f"{verified.permission.source} expired at {verified.expires_at}; it is {now:.0f}: get a new one"
        raise CapabilityExpired(why, code=Deny.EXPIRED.value)
    if now < verified.not_before - SKEW:
        why = f"{verified.permission.source} is not valid before {verified.not_before}; it is {now:.0f}: wait, or set the clock"
        raise CapabilityExpired(why, code=Deny.NOT_YET.value)
    if now < verified.issued_at - SKEW:
        raise refused(Deny.ISSUED_LATER, f"it was issued at {verified.issued_at}, and it is {now:.0f}: one of the two clocks is wrong")
    if revoked and (verified.token_id in revoked or any(digest in revoked for digest in verified.digests)):
        raise refused(Deny.REVOKED, "it, or one that it was made of, was revoked: ask its issuer for a new one")


class VerifiedChains:
    """Keeps verified chains, a bounded number of them, for as long as root and issuer are what they were verified under.

    Time and revocation are not kept: ask `check_now` on every use. It may be used from several threads.
    """

    __slots__ = ("_kept", "_most")

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._kept: dict[str, tuple[int, Verified]] = {}

    def verify(self, chain_text: str, issuers: Mapping[str, IssuerRecord], root_version: int) -> Verified:
        """Verify a chain, or find that exactly this text was verified; then it takes about 3 microseconds.

        Args:
            chain_text: the chain, without a proof: `read_call(...).chain_text`.
            issuers: who may mint, by name, as the verified root says.
            root_version: that root's version.

        Raises:
            CapabilityInvalid: as `verify_chain`; what is refused is not kept.
        """
        kept = self._kept.get(chain_text)
        if kept is not None and kept[0] == root_version:
            record = issuers.get(kept[1].issuer)
            if record is not None and record.digest == kept[1].issuer_digest:
                return kept[1]
        verified = verify_chain(chain_text, issuers)
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[chain_text] = root_version, verified
        return verified


def _check_signatures(blocks: Iterable[Block], issuer_keys: Iterable[PublicKey]) -> PublicKey:
    """Follow the chain from the issuer's keys to its last key, which is returned."""
    keys = tuple(issuer_keys)
    previous: Block | None = None
    for number, block in enumerate(blocks, 1):
        message = block_message(previous, block.payload, block.next_key)
        if not any(key.verify(block.signature, message) for key in keys):
            whose = "a key of its issuer" if previous is None else f"the key that block {number - 1} names"
            raise refused(Deny.SIGNATURE, f"block {number} is not signed with {whose}")
        try:
            keys = (PublicKey(block.next_key),)
        except Refused as refusal:
            raise refused(Deny.KEY, f"the next key of block {number}: {refusal}") from None
        previous = block
    return keys[0]


def _check_limits(claims: tuple[Claims, ...], record: IssuerRecord) -> None:
    most = min([record.max_depth, *(said.depth for said in claims if said.depth is not None)])
    if len(claims) > most:
        raise refused(Deny.DEPTH, f"it has {len(claims)} blocks, and at most {most} are allowed")
    first = claims[0]
    life = (first.expires_at or 0) - (first.issued_at or 0)
    if not 0 < life <= record.max_life:
        raise refused(Deny.LIFE, f"it lives for {life} seconds, and its issuer's tokens for 1 to {record.max_life}: mint it for less")
    check_budgets(claims, record.ceiling)
    check_quotas(claims, record.ceiling)

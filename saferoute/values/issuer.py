"""Who may mint capabilities, and how far: a record of the trust root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saferoute.values.permission import Permission

__all__ = ["IssuerRecord"]


@dataclass(frozen=True, slots=True)
class IssuerRecord:
    """An issuer as the verified root names it.

    Attributes:
        name: the token's `iss`.
        keys: its public keys, 32 bytes each, strictly loaded; a signature of any of them counts.
        max_life: the longest life of a token, in seconds.
        max_depth: the most blocks of a token.
        ceiling: what its tokens may allow at most; conjoined with every token of this issuer.
        digest: SHA-256 of the record's canonical bytes, in hex: what was verified under another record is verified again.
    """

    name: str
    keys: frozenset[bytes]
    max_life: int
    max_depth: int
    ceiling: Permission
    digest: str

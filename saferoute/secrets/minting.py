"""Short-lived credentials: the contract between what makes them (pure, one module for each cloud) and the driver that asks the endpoints.

A recipe is a generator. It yields requests and is sent whole answers; it ends with what was made. Nothing in an answer decides where
the next request goes: a recipe's requests all go to the origin of its row.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from saferoute.secrets.secret import Hidden, Secret

__all__ = ["MintAnswer", "MintRequest", "Minted", "Recipe"]


@dataclass(frozen=True, slots=True)
class MintRequest:
    """One request of an exchange, to the row's origin.

    Attributes:
        method: "GET", "POST" or "PUT".
        path: absolute path with query; no secret is ever in it.
        headers: lower-case names; none of them secret.
        body: hidden, since it may hold an assertion or a client's secret.
        secret_headers: headers that are secret, such as a metadata session's token.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: Hidden
    secret_headers: tuple[tuple[str, Hidden], ...] = ()


@dataclass(frozen=True, slots=True)
class MintAnswer:
    """A whole answer. Header names are lower-case. The body is a credential, or near one: it is never shown."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @override
    def __repr__(self) -> str:
        return f"MintAnswer({self.status}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class Minted:
    """What was made.

    Attributes:
        secret: the credential as the route's auth scheme presents it; for "sigv4" the text "KEY_ID:SECRET:TOKEN".
        expires_at: seconds since the epoch.
    """

    secret: Secret
    expires_at: float


Recipe: TypeAlias = Generator[MintRequest, MintAnswer, Minted]
"""What every kind is: `(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe`; raises SecretError, never with content."""

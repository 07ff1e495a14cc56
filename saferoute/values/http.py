"""A request and the head of an answer, as data. Neither ever holds a key: a request names the secret that the transport adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AuthScheme", "Clocks", "Head", "HttpRequest", "NetClass"]

AuthScheme: TypeAlias = Literal["none", "bearer", "x-api-key", "api-key", "x-goog-api-key", "sigv4"]
"""How a secret is presented: as a header of this name, as a bearer token, or by AWS's signature over the request."""


@dataclass(frozen=True, slots=True)
class NetClass:
    """Which addresses a host may resolve to.

    Attributes:
        kind: "public", "loopback" or "private"; "metadata" for the fixed addresses at which clouds answer their own machines, which only
            what makes a credential may ask, and no route.
        networks: CIDR blocks, for "private" only.
    """

    kind: Literal["public", "loopback", "private", "metadata"] = "public"
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, without its key.

    Attributes:
        method: "GET" or "POST".
        origin: canonical origin out of the signed table, such as "https://api.openai.com" or "http://127.0.0.1:8080".
        path: absolute path, with query if any; printable ASCII.
        headers: lower-case names, in order; host, content-length and the credential are the transport's business.
        body: the bytes.
        secret: the name of the secret that the transport adds; None for none.
        auth: how the secret is presented.
        net: which addresses the origin may resolve to.
    """

    method: str
    origin: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    secret: str | None = None
    auth: AuthScheme = "none"
    net: NetClass = NetClass()

    @override
    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.origin}{self.path}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer. Header names are lower-case; a repeated header's values are joined with ", "."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Clocks:
    """The four clocks of one exchange, in seconds; `deadline` is on the driver's monotonic clock.

    Attributes:
        connect: to resolve, connect and finish TLS.
        first_byte: from the request written to the first byte of the answer.
        idle: between two pieces of the answer.
        total: the whole call's allowance, for the error's words.
        deadline: when that allowance ends.
    """

    connect: float
    first_byte: float
    idle: float
    total: float
    deadline: float

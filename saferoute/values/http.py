"""A request and the head of an answer, as data. Neither ever holds a key: a request names the secret that the transport adds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AuthScheme", "Clocks", "ConnectProxy", "Head", "HttpRequest", "NetClass", "TlsTerms"]

AuthScheme: TypeAlias = Literal["none", "bearer", "x-api-key", "api-key", "x-goog-api-key", "sigv4"]
"""How a secret is presented: as a header of this name, as a bearer token, or by AWS's signature over the request."""


@dataclass(frozen=True, slots=True)
class TlsTerms:
    """How a server's certificate is judged, beyond what always holds: the chain, the host name, the dates, TLS 1.2 at least.

    Attributes:
        roots: whose certificate authorities count: "certifi", those of the operating system ("os"), or those in `ca_pem` alone.
        ca_pem: certificates as PEM text; with roots "ca_pem" only.
        pins: base64 of SHA-256 of public keys (SubjectPublicKeyInfo); the server's own certificate must have one of them. () for any.
    """

    roots: Literal["certifi", "os", "ca_pem"] = "certifi"
    ca_pem: str = ""
    pins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetClass:
    """How a host may be reached: which addresses it may resolve to, and on which terms.

    All of it is part of the key under which connections are kept, so that none is used again on other terms.

    Attributes:
        kind: "public", "loopback" or "private"; "metadata" for the fixed addresses at which clouds answer their own machines, which only
            what makes a credential may ask, and no route.
        networks: CIDR blocks, for "private" only.
        tls: how the certificate is judged; None for certifi's authorities without pins.
        proxy: the proxy that is asked to connect there; None for a direct connection.
        unsafe_plaintext: plain http is allowed in the private networks, where all who can listen can read.
    """

    kind: Literal["public", "loopback", "private", "metadata"] = "public"
    networks: tuple[str, ...] = ()
    tls: TlsTerms | None = None
    proxy: ConnectProxy | None = None
    unsafe_plaintext: bool = False


@dataclass(frozen=True, slots=True)
class ConnectProxy:
    """A proxy that is asked with CONNECT for a connection to the origin; TLS goes through it, end to end, and no key goes to it.

    Attributes:
        origin: canonical origin; https for a proxy that is spoken to over TLS of its own.
        net: how the proxy itself is reached. The origin's own addresses are the proxy's to find.
    """

    origin: str
    net: NetClass


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
        net: how the origin may be reached.
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
    """The head of an answer. Header names are lower-case; a repeated header's values are joined with ", ".

    Attributes:
        status: such as 200.
        headers: as above.
        notes: what the driver did on the way to this answer that the caller should know, such as presenting the other revision of a key.
        requests: how many requests it took: 2 where the other revision of a key was presented.
    """

    status: int
    headers: Mapping[str, str]
    notes: tuple[str, ...] = ()
    requests: int = 1


@dataclass(frozen=True, slots=True)
class Clocks:
    """The four clocks of one exchange, in seconds; `deadline` is on the driver's monotonic clock.

    Attributes:
        connect: to resolve, connect and finish TLS.
        first_byte: from the request written to the first byte of the answer.
        idle: between two pieces of the answer.
        total: the whole call's allowance, for the error's words.
        deadline: when that allowance ends.
        last: whether no request may follow this one, not even with the other revision of a key.
        approved: the body that was looked at, and the only one that may leave under these clocks; None where nobody had to look. It goes
            beside the request and not in it, so that another request in its place does not bring its own.
    """

    connect: float
    first_byte: float
    idle: float
    total: float
    deadline: float
    last: bool = False
    approved: bytes | None = field(default=None, repr=False)

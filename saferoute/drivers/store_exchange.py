"""One request to a secret store over our own transport: addresses checked, no redirect, no proxy, a bounded answer, our own TLS.

Nothing is raised from here: these frames hold what logs in and what was answered. Errors are made anew by the callers of `ask`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from saferoute.drivers.tls import ClientTls
from saferoute.drivers.transport import BlockingTransport
from saferoute.errors import SaferouteError, SecretError
from saferoute.secrets.minting import read_json, reveal
from saferoute.secrets.secret import Hidden, Uncopied
from saferoute.secrets.signer import Signer, StoreRequest
from saferoute.values.http import Clocks

if TYPE_CHECKING:
    from saferoute.values.http import AuthScheme, HttpRequest, NetClass

__all__ = ["StoreAnswer", "StoreExchange"]

_MAX_BODY: Final = 262_144
_SECONDS: Final = 15.0
_CONNECT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """A whole answer; `fields` is its body if that is a JSON object. Neither shows."""

    status: int
    fields: dict[str, object]

    @override
    def __repr__(self) -> str:
        return f"StoreAnswer({self.status})"


class _Presented(Uncopied):
    """What logs in, for one origin; `saferoute.secrets.secret.CredentialSource` is what it implements."""

    __slots__ = ("_credential", "_origin")

    def __init__(self, credential: Hidden | Signer | None, origin: str) -> None:
        self._credential = credential
        self._origin = origin

    def header(self, _: str, __: AuthScheme, origin: str) -> tuple[bytes, bytes]:
        """A token, as a bearer.

        Raises:
            SecretError: there is none for this origin.
        """
        if isinstance(self._credential, Hidden) and origin == self._origin:
            return b"authorization", b"Bearer " + reveal(self._credential)
        raise SecretError(f"what logs in at {self._origin} was asked to go to {origin}. Nothing was sent")

    def signer(self, _: str, origin: str) -> Signer:
        """What signs.

        Raises:
            SecretError: nothing does, for this origin.
        """
        if isinstance(self._credential, Signer) and origin == self._origin:
            return self._credential
        raise SecretError(f"what signs for {self._origin} was asked to sign for {origin}. Nothing was sent")


class StoreExchange:
    """Asks one store."""

    __slots__ = ("_net", "_tls", "origin")

    def __init__(self, origin: str, net: NetClass) -> None:
        """Name the store; nobody is connected to.

        Args:
            origin: its canonical origin, out of the code.
            net: which addresses that may resolve to, and whose certificates count.
        """
        self.origin = origin
        self._net = net
        self._tls = ClientTls()

    def ask(
        self, method: str, path: str, headers: tuple[tuple[str, str], ...], body: Hidden | None, credential: Hidden | Signer | None
    ) -> StoreAnswer | SaferouteError:
        """Send one request and read the whole answer, or return a fresh error that leads to no frame.

        Args:
            method: "GET" or "POST".
            path: absolute path.
            headers: lower-case names; none of them secret.
            body: hidden, as it may hold what logs in.
            credential: a token, or what signs; None for none.
        """
        scheme: AuthScheme = "none" if credential is None else "sigv4" if isinstance(credential, Signer) else "bearer"
        content = b"" if body is None else reveal(body)
        secret = None if credential is None else "login"
        request = StoreRequest(method, self.origin, path, headers, content, secret, scheme, self._net)
        clocks = Clocks(_CONNECT_SECONDS, _SECONDS, _SECONDS, _SECONDS, time.monotonic() + _SECONDS)
        transport = BlockingTransport(_Presented(credential, self.origin), tls=self._tls)
        try:
            return self._asked(transport, request, clocks)
        except SaferouteError as error:
            return SecretError(f"{self.origin} was not asked: {error.message}")
        finally:
            transport.close()

    def _asked(self, transport: BlockingTransport, request: HttpRequest, clocks: Clocks) -> StoreAnswer | SaferouteError:
        exchange = transport.open(request, clocks)
        try:
            status = exchange.head.status
            if 300 <= status < 400:  # noqa: PLR2004  HTTP's redirects
                return SecretError(f"{self.origin} answered {status}, a redirect; none is followed: name the server that answers itself")
            data = b""
            while piece := exchange.read():
                data += piece
                if len(data) > _MAX_BODY:
                    return SecretError(f"{self.origin} answered with more than {_MAX_BODY} bytes; nothing of it was used")
        finally:
            exchange.close()
        found = read_json(data) if data else {}
        if not isinstance(found, dict):
            return SecretError(f"{self.origin} answered {status} with something that is no JSON object; nothing of it was used")
        return StoreAnswer(status, found)

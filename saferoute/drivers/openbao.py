"""OpenBao, and servers that speak its protocol: secrets out of a key-value store of version 2.

The protocol is https://openbao.org/api-docs/: POST /v1/auth/approle/login, POST /v1/auth/kubernetes/login, GET /v1/MOUNT/data/PATH. What
is stored at a path has the fields of `saferoute.secrets.stored_document`: `bao kv put -mount=secret llm/openai v=1 secret=-`.

A token that a login gave is remembered until it is refused; then there is one more login, and one more request.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from saferoute.drivers.store_exchange import StoreExchange
from saferoute.errors import SaferouteError, SecretError, SecretNotFound, SecretStoreLocked
from saferoute.secrets.minting import reveal
from saferoute.secrets.secret import Hidden, Secret, check_bound, make_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.drivers.store_exchange import StoreAnswer
    from saferoute.secrets.remote_places import BaoServer, OpenBaoPlace
    from saferoute.secrets.secret import SecretRecord

__all__ = ["OpenBao", "OpenBaoKeys"]

_OK, _EMPTY, _FORBIDDEN, _ABSENT, _SEALED = 200, 204, 403, 404, 503
_JSON = (("content-type", "application/json"),)


class OpenBao:
    """A logged-in session with one server. Safe in threads: requests are sent one after the other."""

    __slots__ = ("_exchange", "_find", "_headers", "_lock", "_server", "_token", "label")

    def __init__(self, server: BaoServer, find: Callable[[str], SecretRecord | None]) -> None:
        """Describe the session; nobody is connected to.

        Args:
            server: where, and how to log in.
            find: finds the secret that logs in.
        """
        self.label = f"OpenBao at {server.origin}"
        self._server = server
        self._find = find
        self._exchange = StoreExchange(server.origin, server.net)
        self._headers = (("x-vault-namespace", server.namespace),) if server.namespace else ()
        self._token: Secret | None = None
        self._lock = threading.Lock()

    def ask(self, method: str, path: str, body: Hidden | None = None) -> StoreAnswer:
        """Send a request as whoever logs in, and read the answer: any status but a refusal, a redirect and "sealed".

        Raises:
            SecretNotFound: no place holds what logs in.
            OriginMismatch: it is bound to another address.
            SecretStoreLocked: the server is sealed, or refuses.
            SecretError: it cannot be reached, or does not answer as OpenBao does.
        """
        with self._lock:
            answer = self._asked(method, path, body)
        if isinstance(answer, SaferouteError):
            try:
                raise answer
            finally:
                del answer  # no cycle through this frame, which leads to the token
        if answer.status == _FORBIDDEN:
            raise SecretStoreLocked(f"{self.label} refuses {path}: the login is not valid there, or its policy does not allow it")
        if answer.status == _SEALED:
            raise SecretStoreLocked(f"{self.label} is sealed or not ready; it has to be unsealed first")
        return answer

    def _asked(self, method: str, path: str, body: Hidden | None) -> StoreAnswer | SaferouteError:
        while True:
            remembered = self._token
            token = remembered or self._logged_in()
            if isinstance(token, SaferouteError):
                return token
            answer = self._exchange.ask(method, path, (*_JSON, *self._headers), body, token)
            if isinstance(answer, SaferouteError) or answer.status != _FORBIDDEN:
                self._token = token
                return answer
            self._token = None
            if remembered is None:
                return answer
            # The remembered token has ended or was revoked, perhaps: log in anew, once.

    def _logged_in(self) -> Secret | SaferouteError:
        """A token. Nothing is raised from here: this frame has what logs in."""
        login = self._server.login
        try:
            record = self._find(login.secret)
            if record is None:
                return SecretNotFound(f"no key for {login.secret}, which logs in at {self.label}, in the places of `credentials`")
            check_bound(record, self._server.origin)
        except SaferouteError as error:
            return type(error)(error.message)
        if login.method == "token":
            return record.secret
        names = ("role_id", "secret_id") if login.method == "approle" else ("role", "jwt")
        body = Hidden(json.dumps({names[0]: login.role, names[1]: reveal(record.secret).decode("ascii")}).encode())
        answer = self._exchange.ask("POST", f"/v1/auth/{login.mount}/login", (*_JSON, *self._headers), body, None)
        if isinstance(answer, SaferouteError):
            return answer
        if answer.status != _OK:
            return SecretStoreLocked(f"{self.label} does not accept the {login.method} login of {login.secret} ({answer.status})")
        token = field_of(answer.fields, "auth", "client_token")
        made = make_secret(token) if isinstance(token, str) else ""
        return made if isinstance(made, Secret) else SecretError(f"{self.label} answered a login without a usable token")


class OpenBaoKeys:
    """A key-value store as a `saferoute.secrets.other_stores.ForeignStore`: a reference is a path."""

    __slots__ = ("_mount", "_session", "label")

    def __init__(self, place: OpenBaoPlace, find: Callable[[str], SecretRecord | None]) -> None:
        """Describe the store; nobody is connected to."""
        self.label = place.label
        self._mount = place.mount
        self._session = OpenBao(place.server, find)

    def fetch(self, reference: str) -> str | None:
        """The document at a path, its newest version; None if there is none, or it was deleted.

        Raises:
            SecretError: as `OpenBao.ask`.
        """
        answer = self._session.ask("GET", f"/v1/{self._mount}/data/{reference}")
        if answer.status == _ABSENT and not answer.fields.get("errors"):
            return None
        found = field_of(answer.fields, "data", "data")
        if answer.status != _OK or not isinstance(found, dict):
            del found
            status = answer.status
            raise SecretError(f"{self.label} answered {status} for {reference}: is {self._mount} a key-value store of version 2?")
        version = field_of(answer.fields, "data", "metadata", "version")
        return json.dumps({"revision": version, **found} if isinstance(version, int) else found)


def field_of(fields: dict[str, object], *names: str) -> Any:  # noqa: ANN401  JSON
    """A field of a field; None if it is not there."""
    found: object = fields
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found

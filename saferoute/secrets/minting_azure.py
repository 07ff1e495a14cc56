"""Microsoft Entra ID: a client's secret, a federated workload token, or a managed identity becomes an access token.

The forms are those of the Microsoft identity platform (v2.0 token endpoint, client credentials) and of the instance metadata service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from saferoute.secrets.minting import MintRequest, bearer, material_of
from saferoute.secrets.secret import Hidden

if TYPE_CHECKING:
    from saferoute.secrets.minting import Recipe
    from saferoute.secrets.secret import Secret
    from saferoute.values.credential import CredentialSpec

__all__ = ["client_secret", "managed", "workload"]

_FORM = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_API_VERSION = "2018-02-01"


def client_secret(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:
    """Present an application's secret.

    Raises:
        SecretError, AuthenticationRejected: as `bearer`.
    """
    body = Hidden(urlencode([*_asked(spec), ("client_secret", material_of(spec, material))]).encode("ascii"))
    return bearer(spec, (yield MintRequest("POST", _path(spec), _FORM, body)), now)


def workload(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:
    """Present a workload's own token (of Kubernetes, a CI system, another cloud) as the application's assertion.

    Raises:
        SecretError, AuthenticationRejected: as `bearer`.
    """
    asked = [*_asked(spec), ("client_assertion_type", _ASSERTION_TYPE)]
    body = Hidden(urlencode([*asked, ("client_assertion", material_of(spec, material))]).encode("ascii"))
    return bearer(spec, (yield MintRequest("POST", _path(spec), _FORM, body)), now)


def managed(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:  # noqa: ARG001  a recipe's arguments
    """Ask this machine's metadata service. Its address vouches for the identity; the header keeps forged requests away.

    Raises:
        SecretError, AuthenticationRejected: as `bearer`.
    """
    query = [("api-version", _API_VERSION), ("resource", spec.parameters["resource"])]
    query += [("client_id", spec.parameters["client_id"])] if "client_id" in spec.parameters else []
    path = f"/metadata/identity/oauth2/token?{urlencode(query)}"
    return bearer(spec, (yield MintRequest("GET", path, (("metadata", "true"),), Hidden(b""))), now)


def _asked(spec: CredentialSpec) -> list[tuple[str, str]]:
    return [("grant_type", "client_credentials"), ("client_id", spec.parameters["client_id"]), ("scope", spec.parameters["scope"])]


def _path(spec: CredentialSpec) -> str:
    return f"/{spec.parameters['tenant']}/oauth2/v2.0/token"

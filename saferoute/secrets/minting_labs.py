"""Workload identity of OpenAI and Anthropic: a workload's own token becomes a short-lived token of the provider.

The wire forms are those of the official SDKs: openai 3 (`openai/auth/_workload.py`) and anthropic 2 (`lib/credentials/_workload.py`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from saferoute.secrets.minting import MintRequest, bearer, material_of
from saferoute.secrets.secret import Hidden

if TYPE_CHECKING:
    from saferoute.secrets.minting import Recipe
    from saferoute.secrets.secret import Secret
    from saferoute.values.credential import CredentialSpec

__all__ = ["anthropic_workload", "openai_workload"]

_OPENAI_TOKEN_TYPES = {
    "jwt": "urn:ietf:params:oauth:token-type:jwt",
    "id": "urn:ietf:params:oauth:token-type:id_token",
}
_ANTHROPIC_BETA = "oauth-2025-04-20,oidc-federation-2026-04-01"


def openai_workload(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:
    """Exchange a workload's token (RFC 8693, as JSON) at OpenAI.

    Raises:
        SecretError, AuthenticationRejected: as `bearer`.
    """
    asked = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": _OPENAI_TOKEN_TYPES[spec.parameters.get("subject_token_type", "jwt")],
        "identity_provider_id": spec.parameters["identity_provider_id"],
        "service_account_id": spec.parameters["service_account_id"],
    }
    answer = yield MintRequest("POST", "/oauth/token", _JSON, _with(asked, "subject_token", spec, material))
    return bearer(spec, answer, now)


def anthropic_workload(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:
    """Exchange a workload's token (RFC 7523, as JSON) at Anthropic.

    Raises:
        SecretError, AuthenticationRejected: as `bearer`.
    """
    names = ("federation_rule_id", "organization_id", "service_account_id", "workspace_id")
    asked = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
    asked |= {name: spec.parameters[name] for name in names if name in spec.parameters}
    headers = (*_JSON, ("anthropic-beta", _ANTHROPIC_BETA))
    answer = yield MintRequest("POST", "/v1/oauth/token", headers, _with(asked, "assertion", spec, material))
    return bearer(spec, answer, now)


_JSON = (("content-type", "application/json"), ("accept", "application/json"))


def _with(asked: dict[str, str], field: str, spec: CredentialSpec, material: Secret | None) -> Hidden:
    return Hidden(json.dumps(asked | {field: material_of(spec, material)}, separators=(",", ":")).encode("ascii"))

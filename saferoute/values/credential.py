"""A short-lived credential, as the signed table describes it: where it is made, from what, and where it may go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.http import NetClass

__all__ = ["CredentialKind", "CredentialSpec"]

CredentialKind: TypeAlias = Literal[
    "aws_web_identity",
    "aws_container",
    "aws_instance",
    "google_service_account",
    "google_authorized_user",
    "google_workload",
    "google_metadata",
    "azure_client_secret",
    "azure_workload",
    "azure_managed",
    "openai_workload",
    "anthropic_workload",
]


@dataclass(frozen=True, slots=True)
class CredentialSpec:
    """One row of the table's `credentials`. A route names it as its `secret`; what is made from it is never stored.

    Attributes:
        name: what routes call it.
        kind: how it is made.
        origin: canonical origin of the endpoint that makes it: an address of the table, never one found in a file or a variable.
        net: which addresses that origin may resolve to.
        secret: name of the stored secret that it is made from (a service account's key, a client secret, a workload's own token), bound
            to `origin`; None where the place itself vouches (instance metadata).
        origins: canonical origins that the made credential may be sent to.
        parameters: what the kind needs besides, such as "scope", "tenant", "client_id", "role" or "region".
        more_origins: other origins that the exchange itself may ask (a second step that the table declares); never the made credential's.
    """

    name: str
    kind: CredentialKind
    origin: str
    net: NetClass
    secret: str | None
    origins: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    more_origins: tuple[str, ...] = ()

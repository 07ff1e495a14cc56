"""Which recipe makes which kind of credential. Each cloud's module is loaded when one of its kinds is first made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.errors import SecretError

if TYPE_CHECKING:
    from saferoute.secrets.minting import MintRule
    from saferoute.values.credential import CredentialKind

__all__ = ["recipe_for"]


def recipe_for(kind: CredentialKind) -> MintRule:
    """The recipe of a kind.

    Raises:
        SecretError: this version makes no such credential.
    """
    rule = _module_of(kind).get(kind)
    if rule is None:
        raise SecretError(f"this version of saferoute makes no credential of the kind {kind!r}")
    return rule


def _module_of(kind: CredentialKind) -> dict[str, MintRule]:
    cloud = kind.partition("_")[0]
    if cloud == "google":
        from saferoute.secrets import minting_google  # noqa: PLC0415

        return {
            "google_authorized_user": minting_google.authorized_user,
            "google_metadata": minting_google.metadata,
            "google_service_account": minting_google.service_account,
            "google_workload": minting_google.workload,
        }
    if cloud == "azure":
        from saferoute.secrets import minting_azure  # noqa: PLC0415

        return {
            "azure_client_secret": minting_azure.client_secret,
            "azure_managed": minting_azure.managed,
            "azure_workload": minting_azure.workload,
        }
    if cloud in {"openai", "anthropic"}:
        from saferoute.secrets import minting_labs  # noqa: PLC0415

        return {"anthropic_workload": minting_labs.anthropic_workload, "openai_workload": minting_labs.openai_workload}
    if cloud == "aws":
        from saferoute.secrets import minting_aws  # noqa: PLC0415

        return {
            "aws_container": minting_aws.aws_container,
            "aws_instance": minting_aws.aws_instance,
            "aws_web_identity": minting_aws.aws_web_identity,
        }
    return {}

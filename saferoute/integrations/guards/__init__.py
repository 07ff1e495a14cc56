"""Guards that others wrote, as guards of a saferoute client: `Client(..., guards=[PresidioGuard()])`.

    from saferoute.integrations.guards import PresidioGuard

Each adapter needs the package that it asks, which the extra of the same name brings: `saferoute-sdk[presidio]`. Nothing of them is imported
before an adapter is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saferoute.integrations.guards.llamafirewall import LlamaFirewallGuard
    from saferoute.integrations.guards.llm_guard import LlmGuardGuard
    from saferoute.integrations.guards.moderation import ModerationGuard
    from saferoute.integrations.guards.nemo import NemoGuard
    from saferoute.integrations.guards.openai_guardrails import OpenAIGuardrailsGuard
    from saferoute.integrations.guards.presidio import PresidioGuard

__all__ = ["LlamaFirewallGuard", "LlmGuardGuard", "ModerationGuard", "NemoGuard", "OpenAIGuardrailsGuard", "PresidioGuard"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  whatever the name stands for
    """The adapters: who uses one does not load the others."""
    match name:
        case "LlamaFirewallGuard":
            from saferoute.integrations.guards.llamafirewall import LlamaFirewallGuard  # noqa: PLC0415

            return LlamaFirewallGuard
        case "LlmGuardGuard":
            from saferoute.integrations.guards.llm_guard import LlmGuardGuard  # noqa: PLC0415

            return LlmGuardGuard
        case "ModerationGuard":
            from saferoute.integrations.guards.moderation import ModerationGuard  # noqa: PLC0415

            return ModerationGuard
        case "NemoGuard":
            from saferoute.integrations.guards.nemo import NemoGuard  # noqa: PLC0415

            return NemoGuard
        case "OpenAIGuardrailsGuard":
            from saferoute.integrations.guards.openai_guardrails import OpenAIGuardrailsGuard  # noqa: PLC0415

            return OpenAIGuardrailsGuard
        case "PresidioGuard":
            from saferoute.integrations.guards.presidio import PresidioGuard  # noqa: PLC0415

            return PresidioGuard
        case _:
            msg = f"module 'saferoute.integrations.guards' has no attribute {name!r}"
            raise AttributeError(msg)

"""Which dialect does which operation, and how; a dialect's module is loaded by the first operation that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from saferoute.providers.operations.asking import refused
from saferoute.providers.operations.counting import estimate_only

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import Operation, OperationRequest, Plan
    from saferoute.values.target import Dialect, Target

__all__ = ["plan_for"]

_Plans: TypeAlias = "Mapping[Operation, Callable[[Any, Target, Codec], Plan]]"

# What a call of the client is named where it is not the operation's own name.
_CALLED: Mapping[str, str] = {"models": "available_models", "image": "generate_image"}


def plan_for(operation: Operation, request: OperationRequest, target: Target, codec: Codec) -> Plan:
    """Begin an operation at a target; nothing is sent before the plan is asked for its first step.

    Raises:
        UnsupportedParameter: if the target's dialect does not have the operation.
    """
    plans = _plans(target.dialect)
    plan = plans.get(operation)
    if plan is None:
        why = f"the dialect {target.dialect} of {target.id} has no such operation; it has {', '.join(sorted(plans))}"
        raise refused(_CALLED.get(operation, operation), why)
    return plan(request, target, codec)


def _plans(dialect: Dialect) -> _Plans:
    match dialect:
        case "openai_chat":
            return _openai() | {"count_tokens": estimate_only}
        case "openai_responses":
            from saferoute.providers.operations import openai_responses  # noqa: PLC0415  see the module's docstring

            return _openai() | {"count_tokens": openai_responses.count}
        case "anthropic_messages":
            from saferoute.providers.operations import anthropic  # noqa: PLC0415  see the module's docstring

            return {"count_tokens": anthropic.count, "models": anthropic.models}
        case "gemini_generate":
            from saferoute.providers.operations import gemini  # noqa: PLC0415  see the module's docstring

            return {"embed": gemini.embed, "count_tokens": gemini.count, "models": gemini.models}
        case "bedrock_converse":
            from saferoute.providers.operations import bedrock  # noqa: PLC0415  see the module's docstring

            return {"embed": bedrock.embed, "count_tokens": bedrock.count}
        case "cohere_chat":
            from saferoute.providers.operations import cohere  # noqa: PLC0415  see the module's docstring

            return {"embed": cohere.embed, "rerank": cohere.rerank, "count_tokens": cohere.count, "models": cohere.models}
        case "mistral_chat":
            from saferoute.providers.operations import mistral  # noqa: PLC0415  see the module's docstring

            return {"embed": mistral.embed, "count_tokens": estimate_only, "models": mistral.models}
        case "ollama_chat":
            from saferoute.providers.operations import ollama  # noqa: PLC0415  see the module's docstring

            return {"embed": ollama.embed, "count_tokens": estimate_only, "models": ollama.models}
        case _:
            assert_never(dialect)


def _openai() -> dict[Operation, Callable[[Any, Target, Codec], Plan]]:
    from saferoute.providers.operations import openai, openai_media  # noqa: PLC0415  see the module's docstring

    return {
        "embed": openai.embed,
        "rerank": openai.rerank,
        "moderate": openai.moderate,
        "models": openai.models,
        "transcribe": openai_media.transcribe,
        "speak": openai_media.speak,
        "image": openai_media.image,
    }

"""How the tests of the operations make requests, and play a provider's answers to a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from saferoute.providers.operations.contract import Answered, Operation, OperationRequest, Step
from saferoute.providers.operations.registry import plan_for
from saferoute.providers.registry import codec_for
from saferoute.values.http import Head, HttpRequest, NetClass
from saferoute.values.target import Quirks, Target

OPENAI = Target("o", "openai", "openai_chat", "https://api.openai.com", "/v1", NetClass(), "m-1", "openai", "bearer")
RESPONSES = Target("r", "openai", "openai_responses", "https://api.openai.com", "/v1", NetClass(), "m-1", "openai", "bearer")
AZURE = Target(
    "az", "azure.ai.openai", "openai_chat", "https://x.openai.azure.com", "/openai", NetClass(), "dep/1", "azure", "api-key",
    quirks=Quirks(api_version="2024-10-21", model_in_path=True),
)  # fmt: skip
ANTHROPIC = Target("an", "anthropic", "anthropic_messages", "https://api.anthropic.com", "", NetClass(), "claude", "anthropic", "x-api-key")
CLAUDE_ON_VERTEX = Target(
    "av", "gcp.vertex_ai", "anthropic_messages", "https://aiplatform.googleapis.com",
    "/v1/projects/p/locations/global/publishers/anthropic/models", NetClass(), "claude@1", "vertex", "bearer",
    quirks=Quirks(model_in_path=True, anthropic_version="vertex-2023-10-16"),
)  # fmt: skip
GEMINI = Target(
    "g",
    "gcp.gemini",
    "gemini_generate",
    "https://generativelanguage.googleapis.com",
    "/v1beta",
    NetClass(),
    "gemini-embedding-2",
    "gemini",
    "x-goog-api-key",
)
VERTEX = Target(
    "v", "gcp.vertex_ai", "gemini_generate", "https://aiplatform.googleapis.com", "/v1beta1/projects/p/locations/global/publishers/google",
    NetClass(), "text-embedding-005", "vertex", "bearer",
)  # fmt: skip
BEDROCK = Target(
    "b",
    "aws.bedrock",
    "bedrock_converse",
    "https://bedrock-runtime.us-east-1.amazonaws.com",
    "",
    NetClass(),
    "amazon.titan-embed-text-v2:0",
    "aws",
    "bearer",
)
COHERE = Target("c", "cohere", "cohere_chat", "https://api.cohere.com", "", NetClass(), "embed-v4.0", "cohere", "bearer")
MISTRAL = Target("m", "mistral_ai", "mistral_chat", "https://api.mistral.ai", "/v1", NetClass(), "mistral-embed", "mistral", "bearer")
OLLAMA = Target("ol", "ollama", "ollama_chat", "http://127.0.0.1:11434", "", NetClass("loopback"), "nomic", None, "none")


def played(
    operation: Operation,
    request: OperationRequest,
    target: Target,
    *answers: Mapping[str, Any] | bytes,
    headers: Mapping[str, str] | None = None,
) -> tuple[list[HttpRequest], Answered]:
    """Run a plan to its end, with these answers: the requests that it made, and its result."""
    plan = plan_for(operation, request, target, codec_for(target.dialect))
    sent: list[HttpRequest] = []
    left = list(answers)
    try:
        step: Step[Any] = next(plan)
        while True:
            sent.append(step.request)
            step = plan.send(step.read(Head(200, headers or {}), left.pop(0)))
    except StopIteration as stop:
        assert not left
        return sent, stop.value


def first(operation: Operation, request: OperationRequest, target: Target) -> HttpRequest:
    """The first request of a plan."""
    return next(plan_for(operation, request, target, codec_for(target.dialect))).request


def body(request: HttpRequest) -> Any:
    """A request's body as JSON."""
    return json.loads(request.body)

"""A chat request in the words of generateContent: where it goes, bounds, sampling, thinking, tools, structured output, options.

- The model and the operation stand in the path. A model's name that could mean another path, operation or query is refused here too,
  whatever the table let through.
- Schemas of tools and of the output are JSON Schema already and go in as they are (`parametersJsonSchema`, `responseJsonSchema`).
- `strict` on any tool asks for the mode VALIDATED, which holds the calls to their schemas; it holds for all tools of a call.
- Thinking is a level from Gemini 3 on and a budget in tokens before. A row that says neither is judged by the model's name.
- Options that were not given are not sent: the provider's default holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import UnsupportedParameter
from saferoute.providers.codec import Encoded
from saferoute.providers.gemini_turns import encode_conversation, generation
from saferoute.providers.writing import CHOICE_WORDS, NoticingOnce, extra_fields, offered, output_bound, sampling, written
from saferoute.values.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from saferoute.providers.codec import Noticing
    from saferoute.values.request import ChatRequest, ReasoningEffort
    from saferoute.values.target import Target
    from saferoute.values.tools import Tool

__all__ = ["encode_request"]

# One segment of a path that no server reads as anything else: no "/", "%", "?", "#", no ":" (the operation follows it), no dots alone.
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")
_FIRST_WITH_LEVELS: Final = 3

# What a reasoning word is worth in tokens for models that take a budget; the largest is what all of them take.
_BUDGETS: Final[Mapping[ReasoningEffort, int]] = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
_MOST: Final = 24576
_LEVELS: Final[Mapping[ReasoningEffort, str]] = {
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
    "max": "XHIGH",
}

# Where a field that the row opens to provider_options stands in the body; any other name is a field of the body itself.
_GENERATION: Final = frozenset(
    {
        "topK",
        "presencePenalty",
        "frequencyPenalty",
        "responseMimeType",
        "responseModalities",
        "mediaResolution",
        "speechConfig",
        "imageConfig",
        "thinkingConfig",
        "enableAffectiveDialog",
        "enableEnhancedCivicAnswers",
        "audioTimestamp",
        "routingConfig",
        "modelSelectionConfig",
    }
)
_SERVER_TOOLS: Final = frozenset({"googleSearch", "urlContext", "codeExecution", "googleMaps", "enterpriseWebSearch", "computerUse"})
_TOOL_CONFIG: Final = frozenset({"includeServerSideToolInvocations", "retrievalConfig"})
_RESERVED: Final[Mapping[str, str]] = {
    "contents": "pass messages",
    "systemInstruction": "pass system",
    "tools": "pass tools; a tool of the provider's is a field of its own, such as googleSearch, if the row opens it",
    "toolConfig": "pass tool_choice",
    "functionDeclarations": "pass tools",
    "functionCallingConfig": "pass tool_choice",
    "generationConfig": "its fields are options of their own",
    "maxOutputTokens": "pass max_output_tokens",
    "temperature": "pass temperature",
    "topP": "pass top_p",
    "stopSequences": "pass stop",
    "seed": "pass seed",
    "responseSchema": "pass output",
    "responseJsonSchema": "pass output",
    "candidateCount": "pass n",
    "responseLogprobs": "pass logprobs",
    "logprobs": "pass logprobs",
}


def encode_request(request: ChatRequest, target: Target) -> Encoded:
    """Write a chat request.

    Raises:
        UnsupportedParameter: for what the API cannot carry (unless the request says drop), and for a model's name
            that has no place in a path.
        InvalidMessages: for a conversation that the API cannot express.
        UnknownOption: for a provider option that the row does not allow, or that the call sets already.
    """
    path = _path(request, target)
    noticing = NoticingOnce(request.on_unsupported)
    settings = _generation_config(request, target, noticing)
    tools, choice = offered(request)
    schema = request.output.schema if request.output is not None else None
    if schema is not None or (request.json_object and target.quirks.json_object):
        settings["responseMimeType"] = "application/json"
    if request.parallel_tool_calls is False and tools:
        noticing.unsupported("parallel_tool_calls", "generateContent has no switch that keeps a model from calling several tools at once")
    system, contents = encode_conversation(request.messages, target, noticing)
    extras = extra_fields(request, target, _RESERVED, settings.keys()) if request.provider_options else {}
    settings |= _taken(extras, _GENERATION)
    pieces = [b'"contents":' + contents]
    if system is not None:
        pieces.append(b'"systemInstruction":{"parts":%s}' % system)
    pieces += _tools(tools, choice, _taken(extras, _SERVER_TOOLS), _taken(extras, _TOOL_CONFIG))
    if settings:
        enforced = b"" if schema is None else b',"responseJsonSchema":' + schema
        pieces.append(b'"generationConfig":%s%s}' % (written(settings)[:-1], enforced))
    if extras:
        pieces.append(written(extras)[1:-1])
    return Encoded(
        HttpRequest(
            method="POST",
            origin=target.origin,
            path=path,
            headers=_headers(request, target),
            body=b"{%s}" % b",".join(pieces),
            secret=target.secret,
            auth=target.auth,
            net=target.net,
        ),
        tuple(noticing.notices),
    )


def _path(request: ChatRequest, target: Target) -> str:
    if not _MODEL.fullmatch(target.model):
        msg = f'{target.model[:60]!r} is no model\'s name for generateContent: letters, digits, "-", "_", "." and "@" only'
        raise UnsupportedParameter(msg, parameter="model")
    operation = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return f"{target.path}/models/{target.model}:{operation}"


def _headers(request: ChatRequest, target: Target) -> tuple[tuple[str, str], ...]:
    accept = "text/event-stream" if request.stream else "application/json"
    return (("content-type", "application/json"), ("accept", accept), *target.headers)


def _taken(extras: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Take the named fields out of the extras."""
    return {name: extras.pop(name) for name in sorted(names) if name in extras}


def _generation_config(request: ChatRequest, target: Target, noticing: Noticing) -> dict[str, Any]:
    """The options of our own that stand in `generationConfig`."""
    settings: dict[str, Any] = {}
    bound = output_bound(request, target)
    if bound is not None:
        settings["maxOutputTokens"] = bound
    settings |= sampling(request, "topP")
    if request.stop:
        settings["stopSequences"] = list(request.stop)
    if request.seed is not None:
        settings["seed"] = request.seed
    if request.n > 1:
        settings["candidateCount"] = request.n
    if request.logprobs is not None:
        settings["responseLogprobs"] = True
        if request.logprobs:
            settings["logprobs"] = request.logprobs
    if request.reasoning is not None:
        thinking = _thinking(request.reasoning, target, noticing)
        if thinking:
            settings["thinkingConfig"] = thinking
    return settings


def _thinking(asked: ReasoningEffort | int, target: Target, noticing: Noticing) -> dict[str, Any]:
    """The reasoning dial; {} leaves it to the model. Whoever asks for thinking also gets to see it, as far as the API shows it."""
    form, off = target.profile.reasoning, asked in {"none", 0}
    if form == "none":  # what is asked of a model without reasoning is "none", which it does anyway
        return {}
    if isinstance(asked, int):
        if form not in {None, "budget"}:
            noticing.unsupported("reasoning", f"{target.model} takes a word for how hard to think, not a budget in tokens")
            return {}
        return {"thinkingBudget": 0} if off else {"thinkingBudget": asked, "includeThoughts": True}
    if form == "budget" or (form is None and (generation(target.model) or _FIRST_WITH_LEVELS) < _FIRST_WITH_LEVELS):
        if asked not in _BUDGETS:
            noticing.changed("reasoning", f'{target.model} takes a budget in tokens; {asked!r} goes out as {_MOST}, like "high"')
        budget = _BUDGETS.get(asked, _MOST)
        return {"thinkingBudget": 0} if off else {"thinkingBudget": budget, "includeThoughts": True}
    if off:
        noticing.unsupported("reasoning", f'{target.model} always thinks; the least is "minimal"')
        return {}
    if asked == "max":
        noticing.changed("reasoning", 'generateContent has no level "max"; XHIGH is sent')
    return {"thinkingLevel": _LEVELS[asked], "includeThoughts": True}


def _tools(tools: tuple[Tool, ...], choice: str | None, server: Mapping[str, Any], config: dict[str, Any]) -> list[bytes]:
    """The fields `tools` and `toolConfig`, as pieces of the body; none where there is nothing to say."""
    entries = [b'{"functionDeclarations":[%s]}' % b",".join(map(_declaration, tools))] if tools else []
    entries += [written({name: value}) for name, value in server.items()]
    calling: dict[str, Any] = {}
    if tools and choice in CHOICE_WORDS:
        calling["mode"] = {"auto": "AUTO", "none": "NONE", "required": "ANY"}[str(choice)]
    elif tools and choice is not None:
        calling |= {"mode": "ANY", "allowedFunctionNames": [choice]}
    if choice in {None, "auto"} and any(tool.strict for tool in tools):
        calling["mode"] = "VALIDATED"
    if calling:
        config["functionCallingConfig"] = calling
    pieces = [b'"tools":[%s]' % b",".join(entries)] if entries else []
    return [*pieces, b'"toolConfig":' + written(config)] if config else pieces


def _declaration(tool: Tool) -> bytes:
    head = {"name": tool.name, "description": tool.description} if tool.description else {"name": tool.name}
    return b'%s,"parametersJsonSchema":%s}' % (written(head)[:-1], tool.parameters)

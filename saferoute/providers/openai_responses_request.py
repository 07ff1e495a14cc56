"""Write a ChatRequest in the words of OpenAI Responses. Pure.

How the conversation is written stands in openai_responses_items. Tool parameters and output schemas are JSON already and go in as they
are. Options that were not given are not sent: the provider's default holds, except for what the provider keeps (see encode_responses).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.errors import UnknownOption
from saferoute.providers.codec import Encoded, Noticing
from saferoute.providers.openai_responses_items import encode_items, written
from saferoute.providers.writing import CHOICE_WORDS, namespaces, offered, output_bound, sampling
from saferoute.values.http import HttpRequest

if TYPE_CHECKING:
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target
    from saferoute.values.tools import Tool

__all__ = ["encode_responses"]

_ENCRYPTED_REASONING = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"
# Fields that have an option of ours, or that would have the provider keep, find or steer a conversation that nobody here sees; no
# signed row can open them to provider_options.
_NEVER_EXTRA = frozenset(
    {
        "background",
        "conversation",
        "input",
        "instructions",
        "max_output_tokens",
        "model",
        "previous_response_id",
        "prompt",
        "store",
        "stream",
        "tools",
    }
)


def encode_responses(request: ChatRequest, target: Target) -> Encoded:
    """Write the request for the target.

    Raises:
        UnsupportedParameter: for what the dialect cannot carry (unless the request says drop).
        UnknownOption: for a provider option that the row does not list, or that has an option of its own.
        InvalidMessages: for a conversation or tool choice that this dialect cannot express.
    """
    noticing = Noticing(request.on_unsupported)
    raw = {"input": encode_items(request.messages, target, noticing), "tools": b""}
    # The provider is told to keep nothing: state that it kept would be outside the signed table, the data label and the receipts, and
    # the next turn could not go anywhere else. Reasoning comes back encrypted instead, and goes in again with the next turn. Models
    # that do not reason answer 400 to that wish, so that a row that says "none" does not make it.
    fields: dict[str, Any] = {"model": target.model, "store": False}
    if target.profile.reasoning != "none":
        fields["include"] = [_ENCRYPTED_REASONING]
    if request.stream:
        fields["stream"] = True
    _add_options(fields, request, target, noticing)
    raw["tools"] = _tools(fields, request)
    output = _format(request, target)
    text = _add_extras(fields, request, target, has_format=bool(output))
    if text or output:
        words = written(text)[:-1]
        raw["text"] = words + (b"," if text and output else b"") + output + b"}"
    pieces = [written(fields)[:-1], *(b',"%s":%s' % (name.encode(), value) for name, value in raw.items() if value), b"}"]
    accept = "text/event-stream" if request.stream else "application/json"
    version = target.quirks.api_version
    return Encoded(
        HttpRequest(
            method="POST",
            origin=target.origin,
            path=f"{target.path}/responses" + (f"?api-version={version}" if version else ""),
            headers=(("content-type", "application/json"), ("accept", accept), *target.headers),
            body=b"".join(pieces),
            secret=target.secret,
            auth=target.auth,
            net=target.net,
        ),
        tuple(noticing.notices),
    )


# ------------------------------------------------------------------------------------------------------------- options


def _add_options(fields: dict[str, Any], request: ChatRequest, target: Target, noticing: Noticing) -> None:
    bound = output_bound(request, target)
    if bound is not None:
        fields["max_output_tokens"] = bound
    fields |= sampling(request)
    if request.stop:
        noticing.unsupported("stop", "Responses has no stop sequences")
    if request.seed is not None:
        noticing.unsupported("seed", "Responses has no seed")
    if request.n > 1:
        noticing.unsupported("n", "Responses gives one answer per call; call it several times")
    if request.logprobs is not None:
        fields.setdefault("include", []).append(_LOGPROBS)
        if request.logprobs:
            fields["top_logprobs"] = request.logprobs
    if request.reasoning is not None:
        _add_reasoning(fields, request.reasoning, target, noticing)


def _add_reasoning(fields: dict[str, Any], reasoning: str | int, target: Target, noticing: Noticing) -> None:
    word = "none" if reasoning == 0 else reasoning
    if isinstance(word, int):
        noticing.unsupported("reasoning", "Responses has no reasoning budget in tokens, only the words none to max")
    elif target.profile.reasoning in {None, "effort"}:
        fields["reasoning"] = {"effort": word}
    elif target.profile.reasoning != "none":  # a dial of another kind; "none" is what a model without reasoning does anyway
        noticing.unsupported("reasoning", f"{target.model} has no reasoning effort, nor the word that turns its thinking off")


def _tools(fields: dict[str, Any], request: ChatRequest) -> bytes:
    tools, choice = offered(request)
    if not tools:
        return b""
    if choice is not None:
        fields["tool_choice"] = choice if choice in CHOICE_WORDS else {"type": "function", "name": choice}
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    return b"[%s]" % b",".join(map(_tool, tools))


def _tool(tool: Tool) -> bytes:
    words: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description:
        words["description"] = tool.description
    words["strict"] = tool.strict  # the API wants the field: null leaves the choice to it
    return b'%s,"parameters":%s}' % (written(words)[:-1], tool.parameters)


def _format(request: ChatRequest, target: Target) -> bytes:
    """The field `format` of `text`; b"" for none."""
    output = request.output
    if output is None:
        return b'"format":{"type":"json_object"}' if request.json_object and target.quirks.json_object else b""
    words = written({"type": "json_schema", "name": output.name, "strict": output.strict})
    return b'"format":%s,"schema":%s}' % (words[:-1], output.schema)


def _add_extras(fields: dict[str, Any], request: ChatRequest, target: Target, *, has_format: bool) -> dict[str, Any]:
    """Add what the caller passes through, as far as the row opens it; wishes inside `reasoning` and `include` join ours.

    Returns:
        What it says about `text`, besides the format.
    """
    text: dict[str, Any] = {}
    seen: set[str] = set()
    for namespace in namespaces(target):
        for name, value in request.provider_options.get(namespace, {}).items():
            if name not in target.extra_params or name in _NEVER_EXTRA:
                listed = ", ".join(sorted(target.extra_params - _NEVER_EXTRA)) or "none"
                msg = f"provider_options[{namespace!r}] has {name!r}, which the table does not open for {target.id}; it opens: {listed}"
                raise UnknownOption(msg)
            ours = {"format": None} if name == "text" and has_format else fields.get(name)
            if name in seen or (ours is not None and not _joins(ours, value)):
                msg = f"provider_options[{namespace!r}] has {name!r}, which this call says already: by an option of its own, or twice"
                raise UnknownOption(msg)
            seen.add(name)
            if name == "text" and isinstance(value, dict):
                text = value
            elif isinstance(ours, dict):
                fields[name] = ours | value
            elif isinstance(ours, list):
                fields[name] = ours + [wish for wish in value if wish not in ours]
            else:
                fields[name] = value
    return text


def _joins(ours: object, theirs: object) -> bool:
    """Whether two values of one field say different things: objects without a common key, or lists."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys().isdisjoint(theirs)
    return isinstance(ours, list) and isinstance(theirs, list)

"""Operations of OpenAI and of the servers that speak like it: embeddings, ranking, moderation, the list of models.

Rows of both OpenAI dialects come here: their bases are the same. `rerank` is not OpenAI's own: Jina, vLLM and llama.cpp have it at
this place, in the form that Cohere began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from saferoute.errors import UnsupportedParameter
from saferoute.providers.codec import Noticing
from saferoute.providers.operations.asking import batches, embed_in_batches, get, no_input_type, opened, post_json
from saferoute.providers.operations.contract import Answered, Step, ask
from saferoute.providers.operations.reading import checked_vectors, input_usage, number, objects, placed, wrong
from saferoute.providers.operations.scores import scores
from saferoute.values.json import as_mapping, as_text, integer
from saferoute.values.listing import AvailableModel
from saferoute.values.ranking import ModerationResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import EmbedRequest, ModelsRequest, ModerateRequest, Plan, RerankRequest
    from saferoute.values.embeddings import Vector
    from saferoute.values.http import Head
    from saferoute.values.target import Target
    from saferoute.values.usage import Usage

__all__ = ["deployment_path", "embed", "models", "moderate", "named", "rerank", "version"]

# OpenAI takes 2048 texts and 300,000 tokens in a request; a token is at least a byte. 1024 texts of 3072 numbers are 16 MB of base64.
_MOST_TEXTS: Final = 1024
_MOST_BYTES: Final = 300_000


def deployment_path(target: Target, path: str) -> str:
    """The path of an operation of one model, where the model is part of it, with the version that a row names.

    Raises:
        UnsupportedParameter: for a model whose name no path can hold.
    """
    if target.quirks.model_in_path:
        if target.model in {"", ".", ".."}:  # quoting leaves dots as they are, and a path reads them as steps
            msg = f"{target.model!r} is no deployment's name that a path could hold; name another model"
            raise UnsupportedParameter(msg, parameter="model")
        path = f"/deployments/{quote(target.model, safe='')}{path}"
    return path + version(target)


def version(target: Target) -> str:
    """The query that names the version of the API, if the row has one."""
    return f"?api-version={quote(target.quirks.api_version, safe='')}" if target.quirks.api_version else ""


def named(target: Target) -> dict[str, Any]:
    """The body's field for the model, unless the path names it."""
    return {} if target.quirks.model_in_path else {"model": target.model}


def embed(request: EmbedRequest, target: Target, _: Codec) -> Plan:
    """Embed texts by POST /embeddings, as base64; a server that does not know base64 answers lists, which are read too."""
    noticing = Noticing(request.on_unsupported)
    no_input_type(request, noticing)
    fields: dict[str, Any] = {**named(target), "encoding_format": "base64"}
    if request.dimensions is not None:
        fields["dimensions"] = request.dimensions
    fields |= opened(request, target, {*fields, "model", "input"})

    def read(_: Head, body: Mapping[str, Any], count: int) -> tuple[list[Vector], Usage, str]:
        items = placed(target, objects(target, body, "data"), count)
        vectors = checked_vectors(target, (item.get("embedding") for item in items), count, request.dimensions)
        return vectors, input_usage(body, "usage", "prompt_tokens", "total_tokens"), as_text(body.get("model"))

    cut = batches(request.texts, _MOST_TEXTS, _MOST_BYTES)
    path = deployment_path(target, "/embeddings")
    return (yield from embed_in_batches(target, cut, lambda batch: post_json(target, path, fields | {"input": batch}), read, noticing))


def rerank(request: RerankRequest, target: Target, _: Codec) -> Plan:
    """Rank documents by POST /rerank."""
    fields: dict[str, Any] = {**named(target), "query": request.query, "documents": request.documents}
    if request.top_n is not None:
        fields["top_n"] = request.top_n
    fields |= opened(request, target, {*fields, "model"})
    step = Step(post_json(target, deployment_path(target, "/rerank"), fields), lambda _, body: body)
    body: Mapping[str, Any] = yield from ask(step)
    usage = input_usage(body, "usage", "total_tokens", "prompt_tokens")
    return Answered({"results": scores(request, target, body)}, as_text(body.get("model")), usage)


def moderate(request: ModerateRequest, target: Target, _: Codec) -> Plan:
    """Judge texts by POST /moderations."""
    fields: dict[str, Any] = {"model": target.model, "input": request.texts}
    fields |= opened(request, target, fields)

    def read(_: Head, body: Mapping[str, Any]) -> tuple[tuple[ModerationResult, ...], str]:
        items = objects(target, body, "results")
        if len(items) != len(request.texts):
            raise wrong(target, f"{len(items)} results for {len(request.texts)} texts")
        return tuple(_judged(target, item) for item in items), as_text(body.get("model"))

    results, model = yield from ask(Step(post_json(target, "/moderations" + version(target), fields), read))
    return Answered({"results": results}, model)


def _judged(target: Target, item: Mapping[str, Any]) -> ModerationResult:
    flagged = item.get("flagged")
    if not isinstance(flagged, bool):
        raise wrong(target, "a result that does not say whether it is flagged")
    categories = {name: _flag(target, value) for name, value in as_mapping(item.get("categories")).items() if value is not None}
    rated = {name: number(target, value, "score") for name, value in as_mapping(item.get("category_scores")).items() if value is not None}
    return ModerationResult(flagged, categories, rated)


def _flag(target: Target, value: object) -> bool:
    if not isinstance(value, bool):  # "false" is true, and 0.9 may be: nobody can know what is meant
        raise wrong(target, "a category that is neither true nor false")
    return value


def models(_: ModelsRequest, target: Target, __: Codec) -> Plan:
    """List models by GET /models."""

    def read(_: Head, body: Mapping[str, Any]) -> tuple[AvailableModel, ...]:
        listed = objects(target, body, "data" if "data" in body else "models")
        return tuple(_model(target, item) for item in listed if as_text(item.get("id")))

    found = yield from ask(Step(get(target, "/models" + version(target)), read))
    return Answered({"models": found})


def _model(target: Target, item: Mapping[str, Any]) -> AvailableModel:
    window = integer(item.get("context_length")) or integer(item.get("context_window")) or integer(item.get("max_model_len"))
    return AvailableModel(
        item["id"],
        target.provider_name,
        as_text(item.get("display_name")) or as_text(item.get("name")) or None,
        window or integer(item.get("max_context_length")),
        integer(item.get("max_completion_tokens")) or None,
        True if item.get("shutdown_date") or item.get("deprecation") else None,
    )

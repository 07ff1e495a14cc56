"""Operations of Mistral: embeddings and the list of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.providers.codec import Noticing
from saferoute.providers.operations.asking import batches, embed_in_batches, get, no_input_type, opened, post_json
from saferoute.providers.operations.contract import Answered, Step, ask
from saferoute.providers.operations.reading import checked_vectors, input_usage, objects, placed
from saferoute.values.json import as_text, integer
from saferoute.values.listing import AvailableModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import EmbedRequest, ModelsRequest, Plan
    from saferoute.values.embeddings import Vector
    from saferoute.values.http import Head
    from saferoute.values.target import Target
    from saferoute.values.usage import Usage

__all__ = ["embed", "models"]

_MOST_TEXTS: Final = 128
_MOST_BYTES: Final = 16_000  # a request has at most 16384 tokens, and a token is at least a byte


def embed(request: EmbedRequest, target: Target, _: Codec) -> Plan:
    """Embed texts by POST /embeddings."""
    noticing = Noticing(request.on_unsupported)
    no_input_type(request, noticing)
    fields: dict[str, Any] = {"model": target.model}
    if request.dimensions is not None:
        fields["output_dimension"] = request.dimensions
    why = {"output_dtype": "vectors come as 32-bit floats", "encoding_format": "vectors come as 32-bit floats, whatever the wire says"}
    fields |= opened(request, target, {*fields, "input"}, why)

    def read(_: Head, body: Mapping[str, Any], count: int) -> tuple[list[Vector], Usage, str]:
        items = placed(target, objects(target, body, "data"), count)
        vectors = checked_vectors(target, (item.get("embedding") for item in items), count, request.dimensions)
        return vectors, input_usage(body, "usage", "prompt_tokens", "total_tokens"), as_text(body.get("model"))

    cut = batches(request.texts, _MOST_TEXTS, _MOST_BYTES)
    return (
        yield from embed_in_batches(target, cut, lambda batch: post_json(target, "/embeddings", fields | {"input": batch}), read, noticing)
    )


def models(_: ModelsRequest, target: Target, __: Codec) -> Plan:
    """List models by GET /models."""

    def read(_: Head, body: Mapping[str, Any]) -> tuple[AvailableModel, ...]:
        return tuple(_model(target, item) for item in objects(target, body, "data") if as_text(item.get("id")))

    found = yield from ask(Step(get(target, "/models"), read))
    return Answered({"models": found})


def _model(target: Target, item: Mapping[str, Any]) -> AvailableModel:
    name, window = as_text(item.get("name")), integer(item.get("max_context_length"))
    return AvailableModel(
        item["id"], target.provider_name, name or None, window or None, deprecated=True if item.get("deprecation") else None
    )

"""Operations of Ollama by its own API: embeddings and the list of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.providers.codec import Noticing
from saferoute.providers.operations.asking import batches, embed_in_batches, get, no_input_type, opened, post_json
from saferoute.providers.operations.contract import Answered, Step, ask
from saferoute.providers.operations.reading import checked_vectors, input_usage, objects, wrong
from saferoute.values.json import as_text
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

_MOST_TEXTS: Final = 256  # Ollama itself has no bound; answers are lists of numbers, and 256 of 4096 are 16 MB
_MOST_BYTES: Final = 4_000_000


def embed(request: EmbedRequest, target: Target, _: Codec) -> Plan:
    """Embed texts by POST /api/embed. Nothing is cut off: the server would do it silently, so it is told not to."""
    noticing = Noticing(request.on_unsupported)
    no_input_type(request, noticing)
    fields: dict[str, Any] = {"model": target.model, "truncate": False}
    if request.dimensions is not None:
        fields["dimensions"] = request.dimensions
    fields |= opened(request, target, fields.keys() - {"truncate"} | {"input"})

    def read(_: Head, body: Mapping[str, Any], count: int) -> tuple[list[Vector], Usage, str]:
        values = body.get("embeddings")
        if not isinstance(values, list):
            raise wrong(target, "without embeddings")
        vectors = checked_vectors(target, values, count, request.dimensions)
        return vectors, input_usage({"counts": counters(body)}, "counts", "prompt_eval_count"), as_text(body.get("model"))

    cut = batches(request.texts, _MOST_TEXTS, _MOST_BYTES)
    return (
        yield from embed_in_batches(target, cut, lambda batch: post_json(target, "/api/embed", fields | {"input": batch}), read, noticing)
    )


def counters(body: Mapping[str, Any]) -> dict[str, Any]:
    """The counters of an answer, which stand beside its content."""
    return {name: value for name, value in body.items() if name.endswith(("_count", "_duration"))}


def models(_: ModelsRequest, target: Target, __: Codec) -> Plan:
    """List the models that were pulled, by GET /api/tags."""

    def read(_: Head, body: Mapping[str, Any]) -> tuple[AvailableModel, ...]:
        listed = objects(target, body, "models")
        return tuple(
            AvailableModel(name, target.provider_name) for item in listed if (name := as_text(item.get("model") or item.get("name")))
        )

    found = yield from ask(Step(get(target, "/api/tags"), read))
    return Answered({"models": found})

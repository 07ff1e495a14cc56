"""Operations of Gemini, on the Developer API and on Vertex: embeddings, counting, the list of models.

The two differ: where the row's path ends in a publisher, it is Vertex. There, newer models embed one text a request, and older ones
are asked to predict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from saferoute.errors import ProtocolError, UnsupportedParameter
from saferoute.providers.codec import Noticing
from saferoute.providers.operations.asking import batches, embed_in_batches, get, opened, post_json, refused
from saferoute.providers.operations.contract import Answered, Step, ask
from saferoute.providers.operations.counting import body_of, count_by, encoded, moved
from saferoute.providers.operations.reading import checked_vectors, input_usage, objects, wrong
from saferoute.providers.writing import written
from saferoute.values.json import as_mapping, as_text, integer
from saferoute.values.listing import AvailableModel
from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import CountRequest, EmbedRequest, ModelsRequest, Plan
    from saferoute.values.embeddings import Vector
    from saferoute.values.http import Head, HttpRequest
    from saferoute.values.target import Target

__all__ = ["count", "embed", "models"]

_PUBLISHER: Final = "/publishers/google"
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")
_TASKS: Final = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}
_EMBEDDED_SINGLY: Final = re.compile(r"gemini|maas")
"""Models that Vertex embeds by :embedContent; the others are asked to :predict."""
_MOST_TEXTS: Final = 100
_MOST_BYTES: Final = 2_000_000
_MOST_PREDICTED_BYTES: Final = 20_000  # a prediction takes 20,000 tokens, and a token is at least a byte
_COUNTED_ON_VERTEX: Final = frozenset({"contents", "systemInstruction", "tools", "generationConfig"})
_MOST_PAGES: Final = 20


def embed(request: EmbedRequest, target: Target, _: Codec) -> Plan:
    """Embed texts by :batchEmbedContents, or on Vertex by :embedContent or :predict.

    Raises:
        UnsupportedParameter: for a model's name that has no place in a path.
    """
    if not _MODEL.fullmatch(target.model):
        msg = f'{target.model[:60]!r} is no model\'s name for Gemini: letters, digits, "-", "_", "." and "@" only'
        raise UnsupportedParameter(msg, parameter="model")
    noticing = Noticing(request.on_unsupported)
    opened(request, target, ())  # no field of these requests can be opened: whatever a row lists belongs to generateContent
    if request.provider_options:
        noticing.unsupported("provider_options", "embeddings of Gemini have no further fields")
    if not target.path.endswith(_PUBLISHER):
        door = _batched(request, target)
    elif _EMBEDDED_SINGLY.search(target.model):
        door = _single(request, target)
    else:
        door = _predicted(request, target)
    return (yield from embed_in_batches(target, batches(request.texts, door.most, door.most_bytes), door.write, door.read, noticing))


@dataclass(frozen=True, slots=True)
class _Door:
    """One of the ways to ask for embeddings.

    Attributes:
        most: texts in a request.
        most_bytes: bytes of text in a request.
        write: makes the request of a batch.
        read: reads the answer to a batch of so many texts.
    """

    most: int
    most_bytes: int
    write: Callable[[tuple[str, ...]], HttpRequest]
    read: Callable[[Head, Mapping[str, Any], int], tuple[list[Vector], Usage, str]]


def _wishes(request: EmbedRequest) -> dict[str, Any]:
    task = {} if request.input_type is None else {"taskType": _TASKS[request.input_type]}
    return task if request.dimensions is None else task | {"outputDimensionality": request.dimensions}


def _vectors(request: EmbedRequest, target: Target, items: list[Mapping[str, Any]], count: int) -> list[Vector]:
    return checked_vectors(target, (item.get("values") for item in items), count, request.dimensions)


def _reported(body: Mapping[str, Any]) -> Usage:
    return input_usage(body, "usageMetadata", "promptTokenCount", "totalTokenCount")


def _batched(request: EmbedRequest, target: Target) -> _Door:
    """The Developer API."""
    fixed = {"model": f"models/{target.model}", **_wishes(request)}

    def write(batch: tuple[str, ...]) -> HttpRequest:
        asked = [fixed | {"content": {"parts": [{"text": text}]}} for text in batch]
        return post_json(target, f"/models/{target.model}:batchEmbedContents", {"requests": asked})

    def read(_: Head, body: Mapping[str, Any], count: int) -> tuple[list[Vector], Usage, str]:
        return _vectors(request, target, objects(target, body, "embeddings"), count), _reported(body), ""

    return _Door(_MOST_TEXTS, _MOST_BYTES, write, read)


def _single(request: EmbedRequest, target: Target) -> _Door:
    """Newer models on Vertex; nothing is cut off."""

    def write(batch: tuple[str, ...]) -> HttpRequest:
        fields = {"content": {"parts": [{"text": batch[0]}]}, "embedContentConfig": _wishes(request) | {"autoTruncate": False}}
        return post_json(target, f"/models/{target.model}:embedContent", fields)

    def read(_: Head, body: Mapping[str, Any], count: int) -> tuple[list[Vector], Usage, str]:
        return _vectors(request, target, [as_mapping(body.get("embedding"))], count), _reported(body), ""

    return _Door(1, _MOST_BYTES, write, read)


def _predicted(request: EmbedRequest, target: Target) -> _Door:
    """Older models on Vertex; nothing is cut off."""
    wishes = _wishes(request)
    task = {"task_type": wishes.pop("taskType")} if "taskType" in wishes else {}

    def write(batch: tuple[str, ...]) -> HttpRequest:
        fields = {"instances": [{"content": text, **task} for text in batch], "parameters": wishes | {"autoTruncate": False}}
        return post_json(target, f"/models/{target.model}:predict", fields)

    def read(_: Head, body: Mapping[str, Any], count: int) -> tuple[list[Vector], Usage, str]:
        found = [as_mapping(item.get("embeddings")) for item in objects(target, body, "predictions")]
        counts = [integer(as_mapping(item.get("statistics")).get("token_count")) for item in found]
        known = [tokens for tokens in counts if tokens is not None]
        usage = usage_from_totals(input_tokens=sum(known), output_tokens=0) if known and len(known) == len(counts) else Usage()
        return _vectors(request, target, found, count), usage, ""

    return _Door(_MOST_TEXTS, _MOST_PREDICTED_BYTES, write, read)


def count(request: CountRequest, target: Target, codec: Codec) -> Plan:
    """Count by :countTokens."""
    made = encoded(request, target, codec)
    body = body_of(made)
    if target.path.endswith(_PUBLISHER):
        fields = {name: value for name, value in body.items() if name in _COUNTED_ON_VERTEX}
    else:
        fields = {"generateContentRequest": {"model": f"models/{target.model}", **body}}
    path = f"{target.path}/models/{target.model}:countTokens"
    return (yield from count_by(target, moved(made, path, written(fields)), "totalTokens", made.notices))


def models(_: ModelsRequest, target: Target, __: Codec) -> Plan:
    """List models by GET /models, page by page.

    Raises:
        UnsupportedParameter: for a row of a project on Vertex, whose models are listed at another place.
    """
    if "/projects/" in target.path:
        raise refused("available_models", "Vertex lists models outside the project that this row's path names")
    found: list[AvailableModel] = []
    page = ""

    def read(_: Head, body: Mapping[str, Any]) -> tuple[list[AvailableModel], str]:
        key = "models" if "models" in body else "publisherModels"
        if key not in body and not body.get("nextPageToken"):
            raise wrong(target, "without a list of models")
        listed = objects(target, body, key) if key in body else []
        return [_model(target, item) for item in listed if as_text(item.get("name"))], as_text(body.get("nextPageToken"))

    for _number in range(_MOST_PAGES):
        more = f"&pageToken={quote(page, safe='')}" if page else ""
        listed, page = yield from ask(Step(get(target, f"/models?pageSize=1000{more}"), read))
        found += listed
        if not page:
            return Answered({"models": tuple(found)})
    raise ProtocolError(f"{target.provider_name} lists its models on more than {_MOST_PAGES} pages")


def _model(target: Target, item: Mapping[str, Any]) -> AvailableModel:
    return AvailableModel(
        item["name"].rpartition("models/")[2],
        target.provider_name,
        as_text(item.get("displayName")) or None,
        integer(item.get("inputTokenLimit")) or None,
        integer(item.get("outputTokenLimit")) or None,
    )

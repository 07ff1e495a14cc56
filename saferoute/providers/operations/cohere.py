"""Operations of Cohere: embeddings and ranking by its API of version 2, counting and the list of models by version 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from saferoute.errors import ProtocolError
from saferoute.providers.codec import Noticing
from saferoute.providers.operations.asking import batches, embed_in_batches, get, opened, post_json
from saferoute.providers.operations.contract import Answered, Step, ask
from saferoute.providers.operations.counting import estimated
from saferoute.providers.operations.reading import checked_vectors, input_usage, objects, wrong
from saferoute.providers.operations.scores import scores
from saferoute.values.events import Notice
from saferoute.values.json import as_mapping, as_text, integer
from saferoute.values.listing import AvailableModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import CountRequest, EmbedRequest, ModelsRequest, Plan, RerankRequest
    from saferoute.values.embeddings import Vector
    from saferoute.values.http import Head
    from saferoute.values.target import Target
    from saferoute.values.usage import Usage

__all__ = ["INPUT_TYPES", "count", "embed", "embedded", "models", "rerank"]

INPUT_TYPES: Final = {"query": "search_query", "document": "search_document"}
_MOST_TEXTS: Final = 96
_MOST_BYTES: Final = 2_000_000
_LONGEST_TOKENIZED: Final = 65_536
_MOST_PAGES: Final = 20


def embed(request: EmbedRequest, target: Target, _: Codec) -> Plan:
    """Embed texts by POST /v2/embed. Nothing is cut off: the API would do it silently, so it is told not to."""
    noticing = Noticing(request.on_unsupported)
    fields: dict[str, Any] = {"model": target.model, **embedded(request, noticing)}
    if request.dimensions is not None:
        fields["output_dimension"] = request.dimensions
    fields |= opened(request, target, fields.keys() - {"truncate"} | {"texts"})

    def read(_: Head, body: Mapping[str, Any], size: int) -> tuple[list[Vector], Usage, str]:
        values = as_mapping(body.get("embeddings")).get("float")
        if not isinstance(values, list):
            raise wrong(target, "without embeddings")
        usage = input_usage(as_mapping(body.get("meta")), "billed_units", "input_tokens")
        return checked_vectors(target, values, size, request.dimensions), usage, ""

    cut = batches(request.texts, _MOST_TEXTS, _MOST_BYTES)
    return (
        yield from embed_in_batches(target, cut, lambda batch: post_json(target, "/v2/embed", fields | {"texts": batch}), read, noticing)
    )


def embedded(request: EmbedRequest, noticing: Noticing) -> dict[str, Any]:
    """The fields that every embedding request to a model of Cohere's has, wherever it is served."""
    if request.input_type is None:
        said = 'set to "document": these models want to know, and make queries and documents differently'
        noticing.notices.append(Notice("filled", "input_type", said))
    return {"input_type": INPUT_TYPES[request.input_type or "document"], "embedding_types": ["float"], "truncate": "NONE"}


def rerank(request: RerankRequest, target: Target, _: Codec) -> Plan:
    """Rank documents by POST /v2/rerank. It is billed by searches and not by tokens, so that its cost is not known here."""
    fields: dict[str, Any] = {"model": target.model, "query": request.query, "documents": request.documents}
    if request.top_n is not None:
        fields["top_n"] = request.top_n
    fields |= opened(request, target, fields)
    body: Mapping[str, Any] = yield from ask(Step(post_json(target, "/v2/rerank", fields), lambda _, body: body))
    usage = input_usage(as_mapping(body.get("meta")), "billed_units")
    return Answered({"results": scores(request, target, body)}, usage=usage)


def count(request: CountRequest, target: Target, codec: Codec) -> Plan:
    """Count the tokens of the texts by POST /v1/tokenize; what the model's template puts around them is bounded, so it is an estimate."""
    guess = estimated(request, target, codec)
    text = "\n".join(guess.texts)
    if guess.unbounded or not text or len(text) > _LONGEST_TOKENIZED:
        return guess.answered()

    def read(_: Head, body: Mapping[str, Any]) -> int:
        tokens = body.get("tokens")
        if not isinstance(tokens, list):
            raise wrong(target, "without tokens")
        return len(tokens)

    tokens = yield from ask(Step(post_json(target, "/v1/tokenize", {"model": target.model, "text": text}), read))
    return guess.answered(tokens)


def models(_: ModelsRequest, target: Target, __: Codec) -> Plan:
    """List models by GET /v1/models, page by page."""
    found: list[AvailableModel] = []
    page = ""

    def read(_: Head, body: Mapping[str, Any]) -> tuple[list[AvailableModel], str]:
        listed = objects(target, body, "models")
        return [_model(target, item) for item in listed if as_text(item.get("name"))], as_text(body.get("next_page_token"))

    for _number in range(_MOST_PAGES):
        more = f"&page_token={quote(page, safe='')}" if page else ""
        listed, page = yield from ask(Step(get(target, f"/v1/models?page_size=1000{more}"), read))
        found += listed
        if not page:
            return Answered({"models": tuple(found)})
    raise ProtocolError(f"{target.provider_name} lists its models on more than {_MOST_PAGES} pages")


def _model(target: Target, item: Mapping[str, Any]) -> AvailableModel:
    deprecated = item.get("is_deprecated")
    return AvailableModel(
        item["name"],
        target.provider_name,
        context_window=integer(item.get("context_length")) or None,
        deprecated=deprecated if isinstance(deprecated, bool) else None,
    )

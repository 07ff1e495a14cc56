"""Operations of Amazon Bedrock: embeddings of the models that have them, and counting.

There is no common form for embeddings: a request goes to /invoke in the words of the model's maker. Which words stands in a table, by
the beginning of the model's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from saferoute.errors import UnsupportedParameter
from saferoute.providers.codec import Noticing
from saferoute.providers.operations.asking import batches, embed_in_batches, no_input_type, opened, post_json, refused
from saferoute.providers.operations.counting import body_of, count_by, encoded, moved
from saferoute.providers.operations.reading import checked_vectors, wrong
from saferoute.providers.writing import written
from saferoute.values.events import Notice
from saferoute.values.json import integer
from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import CountRequest, EmbedRequest, Plan
    from saferoute.values.embeddings import Vector
    from saferoute.values.http import Head, HttpRequest
    from saferoute.values.target import Target

__all__ = ["count", "embed"]

_GEOGRAPHY: Final = re.compile(r"(?:global|us|eu|apac|au|ca|jp|us-gov|sa)\.")
_COUNTED: Final = frozenset({"messages", "system", "toolConfig", "additionalModelRequestFields"})
_TOKENS: Final = "x-amzn-bedrock-input-token-count"


def _titan_body(request: EmbedRequest, batch: tuple[str, ...], _: str) -> dict[str, Any]:
    return {"inputText": batch[0]} | ({} if request.dimensions is None else {"dimensions": request.dimensions})


def _titan_values(body: Mapping[str, Any]) -> object:
    return [body.get("embedding")]


def _cohere_body(request: EmbedRequest, batch: tuple[str, ...], input_type: str) -> dict[str, Any]:
    fields = {"texts": batch, "input_type": f"search_{input_type}", "embedding_types": ["float"], "truncate": "NONE"}
    return fields | ({} if request.dimensions is None else {"output_dimension": request.dimensions})


def _cohere_values(body: Mapping[str, Any]) -> object:
    found = body.get("embeddings")
    return found.get("float") if isinstance(found, dict) else found


@dataclass(frozen=True, slots=True)
class _Family:
    """How one maker's models are asked.

    Attributes:
        prefix: how their names begin, without a geography before it.
        most: texts in a request.
        dimensions: whether a length can be asked for.
        input_type: whether queries and documents differ.
        write: the body of a batch.
        values: what stands for each embedding in an answer.
    """

    prefix: str
    most: int
    dimensions: bool
    input_type: bool
    write: Callable[[EmbedRequest, tuple[str, ...], str], dict[str, Any]]
    values: Callable[[Mapping[str, Any]], object]


_FAMILIES: Final = (
    _Family("amazon.titan-embed-text-v2", 1, dimensions=True, input_type=False, write=_titan_body, values=_titan_values),
    _Family("amazon.titan-embed-text-v1", 1, dimensions=False, input_type=False, write=_titan_body, values=_titan_values),
    _Family("amazon.titan-embed-g1-text", 1, dimensions=False, input_type=False, write=_titan_body, values=_titan_values),
    _Family("cohere.embed-v4", 96, dimensions=True, input_type=True, write=_cohere_body, values=_cohere_values),
    _Family("cohere.embed-", 96, dimensions=False, input_type=True, write=_cohere_body, values=_cohere_values),
)


def embed(request: EmbedRequest, target: Target, _: Codec) -> Plan:
    """Embed texts by POST /model/{model}/invoke.

    Raises:
        UnsupportedParameter: for a model whose words are not known here.
    """
    name = _GEOGRAPHY.sub("", target.model, count=1) if _GEOGRAPHY.match(target.model) else target.model
    family = next((family for family in _FAMILIES if name.startswith(family.prefix)), None)
    if family is None:
        known = ", ".join(family.prefix for family in _FAMILIES)
        raise refused("embed", f"how {target.model[:80]!r} is asked for embeddings on Bedrock is not known here; known are {known}")
    if request.dimensions is not None and not family.dimensions:
        raise UnsupportedParameter(f"dimensions: {target.model} has vectors of one length. Leave it out", parameter="dimensions")
    noticing = Noticing(request.on_unsupported)
    if not family.input_type:
        no_input_type(request, noticing)
    elif request.input_type is None:
        said = 'set to "document": these models want to know, and make queries and documents differently'
        noticing.notices.append(Notice("filled", "input_type", said))
    made = family.write(request, ("",), request.input_type or "document")
    extras = opened(request, target, made.keys() - {"truncate"})

    def write(batch: tuple[str, ...]) -> HttpRequest:
        fields = family.write(request, batch, request.input_type or "document")
        return post_json(target, _path(target, "invoke"), fields | extras)

    def read(head: Head, body: Mapping[str, Any], size: int) -> tuple[list[Vector], Usage, str]:
        values = family.values(body)
        if not isinstance(values, list):
            raise wrong(target, "without embeddings")
        return checked_vectors(target, values, size, request.dimensions), _usage(head, body), ""

    return (yield from embed_in_batches(target, batches(request.texts, family.most, 2_000_000), write, read, noticing))


def _usage(head: Head, body: Mapping[str, Any]) -> Usage:
    said = head.headers.get(_TOKENS, "")
    tokens = integer(body.get("inputTextTokenCount"))
    if tokens is None and said.isascii() and said.isdigit() and len(said) <= 12:  # noqa: PLR2004  no request has more tokens
        tokens = int(said)
    return Usage() if tokens is None else usage_from_totals(input_tokens=tokens, output_tokens=0)


def _path(target: Target, operation: str) -> str:
    if target.model in {"", ".", ".."}:
        raise UnsupportedParameter(f"{target.model!r} is no model's name that a path could hold; name another model", parameter="model")
    return f"/model/{quote(target.model, safe='')}/{operation}"


def count(request: CountRequest, target: Target, codec: Codec) -> Plan:
    """Count by POST /model/{model}/count-tokens."""
    made = encoded(request, target, codec)
    fields = {name: value for name, value in body_of(made).items() if name in _COUNTED}
    body = written({"input": {"converse": fields}})
    path = target.path + _path(target, "count-tokens")
    return (yield from count_by(target, moved(made, path, body), "inputTokens", made.notices))

"""The embedded provider's embeddings: made of the words of a text, always the same, and alike for texts that share words."""

from __future__ import annotations

import hashlib
import re
import struct
from base64 import b64encode
from math import sqrt
from typing import TYPE_CHECKING, Any

from saferoute.testing.checks import ListOf, Object, any_of, invalid, one_of, text, within
from saferoute.testing.counts import dump

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saferoute.values.json import Json

__all__ = ["answer_embeddings", "words_vector"]

_DEFAULT_DIMENSIONS = 64
_MOST_TEXTS = 2048
_WORD = re.compile(r"\w+")
_REQUEST = Object(
    {"model": text, "input": any_of(text, ListOf(text, least=1))},
    {"dimensions": within(1, 4096, whole=True), "encoding_format": one_of("float", "base64"), "user": text},
)


def answer_embeddings(body: Json, extra_fields: Iterable[str], *, strict: bool) -> bytes:
    """Answer POST /v1/embeddings.

    Raises:
        Refused: for a request that a strict provider refuses.
    """
    if strict:
        _REQUEST.allowing(extra_fields)(body, ())
    if not isinstance(body, dict):
        raise invalid((), "the body is not a JSON object")
    asked: Any = body.get("input")
    texts = [asked] if isinstance(asked, str) else list(asked or ())
    if not texts or len(texts) > _MOST_TEXTS or not all(isinstance(given, str) and given for given in texts):
        raise invalid(("input",), f"1 to {_MOST_TEXTS} texts are wanted, none of them empty", "invalid_value")
    dimensions = body.get("dimensions")
    length = dimensions if isinstance(dimensions, int) else _DEFAULT_DIMENSIONS
    as_base64 = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _written(words_vector(given, length), as_base64=as_base64)}
        for index, given in enumerate(texts)
    ]
    words = sum(len(_WORD.findall(given)) for given in texts)
    usage = {"prompt_tokens": words, "total_tokens": words}
    return dump({"object": "list", "model": "embedded-1", "data": data, "usage": usage})


def words_vector(given: str, length: int) -> list[float]:
    """The sum of a fixed direction for each word, of length 1."""
    total = [0.0] * length
    for word in _WORD.findall(given.lower()) or [given]:
        drawn = hashlib.shake_256(word.encode("utf-8", "surrogatepass")).digest(length)
        for place, byte in enumerate(drawn):
            total[place] += byte - 127.5
    size = sqrt(sum(number * number for number in total))
    return [number / size for number in total]


def _written(numbers: list[float], *, as_base64: bool) -> Json:
    if not as_base64:
        return list(numbers)
    return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()

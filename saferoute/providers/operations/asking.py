"""What operations of several dialects write alike: batches, opened options, requests, and embeddings that go out in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.errors import UnsupportedParameter
from saferoute.providers.operations.contract import Answered, Step, ask
from saferoute.providers.operations.reading import wrong
from saferoute.providers.writing import extra_fields, post
from saferoute.values.http import HttpRequest
from saferoute.values.outcome import added
from saferoute.values.request import ChatRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from saferoute.providers.codec import Noticing
    from saferoute.providers.operations.contract import EmbedRequest, OperationRequest, Plan
    from saferoute.values.embeddings import Vector
    from saferoute.values.http import Head
    from saferoute.values.target import Target
    from saferoute.values.usage import Usage

__all__ = ["JSON", "batches", "embed_in_batches", "get", "no_input_type", "opened", "post_json", "refused"]

JSON = "application/json"


def refused(operation: str, why: str) -> UnsupportedParameter:
    """The error for an operation that a dialect does not have."""
    return UnsupportedParameter(f"{operation}: {why}. Choose another route", parameter=operation)


def opened(request: OperationRequest, target: Target, taken: Collection[str], reserved: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the caller passes through, as far as the row opens it.

    Raises:
        UnknownOption: for a field that the row does not open, or that the call says already.
    """
    if not request.provider_options:
        return {}
    return extra_fields(ChatRequest((), provider_options=request.provider_options), target, reserved or {}, taken)


def post_json(target: Target, path: str, fields: Mapping[str, Any], *, accept: str = JSON) -> HttpRequest:
    """A request with a JSON body.

    Raises:
        InvalidMessages: for fields that JSON cannot hold.
    """
    return post(target, path, fields, {}, accept=accept)


def get(target: Target, path: str, headers: tuple[tuple[str, str], ...] = ()) -> HttpRequest:
    """A request without a body."""
    return HttpRequest(
        method="GET",
        origin=target.origin,
        path=target.path + path,
        headers=(("accept", JSON), *headers, *target.headers),
        body=b"",
        secret=target.secret,
        auth=target.auth,
        net=target.net,
    )


def batches(texts: Sequence[str], most: int, most_bytes: int) -> Iterator[tuple[str, ...]]:
    """Cut texts into runs that a provider takes: so many, and so many bytes of UTF-8; one that is larger goes alone."""
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode("utf-8", "surrogatepass"))  # half a pair is refused where it is written
        if batch and (len(batch) == most or size + length > most_bytes):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(text)
        size += length
    yield tuple(batch)


def no_input_type(request: EmbedRequest, noticing: Noticing) -> None:
    """Refuse `input_type`, or drop it if the call said so.

    Raises:
        UnsupportedParameter: unless `on_unsupported` is "drop".
    """
    if request.input_type is not None:
        noticing.unsupported("input_type", "this provider makes no difference between queries and documents")


def embed_in_batches(
    target: Target,
    cut: Iterator[tuple[str, ...]],
    write: Callable[[tuple[str, ...]], HttpRequest],
    read: Callable[[Head, Mapping[str, Any], int], tuple[list[Vector], Usage, str]],
    noticing: Noticing,
) -> Plan:
    """Send the batches one after the other, and put their vectors together in order.

    Args:
        target: where.
        cut: the batches.
        write: makes the request of a batch.
        read: reads the answer to a batch of so many texts: vectors, usage, and the model's name.
        noticing: what was changed until now.

    Raises:
        ProtocolError: if vectors of different batches have different lengths.
    """
    vectors: list[Vector] = []
    usages: list[Usage] = []
    model = ""
    for batch in cut:

        def read_batch(head: Head, body: Mapping[str, Any], size: int = len(batch)) -> tuple[list[Vector], Usage, str]:
            return read(head, body, size)

        made, usage, named = yield from ask(Step(write(batch), read_batch))
        if vectors and len(made[0]) != len(vectors[0]):
            raise wrong(target, "embeddings of different lengths")
        vectors += made
        usages.append(usage)
        model = model or named
    return Answered({"vectors": tuple(vectors)}, model, added(usages), tuple(noticing.notices))

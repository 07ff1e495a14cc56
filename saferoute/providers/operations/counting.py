"""Counting tokens: estimates where nobody counts, and what counting by a provider has in common.

A request is counted as it would be sent: the dialect writes it, and the counting endpoint gets of that what it takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from saferoute.errors import InvalidMessages
from saferoute.providers.fitting import fit
from saferoute.providers.operations.contract import Answered, Step, ask
from saferoute.providers.operations.reading import wrong
from saferoute.values.http import HttpRequest
from saferoute.values.json import decode, integer
from saferoute.values.messages import Audio, File, Image, Message, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.tokens import estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saferoute.providers.codec import Codec, Encoded
    from saferoute.providers.operations.contract import CountRequest, Plan
    from saferoute.values.events import Notice
    from saferoute.values.target import Target

__all__ = ["Guess", "body_of", "count_by", "encoded", "estimate_only", "estimated", "moved"]


def encoded(request: CountRequest, target: Target, codec: Codec) -> Encoded:
    """The chat request as the dialect would send it.

    Raises:
        RequestError: if the dialect cannot express it.
    """
    fitted, changed = fit(request.chat, target)
    try:
        made = codec.encode(fitted, target)
    except ValueError as error:
        msg = "the request cannot be written as JSON: a text holds a lone surrogate, a number is not finite, or a kept state was altered"
        raise InvalidMessages(msg) from error
    return replace(made, notices=changed + made.notices) if changed else made


def body_of(made: Encoded) -> dict[str, Any]:
    """The body of a request that a dialect wrote."""
    body: dict[str, Any] = decode(made.request.body)
    return body


def moved(made: Encoded, path: str, body: bytes) -> HttpRequest:
    """The same request with another path and body; its key, its headers and its origin stay."""
    request = made.request
    headers = tuple((name, "application/json" if name == "accept" else value) for name, value in request.headers)
    return HttpRequest("POST", request.origin, path, headers, body, request.secret, request.auth, request.net)


def count_by(target: Target, request: HttpRequest, field: str, notices: tuple[Notice, ...]) -> Plan:
    """Let the provider count.

    Args:
        target: where.
        request: what to send.
        field: where the answer holds the count.
        notices: what was changed for the request to be written.
    """

    def read(_: object, body: Mapping[str, Any]) -> int:
        tokens = integer(body.get(field))
        if tokens is None:
            raise wrong(target, f"no count in {field!r}")
        return tokens

    tokens = yield from ask(Step(request, read))
    return Answered({"tokens": tokens, "method": "provider", "low": tokens, "high": tokens}, notices=notices)


@dataclass(frozen=True, slots=True)
class Guess:
    """An estimate.

    Attributes:
        texts: what a model reads of the request.
        body_bytes: how large its JSON is.
        tools: whether it offers tools.
        unbounded: whether it has pictures, sound or documents.
        notices: what was changed for the request to be written.
    """

    texts: tuple[str, ...]
    body_bytes: int
    tools: bool
    unbounded: bool
    notices: tuple[Notice, ...]

    def answered(self, counted: int | None = None) -> Answered:
        """The result; `counted` are the tokens of the texts, where somebody counted those."""
        tokens, low, high = estimate(self.texts, self.body_bytes, tools=self.tools, unbounded=self.unbounded)
        if counted is not None:
            around = 4 * len(self.texts)
            low = max(1, counted - len(self.texts))  # what joins the texts was counted with them
            high = None if high is None else max(high, counted)
            tokens = counted + around if high is None else min(counted + around, high)
        return Answered({"tokens": tokens, "method": "estimate", "low": low, "high": high}, notices=self.notices)


def estimated(request: CountRequest, target: Target, codec: Codec) -> Guess:
    """Prepare an estimate; nothing is sent."""
    made = encoded(request, target, codec)
    chat = request.chat
    texts = [text for message in chat.messages for text in _texts(message)]
    for tool in chat.tools:
        texts += [tool.name, tool.description or "", tool.parameters.decode()]
    if chat.output is not None:
        texts.append(chat.output.schema.decode())
    parts = [part for message in chat.messages for part in message.content]
    inner = [part for part in parts if isinstance(part, ToolResult) for part in part.content]
    unbounded = any(isinstance(part, Image | File | Audio) for part in [*parts, *inner])
    return Guess(tuple(text for text in texts if text), len(made.request.body), bool(chat.tools), unbounded, made.notices)


def _texts(message: Message) -> Iterator[str]:
    for part in message.content:
        match part:
            case Text() | Refusal() | Reasoning():
                yield part.text
            case ToolCall():
                yield part.name
                yield part.arguments
            case ToolResult():
                yield part.text
            case _:  # a picture, sound or document: it has no text that could be counted
                pass


def estimate_only(request: CountRequest, target: Target, codec: Codec) -> Plan:
    """Estimate, where a dialect has no endpoint that counts: a plan without requests."""
    yield from ()
    return estimated(request, target, codec).answered()

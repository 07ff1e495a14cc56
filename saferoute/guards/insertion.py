"""Guards of the package that put something into a request: a canary, marks around what tools returned.

Such a guard is shared by all calls of a client and knows nothing of any. For each call it makes another one, with that call's nonce, which
inserts once the caller's own texts were judged and before the list of texts that may leave is frozen, and then judges the answer as every
guard does. What it inserts is saferoute's own: no guard judges it, and prompt integrity expects it.

Guards of others never insert, whatever methods they have: what they could put in, prompt integrity would take for approved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from saferoute.guards.stricter import bare, with_bare
from saferoute.values.guarding import ALLOWED
from saferoute.values.messages import Message, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saferoute.guards.pipeline import Active
    from saferoute.values.guarding import Context, Guard, Segment, Verdict
    from saferoute.values.request import ChatRequest

__all__ = ["Inserted", "Inserting", "OutsideACall", "PerCall", "check_nonce", "for_call", "inserted", "with_instruction"]

_NONCE: Final = re.compile(r"[a-z0-9]{16,64}\Z")


@dataclass(frozen=True, slots=True)
class Inserted:
    """A request with what a guard put into it.

    Attributes:
        request: the request that is to be sent.
        own: the instructions that were put in, in order, each a text part of a system message: saferoute's words, and nobody else's.
    """

    request: ChatRequest
    own: tuple[str, ...] = field(default=(), repr=False)


@runtime_checkable
class PerCall(Protocol):
    """A guard that judges each call by a guard of its own."""

    def for_call(self, nonce: str) -> Guard:
        """The guard of one call: of the same name, version and stages.

        Args:
            nonce: 16 to 64 lower case letters and digits, drawn for this call from the system's randomness.
        """


@runtime_checkable
class Inserting(Protocol):
    """A guard of one call that puts something into its request."""

    def insert(self, request: ChatRequest) -> Inserted:
        """The request with the insertion: the same for the same request."""


class OutsideACall:
    """What a guard of the package is that has another one made for each call: it finds nothing by itself, and holds nothing back."""

    __slots__ = ()

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Find nothing: outside a call there is nothing to look for."""
        del segment, context
        return ALLOWED

    def open_candidate(self, text: str, start: int = 0) -> int:
        """Nowhere."""
        del start
        return len(text)


def check_nonce(nonce: str) -> None:
    """Refuse what is no nonce.

    Raises:
        ValueError: for anything but 16 to 64 lower case letters and digits.
    """
    if type(nonce) is not str or not _NONCE.match(nonce):
        msg = "the nonce of a call is 16 to 64 lower case letters and digits, drawn for each call"
        raise ValueError(msg)


def for_call(active: Iterable[Active], nonce: str) -> tuple[Active, ...]:
    """The guards as one call asks them.

    Args:
        active: the client's.
        nonce: of this call; unused, and of no interest, if no guard wants one of its own for each call.
    """
    every = tuple(active)
    if not any(hasattr(type(bare(one.guard)), "for_call") for one in every):
        return every
    from saferoute.guards.canary import CanaryGuard  # noqa: PLC0415  for clients that have one of them
    from saferoute.guards.spotlighting import SpotlightingGuard  # noqa: PLC0415  likewise

    mine: list[Active] = []
    for one in every:
        guard = bare(one.guard)
        if type(guard) is CanaryGuard or type(guard) is SpotlightingGuard:
            mine.append(with_bare(one, guard.for_call(nonce)))
        else:
            mine.append(one)
    return tuple(mine)


def inserted(active: Iterable[Active], request: ChatRequest) -> Inserted:
    """The request with what the guards of its call put in, one after the other.

    Args:
        active: as `for_call` gave them.
        request: with the caller's texts, judged, and without what was to be taken out of them.
    """
    inserting = [guard for guard in (bare(one.guard) for one in active) if hasattr(type(guard), "insert")]
    if not inserting:
        return Inserted(request)
    from saferoute.guards.canary import CanaryOfCall  # noqa: PLC0415  as above
    from saferoute.guards.spotlighting import SpotlightingOfCall  # noqa: PLC0415  likewise

    own: tuple[str, ...] = ()
    for guard in inserting:
        if type(guard) is CanaryOfCall or type(guard) is SpotlightingOfCall:
            made = guard.insert(request)
            request, own = made.request, (*own, *made.own)
    return Inserted(request, own)


def with_instruction(request: ChatRequest, sentence: str) -> Inserted:
    """The request with a sentence of ours behind the leading system message's words, or in a system message of its own."""
    messages = request.messages
    if not messages or messages[0].role != "system":
        return Inserted(replace(request, messages=(Message("system", (Text(sentence),)), *messages)), (sentence,))
    first = messages[0]
    text = f"\n\n{sentence}"  # a part of its own; formats that have one string join the parts with nothing between them
    return Inserted(replace(request, messages=(replace(first, content=(*first.content, Text(text))), *messages[1:])), (text,))

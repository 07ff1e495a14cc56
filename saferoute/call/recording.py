"""What of a call goes into the ledger: an intent before each request leaves, and an outcome after it has ended.

An intent without an outcome says that the request may have been sent. No content goes in: commitments to it do, which the ledger makes.
"""

from __future__ import annotations

import logging
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from saferoute.call.charging import is_free
from saferoute.call.effects import Abandoned, Record
from saferoute.errors import CapabilityError, GuardError, LedgerError, RequestError, SaferouteError, TransportError
from saferoute.values.guarding import Action
from saferoute.values.json import encode
from saferoute.values.messages import Text
from saferoute.values.receipt import Entry
from saferoute.values.sealed import sealed
from saferoute.values.template import Rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal

    from saferoute.call.charging import Charge
    from saferoute.call.effects import Flow
    from saferoute.call.effects import Recorded as Done
    from saferoute.call.tries import Progress
    from saferoute.routing.table import RoutingTable
    from saferoute.values.guarding import Judged
    from saferoute.values.messages import Message
    from saferoute.values.receipt import LedgerWriter, Receipt
    from saferoute.values.target import Target
    from saferoute.values.usage import Usage

__all__ = [
    "Common",
    "Ending",
    "Recorded",
    "Recording",
    "code_of",
    "denial",
    "facts_of",
    "outcome",
    "recorded_end",
    "recorded_intent",
    "table_facts",
    "templates_in",
    "texts_asked",
]

_log = logging.getLogger("saferoute")

_LONGEST: Final = 256
_MOST_COUNT: Final = 2**53 - 1
_MOST_VERDICTS: Final = 64
_MOST_REASONS: Final = 8
_COPY: Final = "shadow: a copy of the call, whose answer is discarded"
_MOST_COMMON: Final = 256
_NAMING: Final = ("operation", "route", "data", "purpose", "table")
_NO_CONTENT: Final[Mapping[str, bytes]] = MappingProxyType({})


class Common:
    """What records of many calls have in common, by where these go: the same objects for all of them, so that a ledger writes them once."""

    __slots__ = ("_bytes_of", "_known")

    def __init__(self) -> None:
        self._bytes_of: Callable[[Message], bytes] | None = None
        self._known: dict[tuple[str | None, ...], tuple[Mapping[str, Any], Mapping[str, Any], Target]] = {}

    def of(self, facts: Mapping[str, Any], target: Target) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """What an intent, and what an outcome has in common with others.

        Args:
            facts: see `facts_of`.
            target: where the request goes.
        """
        key = facts["operation"], facts["route"], facts["data"], facts["purpose"], target.id, target.model
        found = self._known.get(key)
        if found is None or found[0]["table"] is not facts["table"] or (found[2] is not target and not _goes_alike(found[2], target)):
            prices = target.prices
            where = {"target": target.id, "model": target.model, "provider": target.provider_name, "origin": target.origin}
            intent = {name: facts[name] for name in _NAMING} | where | {"secret": target.secret}
            outcome = {"route": facts["route"], "target": target.id, "currency": None if prices is None else prices.currency}
            if len(self._known) >= _MOST_COMMON:
                self._known.clear()
            self._known[key] = found = MappingProxyType(intent), MappingProxyType(outcome), target
        return found[0], found[1]

    def answered(self, message: Message) -> bytes:
        """What the commitment to an answer is made over."""
        if self._bytes_of is None:
            from saferoute.ledger.commitment import message_bytes  # noqa: PLC0415  clients with a ledger only, and once

            self._bytes_of = message_bytes
        return self._bytes_of(message)


def _goes_alike(one: Target, other: Target) -> bool:
    """Whether records say the same of two targets that have one id and one model, such as those of two calls with timeouts of their own."""
    same = one.provider_name == other.provider_name and one.origin == other.origin and one.secret == other.secret
    return same and one.prices == other.prices


@sealed
class Recording:
    """How a call is recorded.

    Attributes:
        writer: where its records go.
        facts: the fields that all of its records have.
        asked: makes what the commitment to the request is made over as the caller gave it, from before guards were asked.
        templates: the prompt templates that the request was made with: name and digest.
        stream: whether the answer is wanted as it comes.
        is_copy: it is the copy of a call, for a shadow.
        common: what its records have in common with those of other calls.
    """

    writer: LedgerWriter
    facts: Mapping[str, Any]
    asked: Callable[[], bytes]
    templates: tuple[tuple[str, str], ...] = ()
    stream: bool = False
    is_copy: bool = False
    common: Common = field(default_factory=Common)


def texts_asked(plain: Sequence[str]) -> bytes:
    """What the commitment to a chat is made over: the JSON list of its texts, each behind its kind, in order.

    Args:
        plain: kind and text in turn, as they were frozen before any guard saw them.
    """
    return encode(plain)


def templates_in(messages: Iterable[Message]) -> tuple[tuple[str, str], ...]:
    """Name and digest of every prompt template that messages were made with, each once, in order."""
    made = [part.template for message in messages for part in message.content if isinstance(part, Text) and part.template is not None]
    return tuple({(one.name, one.sha256): None for one in made if isinstance(one, Rendered)})


class Recorded(Protocol):
    """What of a call its records are made of."""

    @property
    def recording(self) -> Recording | None:
        """How it is recorded; None for not at all."""

    @property
    def charge(self) -> Charge | None:
        """What every attempt is charged to; None where nothing is counted."""

    @property
    def verdicts(self) -> tuple[Judged, ...]:
        """What guards said about the request."""


@sealed
class Ending:
    """How a request has ended.

    Attributes:
        word: "ok", or the class of an error.
        deny: the code of a refusal.
        model: what answered, as the provider reported it.
        finish_reason: why the answer ended.
        request_id: the provider's id of the exchange.
        usage: what it used.
        cost: what it cost, in the currency of the row's prices.
        estimated: it may be billed, and what is charged for it is its worst case.
        verdicts: what guards said about the answer.
        content: what a commitment to the answer is made over.
        requests: how many left, where no answer came that says so.
    """

    word: str
    deny: str | None = None
    model: str | None = None
    finish_reason: str | None = None
    request_id: str | None = None
    usage: Usage | None = None
    cost: Decimal | None = None
    estimated: bool = False
    verdicts: Sequence[Judged] = ()
    content: bytes | None = None
    requests: int = 1


def table_facts(table: RoutingTable, trust: str) -> dict[str, Any]:
    """Which table, for records."""
    return {"name": table.name, "version": table.version, "sha256": table.digest, "trust": trust}


def facts_of(
    call: str,
    operation: str,
    route: str,
    table: Mapping[str, Any],
    *,
    capabilities: Iterable[str] = (),
    data: str | None = None,
    purpose: str | None = None,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The fields that all records of a call have.

    Args:
        call: the call's id.
        operation: such as "chat".
        route: the name that was asked for.
        table: see `table_facts`.
        capabilities: digests of the chains that it is made under.
        data: its data label.
        purpose: what it is for.
        tags: the program's words about it.
    """
    return {
        "call": call,
        "operation": operation,
        "route": _plain(route),
        "table": table,
        "capabilities": list(capabilities),
        "data": data,
        "purpose": None if purpose is None else _plain(purpose),
        "tags": {_plain(name): _plain(value) for name, value in tags.items()} if tags else {},
    }


def recorded_intent(call: Recorded, target: Target, progress: Progress, body: bytes, system: str | None) -> Flow[None]:
    """Record that a request is about to leave.

    Args:
        call: the call, which is recorded.
        target: where the request goes.
        progress: where the call stands.
        body: the request's body.
        system: the instructions in it; None for none, or an operation that has no place for them.

    Raises:
        LedgerError: it could not be written; nothing was sent.
    """
    recording = _of(call)
    facts = recording.facts
    progress.attempt = next(progress.numbers)
    worst = None if call.charge is None else call.charge.worst.get(target.id)
    fields = {
        "call": facts["call"],
        "capabilities": facts["capabilities"],
        "tags": facts["tags"],
        "attempt": progress.attempt,
        "why": _COPY if recording.is_copy else progress.why[:_LONGEST],
        "rejected": [[name, why[:_LONGEST]] for name, why in progress.rejected] if progress.rejected else [],
        "stream": recording.stream,
        "templates": [{"name": name, "sha256": digest} for name, digest in recording.templates] if recording.templates else [],
        "verdicts": _said(call.verdicts),
        "max_cost": None if worst is None else {"nano": worst.amount, "currency": worst.currency},
    }
    try:
        contents = {"asked": recording.asked(), "request": body}
    except (RequestError, ValueError):  # what has no hash could not be written either, but for options that no format has a place for
        contents = {"request": body}
    common, _ = recording.common.of(facts, target)
    done: Done = yield Record(recording.writer, Entry("intent", fields, contents, system, facts["route"], common))  # type: ignore[assignment]  # what it is answered
    progress.now, progress.intent, progress.receipt = done.now, "" if done.receipt is None else done.receipt.id, None


def outcome(recording: Recording, target: Target, progress: Progress, ending: Ending) -> Flow[Receipt | None]:
    """Record how the request under way has ended.

    Args:
        recording: how the call is recorded.
        target: where the request went.
        progress: where the call stands.
        ending: how.

    Returns:
        The receipt; None where it could not be written: nothing is taken from the caller for that, and the next intent finds it out.
    """
    head, facts = progress.head, recording.facts
    usage = ending.usage
    fields = {
        "call": facts["call"],
        "capabilities": facts["capabilities"],
        "tags": facts["tags"],
        "intent": progress.intent or None,
        "attempt": progress.attempt,
        "outcome": ending.word,
        "deny": ending.deny,
        "status": None if head is None else head.status,
        "requests": ending.requests if head is None else head.requests,
        "model": None if ending.model is None else ending.model[:_LONGEST],
        "finish_reason": ending.finish_reason,
        "request_id": None if ending.request_id is None else ending.request_id[:_LONGEST],
        "usage": None
        if usage is None
        else {
            name: count if count is not None and 0 <= count <= _MOST_COUNT else None  # no answer keeps itself off the record by its figures
            for name, count in (
                ("input", usage.input_tokens),
                ("output", usage.output_tokens),
                ("cache_read", usage.cache_read_input_tokens),
                ("cache_write", usage.cache_creation_input_tokens),
                ("reasoning", usage.reasoning_output_tokens),
            )
        },
        "cost": None if ending.cost is None else format(ending.cost, "f"),
        "estimated": ending.estimated,
        "us": max(0, round((progress.now - progress.began) * 1_000_000)),
        "first_us": None if progress.first is None else max(0, round(progress.first * 1_000_000)),
        "verdicts": _said(ending.verdicts),
    }
    progress.intent = None
    contents = _NO_CONTENT if ending.content is None else {"response": ending.content}
    _, common = recording.common.of(facts, target)
    try:
        done: Done = yield Record(recording.writer, Entry("outcome", fields, contents, None, facts["route"], common))  # type: ignore[assignment]  # what it is answered
    except LedgerError as error:
        _log.warning("saferoute: the outcome of a call could not be recorded, and its intent is all there is: %s", error)
        return None
    progress.now, progress.receipt = done.now, done.receipt
    return done.receipt


def recorded_end(call: Recorded, target: Target, progress: Progress, error: BaseException) -> Flow[None]:
    """Record how a request has ended that brought no answer, and give its receipt to the error."""
    ending = Ending(
        type(error).__name__,
        deny=code_of(error),
        estimated=progress.billed is None and not (isinstance(error, SaferouteError) and is_free(error, progress)),
        verdicts=error.verdicts if isinstance(error, GuardError) else (),
        requests=0 if isinstance(error, TransportError) and not error.sent else 1,
    )
    receipt = yield from outcome(_of(call), target, progress, ending)
    if isinstance(error, SaferouteError | Abandoned):
        error.receipt = receipt


def denial(facts: Mapping[str, Any], error: SaferouteError, asked: bytes) -> Entry:
    """The record of a call that ended with an error, and without an outcome of its own.

    Args:
        facts: see `facts_of`.
        error: what it ended with.
        asked: what the commitment to the request is made over; empty where it never came to one.
    """
    fields = {
        **facts,
        "error": type(error).__name__,
        "deny": code_of(error),
        "verdicts": _said(error.verdicts if isinstance(error, GuardError) else ()),
        "rejected": [[name, _plain(why)] for name, why in error.rejected] if isinstance(error, CapabilityError) else [],
    }
    return Entry("denial", fields, {"asked": asked} if asked else _NO_CONTENT, None, facts["route"])


def _plain(text: str) -> str:
    """A text of the caller's as a record can have it: bounded, and without lone surrogates."""
    return text if len(text) <= _LONGEST and text.isascii() else text[:_LONGEST].encode("utf-8", "replace").decode()


def code_of(error: BaseException) -> str | None:
    """Why it was refused, in a word fit for counting: the code of a capability's denial, a guard's name. None for what is no refusal."""
    if isinstance(error, CapabilityError):
        return error.code
    if isinstance(error, GuardError):
        blocking = [one.guard for one in error.verdicts if one.verdict.action is Action.BLOCK]
        return _plain(f"guard:{blocking[0]}") if blocking else "guard"
    return None


def _of(call: Recorded) -> Recording:
    recording = call.recording
    assert recording is not None  # noqa: S101  only calls that are recorded come here
    return recording


def _said(verdicts: Sequence[Judged]) -> list[dict[str, Any]]:
    if not verdicts:
        return []
    return [
        {
            "guard": one.guard[:_LONGEST],
            "version": one.version[:_LONGEST],
            "stage": one.stage,
            "action": one.verdict.action.name.lower(),
            "path": one.path[:_LONGEST],
            "reasons": [reason[:_LONGEST] for reason in one.verdict.reasons[:_MOST_REASONS]],
        }
        for one in verdicts[:_MOST_VERDICTS]
    ]

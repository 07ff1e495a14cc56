"""The one call path: what happens between a request and its reply, as a generator of effects.

Sync, async, stream and whole body all run this. It decides about retries and fallback, and never switches targets after the
consumer has seen an event.
"""

from __future__ import annotations

from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from typing_extensions import override

from saferoute.call.attempt import on_record
from saferoute.call.balancing import Balancing
from saferoute.call.charging import cost_in
from saferoute.call.compared import encode_approved
from saferoute.call.effects import emit, finish, read, send, spawn
from saferoute.call.guarding import rest_of
from saferoute.call.recording import Ending, outcome, recorded_intent
from saferoute.call.tries import Progress, id_of, tries
from saferoute.errors import GuardError, OutputInvalid
from saferoute.errors.root import KEY_PREFIX
from saferoute.providers.decoder import Decoder
from saferoute.providers.fitting import fit
from saferoute.values.cost import cost_of
from saferoute.values.events import Completed, Finished, Notice, Noticed, Started
from saferoute.values.fold import Fold
from saferoute.values.http import Clocks
from saferoute.values.messages import Message
from saferoute.values.reply import NOT_YET, Attempt, Reply
from saferoute.values.sealed import assembler, sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.call.charging import Charge
    from saferoute.call.effects import Flow
    from saferoute.call.guarding import Answering, Guarding
    from saferoute.call.guarding_conclusions import Cleared
    from saferoute.call.recording import Recording
    from saferoute.errors.root import PartialReply
    from saferoute.guards.approval import Approved
    from saferoute.providers.codec import Codec
    from saferoute.providers.text_memory import TextMemory
    from saferoute.values.events import DecodedEvent, StreamEvent
    from saferoute.values.guarding import Judged
    from saferoute.values.output import Output
    from saferoute.values.receipt import Receipt
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Dialect, Target

__all__ = ["Call", "call_flow", "plain_name"]

_LONGEST_NAME: Final = 256
_Attempt = assembler(Attempt)
_Clocks = assembler(Clocks)
_Reply = cast("type[Reply[object]]", assembler(Reply))
_NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})


@sealed
class Call:
    """Everything that is decided before the first byte leaves.

    Attributes:
        route: the name that the caller asked for.
        request: what the caller means.
        targets: the rows that may answer, authorised, in the table's order; at least one.
        max_attempts: how many requests the call may send.
        total: the whole call's allowance in seconds; None takes the first target's.
        output: what the answer must fit.
        notices: what was filled in or changed before the call.
        codec: finds a dialect.
        recheck: raises if a row is not what was verified.
        random: makes numbers in [0, 1).
        new_id: gives an answer its id: the provider's own, or a unique one where that is empty or was given before.
        charge: what every attempt is charged to; None where nothing is counted.
        balancing: what the choice of rows goes by.
        shadow: a copy of the call for another row, whose answer is discarded; None for none.
        guarding: the guards; None for none.
        again: prepares the call anew for what guards left of its request.
        verdicts: what guards said about the request.
        approved: the texts that may leave; None for a call that was made by hand, in tests.
        conversation: the caller's messages, which the reply goes on from; None for those of the request.
        recording: how the call is recorded; None for not at all.
        tags: the program's words about it.
        tally: counts what attempts cost.
        memory: what the client has read in bodies before; None for nothing.
    """

    route: str
    request: ChatRequest
    targets: tuple[Target, ...]
    max_attempts: int
    total: float | None
    output: Output | None
    notices: tuple[Notice, ...]
    codec: Callable[[Dialect], Codec]
    recheck: Callable[[Target], None]
    random: Callable[[], float]
    new_id: Callable[[str], str]
    charge: Charge | None = None
    balancing: Balancing = field(default_factory=Balancing)
    shadow: Call | None = None
    guarding: Guarding | None = None
    again: Callable[[Cleared], Call] | None = None
    verdicts: tuple[Judged, ...] = ()
    approved: Approved | None = None
    conversation: tuple[Message, ...] | None = None
    recording: Recording | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)
    tally: Callable[..., None] | None = None
    memory: TextMemory | None = None

    def affords(self, target: Target) -> bool:  # noqa: ARG002  as `Tried`; a chat call's bound is its `balancing.cap`
        """See `Tried`."""
        return True


class _Progress(Progress):
    """What has happened in a chat call so far."""

    __slots__ = ("fold", "guards", "message", "shown")

    message: Message  # once the answer is whole

    @override
    def begin(self) -> None:
        self.began = self.now
        self.head = None
        self.first = None
        self.receipt = None
        self.counted = False
        self.fold = Fold()
        self.guards: Answering | None = None
        self.shown = False  # whether what stands before the first content was handed out

    @override
    def become(self, other: Progress) -> None:
        super().become(other)
        mine = cast("_Progress", other)
        self.fold, self.guards, self.shown = mine.fold, mine.guards, mine.shown

    @override
    def partial(self) -> PartialReply | None:
        fold: Fold | None = getattr(self, "fold", None)  # there is none before the first attempt has begun
        if fold is None or fold.started is None:
            return None
        if self.guards is not None and fold.completed is None:
            fold.add(self.guards.cut())  # what was held back for what might have followed; nothing will
        return fold.partial()


def call_flow(call: Call, now: float) -> Flow[Reply[object]]:
    """Run one call.

    Args:
        call: what to do.
        now: the driver's monotonic time.

    Returns:
        The reply.

    Raises:
        ProviderError, TransportError, ProtocolError: with `attempts` holding every try. StreamInterrupted carries the partial answer.
        RequestError: when a dialect cannot express the request; nothing was sent.
        GuardError: a guard blocks the request, or the answer.
    """
    return tries(call, _Progress(now), _attempt) if call.guarding is None else _guarded(call, call.guarding, now)


def _guarded(call: Call, guarding: Guarding, now: float) -> Flow[Reply[object]]:
    """Run a call whose request is judged first. What guards of others took in time is the call's."""
    began = now
    cleared = yield from guarding.of_request(call.targets[0].deadlines.total if call.total is None else call.total)
    if cleared.texts and call.again is not None:  # it is recorded with what its caller asked
        call = replace(call.again(cleared), recording=call.recording)
    total, now = rest_of(call.total, call.targets[0].deadlines.total, now, cleared)
    shadow, recording = call.shadow, call.recording
    if shadow is not None:
        copied = None if recording is None else replace(recording, is_copy=True, stream=False)
        shadow = replace(shadow, recording=copied, verdicts=cleared.verdicts)
    progress = _Progress(now)
    progress.entered = began
    if cleared.verdicts or cleared.texts or total != call.total or shadow is not None:  # else it is as it was, as good as always
        call = replace(call, guarding=guarding, verdicts=cleared.verdicts, total=total, shadow=shadow)
    return (yield from tries(call, progress, _attempt))


def _attempt(call: Call, target: Target, progress: _Progress, total: float, deadline: float) -> Flow[Reply[object]]:
    call.recheck(target)
    codec = call.codec(target.dialect)
    request, fitted = fit(call.request, target)
    encoded, said = encode_approved(call, codec, request, target)
    body, recording = None if said is None else encoded.request.body, call.recording
    times = target.deadlines
    clocks = _Clocks(times.connect, times.first_byte, times.idle, total, deadline, progress.last, body)
    fold = progress.fold
    decoder = Decoder(codec.reader(target), target.provider_name)
    if call.shadow is not None and not progress.copied:
        # By now this attempt has its place under the limits, its nonce and its reservation: the copy takes what is left, or does not go.
        progress.copied = True
        progress.now = yield from spawn(call_flow(call.shadow, progress.now))
    if recording is not None:
        yield from recorded_intent(call, target, progress, encoded.request.body, _instructions(said))
    began = progress.now
    opened = yield from send(encoded.request, clocks)
    progress.now, progress.head = opened.now, opened.head
    if opened.head.requests > 1:
        progress.key_refused(target)
    decoder.head(opened.head)
    notices = call.notices + fitted + encoded.notices
    if opened.head.notes:
        notices += tuple(Notice("noted", "secret", note) for note in opened.head.notes)
    held: list[StreamEvent[object]] = [Noticed(notice) for notice in notices]
    guards = progress.guards = _judging(call)
    while fold.completed is None:
        chunk = yield from read()
        progress.now = chunk.now
        events: Sequence[DecodedEvent] = (
            decoder.feed(chunk.data) if chunk.data else decoder.close()
        )  # close() completes the answer or raises
        if progress.first is None and events:
            _note_first_token(events, progress, call, target)
        if guards is not None and events:
            events = yield from _let_through(guards, events, deadline, progress, target)
        if events:
            fold.add(events)
            if call.request.stream:
                held = yield from _show(held, events, progress)
        if decoder.failure is not None:
            raise decoder.failure
    yield from finish()
    if request.n > 1 or request.logprobs is not None:
        notices += _fewer(request, fold.completed)
    progress.message = Message("assistant", fold.content())
    usage = fold.completed.usage
    cost = cost_of(usage, target.prices)
    progress.tokens, progress.usage, progress.cost = usage.total_tokens, usage, cost
    attempt = _Attempt(
        target.id,
        target.model,
        "ok",
        opened.head.status,
        progress.now - began,
        id_of(opened.head),
        progress.why,
        progress.rejected,
        progress.first,
        cost,
        target.secret,
        began - progress.entered,
    )
    if call.charge is not None:
        progress.billed = cost_in(cost, target.prices)
    if recording is not None:
        yield from _recorded_answer(recording, target, progress, attempt)
    reply = _reply(call, target, progress, notices, attempt, fenced=request.json_object)
    if call.request.stream:
        progress.visible = True
        progress.now = yield from emit([*held, Finished(reply)])
    return reply


def _instructions(said: Sequence[tuple[str, str, str]] | None) -> str | None:
    """The system prompt of a finished body, of what was read back out of it."""
    found = [text for kind, _, text in said or () if kind == "system"]
    return "\n\n".join(found) if found else None


def _recorded_answer(recording: Recording, target: Target, progress: _Progress, attempt: Attempt) -> Flow[Receipt | None]:
    """Record a whole answer, before anybody is told of it."""
    started, completed = progress.fold.started, cast("Completed", progress.fold.completed)
    ending = Ending(
        "ok",
        model=plain_name(started.model if started else "") or None,
        finish_reason=completed.finish_reason,
        request_id=attempt.request_id,
        usage=completed.usage,
        cost=attempt.cost,
        verdicts=() if progress.guards is None else progress.guards.verdicts,
        content=recording.common.answered(progress.message),
    )
    return outcome(recording, target, progress, ending)


def _judging(call: Call) -> Answering | None:
    if call.guarding is None or not call.guarding.answers:
        return None
    return call.guarding.of_answer(whole=not call.request.stream, is_json=call.output is not None)


def _let_through(
    guards: Answering, events: Sequence[DecodedEvent], deadline: float, progress: _Progress, target: Target
) -> Flow[Sequence[DecodedEvent]]:
    """What of the events may be shown. An answer that is refused was sent for, and is on record."""
    try:
        return (yield from guards.let_through(events, deadline - progress.now))
    except GuardError as error:
        progress.attempts += (on_record(target, progress, type(error).__name__, progress.now - progress.began),)
        raise


def _note_first_token(events: Sequence[DecodedEvent], progress: _Progress, call: Call, target: Target) -> None:
    """Keep when the provider first said something, whatever guards make of it: what it began, no other row begins anew."""
    if call.request.stream and not all(type(event) is Started for event in events):
        progress.visible = True
        progress.first = progress.now - progress.began
        call.balancing.health.first_token(target, progress.now, progress.first)


def _show(held: list[StreamEvent[object]], events: Sequence[DecodedEvent], progress: _Progress) -> Flow[list[StreamEvent[object]]]:
    """Hand events to the consumer; the first ones wait for content, so that a fallback is possible until then."""
    if progress.shown:
        shown: Sequence[StreamEvent[object]] = events  # type: ignore[assignment]  # all but Completed, which goes below
    else:
        held += events  # type: ignore[arg-type]  # as above
        if all(type(event) in {Started, Noticed} for event in held):
            return held
        shown = held
    if isinstance(events[-1], Completed):
        shown = shown[:-1]  # the consumer sees Finished in its place
    progress.shown = True
    if shown:
        before, progress.now = progress.now, (yield from emit(shown))
        if progress.now - before > progress.held:  # noqa: PLR1730  max() would be one more call for every piece
            progress.held = progress.now - before
    return []


def _fewer(request: ChatRequest, completed: Completed) -> tuple[Notice, ...]:
    """What was asked for, and not given, and not refused either: some servers leave it out in silence."""
    found: list[Notice] = []
    if len(completed.alternatives) < request.n - 1:
        found.append(Notice("noted", "n", f"{request.n} answers were asked for, and {len(completed.alternatives) + 1} came"))
    if request.logprobs is not None and not completed.logprobs:
        found.append(Notice("noted", "logprobs", "were asked for, and none came"))
    return tuple(found)


def _reply(
    call: Call, target: Target, progress: _Progress, notices: tuple[Notice, ...], attempt: Attempt, *, fenced: bool
) -> Reply[object]:
    started, completed = progress.fold.started, cast("Completed", progress.fold.completed)
    message = progress.message
    reply = _Reply(
        message,
        (*(call.request.messages if call.conversation is None else call.conversation), message),
        completed.finish_reason,
        completed.raw_finish_reason,
        completed.usage,
        attempt.cost,
        call.route,
        target.id,
        plain_name(started.model if started else "") or target.model,
        target.provider_name,
        call.new_id(plain_name(started.id if started else "")),
        attempt.request_id,
        notices,
        (*progress.attempts, attempt),
        {target.provider_name: metadata} if (metadata := completed.metadata) else {},
        completed.logprobs,
        completed.alternatives,
        call.verdicts if progress.guards is None else call.verdicts + progress.guards.verdicts,
        progress.receipt,
    )
    return reply if call.output is None else _parsed(reply, call.output, fenced=fenced)


def _parsed(reply: Reply[object], output: Output, *, fenced: bool) -> Reply[object]:
    if reply.finish_reason in {"tool_call", "pause"} and not reply.text:
        return replace(reply, _parsed=NOT_YET)  # the parsed answer comes in a later turn
    if reply.finish_reason not in {"stop", "stop_sequence", "other", "tool_call"}:
        msg = f"there is no parsed answer: the model ended with finish_reason {reply.finish_reason!r}; error.reply holds what it wrote"
        raise OutputInvalid(msg, reply=reply)
    try:
        value = output.parse(reply.text, fenced=fenced)
    except OutputInvalid as error:
        raise OutputInvalid(f"{error.message}; error.reply holds what the model wrote", reply=reply) from None
    return replace(reply, _parsed=value, _has_parsed=True)


def plain_name(name: str) -> str:
    """A name that a provider made up, fit for logs and spans: printable, one word, bounded, and not shaped like a key; else nothing."""
    fits = len(name) <= _LONGEST_NAME and name.isprintable() and " " not in name and not KEY_PREFIX.match(name)
    return name if fits else ""

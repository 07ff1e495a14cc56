"""From a caller's arguments to a Call: everything that is decided before the first byte leaves."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from saferoute.call.admission import admitted, check_provider_options, check_route, rows_of
from saferoute.call.charging import charge_for
from saferoute.call.flow import Call
from saferoute.call.guard_rules import Way, guarded, rules_of
from saferoute.call.rules import nonce_from
from saferoute.capabilities.asked import asked_hash
from saferoute.capabilities.authorise import Asked, counts_money, output_bound, sizes_input, tightest_output
from saferoute.capabilities.extras import repricing, server_tools
from saferoute.errors import InvalidMessages, NoRoute, RequestError, UnsupportedParameter
from saferoute.guards.approval import approved
from saferoute.guards.insertion import inserted
from saferoute.guards.size import check_size
from saferoute.guards.templates import check_pinned, with_templates
from saferoute.providers.fitting import fit, instructions
from saferoute.routing.resolve import resolve
from saferoute.values.balancing import PLAIN_POLICY, Facts
from saferoute.values.conversation import messages_from
from saferoute.values.events import Notice
from saferoute.values.messages import Audio, File, Image, Text, ToolCall, ToolResult
from saferoute.values.options import check_options
from saferoute.values.request import ChatRequest
from saferoute.values.sealed import assembler, sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from saferoute.call.authority import Powers
    from saferoute.call.guarding import Guarding
    from saferoute.call.guarding_conclusions import Cleared
    from saferoute.call.rules import Rules
    from saferoute.call.snapshot import Snapshot
    from saferoute.values.balancing import Policy
    from saferoute.values.conversation import Messages
    from saferoute.values.output import Output
    from saferoute.values.permission import Permission
    from saferoute.values.target import Target
    from saferoute.values.template import Template

__all__ = ["prepare"]

_ADDED: Final = 512
"""Tokens that a provider puts before a request with tools, or with a schema, to explain them to the model; Anthropic bills up to 346."""

_BYTES_PER_TOKEN: Final = 4
_AROUND: Final = 16
"""Bytes that the form around a message takes."""

_MEDIA: Final = 4_000
"""What a picture, a sound or a document counts as, in bytes of text: a thousand tokens."""

_CHOICES: Final = frozenset({"auto", "none", "required"})
_REQUEST_FIELDS: Final = frozenset(ChatRequest.__dataclass_fields__)
_ChatRequest = assembler(ChatRequest)


def prepare(
    snapshot: Snapshot,
    route: str,
    messages: Messages,
    *,
    output: Output | None,
    system: str | Template | None,
    options: Mapping[str, Any],
    stream: bool,
) -> Call:
    """Check, resolve and authorise one call.

    Args:
        snapshot: table, trust and the client's defaults.
        route: alias, row id or provider/model.
        messages: the conversation, in any form that a caller may write.
        output: what the answer must fit.
        system: instructions to put first.
        options: the caller's options, unchecked.
        stream: whether events are wanted as they come.

    Raises:
        RequestError: for arguments that cannot be sent.
        RoutingError: for an expired table, an unknown route, or one whose rows are all halted.
        CapabilityError: for a call that a capability, or the grant, does not allow.
    """
    now = snapshot.clock()
    snapshot.opened.check(now)
    check_route(route)
    checked = check_options(options) if options else {}
    fields = {name: value for name, value in checked.items() if name in _REQUEST_FIELDS} if checked else {}
    request = _ChatRequest(
        messages_from(messages, system=system, templates=True), output=output.schema if output else None, stream=stream, **fields
    )
    max_cost: Decimal | None = checked.get("max_cost")
    given = request  # with templates by name

    def asking() -> str:
        return asked_hash("chat", route, given, purpose=snapshot.purpose, data=given.data, max_cost=max_cost)

    powers = snapshot.authority.powers(checked.get("capability"), asking, now)
    table = snapshot.opened.table
    request = with_templates(request, table.templates)  # what was asked holds names and values; what is judged and sent, the words
    if request.data is None and snapshot.data is not None:
        request = replace(request, data=snapshot.data)
    _check_choice(request)
    if request.n > 1 and stream:
        msg = "n makes several whole answers, which a stream cannot hold: call client.chat, or stream without n"
        raise RequestError(msg)
    resolved, policy = snapshot.opened.running(resolve(table, route)), table.policy(route)
    way = Way(resolved, policy, rows_of(policy, resolved))
    nonce = partial(nonce_from, snapshot.random)
    rules = rules_of(snapshot.guards, snapshot.strict, table.guard_profiles, way.rows, nonce)
    # What guards take something out of is planned anew; its turn among the rows is the one that it has.
    turn = cache(partial(snapshot.health.turn, route)) if policy.strategy == "round_robin" else _no_turn
    if rules.looks:
        check_size(request, rules.most_characters)
    plan = _Plan(snapshot, route, way, rules, powers, output, checked, asking, turn, now)
    guards = guarded(route, rules, request, partial(_planned, plan), nonce) if rules.looks else (None, None)
    call = _planned(plan, request, *guards)
    if rules.templates:
        check_pinned(request, rules.templates, table.templates)
    return call


@sealed
class _Plan:
    """What a call is planned by, whatever guards leave of its request."""

    snapshot: Snapshot
    route: str
    way: Way
    rules: Rules
    powers: Powers
    output: Output | None
    checked: Mapping[str, Any]
    asking: Callable[[], str]
    turn: Callable[[], int]
    now: float


def _no_turn() -> int:
    return 0


def _planned(plan: _Plan, request: ChatRequest, guarding: Guarding | None = None, again: Callable[[Cleared], Call] | None = None) -> Call:
    """Authorise a request: the caller's own, with what guards it; or what guards left of it."""
    snapshot, route, powers, checked, now = plan.snapshot, plan.route, plan.powers, plan.checked, plan.now
    max_cost, (resolved, policy, rows), rules = checked.get("max_cost"), plan.way, plan.rules
    check_provider_options(request, rows)
    given = request
    if rules.inserts:
        request = inserted(rules.active, request).request
    permissions, worded = powers.permissions, request
    request, notices = _fill_bounds(permissions, request, resolved)  # which changes no text
    priced = max_cost is not None or (bool(permissions) and sizes_input(permissions)) or policy.shadow is not None
    asked = _asked(snapshot, route, request, rows, rules.names, priced=priced, now=now)
    if powers.needs_hash:
        asked = replace(asked, request=plan.asking())
    tags = snapshot.tagged(checked.get("tags"))
    facts = _facts(policy, plan.turn, request, tags)
    fix = "pass a lower max_output_tokens, or a higher max_cost"
    admission = admitted(snapshot, asked, permissions, resolved, policy=policy, options=checked, facts=facts, fix=fix)
    shadow = admission.shadow
    if shadow is not None:
        notices += (
            Notice(
                "noted",
                "route",
                f"a copy of this call goes to {shadow.id} if there is room; its answer is discarded",
            ),
        )
    frozen = approved(request, instructions(request))
    call = Call(
        route,
        request,
        admission.targets,
        admission.attempts,
        checked.get("timeout"),
        plan.output,
        notices,
        snapshot.codec,
        partial(recheck, snapshot, powers),
        snapshot.random,
        snapshot.new_id,
        charge_for(snapshot.accounts, permissions, asked, admission.rows, powers.once),
        admission.balancing,
        guarding=guarding,
        again=again,
        approved=frozen,
        memory=snapshot.memory,
        conversation=given.messages,
        recording=None
        if snapshot.ledger is None
        else snapshot.chat_recording(route, powers, given, frozen if given is worded else approved(given), tags),
        tags=tags,
        tally=snapshot.tally(route, powers, tags, now),
    )
    return call if shadow is None else replace(call, shadow=_copy(call, shadow))


def _copy(call: Call, target: Target) -> Call:
    """The call as its shadow gets it: one request, whole, with the same reservations and limits; a nonce is used up once only."""
    charge, recording = call.charge, call.recording
    return replace(
        call,
        recording=None if recording is None else replace(recording, is_copy=True, stream=False),
        request=replace(call.request, stream=False),
        guarding=None,  # it is sent what the call's own guards let through
        again=None,
        targets=(target,),
        max_attempts=1,
        output=None,
        charge=None if charge is None else replace(charge, once=None),
        balancing=replace(call.balancing, policy=PLAIN_POLICY, fallback={}, wait=False, last_resort=False),
    )


def _facts(policy: Policy, turn: Callable[[], int], request: ChatRequest, tags: Mapping[str, str]) -> Facts:
    """What strategies look at; of a name without a policy they look at nothing but, for its limits, the tokens."""
    if policy.strategy == "ordered":
        return Facts(lambda: _tokens(request), 0, request.stream)
    return Facts(lambda: _tokens(request), turn(), request.stream, request.max_output_tokens, request.data, tags)


def _tokens(request: ChatRequest) -> int:
    """The input's tokens by a quick estimate, for choosing and for limits: four bytes of text each, and what a picture often is."""
    outer = [part for message in request.messages for part in message.content]
    inner = [part for result in outer if isinstance(result, ToolResult) for part in result.content]
    size = _AROUND * len(request.messages)
    for part in [*outer, *inner]:
        match part:
            case Text(text=text):
                size += len(text.encode("utf-8", "surrogatepass"))
            case ToolCall():
                size += len(part.name) + len(str(part.arguments))
            case Image() | File() | Audio():
                size += _MEDIA
            case _:
                pass
    for tool in request.tools:
        size += len(tool.name) + len(tool.description or "") + len(str(tool.parameters))
    return size // _BYTES_PER_TOKEN


def recheck(snapshot: Snapshot, powers: Powers, target: Target) -> None:
    """Look again, before an attempt leaves: at the row, at the table's time, and at time and revocation of every capability.

    A call keeps the table that it began with. What the status in force now halts or revokes, it halts and revokes for calls under way too.

    Raises:
        RoutingError: the row is not what was verified or is halted, or the table is not valid any more.
        CapabilityError: a capability may not be used any more.
    """
    now, current = snapshot.clock(), snapshot.current()
    snapshot.opened.check(now)
    powers.check(now, current.revoked)
    snapshot.opened.table.recheck(target)
    if target.id in current.halted:
        msg = f"the signed status halts the route {target.id!r}, since this call began: nothing more was sent to it"
        raise NoRoute(msg)


def _check_choice(request: ChatRequest) -> None:
    choice = request.tool_choice
    if choice is None or choice in {"auto", "none"}:
        return
    names = {tool.name for tool in request.tools}
    if choice == "required" and not names:
        msg = 'tool_choice="required" needs tools'
        raise InvalidMessages(msg)
    if choice not in _CHOICES and choice not in names:
        msg = f"tool_choice names the tool {choice[:60]!r}, which is not among tools"
        raise InvalidMessages(msg)


def _fill_bounds(
    permissions: tuple[Permission, ...], request: ChatRequest, targets: tuple[Target, ...]
) -> tuple[ChatRequest, tuple[Notice, ...]]:
    """Fill a missing output bound with the tightest there is: a missing one would count as unbounded, and leave the cost without one."""
    if request.max_output_tokens is not None or not permissions:
        return request, ()
    most = tightest_output(permissions)
    if most is None and not counts_money(permissions):
        return request, ()
    least: int | None = None
    for target in targets:
        bound = output_bound(most, target, None)
        if bound is not None and (least is None or bound < least):
            least = bound
    if least is None:
        return request, ()
    bound = max(1, least // request.n)
    source = "a budget"
    for permission in permissions:
        if most is not None and permission.max_output == most:
            source = permission.source
            break
    notice = Notice("filled", "max_output_tokens", f"set to {bound}, the tightest of {source} and the rows")
    return _bounded(request, bound), (notice,)


def _bounded(request: ChatRequest, bound: int) -> ChatRequest:
    """The request with a bound on its output: as `replace`, field by field, in half the time; most calls with a capability need it."""
    return _ChatRequest(
        request.messages,
        request.tools,
        request.tool_choice,
        request.parallel_tool_calls,
        request.output,
        bound,
        request.temperature,
        request.top_p,
        request.stop,
        request.seed,
        request.n,
        request.logprobs,
        request.json_object,
        request.reasoning,
        request.cache,
        request.provider_options,
        request.on_unsupported,
        request.data,
        request.stream,
    )


def _asked(
    snapshot: Snapshot, route: str, request: ChatRequest, targets: tuple[Target, ...], guards: frozenset[str], *, priced: bool, now: float
) -> Asked:
    size, by_reference = _input_size(snapshot, request, targets) if priced else (None, False)
    names = tuple([tool.name for tool in request.tools]) if request.tools else ()
    if request.provider_options:
        names += server_tools(request.provider_options)
        by_reference = by_reference or bool(repricing(request.provider_options))
    return Asked(
        route,
        "chat",
        names,
        request.data,
        request.max_output_tokens,
        size,
        by_reference,
        request.n,
        request.stream,
        snapshot.purpose,
        snapshot.authority.audience,
        guards,
        table_version=snapshot.opened.table.version,
        now=now,
    )


def _input_size(snapshot: Snapshot, request: ChatRequest, targets: tuple[Target, ...]) -> tuple[int, bool]:
    """An upper bound of the input in bytes, and whether something in it has no bound.

    The bound is the body as it would be sent: no token is shorter than a byte, and nothing of the request can be left out; and what
    providers add. Pictures, sound and documents are billed by what is in them, not by their bytes, and what is given by reference is
    not even here.
    """
    size = 0
    for target in targets:
        try:
            fitted, _ = fit(request, target)
            size = max(size, len(snapshot.codec(target.dialect).encode(fitted, target).request.body))
        except (UnsupportedParameter, ValueError):  # that target will refuse the call itself
            continue
    if request.tools or request.output is not None:
        size += _ADDED
    parts = [part for message in request.messages for part in message.content]
    inner = [part for part in parts if isinstance(part, ToolResult) for part in part.content]
    return size, any(isinstance(part, Image | File | Audio) for part in [*parts, *inner])

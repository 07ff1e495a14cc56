"""From an operation's request to an OperationCall: routes, grants, data labels and costs, by the rules of chat."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, assert_never, cast

from saferoute.call.admission import admitted, check_provider_options, check_route, rows_of
from saferoute.call.balancing import without_copies
from saferoute.call.charging import charge_for
from saferoute.call.compared import compared
from saferoute.call.guard_rules import Way, rules_of
from saferoute.call.guarding import Guarding
from saferoute.call.guarding_operations import check_operation_size, operation_places
from saferoute.call.operation import Bound, OperationCall
from saferoute.call.prepare import recheck
from saferoute.call.rules import Rules, nonce_from
from saferoute.capabilities.asked import asked_hash
from saferoute.capabilities.authorise import Asked, tightest_output
from saferoute.capabilities.extras import repricing
from saferoute.errors import CapabilityForbidden
from saferoute.guards.templates import check_pinned, with_templates
from saferoute.providers.operations.contract import (
    CountRequest,
    EmbedRequest,
    ImageRequest,
    ModelsRequest,
    ModerateRequest,
    RerankRequest,
    SpeakRequest,
    TranscribeRequest,
)
from saferoute.routing.resolve import resolve
from saferoute.values.balancing import Facts
from saferoute.values.events import Notice
from saferoute.values.options import check_operation_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.call.authority import Powers
    from saferoute.call.balancing import Balancing
    from saferoute.call.recording import Recording
    from saferoute.call.snapshot import Snapshot
    from saferoute.providers.operations.contract import Operation, OperationRequest
    from saferoute.routing.table import RoutingTable
    from saferoute.values.permission import Permission
    from saferoute.values.request import DataLabel
    from saferoute.values.target import Target

__all__ = ["prepare_operation"]

R = TypeVar("R")

_NANO: Final = 1_000_000_000
_AROUND: Final = 16  # tokens that a model's template puts around a text, at most
_CALLED: Final[Mapping[str, str]] = {"models": "available_models", "image": "generate_image"}  # where the client's method differs
_WRITES: Final[frozenset[Operation]] = frozenset({"transcribe", "speak", "image"})
"""Operations whose output has tokens, and no bound that a call could give."""


def prepare_operation(
    snapshot: Snapshot,
    operation: Operation,
    route: str,
    request: OperationRequest,
    build: Callable[..., R],
    *,
    options: Mapping[str, Any],
) -> OperationCall[R]:
    """Check, resolve and authorise one operation.

    Args:
        snapshot: table, trust and the client's defaults.
        operation: what to do.
        route: alias, row id or provider/model; for "models" also a provider.
        request: what is asked.
        build: makes the result.
        options: the caller's options, unchecked.

    Raises:
        RequestError: for arguments that cannot be sent.
        RoutingError: for an expired table or an unknown route.
        CapabilityError: for a call that the grant does not allow.
    """
    now = snapshot.clock()
    snapshot.opened.check(now)
    check_route(route)
    called = _CALLED.get(operation, operation)
    checked = check_operation_options(options, called)
    wishes = {name: checked[name] for name in ("provider_options", "on_unsupported") if name in checked}
    request = replace(request, **wishes) if wishes else request
    asking = partial(
        asked_hash,
        operation,
        route,
        request,
        purpose=snapshot.purpose,
        data=checked.get("data"),
        max_cost=checked.get("max_cost"),
    )
    powers = snapshot.authority.powers(checked.get("capability"), asking, now)
    table = snapshot.opened.table
    if isinstance(request, CountRequest):
        chat = with_templates(request.chat, table.templates)
        request = replace(request, chat=replace(chat, data=checked.get("data") or snapshot.data, **wishes))
    resolved = snapshot.opened.running(_provider_rows(table, route) if operation == "models" else resolve(table, route))
    policy = table.policy(route)
    way = Way(resolved, policy, rows_of(policy, resolved))
    rules = rules_of(snapshot.guards, snapshot.strict, table.guard_profiles, way.rows, partial(nonce_from, snapshot.random))
    if rules.looks:
        check_operation_size(request, rules.most_characters)
    planned = partial(
        _planned, snapshot, operation, route, way, rules=rules, build=build, powers=powers, checked=checked, asking=asking, now=now
    )
    data, hashed = checked.get("data") or snapshot.data, lambda: asking().encode()
    recording = snapshot.recording(operation, route, powers, hashed, data=data, tags=snapshot.tagged(checked.get("tags")))
    planned = partial(planned, recording=recording)
    call = planned(request)
    if rules.templates and isinstance(request, CountRequest):
        check_pinned(request.chat, rules.templates, table.templates)
    places = operation_places(request) if rules.looks else ()
    return replace(call, guarding=Guarding(rules, route, places), again=planned) if rules.looks else call


def _planned(
    snapshot: Snapshot,
    operation: Operation,
    route: str,
    way: Way,
    request: OperationRequest,
    *,
    rules: Rules,
    build: Callable[..., R],
    powers: Powers,
    checked: Mapping[str, Any],
    asking: Callable[[], str],
    now: float,
    recording: Recording | None,
) -> OperationCall[R]:
    """Authorise a request: the caller's own, or what guards left of it."""
    called, (resolved, policy, rows) = _CALLED.get(operation, operation), way
    check_provider_options(request, rows)
    permissions = powers.permissions
    _check_bound(permissions, operation, called)
    asked = replace(
        _asked(operation, route, request, checked.get("data") or snapshot.data),
        purpose=snapshot.purpose,
        audience=snapshot.authority.audience,
        guards=rules.names,
        table_version=snapshot.opened.table.version,
        now=now,
    )
    if powers.needs_hash:
        asked = replace(asked, request=asking())
    tokens = asked.input_bytes or 0
    tags = snapshot.tagged(checked.get("tags"))
    facts = Facts(lambda: tokens // 4, snapshot.health.turn(route), max_output=asked.max_output, data=asked.data, tags=tags)
    fix = "send less, or pass a higher max_cost"
    admission = admitted(snapshot, asked, permissions, resolved, policy=policy, options=checked, facts=facts, fix=fix)
    balancing = without_copies(admission.balancing)
    targets = admission.targets
    notices: tuple[Notice, ...] = ()
    if operation == "embed":
        targets, balancing, notices = _of_one_model(targets, balancing)
    return OperationCall(
        operation,
        route,
        request,
        build,
        targets,
        admission.attempts,
        checked.get("timeout"),
        notices,
        compared(snapshot.codec, request.chat) if isinstance(request, CountRequest) else snapshot.codec,
        partial(recheck, snapshot, powers),
        snapshot.random,
        None if balancing.cap is None or asked.by_reference or not asked.input_bytes else Bound(balancing.cap.amount, balancing.cap.worst),
        charge_for(snapshot.accounts, permissions, asked, admission.rows, powers.once),
        replace(balancing, cap=None) if balancing.cap is not None else balancing,
        recording=recording,
        tags=tags,
        tally=snapshot.tally(route, powers, tags, now),
    )


def _provider_rows(table: RoutingTable, name: str) -> tuple[Target, ...]:
    """The rows whose models are meant: those of a route, or the first of a provider's."""
    wanted = name.removesuffix("/*")
    if wanted in table.routes:
        return (table.routes[wanted],)
    if wanted not in table.aliases:
        owned = [target for target in table.routes.values() if target.provider_name == wanted]
        if owned:
            return (owned[0],)
    return resolve(table, name)


def _check_bound(permissions: tuple[Permission, ...], operation: Operation, called: str) -> None:
    most = tightest_output(one for one in permissions if one.operations is None or operation in one.operations)
    if most is not None and operation in _WRITES:
        source = next(one.source for one in permissions if one.max_output == most)
        raise CapabilityForbidden(
            f"{source} bounds the output to {most} tokens, and {called} has no such bound: use one without max_output for it",
            code="max_output",
        )


def _asked(operation: Operation, route: str, request: OperationRequest, data: DataLabel | None) -> Asked:
    if operation == "models" and data is None:
        data = "public"  # the question holds nothing of the caller's
    size, unknown = _input_size(request)
    names = tuple(tool.name for tool in request.chat.tools) if isinstance(request, CountRequest) else ()
    return Asked(route, operation, names, data, None if operation in _WRITES else 0, size, unknown)


def _input_size(request: OperationRequest) -> tuple[int, bool]:
    """An upper bound of the tokens that are billed, and whether there is none that is known.

    No token is shorter than a byte. Counting and listing are free wherever they are offered.
    """
    known = cast(
        "EmbedRequest | CountRequest | ModelsRequest | RerankRequest | TranscribeRequest | SpeakRequest | ImageRequest | ModerateRequest",
        request,
    )
    match known:
        case EmbedRequest(texts=texts) | ModerateRequest(texts=texts):
            size = sum(len(text.encode("utf-8", "surrogatepass")) + _AROUND for text in texts)
            return size, bool(repricing(request.provider_options))
        case CountRequest() | ModelsRequest():
            return 0, False
        case RerankRequest() | TranscribeRequest() | SpeakRequest() | ImageRequest():
            return 0, True  # billed by searches, seconds, characters or pixels
        case _:
            assert_never(known)


def _of_one_model(targets: tuple[Target, ...], balancing: Balancing) -> tuple[tuple[Target, ...], Balancing, tuple[Notice, ...]]:
    """Only rows of the first one's model: vectors of two models are not comparable, and nobody would notice."""
    model = targets[0].model
    kept = tuple(target for target in targets if target.model == model)
    if balancing.fallback:
        fallback = {cause: tuple(row for row in rows if row.model == model) for cause, rows in balancing.fallback.items()}
        balancing = replace(balancing, fallback=fallback)
    if len(kept) == len(targets):
        return targets, balancing, ()
    others = ", ".join(target.id for target in targets if target.model != model)
    said = f"{others} would not be asked: other models make vectors that do not compare with these"
    return kept, balancing, (Notice("noted", "route", said),)

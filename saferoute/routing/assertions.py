"""What a table must do and must never do, written beside it: `[[assertions]]` in routes.toml.

    [[assertions]]
    why = "contracts stay in Europe"
    route = "fast"
    data = "confidential"
    goes_only_to = { regions = ["eu"] }

    [[assertions]]
    route = "fast"
    with = { tools = ["delete_account"] }
    refused = "tools"

They are tests: nothing of them is signed, and no call reads them. Each makes a call up, asks what decides real calls, and compares.
What decides is a parameter, as routing and permissions do not know each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from saferoute.errors import CapabilityError, NoRoute
from saferoute.routing.policies import rows_beyond
from saferoute.routing.resolve import resolve
from saferoute.routing.schema import Flag, ListOf, Record, Text, Whole, check
from saferoute.signing.refusal import Refused
from saferoute.values.permission import data_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.routing.table import RoutingTable
    from saferoute.values.request import DataLabel
    from saferoute.values.target import Target

__all__ = ["ASSERTION", "PLACES", "WITH", "Assertion", "Decide", "MadeUpCall", "Result", "read_assertions", "run_assertions"]

MAX_ASSERTIONS: Final = 1000
INPUT_BYTES: Final = 1000
"""The size of a made-up call's input, where the assertion does not say."""

_text = Text(re.compile(r"[!-~]+"), longest=300, what="a name without white space")
_names = ListOf(_text, 200, distinct=True)
_some_names = ListOf(_text, 200, 1, distinct=True)
PLACES: Final = Record({}, dict.fromkeys(("models", "origins", "providers", "regions", "routes"), _some_names))
"""Where calls go; `regions` knows "unknown" for a row without one."""

WITH: Final = Record(
    {},
    {
        "audience": _text,
        "guards": _names,
        "input_bytes": Whole(0, 10**9),
        "max_output_tokens": Whole(1, 10**9),
        "n": Whole(1, 1000),
        "operation": _text,
        "purpose": _text,
        "stream": Flag(),
        "tools": _names,
    },
)
ASSERTION: Final = Record(
    {"route": _text},
    {
        "why": Text(longest=500),
        "data": Text(choices=("public", "internal", "confidential", "restricted")),
        "with": WITH,
        "allowed": Flag(),
        "refused": Text(re.compile(r"[a-z][a-z_]*"), longest=40, what='the reason of a refusal, such as "tools" or "data"'),
        "goes_only_to": PLACES,
        "never_goes_to": PLACES,
    },
)
_NO_ROUTE: Final = "no_route"
_EXPECTED: Final = ("allowed", "refused", "goes_only_to", "never_goes_to")


@dataclass(frozen=True, slots=True)
class MadeUpCall:
    """The call that an assertion is about; fields as `with` has them.

    Attributes:
        route: the name that is asked for.
        operation: what is done.
        data: the call's label; None for none.
        tools: names of the tools that are offered.
        max_output: bound on output tokens; None for none.
        input_bytes: size of the input.
        answers: how many answers.
        stream: whether the answer is streamed.
        purpose: what the call is for.
        audience: the client's name.
        guards: the guards that are active.
    """

    route: str
    operation: str = "chat"
    data: DataLabel | None = None
    tools: tuple[str, ...] = ()
    max_output: int | None = None
    input_bytes: int = INPUT_BYTES
    answers: int = 1
    stream: bool = False
    purpose: str | None = None
    audience: str = ""
    guards: frozenset[str] = frozenset()


Decide: TypeAlias = "Callable[[MadeUpCall, tuple[Target, ...]], tuple[Target, ...]]"
"""Which of the resolved rows may answer; raises CapabilityError for none."""

Places: TypeAlias = "tuple[tuple[str, frozenset[str]], ...]"


@dataclass(frozen=True, slots=True)
class Assertion:
    """One assertion.

    Attributes:
        place: where it stands in the file, such as "assertions[0]".
        call: the call that is made up.
        why: the author's words.
        allowed: whether the call must be allowed; None where only `never_goes_to` is asserted, which a refusal keeps too.
        refused: the reason that a refusal must have; "" for any.
        goes_only_to: (kind of place, names): each row that may answer is in one of the names of every kind.
        never_goes_to: (kind of place, names): no row that may answer is in any.
    """

    place: str
    call: MadeUpCall
    why: str
    allowed: bool | None
    refused: str
    goes_only_to: Places
    never_goes_to: Places


@dataclass(frozen=True, slots=True)
class Result:
    """How an assertion ended.

    Attributes:
        assertion: which.
        failure: what is otherwise than asserted, and why; "" if it holds.
    """

    assertion: Assertion
    failure: str


def read_assertions(raw: object) -> tuple[Assertion, ...]:
    """Read the `assertions` of a routes.toml.

    Raises:
        Refused: with the place of the first thing that is wrong, contradictions and assertions that assert nothing among them.
    """
    if not isinstance(raw, list) or len(raw) > MAX_ASSERTIONS:
        raise Refused(f"assertions must be at most {MAX_ASSERTIONS} sections [[assertions]]")
    return tuple(_assertion(one, f"assertions[{index}]") for index, one in enumerate(raw))


def _assertion(raw: Mapping[str, Any], place: str) -> Assertion:
    check(raw, ASSERTION, place)
    expected = [name for name in _EXPECTED if name in raw]
    if not expected:
        raise Refused(f"{place} asserts nothing: add one of {', '.join(_EXPECTED)}")
    for name in ("goes_only_to", "never_goes_to"):
        if name in raw and not raw[name]:
            raise Refused(f"{place}.{name} names no place: add one of {', '.join(sorted(PLACES.optional))}")
    refusal = "refused" in raw or raw.get("allowed") is False
    if refusal and (raw.get("allowed") is True or "goes_only_to" in raw or "never_goes_to" in raw):
        raise Refused(f"{place}: a call that is refused goes nowhere; leave out the other expectations")
    needs_answer = "goes_only_to" in raw or raw.get("allowed") is True
    return Assertion(
        place,
        _call(raw),
        raw.get("why", ""),
        False if refusal else needs_answer or None,
        raw.get("refused", ""),
        _places(raw.get("goes_only_to", {})),
        _places(raw.get("never_goes_to", {})),
    )


def _call(raw: Mapping[str, Any]) -> MadeUpCall:
    more = raw.get("with", {})
    return MadeUpCall(
        route=raw["route"],
        operation=more.get("operation", "chat"),
        data=raw.get("data"),
        tools=tuple(more.get("tools", ())),
        max_output=more.get("max_output_tokens"),
        input_bytes=more.get("input_bytes", INPUT_BYTES),
        answers=more.get("n", 1),
        stream=more.get("stream", False),
        purpose=more.get("purpose"),
        audience=more.get("audience", ""),
        guards=frozenset(more.get("guards", ())),
    )


def _places(raw: Mapping[str, Sequence[str]]) -> Places:
    return tuple((kind, frozenset(names)) for kind, names in sorted(raw.items()))


def run_assertions(table: RoutingTable, assertions: Sequence[Assertion], decide: Decide) -> tuple[Result, ...]:
    """Run assertions against a compiled table.

    Args:
        table: the table, signed or a draft.
        assertions: what to try.
        decide: what decides real calls, under the table's grant.
    """
    return tuple(Result(one, _failure(table, one, decide)) for one in assertions)


def _readers(table: RoutingTable, call: MadeUpCall, decide: Decide) -> tuple[Target, ...]:
    """The rows that may get the call: those that may answer, and those that it may go on or be copied to.

    Raises:
        CapabilityError: none may answer; a fallback does not help a call that is refused.
        NoRoute: the table has no such name.
    """
    own, policy = resolve(table, call.route), table.policy(call.route)
    targets, others = decide(call, own), rows_beyond(policy)
    shadow = policy.shadow
    if shadow is not None and (call.data is None or data_rank(call.data) > data_rank(shadow.data)):
        fallback = {row for rows in policy.fallback.values() for row in rows}
        others = tuple(row for row in others if row in fallback)
    return tuple(dict.fromkeys((*targets, *decide(call, (*own, *others))))) if others else targets


def _failure(table: RoutingTable, assertion: Assertion, decide: Decide) -> str:
    try:
        targets = _readers(table, assertion.call, decide)
    except (CapabilityError, NoRoute) as error:
        return _refused(assertion, getattr(error, "code", _NO_ROUTE), str(error))
    if assertion.allowed is False:
        rows = ", ".join(_row(target) for target in targets)
        return f"the call is allowed, and must be refused{_reason(assertion.refused)}; it may go to {rows}"
    for target in targets:
        for kind, names in assertion.goes_only_to:
            if (where := _where(target, kind)) not in names:
                return f"it may go to {_row(target)}: {where} is not among the {kind} {_listed(names)}"
        for kind, names in assertion.never_goes_to:
            if (where := _where(target, kind)) in names:
                return f"it may go to {_row(target)}: {where} is among the {kind} {_listed(names)}"
    return ""


def _refused(assertion: Assertion, code: str, message: str) -> str:
    # A name that the table does not have is a typing error or a left-over: an assertion about it would hold whatever the table says.
    if assertion.allowed or (code == _NO_ROUTE and assertion.refused != _NO_ROUTE):
        return f"the call is refused ({code}): {message}"
    if assertion.allowed is False and assertion.refused not in {"", code}:
        return f"the call is refused for another reason than {assertion.refused!r} ({code}): {message}"
    return ""


def _reason(code: str) -> str:
    return f" ({code})" if code else ""


def _where(target: Target, kind: str) -> str:
    match kind:
        case "models":
            return target.model
        case "origins":
            return target.origin
        case "providers":
            return target.provider_name
        case "regions":
            return target.region or "unknown"
        case _:
            return target.id


def _row(target: Target) -> str:
    return f"{target.id} ({target.provider_name} in the region {target.region or 'unknown'})"


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))

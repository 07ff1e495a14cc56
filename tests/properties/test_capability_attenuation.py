"""D9: whatever is appended to a chain, the permission never grows; and it is exactly what all blocks allow."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.capabilities.caveats import read_claims, write_claims
from saferoute.capabilities.chain import verify_chain
from saferoute.capabilities.narrowing import merged
from saferoute.errors import CapabilityInvalid
from saferoute.values.permission import Permission, data_rank, scope_rank
from tests.support.token_cases import NOW, chain, issuers, root, written

NAMES = ("aa", "bb", "cc", "dd")
LABELS = ("public", "internal", "confidential", "restricted")
SETS = {
    "aud": "audience", "ops": "operations", "models": "models", "providers": "providers", "routes": "routes", "tools": "tools",
    "regions": "regions", "purpose": "purposes",
}  # fmt: skip

_names = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)
_usd = st.fixed_dictionaries({"amount": st.integers(0, 9), "currency": st.just("USD")})
_optional: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("aud", "ops", "models", "providers", "routes", "regions", "purpose", "guards"), _names),
    "tools": st.lists(st.sampled_from(NAMES), unique=True),
    "req": st.lists(st.sampled_from(["1" * 64, "2" * 64]), min_size=1, unique=True),
    "data": st.sampled_from(LABELS),
    "max_in": st.integers(1, 9),
    "max_out": st.integers(1, 9),
    "max_cost": _usd,
    "budget": st.fixed_dictionaries(
        {"amount": st.integers(0, 9), "currency": st.sampled_from(["USD", "EUR"])},
        optional={"per": st.sampled_from(["hour", "day", "week", "month"])},
    ),
    "calls": st.integers(0, 9),
    **dict.fromkeys(("rpm", "tpm", "concurrent"), st.integers(1, 9)),
    "stream": st.booleans(),
    "table_min": st.integers(1, 9),
    "exp": st.integers(NOW + 1, NOW + 9),
    "nbf": st.integers(NOW - 9, NOW + 9),
    "scope": st.sampled_from(["process", "host", "cluster"]),
    "depth": st.integers(5, 8),
}
_later = st.fixed_dictionaries({}, optional=_optional)
_first = _later.map(lambda said: {**root(models=list(NAMES), providers=list(NAMES), aud=list(NAMES), ops=list(NAMES)), **said})
_chains = st.tuples(_first, st.lists(_later, max_size=4)).map(lambda pair: [pair[0], *pair[1]])


def _permission(payloads: list[dict[str, Any]]) -> Permission:
    claims = [read_claims(written(payload), number) for number, payload in enumerate(payloads, 1)]
    digests = [hashlib.sha256(repr(payloads[:end]).encode()).hexdigest() for end in range(1, len(payloads) + 1)]
    return merged(claims, digests, Permission("", max_output=8, guards=frozenset({"cc"}), routes=frozenset(NAMES[:3])))


def _at_most(child: int | None, parent: int | None) -> bool:
    return parent is None or (child is not None and child <= parent)


def _counters(permission: Permission) -> set[tuple[str, str, int]]:
    return {(quota.key, quota.kind, quota.limit) for quota in permission.limits}


def assert_no_wider(child: Permission, parent: Permission) -> None:
    for field in [*SETS.values(), "requests"]:
        outer, inner = getattr(parent, field), getattr(child, field)
        assert outer is None or (inner is not None and inner <= outer), field
    assert child.guards >= parent.guards
    assert not child.stream or parent.stream
    assert not child.aliases or parent.aliases
    assert parent.data is None or (child.data is not None and data_rank(child.data) <= data_rank(parent.data))
    for field in ("max_input", "max_output", "expires_at"):
        assert _at_most(getattr(child, field), getattr(parent, field)), field
    for field in ("table_min", "not_before"):
        assert getattr(parent, field) is None or getattr(child, field) >= getattr(parent, field), field
    assert parent.max_cost is None or (child.max_cost is not None and child.max_cost.amount <= parent.max_cost.amount)
    assert set(parent.budgets) <= set(child.budgets)
    assert _counters(parent) <= _counters(child)
    assert scope_rank(child.scope or "host") >= scope_rank(parent.scope or "host")


@given(_chains)
@settings(max_examples=150, deadline=None)
def test_a_longer_chain_never_allows_more(payloads: list[dict[str, Any]]) -> None:
    permissions = [_permission(payloads[:end]) for end in range(1, len(payloads) + 1)]
    for parent, child in pairwise(permissions):
        assert_no_wider(child, parent)


@given(_chains, st.sampled_from(NAMES), st.sampled_from(LABELS), st.integers(1, 10), st.integers(NOW - 99, NOW + 20))
@settings(max_examples=150, deadline=None)
def test_the_permission_is_what_every_block_allows(payloads: list[dict[str, Any]], name: str, label: str, number: int, now: int) -> None:
    """An oracle that knows nothing of the merging: each block is asked for itself."""
    permission = _permission(payloads)

    def every(claim: str, allows: Any) -> bool:
        return all(claim not in said or allows(said[claim]) for said in payloads)

    for claim, field in SETS.items():
        names = getattr(permission, field)
        extra = name in NAMES[:3] if claim == "routes" else True
        assert (names is None or name in names) == (extra and every(claim, lambda said: name in said)), claim
    assert (permission.requests is None or "1" * 64 in permission.requests) == every("req", lambda said: "1" * 64 in said)
    assert (permission.data is None or data_rank(label) <= data_rank(permission.data)) == every(  # type: ignore[arg-type]
        "data",
        lambda said: LABELS.index(label) <= LABELS.index(said),
    )
    assert (permission.max_input is None or number <= permission.max_input) == every("max_in", lambda said: number <= said)
    assert (permission.max_output is not None and number <= permission.max_output) == (
        number <= 8 and every("max_out", lambda said: number <= said)
    )
    assert (permission.max_cost is None or number <= permission.max_cost.amount) == every("max_cost", lambda said: number <= said["amount"])
    assert (permission.table_min is None or number >= permission.table_min) == every("table_min", lambda said: number >= said)
    assert permission.stream == every("stream", lambda said: said)
    assert (permission.expires_at is None or now < permission.expires_at) == every("exp", lambda said: now < said)
    assert (permission.not_before is None or now >= permission.not_before) == every("nbf", lambda said: now >= said)
    assert (name in permission.guards) == (name == "cc" or any(name in said.get("guards", ()) for said in payloads))
    assert len(permission.budgets) == sum(("budget" in said) + ("calls" in said) for said in payloads)
    assert len({budget.key for budget in permission.budgets}) == len(permission.budgets)
    assert [quota.limit for quota in permission.limits] == [
        said[claim] for said in payloads for claim in ("rpm", "tpm", "concurrent") if claim in said
    ]
    assert len(_counters(permission)) == len({quota.key for quota in permission.limits}) == len(permission.limits)
    wide = {"host", "cluster"} | ({"process"} if "scope" in payloads[0] else set())
    said = [one["scope"] for one in payloads if one.get("scope") in wide]
    assert permission.scope == (max(said, key=scope_rank) if said else None)


@given(_chains)
@settings(max_examples=15, deadline=None)
def test_signed_chains_say_the_same(payloads: list[dict[str, Any]]) -> None:
    previous: Permission | None = None
    for end in range(1, len(payloads) + 1):
        permission = verify_chain(chain(*payloads[:end]), issuers()).permission
        if previous is not None:
            assert_no_wider(permission, previous)
        previous = permission


@given(_chains)
@settings(max_examples=80, deadline=None)
def test_what_is_read_is_written_again(payloads: list[dict[str, Any]]) -> None:
    for number, payload in enumerate(payloads, 1):
        sorted_lists = {name: sorted(value) if isinstance(value, list) else value for name, value in payload.items()}
        assert write_claims(read_claims(written(payload), number), number) == written(sorted_lists)


_scalar = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
_odd = st.dictionaries(st.sampled_from([*_optional, "v", "iss", "nonsense"]), _scalar | st.lists(_scalar, max_size=3), max_size=4)


@given(_odd)
@settings(max_examples=80, deadline=None)
def test_any_other_payload_is_refused_or_read_and_nothing_else(said: dict[str, Any]) -> None:
    for number in (1, 2):
        try:
            claims = read_claims(written(said), number)
        except CapabilityInvalid as refusal:
            assert refusal.code in {"claim", "payload"}
        else:
            assert number == 2
            assert claims.issuer is None

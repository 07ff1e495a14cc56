"""Attack: a limit that is to hold for a host or a cluster is counted by each process for itself, so that N workers send N times as much.

Guards: saferoute/capabilities/quotas.py::if scope_rank(scope) < scope_rank(needed):
Guards: saferoute/capabilities/quotas.py::needed = permission.scope or "host" => needed = permission.scope or "process"
Guards: saferoute/capabilities/narrowing.py::if ceiling.scope == "process" and any(map(_counts, claims)):
Guards: saferoute/capabilities/narrowing.py::said = [*said, "host"]
Guards: saferoute/routing/shared_limits.py::widest: Scope = max((scope or "host" for scope in said), key=scope_rank) => widest: Scope = max((scope for scope in said if scope), key=scope_rank)
"""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.capabilities.quotas import check_limit_scope
from saferoute.errors import CapabilityForbidden
from saferoute.routing.grants import compile_grant
from saferoute.routing.issuers import compile_issuer
from saferoute.values.limits import Quota
from saferoute.values.permission import Budget, Permission, Scope
from tests.support.token_cases import ISSUER, chain, root, verified

LIMITS = ("rpm", "tpm", "concurrent")


def _refused(permission: Permission, scope: Scope) -> str:
    with pytest.raises(CapabilityForbidden) as caught:
        check_limit_scope(permission, scope)
    assert caught.value.code == "scope"
    return str(caught.value)


@pytest.mark.parametrize("claim", LIMITS)
def test_without_a_word_a_limit_holds_for_the_host(claim: str) -> None:
    for payloads in ((root(**{claim: 5}),), (root(), {claim: 5}), (root(**{claim: 5}), {"scope": "process"})):
        permission = verified(chain(*payloads)).permission
        _refused(permission, "process")
        check_limit_scope(permission, "host")
        check_limit_scope(permission, "cluster")


@pytest.mark.parametrize("claim", LIMITS)
def test_the_issuer_can_write_process_and_nobody_after_it(claim: str) -> None:
    own = root(**{claim: 5}, scope="process")
    check_limit_scope(verified(chain(own)).permission, "process")
    wider = verified(chain(own, {"scope": "cluster"})).permission
    _refused(wider, "host")
    check_limit_scope(wider, "cluster")


@pytest.mark.parametrize("claim", LIMITS)
def test_a_ceiling_of_process_scope_does_not_narrow_where_a_tokens_limit_is_counted(claim: str) -> None:
    ceiling = Permission("", scope="process", limits=(Quota("i", "requests", 9, "i"),))
    for payloads in ((root(**{claim: 5}),), (root(), {claim: 5})):
        permission = verified(chain(*payloads), ceiling=ceiling).permission
        assert permission.scope == "host"
        _refused(permission, "process")
    check_limit_scope(verified(chain(root(**{claim: 5}, scope="process")), ceiling=ceiling).permission, "process")


@pytest.mark.parametrize("ceiling", [{"limits": (Quota("i", "requests", 9, "i"),)}, {"budgets": (Budget("i", 9, per="day"),)}])
def test_a_token_of_process_scope_does_not_narrow_where_its_issuers_ceiling_is_counted(ceiling: dict[str, Any]) -> None:
    permission = verified(chain(root(scope="process", rpm=5)), ceiling=Permission("", **ceiling)).permission
    assert permission.scope == "host"
    _refused(permission, "process")
    wider = verified(chain(root(scope="cluster")), ceiling=Permission("", **ceiling)).permission
    assert wider.scope == "cluster"
    assert verified(chain(root()), ceiling=Permission("", **ceiling)).permission.scope is None  # which is the host


@pytest.mark.parametrize(
    ("budget", "limits", "scope"),
    [
        (None, None, None),
        (None, "cluster", "cluster"),
        (None, "process", "process"),
        (None, "", None),
        ("process", None, "process"),
        ("process", "process", "process"),
        ("process", "", "host"),  # the limits hold for the host, and one store counts both
        ("", "process", "host"),
        ("", "", None),
        ("cluster", "", "cluster"),
        ("host", "cluster", "cluster"),
        ("cluster", "process", "cluster"),
    ],
)
def test_the_wider_of_a_budget_and_limits_counts(budget: str | None, limits: str | None, scope: Scope | None) -> None:
    def part(fields: dict[str, Any], said: str | None) -> dict[str, Any]:
        return {**fields, **({"scope": said} if said else {})}

    bounds: dict[str, Any] = {}
    if budget is not None:
        bounds["budget"] = part({"amount": 5, "currency": "USD", "per": "day"}, budget)
    if limits is not None:
        bounds["limits"] = part({"requests_per_minute": 5}, limits)
    grant = compile_grant({"operations": ["chat"], "routes": ["a"], **bounds}, "acme")
    issuer = compile_issuer("acme", "ci", {"max_life": 1, "max_depth": 1, "ceiling": bounds}, [ISSUER.public_key])
    assert (grant.scope, issuer.ceiling.scope) == (scope, scope)

"""A token's budget, meant to be counted by the whole host, is counted by each process, because its issuer's ceiling is.

With N worker processes its holder would spend it N times.

Guards: saferoute/capabilities/narrowing.py::said.append("host")
"""

from __future__ import annotations

import pytest

from saferoute.capabilities.accounts import check_scope
from saferoute.capabilities.caveats import Allowance, Claims
from saferoute.capabilities.narrowing import merged
from saferoute.errors import CapabilityForbidden
from saferoute.values.permission import Budget, Permission, Scope

DIGESTS = ("a" * 64, "b" * 64)


def ceiling(scope: Scope | None) -> Permission:
    return Permission("ceiling", scope=scope, budgets=(Budget("issuer:team:i", 9, "USD", "day"),))


@pytest.mark.parametrize("counting", [Claims(budget=Allowance(5, "USD")), Claims(calls=3)])
@pytest.mark.parametrize("later", [False, True])
def test_a_ceiling_of_process_scope_does_not_narrow_where_a_token_is_counted(counting: Claims, later: bool) -> None:
    claims = (Claims(), counting) if later else (counting,)
    permission = merged(claims, DIGESTS[: len(claims)], ceiling("process"))
    assert permission.scope == "host"
    with pytest.raises(CapabilityForbidden) as refused:
        check_scope(permission, "process")
    assert refused.value.code == "scope"


@pytest.mark.parametrize(
    ("claims", "of_the_ceiling", "expected"),
    [
        (Claims(calls=3, scope="process"), "process", "process"),  # the issuer's own word
        (Claims(calls=3, scope="cluster"), "process", "cluster"),
        (Claims(), "process", "process"),  # the ceiling's account is all there is
        (Claims(calls=3), "cluster", "cluster"),
        (Claims(calls=3), None, None),  # which is "host" where there is anything to count
    ],
)
def test_every_other_scope_is_the_widest_that_anybody_wants(claims: Claims, of_the_ceiling: Scope | None, expected: Scope | None) -> None:
    assert merged((claims,), DIGESTS[:1], ceiling(of_the_ceiling)).scope == expected

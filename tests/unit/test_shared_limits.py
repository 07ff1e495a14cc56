"""Limits of a grant, and of an issuer's ceiling: their shape, their counters, and what a review says of them."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.errors import ConfigurationError
from saferoute.routing.authoring import build
from saferoute.routing.difference_grant import grant_changes
from saferoute.routing.grants import compile_grant
from saferoute.routing.issuers import compile_issuer
from saferoute.routing.root import parse_root
from saferoute.routing.schema import check
from saferoute.routing.shapes import CEILING, GRANT, SHARED_LIMITS
from saferoute.routing.shared_limits import shared_quotas, shared_scope
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse
from saferoute.values.limits import Quota
from tests.support.token_cases import ISSUER
from tests.support.trust_cases import full_root

ALL = {"requests_per_minute": 60, "tokens_per_minute": 90_000, "concurrent": 4, "scope": "cluster"}
TOML = '[routes.a]\nprovider = "x"\ndialect = "openai_chat"\norigin = "http://127.0.0.1:9"\npath = ""\nnet = "loopback"\nmodel = "m"\nauth = "none"\n'


def test_a_grants_limits_are_counted_under_its_tables_name() -> None:
    grant = compile_grant({"operations": ["chat"], "routes": ["a"], "limits": ALL}, "acme/prod")
    assert grant.limits == (
        Quota("grant:acme/prod:rpm", "requests", 60, "the table's grant"),
        Quota("grant:acme/prod:tpm", "tokens", 90_000, "the table's grant"),
        Quota("grant:acme/prod:concurrent", "concurrent", 4, "the table's grant"),
    )
    assert (grant.scope, grant.budgets) == ("cluster", ())
    assert compile_grant({"operations": ["chat"], "routes": ["a"]}, "acme").limits == ()


def test_a_ceilings_limits_are_counted_under_its_root_and_issuer() -> None:
    plain = full_root()
    budget = {"amount": 5, "currency": "USD", "per": "day"}
    plain["issuers"]["ci"]["ceiling"] = {"limits": {"concurrent": 4}, "budget": budget}
    ceiling = parse_root(canonical(plain)).issuers["ci"].ceiling
    owner = "the issuer ci (all capabilities that it minted)"
    assert ceiling.limits == (Quota("issuer:acme:ci:concurrent", "concurrent", 4, owner),)
    assert (ceiling.scope, ceiling.budgets[0].key, ceiling.budgets[0].owner) == (None, "issuer:acme:ci", owner)


def test_limits_are_in_the_issuers_digest() -> None:
    def digest(**limits: int) -> str:
        record = {"max_life": 1, "max_depth": 1, "ceiling": {"limits": limits}}
        return compile_issuer("acme", "ci", record, [ISSUER.public_key]).digest

    assert len({digest(), digest(concurrent=4), digest(concurrent=5), digest(requests_per_minute=4)}) == 4


def test_no_limits_are_none() -> None:
    assert shared_quotas(None, "k", "o") == shared_quotas({}, "k", "o") == shared_quotas({"scope": "host"}, "k", "o") == ()
    assert shared_scope(None, None) is None
    assert shared_scope({}, {}) is None


def test_routes_toml_takes_a_grants_limits() -> None:
    payload = parse(build(TOML + "[grant]\nlimits = { requests_per_minute = 60, concurrent = 4 }\n"))
    grant: Any = payload["grant"]
    assert grant["limits"] == {"requests_per_minute": 60, "concurrent": 4}
    with pytest.raises(ConfigurationError, match=r"grant\.limits\.adaptive is not a field of this schema"):
        build(TOML + "[grant]\nlimits = { adaptive = true }\n")


@pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute", "concurrent"])
def test_the_bounds_of_a_limit(name: str) -> None:
    for value in (1, 1_000_000_000):
        check({name: value}, SHARED_LIMITS, "limits")
    for wrong in (0, -1, 1_000_000_001, True, "5", 5.0, None):
        with pytest.raises(Refused, match=rf"^limits\.{name}"):
            check({name: wrong}, SHARED_LIMITS, "limits")
    check({"limits": {name: 5}}, CEILING, "ceiling")
    check({"operations": ["chat"], "routes": ["a"], "limits": {name: 5}}, GRANT, "grant")


@pytest.mark.parametrize(
    ("before", "after", "marked", "text"),
    [
        (None, {"concurrent": 4}, False, "limits changes from not bounded to concurrent 4"),
        ({"concurrent": 4}, None, True, "limits changes from concurrent 4 to not bounded"),
        ({"concurrent": 4}, {}, True, "limits changes from concurrent 4 to nothing"),
        ({}, {"concurrent": 4}, False, "limits changes from nothing to concurrent 4"),
        ({"concurrent": 4}, {"concurrent": 5}, True, "limits changes from concurrent 4 to concurrent 5"),
        ({"concurrent": 5}, {"concurrent": 4}, False, "limits changes from concurrent 5 to concurrent 4"),
        (
            {"requests_per_minute": 9},
            {"tokens_per_minute": 9},
            True,
            "limits changes from requests_per_minute 9 to tokens_per_minute 9",
        ),
        (
            {"concurrent": 4, "tokens_per_minute": 2, "requests_per_minute": 1, "scope": "host"},
            {"concurrent": 3, "tokens_per_minute": 2, "requests_per_minute": 1, "scope": "cluster"},
            False,
            (
                "limits changes from requests_per_minute 1, tokens_per_minute 2, concurrent 4, scope host "
                "to requests_per_minute 1, tokens_per_minute 2, concurrent 3, scope cluster"
            ),
        ),
        (
            {"tokens_per_minute": 2},
            {"tokens_per_minute": 2, "scope": "process"},
            True,
            "limits changes from tokens_per_minute 2 to tokens_per_minute 2, scope process",
        ),
        (
            {"tokens_per_minute": 2, "scope": "cluster"},
            {"tokens_per_minute": 2},
            True,
            "limits changes from tokens_per_minute 2, scope cluster to tokens_per_minute 2",
        ),
        (
            {"tokens_per_minute": 2},
            {"tokens_per_minute": 2, "scope": "host"},
            False,
            "limits changes from tokens_per_minute 2 to tokens_per_minute 2, scope host",
        ),
        ({"scope": "cluster"}, {"concurrent": 4}, False, "limits changes from scope cluster to concurrent 4"),
        ({"newer": 4}, {"newer": 3}, True, "limits changes from newer 4 to newer 3"),
        ({"concurrent": 4}, {"concurrent": 4, "newer": 3}, True, "limits changes from concurrent 4 to concurrent 4, newer 3"),
    ],
)
def test_a_review_says_and_marks_what_widens(before: Any, after: Any, marked: bool, text: str) -> None:
    sides = [{"operations": ["chat"], **({} if value is None else {"limits": value})} for value in (before, after)]
    assert [(one.dangerous, one.field, one.text) for one in grant_changes(sides[0], sides[1])] == [(marked, "limits", text)]

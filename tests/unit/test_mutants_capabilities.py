"""The exact words and codes of every refusal of a call and of a chain, and a call at its exact bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from saferoute.capabilities.authorise import Asked, Authorisation, authorise, reaches, sizes_input
from saferoute.capabilities.caveats import Claims
from saferoute.capabilities.chain import check_now, verify_chain
from saferoute.capabilities.mint import extend
from saferoute.capabilities.options import claims_from
from saferoute.capabilities.proof import Proof, prove
from saferoute.capabilities.token import read_chain, read_holder
from saferoute.errors import CapabilityExpired, CapabilityForbidden, CapabilityInvalid, RequestError, SaferouteError, UnknownOption
from saferoute.values.http import NetClass
from saferoute.values.permission import Budget, Cost, Permission
from saferoute.values.target import Prices, Target
from tests.support.token_cases import HOLDERS, LIFE, NOW, call, chain, issuers, root, verified, verify_call

ROW = Target(
    "main", "openai", "openai_chat", "https://api.openai.com", "/v1", NetClass(), "m", "openai", "bearer", data="internal", region="eu"
)
PRICED = replace(ROW, prices=Prices("USD", input=2_000, output=10_000))
ONLY_X, ONLY_US = Permission("the grant", models=frozenset("x")), Permission("two", regions=frozenset({"us"}))
ASKS = Asked("main", data="public")


def ask(permission: dict[str, Any] | None, asked: dict[str, Any] | None = None, row: Target = ROW, trust: Any = "production") -> object:
    """Ask for a call under one permission, or under none."""
    permissions = () if permission is None else (Permission("the grant", **permission),)
    return authorise(permissions, replace(ASKS, **(asked or {})), (row,), trust=trust)


def names(*words: str) -> frozenset[str]:
    return frozenset(words)


CASES: dict[str, tuple[Callable[[], object], type[SaferouteError], str]] = {
    "no grant": (
        lambda: ask(None), CapabilityForbidden,
        ("no_grant: this routing table grants nothing to callers without a capability: pass capability=..., or add a "
         "[grant] to routes.toml and sign the table again (saferoute table build, saferoute table sign)"),
    ),
    "over": (
        lambda: ask({"expires_at": 100}, {"now": 100.0}), CapabilityExpired,
        "exp: the grant expired at 100 (seconds since the epoch); it is 100: get a new one",
    ),
    "not yet": (
        lambda: ask({"not_before": 100}, {"now": 69.4}), CapabilityExpired,
        "nbf: the grant is not valid before 100 (seconds since the epoch); it is 69",
    ),
    "audience": (
        lambda: ask({"audience": names("b", "a")}), CapabilityForbidden,
        ("aud: the grant is for a, b; this client is ''. Use one that was made for it, or say what this client is: "
         "Client(audience=...)"),
    ),
    "operation": (
        lambda: ask({"operations": names("chat", "a")}, {"operation": "embed"}), CapabilityForbidden,
        "operation: the grant allows the operations a, chat; asked: embed",
    ),
    "purpose": (
        lambda: ask({"purposes": names("b", "a")}), CapabilityForbidden,
        "purpose: the grant allows the purposes a, b; asked: none. Say what the calls are for: client.using(purpose=...)",
    ),
    "another purpose": (
        lambda: ask({"purposes": names("b", "a")}, {"purpose": "c"}), CapabilityForbidden,
        "purpose: the grant allows the purposes a, b; asked: c. Say what the calls are for: client.using(purpose=...)",
    ),
    "tools": (
        lambda: ask({"tools": names("b", "a")}, {"tools": ("a", "d", "c")}), CapabilityForbidden,
        "tools: the grant allows the tools a, b; offered: c, d. Leave them out of tools= and provider_options=",
    ),
    "no tools": (
        lambda: ask({"tools": names()}, {"tools": ("a",)}), CapabilityForbidden,
        "tools: the grant allows the tools none; offered: a. Leave them out of tools= and provider_options=",
    ),
    "guards": (
        lambda: ask({"guards": names("b", "a", "c")}, {"guards": names("c")}), CapabilityForbidden,
        "guards: the grant asks for the guards a, b, which are not active in this client",
    ),
    "stream": (
        lambda: ask({"stream": False}, {"stream": True}), CapabilityForbidden,
        "stream: the grant does not allow streams: use client.chat(...)",
    ),
    "table": (
        lambda: ask({"table_min": 4}, {"table_version": 3}), CapabilityForbidden,
        ("table_min: the grant needs version 4 of the routing table or a later one; this client has version 3: "
         "client.reload() with a newer one"),
    ),
    "request": (
        lambda: ask({"requests": names("aa")}, {"request": "ab"}), CapabilityForbidden,
        "req: the grant is bound to another request than this one: nothing in it may differ",
    ),
    "output": (
        lambda: ask({"max_output": 100}), CapabilityForbidden,
        "max_output: the grant bounds the output to 100 tokens; asked: no bound. Pass max_output_tokens=100 or less",
    ),
    "too much output": (
        lambda: ask({"max_output": 100}, {"max_output": 101}), CapabilityForbidden,
        "max_output: the grant bounds the output to 100 tokens; asked: 101. Pass max_output_tokens=100 or less",
    ),
    "output of several": (
        lambda: ask({"max_output": 100}, {"max_output": 51, "answers": 2}), CapabilityForbidden,
        "max_output: the grant bounds the output to 100 tokens; asked: 2 answers of 51. Pass max_output_tokens=50 or less",
    ),
    "unknown input": (
        lambda: ask({"max_input": 10}), CapabilityForbidden,
        ("max_input: the grant bounds the input to 10 tokens, and a token may be one byte; this call's input is not known: "
         "send less text, and no pictures, sound or documents"),
    ),
    "input by reference": (
        lambda: ask({"max_input": 10}, {"input_bytes": 1, "by_reference": True}), CapabilityForbidden,
        ("max_input: the grant bounds the input to 10 tokens, and a token may be one byte; this call's input is not known: "
         "send less text, and no pictures, sound or documents"),
    ),
    "too much input": (
        lambda: ask({"max_input": 10}, {"input_bytes": 11}), CapabilityForbidden,
        ("max_input: the grant bounds the input to 10 tokens, and a token may be one byte; this call's input is up to 11 "
         "tokens: send less text, and no pictures, sound or documents"),
    ),
    "data": (
        lambda: ask({}, {"data": "restricted"}), CapabilityForbidden,
        ("data: no row of the route 'main' may answer this call: main takes data up to \"internal\", and the call is labelled "
         'restricted: pass data="internal" if that is what it is, or Client(data=...)'),
    ),
    "no label": (
        lambda: ask({}, {"data": None}), CapabilityForbidden,
        ("data: no row of the route 'main' may answer this call: main takes data up to \"internal\", and the call has no data "
         'label, which counts as "restricted": pass data="internal" if that is what it is, or Client(data=...)'),
    ),
    "data of the permission": (
        lambda: ask({"data": "public"}, {"data": "internal"}), CapabilityForbidden,
        ("data: no row of the route 'main' may answer this call: main takes data up to \"public\", and the call is labelled "
         'internal: pass data="public" if that is what it is, or Client(data=...)'),
    ),
    "no label at home": (
        lambda: ask({"data": "confidential"}, {"data": None}, replace(ROW, data="restricted"), "local"), CapabilityForbidden,
        ("data: no row of the route 'main' may answer this call: main takes data up to \"confidential\", and the call has no "
         'data label, which counts as "restricted": pass data="confidential" if that is what it is, or Client(data=...)'),
    ),
    "routes": (
        lambda: ask({"routes": names("b", "a")}), CapabilityForbidden,
        "routes: no row of the route 'main' may answer this call: main is not among the routes of the grant: a, b",
    ),
    "no routes": (
        lambda: ask({"routes": names()}), CapabilityForbidden,
        "routes: no row of the route 'main' may answer this call: main is not among the routes of the grant: none",
    ),
    "models": (
        lambda: ask({"models": names("b", "a")}), CapabilityForbidden,
        "models: no row of the route 'main' may answer this call: main asks the model m, and the grant allows a, b",
    ),
    "providers": (
        lambda: ask({"providers": names("b", "a")}), CapabilityForbidden,
        "providers: no row of the route 'main' may answer this call: main is at openai, and the grant allows a, b",
    ),
    "regions": (
        lambda: ask({"regions": names("us", "ch")}), CapabilityForbidden,
        "regions: no row of the route 'main' may answer this call: main is in the region eu, and the grant allows ch, us",
    ),
    "no region": (
        lambda: ask({"regions": names("us", "ch")}, None, replace(ROW, region="")), CapabilityForbidden,
        "regions: no row of the route 'main' may answer this call: main is in the region unknown, and the grant allows ch, us",
    ),
    "a budget without prices": (
        lambda: ask({"budgets": (Budget("k", 5, "USD"),)}), CapabilityForbidden,
        ("budget: no row of the route 'main' may answer this call: main has no known worst case in USD, and the grant has a "
         "budget: give the row prices, or pass max_output_tokens"),
    ),
    "a budget in another currency": (
        lambda: ask({"budgets": (Budget("k", 5, "calls"), Budget("k", 5, "EUR"))}, {"input_bytes": 1, "max_output": 1}, PRICED), CapabilityForbidden,
        ("budget: no row of the route 'main' may answer this call: main has no known worst case in EUR, and the grant has a "
         "budget: give the row prices, or pass max_output_tokens"),
    ),
    "a cost without prices": (
        lambda: ask({"max_cost": Cost(5 * 10**7)}), CapabilityForbidden,
        ("max_cost: no row of the route 'main' may answer this call: main has no known worst case in USD, and the grant "
         "allows 0.05 USD per call: give the row prices, or pass max_output_tokens"),
    ),
    "a cost in another currency": (
        lambda: ask({"max_cost": Cost(10**9, "EUR")}, {"input_bytes": 1, "max_output": 1}, PRICED), CapabilityForbidden,
        ("max_cost: no row of the route 'main' may answer this call: main has no known worst case in EUR, and the grant "
         "allows 1 EUR per call: give the row prices, or pass max_output_tokens"),
    ),
    "a dear call": (
        lambda: ask({"max_cost": Cost(11_999)}, {"input_bytes": 1, "max_output": 1}, PRICED), CapabilityForbidden,
        ("max_cost: no row of the route 'main' may answer this call: main may cost 1.2e-05 USD, and the grant allows "
         "1.1999e-05 USD per call: pass a lower max_output_tokens"),
    ),
    "several rows": (
        lambda: authorise((ONLY_X, ONLY_US), ASKS, (ROW, replace(ROW, id="other", model="x")), trust="production"), CapabilityForbidden,
        ("models: no row of the route 'main' may answer this call: main asks the model m, and the grant allows x; other is "
         "in the region eu, and two allows us"),
    ),
    "an expired chain": (
        lambda: check_now(verified(), NOW + LIFE), CapabilityExpired,
        "exp: the capability 9e64f345b5b9 expired at 1800003600; it is 1800003600: get a new one",
    ),
    "an early chain": (
        lambda: check_now(verified(chain(root(nbf=NOW + 100))), NOW + 69.9), CapabilityExpired,
        "nbf: the capability a7ca6441222a is not valid before 1800000100; it is 1800000070: wait, or set the clock",
    ),
    "a chain from the future": (
        lambda: check_now(verified(), NOW - 31), CapabilityInvalid,
        ("iat: the capability token is refused: it was issued at 1800000000, and it is 1799999969: one of the two clocks is "
         "wrong"),
    ),
    "nobody issues": (
        lambda: verify_chain(chain(root(iss="other")), {}), CapabilityInvalid,
        "issuer: the capability token is refused: its issuer 'other' is not named by the trust root, which names none",
    ),
    "another issuer": (
        lambda: verify_chain(chain(root(iss="other")), {**issuers(name="b"), **issuers(name="a")}), CapabilityInvalid,
        "issuer: the capability token is refused: its issuer 'other' is not named by the trust root, which names a, b",
    ),
    "a block of another key": (
        lambda: verify_chain(chain(root(), issuer=HOLDERS[0]), issuers()), CapabilityInvalid,
        "signature: the capability token is refused: block 1 is not signed with a key of its issuer",
    ),
    "a second block of another key": (
        lambda: verify_chain(chain(root(), {}, keys=(HOLDERS[5].public_key.raw,)), issuers()), CapabilityInvalid,
        "signature: the capability token is refused: block 2 is not signed with the key that block 1 names",
    ),
    "too deep": (
        lambda: verify_chain(chain(root(), {}, {}), issuers(max_depth=2)), CapabilityInvalid,
        "depth: the capability token is refused: it has 3 blocks, and at most 2 are allowed",
    ),
    "too deep by its own word": (
        lambda: verify_chain(chain(root(depth=2), {"depth": 1}), issuers()), CapabilityInvalid,
        "depth: the capability token is refused: it has 2 blocks, and at most 1 are allowed",
    ),
    "it lives too long": (
        lambda: verify_chain(chain(), issuers(max_life=LIFE - 1)), CapabilityInvalid,
        ("life: the capability token is refused: it lives for 3600 seconds, and its issuer's tokens for 1 to 3599: mint it "
         "for less"),
    ),
    "it lives for no time": (
        lambda: verify_chain(chain(root(exp=NOW)), issuers()), CapabilityInvalid,
        ("life: the capability token is refused: it lives for 0 seconds, and its issuer's tokens for 1 to 2592000: mint it "
         "for less"),
    ),
    "more than the ceiling": (
        lambda: verify_chain(chain(root(budget={"amount": 6, "currency": "USD"})), issuers(ceiling=Permission("x", budgets=(Budget("k", 5, "USD"),)))), CapabilityInvalid,
        ("ceiling: the capability token is refused: it gives out more USD than its issuer may by the trust root: mint it "
         "with less"),
    ),
    "more calls than the ceiling": (
        lambda: verify_chain(chain(root(calls=6)), issuers(ceiling=Permission("x", budgets=(Budget("k", 5, "calls"),)))), CapabilityInvalid,
        ("ceiling: the capability token is refused: it gives out more calls than its issuer may by the trust root: mint it "
         "with less"),
    ),
    "the longest holder": (
        lambda: read_holder("srcap1h." + "A" * 8_184), CapabilityInvalid,
        "encoding: the capability token is refused: the seed has 6138 bytes instead of 32",
    ),
    "a longer holder": (
        lambda: read_holder("srcap1h." + "A" * 8_185), CapabilityInvalid,
        ("form: the capability token is refused: it is no holder's form: that begins with \"srcap1h.\", and "
         "Capability.to_holder() makes it"),
    ),
    "an issuer's claim in a second block": (
        lambda: extend(read_chain(chain()), HOLDERS[0], Claims(issuer="acme"), HOLDERS[1].public_key.raw), CapabilityInvalid,
        "claim: the capability token is refused: block 2 has the claim iss, which only the issuer's block may have",
    ),
    "an unknown claim": (
        lambda: verify_chain(chain(root(), {"x" * 50: 1}), issuers()), CapabilityInvalid,
        ("claim: the capability token is refused: block 2 has the claim 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', which "
         "srcap1 does not have"),
    ),
    "a claim of the issuer": (
        lambda: verify_chain(chain(root(), {"iss": "acme"}), issuers()), CapabilityInvalid,
        "claim: the capability token is refused: block 2 has the claim iss, which only the issuer's block may have",
    ),
    "an old proof": (
        lambda: verify_call(call(ts=NOW - 61)), CapabilityInvalid,
        ("stale: the capability token is refused: its proof was made at 1799999939, and it is 1800000000: make one for each "
         "request, and check both clocks"),
    ),
    "a proof's form": (
        lambda: verify_call(call(nonce="x")), CapabilityInvalid,
        ("proof: the capability token is refused: the proof must have exactly aud, nonce, req, ts and, if need be, inst, "
         "each in its form"),
    ),
    "a proof that is no JSON": (
        lambda: verify_call(call(ts=10**30)), CapabilityInvalid,
        "proof: the capability token is refused: the proof: it holds an integer beyond 2^53-1",
    ),
    "a proof of another's chain": (
        lambda: prove(read_chain(chain()), HOLDERS[1], Proof("web", "ab" * 16, "ab" * 32, NOW)), CapabilityInvalid,
        ("not_yours: the capability token is refused: its last key is another than the one given: use the key that it was "
         "delegated to"),
    ),
    "an unknown keyword": (
        lambda: claims_from({"model": "m"}, NOW), UnknownOption,
        ("-: 'model' is nothing that bounds a capability; what does: audience, budget, calls, concurrent, data, "
         "expires_in, guards, max_cost, max_depth, max_input_tokens, max_output_tokens, models, not_before, operations, "
         "providers, purpose, regions, requests, requests_per_minute, routes, scope, stream, table_min, tokens_per_minute, tools"),
    ),
    "too many models": (
        lambda: claims_from({"models": [f"m{n}" for n in range(65)]}, NOW), RequestError,
        "-: models must be a list of 1 to 64 models' names",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_words(case: str) -> None:
    act, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert f"{getattr(caught.value, 'code', '-')}: {caught.value}" == words


def test_without_a_permission_a_local_table_answers_as_it_is() -> None:
    rows = (ROW, replace(ROW, id="other", data="public"))
    assert authorise((), Asked("main"), rows, trust="local") == Authorisation(rows)
    kept = authorise((), Asked("main", data="internal"), rows, trust="local")
    why = 'takes data up to "public", and the call is labelled internal: pass data="public" if that is what it is, or Client(data=...)'
    assert kept == Authorisation(rows[:1], (("other", why),))


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, False),
        ({"max_input": 1}, True),
        ({"max_cost": Cost(1)}, True),
        ({"budgets": (Budget("k", 1, "USD"),)}, True),
        ({"budgets": (Budget("k", 1, "calls"),)}, False),
        ({"max_output": 1}, False),
    ],
)
def test_what_needs_the_inputs_size(bounds: dict[str, Any], expected: bool) -> None:
    assert sizes_input((Permission("a"), Permission("b", **bounds))) is expected


@pytest.mark.parametrize(
    ("bounds", "route", "expected"),
    [
        ({}, "x", True),
        ({"routes": names("main")}, "x", True),
        ({"routes": names("fast")}, "fast", False),
        ({"routes": names("fast"), "aliases": True}, "fast", True),
        ({"routes": names("fast"), "aliases": True}, "slow", False),
        ({"models": names("n")}, "x", False),
        ({"providers": names("n")}, "x", False),
        ({"regions": names("n")}, "x", False),
        ({"regions": names("eu")}, "x", True),
    ],
)
def test_what_a_permission_reaches(bounds: dict[str, Any], route: str, expected: bool) -> None:
    assert reaches(Permission("a", **bounds), route, ROW) is expected


def test_a_call_at_its_exact_bounds_passes() -> None:
    bounds = {
        "max_cost": Cost(12_000), "max_output": 1, "max_input": 1, "table_min": 3, "expires_at": 101, "not_before": 130,
        "audience": names("web"), "purposes": names("a"), "requests": names("aa"), "guards": names("g"), "tools": names("t"),
    }  # fmt: skip
    asked = {
        "input_bytes": 1, "max_output": 1, "table_version": 3, "now": 100.0, "audience": "web", "purpose": "a", "request": "aa",
        "guards": names("g", "h"), "tools": ("t",), "stream": True,
    }  # fmt: skip
    assert ask(bounds, asked, PRICED) == Authorisation((PRICED,))
    assert replace(ASKS, input_bytes=1, max_output=1, answers=2).cost_at(PRICED) == 22_000
    assert replace(ASKS, input_bytes=1, max_output=1, by_reference=True).cost_at(PRICED) is None
    assert replace(ASKS, max_output=1).cost_at(PRICED) is None
    free = replace(ROW, prices=Prices("USD", input=2_000, output=0))
    assert replace(ASKS, input_bytes=1, max_output=5, answers=2).cost_at(free) == 2_000

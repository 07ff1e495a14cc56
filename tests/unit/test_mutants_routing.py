"""Exact values of compiled tables, states and differences, and the exact limits of shapes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

import pytest

from saferoute.routing.authoring import build
from saferoute.routing.difference import Change, compare
from saferoute.routing.parameters import filled
from saferoute.routing.resolve import resolve
from saferoute.routing.rollback import Seen, State
from saferoute.routing.root import parse_root
from saferoute.routing.schema import Flag, ListOf, MapOf, Record, Shape, Text, Whole, check
from saferoute.routing.status import parse_revocations, parse_status
from saferoute.routing.table import Alias
from saferoute.signing.envelope import PayloadType
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical
from saferoute.values.balancing import PLAIN_POLICY, Hedge, Limits, Policy, Shadow
from saferoute.values.guard_profile import ArgumentRule, GuardProfile, GuardSetting, ToolRule
from saferoute.values.guarding import Action
from saferoute.values.http import NetClass
from saferoute.values.permission import Budget, Cost, Permission
from saferoute.values.signed_template import SignedTemplate
from saferoute.values.target import Deadlines, Prices, PriceTier, Profile, Quirks, Target
from tests.support.trust_cases import (
    DAY,
    NOW,
    STATUS_KEY,
    TABLE_KEY,
    document,
    files,
    full_root,
    full_table,
    release_payload,
    revocations_payload,
    root_payload,
    status_payload,
    status_root,
    table,
)  # fmt: skip

WORD = Text(re.compile("[a-z]+"), longest=80, what="a word")
SHORT = Text(longest=3)
NEST = Record({"a": Whole(1, 3)}, {"b": Flag(), "c": ListOf(WORD, 2, 1, distinct=True), "d": MapOf(WORD, Whole(0, 9), 2, 1)})


@pytest.mark.parametrize(
    ("value", "shape", "words"),
    [
        (1, WORD, "t must be a word"),
        (1, Text(), "t must be a text"),
        ("a" * 80, WORD, None),
        ("a" * 81, WORD, "t is longer than 80 characters"),
        ("x" * 1000, Text(), None),
        ("x" * 1001, Text(), "t is longer than 1000 characters"),
        ("A" * 70, WORD, f"t is '{'A' * 60}', which is not a word"),
        ("abc", SHORT, None),
        ("abcd", SHORT, "t is longer than 3 characters"),
        ("b", Text(choices=("a", "b")), None),
        ("c" * 70, Text(choices=("a", "b")), f"t is '{'c' * 60}'; it must be one of a, b"),
        (True, Whole(0, 1), "t must be an integer"),
        (1, Whole(1, 3), None),
        (3, Whole(1, 3), None),
        (0, Whole(1, 3), "t is 0; it must be from 1 to 3"),
        (4, Whole(1, 3), "t is 4; it must be from 1 to 3"),
        (0, Flag(), "t must be true or false"),
        ((), ListOf(WORD, 2), "t must be a list"),
        ([], ListOf(WORD, 2), None),
        ([], ListOf(WORD, 2, 1), "t has 0 entries; it must have 1 to 2"),
        (["a"], ListOf(WORD, 2, 1), None),
        (["a", "a"], ListOf(WORD, 2, 1), None),
        (["a", "a"], ListOf(WORD, 2, 1, distinct=True), "t holds an entry twice"),
        (["a"] * 3, ListOf(WORD, 2), "t has 3 entries; it must have 0 to 2"),
        (["a", 5], ListOf(WORD, 2), "t[1] must be a word"),
        ([], MapOf(WORD, Flag(), 2), "t must be an object"),
        ({}, MapOf(WORD, Flag(), 2), None),
        ({}, MapOf(WORD, Flag(), 2, 1), "t has 0 entries; it must have 1 to 2"),
        ({"a": True, "b": False}, MapOf(WORD, Flag(), 2, 2), None),
        ({"a": True, "b": True, "c": True}, MapOf(WORD, Flag(), 2), "t has 3 entries; it must have 0 to 2"),
        ({"a": 1}, MapOf(WORD, Flag(), 2), "t.a must be true or false"),
        ({"A" * 90: True}, MapOf(WORD, Flag(), 2), f"t.{'A' * 80} is longer than 80 characters"),
        ([], NEST, "t must be an object"),
        ({"b": True}, NEST, "t.a is missing"),
        ({"a": 1, "x" * 90: 1}, NEST, f"t.{'x' * 80} is not a field of this schema; the fields are a, b, c, d"),
        ({"a": 1, "c": ["a", "B"]}, NEST, "t.c[1] is 'B', which is not a word"),
        ({"a": 1, "d": {"k": 10}}, NEST, "t.d.k is 10; it must be from 0 to 9"),
        ({"a": 3, "b": False, "c": ["x", "y"], "d": {"k": 9}}, NEST, None),
        ({}, Record({}), None),
    ],
)
def test_a_shape_at_its_limits(value: object, shape: Shape, words: str | None) -> None:
    if words is None:
        check(value, shape, "t")
        return
    with pytest.raises(Refused) as caught:
        check(value, shape, "t")
    assert str(caught.value) == words


STRICT = GuardProfile(
    "strict",
    {
        "pii": GuardSetting(Action.REDACT, 500, "block", frozenset({"pii.email", "pii.phone"}), reversible=True),
        "secrets": GuardSetting(Action.BLOCK),
        "house-rules": GuardSetting(on_error="flag"),
    },
    100_000,
    frozenset({"docs.example.com", "*.example.org"}),
    frozenset({"support-v1"}),
    {
        "search": ToolRule(
            effects=False,
            approval="never",
            arguments=(ArgumentRule("/url", frozenset({"api.example.com", ".example.org"}), ("a", "b"), ("https://",), 200),),
            restore=True,
        ),
        "send": ToolRule(),
    },
)
MAIN = Target(
    "main", "example", "openai_chat", "https://api.example.com", "/v1", NetClass("public"), "model-1", "example", "bearer",
    headers=(("openai-organization", "org-1"), ("x-title", "a title")),
    data="internal",
    max_output=1000,
    default_max_output=500,
    extra_params=frozenset({"service_tier", "verbosity"}),
    quirks=Quirks(max_tokens_field="max_tokens", instruction_role="developer", stream_usage=False, tool_result_text_only=True),
    profile=Profile(context_window=1000, tools=True, vision=False, json_schema=True, sampling=True, reasoning="effort"),
    prices=Prices(
        "USD", 2500, 10000, 250, 3000, 5000, 6000, 20_000,
        (PriceTier(200_000, 2500, 10000, 250, 3000, 5000, 6000, 20_000),), (("flex", 500),),
    ),
    deadlines=Deadlines(1.0, 2.0, 3.0, 4.0),
    region="eu",
    limits=Limits(600, 90_000, 8, adaptive=True),
    quota_group="eu-pool",
    guards=STRICT,
)  # fmt: skip


def test_a_table_is_what_it_says() -> None:
    opened = files(full_table()).open()
    assert replace(opened.routes["main"], digest="") == MAIN
    big = {number: resolve(opened, f"open/big-{number}") for number in range(1, 7)}
    spread = Policy(
        "by_tag",
        tag="tenant",
        tagged={"Acme Ltd": ("inside", "main")},
        fallback={
            "any": big[1], "context_window": big[2], "content_filter": big[3], "quota": big[4], "timeout": big[5] + big[6]
        },
        hedge=Hedge(0.3),
        shadow=Shadow(resolve(opened, "open/new")[0], 10, Cost(1000, "USD"), "confidential"),
        limits=Limits(60, 9000, 4),
    )  # fmt: skip
    assert opened.guard_profiles == {"strict": STRICT}
    text = "Answer {{shortly}} in {language}."
    assert opened.templates == {
        "support-v1": SignedTemplate("support-v1", hashlib.sha256(text.encode()).hexdigest(), {"language": "line"}, text),
        "kept-apart": SignedTemplate("kept-apart", "0" * 64, {}),
    }
    inside = opened.routes["inside"]
    assert inside.guards is None
    assert inside.net == NetClass("private", ("10.1.0.0/16",))
    assert (inside.deadlines, inside.prices, inside.profile, inside.quirks, inside.region) == (Deadlines(), None, Profile(), Quirks(), "")
    assert (inside.headers, inside.extra_params, inside.max_output, inside.default_max_output) == ((), frozenset(), None, None)
    assert dict(opened.aliases) == {
        "fast": Alias("fast", ("main", "open/big-1"), 3, Deadlines(1.0, 2.0, 3.0, 4.0)),
        "any": Alias("any", ("fast", "inside"), 3, None),
        "spread": Alias("spread", ("main", "inside"), 3, None, spread),
        "weighed": Alias("weighed", ("main", "inside"), 3, None, Policy("weighted", {"main": 3, "inside": 0})),
    }
    assert [opened.policy(name) for name in ("spread", "fast", "main", "open/big-1", "nowhere")] == [spread, *[PLAIN_POLICY] * 4]
    assert opened.grant == Permission(
        "the table's grant",
        operations=frozenset({"chat"}), routes=frozenset({"fast", "main"}), aliases=True, tools=frozenset({"search"}), data="internal",
        regions=frozenset({"eu"}), max_output=900, max_cost=Cost(1, "USD"), audience=frozenset({"web"}), guards=frozenset({"pii"}),
        scope="host", budgets=(Budget("grant:acme", 5, "USD", "day", replicas=2),),
    )  # fmt: skip
    assert (opened.name, opened.version, opened.root_version, opened.issued, opened.not_after) == ("acme", 1, 1, NOW, NOW + 7 * DAY)


def test_an_issuers_ceiling_is_what_it_says() -> None:
    issuer = parse_root(canonical(full_root())).issuers["ci"]
    assert (issuer.name, issuer.max_life, issuer.max_depth) == ("ci", 3600, 4)
    assert issuer.ceiling == Permission(
        "the ceiling of the issuer 'ci'",
        operations=frozenset({"chat"}), routes=frozenset({"main"}), models=frozenset({"model-1"}), providers=frozenset({"example"}),
        tools=frozenset({"search"}), regions=frozenset({"eu"}), data="internal", max_output=900, max_cost=Cost(1, "USD"), scope="host",
        budgets=(Budget("issuer:acme:ci", 5, "USD", "day", owner="the issuer ci (all capabilities that it minted)", replicas=2),),
    )  # fmt: skip


def test_what_is_kept_of_what_was_accepted() -> None:
    whole = files(root=status_root(), release=(release := release_payload(canonical(table()))))
    said = document(PayloadType.STATUS, status_payload(release, version=4, issued=NOW + 5), STATUS_KEY)
    listed = document(PayloadType.REVOCATIONS, revocations_payload(version=6, issued=NOW + 9), TABLE_KEY)
    opened = whole.trusted(NOW + 9, status=said, revocations=listed)
    status = parse_status(canonical(status_payload(release, version=4, issued=NOW + 5)))
    revocations = parse_revocations(canonical(revocations_payload(version=6, issued=NOW + 9)))
    root = parse_root(canonical(status_root()))
    assert opened.state == State(
        Seen(1, root.digest),
        Seen(1, status.release_digest),
        NOW + 9,
        Seen(4, status.digest),
        Seen(6, revocations.digest),
    )
    assert (opened.begins, opened.ends) == (NOW + 9 - 300, NOW + DAY)
    assert (opened.revoked, opened.halted, opened.rollback) == (frozenset({"token-1"}), frozenset(), "none")
    plain = files().trusted()
    assert plain.state == State(Seen(1, parse_root(canonical(root_payload())).digest), plain.state.table, NOW)
    assert (plain.begins, plain.ends) == (NOW - 300, NOW + 7 * DAY)


OLD = '[routes.eu]\nextends = "openai"\nmodel = "big"\ndata = "internal"\nregion = "eu"\n[aliases]\nfast = ["eu"]\n'
NEW = '[routes.us]\nextends = "anthropic"\nmodel = "small"\ndata = "public"\n[aliases]\nslow = ["us"]\n'


def test_a_change_holds_both_values() -> None:
    old, new = build(OLD), build(NEW)
    found = {(one.place, one.field): one for one in compare(old, new).changes}
    there, here = "anthropic in unknown region at https://api.anthropic.com", "openai in eu at https://api.openai.com"
    api, gone = ["https://api.anthropic.com"], ["https://api.openai.com"]
    expected = [
        Change("keys.anthropic", "", f"is new, and would go to {api[0]}", [], list(api), dangerous=True),
        Change("keys.openai", "", f"would no longer go to {gone[0]}", list(gone), []),
        Change("readers", there, f"{there} is new, and may receive data up to public", None, "public", dangerous=True),
        Change("readers", here, f"{here} would receive nothing any more; before, data up to internal", "internal", None),
        Change("aliases.slow", "", "is new: it sends to us (anthropic/small)", None, ["us (anthropic/small)"]),
        Change("aliases.fast", "", "is gone: it sent to eu (openai/big in eu)", ["eu (openai/big in eu)"], None),
    ]
    for change in expected:
        assert found.pop((change.place, change.field)) == change
    added, taken = found.pop(("routes.us", "")), found.pop(("routes.eu", ""))
    assert (added.before, taken.after, added.dangerous, taken.dangerous) == (None, None, False, False)
    assert (as_map(added.after)["id"], as_map(taken.before)["id"]) == ("us", "eu")
    assert found == {}
    raised = compare(build(OLD), build(OLD.replace("internal", "restricted"))).changes
    assert raised[0] == Change(
        "readers", here, f"{here} may receive data up to restricted; before, up to internal", "internal", "restricted", dangerous=True
    )
    targets = compare(
        build(OLD + NEW.partition("[aliases]")[0]), build(OLD.replace('["eu"]', '["eu", "us"]') + NEW.partition("[aliases]")[0])
    )
    assert targets.changes == (
        Change(
            "aliases.fast", "targets", "now sends to eu (openai/big in eu), then us (anthropic/small); before, to eu (openai/big in eu)",
            ["eu (openai/big in eu)"], ["eu (openai/big in eu)", "us (anthropic/small)"], dangerous=True,
        ),
    )  # fmt: skip


def as_map(value: Any) -> dict[str, Any]:
    assert isinstance(value, dict)
    return value


HOLES = {"origin": "https://{resource}.a.example", "path": "/{project}", "region": "{region}"}


def test_parameters_are_filled_in_where_they_stand() -> None:
    names = ("resource", "project", "region")
    given = {"resource": "acme", "project": "acme-prod", "region": "eu-central-1", "data": "public"}
    whole = {"origin": "https://acme.a.example", "path": "/acme-prod", "region": "eu-central-1", "data": "public"}
    assert filled({**HOLES, **given, "region": "{region}"} | {"path": "/{project}"}, names[:2], {}, "x") == {**whole, "region": "{region}"}
    own = {"resource": {"acme": "https://other.example"}}
    assert filled({**HOLES, "resource": "acme", "project": "acme-prod"}, names[:2], own, "x")["origin"] == "https://other.example"
    mine = {**HOLES, "origin": "https://mine.example", "project": "acme-prod"}
    assert filled(mine, names[:2], own, "x")["origin"] == "https://mine.example"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (HOLES, 'x.resource is missing: write the resource\'s name, such as resource = "acme"'),
        ({**HOLES, "resource": "A" * 70}, f"x.resource is '{'A' * 60}'; write the resource's name, such as resource = \"acme\""),
        ({**HOLES, "resource": 5}, "x.resource is '5'; write the resource's name, such as resource = \"acme\""),
        (
            {"origin": "https://mine.example", "resource": "acme"},
            "x.resource has nothing to fill in: this row has an origin and a path of its own; leave it out",
        ),
    ],
)
def test_a_parameter_that_does_not_fit(row: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as caught:
        filled(row, ("resource",), {}, "x")
    assert str(caught.value) == words

"""What a new table changes: the words, and which changes are marked."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.routing.authoring import build
from saferoute.routing.difference import Change, compare
from saferoute.routing.difference_fields import credential_changes, fields_changed, row_changes, shown, unusual
from saferoute.routing.difference_grant import grant_changes
from saferoute.signing.refusal import Refused

EU = """
[routes.eu]
extends = "openai"
model = "big"
data = "confidential"
region = "eu"
default_max_output = 500
prices = { input = "$2.50/M", output = "$10/M" }
"""
US = """
[routes.us]
extends = "anthropic"
model = "small"
data = "internal"
"""
FAST = '[aliases]\nfast = ["eu"]\n'
GRANT = '[grant]\nroutes = ["eu"]\n'


def changes(old: str, new: str) -> list[tuple[bool, str, str]]:
    return [(one.dangerous, f"{one.place}|{one.field}", one.text) for one in compare(build(old), build(new)).changes]


def test_nothing_changes() -> None:
    found = compare(build(EU + FAST), build(EU + FAST))
    assert (found.changes, found.dangerous) == ((), ())
    assert found.keys == ({"openai": ("https://api.openai.com",)},) * 2
    assert found.readers == ({"openai in eu at https://api.openai.com": "confidential"},) * 2


def test_only_the_order_changes() -> None:
    assert changes(EU + US, US + EU) == [(False, "table|", "only the order changes in which things are written")]


def test_a_new_row_says_who_gets_the_key_and_can_read() -> None:
    assert changes(EU + FAST, EU + US + FAST) == [
        (True, "keys.anthropic|", "is new, and would go to https://api.anthropic.com"),
        (
            True,
            "readers|anthropic in unknown region at https://api.anthropic.com",
            "anthropic in unknown region at https://api.anthropic.com is new, and may receive data up to internal",
        ),
        (False, "routes.us|", "is new: the model small of anthropic at https://api.anthropic.com, data up to internal"),
    ]


def test_a_row_that_goes() -> None:
    found = changes(EU + US, EU)
    assert [one[0] for one in found] == [False] * 3
    assert [one[2] for one in found] == [
        "would no longer go to https://api.anthropic.com",
        ("anthropic in unknown region at https://api.anthropic.com would receive nothing any more; before, data up to internal"),
        "is gone: the model small of anthropic at https://api.anthropic.com, data up to internal",
    ]


def test_an_old_key_that_would_go_to_a_new_origin_is_said_first() -> None:
    moved = EU + 'origin = "https://api.0penai.com"\n'
    found = changes(EU, moved)
    assert found[0] == (True, "keys.openai|", "would now also go to https://api.0penai.com")
    assert (True, "routes.eu|origin", "origin changes from https://api.openai.com to https://api.0penai.com") in found
    assert [one[0] for one in found] == [True, True, True, False, False]
    only = compare(build(EU), build(moved)).changes[0]
    assert (only.before, only.after) == (["https://api.openai.com"], ["https://api.0penai.com"])


@pytest.mark.parametrize(("old", "new", "raised"), [("public", "internal", True), ("confidential", "internal", False)])
def test_a_ceiling_that_moves(old: str, new: str, raised: bool) -> None:
    found = changes(US.replace("internal", old), US.replace("internal", new))
    where = "anthropic in unknown region at https://api.anthropic.com"
    assert found == [
        (raised, f"readers|{where}", f"{where} may receive data up to {new}; before, up to {old}"),
        (raised, "routes.us|data", f"data changes from {old} to {new}"),
    ]


def test_the_highest_row_counts_for_a_reader() -> None:
    other = US.replace("routes.us", "routes.low").replace("internal", "public")
    where = "anthropic in unknown region at https://api.anthropic.com"
    for text in (US + other, other + US):
        assert compare(build(text), build(text)).readers[0] == {where: "internal"}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('["eu"]', '["eu", "us"]', (True, "now sends to eu (openai/big in eu), then us (anthropic/small); before, to eu (openai/big in eu)")),
        ('["eu", "us"]', '["us"]', (False, "now sends to us (anthropic/small); before, to eu (openai/big in eu), then us (anthropic/small)")),
        ('["eu", "us"]', '["us", "eu"]', (False, "now sends to us (anthropic/small), then eu (openai/big in eu); before, to eu (openai/big in eu), then us (anthropic/small)")),
    ],
)  # fmt: skip
def test_an_alias_that_sends_elsewhere(old: str, new: str, found: tuple[bool, str]) -> None:
    texts = [f"{EU}{US}[aliases]\nfast = {targets}\n" for targets in (old, new)]
    assert changes(texts[0], texts[1]) == [(found[0], "aliases.fast|targets", found[1])]


def test_aliases_come_and_go() -> None:
    assert changes(EU, EU + FAST) == [(False, "aliases.fast|", "is new: it sends to eu (openai/big in eu)")]
    assert changes(EU + FAST, EU) == [(False, "aliases.fast|", "is gone: it sent to eu (openai/big in eu)")]


def test_an_aliases_other_fields() -> None:
    one = '[aliases.fast]\ntargets = ["eu"]\nmax_attempts = 2\ndeadlines = { total = "1s" }\n'
    two = '[aliases.fast]\ntargets = ["eu"]\nmax_attempts = 4\ndeadlines = { total = "1.5s" }\n'
    assert changes(EU + one, EU + two) == [
        (False, "aliases.fast|deadlines.total", "deadlines.total changes from 1 s to 1.5 s"),
        (False, "aliases.fast|max_attempts", "max_attempts changes from 2 to 4"),
    ]


def test_annotations_of_the_table() -> None:
    assert changes(EU, EU + '[annotations]\nowner = "x"\n') == [(False, "table|annotations.owner", "annotations.owner is now x")]


@pytest.mark.parametrize(
    ("grant", "marked"), [("", False), (GRANT, False), (GRANT + 'max_cost = "$1"\n', True), (GRANT + 'budget = "$1/day"\n', True)]
)
def test_prices_decide_where_the_grant_bounds_money(grant: str, marked: bool) -> None:
    cheaper = EU.replace("$2.50", "$2")
    assert changes(EU + grant, cheaper + grant) == [
        (marked, "routes.eu|prices.input", "prices.input changes from 2.5 per million tokens to 2 per million tokens")
    ]
    assert changes(cheaper + grant, EU + grant)[0][0] is False


def row(**fields: Any) -> list[tuple[bool, str, str]]:
    """The changes of one field from its first value to its second; None stands for a field that is not there."""
    sides = [{name: pair[side] for name, pair in fields.items() if pair[side] is not None} for side in (0, 1)]
    return [(one.dangerous, one.field, one.text) for one in row_changes("routes.x", sides[0], sides[1], money=True)]


@pytest.mark.parametrize(
    ("field", "before", "after", "marked", "text"),
    [
        ("data", "public", "restricted", True, "data changes from public to restricted"),
        ("data", "internal", "public", False, "data changes from internal to public"),
        ("max_output", 5, 6, True, "max_output changes from 5 to 6"),
        ("max_output", 6, 5, False, "max_output changes from 6 to 5"),
        ("max_output", 5, None, True, "max_output is no longer 5, but not set"),
        ("max_output", None, 5, False, "max_output is now 5"),
        ("model", "a", "*", True, "model changes from a to *"),
        ("model", "*", "a", False, "model changes from * to a"),
        ("extra_params", ["a"], ["a", "b"], True, "extra_params changes from a to a, b"),
        ("extra_params", ["a", "b"], ["b"], False, "extra_params changes from a, b to b"),
        ("extra_params", None, ["b"], True, "extra_params is now b"),
        ("net", "public", "private", True, "net changes from public to private"),
        ("networks", ["10.0.0.0/8"], ["10.1.0.0/16"], True, "networks changes from 10.0.0.0/8 to 10.1.0.0/16"),
        ("secret", None, "key", True, "secret is now key"),
        ("region", "eu", None, True, "region is no longer eu, but not set"),
        ("provider", "a", "b", True, "provider changes from a to b"),
        ("path", "/v1", "", True, 'path changes from /v1 to ""'),
        ("unsafe_plaintext", None, True, True, "unsafe_plaintext is now true"),
        ("unsafe_plaintext", True, False, True, "unsafe_plaintext changes from true to false"),
        ("connect_proxy", None, "https://p.example", True, "connect_proxy is now https://p.example"),
        ("tls", {"roots": "os"}, {"roots": "certifi"}, True, 'tls changes from {"roots":"os"} to {"roots":"certifi"}'),
        ("invented_later", 1, 2, True, "invented_later changes from 1 to 2"),
        ("auth", "bearer", "api-key", False, "auth changes from bearer to api-key"),
        ("dialect", "openai_chat", "openai_responses", False, "dialect changes from openai_chat to openai_responses"),
        ("default_max_output", 1, 2, False, "default_max_output changes from 1 to 2"),
        ("families", [{"prefix": "a"}], None, False, 'families is no longer [{"prefix":"a"}], but not set'),
    ],
)  # fmt: skip
def test_a_rows_field(field: str, before: Any, after: Any, marked: bool, text: str) -> None:
    assert row(**{field: (before, after)}) == [(marked, field, text)]


@pytest.mark.parametrize(
    ("field", "before", "after", "found"),
    [
        ("headers", {"a": "1", "b": "2"}, {"a": "1", "b": "3"}, [(False, "headers.b", "headers.b changes from 2 to 3")]),
        ("profile", None, {"tools": True}, [(False, "profile.tools", "profile.tools is now true")]),
        ("quirks", {"stream_usage": False}, None, [(False, "quirks.stream_usage", "quirks.stream_usage is no longer false, but not set")]),
        ("annotations", {"a": "1"}, {"a": "2"}, [(False, "annotations.a", "annotations.a changes from 1 to 2")]),
        ("deadlines", {"total": 500}, {"total": 1500}, [(False, "deadlines.total", "deadlines.total changes from 0.5 s to 1.5 s")]),
        ("prices", {"input": 2000}, {"input": 3000}, [(False, "prices.input", "prices.input changes from 2 per million tokens to 3 per million tokens")]),
        ("prices", {"currency": "USD"}, {"currency": "EUR"}, [(True, "prices.currency", "prices.currency changes from USD to EUR")]),
        ("prices", {"input": 2000}, None, [(True, "prices.input", "prices.input is no longer 2 per million tokens, but not set")]),
        ("prices", None, {"input": 2000}, [(True, "prices.input", "prices.input is now 2 per million tokens")]),
    ],
)  # fmt: skip
def test_a_rows_nested_field(field: str, before: Any, after: Any, found: list[tuple[bool, str, str]]) -> None:
    assert row(**{field: (before, after)}) == found


def test_fields_come_in_order_with_their_values() -> None:
    found = list(row_changes("routes.x", {"b": 1, "a": 1, "c": 1}, {"b": 2, "a": 2, "c": 1}, money=False))
    assert found == [
        Change("routes.x", "a", "a changes from 1 to 2", 1, 2, dangerous=True),
        Change("routes.x", "b", "b changes from 1 to 2", 1, 2, dangerous=True),
    ]
    assert list(fields_changed("p", {}, {"annotations": {"z": "1", "y": "2"}}, lambda *_: False)) == [
        Change("p", "annotations.y", "annotations.y is now 2", None, "2"),
        Change("p", "annotations.z", "annotations.z is now 1", None, "1"),
    ]


def test_prices_alone_do_not_alarm_without_a_bound() -> None:
    assert [one.dangerous for one in row_changes("x", {"prices": {"input": 2}}, {"prices": {"input": 1}}, money=False)] == [False]


def test_whatever_makes_a_credential_is_marked() -> None:
    found = credential_changes("credentials.x", {"scope": "a", "annotations": {"a": "1"}}, {"scope": "b", "annotations": {"a": "2"}})
    assert [(one.field, one.dangerous) for one in found] == [("annotations.a", False), ("scope", True)]


def test_what_a_new_row_has_besides() -> None:
    plain = {"id": "x", "model": "m", "origin": "o", "data": "public", "auth": "bearer", "headers": {}, "prices": {}, "max_output": 1}
    assert unusual(plain) == ""
    assert unusual({**plain, "unsafe_plaintext": True, "connect_proxy": "https://p"}) == ", connect_proxy https://p, unsafe_plaintext true"


@pytest.mark.parametrize(("value", "text"), [([], "none"), (["a", 1], '["a",1]'), ({}, "{}"), (True, "true"), (0, "0"), ("", '""')])
def test_values_in_words(value: Any, text: str) -> None:
    assert shown("x", value) == text


CREDENTIAL = """
[routes.made]
extends = "gemini"
secret = "g"
auth = "bearer"
model = "m"

[credentials.g]
kind = "google_service_account"
secret = "account"
"""


def test_credentials_come_and_go_and_change() -> None:
    words = "google_service_account, made at https://oauth2.googleapis.com"
    with_made, without = (
        CREDENTIAL,
        CREDENTIAL.partition("[credentials")[0].replace('"g"', '"gemini"').replace('"bearer"', '"x-goog-api-key"'),
    )
    added, gone = changes(without, with_made), changes(with_made, without)
    assert (True, "credentials.g|", f"is new: {words}") in added
    assert (True, "keys.account|", "is new, and would go to https://oauth2.googleapis.com") in added
    assert (True, "keys.g|", "is new, and would go to https://generativelanguage.googleapis.com") in added
    assert (False, "credentials.g|", f"is gone: {words}") in gone
    assert (True, "credentials.g|scope", "scope is now https://www.googleapis.com/auth/cloud-platform") in changes(
        with_made, with_made + 'scope = "https://www.googleapis.com/auth/cloud-platform"\n'
    )


def test_the_grant_comes_and_goes() -> None:
    assert changes(EU, EU + GRANT) == [
        (True, "grant|", "callers without a capability were refused, and may now: operations chat; routes eu")
    ]
    assert changes(EU + GRANT, EU) == [(False, "grant|", "is gone: in production every call without a capability is refused")]
    assert list(grant_changes(None, None)) == []
    assert list(grant_changes({"routes": ["a", "b"]}, {"routes": ["b", "a"]})) == []
    assert [(one.before, one.after) for one in grant_changes(None, {"data": "public"})] == [(None, {"data": "public"})]
    assert [(one.before, one.after) for one in grant_changes({"data": "public"}, None)] == [({"data": "public"}, None)]


USD, EUR = {"amount": 5 * 10**9, "currency": "USD"}, {"amount": 4 * 10**9, "currency": "EUR"}
LESS = {"amount": 4 * 10**9, "currency": "USD"}
DAY = {**USD, "per": "day"}


@pytest.mark.parametrize(
    ("field", "before", "after", "marked", "text"),
    [
        *[
            case
            for field in ("audience", "operations", "regions", "routes", "tools")
            for case in (
                (field, ["a"], ["a", "b"], True, f"{field}: now also b"),
                (field, ["a", "b"], ["b"], False, f"{field}: no longer a"),
                (field, ["a", "c"], ["b", "d"], True, f"{field}: now also b, d; no longer a, c"),
                (field, ["a"], None, True, f"{field} changes from a to not bounded"),
                (field, None, ["a"], False, f"{field} changes from not bounded to a"),
                (field, None, [], False, f"{field} changes from not bounded to none"),
            )
        ],
        ("guards", ["a", "b"], ["a"], True, "guards: no longer b"),
        ("guards", ["a"], ["a", "b"], False, "guards: now also b"),
        ("guards", ["a"], None, True, "guards changes from a to not bounded"),
        ("guards", None, ["a"], False, "guards changes from not bounded to a"),
        ("data", "public", "internal", True, "data changes from public to internal"),
        ("data", "internal", "public", False, "data changes from internal to public"),
        ("data", "confidential", None, True, "data changes from confidential to not bounded"),
        ("data", "restricted", None, False, "data changes from restricted to not bounded"),
        ("data", None, "confidential", False, "data changes from not bounded to confidential"),
        ("max_output", 5, 6, True, "max_output changes from 5 to 6"),
        ("max_output", 6, 5, False, "max_output changes from 6 to 5"),
        ("max_output", 6, None, True, "max_output changes from 6 to not bounded"),
        ("max_output", None, 6, False, "max_output changes from not bounded to 6"),
        ("max_cost", LESS, USD, True, "max_cost changes from 4 USD to 5 USD"),
        ("max_cost", USD, LESS, False, "max_cost changes from 5 USD to 4 USD"),
        ("max_cost", USD, EUR, True, "max_cost changes from 5 USD to 4 EUR"),
        ("max_cost", USD, None, True, "max_cost changes from 5 USD to not bounded"),
        ("max_cost", None, USD, False, "max_cost changes from not bounded to 5 USD"),
        ("budget", DAY, None, True, "budget changes from 5 USD day to not bounded"),
        ("budget", None, DAY, False, "budget changes from not bounded to 5 USD day"),
        ("budget", DAY, {**LESS, "per": "day"}, False, "budget changes from 5 USD day to 4 USD day"),
        ("budget", {**LESS, "per": "day"}, DAY, True, "budget changes from 4 USD day to 5 USD day"),
        ("budget", DAY, {**EUR, "per": "day"}, True, "budget changes from 5 USD day to 4 EUR day"),
        ("budget", DAY, {**DAY, "per": "week"}, False, "budget changes from 5 USD day to 5 USD week"),
        ("budget", DAY, {**DAY, "per": "hour"}, True, "budget changes from 5 USD day to 5 USD hour"),
        ("budget", DAY, {**DAY, "scope": "process"}, True, "budget changes from 5 USD day to 5 USD day process"),
        ("budget", DAY, {**DAY, "scope": "host"}, False, "budget changes from 5 USD day to 5 USD day host"),
        ("budget", DAY, {**DAY, "scope": "cluster"}, False, "budget changes from 5 USD day to 5 USD day cluster"),
        ("budget", {**DAY, "scope": "cluster"}, DAY, True, "budget changes from 5 USD day cluster to 5 USD day"),
        ("budget", {**DAY, "replicas": 2}, DAY, True, "budget changes from 5 USD day 2 to 5 USD day"),
        ("budget", DAY, {**DAY, "replicas": 2}, False, "budget changes from 5 USD day to 5 USD day 2"),
        ("invented_later", 1, 2, True, "invented_later changes from 1 to 2"),
    ],
)  # fmt: skip
def test_a_grants_field(field: str, before: Any, after: Any, marked: bool, text: str) -> None:
    text = (
        text.replace(" USD day", " USD a day")
        .replace(" EUR day", " EUR a day")
        .replace("USD week", "USD a week")
        .replace("USD hour", "USD an hour")
    )
    text = (
        text.replace("day process", "day, counted per process")
        .replace("day host", "day, counted per host")
        .replace("day cluster", "day, counted per cluster")
        .replace("day 2", "day, among 2 replicas")
    )
    sides = [{"operations": ["chat"], **({} if value is None else {field: value})} for value in (before, after)]
    if field == "operations":
        sides = [{"x": 1, **({} if value is None else {field: value})} for value in (before, after)]
    assert [(one.dangerous, one.place, one.field, one.text) for one in grant_changes(sides[0], sides[1])] == [
        (marked, "grant", field, text)
    ]


def test_changes_that_are_marked_come_first_and_only_they() -> None:
    found = compare(build(EU), build(EU + US))
    assert found.dangerous == found.changes[:2]
    assert [one.dangerous for one in found.changes] == [True, True, False]


@pytest.mark.parametrize("sides", [(b"{}", None), (None, b"{}")])
def test_what_is_no_table(sides: tuple[bytes | None, bytes | None]) -> None:
    old, new = (build(EU) if side is None else side for side in sides)
    with pytest.raises(Refused):
        compare(old, new)

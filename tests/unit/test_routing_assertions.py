"""`[[assertions]]`: what is read, what is refused, and what holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from saferoute.cli.table_review import decide_as_production
from saferoute.errors import ConfigurationError
from saferoute.routing.assertions import INPUT_BYTES, Assertion, MadeUpCall, read_assertions, run_assertions
from saferoute.routing.authoring import assertions_of, build
from saferoute.routing.release import Release
from saferoute.routing.table import compile_table
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from saferoute.routing.table import RoutingTable
    from saferoute.values.target import Target

TOML = """
[routes.eu]
extends = "openai"
model = "big"
data = "confidential"
region = "eu"
max_output = 2000
default_max_output = 500
prices = { input = "$2.50/M", output = "$10/M" }

[routes.us]
extends = "anthropic"
model = "small"
data = "internal"
default_max_output = 500
prices = { input = "$2.50/M", output = "$10/M" }

[aliases]
fast = ["eu", "us"]

[grant]
routes = ["fast"]
tools = ["get_weather"]
data = "confidential"
max_output = 1000
max_cost = "$0.05"
"""
EU, US = "eu (openai in the region eu)", "us (anthropic in the region unknown)"


@pytest.fixture(scope="module")
def table() -> RoutingTable:
    return compile_table(build(TOML), Release("draft", 1, 1, 0, 1, ()))


def failure(table: RoutingTable, **raw: Any) -> str:
    raw.setdefault("route", "fast")
    read = read_assertions([{"with" if name == "with_" else name: value for name, value in raw.items()}])
    return run_assertions(table, read, decide_as_production(table))[0].failure


@pytest.mark.parametrize(
    "raw",
    [
        {"data": "public", "allowed": True},
        {"data": "confidential", "goes_only_to": {"regions": ["eu"]}},
        {"data": "confidential", "goes_only_to": {"regions": ["eu"], "providers": ["openai"], "routes": ["eu"], "models": ["big"]}},
        {"data": "confidential", "goes_only_to": {"origins": ["https://api.openai.com"]}},
        {"data": "internal", "goes_only_to": {"regions": ["eu", "unknown"]}},
        {"data": "internal", "never_goes_to": {"regions": ["us"], "models": ["other"]}},
        {"data": "confidential", "never_goes_to": {"providers": ["anthropic"]}},
        {"never_goes_to": {"providers": ["anthropic"]}},  # no label counts as restricted, so the call goes nowhere
        {"refused": "data"},
        {"allowed": False},
        {"data": "public", "with_": {"tools": ["get_weather"]}, "allowed": True},
        {"data": "public", "with_": {"tools": ["delete"]}, "refused": "tools"},
        {"data": "public", "with_": {"operation": "embed"}, "refused": "operation"},
        {"data": "public", "with_": {"max_output_tokens": 1000}, "allowed": True},
        {"data": "public", "with_": {"max_output_tokens": 1001}, "refused": "max_output"},
        {"data": "public", "with_": {"max_output_tokens": 500, "n": 2}, "allowed": True},
        {"data": "public", "with_": {"max_output_tokens": 500, "n": 3}, "refused": "max_output"},
        {"data": "public", "with_": {"input_bytes": 18_000, "max_output_tokens": 500}, "allowed": True},
        {"data": "public", "with_": {"input_bytes": 18_001, "max_output_tokens": 500}, "refused": "max_cost"},
        {"data": "public", "with_": {"stream": True, "purpose": "x", "audience": "y", "guards": ["z"]}, "allowed": True},
        {"route": "eu", "data": "public", "refused": "routes"},
        {"route": "nowhere", "refused": "no_route"},
    ],
)
def test_what_holds(table: RoutingTable, raw: dict[str, Any]) -> None:
    assert failure(table, **raw) == ""


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"data": "internal", "goes_only_to": {"regions": ["eu"]}}, f"it may go to {US}: unknown is not among the regions eu"),
        ({"data": "internal", "goes_only_to": {"routes": ["us", "other"]}}, f"it may go to {EU}: eu is not among the routes other, us"),
        ({"data": "internal", "never_goes_to": {"models": ["small"]}}, f"it may go to {US}: small is among the models small"),
        ({"data": "internal", "allowed": False}, f"the call is allowed, and must be refused; it may go to {EU}, {US}"),
        ({"data": "confidential", "refused": "tools"}, f"the call is allowed, and must be refused (tools); it may go to {EU}"),
        (
            {"data": "public", "with_": {"tools": ["x"]}, "allowed": True},
            (
                "the call is refused (tools): the table's grant allows the tools get_weather; offered: x. "
                "Leave them out of tools= and provider_options="
            ),
        ),
        (
            {"data": "public", "with_": {"tools": ["x"]}, "refused": "data"},
            (
                "the call is refused for another reason than 'data' (tools): the table's grant allows the tools get_weather; offered: x. "
                "Leave them out of tools= and provider_options="
            ),
        ),
    ],
)
def test_what_does_not_hold_says_why(table: RoutingTable, raw: dict[str, Any], text: str) -> None:
    assert failure(table, **raw) == text


@pytest.mark.parametrize("expected", [{"allowed": True}, {"allowed": False}, {"refused": "data"}, {"never_goes_to": {"regions": ["us"]}}])
def test_a_name_that_is_not_there_never_holds_by_accident(table: RoutingTable, expected: dict[str, Any]) -> None:
    assert failure(table, route="fats", **expected).startswith("the call is refused (no_route): the routing table has no route 'fats'")


def test_a_refused_call_does_not_go_only_to_a_place(table: RoutingTable) -> None:
    assert failure(table, data="restricted", goes_only_to={"regions": ["eu"]}).startswith("the call is refused (data): ")


def test_without_a_grant_production_refuses() -> None:
    bare = compile_table(build(TOML.partition("[grant]")[0]), Release("draft", 1, 1, 0, 1, ()))
    assert failure(bare, data="public", refused="no_grant") == ""


def test_a_bound_is_filled_in_only_where_a_client_fills_it_in() -> None:
    text = TOML.replace('max_output = 1000\nmax_cost = "$0.05"\n', "")
    unbounded = compile_table(build(text), Release("draft", 1, 1, 0, 1, ()))
    assert failure(unbounded, data="public", allowed=True) == ""
    seen: list[MadeUpCall] = []

    def decide(call: MadeUpCall, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        seen.append(call)
        return targets

    run_assertions(unbounded, read_assertions([{"route": "fast", "allowed": True}]), decide)
    assert seen == [MadeUpCall("fast")]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("x", "assertions must be at most 1000 sections [[assertions]]"),
        ([{"route": "a", "allowed": True}] * 1001, "assertions must be at most 1000 sections [[assertions]]"),
        ([{"allowed": True}], "assertions[0].route is missing"),
        ([{"route": "a"}], "assertions[0] asserts nothing: add one of allowed, refused, goes_only_to, never_goes_to"),
        ([{"route": "a", "goes_only_to": {}}], "assertions[0].goes_only_to names no place: add one of models, origins, providers, regions, routes"),
        ([{"route": "a", "never_goes_to": {}}], "assertions[0].never_goes_to names no place: add one of models, origins, providers, regions, routes"),
        ([{"route": "a", "goes_only_to": {"regions": []}}], "assertions[0].goes_only_to.regions has 0 entries; it must have 1 to 200"),
        ([{"route": "a", "allowed": "yes"}], "assertions[0].allowed must be true or false"),
        ([{"route": "a", "refused": "Data"}], "assertions[0].refused is 'Data', which is not the reason of a refusal, such as \"tools\" or \"data\""),
        (
            [{"route": "a", "allowed": True}, {"route": "a", "allowed": True, "refused": "data"}],
            "assertions[1]: a call that is refused goes nowhere; leave out the other expectations",
        ),
        *[
            ([{"route": "a", "allowed": False, where: {"regions": ["eu"]}}], "assertions[0]: a call that is refused goes nowhere; leave out the other expectations")
            for where in ("goes_only_to", "never_goes_to")
        ],
    ],
)  # fmt: skip
def test_what_is_no_assertion(raw: Any, text: str) -> None:
    with pytest.raises(Refused) as caught:
        read_assertions(raw)
    assert str(caught.value) == text


def test_a_thousand_are_read() -> None:
    assert len(read_assertions([{"route": "a", "allowed": True}] * 1000)) == 1000


def test_every_field_is_read() -> None:
    more = {
        "operation": "embed", "tools": ["t"], "max_output_tokens": 5, "input_bytes": 0, "n": 2, "stream": True, "purpose": "p",
        "audience": "a", "guards": ["g"],
    }  # fmt: skip
    raw = {"route": "r", "why": "w", "data": "public", "with": more, "goes_only_to": {"regions": ["x"], "models": ["m"]}}
    call = MadeUpCall("r", "embed", "public", ("t",), 5, 0, 2, True, "p", "a", frozenset({"g"}))
    places = (("models", frozenset({"m"})), ("regions", frozenset({"x"})))
    assert read_assertions([raw]) == (Assertion("assertions[0]", call, "w", True, "", places, ()),)
    bare = read_assertions([{"route": "r", "never_goes_to": {"routes": ["x"]}}])[0]
    assert (bare.allowed, bare.call, bare.why) == (None, MadeUpCall("r", input_bytes=INPUT_BYTES), "")
    assert INPUT_BYTES == 1000
    assert read_assertions([{"route": "r", "allowed": True}])[0].allowed is True
    assert read_assertions([{"route": "r", "refused": "data"}])[0].allowed is False


def test_they_are_read_out_of_the_file_and_not_signed() -> None:
    more = TOML + '\n[[assertions]]\nroute = "fast"\nrefused = "data"\n'
    assert [one.refused for one in assertions_of(more)] == ["data"]
    assert assertions_of(TOML) == ()
    assert build(more) == build(TOML)


@pytest.mark.parametrize("read", [build, assertions_of])
def test_a_mistake_in_one_is_found_when_the_file_is_built(read: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"\Aroutes.toml: assertions\[0\] asserts nothing"):
        read(TOML + '\n[[assertions]]\nroute = "fast"\n')


BEYOND = TOML.replace(
    '[aliases]\nfast = ["eu", "us"]\n',
    """
[routes.fr]
extends = "eu"
model = "petit"
region = "fr"

[routes.ch]
extends = "eu"
model = "klein"
region = "ch"

[aliases.fast]
targets = ["eu"]
fallback = { context_window = "fr", any = "us" }
shadow = { target = "ch", share = 1, max_cost = "$0.01" }
""",
)
FR, CH = "fr (openai in the region fr)", "ch (openai in the region ch)"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"data": "confidential", "goes_only_to": {"regions": ["eu"]}}, f"it may go to {FR}: fr is not among the regions eu"),
        ({"data": "confidential", "goes_only_to": {"regions": ["eu", "fr"]}}, ""),  # no copy, and "us" takes less
        ({"data": "internal", "goes_only_to": {"regions": ["eu", "fr"]}}, f"it may go to {US}: unknown is not among the regions eu, fr"),
        ({"data": "internal", "never_goes_to": {"regions": ["ch"]}}, f"it may go to {CH}: ch is among the regions ch"),
        ({"data": "public", "goes_only_to": {"regions": ["ch", "eu", "fr", "unknown"]}}, ""),
        ({"data": "confidential", "never_goes_to": {"regions": ["ch"]}}, ""),
        ({"data": "internal", "allowed": False}, f"the call is allowed, and must be refused; it may go to {EU}, {US}, {FR}, {CH}"),
        ({"data": "restricted", "refused": "data"}, ""),
        ({"route": "us", "data": "internal", "refused": "routes"}, ""),
    ],
)
def test_rows_of_a_fallback_and_a_shadow_count_as_readers(raw: dict[str, Any], text: str) -> None:
    table = compile_table(build(BEYOND), Release("draft", 1, 1, 0, 1, ()))
    assert failure(table, **raw) == text


def test_a_call_without_a_label_is_not_copied_and_a_fallback_row_that_is_the_shadow_too_stays() -> None:
    everywhere = BEYOND.replace('data = "confidential"\nregion = "eu"', 'data = "restricted"\nregion = "eu"').replace(
        'tools = ["get_weather"]\ndata = "confidential"', 'tools = ["get_weather"]'
    )
    for shadow, text in (
        (everywhere, ""),
        (everywhere.replace('context_window = "fr"', 'context_window = ["fr", "ch"]'), f"it may go to {CH}: ch is among the regions ch"),
    ):
        table = compile_table(build(shadow), Release("draft", 1, 1, 0, 1, ()))
        assert failure(table, never_goes_to={"regions": ["ch"]}) == text
        assert failure(table, goes_only_to={"regions": ["ch", "eu", "fr"]}) == ""


def test_a_fallback_does_not_allow_a_call_that_no_row_of_the_alias_may_answer() -> None:
    moved = BEYOND.replace('targets = ["eu"]', 'targets = ["us"]').replace('any = "us"', 'any = "eu"')
    table = compile_table(build(moved), Release("draft", 1, 1, 0, 1, ()))
    assert failure(table, data="confidential", refused="data") == ""
    assert failure(table, data="confidential", never_goes_to={"regions": ["eu"]}) == ""
    assert failure(table, data="internal", never_goes_to={"regions": ["eu"]}) == f"it may go to {EU}: eu is among the regions eu"

"""Tools from schemas, models and functions; structured output; options; money."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import pydantic
import pytest

from saferoute.errors import InvalidMessages, OutputInvalid, RequestError, SaferouteError, UnknownOption
from saferoute.values.cost import cost_of
from saferoute.values.json import encode
from saferoute.values.options import CallOptions, check_options
from saferoute.values.output import is_strict, output_from
from saferoute.values.target import Prices
from saferoute.values.tools import Tool, tool_from, tools_from
from saferoute.values.usage import Usage, usage_from_totals

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Unit(enum.Enum):
    C = "celsius"
    F = "fahrenheit"


class Place(pydantic.BaseModel):
    city: str
    country: str = "PT"


class Trip(pydantic.BaseModel):
    """Plan a trip."""

    places: list[Place]
    days: int


def lookup(
    city: str, unit: Unit = Unit.C, *, days: Annotated[int, "how many"] = 1, place: Place | None = None, tags: list[str] | None = None
) -> str:
    """Look up the weather.

    It never rains.

    Args:
        city: the town,
            spelled out.
        unit: which scale.

    Returns:
        words.
    """
    return city


def test_from_function() -> None:
    tool = tool_from(lookup)
    schema = json.loads(tool.parameters)
    assert (tool.name, tool.description, tool.function) == ("lookup", "Look up the weather.\n\nIt never rains.", lookup)
    assert schema["properties"]["city"] == {"type": "string", "description": "the town, spelled out."}
    assert schema["properties"]["unit"] == {"enum": ["celsius", "fahrenheit"], "description": "which scale."}
    assert schema["properties"]["days"] == {"type": "integer", "description": "how many"}
    assert schema["properties"]["tags"] == {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}
    assert schema["required"] == ["city"]
    assert schema["additionalProperties"] is False


def nested(trip: Trip) -> None:
    """Go."""


def test_references_of_nested_models_resolve_from_the_root() -> None:
    schema = json.loads(tool_from(nested).parameters)
    assert schema["properties"]["trip"]["properties"]["places"]["items"] == {"$ref": "#/$defs/Place"}
    assert schema["$defs"]["Place"]["properties"]["city"]["type"] == "string"


def test_from_model_and_mappings() -> None:
    assert (tool_from(Trip).name, tool_from(Trip).description) == ("Trip", "Plan a trip.")
    flat = {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
    expected = Tool("f", "d", json.dumps(SCHEMA, separators=(",", ":")).encode(), strict=True)
    assert tool_from(flat) == tool_from({"type": "function", "function": flat}) == tool_from({"type": "function", **flat}) == expected
    assert tool_from({"name": "g"}).parameters == b'{"type":"object","properties":{}}'
    assert tools_from([expected, {"name": "h"}]) == (expected, tool_from({"name": "h"}))


class NoTool:
    pass


def star(*args: str) -> None: ...
def bare(city) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def odd(city: complex) -> None: ...
def unknown(city: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (star, InvalidMessages, "named"),
        (bare, InvalidMessages, "annotate"),
        (odd, InvalidMessages, "complex"),
        (unknown, InvalidMessages, "annotations"),
        (NoTool, InvalidMessages, "no tool"),
        (7, InvalidMessages, "no tool"),
        ({"name": "f", "input_schema": {}}, UnknownOption, "called `parameters`"),
        ({"name": "f", "url": "x"}, UnknownOption, "'url'"),
        ({"type": "web_search"}, UnknownOption, "'type'|name"),
        ({"type": "function", "function": {"name": "f"}, "headers": {}}, UnknownOption, "headers"),
        ({"name": "a b"}, InvalidMessages, "tool name"),
        ({"name": 3}, InvalidMessages, "name"),
        ({"name": "f", "parameters": []}, InvalidMessages, "dict"),
        ({"name": "f", "parameters": {"type": "string"}}, InvalidMessages, "type object"),
        ({"name": "f", "parameters": {"type": "object", "x": float("nan")}}, InvalidMessages, "not JSON"),
        ({"name": "f", "parameters": {"type": "object", "x": object()}}, InvalidMessages, "not JSON"),
    ],
)
def test_refused_tools(value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises((error, InvalidMessages), match=words):
        tool_from(value)


def test_refused_tool_lists() -> None:
    for value in ("x", {"name": "f"}, 7):
        with pytest.raises(InvalidMessages, match="list of tools"):
            tools_from(value)  # type: ignore[arg-type]
    with pytest.raises(InvalidMessages, match="same name"):
        tools_from([{"name": "f"}, {"name": "f"}])


def test_output_from_model_is_closed_and_read_strictly() -> None:
    output = output_from(Trip)
    schema = json.loads(output.schema.schema)
    assert output.schema.strict
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Place"]["required"] == ["city", "country"]
    assert output.parse('{"places": [{"city": "Lisbon", "country": "PT"}], "days": 2}') == Trip(places=[Place(city="Lisbon")], days=2)
    with pytest.raises(OutputInvalid, match="days: int_parsing") as caught:
        output.parse('{"places": [], "days": "secret words"}')
    assert "secret words" not in str(caught.value)
    assert "secret words" not in caught.value.diagnostics()


def test_output_from_schema() -> None:
    output = output_from(SCHEMA)
    assert (output.schema.name, output.schema.strict) == ("output", False)
    assert output.parse('{"city": "x"}') == {"city": "x"}
    for wrong in ("no", '{"city": NaN}'):
        with pytest.raises(OutputInvalid, match="not JSON"):
            output.parse(wrong)
    for wrong in ("42", "null", '["x"]'):
        with pytest.raises(OutputInvalid, match="the answer: type"):
            output.parse(wrong)
    for wrong in (7, str, "x"):
        with pytest.raises(InvalidMessages, match="output must be"):
            output_from(wrong)
    with pytest.raises(InvalidMessages, match="not JSON"):
        output_from({"x": float("inf")})
    assert is_strict({**SCHEMA, "additionalProperties": False})
    assert not is_strict({"type": "object", "additionalProperties": False, "properties": {"a": {"type": "object"}}, "required": ["a"]})


GOOD_OPTIONS = [
    ("temperature", 0, 0), ("temperature", 1.5, 1.5), ("top_p", 1, 1), ("max_output_tokens", 5, 5), ("stop", "x", ("x",)), ("stop", ["x", "y"], ("x", "y")),
    ("seed", -1, -1), ("reasoning", "high", "high"), ("reasoning", 2048, 2048), ("cache", "provider", "provider"), ("timeout", timedelta(seconds=2), 2.0),
    ("timeout", 3, 3.0), ("max_attempts", 1, 1), ("max_cost", "$0.05", Decimal("0.05")), ("max_cost", Decimal(1), Decimal(1)), ("data", "internal", "internal"),
    ("on_unsupported", "drop", "drop"), ("provider_options", {"openai": {"a": 1}}, {"openai": {"a": 1}}), ("parallel_tool_calls", False, False),
    ("tool_choice", "auto", "auto"), ("tools", [], ()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "expected"), GOOD_OPTIONS)
def test_good_options(name: str, value: object, expected: object) -> None:
    assert check_options({name: value}) == {name: expected}


BAD_OPTIONS = [
    ("temperature", "hot"), ("temperature", True), ("temperature", float("nan")), ("temperature", -1), ("top_p", 2), ("max_output_tokens", 0),
    ("max_output_tokens", 1.5), ("stop", ""), ("stop", []), ("stop", [1]), ("seed", 1.0), ("reasoning", "hard"), ("reasoning", 0), ("cache", "exact"),
    ("timeout", 0), ("timeout", -1), ("timeout", 1e9), ("timeout", "3"), ("max_attempts", 0), ("max_attempts", 101), ("max_cost", "much"), ("max_cost", "-1"),
    ("max_cost", "NaN"), ("data", "secret"), ("on_unsupported", "ignore"), ("provider_options", {"openai": 1}), ("provider_options", []),
    ("parallel_tool_calls", 1), ("tool_choice", ""), ("tool_choice", {"type": "auto"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD_OPTIONS)
def test_bad_options_name_the_option(name: str, value: object) -> None:
    with pytest.raises(RequestError, match=name):
        check_options({name: value})


def test_money_is_never_a_float() -> None:
    with pytest.raises(TypeError, match="float"):
        check_options({"max_cost": 0.05})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("max_tokens", "max_output_tokens"), ("response_format", "output="), ("api_base", "table's business"), ("base_url", "table's business"),
        ("api_key", "table's business"), ("extra_headers", "table's business"), ("stream", "client.stream"), ("nonsense", "the options are"),
    ],
)  # fmt: skip
def test_unknown_options_name_ours(name: str, hint: str) -> None:
    with pytest.raises(UnknownOption, match=hint):
        check_options({name: 1})


def test_every_option_of_the_typed_dict_is_checked_and_no_other() -> None:
    from saferoute.values import options

    assert set(options._CHECKS) == set(CallOptions.__annotations__)


USAGES: Sequence[tuple[dict[str, int], tuple[int, ...]]] = [
    ({"input_tokens": 10, "output_tokens": 5}, (10, 0, 0, 0, 0, 5, 0, 0)),
    ({"input_tokens": 10, "output_tokens": 5, "cache_read": 4, "reasoning": 3}, (6, 4, 0, 0, 0, 2, 3, 0)),
    (
        {"input_tokens": 10, "output_tokens": 5, "cache_read": 40, "cache_write_5m": 4, "reasoning": 30, "output_audio": 2},
        (0, 10, 0, 0, 0, 0, 5, 0),
    ),
    ({"input_tokens": 9, "output_tokens": 0, "cache_write_5m": 2, "cache_write_1h": 3, "input_audio": 1}, (3, 0, 2, 3, 1, 0, 0, 0)),
]


@pytest.mark.parametrize(("totals", "buckets"), USAGES)
def test_buckets_are_disjoint_and_sum_to_the_totals(totals: Any, buckets: tuple[int, ...]) -> None:
    usage = usage_from_totals(**totals)
    assert usage.buckets is not None
    assert tuple(getattr(usage.buckets, name) for name in usage.buckets.__dataclass_fields__) == buckets
    assert (usage.buckets.input_total, usage.buckets.output_total) == (usage.input_tokens, usage.output_tokens)


def test_cost_is_exact_and_unknown_is_none() -> None:
    prices = Prices(input=3000, output=15000, cache_read=300)
    usage = usage_from_totals(input_tokens=1_000_000, output_tokens=1000, cache_read=500_000)
    assert cost_of(usage, prices) == Decimal("1.665")
    assert cost_of(usage, None) is None
    assert cost_of(Usage(), prices) is None
    assert cost_of(usage_from_totals(input_tokens=1, output_tokens=1, cache_write_1h=1), prices) is None
    assert cost_of(usage_from_totals(input_tokens=0, output_tokens=0), Prices()) == 0
    assert cost_of(usage_from_totals(input_tokens=2, output_tokens=2, output_audio=1), prices) is None
    assert usage.total_tokens == 1_001_000
    assert Usage(input_tokens=1).total_tokens is None


def test_literal_union_and_any_have_schemas() -> None:
    def f(
        a: Literal["x", "y"], b: int | str, c: Any, d: dict[str, int], e: list[Any], g: dict[str, Any], h: list, i: Sequence[int]
    ) -> None: ...  # type: ignore[type-arg]

    properties = json.loads(tool_from(f).parameters)["properties"]
    assert properties["a"] == {"enum": ["x", "y"]}
    assert properties["b"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert (properties["c"], properties["d"]) == ({}, {"type": "object", "additionalProperties": {"type": "integer"}})
    assert (properties["h"], properties["i"]) == ({"type": "array"}, {"type": "array", "items": {"type": "integer"}})


def test_every_error_of_a_request_is_ours() -> None:
    assert issubclass(UnknownOption, SaferouteError)


def _nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"properties": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"enum": [1, 1.0, True, None, "é"]}}},
        {"description": "x" * 5_000},
        {"enum": [[]] * 300},
        _nested(150),
        {"maximum": 10**4_000},
    ],
)
def test_a_tool_of_a_schema_is_the_tool_of_its_json(schema: dict[str, Any]) -> None:
    made = tool_from({"name": "f", "description": "d", "parameters": schema, "strict": True})
    assert made == Tool("f", "d", encode(schema), strict=True) == Tool.from_schema("f", schema, description="d", strict=True)
    assert hash(made) == hash(Tool("f", "d", encode(schema), strict=True))
    assert made.function is None


@pytest.mark.parametrize("schema", [_nested(220), {"maximum": 10**4_400}, {"type": "string"}, {"minimum": float("nan")}, {"a": object()}])
def test_a_schema_that_no_reader_takes_makes_no_tool(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessages, match="tool 'f'"):
        Tool.from_schema("f", schema)


@pytest.mark.parametrize("parameters", [b"[]", b"{", b"\xff", b'{"a":1}{}', "{}", None, b'{"a":NaN}'])
def test_bytes_of_callers_are_read(parameters: Any) -> None:
    with pytest.raises(InvalidMessages, match="the JSON text of one object"):
        Tool("f", "", parameters)


@pytest.mark.parametrize("schema", [{}, {"description": "x" * 5_000}])
def test_names_are_checked_however_long_the_schema(schema: dict[str, Any]) -> None:
    for name in ("", "a b", "x" * 129, 'a"b', "a\n"):
        with pytest.raises(InvalidMessages, match="the tool name"):
            Tool.from_schema(name, schema)


def test_a_subclass_checks_for_itself() -> None:
    class Own(Tool):
        __slots__ = ()

        def __post_init__(self) -> None:
            raise InvalidMessages(self.name)

    with pytest.raises(InvalidMessages, match="own"):
        Own.from_schema("own", {})


def test_the_tool_that_is_none_is_told_by_its_place() -> None:
    fine = {"name": "f", "parameters": {}}
    for wrong, error in (({"name": "g", "more": 1}, UnknownOption), ({"name": 1}, InvalidMessages), (7, InvalidMessages)):
        with pytest.raises(error, match=r"^tools\[1\]: "):
            tools_from([fine, wrong])
    with pytest.raises(InvalidMessages, match="same name"):
        tools_from([fine, Tool.from_schema("f", {})])
    with pytest.raises(InvalidMessages, match="list of tools"):
        tools_from("f")

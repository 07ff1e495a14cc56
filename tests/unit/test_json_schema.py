"""Answers against JSON Schemas: the same verdict as jsonschema's, no value in a message, and no schema that takes for ever."""

from __future__ import annotations

import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.errors import OutputInvalid
from saferoute.values.json_schema import misfit
from saferoute.values.output import output_from

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5},
        "age": {"type": "integer", "minimum": 0, "exclusiveMaximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b", 1]}, "minItems": 1, "maxItems": 2},
        "home": {"$ref": "#/$defs/home"},
        "kind": {"const": "person"},
        "pair": {"prefixItems": [{"type": "string"}, {"type": ["number", "null"]}], "items": False},
        "score": {"type": "number", "maximum": 1, "exclusiveMinimum": 0},
        "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
        "one": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        "both": {"allOf": [{"type": "string"}, {"minLength": 2}]},
        "none": False,
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"home": {"type": "object", "properties": {"city": {"type": "string"}, "next": {"$ref": "#/$defs/home"}}}},
}
CASES: list[tuple[Any, Any]] = [
    ({"name": "Ann"}, None),
    ({"name": "Ann", "age": 3.0}, None),
    ([], ((), "type")),
    ({}, (("name",), "required")),
    ({"name": ""}, (("name",), "minLength")),
    ({"name": "Annabel"}, (("name",), "maxLength")),
    ({"name": 5}, (("name",), "type")),
    ({"name": "A", "age": True}, (("age",), "type")),
    ({"name": "A", "age": 1.5}, (("age",), "type")),
    ({"name": "A", "age": -1}, (("age",), "minimum")),
    ({"name": "A", "age": 150}, (("age",), "exclusiveMaximum")),
    ({"name": "A", "tags": []}, (("tags",), "minItems")),
    ({"name": "A", "tags": ["a", "a", "a"]}, (("tags",), "maxItems")),
    ({"name": "A", "tags": ["a", "c"]}, (("tags", 1), "enum")),
    ({"name": "A", "tags": [1.0]}, None),
    ({"name": "A", "tags": [True]}, (("tags", 0), "enum")),
    ({"name": "A", "home": {"city": "B", "next": {"city": 1}}}, (("home", "next", "city"), "type")),
    ({"name": "A", "kind": "dog"}, (("kind",), "const")),
    ({"name": "A", "pair": ["x", None]}, None),
    ({"name": "A", "pair": ["x", "y"]}, (("pair", 1), "type")),
    ({"name": "A", "pair": ["x", 1, 2]}, (("pair", 2), "a place that the schema forbids")),
    ({"name": "A", "score": 1}, None),
    ({"name": "A", "score": 1.01}, (("score",), "maximum")),
    ({"name": "A", "score": 0}, (("score",), "exclusiveMinimum")),
    ({"name": "A", "either": 1}, (("either",), "anyOf")),
    ({"name": "A", "one": 1}, (("one",), "oneOf")),
    ({"name": "A", "one": 1.5}, None),
    ({"name": "A", "both": "x"}, (("both",), "minLength")),
    ({"name": "A", "none": 1}, (("none",), "a place that the schema forbids")),
    ({"name": "A", "other": 1}, (("other",), "additionalProperties")),
]


@pytest.mark.parametrize(("value", "expected"), CASES, ids=range(len(CASES)))
def test_the_first_place_that_does_not_fit(value: Any, expected: Any) -> None:
    assert misfit(value, PERSON) == expected
    assert (expected is None) is jsonschema.Draft202012Validator(PERSON).is_valid(value)


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -2.0]) | st.sampled_from(["", "a", "bb"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
)
_limits = st.integers(-1, 2)
_schemas: st.SearchStrategy[Any] = st.recursive(
    st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null", ["string", "null"]]),
            "enum": st.lists(_values, min_size=1, max_size=3),
            "const": _values,
            "minimum": _limits, "maximum": _limits, "exclusiveMinimum": _limits, "exclusiveMaximum": _limits,
            "minLength": st.integers(0, 2), "maxLength": st.integers(0, 2), "minItems": st.integers(0, 2), "maxItems": st.integers(0, 2),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
            "required": st.lists(st.sampled_from(["a", "b"]), unique=True),
            "additionalProperties": inner, "items": inner, "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2), "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
        },
    ),
    max_leaves=6,
)  # fmt: skip


@given(_values, _schemas)
def test_jsonschema_says_the_same(value: Any, schema: Any) -> None:
    assert (misfit(value, schema) is None) is jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("reference", ["#/$defs/none", "https://example.com/schema", "#/$defs/a/b", 5], ids=str)
def test_a_reference_that_leads_nowhere_fits_nothing(reference: Any) -> None:
    assert misfit(1, {"$ref": reference, "$defs": {"a": True}}) == ((), "a place that the schema forbids")


def test_the_signs_of_a_reference_are_read() -> None:
    schema = {"$ref": "#/$defs/a~1b~0c", "$defs": {"a/b~c": {"type": "string"}}}
    assert misfit("x", schema) is None
    assert misfit(1, schema) == ((), "type")
    assert misfit(1, {"$ref": "#", "type": "integer"}) == ((), "too many branches or levels to compare")


@pytest.mark.timed
def test_branches_of_branches_end() -> None:
    """A model chooses the value: nested to the depth at which every level doubles the work."""
    node: dict[str, Any] = {"type": "object", "properties": {"n": {"oneOf": [{"$ref": "#"}, {"$ref": "#", "required": ["x"]}]}}}
    value: Any = {}
    for _ in range(30):
        value = {"n": value}
    began = time.process_time()
    found = misfit(value, node)
    assert found is None or found[1]
    assert time.process_time() - began < 10


def test_an_answer_to_a_schema_is_checked_and_named_by_place_without_content() -> None:
    output = output_from({"title": "Person", **PERSON})
    assert output.parse('{"name": "Ann"}') == {"name": "Ann"}
    with pytest.raises(OutputInvalid, match=r"does not fit the output schema: age: type") as caught:
        output.parse('{"name": "Ann", "age": "secret"}')
    assert "secret" not in str(caught.value)
    with pytest.raises(OutputInvalid, match=r"\(a name of the model's own\): additionalProperties") as caught:
        output.parse('{"name": "Ann", "secret": 1}')
    assert "secret" not in str(caught.value)


def test_the_schema_is_the_one_that_was_sent() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    output = output_from(schema)
    schema["properties"] = {}
    with pytest.raises(OutputInvalid):
        output.parse('{"a": "x"}')

"""The sampler of the embedded provider: what it makes fits the schema, and is the same every time."""

from __future__ import annotations

import datetime as dt
import enum
import json
import re
import uuid
from decimal import Decimal
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from saferoute.testing.patterns import sample_pattern
from saferoute.testing.sampler import Hints, Unsampled, sample


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str = Field(min_length=30)
    zip_code: str = Field(pattern=r"^[0-9]{5}(-[0-9]{4})?$")
    country: Literal["NO", "SE"]


class Node(BaseModel):
    value: int
    children: list[Node] = Field(default_factory=list)
    parent: Node | None = None


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: float = Field(gt=0)


class Square(BaseModel):
    kind: Literal["square"]
    side: float = Field(ge=2, le=3)


class Everything(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    nickname: str | None
    age: int = Field(ge=18, lt=99)
    share: float = Field(gt=0, lt=1)
    even: int = Field(multiple_of=4, gt=5)
    price: Decimal = Field(max_digits=6, decimal_places=2)
    flag: bool
    colour: Colour
    tags: set[str] = Field(min_length=3)
    pair: tuple[int, str]
    numbers: list[Annotated[int, Field(ge=5, le=9)]] = Field(min_length=2, max_length=3)
    lookup: dict[str, int]
    shape: Circle | Square = Field(discriminator="kind")
    address: Address
    when: dt.datetime
    day: dt.date
    at: dt.time
    ident: uuid.UUID
    tree: Node
    short: str = Field(max_length=3)


MODELS = [
    Everything,
    Address,
    Node,
    list[Circle],
    dict[str, Address],
    int,
    str,
    Annotated[int, Field(gt=-10, lt=-8)],
    Annotated[float, Field(gt=0.1, lt=0.2)],
    Annotated[float, Field(ge=1.5, multiple_of=0.5)],
    Annotated[list[Colour], Field(min_length=2)],
    Literal["a", 2],
    int | str,
    None,
]


@pytest.mark.parametrize("kind", MODELS, ids=str)
def test_what_it_makes_of_a_pydantic_schema_is_valid(kind: object) -> None:
    adapter = TypeAdapter(kind)
    made = sample(adapter.json_schema())
    adapter.validate_json(json.dumps(made), strict=False)
    assert made == sample(adapter.json_schema())


@given(st.integers(-50, 50), st.integers(0, 40), st.sampled_from([None, 1, 2, 5, 7]), st.booleans(), st.booleans())
def test_integers_keep_to_their_bounds(low: int, width: int, step: int | None, low_open: bool, high_open: bool) -> None:
    high = low + width
    schema = {"type": "integer", "exclusiveMinimum" if low_open else "minimum": low, "exclusiveMaximum" if high_open else "maximum": high}
    if step is not None:
        schema["multipleOf"] = step
    fitting = [n for n in range(low + low_open, high + 1 - high_open) if n % (step or 1) == 0]
    if fitting:
        assert sample(schema) in fitting
    else:
        with pytest.raises(Unsampled):
            sample(schema)


@given(st.integers(0, 30), st.integers(0, 30))
def test_strings_keep_to_their_lengths(least: int, more: int) -> None:
    made = sample({"type": "string", "minLength": least, "maxLength": least + more})
    assert isinstance(made, str)
    assert least <= len(made) <= least + more


PATTERNS = [
    r"^[A-Z]{3}-\d{4}$",
    r"^(foo|bar)baz+$",
    r"^\w+@\w+\.com$",
    r"^[^a-z]{2,5}$",
    r"^(?:a|b){2,}c?$",
    r"\$\d+(\.\d{2})?",
    r"^[a-zA-Z_][a-zA-Z0-9_]*$",
    r"^\{[^}]*\}$",
    r"^(?P<year>\d{4})$",
    r"^[\d\-]{8}$",
    r"",
    r"^[]x]$",
    r"^\S+ \S+$",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_what_is_made_for_them(pattern: str) -> None:
    assert re.search(pattern, sample_pattern(pattern))


@pytest.mark.parametrize(("pattern", "shortest", "longest"), [(r"^\w+$", 7, 9), (r"^a*$", 5, 5), (r"^[0-9]{2,6}$", 4, 6)])
def test_patterns_keep_to_lengths(pattern: str, shortest: int, longest: int) -> None:
    made = sample_pattern(pattern, shortest, longest)
    assert re.search(pattern, made)
    assert shortest <= len(made) <= longest


@pytest.mark.parametrize("pattern", [r"^(?=a)b$", r"(?<!x)a", r"([a-z])\1\1x(", r"^\b$", r"a{3}(?i:b)"])
def test_patterns_beyond_the_sampler_are_refused_not_guessed(pattern: str) -> None:
    with pytest.raises(Unsampled):
        sample_pattern(pattern)


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"enum": []},
        {"type": "colour"},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"$ref": "#/$defs/Lost"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 3, "uniqueItems": True},
        {"anyOf": [False, {"enum": []}]},
        {"type": "object", "required": ["a"], "additionalProperties": False},
    ],
    ids=str,
)
def test_what_cannot_be_made_is_refused(schema: object) -> None:
    with pytest.raises(Unsampled):
        sample(schema)


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        (True, "sample"),
        ({}, "sample"),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"type": ["null", "integer"]}, None),
        ({"minimum": 7}, 7),
        ({"items": {"type": "boolean"}}, [True]),
        ({"type": "array", "items": False}, []),
        ({"type": "array", "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}]}, [1, 2]),
        ({"type": "object", "minProperties": 2, "additionalProperties": {"const": 1}}, {"sample_1": 1, "sample_2": 1}),
        ({"type": "object", "required": ["x_a"], "patternProperties": {"^x_": {"const": 5}}}, {"x_a": 5}),
        ({"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"definitions": {"a/b": {"const": 3}}, "$ref": "#/definitions/a~1b"}, 3),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": True}, 2),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}, [1, 2, 3]),
    ],
    ids=str,
)
def test_made_values(schema: object, made: object) -> None:
    assert sample(schema) == made


@pytest.mark.parametrize(
    ("text", "words", "numbers"),
    [
        ("What is the weather in Paris?", ["Paris"], []),
        ("Extract the person: Ada Lovelace is 36 years old.", ["Ada Lovelace"], [36]),
        ("Compare Paris and Rome.", ["Paris", "Rome"], []),
        ('Book "The Left Hand" for -2.5 euros, not for Bob', ["The Left Hand"], [-2.5]),
        ("add 2 and 3", [], [2, 3]),
        ("gpt-4o has 128k", [], []),
        ("", [], []),
    ],
)
def test_hints(text: str, words: list[str], numbers: list[float]) -> None:
    hints = Hints.read(text)
    assert (hints.words, hints.numbers) == (words, numbers)


def test_hints_are_used_where_they_fit() -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "unit": {"enum": ["miles", "km"]},
            "other": {"type": "string"},
        },
    }
    made = sample(schema, Hints.read("Extract: Ada Lovelace, 36, ran 5 km"))
    assert made == {"name": "Ada Lovelace", "age": 36, "unit": "km", "other": "sample other"}

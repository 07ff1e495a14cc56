"""Outputs out of dataclasses and typed dicts: the schema that goes out, and what comes back."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from typing_extensions import TypedDict

from saferoute.errors import InvalidMessages, OutputInvalid
from saferoute.values.json import decode
from saferoute.values.output import output_from


@dataclass
class Place:
    name: str
    lines: int


@dataclass
class City:
    name: str
    places: list[Place] = field(default_factory=list)


class Point(TypedDict):
    x: int
    y: int


def test_a_dataclass_is_a_closed_schema_and_is_built_from_the_answer() -> None:
    output = output_from(City)
    schema = decode(output.schema.schema)
    assert output.schema.name == "City"
    assert output.schema.strict
    assert schema["required"] == ["name", "places"]
    assert schema["additionalProperties"] is False
    assert output.parse('{"name": "Bonn", "places": [{"name": "Hofgarten", "lines": 3}]}') == City("Bonn", [Place("Hofgarten", 3)])


def test_a_typed_dict_is_read_as_a_dict() -> None:
    output = output_from(Point)
    assert output.schema.strict
    assert output.parse('{"x": 1, "y": 2}') == {"x": 1, "y": 2}


def test_an_answer_that_does_not_fit_a_dataclass_names_fields_and_no_content() -> None:
    with pytest.raises(OutputInvalid, match=r"places\.0\.lines: int_parsing") as caught:
        output_from(City).parse('{"name": "secret-name", "places": [{"name": "a", "lines": "secret-lines"}]}')
    assert "secret" not in str(caught.value)


def test_a_class_without_a_schema_says_why() -> None:
    @dataclass
    class Odd:
        thread: threading.Thread

    with pytest.raises(InvalidMessages, match="output=Odd makes no JSON Schema"):
        output_from(Odd)


@pytest.mark.parametrize("value", [int, str, object, 3, ["a"], City("Bonn")], ids=str)
def test_other_things_are_no_output(value: object) -> None:
    with pytest.raises(InvalidMessages, match="a dataclass, a TypedDict"):
        output_from(value)

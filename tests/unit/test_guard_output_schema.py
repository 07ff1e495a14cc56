"""Answers that must be JSON of a form: what fits, what is blocked, and that the reason holds nothing of the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from saferoute.errors import ConfigurationError
from saferoute.guards import OutputSchemaGuard
from saferoute.values.guarding import ALLOWED, Action, Context, Guard, Segment
from tests.support.judged_stream import chunkings, seen_of

OUTPUT = Context("output")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "number", "maximum": 60}},
    "required": ["city"],
    "additionalProperties": False,
}
GUARD = OutputSchemaGuard(SCHEMA)


class Weather(BaseModel):
    city: str
    degrees: float | None = None


@dataclass
class WeatherRecord:
    city: str


class WeatherDict(TypedDict):
    city: str


def answer(text: str, name: str = "") -> Segment:
    return Segment(text, "assistant", "model", path="/content/0", name=name)


def test_it_is_a_guard_that_shows_no_schema() -> None:
    assert isinstance(GUARD, Guard)
    assert (GUARD.name, GUARD.version, GUARD.stages, GUARD.quick) == ("output_schema", "1", {"output"}, True)
    assert repr(GUARD) == "OutputSchemaGuard(fenced=False)"
    assert OutputSchemaGuard(SCHEMA) == GUARD
    assert OutputSchemaGuard({"type": "array"}) != GUARD


@pytest.mark.parametrize("kind", [SCHEMA, Weather, WeatherRecord, WeatherDict])
def test_an_answer_that_fits_passes(kind: type | dict[str, object]) -> None:
    guard = OutputSchemaGuard(kind)
    assert guard.check(answer('{"city": "Bonn"}'), OUTPUT) is ALLOWED
    assert guard.check(answer('{"city": 5}'), OUTPUT).action is Action.BLOCK


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the answer is not JSON that fits the output schema"),
        ("It is warm.", "the answer is not JSON that fits the output schema"),
        ('{"city": "Bonn"} and more', "the answer is not JSON that fits the output schema"),
        ('{"city": "Bonn", "degrees": 99}', "the answer does not fit the output schema: degrees: maximum"),
        ('{"degrees": 9}', "the answer does not fit the output schema: city: required"),
        ('{"city": "Bonn", "token-x": 1}', "the answer does not fit the output schema: (a name of the model's own): additionalProperties"),
        ("```json\n{}\n```", "the answer is not JSON that fits the output schema"),
    ],
)
def test_an_answer_that_does_not_is_blocked_and_not_repeated(text: str, reason: str) -> None:
    verdict = GUARD.check(answer(text), OUTPUT)
    assert verdict.action is Action.BLOCK
    assert verdict.reasons == (reason,)
    assert verdict.spans == ()


def test_a_long_reason_is_cut() -> None:
    names = [f"a_property_with_quite_a_long_name_{number}_{'x' * 40}" for number in range(5)]
    nested: dict[str, object] = {"type": "string"}
    value: object = 5
    for name in names:
        nested = {"type": "object", "properties": {name: nested}}
        value = {name: value}
    verdict = OutputSchemaGuard(nested).check(answer(json.dumps(value)), OUTPUT)
    assert (verdict.action, len(verdict.reasons[0])) == (Action.BLOCK, 300)


def test_a_fence_is_taken_where_it_is_allowed() -> None:
    fenced = OutputSchemaGuard(Weather, fenced=True)
    assert fenced.check(answer('```json\n{"city": "Bonn"}\n```'), OUTPUT) is ALLOWED
    assert fenced.check(answer('{"city": "Bonn"}'), OUTPUT) is ALLOWED
    assert fenced.check(answer('Here: ```json\n{"city": "Bonn"}\n```'), OUTPUT).action is Action.BLOCK


@pytest.mark.parametrize("name", ["reasoning", "refusal"])
def test_what_is_no_answer_is_not_judged(name: str) -> None:
    assert GUARD.check(answer("Let me think.", name), OUTPUT) is ALLOWED


@pytest.mark.parametrize("kind", ["a schema", 5, None, int, {"type": object()}])
def test_what_is_no_schema_is_refused(kind: object) -> None:
    with pytest.raises(ConfigurationError, match=r"schema|JSON"):
        OutputSchemaGuard(kind)  # type: ignore[arg-type]


def test_a_stream_is_held_until_it_is_whole() -> None:
    fits, misfits = '{"city": "Bonn"}', '{"city": "Bonn", "x": 1}'
    for pieces in chunkings(fits):
        assert seen_of(GUARD, pieces).text == fits
    for pieces in chunkings(misfits):
        seen = seen_of(GUARD, pieces)
        assert (seen.text, seen.blocked) == ("", True)

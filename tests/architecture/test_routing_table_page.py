"""The page about routes.toml names every field that there is, with its choices and its default."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, get_args

import pytest
from package_source import ROOT

from saferoute.routing import authoring
from saferoute.routing.assertions import ASSERTION, PLACES, WITH
from saferoute.routing.credentials import CREDENTIAL
from saferoute.routing.guard_profiles import GUARD_PROFILE, TEMPLATE
from saferoute.routing.parameters import PARAMETERS
from saferoute.routing.price_lists import PRICE_FIELDS, PRICES
from saferoute.routing.schema import Flag, ListOf, MapOf, Record, Text
from saferoute.routing.shapes import ALIAS, GRANT, HEADERS, PRICE_LIST, ROW
from saferoute.routing.spellings import duration
from saferoute.values.balancing import PLAIN_POLICY, Shadow, Strategy
from saferoute.values.guard_profile import GuardSetting, ToolRule
from saferoute.values.target import Deadlines, Quirks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.routing.schema import Shape

PAGE = ROOT / "docs" / "reference" / "routing-table.md"


def sections() -> dict[str, dict[str, list[str]]]:
    """Heading -> field -> the cells behind it."""
    found = {}
    for section in re.split(r"^##+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", section, re.MULTILINE)
        assert len({name for name, _ in rows}) == len(rows)
        found[section.splitlines()[0]] = {name: cells.split(" | ") for name, cells in rows}
    return found


def shapes(record: Shape) -> Mapping[str, Shape]:
    assert isinstance(record, Record)
    return {**record.required, **record.optional}


ROWS = shapes(ROW)
ALIASES = shapes(ALIAS)
FAMILIES = ROWS["families"]
assert isinstance(FAMILIES, ListOf)
GUARD, TOOL = (shape.value for shape in shapes(GUARD_PROFILE).values() if isinstance(shape, MapOf))
ARGUMENT = shapes(TOOL)["arguments"]
assert isinstance(ARGUMENT, ListOf)

FIELDS: dict[str, set[str]] = {
    "The file": set(authoring._SECTIONS),
    "[defaults]": set(authoring._DEFAULTABLE),
    "[providers.NAME]": set(PARAMETERS),
    "[routes.NAME]": {*ROWS, "extends"} - {"id"},
    "headers": set(HEADERS),
    "profile": set(shapes(ROWS["profile"])),
    "families": set(shapes(FAMILIES.item)),
    "quirks": set(shapes(ROWS["quirks"])),
    "prices": set(shapes(PRICES)) - {"currency"},  # every price says it
    "tiers": {"above", *PRICE_FIELDS},
    "[price_lists.NAME]": set(shapes(PRICE_LIST)) - {"currency"},
    "deadlines": set(shapes(ROWS["deadlines"])),
    "[credentials.NAME]": {*shapes(CREDENTIAL), "region"},
    "limits": set(shapes(ROWS["limits"])),
    "[aliases]": set(ALIASES),
    "strategy": set(get_args(Strategy)),
    "fallback": set(shapes(ALIASES["fallback"])),
    "hedge": set(shapes(ALIASES["hedge"])),
    "shadow": set(shapes(ALIASES["shadow"])),
    "[guards.NAME]": set(shapes(GUARD_PROFILE)),
    "[guards.NAME.guards.GUARD]": set(shapes(GUARD)),
    "[guards.NAME.tools.TOOL]": set(shapes(TOOL)),
    "arguments": set(shapes(ARGUMENT.item)),
    "[templates.NAME]": set(shapes(TEMPLATE)),
    "[grant]": set(shapes(GRANT)),
    "budget": {*shapes(shapes(GRANT)["budget"])} - {"currency", "per"},  # the amount says both
    "[[assertions]]": set(shapes(ASSERTION)),
    "with": set(shapes(WITH)),
    "places": set(shapes(PLACES)),
    "[annotations]": set(),
}
SHAPES = {
    "[routes.NAME]": ROWS,
    "profile": shapes(ROWS["profile"]),
    "quirks": shapes(ROWS["quirks"]),
    "[credentials.NAME]": shapes(CREDENTIAL),
    "limits": shapes(ROWS["limits"]),
    "[aliases]": ALIASES,
    "shadow": shapes(ALIASES["shadow"]),
    "[guards.NAME.guards.GUARD]": shapes(GUARD),
    "[guards.NAME.tools.TOOL]": shapes(TOOL),
    "[grant]": shapes(GRANT),
    "budget": shapes(shapes(GRANT)["budget"]),
    "[[assertions]]": shapes(ASSERTION),
    "with": shapes(WITH),
}


@pytest.mark.parametrize("heading", FIELDS)
def test_every_field_is_on_the_page_and_no_other(heading: str) -> None:
    assert set(sections()[heading]) == FIELDS[heading]


def test_the_page_has_no_section_besides() -> None:
    assert set(sections()) == set(FIELDS)


@pytest.mark.parametrize("heading", SHAPES)
def test_what_can_be_chosen_is_named(heading: str) -> None:
    for name, cells in sections()[heading].items():
        shape = SHAPES[heading].get(name)
        inner = shape.item if isinstance(shape, ListOf) else shape
        if isinstance(inner, Text) and inner.choices:
            assert set(inner.choices) <= set(re.findall(r"`([^`]*)`", cells[0])), (heading, name)
        if isinstance(inner, Flag):
            assert cells[0] == "flag", (heading, name)


def test_what_a_row_of_ones_own_must_have_is_marked() -> None:
    required = {name for name, cells in sections()["[routes.NAME]"].items() if cells[1] == "required"}
    assert required == set(ROW.required) - {"id", "data"}  # the name of the section; and a default that every row has


def test_the_defaults_are_those_of_the_program() -> None:
    page = sections()
    spelled = {name: cells[1].strip("`") for name, cells in page["quirks"].items()}
    assert spelled == {one.name: {True: "true", False: "false", "": '""'}.get(one.default, one.default) for one in fields(Quirks)}
    clocks = {name: duration(cells[0].strip("`"), name) / 1000 for name, cells in page["deadlines"].items()}
    assert clocks == {one.name: one.default for one in fields(Deadlines)}
    for heading, record in (("[guards.NAME.guards.GUARD]", GuardSetting()), ("[guards.NAME.tools.TOOL]", ToolRule())):
        for name, cells in page[heading].items():
            default = getattr(record, name)
            if isinstance(default, bool | str):
                assert cells[1] == f"`{str(default).lower()}`", (heading, name)
    assert page["shadow"]["data"][1] == f"`{Shadow.__dataclass_fields__['data'].default}`"
    assert page["[aliases]"]["strategy"][1] == f"`{PLAIN_POLICY.strategy}`"
    assert page["[aliases]"]["max_attempts"][1] == f"`{authoring.DEFAULT_ATTEMPTS}`"


def test_the_parameters_have_the_programs_examples() -> None:
    assert sections()["[providers.NAME]"] == {name: [parameter.what, f"`{parameter.example}`"] for name, parameter in PARAMETERS.items()}

"""Parameters of a row cannot make another host, another path or another account than the one that the row has a place for."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from saferoute.errors import ConfigurationError
from saferoute.routing.authoring import build
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.local import local_bundle
from saferoute.routing.parameters import PARAMETERS

HOSTILE = [
    "evil.example/", "evil.example#", "evil.example?", "evil.example:8443", "a@evil.example", "evil.example\\", "a.evil.example.", "..", ".",
    "../..", "a/b", "%2e%2e", "a%2fb", "a b", "a\n", "a\t", "", "-a", "a-", "A", "ä", "{resource}", "{origin}", "a;b", "a,b", "*", "a" * 300,
    "xn--80ak6aa92e.com/", "127.0.0.1", "localhost/", "169.254.169.254",
]  # fmt: skip


def row(name: str, **changes: str) -> dict[str, Any]:
    provider = load_catalogue().provider(name)
    assert provider is not None
    values = {one: PARAMETERS[one].example for one in provider.parameters} | changes
    given = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
    found: dict[str, Any] = json.loads(build(f"[providers.{name}]\n{given}"))["routes"][0]
    return found


CASES = [(one.name, parameter) for one in load_catalogue().entries for parameter in one.parameters]


@pytest.mark.parametrize(("name", "parameter"), CASES)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_parameter_cannot_leave_its_place(name: str, parameter: str, value: str) -> None:
    try:
        made = row(name, **{parameter: value})
    except ConfigurationError as error:
        assert f"providers.{name}.{parameter}" in str(error)
        return
    provider = load_catalogue().provider(name)
    assert provider is not None
    suffix = re.sub(r".*\}", "", provider.origin)
    assert made["origin"].endswith(suffix)
    assert made["origin"].count("/") == 2
    assert "." not in value
    assert ".." not in made["path"]


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_examples_are_taken_and_leave_no_hole(name: str, parameter: str) -> None:
    made = row(name)
    assert PARAMETERS[parameter].example in made["origin"] + made["path"]
    assert not re.search(r"[{}]", json.dumps(made["origin"] + made["path"] + made.get("region", "")))
    assert parameter == "region" or parameter not in made


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_missing_parameter_is_asked_for_by_name(name: str, parameter: str) -> None:
    provider = load_catalogue().provider(name)
    assert provider is not None
    given = "".join(f'{one} = "{PARAMETERS[one].example}"\n' for one in provider.parameters if one != parameter)
    message = f'routes.toml: providers.{name}.{parameter} is missing: write {PARAMETERS[parameter].what}, such as {parameter} = "'
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        build(f"[providers.{name}]\n{given}")


def test_a_default_region_is_not_taken_for_the_region_of_an_origin() -> None:
    with pytest.raises(ConfigurationError, match=r"providers\.bedrock\.region is missing"):
        build('[defaults]\nregion = "eu-central-1"\n[providers.bedrock]\n')
    assert row("bedrock", region="us-gov-west-1")["region"] == "us-gov-west-1"


@pytest.mark.parametrize(
    ("location", "origin"),
    [
        ("global", "https://aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
    ],
)
@pytest.mark.parametrize("name", ["vertex_gemini", "vertex_anthropic"])
def test_places_that_have_a_host_of_their_own(name: str, location: str, origin: str) -> None:
    made = row(name, location=location, project="global-project")
    assert made["origin"] == origin
    assert made["region"] == location
    assert f"/locations/{location}/" in made["path"]


def test_a_project_is_not_taken_for_a_place() -> None:
    assert row("vertex_gemini", project="global")["origin"] == "https://europe-west4-aiplatform.googleapis.com"


def test_an_origin_of_ones_own_needs_no_parameter_and_takes_none() -> None:
    own = 'origin = "https://llm.acme.example"\n'
    assert json.loads(build(f"[providers.azure_openai]\n{own}"))["routes"][0]["origin"] == "https://llm.acme.example"
    with pytest.raises(ConfigurationError, match=r"providers\.azure_openai\.resource has nothing to fill in"):
        build(f'[providers.azure_openai]\n{own}resource = "acme"\n')


def test_a_row_that_takes_another_over_can_give_its_own() -> None:
    rows = json.loads(
        build(
            '[providers.azure_openai]\nresource = "acme"\n'
            '[routes.other]\nextends = "azure_openai"\nresource = "other-corp"\nmodel = "gpt"\n'
            '[routes.same]\nextends = "azure_openai"\nmodel = "gpt"\n'
            '[routes.straight]\nextends = "bedrock_key"\nregion = "eu-west-1"\n'
        )
    )["routes"]
    assert {one["id"]: one["origin"] for one in rows} == {
        "azure_openai": "https://acme.openai.azure.com",
        "other": "https://other-corp.openai.azure.com",
        "same": "https://acme.openai.azure.com",
        "straight": "https://bedrock-runtime.eu-west-1.amazonaws.com",
    }


def test_a_parameter_of_nothing_is_no_field() -> None:
    with pytest.raises(ConfigurationError, match=r"providers\.openai\.resource is not a field"):
        build('[providers.openai]\nresource = "acme"\n')


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
def test_a_local_client_has_no_row_with_a_hole(name: str) -> None:
    catalogue = load_catalogue()
    assert name not in {one.name for one in catalogue.complete}
    assert name not in {one.name for one in catalogue.providers}
    with pytest.raises(ConfigurationError, match=rf"{name} needs its .*\[providers\.{name}\]"):
        local_bundle([name], [], 1_700_000_000.0)

"""The catalogue's prices: where they are from, what form they have, and the script by which maintainers keep them."""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.price_lists import compile_price_list
from saferoute.routing.schema import check
from saferoute.routing.shapes import PRICE_LIST
from saferoute.values.target import Prices

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
HELD = files("saferoute.routing")
DATA: dict[str, Any] = json.loads(HELD.joinpath("catalogue_prices.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("catalogue_prices_script", ROOT / "benchmarks" / "catalogue_prices.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_source_and_licence_are_stated() -> None:
    notes = DATA["annotations"]
    assert notes["source"].startswith("genai-prices ")
    assert notes["licence"].startswith("MIT, Copyright (c) Pydantic")
    assert date.fromisoformat(notes["as_of"]) >= date(2026, 11, 23)
    licence = HELD.joinpath("catalogue_prices.LICENSE").read_text(encoding="utf-8")
    assert "Copyright (c) Pydantic Services Inc." in licence
    assert "The above copyright notice and this permission notice shall be included" in licence
    assert DATA["pages"].keys() == DATA["lists"].keys()


@pytest.mark.parametrize("name", DATA["lists"])
def test_a_list_fits_the_signed_form(name: str) -> None:
    held = load_catalogue().price_list(name)
    assert held is not None
    check(held, PRICE_LIST, name)
    compiled = compile_price_list(held, name)
    assert compiled.prices
    for prices in compiled.prices.values():
        rates = (prices, *prices.tiers)
        assert all(one.input for one in rates)
        assert all((one.cache_read or 0) <= (one.input or 0) <= (one.cache_write_1h or 10**9) for one in rates)
        assert [one.input or 0 for one in rates] == sorted(one.input or 0 for one in rates)


def test_what_the_catalogue_calls_fast_has_a_price() -> None:
    priced = {}
    for provider in load_catalogue().providers:
        held = load_catalogue().price_list(str(provider.row.get("price_list")))
        if held is not None and provider.aliases:
            priced[provider.name] = {alias: model in held["models"] for alias, model in provider.aliases.items()}
    assert {name for name, found in priced.items() if found["fast"]} >= {"openai", "anthropic", "gemini", "mistral"}


def test_what_has_no_true_price_is_left_out_with_its_reason() -> None:
    left = DATA["left_out"]
    assert left["gemini/gemini-3.8-flash"] == "is announced to change on 2027-01-01"
    assert left["groq/openai/gpt-oss-20b"] == "$0.0375/M is no whole number of nano-dollars for a token"
    assert all(name.partition("/")[2] not in DATA["lists"][name.partition("/")[0]]["models"] for name in left)


def test_a_model_of_several_prices() -> None:
    held = load_catalogue().price_list("anthropic")
    assert held is not None
    haiku: Prices = compile_price_list(held, "anthropic").prices["claude-haiku-5-5"]
    assert (haiku.input, haiku.cache_write_5m, haiku.tiers[0].above, haiku.tiers[0].output) == (100, 125, 100_000, 2500)


# --- the script
def changed(**models: dict[str, Any] | None) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(DATA))
    for name, rates in models.items():
        if rates is None:
            del made["lists"]["openai"]["models"][name]
            made["left_out"][f"openai/{name}"] = "is listed as withdrawn"
        else:
            made["lists"]["openai"]["models"][name] = rates
    return made


def test_the_script_says_what_a_newer_list_says_otherwise(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiers = [{"above": 9, "input": 200}]
    new = changed(**{"gpt-5": {"input": 2500, "output": 10_000}, "gpt-9": {"input": 100, "tiers": tiers}, "gpt-4.1": None})
    assert script.rows_of(DATA, new) == [
        ("openai/gpt-4.1", "is gone", "", "is listed as withdrawn", ""),
        ("openai/gpt-5", "cache_read", "0.125", "-", ""),
        ("openai/gpt-5", "input", "1.25", "2.5", "x2"),
        ("openai/gpt-5", "x fast", "2", "-", ""),
        ("openai/gpt-5", "x flex", "0.5", "-", ""),
        ("openai/gpt-5", "x priority", "2", "-", ""),
        ("openai/gpt-9", "new: above 9: input", "-", "0.2", ""),
        ("openai/gpt-9", "new: input", "-", "0.1", ""),
    ]
    path = tmp_path / "list.json"
    path.write_text(json.dumps(new), encoding="utf-8")
    assert script.main(["compare", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "8 differences" in printed
    assert "openai/gpt-5    input" in printed


def test_the_same_list_is_no_difference_and_is_written_as_it_was(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Path(str(HELD.joinpath("catalogue_prices.json")))
    assert script.main(["compare", str(held)]) == 0
    monkeypatch.setattr(script, "SNAPSHOT", tmp_path / "written.json")
    assert script.main(["write", str(held)]) == 0
    assert (tmp_path / "written.json").read_bytes() == held.read_bytes()
    assert script.main([]) == 2

"""Prices in a table: how they are written, which model gets which, what changes, and what is said about them."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from saferoute.cli.table_words import in_words
from saferoute.errors import ConfigurationError, UntrustedTable
from saferoute.routing.authoring import build
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.difference import compare
from saferoute.routing.lint import lint
from saferoute.routing.local import local_bundle
from saferoute.routing.release import Release
from saferoute.routing.resolve import resolve
from saferoute.routing.table import RoutingTable, compile_table
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical
from saferoute.values.target import Prices, PriceTier
from tests.unit.test_routing_catalogue import NOW, opened

ROW = """
[routes.own]
extends = "openai"
model = "m-1"
default_max_output = 100
"""
TIERED = (
    'prices = { input = "$2/M", output = "$12/M", cache_read = "$0.2/M", input_audio = "$3/M", output_audio = "$24/M", '
    'tiers = [{ above = 200000, input = "$4/M", output = "$18/M" }, { above = 500000, input = "$8/M" }], '
    'multipliers = { flex = "0.5", priority = "1.75", "a.b-c_d" = "2" } }\n'
)
BUDGET = '[grant]\nbudget = "$5/day"\n'


def table_of(body: bytes) -> RoutingTable:
    return compile_table(body, Release("draft", 1, 1, 0, 1, ()))


def built(text: str) -> RoutingTable:
    return table_of(build(text))


def prices_at(text: str, name: str) -> Prices | None:
    return resolve(built(text), name)[0].prices


def payload(text: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(build(text))
    return made


def test_tiers_sound_and_multipliers_are_written_in_the_units_that_people_use() -> None:
    assert prices_at(ROW + TIERED, "own") == Prices(
        "USD", 2000, 12_000, 200, input_audio=3000, output_audio=24_000,
        tiers=(PriceTier(200_000, 4000, 18_000), PriceTier(500_000, 8000)),
        multipliers=(("a.b-c_d", 2000), ("flex", 500), ("priority", 1750)),
    )  # fmt: skip


def test_an_old_table_means_what_it_meant() -> None:
    old = payload(ROW + 'prices = { input = "$2/M", output = "$12/M" }\n')
    assert old.keys() == {"schema", "routes", "aliases"}
    assert old["routes"][0]["prices"] == {"currency": "USD", "input": 2000, "output": 12_000}
    assert table_of(canonical(old)).routes["own"].prices == Prices("USD", 2000, 12_000)


@pytest.mark.parametrize(
    ("prices", "why"),
    [
        ("{}", "has no price"),
        ('{ tiers = [{ above = 5, input = "$1/M" }], input = "€1/M" }', r"tiers\[0\].input is in USD, and another price in EUR"),
        ('{ input = "$1/M", tiers = { above = 5 } }', "tiers must be a list such as"),
        ('{ input = "$1/M", tiers = [{ input = "$1/M" }] }', "tiers must be a list such as"),
        ('{ input = "$1/M", tiers = [{ above = 5, inputs = "$1/M" }] }', r"tiers\[0\].inputs is no price"),
        ('{ input = "$1/M", tiers = [{ above = 5 }] }', r"tiers\[0\] prices nothing"),
        ('{ input = "$1/M", tiers = [{ above = 0, input = "$1/M" }] }', r"tiers\[0\].above is 0; it must be from 1"),
        (
            '{ input = "$1/M", tiers = [{ above = 5, input = "$1/M" }, { above = 5, input = "$1/M" }] }',
            r"tiers\[1\].above: 5 is not above 5",
        ),
        ('{ input = "$1/M", tiers = [] }', "has 0 entries"),
        ('{ input = "$1/M", multipliers = "2" }', "multipliers must be a table"),
        (
            '{ input = "$1/M", multipliers = { flex = 0.5 } }',
            r'multipliers.flex is 0.5; write what the price is multiplied by, such as "0.5"',
        ),
        ('{ input = "$1/M", multipliers = { flex = "0.0005" } }', "with up to 3 decimals"),
        ('{ input = "$1/M", multipliers = { flex = "0" } }', "is 0; it must be from 1"),
        ('{ input = "$1/M", multipliers = { Flex = "2" } }', "'Flex', which is not a term"),
        ('{ input = "$1/M", multipliers = {} }', "has 0 entries"),
    ],
)
def test_what_is_no_price(prices: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        build(ROW + f"prices = {prices}\n")


# --- lists
def test_a_row_of_the_catalogue_knows_what_its_models_cost() -> None:
    table = built("[providers.openai]\n")
    assert resolve(table, "openai/gpt-5")[0].prices == Prices(
        "USD", 1250, 10_000, 125, multipliers=(("fast", 2000), ("flex", 500), ("priority", 2000))
    )
    assert resolve(table, "openai/gpt-5-which-is-new")[0].prices is None  # a name that begins alike has no price by that
    listed = table.listed("openai")
    assert listed.notes["licence"].startswith("MIT")
    assert set(listed.notes) == {"source", "licence", "as_of"}


def test_a_row_of_one_model_gets_its_price_and_the_table_no_other() -> None:
    made = payload('[routes.own]\nextends = "openai"\nmodel = "gpt-5"\n')
    assert list(made["price_lists"]["openai"]["models"]) == ["gpt-5"]
    assert made["routes"][0]["price_list"] == "openai"
    target = table_of(canonical(made)).routes["own"]
    assert target.prices is not None
    assert (target.prices.input, target.default_max_output) == (1250, None)


def test_a_row_without_a_listed_model_names_no_list() -> None:
    made = payload(ROW)
    assert "price_lists" not in made
    assert "price_list" not in made["routes"][0]


def test_a_row_of_its_own_prices_needs_no_list() -> None:
    made = payload('[routes.own]\nextends = "openai"\nmodel = "gpt-5"\ndefault_max_output = 5\nprices = { input = "$7/M" }\n')
    assert "price_lists" not in made
    assert table_of(canonical(made)).routes["own"].prices == Prices(input=7000)


def test_rows_of_one_provider_share_one_list() -> None:
    text = "[providers.openai]\n[providers.openai_responses]\n" + '[routes.own]\nextends = "openai"\nmodel = "gpt-5"\n'
    assert list(payload(text)["price_lists"]) == ["openai"]
    assert len(payload(text)["price_lists"]["openai"]["models"]) > 50


def test_who_stands_elsewhere_asks_for_prices_of_his_own() -> None:
    elsewhere = '[providers.openai]\norigin = "https://proxy.example.com"\n'
    assert "price_lists" not in payload(elsewhere)
    assert prices_at(elsewhere + 'price_list = "openai"\n', "openai/gpt-5") is not None  # unless the signer says that they are the same


def test_a_price_of_the_file_stands_before_the_catalogues() -> None:
    text = (
        "[providers.openai]\n[price_lists.openai]\n"
        '[price_lists.openai.models]\n"gpt-5" = { input = "$1/M", output = "$8/M" }\n"my-tune" = { input = "$3/M" }\n'
    )
    table = built(text)
    assert resolve(table, "openai/gpt-5")[0].prices == Prices(input=1000, output=8000)  # the whole line: nothing is left of the other
    assert resolve(table, "openai/my-tune")[0].prices == Prices(input=3000)
    assert resolve(table, "openai/gpt-5-mini")[0].prices is not None
    assert table.listed("openai").notes["overridden"] == "gpt-5, my-tune"


def test_a_list_of_the_file_alone() -> None:
    text = (
        '[routes.own]\nextends = "vllm"\nprice_list = "house"\n'
        '[price_lists.house]\nannotations = { source = "finance, ticket 12" }\n'
        '[price_lists.house.models]\n"llama" = { input = "0.1 EUR/M", output = "0.2 EUR/M" }\n'
    )
    table = built(text)
    assert resolve(table, "own/llama")[0].prices == Prices("EUR", 100, 200)
    assert dict(table.listed("own").notes) == {"source": "finance, ticket 12"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '[providers.openai]\nprice_list = "nowhere"\n',
            r"providers.openai.price_list: the table has no list 'nowhere'; write \[price_lists.n",
        ),
        ("[providers.openai]\n[price_lists.house]\n", r"price_lists.house must have \[price_lists.house.models\], with a line for each"),
        ("[providers.openai]\n[price_lists.house.models]\n", r"price_lists.house must have"),
        ("[providers.openai]\n[price_lists]\nhouse = 3\n", "price_lists.house must have"),
        ("[providers.openai]\nprice_list = 3\n", "price_list must be a name"),
        (
            '[providers.openai]\n[price_lists.house.models]\nm = { input = "$1/M" }\n',
            'price_lists.house: no row has this list; write price_list = "house" into one',
        ),
        (
            '[providers.openai]\n[price_lists.openai]\ncurrency = "USD"\n[price_lists.openai.models]\nm = { input = "$1/M" }\n',
            "price_lists.openai.currency is no field of a list",
        ),
        ('[providers.openai]\n[price_lists.openai.models]\nm = { input = "€1/M" }\n', "price_lists.openai.models.m is not in USD"),
        ('[providers.openai]\n[price_lists.openai.models]\n"a b" = { input = "$1/M" }\n', "'a b', which is not a model's name"),
        ('[providers.openai]\n[price_lists.openai.models]\nm = { output = "$1/M" }\n', r"price_lists.openai.models.m.input is missing"),
        ('[providers.openai]\n[price_lists.openai.models]\nm = { inputs = "$1/M" }\n', "price_lists.openai.models.m.inputs is no price"),
        (
            '[providers.openai]\n[price_lists.openai.models]\nm = { input = "$1/M", tiers = [{ above = 5 }] }\n',
            r"price_lists.openai.models.m.tiers\[0\] prices nothing",
        ),
        ('[providers.openai]\nprices = { input = "$1/M" }\n', 'a row with model = "\\*" cannot have prices'),
    ],
)
def test_what_is_no_list(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        build(text)


def test_a_signed_row_with_a_list_that_is_not_there_is_refused() -> None:
    made = payload("[providers.openai]\n")
    del made["price_lists"]
    with pytest.raises(Refused, match=r"table.routes\[0\].price_list: the table has no list 'openai'"):
        table_of(canonical(made))


def test_a_local_table_knows_the_same_prices() -> None:
    table = opened(local_bundle(["openai", "anthropic"], [], NOW))
    assert resolve(table, "openai/gpt-5")[0].prices == prices_at("[providers.openai]\n", "openai/gpt-5")
    assert resolve(table, "anthropic/claude-opus-5")[0].prices is not None


# --- in memory
def test_a_price_that_was_changed_in_memory_is_noticed() -> None:
    table = built("[providers.openai]\n")
    [target] = resolve(table, "openai/gpt-5")
    table.recheck(target)
    table.recheck(replace(target, deadlines=replace(target.deadlines, total=5.0)))
    [unpriced] = resolve(table, "openai/other")
    table.recheck(unpriced)
    for changed in (replace(target, prices=None), replace(target, prices=Prices(input=1)), replace(unpriced, prices=target.prices)):
        with pytest.raises(UntrustedTable):
            table.recheck(changed)
    assert target.prices is not None
    object.__setattr__(target.prices, "input", 0)
    with pytest.raises(UntrustedTable):
        table.recheck(target)


def test_a_price_of_a_row_that_was_changed_in_memory_is_noticed() -> None:
    table = built(ROW + TIERED)
    target = table.routes["own"]
    table.recheck(replace(target, deadlines=replace(target.deadlines, total=5.0)))
    with pytest.raises(UntrustedTable):
        table.recheck(replace(target, prices=Prices(input=1)))


# --- what changes
def changes(old: str, new: str) -> list[tuple[str, bool]]:
    return [(f"{one.place}: {one.text}", one.dangerous) for one in compare(build(old), build(new)).changes]


def test_changes_of_a_rows_prices_are_told_in_dollars_for_a_million() -> None:
    before = ROW + 'prices = { input = "$2/M" }\n'
    after = ROW + 'prices = { input = "$2/M", tiers = [{ above = 9, input = "$4/M", output = "$5/M" }], multipliers = { flex = "0.5" } }\n'
    assert changes(before, after) == [
        ("routes.own: prices.multipliers is now flex x0.5", False),
        ("routes.own: prices.tiers is now above 9 input tokens: input 4, output 5 per million tokens", False),
    ]
    assert [dangerous for _, dangerous in changes(before + BUDGET, after + BUDGET)] == [True, True]


LISTED = "[providers.openai]\n[price_lists.openai.models]\n"


def test_changes_of_a_list_are_told_model_by_model() -> None:
    before = LISTED + '"a" = { input = "$2/M", output = "$4/M" }\n"b" = { input = "$1/M" }\n'
    after = LISTED + '"a" = { input = "$3/M", output = "$2/M", tiers = [{ above = 9, input = "$4/M" }] }\n'
    told = changes(before, after)
    assert ("price_lists.openai: input of a changes from 2 per million tokens to 3 per million tokens", False) in told
    assert ("price_lists.openai: output of a changes from 4 per million tokens to 2 per million tokens", False) in told
    assert ("price_lists.openai: tiers of a changes from not known to above 9 input tokens: input 4 per million tokens", False) in told
    assert ("price_lists.openai: input of b changes from 1 per million tokens to not known", False) in told
    marked = dict(changes(before + BUDGET, after + BUDGET))
    assert not marked["price_lists.openai: input of a changes from 2 per million tokens to 3 per million tokens"]
    assert marked["price_lists.openai: output of a changes from 4 per million tokens to 2 per million tokens"]
    assert marked["price_lists.openai: input of b changes from 1 per million tokens to not known"]


def test_a_list_comes_and_goes() -> None:
    with_list, without = "[providers.openai]\n", '[providers.openai]\norigin = "https://api.openai.com:8443"\n'
    came = [one for one in compare(build(without), build(with_list)).changes if one.place == "price_lists.openai"]
    assert came[0].text.startswith("is new, in USD: prices of ")
    assert "source genai-prices" in came[0].text
    assert "as of 20" in came[0].text
    [gone] = [one for one in compare(build(with_list), build(without)).changes if one.place == "price_lists.openai"]
    assert gone.text.startswith("is gone: prices of ")
    one = '[routes.own]\nextends = "vllm"\nprice_list = "house"\n[price_lists.house.models]\n"llama" = { input = "$1/M" }\n'
    [house] = [one for one in compare(build(with_list), build(with_list + one)).changes if one.place == "price_lists.house"]
    assert house.text == "is new, in USD: prices of llama"


def test_another_currency_of_a_list_is_told() -> None:
    text = '[routes.own]\nextends = "vllm"\nprice_list = "house"\n[price_lists.house.models]\n"llama" = { input = "$1/M" }\n'
    told = changes(text, text.replace("$1/M", "€1/M"))
    assert told == [("price_lists.house: currency changes from USD to EUR", True)]


# --- what is said
def test_a_table_in_words_says_what_is_known_and_since_when() -> None:
    lines = "\n".join(in_words(built("[providers.openai]\n" + ROW + TIERED), "a draft"))
    assert "models known (source genai-prices" in lines
    assert "in 2, out 12 USD per million tokens; above 200000 input tokens in 4, out 18; above 500000 input tokens in 8" in lines
    house = '[routes.own]\nextends = "vllm"\nprice_list = "house"\n[price_lists.house.models]\n"llama" = { input = "$1/M" }\n'
    assert "prices of 1 models known\n" in "\n".join(in_words(built(house), "a draft"))
    assert "price not known" in "\n".join(in_words(built('[providers.openai]\norigin = "https://a.example.com"\n'), "a draft"))


def findings(text: str) -> list[str]:
    return [one.text for one in lint(build(text)) if one.rule in {"odd-price", "no-prices"}]


def test_odd_tiers() -> None:
    assert findings(ROW + TIERED) == []
    odd = 'prices = { input = "$4/M", output = "$12/M", tiers = [{ above = 9, input = "$2/M", output = "$1/M", cache_read = "$3/M" }] }\n'
    assert findings(ROW + odd) == [
        "output is cheaper than input above 9 input tokens: are the two the wrong way round?",
        "cache_read is dearer than input above 9 input tokens: are the two the wrong way round?",
        "input is cheaper above 9 input tokens than below: is a price missing in the tier?",
    ]


def test_a_budget_and_a_row_whose_models_have_prices() -> None:
    grant = '[grant]\nroutes = ["openai"]\ntools = []\nbudget = "$5/day"\nmax_output = 100\n'
    assert findings("[providers.openai]\n" + grant) == []
    assert len(findings('[providers.openai]\norigin = "https://a.example.com"\n' + grant)) == 1


def test_every_list_that_the_catalogue_names_is_there() -> None:
    catalogue = load_catalogue()
    named = {provider.row.get("price_list") for provider in catalogue.entries} - {None}
    assert all(catalogue.price_list(str(name)) is not None for name in named)
    assert catalogue.price_list("nowhere") is None
    assert Decimal(len(named)) > 8

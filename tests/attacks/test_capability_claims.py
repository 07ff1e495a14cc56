"""Attack: a claim that a lenient reader takes for something else: an unknown one, a wildcard, a null, a number in another form, a name
that looks like another name.

Guards: saferoute/capabilities/caveats.py::if claim not in _CLAIMS:
Guards: saferoute/capabilities/caveats.py::if claim in _ISSUERS and not first:
Guards: saferoute/capabilities/caveats.py::if first and (missing := sorted(_REQUIRED - said.keys())):
Guards: saferoute/capabilities/caveats.py::if not isinstance(name, str) or len(name) > longest or not pattern.fullmatch(name):
Guards: saferoute/capabilities/caveats.py::if len(found) != len(value):
Guards: saferoute/capabilities/caveats.py::if type(value) is not int or not low <= value <= high:
Guards: saferoute/capabilities/caveats.py::if not isinstance(value, dict) or not _AMOUNT <= value.keys() <= fields:
"""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import NOW, chain, root, verified

USD = {"amount": 1, "currency": "USD"}
LISTS = ("aud", "ops", "models", "providers", "routes", "tools", "guards", "regions", "purpose", "req")
WHOLE = ("exp", "nbf", "max_in", "max_out", "calls", "table_min", "depth")


def _denied(payload: dict[str, Any], *, later: bool = False) -> str:
    text = chain(root(), payload) if later else chain(root(**payload))
    with pytest.raises(CapabilityInvalid) as caught:
        verified(text)
    assert caught.value.code == "claim"
    return str(caught.value)


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("name", ["admin", "Models", "model", "max_tokens", "", "*", "exp ", "\u0435xp", "data\n", "v2", "aud\u0000"])
def test_an_unknown_claim_refuses_the_whole_token(name: str, later: bool) -> None:
    message = _denied({name: 1}, later=later)
    assert message == f"the capability token is refused: block {1 + later} has the claim {name!a}, which srcap1 does not have"


@pytest.mark.parametrize("name", ["v", "iss", "jti", "iat", "exp", "aud", "ops", "models", "providers"])
def test_what_the_issuer_must_say_is_said(name: str) -> None:
    assert _denied({name: None}) == f"the capability token is refused: block 1 has no {name}"


@pytest.mark.parametrize(("name", "value"), [("v", 1), ("iss", "acme"), ("iss", "other"), ("jti", "f" * 32), ("iat", NOW)])
def test_what_only_the_issuer_says_nobody_else_does(name: str, value: Any) -> None:
    message = _denied({name: value}, later=True)
    assert message.endswith(f"block 2 has the claim {name}, which only the issuer's block may have")


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "value",
    [
        ["*"], ["a*"], "*", "chat", ["chat", "chat"], [""], [" "], ["a", ""], [None], [1], [True], {}, 1, True,
        ["\u0441hat"], ["\uff43hat"], ["chat\n"], ["chat\r"], ["chat\u0000"], [" chat"], ["chat "], ["ch at"], ["a\u200bb"], ["a\u0301"], ["caf\u00e9"],
        ["../a"], ["a//b"], ["/a"], ["a?b"], ["a#b"], ["a%2fb"], ["a" * 201], ["a;b"], ["a\\b"],
    ],
    ids=repr,
)  # fmt: skip
def test_a_list_that_is_none_of_names(name: str, value: Any) -> None:
    assert f"{name} of block 2 must be a list of" in _denied({name: value}, later=True)


@pytest.mark.parametrize("name", [name for name in LISTS if name != "tools"])
def test_an_empty_list_is_a_mistake_except_of_tools(name: str) -> None:
    assert "must be a list of 1 to 64" in _denied({name: []}, later=True)
    assert verified(chain(root(), {"tools": []})).permission.tools == frozenset()


@pytest.mark.parametrize("name", ["aud", "ops", "providers", "routes", "guards", "regions", "purpose", "req"])
def test_upper_case_is_another_name_and_no_name(name: str) -> None:
    assert f"{name} of block 2 must be a list of" in _denied({name: ["CHAT" if name != "req" else "A" * 64]}, later=True)


def test_a_list_has_64_names_at_most() -> None:
    names = [f"t{n}" for n in range(65)]
    assert verified(chain(root(), {"tools": names[:64]})).permission.tools == frozenset(names[:64])
    assert "tools of block 2 must be a list of 0 to 64" in _denied({"tools": names}, later=True)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [True, False, "5", "", [5], {"amount": 5}, -1, 2**53 - 1 + 0])
def test_a_number_is_a_whole_number_in_its_range(name: str, value: Any) -> None:
    if value == 2**53 - 1 and value is not True and name in {"calls", "table_min"}:
        return
    assert f"{name} of block 2 must be a whole number from" in _denied({name: value}, later=True)


@pytest.mark.parametrize(("name", "low", "high"), [
    ("exp", 0, 253_402_300_799), ("nbf", 0, 253_402_300_799), ("max_in", 1, 10**9), ("max_out", 1, 10**9), ("calls", 0, 2**53 - 1),
    ("table_min", 1, 2**53 - 1), ("depth", 1, 8),
])  # fmt: skip
def test_the_ranges(name: str, low: int, high: int) -> None:
    for value in (low, high):
        if (name, value) != ("depth", 1):
            verified(chain(root(), {name: value}))
    for value in (low - 1, high + 1):
        if abs(value) < 2**53:
            assert _denied({name: value}, later=True).endswith(f"{name} of block 2 must be a whole number from {low} to {high}")


@pytest.mark.parametrize("name", ["iss", "jti", "v", "iat"])
@pytest.mark.parametrize("value", [True, "", " ", ["acme"], {}, "ACME", "acme\n", "a*", "*", -1, 2, "\u0430cme", "a" * 65, "../acme"])
def test_the_issuers_own_claims_have_one_form(name: str, value: Any) -> None:
    if (name, value) == ("iat", 2):
        return
    assert f"{name} of block 1 must be" in _denied({name: value})


@pytest.mark.parametrize("name", ["budget", "max_cost"])
@pytest.mark.parametrize(
    "value",
    [
        5, "5", "$5", True, [], {}, {"amount": 1}, {"currency": "USD"}, {**USD, "amount": "1"}, {**USD, "amount": True}, {**USD, "amount": -1},
        {**USD, "currency": "usd"}, {**USD, "currency": "USDT"}, {**USD, "currency": ""}, {**USD, "currency": "US\u0405"},
        {**USD, "currency": 1}, {**USD, "unit": "nano"}, {**USD, "per": "fortnight"}, {**USD, "per": 1}, {**USD, "per": ""},
    ],
    ids=repr,
)  # fmt: skip
def test_money_has_one_form(name: str, value: Any) -> None:
    assert f"{name} of block 2 must be" in _denied({name: value}, later=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data", "secret"), ("data", ""), ("data", "Public"), ("data", ["public"]), ("data", 1), ("data", True),
        ("scope", "world"), ("scope", ""), ("scope", True), ("stream", 0), ("stream", 1), ("stream", "false"), ("stream", ""), ("stream", []),
        ("max_cost", {**USD, "per": "day"}),
    ],
    ids=repr,
)  # fmt: skip
def test_words_and_flags_have_one_form(name: str, value: Any) -> None:
    assert f"{name} of block 2 must be" in _denied({name: value}, later=True)


@pytest.mark.parametrize("name", [*LISTS, *WHOLE, "budget", "max_cost", "data", "scope", "stream", "iss", "jti"])
def test_null_is_not_unrestricted(name: str) -> None:
    first = {**root(), name: None}
    with pytest.raises(CapabilityInvalid) as caught:
        verified(chain(first))
    assert caught.value.code == "claim"
    assert f"{name} of block 1 must be" in str(caught.value)


def test_an_odd_name_is_not_shown_at_length() -> None:
    assert len(_denied({"z" * 5000: 1}, later=True)) < 200


@pytest.mark.parametrize("name", ["gpt-5.4", "org/model:1", "us.anthropic.claude-x-v1:0", "@cf/meta/llama", "a" * 200, "M"])
def test_names_that_models_have(name: str) -> None:
    assert verified(chain(root(models=[name]))).permission.models == {name}


@pytest.mark.parametrize("name", ["..", ".", "a/../b", "a/.", "/a", "a/", "a//b"])
def test_a_models_name_is_no_path(name: str) -> None:
    assert "models of block 1 must be" in _denied({"models": [name]})

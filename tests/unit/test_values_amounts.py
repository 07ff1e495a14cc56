"""Amounts of money as people write them in programs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from saferoute.errors import RequestError
from saferoute.values.amounts import amount, amount_per

NANO = 10**9


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("$5", (5 * NANO, "USD")),
        ("$ 5", (5 * NANO, "USD")),
        ("$0.05", (50_000_000, "USD")),
        ("$0.000000001", (1, "USD")),
        ("€2", (2 * NANO, "EUR")),
        ("£2", (2 * NANO, "GBP")),
        ("5 CHF", (5 * NANO, "CHF")),
        ("0 USD", (0, "USD")),
        (Decimal("1.5"), (1_500_000_000, "USD")),
        (Decimal(0), (0, "USD")),
        (Decimal("1." + "0" * 100), (NANO, "USD")),
        ("$9007199.254740991", (2**53 - 1, "USD")),
    ],
)
def test_amounts(value: Any, expected: tuple[int, str]) -> None:
    assert amount(value, "budget") == expected
    assert amount_per(value, "budget") == (*expected, None)


@pytest.mark.parametrize("per", ["hour", "day", "week", "month"])
def test_amounts_of_a_window(per: str) -> None:
    assert amount_per(f"$5/{per}", "budget") == (5 * NANO, "USD", per)
    assert amount_per(f"5 EUR/{per}", "budget") == (5 * NANO, "EUR", per)


def test_a_float_holds_no_money() -> None:
    for read in (amount, amount_per):
        with pytest.raises(TypeError) as caught:
            read(0.1, "max_cost")
        assert str(caught.value) == 'max_cost must not be a float, which cannot hold 0.1: write "$0.05" or Decimal("0.05")'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("5", 'budget must be an amount such as "$0.05", "0.05 CHF" or Decimal("0.05"), not \'5\''),
        ("$5 USD", "not '$5 USD'"),
        ("$", "not '$'"),
        ("$5\n", "not '$5\\n'"),
        ("$-5", "not '$-5'"),
        ("$1e3", "not '$1e3'"),
        ("$1,000", "not '$1,000'"),
        ("$٥", "not '$٥'"),
        ("$0.0000000001", "not '$0.0000000001'"),
        ("$1234567890", "not '$1234567890'"),
        ("x" * 100, f"not '{'x' * 40}'"),
        (5, "not int"),
        (True, "not bool"),
        (None, "not NoneType"),
        (b"$5", "not bytes"),
        (Decimal(-1), "budget must be an amount of 0 or more"),
        (Decimal("NaN"), "budget must be an amount of 0 or more"),
        (Decimal("Infinity"), "budget must be an amount of 0 or more"),
        (Decimal("1E-10"), "budget must be a whole number of nano-units, and at most 9007199"),
        (Decimal("9007199.254740992"), "budget must be a whole number of nano-units, and at most 9007199"),
        (Decimal("1." + "0" * 40 + "1"), "budget must be a whole number of nano-units, and at most 9007199"),
        (Decimal("1E-101"), "budget must be a whole number of nano-units, and at most 9007199"),
        (Decimal("1E-999999"), "budget must be a whole number of nano-units, and at most 9007199"),
        (Decimal("1E+10"), "budget must be a whole number of nano-units, and at most 9007199"),
        (Decimal("1E+999999"), "budget must be a whole number of nano-units, and at most 9007199"),
        ("$9007200", "budget must be a whole number of nano-units, and at most 9007199"),
    ],
    ids=repr,
)
def test_what_is_no_amount(value: Any, message: str) -> None:
    for read in (amount, amount_per):
        with pytest.raises(RequestError) as caught:
            read(value, "budget")
        assert str(caught.value).endswith(message)


@pytest.mark.parametrize("value", ["$5/year", "$5/", "$5/Day", "$5/day/day", "/day", "$5 / day", "$5/days"])
def test_what_is_no_window(value: str) -> None:
    with pytest.raises(RequestError):
        amount_per(value, "budget")
    with pytest.raises(RequestError) as caught:
        amount_per("$5/year", "budget")
    assert str(caught.value) == "budget must be for one of hour, day, week, month, not '$5/year'"

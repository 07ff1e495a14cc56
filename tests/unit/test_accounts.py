"""What budgets come to: windows, accounts, shares, debits, settlements, and the words of refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.capabilities.accounts import (
    KEPT,
    MAX_AMOUNT,
    accounts_of,
    check_amounts,
    check_debits,
    check_nonce,
    check_scope,
    ended,
    exceeded,
    in_words,
    is_over,
    merged,
    settled_amounts,
    window,
    worst_case_debits,
)
from saferoute.errors import BudgetExceeded, CapabilityForbidden, ConfigurationError
from saferoute.values.account import Account, Balance, Debit
from saferoute.values.permission import Budget, Cost, Permission, Scope

SOURCE = "the table's grant"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


WINDOWS = [
    ("hour", "2026-10-27T13:00:00", "2026-10-27T13", "2026-10-27T14:00:00"),
    ("hour", "2026-10-27T13:59:59", "2026-10-27T13", "2026-10-27T14:00:00"),
    ("hour", "2026-12-31T23:30:00", "2026-12-31T23", "2027-01-01T00:00:00"),
    ("hour", "2026-10-27T04:30:00", "2026-10-27T04", "2026-10-27T05:00:00"),
    ("day", "2026-10-27T00:00:00", "2026-10-27", "2026-10-28T00:00:00"),
    ("day", "2026-10-27T23:59:59", "2026-10-27", "2026-10-28T00:00:00"),
    ("day", "2028-02-29T12:00:00", "2028-02-29", "2028-03-01T00:00:00"),
    ("week", "2026-10-26T00:00:00", "2026-W44", "2026-11-02T00:00:00"),
    ("week", "2026-11-01T23:59:59", "2026-W44", "2026-11-02T00:00:00"),
    ("week", "2026-10-25T23:59:59", "2026-W43", "2026-10-26T00:00:00"),
    ("week", "2027-01-03T12:00:00", "2026-W53", "2027-01-04T00:00:00"),
    ("week", "2029-12-31T00:00:00", "2030-W01", "2030-01-07T00:00:00"),
    ("week", "2026-02-25T00:00:00", "2026-W09", "2026-03-02T00:00:00"),
    ("month", "2026-10-01T00:00:00", "2026-10", "2026-11-01T00:00:00"),
    ("month", "2026-10-31T23:59:59", "2026-10", "2026-11-01T00:00:00"),
    ("month", "2026-12-31T23:59:59", "2026-12", "2027-01-01T00:00:00"),
    ("month", "2026-11-15T00:00:00", "2026-11", "2026-12-01T00:00:00"),
    ("month", "2028-02-29T00:00:00", "2028-02", "2028-03-01T00:00:00"),
    ("month", "1970-01-01T00:00:00", "1970-01", "1970-02-01T00:00:00"),
]


@pytest.mark.parametrize(("per", "now", "name", "end"), WINDOWS)
def test_windows_are_those_of_the_clock_in_utc(per: Any, now: str, name: str, end: str) -> None:
    assert window(per, at(now)) == (name, at(end))
    assert window(per, at(now) + 0.999) == (name, at(end))


@given(st.sampled_from(["hour", "day", "week", "month"]), st.integers(0, 4_000_000_000))
def test_a_window_ends_where_the_next_one_begins(per: Any, now: int) -> None:
    name, end = window(per, now)
    assert now < end <= now + 31 * 86_400
    assert window(per, end - 1) == (name, end)
    following, later = window(per, end)
    assert following != name
    assert later > end
    expected = datetime.fromtimestamp(end, UTC)
    assert (expected.minute, expected.second) == (0, 0)
    assert per == "hour" or expected.hour == 0
    assert per != "week" or expected.weekday() == 0
    assert per != "month" or expected.day == 1


@pytest.mark.parametrize("now", [-1, -0.001, float("nan"), float("inf"), float("-inf"), 250_000_000_000])
def test_a_clock_that_cannot_be_right_counts_nothing(now: float) -> None:
    message = f"this machine's clock says {now!r} seconds since 1970, so no budget can be counted: set it right"
    with pytest.raises(ConfigurationError) as refused:
        window("day", now)
    assert refused.value.message == message
    with pytest.raises(ConfigurationError) as refused:
        accounts_of(Permission(SOURCE, budgets=(Budget("k", 1, per="day"),)), now)
    assert refused.value.message == message


def test_the_last_clock_that_is_believed() -> None:
    assert window("month", 249_999_999_999) == ("9892-03", at("9892-04-01"))
    assert window("hour", 0) == ("1970-01-01T00", 3_600)


def test_without_budgets_no_clock_is_needed() -> None:
    assert accounts_of(Permission(SOURCE), float("nan")) == ()


def test_each_budget_is_an_account_of_its_window() -> None:
    budgets = (
        Budget("grant:acme", 5 * 10**9, "USD", "day"),
        Budget("grant:acme", 100, "calls", "hour"),
        Budget("cap:1f2e:0", 7, "EUR", expires_at=1_800_000_000),
    )
    now = at("2026-10-27T13:30:00") + 0.5
    assert accounts_of(Permission(SOURCE, budgets=budgets, expires_at=1_900_000_000), now) == (
        Account("grant:acme|USD|2026-10-27", 5 * 10**9, "USD", at("2026-10-28"), f"{SOURCE}, per day until 2026-10-28 00:00 UTC"),
        Account("grant:acme|calls|2026-10-27T13", 100, "calls", at("2026-10-27T14:00"), f"{SOURCE}, per hour until 2026-10-27 14:00 UTC"),
        Account("cap:1f2e:0|EUR|life", 7, "EUR", 1_800_000_000, SOURCE),
    )


@pytest.mark.parametrize(
    ("own", "permissions", "end"),
    [(5, 9, 5), (0, 9, 0), (None, 9, 9), (None, 0, 0), (9, None, 9), (None, None, 253_402_300_799)],
)
def test_a_budget_without_windows_lives_as_long_as_it_can_be_used(own: int | None, permissions: int | None, end: int) -> None:
    (found,) = accounts_of(Permission(SOURCE, budgets=(Budget("k", 1, expires_at=own),), expires_at=permissions), 1.0)
    assert found == Account("k|USD|life", 1, "USD", end, SOURCE)


@pytest.mark.parametrize(
    ("limit", "replicas", "share"), [(10, 1, 10), (10, 3, 3), (10, 10, 1), (10, 11, 0), (9, 3, 3), (10, 0, 10), (10, -2, 10)]
)
def test_replicas_share_a_budget_and_never_pass_it_together(limit: int, replicas: int, share: int) -> None:
    (found,) = accounts_of(Permission(SOURCE, budgets=(Budget("k", limit, replicas=replicas),)), 1.0)
    assert found.limit == share
    assert found.owner == (f"{SOURCE}, one of {replicas} shares" if replicas > 1 else SOURCE)
    assert share * max(1, replicas) <= limit


def test_a_share_of_a_windowed_budget_says_both() -> None:
    (found,) = accounts_of(Permission(SOURCE, budgets=(Budget("k", 8, per="month", replicas=4),)), at("2026-10-27"))
    assert (found.limit, found.owner) == (2, f"{SOURCE}, per month until 2026-11-01 00:00 UTC, one of 4 shares")


def test_an_account_is_called_after_its_owner_and_only_a_budgets_own_replicas_divide_it() -> None:
    budgets = (
        Budget("issuer:acme:ci", 90, "USD", "day", owner="the issuer ci (all capabilities that it minted)", replicas=3),
        Budget("cap:1f2e:budget", 60, "USD", expires_at=1_800_000_000),
        Budget("cap:1f2e:calls", 4, "calls", expires_at=1_800_000_000, replicas=2),
    )
    assert accounts_of(Permission("the capability 1f2e", budgets=budgets), at("2026-10-27")) == (
        Account(
            "issuer:acme:ci|USD|2026-10-27",
            30,
            "USD",
            at("2026-10-28"),
            "the issuer ci (all capabilities that it minted), per day until 2026-10-28 00:00 UTC, one of 3 shares",
        ),
        Account("cap:1f2e:budget|USD|life", 60, "USD", 1_800_000_000, "the capability 1f2e"),
        Account("cap:1f2e:calls|calls|life", 2, "calls", 1_800_000_000, "the capability 1f2e, one of 2 shares"),
    )


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("x" * 256, True),
        ("x" * 257, False),
        ("", False),
        ("a\nb", False),
        ("\u0430", False),
        ("\ud800", False),
        ("~ ", True),
        ("a\x7f", False),
        ("sha256:x", False),
    ],
)
def test_a_key_that_would_not_fit_is_known_by_its_hash(key: str, kept: bool) -> None:
    (found,) = accounts_of(Permission(SOURCE, budgets=(Budget(key, 1),)), 1.0)
    digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    assert found.key == (f"{key}|USD|life" if kept else f"sha256:{digest}|USD|life")
    check_debits([Debit(found, 0)])


KEYS = st.text(max_size=5) | st.sampled_from(["a", "a|USD|life", "a|USD", "|", "sha256:a", f"sha256:{sha256(b'').hexdigest()}", "x" * 300])


@given(*[st.tuples(KEYS, st.sampled_from(["USD", "EUR", "calls"]), st.sampled_from([None, "hour", "day", "week", "month"]))] * 2)
def test_two_budgets_never_share_an_account(first: Any, second: Any) -> None:
    found = [accounts_of(Permission(SOURCE, budgets=(Budget(key, 1, unit, per),)), 1.8e9)[0].key for key, unit, per in (first, second)]
    assert (found[0] == found[1]) == (first == second)


A, B = Account("a", 10, "USD", 5, "x"), Account("b", 10, "USD", 5, "x")


@pytest.mark.parametrize(
    ("accounts", "expected"),
    [
        ((), ()),
        ((A, B), (A, B)),
        ((A, A), (A,)),
        ((B, A, replace(B, limit=4)), (replace(B, limit=4), A)),
        ((B, replace(B, limit=14)), (B,)),
        ((B, replace(B, limit=4, expires_at=3)), (replace(B, limit=4),)),
        ((B, replace(B, limit=14, expires_at=9)), (replace(B, expires_at=9),)),
        ((A, replace(A, owner="y")), (A,)),
    ],
)
def test_one_call_is_charged_once_to_one_account(accounts: tuple[Account, ...], expected: tuple[Account, ...]) -> None:
    assert merged(accounts) == expected


SCOPES: list[tuple[Scope | None, bool, Scope, str | None]] = [
    (None, False, "process", None),
    (None, True, "process", "host"),
    (None, True, "host", None),
    (None, True, "cluster", None),
    ("process", True, "process", None),
    ("process", False, "process", None),
    ("host", False, "process", "host"),
    ("host", True, "host", None),
    ("cluster", True, "host", "cluster"),
    ("cluster", False, "process", "cluster"),
    ("cluster", True, "cluster", None),
]


@pytest.mark.parametrize(("scope", "counted", "store", "needed"), SCOPES)
def test_a_store_counts_at_least_as_widely_as_is_asked(scope: Scope | None, counted: bool, store: Scope, needed: str | None) -> None:
    permission = Permission(SOURCE, scope=scope, budgets=(Budget("k", 1),) if counted else ())
    if needed is None:
        check_scope(permission, store)
        return
    with pytest.raises(CapabilityForbidden) as refused:
        check_scope(permission, store)
    words = {"process": "in this process only", "host": "by all processes of this host", "cluster": "by all hosts"}
    place = {"host": "sqlite(path)", "cluster": "redis(url)"}[needed]
    assert refused.value.code == "scope"
    assert refused.value.message == (
        f"{SOURCE} must be counted {words[needed]}, and this client counts {words[store]}: pass Client(accounts=saferoute.Accounts.{place})"
    )


MONEY = Account("m", 5 * 10**9, "USD", 9, SOURCE)
CALLS = Account("c", 10, "calls", 9, SOURCE)


def test_an_attempt_may_take_its_worst_case_and_one_call() -> None:
    assert worst_case_debits((MONEY, CALLS), Cost(7)) == (Debit(MONEY, 7), Debit(CALLS, 1))
    assert worst_case_debits((CALLS,), None) == (Debit(CALLS, 1),)
    assert worst_case_debits((MONEY,), Cost(MAX_AMOUNT)) == (Debit(MONEY, MAX_AMOUNT),)
    assert worst_case_debits((), None) == ()
    euros = replace(MONEY, unit="EUR")
    assert worst_case_debits((MONEY, euros, CALLS), Cost(0)) == (Debit(MONEY, 0), Debit(euros, 0), Debit(CALLS, 1))


@pytest.mark.parametrize("cost", [None, Cost(7, "EUR")])
def test_what_has_no_known_worst_case_in_the_accounts_currency_is_refused(cost: Cost | None) -> None:
    with pytest.raises(BudgetExceeded) as refused:
        worst_case_debits((CALLS, MONEY), cost)
    error = refused.value
    assert (error.code, error.limit, error.spent, error.reserved, error.asked, error.unit) == ("budget", 5 * 10**9, None, None, None, "USD")
    assert error.message == (
        f"{SOURCE}: what this call may cost is not known in USD, so its budget cannot be kept: give the row prices in USD, or pass "
        "max_output_tokens"
    )


def test_a_worst_case_that_cannot_be_counted_is_refused() -> None:
    huge = replace(MONEY, limit=MAX_AMOUNT, unit="EUR")
    with pytest.raises(BudgetExceeded) as refused:
        worst_case_debits((huge,), Cost(MAX_AMOUNT + 1, "EUR"))
    error = refused.value
    assert (error.code, error.limit, error.asked, error.unit) == ("budget", MAX_AMOUNT, MAX_AMOUNT + 1, "EUR")
    assert error.message == (
        f"{SOURCE}: this call may cost 9007199.254740992 EUR, which is more than can be counted: pass a lower max_output_tokens"
    )


DEBITS = (Debit(MONEY, 100), Debit(CALLS, 1))


@pytest.mark.parametrize(
    ("cost", "sent", "expected"),
    [
        (Cost(7), True, (7, 1)),
        (Cost(0), True, (0, 1)),
        (Cost(900), True, (900, 1)),
        (None, True, (100, 1)),
        (Cost(7, "EUR"), True, (100, 1)),
        (Cost(-1), True, (100, 1)),
        (Cost(MAX_AMOUNT + 5), True, (MAX_AMOUNT, 1)),
        (Cost(7), False, (0, 0)),
        (None, False, (0, 0)),
    ],
)
def test_what_was_sent_without_a_known_cost_took_its_worst_case(cost: Cost | None, sent: bool, expected: tuple[int, ...]) -> None:
    assert settled_amounts(DEBITS, cost, sent=sent) == expected


EXCEEDED: list[tuple[Account, int, Balance, str]] = [
    (MONEY, 120_000_000, Balance(4_910_000_000, 0, 0), "$4.91 of $5.00 is spent or held back; this call may cost $0.12: pass a lower max_output_tokens"),
    (
        MONEY, 120_000_000, Balance(4_000_000_000, 910_000_000, 3),
        ("$4.91 of $5.00 is spent or held back; this call may cost $0.12: pass a lower max_output_tokens "
        "($0.91 held back: 3 calls under way or broken off)"),
    ),
    (
        replace(MONEY, unit="EUR"), 6 * 10**9, Balance(0, 1, 1),
        ("0.000000001 EUR of 5.00 EUR is spent or held back; this call may cost 6.00 EUR: pass a lower max_output_tokens "
        "(0.000000001 EUR held back: 1 call under way or broken off)"),
    ),
    (CALLS, 1, Balance(10, 0, 0), "10 of 10 calls are used or held back"),
    (CALLS, 1, Balance(8, 2, 2), "10 of 10 calls are used or held back (2 calls held back: 2 calls under way or broken off)"),
    (replace(CALLS, limit=1), 1, Balance(1, 0, 0), "1 of 1 call is used or held back"),
]  # fmt: skip


@pytest.mark.parametrize(("account", "amount", "balance", "words"), EXCEEDED)
def test_a_refusal_says_how_the_account_stands(account: Account, amount: int, balance: Balance, words: str) -> None:
    error = exceeded(Debit(account, amount), balance)
    assert error.message == f"{SOURCE}: {words}"
    found = (error.code, error.limit, error.spent, error.reserved, error.asked, error.unit)
    assert found == ("calls" if account.unit == "calls" else "budget", account.limit, balance.spent, balance.reserved, amount, account.unit)


@pytest.mark.parametrize(
    ("amount", "unit", "words"),
    [
        (0, "USD", "$0.00"), (1, "USD", "$0.000000001"), (10**9, "USD", "$1.00"), (4_910_000_000, "USD", "$4.91"), (4_900_000_000, "USD", "$4.90"),
        (1_234_567_891, "EUR", "1.234567891 EUR"), (MAX_AMOUNT, "USD", "$9007199.254740991"), (0, "calls", "0 calls"), (1, "calls", "1 call"), (2, "calls", "2 calls"),
    ],
)  # fmt: skip
def test_amounts_are_written_exactly(amount: int, unit: str, words: str) -> None:
    assert in_words(amount, unit) == words


@pytest.mark.parametrize(
    ("now", "over"), [(8, False), (9 + KEPT - 1, False), (9 + KEPT - 0.001, False), (9 + KEPT, True), (9 + KEPT + 1, True)]
)
def test_an_account_is_over_an_hour_after_its_end(now: float, over: bool) -> None:
    assert KEPT == 3_600
    assert is_over(MONEY, now) is over


@pytest.mark.parametrize(("end", "words"), [(at("2026-10-28T01:02:59"), "2026-10-28 01:02"), (MAX_AMOUNT, "9999-12-31 23:59")])
def test_an_account_that_is_over_says_to_set_the_clock(end: int, words: str) -> None:
    assert ended(replace(MONEY, expires_at=end)).message == (
        f"{SOURCE}: the account 'm' ended at {words} UTC, and what was spent of it may be forgotten, so nothing is taken from it. "
        "This machine's clock is wrong, was wrong, or was set back: set it right"
    )


KEY = "the key of an account has 1 to 300 printable ASCII characters"
UNIT = 'the unit of an account is a currency of three capital letters, or "calls"'
NUMBER = "limit, end and amount of a debit are whole numbers from 0 to 2^53 - 1"
REFUSED: list[tuple[dict[str, Any], int, str]] = [
    *[({"key": key}, 0, KEY) for key in ("", "x" * 301, "a\n", "\n", "a\x7f", "a\x1f", "\u00e9", None, b"a")],
    *[({"unit": unit}, 0, UNIT) for unit in ("", "usd", "US", "USDX", "USD\n", "Calls", "calls ", None)],
    *[({"limit": number}, 0, NUMBER) for number in (-1, MAX_AMOUNT + 1, 1.0, True, "1", None)],
    *[({"expires_at": number}, 0, NUMBER) for number in (-1, MAX_AMOUNT + 1, 1.0, None)],
    *[({}, number, NUMBER) for number in (-1, MAX_AMOUNT + 1, True, 1.0)],
]  # type: ignore[list-item]


@pytest.mark.parametrize(("changes", "amount", "why"), REFUSED)
def test_what_no_store_counts_exactly_is_refused(changes: dict[str, Any], amount: int, why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_debits([Debit(MONEY, 1), Debit(replace(MONEY, **changes), amount)])
    assert refused.value.message == why


def test_what_every_store_counts_passes() -> None:
    check_debits([])
    edge = Account(" ~" + "x" * 298, MAX_AMOUNT, "calls", MAX_AMOUNT, "x")
    check_debits([Debit(edge, MAX_AMOUNT), Debit(Account("a", 0, "XAU", 0, "x"), 0)] * 32)
    with pytest.raises(ConfigurationError) as refused:
        check_debits([Debit(edge, 0)] * 65)
    assert refused.value.message == "one call is charged to at most 64 accounts; these are 65"


@pytest.mark.parametrize(
    ("amounts", "fits"),
    [
        ([], False),
        ([1], False),
        ([1, 2, 3], False),
        ([0, MAX_AMOUNT], True),
        ((1, 2), True),
        ([0, MAX_AMOUNT + 1], False),
        ([-1, 0], False),
        ([1, True], False),
        ([1.0, 1], False),
    ],
)
def test_a_settlement_has_a_whole_number_for_each_debit(amounts: Any, fits: bool) -> None:
    if fits:
        check_amounts(amounts, 2)
        return
    with pytest.raises(ConfigurationError) as refused:
        check_amounts(amounts, 2)
    assert refused.value.message == "a reservation of 2 debits is settled with as many whole numbers from 0 to 2^53 - 1"


@pytest.mark.parametrize(
    ("key", "until", "why"),
    [
        ("a", 1.5, None),
        (" ~" + "x" * 298, 0, None),
        ("", 1, "the key of a nonce has 1 to 300 printable ASCII characters"),
        ("x" * 301, 1, "the key of a nonce has 1 to 300 printable ASCII characters"),
        (None, 1, "the key of a nonce has 1 to 300 printable ASCII characters"),
        ("a\n", 1, "the key of a nonce has 1 to 300 printable ASCII characters"),
        ("a", float("inf"), "a nonce is remembered until a finite time"),
        ("a", float("-inf"), "a nonce is remembered until a finite time"),
        ("a", float("nan"), "a nonce is remembered until a finite time"),
    ],
)
def test_a_nonce_is_text_and_ends(key: Any, until: float, why: str | None) -> None:
    if why is None:
        check_nonce(key, until)
        return
    with pytest.raises(ConfigurationError) as refused:
        check_nonce(key, until)
    assert refused.value.message == why

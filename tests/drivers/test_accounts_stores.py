"""What every store of accounts promises: in memory, in an SQLite file, in a real Redis server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from saferoute.capabilities.accounts import KEPT, MAX_AMOUNT, accounts_of, settled_amounts, worst_case_debits
from saferoute.capabilities.authorise import worst_case
from saferoute.errors import BudgetExceeded, ConfigurationError
from saferoute.values.account import Account, AccountStore, Balance, Debit
from saferoute.values.http import NetClass
from saferoute.values.permission import Budget, Cost, Permission
from saferoute.values.target import Prices, Target
from tests.support.account_stores import END, KINDS, NOW, Place, account, debit, place


@pytest.fixture(params=KINDS)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def store(here: Place) -> Iterator[AccountStore]:
    store = here.open()
    yield store
    store.close()


def test_says_how_widely_it_counts_and_whether_it_waits(here: Place, store: AccountStore) -> None:
    expected = {"memory": ("process", False), "sqlite": ("host", True), "redis": ("cluster", True)}
    assert (store.scope, store.waits) == expected[here.kind]


def test_an_account_that_nobody_used_has_nothing_spent(store: AccountStore) -> None:
    assert store.balance(account()) == Balance(0, 0, 0)


def test_reserve_and_settle_for_less(store: AccountStore) -> None:
    first = store.reserve([debit(60)])
    second = store.reserve([debit(30)])
    assert first != second
    assert store.balance(account()) == Balance(0, 90, 2)
    store.settle(first, [7])
    assert store.balance(account()) == Balance(7, 30, 1)
    store.settle(second, [0])
    assert store.balance(account()) == Balance(7, 0, 0)


@pytest.mark.parametrize(("spent", "fits"), [(0, True), (30, True), (31, False), (100, False)])
def test_the_exact_limit(store: AccountStore, spent: int, fits: bool) -> None:
    store.settle(store.reserve([debit(spent)]), [spent])
    if fits:
        store.reserve([debit(70)])
        assert store.balance(account()) == Balance(spent, 70, 1)
        return
    with pytest.raises(BudgetExceeded) as refused:
        store.reserve([debit(70)])
    error = refused.value
    assert (error.code, error.limit, error.spent, error.reserved, error.asked, error.unit) == ("budget", 100, spent, 0, 70, "USD")
    assert store.balance(account()) == Balance(spent, 0, 0)


def test_what_is_held_back_counts_as_much_as_what_is_spent(store: AccountStore) -> None:
    store.settle(store.reserve([debit(40)]), [40])
    store.reserve([debit(59)])
    store.reserve([debit(1)])
    with pytest.raises(BudgetExceeded) as refused:
        store.reserve([debit(1)])
    assert (refused.value.spent, refused.value.reserved, refused.value.asked) == (40, 60, 1)
    assert refused.value.message == (
        "the owner of grant: $0.0000001 of $0.0000001 is spent or held back; this call may cost $0.000000001: pass a lower "
        "max_output_tokens ($0.00000006 held back: 2 calls under way or broken off)"
    )


def test_calls_are_counted_with_a_code_of_their_own(store: AccountStore) -> None:
    for _ in range(3):
        store.reserve([debit(1, limit=3, unit="calls")])
    with pytest.raises(BudgetExceeded) as refused:
        store.reserve([debit(1, limit=3, unit="calls")])
    error = refused.value
    assert (error.code, error.limit, error.spent, error.reserved, error.asked, error.unit) == ("calls", 3, 0, 3, 1, "calls")


def test_all_accounts_or_none(store: AccountStore) -> None:
    store.reserve([debit(5, "small", limit=10)])
    for refused in ([debit(1), debit(6, "small", limit=10)], [debit(6, "small", limit=10), debit(1)]):
        with pytest.raises(BudgetExceeded) as error:
            store.reserve(refused)
        assert (error.value.limit, error.value.reserved, error.value.asked) == (10, 5, 6)
    assert store.balance(account()) == Balance(0, 0, 0)
    assert store.balance(account("small", 10)) == Balance(0, 5, 1)
    held = store.reserve([debit(1), debit(5, "small", limit=10)])
    store.settle(held, [1, 2])
    assert store.balance(account()) == Balance(1, 0, 0)
    assert store.balance(account("small", 10)) == Balance(2, 5, 1)


def test_one_account_twice_is_charged_twice_and_refused_as_a_whole(store: AccountStore) -> None:
    with pytest.raises(BudgetExceeded) as refused:
        store.reserve([debit(60), debit(41)])
    assert (refused.value.reserved, refused.value.asked) == (60, 41)
    assert store.balance(account()) == Balance(0, 0, 0)
    held = store.reserve([debit(60), debit(40)])
    assert store.balance(account()) == Balance(0, 100, 2)
    store.settle(held, [10, 20])
    assert store.balance(account()) == Balance(30, 0, 0)


def test_a_call_without_accounts_is_not_counted(store: AccountStore) -> None:
    held = store.reserve([])
    store.settle(held, [])


def test_settled_in_full_also_over_the_limit(store: AccountStore) -> None:
    store.settle(store.reserve([debit(90)]), [250])
    assert store.balance(account()) == Balance(250, 0, 0)
    with pytest.raises(BudgetExceeded) as refused:
        store.reserve([debit(0)])
    assert (refused.value.spent, refused.value.asked) == (250, 0)


def test_settled_twice_and_unknown_reservations_change_nothing(store: AccountStore) -> None:
    held = store.reserve([debit(50)])
    store.settle(held, [20])
    store.settle(held, [20])
    store.settle(held, [0])
    for unknown in ("", "x", "0" * 32, held[:-1], "a:b {x}\n"):
        store.settle(unknown, [5])
    assert store.balance(account()) == Balance(20, 0, 0)


@pytest.mark.parametrize("amounts", [[], [1], [1, 2, 3], [1, -1], [1, True], [1, 1.0], [1, MAX_AMOUNT + 1]])
def test_a_settlement_that_does_not_fit_leaves_it_reserved(store: AccountStore, amounts: list[int]) -> None:
    held = store.reserve([debit(5), debit(6, "other")])
    with pytest.raises(ConfigurationError, match=r"settled with as many whole numbers from 0 to 2\^53 - 1"):
        store.settle(held, amounts)
    assert (store.balance(account()), store.balance(account("other"))) == (Balance(0, 5, 1), Balance(0, 6, 1))
    store.settle(held, [1, 2])
    assert (store.balance(account()), store.balance(account("other"))) == (Balance(1, 0, 0), Balance(2, 0, 0))


def test_the_largest_numbers_are_counted_exactly(store: AccountStore) -> None:
    huge = account("huge", MAX_AMOUNT)
    held = store.reserve([Debit(huge, MAX_AMOUNT - 1)])
    assert store.balance(huge) == Balance(0, MAX_AMOUNT - 1, 1)
    with pytest.raises(BudgetExceeded) as refused:
        store.reserve([Debit(huge, 2)])
    assert (refused.value.limit, refused.value.reserved) == (MAX_AMOUNT, MAX_AMOUNT - 1)
    store.reserve([Debit(huge, 1)])
    store.settle(held, [MAX_AMOUNT - 3])
    assert store.balance(huge) == Balance(MAX_AMOUNT - 3, 1, 1)
    store.settle(store.reserve([Debit(huge, 2)]), [MAX_AMOUNT])
    assert store.balance(huge) == Balance(MAX_AMOUNT, 1, 1)  # and no further: the largest that every store counts
    with pytest.raises(BudgetExceeded) as refused:
        store.reserve([Debit(huge, MAX_AMOUNT)])
    assert (refused.value.spent, refused.value.reserved, refused.value.asked) == (MAX_AMOUNT, 1, MAX_AMOUNT)


HOSTILE = [
    "*", "a b", "{x}:epoch", "a'); DROP TABLE accounts;--", "\\", '"', "%s", "../../x", "a|USD|life", "sha256:0", "x" * 300, "-inf", "$1", "0",
]  # fmt: skip


def test_hostile_keys_are_only_keys(store: AccountStore) -> None:
    accounts = [Account(key, 10 + number, "USD", END, "x") for number, key in enumerate(HOSTILE)]
    for number, one in enumerate(accounts):
        store.reserve([Debit(one, number)])
    assert [store.balance(one) for one in accounts] == [Balance(0, number, 1) for number in range(len(HOSTILE))]
    assert [store.first_use(key, NOW + 60) for key in HOSTILE * 2] == [True] * len(HOSTILE) + [False] * len(HOSTILE)


MALFORMED = [
    Debit(Account("", 1, "USD", END, "x"), 0),
    Debit(Account("x" * 301, 1, "USD", END, "x"), 0),
    Debit(Account("a\nb", 1, "USD", END, "x"), 0),
    Debit(Account("a\0b", 1, "USD", END, "x"), 0),
    Debit(Account("\u0430", 1, "USD", END, "x"), 0),
    Debit(Account("a", 1, "usd", END, "x"), 0),
    Debit(Account("a", 1, "USD\n", END, "x"), 0),
    Debit(Account("a", -1, "USD", END, "x"), 0),
    Debit(Account("a", MAX_AMOUNT + 1, "USD", END, "x"), 0),
    Debit(Account("a", 1, "USD", END, "x"), -1),
    Debit(Account("a", 1, "USD", END, "x"), True),
    Debit(Account("a", 1, "USD", float("nan"), "x"), 0),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("malformed", MALFORMED)
def test_a_malformed_debit_reserves_nothing(store: AccountStore, malformed: Debit) -> None:
    with pytest.raises(ConfigurationError):
        store.reserve([debit(1), malformed])
    assert store.balance(account()) == Balance(0, 0, 0)


def test_another_window_is_another_account(here: Place, store: AccountStore) -> None:
    daily = Permission("the grant", budgets=(Budget("grant:x", 10, "USD", "day"),))
    first = accounts_of(daily, here.clock.wall())
    held = store.reserve(worst_case_debits(first, Cost(10)))
    with pytest.raises(BudgetExceeded):
        store.reserve(worst_case_debits(accounts_of(daily, NOW + 86_399), Cost(1)))
    here.clock.advance(86_400)
    second = accounts_of(daily, here.clock.wall())
    store.reserve(worst_case_debits(second, Cost(10)))
    # What was begun before midnight is still settled in its own window.
    store.settle(held, [4])
    assert (store.balance(first[0]), store.balance(second[0])) == (Balance(4, 0, 0), Balance(0, 10, 1))


def test_an_account_is_counted_for_an_hour_after_its_end_and_then_refused(here: Place, store: AccountStore) -> None:
    held = store.reserve([debit(40)])
    here.clock.advance(END + KEPT - 1 - NOW)
    assert store.balance(account()) == Balance(0, 40, 1)
    store.reserve([debit(1)])
    here.clock.advance(1)
    assert store.balance(account()) == Balance(0, 0, 0)
    with pytest.raises(
        ConfigurationError, match=r"^the owner of grant: the account 'grant\|USD\|2026-01-01' ended at 2026-01-02 00:00 UTC"
    ):
        store.reserve([debit(1)])
    store.settle(held, [10])
    assert store.balance(account()) == Balance(0, 0, 0)
    store.reserve([debit(1, "later", expires_at=END + 2 * KEPT)])


def test_the_same_account_with_a_later_end_lives_longer(here: Place, store: AccountStore) -> None:
    store.reserve([debit(40, expires_at=END)])
    store.reserve([debit(40, expires_at=END + 1_000)])
    here.clock.advance(END + KEPT + 999 - NOW)
    assert store.balance(account(expires_at=END + 1_000)) == Balance(0, 80, 2)
    with pytest.raises(BudgetExceeded):
        store.reserve([debit(40, expires_at=END + 1_000)])


def test_nonces_are_new_once(here: Place, store: AccountStore) -> None:
    assert [store.first_use(key, NOW + 60) for key in ("a", "b", "a", "b", "c")] == [True, True, False, False, True]
    here.clock.advance(59.5)
    assert not store.first_use("a", NOW + 60)
    assert store.first_use("d", NOW + 60)


@pytest.mark.parametrize(("life", "new"), [(0.5, True), (0, False), (-1, False)])
def test_a_nonce_that_is_over_is_never_new(store: AccountStore, life: float, new: bool) -> None:
    assert store.first_use("a", NOW + life) is new


def test_too_many_nonces_are_refused_until_some_are_over(here: Place) -> None:
    options = {"most": 3} if here.kind == "memory" else {"most_nonces": 3}
    store = here.open(**options)
    assert [store.first_use(str(n), NOW + 10 + n) for n in range(5)] == [True, True, True, False, False]
    here.clock.advance(10)
    assert [store.first_use(str(n), NOW + 60) for n in range(5, 8)] == [True, False, False]
    here.clock.advance(30)
    assert [store.first_use(str(n), NOW + 100) for n in range(10, 13)] == [True, True, False]
    store.close()


@pytest.mark.parametrize(
    ("key", "until"),
    [("", NOW + 60), ("a\n", NOW + 60), ("\u00e9", NOW + 60), ("x" * 301, NOW + 60), ("a", float("inf")), ("a", float("nan"))],
)
def test_a_malformed_nonce_is_refused(store: AccountStore, key: str, until: float) -> None:
    with pytest.raises(ConfigurationError, match="nonce"):
        store.first_use(key, until)


def test_threads_together_take_what_there_is_and_no_more(store: AccountStore) -> None:
    def take(number: int) -> int:
        try:
            held = store.reserve([debit(1, limit=40), debit(3, "other", limit=10_000)])
        except BudgetExceeded:
            return 0
        if number % 2:
            store.settle(held, [1, 2])
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(100))) == 40
    balance = store.balance(account(limit=40))
    assert balance.spent + balance.reserved == 40
    assert balance.reserved == balance.under_way


def test_a_nonce_is_new_to_one_thread_only(store: AccountStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda n: store.first_use(f"nonce-{n % 10}", NOW + 60), range(80))) == 10


def test_fifty_short_calls_at_once_fit_into_five_dollars(here: Place, store: AccountStore) -> None:
    row = Target(
        "main",
        "openai",
        "openai_chat",
        "https://api.openai.com",
        "/v1",
        NetClass(),
        "m",
        "openai",
        "bearer",
        prices=Prices("USD", input=3_000, output=15_000),
        max_output=128_000,
        default_max_output=4_096,
    )
    worst = worst_case(row, input_bytes=400, max_output=None)
    assert worst == 400 * 3_000 + 4_096 * 15_000
    budget = Permission(
        "the capability 1f2e",
        budgets=(Budget("cap:1f2e", 5 * 10**9, "USD", expires_at=END), Budget("cap:1f2e", 50, "calls", expires_at=END)),
    )
    debits = worst_case_debits(accounts_of(budget, here.clock.wall()), Cost(worst))
    with ThreadPoolExecutor(10) as pool:
        held = list(pool.map(lambda _: store.reserve(debits), range(50)))
    money, calls = debits[0].account, debits[1].account
    assert (store.balance(money), store.balance(calls)) == (Balance(0, 50 * worst, 50), Balance(0, 50, 50))
    for one in held:
        store.settle(one, settled_amounts(debits, Cost(100 * 3_000 + 20 * 15_000), sent=True))
    assert (store.balance(money), store.balance(calls)) == (Balance(50 * 600_000, 0, 0), Balance(50, 0, 0))
    with pytest.raises(BudgetExceeded) as refused:
        store.reserve(debits)
    assert (refused.value.code, refused.value.message) == ("calls", "the capability 1f2e: 50 of 50 calls are used or held back")


def test_what_one_store_counts_the_next_one_finds(here: Place, store: AccountStore) -> None:
    if here.kind == "memory":
        pytest.skip("memory is one store only")
    held = store.reserve([debit(50)])
    assert store.first_use("a", NOW + 60)
    store.close()
    store.close()
    second = here.open()
    assert second.balance(account()) == Balance(0, 50, 1)
    assert not second.first_use("a", NOW + 60)
    second.settle(held, [30])
    assert store.balance(account()) == Balance(30, 0, 0)  # a closed one opens again
    second.close()

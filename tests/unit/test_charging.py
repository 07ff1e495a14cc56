"""What attempts are charged to accounts: the worst case before, what was reported after. Every scenario runs under both drivers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from saferoute.call.charging import Charge, charge_for, cost_in
from saferoute.capabilities.authorise import Asked
from saferoute.errors import (
    BadRequest,
    BudgetExceeded,
    CapabilityForbidden,
    CapabilityInvalid,
    ConfigurationError,
    ConnectFailed,
    OutputInvalid,
    SaferouteError,
    ServerError,
    StreamInterrupted,
    TimedOut,
    UnsupportedParameter,
)
from saferoute.values.account import Account, Balance, Debit
from saferoute.values.output import output_from
from saferoute.values.permission import Budget, Cost, Permission
from saferoute.values.target import Prices, Profile
from tests.support.scripted import JSON, SSE, Answer, World, call, chat, stream, target
from tests.unit.test_flow import ERROR, STREAM, body, failed

BOTH = pytest.mark.parametrize("kind", ["blocking", "asyncio"])
PRICES = Prices("USD", input=1_000, output=10_000)
MONEY = Account("k", 10**9, "USD", 2_000_000_000, "the capability 1")
CALLS = Account("n", 10, "calls", 2_000_000_000, "the capability 1")
WORST = Cost(700_000)
REAL = 3 * 1_000 + 2 * 10_000  # the usage that `body` reports


class Book:
    """An account store that writes down what it is told."""

    scope = "process"

    def __init__(self, *, waits: bool = False, refuse: SaferouteError | None = None) -> None:
        self.waits = waits
        self.reserved: list[list[tuple[str, int]]] = []
        self.settled: list[tuple[str, tuple[int, ...]]] = []
        self.seen: set[str] = set()
        self._refuse = refuse

    def reserve(self, debits: Sequence[Debit]) -> str:
        if self._refuse is not None:
            raise self._refuse
        self.reserved.append([(debit.account.key, debit.amount) for debit in debits])
        return f"r{len(self.reserved)}"

    def settle(self, reservation: str, amounts: Sequence[int]) -> None:
        self.settled.append((reservation, tuple(amounts)))

    def balance(self, account: Account) -> Balance:
        raise NotImplementedError

    def first_use(self, key: str, expires_at: float) -> bool:
        assert expires_at == 5.0
        fresh = key not in self.seen
        self.seen.add(key)
        return fresh

    def close(self) -> None:
        raise NotImplementedError


def charge(book: Book, *, once: tuple[str, float] | None = None, rows: Sequence[str] = ("row", "b")) -> Charge:
    return Charge(book, (MONEY, CALLS), dict.fromkeys(rows, WORST), once)  # type: ignore[arg-type]  # a store as far as it goes


def row(name: str = "row", **changes: object) -> object:
    return target(name, prices=PRICES, **changes)


@BOTH
@pytest.mark.parametrize("waits", [False, True])
def test_the_worst_case_is_held_back_and_what_was_reported_is_settled(kind: str, waits: bool) -> None:
    book = Book(waits=waits)
    reply = chat(kind, World(Answer([body()])), call(row(), charge=charge(book)))  # type: ignore[arg-type]
    assert reply.cost == Decimal(REAL) / 10**9
    assert book.reserved == [[("k", 700_000), ("n", 1)]]
    assert book.settled == [("r1", (REAL, 1))]


@BOTH
def test_without_usage_or_price_the_worst_case_is_settled(kind: str) -> None:
    book = Book()
    chat(kind, World(Answer([body().replace(b'"prompt_tokens"', b'"other"').replace(b'"completion_tokens"', b'"x"')])),
         call(row(), charge=charge(book)))  # type: ignore[arg-type]  # fmt: skip
    assert book.settled == [("r1", (700_000, 1))]
    book = Book()
    chat(kind, World(Answer([body()])), call(charge=charge(book)))  # the row has no prices
    assert book.settled == [("r1", (700_000, 1))]


@BOTH
@pytest.mark.parametrize(
    ("answer", "error", "amounts"),
    [
        (failed(400), BadRequest, (0, 0)),
        (Answer(opening=ConnectFailed("no", retryable=False)), ConnectFailed, (0, 0)),
        (Answer(opening=TimedOut(clock="total", seconds=1, sent=False)), TimedOut, (0, 0)),
        (Answer(opening=TimedOut(clock="total", seconds=1, sent=True)), TimedOut, (700_000, 1)),
        (Answer([body()[:30], StreamInterrupted("cut")]), StreamInterrupted, (700_000, 1)),
        (failed(500), ServerError, (700_000, 1)),
        (failed(503), SaferouteError, (0, 0)),
        (failed(529), SaferouteError, (0, 0)),
        (failed(502), ServerError, (700_000, 1)),
    ],
)
def test_only_what_cannot_be_billed_is_given_back(kind: str, answer: Answer, error: type[SaferouteError], amounts: tuple[int, ...]) -> None:
    book = Book()
    with pytest.raises(error):
        chat(kind, World(answer), call(row(), max_attempts=1, charge=charge(book)))  # type: ignore[arg-type]
    assert book.settled == [("r1", amounts)]


@BOTH
def test_an_error_inside_a_good_answer_costs_the_worst_case(kind: str) -> None:
    book = Book()
    with pytest.raises(SaferouteError):
        chat(kind, World(Answer([ERROR])), call(row(), max_attempts=1, charge=charge(book)))  # type: ignore[arg-type]
    assert book.settled == [("r1", (700_000, 1))]


@BOTH
def test_a_request_that_the_dialect_refuses_costs_nothing(kind: str) -> None:
    book = Book()
    refusing = row(profile=Profile(seed=False))
    with pytest.raises(UnsupportedParameter):
        chat(kind, World(), call(refusing, seed=3, charge=charge(book)))  # type: ignore[arg-type]
    assert book.settled == [("r1", (0, 0))]


@BOTH
def test_an_answer_that_does_not_fit_is_charged_what_it_cost(kind: str) -> None:
    book = Book()
    with pytest.raises(OutputInvalid):
        chat(
            kind,
            World(Answer([body("no json")])),
            call(row(), max_attempts=1, output=output_from({"type": "object"}), charge=charge(book)),  # type: ignore[arg-type]
        )
    assert book.settled == [("r1", (REAL, 1))]


@BOTH
def test_retries_and_fallbacks_are_each_held_back_and_settled(kind: str) -> None:
    book = Book()
    world = World(failed(500), failed(429), Answer([body()]))
    chat(kind, world, call(row(), row("b"), max_attempts=5, charge=charge(book)))  # type: ignore[arg-type]
    assert [len(debits) for debits in book.reserved] == [2, 2, 2]
    assert book.settled == [("r1", (700_000, 1)), ("r2", (0, 0)), ("r3", (REAL, 1))]


@BOTH
def test_a_stream_that_is_left_early_costs_its_worst_case(kind: str) -> None:
    book = Book()
    stream(kind, World(Answer(STREAM, headers=SSE)), call(row(), stream=True, charge=charge(book)), take=2)  # type: ignore[arg-type]
    assert book.settled == [("r1", (700_000, 1))]


@BOTH
def test_a_stream_that_is_read_to_its_end_costs_what_was_reported(kind: str) -> None:
    book = Book()
    events, error, _ = stream(kind, World(Answer([body()], headers=JSON)), call(row(), stream=True, charge=charge(book)))  # type: ignore[arg-type]
    assert error is None
    assert events[-1].type == "finished"
    assert book.settled == [("r1", (REAL, 1))]


@BOTH
def test_leaving_a_stream_at_its_last_event_costs_what_was_reported(kind: str) -> None:
    book = Book()
    events, _, _ = stream(kind, World(Answer([body()], headers=JSON)), call(row(), stream=True, charge=charge(book)), take=4)  # type: ignore[arg-type]
    assert events[-1].type == "finished"
    assert book.settled == [("r1", (REAL, 1))]


@BOTH
def test_an_empty_account_sends_nothing(kind: str) -> None:
    book = Book(refuse=BudgetExceeded("the account is empty", limit=1))
    world = World()
    with pytest.raises(BudgetExceeded, match="the account is empty"):
        chat(kind, world, call(row(), row("b"), charge=charge(book)))  # type: ignore[arg-type]
    assert (world.requests, book.settled) == ([], [])


@BOTH
def test_a_budget_that_runs_out_between_attempts_ends_the_call_with_its_attempts(kind: str) -> None:
    class Once(Book):
        def reserve(self, debits: Sequence[Debit]) -> str:
            if self.reserved:
                raise BudgetExceeded("gone")
            return super().reserve(debits)

    book = Once()
    with pytest.raises(BudgetExceeded) as refused:
        chat(kind, World(failed(500)), call(row(), charge=charge(book)))  # type: ignore[arg-type]
    assert [attempt.outcome for attempt in refused.value.attempts] == ["ServerError"]


@BOTH
@pytest.mark.parametrize("waits", [False, True])
def test_a_nonce_is_used_once_and_a_retry_does_not_need_another(kind: str, waits: bool) -> None:
    book = Book(waits=waits)
    once = charge(book, once=("nonce", 5.0))
    chat(kind, World(failed(500), Answer([body()])), call(row(), charge=once))  # type: ignore[arg-type]
    world = World(Answer([body()]))
    with pytest.raises(CapabilityInvalid, match="was used before") as refused:
        chat(kind, world, call(row(), charge=once))  # type: ignore[arg-type]
    assert (refused.value.code, world.requests) == ("replayed", [])


@BOTH
def test_a_nonce_alone_reserves_nothing(kind: str) -> None:
    book = Book()
    chat(kind, World(Answer([body()])), call(row(), charge=Charge(book, (), {}, ("nonce", 5.0))))  # type: ignore[arg-type]
    assert (book.seen, book.reserved, book.settled) == ({"nonce"}, [], [])


@BOTH
@pytest.mark.parametrize("waits", [False, True])
def test_a_store_that_is_gone_does_not_cost_the_reply(kind: str, waits: bool, caplog: pytest.LogCaptureFixture) -> None:
    class Gone(Book):
        def settle(self, reservation: str, amounts: Sequence[int]) -> None:
            raise ConfigurationError("the file is gone")

    reply = chat(kind, World(Answer([body()])), call(row(), charge=charge(Gone(waits=waits))))  # type: ignore[arg-type]
    assert reply.text == "hello"
    ours = [entry.getMessage() for entry in caplog.records if entry.name == "saferoute"]  # asyncio logs too, where all is logged
    assert ours == ["saferoute: what a call cost could not be settled, so its worst case stays held back: the file is gone"]


@BOTH
def test_a_row_without_a_worst_case_is_not_asked(kind: str) -> None:
    book = Book()
    world = World()
    with pytest.raises(BudgetExceeded, match="is not known in USD"):
        chat(kind, world, call(row(), charge=charge(book, rows=())))  # type: ignore[arg-type]
    assert (world.requests, book.reserved) == ([], [])


def test_a_charge_holds_every_account_once_and_every_known_worst_case() -> None:
    shared = Budget("shared", 5_000, per="day")
    permissions = (
        Permission("the capability 1", budgets=(shared, Budget("own", 7, "calls", expires_at=90)), scope="process"),
        Permission("the capability 2", budgets=(replace(shared, limit=4_000),), scope="process"),
    )
    rows = (row("a"), target("b"), target("c", prices=Prices("EUR", input=1, output=1)))
    asked = Asked("fast", max_output=10, input_bytes=100, now=0.0)
    made = charge_for(Book, permissions, asked, rows)  # type: ignore[arg-type]
    assert made is not None
    assert [(one.key, one.limit, one.unit) for one in made.accounts] == [
        ("shared|USD|1970-01-01", 4_000, "USD"),
        ("own|calls|life", 7, "calls"),
    ]
    assert made.worst == {"a": Cost(100 * 1_000 + 10 * 10_000), "c": Cost(110, "EUR")}
    assert made.once is None


def test_nothing_to_count_makes_no_charge() -> None:
    asked = Asked("fast")
    assert charge_for(Book, (Permission("one"),), asked, ()) is None  # type: ignore[arg-type]
    made = charge_for(Book, (Permission("one"),), asked, (), ("n", 1.0))  # type: ignore[arg-type]
    assert made is not None
    assert (made.accounts, made.once) == ((), ("n", 1.0))


def test_a_narrow_store_refuses_what_must_be_counted_widely() -> None:
    with pytest.raises(CapabilityForbidden, match=r"Accounts\.sqlite\(path\)") as refused:
        charge_for(Book, (Permission("one", budgets=(Budget("k", 1),)),), Asked("fast"), ())  # type: ignore[arg-type]
    assert refused.value.code == "scope"


@pytest.mark.parametrize(
    ("cost", "prices", "expected"),
    [
        (None, PRICES, None),
        (Decimal(1), None, None),
        (Decimal("0.0000000011"), PRICES, Cost(2)),
        (Decimal("0.000000002"), replace(PRICES, currency="EUR"), Cost(2, "EUR")),
        (Decimal(0), PRICES, Cost(0)),
    ],
)
def test_a_cost_is_rounded_up(cost: Decimal | None, prices: Prices | None, expected: Cost | None) -> None:
    assert cost_in(cost, prices) == expected

"""Requirement 11: budgets before the call: the worst case is reserved before anything is sent, and settled afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.errors import BudgetExceeded, SaferouteError
from saferoute.testing.script import RawAnswer
from tests.requirements.conftest import Way
from tests.support.both import Face
from tests.support.counting_server import CountingServer, fails, says

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]
Budgeted = Callable[..., Face]

# Output: 100 tokens at most, $0.001 at worst. Input: a token is at least a byte, so about 300 bytes, $0.0003 at worst.
PRICED = 'prices = { input = "$1/M", output = "$10/M" }\nmax_output = 1000\ndefault_max_output = 100'
CHEAP = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
COST = 30_000  # nano-dollars
WORST = (1_000_000, 1_500_000)  # what a call of `hi` reserves, in nano-dollars: between these

STORES = ("memory", "sqlite")


@pytest.fixture(params=STORES)
def budgeted(request: pytest.FixtureRequest, opened: Opened, tmp_path: Path) -> Budgeted:
    """Opens a client whose grant has a budget, counted in memory or in a file."""
    store = request.param
    scope = "process" if store == "memory" else "host"
    accounts = saferoute.Accounts.memory() if store == "memory" else saferoute.Accounts.sqlite(tmp_path / "accounts.db")

    def make(kind: str, server: CountingServer, budget: str) -> Face:
        grant = f'budget = {{ amount = "{budget}/day", scope = "{scope}" }}'
        return opened(kind, server, fields=PRICED, grant=grant, accounts=accounts)

    return make


def standing(face: Face) -> Any:
    (only,) = face.wait(face.client.remaining())
    return only


def test_a_worst_case_that_does_not_fit_sends_nothing(four_ways: Way, serve: Serve, budgeted: Budgeted) -> None:
    server = serve(says("hi", usage=CHEAP))
    face = budgeted(four_ways.kind, server, "$0.0005")
    with pytest.raises(BudgetExceeded) as caught:
        four_ways.ask(face)
    assert (server.count, server.connections, server.bytes_received) == (0, 0, 0)
    error = caught.value
    assert (error.limit, error.spent, error.reserved) == (500_000, 0, 0)
    assert WORST[0] < (error.asked or 0) < WORST[1]
    assert error.attempts == ()


def test_after_a_cheap_call_the_rest_is_given_back(four_ways: Way, serve: Serve, budgeted: Budgeted) -> None:
    server = serve(says("hi", usage=CHEAP))
    face = budgeted(four_ways.kind, server, "$0.0016")  # one worst case, and not two
    for number in range(1, 6):
        four_ways.ask(face)
        left = standing(face)
        assert (left.spent, left.reserved) == (number * COST, 0)
    assert server.count == 5


def test_a_lower_bound_of_output_makes_a_call_fit(four_ways: Way, serve: Serve, budgeted: Budgeted) -> None:
    server = serve(says("hi", usage=CHEAP))
    face = budgeted(four_ways.kind, server, "$0.0005")
    assert four_ways.ask(face, max_output_tokens=10).text == "hi"
    with pytest.raises(BudgetExceeded):
        four_ways.ask(face, max_output_tokens=100)
    assert server.count == 1


def test_what_a_call_under_way_may_cost_is_not_there_for_others(kind: str, serve: Serve, budgeted: Budgeted) -> None:
    server = serve(says("a", "b", "c", usage=CHEAP, pause=0.05))
    face = budgeted(kind, server, "$0.0016")

    def blocking() -> None:
        with face.client.stream("row", "hi") as stream:
            next(stream)
            with pytest.raises(BudgetExceeded) as caught:
                face.client.chat("row", "hi")
            assert WORST[0] < (caught.value.reserved or 0) < WORST[1]
            stream.finish()

    async def concurrent() -> None:
        async with face.client.stream("row", "hi") as stream:
            await anext(stream)
            with pytest.raises(BudgetExceeded) as caught:
                await face.client.chat("row", "hi")
            assert WORST[0] < (caught.value.reserved or 0) < WORST[1]
            await stream.finish()

    if kind == "blocking":
        blocking()
    else:
        face.wait(concurrent())
    assert server.count == 1
    assert face.chat("row", "hi").text == "abc"  # and after it, it is there again


def test_every_attempt_reserves_its_own_worst_case(four_ways: Way, serve: Serve, budgeted: Budgeted) -> None:
    server = serve(fails(500))  # may have worked, and billed
    face = budgeted(four_ways.kind, server, "$0.003")  # two worst cases, and not three
    with pytest.raises(BudgetExceeded) as caught:
        four_ways.ask(face, max_attempts=4)
    assert (server.count, len(caught.value.attempts)) == (2, 2)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 503, 529])
def test_what_was_refused_before_any_work_costs_nothing(kind: str, serve: Serve, budgeted: Budgeted, status: int) -> None:
    server = serve(fails(status), says("hi", usage=CHEAP))
    face = budgeted(kind, server, "$0.0016")
    with pytest.raises(SaferouteError):
        face.chat("row", "hi", max_attempts=1)
    assert (standing(face).spent, standing(face).reserved) == (0, 0)


UNKNOWN = {
    "reset before the head": RawAnswer(framing="verbatim", end="reset"),
    "an answer without usage": says("hi", usage=None),
    "a stream that is cut": RawAnswer(headers=(("content-type", "text/event-stream"),), framing="until_close", end="close", pieces=(b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',)),
    "500": fails(500),
}  # fmt: skip


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_was_sent_and_reported_no_usage_costs_its_worst_case(four_ways: Way, serve: Serve, budgeted: Budgeted, what: str) -> None:
    server = serve(UNKNOWN[what])
    face = budgeted(four_ways.kind, server, "$0.01")
    try:
        four_ways.ask(face, max_attempts=1)
    except SaferouteError:
        assert what != "an answer without usage"
    left = standing(face)
    assert WORST[0] < left.spent < WORST[1]
    assert left.reserved == 0
    assert server.count == 1


def test_a_stream_that_is_left_costs_its_worst_case(kind: str, serve: Serve, budgeted: Budgeted) -> None:
    server = serve(says(*["a"] * 100, usage=CHEAP, pause=0.02))
    face = budgeted(kind, server, "$0.01")
    face.stream("row", "hi", take=2)
    left = standing(face)
    assert WORST[0] < left.spent < WORST[1]
    assert left.reserved == 0


def test_a_part_of_a_client_has_a_budget_of_its_own(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("hi", usage=CHEAP))
    face = opened(four_ways.kind, server, fields=PRICED)
    part = Face.__new__(Face)
    part.kind, part.client, part._loop = face.kind, face.client.using(budget="$0.0014"), face._loop
    four_ways.ask(part)
    with pytest.raises(BudgetExceeded):
        four_ways.ask(part, max_output_tokens=200)
    assert four_ways.ask(face, max_output_tokens=200).text == "hi"
    assert server.count == 2


def test_two_clients_of_one_file_share_one_budget(four_ways: Way, serve: Serve, opened: Opened, tmp_path: Path) -> None:
    server = serve(fails(500))
    accounts = saferoute.Accounts.sqlite(tmp_path / "shared.db")
    grant = 'budget = { amount = "$0.0016/day", scope = "host" }'
    faces = [opened(four_ways.kind, server, fields=PRICED, grant=grant, accounts=accounts) for _ in range(2)]
    with pytest.raises(SaferouteError):
        four_ways.ask(faces[0], max_attempts=1)
    with pytest.raises(BudgetExceeded):
        four_ways.ask(faces[1], max_attempts=1)
    assert server.count == 1


@contextmanager
def threads(count: int, work: Callable[[], None]) -> Iterator[None]:
    started = [threading.Thread(target=work) for _ in range(count)]
    for thread in started:
        thread.start()
    yield
    for thread in started:
        thread.join(20)


def test_calls_at_once_never_spend_more_than_there_is(serve: Serve, budgeted: Budgeted) -> None:
    server = serve(fails(500))  # each costs its worst case
    face = budgeted("blocking", server, "$0.005")  # three or four of them
    outcomes: list[str] = []

    def work() -> None:
        try:
            face.chat("row", "hi", max_attempts=1)
        except SaferouteError as error:
            outcomes.append(type(error).__name__)

    with threads(12, work):
        pass
    left = standing(face)
    assert left.spent <= left.limit
    assert outcomes.count("ServerError") == server.count == left.spent // (left.spent // server.count)
    assert outcomes.count("ServerError") <= 4
    assert len(outcomes) == 12


def test_a_batch_of_embeddings_is_reserved_before_its_first_request(kind: str, serve: Serve, budgeted: Budgeted) -> None:
    server = serve(says("never"))
    face = budgeted(kind, server, "$0.0005")
    with pytest.raises(BudgetExceeded):
        face.wait(face.client.embed("row", ["x" * 200] * 100))
    assert (server.count, server.connections) == (0, 0)

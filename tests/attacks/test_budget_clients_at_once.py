"""Attack: many threads, tasks or processes spend one budget through their clients at once, each before it sees the others.

Guards: saferoute/drivers/storage/accounts_memory.py::raise exceeded(debit, balance)
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from saferoute import Accounts
from saferoute.errors import BudgetExceeded
from saferoute.routing.publish import pin
from saferoute.testing import Answer, EmbeddedProvider
from tests.support.account_stores import ROOT
from tests.support.both import KINDS, Face
from tests.support.deployment import Deployment, faces

LIMIT = 7


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        running.script([Answer("hello", first_pause=0.02)], then="repeat")
        yield running


@pytest.fixture
def deployed(provider: EmbeddedProvider, tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, provider.origin)


def at_once(face: Face, times: int) -> int:
    """How many of so many calls at the same moment were made."""
    options = {"max_output_tokens": 100, "max_attempts": 1}
    if face.kind == "asyncio":

        async def calls() -> list[object]:
            return list(await asyncio.gather(*(face.client.chat("cheap", "hi", **options) for _ in range(times)), return_exceptions=True))

        done = face.wait(calls())
    else:

        def call(_: int) -> object:
            try:
                return face.client.chat("cheap", "hi", **options)
            except BudgetExceeded as error:
                return error

        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(call, range(times)))
    assert all(isinstance(one, BudgetExceeded) or hasattr(one, "finish_reason") for one in done), done
    return sum(not isinstance(one, BudgetExceeded) for one in done)


@pytest.mark.parametrize("where", ["memory", "sqlite"])
@pytest.mark.parametrize("kind", KINDS)
def test_calls_at_once_never_pass_the_number_of_calls(
    kind: str, where: str, deployed: Deployment, provider: EmbeddedProvider, tmp_path: Path
) -> None:
    accounts = Accounts.sqlite(tmp_path / "accounts.db") if where == "sqlite" else Accounts.memory()
    with faces(deployed, kind) as make:
        face = make(capability=deployed.mint(calls=LIMIT), accounts=accounts)
        assert at_once(face, 24) == LIMIT
        assert len(provider.requests) == LIMIT
        (standing,) = face.wait(face.client.remaining())
        assert (standing.spent, standing.reserved, standing.left) == (LIMIT, 0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_calls_at_once_never_hold_back_more_than_there_is(kind: str, deployed: Deployment, provider: EmbeddedProvider) -> None:
    provider.script([Answer("hello", first_pause=0.05, usage="none")], then="repeat")  # so each costs its worst case, more than $0.001
    with faces(deployed, kind) as make:
        face = make(capability=deployed.mint(budget="$0.0055"))
        made = at_once(face, 16)
        (standing,) = face.wait(face.client.remaining())
        assert 3 <= made <= 5
        assert made == len(provider.requests)
        assert made * 1_000_000 < standing.spent <= 5_500_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_on_one_file_make_exactly_as_many_calls_as_there_are(
    kind: str, deployed: Deployment, provider: EmbeddedProvider, tmp_path: Path
) -> None:
    provider.script([Answer("hello")], then="repeat")
    capability = deployed.mint(scope="host", calls=15)
    holder = tmp_path / "holder"
    holder.touch(mode=0o600)
    holder.write_text(capability.to_holder())
    command = [sys.executable, "-m", "tests.support.client_worker", kind, str(tmp_path), pin(deployed.pinned), "spend", "12"]
    workers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sum(int(worker.communicate(timeout=60)[0]) for worker in workers) == 15
    assert len(provider.requests) == 15

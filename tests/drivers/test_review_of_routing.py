"""What a hostile reviewer of the routing found, so that it stays found; each through the public clients and a real server."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, model_validator

import saferoute
from saferoute.errors import BudgetExceeded, SaferouteError
from saferoute.testing.script import RawAnswer
from tests.support.balanced import Bed, bed
from tests.support.both import KINDS, Face
from tests.support.counting_server import fails, says

BOTH = pytest.mark.parametrize("kind", KINDS)
SHADOW = 'targets = ["a"]\nshadow = { target = "s", share = 1000, max_cost = "$0.01" }\n'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        yield made


def standing(face: Face) -> tuple[int, int]:
    (one,) = face.wait(face.client.remaining())
    return one.spent, one.reserved


def many(received: Any, *_: object) -> RawAnswer:
    """An embedding for each text."""
    texts = json.loads(received.body)["input"]
    data = [{"object": "embedding", "index": number, "embedding": [0.5]} for number in range(len(texts))]
    body = {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}}
    return RawAnswer(pieces=(json.dumps(body).encode(),))


class Odd(BaseModel):
    """An output whose check has a defect."""

    a: int = 0

    @model_validator(mode="after")
    def defect(self) -> Odd:
        raise KeyError("a defect in the caller's class")


@BOTH
def test_a_defect_in_the_callers_class_does_not_hold_the_budget(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]\n')
    world.a.script(says('{"a": 1}'))
    face = world.open(kind, world.mint(budget="$1"))
    with pytest.raises(KeyError):
        face.chat("fast", "hi", output=Odd)
    spent, reserved = standing(face)
    assert (spent > 0, reserved) == (True, 0)


@BOTH
def test_a_copy_does_not_take_what_the_call_itself_needs(kind: str, world: Bed) -> None:
    world.sign(SHADOW)
    face = world.open(kind, world.mint(calls=1))
    assert face.chat("fast", "hi", data="internal").target == "a"
    with pytest.raises(BudgetExceeded):
        face.chat("fast", "hi", data="internal")
    assert world.counts == (1, 0, 0)


@BOTH
def test_a_call_that_is_refused_sends_no_copy(kind: str, world: Bed) -> None:
    world.sign(SHADOW + "limits = { requests_per_minute = 1 }\n")
    face = world.open(kind)
    face.chat("fast", "hi", data="internal")
    for _ in range(3):
        with pytest.raises(SaferouteError):
            face.chat("fast", "hi", data="internal")
    assert world.a.count == 1
    assert world.s.count <= 1


def test_a_stream_that_is_dropped_gives_back_its_place_and_settles(world: Bed) -> None:
    world.sign('targets = ["a"]\nlimits = { concurrent = 1 }\n')
    world.a.script(says("one ", "two ", "three "))

    async def scenario() -> tuple[int, int]:
        client = world.deployed.client("asyncio", capability=world.mint(budget="$1")).client
        async for _ in client.stream("fast", "hi"):
            break
        gc.collect()
        until_then = time.monotonic() + 5
        while (await client.remaining())[0].reserved and time.monotonic() < until_then:  # noqa: ASYNC110  another thread settles
            await asyncio.sleep(0.01)
        world.a.script(says("again"))
        assert (await client.chat("fast", "hi")).text == "again"
        (one,) = await client.remaining()
        await client.close()
        return one.spent, one.reserved

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        spent, reserved = asyncio.run(scenario())
    assert (spent > 0, reserved) == (True, 0)


@BOTH
@pytest.mark.timed
def test_what_a_row_asked_for_is_not_waited_for_at_another(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b"]\nmax_attempts = 4\n')
    world.a.script(fails(500), says("a"))
    world.b.script(fails(429, retry_after="20"))
    face = world.open(kind)
    began = time.monotonic()
    reply = face.chat("fast", "hi", timeout=10)
    assert (reply.target, world.counts) == ("a", (2, 1, 0))
    assert time.monotonic() - began < 5


@BOTH
def test_what_a_filter_refused_goes_to_no_row_that_is_listed_for_other_failures(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]\nfallback = { content_filter = ["b"], quota = ["s"] }\nmax_attempts = 4\n')
    world.a.script(fails(400, "content_filter"))
    world.b.script(fails(429, "insufficient_quota"))
    with pytest.raises(SaferouteError):
        world.open(kind).chat("fast", "hi")
    assert world.counts == (1, 1, 0)


@BOTH
def test_batches_take_of_a_limit_on_requests_one_by_one(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]\n', a={"more": "limits = { requests_per_minute = 2 }"})
    world.a.script(many)
    face = world.open(kind)
    with pytest.raises(SaferouteError):
        face.wait(face.client.embed("a", [f"text {number}" for number in range(9_000)], timeout=2))
    assert world.a.count <= 2


@BOTH
def test_a_server_that_does_not_offer_an_operation_is_asked_once_and_stays_in_use(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]\n')
    world.a.script(fails(501))
    face = world.open(kind)
    for _ in range(6):
        with pytest.raises(SaferouteError):
            face.chat("a", "hi")
    assert world.a.count == 6
    world.a.script(says("well"))
    assert face.chat("a", "hi").text == "well"


@BOTH
def test_estimates_count_what_tools_answered(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]\n', a={"more": "limits = { tokens_per_minute = 1000 }"})
    face = world.open(kind)
    face.chat("a", "hi")
    call = saferoute.Message("assistant", (saferoute.ToolCall("c1", "look", "{}"),))
    answer: Any = saferoute.Message("tool", (saferoute.ToolResult("c1", (saferoute.Text("x" * 200_000),)),))
    with pytest.raises(SaferouteError, match="1000 tokens a minute"):
        face.chat("a", ["look it up", call, answer])
    assert world.a.count == 1

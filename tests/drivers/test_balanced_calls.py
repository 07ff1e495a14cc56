"""What decides where a call goes, through the public clients: real servers, a signed table, several calls of one client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.errors import AllRoutesCooling, RateLimited, RequestError, ServerError
from tests.support.balanced import Bed, bed, slowly, until, vectors
from tests.support.both import KINDS, Face
from tests.support.counting_server import fails, says
from tests.support.deployment import part_of

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        yield made


# ------------------------------------------------------------------------------------------------ health


def test_a_row_that_fails_is_left_alone_until_it_may_be_well(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b"]')
    world.a.script(fails(500))
    face = world.open(kind)
    for number in range(8):
        reply = face.chat("fast", "hi")
        assert reply.target == "b"
        assert len(reply.attempts) == (2 if number < 5 else 1)
    assert world.counts == (5, 8, 0)
    (attempt,) = face.chat("fast", "hi").attempts
    assert attempt.rejected[0][0] == "a"
    assert attempt.rejected[0][1].startswith("breaker open for ")
    with pytest.raises(AllRoutesCooling) as caught:
        face.chat("a", "hi", wait=True, timeout=1)
    assert 3 < caught.value.retry_at - time.time() < 5.6
    assert "no row of 'a' may be asked now (a: breaker open for " in str(caught.value)
    assert world.a.count == 5


def test_a_row_that_is_the_only_one_is_asked_as_a_last_resort(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]')
    world.a.script(*[fails(500)] * 5, fails(500, retry_after_ms="1"), says("well again"))
    face = world.open(kind)
    for _ in range(5):
        with pytest.raises(ServerError):
            face.chat("fast", "hi", max_attempts=1)
    assert face.client.health()["a"].last_resort is True
    with pytest.raises(ServerError) as caught:
        face.chat("fast", "hi", max_attempts=1)
    assert [one.why for one in caught.value.attempts] == ["last resort: the only row rests"]
    reply = face.chat("fast", "hi")
    assert (reply.text, reply.attempts[0].why) == ("well again", "last resort: the only row rests")
    assert reply.attempts[0].rejected[0][1].startswith("breaker open for ")
    assert face.client.health()["a"].breaker == "closed"
    assert face.chat("fast", "hi").attempts[0].why == "the only row"


def test_health_is_shown(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b"]')
    world.a.script(fails(500))
    face = world.open(kind)
    for _ in range(5):
        face.chat("fast", "hi")
    face.stream("b", "hi")
    shown = face.client.health()
    a, b = shown["a"], shown["b"]
    assert [one.target for one in shown] == ["cheap", "dear", "unpriced", "a", "b", "s"]
    assert (a.breaker, a.requests, a.failures, a.in_flight, a.latency) == ("open", 5, 5, 0, None)
    assert 3 < a.available_in < 5.6
    assert a.reason.startswith("breaker open for ")
    assert (b.breaker, b.requests, b.failures, b.in_flight, b.reason, b.available_in) == ("closed", 6, 0, 0, "", 0.0)
    assert 0 < (b.latency or 0) < 5
    assert 0 < (b.first_token or 0) < 5
    text = str(shown)
    assert text.splitlines()[0].split()[:2] == ["target", "breaker"]
    (line,) = [line for line in text.splitlines() if line.startswith("a ")]
    assert "open" in line
    assert "breaker open for" in line
    html = shown._repr_html_()
    assert html.count("<tr>") == 7
    assert "breaker open for" in html


def test_a_part_of_a_client_sees_its_own_rows_and_the_same_health(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b"]')
    face = world.open(kind)
    part = part_of(face, world.mint(models=["b"]))
    assert part.chat("b", "hi").target == "b"
    assert face.client.health()["b"].requests == 1
    shown = part.client.health()
    assert shown["b"].requests == 1
    assert "s" not in {one.target for one in shown}


def test_a_rate_limit_is_for_all_calls_of_the_client(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]')
    world.a.script(fails(429, retry_after="30"))
    face = world.open(kind)
    with pytest.raises(RateLimited):
        face.chat("fast", "hi", timeout=5)
    for _ in range(3):
        with pytest.raises(AllRoutesCooling) as caught:
            face.chat("fast", "hi", timeout=5)
        assert 28 < caught.value.retry_at - time.time() < 30.1
    assert world.a.count == 1
    other = world.open(kind)
    with pytest.raises(RateLimited):
        other.chat("fast", "hi", timeout=5)


@pytest.mark.timed
def test_wait_sits_a_rest_out(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]')
    world.a.script(fails(429, retry_after_ms="1000"), says("a"))
    face = world.open(kind)
    with pytest.raises(RateLimited):
        face.chat("fast", "hi", max_attempts=1)
    with pytest.raises(AllRoutesCooling):
        face.chat("fast", "hi")
    began = time.monotonic()
    assert face.chat("fast", "hi", wait=True).text == "a"
    assert 0.1 < time.monotonic() - began < 5
    assert world.a.count == 2


# ------------------------------------------------------------------------------------------------ fallback lists


def test_lists_are_for_their_causes(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]\nfallback = { content_filter = "b", context_window = "s" }\n')
    world.a.script(fails(400, "content_filter"), fails(400, "context_length_exceeded"), fails(500))
    face = world.open(kind)
    for target, cause in (("b", "content_filter"), ("s", "context_window")):
        reply = face.chat("fast", "hi")
        assert (reply.target, reply.attempts[1].why) == (target, f"fallback: {cause}")
    with pytest.raises(ServerError):
        face.chat("fast", "hi", max_attempts=2)
    assert world.counts == (4, 1, 1)


def test_any_is_a_stand_in_for_all(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b"]\nfallback = { any = "s" }\n')
    world.a.script(fails(500))
    world.b.script(fails(429, retry_after="20"))
    face = world.open(kind)
    reply = face.chat("fast", "hi")
    assert [(one.target, one.outcome, one.why) for one in reply.attempts] == [
        ("a", "ServerError", "ordered"), ("b", "RateLimited", "next in order"), ("s", "ok", "fallback: any"),
    ]  # fmt: skip
    assert [one.status for one in reply.attempts] == [500, 429, 200]
    assert reply.attempts[2].cost == reply.cost


# ------------------------------------------------------------------------------------------------ tags


def test_tags_of_a_part_and_of_a_call(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b"]\nstrategy = "by_tag"\ntag = "tier"\ntagged = { gold = ["b"], iron = ["a"] }\n')
    face = world.open(kind)
    gold = part_of(face, tags={"tier": "gold"})
    assert face.chat("fast", "hi").target == "a"
    assert gold.chat("fast", "hi").target == "b"
    assert gold.chat("fast", "hi", tags={"tier": "iron"}).target == "a"
    assert gold.chat("fast", "hi", tags={"else": "x"}).target == "b"
    deeper = part_of(gold, tags={"other": "y"})
    assert deeper.chat("fast", "hi").target == "b"
    with pytest.raises((RequestError, TypeError)):
        face.client.using(tags={"tier": 7})


def test_a_session_stays_where_it_is(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b", "s"]\nstrategy = "sticky"\ntag = "session"\n')
    face = world.open(kind)
    homes = {}
    for number in range(12):
        part = part_of(face, tags={"session": f"u-{number}"})
        found = {part.chat("fast", "hi").target for _ in range(3)}
        assert len(found) == 1
        homes[number] = found.pop()
    assert set(homes.values()) == {"a", "b", "s"}
    again = world.open(kind)
    for number, home in homes.items():
        assert again.chat("fast", "hi", tags={"session": f"u-{number}"}).target == home


# ------------------------------------------------------------------------------------------------ limits


def limited(limits: str) -> dict[str, str]:
    return {"more": f"limits = {{ {limits} }}"}


def test_a_full_row_sends_calls_to_the_next(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b"]', a=limited("requests_per_minute = 2"), b=limited("requests_per_minute = 1"))
    face = world.open(kind)
    assert [face.chat("fast", "hi").target for _ in range(3)] == ["a", "a", "b"]
    with pytest.raises(AllRoutesCooling) as caught:
        face.chat("fast", "hi")
    assert "a: the route a: 2 requests a minute are used; room in " in str(caught.value)
    assert "b: the route b: 1 requests a minute are used; room in " in str(caught.value)
    assert 50 < caught.value.retry_at - time.time() < 62
    assert world.counts == (2, 1, 0)


def test_of_what_is_under_way_a_call_waits_for_the_end(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]', a=limited("concurrent = 1"))
    face = world.open(kind)
    if kind == "blocking":
        import threading

        world.a.script(slowly("a", 0.5), says("a"))
        first = threading.Thread(target=face.chat, args=("fast", "hi"))
        first.start()
        until(lambda: world.a.count == 1)
        with pytest.raises(AllRoutesCooling, match="1 requests under way are used"):
            face.chat("fast", "hi")
        assert face.chat("fast", "hi", wait=True).text == "a"
        first.join()
    else:
        import asyncio

        world.a.script(slowly("a", 0.5), says("a"))

        async def both() -> str:
            first = asyncio.ensure_future(face.client.chat("fast", "hi"))
            await asyncio.to_thread(until, lambda: world.a.count == 1)
            with pytest.raises(AllRoutesCooling, match="1 requests under way are used"):
                await face.client.chat("fast", "hi")
            text: str = (await face.client.chat("fast", "hi", wait=True)).text
            await first
            return text

        assert face.wait(both()) == "a"
    assert world.a.count == 2


def test_an_alias_has_limits_of_its_own(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b"]\nlimits = { requests_per_minute = 2 }\n')
    face = world.open(kind)
    for _ in range(2):
        face.chat("fast", "hi")
    with pytest.raises(AllRoutesCooling, match="the alias fast: 2 requests a minute are used"):
        face.chat("fast", "hi")
    assert face.chat("a", "hi").target == "a"


# ------------------------------------------------------------------------------------------------ operations


def embed(face: Face, **options: object) -> object:
    return face.wait(face.client.embed("fast", "words", **options))


def test_operations_fall_back_and_have_limits_and_no_hedges(kind: str, world: Bed) -> None:
    same = {"model": "a"}
    world.sign('targets = ["a", "b"]\nhedge = { after = "0s" }\nshadow = { target = "s", share = 1000, max_cost = "$1" }\n', b=same, s=same)
    for server in (world.a, world.b, world.s):
        server.script(vectors)
    face = world.open(kind)
    for _ in range(22):
        assert embed(face).target == "a"  # type: ignore[attr-defined]  # an Embeddings
    world.forget()
    world.a.script(lambda received: (time.sleep(0.3), vectors(received))[1])
    assert embed(face).target == "a"  # type: ignore[attr-defined]  # as above
    assert world.counts == (1, 0, 0)
    world.a.script(fails(500))
    reply = embed(face)
    assert [(one.target, one.outcome) for one in reply.attempts] == [("a", "ServerError"), ("b", "ok")]  # type: ignore[attr-defined]  # as above
    world.sign('targets = ["a"]\nfallback = { any = "b" }\n', a=limited("requests_per_minute = 1"), b=same)
    world.a.script(vectors)
    face = world.open(kind)
    assert [embed(face).target for _ in range(2)] == ["a", "b"]  # type: ignore[attr-defined]  # as above

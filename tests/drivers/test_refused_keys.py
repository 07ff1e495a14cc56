"""Stored keys that are refused or rotated, under both drivers: what was refused is looked up anew, and what was not is kept."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.key_lookup import AsyncKeysFirst, KeysFirst
from saferoute.drivers.secret_files import FileSource
from saferoute.drivers.transport import BlockingTransport
from saferoute.drivers.transport_async import AsyncioTransport
from saferoute.errors import SecretError, SecretNotFound
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.kept import keep
from saferoute.secrets.lookup import MemorySource, Sources
from saferoute.secrets.minting import Minted
from saferoute.secrets.secret import Secret, SecretRecord, SecretSource
from saferoute.values.http import Clocks, Head, HttpRequest, NetClass
from tests.support.token_server import KINDS, Front, TokenServer, clocks, request, spec

pytestmark = pytest.mark.parametrize("kind", KINDS)

BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com"


class Rotating:
    """A store whose key is another after each `rotate`; counts look-ups."""

    label = "a store"

    def __init__(self, *origins: str) -> None:
        self.origins = origins
        self.number = 1
        self.found = 0
        self.forgotten = 0

    def find(self, name: str) -> SecretRecord:
        self.found += 1
        return SecretRecord(name, Secret(f"key-{self.number}"), self.origins)

    def names(self) -> tuple[str, ...]:
        return ("main",)

    def forget(self, _: str) -> None:
        self.forgotten += 1


class Ticks:
    """A monotonic clock that tests set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Canned:
    """An exchange, and the transport that opens it, of either kind."""

    def __init__(self, kind: str, status: int, headers: dict[str, str] | None = None) -> None:
        self.kind = kind
        self.head = Head(status, headers or {})
        self.closed = 0
        self.before = lambda: None

    def open(self, _: HttpRequest, __: Clocks) -> Any:
        async def opened() -> Canned:
            self.before()
            return self

        if self.kind == "asyncio":
            return opened()
        self.before()
        return self

    def close(self) -> None:
        self.closed += 1

    abort = close


class Stored:
    """The look-up before a transport, for stored keys."""

    def __init__(self, kind: str, *sources: SecretSource, transport: Any = None) -> None:
        self.loop = asyncio.new_event_loop() if kind == "asyncio" else None
        self.credentials = Credentials(Sources(sources))
        self.owned = transport is None
        front: Any
        if kind == "blocking":
            front = KeysFirst(transport or BlockingTransport(self.credentials), self.credentials)
        else:
            front = AsyncKeysFirst(transport or AsyncioTransport(self.credentials), self.credentials)
        self.front = front

    def wait(self, made: Any) -> Any:
        return self.loop.run_until_complete(made) if self.loop is not None and isinstance(made, Coroutine) else made

    def call(self, origin: str, **fields: Any) -> int:
        exchange = self.wait(self.front.open(request(origin, "main", **fields), clocks()))
        while self.owned and self.wait(exchange.read()):
            pass
        return exchange.head.status  # type: ignore[no-any-return]

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *_: object) -> None:
        if self.owned:
            self.wait(self.front.close())
        if self.loop is not None:
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()


def presented(server: TokenServer) -> list[str]:
    return [seen.headers["authorization"].removeprefix("Bearer ") for seen in server.calls]


# ------------------------------------------------------------------------------------------------------------- refusals


def test_a_refused_key_is_looked_up_anew(kind: str) -> None:
    with TokenServer() as server:
        store = Rotating(server.origin)
        with Stored(kind, store) as keys:
            assert [keys.call(server.origin) for _ in range(2)] == [200, 200]
            assert store.found == 1
            store.number, server.rejected = 2, {"key-1"}
            assert [keys.call(server.origin) for _ in range(3)] == [401, 200, 200]
            assert presented(server) == ["key-1", "key-1", "key-1", "key-2", "key-2"]
            assert (store.found, store.forgotten) == (2, 1)


def test_a_key_that_is_refused_at_its_first_use_is_forgotten_too(kind: str) -> None:
    with TokenServer() as server:
        store = Rotating(server.origin)
        server.rejected = {"key-1"}
        with Stored(kind, store) as keys:
            assert keys.call(server.origin) == 401
            store.number = 2
            assert keys.call(server.origin) == 200


@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 500])
def test_other_answers_forget_nothing(kind: str, status: int) -> None:
    store = Rotating(BEDROCK)
    with Stored(kind, store, transport=Canned(kind, status, {"x-amzn-errortype": "ExpiredTokenException"})) as keys:
        for _ in range(3):
            assert keys.call(BEDROCK, net=NetClass()) == status
        assert (store.found, store.forgotten) == (1, 0)


def test_a_refusal_that_comes_late_does_not_drop_a_newer_key(kind: str) -> None:
    """While the refused answer was on its way, another call had the key looked up anew."""
    store = Rotating(BEDROCK)
    answer = Canned(kind, 401)
    with Stored(kind, store, transport=answer) as keys:

        def meanwhile() -> None:
            keys.credentials.forget("main")
            keys.credentials.look_up("main", "bearer", BEDROCK)

        keys.credentials.look_up("main", "bearer", BEDROCK)
        answer.before = meanwhile
        assert keys.call(BEDROCK, net=NetClass()) == 401
        assert store.forgotten == 1
        assert keys.credentials.cached("main", "bearer", BEDROCK) is not None
        answer.before = lambda: None
        assert keys.call(BEDROCK, net=NetClass()) == 401
        assert keys.credentials.cached("main", "bearer", BEDROCK) is None


def test_if_forgetting_fails_the_connection_is_dropped(kind: str) -> None:
    class Broken(Rotating):
        def forget(self, _: str) -> None:
            raise SecretError("broken")

    answer = Canned(kind, 401)
    with Stored(kind, Broken(BEDROCK), transport=answer) as keys:
        with pytest.raises(SecretError, match="broken"):
            keys.call(BEDROCK, net=NetClass())
        assert answer.closed == 1


def test_forgetting_does_not_hold_the_loop_up(kind: str) -> None:
    """A person may be typing another key: whoever asked for it holds the lock."""
    if kind == "blocking":
        pytest.skip("no loop")
    with Stored(kind, Rotating(BEDROCK), transport=Canned(kind, 401)) as keys:
        keys.credentials.look_up("main", "bearer", BEDROCK)

        async def scenario() -> tuple[bool, int]:
            with keys.credentials._lock:
                call = asyncio.create_task(keys.front.open(request(BEDROCK, "main", net=NetClass()), clocks()))
                await asyncio.sleep(0.1)
                waits = not call.done()
            return waits, (await asyncio.wait_for(call, 5)).head.status

        timer = threading.Timer(3.0, keys.credentials._lock.release)  # so that a failure does not hang
        timer.start()
        assert keys.wait(scenario()) == (True, 401)
        timer.cancel()


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("ExpiredTokenException", True),
        ("ExpiredToken", True),
        ("UnrecognizedClientException:http://internal.amazon.com/coral/com.amazon.coral.service/#x", True),
        ("com.amazon.coral.service#UnrecognizedClientException", True),
        ("INVALIDSIGNATUREEXCEPTION", True),
        ("InvalidClientTokenId", True),
        ("SignatureDoesNotMatch", True),
        ("AccessDeniedException", False),
        ("AccessDeniedException:http://x/ExpiredToken", False),
        ("com.amazon#AccessDenied", False),
        ("", False),
        (None, False),
    ],
)
def test_of_aws_only_what_says_that_the_key_is_not_valid_counts(kind: str, said: str | None, refused: bool) -> None:
    """A denied model is not a refused key: neither a stored key nor a made one is dropped for it."""
    headers = {} if said is None else {"x-amzn-errortype": said}
    record = SecretRecord("main", Secret("AKIDEXAMPLE:secret"), (BEDROCK,))
    with Stored(kind, MemorySource([record]), transport=Canned(kind, 403, headers)) as keys:
        keys.call(BEDROCK, auth="sigv4", net=NetClass())
        assert (keys.credentials.cached("main", "sigv4", BEDROCK) is None) is refused
    row = spec("https://sts.us-east-1.amazonaws.com", origins=(BEDROCK,))
    with Front(kind, row) as front:
        front.credentials.keep(keep(row, Minted(Secret("A:b:c"), front.wall.now + 3600), front.wall.now))
        front.front._transport = Canned(kind, 403, headers)
        front.wait(front.front.open(request(BEDROCK, auth="sigv4", net=NetClass()), clocks()))
        kept = front.credentials.kept("cloud")
        assert kept is not None
        assert kept.is_valid(front.wall.now) is not refused
        front.front._transport = front.transport


# ---------------------------------------------------------------------------------------------------------------- files


def test_a_rotated_file_is_read_again_without_a_refusal(kind: str, tmp_path: Path) -> None:
    path, ticks = tmp_path / "token", Ticks()
    path.write_text("token-one")
    with TokenServer() as server, Stored(kind, FileSource((("main", str(path), (server.origin,)),), "files", clock=ticks)) as keys:
        assert keys.call(server.origin) == 200
        path.write_text("token-number-two")
        ticks.now += 0.9
        keys.call(server.origin)  # looked at once a second at most
        ticks.now += 0.2
        keys.call(server.origin)
        assert presented(server) == ["token-one", "token-one", "token-number-two"]


def test_a_file_that_stays_is_looked_at_once_a_second_and_read_once(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, ticks = tmp_path / "token", Ticks()
    path.write_text("token-one")
    looked, read = [], []
    with TokenServer() as server:
        source = FileSource((("main", str(path), (server.origin,)),), "files", clock=ticks)
        find, stat = source.find, os.stat
        monkeypatch.setattr(FileSource, "find", lambda _, name: read.append(name) or find(name))

        def watched(place: Any, *rest: Any, **more: Any) -> os.stat_result:
            if place == str(path) and threading.current_thread() in watchers:
                looked.append(place)
            return stat(place, *rest, **more)

        watchers = {threading.current_thread()} if kind == "blocking" else _AnyOtherThread()
        with Stored(kind, source) as keys:
            keys.call(server.origin)
            monkeypatch.setattr(os, "stat", watched)
            for _ in range(6):
                ticks.now += 0.4
                keys.call(server.origin)
            monkeypatch.setattr(os, "stat", stat)
        assert (len(looked), read) == (2, ["main"])


class _AnyOtherThread:
    """All threads but the one that made it: a disk is never waited for on the loop."""

    def __init__(self) -> None:
        self._own = threading.current_thread()

    def __contains__(self, thread: object) -> bool:
        return thread is not self._own


@pytest.mark.parametrize("how", ["replaced", "linked", "same size"])
def test_every_way_of_rotating_a_file_is_noticed(kind: str, how: str, tmp_path: Path) -> None:
    path, ticks = tmp_path / "token", Ticks()
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("token-1")
    second.write_text("token-2")
    if how == "linked":
        path.symlink_to(first.name)
    else:
        path.write_text("token-1")
    with TokenServer() as server, Stored(kind, FileSource((("main", str(path), (server.origin,)),), "files", clock=ticks)) as keys:
        keys.call(server.origin)
        if how == "replaced":
            second.replace(path)
        elif how == "linked":
            path.unlink()
            path.symlink_to(second.name)
        else:
            time.sleep(0.02)  # a file system's clock has steps
            path.write_text("token-2")
        ticks.now += 1
        keys.call(server.origin)
        assert presented(server) == ["token-1", "token-2"]


def test_a_file_that_is_gone_ends_its_key(kind: str, tmp_path: Path) -> None:
    path, ticks = tmp_path / "token", Ticks()
    path.write_text("token-one")
    with TokenServer() as server, Stored(kind, FileSource((("main", str(path), (server.origin,)),), "files", clock=ticks)) as keys:
        keys.call(server.origin)
        path.unlink()
        ticks.now += 1
        with pytest.raises(SecretNotFound):
            keys.call(server.origin)
        assert len(server.calls) == 1


def test_a_rotated_aws_key_in_a_file_signs_anew(kind: str, tmp_path: Path) -> None:
    path, ticks = tmp_path / "key", Ticks()
    path.write_text("AKIDONE:secret")
    source = FileSource((("main", str(path), (BEDROCK,)),), "files", clock=ticks)
    with Stored(kind, source, transport=Canned(kind, 200)) as keys:
        keys.call(BEDROCK, auth="sigv4", net=NetClass())
        before = keys.credentials.cached("main", "sigv4", BEDROCK)
        path.write_text("AKIDNUMBERTWO:secret")
        ticks.now += 1
        keys.call(BEDROCK, auth="sigv4", net=NetClass())
        after = keys.credentials.cached("main", "sigv4", BEDROCK)
        assert before is not None
        assert after is not None
        assert after is not before


def test_what_is_ready_for_another_origin_goes_with_the_old_content(kind: str, tmp_path: Path) -> None:
    """The file changes between two look-ups for two origins: the second one's stamp must not vouch for the first one's key."""
    path, ticks = tmp_path / "token", Ticks()
    path.write_text("token-one")
    places = (BEDROCK, "https://api.example.com")
    with Stored(kind, FileSource((("main", str(path), places),), "files", clock=ticks), transport=Canned(kind, 200)) as keys:
        keys.call(places[0], net=NetClass())
        path.write_text("token-number-two")
        keys.call(places[1], net=NetClass())
        assert keys.credentials.cached("main", "bearer", places[0]) is None
        assert keys.credentials.header("main", "bearer", places[0]) == (b"authorization", b"Bearer token-number-two")
        assert keys.credentials.cached("main", "bearer", places[1]) is not None


# ---------------------------------------------------------------------------------------------------------------- forks


def test_after_a_fork_the_process_is_noted_when_the_locks_are_new(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread of the child that sees the new number takes the locks as they are: they must be new by then."""
    with TokenServer() as server, Front(kind, spec(server.origin)) as front:
        front.front._pid = old = os.getpid() - 1  # as in a child
        seen = []
        for owner in (type(front.front._minter), Credentials):
            renew = owner.after_fork
            monkeypatch.setattr(owner, "after_fork", lambda self, renew=renew: (seen.append(front.front._pid), renew(self)))
        assert front.call(server.origin).status == 200
        assert seen == [old, old]
        assert front.front._pid == os.getpid()


def test_in_a_forked_child_a_refusal_waits_for_no_lock_of_the_parent(kind: str) -> None:
    store = Rotating(BEDROCK)
    with Stored(kind, store, transport=Canned(kind, 401)) as keys:
        keys.credentials.look_up("main", "bearer", BEDROCK)
        keys.credentials._lock.acquire()  # by a thread that the child does not have
        keys.front._pid = os.getpid() - 1
        assert keys.call(BEDROCK, net=NetClass()) == 401
        assert store.forgotten == 1

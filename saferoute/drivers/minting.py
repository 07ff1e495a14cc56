"""Makes short-lived credentials: runs a recipe's requests over the client's own transport, one exchange at a time for each credential.

What an exchange presents and what it is answered are secrets. They are kept out of everything that an error leads to: a request's body
is hidden until it is written, an answer is gathered in an object that does not show, and every error leaves here cut off from the
frames in which it happened.

A token is made anew five minutes (or a fifth of its life) before its end. While that goes on, calls use the token that is still valid,
and so they do if it fails, until that token's end: an asyncio call never waits for it, a blocking one that does it gives it a few seconds
and half of its own time at most. Without a valid token, all wait for the one exchange and get its token or its error.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from saferoute.drivers.mint_exchange import MintExchange, limits
from saferoute.errors import ConfigurationError, SaferouteError, TimedOut
from saferoute.secrets.kept import postponed
from saferoute.secrets.minting import again, bare
from saferoute.values.http import Clocks

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from saferoute.drivers.exchange import AsyncTransport, Transport
    from saferoute.secrets.credentials import Credentials
    from saferoute.secrets.kept import Kept
    from saferoute.values.credential import CredentialSpec

__all__ = ["AsyncMinter", "BlockingMinter"]

_log: Final = logging.getLogger("saferoute")
_REFRESH_SECONDS: Final = 3.0
_NO_CALL: Final = Clocks(math.inf, math.inf, math.inf, math.inf, math.inf)
"""The clocks of a refresh that no call waits for: the exchange's own bounds hold."""


def _waited_in_vain(clocks: Clocks) -> TimedOut:
    return TimedOut(clock="total", seconds=clocks.total, sent=False)


def _settled(failure: BaseException | None, spec: CredentialSpec, credentials: Credentials, now: float) -> Kept | BaseException:
    """What a caller gets after an exchange: the token that there is now, or the error."""
    kept = credentials.kept(spec.name)
    if kept is None or not kept.is_valid(now):
        return failure or ConfigurationError(f"the credential {spec.name!r} ended as soon as it was made: look at this machine's clock")
    if failure is not None:
        if not isinstance(failure, SaferouteError):
            return failure  # Ctrl-C, or a defect: not to be passed over
        _log.warning("saferoute: %s was not refreshed (%s); the one that is still valid is used", spec.name, type(failure).__name__)
        later = postponed(kept, now)
        if credentials.replace(kept, later):
            return later
    return kept


class _Turn:
    """Whose turn it is to make one credential, and how the last exchange ended."""

    __slots__ = ("failure", "lock", "rounds")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rounds = 0
        self.failure: BaseException | None = None


class BlockingMinter:
    """Makes credentials in the threads that need them."""

    __slots__ = ("_clock", "_credentials", "_transport", "_turns", "_wall")

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the transport that requests go through, without the look-up that asks this minter.

        Args:
            transport: the client's own.
            credentials: whose rows are made, and who remembers them.
            wall: seconds since the epoch.
            clock: monotonic seconds; the clocks' deadline is on it.
        """
        self._transport = transport
        self._credentials = credentials
        self._wall = wall
        self._clock = clock
        self._turns = {name: _Turn() for name in credentials.made}

    def ready(self, spec: CredentialSpec, clocks: Clocks) -> Kept:
        """Have the credential made, unless a fresh one is remembered.

        Raises:
            SecretError, ProviderError, TransportError, ProtocolError: it cannot be made; the call's request was not sent.
        """
        kept, now = self._credentials.kept(spec.name), self._wall()
        if kept is not None and kept.is_fresh(now):
            return kept
        valid = kept is not None and kept.is_valid(now)
        turn = self._turns[spec.name]
        seen = turn.rounds
        patience = max(clocks.deadline - self._clock(), 0.0)
        if not (turn.lock.acquire(blocking=False) if valid else turn.lock.acquire(timeout=patience)):
            if valid:
                return cast("Kept", kept)  # somebody is at it
            raise _waited_in_vain(clocks)
        try:
            result = self._in_turn(turn, seen, spec, clocks)
        finally:
            turn.lock.release()
        if isinstance(result, BaseException):
            raise result
        return result

    def _in_turn(self, turn: _Turn, seen: int, spec: CredentialSpec, clocks: Clocks) -> Kept | BaseException:
        kept = self._credentials.kept(spec.name)
        if kept is not None and kept.is_fresh(self._wall()):
            return kept  # made while this caller waited
        if turn.rounds != seen and turn.failure is not None:
            failure: BaseException | None = again(turn.failure)  # tried while this caller waited: not once more for each of them
        else:
            failure = self._make(spec, clocks)
            turn.rounds += 1
            turn.failure = again(failure) if failure is not None and _is_for_all(failure) else None
        return _settled(failure, spec, self._credentials, self._wall())

    def _make(self, spec: CredentialSpec, clocks: Clocks) -> BaseException | None:
        """Run an exchange, which may not take the call's time while the call could go on without it."""
        if not self._has_valid(spec):
            return self._exchange(spec, clocks)
        now = self._clock()
        patience = min(_REFRESH_SECONDS, max(clocks.deadline - now, 0.0) / 2)
        failure = self._exchange(spec, replace(clocks, total=patience, deadline=now + patience))
        if isinstance(failure, TimedOut) and not self._has_valid(spec):
            failure = self._exchange(spec, clocks)  # the token ended while the endpoint was silent: now the call needs another
        return failure

    def _has_valid(self, spec: CredentialSpec) -> bool:
        kept = self._credentials.kept(spec.name)
        return kept is not None and kept.is_valid(self._wall())

    def _exchange(self, spec: CredentialSpec, clocks: Clocks) -> BaseException | None:
        """Run the recipe to its end; return what went wrong, cut off from the frames that saw what was exchanged."""
        bounds = limits(spec, clocks, self._clock())
        exchange = MintExchange(spec, self._credentials, self._wall)
        failure: BaseException | None = None
        try:
            exchange.begin()
            while (request := exchange.request()) is not None:
                answer = self._transport.open(request, bounds)
                try:
                    exchange.head(answer.head)
                    while exchange.gather(answer.read()):
                        pass
                    answer.finish()
                finally:
                    answer.close()
                exchange.answered()
        except BaseException as error:  # noqa: BLE001  whatever it is: raised again from a frame that saw nothing
            failure = bare(error)
        finally:
            exchange.end()
        return exchange.explained(failure, bounds, clocks)

    def refuse(self, kept: Kept) -> None:
        """Note that the receiver did not accept it: see `Credentials.refuse`."""
        self._credentials.refuse(kept, self._wall())

    def after_fork(self) -> None:
        """In a forked child: a lock that another thread of the parent held would never be released here."""
        self._turns = {name: _Turn() for name in self._credentials.made}


class AsyncMinter:
    """Makes credentials in one task for each loop and credential; who waits for it may be cancelled without harm to the others."""

    __slots__ = ("_by_loop", "_clock", "_credentials", "_transport", "_wall")

    def __init__(
        self,
        transport: AsyncTransport,
        credentials: Credentials,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Arguments are those of BlockingMinter."""
        from weakref import WeakKeyDictionary  # noqa: PLC0415  clients with made credentials only

        self._transport = transport
        self._credentials = credentials
        self._wall = wall
        self._clock = clock
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Task[BaseException | None]]] = WeakKeyDictionary()

    async def ready(self, spec: CredentialSpec, clocks: Clocks) -> Kept:
        """As BlockingMinter.ready; while a token is valid, this never waits for another.

        Raises:
            SecretError, ProviderError, TransportError, ProtocolError: it cannot be made; the call's request was not sent.
        """
        import asyncio  # noqa: PLC0415  the blocking client does not load it

        tasks = self._by_loop.setdefault(asyncio.get_running_loop(), {})
        while True:
            kept, now = self._credentials.kept(spec.name), self._wall()
            if kept is not None and kept.is_fresh(now):
                return kept
            valid = kept is not None and kept.is_valid(now)
            task = tasks.get(spec.name)
            others = task is not None
            if task is None:
                work = self._refresh(spec) if valid else self._exchange(spec, clocks)
                task = tasks[spec.name] = asyncio.create_task(work, name="saferoute-credential")
                task.add_done_callback(lambda _: tasks.pop(spec.name, None))
            if valid:
                return cast("Kept", kept)
            # Not awaited itself: a caller that is cancelled takes only its own wait along.
            done, _ = await asyncio.wait((task,), timeout=max(clocks.deadline - self._clock(), 0.0))
            if not done:
                raise _waited_in_vain(clocks)
            failure = ConfigurationError("this client was closed; make a new one") if task.cancelled() else task.result()
            if others and failure is not None and not _is_for_all(failure):
                continue  # it ended with the time or the will of the caller that began it, not with an answer
            result = _settled(again(failure) if failure else None, spec, self._credentials, self._wall())
            if isinstance(result, BaseException):
                raise result
            return result

    async def _refresh(self, spec: CredentialSpec) -> BaseException | None:
        """Run an exchange that no call waits for, unless its token ends meanwhile; if it fails, the next one is tried later."""
        failure = await self._exchange(spec, _NO_CALL)
        _settled(again(failure) if failure else None, spec, self._credentials, self._wall())
        if isinstance(failure, KeyboardInterrupt | SystemExit):
            raise failure  # nobody may be there who would pass it on
        return failure

    async def _exchange(self, spec: CredentialSpec, clocks: Clocks) -> BaseException | None:
        """As BlockingMinter._exchange; what reads files, asks keyrings and signs does so in a thread."""
        import asyncio  # noqa: PLC0415  the blocking client does not load it

        bounds = limits(spec, clocks, self._clock())
        exchange = MintExchange(spec, self._credentials, self._wall)
        failure: BaseException | None = None
        try:
            async with asyncio.timeout(max(bounds.deadline - self._clock(), 0.0)):
                await asyncio.to_thread(exchange.begin)
            while (request := exchange.request()) is not None:
                answer = await self._transport.open(request, bounds)
                try:
                    exchange.head(answer.head)
                    while exchange.gather(await answer.read()):
                        pass
                    await answer.finish()
                finally:
                    await answer.close()
                exchange.answered()
        except asyncio.CancelledError:
            raise
        except TimeoutError as error:
            failure = bare(error if isinstance(error, TimedOut) else TimedOut(clock="total", seconds=bounds.total, sent=False))
        except BaseException as error:  # noqa: BLE001  as above
            failure = bare(error)
        finally:
            exchange.end()
        return exchange.explained(failure, bounds, clocks)

    def refuse(self, kept: Kept) -> None:
        """As BlockingMinter.refuse."""
        self._credentials.refuse(kept, self._wall())

    def after_fork(self) -> None:
        """In a forked child: the parent's tasks are not ours."""
        self._by_loop.clear()

    async def close(self) -> None:
        """Give up what is under way in this loop."""
        import asyncio  # noqa: PLC0415  the blocking client does not load it

        tasks = list(self._by_loop.pop(asyncio.get_running_loop(), {}).values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_for_all(failure: BaseException | None) -> bool:
    """Whether a failure holds for whoever waited: not when it was the end of one caller's own time, or Ctrl-C."""
    return isinstance(failure, SaferouteError) and getattr(failure, "clock", "") != "total"

"""Run one scenario under both drivers: the blocking client, and the asyncio client behind the same blocking face."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

from saferoute.client.blocking import Client
from saferoute.client.concurrent import AsyncClient
from saferoute.values.events import StreamEvent
from saferoute.values.reply import Reply

KINDS = ("blocking", "asyncio")


class Face:
    """One client, whichever it is; a context manager."""

    def __init__(self, kind: str, make: Callable[[type[Any]], Any]) -> None:
        """Make a client of the kind: `make` gets the class."""
        self.kind = kind
        self._loop = asyncio.new_event_loop() if kind == "asyncio" else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.client: Any = make(Client if kind == "blocking" else AsyncClient)
            except BaseException:  # whoever tests that no client is made must not be left with a loop
                if self._loop is not None:
                    self._loop.close()
                raise

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        assert self._loop is not None
        return self._loop.run_until_complete(coroutine)

    def wait(self, made: Any) -> Any:
        """What a method of the client made: as it is, or awaited."""
        return made if self.kind == "blocking" else self._wait(made)

    def chat(self, *arguments: Any, **options: Any) -> Reply[Any]:
        """`client.chat`."""
        made = self.client.chat(*arguments, **options)
        return made if self.kind == "blocking" else self._wait(made)

    def stream(self, *arguments: Any, take: int | None = None, **options: Any) -> list[StreamEvent[Any]]:
        """All events of `client.stream`, or the first `take`."""
        events: list[StreamEvent[Any]] = []
        self.seen = events

        def blocking() -> None:
            with self.client.stream(*arguments, **options) as stream:
                for event in stream:
                    events.append(event)
                    if len(events) == take:
                        return

        async def concurrent() -> None:
            async with self.client.stream(*arguments, **options) as stream:
                async for event in stream:
                    events.append(event)
                    if len(events) == take:
                        return

        blocking() if self.kind == "blocking" else self._wait(concurrent())
        return events

    def break_out(self, *arguments: Any) -> None:
        """Take one event of a stream, break, and keep nothing."""

        async def concurrent() -> None:
            async for _ in self.client.stream(*arguments):
                break
            await asyncio.sleep(0.05)  # the loop closes the socket in its next rounds

        if self.kind == "asyncio":
            self._wait(concurrent())
            return
        for _ in self.client.stream(*arguments):
            break

    def __enter__(self) -> Face:
        return self

    def __exit__(self, *_: object) -> None:
        closed = self.client.close()
        if self._loop is not None:
            self._wait(closed)
            self._wait(self._loop.shutdown_asyncgens())
            self._loop.close()

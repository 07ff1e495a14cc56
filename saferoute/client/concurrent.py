"""The asyncio client."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from saferoute.call.flow import call_flow
from saferoute.call.guarding import judgement_flow
from saferoute.client.facade import Facade, Remaining
from saferoute.client.opening import Wishes, open_local, open_production
from saferoute.client.operations_async import AsyncOperations
from saferoute.drivers.background_async import close_all_async
from saferoute.drivers.concurrent import AsyncStream, ConcurrentRun, run_async
from saferoute.drivers.key_lookup import AsyncKeysFirst

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from typing_extensions import Unpack

    from saferoute.client.capability import Capability, Issuer
    from saferoute.client.core import Core
    from saferoute.drivers.accounts import Accounts
    from saferoute.drivers.exchange import AsyncTransport
    from saferoute.drivers.ledger import Ledger
    from saferoute.routing.trust import Trust
    from saferoute.secrets.sources import SecretsSpec
    from saferoute.telemetry import Telemetry
    from saferoute.values.conversation import Messages
    from saferoute.values.guarding import Guard, Stage
    from saferoute.values.judgement import Judgement
    from saferoute.values.options import CallOptions, Money
    from saferoute.values.output import JsonSchema
    from saferoute.values.receipt import Receipt
    from saferoute.values.reply import Reply
    from saferoute.values.report import Report
    from saferoute.values.request import DataLabel
    from saferoute.values.server import Server
    from saferoute.values.template import Template

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient(Facade, AsyncOperations):
    """`Client`, awaited. Safe to share between tasks; used from a second event loop, it opens that loop's own connections.

    Example:
        >>> import asyncio, warnings, saferoute
        >>> from saferoute.testing import EmbeddedProvider
        >>> async def main(port):
        ...     async with saferoute.AsyncClient.local(servers=[saferoute.loopback("demo", port=port)]) as client:
        ...         return (await client.chat("demo/any-model", "hello")).finish_reason
        >>> with EmbeddedProvider() as provider, warnings.catch_warnings(action="ignore"):
        ...     asyncio.run(main(provider.port))
        'stop'
    """

    __slots__ = ("_abandon",)

    def __init__(
        self,
        table: str | Path,
        *,
        trust: Trust,
        secrets: SecretsSpec = None,
        capability: Capability | None = None,
        data: DataLabel | None = None,
        audience: str | None = None,
        accounts: Accounts | None = None,
        state: str | Path | None = None,
        telemetry: Telemetry = None,
        hooks: Sequence[object] = (),
        guards: Sequence[Guard] | None = (),
        ledger: Ledger | Literal["memory"] | None = "memory",
        tags: Mapping[str, str] | None = None,
        transport: Literal["own", "h11"] = "own",
    ) -> None:
        """Open a signed routing table. Arguments and errors are those of `Client`."""
        wishes = Wishes(data, capability, None, audience, accounts, telemetry, guards, ledger, tags, hooks=hooks)
        self._begin(open_production(table, trust, secrets, state, wishes), transport)

    def _begin(self, core: Core, transport: Literal["own", "h11"]) -> None:
        from saferoute.drivers.background_async import AsyncBackground  # noqa: PLC0415  as below
        from saferoute.drivers.transport_async import AsyncioTransport  # noqa: PLC0415  sockets and TLS: needed by clients only

        self._core, self._parent, self._background = core, None, AsyncBackground()
        connections = AsyncioTransport(core.credentials, parser=transport)
        self._abandon, self._connected = connections.abandon, connections.connected
        self._transport: AsyncTransport = AsyncKeysFirst(connections, core.credentials)
        self._closed = False

    @classmethod
    def local(
        cls,
        *,
        secrets: SecretsSpec = None,
        servers: Sequence[Server] = (),
        issuers: Sequence[Issuer] = (),
        capability: Capability | None = None,
        data: DataLabel | None = None,
        budget: Money | None = None,
        accounts: Accounts | None = None,
        telemetry: Telemetry = None,
        hooks: Sequence[object] = (),
        guards: Sequence[Guard] | None = (),
        ledger: Ledger | Literal["memory"] | None = "memory",
        tags: Mapping[str, str] | None = None,
        transport: Literal["own", "h11"] = "own",
    ) -> Self:
        """Make a client for a notebook or a prototype. Arguments and errors are those of `Client.local`."""
        client = cls.__new__(cls)
        wishes = Wishes(data, capability, budget, None, accounts, telemetry, guards, ledger, tags, hooks=hooks)
        client._begin(open_local(secrets, servers, issuers, wishes), transport)  # noqa: SLF001  its own class
        return client

    @overload
    async def chat(
        self, route: str, messages: Messages, *, output: type[T], system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> Reply[T]: ...
    @overload
    async def chat(
        self, route: str, messages: Messages, *, output: JsonSchema, system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> Reply[Any]: ...
    @overload
    async def chat(
        self, route: str, messages: Messages, *, output: None = None, system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> Reply[None]: ...
    async def chat(
        self,
        route: str,
        messages: Messages,
        *,
        output: type[Any] | JsonSchema | None = None,
        system: str | Template | None = None,
        **options: Unpack[CallOptions],
    ) -> Reply[Any]:
        """Ask, and wait for the whole answer. Arguments and errors are those of `Client.chat`."""
        call = self._core.call(route, messages, output, system, options, stream=False)
        return await run_async(
            call_flow(call, time.monotonic()),
            self._transport,
            time.monotonic,
            asyncio.sleep,
            self._core.observe(call),
            background=self._beside,
        )

    async def judge(self, text: str, *, stage: Stage = "input") -> Judgement:
        """As `Client.judge`."""
        flow = judgement_flow(self._core.shared.guards, text, stage)
        work = ConcurrentRun(flow, self._transport, time.monotonic, asyncio.sleep, background=self._beside)
        await work.advance()
        return cast("Judgement", work.result)

    @overload
    def stream(
        self, route: str, messages: Messages, *, output: type[T], system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> AsyncStream[T]: ...
    @overload
    def stream(
        self, route: str, messages: Messages, *, output: JsonSchema, system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> AsyncStream[Any]: ...
    @overload
    def stream(
        self, route: str, messages: Messages, *, output: None = None, system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> AsyncStream[None]: ...
    def stream(
        self,
        route: str,
        messages: Messages,
        *,
        output: type[Any] | JsonSchema | None = None,
        system: str | Template | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncStream[Any]:
        """Ask, and get the answer while it arrives: `async with client.stream(...) as stream: async for event in stream: ...`.

        Never awaited itself: it connects when it is entered, or at the first event. Arguments and errors are those of `Client.stream`.
        """
        call = self._core.call(route, messages, output, system, options, stream=True)
        work = ConcurrentRun(call_flow(call, time.monotonic()), self._transport, time.monotonic, asyncio.sleep, background=self._beside)
        return AsyncStream(route, work, lambda: self._core.observe(call))

    async def reload(self) -> None:
        """As `Client.reload`; the files are read in a thread."""
        await asyncio.to_thread(self._reload)

    async def explain(self, receipt: Receipt | str) -> str:
        """As `Client.explain`; the ledger is read in a thread."""
        return await asyncio.to_thread(self._explain, receipt)

    async def remaining(self) -> tuple[Remaining, ...]:
        """As `Client.remaining`; the accounts are read in a thread."""
        return await asyncio.to_thread(self._remaining)

    async def check(self, routes: Sequence[str] | None = None, *, connect: bool = False) -> Report:
        """As `Client.check`; it runs in a thread."""
        return await asyncio.to_thread(self._check, routes, connect=connect)

    async def close(self) -> None:
        """Close the connections; what `using` made closes nothing. Safe to call twice."""
        if self._end():
            await close_all_async(self._transport, self._core.shared.close, self._background)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def __del__(self) -> None:
        if self._dropped():
            self._abandon()

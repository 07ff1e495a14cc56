"""Gates on what a call costs, exact enough for CI: function calls per LLM call, counted by cProfile, and the cost of `import saferoute`.

    python benchmarks/gates.py            prints the table; exits with 1 when a gate is passed over

Function counts do not depend on the machine's speed, only on the versions in use. Calls are counted over loopback with everything on
that a call of this version does (signed table, bound key, own transport, no OpenTelemetry SDK). Streams are counted over a transport that
hands out one event per read: over a socket the count would depend on how many events happen to arrive together.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import pstats
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import saferoute
from saferoute.drivers.ledger import Ledger
from saferoute.guards import Guard
from saferoute.testing import Answer, EmbeddedProvider
from saferoute.values.http import Clocks, Head, HttpRequest

KEY = "sk-gate-0123456789abcdef"
CHUNKS = 200
CALLS = 50
MESSAGES = [{"role": "system", "content": "Be careful. " * 30}, {"role": "user", "content": "Summarise this. " * 40}]
TOOLS = [
    {"name": f"tool_{n}", "description": "Looks a thing up.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    for n in range(50)
]


@dataclass(frozen=True)
class Gate:
    """One figure and the most that it may be."""

    name: str
    value: float
    limit: float


def clients(kind: type[Any], provider: EmbeddedProvider, guards: Sequence[Guard] | None, ledger: Ledger | None) -> Any:
    """A client of the kind, with a key that it must present."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind.local(
            servers=[saferoute.loopback("mock", port=provider.port, secret="mock")],
            secrets=saferoute.Secrets.of({"mock": (KEY, provider.origin)}),
            guards=guards,
            ledger=ledger,
        )


def counted(work: Callable[[], object], times: int) -> float:
    """Function calls of one run of `work`, after a warm-up."""
    for _ in range(5):
        work()
    profile = cProfile.Profile()
    gc.collect()
    gc.disable()
    profile.enable()
    for _ in range(times):
        work()
    profile.disable()
    gc.enable()
    return pstats.Stats(profile).total_calls / times  # type: ignore[attr-defined]  # there, and not in the stubs


class Canned:
    """A transport of either kind that answers every request with the same stream, one event per read."""

    def __init__(self) -> None:
        def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
            return b"data: " + json.dumps({"id": "c-1", "model": "m", "choices": choices}).encode() + b"\n\n"

        pieces = [event({"role": "assistant", "content": ""}), *(event({"content": f"word{n} "}) for n in range(CHUNKS))]
        self.pieces = [*pieces, event({}, "stop"), b"data: [DONE]\n\n"]

    def open(self, request: HttpRequest, clocks: Clocks) -> CannedExchange:  # noqa: ARG002
        """As Transport.open."""
        return CannedExchange(self.pieces)

    def close(self) -> None:
        """As Transport.close."""


class CannedExchange:
    """One answer."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.head = Head(200, {"content-type": "text/event-stream"})
        self.read = iter([*pieces, b""]).__next__

    def finish(self) -> None:
        """As Exchange.finish."""

    close = abort = finish


class AsyncCanned:
    """The same, awaited."""

    def __init__(self) -> None:
        self.pieces = Canned().pieces

    async def open(self, request: HttpRequest, clocks: Clocks) -> AsyncCannedExchange:  # noqa: ARG002
        """As AsyncTransport.open."""
        return AsyncCannedExchange(self.pieces)

    async def close(self) -> None:
        """As AsyncTransport.close."""


class AsyncCannedExchange:
    """One answer, awaited."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.head = Head(200, {"content-type": "text/event-stream"})
        self._pieces = iter([*pieces, b""])

    async def read(self) -> bytes:
        """As AsyncExchange.read."""
        return next(self._pieces)

    async def finish(self) -> None:
        """As AsyncExchange.finish."""

    close = finish

    def abort(self) -> None:
        """As AsyncExchange.abort."""


def sync_gates(
    provider: EmbeddedProvider, guards: Sequence[Guard] | None, what: str, limits: tuple[int, int, int], ledger: Ledger | None = None
) -> list[Gate]:
    """Function calls of the blocking client: one chat, one with 50 tools, one chunk of a stream; and the most of each."""
    chat, tools, chunk = limits
    with clients(saferoute.Client, provider, guards, ledger) as client, clients(saferoute.Client, provider, guards, ledger) as streaming:
        streaming._transport.close()  # noqa: SLF001  put another in
        streaming._transport = Canned()  # noqa: SLF001

        def stream() -> None:
            with streaming.stream("mock/m", MESSAGES) as opened:
                for _ in opened:
                    pass

        # Of these, prompt integrity is 35 for one message and some ten for each tool: what leaves is read back and compared.
        return [
            Gate(f"sync chat{what}, function calls", counted(lambda: client.chat("mock/m", MESSAGES), CALLS), chat),
            Gate(f"sync chat, 50 tools{what}, function calls", counted(lambda: client.chat("mock/m", MESSAGES, tools=TOOLS), 20), tools),
            Gate(f"sync stream{what}, function calls per chunk", counted(stream, 5) / CHUNKS, chunk),
        ]


def async_gates(provider: EmbeddedProvider) -> list[Gate]:
    """Function calls of the asyncio client, its event loop included."""
    loop = asyncio.new_event_loop()
    client, streaming = clients(saferoute.AsyncClient, provider, None, None), clients(saferoute.AsyncClient, provider, None, None)
    streaming._transport = AsyncCanned()  # noqa: SLF001  put another in

    async def stream() -> None:
        async with streaming.stream("mock/m", MESSAGES) as opened:
            async for _ in opened:
                pass

    chat = counted(lambda: loop.run_until_complete(client.chat("mock/m", MESSAGES)), CALLS)
    streamed = counted(lambda: loop.run_until_complete(stream()), 5) / CHUNKS
    loop.run_until_complete(client.close())
    loop.close()
    return [Gate("async chat, function calls", chat, 590), Gate("async stream, function calls per chunk", streamed, 46)]


PROBE = """
import json, sys, time
before, began = len(sys.modules), time.process_time()
{statement}
spent = time.process_time() - began
pages = int(open('/proc/self/statm').read().split()[1]) * 4096 if sys.platform == 'linux' else 0
print(json.dumps([spent, len(sys.modules) - before, pages / 1e6]))
"""


def import_gates() -> list[Gate]:
    """Modules and memory of the import, bare and with a client made."""

    def probe(statement: str) -> list[float]:
        runs = [
            json.loads(
                subprocess.run([sys.executable, "-c", PROBE.format(statement=statement)], capture_output=True, text=True, check=True).stdout
            )
            for _ in range(3)
        ]
        return min(runs)

    bare = probe("import saferoute")
    client = probe("from saferoute import Client")
    return [
        Gate("import saferoute, modules", bare[1], 300),
        Gate("import saferoute, MB resident", bare[2], 45),
        Gate("from saferoute import Client, modules", client[1], 300),
        Gate("from saferoute import Client, MB resident", client[2], 45),
    ]


def main() -> int:
    """Measure, print, judge."""
    with EmbeddedProvider(lambda _: Answer("one two three " * 40), api_key=KEY) as provider:
        gates = [
            *sync_gates(provider, None, "", (430, 2100, 44)),
            *async_gates(provider),
            *sync_gates(provider, (), ", default guards", (560, 3900, 155)),
            *sync_gates(provider, (), ", guards and receipts", (850, 4200, 157), saferoute.Ledger.memory()),
            *import_gates(),
        ]
    width = max(len(gate.name) for gate in gates)
    for gate in gates:
        verdict = "ok" if gate.value <= gate.limit else "OVER"
        print(f"{gate.name:<{width}}  {gate.value:8.1f}  at most {gate.limit:6.0f}  {verdict}")
    over = [gate for gate in gates if gate.value > gate.limit]
    print(f"{len(gates) - len(over)} passed, {len(over)} failed")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())

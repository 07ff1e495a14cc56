"""Gates on what a call costs, exact enough for CI: function calls per LLM call, counted by cProfile, and the cost of `import saferoute`.

    python benchmarks/gates.py            prints the table; exits with 1 when a gate is passed over

Function counts do not depend on the machine's speed or load, only on the versions in use. They are counted with everything on that a
call of this version does (signed table, bound key, own transport, no OpenTelemetry SDK), against the embedded provider over loopback.
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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import saferoute
from saferoute.testing import Answer, EmbeddedProvider

KEY = "sk-gate-0123456789abcdef"
CHUNKS = 200
CALLS = 50
MESSAGES = [{"role": "system", "content": "Be careful. " * 30}, {"role": "user", "content": "Summarise this. " * 40}]
TOOLS = [
    {"name": f"tool_{n}", "description": "Looks a thing up.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    for n in range(50)
]
LONG = " ".join(f"word{n}" for n in range(CHUNKS))


@dataclass(frozen=True)
class Gate:
    """One figure and the most that it may be."""

    name: str
    value: float
    limit: float


def clients(kind: type[Any], provider: EmbeddedProvider) -> Any:
    """A client of the kind, with a key that it must present."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind.local(
            servers=[saferoute.loopback("mock", port=provider.port, secret="mock")],
            secrets=saferoute.Secrets.of({"mock": (KEY, provider.origin)}),
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


def sync_gates(provider: EmbeddedProvider) -> list[Gate]:
    """Function calls of the blocking client."""
    with clients(saferoute.Client, provider) as client:

        def stream() -> None:
            with client.stream("mock/m", MESSAGES) as opened:
                for _ in opened:
                    pass

        return [
            Gate("sync chat, function calls", counted(lambda: client.chat("mock/m", MESSAGES), CALLS), 480),
            Gate("sync chat with 50 tools, function calls", counted(lambda: client.chat("mock/m", MESSAGES, tools=TOOLS), 20), 2000),
            Gate("sync stream, function calls per chunk", counted(stream, 5) / CHUNKS, 45),
        ]


def async_gates(provider: EmbeddedProvider) -> list[Gate]:
    """Function calls of the asyncio client, its event loop included."""
    loop = asyncio.new_event_loop()
    client = clients(saferoute.AsyncClient, provider)

    async def stream() -> None:
        async with client.stream("mock/m", MESSAGES) as opened:
            async for _ in opened:
                pass

    chat = counted(lambda: loop.run_until_complete(client.chat("mock/m", MESSAGES)), CALLS)
    streamed = counted(lambda: loop.run_until_complete(stream()), 5) / CHUNKS
    loop.run_until_complete(client.close())
    loop.close()
    return [Gate("async chat, function calls", chat, 700), Gate("async stream, function calls per chunk", streamed, 55)]


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
    with EmbeddedProvider(lambda ask: Answer(LONG) if ask.stream else Answer("one two three " * 40), api_key=KEY) as provider:
        gates = [*sync_gates(provider), *async_gates(provider), *import_gates()]
    width = max(len(gate.name) for gate in gates)
    for gate in gates:
        verdict = "ok" if gate.value <= gate.limit else "OVER"
        print(f"{gate.name:<{width}}  {gate.value:8.1f}  at most {gate.limit:6.0f}  {verdict}")
    over = [gate for gate in gates if gate.value > gate.limit]
    print(f"{len(gates) - len(over)} passed, {len(over)} failed")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())

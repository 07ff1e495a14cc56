"""What a router does on bad days: litellm.Router and saferoute over the same three servers on loopback.

    python benchmarks/router_comparison.py                      prints a Markdown table
    python benchmarks/router_comparison.py --write              puts it into docs/explanation/bad-days.md as well
    python benchmarks/router_comparison.py --scratch FOLDER     keeps litellm's environment there, for the next time

Calls arrive at a fixed rate, whether those before them have been answered or not. Each client gets the same servers, the same calls and the
same number of attempts, in a process of its own; every cell begins with a new client that knows nothing yet. litellm goes into an
environment of its own, from the wheel that benchmarks/probes/peers.txt names; where it does not install, that is said and nothing claimed.
"""
# ruff: noqa: PLC0415  a client is imported in its own process only

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "explanation" / "bad-days.md"
BEGIN, END = "<!-- router comparison: begin -->", "<!-- router comparison: end -->"

RATE = 50  # calls a second
CALLS = 150  # in a cell
WARM_UP = 20  # calls of each client before the first cell: imports and caches are not what is compared
ATTEMPTS = 3
TIMEOUT = 4.0
ADMITTED = 8  # requests a second at each server in the storm: together half of the calls that come
SERVERS = ("a", "b", "c")
SCENARIOS = {
    "calm": "all three answer in 30 to 60 ms",
    "one down": "b refuses connections",
    "one slow": "b answers in 1 s",
    "429 storm": f"each admits {ADMITTED} requests a second and answers 429 with `retry-after: 1` to the rest; {RATE} calls a second come",
}
STRATEGIES = {
    "simple-shuffle": "weighted",
    "least-busy": "least_busy",
    "latency-based-routing": "lowest_latency",
    "usage-based-routing-v2": "most_headroom",
}
"""litellm's name of a strategy, and ours for what does the same."""


# ---------------------------------------------------------------------------------------------------------------------------- servers


class Server:
    """One origin; counts its requests, and behaves as the scenario says."""

    def __init__(self, name):
        self.name, self.port, self.count = name, 0, 0
        self._scenario, self._room, self._filled, self._listening = "calm", ADMITTED, time.monotonic(), None

    async def become(self, scenario):
        self._scenario, self._room, self._filled, self.count = scenario, ADMITTED, time.monotonic(), 0
        down = scenario == "one down" and self.name == "b"
        if down and self._listening is not None:
            self._listening.close()
            self._listening = None
        elif not down and self._listening is None:
            self._listening = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)
            self.port = self._listening.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                await reader.readexactly(int(length[1]) if length else 0)
                if self._listening is None:  # a connection that was kept from before it went down
                    break
                self.count += 1
                writer.write(await self._answer())
                await writer.drain()
        writer.close()

    async def _answer(self):
        if self._scenario == "429 storm" and not self._admits():
            return _http(
                429, {"error": {"message": "slow down", "type": "rate_limit", "code": "rate_limit_exceeded"}}, b"retry-after: 1\r\n"
            )
        slow = self._scenario == "one slow" and self.name == "b"
        await asyncio.sleep(1.0 if slow else random.uniform(0.03, 0.06))
        choice = {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
        named = {"id": f"c-{self.name}-{self.count}", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini"}
        return _http(200, {**named, "choices": [choice], "usage": usage})

    def _admits(self):
        now = time.monotonic()
        self._room = min(ADMITTED, self._room + (now - self._filled) * ADMITTED)
        self._filled = now
        if self._room < 1:
            return False
        self._room -= 1
        return True


def _http(status, body, extra=b""):
    data = json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (status, extra, len(data), data)


async def serve():
    """Take a scenario a line, and answer with the ports; take "count", and answer with the requests since then."""
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    servers = [Server(name) for name in SERVERS]
    await asyncio.gather(*(server.become("calm") for server in servers))
    while line := (await orders.readline()).decode().strip():
        if line == "count":
            _tell([server.count for server in servers])
            continue
        await asyncio.gather(*(server.become(line) for server in servers))
        _tell([server.port for server in servers])
    os._exit(0)  # whatever still answers slowly


def _tell(what):
    print(json.dumps(what), flush=True)


# ---------------------------------------------------------------------------------------------------------------------------- clients


class Litellm:
    """litellm.Router as it comes, with the same number of attempts."""

    def __init__(self, strategy, ports):
        import litellm

        litellm.telemetry = False
        litellm.suppress_debug_info = True
        rows = [
            {
                "model_name": "m",
                "litellm_params": {
                    "model": "openai/gpt-4o-mini",
                    "api_base": f"http://127.0.0.1:{port}/v1",
                    "api_key": "none",
                    "rpm": 6000,
                    "tpm": 1_000_000,
                    "max_retries": 0,
                },
            }
            for port in ports
        ]
        self._router = litellm.Router(rows, routing_strategy=strategy, num_retries=ATTEMPTS - 1, timeout=TIMEOUT)

    async def ask(self):
        reply = await self._router.acompletion("m", [{"role": "user", "content": "hi"}])
        return reply.choices[0].message.content

    async def close(self):
        self._router.reset()


class Saferoute:
    """saferoute as it comes, over a table that is signed for these servers."""

    def __init__(self, strategy, ports):
        import saferoute
        from saferoute.routing.authoring import build
        from saferoute.routing.publish import pin, sign_release
        from saferoute.routing.publish_root import new_root
        from saferoute.signing.keys import PrivateKey

        rows = [
            f'[routes.{name}]\nprovider = "demo"\ndialect = "openai_chat"\norigin = "http://127.0.0.1:{port}"\npath = "/v1"\n'
            f'net = "loopback"\nmodel = "gpt-4o-mini"\nauth = "none"\ndata = "internal"\nquota_group = "{name}"\n'
            "limits = { requests_per_minute = 6000, tokens_per_minute = 1000000 }\n"
            for name, port in zip(SERVERS, ports, strict=True)
        ]
        quoted = ", ".join(f'"{name}"' for name in SERVERS)
        alias = f'[aliases.m]\ntargets = [{quoted}]\nstrategy = "{STRATEGIES[strategy]}"\nmax_attempts = {ATTEMPTS}\n'
        grant = '[grant]\noperations = ["chat"]\ndata = "internal"\n'
        self._folder = tempfile.TemporaryDirectory()
        folder, root_key, table_key, now = Path(self._folder.name), PrivateKey.generate(), PrivateKey.generate(), time.time()
        root = new_root("bench", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
        (folder / "root.json").write_bytes(root)
        table = build("\n".join((*rows, alias, grant)))
        (folder / "routes.json").write_bytes(sign_release(root, [table], version=1, now=now, signers=[table_key]))
        trust = saferoute.Trust.pinned(folder / "root.json", sha256=pin(root))
        plain = {"secrets": saferoute.Secrets.of({}), "data": "public", "state": folder / "state", "telemetry": False}
        self._client = saferoute.AsyncClient(folder / "routes.json", trust=trust, **plain)

    async def ask(self):
        return (await self._client.chat("m", "hi", timeout=TIMEOUT)).text

    async def close(self):
        await self._client.close()
        self._folder.cleanup()


class Waiting(Saferoute):
    """The same; a call that finds every row at rest waits for one within its timeout."""

    async def ask(self):
        return (await self._client.chat("m", "hi", timeout=TIMEOUT, wait=True)).text


CLIENTS = {"litellm": Litellm, "saferoute": Saferoute, "saferoute, wait=True": Waiting}
WAITING = "saferoute, wait=True"


async def cell(kind, strategy, ports, count):
    """Make the calls of one cell."""
    client, took, failed = CLIENTS[kind](strategy, ports), [], {}

    async def one():
        began = time.monotonic()
        try:
            answer = await asyncio.wait_for(client.ask(), 4 * TIMEOUT)
        except Exception as error:  # noqa: BLE001  whatever a client raises
            name = type(error).__name__
            failed[name] = failed.get(name, 0) + 1
            return
        assert answer == "fine"
        took.append(time.monotonic() - began)

    used, begins, calls = time.process_time(), time.monotonic(), []
    for number in range(count):
        await asyncio.sleep(max(0.0, begins + number / RATE - time.monotonic()))
        calls.append(asyncio.ensure_future(one()))
    await asyncio.gather(*calls)
    used = time.process_time() - used
    await client.close()
    return {"took": sorted(took), "failed": failed, "cpu": used}


async def answer_orders(kind):
    """Take the orders of `measure`, one a line."""
    for line in sys.stdin:
        order = json.loads(line)
        _tell(await cell(kind, order["strategy"], order["ports"], order["calls"]))


# ------------------------------------------------------------------------------------------------------------------------- comparison


class Child:
    """A process that answers a line with a line."""

    def __init__(self, python, *arguments):
        environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": str(ROOT), "LITELLM_LOG": "CRITICAL"}
        command = [str(python), str(Path(__file__).resolve()), *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )

    def ask(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        while not (said := self._process.stdout.readline()).startswith(("[", "{")):
            if not said:
                raise RuntimeError("a child process ended before it answered")
        return json.loads(said)

    def stop(self):
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()


def litellm_python(scratch):
    """The interpreter of litellm's environment and its version, or why there is none."""
    sys.path.insert(0, str(HERE / "probes"))
    from venvs import make, read_peers, version_of

    line = next(line for line in read_peers((HERE / "probes" / "peers.txt").read_text(encoding="utf-8")) if line.name == "litellm")
    try:
        python = make(line, scratch)
        return python, version_of(python, "litellm")
    except (subprocess.CalledProcessError, ValueError) as error:
        return None, f"it could not be installed here: {str(error).splitlines()[0][:200]}"


def measure(peers, only):
    """Every cell: (scenario, strategy, peer) -> numbers."""
    servers, found = Child(sys.executable, "--serve"), {}
    clients = {name: Child(python, "--client", name) for name, python in peers.items()}
    try:
        ports = servers.ask("calm")
        for client in clients.values():
            for strategy in STRATEGIES:
                client.ask(json.dumps({"strategy": strategy, "ports": ports, "calls": WARM_UP}))
        for scenario, strategy, (name, client) in itertools.product(SCENARIOS, STRATEGIES, clients.items()):
            if (name == WAITING and scenario != "429 storm") or (only and only not in (scenario, strategy, name)):
                continue
            ports = servers.ask(scenario)
            numbers = client.ask(json.dumps({"strategy": strategy, "ports": ports, "calls": CALLS}))
            numbers["requests"] = servers.ask("count")
            found[scenario, strategy, name] = numbers
            print(scenario, strategy, name, *_numbers(numbers), numbers["failed"] or "", numbers["requests"], file=sys.stderr, flush=True)
    finally:
        for child in (servers, *clients.values()):
            child.stop()
    return found


def _numbers(numbers):
    took = numbers["took"]
    p50, p95 = (f"{took[int(len(took) * share)] * 1000:.0f}" if took else "-" for share in (0.5, 0.95))
    each = f"{numbers['cpu'] / CALLS * 1e6:.0f}"
    return [f"{len(took) / CALLS:.1%}", f"{sum(numbers['requests']) / CALLS:.2f}" if "requests" in numbers else "", p50, p95, each]


def written(found, versions):
    """The table, with what it was measured with."""
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores that did other work too"
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} with {versions}, {machine}.",
        f"{CALLS} calls a cell, {RATE} a second, at most {ATTEMPTS} attempts each.",
        "",
        *(f"- {name}: {what}" for name, what in SCENARIOS.items()),
        "",
        "| scenario | strategy | client | answered | requests a call | p50 ms | p95 ms | CPU us a call |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (scenario, strategy, name), numbers in found.items():
        called = strategy if name == "litellm" else STRATEGIES[strategy]
        lines.append(f"| {scenario} | `{called}` | {name} | {' | '.join(_numbers(numbers))} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    parser.add_argument("--scratch", type=Path, help="where litellm's environment is kept")
    parser.add_argument("--only", help="one scenario, strategy or client")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return asyncio.run(serve())
    if arguments.client:
        return asyncio.run(answer_orders(arguments.client))
    with tempfile.TemporaryDirectory() as temporary:
        python, version = litellm_python(arguments.scratch or Path(temporary))
        sys.path.insert(0, str(ROOT))
        import saferoute

        versions = f"saferoute {saferoute.__version__}"
        peers = {"saferoute": sys.executable, WAITING: sys.executable}
        if python is None:
            print(f"litellm: {version}; nothing is claimed about it")
        else:
            versions, peers = f"{versions}, litellm {version}", {"litellm": python, **peers}
        table = written(measure(peers, arguments.only), versions)
    print(table)
    if arguments.write and python is not None:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return None


if __name__ == "__main__":
    main()

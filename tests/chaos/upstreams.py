"""The providers of a bad day, in a process of their own: some that fail on schedule, and a counting door before each that others wrote.

    python tests/chaos/upstreams.py      reads its orders as lines of JSON, and answers each with one

The first order is {"seed": N, "doors": {name: port}, "takes": [least, most]}; its answer holds the ports that were opened. Every request carries `tag-NNNNNN` in its
prompt, by which it is counted for its call, whoever answers it. What a row of ours does with a request depends on the seed, the tag and how
often that call has asked it; outages and storms go by the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import socket
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

OURS = ("steady", "spare", "copy", "sluggish", "outage", "storm", "flaky", "crowded")
TAG = re.compile(rb"tag-(\d{6})")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
RESET = struct.pack("ii", 1, 0)
WORDS = 4
INPUT_TOKENS = 10


@dataclass
class Books:
    """What came, and what a complete answer was billed for; `takes` is the seconds that a good answer takes, least and most."""

    requests: Counter[tuple[int, str]] = field(default_factory=Counter)
    arrived: dict[str, list[float]] = field(default_factory=dict)
    billed: dict[str, list[int]] = field(default_factory=dict)
    open: int = 0
    takes: tuple[float, float] = (0.0, 0.0)

    def count(self, tag: int, row: str) -> int:
        """Note a request; how often this call has asked this row before."""
        before = self.requests[tag, row]
        self.requests[tag, row] = before + 1
        self.arrived.setdefault(row, []).append(time.monotonic())
        return before

    def bill(self, tag: int, row: str, tokens: int) -> None:
        """Note a whole answer."""
        self.billed.setdefault(f"{tag} {row}", []).append(tokens)

    def as_json(self) -> dict[str, object]:
        requests = {f"{tag} {row}": count for (tag, row), count in self.requests.items()}
        return {"requests": requests, "arrived": self.arrived, "billed": self.billed, "open": self.open}


@dataclass(frozen=True)
class Asked:
    """One request; the first word of its path is the row."""

    raw: bytes
    row: str
    tag: int
    stream: bool


async def read_request(reader: asyncio.StreamReader) -> Asked | None:
    """The next request of a connection; None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    length = LENGTH.search(head)
    try:
        body = await reader.readexactly(int(length[1])) if length else b""
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    tag = TAG.search(body)
    return Asked(head + body, head.split(b"/", 2)[1].decode(), int(tag[1]) if tag else -1, b'"stream":true' in body.replace(b" ", b""))


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a RST."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


class Door:
    """Counts requests on their way to somebody else's server, and passes bytes, ends and resets through as they are."""

    def __init__(self, name: str, port: int, books: Books) -> None:
        self._name, self._port, self._books = name, port, books

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._books.open += 1
        upstream: asyncio.StreamWriter | None = None
        back: asyncio.Task[None] | None = None
        try:
            while (asked := await read_request(reader)) is not None:
                self._books.count(asked.tag, asked.row if self._name == "bad" else self._name)
                if upstream is None:
                    answers, upstream = await asyncio.open_connection("127.0.0.1", self._port)
                    back = asyncio.create_task(self._pass_back(answers, writer))
                await asyncio.sleep(random.uniform(*self._books.takes) / 2)
                upstream.write(asked.raw)
        except ConnectionError:
            reset(writer)
        finally:
            self._books.open -= 1
            if back is not None:
                back.cancel()
            for line in (upstream, writer):
                if line is not None:
                    line.transport.abort()

    @staticmethod
    async def _pass_back(answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await answers.read(65_536):
                writer.write(data)
                await writer.drain()
            writer.close()
        except ConnectionError:
            reset(writer)


class Ours:
    """One row of our own; its name is what it does."""

    def __init__(self, name: str, seed: int, books: Books) -> None:
        self._name, self._seed, self._books = name, seed, books
        self._began = time.monotonic()
        self._room = 0.0
        self._filled = self._began

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._books.open += 1
        try:
            while (asked := await read_request(reader)) is not None:
                before = self._books.count(asked.tag, asked.row)
                chance = random.Random(f"{self._seed} {self._name} {asked.tag} {before}")
                if not await self._answer(asked, writer, chance):
                    break
        except ConnectionError:
            pass
        finally:
            self._books.open -= 1
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter, chance: random.Random) -> bool:
        """Answer one request; False when the connection has ended with it."""
        match self._name:
            case "sluggish":
                await asyncio.sleep(min(chance.expovariate(2), 3.0))
            case "outage":
                if (mode := self._outage()) == "reset":
                    reset(writer)
                    return False
                if mode:
                    return await self._fail(writer, 503, chance)
            case "storm":
                if not self._admits():
                    return await self._fail(writer, 429, chance)
            case "flaky":
                fault = chance.random()
                if fault < 0.6:
                    return await self._misbehave(fault / 0.6, asked, writer, chance)
            case "crowded":
                await asyncio.sleep(0.01 * self._books.open)
            case _:
                pass
        await asyncio.sleep(chance.uniform(*self._books.takes))
        await self._say(asked, writer, chance)
        return True

    def _outage(self) -> str:
        """Down for 4 s of every 9, in another way each time."""
        passed = time.monotonic() - self._began
        return ("reset", "503")[int(passed // 9) % 2] if passed % 9 > 5 else ""

    def _admits(self) -> bool:
        """Let 15 requests a second in, at most 15 at once."""
        now = time.monotonic()
        self._room = min(15.0, self._room + (now - self._filled) * 15)
        self._filled = now
        if self._room < 1:
            return False
        self._room -= 1
        return True

    async def _fail(self, writer: asyncio.StreamWriter, status: int, chance: random.Random) -> bool:
        body = json.dumps({"error": {"message": "not now", "type": "error", "code": None}}).encode()
        after = chance.choice([b"retry-after-ms: 200\r\n", b"retry-after: 1\r\n", b""]) if status in {429, 503} else b""
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
        writer.write(head % (status, after, len(body)) + body)
        await writer.drain()
        return True

    async def _misbehave(self, fault: float, asked: Asked, writer: asyncio.StreamWriter, chance: random.Random) -> bool:
        """One of the ways to be a bad server; `fault` from 0 to 1 says which."""
        kind = ("500", "502", "408", "409", "reset", "cut", "reset in it", "drip", "hang", "silence in it")[int(fault * 10)]
        whole = self._whole(asked, chance)[0]
        half = whole[: len(whole) * 2 // 3]
        match kind:
            case "500" | "502" | "408" | "409":
                return await self._fail(writer, int(kind), chance)
            case "cut":
                writer.write(half)
                await writer.drain()
                writer.close()
            case "reset in it":
                writer.write(half)
                await writer.drain()
                await asyncio.sleep(0.02)
                reset(writer)
            case "drip":
                for byte in whole[:40]:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.1)
                    if writer.transport.is_closing():
                        break
                reset(writer)
            case "hang":
                await asyncio.sleep(6)
                reset(writer)
            case "silence in it":
                writer.write(half)
                await asyncio.sleep(6)
                reset(writer)
            case _:
                reset(writer)
        return False

    def _whole(self, asked: Asked, chance: random.Random) -> tuple[bytes, int]:
        """An answer of OpenAI Chat Completions with the call's tag in it, and the tokens that it bills for."""
        tokens = chance.randint(1, 20)
        words = [f"tag-{asked.tag:06d} ", *("word " for _ in range(WORDS))]
        usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": tokens, "total_tokens": INPUT_TOKENS + tokens}
        named = {"id": f"chatcmpl-{asked.tag}-{chance.getrandbits(40)}", "created": 1, "model": self._name}
        if not asked.stream:
            choice = {"index": 0, "message": {"role": "assistant", "content": "".join(words)}, "finish_reason": "stop"}
            body = json.dumps({**named, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
            return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body, tokens
        chunks: list[dict[str, object]] = [{"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in words]
        chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": usage}]
        events = [b"data: %b\n\n" % json.dumps({**named, "object": "chat.completion.chunk", **chunk}).encode() for chunk in chunks]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in [*events, b"data: [DONE]\n\n"])
        return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n", tokens

    async def _say(self, asked: Asked, writer: asyncio.StreamWriter, chance: random.Random) -> None:
        whole, tokens = self._whole(asked, chance)
        third = len(whole) // 3
        for piece in (whole[:third], whole[third : 2 * third], whole[2 * third :]):
            writer.write(piece)
            await writer.drain()
            if asked.stream:
                await asyncio.sleep(0.01)
        self._books.bill(asked.tag, asked.row, tokens)


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main() -> None:
    orders = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    first = json.loads(await orders.readline())
    books, ports = Books(takes=tuple(first["takes"])), {}
    doors: list[tuple[str, Door | Ours]] = [(name, Door(name, port, books)) for name, port in first["doors"].items()]
    for name, one in [*doors, *((name, Ours(name, first["seed"], books)) for name in OURS)]:
        listening = await asyncio.start_server(one.serve, "127.0.0.1", 0, backlog=1024)
        ports[name] = listening.sockets[0].getsockname()[1]
    _tell(ports)
    while await orders.readline():
        _tell(books.as_json())
    os._exit(0)  # whatever still answers slowly


if __name__ == "__main__":
    asyncio.run(main())

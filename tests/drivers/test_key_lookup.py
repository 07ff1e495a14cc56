"""A slow key store does not hold the event loop up."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import saferoute
from saferoute.errors import LocalTrustWarning, SecretNotFound
from saferoute.secrets.credentials import Credentials
from saferoute.testing import EmbeddedProvider

KEY = "sk-slow-0123456789"


@pytest.mark.timed
def test_the_loop_runs_on_while_a_key_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    where: list[str] = []
    original = Credentials.header

    def slow(self: Credentials, name: str, auth: str, origin: str) -> tuple[bytes, bytes]:
        if self.cached(name, auth, origin) is None:  # type: ignore[arg-type]
            where.append(threading.current_thread().name)
            time.sleep(3.0)
        return original(self, name, auth, origin)  # type: ignore[arg-type]

    monkeypatch.setattr(Credentials, "header", slow)

    async def scenario(port: int) -> float:
        longest, last = 0.0, time.monotonic()
        servers = [saferoute.loopback("row", port=port, secret="row")]
        secrets = saferoute.Secrets.of({"row": (KEY, f"http://127.0.0.1:{port}")})
        async with saferoute.AsyncClient.local(servers=servers, secrets=secrets) as client:
            call = asyncio.create_task(client.chat("row/m", "hi"))
            while not call.done():
                await asyncio.sleep(0.001)
                now = time.monotonic()
                longest, last = max(longest, now - last), now
            assert call.result().text == "You said: hi"
            await client.chat("row/m", "again")
        return longest

    with EmbeddedProvider(api_key=KEY) as provider, pytest.warns(LocalTrustWarning):
        longest = asyncio.run(scenario(provider.port))
    assert longest < 2.0
    assert len(where) == 1
    assert where[0] != "MainThread"


def test_a_missing_key_is_the_same_error() -> None:
    async def scenario() -> None:
        servers = [saferoute.loopback("row", port=9, secret="row")]
        async with saferoute.AsyncClient.local(servers=servers, secrets=saferoute.Secrets.of({})) as client:
            await client.chat("row/m", "hi")

    with pytest.raises(SecretNotFound, match="row"), pytest.warns(LocalTrustWarning):
        asyncio.run(scenario())

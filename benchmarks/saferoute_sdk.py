"""saferoute for the peer benchmark: link or copy this file into a scratch copy of that folder's `adapters/`.

Lines to add there (see benchmarks/README.md):
    peers.txt   saferoute | PATH/TO/CHECKOUT
    suite.txt   saferoute       | saferoute | saferoute_sdk.py:Sync  | sync  | q
                saferoute async | saferoute | saferoute_sdk.py:Async | async | q
            saferoute, guards       | saferoute | saferoute_sdk.py:SyncGuarded  | sync  | q
            saferoute async, guards | saferoute | saferoute_sdk.py:AsyncGuarded | async | q
            saferoute, capability       | saferoute | saferoute_sdk.py:SyncCapable  | sync  | q
            saferoute async, capability | saferoute | saferoute_sdk.py:AsyncCapable | async | q
            saferoute, all              | saferoute | saferoute_sdk.py:SyncAll  | sync  | q
            saferoute, all, in files    | saferoute | saferoute_sdk.py:SyncKept | sync  | q
"""

import tempfile
import warnings
from urllib.parse import urlsplit

import saferoute

KEY = "sk-test-000000000000000000000000000000000000000000000000"
ROUTE = "mock/gpt-4o-mini"


def held():
    """An issuer, and a capability of its own for every call: expiry, models, providers, scope, a bound on output and names of tools."""
    issuer = saferoute.Issuer.generate("bench")
    minted = saferoute.Capability.mint(
        issuer, audience="local", expires_in=3600, models="gpt-4o-mini", providers="mock", scope="process", max_output_tokens=4000
    )
    return issuer, minted.attenuate(tools=[*(f"tool_{n}" for n in range(50)), "get_weather"])


def local(cls, base, guards, ledger, *, capable):
    """A client whose table has one row: the mock, with a key that it must present."""
    url = urlsplit(base)
    server = saferoute.loopback("mock", port=url.port, path=url.path + "/v1", secret="mock")
    secrets = saferoute.Secrets.of({"mock": (KEY, f"http://127.0.0.1:{url.port}")})
    with warnings.catch_warnings(action="ignore"):
        issuer, capability = held() if capable else (None, None)
        issuers = [issuer] if capable else []
        return cls.local(servers=[server], secrets=secrets, issuers=issuers, capability=capability, guards=guards, ledger=ledger)


class Sync:
    ASYNC = False
    GUARDS = None
    LEDGER = None
    CAPABLE = False

    def __init__(self, base):
        self.client = local(saferoute.Client, base, self.GUARDS, self.LEDGER, capable=self.CAPABLE)

    def chat(self, messages):
        return self.client.chat(ROUTE, messages).text

    def chat_tools(self, messages, tools):
        return self.client.chat(ROUTE, messages, tools=tools).tool_calls[0].arguments

    def stream(self, messages):
        with self.client.stream(ROUTE, messages) as stream:
            for event in stream:
                if event.type == "text":
                    yield event.text


class Async:
    ASYNC = True
    GUARDS = None
    LEDGER = None
    CAPABLE = False

    def __init__(self, base):
        self.client = local(saferoute.AsyncClient, base, self.GUARDS, self.LEDGER, capable=self.CAPABLE)

    async def chat(self, messages):
        return (await self.client.chat(ROUTE, messages)).text

    async def chat_tools(self, messages, tools):
        return (await self.client.chat(ROUTE, messages, tools=tools)).tool_calls[0].arguments

    async def stream(self, messages):
        async with self.client.stream(ROUTE, messages) as stream:
            async for event in stream:
                if event.type == "text":
                    yield event.text


class SyncGuarded(Sync):
    GUARDS = ()


class AsyncGuarded(Async):
    GUARDS = ()


class SyncCapable(Sync):
    CAPABLE = True


class AsyncCapable(Async):
    CAPABLE = True


class SyncAll(Sync):
    GUARDS = ()
    LEDGER = "memory"
    CAPABLE = True


class SyncKept(SyncAll):
    def __init__(self, base):
        self.LEDGER = saferoute.Ledger.directory(tempfile.mkdtemp(prefix="saferoute-bench-"), fsync="never")
        super().__init__(base)

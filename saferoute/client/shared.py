"""What a client and its narrowed parts share: the opened table, keys, accounts; and the one place where a table is exchanged."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from saferoute.call.rules import Rules
from saferoute.capabilities.chain import VerifiedChains
from saferoute.client.observing import Watch
from saferoute.drivers.accounts import open_accounts
from saferoute.drivers.entropy import fraction, unique_id
from saferoute.errors import TableRollback
from saferoute.providers.registry import codec_for
from saferoute.providers.text_memory import TextMemory
from saferoute.routing.health import Health
from saferoute.routing.rollback import advance
from saferoute.secrets.credentials import Credentials
from saferoute.values.costs import CostTally
from saferoute.values.output import output_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.drivers.accounts import Accounts
    from saferoute.drivers.ledger import Ledger
    from saferoute.providers.codec import Codec
    from saferoute.routing.opened import Opened
    from saferoute.secrets.lookup import Sources
    from saferoute.values.account import AccountStore
    from saferoute.values.limits import LimitStore
    from saferoute.values.output import JsonSchema, Output
    from saferoute.values.receipt import LedgerWriter
    from saferoute.values.target import Dialect

__all__ = ["Shared"]

_MOST_OUTPUTS = 256
_MOST_IDS = 1_024


class Shared:
    """One client's table, keys, accounts and caches.

    Attributes:
        opened: the table that calls begin with now; a call that has begun keeps its own.
        trust: how far the table's trust goes.
        sources: where keys come from.
        credentials: the keys, ready to present.
        audience: the client's name, for permissions that are not for everybody.
        chains: capabilities that were verified.
        guards: what every call passes.
        ledger: where calls are recorded; None for nowhere.
        costs: what calls cost so far.
        memory: what was read in bodies before.
        watch: who hears of its calls.
        places: what files the client was made of, for its report; empty for a local one.
    """

    __slots__ = (
        "_accounts",
        "_codecs",
        "_exchange",
        "_health",
        "_ids",
        "_instance",
        "_limits",
        "_outputs",
        "_reopen",
        "_store",
        "audience",
        "chains",
        "costs",
        "credentials",
        "guards",
        "ledger",
        "memory",
        "opened",
        "places",
        "sources",
        "trust",
        "watch",
    )  # fmt: skip

    def __init__(
        self,
        opened: Opened,
        trust: Literal["local", "production"],
        sources: Sources,
        *,
        watch: Watch | None = None,
        audience: str | None = None,
        accounts: Accounts | None = None,
        reopen: Callable[[], Opened] | None = None,
        places: dict[str, str] | None = None,
        guards: Rules | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.opened = opened
        self.trust: Literal["local", "production"] = trust
        self.sources = sources
        self.credentials = Credentials(sources, opened.table.credentials)
        self.watch = Watch() if watch is None else watch
        self.audience = audience or ("local" if trust == "local" else opened.table.name)
        self.chains = VerifiedChains()
        self.places = places or {}
        self.guards = Rules() if guards is None else guards
        self.ledger = ledger
        self.costs = CostTally()
        self.memory = TextMemory()
        # Made with the client, and not at the first call: a child that is forked off between must not begin with nothing spent.
        self._store = open_accounts(accounts)
        self._accounts = accounts
        self._limits: LimitStore | None = None
        self._health = (os.getpid(), Health(fraction))
        self._instance = (os.getpid(), unique_id())
        self._codecs: dict[Dialect, Codec] = {}
        self._outputs: dict[type[Any], Output] = {}
        self._ids: dict[str, None] = {}
        self._reopen = reopen
        self._exchange = threading.Lock()  # held while a table is exchanged, and not while files are read

    def reload(self) -> Opened:
        """Read and verify the files again, and put the table in place if all of it holds; else nothing changes.

        What this process works with counts as accepted, whether a state is kept in a file or not: it is never exchanged for what is older.

        Raises:
            RoutingError: something does not verify, or is older than what is in place.
            ConfigurationError: a file cannot be read, or there are none.
        """
        if self._reopen is None:
            return self.opened
        before = self.opened
        opened = self._reopen()
        with self._exchange:
            current = self.opened
            try:
                state = advance(current.state, opened.state)
            except TableRollback:
                if current is not before:  # another thread read the files later than this one, and was faster
                    return current
                raise
            if state != opened.state:
                opened = replace(opened, state=state)
            self.credentials.renew(opened.table.credentials)
            self.opened = opened  # one assignment: a call sees the old table or the new one
        return opened

    def writer(self, opened: Opened) -> LedgerWriter | None:
        """Where calls under a table are recorded: if they cannot be, they stop, unless the table or the ledger says otherwise."""
        if self.ledger is None:
            return None
        return self.ledger.for_table(stop=self.trust == "production" if opened.table.ledger is None else opened.table.ledger == "stop")

    def store(self) -> AccountStore:
        """Where budgets are counted."""
        return self._store

    def limits(self) -> LimitStore:
        """Where limits are counted; made when the first call needs it, since few tables have any."""
        if self._limits is None:
            with self._exchange:
                if self._limits is None:
                    from saferoute.drivers.accounts import open_limits  # noqa: PLC0415  as above

                    self._limits = open_limits(self._accounts, beside=self._store)
        return self._limits

    def health_here(self) -> Health:
        """What was seen of the rows; it outlives an exchange of the table, and begins anew in a forked child, whose requests are others."""
        pid, health = self._health
        if pid != os.getpid():
            self._health = (os.getpid(), Health(fraction))
            health = self._health[1]
        return health

    def own_id(self, told: str) -> str:
        """An id for an answer: the provider's, or one of ours where that is empty, or was the id of another answer of late."""
        ids = self._ids
        if not told.strip() or told in ids:
            return unique_id()
        ids[told] = None
        if len(ids) > _MOST_IDS:
            ids.pop(next(iter(ids), ""), None)  # the oldest; another thread may have been faster
        return told

    def in_force(self) -> Opened:
        """The table, status and revocations that are in place now."""
        return self.opened

    def instance(self) -> str:
        """This process's random id: another one after a fork."""
        pid, made = self._instance
        if pid != os.getpid():
            made = unique_id()
            self._instance = (os.getpid(), made)
        return made

    def codec(self, dialect: Dialect) -> Codec:
        """A dialect's codec, made once."""
        codec = self._codecs.get(dialect)
        if codec is None:
            codec = self._codecs[dialect] = codec_for(dialect)
        return codec

    def output(self, output: type[Any] | JsonSchema | None) -> Output | None:
        """What an answer must fit; of a class, made once."""
        if output is None:
            return None
        if not isinstance(output, type):
            return output_from(output)
        made = self._outputs.get(output)  # a model's schema costs more to make than a call
        if made is None:
            if len(self._outputs) >= _MOST_OUTPUTS:  # classes made anew for every call must not pile up
                self._outputs.clear()
            made = self._outputs[output] = output_from(output)
        return made

    def close(self) -> None:
        """Let go of the accounts and the limits."""
        self._store.close()
        if self._limits is not None:
            self._limits.close()

"""What a call is prepared against."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from saferoute.call.recording import Common, Recording, facts_of, templates_in, texts_asked
from saferoute.call.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.call.authority import Authority, Powers
    from saferoute.call.balancing import Balancing
    from saferoute.guards.approval import Approved
    from saferoute.providers.codec import Codec
    from saferoute.providers.text_memory import TextMemory
    from saferoute.routing.health import Health
    from saferoute.routing.opened import Opened
    from saferoute.values.account import AccountStore
    from saferoute.values.limits import LimitStore
    from saferoute.values.receipt import LedgerWriter
    from saferoute.values.request import ChatRequest, DataLabel
    from saferoute.values.target import Dialect

__all__ = ["Snapshot"]

_NO_TAGS: Final[Mapping[str, Any]] = MappingProxyType({})
_DAY: Final = 86_400
_CALL_ID: Final = 32  # hexadecimal digits
_NO_GUARDS: Final = Rules()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a call is prepared against; a later reload does not reach a call that has begun.

    Attributes:
        opened: the verified routing table, and what was verified with it.
        authority: what calls are made under.
        accounts: gives the store where budgets are counted.
        data: label of calls that carry none of their own.
        purpose: what the calls are for; None for not said.
        clock: the wall clock, in seconds since the epoch.
        codec: finds a dialect's codec.
        random: makes numbers in [0, 1).
        new_id: gives an answer its id: the provider's own, or a unique one where that is empty or was given before.
        plain: what the choice of rows goes by where the table says nothing about a name.
        limits: gives the store where limits are counted.
        current: gives what is in force by now; a reload may have brought another.
        tags: of calls; a call's own come on top.
        guards: what every call passes.
        strict: gives these under the profiles of that name; None where the table has none.
        ledger: where calls are recorded; None for nowhere.
        table_facts: which table that is, for records.
        add_cost: counts what attempts cost.
        memory: what the client has read in bodies before; None for nothing.
        common: what the records of its calls have in common.
    """

    opened: Opened
    authority: Authority
    accounts: Callable[[], AccountStore]
    data: DataLabel | None
    purpose: str | None
    clock: Callable[[], float]
    codec: Callable[[Dialect], Codec]
    random: Callable[[], float]
    new_id: Callable[[str], str]
    plain: Balancing
    limits: Callable[[], LimitStore]
    current: Callable[[], Opened]
    tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)
    guards: Rules = _NO_GUARDS
    strict: Callable[[frozenset[str]], Rules] | None = None
    ledger: LedgerWriter | None = None
    table_facts: Mapping[str, Any] = field(default_factory=lambda: _NO_TAGS)
    add_cost: Callable[..., None] | None = None
    memory: TextMemory | None = None
    common: Common = field(default_factory=Common)

    def tagged(self, tags: Mapping[str, str] | None) -> Mapping[str, str]:
        """The client's tags, with a call's own on top."""
        return {**self.tags, **tags} if tags else self.tags

    def tally(self, route: str, powers: Powers, tags: Mapping[str, str], now: float) -> Callable[..., None] | None:
        """Counts what attempts of a call cost.

        Args:
            route: the name that was asked for.
            powers: what the call is made under.
            tags: its own and the client's.
            now: the wall clock, in seconds since the epoch.
        """
        if self.add_cost is None:
            return None
        return partial(self.add_cost, route=route, capabilities=powers.blocks, tags=tags, day=int(now // _DAY))

    def recording(
        self,
        operation: str,
        route: str,
        powers: Powers,
        asked: Callable[[], bytes],
        *,
        data: str | None,
        tags: Mapping[str, str],
        templates: tuple[tuple[str, str], ...] = (),
        stream: bool = False,
    ) -> Recording | None:
        """How a call is recorded; None where nothing is.

        Args:
            operation: such as "chat".
            route: the name that was asked for.
            powers: what it is made under.
            asked: see `Recording`.
            data: its data label.
            tags: its own and the client's.
            templates: see `Recording`.
            stream: see `Recording`.
        """
        if self.ledger is None:
            return None
        call = self.new_id("")[-_CALL_ID:]
        facts = facts_of(call, operation, route, self.table_facts, capabilities=powers.digests, data=data, purpose=self.purpose, tags=tags)
        return Recording(self.ledger, facts, asked, templates, stream, common=self.common)

    def chat_recording(
        self, route: str, powers: Powers, request: ChatRequest, frozen: Approved, tags: Mapping[str, str]
    ) -> Recording | None:
        """How a chat is recorded; None where nothing is.

        Args:
            route: the name that was asked for.
            powers: what it is made under.
            request: as the caller gave it, with its templates written out.
            frozen: its texts.
            tags: its own and the client's.
        """
        asked = partial(texts_asked, frozen.plain)
        templates = templates_in(request.messages) if self.opened.table.templates or request.stream else ()
        return self.recording("chat", route, powers, asked, data=request.data, tags=tags, templates=templates, stream=request.stream)

    @property
    def health(self) -> Health:
        """What the client has seen of its rows."""
        return self.plain.health

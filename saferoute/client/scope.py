"""What a client's calls have in common: labels, purpose, and what they are narrowed by. A scope only ever gets narrower."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args
from weakref import finalize

from saferoute.capabilities.accounts import accounts_of
from saferoute.errors import ConfigurationError
from saferoute.values.options import check_options, money
from saferoute.values.permission import Budget, HeldChain, Permission
from saferoute.values.request import DataLabel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.client.capability import Capability
    from saferoute.values.account import AccountStore
    from saferoute.values.options import Money

__all__ = ["OwnBudget", "Scope", "held", "own_budget"]

_NANO = 1_000_000_000
_LONGEST_LIFE = 5 * 366 * 86_400
"""Of a process whose client has a budget: seconds."""


class OwnBudget:
    """Gives the store to a part of a client that has a budget of its own, and has the budget forgotten with the part's last call.

    A service that makes such a part for every request would else fill the store with accounts that nobody can charge any more.
    """

    __slots__ = ("__weakref__", "_above")

    def __init__(self, above: Callable[[], AccountStore], budget: Permission) -> None:
        self._above = above  # what is made of this part charges its budget too, and so keeps it
        drop = getattr(above(), "drop", None)
        if drop is not None:
            for account in accounts_of(budget, 0.0):
                finalize(self, drop, account.key).atexit = False

    def __call__(self) -> AccountStore:
        """The store."""
        return self._above()


@dataclass(frozen=True, slots=True)
class Scope:
    """What every call of a client is made with.

    Attributes:
        data: label of calls that carry none of their own.
        purpose: what the calls are for; None for not said.
        held: capabilities that every call is made under, all of them together.
        narrowed: budgets that the program gave without a capability.
        is_whole: it is the client itself, and not a part that `using` made.
        tags: words about every call; aliases may choose their rows by them.
    """

    data: DataLabel | None = None
    purpose: str | None = None
    held: tuple[HeldChain, ...] = ()
    narrowed: tuple[Permission, ...] = ()
    is_whole: bool = True
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Check every scope, however it was made."""
        if self.data is not None and self.data not in get_args(DataLabel):
            msg = f"data={self.data!r} is no data label; they are {', '.join(get_args(DataLabel))}"
            raise ConfigurationError(msg)
        if self.purpose is not None and (not isinstance(self.purpose, str) or not self.purpose):
            msg = 'purpose= takes a word such as "support"'
            raise ConfigurationError(msg)

    def within(self, capability: Capability | None, data: DataLabel | None, purpose: str | None, budget: Permission | None) -> Scope:
        """A narrower scope.

        Raises:
            ConfigurationError: for what is no capability, label or purpose, and for another purpose than the one that is set.
        """
        if purpose is not None and self.purpose not in (None, purpose):
            msg = f"this client's purpose is {self.purpose!r}, and no part of it has another: use the client that it was made from"
            raise ConfigurationError(msg)
        return replace(
            self,
            data=self.data if data is None else data,
            purpose=self.purpose if purpose is None else purpose,
            held=self.held if capability is None else (*self.held, held(capability)),
            narrowed=self.narrowed if budget is None else (*self.narrowed, budget),
            is_whole=False,
        )

    def tagged(self, tags: Mapping[str, str] | None) -> Scope:
        """The scope with further tags.

        Raises:
            RequestError: for what are no tags.
        """
        if tags is None:
            return self
        return replace(self, tags=MappingProxyType({**self.tags, **check_options({"tags": tags})["tags"]}))


def held(capability: object) -> HeldChain:
    """The chain of a capability that this process holds.

    Raises:
        ConfigurationError: for anything else.
    """
    from saferoute.client.capability import Capability  # noqa: PLC0415  only who has one pays for it

    if not isinstance(capability, Capability):
        hint = "; a call token is good for one call: client.chat(..., capability=token)" if isinstance(capability, str) else ""
        msg = f"capability= takes a saferoute.Capability, not {type(capability).__name__}{hint}"
        raise ConfigurationError(msg)
    return HeldChain(capability.chain)


def own_budget(amount: Money | None, key: str) -> Permission | None:
    """A budget that is counted in this process, for as long as it lives.

    Args:
        amount: in US dollars; None for none.
        key: a text that no other budget has.

    Raises:
        RequestError: for what is no amount.
    """
    if amount is None:
        return None
    limit = int(money(amount, "budget") * _NANO)
    ends = int(time.time()) + _LONGEST_LIFE  # a store that outlives the process may forget it then
    return Permission("the budget of this client", scope="process", budgets=(Budget(f"client:{key}", limit, expires_at=ends),))

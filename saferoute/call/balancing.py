"""Which row is asked next, within one call: strategy, health, limits and money decide among the rows that were authorised."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from saferoute.errors import (
    AllRoutesCooling,
    AuthenticationRejected,
    ContentFiltered,
    ContextWindowExceeded,
    ModelNotFound,
    PermissionDenied,
    QuotaExceeded,
    TimedOut,
)
from saferoute.routing.health import Health
from saferoute.routing.strategies import order
from saferoute.values.balancing import PLAIN_POLICY, Facts, Policy, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.call.tries import Tried
    from saferoute.errors import SaferouteError
    from saferoute.values.balancing import Cause
    from saferoute.values.limits import Draw, LimitStore
    from saferoute.values.permission import Cost
    from saferoute.values.target import Target

__all__ = ["Balancing", "Candidates", "Cap", "Throttle", "without_copies"]

_SOON: Final = 1.0
"""Seconds after which a call is told to try again where nobody knows when there is room."""

_Key: TypeAlias = tuple[str, str]

_NOTHING: Final[Mapping[Cause, tuple[Target, ...]]] = MappingProxyType({})

# The other rows may still help against these, though the same row will not.
_ELSEWHERE: Final = (AuthenticationRejected, PermissionDenied, QuotaExceeded, ModelNotFound)
_KEY_REFUSED: Final = (AuthenticationRejected, PermissionDenied)


@dataclass(frozen=True, slots=True)
class Throttle:
    """Where a call's limits are counted, and what a request takes of them.

    Attributes:
        store: counts them.
        draws: by row id, what one request there takes.
        hold: seconds after which a request counts as ended, should its process die.
    """

    store: LimitStore
    draws: Mapping[str, tuple[Draw, ...]]
    hold: float


@dataclass(frozen=True, slots=True)
class Cap:
    """What a call may cost with all its attempts, in nano-units of the one currency that its rows are priced in.

    Attributes:
        amount: the tightest bound of caller and permissions.
        worst: by row id, what one attempt there costs at most.
    """

    amount: int
    worst: Mapping[str, int]


def _no_clock() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Balancing:
    """What a call's choice of rows goes by.

    Attributes:
        policy: what the table says about the name that was asked for.
        health: what this client has seen of its rows.
        facts: what strategies look at in the call.
        fallback: rows that may take over, authorised, by cause.
        wait: wait for a row to be ready, as long as the call's allowance lasts, instead of refusing.
        throttle: None where nothing is limited.
        cap: None for no bound on money.
        clock: the wall clock, in seconds since the epoch, for messages.
        last_resort: ask a row that rests by a guess where no other is left; a copy, whose answer nobody waits for, does not.
    """

    policy: Policy = PLAIN_POLICY
    health: Health = field(default_factory=lambda: Health(_no_clock))
    facts: Facts = field(default_factory=lambda: Facts(lambda: 0))
    fallback: Mapping[Cause, tuple[Target, ...]] = field(default_factory=lambda: _NOTHING)
    wait: bool = False
    throttle: Throttle | None = None
    cap: Cap | None = None
    clock: Callable[[], float] = _no_clock
    last_resort: bool = True


class Candidates:
    """The rows of one call that may be asked, in order; made for one call and dropped with it.

    Attributes:
        rejected: the rows that were passed over when the last one was chosen.
        rests: whether one of them may be asked at any time: once something ends that is under way.
        why: why the last one was chosen, in words.
        last_resort: whether it was chosen though it rests.
    """

    __slots__ = (
        "_balancing", "_busy", "_call", "_dead", "_extended", "_health", "_keys", "_listed", "_main", "_narrow", "_order", "_spent",
        "_tried", "last_resort", "rejected", "rests", "why",
    )  # fmt: skip

    def __init__(self, call: Tried, now: float) -> None:
        balancing, targets = call.balancing, call.targets
        policy = balancing.policy
        if len(targets) > 1 and policy.strategy != "ordered":
            targets = order(targets, policy, balancing.health.condition, balancing.facts, now, call.random)
        self._call = call
        self._balancing = balancing
        self._health = balancing.health
        self._main = self._order = targets
        self._tried: dict[_Key, int] = {}
        self._dead: set[_Key] = set()
        self._keys: set[tuple[str | None, str]] = set()
        self._busy: dict[_Key, Rejected] = {}
        self._listed: dict[_Key, Cause] = {}
        self._extended: tuple[Cause, ...] = ()
        self._spent = 0
        self._narrow = False  # the request itself was refused, so only rows that are meant for that may follow
        self.rejected: tuple[Rejected, ...] = ()
        self.rests = False
        self.why = ""
        self.last_resort = False

    def next(self, now: float) -> Target | None:
        """The row to ask now: the first in order of those that were asked least; None if none may be asked.

        Args:
            now: the driver's monotonic time.
        """
        self.last_resort = False
        if not self._tried and not self._busy:
            for target in self._order:  # nearly always the first one
                if self._health.refusal(target, now) is not None:
                    break
                self.why = self._balancing.policy.strategy if len(self._order) > 1 else "the only row"
                self.rejected = ()
                return target
        best = self._best(now)
        if (best is None or _key(best) in self._tried) and not self._narrow and self._extend("any"):
            best = self._best(now)
        if best is not None:
            self.why = self._reason(best)
        return best

    def resort(self, now: float) -> Target | None:
        """The row to ask though all of them rest: of those that are kept back by a guess alone, the one that is ready first; None for none.

        It is for a call that has asked none yet and does not wait: health steers, but a guess refuses nobody, as it may be wrong by now.

        Args:
            now: the driver's monotonic time.
        """
        best, soonest = None, inf
        for target in self._order if self._balancing.last_resort and not self._balancing.wait else ():
            refusal = self._resting(target, now)
            if refusal is None:  # it came back after this call looked
                ready = now
            elif refusal.guessed and refusal.retry_at is not None:
                ready = refusal.retry_at
            else:
                continue
            if ready < soonest:
                best, soonest = target, ready
        if best is not None:
            self.last_resort = True
            self.why = "last resort: every row rests" if len(self._order) > 1 else "last resort: the only row rests"
        return best

    def _best(self, now: float) -> Target | None:
        tried, best, fewest = self._tried, None, 0
        rejected: list[Rejected] = []
        self.rests = False
        for target in self._order:
            times = tried.get((target.id, target.model), 0)
            if best is not None and times >= fewest:
                continue
            refusal = self._ruled_out(target)
            if refusal is None:
                refusal = self._resting(target, now)
                self.rests = self.rests or (refusal is not None and refusal.retry_at is None)
            if refusal is not None:
                rejected.append(refusal)
                continue
            best, fewest = target, times
            if not times:
                break
        self.rejected = tuple(rejected)
        return best

    def _ruled_out(self, target: Target, beside: int = 0) -> Rejected | None:
        """Why a row may not be asked any more in this call, `beside` being what else of its money is under way; None if it may."""
        key = (target.id, target.model)  # models of a row that takes any share its id
        if key in self._dead:
            return Rejected(target.id, "failed in this call, in a way that another request would not change")
        if self._keys and (target.secret, target.origin) in self._keys:
            return Rejected(target.id, "its key was refused in this call")
        if self._tried and not self._affords(target, self._spent + beside):
            return Rejected(target.id, "what this call may cost does not cover another attempt there")
        return None

    def _resting(self, target: Target, now: float) -> Rejected | None:
        busy = self._busy.get((target.id, target.model)) if self._busy else None
        if busy is not None and busy.retry_at is not None and now < busy.retry_at:
            return busy
        return self._health.refusal(target, now)

    def _affords(self, target: Target, spent: int) -> bool:
        cap = self._balancing.cap
        if spent and cap is not None and spent + cap.worst.get(target.id, cap.amount) > cap.amount:
            return False
        return self._call.affords(target)

    def _reason(self, target: Target) -> str:
        key = (target.id, target.model)
        if key in self._tried:
            return "retry"
        if key in self._listed:
            return f"fallback: {self._listed[key]}"
        if self._tried or target is not self._order[0]:
            return "next in order"
        return self._balancing.policy.strategy if len(self._order) > 1 else "the only row"  # it was waited for

    def chosen(self, target: Target) -> None:
        """A request for this row is about to leave."""
        key = (target.id, target.model)
        self._tried[key] = self._tried.get(key, 0) + 1

    def was_tried(self, target: Target) -> bool:
        """Whether this call has asked this row before."""
        return (target.id, target.model) in self._tried

    def other(self, target: Target, now: float) -> Target | None:
        """A row for a hedge beside this one: another that was not asked yet, of the alias itself; None if there is none."""
        cap = self._balancing.cap
        beside = 0 if cap is None else cap.worst.get(target.id, cap.amount)  # both may be billed in full
        for one in self._main:
            if one is not target and not self.was_tried(one) and self._ruled_out(one, beside) is None and self._resting(one, now) is None:
                return one
        return None

    def spent(self, target: Target, billed: Cost | None) -> None:
        """An attempt failed that may be billed: what the provider reported, or its worst case."""
        cap = self._balancing.cap
        if cap is not None:
            self._spent += cap.worst.get(target.id, cap.amount) if billed is None else billed.amount

    def passed_over(self, target: Target, rejected: Rejected | None) -> None:
        """Nothing was sent to the row that was chosen: there was no room for it (`rejected`), or it was refused on this side."""
        key = (target.id, target.model)
        self._tried[key] -= 1
        if not self._tried[key]:
            del self._tried[key]
        if rejected is not None:
            self._busy[key] = rejected

    def failed(self, target: Target, error: SaferouteError) -> bool:
        """Take a failure into account.

        Returns:
            Whether another attempt may follow at all, at this row or at another.
        """
        retryable = bool(getattr(error, "retryable", False))
        if getattr(error, "clock", "") == "total":
            return False
        self._narrow = self._narrow or isinstance(error, ContextWindowExceeded | ContentFiltered)
        if isinstance(error, ContextWindowExceeded):
            self._dead |= {_key(one) for one in self._order if not _is_larger(one, target)}
            self._extend("context_window")
            return True
        if isinstance(error, ContentFiltered):
            self._dead |= {_key(one) for one in self._order}
            return self._extend("content_filter")
        if isinstance(error, _KEY_REFUSED) and target.secret is not None:
            self._keys.add((target.secret, target.origin))
        if not retryable:
            self._dead.add(_key(target))
        if self._narrow:
            pass  # what refused the content itself is not followed by rows that are meant for other failures
        elif isinstance(error, QuotaExceeded):
            self._extend("quota")
        elif isinstance(error, TimedOut):
            self._extend("timeout")
        return retryable or isinstance(error, _ELSEWHERE)

    def _extend(self, cause: Cause) -> bool:
        """Put a fallback list in, once: before the rows that are left, or after them for "any". Tells whether there were any."""
        if cause in self._extended:
            return False
        self._extended += (cause,)
        # A row that another list has brought keeps its place; but for these two causes no other place is left.
        again = cause in {"context_window", "content_filter"}
        rows = tuple(row for row in self._balancing.fallback.get(cause, ()) if again or _key(row) not in self._listed)
        if rows:
            keys = {_key(row) for row in rows}
            self._listed |= dict.fromkeys(keys, cause)
            self._dead -= keys - self._tried.keys()
            rest = tuple(row for row in self._order if _key(row) not in keys)
            self._order = (*rest, *rows) if cause == "any" else (*rows, *rest)
        return bool(rows)

    def ready_at(self) -> float | None:
        """When the first of the rows that were passed over may be asked, on the monotonic clock; None if that is not known of any."""
        return min((one.retry_at for one in self.rejected if one.retry_at is not None), default=None)

    def cooling(self, now: float) -> AllRoutesCooling:
        """The error for a call that found no row to ask."""
        balancing, at = self._balancing, self.ready_at()
        wait = _SOON if at is None else max(0.0, at - now)
        wait = min(wait, _SOON) if self.rests else wait
        reasons = "; ".join(f"{one.target}: {one.reason}" for one in self.rejected)
        fix = "give the call a longer timeout" if balancing.wait else "pass wait=True to wait for it within the call's timeout"
        return AllRoutesCooling(
            f"no row of {self._call.route!r} may be asked now ({reasons}): try again in {wait:.1f} s, {fix}, or give the alias rows with "
            "another key or provider",
            retry_at=balancing.clock() + wait,
        )


def _key(target: Target) -> _Key:
    return target.id, target.model


def _is_larger(one: Target, than: Target) -> bool:
    mine, other = one.profile.context_window, than.profile.context_window
    return mine is not None and other is not None and mine > other


def without_copies(balancing: Balancing) -> Balancing:
    """The same, asking one row at a time: for operations, whose plans cannot race."""
    policy = balancing.policy
    if policy.hedge is None and policy.shadow is None:
        return balancing
    return replace(balancing, policy=replace(policy, hedge=None, shadow=None))

"""Rate limits belong to a key at a provider for a family of models: who shares one, and which of them rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.values.target import Target

__all__ = ["LONGEST_REST", "MAX_GROUPS", "GroupKey", "QuotaGroups", "Resting", "asked_to_wait", "group_key", "model_family", "words_of"]

MAX_GROUPS: Final = 1024
LONGEST_REST: Final = 3600.0
"""No provider keeps us away for longer than this, in seconds, whatever it answers."""

_FIRST_REST: Final = 1.0
_LONGEST_DOUBLED: Final = 15.0
_QUOTA_REST: Final = 60.0
_JITTER: Final = 0.1
_MOST_DOUBLINGS: Final = 10

GroupKey: TypeAlias = "str | tuple[str, str, str]"
"""The table's own name of a group; or secret (or origin), provider and model family. The two cannot be mistaken for one another."""

# Dates (2025-08-07, 20250807, 08-2025, 0613, 2411), versions (v1:0, 001, @001) and "latest"; not sizes such as 32k or 70b.
_VERSION: Final = re.compile(
    r"(?<=[A-Za-z0-9.])"
    r"(?:-\d{4}-\d\d-\d\d|-\d{8}|-\d\d-\d{4}|-\d{4}|-0\d\d|[-:@]latest|-v\d+(?::\d+)?|@[A-Za-z0-9._-]+)\Z"
)  # fmt: skip
_MOST_VERSIONS: Final = 3  # such as claude-x-20250929-v1:0


def model_family(model: str) -> str:
    """A model's name without a trailing date or version: providers count the versions of one model together."""
    for _ in range(_MOST_VERSIONS):
        shorter = _VERSION.sub("", model)
        if shorter == model:
            break
        model = shorter
    return model


def group_key(target: Target) -> GroupKey:
    """Which rate limit a row counts towards: what the table says, or its key, provider and model family."""
    return target.quota_group or (target.secret or target.origin, target.provider_name, model_family(target.model))


def words_of(key: GroupKey) -> str:
    """A group in words; a key appears by its name only."""
    return key if isinstance(key, str) else " ".join(key)


def asked_to_wait(retry_after: float | None) -> float:
    """The seconds that a provider asked us to wait, within bounds; 0.0 where it asked for nothing that can be waited for."""
    if retry_after is None or not retry_after > 0.0:  # also what is no number
        return 0.0
    return min(retry_after, LONGEST_REST)


@dataclass(frozen=True, slots=True)
class Resting:
    """What a group's last refusal led to.

    Attributes:
        until: monotonic time until which its rows are not asked.
        refusals: how many in a row; requests that left before the last one was known are not counted again.
        since: when the last one was counted.
        quota: the account's quota is used up, which is more than a rate limit.
        asked: monotonic time until which the provider itself said that it will not answer; what of `until` is beyond it is a guess.
    """

    until: float = -inf
    refusals: int = 0
    since: float = -inf
    quota: bool = False
    asked: float = -inf


_NEVER: Final = Resting()


class QuotaGroups:
    """The groups that were refused of late. Its owner holds a lock around changes; reading needs none.

    Attributes:
        until: no group rests beyond this monotonic time.
    """

    __slots__ = ("_resting", "until")

    def __init__(self) -> None:
        self._resting: dict[GroupKey, Resting] = {}
        self.until = -inf

    def __len__(self) -> int:
        return len(self._resting)

    def resting(self, key: GroupKey, now: float) -> Resting | None:
        """What keeps a group from being asked now; None for nothing."""
        found = self._resting.get(key)
        # Further away than any rest is a clock that was set back.
        return found if found is not None and 0.0 < found.until - now <= LONGEST_REST else None

    def refused(self, key: GroupKey, now: float, began: float, wait: float, random: Callable[[], float]) -> None:
        """A request that left at `began` was over the rate limit.

        Args:
            key: its group.
            now: monotonic seconds.
            began: when it left.
            wait: as `asked_to_wait` makes it; 0.0 doubles what the group waited before.
            random: makes a number in [0, 1); asked only where nothing says how long to wait.
        """
        before = self._resting.get(key, _NEVER)
        # All that was under way together is refused together: that is one refusal, or ten calls would make a wait of minutes.
        together = began <= before.since <= now
        refusals = before.refusals if together else before.refusals + 1
        if wait:
            self._rest(key, now, wait, refusals, quota=False, asked=True)
        elif not together:
            doubled = min(_FIRST_REST * 2.0 ** min(refusals - 1, _MOST_DOUBLINGS), _LONGEST_DOUBLED)
            self._rest(key, now, doubled * (1 - _JITTER + 2 * _JITTER * random()), refusals, quota=False, asked=False)

    def used_up(self, key: GroupKey, now: float, wait: float) -> None:
        """The quota or credit behind a group is used up; `wait` as `asked_to_wait` makes it."""
        self._rest(key, now, wait or _QUOTA_REST, self._resting.get(key, _NEVER).refusals, quota=True, asked=bool(wait))

    def succeeded(self, key: GroupKey, now: float, began: float) -> None:
        """A request that left at `began` was answered: what comes next is a first refusal again, and a rest that we guessed is over."""
        before = self._resting.get(key)
        if before is None or began <= before.since <= now:
            return
        if self.resting(key, now) is not None and now < before.asked:
            self._resting[key] = Resting(before.asked, 0, before.since, before.quota, before.asked)
        else:
            del self._resting[key]

    def _rest(self, key: GroupKey, now: float, seconds: float, refusals: int, *, quota: bool, asked: bool) -> None:
        until = now + seconds
        said = until if asked else -inf
        longer = self.resting(key, now)
        if longer is not None:
            said = max(said, longer.asked)
            if longer.until > until:
                until, quota = longer.until, longer.quota
        if key not in self._resting and len(self._resting) >= MAX_GROUPS:
            # Many names through a row that takes any model: what has been over for longest goes, then what is over soonest. An eighth at a
            # time, as looking for them takes longer than all else that is done under the owner's lock.
            for one in sorted(self._resting, key=lambda one: self._resting[one].until)[: MAX_GROUPS // 8]:
                del self._resting[one]
        self._resting[key] = Resting(until, refusals, now, quota, said)
        self.until = max(self.until, until)

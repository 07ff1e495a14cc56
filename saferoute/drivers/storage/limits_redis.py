"""Limits in a Redis server: for all hosts that reach it. One script to take and one to release, which the server runs as one step each.

The server's clock is the time, and it never goes back here: where it is set back, or a replica with another clock takes over, time goes on
from the latest moment that was counted. Keys end by themselves when nothing in them counts any more. What cannot be seen: a server that
lost what it had (a restart without persistence, FLUSHALL) gives out its limits once more in that minute.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Protocol

from saferoute.drivers.storage.accounts_redis import connected_pool, installed, reason, why_refused
from saferoute.errors import ConfigurationError
from saferoute.routing.windows import GUESS, LIFE, PERIOD, asked_of, check_draws, check_used
from saferoute.values.limits import Busy, Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.drivers.accounts import RedisServer
    from saferoute.values.limits import Draw, Quota
    from saferoute.values.permission import Scope

__all__ = ["RedisLimits"]

# All keys share the "{...}" of their names, so that a cluster keeps them on one node. Counts go through HINCRBY, which is exact; a moment
# is written with 17 digits, which is exact too.
_HEAD: Final = f"""
local PERIOD, LIFE, KEPT, JITTER = {PERIOD}, {LIFE}, {(LIFE + 2) * 1000}, 1
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local function text(number) return string.format('%.17g', number) end
local seen = redis.call('HMGET', KEYS[1], 'newest', 'ahead')
local newest, ahead = tonumber(seen[1] or now), tonumber(seen[2] or 0)
now = now + ahead
if now < newest - JITTER then redis.call('HSET', KEYS[1], 'ahead', text(ahead + (newest - now))) end
if now < newest then now = newest end
local slot = math.floor(now)
local oldest = slot - PERIOD
local function keep(key, milliseconds)
  if milliseconds > redis.call('PTTL', key) then redis.call('PEXPIRE', key, string.format('%.0f', milliseconds)) end
end
local function add(key, amount)
  redis.call('HINCRBY', key, string.format('%.0f', slot), string.format('%.0f', amount))
  keep(key, KEPT)
end
"""

# KEYS: the clock, the lease, and for each draw its limit's. ARGV: now, the lease's id, hold, and four for each draw.
_ACQUIRE: Final = (
    _HEAD
    + f"local GUESS = {GUESS}"
    + """
local id, hold = ARGV[2], tonumber(ARGV[3])
local busy, longest = 0, 0
for i = 3, #KEYS do
  local at = 4 + (i - 3) * 4
  local limit, asked, wait = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3]), 0
  local need = math.min(asked, limit)
  if ARGV[at] == 'concurrent' then
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', text(now))
    if redis.call('ZCARD', KEYS[i]) + need > limit then wait = GUESS end
  else
    local found, slots, taken = redis.call('HGETALL', KEYS[i]), {}, 0
    for f = 1, #found, 2 do
      local from, amount = tonumber(found[f]), tonumber(found[f + 1])
      if from < oldest then
        redis.call('HDEL', KEYS[i], found[f])
      else
        slots[#slots + 1] = {from, amount}
        taken = taken + amount
      end
    end
    local excess, place = taken + need - limit, 0
    if excess > 0 then table.sort(slots, function(a, b) return a[1] < b[1] end) end
    while excess > 0 do
      place = place + 1
      excess = excess - slots[place][2]
    end
    if place > 0 then wait = slots[place][1] + LIFE - now end
  end
  if wait > longest then busy, longest = i, wait end
end
if busy > 0 then return {'busy', busy - 3, text(longest)} end
local until_ = text(now + hold)
redis.call('RPUSH', KEYS[2], until_, string.format('%.0f', slot))
for i = 3, #KEYS do
  local at = 4 + (i - 3) * 4
  if ARGV[at] == 'concurrent' then
    redis.call('ZADD', KEYS[i], until_, id .. ':' .. i)
    keep(KEYS[i], hold * 1000 + 2000)
  else
    add(KEYS[i], tonumber(ARGV[at + 2]))
  end
  redis.call('RPUSH', KEYS[2], ARGV[at], KEYS[i], ARGV[at + 2])
end
keep(KEYS[2], hold * 1000 + 2000)
redis.call('HSET', KEYS[1], 'newest', text(now))
return {'ok'}
"""
)

# KEYS: the clock, the lease. ARGV: now, the lease's id, and for each draw what was used; '' leaves it as it is.
_RELEASE: Final = (
    _HEAD
    + """
local held = redis.call('LRANGE', KEYS[2], 0, -1)
if #held == 0 or tonumber(held[1]) <= now then return {'ok'} end
local count = (#held - 2) / 3
if count ~= #ARGV - 2 then return {'count', count} end
for n = 1, count do
  local at = 3 * n
  local kind, key, amount, used = held[at], held[at + 1], tonumber(held[at + 2]), tonumber(ARGV[n + 2])
  if kind == 'concurrent' then
    redis.call('ZREM', key, ARGV[2] .. ':' .. (n + 2))
  elseif used and used > amount then
    add(key, used - amount)
  elseif used and redis.call('HEXISTS', key, held[2]) == 1 then
    redis.call('HINCRBY', key, held[2], string.format('%.0f', used - amount))
  end
end
redis.call('DEL', KEYS[2])
return {'ok'}
"""
)


class _Script(Protocol):
    def __call__(self, *, keys: Sequence[str], args: Sequence[str]) -> Any: ...  # noqa: ANN401  what the server says


class _Connected:
    """The connections of one process. A child process makes its own."""

    __slots__ = ("acquire", "checked", "client", "errors", "pid", "release")

    def __init__(self, server: RedisServer, redis: Any) -> None:  # noqa: ANN401  a module that need not be installed
        self.client = redis.Redis(connection_pool=connected_pool(server, redis))
        self.pid = os.getpid()
        self.errors: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self.acquire: _Script = self.client.register_script(_ACQUIRE)
        self.release: _Script = self.client.register_script(_RELEASE)
        self.checked = False


class RedisLimits:
    """A LimitStore of the scope "cluster"; safe after a fork."""

    __slots__ = ("_clock", "_connected", "_redis", "_server")

    def __init__(self, server: RedisServer, *, clock: Callable[[], float] | None = None) -> None:
        """Describe the store; nobody is connected to before the first use.

        Args:
            server: where it is.
            clock: seconds since the epoch; None for the server's clock, which all hosts share.

        Raises:
            ConfigurationError: the package redis is not installed.
        """
        self._redis = installed()
        self._server = server
        self._clock = clock
        self._connected: _Connected | None = None

    @property
    def scope(self) -> Scope:
        """All hosts."""
        return "cluster"

    @property
    def waits(self) -> bool:
        """It waits for the network."""
        return True

    def acquire(self, draws: Sequence[Draw], hold: float) -> Lease | Busy:
        """As LimitStore.acquire.

        Raises:
            ConfigurationError: a malformed draw, or a server that cannot be reached or used.
        """
        check_draws(draws, hold)
        lease = Lease(os.urandom(16).hex())
        arguments = [lease.id, repr(float(hold))]
        for draw, asked in zip(draws, asked_of(draws), strict=True):
            arguments += draw.quota.kind, str(draw.quota.limit), str(draw.amount), str(asked)
        said = self._run("acquire", [self._lease(lease), *(self._limit(draw.quota) for draw in draws)], arguments)
        if said[0] == "busy":
            return Busy(draws[said[1]].quota, float(said[2]))
        return lease

    def release(self, lease: Lease, used: Sequence[int | None]) -> None:
        """As LimitStore.release.

        Raises:
            ConfigurationError: not one number or None for each draw, or a server that cannot be reached or used.
        """
        check_used(used, len(used))
        said = self._run("release", [self._lease(lease)], [lease.id, *("" if one is None else str(one) for one in used)])
        if said[0] == "count":
            check_used(used, said[1])

    def close(self) -> None:
        """Close this process's connections; the next use opens others."""
        connected, self._connected = self._connected, None
        if connected is not None and connected.pid == os.getpid():
            connected.client.connection_pool.disconnect()

    def _key(self, *names: str) -> str:
        return ":".join((f"{{{self._server.prefix}}}", "limits", *names))

    def _lease(self, lease: Lease) -> str:
        return self._key("lease", lease.id)

    def _limit(self, quota: Quota) -> str:
        return self._key(quota.kind, quota.key)

    def _run(self, name: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:  # noqa: ANN401  what the server says
        """Run a script.

        Returns:
            What it says: a word, and more.

        Raises:
            ConfigurationError: the server cannot be reached or used.
        """
        connected = self._connected
        if connected is None or connected.pid != os.getpid():
            # Connections of another process are left as they are: it still uses them.
            connected = self._connected = _Connected(self._server, self._redis)
        now = "" if self._clock is None else repr(float(self._clock()))
        problem = ""
        try:
            if not connected.checked:
                problem = why_refused(connected.client)
                connected.checked = not problem
            if not problem:
                script: _Script = getattr(connected, name)
                return script(keys=[self._key("clock"), *keys], args=[now, *arguments])
        except connected.errors as error:
            problem = reason(error)
        raise ConfigurationError(f"limits cannot be counted in Redis at {self._server}: {problem}")

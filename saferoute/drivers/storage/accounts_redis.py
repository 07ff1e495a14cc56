"""Accounts in a Redis server: for all hosts that reach it. One script for each operation, which the server runs as one step.

The server's clock decides what is over. Keys live until their account is over (`KEPT` seconds after its end). What would give a spent
budget anew is refused where it can be seen: a server that may throw keys out when its memory is full, and one that lost everything since
this process first asked (a restart without persistence, FLUSHALL). What cannot be seen: a replica that took over without the last
writes, a copy that was put back, and a restart without persistence before this process began; `notes` says when persistence is off.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from typing import TYPE_CHECKING, Any, Final, Protocol

from saferoute.capabilities.accounts import KEPT, MAX_AMOUNT, check_amounts, check_debits, check_nonce, ended, exceeded, is_over
from saferoute.drivers.tls import ClientTls
from saferoute.errors import ConfigurationError
from saferoute.values.account import Balance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.drivers.accounts import RedisServer
    from saferoute.values.account import Account, Debit
    from saferoute.values.permission import Scope

__all__ = ["RedisAccounts", "connected_pool", "installed", "reason", "why_refused"]

_MOST_NONCES: Final = 200_000
_CONNECTIONS: Final = 16

# All keys share the "{...}" of their names, so that a cluster keeps them on one node. Numbers stay texts or go through HINCRBY, which
# counts 64-bit integers: Lua would print large ones rounded.
_HEAD: Final = f"""
local MOST, KEPT = {MAX_AMOUNT}, {KEPT}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {{'lost'}} end
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local function keep(key, ends)
  local left = math.max(1000, math.ceil((ends + KEPT - now) * 1000))
  if left > redis.call('PTTL', key) then redis.call('PEXPIRE', key, string.format('%.0f', left)) end
end
local function standing(key)
  local found = redis.call('HMGET', key, 'spent', 'reserved', 'under_way')
  return found[1] or '0', found[2] or '0', found[3] or '0'
end
"""
_RESERVE: Final = (
    _HEAD
    + """
local taken, last = {}, 0
for i = 3, #KEYS do
  local at = 3 + (i - 3) * 3
  local limit, amount, ends = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  if ends + KEPT <= now then return {'over', i - 3} end
  local spent, reserved, under_way = standing(KEYS[i])
  local before = taken[KEYS[i]] or 0
  if tonumber(spent) + tonumber(reserved) + before + amount > limit then
    return {'full', i - 3, spent, string.format('%.0f', tonumber(reserved) + before), under_way}
  end
  taken[KEYS[i]] = before + amount
  last = math.max(last, ends)
end
for i = 3, #KEYS do
  local at = 3 + (i - 3) * 3
  redis.call('HINCRBY', KEYS[i], 'reserved', ARGV[at + 1])
  redis.call('HINCRBY', KEYS[i], 'under_way', 1)
  keep(KEYS[i], tonumber(ARGV[at + 2]))
  redis.call('RPUSH', KEYS[2], KEYS[i], ARGV[at + 1])
end
if #KEYS > 2 then keep(KEYS[2], last) end
return {'ok'}
"""
)
_SETTLE: Final = (
    _HEAD
    + """
local held = redis.call('LRANGE', KEYS[2], 0, -1)
if #held == 0 then return {'ok'} end
if #held ~= 2 * (#ARGV - 2) then return {'count', #held / 2} end
for i = 1, #held, 2 do
  local key, amount = held[i], ARGV[2 + (i + 1) / 2]
  if redis.call('EXISTS', key) == 1 then
    if held[i + 1] ~= '0' then redis.call('HINCRBY', key, 'reserved', '-' .. held[i + 1]) end
    redis.call('HINCRBY', key, 'under_way', -1)
    local spent = redis.call('HGET', key, 'spent') or '0'
    if tonumber(spent) + tonumber(amount) > MOST then
      redis.call('HSET', key, 'spent', string.format('%.0f', MOST))
    else
      redis.call('HINCRBY', key, 'spent', amount)
    end
  end
end
redis.call('DEL', KEYS[2])
return {'ok'}
"""
)
_BALANCE: Final = _HEAD + "return {'ok', string.format('%.6f', now), standing(KEYS[2])}"
_FIRST_USE: Final = (
    _HEAD
    + """
local ends, most = tonumber(ARGV[4]), tonumber(ARGV[5])
if ends <= now or ends <= tonumber(redis.call('HGET', KEYS[3], 'nonces') or '-1') then return {'ok', 0} end
local gone = redis.call('ZREVRANGEBYSCORE', KEYS[2], string.format('%.17g', now), '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
if gone[2] then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', gone[2])
  redis.call('HSET', KEYS[3], 'nonces', gone[2])
end
if redis.call('ZCARD', KEYS[2]) >= most then return {'ok', 0} end
local added = redis.call('ZADD', KEYS[2], 'NX', ARGV[4], ARGV[3])
keep(KEYS[2], ends)
return {'ok', added}
"""
)


class _Script(Protocol):
    def __call__(self, *, keys: Sequence[str], args: Sequence[str]) -> Any: ...  # noqa: ANN401  what the server says


class _Connected:
    """The connections of one process. A child process makes its own."""

    __slots__ = ("balance", "client", "epoch", "errors", "first_use", "notes", "pid", "reserve", "settle")

    def __init__(self, server: RedisServer, redis: Any) -> None:  # noqa: ANN401  a module that need not be installed
        self.client = redis.Redis(connection_pool=connected_pool(server, redis))
        self.pid = os.getpid()
        self.errors: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self.reserve: _Script = self.client.register_script(_RESERVE)
        self.settle: _Script = self.client.register_script(_SETTLE)
        self.balance: _Script = self.client.register_script(_BALANCE)
        self.first_use: _Script = self.client.register_script(_FIRST_USE)
        self.epoch = ""
        self.notes: tuple[str, ...] = ()


class RedisAccounts:
    """An AccountStore of the scope "cluster"; safe after a fork."""

    __slots__ = ("_clock", "_connected", "_epoch", "_most_nonces", "_redis", "_server")

    def __init__(self, server: RedisServer, *, clock: Callable[[], float] | None = None, most_nonces: int = _MOST_NONCES) -> None:
        """Describe the store; nobody is connected to before the first use.

        Args:
            server: where it is.
            clock: seconds since the epoch; None for the server's clock, which all hosts share.
            most_nonces: how many nonces are remembered; more are refused.

        Raises:
            ConfigurationError: the package redis is not installed.
        """
        self._redis = installed()
        self._server = server
        self._clock = clock
        self._most_nonces = most_nonces
        self._epoch = ""
        self._connected: _Connected | None = None

    @property
    def scope(self) -> Scope:
        """All hosts."""
        return "cluster"

    @property
    def waits(self) -> bool:
        """It waits for the network."""
        return True

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what this server may lose; none before the first use."""
        return () if self._connected is None else self._connected.notes

    def reserve(self, debits: Sequence[Debit]) -> str:
        """As AccountStore.reserve.

        Raises:
            BudgetExceeded: one account does not have it.
            ConfigurationError: a malformed debit, an account that ended long ago, or a server that cannot be reached or used.
        """
        check_debits(debits)
        reservation = os.urandom(16).hex()
        numbers = [str(number) for debit in debits for number in (debit.account.limit, debit.amount, debit.account.expires_at)]
        accounts = [self._account(debit.account.key) for debit in debits]
        said = self._run("reserve", [self._key("hold", reservation), *accounts], numbers)
        if said[0] == "over":
            raise ended(debits[said[1]].account)
        if said[0] == "full":
            raise exceeded(debits[said[1]], Balance(int(said[2]), int(said[3]), int(said[4])))
        return reservation

    def settle(self, reservation: str, amounts: Sequence[int]) -> None:
        """As AccountStore.settle.

        Raises:
            ConfigurationError: not one amount from 0 to 2^53 - 1 for each debit, or a server that cannot be reached or used; it stays
                reserved.
        """
        check_amounts(amounts, len(amounts))
        said = self._run("settle", [self._key("hold", reservation)], [str(amount) for amount in amounts])
        if said[0] == "count":
            check_amounts(amounts, said[1])

    def balance(self, account: Account) -> Balance:
        """As AccountStore.balance.

        Raises:
            ConfigurationError: a server that cannot be reached or used.
        """
        _, now, spent, reserved, under_way = self._run("balance", [self._account(account.key)], [])
        return Balance(0, 0, 0) if is_over(account, float(now)) else Balance(int(spent), int(reserved), int(under_way))

    def first_use(self, key: str, expires_at: float) -> bool:
        """As AccountStore.first_use.

        Raises:
            ConfigurationError: a malformed key or time, or a server that cannot be reached or used.
        """
        check_nonce(key, expires_at)
        keys = [self._key("nonces"), self._key("marks")]
        return bool(self._run("first_use", keys, [key, repr(float(expires_at)), str(self._most_nonces)])[1] == 1)

    def close(self) -> None:
        """Close this process's connections; the next use opens others."""
        connected, self._connected = self._connected, None
        if connected is not None and connected.pid == os.getpid():
            connected.client.connection_pool.disconnect()

    def _key(self, *names: str) -> str:
        return ":".join((f"{{{self._server.prefix}}}", *names))

    def _account(self, key: str) -> str:
        return self._key("account", key)

    def _run(self, name: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:  # noqa: ANN401  what the server says
        """Run a script.

        Returns:
            What it says: a word, and more.

        Raises:
            ConfigurationError: the server cannot be reached or used, or lost its accounts.
        """
        connected = self._connected
        if connected is None or connected.pid != os.getpid():
            # Connections of another process are left as they are: it still uses them.
            connected = self._connected = _Connected(self._server, self._redis)
        now = "" if self._clock is None else repr(float(self._clock()))
        problem = ""
        said: Any = None
        try:
            if not connected.epoch:
                problem = self._begin(connected)
            if not problem:
                script: _Script = getattr(connected, name)
                said = script(keys=[self._key("epoch"), *keys], args=[self._epoch, now, *arguments])
        except connected.errors as error:
            problem = reason(error)
        if said is not None and said[0] == "lost":
            problem = (
                "it lost its accounts since this process began (a restart without persistence, or FLUSHALL), so nobody knows what was "
                "spent: put its data back, or restart every process, and every budget begins anew"
            )
        if problem:
            raise ConfigurationError(f"accounts cannot be counted in Redis at {self._server}: {problem}")
        return said

    def _begin(self, connected: _Connected) -> str:
        """Look at the server once, and learn the name of the accounts that it has; the reason if it may not be used."""
        client = connected.client
        refused = why_refused(client)
        if refused:
            return refused
        if client.info("persistence").get("aof_enabled") != 1:
            connected.notes = (f"Redis at {self._server} may forget budgets when it restarts: appendonly is off",)
        client.set(self._key("epoch"), os.urandom(16).hex(), nx=True)
        connected.epoch = client.get(self._key("epoch")) or ""
        self._epoch = self._epoch or connected.epoch
        return "" if connected.epoch else "it does not keep what is written"


def connected_pool(server: RedisServer, redis: Any) -> Any:  # noqa: ANN401  a module that need not be installed
    """Connections to a server, for one process; made when they are needed."""
    return redis.BlockingConnectionPool(
        max_connections=_CONNECTIONS,
        timeout=server.timeout,
        connection_class=_tls_connection(redis, server) if server.tls else redis.Connection,
        host=server.host,
        port=server.port,
        db=server.database,
        username=server.username,
        password=None if server.password is None else server.password._bytes.decode(),  # noqa: SLF001  its one reader
        socket_timeout=server.timeout,
        socket_connect_timeout=server.timeout,
        # An operation whose answer was lost may have been done: it is not tried again.
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        protocol=2,
        decode_responses=True,
    )


def installed() -> Any:  # noqa: ANN401  a module that need not be installed
    """The package redis.

    Raises:
        ConfigurationError: it is not installed.
    """
    with contextlib.suppress(ImportError):
        import redis  # noqa: PLC0415  an extra
        import redis.backoff  # noqa: PLC0415
        import redis.retry  # noqa: PLC0415

        return redis
    raise ConfigurationError('Accounts.redis needs the package redis: pip install "saferoute-sdk[redis]"')


def why_refused(client: Any) -> str:  # noqa: ANN401  as above
    """Why a server may not be used; empty if it may."""
    memory = client.info("memory")
    policy = str(memory.get("maxmemory_policy", "unknown"))
    if memory.get("maxmemory") != 0 and policy != "noeviction":
        return f"it throws out keys when its memory is full (maxmemory-policy {policy}): set it to noeviction, or use another server"
    return ""


def _tls_connection(redis: Any, server: RedisServer) -> Any:  # noqa: ANN401  as above
    """A kind of connection that speaks TLS by our own context: the package's own obeys SSLKEYLOGFILE and SSL_CERT_FILE."""
    try:
        context = ClientTls(server.ca_pem).context()
    except ConfigurationError:
        raise ConfigurationError("the ca_pem of Accounts.redis holds no readable PEM certificate") from None

    class TlsConnection(redis.Connection):  # type: ignore[misc]
        """A connection over TLS."""

        def _connect(self) -> ssl.SSLSocket:
            plain = super()._connect()
            try:
                return context.wrap_socket(plain, server_hostname=server.host)
            except BaseException:
                plain.close()
                raise

    return TlsConnection


def reason(error: Exception) -> str:
    """Why, in our own words: a server's or the package's may hold what was sent."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, ssl.SSLError) or isinstance(error.__context__, ssl.SSLError):
        return "its certificate was not accepted, or it speaks no TLS 1.2"
    if "AuthenticationError" in kinds or "NoPermissionError" in kinds:
        return "it refuses the user name or the password, or the user may not run EVALSHA, INFO, GET and SET"
    if kinds & {"TimeoutError", "ConnectionError", "OSError"}:
        return "it cannot be reached, or did not answer in time; nothing is known to be reserved"
    word = str(error).split(" ", maxsplit=1)[0]
    return f"it says {word if word.isascii() and word.isupper() else type(error).__name__}"

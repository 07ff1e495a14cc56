"""Where budgets, calls, nonces and limits are counted (`Accounts`): a description that opens nothing and connects to nobody.

`open_accounts` and `open_limits` make the stores of it, when the client is made.
"""

from __future__ import annotations

import ipaddress
import os
import re
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from typing_extensions import override

from saferoute.drivers.storage.accounts_memory import MemoryAccounts
from saferoute.drivers.storage.limits_memory import MemoryLimits
from saferoute.errors import ConfigurationError
from saferoute.secrets.secret import Hidden

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from saferoute.values.account import AccountStore
    from saferoute.values.limits import LimitStore
    from saferoute.values.permission import Scope

__all__ = ["Accounts", "Password", "RedisServer", "open_accounts", "open_limits"]

_PREFIX: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_DATABASE: Final = re.compile(r"/?|/[0-9]{1,4}")
_LONGEST_WAIT: Final = 30.0
_PORT: Final = 6_379


class Password(Hidden):
    """A server's password; hidden as a Secret is. `RedisAccounts` is its one reader."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RedisServer:
    """Where a Redis server is, and how it is spoken to.

    Attributes:
        host: its name or address.
        port: its port.
        tls: whether to speak TLS, with the certificate and the name checked.
        database: its number.
        username: of its access list; None for the default user.
        password: None for none.
        ca_pem: roots as PEM text in place of certifi's.
        prefix: what all keys begin with, in braces.
        timeout: seconds to wait for a connection, and for an answer.
    """

    host: str
    port: int = _PORT
    tls: bool = False
    database: int = 0
    username: str | None = None
    password: Password | None = None
    ca_pem: str | None = field(default=None, repr=False)
    prefix: str = "saferoute"
    timeout: float = 2.0

    @override
    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where a client counts what is spent: make one with `memory`, `sqlite` or `redis`, and pass it as `Client(accounts=...)`.

    Attributes:
        place: what was named.
    """

    place: Literal["memory"] | Path | RedisServer

    @classmethod
    def memory(cls) -> Accounts:
        """Count in this process's memory: begins anew whenever the process does, and in each process by itself."""
        return cls("memory")

    @classmethod
    def sqlite(cls, path: str | PathLike[str]) -> Accounts:
        """Count in a file, for all processes of this user on this host. It is made when it is not there.

        Args:
            path: on a local disk, in a directory that nobody else may write in.

        Raises:
            ConfigurationError: it is not a path of a file.
        """
        text = os.fspath(path)
        if not isinstance(text, str) or not text or text.startswith((":memory:", "file:")) or "\0" in text:
            raise ConfigurationError('Accounts.sqlite takes the path of a file, such as "/var/lib/myapp/accounts.db"')
        return cls(Path(text))

    @classmethod
    def redis(cls, url: str, *, ca_pem: str | None = None, prefix: str = "saferoute", timeout: float = 2.0) -> Accounts:
        """Count in a Redis server, for all hosts that reach it. Needs `pip install "saferoute-sdk[redis]"`.

        Args:
            url: `rediss://user:password@host:6380/0`, or `redis://` without TLS, which is for loopback. It has no options: the certificate
                and the name are always checked. Special characters in the password are percent-encoded.
            ca_pem: roots as PEM text in place of certifi's.
            prefix: what all keys begin with; who shares budgets shares it.
            timeout: seconds to wait for a connection, and for an answer.

        Raises:
            ConfigurationError: not such a URL, or another malformed argument. The URL is not shown: it may hold a password.
        """
        server = _server(url)
        del url  # a traceback that shows the locals of this frame must not show the password
        if isinstance(server, str):
            raise ConfigurationError(f"Accounts.redis: {server}")
        if ca_pem is not None and not server.tls:
            raise ConfigurationError("Accounts.redis: ca_pem is for TLS: write rediss://")
        if _PREFIX.fullmatch(prefix) is None:
            raise ConfigurationError("Accounts.redis: a prefix has 1 to 64 letters, digits, '.', '_', ':' and '-'")
        if not 0 < timeout <= _LONGEST_WAIT:
            raise ConfigurationError(f"Accounts.redis: timeout is more than 0 and at most {_LONGEST_WAIT:g} seconds")
        if not server.tls and not _is_loopback(server.host):
            warnings.warn(
                f"Accounts.redis speaks to {server} without TLS: whoever is between reads the password and changes budgets; write rediss://",
                stacklevel=2,
            )
        whole = RedisServer(
            server.host, server.port, server.tls, server.database, server.username, server.password, ca_pem, prefix, float(timeout)
        )
        return cls(whole)

    @property
    def scope(self) -> Scope:
        """How widely it counts."""
        if self.place == "memory":
            return "process"
        return "host" if isinstance(self.place, Path) else "cluster"


def open_accounts(accounts: Accounts | None, *, clock: Callable[[], float] | None = None) -> AccountStore:
    """Make the store that a client counts in.

    A file is opened, and made if need be; nobody is connected to.

    Args:
        accounts: None for memory.
        clock: the wall clock, in seconds since the epoch; None for the system's, and for Redis the server's.

    Raises:
        ConfigurationError: the file is refused, or the package that a server needs is not installed.
    """
    place = "memory" if accounts is None else accounts.place
    if isinstance(place, RedisServer):
        from saferoute.drivers.storage.accounts_redis import RedisAccounts  # noqa: PLC0415  loads TLS

        return RedisAccounts(place, clock=clock)
    if isinstance(place, Path):
        from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts  # noqa: PLC0415  loads SQLite

        store = SqliteAccounts(place, clock=clock or time.time)
        store.check()
        return store
    return MemoryAccounts(clock=clock or time.time)


def open_limits(accounts: Accounts | None, *, clock: Callable[[], float] | None = None, beside: AccountStore | None = None) -> LimitStore:
    """Make the store that a client counts its limits in: where its budgets are counted.

    Nothing is opened, and nobody connected to, before the first limit is counted.

    Args:
        accounts: None for memory.
        clock: in seconds; None for the system's monotonic clock in memory, its wall clock for a file, and for Redis the server's.
        beside: the client's budgets in the same place: where that is a file, the two take turns.

    Raises:
        ConfigurationError: the package that a server needs is not installed.
    """
    place = "memory" if accounts is None else accounts.place
    if isinstance(place, RedisServer):
        from saferoute.drivers.storage.limits_redis import RedisLimits  # noqa: PLC0415  loads TLS

        return RedisLimits(place, clock=clock)
    if isinstance(place, Path):
        from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts  # noqa: PLC0415  loads SQLite
        from saferoute.drivers.storage.limits_sqlite import SqliteLimits  # noqa: PLC0415  as above

        turns = beside.turns if isinstance(beside, SqliteAccounts) else None
        return SqliteLimits(place, clock=clock or time.time, turns=turns)
    return MemoryLimits(clock=clock or time.monotonic)


def _server(url: object) -> RedisServer | str:
    """The server that a URL names, or why it names none, without showing it."""
    shape = "write it as rediss://user:password@host:port/database, with special characters percent-encoded"
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return shape
    try:
        parts = urlsplit(url)
        port = parts.port
        unquote(parts.password or "", errors="strict")
    except ValueError:
        return shape
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname or port == 0 or _DATABASE.fullmatch(parts.path) is None:
        return shape
    if parts.query or parts.fragment:
        return "the URL has no options; certificates are always checked, and the time-out is an argument"
    return RedisServer(
        parts.hostname,
        port or _PORT,
        parts.scheme == "rediss",
        int(parts.path[1:] or 0),
        unquote(parts.username) if parts.username else None,
        Password(unquote_to_bytes(parts.password)) if parts.password else None,
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

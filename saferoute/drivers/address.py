"""Which addresses a host may be reached at: resolve once, check every address, connect to one of those that were checked.

Checking a name and then letting a library resolve it again is what DNS rebinding lives on. Here the name is resolved by us, and
what is connected to afterwards is an address, never the name.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from saferoute.errors import AddressRefused, ConfigurationError
from saferoute.values.origin import METADATA_ADDRESSES

if TYPE_CHECKING:
    from saferoute.values.http import NetClass

__all__ = ["AddressRule", "Resolver", "look_up", "resolve_with_system"]

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""From host and port to IP addresses, best first. Raises OSError when there are none."""

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def _networks(*blocks: str) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(block) for block in blocks)


# Not `is_global`: the standard library calls some 6to4 and NAT64 addresses global, and its tables change with its version.
# IANA special-purpose registries, 2026; for IPv6 everything outside 2000::/3 is denied (NAT64's 64:ff9b::/96 and 64:ff9b:1::/48, unique
# local, link-local and multicast addresses among it), so only exceptions within it are listed.
_IPV6_UNICAST = ipaddress.IPv6Network("2000::/3")
_SPECIAL = _networks(
    "0.0.0.0/8",  # this network; connecting to it means loopback on many systems
    "10.0.0.0/8",
    "100.64.0.0/10",  # carrier-grade NAT; some clouds keep a metadata service here
    "127.0.0.0/8",
    "168.63.129.16/32",  # a cloud's host agent, reachable from every machine of that cloud
    "169.254.0.0/16",  # link-local: metadata services
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "2001::/23",  # holds Teredo (2001::/32), benchmarking and ORCHID blocks
    "2001:db8::/32",
    "2002::/16",  # 6to4: carries an IPv4 address that nobody checked
    "2620:4f:8000::/48",
    "3fff::/20",
)
# All that a private network may be made of. The signed table is held to the same, so this is for rows that were never in one.
_PRIVATE = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
# Inside those ranges, and never right: what answers a cloud's own machines. All of fd00:ec2::/32 is AWS's.
_NEVER = _networks("fd00:ec2::/32", *METADATA_ADDRESSES)
_LOOPBACK = _networks("127.0.0.0/8", "::1/128")
# What answers a cloud's own machines: instance metadata, and the credential endpoints of containers. Nothing beside them.
_METADATA = _networks("169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32")


class AddressRule:
    """What a net class allows, compiled once."""

    __slots__ = ("_kind", "_private")

    def __init__(self, net: NetClass) -> None:
        """Compile a net class.

        Raises:
            ConfigurationError: a CIDR block that is none.
        """
        self._kind = net.kind
        try:
            self._private = _networks(*net.networks)
        except ValueError:
            raise ConfigurationError("a net class lists something that is not a CIDR block, such as 10.1.0.0/16") from None

    def check(self, host: str, addresses: Sequence[str]) -> tuple[str, ...]:
        """Pass the addresses on if every one of them is allowed.

        One bad address refuses the host: an attacker who controls the name needs only one to be taken.

        Raises:
            AddressRefused: naming the address and the rule.
        """
        for text in addresses:
            if not self.allows(text):
                raise AddressRefused(
                    f"{host} resolves to {text[:60]}, which is no {self._kind} address, so nothing was sent. If that server is meant, the "
                    f"routing table must give its route the net class that fits (loopback, or private with its networks)"
                )
        return tuple(addresses)

    def allows(self, text: str) -> bool:
        """Say whether one address is within the net class."""
        try:
            address = _unwrap(ipaddress.ip_address(text))
        except ValueError:
            return False
        if getattr(address, "scope_id", None):  # fe80::1%eth0
            return False
        if self._kind == "loopback":
            return _within(address, _LOOPBACK)
        if self._kind == "metadata":
            return _within(address, _METADATA)
        if self._kind == "private":
            return _within(address, self._private) and _within(address, _PRIVATE) and not _within(address, _NEVER)
        if address.version == 6 and address not in _IPV6_UNICAST:  # noqa: PLR2004
            return False
        return not _within(address, _SPECIAL)


def _unwrap(address: _Address) -> _Address:
    """::ffff:127.0.0.1 is 127.0.0.1."""
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address


def _within(address: _Address, networks: tuple[_Network, ...]) -> bool:
    return any(address in network for network in networks)


def resolve_with_system(host: str, port: int) -> list[str]:
    """Ask the system's resolver; blocking.

    Raises:
        OSError: no such host, or no resolver.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def look_up(resolver: Resolver, host: str, port: int, done: Callable[[Sequence[str] | Exception], None]) -> None:
    """Resolve in a thread of its own, because a system resolver cannot be given a time limit; `done` gets addresses or the error.

    The thread is a daemon: a resolver that hangs holds up neither the caller nor the end of the process.
    """

    def work() -> None:
        try:
            result: Sequence[str] | Exception = resolver(host, port)
        except Exception as error:  # noqa: BLE001  handed on to whoever asked
            result = error.with_traceback(None)
        done(result)

    threading.Thread(target=work, name="saferoute-lookup", daemon=True).start()

"""Where a row may send calls: the rules on its origin and net class, beyond the one spelling that `parse_origin` accepts.

- net public: https, and a name (the connected address is checked at connect time)
- net loopback: 127.0.0.1, [::1] or localhost; http is allowed there
- net private: https, and a name or an IP literal inside the row's networks, which lie inside the private ranges; http only where the
  row says `unsafe_plaintext`
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from saferoute.errors import ConfigurationError
from saferoute.signing.refusal import Refused
from saferoute.values.origin import METADATA_ADDRESSES, parse_origin

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_place"]

_LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
_PRIVATE = tuple(ipaddress.ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
# Some of these lie inside the private ranges.
_METADATA = tuple(ipaddress.ip_address(address) for address in METADATA_ADDRESSES)
# Names that stand for this machine or for a cloud's metadata service.
_LOCAL_SUFFIXES = (".localhost", ".localdomain", ".internal", ".local")


def check_place(origin: str, net: str, networks: Sequence[str] | None, path: str, *, plaintext: bool = False) -> None:
    """Check that an origin and a net class fit together.

    Args:
        origin: as the row has it.
        net: "public", "loopback" or "private".
        networks: the row's networks; only with "private", and then at least one.
        path: where the row stands, for errors.
        plaintext: the row says that http is meant; only with http and "private".

    Raises:
        Refused: with the field's path and the reason.
    """
    try:
        place = parse_origin(origin)
    except ConfigurationError as error:
        raise Refused(f"{path}.origin: {error}") from None
    if (networks is not None) != (net == "private"):
        raise Refused(f'{path}.networks: name the networks if net is "private", and only then')
    if (place.host in _LOOPBACK_HOSTS) != (net == "loopback"):
        raise Refused(f'{path}.net: "loopback" goes with 127.0.0.1, [::1] and localhost, and only with them; the origin is {origin}')
    if plaintext and (place.scheme == "https" or net != "private"):
        raise Refused(f'{path}.unsafe_plaintext goes with an http origin and net = "private", and with nothing else')
    if place.scheme != "https" and net == "private" and not plaintext:
        raise Refused(
            f"{path}.origin: plain http is for this machine only; {origin} must be https, or the row must say unsafe_plaintext = true, and "
            "then all who listen in that network can read what is sent"
        )
    if place.scheme != "https" and net == "public":
        raise Refused(f"{path}.origin: plain http is for this machine only; {origin} must be https")
    if net == "public" and place.is_ip:
        raise Refused(f'{path}.origin: an IP address needs net = "private" and its networks')
    if net == "public" and ("." not in place.host or place.host.endswith(_LOCAL_SUFFIXES)):
        raise Refused(f'{path}.origin: {place.host} is a name of an internal network; it needs net = "private" and its networks')
    blocks = [_private_block(text, f"{path}.networks[{index}]") for index, text in enumerate(networks or ())]
    if net == "private" and place.is_ip:
        address = ipaddress.ip_address(place.host)
        if not any(address in block for block in blocks):
            raise Refused(f"{path}.origin: {place.host} is in none of the row's networks")


def _private_block(text: str, path: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        block = ipaddress.ip_network(text)
    except ValueError:
        raise Refused(f"{path} is {text!r}, which is no network such as 10.20.0.0/16") from None
    if str(block) != text:
        raise Refused(f"{path} is {text!r}; write {block}")
    if not any(block.version == outer.version and block.subnet_of(outer) for outer in _PRIVATE):  # type: ignore[arg-type]  # same version
        raise Refused(f"{path}: {text} is not inside a private range (10/8, 172.16/12, 192.168/16, fc00::/7)")
    for address in _METADATA:
        if address in block:  # False across versions
            raise Refused(f"{path}: {text} contains {address}, a cloud's metadata service; name a smaller network")
    return block

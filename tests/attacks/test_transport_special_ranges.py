"""A public name leads to an address that is not public: this machine, the network behind it, a cloud's metadata service, by any spelling.

In real life: Capital One, 2019, lost 106 million records after a request that the attacker chose reached the metadata service at
169.254.169.254. Filters are passed by with 6to4, NAT64 and IPv4-mapped spellings, and by ranges that a standard library's tables lack:
Python 3.11 calls 2002:7f00:1:: and 64:ff9b::7f00:1 global.

Guards: saferoute/drivers/address.py::if address.version == 6 and address not in _IPV6_UNICAST:  # noqa: PLR2004
Guards: saferoute/drivers/address.py::return not _within(address, _SPECIAL)
Guards: saferoute/drivers/address.py::if getattr(address, "scope_id", None):  # fe80::1%eth0
Guards: saferoute/routing/places.py::if address in block:  # False across versions
"""

from __future__ import annotations

import ipaddress

import pytest

from saferoute.drivers import address as rules
from saferoute.drivers.address import AddressRule
from saferoute.errors import ConfigurationError
from saferoute.routing.authoring import build_payload
from saferoute.values.http import NetClass
from saferoute.values.origin import METADATA_ADDRESSES
from tests.support.trust_cases import row

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Block = ipaddress.IPv4Network | ipaddress.IPv6Network

# IANA's special-purpose registries (iana-ipv4-special-registry, iana-ipv6-special-registry) as of 2026, and the address spaces that are
# not for hosts at all. Each with a block on the public side of it, if what lies next to it is public at all.
IPV4 = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip
IPV6 = [
    "::/128", "::1/128", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23",
    "2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28",
    "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
    "fec0::/10", "ff00::/8", "4000::/3", "6000::/3", "8000::/3", "a000::/3", "c000::/3", "e000::/4", "f000::/5", "f800::/6",
]  # fmt: skip
# The public address before the first and after the last of a block, where there is one.
NEIGHBOURS = [
    "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "168.63.129.15",
    "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.1.255",
    "192.0.3.0", "192.31.195.255", "192.31.197.0", "192.52.192.255", "192.52.194.0", "192.88.98.255", "192.88.100.0", "192.167.255.255",
    "192.169.0.0", "192.175.47.255", "192.175.49.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255",
    "203.0.114.0", "223.255.255.255",
    "2000::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::",
    "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::", "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", "2620:4f:8001::",
    "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
]  # fmt: skip
# One address of this machine, of a private network and of a metadata service in every spelling that carries an IPv4 address.
INSIDE = ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "168.63.129.16"]


def spellings(inside: str) -> list[str]:
    number = int(ipaddress.IPv4Address(inside))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    return [
        f"::ffff:{inside}", f"::ffff:{high}:{low}", f"0:0:0:0:0:ffff:{high}:{low}", f"::FFFF:{high}:{low}", f"::{inside}", f"::{high}:{low}",
        f"::ffff:0:{high}:{low}", f"64:ff9b::{inside}", f"64:ff9b::{high}:{low}", f"64:ff9b:1::{high}:{low}", f"64:ff9b:1:{high}:{low}::",
        f"2002:{high}:{low}::", f"2002:{high}:{low}::1", f"2001:0:{high}:{low}::", f"2001::{~number >> 16 & 0xFFFF:x}:{~number & 0xFFFF:x}",
        f"fe80::5efe:{inside}", f"::ffff:{inside}%1",
        str(number), hex(number), f"0x{high}.0x{low}", f"{oct(number >> 24)}.{number & 0xFFFFFF}", f"{inside}.", f"[{inside}]", f" {inside}",
        f"{inside}:80", f"http://{inside}", ".".join(f"{int(part):03}" for part in inside.split(".")),
    ]  # fmt: skip


def edges(block: str) -> list[str]:
    network = ipaddress.ip_network(block)
    return [str(network[0]), str(network[network.num_addresses // 2]), str(network[-1])]


@pytest.mark.parametrize("block", [*IPV4, *IPV6])
def test_no_address_of_a_special_range_is_public(block: str) -> None:
    for address in edges(block):
        assert not AddressRule(NetClass()).allows(address)
        if "." in address:
            assert not AddressRule(NetClass()).allows(f"::ffff:{address}")


@pytest.mark.parametrize("address", NEIGHBOURS)
def test_the_ranges_end_where_they_end(address: str) -> None:
    assert AddressRule(NetClass()).allows(address)


@pytest.mark.parametrize("block", [*rules._SPECIAL, rules._IPV6_UNICAST], ids=str)
def test_every_range_of_our_table_is_tested_here(block: Block) -> None:
    listed = [ipaddress.ip_network(text) for text in [*IPV4, *IPV6, "168.63.129.16/32", "2000::/3"]]
    assert block in listed


@pytest.mark.parametrize("inside", INSIDE)
def test_an_ipv4_address_in_disguise(inside: str) -> None:
    for kind in ("public", "private"):
        rule = AddressRule(NetClass(kind, ("10.20.0.0/16",) if kind == "private" else ()))  # type: ignore[arg-type]
        assert [spelling for spelling in spellings(inside) if rule.allows(spelling)] == []


def test_what_python_calls_private_is_not_public() -> None:
    """Over the ends of all its own tables, whatever this version of Python holds in them; ours are stricter, never laxer."""
    tables = [getattr(ipaddress, f"_IPv{version}Constants") for version in (4, 6)]
    networks = [network for table in tables for network in table._private_networks]
    assert len(networks) > 15
    allowed = [
        address for network in networks for address in (network[0], network[-1]) if not address.is_global and AddressRule(NetClass()).allows(str(address))
    ]  # fmt: skip
    assert allowed == []


@pytest.mark.parametrize("address", METADATA_ADDRESSES)
@pytest.mark.parametrize("kind", ["public", "loopback", "private"])
def test_no_net_class_of_a_route_holds_a_metadata_service(address: str, kind: str) -> None:
    around = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "0.0.0.0/0", "::/0") if kind == "private" else ()
    assert not AddressRule(NetClass(kind, around)).allows(address)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["fd00:ec2::", "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff"])
def test_a_whole_block_of_one_cloud_is_left_out(address: str) -> None:
    assert not AddressRule(NetClass("private", ("fd00::/16",))).allows(address)
    assert AddressRule(NetClass("private", ("fd00::/16",))).allows("fd00:ec1:ffff:ffff:ffff:ffff:ffff:ffff")
    assert AddressRule(NetClass("private", ("fd00::/16",))).allows("fd00:ec3::")


@pytest.mark.parametrize("address", [one for one in METADATA_ADDRESSES if ipaddress.ip_address(one) in ipaddress.ip_network("fc00::/7")])
@pytest.mark.parametrize("length", [8, 64, 128])
def test_no_signed_network_holds_a_metadata_service(address: str, length: int) -> None:
    block = str(ipaddress.ip_network(f"{address}/{length}", strict=False))
    first = next(one for one in METADATA_ADDRESSES if ipaddress.ip_address(one) in ipaddress.ip_network(block))
    with pytest.raises(ConfigurationError) as caught:
        build_payload([row(origin="https://llm.corp", net="private", networks=[block])], {})
    assert str(caught.value) == (
        f"this makes no routing table: table.routes[0].networks[0]: {block} contains {first}, a cloud's metadata service; name a smaller network"
    )


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("126.255.255.255", False), ("127.0.0.0", True), ("127.255.255.255", True), ("128.0.0.0", False), ("::", False), ("::1", True),
        ("::2", False), ("::ffff:127.0.0.1", True), ("::ffff:126.255.255.255", False), ("::127.0.0.1", False), ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False), ("::1%1", False), ("0.0.0.0", False), ("localhost", False),
    ],
)  # fmt: skip
def test_loopback_is_this_machine(address: str, allowed: bool) -> None:
    assert AddressRule(NetClass("loopback")).allows(address) is allowed

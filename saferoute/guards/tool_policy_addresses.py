"""Addresses in the arguments of tool calls: the host that a rule allows, and places that no model sends a tool to without one.

Two readers, for opposite purposes. `host_of` knows one spelling of a URL and refuses every other, so that what a rule allows is what every
program reads. `danger_of` reads as badly as any program might (a browser, a C library, a shell), and the worst reading counts. Neither
resolves a name: a public name that leads to a private address is for the network to refuse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import product
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from unicodedata import normalize
from urllib.parse import unquote

from saferoute.errors import ConfigurationError
from saferoute.values.origin import METADATA_ADDRESSES, parse_origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

__all__ = ["Danger", "Dangers", "danger_of", "dangers_in", "folded", "host_of", "is_url", "leads_to"]

Danger: TypeAlias = Literal["", "private", "metadata"]
"""Where a host leads: anywhere; to this machine or network; to what answers a cloud's own machines, credentials included."""

_URL: Final = re.compile(
    r"([A-Za-z]{4,5})://([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:/.*|[?#][^@]*)?", re.DOTALL
)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_MOST_PORT: Final = 65535

_INVISIBLE: Final = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
_IGNORED: Final = re.compile(f"[{_INVISIBLE}]")
_SPACES: Final = "".join(map(chr, range(0x21))) + "\u0085\u00a0\u1680\u2028\u2029"
_JUNK: Final = _SPACES + "<\"'(`"
_LEADING: Final = re.compile(f"[{_INVISIBLE}\\s\\x00-\\x20<\"'(`]+")
_FULL_STOPS: Final = {0x3002: "."}  # a dot to whoever reads names by IDNA; the two others are dots to everybody once they are normalised
_BEGIN: Final = re.compile(r"((?:[a-z][a-z0-9+.-]{0,31}:){0,4})//+([^/]{1,1024})|(?:url:)?(?:https?|ftp|wss?):/?([^/ ][^/]{0,1023})")
_WITHIN: Final = re.compile(r"//([^/?#\s\"'<>`]{1,1024})")
_BARE: Final = re.compile(r"([0-9a-f:.]{2,45}|\[[0-9a-f:.]{2,45}\]|[^\s/?#@:\[\]]{1,253})(?::\d{1,5})?(?:[/?#]\S*)?")
_SCHEME: Final = re.compile(r"(?:[a-z][a-z0-9+.-]{0,31}:){0,4}//|(?:url:)?(?:https?|ftp|wss?):")
_HOSTS: Final = re.compile(r"(?:^|@)\s*([^@?#!\s<>\"'`()]+)")
_MAYBE: Final = re.compile(r"[/\\%:.]|[0-9]{9}|0[xX]")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
_DROPPED: Final = {9: None, 10: None, 13: None}  # browsers do not see them in an address
_GRADES: Final[tuple[Danger, ...]] = ("", "private", "metadata")
_LONGEST_NAME: Final = 253
_LONGEST_ADDRESS: Final = 8192
_DEEPEST: Final = 3
_MOST_ADDRESSES: Final = 4096

_METADATA_NAMES: Final = frozenset(
    {
        "metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal", "metadata.azure.internal",
        "metadata.azure.com", "metadata.tencentyun.com", "metadata.packet.net", "metadata.platformequinix.com",
        "api.metadata.cloud.ibm.com",
    }
)  # fmt: skip
_PRIVATE_NAMES: Final = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "kubernetes.default.svc")
# Below these, a public name says itself which address it leads to, or leads to this machine.
_ANYWHERE: Final = (".localhost", ".localdomain", ".nip.io", ".sslip.io", ".xip.io", ".localtest.me", ".lvh.me")
_LINK_LOCAL: Final = tuple(map(ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", *METADATA_ADDRESSES)))
_PRIVATE: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15",
            "224.0.0.0/3", "2001::/23", "2002::/16",
        ),
    )
)  # fmt: skip
_PUBLIC_6: Final = ip_network("2000::/3")
_BEFORE_IPV4: Final = frozenset({0, 0x64_FF9B << 64})  # ::1.2.3.4 and 64:ff9b::1.2.3.4
_WORDS: Final = frozenset({"metadata", "instance-data"})  # names, but words before all; hosts only where an address says so


@dataclass(frozen=True, slots=True)
class Dangers:
    """What a text may lead to.

    Attributes:
        leads: where the text itself leads, taken for an address.
        holds_metadata: whether it holds the address of a metadata service.
    """

    leads: Danger = ""
    holds_metadata: bool = False


_NONE: Final = Dangers()


def host_of(url: str) -> tuple[str, str] | None:
    """The scheme and the host of a URL, in small letters; None for one that is not written plainly.

    Not plain are: user names, backslashes, white space, control and invisible characters, a host that is not ASCII or ends in a dot, an "@"
    before the path, and a port that is none.
    """
    match = _URL.fullmatch(url)
    if match is None or not url.isprintable() or " " in url or "\\" in url:
        return None
    scheme, host, port = match.groups()
    if port and not 0 < int(port) <= _MOST_PORT:
        return None
    return scheme.lower(), host.lower()


def leads_to(url: str, hosts: AbstractSet[str]) -> bool:
    """Whether a URL leads to one of the hosts, or below one that begins with a dot; over https, or over http to this machine.

    An address in numbers, and a name in punycode, is allowed only if it is listed letter by letter.
    """
    found = host_of(url)
    if found is None:
        return False
    scheme, host = found
    listed = host in hosts or (host.startswith("[") and host[1:-1] in hosts)
    if scheme == "http":
        return listed and host in _LOOPBACK
    if scheme != "https":
        return False
    if listed:
        return True
    try:
        if parse_origin(f"https://{host}").is_ip:
            return False
    except ConfigurationError:
        return False
    labels = host.split(".")
    return any("." + ".".join(labels[place:]) in hosts for place in range(1, len(labels)))


def is_url(text: str) -> bool:
    """Whether a program might take the text for the address of something on another machine."""
    return any(_SCHEME.match(reading.translate(_DROPPED)) is not None for reading in _readings(_head(text)))


def dangers_in(text: str) -> Dangers:
    """Where a text leads, and where the addresses that it holds lead."""
    if text.isascii() and _MAYBE.search(text) is None:
        return _NONE
    head = _head(text)
    readings = list(_readings(head))
    leads: set[Danger] = {""}
    for reading in readings:
        begin = _BEGIN.match(reading.translate(_DROPPED))
        if begin is not None and not _is_comment(*begin.groups()):
            leads.add(danger_of(begin[2] or begin[3]))
        elif (bare := _BARE.fullmatch(reading)) is not None and bare[1] not in _WORDS and danger_of(bare[1]) == "metadata":
            leads.add("metadata")
    found = {authority for reading in readings for authority in _WITHIN.findall(reading)}
    if len(head) < len(text):
        found.update(_WITHIN.findall(text.lower().replace("\\", "/")))
    # Whoever writes thousands of addresses hides one among them.
    holds = len(found) > _MOST_ADDRESSES or any(danger_of(authority) == "metadata" for authority in found)
    return Dangers(max(leads, key=_GRADES.index), holds_metadata=holds)


def _is_comment(scheme: str | None, authority: str | None, _: str | None) -> bool:
    """Whether two slashes begin a comment, "// 1. read the file": no program takes a host with a space in it, and code begins like that."""
    return scheme == "" and authority is not None and " " in re.split("[?#]", authority, maxsplit=1)[0].rpartition("@")[2]


def _head(text: str) -> str:
    """The beginning of a text: as much as any program takes for an address, behind what programs skip."""
    skipped = _LEADING.match(text)
    start = 0 if skipped is None else skipped.end()
    return text[start : start + _LONGEST_ADDRESS]


def folded(text: str) -> str:
    """A text as a careless reader sees it: small letters, no invisible characters, look-alikes of ASCII as ASCII."""
    if text.isascii():
        return text.lower()
    return _IGNORED.sub("", normalize("NFKC", _IGNORED.sub("", text)).translate(_FULL_STOPS)).casefold()


def _readings(text: str) -> Iterator[str]:
    """The text as an address, and with its percent signs read, as often as that changes it."""
    reading = folded(text)
    for _ in range(_DEEPEST + 1):
        yield reading.replace("\\", "/").lstrip(_JUNK).rstrip(_SPACES)
        further = folded(unquote(reading)) if "%" in reading else reading
        if further == reading:
            return
        reading = further


def danger_of(authority: str) -> Danger:
    """Where what stands behind the slashes of an address leads, as any program may read it.

    Args:
        authority: folded. It may go on behind the host: programs disagree where it ends, and which side of an "@" is the host.
    """
    return max((_of_host(part) for part in _HOSTS.findall(authority)), key=_GRADES.index, default="")


def _of_host(part: str) -> Danger:
    if part.count(":") > 1 and not part.startswith("["):
        host = part  # an IPv6 address without its brackets
    else:
        host = part[1:].partition("]")[0] if part.startswith("[") else part.partition(":")[0]
    host = host.rstrip(".")
    if host in _METADATA_NAMES:
        return "metadata"
    if len(host) > _LONGEST_NAME or host in _PRIVATE_NAMES or host.endswith(_ANYWHERE):
        return "private"
    return max((_of_address(address) for address in _addresses(host)), key=_GRADES.index, default="")


def _of_address(address: IPv4Address | IPv6Address) -> Danger:
    if any(address in network for network in _LINK_LOCAL):
        return "metadata"
    if any(address in network for network in _PRIVATE) or (isinstance(address, IPv6Address) and address not in _PUBLIC_6):
        return "private"
    return ""


def _addresses(host: str) -> Iterator[IPv4Address | IPv6Address]:
    """Every address that a host may be: zeros in front mean octal to some, and short forms are filled up."""
    if ":" in host:
        try:
            address = IPv6Address(host.partition("%")[0])
        except ValueError:
            return
        yield from _carried(address)
        return
    parts = host.split(".")
    if len(parts) > 4 or not all(map(_NUMBER.fullmatch, parts)):  # noqa: PLR2004  an IPv4 address
        return
    for numbers in product(*map(_numbers, parts)):
        value = numbers[-1] % (1 << 8 * (5 - len(numbers)))
        for place, number in enumerate(numbers[:-1]):
            value |= number % 256 << 8 * (3 - place)
        yield IPv4Address(value)


def _carried(address: IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """An address, or the IPv4 address that it carries."""
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if int(address) >> 32 in _BEFORE_IPV4:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)


def _numbers(part: str) -> set[int]:
    if part.startswith("0x"):
        return {int(part[2:] or "0", 16)}
    found = {int(part)}
    if part.startswith("0") and not set(part) & {"8", "9"}:
        found.add(int(part, 8))
    return found

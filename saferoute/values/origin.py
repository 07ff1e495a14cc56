"""Origins: the exact place that a key is bound to and a call may go to.

The parser accepts one spelling of an origin and refuses every other, so that comparing two origins is comparing two strings.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from typing_extensions import override

from saferoute.errors import ConfigurationError

__all__ = ["METADATA_ADDRESSES", "Origin", "parse_origin"]

METADATA_ADDRESSES = (
    "168.63.129.16",  # Azure, and public to look at
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "192.0.0.192",  # Oracle
    "100.100.100.200",  # Alibaba
    "fd00:42::42",  # Scaleway
    "fd00:100::100:200",  # Alibaba
    "fd00:a9fe:a9fe::1",  # Akamai
    "fd00:c1::a9fe:a9fe",  # Oracle
    "fd00:ec2::23",  # AWS, for pods
    "fd00:ec2::254",  # AWS
    "fd20:ce::254",  # Google
)
"""Where clouds answer their own machines, credentials included: no route leads there, in whatever network they lie."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")  # one pattern for the whole name: a table has hundreds of them
_SHAPE = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORT = {"https": 443, "http": 80}
_MAX_HOST = 253
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port, in their one canonical spelling.

    Attributes:
        scheme: "https" or "http".
        host: lower-case ASCII name, or an IP literal without brackets.
        port: 1 to 65535.
        is_ip: whether the host is an IP literal.
    """

    scheme: str
    host: str
    port: int
    is_ip: bool

    @property
    def authority(self) -> str:
        """Host and port as the Host header wants them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORT[self.scheme] else f"{host}:{self.port}"

    @override
    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_origin(text: str) -> Origin:
    """Read a canonical origin.

    Refused: user names, paths, queries, upper case, non-ASCII and punycode names, wildcards, trailing dots, default ports written
    out, and every spelling of an IP address but the canonical one (so no decimal, octal or short forms).

    Raises:
        ConfigurationError: with the reason; the text itself is shown, an origin is no secret.
    """

    def refuse(why: str) -> ConfigurationError:
        return ConfigurationError(f"{text[:120]!r} is not an origin: {why}. Write it like https://api.example.com")

    match = _SHAPE.fullmatch(text)
    if match is None:
        raise refuse("it must be scheme://host[:port], lower-case, with nothing else around it")
    scheme, host, port_text = match.groups()
    port = int(port_text) if port_text else _DEFAULT_PORT[scheme]
    if port > _MAX_PORT:
        raise refuse("the port is over 65535")
    if port_text and port == _DEFAULT_PORT[scheme]:
        raise refuse("leave out the scheme's own port")
    bare = host[1:-1] if host.startswith("[") else host
    address = _address(bare) if bare[-1].isdigit() or host.startswith("[") else None  # no address ends in a letter but one in brackets
    if address is not None:
        if str(address) != bare or (address.version == 6) != host.startswith("["):  # noqa: PLR2004
            raise refuse("the IP address is not in its canonical form")
        return Origin(scheme, bare, port, is_ip=True)
    _check_name(host, refuse)
    return Origin(scheme, host, port, is_ip=False)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _check_name(host: str, refuse: object) -> None:
    last = host[host.rfind(".") + 1 :]
    why = ""
    if host.startswith("["):
        why = "the IP address is malformed"
    elif len(host) > _MAX_HOST or _NAME.fullmatch(host) is None:
        why = "a label is empty, too long, or has a character that host names do not have"
    elif host.startswith("xn--") or ".xn--" in host:
        why = "punycode names are refused: a look-alike cannot be told from the real name"
    elif last.isdigit() or last.startswith("0x"):
        why = "a name that ends in a number is read as an IP address by some resolvers"
    if why:
        raise refuse(why)  # type: ignore[operator]

"""CONNECT: what a proxy is asked, and what it may answer. No I/O.

The proxy is told the origin's name and port and nothing else. What it answers is a status line and headers, bounded, and then silence:
the next bytes are TLS with the origin, which the proxy carries and cannot read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from saferoute.errors import ConnectFailed

if TYPE_CHECKING:
    from saferoute.drivers.transport_site import Hop, Site

__all__ = ["TunnelAnswer", "connect_request"]

_MAX_HEAD: Final = 8_192
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [\t -~\x80-\xff]*)?\r")
_FIELDS: Final = re.compile(rb"\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t -~\x80-\xff]*+\r\n)*+")
_END: Final = b"\r\n\r\n"
_OPEN: Final = 200
_WANTS_PASSWORD: Final = 407
_OWN_FAULT: Final = range(500, 600)


def connect_request(site: Site) -> bytes:
    """Ask for a connection to the origin, by name: the proxy resolves it."""
    place = f"{site.host}:{site.port}"
    return f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n\r\n".encode("ascii")


class TunnelAnswer:
    """The proxy's answer, as it arrives."""

    __slots__ = ("_proxy", "_seen", "_site")

    def __init__(self, site: Site, proxy: Hop) -> None:
        self._site = site
        self._proxy = proxy
        self._seen = b""

    def feed(self, data: bytes) -> bool:
        """Take what came, b"" for the end of the connection; return whether the tunnel is open.

        Raises:
            ConnectFailed: the proxy refused, or did not speak HTTP/1.1, or said more than it may.
        """
        if not data:
            raise self._failed("closed the connection instead of answering", retryable=True)
        self._seen += data
        line, newline, rest = self._seen.partition(b"\n")
        if newline:
            self._check_status(line)
        if len(self._seen) > _MAX_HEAD:
            raise self._failed(f"answered with more than {_MAX_HEAD} bytes")
        fields, blank, extra = (b"\r\n" + rest).partition(_END)
        if not blank:
            return False
        if _FIELDS.fullmatch(fields + b"\r\n") is None:
            raise self._failed("answered with headers that are none")
        if extra:
            raise self._failed("sent bytes of its own before the origin was spoken to")
        return True

    def _check_status(self, line: bytes) -> None:
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise self._failed("did not answer in HTTP/1.1")
        status = int(match[1])
        if status == _WANTS_PASSWORD:
            raise self._failed("wants a password (status 407), and saferoute gives none to a proxy: let it know this machine another way")
        if status != _OPEN:
            raise self._failed(f"refused to connect there (status {status})", retryable=status in _OWN_FAULT)

    def _failed(self, what: str, *, retryable: bool = False) -> ConnectFailed:
        return ConnectFailed(f"no connection to {self._site.label}: {self._proxy.label} {what}. Nothing was sent", retryable=retryable)

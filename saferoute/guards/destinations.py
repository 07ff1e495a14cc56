r"""Where a link leads: to another host, to a script, to data, or nowhere that matters; as a browser reads it, not as it is written.

Browsers drop tabs and ends of lines inside an address, take `\` for `/`, and decode entities first; markdown drops backslashes. Where two
readings differ, the worse one counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = ["Destination", "destination", "is_allowed"]

_HEAD: Final = 2048
_DROPPED: Final = dict.fromkeys(range(0x21))
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]{0,63}):(.*)", re.DOTALL)
_AUTHORITY_END: Final = re.compile(r"[/\\?#]")
_MEDIA_END: Final = re.compile(r"[;,]")
_PORT: Final = re.compile(r":\d{0,8}\Z")
_SCRIPTS: Final = frozenset({"javascript", "vbscript", "livescript", "jscript"})
# Schemes that need no slashes to lead to a host.
_NETWORK: Final = frozenset({"http", "https", "ftp", "ws", "wss"})


@dataclass(frozen=True, slots=True)
class Destination:
    """What an address is.

    Attributes:
        kind: "remote" has a host; "script" runs; "file" is one in the address itself, such as a small image, "drawing" an image that may
            hold scripts, "page" what a browser opens as a page; "local" is everything else: a path, a fragment, mail, a telephone.
        host: in small letters, without user, port and last dot; "" where readings differ, which no list of hosts allows.
    """

    kind: Literal["remote", "script", "file", "drawing", "page", "local"]
    host: str = ""


_LOCAL: Final = Destination("local")
_WORST: Final = ("script", "page", "remote", "drawing", "file", "local")


def destination(address: str) -> Destination:
    """Read an address as it stands in markdown or in an attribute, entities, escapes and all."""
    head = address[:_HEAD]
    plain = unescape(head) if "&" in head else head
    found = _read(plain)
    if "\\" not in plain:
        return found
    other = _read(_ESCAPED.sub(r"\1", plain))
    if other != found:
        found = min(found, other, key=lambda one: _WORST.index(one.kind))
    return Destination("remote") if found.kind == "remote" else found


def _read(plain: str) -> Destination:
    text = plain.translate(_DROPPED).lower()
    match = _SCHEME.match(text)
    scheme, rest = match.groups() if match else ("", text)
    if scheme in _SCRIPTS:
        return Destination("script")
    if scheme == "data":
        media = _MEDIA_END.split(rest, maxsplit=1)[0]
        if media.startswith("image/svg"):
            return Destination("drawing")
        return Destination("page" if any(word in media for word in ("html", "xml", "script")) else "file")
    slashes = len(rest) - len(rest.lstrip("/\\"))
    if slashes >= 2 or scheme in _NETWORK:  # noqa: PLR2004  //host
        return Destination("remote", _host(rest[slashes:]))
    return _LOCAL


def _host(rest: str) -> str:
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    return _PORT.sub("", authority.rpartition("@")[2]).rstrip(".")


def is_allowed(host: str, allowed: AbstractSet[str]) -> bool:
    """Whether a host is on a list, by its name, or as one below `*.name`."""
    if not host:
        return False
    if host in allowed:
        return True
    labels = host.split(".")
    return any("*." + ".".join(labels[place:]) in allowed for place in range(1, min(len(labels), 32)))

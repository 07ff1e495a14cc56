"""Friendly spellings of routes.toml: "30s", "$2.50/M", and their exact integers in the signed table."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from saferoute.signing.refusal import Refused

__all__ = ["duration", "money", "price", "written_proxy"]

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?(ms|s|m|h)")
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP"}
_MONEY = re.compile(r"([$€£]?) ?([0-9]{1,9}(?:\.[0-9]{1,9})?)(?: ([A-Z]{3}))?")
_NANO = 1_000_000_000
_COMPANY_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
_PER = {"M": 1_000_000, "K": 1_000, "token": 1}


def duration(text: object, path: str) -> int:
    """Read "500ms", "30s", "2m" or "1h" as milliseconds.

    Raises:
        Refused: for everything else.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Refused(f'{path} is {text!r}; write a duration such as "500ms", "30s", "2m" or "1h"')
    value = Decimal(match[1]) * _UNITS[match[2]]
    if value != int(value) or value < 1:
        raise Refused(f"{path} is {text!r}; the smallest step is 1 ms")
    return int(value)


def money(text: object, path: str) -> tuple[int, str]:
    """Read "$5" or "5 USD" as nano-units and a currency.

    Raises:
        Refused: for everything else; a bare number has no currency.
    """
    match = _MONEY.fullmatch(text) if isinstance(text, str) else None
    if match is None or bool(match[1]) == bool(match[3]):
        raise Refused(f'{path} is {text!r}; write an amount such as "$0.05" or "0.05 CHF"')
    return int(Decimal(match[2]) * _NANO), match[3] or _SIGNS[match[1]]


def price(text: object, path: str) -> tuple[int, str]:
    """Read "$2.50/M" (a million tokens; also /K and /token) as nano-units for one token and a currency.

    Raises:
        Refused: for everything else, and for a price that is no whole number of nano-units for one token.
    """
    amount, slash, per = text.rpartition("/") if isinstance(text, str) else ("", "", "")
    if not slash or per not in _PER:
        raise Refused(f'{path} is {text!r}; write a price such as "$2.50/M" for a million tokens')
    nano, currency = money(amount, path)
    if nano % _PER[per]:
        raise Refused(f"{path} is {text!r}; a price must be a whole number of nano-units for one token")
    return nano // _PER[per], currency


def written_proxy(raw: object, path: str) -> dict[str, Any]:
    """Read a proxy; one that is written as its origin alone is a company's: on this machine, or anywhere in the private IPv4 ranges.

    Raises:
        Refused: for what is neither a text nor a table.
    """
    if isinstance(raw, str):
        host = raw.removeprefix("https://").removeprefix("http://").partition(":")[0]
        if host in ("127.0.0.1", "localhost"):
            return {"origin": raw, "net": "loopback"}
        return {"origin": raw, "net": "private", "networks": list(_COMPANY_NETWORKS)}
    if not isinstance(raw, dict):
        raise Refused(f'{path} must be an origin such as "http://proxy.corp:3128", or {{ origin = "...", net = ["10.20.0.0/16"] }}')
    if isinstance(raw.get("net"), list):
        return {**raw, "net": "private", "networks": raw["net"]}
    return dict(raw)

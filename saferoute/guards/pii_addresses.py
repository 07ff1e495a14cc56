"""E-mail addresses, IBANs and IPv6 addresses: what begins with letters, or hangs on one character."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

from saferoute.guards.pii_bounds import LETTERS, LONGEST_IPV6, LONGEST_LOCAL, UNREAD, most_read
from saferoute.guards.pii_words import says_address, says_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["emails", "ibans", "ipv6s", "is_escaped", "is_ipv4"]

_DOMAIN: Final = re.compile(
    rf"@(?:[{LETTERS}](?:[{LETTERS}-]{{0,61}}[{LETTERS}])?\.){{1,8}}(?:[A-Za-z\u00c0-\u024f\u0370-\u052f]{{2,24}}|xn--[A-Za-z0-9-]{{2,59}})"
    rf"(?![{LETTERS}_@])"
)
_LOCAL: Final = re.compile(rf"[{LETTERS}_.%+'-]{{0,{LONGEST_LOCAL + 1}}}")  # read backwards
_LONGEST_EMAIL: Final = 254
_NOT_PEOPLE: Final = frozenset({"git", "hg", "svn"})
# "logo@2x.png" and "index@1.min.js" end like a domain; these endings are no top-level domains.
_FILE_NAMES: Final = "css csv gif gz html htm ico jpeg jpg js json jsx log map mjs pdf png svg tgz ts tsx txt wasm webp woff xml yaml yml"
_FILES: Final = frozenset(_FILE_NAMES.split())
_ESCAPE_LETTERS: Final = "nrt"

# Length of an IBAN by country: the registry of ISO 13616.
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG YE", 25: "LY PT ST",
        26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU",
        31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN: Final = re.compile(r"[A-Z](?:(?<![0-9A-Za-z_].)|(?<=\\[nrt].))[A-Z][0-9]{2}(?![ -]?[A-Z]{2}[0-9])(?:[ -]?[A-Z0-9]){11,30}")
_LETTER_VALUES: Final = {ord("A") + number: str(number + 10) for number in range(26)} | {ord(" "): "", ord("-"): ""}

_COLONS: Final = re.compile(r":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*+")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{0,4}")  # read backwards
_WORDLIKE: Final = re.compile(r"[0-9A-Za-z_:%@]")
_GROUPS: Final = 8
_DOCUMENTATION: Final = IPv6Network("2001:db8::/32")
# First groups of global, translated, unique local and link-local addresses (RFC 4291, 6052, 4193). A name such as `ace::add` has others.
_ASSIGNED: Final = (range(0x2000, 0x4000), range(0x64, 0x65), range(0xFC00, 0xFE00), range(0xFE80, 0xFEC0))

_OCTET: Final = 255
_MULTICAST: Final = 224
_BEHIND_4: Final = re.compile(r"[.+-]?[A-Za-z_]|\.?[0-9]")
_PINS: Final = ("==", ">=", "<=", "~=", "!=", "^", "~")
# Nobody's software has such numbers in its version; smaller ones need a word that says address.
_NO_MAJOR: Final = 30
_NO_PATCH: Final = 100


def is_escaped(text: str, place: int) -> bool:
    r"""Whether the letter before a place belongs to an escape, as in the two characters `\n` of a JSON text."""
    return place > 1 and text[place - 2] == "\\" and text[place - 1] in _ESCAPE_LETTERS


def emails(text: str) -> Iterator[tuple[int, int, str]]:
    """Places of e-mail addresses with their kind, in order."""
    most, end = most_read(text), 0
    for number, match in enumerate(_DOMAIN.finditer(text)):
        if number == most:
            yield end, len(text), UNREAD
            return
        at, end = match.span()
        start = _email_start(text, at)
        domain = match[0][1:].lower()
        if start == at or end - start > _LONGEST_EMAIL or domain.rpartition(".")[2] in _FILES:
            continue
        if text[start:at].lower() not in _NOT_PEOPLE and not _is_userinfo(text, start):
            yield start, end, "pii.email"


def _email_start(text: str, at: int) -> int:
    """Where the part before an @ begins; the place of the @ for none."""
    match = _LOCAL.match(text[max(0, at - LONGEST_LOCAL - 1) : at][::-1])
    length = match.end() if match else 0
    start = at - length
    if length > LONGEST_LOCAL or text[at - 1 : at] == "." or (start and text[start - 1] == "@"):
        return at
    if start and text[start - 1] == "\\" and text[start] in _ESCAPE_LETTERS:
        start += 1
    while start < at and text[start] in ".'%+-":
        start += 1
    return start


def _is_userinfo(text: str, start: int) -> bool:
    """Whether what stands before the @ is the name or the password of a URL, "https://name:password@host/"."""
    slashes = text.rfind("://", max(0, start - 128), start)
    return slashes >= 0 and not any(letter in "/?#" or letter.isspace() for letter in text[slashes + 3 : start])


def ibans(text: str) -> Iterator[tuple[int, int, str]]:
    """Places of IBANs with the length of their country and the right check digits, with their kind, in order."""
    place, left = 0, most_read(text)
    while match := _IBAN.search(text, place):
        place = match.start() + 1
        left -= 1
        if left < 0:
            yield match.start(), len(text), UNREAD
            return
        length = _IBAN_LENGTHS.get(match[0][:2], 0)
        # The letters of what follows the number may have been taken as part of it, so it is cut by the length of its country.
        end = _end_of(match[0], length) if length else 0
        if not end:
            continue
        end += match.start()
        digits = text[match.start() + 4 : end] + text[match.start() : match.start() + 4]
        if not _WORDLIKE.match(text, end) and int(digits.translate(_LETTER_VALUES)) % 97 == 1:
            yield match.start(), end, "pii.iban"
            place = end


def _end_of(found: str, length: int) -> int:
    """Where the first `length` letters and digits end; 0 if there are fewer."""
    count = 0
    for place, letter in enumerate(found, 1):
        count += letter not in " -"
        if count == length:
            return place
    return 0


def ipv6s(text: str, *, special: bool) -> Iterator[tuple[int, int, str]]:
    """Places of IPv6 addresses with their kind, in order.

    Args:
        text: the text.
        special: also loopback, unspecified, multicast and documentation addresses.
    """
    most = most_read(text)
    for number, match in enumerate(_COLONS.finditer(text)):
        if number == most:
            yield match.start(), len(text), UNREAD
            return
        before = _HEX.match(text[max(0, match.start() - 4) : match.start()][::-1])
        start = match.start() - (before.end() if before else 0)
        if match.end() - start > LONGEST_IPV6:
            continue
        found = text[start : match.end()].rstrip(".")
        if found.endswith(":") and not found.endswith("::"):
            found = found[:-1]
        end = start + len(found)
        if start and (_WORDLIKE.match(text, start - 1) or text[start - 1] in ".-") and not is_escaped(text, start):
            continue
        if not _WORDLIKE.match(text, match.end()) and _is_ipv6(found, special=special):
            yield start, end, "pii.ip"


def _is_ipv6(found: str, *, special: bool) -> bool:
    """Whether this is an address, and no clock, no hardware address and no name such as `abc::def`."""
    colons = found.count(":")
    if colons < _GROUPS - 1 and "::" not in found:
        return False
    try:
        address = IPv6Address(found)
    except AddressValueError:
        return False
    if address.ipv4_mapped is not None:
        return special or not _is_special_4(address.ipv4_mapped.packed)
    if address.is_loopback or address.is_unspecified or address.is_multicast or address in _DOCUMENTATION:
        return special
    if "::" in found:
        first = int(address) >> 112
        return any(first in block for block in _ASSIGNED)
    return any(len(group) != 2 for group in found.split(":"))  # noqa: PLR2004  eight pairs are a hardware address


def is_ipv4(text: str, start: int, end: int, *, special: bool) -> bool:
    """Whether four numbers with dots between them are an IPv4 address, and neither a version nor a section.

    Args:
        text: the text.
        start: where the first number begins.
        end: where the fourth one ends.
        special: also loopback, unspecified, multicast, reserved and documentation addresses, and masks.
    """
    parts = text[start:end].split(".")
    numbers = [int(part) for part in parts]
    if max(numbers) > _OCTET or any(len(part) > 1 and part[0] == "0" for part in parts) or _BEHIND_4.match(text, end):
        return False
    before = text[max(0, start - 2) : start]
    if before.endswith(_PINS) or (before[-1:] in {"-", "/"} and before[0].isalnum()) or says_version(text, start):
        return False
    if _is_special_4(numbers) and not special:
        return False
    return max(numbers) >= _NO_PATCH or numbers[0] >= _NO_MAJOR or says_address(text, start)


def _is_special_4(numbers: Sequence[int]) -> bool:
    """RFC 6890 without the private ranges, which tell a machine of somebody's network as well as any other address does."""
    return numbers[0] in {0, 127} or numbers[0] >= _MULTICAST or tuple(numbers[:3]) in {(192, 0, 2), (198, 51, 100), (203, 0, 113)}

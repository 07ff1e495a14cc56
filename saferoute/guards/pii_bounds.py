"""How long finds are, of which letters, and how many places of a text are looked at closely."""

from __future__ import annotations

from typing import Final

__all__ = ["LETTERS", "LONGEST_IPV6", "LONGEST_LOCAL", "LONGEST_NUMBER", "UNREAD", "most_read"]

UNREAD: Final = "pii.unread"
"""The rest of a text that has more of what might be a find than is read."""

LONGEST_LOCAL: Final = 64
"""Characters of the part of an e-mail address before the @ (RFC 5321)."""

LONGEST_IPV6: Final = 45
"""Characters of an IPv6 address, with the IPv4 address that it may end in."""

LONGEST_NUMBER: Final = 96
"""Characters that decide about a number, from its first one to the last one that is looked at behind it."""

# Latin, Greek and Cyrillic. Scripts without spaces between words would put the sentence before an address into it.
LETTERS: Final = "A-Za-z0-9\u00c0-\u024f\u0370-\u052f"
"""Members of a character class: the letters of e-mail addresses."""

_MOST: Final = 2048
_FOR_EACH: Final = 32


def most_read(text: str) -> int:
    """How many places of a text are looked at closely: what a text costs grows with its length, and not with what it is full of."""
    return _MOST + len(text) // _FOR_EACH

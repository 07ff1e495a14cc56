"""Finds what names a person or their account and can be told by its form: the guard `pii`.

E-mail addresses, telephone numbers, payment cards (issuer, length and check digit), IBANs (length of the country, check digits), US social
security numbers (ranges that are given out) and IP addresses. It makes no claim about names, addresses of houses, or dates of birth: those
take a model of language; see the adapters.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from saferoute.guards.pii_bounds import UNREAD
from saferoute.guards.pii_open import open_in_plain, open_place
from saferoute.values.guarding import ALLOWED, Action, Span, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.values.guarding import Context, Segment, Stage

__all__ = ["PII_KINDS", "PiiGuard", "find_pii", "may_hold_pii", "open_candidate"]

PII_KINDS: Final = frozenset({"pii.card", "pii.email", "pii.iban", "pii.ip", "pii.phone", "pii.ssn"})
"""Every kind that the guard can find."""

_Found: TypeAlias = tuple[int, int, str]

# What every text pays for: "A" for a capital, "0" for a digit, and nothing for what may stand between the digits of a number. No number has
# fewer than six digits but an address, which has dots beside its digits.
_FIGURES: Final = b"0123456789"
_CAPITALS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HEX: Final = _FIGURES + b"ABCDEFabcdef"
_IN_NUMBERS: Final = b" ().+/-"
_CLASSES: Final = bytes(48 if code in _FIGURES else 65 if code in _CAPITALS else code if code in b".:" else 32 for code in range(256))


_AT, _COUNTRY, _COLONS, _DIGITS = (1 << bit for bit in range(4))
_OVERLAP: Final = 128
"""Characters before new ones that are looked at with them: more than any number has."""


def may_hold_pii(text: str) -> int:
    """What a text may hold, as bits; 0 for nothing, which is then true of every part of the text."""
    plain = text.encode("ascii", "replace")
    classes = plain.translate(_CLASSES)
    looks = _AT if "@" in text else 0
    if b"AA00" in classes:
        looks |= _COUNTRY
    if b":" in classes and b"::" in plain.translate(None, _HEX):
        looks |= _COLONS
    if b"0" in classes and (b"0.0" in classes or b"000000" in plain.translate(_CLASSES, _IN_NUMBERS)):
        looks |= _DIGITS
    return looks


def find_pii(text: str, *, special_addresses: bool = False) -> list[Span]:
    """All finds in a text, in order. A number may overlap with an address behind it; nothing stands inside of another find.

    Args:
        text: up to megabytes; the time grows with its length.
        special_addresses: also loopback, unspecified, multicast and documentation addresses.

    Example:
        >>> [(span.kind, span.start, span.end) for span in find_pii("write to ada@example.org")]
        [('pii.email', 9, 24)]
    """
    looks = may_hold_pii(text)
    if not looks:
        return []
    from saferoute.guards.pii_addresses import emails, ibans, ipv6s  # noqa: PLC0415  its patterns are built for texts that need them
    from saferoute.guards.pii_numbers import numbers  # noqa: PLC0415  as above

    found: list[_Found] = []
    if looks & _AT:
        found += emails(text)
    if looks & _COUNTRY:
        found += ibans(text)
    if looks & _COLONS:
        found += ipv6s(text, special=special_addresses)
    # Digits inside of one of those are a part of it, whatever they look like.
    if len(found) > 1:
        found = _without_overlaps(sorted(found, key=lambda one: (one[0], -one[1])))
    if looks & _DIGITS:
        found += _outside(numbers(text, special=special_addresses), found)
    return [Span(start, end, kind) for start, end, kind in sorted(found)]


def _without_overlaps(found: list[_Found]) -> list[_Found]:
    kept: list[_Found] = []
    for one in found:
        if not kept or one[0] >= kept[-1][1]:
            kept.append(one)
        elif one[2] == UNREAD and one[1] > kept[-1][1]:
            kept.append((kept[-1][1], one[1], UNREAD))
    return kept


def _outside(candidates: Iterable[_Found], taken: Sequence[_Found]) -> list[_Found]:
    """Those that stand inside none of the places taken; both are in order."""
    outside: list[_Found] = []
    passed = 0
    for one in candidates:
        while passed < len(taken) and taken[passed][1] <= one[0]:
            passed += 1
        if passed == len(taken) or one[0] < taken[passed][0] or one[1] > taken[passed][1]:
            outside.append(one)
    return outside


def open_candidate(text: str, start: int = 0) -> int:
    """The earliest place where something that is not ended yet might begin; whatever comes next, what stands before it is judged.

    Args:
        text: what has arrived of a text.
        start: what stands before it was let go already.

    Returns:
        A place from `start` to the length of the text; the length if nothing is open.
    """
    return open_place(text, start, find_pii)


@dataclass(frozen=True, slots=True)
class PiiGuard:
    """Finds e-mail addresses, telephone, card, account and social security numbers, and IP addresses.

    Args:
        action: what a find asks for: FLAG, or what a profile says.
        kinds: what is looked for, of `PII_KINDS`.
        special_addresses: also loopback, unspecified, multicast and documentation addresses, which tell nothing about anybody.

    Raises:
        ValueError: for ALLOW, for no kinds, or for a kind that it cannot find.
    """

    name: ClassVar[str] = "pii"
    version: ClassVar[str] = "1"
    stages: ClassVar[frozenset[Stage]] = frozenset({"input", "tool_result", "output"})
    quick: ClassVar[bool] = True
    pure: ClassVar[bool] = True
    passes_plain: ClassVar[bool] = True

    action: Action = Action.FLAG
    kinds: frozenset[str] = PII_KINDS
    special_addresses: bool = False

    @property
    def only_flags(self) -> bool:
        """See `Active.only_flags`: unless something is to be taken out, nothing of an answer waits for this guard."""
        return self.action is Action.FLAG

    def __post_init__(self) -> None:
        if type(self.action) is not Action or self.action is Action.ALLOW:
            msg = "the action of the guard pii is FLAG, REDACT or BLOCK"
            raise ValueError(msg)
        if not self.kinds or not self.kinds <= PII_KINDS:
            msg = f"the kinds of the guard pii are some of {', '.join(sorted(PII_KINDS))}"
            raise ValueError(msg)

    def check(self, segment: Segment, context: Context) -> Verdict:  # noqa: ARG002  what was found counts at every stage
        """Judge a text.

        Args:
            segment: the text, whoever wrote it: an address is somebody's in a system prompt too.
            context: not needed.
        """
        found = find_pii(segment.text, special_addresses=self.special_addresses)
        spans = tuple(span for span in found if span.kind in self.kinds or span.kind == UNREAD) if found else ()
        if not spans:
            return ALLOWED
        counts = Counter(span.kind for span in spans)
        return Verdict(self.action, tuple(f"{kind}: {counts[kind]}" for kind in sorted(counts)), spans)

    def plain_until(self, text: str, start: int = 0, plain: int = 0) -> int:
        """See `PlainTexts`."""
        if may_hold_pii(text[plain - _OVERLAP :] if plain > _OVERLAP else text):
            return -1
        return open_in_plain(text, start)

    def open_candidate(self, text: str, start: int = 0) -> int:
        """See `open_candidate`."""
        return open_candidate(text, start)

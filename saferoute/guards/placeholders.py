"""Reversible redaction: placeholders stand for values in what a provider reads, and values stand again in what the caller reads.

A `Vault` belongs to one call and ends with it. Its placeholders, `«SR:EMAIL:1:k3f9x0ab»`, hold a nonce of the call: what another call
issued, what stood in the caller's text, or what somebody made up, means nothing here and passes as it is. Without the nonce a document
could write `«SR:EMAIL:1»` and be given the first address of whoever asks about it, so there is no shorter form. Secrets are never
restored: the vault does not even keep them.
"""

from __future__ import annotations

import re
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from saferoute.guards.json_restoring import JsonRestorer
from saferoute.guards.redacting import is_one_way
from saferoute.guards.restoring import EndsWithItsCall, Restorer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saferoute.values.guarding import Span

__all__ = ["Restorer", "Vault", "is_one_way"]

_NONCE: Final = re.compile(r"[a-z0-9]{8,32}\Z")
_SHAPED: Final = re.compile(r"«SR:[A-Z][A-Z0-9_]{0,63}:[1-9][0-9]{0,8}:[a-z0-9]{8,32}»")
_KIND: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")
_NO_LABEL: Final = re.compile(r"[^A-Z0-9]")


class Vault(EndsWithItsCall):
    """What was taken out of the texts of one call. Not for several threads at once.

    Args:
        nonce: 8 to 32 lower case letters and digits, drawn anew for each call from the system's randomness; whoever can guess it can have
            values restored where they want them.

    Raises:
        ValueError: for another nonce.

    Example:
        >>> vault = Vault("k3f9x0ab")
        >>> vault.placeholder("pii.email", "ada@example.org")
        '«SR:EMAIL:1:k3f9x0ab»'
        >>> vault.restore("I wrote to «SR:EMAIL:1:k3f9x0ab» today.")
        'I wrote to ada@example.org today.'
    """

    __slots__ = ("_counts", "_forged", "_issued", "_nonce", "_values")

    def __init__(self, nonce: str) -> None:
        if type(nonce) is not str or not _NONCE.match(nonce):
            msg = "the nonce of a vault is 8 to 32 lower case letters and digits, drawn for each call"
            raise ValueError(msg)
        self._nonce = nonce
        self._counts: Counter[str] = Counter()
        self._issued: dict[tuple[str, bytes], str] = {}
        self._values: dict[str, str] = {}
        self._forged: set[str] = set()

    @override
    def __repr__(self) -> str:
        return f"Vault({len(self._issued)} placeholders)"

    @property
    def restores(self) -> bool:
        """Whether there is a value that may be put back."""
        return bool(self._values)

    def placeholder(self, kind: str, value: str) -> str:
        """What stands for a value. The same value of the same kind has the same placeholder throughout the call.

        Args:
            kind: as a span names it, such as "pii.email".
            value: what is taken out.

        Raises:
            ValueError: for a kind that is none.
        """
        if type(kind) is not str or not _KIND.match(kind):
            msg = "a kind is a lower case name such as 'pii.email'"
            raise ValueError(msg)
        key = (kind, self._digest(value))
        if key not in self._issued:
            issued = self._next(_NO_LABEL.sub("_", kind.removeprefix("pii.").upper()))
            self._issued[key] = issued
            if not is_one_way(kind):
                self._values[issued] = value
        return self._issued[key]

    def _digest(self, value: str) -> bytes:
        return blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16, key=self._nonce.encode()).digest()

    def _next(self, label: str) -> str:
        """A placeholder that stood in no text of the call before."""
        while True:
            self._counts[label] += 1
            issued = f"«SR:{label}:{self._counts[label]}:{self._nonce}»"
            if issued not in self._forged:
                return issued

    def avoid(self, text: str) -> None:
        """Note what stands in an original text and looks like a placeholder of this call: it will never be restored to anything.

        Call it for every text of the request before the first one is redacted; what was issued already and is found in an original text
        stays unrestored everywhere, for nobody could say which of the two is meant.
        """
        if self._nonce in text:
            for match in _SHAPED.finditer(text):
                self._forged.add(match[0])
                self._values.pop(match[0], None)

    def redact(self, text: str, spans: Iterable[Span]) -> str:
        """The text with a placeholder for each place in the union of the spans.

        Overlapping spans are one, of the longest's kind; one of them that is one-way makes all of it one-way.

        Args:
            text: an original text, redacted by no vault.
            spans: places in it, in any order.

        Raises:
            ValueError: for a span that ends behind the text.
        """
        self.avoid(text)
        pieces: list[str] = []
        shown = 0
        for start, end, kind in _union(spans):
            if end > len(text):
                msg = "a span ends behind the text that it is about"
                raise ValueError(msg)
            pieces += (text[shown:start], self.placeholder(kind, text[start:end]))
            shown = end
        pieces.append(text[shown:])
        return "".join(pieces)

    def restore(self, text: str) -> str:
        """The text with values for placeholders of this call, where that cannot carry a value away; see `Restorer`."""
        restorer = self.restorer()
        return restorer.feed(text) + restorer.close()

    def restorer(self) -> Restorer:
        """The same for one text that arrives in pieces; it knows what was issued up to now."""
        return Restorer(self._values)

    def json_restorer(self) -> JsonRestorer:
        """The same for a text that is JSON."""
        return JsonRestorer(self._values)


def _union(spans: Iterable[Span]) -> list[tuple[int, int, str]]:
    groups: list[list[Span]] = []
    end = 0
    for span in sorted(span for span in spans if span.start < span.end):
        if groups and span.start < end:
            groups[-1].append(span)
        else:
            groups.append([span])
        end = max(end, span.end)
    return [
        (group[0].start, max(span.end for span in group), max(group, key=lambda span: (is_one_way(span.kind), span.end - span.start)).kind)
        for group in groups
    ]

"""What extractors have read before. Tools are most of many a body, and the same bytes in every call: they are not taken apart each time.

JSON is compositional: what a value's text means does not depend on what stands around it. So a body that has the bytes of a value which was
read before is read with a short mark in their place, and the texts that were found in them go where the mark stands. That must prove the
same as reading all of it, for any body that anybody could have written. It does where

- what is left is canonical: exactly what our writer writes for its value. Then nothing in it has two readings, no key comes twice, and a
  text that says the mark has the mark's bytes;
- the value under the key is the mark; and
- the bytes of the mark come once. Then the place they were put in, and the key's value, are one and the same.

The written form of an object is that of its values, with something around each that does not depend on it. So the body is what our writer
writes for what was read, with the remembered value in the mark's place. Any doubt, and the body is read as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from saferoute.values.json import encode
from saferoute.values.json_exact import decode_canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.providers.text_rules import Rule
    from saferoute.providers.wire_text import WireText

__all__ = ["Known", "TextMemory"]

_MARK: Final = "saferoute has read this before"
_MARKED: Final = b'"saferoute has read this before"'
_MOST: Final = 4
_LEAST_BYTES: Final = 512  # what is shorter is read as fast as it is found
_MOST_BYTES: Final = 262_144


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A value of a body that was read before.

    Attributes:
        rule: what read the body.
        written: the value's bytes, as our writer writes it.
        texts: what the rule found in it.
    """

    rule: Rule
    written: bytes
    texts: tuple[WireText, ...]


class TextMemory:
    """One client's memory: the last few values, each of bounded size. What it keeps is only exchanged, never changed: threads share it.

    It keeps what bytes say, which is true whoever wrote them. What may be said is compared with what was approved for every call.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: tuple[Known, ...] = ()

    def recall(self, rule: Rule, key: str, body: bytes) -> dict[str, Any] | None:
        """Read a body that has a value under this key which was read before.

        Returns:
            The body, with a `Known` under the key; None for any other body.
        """
        known = self._known
        if not known:
            return None
        name = b'"%s":' % key.encode()
        at = body.find(name)
        while at >= 0:
            at += len(name)
            for one in known:
                if body.startswith(one.written, at) and one.rule is rule:
                    return _recalled(one, key, body, at)
            at = body.find(name, at)
        return None

    def keep(self, rule: Rule, key: str, body: bytes, value: object, found: Sequence[WireText]) -> None:
        """Remember the value under this key.

        Args:
            rule: what read the body.
            key: one of an object's; what is under it says the same wherever it stands.
            body: the bytes: canonical.
            value: what they say.
            found: all texts of it.
        """
        if not isinstance(value, dict) or key not in value:
            return
        written = _written(body, value, key)
        if not _LEAST_BYTES <= len(written) <= _MOST_BYTES:
            return
        known = self._known
        if any(one.written == written and one.rule is rule for one in known):
            return
        within = f"/{key}/"
        texts = tuple([one for one in found if one.path.startswith(within)])
        self._known = (Known(rule, written, texts), *known[: _MOST - 1])


def _recalled(known: Known, key: str, body: bytes, at: int) -> dict[str, Any] | None:
    short = b"".join((body[:at], _MARKED, body[at + len(known.written) :]))
    value = decode_canonical(short)
    if not isinstance(value, dict):
        return None
    if value.get(key) != _MARK:
        return None
    if short.count(_MARKED) != 1:
        return None
    value[key] = known
    return value


def _written(body: bytes, value: Mapping[str, Any], key: str) -> bytes:
    """The bytes of the value under a key. A canonical body has around them what our writer writes for all the other keys."""
    names = list(value)
    at = names.index(key)
    before = encode({name: value[name] for name in names[:at]})
    after = encode({name: value[name] for name in names[at + 1 :]})
    start = len(before) - (at == 0) + len(key) + 3  # {"a":1,"KEY": is as long as {"a":1}"KEY":
    end = len(body) - (1 if at + 1 == len(names) else len(after))
    return body[start:end]

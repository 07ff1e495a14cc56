"""Putting values back into JSON as it arrives: into strings that are values, written as JSON writes them, and nowhere else.

A placeholder that stands in the name of a field, or where no string is, stays as it is: names are looked up, and a value that is put there
would be read as form. Within a string the same holds as within any text (see `restoring`), for what it means and not for how it is written.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from saferoute.guards.restoring import EndsWithItsCall, Restorer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["JsonRestorer"]

_FORM: Final = re.compile(r'["{}\[\]:,]')
_UNIT: Final = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]+|[\ud800-\udfff]|"|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})')
_BEGUN: Final = re.compile(r"\\(?:u[0-9A-Fa-f]{0,3})?\Z")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


class JsonRestorer(EndsWithItsCall):
    """Restores JSON that arrives in pieces, a fence around it or not. Where it stops being JSON, it passes as it is from there on.

    Args:
        values: values by placeholder; a copy is kept.

    Attributes:
        restored: how many placeholders were restored so far.
    """

    __slots__ = ("_is_broken", "_open", "_quoted", "_rest", "_string", "_values", "restored")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._open: list[str] = []  # for each array "item"; for each object what a string is next, "name" or "value"
        self._quoted = False
        self._string: Restorer | None = None  # of the string that is a value
        self._rest = ""  # of an escape
        self._is_broken = False
        self.restored = 0

    @override
    def __repr__(self) -> str:
        return f"JsonRestorer({len(self._values)} placeholders)"

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        return bool(self._rest) or (self._string is not None and self._string.holds)

    def feed(self, chunk: str) -> str:
        """Take the next piece; give back what can be shown now."""
        if not self._values or self._is_broken:
            return chunk
        text, out, place = self._rest + chunk, list[str](), 0
        self._rest = ""
        while place < len(text) and not self._is_broken:
            place = (self._quotation if self._quoted else self._form)(text, place, out)
        out.append(text[place:])
        return "".join(out)

    def pause(self) -> str:
        """Give back the rest: the text stops here, and may go on."""
        rest, self._rest = self._rest, ""
        if rest:  # an escape is not parted
            self._is_broken = True
        return self._held() + rest

    def close(self) -> str:
        """Give back the rest: the text has ended."""
        return self.pause()

    def _form(self, text: str, place: int, out: list[str]) -> int:
        """Read what stands between strings, up to the next sign."""
        found = _FORM.search(text, place)
        end = found.end() if found else len(text)
        out.append(text[place:end])
        match found[0] if found else "":
            case "{":
                self._open.append("name")
            case "[":
                self._open.append("item")
            case "}" | "]" if self._open:
                self._open.pop()
            case ":" if self._open and self._open[-1] == "name":
                self._open[-1] = "value"
            case "," if self._open and self._open[-1] == "value":
                self._open[-1] = "name"
            case '"':
                self._quoted = True
                self._string = Restorer(self._values) if self._open and self._open[-1] != "name" else None
            case _:
                pass
        return end

    def _quotation(self, text: str, place: int, out: list[str]) -> int:
        """Read what stands in a string: letters up to something else, an escape, or the string's end."""
        found = _UNIT.match(text, place)
        if found is None:
            if _BEGUN.match(text, place):
                self._rest = text[place:]
                return len(text)
            out.append(self._held())
            self._is_broken = True
            return place
        unit = found[0]
        if unit == '"':
            if self._string is not None:
                out.append(self._counted(self._string.close()))
            out.append(unit)
            self._quoted, self._string = False, None
        elif self._string is None:
            out.append(unit)
        else:
            meant = json.loads(f'"{unit}"') if unit[0] == "\\" else unit
            held = self._string.holds
            shown = self._string.feed(meant)
            out.append(unit if shown == meant and not held else self._counted(shown))
        return found.end()

    def _held(self) -> str:
        return "" if self._string is None else self._counted(self._string.pause())

    def _counted(self, shown: str) -> str:
        """What may be shown of a string, as JSON writes it; what was restored in it is counted."""
        assert self._string is not None  # noqa: S101  it stands in one
        self.restored, self._string.restored = self.restored + self._string.restored, 0
        return _SURROGATE.sub(lambda one: f"\\u{ord(one[0]):04x}", json.dumps(shown, ensure_ascii=False)[1:-1])

"""Verifying a ledger that was changed in one place, without verifying again what comes before.

`verify_segment` takes line after line, and what it has found wrong it never takes back. So a change is found if it is found in the first
lines that differ, taken from where verifying the unchanged ledger stood there: the same steps, by the same code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from saferoute.ledger.walk import Problem, _begin, _step, _Walk

if TYPE_CHECKING:
    from collections.abc import Sequence


class Steps:
    """A segment with where verifying it stands before each line."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.lines = data.split(b"\n")[:-1]
        self.starts: list[int] = []
        walk, start = _Walk(), 0
        _begin(walk, self.lines[0])
        self._before: list[_Walk] = []
        for place, line in enumerate(self.lines):
            self._before.append(_copy(walk))
            self.starts.append(start)
            start += len(line) + 1
            _step(walk, place, line)
        assert not walk.problems

    def problems(self, place: int, lines: Sequence[bytes]) -> list[Problem]:
        """What is wrong with these lines, in place of those from there on."""
        walk = _copy(self._before[place])
        if place == 0:
            walk = _Walk()
            _begin(walk, lines[0])
        for number, line in enumerate(lines):
            _step(walk, place + number, line)
        return walk.problems

    def flipped(self, place: int, offset: int, mask: int) -> list[Problem]:
        """What is wrong if one byte of a line, or the line feed behind it, is another; the last line feed is for `verify_segment`."""
        line = self.lines[place]
        after = self.lines[place + 1 : place + 3]
        if offset == len(line):
            return self.problems(place, [line + bytes([0x0A ^ mask]) + after[0], *after[1:]])
        changed = line[:offset] + bytes([line[offset] ^ mask]) + line[offset + 1 :]
        return self.problems(place, [*changed.split(b"\n"), *after[:1]])


def _copy(walk: _Walk) -> _Walk:
    return replace(
        walk, tree=walk.tree.copy(), problems=[], pending=dict(walk.pending), answered=set(walk.answered), answers=[], removed=[]
    )

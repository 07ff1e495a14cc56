r"""The arguments of a tool call as guards read them: JSON writes a letter in several ways, and every program reads the same.

What looks for a key by its letters does not find one that is written `\u0041KIA...`, and the tool gets the key.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["plainly_written"]

_ESCAPED: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u00([2-7][0-9A-Fa-f])|/)")
_KEPT: Final = frozenset({'"', "\\", "\x7f"})


def plainly_written(arguments: str) -> str:
    r"""Arguments with the letters that they escape without need: `A` for `\u0041`, `/` for `\/`. It is the same JSON.

    Example:
        >>> plainly_written(r'{"url": "https:\/\/\u0061.example"}')
        '{"url": "https://a.example"}'
    """
    return _ESCAPED.sub(_plain, arguments) if "\\" in arguments else arguments


def _plain(found: re.Match[str]) -> str:
    before, code = found[1], found[2]
    letter = "/" if code is None else chr(int(code, 16))
    return found[0] if letter in _KEPT else before + letter

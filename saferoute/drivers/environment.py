"""The process environment: the one module that reads it.

Values are read only of names that a caller listed (or, for secrets="env", that the catalogue lists), when a client is made. Of other
known names only the presence is looked at, for the words of an error or a report. Nothing here changes where a call goes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["forbid_local", "present", "values"]

_FORBID_LOCAL = "SAFEROUTE_FORBID_LOCAL"


def values(names: Sequence[str]) -> dict[str, str]:
    """Read these variables, and no others.

    Returns:
        Name to value; a variable that is not set, or set to nothing, is left out.
    """
    return {name: value for name in names if (value := os.environ.get(name))}


def present(names: Sequence[str]) -> tuple[str, ...]:
    """Which of these variables are set, in the given order. Their values are not kept."""
    return tuple(name for name in names if os.environ.get(name))


def forbid_local() -> bool:
    """Whether SAFEROUTE_FORBID_LOCAL asks for `Client.local()` to be refused; anything but nothing and "0" does."""
    return os.environ.get(_FORBID_LOCAL, "") not in {"", "0"}

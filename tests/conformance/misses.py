"""What of the recorded traffic saferoute does not read as the official SDK does, record by record, and why.

The tests compare this table with what they find: a miss that it does not have fails, and so does an entry that is no miss any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_GLUED = (
    "is no answer but {} streams written one behind the other, from message_start to message_stop each: a session of several requests. "
    "What ends the first of them ends the answer; expected is what the SDK makes of them all, a mixture that nobody sent"
)

MISSES: Mapping[str, str] = MappingProxyType(
    {
        "1ce0c82cf0e844e4": _GLUED.format(15),
        "b5c734557dc62945": _GLUED.format(3),
    }
)
"""Record id -> why it is missed."""

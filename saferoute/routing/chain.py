"""From the root that an application pins to the current one.

Root N is followed by root N+1 exactly, of the same name, signed by the thresholds of both: the old keys say who comes next, and the new
ones show that they are held. When a root on the way expired does not matter; the last one's time is checked by whoever opens a table.
The files are untrusted: what they say counts only as far as signatures from the pinned root lead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.routing.root import read_root
from saferoute.routing.table import LOCAL_PREFIX
from saferoute.signing.envelope import Envelope, PayloadType, verify
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.routing.root import Root

__all__ = ["MAX_UPDATES", "follow", "update_name"]

MAX_UPDATES = 64
"""How many roots may lie between the pinned and the current one."""


def update_name(version: int) -> str:
    """The file name under which the root of a version stands in the folder of updates; nothing else there is read."""
    return f"{version:d}.json"


def follow(pinned: Root, updates: Sequence[bytes]) -> Root:
    """Go from the pinned root to the last one.

    Args:
        pinned: verified.
        updates: root files, each one version above the one before, as read.

    Raises:
        Refused: for the first step that is not signed by both sides, skips a version or changes the name; for more than 64.
    """
    if len(updates) > MAX_UPDATES:
        raise Refused(f"more than {MAX_UPDATES} roots follow the pinned one: pin a newer root")
    if updates and pinned.name.startswith(LOCAL_PREFIX):
        raise Refused("a root that was made in memory has no successor")
    current = pinned
    for data in updates:
        current = _step(current, data)
    return current


def _step(current: Root, data: bytes) -> Root:
    number = current.version + 1
    try:
        following = read_root(data)
        _check_follows(current, following)
    except Refused as refusal:
        raise Refused(f"root version {number} is refused: {refusal}") from None
    try:
        verify(Envelope.read(data), PayloadType.ROOT, current.root.keys, current.root.threshold)
    except Refused as refusal:
        raise Refused(f"root version {number} is refused: by the keys of version {current.version}, {refusal}") from None
    return following


def _check_follows(current: Root, following: Root) -> None:
    if following.version != current.version + 1:
        raise Refused(f"it is version {following.version}, and version {current.version + 1} is next")
    if following.name != current.name:
        raise Refused(f"it is for {following.name!r}, and the pinned root is for {current.name!r}")

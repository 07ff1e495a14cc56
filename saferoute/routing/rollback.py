"""What was accepted before, and what may follow it.

Versions never go down, and one version is one thing: a second release, root, status or revocation list of the same version is
equivocation, and is refused. The floor of time is the largest `issued` of anything accepted, never the wall clock: one wrong clock must
not deny service for ever. A clock that stands before the floor was set back.

Where the state is kept is the drivers' matter; here are its form and its rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saferoute.errors import TableExpired, TableRollback
from saferoute.routing.schema import check
from saferoute.routing.shapes import SCHEMA, STATE
from saferoute.routing.table import CLOCK_SKEW, show_time
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse

if TYPE_CHECKING:
    from saferoute.signing.strict_json import StrictJson

__all__ = ["MAX_STATE_BYTES", "Seen", "State", "advance", "check_floor", "decode_state", "encode_state"]

MAX_STATE_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Seen:
    """The version of something signed that was accepted, and the SHA-256 of its signed bytes in hex."""

    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class State:
    """The newest of everything that was accepted under one pinned root.

    Attributes:
        root: the current root.
        table: the release.
        floor_time: the largest `issued` of all, in seconds since the epoch.
        status: the status; None if there never was one.
        revocations: the revocation list; None if there never was one.
    """

    root: Seen
    table: Seen
    floor_time: int
    status: Seen | None = None
    revocations: Seen | None = None


def advance(earlier: State | None, found: State) -> State:
    """Check what was found, and verified, against what was accepted before.

    Returns:
        The state to keep.

    Raises:
        TableRollback: something is older than before, or is another thing under the same version.
    """
    if earlier is None:
        return found
    _check_order("trust root", earlier.root, found.root)
    _check_order("routing table", earlier.table, found.table)
    return State(
        found.root,
        found.table,
        max(earlier.floor_time, found.floor_time),
        _newest("status", earlier.status, found.status),
        _newest("revocation list", earlier.revocations, found.revocations),
    )


def _newest(what: str, earlier: Seen | None, found: Seen | None) -> Seen | None:
    if earlier is None or found is None:
        return found or earlier
    _check_order(what, earlier, found)
    return found


def _check_order(what: str, earlier: Seen, found: Seen) -> None:
    if found.version < earlier.version:
        raise TableRollback(
            f"the {what} is version {found.version}, and version {earlier.version} was accepted here before: deploy the newer one; "
            "to go back on purpose, sign the old content under a higher version (saferoute table revert)"
        )
    if found.version == earlier.version and found.digest != earlier.digest:
        raise TableRollback(
            f"there are two of the {what} version {found.version}: {earlier.digest[:12]} was accepted here before, and this is "
            f"{found.digest[:12]}. Find out who signed the other one; then sign again under a higher version"
        )


def check_floor(floor_time: int, now: float) -> None:
    """Check that the clock was not set back behind something that was accepted.

    Raises:
        TableExpired: it stands more than 5 minutes before the floor.
    """
    if not now >= floor_time - CLOCK_SKEW:  # so that a clock that gives no number is refused too
        when = show_time(floor_time)
        raise TableExpired(
            f"the clock here says {show_time(now)}, and something signed on {when} was accepted before: set the clock; if that one's date "
            "was wrong, `saferoute table state reset` forgets it"
        )


def encode_state(state: State, pinned: str, name: str) -> bytes:
    """Write a state down, with the digest of the pinned root and the name that it belongs to."""
    fields: dict[str, StrictJson] = {
        "schema": SCHEMA,
        "pinned": pinned,
        "name": name,
        "root": _seen(state.root),
        "table": _seen(state.table),
        "floor_time": state.floor_time,
    }
    if state.status is not None:
        fields["status"] = _seen(state.status)
    if state.revocations is not None:
        fields["revocations"] = _seen(state.revocations)
    return canonical(fields) + b"\n"


def decode_state(data: bytes, pinned: str, name: str) -> State:
    """Read what `encode_state` wrote.

    Raises:
        Refused: it is something else, or belongs to another root or name.
    """
    fields: dict[str, Any] = parse(data.removesuffix(b"\n"), max_bytes=MAX_STATE_BYTES)
    check(fields, STATE, "state")
    if (fields["pinned"], fields["name"]) != (pinned, name):
        raise Refused("it belongs to another trust root")
    status, revocations = fields.get("status"), fields.get("revocations")
    return State(
        Seen(**fields["root"]),
        Seen(**fields["table"]),
        fields["floor_time"],
        None if status is None else Seen(**status),
        None if revocations is None else Seen(**revocations),
    )


def _seen(seen: Seen) -> dict[str, StrictJson]:
    return {"version": seen.version, "digest": seen.digest}

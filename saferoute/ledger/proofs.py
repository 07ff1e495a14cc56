"""Proofs of several records of one call in one file: what was asked, and how that ended.

    {"proofs":[...],"v":1}

Each of them is a proof as `saferoute.ledger.proof` makes it, and stands for itself. That they belong together is in the records: all are
about one call, and an outcome names its intent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.ledger.proof import check_proof
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.ledger.certificate import LogRole
    from saferoute.ledger.proof import Proved

__all__ = ["MAX_BYTES", "MOST_PROOFS", "bundled", "check_proofs"]

MAX_BYTES: Final = 32 * 1024 * 1024
"""Bytes of such a file."""

MOST_PROOFS: Final = 64
"""Proofs in it."""

_VERSION: Final = 1
_FIELDS: Final = frozenset({"proofs", "v"})


def bundled(proofs: Sequence[bytes]) -> bytes:
    """One file for proofs; of a single one that proof itself.

    Args:
        proofs: as `prove` makes them, of records of one call, in order.

    Raises:
        Refused: they are not of one call, or too many.
    """
    if len(proofs) == 1:
        return proofs[0]
    made = canonical({"proofs": [parse(one.removesuffix(b"\n"), max_bytes=MAX_BYTES) for one in proofs], "v": _VERSION}) + b"\n"
    check_proofs(made)
    return made


def check_proofs(data: bytes, *, log_roles: Iterable[LogRole] | None = None) -> list[Proved]:
    """Check a file with one proof, or with several.

    Args:
        data: its bytes; one line feed at the end is allowed.
        log_roles: who certifies log keys, as for `check_proof`.

    Raises:
        Refused: one of them does not show its record, or they do not belong together.
    """
    roles = None if log_roles is None else tuple(log_roles)
    fields = parse(data.removesuffix(b"\n"), max_bytes=MAX_BYTES)
    if not isinstance(fields, dict) or fields.keys() != _FIELDS:
        return [check_proof(data, log_roles=roles)]
    several = fields["proofs"]
    if fields["v"] != _VERSION or not isinstance(several, list) or not 0 < len(several) <= MOST_PROOFS:
        raise Refused(f"it is not a file of 1 to {MOST_PROOFS} proofs that this version reads")
    found = [check_proof(canonical(one), log_roles=roles) for one in several]
    _check_together(found)
    return found


def _check_together(found: Sequence[Proved]) -> None:
    if len({one.id for one in found}) < len(found):
        raise Refused("a record is in it twice")
    if len({one.record.get("call", one.id) for one in found}) > 1:
        raise Refused("its records are not about one call")
    intents = {one.record["attempt"]: one.id for one in found if one.record["kind"] == "intent"}
    for one in found:
        if one.record["kind"] == "outcome" and intents.get(one.record["attempt"], one.record["intent"]) != one.record["intent"]:
            raise Refused(f"the outcome {one.id} is not that of the intent beside it")

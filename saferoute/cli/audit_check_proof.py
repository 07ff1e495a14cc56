"""Checking the proof of a call's records, with nothing else of the ledger: the answer comes in the first line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from saferoute.cli.audit_verify import certifiers
from saferoute.cli.terminal import say, show
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import LedgerError
from saferoute.ledger.explain import record_in_words
from saferoute.ledger.plain import plain, when
from saferoute.ledger.proofs import MAX_BYTES, check_proofs
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from saferoute.cli.audit_verify import Certifiers
    from saferoute.ledger.proof import Proved

__all__ = ["check"]

_MOST_CONTENT: Final = 1 << 30


def check(options: argparse.Namespace) -> int:
    """Check a proof, and contents against what it opens."""
    who = certifiers(options)
    try:
        proofs = check_proofs(read_bounded(options.file, MAX_BYTES), log_roles=who.roles)
        held = {name: _holds(proofs, name, path) for name, path in options.content}
    except Refused as refusal:
        raise LedgerError(f"{options.file} proves nothing: {refusal}") from None
    fault = _fault(who, proofs, held)
    if options.json:
        show(json.dumps(_as_json(proofs, held), indent=2))
    else:
        for line in _in_words(who, proofs, held, fault):
            show(line)
        if who.words:
            say(f"note: {who.words}")
    return 1 if fault else 0


def _holds(proofs: Sequence[Proved], name: str, path: Path) -> bool | None:
    """Whether a content is what a record was made of; None if no record is opened there."""
    opened = [one for one in proofs if name in one.opened]
    if not opened:
        return None
    content = read_bounded(path, _MOST_CONTENT)
    return any(one.holds(name, content) for one in opened)


def _fault(who: Certifiers, proofs: Sequence[Proved], held: Mapping[str, bool | None]) -> str:
    """Why not everything that was asked is shown, in a line; "" if all of it is."""
    if who.roles is not None and not all(one.certified for one in proofs):
        return "NOT PROVED: the log role of the trust root does not certify the key that signed this"
    wrong = ", ".join(plain(name) for name, holds in held.items() if holds is False)
    if wrong:
        return f"NOT PROVED: the content given for {wrong} is not what the record was made of"
    closed = [plain(name) for name, holds in held.items() if holds is None]
    if closed:
        return f"the proof is good, but does not open {', '.join(closed)}; make it with {' '.join(f'--open {name}' for name in closed)}"
    return ""


def _in_words(who: Certifiers, proofs: Sequence[Proved], held: Mapping[str, bool | None], fault: str) -> list[str]:
    stands = f"record {proofs[0].id} stands in a ledger, as of the checkpoint of {when(proofs[0].time_us)}"
    if len(proofs) > 1:
        last = when(max(one.time_us for one in proofs))
        stands = f"{len(proofs)} records of call {proofs[0].record['call']} stand in a ledger, as of the checkpoint of {last}"
    good = "ok" if who.roles is not None else "ok, but nobody says whose log this is"
    lines = [fault, f"  {stands}"] if fault else [f"{good}: {stands}"]
    for key, certificate in dict.fromkeys((one.key_id, one.certificate) for one in proofs):
        lines += [f"  signed with the log key {key}", f"  {plain(certificate)}"]
    lines.append(f"  opened: {', '.join(sorted({name for one in proofs for name in one.opened})) or 'nothing'}")
    lines += [f"  the content given for {plain(name)} is the content that the record was made of" for name, holds in held.items() if holds]
    for one in proofs:
        lines += ["", f"What record {one.id} says", *(f"  {line}" for line in record_in_words(one.record))]
    return lines


def _as_json(proofs: Sequence[Proved], held: Mapping[str, bool | None]) -> dict[str, Any]:
    found = [
        {
            "id": one.id,
            "key": one.key_id,
            "certified": one.certified,
            "certificate": one.certificate,
            "root_version": one.root_version,
            "time_us": one.time_us,
            "opened": sorted(one.opened),
            "record": dict(one.record),
        }
        for one in proofs
    ]
    return {**found[0], "content": held} if len(found) == 1 else {"proofs": found, "content": held}

"""Showing one record to somebody who has nothing else of the ledger, and checking what was shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from saferoute.cli.audit_files import segments_in
from saferoute.cli.audit_verify import certifiers
from saferoute.cli.program import UsageError
from saferoute.cli.terminal import say, show
from saferoute.drivers.ledger_secrets import KEPT_IN, find_key, key_bytes
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError, LedgerError
from saferoute.ledger.commitment import salt
from saferoute.ledger.explain import record_in_words
from saferoute.ledger.plain import plain, when
from saferoute.ledger.proof import check_proof, prove
from saferoute.ledger.record import MAX_LINE_BYTES, split_id
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse

    from saferoute.drivers.ledger_secrets import SecretPlace
    from saferoute.ledger.proof import Proved

__all__ = ["check", "prove_record"]

_FIELDS: Final = ("asked", "system", "request", "response")
_MOST_BYTES: Final = MAX_LINE_BYTES + 1024 * 1024
_MOST_CONTENT: Final = 1 << 30


def prove_record(options: argparse.Namespace) -> int:
    """Write the proof of one record, with salts only for the fields that were named."""
    unknown = [name for name in options.open if name not in _FIELDS]
    if unknown:
        raise UsageError(f"--open takes {', '.join(_FIELDS)}, and not {plain(unknown[0])!r}")
    if not options.open and (options.secret_file or options.keyring):
        raise UsageError("the log secret is for --open: without it no opening is written")
    try:
        segment, seq = split_id(options.id)
        file = next((one for one in segments_in([options.directory]) if one.id == segment), None)
        if file is None:
            raise ConfigurationError(f"segment {segment} is not in {options.directory}")
        proof = prove(file.read(), seq, _openings(options, segment, seq))
    except Refused as refusal:
        raise LedgerError(f"no proof can be made: {refusal}") from None
    options.output.write_bytes(proof)
    opened = ", ".join(options.open)
    what = f"it opens {opened}: whoever has it can try contents" if opened else "it opens nothing: who has it learns what the record says"
    say(f"{options.output}: {what}")
    return 0


def _openings(options: argparse.Namespace, segment: str, seq: int) -> dict[str, bytes]:
    named = tuple(dict.fromkeys(options.open))
    if not named:
        return {}
    if options.keyring and options.secret_file:
        raise UsageError("the log secret is in a file or in the keyring: give one of --secret-file and --keyring")
    place: SecretPlace = "keyring" if options.keyring else (options.secret_file or options.directory / KEPT_IN).absolute()
    key = find_key(place)
    if key is None:
        raise ConfigurationError(f"the log secret is not in {place}; --secret-file FILE or --keyring says where it is")
    return {name: salt(key_bytes(key), segment, seq, name) for name in named}


def check(options: argparse.Namespace) -> int:
    """Check a proof, and contents against what it opens."""
    who = certifiers(options)
    try:
        proved = check_proof(read_bounded(options.file, _MOST_BYTES), log_roles=who.roles)
        held = {name: proved.holds(name, read_bounded(path, _MOST_CONTENT)) for name, path in options.content}
    except Refused as refusal:
        raise LedgerError(f"{options.file} proves nothing: {refusal}") from None
    if options.json:
        show(json.dumps(_as_json(proved, held), indent=2))
    else:
        for line in _in_words(proved, held):
            show(line)
        if who.words:
            say(f"note: {who.words}")
    return 0 if all(held.values()) and (who.roles is None or proved.certified) else 1


def _in_words(proved: Proved, held: dict[str, bool]) -> list[str]:
    lines = [
        f"ok: record {proved.id} stands in a ledger, as of the checkpoint of {when(proved.time_us)}",
        f"  signed with the log key {proved.key_id}",
        f"  {plain(proved.certificate)}",
        f"  opened: {', '.join(sorted(proved.opened)) or 'nothing'}",
    ]
    for name, holds in held.items():
        words = "is the content that the record was made of" if holds else "is NOT what the record was made of"
        lines.append(f"  the content given for {plain(name)} {words}")
    return [*lines, "", "What the record says", *(f"  {line}" for line in record_in_words(proved.record))]


def _as_json(proved: Proved, held: dict[str, bool]) -> dict[str, Any]:
    return {
        "id": proved.id,
        "key": proved.key_id,
        "certified": proved.certified,
        "certificate": proved.certificate,
        "root_version": proved.root_version,
        "time_us": proved.time_us,
        "opened": sorted(proved.opened),
        "content": held,
        "record": dict(proved.record),
    }

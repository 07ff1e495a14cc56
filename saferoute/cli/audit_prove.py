"""Writing the proof of a call's records, for somebody who has nothing else of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.cli.audit_files import segments_in
from saferoute.cli.audit_ids import Named, named, record_named, records_of_call
from saferoute.cli.program import UsageError
from saferoute.cli.terminal import say
from saferoute.drivers.ledger_secrets import KEPT_IN, find_key, key_bytes
from saferoute.errors import ConfigurationError, LedgerError
from saferoute.ledger.commitment import salt
from saferoute.ledger.plain import plain
from saferoute.ledger.proof import prove
from saferoute.ledger.proofs import bundled
from saferoute.ledger.record import split_id
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from saferoute.cli.audit_files import Segment
    from saferoute.drivers.ledger_secrets import SecretPlace

__all__ = ["prove_records"]

_FIELDS: Final = ("asked", "system", "request", "response")
_OF_CALLS: Final = frozenset({"intent", "outcome", "denial"})

_Records = dict[str, dict[str, Any]]


def prove_records(options: argparse.Namespace) -> int:
    """Write the proof of a call's records, or of one record, with salts only for the fields that were named."""
    unknown = [name for name in options.open if name not in _FIELDS]
    if unknown:
        raise UsageError(f"--open takes one of {', '.join(_FIELDS)}, and may be given several times; not {plain(unknown[0])!r}")
    if not options.open and (options.secret_file or options.keyring):
        raise UsageError("the log secret is for --open: without it no opening is written")
    segments = segments_in([options.directory])
    records = _chosen(segments, named(segments, options.id))
    _check_fields(segments, records, options.open)
    data = {one.id: one.read() for one in segments if any(ref.startswith(one.id) for ref in records)}
    try:
        proof = bundled([_proof(data, options, ref, record) for ref, record in records.items()])
    except Refused as refusal:
        raise LedgerError(f"no proof can be made: {refusal}") from None
    options.output.write_bytes(proof)
    opened = ", ".join(options.open)
    what = f"it opens {opened}: whoever has it can try contents" if opened else "it opens nothing: who has it learns what the record says"
    say(f"{options.output}: {_in_words(records)}; {what}")
    return 0


def _in_words(records: _Records) -> str:
    kinds = [f"the {record['kind']} {ref}" for ref, record in records.items()]
    return f"{', '.join(kinds[:-1])} and {kinds[-1]}" if kinds[1:] else kinds[0]


def _chosen(segments: Sequence[Segment], name: Named) -> _Records:
    """The records that are proved: of a call all, of an outcome's receipt that and its intent, of another receipt that record."""
    if name.call is not None:
        return {ref: one for ref, one in records_of_call(segments, name.call).items() if one["kind"] in _OF_CALLS}
    record, ref = record_named(segments, name), str(name.receipt)
    if record["kind"] != "outcome" or record["intent"] is None:
        return {ref: record}
    try:
        intent = record_named(segments, Named(None, *split_id(record["intent"])))
    except ConfigurationError:
        say(f"note: the intent of this outcome, {record['intent']}, is not here; the outcome is proved alone")
        return {ref: record}
    return {record["intent"]: intent, ref: record}


def _check_fields(segments: Sequence[Segment], records: _Records, fields: Sequence[str]) -> None:
    """Refuse a field that none of the records has, and say which record of the call has it.

    Raises:
        LedgerError: there is such a field.
    """
    missing = [field for field in fields if not any(field in record.get("commit", ()) for record in records.values())]
    if not missing:
        return
    call = next((str(record["call"]) for record in records.values() if "call" in record), None)
    others = {} if call is None else records_of_call(segments, call)
    having = [f"the {record['kind']} {ref}" for ref, record in others.items() if missing[0] in record.get("commit", ())]
    said = f"; of its call {' and '.join(having)} {'has' if len(having) == 1 else 'have'}" if having else ", and no record of its call has"
    raise LedgerError(f"no proof can be made: {_in_words(records)} has no commitment to {missing[0]}{said}")


def _proof(data: Mapping[str, bytes], options: argparse.Namespace, ref: str, record: Mapping[str, Any]) -> bytes:
    segment, seq = split_id(ref)
    return prove(data[segment], seq, _openings(options, segment, seq, record.get("commit", {})))


def _openings(options: argparse.Namespace, segment: str, seq: int, commit: Mapping[str, str]) -> dict[str, bytes]:
    named = tuple(dict.fromkeys(options.open))
    wanted = [name for name in named if name in commit]
    if not wanted:
        return {}
    if options.keyring and options.secret_file:
        raise UsageError("the log secret is in a file or in the keyring: give one of --secret-file and --keyring")
    place: SecretPlace = "keyring" if options.keyring else (options.secret_file or options.directory / KEPT_IN).absolute()
    key = find_key(place)
    if key is None:
        raise ConfigurationError(f"the log secret is not in {place}; --secret-file FILE or --keyring says where it is")
    return {name: salt(key_bytes(key), segment, seq, name) for name in wanted}

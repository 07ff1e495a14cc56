"""Proofs: one file that shows a record to somebody who has nothing else of the ledger.

    {"certificate":..., "key":..., "note":..., "openings":{...}, "path":[...], "record":{...}, "type":"saferoute ledger proof", "v":1}

The record's line is its canonical bytes, its place is its seq, the path leads from its leaf to the root that the note signs. What shows
whose ledger it is is the certificate, if the reader has the log role's keys, or else the key's id, if the reader knows that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from saferoute.ledger.certificate import certified_by
from saferoute.ledger.checkpoint import read_note
from saferoute.ledger.commitment import commit
from saferoute.ledger.merkle import HASH_BYTES, inclusion_path, leaf_hash, root_from_path
from saferoute.ledger.record import MAX_LINE_BYTES, parse_line, record_id
from saferoute.signing.envelope import Envelope, decode_base64
from saferoute.signing.keys import PublicKey
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.ledger.certificate import Certificate, LogRole
    from saferoute.ledger.record import Record
    from saferoute.signing.strict_json import StrictJson

__all__ = ["Proved", "check_proof", "prove"]

_TYPE: Final = "saferoute ledger proof"
_VERSION: Final = 1
_FIELDS: Final = frozenset({"certificate", "key", "note", "openings", "path", "record", "type", "v"})
_MAX_BYTES: Final = MAX_LINE_BYTES + 64 * 1024
_MAX_PATH: Final = 64
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_CHECKPOINT: Final = b'{"final":'  # how the line of a checkpoint begins, and no other
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Proved:
    """What a proof shows.

    Attributes:
        id: the record's id, "SEGMENT:SEQ".
        record: the record's fields.
        key_id: the id of the log key that signed: SHA-256 of the key, in hex.
        certified: whether the log role certifies that key.
        certificate: the same in words.
        root_version: the version of the trust root whose log role does; None for none.
        time_us: when the checkpoint was signed, in microseconds since 1970, by the signer's clock: the record is not younger.
        opened: the salts that the proof gives, by the name of the commitment.
    """

    id: str
    record: Mapping[str, Any]
    key_id: str
    certified: bool
    certificate: str
    root_version: int | None
    time_us: int
    opened: Mapping[str, bytes]

    def holds(self, name: str, content: bytes) -> bool:
        """Whether a commitment of the record that the proof opens is to this content.

        Raises:
            Refused: if the proof does not open it.
        """
        salt = self.opened.get(name)
        if salt is None:
            raise Refused(f"the proof does not open {name!r}; it opens: {', '.join(sorted(self.opened)) or 'nothing'}")
        return compare_digest(commit(salt, content), self.record["commit"][name])

    @override
    def __repr__(self) -> str:
        return f"Proved({self.id!r}, {self.record['kind']!r}, key={self.key_id[:12]}, certified={self.certified})"


def prove(data: bytes, seq: int, openings: Mapping[str, bytes] | None = None) -> bytes:
    """Make the proof of one record.

    Args:
        data: the segment's bytes.
        seq: the record's place.
        openings: salts to give out with it, by the name of the commitment: whoever has the proof can then try contents.

    Raises:
        Refused: if there is no such record, no checkpoint covers it yet, it has no such commitment, or the segment was tampered with.
    """
    lines = data.split(b"\n")[:-1]
    if not 0 <= seq < len(lines):
        raise Refused(f"there is no record {seq}; the segment has {len(lines)}")
    first, record = parse_line(lines[0]), parse_line(lines[seq])
    if first.kind != "segment":
        raise Refused("the segment does not begin with its first record")
    key = PublicKey(decode_base64(first.fields["key"]))
    note, size = _covering(lines, seq, key)
    salts = openings or {}
    if missing := sorted(salts.keys() - record.fields.get("commit", {}).keys()):
        raise Refused(f"record {seq} has no commitment to: {', '.join(missing)}")
    proof: dict[str, StrictJson] = {
        "certificate": first.fields["certificate"],
        "key": first.fields["key"],
        "note": note,
        "openings": {name: salt.hex() for name, salt in salts.items()},
        "path": [node.hex() for node in inclusion_path([leaf_hash(line) for line in lines[:size]], seq)],
        "record": record.fields,
        "type": _TYPE,
        "v": _VERSION,
    }
    made = canonical(proof) + b"\n"
    check_proof(made)  # of a segment that was tampered with, no proof is made that would fail elsewhere
    return made


def _covering(lines: Sequence[bytes], seq: int, key: PublicKey) -> tuple[str, int]:
    """The first checkpoint that covers a record, and how many records it does."""
    for line in lines[seq + 1 :]:
        if line.startswith(_CHECKPOINT):
            note: str = parse_line(line).fields["note"]
            return note, read_note(note, key).size
    raise Refused(f"no checkpoint covers record {seq} yet: make one (`ledger.checkpoint()`, or close the ledger)")


def check_proof(data: bytes, *, log_roles: Iterable[LogRole] | None = None) -> Proved:
    """Check a proof, with nothing else of the ledger.

    Args:
        data: the proof's bytes; one line feed at the end is allowed.
        log_roles: who certifies log keys: the log roles of the trust root's versions, the newest first. Without them, compare `key_id`
            with one that you know.

    Raises:
        Refused: if it does not show that the record stands in a ledger that this key signed; and, with `log_roles`, if it has a
            certificate that is wrong. One that has none is reported as not certified.
    """
    fields = parse(data.removesuffix(b"\n"), max_bytes=_MAX_BYTES)
    if fields.keys() != _FIELDS or fields["type"] != _TYPE or fields["v"] != _VERSION:
        raise Refused("it is not a proof that this version reads")
    record, note = fields["record"], fields["note"]
    if not isinstance(record, dict) or not isinstance(note, str):
        raise Refused("a proof's record is an object, and its note a text")
    line = parse_line(canonical(record))
    key = PublicKey(decode_base64(fields["key"]))
    said = read_note(note, key)
    if root_from_path(leaf_hash(line.line), line.seq, said.size, _path(fields["path"])) != said.root:
        raise Refused("the record is not among those that the checkpoint was signed over: the record or its path was altered")
    found = _certificate(fields["certificate"], key, log_roles)
    in_time = found is not None and found[0].issued * _SECOND <= said.time_us <= found[0].not_after * _SECOND
    return Proved(
        id=record_id(said.segment, line.seq),
        record=line.fields,
        key_id=key.key_id,
        certified=in_time,
        certificate=_words(fields["certificate"], log_roles, found, in_time=in_time),
        root_version=found[1].version if found is not None and in_time else None,
        time_us=said.time_us,
        opened=_openings(fields["openings"], line),
    )


def _path(value: StrictJson) -> list[bytes]:
    if not isinstance(value, list) or len(value) > _MAX_PATH:
        raise Refused(f"a proof's path is a list of at most {_MAX_PATH} hashes")
    return [_hash(item, "path") for item in value]


def _hash(value: StrictJson, what: str) -> bytes:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise Refused(f"a proof's {what} has what is not {2 * HASH_BYTES} lower-case hexadecimal digits")
    return bytes.fromhex(value)


def _openings(value: StrictJson, line: Record) -> dict[str, bytes]:
    if not isinstance(value, dict) or not value.keys() <= line.fields.get("commit", {}).keys():
        raise Refused("a proof's openings are salts of commitments that its record has")
    return {name: _hash(salt, "openings") for name, salt in value.items()}


def _certificate(value: StrictJson, key: PublicKey, log_roles: Iterable[LogRole] | None) -> tuple[Certificate, LogRole] | None:
    if value is None or log_roles is None:
        return None
    said, role = certified_by(Envelope.from_json(value), log_roles)
    if said.key != key:
        raise Refused("its certificate is about another log key")
    return said, role


def _words(value: StrictJson, log_roles: object, found: tuple[Certificate, LogRole] | None, *, in_time: bool) -> str:
    if value is None:
        return "not certified (weaker): nobody says whose log key this is; compare its id with one that you know"
    if log_roles is None:
        return "not checked: its certificate needs the log role's keys, out of the trust root"
    if found is None or not in_time:
        return "not certified (weaker): its certificate was not valid when the checkpoint was signed"
    return f"certified by the log role of {found[0].name}, root version {found[1].version}"

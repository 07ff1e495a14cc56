"""One segment as it is written: each record names the leaf hash of the one before it, and a checkpoint signs all that came before.

Nothing here touches a file: `add` gives the line, and whoever writes it says with `take_back` if it could not be written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from saferoute.ledger.checkpoint import Checkpoint, sign_note
from saferoute.ledger.commitment import Salts, text_bytes
from saferoute.ledger.lines import CallLines
from saferoute.ledger.merkle import Frontier, leaf_hash, root_of
from saferoute.ledger.record import FIRST_PREV, VERSION, parse_line, write_record
from saferoute.signing.envelope import encode_base64
from saferoute.signing.refusal import Refused
from saferoute.values.sealed import sealed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.ledger.merkle import Mark
    from saferoute.signing.envelope import Envelope
    from saferoute.signing.keys import Signer
    from saferoute.values.receipt import Entry

__all__ = ["SHORTEST_SECRET", "SOFTWARE", "Link", "SegmentWriter", "Written", "link_of"]

SOFTWARE: Final = "saferoute-sdk/0.1.0"
"""What wrote a segment, as its first record says."""

SHORTEST_SECRET: Final = 32
"""Bytes of a log secret: what makes a short prompt's commitment as hard to guess as a key."""


@dataclass(frozen=True, slots=True)
class Link:
    """A segment as another one refers to it.

    Attributes:
        segment: its id.
        size: how many records it had.
        hash: the leaf hash of the last one, in hex.
        root: the RFC 6962 root of these records, in hex.
    """

    segment: str
    size: int
    hash: str
    root: str

    def fields(self) -> dict[str, Any]:
        """As records have it."""
        return {"hash": self.hash, "root": self.root, "segment": self.segment, "size": self.size}


@sealed
class Written:
    """A record as it was written.

    Attributes:
        id: "SEGMENT:SEQ".
        seq: its place in the segment.
        line: its line, with the line feed.
        salts: the salts of its commitments, by name.
    """

    id: str
    seq: int
    line: bytes
    salts: dict[str, bytes]

    @property
    def record(self) -> dict[str, Any]:
        """Its fields, read from its line."""
        return parse_line(self.line[:-1]).fields

    @override
    def __repr__(self) -> str:
        return f"Written({self.id!r}, {self.record['kind']!r})"


def link_of(data: bytes) -> Link | None:
    """What a new segment says of this one: all whole lines of it, as they are. None if it has none.

    Nothing is verified: a link to what was tampered with shows later that it already was.
    """
    lines = data.split(b"\n")[:-1]
    found = _id_in(lines[0]) if lines else None
    if found is None:
        return None
    leaves = [leaf_hash(line) for line in lines]
    return Link(found, len(lines), leaves[-1].hex(), root_of(leaves).hex())


def _id_in(line: bytes) -> str | None:
    try:
        record = parse_line(line)
    except Refused:
        return None
    return str(record.fields["segment"]) if record.kind == "segment" else None


class SegmentWriter:
    """Makes the lines of one segment, in order. Its caller sees to it that only one thread is in here at a time.

    Args:
        segment: the segment's id, 32 hexadecimal digits of new randomness.
        instance: the process's id, likewise.
        signer: the log key.
        secret: the log secret, at least 32 bytes; None makes no commitments.
        certificate: the log role's statement about the log key; None for none.
        previous: the segment that this one follows; None for the first.
        now_us: the time, in microseconds since 1970.
        software: what writes.

    Attributes:
        segment: the segment's id.
        size: how many records there are.
        unsigned: how many records, other than checkpoints, no checkpoint covers yet.
        checkpointed_at: when the last checkpoint was made, in microseconds since 1970; the segment's beginning if there is none.

    Raises:
        Refused: for a secret that is too short, and for what the format has no place for.
    """

    __slots__ = (
        "_before", "_closed", "_first", "_frontier", "_lines", "_prev", "_salts", "_signer", "checkpointed_at", "segment", "size",
        "unsigned",
    )  # fmt: skip

    segment: str
    size: int
    unsigned: int
    checkpointed_at: int

    def __init__(
        self,
        segment: str,
        instance: str,
        signer: Signer,
        *,
        secret: bytes | None,
        certificate: Envelope | None,
        previous: Link | None,
        now_us: int,
        software: str = SOFTWARE,
    ) -> None:
        if secret is not None and len(secret) < SHORTEST_SECRET:
            raise Refused(f"a log secret has at least {SHORTEST_SECRET} bytes; this one has {len(secret)}")
        self.segment = segment
        self.size = 0
        self.unsigned = 0
        self.checkpointed_at = now_us
        self._signer = signer
        self._salts = None if secret is None else Salts(secret, segment)
        self._prev = FIRST_PREV
        self._frontier = Frontier()
        self._closed = False
        self._before: tuple[Mark, str, int, int] | None = None
        self._lines = CallLines()
        fields = {
            "certificate": None if certificate is None else certificate.to_json(),
            "instance": instance,
            "key": encode_base64(signer.public_key.raw),
            "previous": None if previous is None else previous.fields(),
            "segment": segment,
            "software": software,
        }
        self._first = self._append("segment", fields, now_us, {})
        self._before = None  # what there is one of cannot be taken back

    def first(self) -> bytes:
        """The first record's line, with its line feed."""
        return self._first.line

    def link(self) -> Link:
        """What the segment after this one says of it."""
        return Link(self.segment, self.size, self._prev, self._frontier.root().hex())

    def add(self, entry: Entry, now_us: int) -> Written:
        """Make the record of what a call has to say.

        Raises:
            Refused: if it is not what the format has a place for, or the segment is closed.
        """
        salts, contents, system, seq, system_id = self._salts, entry.contents, entry.system, self.size, None
        made: dict[str, bytes] = {}
        committed: dict[str, str] = {}
        if salts is not None:
            if system is not None:
                contents = {**contents, "system": text_bytes(system)}
                system_id = salts.system_id(system)
            made, committed = salts.made(seq, contents)
        line = None if self._closed else self._lines.line(entry, (committed, system_id), (seq, self._prev, now_us))
        if line is None:  # it is unusual, or refused
            fields = {**entry.said, "commit": committed}
            if entry.kind == "intent":
                fields["system_id"] = system_id
            written = self._append(entry.kind, fields, now_us, made)
        else:
            written = self._appended(line, made)
        self.unsigned += 1
        return written

    def add_fields(self, kind: str, fields: Mapping[str, Any], now_us: int) -> Written:
        """Make a record of kind "retention" or "content".

        Raises:
            Refused: if the fields are not those of its kind, or the segment is closed.
        """
        if kind not in {"retention", "content"}:
            raise Refused(f"a record of kind {kind[:40]!r} is not made this way")
        written = self._append(kind, {**fields}, now_us, {})
        self.unsigned += 1
        return written

    def checkpoint(self, now_us: int, *, final: bool = False) -> tuple[bytes, str]:
        """Sign all records so far.

        Args:
            now_us: the time, in microseconds since 1970.
            final: whether this is the segment's last record.

        Returns:
            The checkpoint record's line, with its line feed, and the note in it.

        Raises:
            Refused: if the segment is closed, or the signer does not sign.
        """
        note = sign_note(Checkpoint(self.segment, self.size, self._frontier.root(), now_us), self._signer)
        written = self._append("checkpoint", {"final": final, "note": note}, now_us, {})
        self.unsigned = 0
        self.checkpointed_at = now_us
        self._closed = final
        return written.line, note

    def take_back(self) -> None:
        """Undo the last record, which could not be written: its line must not be in the file, not even in part.

        Raises:
            Refused: if there is nothing to undo; only one record can be taken back.
        """
        if self._before is None:
            raise Refused("there is no record to take back")
        mark, self._prev, self.unsigned, self.checkpointed_at = self._before
        self._closed = False  # nothing was written after the end
        self._frontier.back_to(mark)
        self.size -= 1
        self._before = None

    def _append(self, kind: str, fields: dict[str, Any], now_us: int, salts: dict[str, bytes]) -> Written:
        if self._closed:
            raise Refused("the segment is closed")
        fields |= {"v": VERSION, "kind": kind, "seq": self.size, "prev": self._prev, "time": now_us}
        line, _ = write_record(fields)
        return self._appended(line, salts)

    def _appended(self, line: bytes, salts: dict[str, bytes]) -> Written:
        seq, leaf = self.size, leaf_hash(line)
        self._before = (self._frontier.add(leaf), self._prev, self.unsigned, self.checkpointed_at)
        self._prev = leaf.hex()
        self.size = seq + 1
        return Written(f"{self.segment}:{seq}", seq, line + b"\n", salts)

    @override
    def __repr__(self) -> str:
        return f"SegmentWriter({self.segment!r}, {self.size} records)"

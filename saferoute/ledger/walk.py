"""Verifying one segment, line by line.

What is found: a changed byte, a record taken out, put in, doubled or moved, a wrong checkpoint, anything after the end.
What is not: whole records missing at the end, unless an anchor (a checkpoint that was kept elsewhere) covers them; and what somebody
wrote after the last checkpoint, which nothing signs. Both are reported for what they are: `torn_tail_bytes`, `unsigned_tail`, `closed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from saferoute.ledger.certificate import certified_by
from saferoute.ledger.checkpoint import read_note
from saferoute.ledger.merkle import Frontier, leaf_hash
from saferoute.ledger.record import FIRST_PREV, MAX_LINE_BYTES, parse_line, record_id, split_id
from saferoute.ledger.segment import Link
from saferoute.signing.envelope import Envelope, decode_base64
from saferoute.signing.keys import PublicKey
from saferoute.signing.refusal import Refused, TooFewSigned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from saferoute.ledger.certificate import LogRole
    from saferoute.ledger.checkpoint import Checkpoint

__all__ = ["MOST_PROBLEMS", "Answer", "Problem", "SegmentReport", "verify_segment"]

MOST_PROBLEMS: Final = 100
"""After so many, a segment's further ones are not listed."""

_SIGNATURE: Final = "\N{EM DASH} "  # begins a note's signature
_SECOND: Final = 1_000_000
_SKEW_US: Final = 300 * _SECOND
"""How far a process's clock may be behind the clock of who certified its key."""

Problem: TypeAlias = tuple[int, str]
"""A record's place, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome whose intent stands in another segment, as a segment's end may fall between the two.

    Attributes:
        seq: the outcome's place.
        intent: the intent's id.
        call: the call's id.
        attempt: which of its attempts.
    """

    seq: int
    intent: str
    call: str
    attempt: int


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What verifying a segment found.

    Attributes:
        segment: its id; "" if its first record cannot be read, or was not written as a whole.
        records: how many whole lines it has; 0 of a file that a power cut, or the end of its process, left without any.
        problems: the places and words of what is wrong, in order; the first is the first bad record.
        torn_tail_bytes: bytes after the last whole line: what a process was writing when it was killed. They count as not written.
        unsigned_tail: records after the last good checkpoint: nothing signs them yet, and whoever can write the file can write them.
        closed: whether its last record says that it is the last.
        pending: intents without an outcome in this segment: call and attempt by the record's id.
        key: the log key; None if the first record cannot be read.
        certified: whether the log role certifies that key, for the whole time of the segment.
        certificate: the same in words.
        root_version: the version of the trust root whose log role does; None for none.
        previous: the segment that it follows.
        answers: outcomes whose intents stand in other segments.
        removed: segments that this process has deleted, as signed records of this segment say.
        end: the segment as a whole, for who refers to it; None if it has no readable first record.
    """

    segment: str
    records: int
    problems: tuple[Problem, ...]
    torn_tail_bytes: int
    unsigned_tail: int
    closed: bool
    pending: Mapping[str, tuple[str, int]]
    key: PublicKey | None
    certified: bool
    certificate: str
    root_version: int | None
    previous: Link | None
    answers: tuple[Answer, ...]
    removed: tuple[Link, ...]
    end: Link | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. A torn or unsigned tail, and a missing certificate, are no fault: look at them too."""
        return not self.problems

    @property
    def maybe_sent(self) -> tuple[str, ...]:
        """Ids of intents without an outcome: the request may have been sent. `verify_ledger` looks for outcomes in other segments too."""
        return tuple(self.pending)


@dataclass(slots=True)
class _Walk:
    """How far verifying has come."""

    segment: str = ""
    key: PublicKey | None = None
    first: Mapping[str, Any] = field(default_factory=dict)  # the first record
    expected: int = 0  # the next record's number: not its place, once records are missing
    prev: str = FIRST_PREV
    tree: Frontier = field(default_factory=Frontier)
    problems: list[Problem] = field(default_factory=list)
    pending: dict[int, tuple[str, int]] = field(default_factory=dict)  # intents without an outcome: call and attempt by place
    answered: set[int] = field(default_factory=set)
    answers: list[Answer] = field(default_factory=list)
    removed: list[tuple[int, Link]] = field(default_factory=list)
    signed: int = -1  # the place of the last good checkpoint; it covers what is before
    signed_us: int = 0
    unlike: bool = False  # a checkpoint has said that its records are others
    closed: bool = False

    def wrong(self, place: int, words: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append((place, words))


def verify_segment(
    data: bytes,
    *,
    anchors: Iterable[Checkpoint] = (),
    links: Iterable[Link] = (),
    log_roles: Iterable[LogRole] | None = None,
) -> SegmentReport:
    """Verify one segment.

    Args:
        data: its bytes.
        anchors: checkpoints that were kept elsewhere; those of other segments are passed over.
        links: what other segments say of this one; those about others are passed over.
        log_roles: who certifies log keys: the log roles of the trust root's versions, the newest first; None to leave the certificate
            unread.
    """
    lines = data.split(b"\n")
    torn = lines.pop()
    walk = _Walk()
    if lines:  # else nothing whole was written, which is no fault of what is there: whoever refers to the segment misses it
        _begin(walk, lines[0])
    wanted = _wanted(walk, anchors, links, len(lines))
    for place, line in enumerate(lines):
        if place in wanted:
            _compare(walk, place, wanted[place])
        _step(walk, place, line)
    if len(lines) in wanted:
        _compare(walk, len(lines), wanted[len(lines)])
    if torn and walk.closed:
        walk.wrong(len(lines), "there are bytes after the final checkpoint")
    elif len(torn) > MAX_LINE_BYTES:
        walk.wrong(len(lines), "the torn tail is longer than any record")
    version, words = _certified(walk, log_roles)
    walk.problems.sort(key=itemgetter(0))
    return SegmentReport(
        segment=walk.segment,
        records=len(lines),
        problems=tuple(walk.problems),
        torn_tail_bytes=len(torn),
        unsigned_tail=len(lines) - 1 - walk.signed,
        closed=walk.closed,
        pending={record_id(walk.segment, seq): asked for seq, asked in walk.pending.items()},
        key=walk.key,
        certified=version is not None,
        certificate=words,
        root_version=version,
        previous=_link(walk.first["previous"]) if walk.first.get("previous") else None,
        answers=tuple(walk.answers),
        removed=tuple(link for place, link in walk.removed if place < walk.signed),
        end=Link(walk.segment, len(lines), walk.prev, walk.tree.root().hex()) if walk.segment else None,
    )


def _link(fields: Mapping[str, Any]) -> Link:
    return Link(fields["segment"], fields["size"], fields["hash"], fields["root"])


def _begin(walk: _Walk, line: bytes) -> None:
    """Read who writes the segment, from its first record."""
    try:
        fields = parse_line(line).fields
        if fields["kind"] == "segment":
            walk.key = PublicKey(decode_base64(fields["key"]))
            walk.segment, walk.first = fields["segment"], fields
        else:
            walk.wrong(0, "a segment begins with a record of kind segment; the first records are missing")
    except Refused as refusal:
        walk.wrong(0, str(refusal))


def _step(walk: _Walk, place: int, line: bytes) -> None:
    """Take one line: its form, its place in the chain, and what its kind asks for."""
    if walk.closed:
        walk.wrong(place, "it stands after the final checkpoint")
    try:
        record = parse_line(line)
    except Refused as refusal:
        if place:  # the first one was refused before
            walk.wrong(place, str(refusal))
        walk.expected += 1
    else:
        fields = record.fields
        if fields["seq"] != walk.expected:
            walk.wrong(place, f"its number is {fields['seq']}, not {walk.expected}: records were taken out, put in or moved")
            walk.expected = fields["seq"]
        elif fields["prev"] != walk.prev:
            walk.wrong(max(place - 1, 0), f"it is not the record that record {fields['seq']} follows: one of the two was altered")
        walk.expected += 1
        _KINDS[fields["kind"]](walk, place, fields)
    leaf = leaf_hash(line)
    walk.prev = leaf.hex()
    walk.tree.add(leaf)


def _segment(walk: _Walk, place: int, _: Mapping[str, Any]) -> None:
    if place:
        walk.wrong(place, "a segment begins inside another one")


def _intent(walk: _Walk, _: int, fields: Mapping[str, Any]) -> None:
    if walk.segment:
        walk.pending[fields["seq"]] = (fields["call"], fields["attempt"])


def _outcome(walk: _Walk, place: int, fields: Mapping[str, Any]) -> None:
    name = fields["intent"]
    if name is None or not walk.segment:
        return  # without a first record nobody knows which segment this is
    segment, _, number = name.partition(":")
    if segment != walk.segment:
        walk.answers.append(Answer(place, name, fields["call"], fields["attempt"]))
        return
    intent = int(number)
    asked = walk.pending.pop(intent, None)
    if asked is not None:
        walk.answered.add(intent)
    if asked != (fields["call"], fields["attempt"]):
        second = "has an outcome already" if asked is None and intent in walk.answered else "is no intent of this call and attempt"
        walk.wrong(place, f"record {intent}, which it is the outcome of, {second}")


def _denial(_walk: _Walk, _place: int, _fields: Mapping[str, Any]) -> None:
    """A denial refers to nothing."""


def _checkpoint(walk: _Walk, place: int, fields: Mapping[str, Any]) -> None:
    walk.closed = fields["final"]
    note = fields["note"]
    if walk.key is None:
        return  # nothing can be said about any checkpoint, and the first record's problem is listed
    try:
        said = read_note(note, walk.key)
    except Refused as refusal:
        walk.wrong(place, f"its checkpoint is refused: {refusal}")
        return
    if note.count(_SIGNATURE) != 1:
        walk.wrong(place, "its checkpoint has other signatures than the log key's")
    elif (said.segment, said.size, said.time_us) != (walk.segment, fields["seq"], fields["time"]):
        walk.wrong(place, "its checkpoint is another record's")
    elif said.size != place or said.root != walk.tree.root():
        if not walk.unlike:
            walk.wrong(place, f"its checkpoint was signed over other records than the {place} before it")
        walk.unlike = True
    else:
        walk.signed, walk.signed_us = place, said.time_us


def _retention(walk: _Walk, place: int, fields: Mapping[str, Any]) -> None:
    walk.removed += [(place, _link(row)) for row in fields["removed"]]


def _content(walk: _Walk, place: int, fields: Mapping[str, Any]) -> None:
    segment, seq = split_id(fields["ref"])
    if segment == walk.segment and seq >= fields["seq"]:
        walk.wrong(place, "the content belongs to a record that does not come before it")


_KINDS: Final[Mapping[str, Callable[[_Walk, int, Mapping[str, Any]], None]]] = {
    "segment": _segment,
    "intent": _intent,
    "outcome": _outcome,
    "denial": _denial,
    "checkpoint": _checkpoint,
    "retention": _retention,
    "content": _content,
}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What somebody says that the segment was when it had so many records."""

    root: str
    hash: str
    who: str


def _wanted(walk: _Walk, anchors: Iterable[Checkpoint], links: Iterable[Link], records: int) -> dict[int, list[_Wanted]]:
    rows = [(anchor.size, _Wanted(anchor.root.hex(), "", "an anchor")) for anchor in anchors if anchor.segment == walk.segment]
    rows += [(link.size, _Wanted(link.root, link.hash, "a later segment")) for link in links if link.segment == walk.segment]
    wanted: dict[int, list[_Wanted]] = {}
    for size, row in rows:
        if size > records:
            walk.wrong(records, f"{size - records} records are missing at the end: {row.who} says that there were {size}")
        else:
            wanted.setdefault(size, []).append(row)
    return wanted


def _compare(walk: _Walk, place: int, rows: list[_Wanted]) -> None:
    root = walk.tree.root().hex()
    for row in rows:
        if row.root != root or row.hash not in {"", walk.prev}:
            walk.wrong(max(place - 1, 0), f"its first {place} records are not those that {row.who} fixes: another history")


def _certified(walk: _Walk, log_roles: Iterable[LogRole] | None) -> tuple[int | None, str]:
    """Which version of the trust root speaks for the segment's key, and that in words."""
    given = walk.first.get("certificate")
    if walk.key is None or given is None:
        return None, "not certified (weaker): nobody says whose log key this is"
    if log_roles is None:
        return None, "not checked: its certificate needs the log role's keys, out of the trust root"
    try:
        said, role = certified_by(Envelope.from_json(given), log_roles)
    except TooFewSigned:
        return None, "not certified (weaker): its certificate is not signed by the log role"
    except Refused as refusal:
        walk.wrong(0, f"its certificate is refused: {refusal}")
        return None, f"not certified: its certificate is refused: {refusal}"
    if (said.key, said.instance) != (walk.key, walk.first["instance"]):
        walk.wrong(0, "its certificate is about another process's log key")
        return None, "not certified: its certificate is about another process's log key"
    if walk.first["time"] < said.issued * _SECOND - _SKEW_US or max(walk.first["time"], walk.signed_us) > said.not_after * _SECOND:
        return None, "not certified (weaker): its certificate was not valid for the whole time of the segment"
    return role.version, f"certified by the log role of {said.name}, root version {role.version}"

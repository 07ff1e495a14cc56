"""Records: the fields of each kind, and the one way to read and to write a line.

A line is strict JSON (saferoute.signing.strict_json) of an object with exactly the fields of its kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from saferoute.ledger.shapes import FLAG, Closed, Shape, any_of, list_of, map_of, matching, maybe, record_of, text, whole
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FIRST_PREV",
    "KINDS",
    "MAX_LINE_BYTES",
    "VERSION",
    "Record",
    "check_record",
    "parse_line",
    "record_id",
    "split_id",
    "write_record",
]

VERSION: Final = 1
"""The one version of the format."""

FIRST_PREV: Final = "0" * 64
"""What stands for the leaf hash of the record before the first."""

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a record's line: a captured content may be as large as an answer."""

_ID: Final = r"[0-9a-f]{32}"
_RECORD_ID: Final = re.compile(rf"({_ID}):(0|[1-9][0-9]{{0,15}})")
_HEX: Final = matching(r"[0-9a-f]{64}")
_RANDOM: Final = matching(_ID)
_REF: Final = matching(_RECORD_ID.pattern)
_BASE64: Final = matching(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_CURRENCY: Final = matching(r"[A-Z]{3}")
_COST: Final = matching(r"(?:0|[1-9][0-9]{0,27})(?:\.[0-9]{1,40})?")
_COUNT: Final = whole()
_TEXT: Final = text()
_MAYBE_TEXT: Final = maybe(_TEXT)

_TABLE = record_of({"name": _TEXT, "sha256": _HEX, "trust": _TEXT, "version": _COUNT})
_VERDICTS = list_of(
    record_of({"action": _TEXT, "guard": _TEXT, "path": _TEXT, "reasons": list_of(_TEXT), "stage": _TEXT, "version": _TEXT}),
)
_REJECTED = list_of(list_of(_TEXT, 2, 2))
_LINK = record_of({"hash": _HEX, "root": _HEX, "segment": _RANDOM, "size": whole(1)})
_ENVELOPE = record_of(
    {
        "payload": _BASE64,
        "payloadType": _TEXT,
        "signatures": list_of(record_of({"keyid": _HEX, "sig": matching(r"[A-Za-z0-9+/]{86}==")}), 16, 1),
    }
)
_USAGE = record_of({name: maybe(_COUNT) for name in ("cache_read", "cache_write", "input", "output", "reasoning")})


def _commit(*names: str) -> Shape:
    return record_of(dict.fromkeys(names, _HEX), optional=names)


_EVERY: Final[Mapping[str, Mapping[str, Any]]] = {"v": whole(VERSION, VERSION), "kind": _TEXT, "seq": _COUNT, "prev": _HEX, "time": _COUNT}
_CALL: Final[Mapping[str, Mapping[str, Any]]] = {
    "call": _RANDOM,
    "capabilities": list_of(_HEX),
    "route": _TEXT,
    "tags": map_of(_TEXT, 128),
    "verdicts": _VERDICTS,
}
_ASKED: Final[Mapping[str, Mapping[str, Any]]] = {
    "data": maybe(any_of("public", "internal", "confidential", "restricted")),
    "operation": _TEXT,
    "purpose": _MAYBE_TEXT,
    "rejected": _REJECTED,
    "table": maybe(_TABLE),
}

KINDS: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "segment": {
        **_EVERY,
        "certificate": maybe(_ENVELOPE),
        "instance": _RANDOM,
        "key": matching(r"[A-Za-z0-9+/]{43}="),
        "previous": maybe(_LINK),
        "segment": _RANDOM,
        "software": _TEXT,
    },
    "intent": {
        **_EVERY,
        **_CALL,
        **_ASKED,
        "attempt": whole(1),
        "commit": _commit("asked", "request", "system"),
        "max_cost": maybe(record_of({"currency": _CURRENCY, "nano": _COUNT})),
        "model": _TEXT,
        "origin": _TEXT,
        "provider": _TEXT,
        "secret": _MAYBE_TEXT,
        "stream": FLAG,
        "system_id": maybe(_HEX),
        "target": _TEXT,
        "templates": list_of(record_of({"name": _TEXT, "sha256": _HEX})),
        "why": _TEXT,
    },
    "outcome": {
        **_EVERY,
        **_CALL,
        "attempt": whole(1),
        "commit": _commit("response"),
        "cost": maybe(_COST),
        "currency": maybe(_CURRENCY),
        "deny": _MAYBE_TEXT,
        "estimated": FLAG,
        "finish_reason": _MAYBE_TEXT,
        "first_us": maybe(_COUNT),
        "intent": maybe(_REF),
        "model": _MAYBE_TEXT,
        "outcome": _TEXT,
        "request_id": _MAYBE_TEXT,
        "requests": _COUNT,
        "status": maybe(_COUNT),
        "target": _TEXT,
        "us": _COUNT,
        "usage": maybe(_USAGE),
    },
    "denial": {**_EVERY, **_CALL, **_ASKED, "commit": _commit("asked"), "deny": _MAYBE_TEXT, "error": _TEXT},
    "checkpoint": {**_EVERY, "final": FLAG, "note": text(2_000)},
    "retention": {**_EVERY, "removed": list_of(_LINK, 1_000, 1)},
    "content": {
        **_EVERY,
        "data": _BASE64,
        "field": matching(r"[a-z_]{1,32}"),
        "key_id": matching(r"[0-9a-f]{16}"),
        "nonce": matching(r"[A-Za-z0-9+/]{16}"),
        "ref": _REF,
    },
}
"""The fields of each kind of record."""

_CLOSED: Final = Closed(
    {"type": "tagged-union", "discriminator": "kind", "choices": {kind: record_of(fields) for kind, fields in KINDS.items()}}, maps=["tags"]
)
_SAID_AT_LENGTH: Final = frozenset({"intent", "outcome", "denial"})


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was read: its line fits the format, and nothing else about it has been verified.

    Attributes:
        line: the line, without its line feed.
        fields: what it says.
    """

    line: bytes
    fields: dict[str, Any]

    @property
    def kind(self) -> str:
        """What it is."""
        kind: str = self.fields["kind"]
        return kind

    @property
    def seq(self) -> int:
        """Its place in its segment, from 0."""
        seq: int = self.fields["seq"]
        return seq

    @override
    def __repr__(self) -> str:
        return f"Record({self.kind!r}, seq={self.seq})"


def record_id(segment: str, seq: int) -> str:
    """What a record is called: "SEGMENT:SEQ"."""
    return f"{segment}:{seq}"


def split_id(name: str) -> tuple[str, int]:
    """The segment and the place that a record's id names.

    Raises:
        Refused: if it is none.
    """
    found = _RECORD_ID.fullmatch(name)
    if found is None:
        raise Refused(f"{name[:60]!r} is no record's id; one is 32 hexadecimal digits, a colon and a number")
    return found[1], int(found[2])


def check_record(record: Mapping[str, Any]) -> None:
    """Check a record's fields against the closed schema of its kind.

    Raises:
        Refused: at the first field that does not fit; the message names it, and holds no value.
    """
    _CLOSED.check(record)


def parse_line(line: bytes) -> Record:
    """Read a record's line, without its line feed.

    Raises:
        Refused: if it is not exactly what a writer makes.
    """
    if len(line) > MAX_LINE_BYTES:
        raise Refused(f"it has {len(line)} bytes; a record has at most {MAX_LINE_BYTES}")
    return Record(line, _CLOSED.read(line))


def write_record(fields: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """A record's line, without its line feed, and its fields as they stand in it. What a call says at length is cut.

    Raises:
        Refused: if they are not the fields of its kind, or hold what cannot be written.
    """
    line, record = _CLOSED.write(fields, fit=fields.get("kind") in _SAID_AT_LENGTH)
    if len(line) > MAX_LINE_BYTES:
        raise Refused(f"the record has {len(line)} bytes; at most {MAX_LINE_BYTES} are written")
    return line, record

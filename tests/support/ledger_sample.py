"""A few days of a small installation: three processes with certified log keys, one of them killed, and an anchor kept elsewhere.

`python -m tests.support.ledger_sample DIR` writes it, for looking at a report of it.
"""

from __future__ import annotations

import pathlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saferoute.ledger.certificate import Certificate, certify
from saferoute.routing.publish import pin
from saferoute.routing.publish_root import new_root
from tests.support.ledger_story import BEGIN, DAY, Story, digest
from tests.support.ledger_written import SECRET, Process, key_of

if TYPE_CHECKING:
    from saferoute.signing.envelope import Envelope

__all__ = ["Sample", "certificate_for", "make_root", "sample"]

NAME = "shop"
TORN = b'{"attempt":1,"call":"'


@dataclass(frozen=True)
class Sample:
    """Where it is."""

    ledger: pathlib.Path
    root: pathlib.Path
    sha256: str
    anchors: pathlib.Path
    segments: tuple[pathlib.Path, ...]


def make_root(where: pathlib.Path, *, log: bool = True) -> str:
    """Write root.json, and give its digest."""
    begin = BEGIN / 1e6
    keys = {"log_keys": [key_of("log role").public_key]} if log else {}
    data = new_root(
        NAME,
        root_signers=[key_of("root role")],
        table_keys=[key_of("table role").public_key],
        now=begin,
        not_after=begin + 300 * 86_400,
        **keys,
    )
    where.write_bytes(data)
    return pin(data)


def certificate_for(name: str) -> Envelope:
    begin = BEGIN // 1_000_000
    said = Certificate(key_of(name).public_key, digest(name)[:32], begin - 60, begin + 30 * 86_400, NAME)
    return certify(said, [key_of("log role")])


def sample(where: pathlib.Path, calls: int = 4_000, *, processes: int = 3, days: float = 5) -> Sample:
    """Write it: `ledger/`, `root.json` and `anchors.notes`."""
    ledger, anchors, segments = where / "ledger", where / "anchors.notes", []
    sha256 = make_root(where / "root.json")
    notes: list[str] = []
    middle, end = BEGIN + int(days * DAY / 2), BEGIN + int(days * DAY)
    for number in range(processes):
        process = Process(ledger, f"web-{number}", certificate=certificate_for(f"web-{number}"))
        for half, (begin, until) in enumerate(((BEGIN, middle), (middle, end))):
            if half:
                process.begin(begin)
            process.write(Story(2 * number + half, calls // (2 * processes), begin, until))
            killed = half == 1 and number == processes - 1
            segments.append(process.save(TORN) if killed else process.close())
            notes.append(process.notes[-1])
    anchors.write_text("".join(note + "\n" for note in notes), encoding="utf-8")
    secret = ledger / "ledger.secret"
    secret.write_text(SECRET.hex() + "\n", encoding="ascii")
    secret.chmod(0o600)
    return Sample(ledger, where / "root.json", sha256, anchors, tuple(segments))


if __name__ == "__main__":
    place = pathlib.Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"{sample(place)}\n")

"""Verifying a ledger: what is wrong, the first bad record first, and what verifying cannot show, in words."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from saferoute.cli.audit_files import segments_in
from saferoute.cli.progress import Progress
from saferoute.cli.table_files import chain_of
from saferoute.cli.terminal import show
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError
from saferoute.ledger.certificate import LogRole
from saferoute.ledger.checkpoint import read_note
from saferoute.ledger.plain import count, plain
from saferoute.ledger.verify import verify_ledger, verify_segment
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from saferoute.cli.audit_files import Segment
    from saferoute.ledger.checkpoint import Checkpoint
    from saferoute.ledger.verify import LedgerReport, SegmentReport

__all__ = ["Certifiers", "SegmentBytes", "SegmentCheck", "Verified", "certifiers", "verified", "verify"]

_MOST_ANCHOR_BYTES: Final = 256 * 1024 * 1024
_NOTE: Final = re.compile(r"^(?=saferoute\.ledger/)", re.MULTILINE)
_MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Certifiers:
    """Who certifies log keys.

    Attributes:
        roles: the log roles of all roots of the chain that have one, the newest first; None where nobody is named.
        newest: the version of the last root.
        words: what is weaker about them; "" for nothing.
    """

    roles: tuple[LogRole, ...] | None
    newest: int
    words: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What verifying found.

    Attributes:
        report: of the ledger.
        anchors: how many checkpoints from elsewhere were compared.
        certifiers: who certifies log keys.
    """

    report: LedgerReport
    anchors: int
    certifiers: Certifiers

    def summary(self) -> str:
        """What was found, in a line."""
        report = self.report
        size = f"{count(len(report.segments), 'segment')}, {count(report.records, 'record')}"
        if report.ok:
            cut = "" if self.anchors else " in what is here; records cut off at the end would not show without an anchor"
            return f"ok: {size}, nothing is wrong{cut}"
        if not report.segments:
            return f"NOT WHOLE: {'; '.join(self.faults()[:_MOST_SHOWN])}"
        return f"NOT WHOLE: {size}, {count(len(report.faults), 'fault')}"

    def faults(self) -> list[str]:
        """Everything that is wrong, the first bad record first."""
        return [
            f"{plain(fault.name)}, record {fault.place}: {plain(fault.words)}" if fault.name else plain(fault.words)
            for fault in self.report.faults
        ]

    def stronger(self) -> list[str]:
        """What certificates and checkpoints from elsewhere show, where there are such and nothing is wrong."""
        found, by = [], self._certified()
        if by:
            keys = count(sum(by.values()), "log key is", "log keys are")
            parts = [f"version {version}" + (f": {number}" if len(by) > 1 else "") for version, number in by.items()]
            found.append(f"{keys} certified by the log role of the trust root ({', '.join(parts)}).")
        if self.anchors:
            found.append(
                f"{count(self.anchors, 'checkpoint')} that {'was' if self.anchors == 1 else 'were'} kept elsewhere: the ledger agrees."
            )
        return found if self.report.ok else []

    def weaker(self) -> list[str]:
        """What all this does not show, in words."""
        reports = list(self.report.segments.values())
        found = [self.certifiers.words] if self.certifiers.words else []
        if self.certifiers.roles is not None:
            found += _uncertified(reports)
        older = {version: number for version, number in self._certified().items() if version != self.certifiers.newest}
        if older:
            found.append(
                f"{count(sum(older.values()), 'log key was', 'log keys were')} certified under an older root (version "
                f"{', '.join(map(str, older))}; the newest is {self.certifiers.newest}). If its log role was replaced because "
                "a key had leaked, that shows nothing: pass the root that came after it as --root."
            )
        if not self.anchors:
            found.append(
                "No checkpoint that was kept elsewhere was compared: records cut off at the end of a segment that is not closed, and a "
                "last segment that is gone as a whole, are not noticed without one."
            )
        found += _tails(reports)
        if self.report.maybe_sent:
            found.append(f"{count(len(self.report.maybe_sent), 'attempt has', 'attempts have')} no outcome: maybe sent, and nobody knows.")
        if self.report.removed:
            gone = count(len(self.report.removed), "segment was", "segments were")
            found.append(f"{gone} removed by the ledger's own rule for old ones, as signed records say: what they held is not here.")
        return found

    def _certified(self) -> dict[int, int]:
        """How many log keys each version of the root certifies, the newest version first."""
        keys = {report.key: report.root_version for report in self.report.segments.values() if report.root_version is not None}
        return dict(sorted(Counter(keys.values()).items(), reverse=True))


def _uncertified(reports: Sequence[SegmentReport]) -> list[str]:
    lacking = [report for report in reports if report.records and not report.certified]
    if not lacking:
        return []
    why = "; ".join(dict.fromkeys(plain(report.certificate) for report in lacking))
    number = count(len(lacking), "segment is", "segments are")
    words = f"{number} signed with a log key that the log role did not certify ({why}): nothing was changed since its holder signed, and "
    return [words + "who that was is not shown."]


def _tails(reports: Sequence[SegmentReport]) -> list[str]:
    found = []
    unsigned = [report for report in reports if report.unsigned_tail]
    if unsigned:
        records = count(sum(report.unsigned_tail for report in unsigned), "record")
        found.append(
            f"{records} at the end of {count(len(unsigned), 'segment')} lie behind the last checkpoint: who can write the file can have "
            "written them."
        )
    empty = [report for report in reports if not report.records]
    if empty:
        found.append(
            f"{count(len(empty), 'file holds', 'files hold')} no whole record: the process was killed, or the power cut, before "
            "the first one was kept. What is there counts as not written."
        )
    torn = [report for report in reports if report.records and report.torn_tail_bytes]
    if torn:
        found.append(
            f"{count(len(torn), 'segment ends', 'segments end')} in a part of a line: the process was killed while it wrote. That part "
            "counts as not written."
        )
    still = [report for report in reports if report.records and not report.closed]
    if still:
        found.append(
            f"{count(len(still), 'segment has', 'segments have')} no end: a process that was killed, or that still runs. What else it "
            "wrote could be missing."
        )
    return found


class SegmentBytes(Mapping[str, bytes]):
    """Segments by name, read one by one, with a bar for how far that is."""

    def __init__(self, segments: Sequence[Segment], progress: Progress) -> None:
        several = len({segment.directory for segment in segments}) > 1
        self._segments = {f"{one.directory}/{one.name}" if several else one.name: one for one in segments}
        self._progress, self._done, self._read = progress, 0, 0

    @override
    def __getitem__(self, name: str) -> bytes:
        data = self._segments[name].read()
        self._done += len(data)
        self._read += 1
        self._progress.at(self._done, self._read)
        return data

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._segments)

    @override
    def __len__(self) -> int:
        return len(self._segments)


def verified(options: argparse.Namespace, segments: Sequence[Segment]) -> Verified:
    """Verify segments as the options say.

    Raises:
        ConfigurationError: an anchor or the root cannot be used.
    """
    anchors = [note for path in options.anchor for note in _notes(path)]
    who = certifiers(options)
    with Progress(2 * sum(one.size for one in segments), "segments read") as progress:
        report = verify_ledger(SegmentBytes(segments, progress), anchors=anchors, log_roles=who.roles)
    return Verified(report, len(anchors), who)


def _notes(path: Path) -> list[Checkpoint]:
    """The checkpoints in a file, one after the other."""
    try:
        text = read_bounded(path, _MOST_ANCHOR_BYTES).decode()
        # Their signatures are not looked at: an anchor is believed for where it was kept.
        found = [read_note(note.rstrip("\n") + "\n", None) for note in _NOTE.split(text) if note.strip()]
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text in UTF-8, and holds no checkpoints") from None
    except Refused as refusal:
        raise ConfigurationError(f"{path} cannot be used: {refusal}") from None
    if not found:
        raise ConfigurationError(f"{path} holds no checkpoint")
    return found


def certifiers(options: argparse.Namespace) -> Certifiers:
    """Who certifies log keys, by the options `--root`, `--updates` and `--sha256`.

    Raises:
        ConfigurationError: the root cannot be read, or is another one than the digest says.
    """
    if options.root is None:
        if options.sha256 is not None or options.updates is not None:
            raise ConfigurationError("--sha256 and --updates say something of a root: give it with --root")
        return Certifiers(None, 0, "No trust root was given: nobody says whose log keys these are. Pass --root root.json --sha256 HEX.")
    chain = chain_of(options.root, options.updates)
    if options.sha256 is not None and options.sha256 != chain.sha256:
        raise ConfigurationError(f"{options.root} is another root: its SHA-256 is {chain.sha256}")
    newest = chain.root.version
    roles = tuple(LogRole(tuple(one.log.keys), one.log.threshold, one.version) for one in reversed(chain.roots) if one.log is not None)
    if not roles:
        unnamed = f"The root {chain.root.name} has no log role: nobody certifies log keys. To name one: saferoute root add-key --role log."
        return Certifiers(None, newest, unnamed)
    believed = f"The root was believed as it is. Its SHA-256 is {chain.sha256}: compare it with the one in your program, or pass --sha256."
    return Certifiers(roles, newest, "" if options.sha256 else believed)


def verify(options: argparse.Namespace) -> int:
    """Verify segments, and say what was found."""
    # An anchor says what must be there: a directory without it is not a mistyped name, but a ledger that is gone.
    found = verified(options, segments_in(options.directories, may_be_empty=bool(options.anchor)))
    if options.json:
        show(json.dumps(_as_json(found), indent=2))
    else:
        for line in (found.summary(), *(f"  {line}" for line in found.stronger())):
            show(line)
        faults = found.faults()
        if faults and found.report.segments:
            show(f"\nThe first bad record\n  {faults[0]}")
            if faults[1:]:
                show("\nAnd after it")
            for line in faults[1:_MOST_SHOWN]:
                show(f"  {line}")
            if len(faults) > _MOST_SHOWN:
                show(f"  and {len(faults) - _MOST_SHOWN} more: --json has them all")
        weaker = found.weaker()
        if weaker:
            show("\nWhat this does not show")
            for line in weaker:
                show(f"  - {line}")
    return 0 if found.report.ok else 1


def _as_json(found: Verified) -> dict[str, Any]:
    report = found.report
    return {
        "ok": report.ok,
        "records": report.records,
        "faults": [{"segment": fault.name, "record": fault.place, "words": fault.words} for fault in report.faults],
        "segments": [
            {
                "name": name,
                "segment": one.segment,
                "records": one.records,
                "key": None if one.key is None else one.key.key_id,
                "certified": one.certified,
                "certificate": one.certificate,
                "root_version": one.root_version,
                "closed": one.closed,
                "unsigned_tail": one.unsigned_tail,
                "torn_tail_bytes": one.torn_tail_bytes,
                "previous": None if one.previous is None else one.previous.segment,
            }
            for name, one in report.segments.items()
        ],
        "maybe_sent": list(report.maybe_sent),
        "removed": [link.segment for link in report.removed],
        "anchors": found.anchors,
        "weaker": found.weaker(),
    }


class SegmentCheck:
    """Verifies each segment by itself, as it is read for something else."""

    __slots__ = ("orphans", "reports")

    def __init__(self) -> None:
        self.reports: dict[str, SegmentReport] = {}
        self.orphans = 0  # outcomes whose intents are not in these segments; who counts attempts counts them

    def __call__(self, segment: Segment, data: bytes) -> None:
        """Verify one."""
        self.reports[segment.name] = verify_segment(data)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with any of them."""
        return all(report.ok for report in self.reports.values())

    def doubts(self) -> list[str]:
        """What is wrong with them, and what limits an answer that was read out of them."""
        lines = [
            f"error: {plain(name)} is not whole: record {report.problems[0][0]}: {plain(report.problems[0][1])}"
            for name, report in self.reports.items()
            if not report.ok
        ]
        if self.orphans:
            lines.append(f"note: {count(self.orphans, 'outcome')} without an intent here: which key those presented is not known")
        return lines

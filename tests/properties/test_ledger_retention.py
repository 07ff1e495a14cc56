"""Whatever processes do with one ledger, end, are killed, and delete by age: what is left verifies, and explains what is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saferoute.drivers.ledger_secrets import checked_place
from saferoute.drivers.ledger_settings import Settings
from saferoute.drivers.ledger_writing import Writing
from saferoute.ledger.segment import Link
from saferoute.ledger.verify import LedgerReport, verify_ledger
from saferoute.signing.keys import PrivateKey
from saferoute.values.receipt import Receipt
from tests.support.ledger_entries import denial, intent, outcome

KEEP = 40
ROLES = [PrivateKey.from_seed(bytes([number]) * 32) for number in range(2)]


class Killed(BaseException):
    """A process ends here, and does nothing more."""


class File:
    """A segment's bytes on a disk that several processes see."""

    def __init__(self, disk: Disk) -> None:
        self.disk, self.data, self.written, self.held = disk, b"", disk.now, True

    @property
    def size(self) -> int:
        return len(self.data)

    def write(self, line: bytes, _: object = None) -> None:
        self.data += line
        self.written = self.disk.now

    def recover(self) -> bool:
        return True

    def check(self) -> None:
        pass

    def close(self) -> None:
        self.held = False

    sync, abandon, disown = check, close, close


class Disk:
    """Where all of them write; a stand-in for a directory, with a clock of its own."""

    label = "the ledger"
    waits = False

    def __init__(self) -> None:
        self.now = 1_800_000_000_000_000
        self.files: dict[str, File] = {}
        self.left: int | None = None  # how many files may be deleted before who deletes them is killed

    def prepare(self) -> None:
        pass

    def begin(self, segment: str, now_us: int) -> File:
        file = self.files[f"{now_us}-{segment}"] = File(self)
        return file

    def earlier(self) -> Iterator[bytes]:
        for name in sorted(self.files, reverse=True):
            data = self.files[name].data
            if b"\n" in data:
                yield data[: data.rfind(b"\n") + 1]

    def expired(self, now_us: int) -> list[str]:
        return [name for name, file in sorted(self.files.items()) if not file.held and file.written < now_us - KEEP]

    def read(self) -> dict[str, bytes]:
        return {name: self.files[name].data for name in sorted(self.files)}

    def first(self, name: str) -> bytes:
        first, feed, _ = self.files[name].data.partition(b"\n")
        return first if feed else b""

    def ended(self, link: Link) -> None:
        """Nothing: what the file holds is what counts."""

    def link(self, name: str) -> None:
        """Nothing was heard."""

    def remove(self, name: str) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1
        self.files.pop(name, None)  # another process may have been faster


class World:
    """Up to three processes, each with calls that it has not ended yet."""

    def __init__(self, signer: PrivateKey | None) -> None:
        self.disk = Disk()
        self.signer = signer
        self.processes: dict[int, Writing] = {}
        self.open: dict[int, list[Receipt]] = {0: [], 1: [], 2: []}

    def process(self, number: int) -> Writing:
        if number not in self.processes:
            secret: Any = checked_place(b"s" * 32, None)
            own = Settings(self.disk, secret, "never", self.signer, records=4, most_records=7, clock=lambda: self.disk.now)
            self.processes[number] = Writing(own)
        return self.processes[number]

    def files_of(self, number: int) -> File | None:
        writing = self.processes.get(number)
        segment = None if writing is None else writing._segment
        return None if segment is None else segment.stream  # type: ignore[return-value]  # ours

    def append(self, number: int, what: int) -> None:
        writing, waiting = self.process(number), self.open[number]
        if what % 3 == 0:
            sent = writing.append(intent())
            assert sent is not None
            waiting.append(sent)
        elif what % 3 == 1 and waiting:
            writing.append(outcome(waiting.pop(0)))
        else:
            writing.append(denial())
        if what < 3 and writing.due:  # else its thread has not come to that yet
            writing.checkpoint()

    def kill(self, number: int, torn: bytes) -> None:
        file = self.files_of(number)
        if file is not None:
            file.data += torn
            file.held = False
        self.processes.pop(number, None)
        self.open[number] = []

    def verified(self) -> LedgerReport:
        report = verify_ledger(self.disk.read())
        assert report.ok, report.faults[:3]
        return report


NUMBER = st.integers(0, 2)
STEP = st.one_of(
    st.tuples(st.just("append"), NUMBER, st.integers(0, 2)),
    st.tuples(st.just("append"), NUMBER, st.integers(0, 5)),
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 20, KEEP, 2 * KEEP]), st.none()),
    st.tuples(st.just("checkpoint"), NUMBER, st.sampled_from([None, None, 0, 1])),
    st.tuples(st.just("close"), NUMBER, st.none()),
    st.tuples(st.just("kill"), NUMBER, st.sampled_from([b"", b'{"attempt":1,', bytes(10)])),
    st.tuples(st.just("cut"), st.none(), st.none()),
    st.tuples(st.just("signer"), st.sampled_from([None, 0, 1]), st.none()),
)


def step(world: World, kind: str, given: Any, more: Any) -> None:
    disk = world.disk
    disk.now += 1
    if kind == "append":
        world.append(given, more)
    elif kind == "wait":
        disk.now += given
    elif kind == "kill":
        world.kill(given, more)
    elif kind == "cut":  # a power cut leaves a name without anything behind it
        disk.files[f"{disk.now}-{disk.now:032x}"] = file = File(disk)
        file.held = False
    elif kind == "signer":
        world.signer = None if given is None else ROLES[given]
        world.processes, world.open = {}, {0: [], 1: [], 2: []}
        for one in disk.files.values():
            one.held = False
    elif given in world.processes:
        disk.left = more
        try:
            world.processes[given].checkpoint(final=kind == "close")
            if kind == "close":
                world.processes.pop(given)
                world.open[given] = []
        except Killed:
            world.kill(given, b"")
        disk.left = None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, min_size=5, max_size=60))
def test_what_is_left_verifies_at_any_time(steps: list[tuple[str, Any, Any]]) -> None:
    world = World(None)
    for kind, given_, more in steps:
        step(world, kind, given_, more)
        world.verified()


def rounds(world: World, number: int, times: int) -> None:
    """A process that lives on, and deletes what is old, so that what deleted other segments is deleted as well."""
    for _ in range(times):
        for _ in range(8):
            step(world, "append", number, 2)
        step(world, "wait", KEEP + 1, None)
        world.verified()


def test_a_segment_that_stays_open_long_is_told_for_as_long_what_became_of_the_one_before_it() -> None:
    world = World(None)
    step(world, "append", 0, 2)
    first = next(iter(world.verified().segments.values())).segment
    step(world, "append", 1, 2)  # follows the first one, and says nothing for long
    step(world, "close", 0, None)
    step(world, "wait", KEEP + 1, None)
    rounds(world, 2, 6)
    report = world.verified()
    assert first in {link.segment for link in report.removed}
    idle = next(one for one in report.segments.values() if one.previous is not None and one.previous.segment == first)
    step(world, "close", 1, None)
    step(world, "wait", KEEP + 1, None)
    rounds(world, 2, 3)
    report = world.verified()
    assert idle.segment not in {one.segment for one in report.segments.values()}
    assert first not in {link.segment for link in report.removed}  # nothing asks for it any more
    assert len(report.removed) < 4


def test_the_outcome_of_a_call_that_took_longer_than_its_intent_is_kept() -> None:
    world = World(None)
    step(world, "append", 0, 0)
    rounds(world, 0, 6)
    step(world, "append", 0, 1)
    world.verified()


def test_what_another_log_role_certified_is_not_said_again_and_stays_while_it_is_needed() -> None:
    world = World(ROLES[0])
    step(world, "append", 0, 2)
    step(world, "append", 1, 2)  # follows the first one
    step(world, "close", 0, None)
    step(world, "wait", KEEP + 1, None)
    step(world, "append", 2, 2)  # deletes the first one
    step(world, "close", 2, None)
    (_, *deleter) = world.verified().segments
    assert len(deleter) == 1
    step(world, "wait", KEEP + 1, None)
    world.signer = ROLES[1]
    step(world, "append", 2, 2)
    step(world, "checkpoint", 2, None)
    assert deleter[0] in world.verified().segments  # the idle one still follows what it deleted
    step(world, "close", 1, None)
    step(world, "wait", KEEP + 1, None)
    step(world, "close", 2, None)
    step(world, "append", 2, 2)
    step(world, "checkpoint", 2, None)
    assert deleter[0] not in world.verified().segments

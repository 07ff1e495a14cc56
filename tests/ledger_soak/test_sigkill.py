"""SIGKILL at any moment: every segment verifies or names its torn tail, and no checkpoint that was reported is lost.

    LEDGER_KILLS=200 python -m pytest -s tests/ledger_soak          (or `nox -s ledger`; LEDGER_SEED for other moments)

Runs only where LEDGER_KILLS says how many processes are killed. Two at a time write one directory with four threads each, with small
segments, so that rotation is killed too; each reports a checkpoint on a pipe before the thread that made it goes on.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest

from saferoute.drivers.ledger import Ledger
from saferoute.ledger.verify import verify_ledger
from tests.support.ledger_entries import exchange
from tests.support.ledger_killing import killed

KILLS = int(os.environ.get("LEDGER_KILLS", "0"))
SEED = int(os.environ.get("LEDGER_SEED", "1"))
EACH = 20
"""Processes that are killed over one directory, before it is verified as a whole and another one begun."""

AT_ONCE = 2
MODES = ("checkpoint", "checkpoint", "always", "never")


@pytest.mark.skipif(KILLS == 0, reason="LEDGER_KILLS says how many processes to kill")
@pytest.mark.timeout(3_600)
def test_sigkill_at_random_points_under_load(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    kills = records = segments = torn = unsigned = checkpoints = maybe = 0
    began = time.monotonic()
    while kills < KILLS:
        directory = tmp_path / f"{kills:04}"
        anchors = []
        for _ in range(0, min(EACH, KILLS - kills), AT_ONCE):
            early = draw.random() < 0.15  # while it starts: before, in or just after the making of its secret and segment
            seconds = -draw.uniform(0.15, 0.6) if early else draw.uniform(0.0, 0.25)
            anchors += killed(directory, seconds, fsync=draw.choice(MODES), processes=AT_ONCE)
            kills += AT_ONCE
        ledger = Ledger.directory(directory)  # whoever comes next goes on
        exchange(ledger)
        ledger.close()
        report = verify_ledger(ledger.read(), anchors=anchors)
        assert report.ok, report.faults[:5]
        assert list(report.segments.values())[-1].closed
        found = report.segments.values()
        records += report.records
        segments += len(found)
        torn += sum(one.torn_tail_bytes > 0 for one in found)
        unsigned = max(unsigned, *(one.unsigned_tail for one in found))
        maybe += len(report.maybe_sent)
        checkpoints += len(anchors)
    sys.stdout.write(
        f"\n{kills} SIGKILLs in {time.monotonic() - began:.0f} s, seed {SEED}: {segments} segments with {records} records, all verify; "
        f"{checkpoints} reported checkpoints, all there; {torn} torn tails; at most {unsigned} records after a last checkpoint; "
        f"{maybe} intents without an outcome\n"
    )

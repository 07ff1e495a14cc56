"""Attack: a process is killed while its request is under way, so that a call which the provider bills is never counted.

Whoever can end a worker, or make it run out of memory, would call for free.

Guards: saferoute/drivers/storage/accounts_sqlite.py::connection.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", new)
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from saferoute import Accounts
from saferoute.routing.publish import pin
from saferoute.testing import Ask, EmbeddedProvider
from saferoute.testing.faults import Hang
from tests.support.account_stores import ROOT
from tests.support.both import KINDS
from tests.support.deployment import Deployment, faces, refused


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_killed_client_had_sent_stays_held_back(kind: str, tmp_path: Path) -> None:
    came = threading.Event()

    def answer(_: Ask) -> Hang:
        came.set()
        return Hang()

    with EmbeddedProvider() as provider:
        deployed = Deployment(tmp_path, provider.origin)
        capability = deployed.mint(scope="host", budget="$0.0025", calls=5)
        (tmp_path / "holder").touch(mode=0o600)
        (tmp_path / "holder").write_text(capability.to_holder())
        provider.script(answer)
        command = [sys.executable, "-m", "tests.support.client_worker", kind, str(tmp_path), pin(deployed.pinned), "hold", "1"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
            assert came.wait(60)
            worker.kill()
        assert worker.returncode == -9
        provider.script(["hello"])
        with faces(deployed, kind) as make:
            face = make(capability=capability, accounts=Accounts.sqlite(tmp_path / "accounts.db"))
            standing = {one.unit: one for one in face.wait(face.client.remaining())}
            assert (standing["calls"].spent, standing["calls"].reserved) == (0, 1)
            assert 1_000_000 <= standing["USD"].reserved < 1_500_000
            assert refused(face, "cheap", "hi", max_output_tokens=150) == "budget"  # it would fit, had the other never been
            assert face.chat("cheap", "hi", max_output_tokens=50).finish_reason == "stop"
            assert len(provider.requests) == 2

"""A process with a client of its own: `python -m tests.support.client_worker KIND FOLDER PIN JOB TIMES`.

The folder is a `Deployment`'s; the capability lies there in its holder's form, and budgets are counted in a file beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import saferoute
from saferoute.errors import BudgetExceeded
from tests.support.both import Face


def main(kind: str, where: str, sha256: str, job: str, times: str) -> None:
    """Call so often, and print how many calls were made; "hold" makes one that nobody answers."""
    folder = Path(where)
    trust = saferoute.Trust.pinned(folder / "root.json", sha256=sha256, revocations=folder / "revoked.json")
    capability = saferoute.Capability.from_holder((folder / "holder").read_text())
    with Face(
        kind,
        lambda client: client(
            folder / "routes.json",
            trust=trust,
            secrets=saferoute.Secrets.of({}),
            data="public",
            state=folder / "state",
            accounts=saferoute.Accounts.sqlite(folder / "accounts.db"),
            capability=capability,
        ),
    ) as face:
        done = 0
        for _ in range(int(times)):
            try:
                face.chat("cheap", job, max_output_tokens=100, max_attempts=1)
                done += 1
            except BudgetExceeded:
                continue
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

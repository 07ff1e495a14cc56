"""A process that writes a ledger: `python -m tests.support.ledger_worker DIRECTORY JOB ...`. Whatever it does begins with a new process."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from saferoute.drivers.ledger import Ledger
from saferoute.ledger.checkpoint import Checkpoint
from tests.support.ledger_entries import exchange

__all__ = ["write_some"]


def write_some(directory: str, exchanges: int) -> None:
    """Write so many pairs of records, and close."""
    ledger = Ledger.directory(Path(directory))
    for _ in range(exchanges):
        exchange(ledger)
    ledger.close()


def under_load(directory: str, threads: int, fsync: str) -> None:
    """Write until killed. Each checkpoint is reported on the standard output, whole, before the thread that made it goes on."""

    def acknowledged(_: Checkpoint, note: str) -> None:
        os.write(1, note.replace("\n", "|").encode() + b"\n")

    ledger = Ledger.directory(
        Path(directory),
        fsync=fsync,  # type: ignore[arg-type]
        on_checkpoint=(acknowledged,),
        checkpoint_records=8,
        max_bytes=60_000,
    )

    def work() -> None:
        while True:
            exchange(ledger)

    for _ in range(threads - 1):
        threading.Thread(target=work, daemon=True).start()
    work()


def leave(directory: str, how: str) -> None:
    """Write something, and end without closing."""
    ledger = Ledger.directory(Path(directory))
    exchange(ledger)
    if how == "raise":
        raise SystemExit(3)
    if how == "child":
        child = os.fork()
        if child == 0:
            exchange(ledger)
            sys.exit()
        os.waitpid(child, 0)


def serve(directory: str, workers: int, exchanges: int) -> None:
    """As gunicorn does with --preload: the ledger is made and used in the parent, and workers are forked off while another thread writes."""
    ledger = Ledger.directory(Path(directory))
    exchange(ledger)
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            exchange(ledger)

    thread = threading.Thread(target=busy)
    thread.start()
    children = []
    for _ in range(workers):
        child = os.fork()
        if child == 0:
            threads = [threading.Thread(target=lambda: [exchange(ledger) for _ in range(exchanges)]) for _ in range(2)]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            sys.exit()
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    over.set()
    thread.join()
    sys.stdout.write(f"{statuses}\n")


if __name__ == "__main__":
    where, job, *arguments = sys.argv[1:]
    if job == "load":
        under_load(where, int(arguments[0]), arguments[1])
    elif job == "leave":
        leave(where, arguments[0])
    else:
        serve(where, int(arguments[0]), int(arguments[1]))

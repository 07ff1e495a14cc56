"""Take out each guarded line of the register of attacks, one at a time, and see that a test of its row fails.

    python tests/architecture/disable_guards.py                      # all rows, two at a time
    python tests/architecture/disable_guards.py --only table-rollback
    python tests/architecture/disable_guards.py --sample 20 --seed 7
    python tests/architecture/disable_guards.py --missing            # rows for attack tests that have none yet
    python tests/architecture/disable_guards.py --page               # write docs/reference/attacks.md

Nothing here touches the tree: every worker has a copy. A run is a fork of a process that has pytest and the dependencies in memory
already, so that most of what it costs is the tests themselves. A row counts as guarded if its tests pass as the tree is, and fail, or run
out of time, without the line. Tests that are skipped on this machine (they want a server) say nothing, and are shown as skipped.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib
import multiprocessing
import os
import pathlib
import py_compile
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.attack_register import ATTACKS, PAGE, Attack, Guard, disabled, load, page, row_for  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from multiprocessing.queues import Queue

COPIED = ("saferoute", "tests", "docs", "examples", "conftest.py", "pyproject.toml", "noxfile.py", "README.md")
LOADED = (
    "pytest", "hypothesis.strategies", "httpx", "h11", "pydantic", "tenacity", "trustme", "opentelemetry.sdk.trace", "_pytest.assertion.rewrite",
    "cryptography.hazmat.primitives.asymmetric.ed25519", "cryptography.hazmat.primitives.ciphers.aead", "keyring",
)  # fmt: skip
OPTIONS = (
    "-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", "--hypothesis-seed=0",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",
)  # fmt: skip
PASSED, FAILED, LATE, SKIPPED = 0, 1, -1, -2
NOT_GREEN, NO_GUARD = 73, 72
WORDS = {PASSED: "passed", FAILED: "failed", LATE: "late", SKIPPED: "skipped", NOT_GREEN: "not green", NO_GUARD: "no guard"}
SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one disabled guard: the row's id, the guard, and how its tests ended."""

    attack: str
    guard: str
    code: int
    seconds: float
    said: str

    @property
    def is_guarded(self) -> bool:
        """Whether the tests noticed."""
        return self.code in (FAILED, LATE, SKIPPED)


class Copy:
    """A copy of the tree, to be spoilt."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__", ".*", "mutants")
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
            elif (ROOT / name).exists():
                shutil.copy(ROOT / name, folder / name)
        # Hashes and not dates: a file that was changed back within a second would count as unchanged.
        compileall.compile_dir(folder / "saferoute", quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)

    def run(self, tests: Sequence[str]) -> tuple[int, str]:
        """Run tests in a fork; give pytest's exit code and the end of what it said."""
        log = self.folder / "said.txt"
        child = os.fork()
        if child == 0:
            code = 70
            try:
                os.setsid()
                with log.open("w") as file:
                    os.dup2(file.fileno(), 1)
                    os.dup2(file.fileno(), 2)
                code = self._in_child(tests)
            except BaseException:  # noqa: BLE001  a fork must not go on in its parent's place
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        until = time.monotonic() + SECONDS
        code = LATE
        while time.monotonic() < until:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                break
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if code == LATE:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
        said = log.read_text(errors="replace")[-1500:]
        if code == PASSED and " skipped" in said:  # what was skipped might have noticed
            code = SKIPPED
        return code, said

    def _in_child(self, tests: Sequence[str]) -> int:
        os.chdir(self.folder)
        for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
            del sys.modules[name]
        sys.path[:] = [
            str(self.folder),
            *(entry for entry in sys.path if entry not in ("", str(ROOT), str(ROOT / "tests" / "architecture"))),
        ]
        sys.dont_write_bytecode = True
        import pytest

        try:
            code = int(pytest.main([*OPTIONS, *tests]))
        except pytest.PytestUnraisableExceptionWarning:  # at the very end: what a test left open when it failed
            traceback.print_exc()
            code = FAILED
        package = sys.modules.get("saferoute")
        if package is not None and not str(package.__file__).startswith(str(self.folder)):
            print("the tests did not load the copied package")
            return 71
        return code

    def without(self, guard: Guard, tests: Sequence[str]) -> tuple[int, str]:
        """Run tests without a guard."""
        path = self.folder / guard.path
        before = path.read_text(encoding="utf-8")
        try:
            path.write_text(disabled(before, guard), encoding="utf-8")
            return self.run(tests)
        finally:
            path.write_text(before, encoding="utf-8")


def _work(jobs: Sequence[tuple[Attack, Guard | None]], results: Queue[Found]) -> None:
    for name in LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="guards-") as folder:
        copy = Copy(pathlib.Path(folder))
        plain: dict[tuple[str, ...], tuple[int, str]] = {}  # how tests end with nothing disabled
        for attack, guard in jobs:
            since = time.monotonic()
            try:
                if attack.tests not in plain:
                    plain[attack.tests] = copy.run(attack.tests)
                code, said = plain[attack.tests]
                if guard is not None:
                    code, said = (
                        copy.without(guard, attack.tests) if code in (PASSED, SKIPPED) else (NOT_GREEN if code == FAILED else code, said)
                    )
            except (LookupError, ValueError) as error:
                code, said = NO_GUARD, str(error)
            results.put(Found(attack.id, str(guard or "(nothing disabled)"), code, time.monotonic() - since, said))


def run(jobs: Sequence[tuple[Attack, Guard | None]], processes: int) -> Iterable[Found]:
    """Do all jobs; results as they come."""
    context = multiprocessing.get_context("fork")
    results: Queue[Found] = context.Queue()
    rows = list(dict.fromkeys(attack.id for attack, _ in jobs))  # a row stays with one worker, which runs it undisturbed once
    shares = [[job for job in jobs if rows.index(job[0].id) % processes == number] for number in range(processes)]
    workers = [context.Process(target=_work, args=(share, results)) for share in shares]
    for worker in workers:
        worker.start()
    for _ in jobs:
        yield results.get()
    for worker in workers:
        worker.join()


def chosen(rows: Sequence[Attack], only: Sequence[str], sample: int | None, seed: int) -> list[tuple[Attack, Guard | None]]:
    """The jobs: each guard of each chosen row; rows without guards are only run."""
    if only:
        rows = [row for row in rows if row.id in only or any(row.id.startswith(name + "-") for name in only)]
    jobs = [(row, guard) for row in rows for guard in row.guards]
    if sample is not None:
        jobs = random.Random(seed).sample(jobs, min(sample, len(jobs)))
    elif only:
        return [*((row, None) for row in rows if row.tests), *jobs]
    return list(jobs)


def main() -> int:
    """Run, print a table, and give 1 if a guard is not noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="ids of rows")
    parser.add_argument("--sample", type=int, help="this many guards, chosen by chance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--page", action="store_true", help="only write the page of the documentation")
    parser.add_argument("--missing", action="store_true", help="only print rows for attack tests that are not in the register yet")
    given = parser.parse_args()
    rows = load()
    if given.missing:
        named = {test.partition("::")[0] for row in rows for test in row.tests}
        print("\n".join(row_for(path) for path in sorted(ATTACKS.glob("test_*.py")) if f"tests/attacks/{path.name}" not in named))
        return 0
    if given.page:
        PAGE.write_text(page(rows), encoding="utf-8")
        return 0
    jobs = chosen(rows, given.only, given.sample, given.seed)
    bad = []
    for found in run(jobs, min(given.processes, max(1, len(jobs)))):
        good = found.code in (PASSED, SKIPPED) if found.guard.startswith("(") else found.is_guarded
        word = WORDS.get(found.code, f"broken ({found.code})")
        print(f"{'ok ' if good else 'BAD'}  {word:9} {found.seconds:5.1f} s  {found.attack:34} {found.guard}", flush=True)
        if not good:
            bad.append(found)
    for found in bad:
        print(f"\n{found.attack}: {found.guard}\n{found.said}")
    print(f"{len(jobs)} runs, {len(bad)} of them not as they should be")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())

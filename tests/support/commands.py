"""Running the command line: in this process, with its three streams replaced, or as a process of its own."""

from __future__ import annotations

import io
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from saferoute.cli import main
from saferoute.drivers.keyring_store import KeyringStore
from saferoute.secrets.lookup import StoreAbsent

if TYPE_CHECKING:
    import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Commands:
    """Runs commands in this process. The keyring is absent, and the home folder is a temporary one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: pathlib.Path) -> None:
        self._monkeypatch = monkeypatch
        self.home = home
        monkeypatch.setenv("HOME", str(home))
        for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "SAFEROUTE_FORBID_LOCAL"):
            monkeypatch.delenv(name, raising=False)
        for place in ("saferoute.keys", "saferoute.drivers.secret_sources", "saferoute.cli.opening"):
            monkeypatch.setattr(f"{place}.open_keyring", lambda: KeyringStore(_no_keyring))

    def __call__(self, *words: str, stdin: bytes | None = b"", terminal: bool = False) -> Done:
        """Run one command; `terminal` makes a terminal of standard input and output."""
        kind = Terminal if terminal else io.TextIOWrapper
        out, err = io.BytesIO(), io.BytesIO()
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", kind(io.BytesIO(stdin or b""), encoding="utf-8"))
            patch.setattr(sys, "stdout", kind(out, encoding="utf-8"))
            patch.setattr(sys, "stderr", kind(err, encoding="utf-8"))
            code = main(words)
            sys.stdout.flush()
            sys.stderr.flush()
            return Done(code, out.getvalue().decode(), err.getvalue().decode())


def _no_keyring() -> NoReturn:
    raise StoreAbsent("This machine has no keyring, says the test.")


def environment(home: pathlib.Path) -> dict[str, str]:
    """For a process of its own: no keyring, no key, no terminal width; what Python and coverage need stays."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR", "COVERAGE_PROCESS_START") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "COLUMNS": "120"}


def process(*words: str, home: pathlib.Path, stdin: str | None = None, timeout: float = 50) -> Done:
    """Run `python -m saferoute` as a process of its own, without a terminal."""
    command = [sys.executable, "-W", "error", "-m", "saferoute", *words]
    ended = subprocess.run(
        command, cwd=home, env=environment(home), input=stdin or "", capture_output=True, text=True, timeout=timeout, check=False
    )
    return Done(ended.returncode, ended.stdout, ended.stderr)

"""`import saferoute` is cheap and does nothing: no socket, thread, process, environment read or output, and opens only Python modules."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

MODULES = 300
HEAVY = ["httpx", "httpcore", "keyring", "cryptography", "opentelemetry", "tenacity", "rich", "asyncio", "pydantic", "importlib.metadata"]
PROBE = """
import json, os, sys
seen = []
watched = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "_thread.start_new_thread", "urllib.", "http.")
def hook(event, arguments):
    if event == "open":
        path = os.fsdecode(arguments[0]) if isinstance(arguments[0], (str, bytes)) else repr(arguments[0])
        if not path.endswith((".py", ".pyc", ".so", ".pyd", ".abi3.so")) and "__pycache__" not in path:
            seen.append("open " + path)
    elif event.startswith(watched):
        seen.append(event)
class Watched(type(os.environ)):
    def __getitem__(self, key):
        if sys._getframe(1).f_globals.get("__name__", "").startswith("saferoute"):
            seen.append("environ " + key)
        return super().__getitem__(key)
    def get(self, key, default=None):
        if sys._getframe(1).f_globals.get("__name__", "").startswith("saferoute"):
            seen.append("environ " + key)
        return super().get(key, default)
os.environ.__class__ = Watched
before = set(sys.modules)
sys.addaudithook(hook)
import saferoute
for name in NAMES:
    getattr(saferoute, name)
new = sorted(set(sys.modules) - before)
sys.stderr.write(json.dumps({"seen": seen, "new": new, "total": len(sys.modules), "threads": len(sys._current_frames())}))
"""


def _probe(names: tuple[str, ...] = ()) -> tuple[dict[str, object], str]:
    program = PROBE.replace("NAMES", repr(names))
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", program], capture_output=True, text=True, timeout=60, check=True)
    report: dict[str, object] = json.loads(done.stderr)
    return report, done.stdout


@pytest.fixture(scope="module")
def bare() -> tuple[dict[str, object], str]:
    return _probe()


def test_at_most_300_modules(bare: tuple[dict[str, object], str]) -> None:
    total = bare[0]["total"]
    assert isinstance(total, int)
    assert total <= MODULES, bare[0]["new"]


def test_nothing_happens(bare: tuple[dict[str, object], str]) -> None:
    assert bare[0]["seen"] == []
    assert bare[0]["threads"] == 1


def test_nothing_is_printed(bare: tuple[dict[str, object], str]) -> None:
    assert bare[1] == ""


@pytest.mark.parametrize("module", HEAVY)
def test_heavy_modules_wait_for_their_first_use(bare: tuple[dict[str, object], str], module: str) -> None:
    new = bare[0]["new"]
    assert isinstance(new, list)
    assert module not in new

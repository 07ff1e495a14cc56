"""Attack: a port on which the library listens, or a process that it starts, gives somebody else a way in.

Gateways were taken over through the ports on which they listen, and one started processes that a request named (CVE-2026-42271). The
package opens no listening socket outside `saferoute.testing`, and starts no process. `tests.support.watch_plugin` holds a whole run to it.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import saferoute
from saferoute.testing import EmbeddedProvider, ErrorAnswer
from tests.support.audited import audited
from tests.support.both import KINDS, Face
from tests.support.watch_plugin import LISTENING, MAY_LISTEN, MAY_START, PACKAGE, PROCESS, Watch, culprit, watch_listen

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    undo = watch_listen(made)
    with audited(made.hook):
        yield made
    undo()


def exercise(kind: str) -> None:
    with EmbeddedProvider() as provider:
        secrets = saferoute.Secrets.of({"row": ("sk-canary-5c07", provider.origin)})
        servers = [saferoute.loopback("row", port=provider.port, secret="row")]
        with Face(kind, lambda client: client.local(servers=servers, secrets=secrets)) as face:
            face.chat("row/m", "hi")
            face.stream("row/m", "hi")
            face.wait(face.client.embed("row/m", ["a", "b"]))
            provider.script([ErrorAnswer(500)], then="repeat")
            with pytest.raises(saferoute.errors.SaferouteError):
                face.chat("row/m", "hi", max_attempts=2, timeout=2)


@pytest.mark.parametrize("kind", KINDS)
def test_d10_clients_bind_nothing(watch: Watch, kind: str) -> None:
    exercise(kind)
    assert watch.seen >= 2  # the embedded provider's own port: so the watch was awake
    assert watch.found == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_call_starts_a_process(watch: Watch, kind: str) -> None:
    exercise(kind)
    assert [event for event in watch.found if event.split()[0] in PROCESS] == []


def _as_if_in(module: str, body: str) -> Any:
    """A function whose frame looks like one of the package's."""
    names: dict[str, Any] = {}
    exec(compile(f"import os, socket, subprocess, sys\ndef run():\n    {body}\n", PACKAGE + module, "exec"), names)
    return names["run"]


BIND = "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.close()"
LISTEN = "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); s.close()"
START = "subprocess.run([sys.executable, '-c', ''], check=True)"


@pytest.mark.parametrize(("body", "events"), [(BIND, ["socket.bind"]), (LISTEN, ["socket.bind", "socket.listen"])])
def test_d10_the_watch_would_notice(watch: Watch, body: str, events: list[str]) -> None:
    _as_if_in("drivers/evil.py", body)()
    assert [found.split()[0] for found in watch.found] == events
    assert all("saferoute/drivers/evil.py:3" in found for found in watch.found)
    watch.found.clear()
    _as_if_in(MAY_LISTEN[0].removeprefix("saferoute/") + "server.py", body)()
    assert watch.found == []


def test_the_watch_notices_a_process(watch: Watch) -> None:
    _as_if_in("call/evil.py", START)()
    assert {found.split()[0] for found in watch.found} <= PROCESS
    assert watch.found
    watch.found.clear()
    _as_if_in(MAY_START[0].removeprefix("saferoute/"), START)()
    assert watch.found == []
    subprocess.run([sys.executable, "-c", ""], check=True)  # a test's own is charged to nobody
    assert watch.found == []


def test_a_frame_of_a_test_is_nobodys() -> None:
    assert culprit(sys._getframe()) == ""
    assert LISTENING.isdisjoint(PROCESS)


LEAKING = """
import logging
import saferoute.errors
from saferoute.secrets.secret import Secret

def test_leaks():
    key = "".join(["sk-canary", "-93ab77", "-c0ffee-01"])
    held = Secret(key)
    {leak}

def test_does_not():
    held = Secret("".join(["sk-canary", "-17de42", "-c0ffee-02"]))
    logging.getLogger("x").debug("%r", held)
"""


@pytest.mark.parametrize(
    "leak",
    [
        'logging.getLogger("x").debug("the key is %s", key)',
        "print(key.encode().hex())",
        'made = saferoute.errors.ConfigurationError("bad key " + key)',
        "import base64; print(base64.b64encode(b'x' + key.encode()).decode())",
    ],
)
def test_d13_the_canary_of_a_whole_run_finds_a_leak(tmp_path: pathlib.Path, leak: str) -> None:
    """What it reports names the test, and does not repeat the key."""
    file = tmp_path / "test_leaking.py"
    file.write_text(LEAKING.format(leak=leak))
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "tests.support.canary_plugin",
         "-p", "tests.support.watch_plugin", "--log-level=DEBUG", "--show-capture=no", "-c", os.devnull, "--rootdir", str(tmp_path), str(file)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout
    assert "2 passed, 1 error" in ran.stdout
    assert "test_leaks leaves a secret behind" in ran.stdout
    assert "a secret of 26 characters" in ran.stdout
    assert "sk-canary-93ab77" not in ran.stdout

"""A credential program that is not the one the code names, that hangs, floods, talks, or is told more than it should know.

CVE-2026-42271: a gateway's configuration named a command, and whoever could edit it ran programs on the host. The one subprocess of this
package is spelled out by the program's own code, word for word.

Guards: saferoute/drivers/credential_process.py::env={**_clean_environment(), **environment},
Guards: saferoute/drivers/credential_process.py::if len(data) > _MAX_BYTES:
Guards: saferoute/drivers/credential_process.py::if status != 0:
Guards: saferoute/drivers/credential_process.py::if reader.is_alive():
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers import credential_process
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import ConfigurationError, SecretError
from saferoute.secrets.secret import Secret, SecretRecord
from saferoute.secrets.sources import Secrets
from tests.support.secret_stores import ORIGIN, assert_not_shown, canary

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs of these tests are shell scripts")


@pytest.fixture
def program(tmp_path: Path) -> Any:
    """Make a program of a shell script."""

    def made(script: str) -> list[str]:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        return [str(path)]

    return made


def found(words: list[str], **more: Any) -> SecretRecord | None:
    return open_sources(Secrets.from_process({"openai": (words, ORIGIN)}, **more), {}).find("openai")


def test_a_key_and_a_document(program: Any) -> None:
    assert found(program("echo key-of-program")) == SecretRecord("openai", Secret("key-of-program"), (ORIGIN,))
    document = f'{{"v": 1, "secret": "key-two", "origins": ["{ORIGIN}"], "revision": 3}}'
    assert found(program(f"cat <<'X'\n{document}\nX")) == SecretRecord("openai", Secret("key-two"), (ORIGIN,), 3)


def test_its_words_reach_no_shell(program: Any, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    words = [*program('printf %s "$1" | tr -dc a-z'), f"abc; touch {marker} $(touch {marker}) `touch {marker}`"]
    assert found(words) is not None
    assert not marker.exists()


def test_it_runs_once_and_again_after_a_refusal(program: Any, tmp_path: Path) -> None:
    count = tmp_path / "count"
    sources = open_sources(Secrets.from_process({"openai": (program(f"echo x >> {count}; wc -l < {count} | tr -d ' '"), ORIGIN)}), {})
    assert [sources.find("openai"), sources.find("openai")] == [SecretRecord("openai", Secret("1"), (ORIGIN,))] * 2
    sources.forget("openai")
    assert sources.find("openai") == SecretRecord("openai", Secret("2"), (ORIGIN,))
    assert sources.find("other") is None


def test_it_gets_nothing_of_this_processs_environment(program: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv("OPENAI_API_KEY", canary())
    monkeypatch.setenv("LD_PRELOAD", "/tmp/evil.so")
    monkeypatch.setenv("HOME", "/tmp/evil")
    found(program(f"env > {seen}; pwd >> {seen}; cat >> {seen}; echo k"), environment={"VAULT_ADDR": "https://bao.example"})
    lines = set(seen.read_text().splitlines())
    assert {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "VAULT_ADDR=https://bao.example", "/"} <= lines
    assert canary() not in seen.read_text()
    assert not [line for line in lines if line.startswith(("LD_PRELOAD", "HOME=/tmp/evil"))]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_it_inherits_no_open_file(program: Any, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    with (tmp_path / "other").open("w") as other:
        os.set_inheritable(other.fileno(), True)
        found(program(f"ls -l /proc/self/fd > {seen}; echo k"))
    assert str(tmp_path / "other") not in seen.read_text()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo KEY; exit 3", "ended with status 3; what it said is not shown, as it may hold the key: run it yourself"),
        ("echo KEY >&2; exit 1", "ended with status 1"),
        ("echo KEY; kill -9 $$", "ended with status -9"),
        ("true", "wrote nothing"),
        ("head -c 65537 /dev/zero | tr '\\0' a", "wrote more than 65536 bytes"),
        ("yes KEY", "wrote more than 65536 bytes"),
        ("echo KEY; sleep 60", "did not end within 0.5 s"),
        ("exec >&-; sleep 60", "did not end within 0.5 s"),
        ("sleep 60 & echo KEY", "did not end within 0.5 s"),
    ],
)
@pytest.mark.timed
def test_a_program_that_fails_is_an_error_without_a_word_of_its_own(program: Any, script: str, words: str) -> None:
    command = program(script.replace("KEY", canary()))
    begun = time.monotonic()
    with pytest.raises(SecretError) as caught:
        found(command, timeout=0.5 if "0.5" in words else 20.0)
    assert caught.value.message.startswith(f"the program {command[0]}, which hands over 'openai', {words}")
    assert time.monotonic() - begun < 10
    assert_not_shown(caught.value, canary())


@pytest.mark.parametrize("script", ["echo KEY KEY", "printf 'KEY\\nKEY\\n'", 'echo \'{"secret": "KEY"}\'', "printf '\\377KEY'"])
def test_an_output_that_is_no_key_is_refused_and_not_shown(program: Any, script: str) -> None:
    with pytest.raises(SecretError, match="what the program that was named has for 'openai' cannot be used") as caught:
        found(program(script.replace("KEY", canary())))
    assert_not_shown(caught.value, canary())


def test_a_failure_is_not_an_absent_key(program: Any) -> None:
    """The next place may hold another key of the same name: it must not be taken in silence."""
    places = [Secrets.from_process({"openai": (program("exit 1"), ORIGIN)}), Secrets.of({"openai": ("other", ORIGIN)})]
    with pytest.raises(SecretError, match="ended with status 1"):
        open_sources(places, {}).find("openai")


@pytest.mark.parametrize("path", ["/nonexistent/program", "/etc/passwd", "/"])
def test_what_does_not_start(path: str) -> None:
    with pytest.raises(SecretError, match=rf"the program {path}, which hands over 'openai', does not start \(\w+Error\)"):
        found([path])


def test_nothing_of_it_is_left_running(program: Any, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(SecretError):
        found(program(f"sleep 60 & echo $! > {pid}; wait"), timeout=0.5)
    child = int(pid.read_text())
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("what the program started still runs")


def test_a_document_from_a_program_cannot_widen_its_binding(program: Any) -> None:
    with pytest.raises(SecretError, match=f"its document binds it to https://evil.example, and the code to {ORIGIN} as well"):
        found(program("""echo '{"v": 1, "secret": "k", "origins": ["https://evil.example"]}'"""))


def test_nothing_is_started_before_a_key_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    sources = open_sources(Secrets.from_process({"openai": (["/bin/true"], ORIGIN)}), {})
    assert sources.labels == ("the program that was named",)
    assert sources.find("other") is None


def test_a_user_without_a_name_has_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def unknown(_: int) -> None:
        raise KeyError

    assert credential_process._clean_environment()["HOME"] == pwd.getpwuid(os.geteuid()).pw_dir
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert credential_process._clean_environment() == {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize(
    "words",
    ["/usr/bin/pass show openai", [], ["pass", "show"], ["./pass"], ["~/pass"], [5], ["/bin/a\0b"], ["/bin/true"] * 65, ["/bin/x", 5]],
    ids=["text", "none", "by name", "relative", "home", "number", "zero", "many", "mixed"],
)
def test_what_is_no_command(words: Any) -> None:
    with pytest.raises(ConfigurationError, match="the program for 'openai' is a list of words whose first is the absolute path"):
        Secrets.from_process({"openai": (words, ORIGIN)})


@pytest.mark.parametrize("timeout", [0, -1, 120.001, float("nan"), float("inf"), True, "5"])
def test_what_is_no_timeout(timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match="a number of seconds, above 0 and at most 120"):
        Secrets.from_process({}, timeout=timeout)
    Secrets.from_process({}, timeout=120)


@pytest.mark.parametrize("environment", [{"A=B": "x"}, {"": "x"}, {"1A": "x"}, {"A": 5}, {"A": "x\0"}, {"Ä": "x"}, {5: "x"}])
def test_what_is_no_environment(environment: Any) -> None:
    with pytest.raises(ConfigurationError, match="a mapping of variable names to texts"):
        Secrets.from_process({}, environment=environment)


def test_what_is_no_pair() -> None:
    for pair in (["/bin/true"], (["/bin/true"],), (["/bin/true"], ORIGIN, 1)):
        with pytest.raises(ConfigurationError, match="write 'openai' as a pair"):
            Secrets.from_process({"openai": pair})  # type: ignore[dict-item]
    assert "canary" not in repr(Secrets.from_process({"openai": (["/bin/true"], ORIGIN)}, environment={"TOKEN": canary()}))
    Secrets.from_process({"openai": (["/bin/true"] * 64, ORIGIN)})

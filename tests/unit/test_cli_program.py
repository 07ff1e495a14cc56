"""The command line itself: what a failure looks like, and what never happens."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from saferoute.cli import program, terminal
from saferoute.errors import ConfigurationError, ServerError
from saferoute.testing import Answer, EmbeddedProvider
from tests.support.commands import ROOT, Commands, environment, process

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    return Commands(monkeypatch, tmp_path)


def failing_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make `saferoute models` fail so."""

    def fail(_: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr("saferoute.cli.models._run", fail)


def test_the_script_is_main() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["project"]["scripts"] == {"saferoute": "saferoute.cli:main"}


def test_python_m_saferoute_works(tmp_path: pathlib.Path) -> None:
    done = process("--version", home=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("saferoute-sdk ")


def test_no_command_shows_help(run: Commands) -> None:
    done = run()
    assert done.code == 0
    assert all(name in done.out for name in program.COMMANDS)


@pytest.mark.parametrize("words", [["no-such-command"], ["keys"], ["chat"], ["table", "sing"], ["keys", "add"], ["--nonsense"]])
def test_wrong_usage_is_2_and_on_stderr(run: Commands, words: list[str]) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("usage: saferoute")


@pytest.mark.parametrize("command", sorted(program.COMMANDS))
def test_every_command_has_help(run: Commands, command: str) -> None:
    done = run(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"usage: saferoute {command}" in done.out


def test_only_the_asked_command_is_loaded(tmp_path: pathlib.Path) -> None:
    check = (
        "import sys; from saferoute.cli import main; code = main(['keys', '--help']);"
        "loaded = [m for m in sys.modules if m.startswith(('saferoute.cli.demo', 'saferoute.cli.table', 'saferoute.testing', 'rich'))];"
        "print('LOADED', loaded, code)"
    )
    done = subprocess.run([sys.executable, "-c", check], env=environment(tmp_path), capture_output=True, text=True, check=True)
    assert "LOADED [] 0" in done.stdout


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigurationError("this cannot be"), 1, "error: this cannot be\n"),
        (FileNotFoundError(2, "No such file or directory", "x.toml"), 1, "error: x.toml: No such file or directory\n"),
        (OSError("odd"), 1, "error: OSError\n"),
        (program.UsageError("these do not go together"), 2, "error: these do not go together; see saferoute models --help\n"),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_failures_are_one_line(run: Commands, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str) -> None:
    failing_with(monkeypatch, error)
    done = run("models")
    assert (done.code, done.out, done.err) == (code, "", text)


def test_a_defect_of_ours_is_no_traceback_either(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_with(monkeypatch, KeyError("sk-secret"))
    done = run("models")
    assert done.code == 1
    assert done.err.startswith("error: saferoute itself went wrong (KeyError)")
    assert "sk-secret" not in done.err


@pytest.mark.parametrize("error", [ConfigurationError("this cannot be"), KeyError("x"), OSError(5, "I/O error")])
def test_debug_shows_where(run: Commands, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    failing_with(monkeypatch, error)
    with pytest.raises(type(error)):
        run("--debug", "models")


def test_what_the_provider_said_is_shown_and_cannot_steer_the_terminal(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "\x1b]0;owned\x07 overloaded\r\nerror: none \u202e\x9b2J"
    failing_with(monkeypatch, ServerError(status=500, provider_name="x", provider_message=hostile))
    done = run("models")
    assert done.err.startswith("error: x answered 500")
    assert "overloaded" in done.err
    assert not {"\x1b", "\x07", "\r", "\u202e", "\x9b"} & set(done.err)


def test_a_closed_pipe_is_quiet(tmp_path: pathlib.Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "saferoute", "--help"], env=environment(tmp_path), stdout=write, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is delivered otherwise there")
def test_ctrl_c_in_a_stream_is_130_and_hangs_up(tmp_path: pathlib.Path) -> None:
    with EmbeddedProvider(Answer("one two three four five six", pause=5)) as provider:
        words = ["chat", "demo/any", "hello", "--server", f"demo={provider.port}"]
        running = subprocess.Popen(
            [sys.executable, "-m", "saferoute", *words],
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A CI that runs in the background ignores SIGINT, and its children inherit that; a terminal's programs do not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no threads touch it
        )
        with running:
            assert provider.wait_for_requests(1, timeout=40)
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=40)
    assert running.returncode == 130
    assert b"Traceback" not in err


def test_a_terminal_without_the_character_gets_an_escape(tmp_path: pathlib.Path) -> None:
    with EmbeddedProvider(Answer("caf\u00e9 \u2603")) as provider:
        done = subprocess.run(
            [sys.executable, "-m", "saferoute", "chat", "demo/any", "hi", "--server", f"demo={provider.port}"],
            env={**environment(tmp_path), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"caf\\xe9 \\u2603\n", b"")


def test_tables_are_aligned_without_rich(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_table(("name", "goes to"), [("a", "one"), ("longer", "two")])
    assert capsys.readouterr().out == "name    goes to\na       one\nlonger  two\n"


@pytest.mark.parametrize("installed", [True, False])
def test_rich_only_beautifies(run: Commands, monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    if installed:
        pytest.importorskip("rich")
    else:
        for name in ("rich", "rich.console", "rich.table", "rich.text"):
            monkeypatch.setitem(sys.modules, name, None)
    done = run("models", "--server", "llama=1234", terminal=True)
    assert done.code == 0
    assert "llama/*" in done.out
    assert "http://127.0.0.1:1234" in done.out


@pytest.mark.parametrize("make", [program.build_parser, lambda: program.build_parser("keys")])
def test_the_parser_can_be_made_for_one_command_or_all(make: Callable[[], argparse.ArgumentParser]) -> None:
    assert make().parse_args(["keys", "list"]).action == "list"

"""Each example runs by itself, as its first lines say, and prints what a reader is told to expect."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from saferoute.testing import EmbeddedProvider
from tests.support.commands import ROOT, environment

EXAMPLES = ROOT / "examples"
EXPECTED = {
    "anchor_checkpoints.py": ["anchored: 1, whole ledger ok: True", "cut off at its end: 4 records are missing"],
    "quickstart.py": ["You said: Say hello", "stop, 2 tokens in, 4 out, by embedded-1", "You said: And goodbye?"],
    "streaming.py": [
        "You said: Count from one to ten in words",
        "[stop, 9 tokens]",
        "started: embedded-1",
        "finished: stop",
        "left after 'You",
    ],
    "tools.py": [
        'get_weather({"city":"Lisbon"}) -> sunny, 24 degrees',
        'get_weather({"city":"Oslo"}) -> rain, 11 degrees',
        "answered: sunny",
    ],
    "structured_output.py": ["3 days in Lisbon", "{'sunny': True}", "cut off: "],
    "async_many.py": ["You said: What is 1 times 1?", "20 of 20 answered"],
    "fallback.py": ["You said: Anybody there?", "first: Overloaded", "second: ok", "without the alias: first answered 503"],
    "production_table.py": [
        "$ saferoute init shop",
        "You said: Hello from production",
        "shop/routes.json: table shop version 2",
        "ok: table shop version 2",
        "'You said: Now', length; set to 3",
    ],
    "own_server.py": ["openai_chat: You said: Say hello", "anthropic_messages: You said: Say hello"],
}


def run(script: str, *words: str, folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run an example as a reader does; local trust warns by design, every other warning is an error."""
    command = [sys.executable, "-W", "error", "-W", "ignore::UserWarning", str(EXAMPLES / script), *words]
    return subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=50, check=False)


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("script", sorted(EXPECTED))
def test_it_runs_without_an_account(script: str, tmp_path: pathlib.Path) -> None:
    done = run(script, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for said in EXPECTED[script]:
        assert said in done.stdout, (said, done.stdout)
    assert "Traceback" not in done.stderr
    left = {str(path.relative_to(tmp_path).parent) for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {".local/state/saferoute"}  # which table was accepted last; nothing else stays in a home


@pytest.mark.parametrize("script", sorted(EXPECTED))
def test_its_first_lines_say_how_to_run_it(script: str) -> None:
    text = (EXAMPLES / script).read_text(encoding="utf-8")
    assert text.startswith('"""')
    assert f"python {script}" in text.split('"""')[1]
    assert len(text.splitlines()) <= 80


@pytest.mark.parametrize("script", ["quickstart.py", "streaming.py", "tools.py", "structured_output.py", "async_many.py"])
def test_with_a_route_it_wants_a_key_and_says_so(script: str, tmp_path: pathlib.Path) -> None:
    done = run(script, "fast", folder=tmp_path)
    assert done.returncode == 1
    assert "SecretNotFound" in done.stderr


def test_a_server_of_ones_own(tmp_path: pathlib.Path) -> None:
    with EmbeddedProvider() as provider:
        done = run("own_server.py", str(provider.port), "my-model", folder=tmp_path)
        models = {request.body["model"] for request in provider.requests if isinstance(request.body, dict)}
    assert done.returncode == 0, done.stderr
    assert models == {"my-model"}

"""`saferoute demo` does what it says, and says so when it does not."""

from __future__ import annotations

import pathlib
import tempfile
import time

import pytest

from saferoute.cli.demo import play
from saferoute.cli.demo.calls import CALLS
from saferoute.cli.demo.refusals import REFUSALS
from saferoute.cli.demo.stage import DemoError, Stage, Step, expect, routes, tell
from saferoute.errors import ConfigurationError, NoRoute
from tests.support.commands import process


@pytest.fixture
def temporary(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.timed
def test_the_demo_in_a_container_like_environment(tmp_path: pathlib.Path) -> None:
    began = time.monotonic()
    done = process("demo", home=tmp_path)
    assert (done.code, done.err) == (0, ""), done.err
    assert time.monotonic() - began < 30  # 10 s on a machine that has nothing else to do; tests share theirs
    assert list(tmp_path.iterdir()) == []
    streamed = next(line for line in done.out.splitlines() if line.strip().startswith("You"))
    assert streamed.strip().replace("|", "") == "You said: one word after another"
    assert streamed.count("|") > 2  # where it is cut depends on what arrived together
    for said in (
        "NO REAL MODEL",
        "'You said: Hello, who is there?'",
        'get_weather({"city":"Lisbon"})',
        "sunny in Lisbon",
        "Trip(city='Lisbon', days=3)",
        "NoRoute: ",
        "UntrustedTable: ",
        "OriginMismatch: ",
        "CapabilityForbidden: ",
        "All 10 steps did what they say",
    ):
        assert said in done.out, said
    assert "sk-demo" not in done.out
    assert max(map(len, done.out.splitlines())) <= 120


def test_it_needs_no_home_and_leaves_nothing(
    temporary: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("saferoute.keys.open_keyring", lambda: pytest.fail("the demo touched the keyring"))
    assert play((*CALLS, *REFUSALS)) == 0
    assert list(temporary.iterdir()) == []
    assert "sk-demo" not in capsys.readouterr().out


def test_two_tables_of_one_second_are_two_tables(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    with monkeypatch.context() as patch, Stage(tmp_path) as stage:
        patch.setattr("saferoute.cli.demo.stage.time.time", lambda: now)
        first = stage.publish("one", routes(stage.provider.origin))
        second = stage.publish("two", routes(stage.elsewhere.origin))
        assert first.sha256 == second.sha256
        assert first.bundle != second.bundle
        stage.open("one", first.sha256)
        stage.open("two", second.sha256)


def broken(_: Stage) -> None:
    expect(False, "one is not more than two")


def failing(stage: Stage) -> None:
    raise ConfigurationError("this cannot be")


def interrupted(stage: Stage) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("act", "why"), [(broken, "one is not more than two"), (failing, "this cannot be")])
def test_a_step_that_does_not_do_what_it_says_fails_the_demo(
    temporary: pathlib.Path, capsys: pytest.CaptureFixture[str], act: object, why: str
) -> None:
    assert play((CALLS[0], Step("Broken", act))) == 1  # type: ignore[arg-type]
    told = capsys.readouterr().err
    assert why in told
    assert "1 of 2 steps" in told
    assert list(temporary.iterdir()) == []


def test_interrupted_it_leaves_nothing(temporary: pathlib.Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        play((CALLS[0], Step("Interrupted", interrupted)))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("step", REFUSALS[:2], ids=lambda step: step.title)
def test_a_refusal_without_what_it_needs_is_no_success(temporary: pathlib.Path, step: Step) -> None:
    assert play((step,)) == 1


def test_what_is_not_refused_or_refused_otherwise_fails(tmp_path: pathlib.Path) -> None:
    def not_refused() -> None:
        pass

    def otherwise() -> None:
        raise ConfigurationError("something else")

    with Stage(tmp_path) as stage:
        with pytest.raises(DemoError, match="nothing was refused"):
            stage.refused(NoRoute, not_refused)
        with pytest.raises(DemoError, match="ConfigurationError where NoRoute"):
            stage.refused(NoRoute, otherwise)


def test_something_sent_before_the_refusal_fails(tmp_path: pathlib.Path) -> None:
    for step in CALLS[:2]:
        with Stage(tmp_path / step.title) as stage:
            stage.folder.mkdir()

    with Stage(tmp_path) as stage:
        for step in CALLS[:2]:
            step.play(stage)

        def sent_first() -> None:
            stage.client.chat("gpt", "hello")
            stage.client.chat("nowhere", "hello")

        with pytest.raises(DemoError, match="something was sent"):
            stage.refused(NoRoute, sent_first)


def test_long_lines_are_folded_under_their_indent(capsys: pytest.CaptureFixture[str]) -> None:
    tell("  " + "word " * 60)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert all(line.startswith("      word") for line in lines)

"""The saferoute column of the table in the README, measured anew; and the README says what was measured."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROBES = ROOT / "benchmarks" / "probes"


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"probes_{name}", PROBES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RENDER, VENVS = _module("render"), _module("venvs")
RESULTS = RENDER.read(PROBES / "results.json")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_probe_of_saferoute_is_safe() -> None:
    command = [sys.executable, str(PROBES / "run.py"), "--only", "saferoute", "--no-write"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    assert (done.returncode, done.stdout.count('"verdict": "safe"')) == (0, 7), done.stderr


def test_the_readme_shows_the_results() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert RENDER.replaced(readme, RESULTS) == readme, "run: make probes"


def test_the_results_are_of_the_versions_that_are_pinned() -> None:
    pinned = {line.name: line.requirement.rpartition("==")[2] for line in VENVS.read_peers((PROBES / "peers.txt").read_text("utf-8"))}
    assert {name: peer["version"] for name, peer in RESULTS["peers"].items() if name != "saferoute"} == pinned
    assert len(pinned) >= 5


def test_every_cell_has_a_verdict_and_saferoutes_are_safe() -> None:
    assert {tuple(peer["cells"]) for peer in RESULTS["peers"].values()} == {tuple(RESULTS["probes"])}
    assert {cell["verdict"] for cell in RESULTS["peers"]["saferoute"]["cells"].values()} == {"safe"}


def test_a_cell_that_was_not_measured_says_so() -> None:
    cells = {probe: {"verdict": "not measured", "detail": "it did not start"} for probe in RESULTS["probes"]}
    shown = RENDER.table({**RESULTS, "peers": {**RESULTS["peers"], "other": {"version": "1", "cells": cells}}})
    assert shown.splitlines()[2].endswith("| not measured |")
    assert shown.endswith("Not measured: other: it did not start.\n")


@pytest.mark.parametrize("text", ["", "{begin}", "{end}{begin}", "{begin}{end}{begin}{end}"])
def test_a_readme_without_one_block_is_not_written(text: str) -> None:
    with pytest.raises(ValueError, match="there must be one block"):
        RENDER.replaced(text.format(begin=RENDER.BEGIN, end=RENDER.END), RESULTS)


def test_a_wheel_with_a_start_up_file_is_refused(tmp_path: Path) -> None:
    import zipfile

    line = VENVS.Line("x", "x==1", None, None)
    for name in ("x_init.pth", "x/sitecustomize.py"):
        with zipfile.ZipFile(tmp_path / "x-1-py3-none-any.whl", "w") as archive:
            archive.writestr(name, "import os")
        with pytest.raises(ValueError, match="runs at every start of Python"):
            VENVS._check(line, tmp_path)


def test_another_wheel_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x-1-py3-none-any.whl").write_bytes(b"another")
    with pytest.raises(ValueError, match="the wheel's SHA-256 is"):
        VENVS._check(VENVS.Line("x", "x==1", "0" * 64, None), tmp_path)

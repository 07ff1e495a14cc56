"""The arithmetic of the gate on mutation scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import mutation_floor as floor
import pytest

Write = Callable[[str, dict[str, int | None]], None]


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (0, "alive"),
        (1, "killed"),
        (3, "killed"),  # pytest itself broke
        (-11, "killed"),
        (-24, "killed"),
        (36, "killed"),
        (37, "killed"),
        (152, "killed"),
        (5, "unreached"),
        (33, "unreached"),
        (2, "not run"),
        (34, "not run"),
        (None, "not run"),
    ],
)
def test_what_an_exit_code_means(code: int | None, meaning: str) -> None:
    assert floor.outcome(code) == meaning


def test_a_score_is_of_those_with_a_result() -> None:
    assert floor.score({"killed": 3, "alive": 1}) == 75.0
    assert floor.score({"killed": 3, "unreached": 1, "not run": 96}) == 75.0
    assert floor.score({"not run": 5}) == floor.score({}) == 0.0


@pytest.mark.parametrize(  # Agresti and Coull (1998) and Newcombe (1998) print these
    ("killed", "tried", "below", "above"),
    [(0, 10, 0.0, 27.75), (10, 10, 72.25, 100.0), (81, 263, 25.53, 36.62), (15, 148, 6.24, 16.05), (0, 20, 0.0, 16.11), (0, 0, 0.0, 100.0)],
)
def test_the_interval_of_a_share(killed: int, tried: int, below: float, above: float) -> None:
    assert floor.wilson(killed, tried) == pytest.approx((below, above), abs=0.01)


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    names = [f"m{number}" for number in range(100)]
    drawn = floor.sample(names, 10, seed=1)
    assert drawn == floor.sample(names[::-1], 10, seed=1)
    assert drawn != floor.sample(names, 10, seed=2)
    assert len(set(drawn)) == 10
    assert floor.sample(names, 1000, seed=1) == sorted(names)


@pytest.mark.parametrize(
    ("results", "sampled", "faults"),
    [
        ({"killed": 90, "alive": 10}, False, []),
        ({"killed": 89, "alive": 11}, False, ["wire: 89.0 % of the mutants are killed, the floor is 90 %"]),
        ({"killed": 99, "skipped": 1}, False, []),
        ({"killed": 98, "skipped": 2}, False, ["wire: 2 of 100 mutants were not run, at most 1 % may be left out"]),
        ({"killed": 50, "skipped": 50}, True, []),
        ({}, False, ["wire: 0.0 % of the mutants are killed, the floor is 90 %"]),
    ],
)
def test_what_a_folder_must_reach(results: dict[str, int], sampled: bool, faults: list[str]) -> None:
    codes = {"killed": 1, "alive": 0, "skipped": 34}
    named = {f"{kind}{number}": codes[kind] for kind, count in results.items() for number in range(count)}
    assert floor.gate("wire", named, sampled=sampled) == faults


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def of_file(file: str, results: dict[str, int | None]) -> None:
        path = tmp_path / "saferoute" / f"{file}.meta"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"exit_code_by_key": results}))

    for folder in floor.FLOORS:
        of_file(f"{folder}/a.py", {f"{folder}.a{number}": 1 for number in range(100)})
        of_file(f"{folder}/__init__.py", {})
    return of_file


def test_the_table(tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert floor.main([], tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        "file                                         mutants    killed     alive unreached   not run  score",
        "wire/a.py                                        100       100         0         0         0  100.0",
        "wire (floor 90)                                  100       100         0         0         0  100.0",
    ]
    write("providers/inner/b.py", {f"providers.b{number}": number % 2 for number in range(100)})
    assert floor.main([], tmp_path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "providers/inner/b.py                             100        50        50         0         0   50.0" in lines
    assert lines[-1] == "providers: 75.0 % of the mutants are killed, the floor is 80 %"


def test_a_sample_is_named_and_then_gated(tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("wire/b.py", {f"wire.b{number}": None for number in range(900)})
    asked = ["--sample", "50", "--seed", "7"]
    assert floor.main([*asked, "--names"], tmp_path) == 0
    names = capsys.readouterr().out.split()
    assert len(names) == len(set(names)) == 50 * len(floor.FLOORS)
    write("wire/b.py", {f"wire.b{number}": 1 if f"wire.b{number}" in names else None for number in range(900)})
    assert floor.main(asked, tmp_path) == 0
    assert "  a sample of 50 of 1000 mutants, seed 7: 95 % interval 92.9 to 100.0" in capsys.readouterr().out.splitlines()
    write("wire/b.py", {f"wire.b{number}": 0 if f"wire.b{number}" in names else 1 for number in range(900)})
    assert floor.main(asked, tmp_path) == 1
    assert floor.main([*asked, "--names"], tmp_path) == 0


def test_without_any_mutants_nothing_passes(tmp_path: Path) -> None:
    assert floor.main([], tmp_path) == 1

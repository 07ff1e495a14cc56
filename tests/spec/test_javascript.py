"""An independent verifier in JavaScript judges every vector as we do; and it would notice if one were wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.spec.world import VECTORS, load

HERE = Path(__file__).resolve().parent
OLDEST = 18


def _node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not on PATH: the JavaScript verifier of docs/spec was not run")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    number = re.match(r"v(\d+)\.", version)
    if number is None or int(number[1]) < OLDEST:
        pytest.skip(f"node {version.strip()} is older than {OLDEST}: the JavaScript verifier of docs/spec was not run")
    return found


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_node(), str(HERE / "verify.mjs"), str(folder)], capture_output=True, text=True, check=False, timeout=50)


def test_it_judges_every_vector_as_we_do() -> None:
    done = _run(VECTORS)
    assert (done.returncode, done.stderr) == (0, "")
    token = load("token")
    counts = {name: len(load(name)["cases"]) for name in ("strict_json", "keys", "envelope", "trust", "asked", "vault")}
    counts |= {f"token {part}": len(token[part]) for part in ("chains", "moments", "calls")}
    counts |= {f"ledger {part}": len(load("ledger")[part]) for part in ("notes", "segments", "ledgers", "proofs")}
    assert json.loads(done.stdout) == counts


def _case(vectors: dict[str, Any], part: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(case for case in vectors[part] if case["name"] == name)
    return found


# (file, part, case, what is changed, what the verifier then says)
CHANGES: list[tuple[str, str, str, Callable[[dict[str, Any]], object], str]] = [
    ("trust", "cases", "root: plain", lambda case: case.update(pinned="0" * 64), "trust: root: plain: root-pin instead of taken"),
    ("trust", "cases", "root: plain", lambda case: case.update(valid=False, step="floor"), "trust: root: plain: taken instead of floor"),
    (
        "trust",
        "cases",
        "release: an expired table",
        lambda case: case.update(now=case["now"] - 1),
        "an expired table: taken instead of table-time",
    ),
    ("envelope", "cases", "one signature", lambda case: case.update(threshold=2), "one signature: signatures instead of taken"),
    ("token", "chains", "one block", lambda case: case["permission"].update(stream=False), "token: one block: permission"),
    ("token", "calls", "a call token", lambda case: case.update(asked="0" * 64), "a call token: asked instead of taken"),
    ("asked", "cases", "hello", lambda case: case["values"].reverse(), "asked: hello"),
    (
        "vault",
        "cases",
        "an empty vault",
        lambda case: case.update(data=case["data"].replace('"schema":1', '"schema":2')),
        "form instead of taken",
    ),
    ("ledger", "segments", "a record missing", lambda case: case.update(first=3), 'a record missing: [2,true,null,6,["'),
    ("ledger", "ledgers", "the first removed", lambda case: case["segments"].pop("3"), 'the first removed: [["2",0],[],[]] instead of'),
    ("ledger", "proofs", "opened", lambda case: case["contents"].update(asked="x"), "ledger: proof opened: asked"),
    ("ledger", "notes", "another key", lambda case: case.update(key=None), "another key: taken instead of refused"),
]


@pytest.mark.parametrize(("file", "part", "name", "change", "said"), CHANGES)
def test_it_notices_a_wrong_vector(
    tmp_path: Path, file: str, part: str, name: str, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    for path in VECTORS.glob("*.json"):
        shutil.copy(path, tmp_path)
    vectors = load(file)
    change(_case(vectors, part, name))
    (tmp_path / f"{file}.json").write_text(json.dumps(vectors), encoding="utf-8")
    done = _run(tmp_path)
    assert done.returncode == 1
    assert said in done.stderr

"""Attack: somebody who has the ledger, a proof, an export, a report, traces, metrics, logs or pickles looks there for keys and for what was said.

Calls that go well, fail, are refused and are left go by both clients, with content captured and everybody told; all that comes of them is
searched, in five spellings. So that finding nothing says something, a key is then put where records and telemetry do have it, as the name
of the model, and has to be found in each place; and leaks are planted for the search that a whole run of the suite makes.

Guards: saferoute/client/observing.py::named = route if isinstance(route, str) and is_route_name(route) else "" => named = str(route)
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from secrets import token_hex

import pytest

import saferoute
from saferoute.ledger.record import parse_line
from tests.support.both import KINDS
from tests.support.canary_plugin import PLACES
from tests.support.leak_search import where
from tests.support.told_calls import CHOSEN_BY_NOBODY, WITH_CONTENT, Said, told_of_calls

pytest.importorskip("opentelemetry.sdk.trace")

ROOT = pathlib.Path(__file__).resolve().parents[2]


def found_in(texts: dict[str, str], *words: str) -> dict[str, str]:
    """The places where one of the words shows, and how."""
    return {place: shown for place, text in texts.items() if (shown := where(text, words))}


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_and_nothing_that_was_said_stands_in_what_is_recorded_or_told(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Short enough not to be shaped like a key: then nothing would take it out of content.
    said = Said(f"sk-{token_hex(14)}-a/b", f"prompt{token_hex(6)}", f"system{token_hex(6)}", f"answer{token_hex(6)}")
    texts = told_of_calls(kind, tmp_path, monkeypatch, said)
    assert found_in(texts, said.key) == {}
    assert (
        found_in({place: text for place, text in texts.items() if place not in WITH_CONTENT}, said.prompt, said.system, said.answer) == {}
    )
    assert set(found_in(texts, said.prompt)) >= {"span with content", "pickle of a reply"}  # it was said, and kept where it was asked for
    assert kept_for_whoever_has_the_key(tmp_path, texts["ledger file"], said.prompt)


def kept_for_whoever_has_the_key(folder: pathlib.Path, ledger: str, prompt: str) -> bool:
    """Whether the prompt is in the ledger, encrypted."""
    capture = saferoute.Capture(["row"], key=folder / "capture.key")
    records = [parse_line(line.encode()) for line in ledger.splitlines() if line]
    return any(prompt.encode() in capture.opened(one.fields) for one in records if one.kind == "content")


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_looks_where_things_are_written(kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key as the name of a model, and of the folder, stands wherever a call, or a file, is named: it has to be found in every place."""
    key = f"sk-{token_hex(14)}-ab"
    folder = tmp_path / key
    folder.mkdir()
    texts = told_of_calls(kind, folder, monkeypatch, Said(key, "a question", "a rule", "an answer", model=key))
    assert set(texts) - set(found_in(texts, key)) == CHOSEN_BY_NOBODY


PLANTED = """
import logging
from saferoute.ledger.segment import SegmentWriter
from saferoute.secrets.secret import Secret
from saferoute.signing.keys import PrivateKey
from saferoute.values.report import Report
from tests.support.told_calls import Said, told_of_calls

def test_calls(tmp_path, monkeypatch):
    key = "".join(["sk-canary", "-93ab77", "-c0ffee-01"])
    told_of_calls("blocking", tmp_path, monkeypatch, Said(key, "a question", "a rule", "an answer", model=key))

def test_checkpoint():
    key = "".join(["sk-canary", "-93ab77"])
    held = Secret(key)
    signer = PrivateKey.generate()
    SegmentWriter(key.encode().hex(), "0" * 32, signer, secret=None, certificate=None, previous=None, now_us=1).checkpoint(2)

def test_report():
    key = "".join(["sk-canary", "-93ab77", "-c0ffee-01"])
    held = Secret(key)
    Report("a report", {"keys from": [key]}, ())

def test_does_not():
    held = Secret("".join(["sk-canary", "-17de42", "-c0ffee-02"]))
    logging.getLogger("x").debug("%r", held)
"""
OTHER_PLACES = (
    "str of BudgetExceeded", "pickle of BadRequest", "vars of BadRequest", ".ledger.jsonl", "file call.proof", "file report.html",
    "Captured log call",
)  # fmt: skip


def test_d13_the_canary_of_a_whole_run_looks_in_every_place(tmp_path: pathlib.Path) -> None:
    """Leaks are planted in records, checkpoints, explanations, exports, proofs, reports, spans, metrics, logs, commands, files, errors."""
    file = tmp_path / "test_planted.py"
    file.write_text(PLANTED)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "tests.support.canary_plugin",
         "--log-level=DEBUG", "--show-capture=no", "-c", os.devnull, "--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "made"), str(file)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    said = ran.stdout
    assert "4 passed, 3 errors" in said, said
    assert [name for name in ("calls", "checkpoint", "report") if f"test_{name} leaves a secret behind" not in said] == []
    assert {place.name for place in PLACES if f"{place.name}: ..." not in said} == set()
    assert [place for place in OTHER_PLACES if f"{place}: ..." not in said] == []
    assert "sk-canary-93ab77" not in said

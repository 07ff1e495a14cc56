"""The commands of the page for auditors, run in order as they stand there, on the ledger of which it tells."""

from __future__ import annotations

import doctest
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import ROOT, Commands
from tests.support.ledger_sample import sample

if TYPE_CHECKING:
    import pathlib

PAGE = ROOT / "docs" / "how-to" / "answer-an-auditor.md"


def examples() -> list[tuple[str, str]]:
    """Each command, and what it is said to print."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [
        (one.partition("\n")[0], one.partition("\n")[2]) for block in blocks for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    ]


def test_the_page_for_auditors(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    run, shop = Commands(monkeypatch, tmp_path), tmp_path / "shop"
    shop.mkdir()
    made = sample(shop)
    made.ledger.rename(shop / "audit")
    monkeypatch.chdir(shop)
    checker, flags = doctest.OutputChecker(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for command, expected in examples():
        words = [made.sha256 if word == "HEX" else word for word in shlex.split(command)]
        assert words[0] == "saferoute", command
        done = run(*words[1:])
        assert done.code == 0, (command, done.err)
        assert checker.check_output(expected, done.out, flags), f"{command}\nexpected:\n{expected}\ngot:\n{done.out}"
    assert {path.name for path in shop.iterdir()} >= {"proof.json", "report.html", "audit.csv", "audit.jsonl"}
    assert len(examples()) > 10


def test_every_command_is_on_the_page() -> None:
    from saferoute.cli.program import build_parser

    parser = build_parser("audit")
    named = next(action for action in parser._actions if action.dest == "command").choices["audit"]._actions[-1].choices
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in named if f"audit {name}" not in text] == []


def test_its_picture_is_small() -> None:
    picture = (PAGE.parent / "audit-report.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 200_000

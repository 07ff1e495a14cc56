"""The commands of the pages about keys and tables, run in order as they stand there."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import ROOT, Commands

if TYPE_CHECKING:
    import pathlib

ROUTES = '[providers.openai]\ndata = "internal"\n\n[grant]\ndata = "internal"\n'


def blocks(page: str, kind: str) -> list[str]:
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    for place in ("saferoute.cli.key_files", "saferoute.drivers.prompt"):
        monkeypatch.setattr(f"{place}.somebody_is_there", lambda: True)
        monkeypatch.setattr(f"{place}.ask_hidden", lambda _: "correct horse battery")
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    return Commands(monkeypatch, tmp_path)


def run_page(run: Commands, page: str, skipped: frozenset[str] = frozenset()) -> int:
    lines = [line.removeprefix("$ ") for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]
    done = 0
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[0] == "saferoute", line
        if words[1] in skipped:
            continue
        ended = run(*words[1:])
        assert ended.code == 0, (line, ended.err)
        done += 1
    return done


def test_replacing_keys_and_revoking(run: Commands) -> None:
    here = run.home / "shop"
    (here / "routes.toml").write_text(ROUTES, encoding="utf-8")
    (here / "issuers.toml").write_text(blocks("rotate-keys-and-roots.md", "toml")[0], encoding="utf-8")
    assert run_page(run, "rotate-keys-and-roots.md") > 15
    assert not list(here.glob("*.pending.json"))


def test_a_table_for_production(run: Commands) -> None:
    here = run.home / "shop"
    for block in blocks("production-table.md", "toml"):
        assert "[[assertions]]" in block
    assert run("init").code == 0
    with (here / "routes.toml").open("a", encoding="utf-8") as file:
        file.write("\n" + "\n".join(blocks("production-table.md", "toml")))
    assert run_page(run, "production-table.md", frozenset({"init", "keys"})) > 6

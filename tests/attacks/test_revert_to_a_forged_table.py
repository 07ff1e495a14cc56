"""Somebody puts a table of their own in the place of the archived one, so that going back in a hurry signs it.

Guards: saferoute/cli/table_sign.py::bundle.body(verify_release(bundle.release, root))
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from saferoute.cli.project import make_project
from saferoute.signing.keys import PrivateKey
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib

    import pytest

THEIRS = '[routes.openai]\nextends = "openai"\norigin = "https://api.0penai.com"\nmodel = "m"\n'


def test_only_what_a_root_of_ours_had_signed_is_signed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.chdir(tmp_path)
    run = Commands(monkeypatch, tmp_path)
    assert run("init", "--unsafe-plaintext-keys", "--name", "shop").code == 0
    keys = [PrivateKey.generate(), PrivateKey.generate()]
    forged = make_project("shop", THEIRS, root_key=keys[0], table_key=keys[1], now=time.time(), days=1, root_days=1)
    (tmp_path / "old.json").write_bytes(forged.bundle)
    before = (tmp_path / "routes.json").read_bytes()
    done = run("table", "revert", "old.json")
    assert (done.code, done.out) == (1, "")
    assert "old.json is refused" in done.err
    assert (tmp_path / "routes.json").read_bytes() == before

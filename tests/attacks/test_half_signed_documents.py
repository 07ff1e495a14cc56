"""A table or a root that too few have signed is put where clients look for it, and passes for one that everybody signed.

Guards: saferoute/cli/signing.py::if all(count >= role.threshold for count, role in zip(counts, roles, strict=True)): => if True:
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib

    import pytest


def test_what_waits_for_signatures_is_never_in_place(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.chdir(tmp_path)
    run = Commands(monkeypatch, tmp_path)
    plain = "--unsafe-plaintext-keys"
    for name in ("anna", "ben"):
        assert run("root", "make-key", f"{name}.key.pem", plain).code == 0
    members = ["--table-key", "anna.pub.pem", "--table-key", "ben.pub.pem", "--table-threshold", "2"]
    assert run("root", "init", plain, *members).code == 0
    (tmp_path / "routes.toml").write_text('[providers.openai]\n[grant]\ndata = "public"\n', encoding="utf-8")
    for words in (["--key", "anna.key.pem"], ["--continue", "--key", "anna.key.pem"]):
        done = run("table", "sign", "--table-version", "1", *words)
        assert (done.code, done.out) == (0, "")
        assert not (tmp_path / "routes.json").exists()
    assert run("root", "rotate", "--role", "root", "--public", "ben.pub.pem").code == 1  # a table's key
    assert run("root", "make-key", "carl.key.pem", plain).code == 0
    assert run("root", "rotate", "--role", "root", "--public", "carl.pub.pem").code == 0
    assert not (tmp_path / "roots" / "2.json").exists()
    (tmp_path / "routes.json").write_bytes((tmp_path / "routes.pending.json").read_bytes())
    assert "1 of the 2 signatures that are needed are there" in run("table", "verify").err
    (tmp_path / "roots" / "2.json").write_bytes((tmp_path / "roots" / "2.pending.json").read_bytes())
    assert "0 of the 1 signatures that are needed are there" in run("root", "show").err

"""Somebody takes a revoked token out of the status file that lies beside the table, so that the next status is signed without it.

Somebody who can write to the deployed folder and holds no key, to whoever signs statuses from there.
Guards: saferoute/cli/table_files.py::return verify(Envelope.read(data), kind, role.keys, role.threshold) => return Envelope.read(data).payload
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.signing.envelope import Envelope
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib

    import pytest


def test_the_next_status_is_not_built_upon_it(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.chdir(tmp_path)
    run = Commands(monkeypatch, tmp_path)
    assert run("init", "--unsafe-plaintext-keys").code == 0
    new = ["--new", "saferoute-keys/status.key.pem", "--unsafe-plaintext-keys"]
    assert run("root", "add-key", "--role", "status", *new).code == 0
    assert run("table", "sign").code == 0
    assert run("table", "status", "--as-version", "1").code == 0
    assert run("table", "revoke", "stolen-token").code == 0
    read = Envelope.read((tmp_path / "status.json").read_bytes())
    stripped = read.payload.replace(b'"stolen-token"', b"")
    assert stripped != read.payload
    (tmp_path / "status.json").write_bytes(Envelope(read.payload_type, stripped, read.signatures).to_bytes())
    before = (tmp_path / "status.json").read_bytes()
    for words in (["status"], ["revoke", "another"]):
        done = run("table", *words)
        assert (done.code, done.out) == (1, "")
        assert "the payload was altered after signing" in done.err
    assert (tmp_path / "status.json").read_bytes() == before

"""Secrets that are JSON documents, and secrets in files that the program names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import ConfigurationError, SecretError, SecretNotFound
from saferoute.secrets.document import document_of, make_document, secret_in
from saferoute.secrets.minting import reveal
from saferoute.secrets.secret import Secret
from saferoute.secrets.vault_format import MAX_VAULT_BYTES
from tests.support.commands import Commands

OAUTH = "https://oauth2.googleapis.com"
KEY_FILE: dict[str, Any] = {
    "type": "service_account",
    "private_key": "-----BEGIN PRIVATE KEY-----\nMIIcanary\n-----END PRIVATE KEY-----\n",
    "client_email": "a@b.example",
    "nested": {"list": [1, -2, True, None, "é ü \u2028 \U0001f600 \\u0020 \\"]},
}


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_document_is_kept_whole_in_one_spelling(indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(KEY_FILE, indent=indent, ensure_ascii=ascii_only)
    for value in (text, text.encode(), f"\n \t{text}\r\n"):
        made = secret_in(value)
        assert isinstance(made, Secret)
        assert document_of(made) == KEY_FILE
        assert reveal(made) == reveal(make_document(text))  # type: ignore[arg-type]
        assert all(0x21 <= byte <= 0x7E for byte in reveal(made))
        assert json.loads(reveal(made)) == KEY_FILE


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 2}', '{"a": NaN}', "{", "{}x", '{"a": 1e', "{'a': 1}", '{"x": ' + "[" * 50_000, '{"a": "\ud800"', b'{"\xff": 1}'],
)
def test_what_begins_like_a_document_and_is_none(text: str | bytes) -> None:
    made = secret_in(text)
    assert isinstance(made, str)
    assert made.startswith("it begins like a JSON document and is none")


def test_a_document_has_a_bound_and_a_key_is_no_document() -> None:
    made = secret_in(json.dumps({"a": "x" * 20_000}))
    assert isinstance(made, str)
    assert "16384 bytes" in made
    plain = secret_in("sk-plain")
    assert isinstance(plain, Secret)
    assert document_of(plain) is None
    assert document_of(Secret("[1]")) is None
    assert MAX_VAULT_BYTES > 16_384


def test_a_document_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEX_KEY", json.dumps(KEY_FILE, indent=2))
    found = open_sources(saferoute.Secrets.from_env({"vertex-key": ("VERTEX_KEY", OAUTH)}), {}).find("vertex-key")
    assert found is not None
    assert document_of(found.secret) == KEY_FILE


def test_a_document_through_a_pipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse\n", encoding="utf-8")
    phrase.chmod(0o600)
    run = Commands(monkeypatch, tmp_path)
    vault = ("--vault", "v.json", "--passphrase-file", "phrase")
    done = run("keys", "add", "vertex-key", "--origin", OAUTH, "--stdin", *vault, stdin=json.dumps(KEY_FILE, indent=2).encode())
    assert (done.code, done.out) == (0, f"vertex-key: stored in the vault, may go to {OAUTH} only, revision 1\n")
    assert "canary" not in done.out + done.err
    stored = open_sources(saferoute.Secrets.vault(tmp_path / "v.json", key_file=phrase), {}).find("vertex-key")
    assert stored is not None
    assert document_of(stored.secret) == KEY_FILE
    bad = run("keys", "add", "other", "--origin", OAUTH, "--stdin", *vault, stdin=b'{"canary": 1, "canary": 2}')
    assert bad.code != 0
    assert "canary" not in bad.out + bad.err


# ---------------------------------------------------------------------------------------------------------------- files


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    sources = open_sources(saferoute.Secrets.from_file({"token": (path, OAUTH), "other": (str(path), OAUTH)}), {})
    assert sources.labels == ("the files that were named",)
    assert sources.find("token") is None
    assert list(sources._sources[0].names()) == []
    for text in ("one\n", "two\r\n", "three"):
        path.write_bytes(text.encode())
        found = sources.find("token")
        assert found is not None
        assert (reveal(found.secret), found.origins) == (text.strip().encode(), (OAUTH,))
    assert sources.find("unknown") is None
    assert list(sources._sources[0].names()) == ["token", "other"]
    sources.forget("token")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    sources = open_sources(saferoute.Secrets.from_file({"token": (tmp_path / "none", OAUTH)}), {})
    with pytest.raises(SecretNotFound, match=f"There is no file {tmp_path / 'none'}"):
        raise sources.missing("token", origin=OAUTH)


@pytest.mark.parametrize(
    "files",
    [
        {"Token": ("/x", OAUTH)},
        {"token": ("/x", "https://a.example/path")},
        {"token": ("", OAUTH)},
        {"token": ("/x\n", OAUTH)},
        {"token": ("/x",)},
        {"token": "/x"},
        {"token": ("/x", [])},
    ],
    ids=range(7),
)
def test_descriptions_that_make_no_sense(files: Any) -> None:
    with pytest.raises(ConfigurationError):
        saferoute.Secrets.from_file(files)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    sources = open_sources(saferoute.Secrets.from_file({"token": (tmp_path / "pipe", OAUTH)}), {})
    with pytest.raises(SecretError, match="not a regular file"):
        sources.find("token")


def test_a_file_that_does_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("x")
    sources = open_sources(saferoute.Secrets.from_file({"token": (path, OAUTH)}), {})

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "no")

    with monkeypatch.context() as patch:
        patch.setattr("os.open", refuse)
        with pytest.raises(SecretError, match=r"does not open \(PermissionError\)"):
            sources.find("token")
    with monkeypatch.context() as patch:
        patch.setattr("os.fstat", refuse)
        with pytest.raises(SecretError, match=r"cannot be read \(PermissionError\)"):
            sources.find("token")

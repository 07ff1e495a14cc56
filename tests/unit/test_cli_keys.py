"""`saferoute keys`, over a vault in a temporary folder. No output ever holds a character of a key's own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import Commands, Done

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

KEY = "sk-canary-3f9a1c77e5"
NEW = "sk-canary-0b8d2e64a1"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    monkeypatch.chdir(tmp_path)
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse\n", encoding="utf-8")
    phrase.chmod(0o600)
    return Commands(monkeypatch, tmp_path)


@pytest.fixture
def keys(run: Commands) -> Callable[..., Done]:
    """Run a keys command over the temporary vault, and check that no key shows."""

    def command(action: str, *words: str, key: str | bytes = b"") -> Done:
        stdin = key.encode() if isinstance(key, str) else key
        done = run("keys", action, *words, "--vault", "v.json", "--passphrase-file", "phrase", stdin=stdin)
        assert not any(secret in done.out + done.err for secret in (KEY, NEW, "canary", "correct horse"))
        return done

    return command


def test_a_key_from_its_first_day_to_its_last(keys: Callable[..., Done], tmp_path: pathlib.Path) -> None:
    added = keys("add", "openai", "--stdin", key=KEY + "\n")
    assert (added.code, added.out) == (0, "openai: stored in the vault, may go to https://api.openai.com only, revision 1\n")
    assert "secrets=saferoute.Secrets.vault('v.json')" in added.err
    assert KEY.encode() not in (tmp_path / "v.json").read_bytes()

    listed = keys("list")
    assert listed.out.splitlines()[0].split() == ["name", "goes", "only", "to", "store", "revision"]
    assert listed.out.splitlines()[1].split() == ["openai", "https://api.openai.com", "vault", "1"]

    assert keys("rotate", "openai", "--stdin", key=NEW).out == (
        "openai: replaced in the vault, may go to https://api.openai.com only, revision 2\n"
    )
    assert json.loads(keys("list", "--json").out) == [
        {"name": "openai", "origins": ["https://api.openai.com"], "store": "vault", "revision": 2}
    ]

    removed = keys("remove", "openai")
    assert removed.out.startswith("openai: removed from the vault")
    assert "revoke it at the provider" in removed.err
    emptied = keys("list")
    assert (emptied.code, emptied.out) == (0, "")
    assert json.loads(keys("list", "--json").out) == []


def test_several_origins(keys: Callable[..., Done]) -> None:
    done = keys("add", "mine", "--origin", "https://b.example", "--origin", "https://a.example", "--stdin", key=KEY)
    assert done.out == "mine: stored in the vault, may go to https://a.example, https://b.example only, revision 1\n"


@pytest.mark.parametrize(
    ("words", "key", "why"),
    [
        (["openai", "--stdin"], b"", "a key must have 1 to"),
        (["openai", "--stdin"], b"sk-canary\r\nx-evil: 1", "printable ASCII only"),
        (["openai", "--stdin"], b"sk-canary with a space", "printable ASCII only"),
        (["openai", "--stdin"], "sk-canary-\u00e9".encode(), "printable ASCII only"),
        (["openai", "--stdin"], b"sk-canary-\xff", "not text"),
        (["mine", "--stdin"], KEY.encode(), "as in saferoute keys add mine --origin https://api.example.com"),
        (["azure_openai", "--stdin"], KEY.encode(), "saferoute keys add azure_openai --origin https://RESOURCE.openai.azure.com"),
        (["xai_responses", "--stdin"], KEY.encode(), "the key of xai_responses is called xai: saferoute keys add xai"),
        (["mine", "--stdin", "--origin", "http://evil.com"], KEY.encode(), "use https://evil.com"),
        (["mine", "--stdin", "--origin", "http://a.example/path"], KEY.encode(), "origin"),
        (["No Name", "--stdin", "--origin", "https://a.example"], KEY.encode(), "not a name for a secret"),
    ],
)
def test_bad_keys_and_names_store_nothing(
    keys: Callable[..., Done], tmp_path: pathlib.Path, words: list[str], key: bytes, why: str
) -> None:
    done = keys("add", *words, key=key)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: ")
    assert why in done.err
    assert not (tmp_path / "v.json").exists()


def test_a_stored_key_is_not_overwritten_and_a_missing_one_not_replaced(keys: Callable[..., Done]) -> None:
    assert keys("add", "openai", "--stdin", key=KEY).code == 0
    again = keys("add", "openai", "--stdin", key=NEW)
    assert again.code == 1
    assert "already; saferoute keys rotate openai puts another" in again.err
    for action in ("rotate", "remove"):
        done = keys(action, "anthropic", *(["--stdin"] if action == "rotate" else []), key=NEW)
        assert done.code == 1
        assert "no key for anthropic" in done.err
        assert "saferoute keys list shows what is stored" in done.err


def test_nobody_to_ask(keys: Callable[..., Done]) -> None:
    done = keys("add", "openai")
    assert done.code == 1
    assert "nobody can be asked" in done.err
    assert "Pipe the key in, with --stdin" in done.err
    done = keys("add", "openai", "--stdin", key=KEY)
    assert done.code == 0


def test_nobody_to_ask_for_the_passphrase(run: Commands) -> None:
    done = run("keys", "add", "openai", "--stdin", stdin=KEY.encode())
    assert (done.code, done.out) == (1, "")
    assert "Pass --passphrase-file FILE, a file that only you can read" in done.err
    assert "Secrets" not in done.err


def test_the_key_is_asked_for_without_echo(keys: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return KEY

    monkeypatch.setattr("saferoute.keys.ask_hidden", answer)
    assert keys("add", "openai").code == 0
    assert questions == ["Key for openai (may go to https://api.openai.com; not shown): "]


def test_stdin_at_a_terminal_would_show_the_key(run: Commands) -> None:
    done = run("keys", "add", "openai", "--stdin", "--vault", "v.json", "--passphrase-file", "phrase", terminal=True)
    assert done.code == 2
    assert "without it, it is asked for without echo" in done.err


def test_a_wrong_passphrase(run: Commands, keys: Callable[..., Done], tmp_path: pathlib.Path) -> None:
    assert keys("add", "openai", "--stdin", key=KEY).code == 0
    (tmp_path / "phrase").write_text("battery staple", encoding="utf-8")
    done = run("keys", "rotate", "openai", "--stdin", "--vault", "v.json", "--passphrase-file", "phrase", stdin=NEW.encode())
    assert done.code == 1
    assert "passphrase" in done.err
    assert "battery" not in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are the folder's access list there")
def test_a_passphrase_file_that_others_can_read(keys: Callable[..., Done], tmp_path: pathlib.Path) -> None:
    (tmp_path / "phrase").chmod(0o644)
    done = keys("add", "openai", "--stdin", key=KEY)
    assert done.code == 1
    assert "chmod 600" in done.err


def test_a_damaged_vault(keys: Callable[..., Done], tmp_path: pathlib.Path) -> None:
    (tmp_path / "v.json").write_text("{}", encoding="utf-8")
    (tmp_path / "v.json").chmod(0o600)
    done = keys("list")
    assert (done.code, done.out) == (1, "")
    assert "vault" in done.err


def test_a_vault_belongs_to_the_vault(run: Commands) -> None:
    done = run("keys", "list", "--store", "keyring", "--vault", "v.json")
    assert done.code == 2
    assert "--store vault" in done.err


def test_without_a_keyring_the_default_vault_is_used(run: Commands, tmp_path: pathlib.Path) -> None:
    done = run("keys", "add", "openai", "--stdin", "--store", "vault", "--passphrase-file", "phrase", stdin=KEY.encode())
    assert done.code == 0
    assert 'secrets="vault"' in done.err
    assert (tmp_path / ".config" / "saferoute" / "vault.json").is_file()
    assert run("keys", "list").out.splitlines()[1].split()[0] == "openai"


def test_a_keyring_that_is_not_there_is_said(run: Commands) -> None:
    done = run("keys", "add", "openai", "--stdin", "--store", "keyring", stdin=KEY.encode())
    assert done.code == 1
    assert "no keyring" in done.err


def test_no_keys_yet(run: Commands) -> None:
    done = run("keys", "list")
    assert (done.code, done.out) == (0, "")
    assert "saferoute keys add" in done.err

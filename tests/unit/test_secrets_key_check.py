"""`keys.check` and `keys.import_env`: which rows have their key, and keys out of variables that were named."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from saferoute import keys
from saferoute.errors import ConfigurationError, SecretError
from saferoute.routing.publish import new_root, sign_release
from saferoute.secrets.key_check import KeyNeed, RowKey, check_rows
from saferoute.secrets.lookup import StoredKey
from saferoute.secrets.secret import key_to_store
from saferoute.signing.keys import PrivateKey
from saferoute.signing.strict_json import canonical
from tests.support.commands import Commands, Done
from tests.support.secret_stores import ORIGIN, OTHER, FakeBackend, assert_not_shown, canary, keyring
from tests.support.trust_cases import row, table

NEED = KeyNeed("main", "openai", ORIGIN)


def stored(store: str = "keyring", origins: tuple[str, ...] = (ORIGIN,), until: int | None = None) -> StoredKey:
    return StoredKey("openai", origins, 3, store, until)


@pytest.mark.parametrize(
    ("need", "found", "expected"),
    [
        (KeyNeed("main", None, ORIGIN), [stored()], RowKey("main", None, ORIGIN, "none needed")),
        (NEED, [], RowKey("main", "openai", ORIGIN, "missing", remedy=f"saferoute keys add openai --origin {ORIGIN}")),
        (KeyNeed("m", "other", ORIGIN), [stored()],
         RowKey("m", "other", ORIGIN, "missing", remedy=f"saferoute keys add other --origin {ORIGIN}")),
        (NEED, [stored()], RowKey("main", "openai", ORIGIN, "ok", stored())),
        (NEED, [stored(until=1_001)], RowKey("main", "openai", ORIGIN, "ok", stored(until=1_001), 1_001)),
        (NEED, [stored(until=1_000)], RowKey("main", "openai", ORIGIN, "ok", stored(until=1_000))),
        (NEED, [stored(origins=(OTHER,))],
         RowKey("main", "openai", ORIGIN, "bound elsewhere", stored(origins=(OTHER,)),
                remedy=f"saferoute keys remove openai, then saferoute keys add openai --origin {OTHER} --origin {ORIGIN}")),
        (NEED, [stored(), stored("vault")],
         RowKey("main", "openai", ORIGIN, "in two stores", stored(),
                remedy="saferoute keys remove openai --store vault: a client takes the first that it is told to look in")),
    ],
    ids=["none", "missing", "other name", "ok", "overlap", "overlap over", "elsewhere", "two"],
)  # fmt: skip
def test_rows(need: KeyNeed, found: list[StoredKey], expected: RowKey) -> None:
    assert check_rows([need], found, 1_000) == (expected,)


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeBackend:
    backend = FakeBackend()
    monkeypatch.setattr(keys, "open_keyring", lambda: keyring(backend))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ACME_KEY"):
        monkeypatch.delenv(name, raising=False)
    return backend


def test_import_takes_named_variables_only(ring: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-1\n")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k-2")
    monkeypatch.setenv("ACME_KEY", "k-3")
    done = keys.import_env("OPENAI_API_KEY", "acme=ACME_KEY", origins=OTHER)
    assert done == (StoredKey("openai", (ORIGIN,), 1, "keyring"), StoredKey("acme", (OTHER,), 1, "keyring"))
    found = [keyring(ring).find(name) for name in ("openai", "acme", "anthropic")]
    assert [one and key_to_store(one.secret) for one in found] == [b"k-1", b"k-3", None]


@pytest.mark.parametrize(
    ("words", "origins", "kind", "message"),
    [
        ((), None, ConfigurationError, "name at least one variable to import"),
        (("OPENAI_API_KEY", "openai=ACME_KEY"), None, ConfigurationError, "name at least one variable to import, and each key once"),
        (("ACME_KEY",), None, ConfigurationError, "the catalogue does not know ACME_KEY: say what the key is called, as in NAME=ACME_KEY"),
        (("acme=ACME_KEY",), None, ConfigurationError, "the catalogue does not know where a key called acme may go"),
        (("acme=ACME_KEY",), "http://api.example.com", ConfigurationError, "is plain http"),
        (("ACME KEY",), None, ConfigurationError, "a key to import is written OPENAI_API_KEY, or NAME=VARIABLE"),
        (("=ACME_KEY",), None, ConfigurationError, "that is not a name for a secret"),
        (("OPENAI_API_KEY=sk-123",), None, ConfigurationError, "its value is not given here"),
        (("ANTHROPIC_API_KEY",), None, SecretError, "the variable ANTHROPIC_API_KEY: it is not set, or empty. Nothing was stored"),
        (("OPENAI_API_KEY", "bad=BAD_KEY"), OTHER, SecretError, "the variable BAD_KEY: a key may hold printable ASCII only"),
    ],
)
def test_import_stores_nothing_if_anything_is_wrong(
    ring: FakeBackend, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], origins: str | None, kind: type[Exception], message: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", canary())
    monkeypatch.setenv("ACME_KEY", canary())
    monkeypatch.setenv("BAD_KEY", f"{canary()} {canary()}")
    with pytest.raises(kind) as caught:
        keys.import_env(*words, origins=origins)
    assert message in str(caught.value)
    assert ring.entries == {}
    assert_not_shown(caught.value, canary())


def test_import_replaces_nothing(ring: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", canary())
    monkeypatch.setenv("ANTHROPIC_API_KEY", canary())
    keys.add("anthropic", "k")
    with pytest.raises(SecretError, match=r"the keyring has a key for anthropic already\. Nothing was stored") as caught:
        keys.import_env("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
    assert [key.name for key in keys.list(store="keyring")] == ["anthropic"]
    assert_not_shown(caught.value, canary())


def test_a_known_name_keeps_its_own_origin(ring: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """`origins` is for names that the catalogue does not know: it cannot send a known key elsewhere by the way."""
    monkeypatch.setenv("ACME_KEY", "k")
    assert keys.import_env("openai=ACME_KEY", origins=OTHER)[0].origins == (ORIGIN,)


# --------------------------------------------------------------------------------------------------------- command line


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse\n")
    phrase.chmod(0o600)
    commands = Commands(monkeypatch, tmp_path)

    def command(action: str, *words: str, key: str = "") -> Done:
        done: Done = commands("keys", action, *words, "--vault", "v.json", "--passphrase-file", "phrase", stdin=key.encode())
        assert canary() not in done.out + done.err
        return done

    return command


def signed(folder: Path, *rows: dict[str, Any]) -> None:
    key, tables, now = PrivateKey.generate(), PrivateKey.generate(), time.time()
    root = new_root("acme/models", root_signers=[key], table_keys=[tables.public_key], now=now, not_after=now + 86_400)
    body = canonical(table(*rows))
    (folder / "root.json").write_bytes(root)
    (folder / "routes.json").write_bytes(sign_release(root, [body], version=1, now=now, signers=[tables], not_after=now + 3_600))


def test_import_on_the_command_line(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", canary())
    done = run("import-env", "OPENAI_API_KEY")
    assert (done.code, done.out) == (0, f"openai: stored in the vault, may go to {ORIGIN} only, revision 1\n")
    assert done.err.splitlines()[-1] == "now unset OPENAI_API_KEY, and take it out of where you set it (.env, profile, service, CI)"
    assert run("import-env", "OPENAI_API_KEY").code == 1
    monkeypatch.setenv("ACME_KEY", canary())
    more = run("import-env", "a=ACME_KEY", "b=ACME_KEY", "--origin", OTHER)
    assert more.code == 0
    assert more.err.splitlines()[-1].startswith("now unset ACME_KEY, and take it out")
    monkeypatch.setenv("ANTHROPIC_API_KEY", canary())
    both = run("import-env", "ANTHROPIC_API_KEY", "c=ACME_KEY", "--origin", OTHER)
    assert both.err.splitlines()[-1].startswith("now unset ANTHROPIC_API_KEY ACME_KEY, and take them out")


def test_rotate_with_an_overlap_on_the_command_line(run: Any) -> None:
    run("add", "openai", "--stdin", key="k-1")
    before = int(time.time())
    done = run("rotate", "openai", "--stdin", "--overlap", "24h", key="k-2")
    assert done.code == 0
    assert "the old key is presented where the new one is refused" in done.err
    [listed] = json.loads(run("list", "--json").out)
    assert 86_400 <= listed["overlap_until"] - before <= 86_500
    assert "2 (1 until " in run("list").out
    for text in ("5", "h", "1.5h", "-1h", "1w", "9999999999s", "٣h"):
        assert run("rotate", "openai", "--stdin", "--overlap", text, key="k-3").code == 2
    assert run("rotate", "openai", "--stdin", "--overlap", "91d", key="k-3").code == 1
    for text in ("1s", "1m", "90d"):
        assert run("rotate", "openai", "--stdin", "--overlap", text, key="k-3").code == 0


def test_check_on_the_command_line(run: Any, tmp_path: Path) -> None:
    signed(tmp_path, row(), row(id="free", secret=None, auth="none"), row(id="other", secret="openai", origin="https://api.openai.com"))
    run("add", "openai", "--stdin", key="k-1")
    done = run("check")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines == [
        "row key goes to status store revision",
        "main example https://api.example.com missing - -",
        "free - https://api.example.com none needed - -",
        "other openai https://api.openai.com ok vault 1",
    ]
    assert done.code == 1
    assert "saferoute keys add example --origin https://api.example.com" in done.err
    run("add", "example", "--origin", "https://api.example.com", "--stdin", key="k-2")
    assert run("check", "routes.json", "--root", "root.json").code == 0
    rows = json.loads(run("check", "--json").out)
    assert rows[0] == {
        "row": "main", "key": "example", "origin": "https://api.example.com", "status": "ok", "remedy": "",
        "stored": {"name": "example", "origins": ["https://api.example.com"], "store": "vault", "revision": 1},
    }  # fmt: skip
    assert rows[1]["stored"] is None
    assert run("check", "--sha256", "0" * 64).code == 1
    assert run("check", "absent.json").code == 1


def test_a_made_credential_needs_what_it_is_made_from(ring: FakeBackend) -> None:
    from types import SimpleNamespace

    from saferoute.values.credential import CredentialSpec

    def target(secret: str | None) -> Any:
        return SimpleNamespace(id="r", secret=secret, origin=ORIGIN)

    made = CredentialSpec("cloud", "azure_client_secret", OTHER, None, "material", (ORIGIN,))  # type: ignore[arg-type]
    vouched = CredentialSpec("metal", "google_metadata", OTHER, None, None, (ORIGIN,))  # type: ignore[arg-type]
    rows: Any = SimpleNamespace(
        routes={"a": target("cloud"), "b": target("metal"), "c": target("plain"), "d": target(None)},
        credentials={"cloud": made, "metal": vouched},
    )
    found = keys.check(rows, store="keyring")
    assert [(one.secret, one.origin, one.status) for one in found] == [
        ("material", OTHER, "missing"), (None, OTHER, "none needed"), ("plain", ORIGIN, "missing"), (None, ORIGIN, "none needed"),
    ]  # fmt: skip

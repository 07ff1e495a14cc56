"""`saferoute init`: one command from nothing to a signed table that opens."""

from __future__ import annotations

import json
import os
import stat
import sys
import types
from typing import TYPE_CHECKING

import pytest

import saferoute
from saferoute.cli import key_files
from saferoute.cli.project import constructor, name_from
from saferoute.routing.publish import pin, read_root
from saferoute.signing.keys import PrivateKey
from saferoute.testing import EmbeddedProvider
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib

FILES = {"routes.toml", "root.json", "routes.json", "saferoute-keys", "audit"}
KEYS = {"root.key.pem", "table.key.pem", ".gitignore"}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Commands(monkeypatch, tmp_path)


@pytest.fixture
def here(run: Commands) -> pathlib.Path:
    return run.home / "shop"


def private(path: pathlib.Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def test_one_command_makes_a_table_that_opens_and_a_program_that_calls_it(run: Commands, here: pathlib.Path) -> None:
    with EmbeddedProvider() as provider:
        done = run("init", "--server", f"demo={provider.port}", "--unsafe-plaintext-keys")
        assert done.code == 0, done.err
        assert {path.name for path in here.iterdir()} == FILES
        assert {path.name for path in (here / "saferoute-keys").iterdir()} == KEYS
        pasted: dict[str, saferoute.Client] = {}
        exec(done.out, pasted)  # what is printed is a whole program
        with pasted["client"] as client:
            assert client.chat("demo/any-model", "hello").text == "You said: hello"
            assert "trust='production'" in repr(client)
            assert "table='shop'" in repr(client)
    seen = run("audit", "show", "audit")  # as it says that it can be read
    assert (seen.code, "demo/any-model" in seen.out) == (0, True)
    assert "saferoute audit show audit" in done.err


def test_the_printed_next_command_works_as_it_stands(run: Commands) -> None:
    import shlex

    with EmbeddedProvider() as provider:
        told = run("init", "--server", f"demo={provider.port}", "--unsafe-plaintext-keys").err
        (line,) = [line for line in told.splitlines() if line.startswith("  saferoute chat")]
        done = run(*shlex.split(line)[1:])
    assert (done.code, done.out, done.err) == (0, "You said: Say hello\n", "")


def test_without_options_it_is_for_the_first_provider_of_the_catalogue(run: Commands) -> None:
    done = run("init", "--unsafe-plaintext-keys")
    assert done.code == 0, done.err
    assert "saferoute keys add openai" in done.err
    assert 'secrets="vault"' in done.out  # this machine has no keyring: where `keys add` will put it
    pasted: dict[str, saferoute.Client] = {}
    exec(done.out, pasted)
    with pasted["client"] as client:
        assert [one.name for one in client.models()] == ["fast", "smart", "openai/*"]


def test_several_providers_stand_in_for_each_other(run: Commands, here: pathlib.Path) -> None:
    assert run("init", "--provider", "anthropic", "--provider", "openai", "--unsafe-plaintext-keys").code == 0
    text = (here / "routes.toml").read_text(encoding="utf-8")
    assert 'fast = ["anthropic/claude-' in text
    assert ', "openai/gpt-' in text


def test_both_dialects_and_dotted_names(run: Commands) -> None:
    words = ["--server", "llama.cpp=8080", "--server", "claude-like=8080:anthropic_messages", "--unsafe-plaintext-keys"]
    assert run("init", *words).code == 0
    shown = json.loads(run("table", "show", "--json").out)
    assert {name: row["dialect"] for name, row in shown["routes"].items()} == {
        "llama.cpp": "openai_chat",
        "claude-like": "anthropic_messages",
    }


def test_a_server_is_of_the_kind_that_is_named(run: Commands, here: pathlib.Path) -> None:
    words = ["llama.cpp=8081", "mine=llama.cpp", "ollama=11434", "chat=9:ollama", "door=9:gemini_generate", "vllm=9:anthropic_messages"]
    assert run("init", *(part for word in words for part in ("--server", word)), "--unsafe-plaintext-keys").code == 0
    text = (here / "routes.toml").read_text(encoding="utf-8")
    assert '[routes."llama.cpp"]' in text
    assert text.count('extends = "llama.cpp"\n') == 2
    assert text.count('extends = "ollama"\n') == 2
    rows = json.loads(run("table", "show", "--json").out)["routes"]
    assert {name: (row["origin"], row["dialect"], row["path"], row["provider_name"]) for name, row in rows.items()} == {
        "llama.cpp": ("http://127.0.0.1:8081", "openai_chat", "/v1", "llama.cpp"),
        "mine": ("http://127.0.0.1:8080", "openai_chat", "/v1", "mine"),
        "ollama": ("http://127.0.0.1:11434", "ollama_chat", "", "ollama"),
        "chat": ("http://127.0.0.1:9", "ollama_chat", "", "chat"),
        "door": ("http://127.0.0.1:9", "gemini_generate", "/v1beta", "door"),
        "vllm": ("http://127.0.0.1:9", "anthropic_messages", "", "vllm"),
    }
    assert "default_max_output = 4096" in text  # the Messages API wants a bound


@pytest.mark.parametrize(("word", "why"), [("x", "is not NAME=PORT"), ("x=llamacpp", "the kinds are "), ("x=9:grpc", "the dialect 'grpc'")])
def test_what_is_no_server(run: Commands, word: str, why: str) -> None:
    done = run("init", "--server", word, "--unsafe-plaintext-keys")
    assert done.code == 2
    assert why in done.err


def test_the_folder_is_made_and_named(run: Commands, here: pathlib.Path) -> None:
    done = run("init", "deep/My Shop!", "--unsafe-plaintext-keys", "--server", "x=1")
    assert done.code == 0
    assert 'table="deep/My Shop!/routes.json"' in done.out
    assert read_root((here / "deep" / "My Shop!" / "root.json").read_bytes()).name == "my-shop"


def test_two_different_keys_speak_for_root_and_table(run: Commands, here: pathlib.Path) -> None:
    run("init", "--unsafe-plaintext-keys")
    root = read_root((here / "root.json").read_bytes())
    made = {name: PrivateKey.from_pem((here / "saferoute-keys" / f"{name}.key.pem").read_bytes()) for name in ("root", "table")}
    assert root.root.keys == (made["root"].public_key,)
    assert root.table.keys == (made["table"].public_key,)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are the folder's access list there")
def test_private_files_are_for_their_owner_only(run: Commands, here: pathlib.Path) -> None:
    run("init", "--unsafe-plaintext-keys")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (here / "saferoute-keys").iterdir()}
    assert modes == dict.fromkeys(KEYS, 0o600)
    assert stat.S_IMODE((here / "saferoute-keys").stat().st_mode) == 0o700
    assert (here / "saferoute-keys" / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_keys_are_encrypted_unless_the_option_says_unsafe(run: Commands, here: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = run("init", "--passphrase-file", private(tmp_path / "phrase", "correct horse\n"))
    assert done.code == 0, done.err
    for name in ("root", "table"):
        data = (here / "saferoute-keys" / f"{name}.key.pem").read_bytes()
        assert data.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        PrivateKey.from_pem(data, b"correct horse")
    signed = run("table", "sign", "--passphrase-file", private(tmp_path / "wrong", "battery staple"))
    assert (signed.code, signed.out) == (1, "")
    assert "the passphrase is wrong" in signed.err
    assert "correct horse" not in done.out + done.err


def test_nobody_to_ask_writes_nothing(run: Commands, here: pathlib.Path) -> None:
    done = run("init")
    assert done.code == 1
    assert "--passphrase-file" in done.err
    assert "--unsafe-plaintext-keys" in done.err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(("answers", "why"), [(["", ""], "is empty"), (["one", "two"], "differ"), (["1234567", "1234567"], "at least 8")])
def test_a_passphrase_is_asked_for_twice(
    run: Commands, here: pathlib.Path, monkeypatch: pytest.MonkeyPatch, answers: list[str], why: str
) -> None:
    monkeypatch.setattr(key_files, "somebody_is_there", lambda: True)
    monkeypatch.setattr(key_files, "ask_hidden", lambda _: answers.pop(0))
    done = run("init")
    assert done.code == 1
    assert why in done.err
    assert list(here.iterdir()) == []


def test_an_asked_passphrase_opens_the_key_however_it_was_typed(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_files, "somebody_is_there", lambda: True)
    monkeypatch.setattr(key_files, "ask_hidden", lambda _: "caf\u00e9 con leche")
    assert run("init").code == 0
    monkeypatch.setattr(key_files, "ask_hidden", lambda _: "cafe\u0301 con leche")  # the same word in another normal form
    assert run("table", "sign").code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are the folder's access list there")
@pytest.mark.parametrize(
    ("text", "mode", "why"), [("open to all", 0o644, "chmod 600"), ("", 0o600, "holds no passphrase"), ("short", 0o600, "at least 8")]
)
def test_a_passphrase_file_must_be_private_and_hold_one(
    run: Commands, here: pathlib.Path, tmp_path: pathlib.Path, text: str, mode: int, why: str
) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text(text, encoding="utf-8")
    phrase.chmod(mode)
    done = run("init", "--passphrase-file", str(phrase))
    assert done.code == 1
    assert why in done.err
    assert list(here.iterdir()) == []


def test_a_missing_passphrase_file_is_said(run: Commands) -> None:
    done = run("init", "--passphrase-file", "nowhere")
    assert (done.code, done.err) == (1, "error: there is no file nowhere\n")


@pytest.mark.parametrize("name", [*sorted(FILES - {"saferoute-keys"}), "saferoute-keys/table.key.pem", "saferoute-keys/.gitignore"])
def test_nothing_is_ever_overwritten(run: Commands, here: pathlib.Path, name: str) -> None:
    mine = here / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine", encoding="utf-8")
    done = run("init", "--unsafe-plaintext-keys")
    assert done.code == 1
    assert name in done.err
    assert mine.read_text(encoding="utf-8") == "mine"
    assert sum(path.is_file() for path in here.rglob("*")) == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["root.json"], "because root.json exists already; choose another folder, or move it away"),
        (["root.json", "routes.json"], "because root.json and routes.json exist already; choose another folder, or move them away"),
        (["routes.toml", "root.json", "routes.json"], "because routes.toml, root.json and routes.json exist already;"),
    ],
)
def test_what_is_in_the_way_is_named(run: Commands, here: pathlib.Path, names: list[str], said: str) -> None:
    for name in names:
        (here / name).touch()
    assert said in run("init", "--unsafe-plaintext-keys").err


def test_a_dangling_link_is_not_written_through(run: Commands, here: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (here / "routes.json").symlink_to(tmp_path / "elsewhere")
    assert run("init", "--unsafe-plaintext-keys").code == 1
    assert not (tmp_path / "elsewhere").exists()


def test_a_failure_half_way_leaves_nothing(run: Commands, here: pathlib.Path) -> None:
    (here / "saferoute-keys").write_text("a file where the folder belongs", encoding="utf-8")
    done = run("init", "--unsafe-plaintext-keys")
    assert done.code == 1
    assert "nothing was kept" in done.err
    assert [path.name for path in here.iterdir()] == ["saferoute-keys"]


def test_a_file_that_comes_to_be_meanwhile_stays(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(key_files, "refuse_existing", lambda _: None)  # it looked a moment too early
    with pytest.raises(saferoute.SaferouteError, match="nothing was kept"):
        key_files.create_all([key_files.NewFile(tmp_path / "new" / "a", b"1"), key_files.NewFile(tmp_path / "b", b"2")])
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b").read_text(encoding="utf-8") == "mine"


def test_a_full_disk_keeps_the_old_table(run: Commands, here: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("init", "--unsafe-plaintext-keys").code == 0
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("saferoute.cli.key_files.os.fsync", full)
    done = run("table", "sign")
    assert (done.code, done.err) == (1, "error: routes.json cannot be written: No space left on device; it is as it was\n")
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("typed", ["", None])
def test_an_encrypted_key_without_its_passphrase(
    run: Commands, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, typed: str | None
) -> None:
    assert run("init", "--passphrase-file", private(tmp_path / "phrase", "correct horse")).code == 0
    monkeypatch.setattr(key_files, "somebody_is_there", lambda: typed is not None)
    monkeypatch.setattr(key_files, "ask_hidden", lambda _: typed)
    done = run("table", "sign")
    assert done.code == 1
    assert "table.key.pem is encrypted, and" in done.err


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--days", "8"], 1, "at most 7"),
        (["--days", "0"], 1, "not_after"),
        (["--root-days", "-1"], 1, "not_after"),
        (["--name", "local/shop"], 1, "choose another"),
        (["--name", "No Name"], 1, "root.name"),
        (["--server", "llama"], 2, "NAME=PORT"),
        (["--server", "llama=99999"], 2, "port"),
        (["--server", "llama=80:gemini"], 2, "dialect"),
        (["--server", "x=1", "--server", "x=2"], 1, "two servers or providers are called x"),
        (["--provider", "nobody"], 2, "invalid choice"),
        (["--passphrase-file", "x"], 2, "not allowed with"),
    ],
)
def test_bad_input_is_refused_and_writes_nothing(run: Commands, here: pathlib.Path, words: list[str], code: int, why: str) -> None:
    done = run("init", "--unsafe-plaintext-keys", *words)
    assert done.code == code
    assert why in done.err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "name"), [("shop", "shop"), ("My Shop!", "my-shop"), ("", "app"), ("...", "app"), ("x" * 80, "x" * 64), ("a_b", "a-b")]
)
def test_a_folder_gives_the_table_its_name(folder: str, name: str) -> None:
    assert name_from(folder) == name


@pytest.mark.parametrize("path", ["routes.json", "it's/routes.json", 'say "x".json', "back\\slash.json", "l\u00edsboa.json"])
def test_the_constructor_is_python_for_every_path(path: str) -> None:
    calls: list[tuple[object, ...]] = []
    source = constructor(path, path, "0" * 64, path, "keyring", ledger=path).replace("import saferoute", "")

    def record(**arguments: object) -> None:
        trust = arguments["trust"]
        assert isinstance(trust, saferoute.Trust)
        calls.append((arguments["table"], trust.path, trust.updates, arguments["secrets"], arguments["data"], arguments["ledger"]))

    ledgers = types.SimpleNamespace(directory=lambda path: ("a ledger in", path))
    exec(source, {"saferoute": types.SimpleNamespace(Client=record, Trust=saferoute.Trust, Ledger=ledgers)})
    assert calls == [(path, path, path, "keyring", "internal", ("a ledger in", path))]


def test_the_folder_of_records_is_private_and_kept_out_of_git(run: Commands, here: pathlib.Path) -> None:
    """Beside the records stands the secret with which guesses at what was said can be tested."""
    assert run("init", "--unsafe-plaintext-keys").code == 0
    assert stat.S_IMODE((here / "audit").stat().st_mode) == 0o700
    assert (here / "audit" / ".gitignore").read_text() == "*\n"


def test_the_pin_is_the_digest_of_the_file(run: Commands, here: pathlib.Path) -> None:
    done = run("init", "--unsafe-plaintext-keys")
    assert pin((here / "root.json").read_bytes()) in done.out


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty there")
def test_at_a_real_terminal_the_passphrase_is_not_shown(tmp_path: pathlib.Path) -> None:
    import pty
    import subprocess

    from tests.support.commands import environment

    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "saferoute", "init", "--server", "x=1"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    for question in (b"Passphrase for the new signing keys: ", b"The same passphrase again: "):
        while question not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, b"open sesame\n")
    while b"data=" not in seen:
        seen += os.read(ours, 4096)
    assert running.wait(30) == 0
    os.close(ours)
    assert b"open sesame" not in seen
    assert (tmp_path / "saferoute-keys" / "root.key.pem").read_bytes().startswith(b"-----BEGIN ENCRYPTED")

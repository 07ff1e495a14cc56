"""`--capability`, `--audience` and `--accounts`: what the command line's calls are made under."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import pytest

from saferoute.testing import EmbeddedProvider
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

PLAIN = "--unsafe-plaintext-keys"
ISSUERS = '[issuers.agents]\nkeys = ["agents.pub.pem"]\n'
MODEL = 'model = "m1"\nprices = { input = "$1/M", output = "$2/M" }\ndefault_max_output = 100'


@pytest.fixture(scope="module")
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, provider: EmbeddedProvider) -> Commands:
    """A signed table with one priced row and a budget, and a capability for the client "web"."""
    folder = tmp_path / "shop"
    folder.mkdir(mode=0o700)
    monkeypatch.chdir(folder)
    commands = Commands(monkeypatch, tmp_path)
    assert commands("init", PLAIN, "--server", f"llm={provider.port}").code == 0
    routes = folder / "routes.toml"
    text = routes.read_text(encoding="utf-8").replace('model = "*"', MODEL)
    routes.write_text(f'{text}budget = "$1/day"\n', encoding="utf-8")
    assert commands("root", "make-key", "agents.key.pem", PLAIN).code == 0
    (folder / "issuers.toml").write_text(ISSUERS, encoding="utf-8")
    assert commands("root", "rotate", "--issuers", "issuers.toml").code == 0
    assert commands("table", "sign").code == 0
    mint = ["cap", "mint", "--issuer", "agents", "--key", "agents.key.pem", "--expires-in", "1h", "-o", "a.cap", "--calls", "2"]
    assert commands(*mint, "--audience", "web", "--model", "m1", "--provider", "llm").code == 0
    return commands


@pytest.fixture
def table(run: Commands) -> list[str]:
    pin = hashlib.sha256((run.home / "shop" / "root.json").read_bytes()).hexdigest()
    return ["--table", "routes.json", "--root", "root.json", "--sha256", pin, "--data", "internal"]


def test_a_budget_of_all_processes_says_which_option_counts_it(run: Commands, table: list[str]) -> None:
    done = run("chat", "llm", "hi", *table)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: the table's grant must be counted by all processes of this host, and this client counts in this process only: "
        "pass --accounts FILE\n"
    )


def test_accounts_are_shared_by_commands(run: Commands, table: list[str]) -> None:
    words = ["chat", "llm", "hi", *table, "--capability", "a.cap", "--audience", "web", "--accounts", "accounts.db"]
    assert [run(*words).code for _ in range(3)] == [0, 0, 1]
    assert "2 of 2 calls are used" in run(*words).err
    assert run("chat", "llm", "hi", *table, "--accounts", "accounts.db").code == 0  # the grant's own budget is another


def test_a_capability_is_for_the_client_that_it_names(run: Commands, table: list[str]) -> None:
    done = run("chat", "llm", "hi", *table, "--capability", "a.cap")
    assert done.code == 1
    assert done.err.endswith("Use one that was made for it, or say what this client is: --audience NAME\n")


def test_models_lists_what_a_capability_reaches(run: Commands, table: list[str]) -> None:
    done = run("models", *table, "--capability", "a.cap", "--audience", "web")
    assert (done.code, [line.split()[0] for line in done.out.splitlines()]) == (0, ["name", "llm"])


@pytest.mark.skipif(sys.platform == "win32", reason="no file modes there")
def test_a_capability_that_others_can_read_is_refused(run: Commands, table: list[str]) -> None:
    (run.home / "shop" / "a.cap").chmod(0o644)
    done = run("chat", "llm", "hi", *table, "--capability", "a.cap", "--audience", "web")
    assert (done.code, done.out, "a.cap" in done.err) == (1, "", True)


@pytest.mark.parametrize("words", [["--capability", "a.cap"], ["--audience", "web"], ["--accounts", "accounts.db"]])
def test_they_belong_to_a_signed_table(run: Commands, words: list[str]) -> None:
    done = run("chat", "x", "hi", "--server", "x=1", *words)
    assert done.code == 2
    assert done.err == "error: --capability, --audience and --accounts belong to --table; see saferoute chat --help\n"


def test_a_check_is_of_the_whole_client(run: Commands, table: list[str]) -> None:
    assert run("check", "--ready", *table, "--accounts", "accounts.db").code == 0
    assert run("check", "--ready", *table, "--capability", "a.cap").code == 2


def test_a_replaced_key_says_how_another_is_named(run: Commands) -> None:
    assert run("root", "rotate", "--role", "table", "--new", "saferoute-keys/table-2.key.pem", PLAIN).code == 0
    done = run("table", "sign")
    assert done.code == 1
    assert done.err.endswith("is not in the table role: saferoute root show says whose are, and --key FILE names another\n")
    assert run("table", "sign", "--key", "saferoute-keys/table-2.key.pem").code == 0

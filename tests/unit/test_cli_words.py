"""Messages of the library, in the words of the command line."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from saferoute.cli.words import in_options
from tests.support.commands import ROOT, Commands

if TYPE_CHECKING:
    import pathlib

PYTHON = re.compile(r"saferoute\.keys|Secrets\.|Client[.(]|secrets=|store=|origins=|key_file|python -m")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("nothing to change", "nothing to change"),
        (
            'say it, as in saferoute.keys.add("demo", origins="https://a.example")',
            "say it, as in saferoute keys add demo --origin https://a.example",
        ),
        ("saferoute.keys.list() shows what is stored", "saferoute keys list shows what is stored"),
        ('saferoute.keys.add(..., store="vault") makes one.', "saferoute keys add NAME --store vault makes one."),
        ('saferoute.keys.add(..., store="vault"), then secrets="vault"', "saferoute keys add NAME --store vault, then --secrets vault"),
        ('say which, with store="keyring" or store="vault"', "say which, with --store keyring or --store vault"),
        (
            'Use Client.local(secrets="env"), saferoute.keys.add("a"), or `python -m saferoute keys add a`.',
            "Use --secrets env or `saferoute keys add a`.",
        ),
        (
            'Set A, or use saferoute.keys.add("a") or `python -m saferoute keys add a` with secrets= left out.',
            "Set A, or use `saferoute keys add a` without --secrets.",
        ),
        (
            (
                'Use saferoute.keys.add("a", origins="http://b"), `python -m saferoute keys add a --origin http://b`, '
                'or secrets=Secrets.from_env({"a": ("THE_VARIABLE", "http://b")}).'
            ),
            "Use `saferoute keys add a --origin http://b`.",
        ),
        (
            (
                'Use saferoute.keys.add("aws", origins="https://b"), `python -m saferoute keys add aws --origin https://b`, '
                'secrets=Secrets.from_aws_env(origins="https://b"), or secrets=Secrets.from_aws_profile(origins="https://b"). A stored'
            ),
            "Use `saferoute keys add aws --origin https://b`. A stored",
        ),
        (
            'Use secrets="env", saferoute.keys.add("a", store=Secrets.vault("v")), or `python -m saferoute keys add a --vault v`.',
            "Use --secrets env or `saferoute keys add a --vault v`.",
        ),
        ('saferoute.keys.add("a", store=Secrets.vault("v", key_file="k"))', "saferoute keys add a --vault v --passphrase-file k"),
        ('The vault v has one: Client.local(secrets="vault") uses it.', "The vault v has one: --secrets vault uses it."),
    ],
)
def test_in_options(message: str, said: str) -> None:
    assert in_options(message) == said


@pytest.mark.parametrize("module", ["drivers/keyring_store", "drivers/storage/vault_file", "drivers/prompt", "keys"])
def test_no_message_about_keys_speaks_python_on_the_command_line(module: str) -> None:
    seen = 0
    skipped = {"store= takes", "the vault needs none"}
    for node in ast.walk(ast.parse((ROOT / "saferoute" / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
            if PYTHON.search(text) and not any(words in text for words in skipped):
                seen += 1
                assert PYTHON.search(in_options(text)) is None, text
    assert seen > 0


def test_a_missing_key_of_a_chat_names_options(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.chdir(tmp_path)
    run = Commands(monkeypatch, tmp_path)
    for words in (
        [],
        ["--secrets", "env"],
        ["--secrets", "vault"],
        ["--secrets", "keyring"],
        ["--secrets", "prompt"],
        ["--vault", "v.json"],
    ):
        done = run("models", *words)
        assert done.code == 1
        assert "saferoute keys add openai" in done.err
        assert PYTHON.search(done.err) is None, done.err
    monkeypatch.setenv("SAFEROUTE_FORBID_LOCAL", "1")
    assert "use --table, --root and --sha256" in run("models").err

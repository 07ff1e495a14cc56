"""`saferoute cap`: mint, show, attenuate, delegate, verify."""

from __future__ import annotations

import json
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from saferoute.cli.role_keys import public_pem
from saferoute.client.capability import Capability
from saferoute.signing.keys import PrivateKey
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib

PLAIN = "--unsafe-plaintext-keys"
ISSUERS = """
[issuers.agents]
keys = ["agents.pub.pem"]
max_life = "2h"

[issuers.agents.ceiling]
operations = ["chat"]
budget = "$5/day"
"""
MINT = ["--issuer", "agents", "--key", "agents.key.pem", "--audience", "web", "--model", "big", "--provider", "openai"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    commands = Commands(monkeypatch, tmp_path)
    assert commands("root", "make-key", "agents.key.pem", PLAIN).code == 0
    (folder / "issuers.toml").write_text(ISSUERS, encoding="utf-8")
    assert commands("root", "init", PLAIN, "--issuers", "issuers.toml").code == 0
    return commands


@pytest.fixture
def here(run: Commands) -> pathlib.Path:
    return run.home / "shop"


def mint(run: Commands, *words: str) -> str:
    done = run("cap", "mint", *MINT, "--expires-in", "1h", "-o", "a.cap", *words)
    assert done.code == 0, done.err
    return done.out


def test_mint_writes_the_private_form_for_its_owner_only(run: Commands, here: pathlib.Path) -> None:
    out = mint(run, "--budget", "$1/day", "--no-tools", "--no-stream", "--data", "internal", "--max-depth", "3")
    made = Capability.from_holder((here / "a.cap").read_text("ascii"))
    assert out == f"a.cap: the capability {made.digest[:12]}; whoever reads this file holds it\n"
    if sys.platform != "win32":
        assert stat.S_IMODE((here / "a.cap").stat().st_mode) == 0o600
    described = made.describe()
    for said in ("tools: none", "each day", "data labelled up to: internal", "answers may not be streamed", "models: big"):
        assert said in described
    again = run("cap", "mint", *MINT, "--expires-in", "1h", "-o", "a.cap")
    assert (again.code, "nothing was written" in again.err) == (1, True)


def test_mint_says_what_the_roots_ceiling_leaves(run: Commands) -> None:
    done = run("cap", "mint", *MINT, "--expires-in", "1h", "-o", "a.cap", "--operation", "chat", "--operation", "embed", "--calls", "3")
    first, *lines = done.err.splitlines()
    assert first.startswith("capability ")
    assert first.endswith(", minted by agents, 1 block")
    assert [line for line in lines if line.startswith(("  may do", "  budget"))] == [
        "  may do: chat",
        "  budget of the issuer agents (all capabilities that it minted): $5.00 each day",
        "  budget: 3 calls in all, shared by all that is made of it",
    ]


def test_limits_are_minted_narrowed_and_shown(run: Commands) -> None:
    mint(run, "--requests-per-minute", "60", "--tokens-per-minute", "90000", "--scope", "host")
    assert run("cap", "attenuate", "a.cap", "-o", "b.cap", "--concurrent", "2").code == 0
    said = [
        "limit: 60 requests a minute, shared by all that is made of it",
        "limit: 90000 tokens a minute, shared by all that is made of it",
        "limit: 2 requests at once, shared by all that is made of it",
    ]
    shown = run("cap", "show", "b.cap").out.splitlines()
    assert [line.strip() for line in shown if "limit:" in line] == said
    for command in ("show", "verify"):
        allows = json.loads(run("cap", command, "b.cap", "--json").out)["allows"]
        assert [line for line in allows if line.startswith("limit")] == said
    refused = run("cap", "attenuate", "a.cap", "-o", "c.cap", "--concurrent", "0")
    assert (refused.code, refused.err) == (1, "error: concurrent must be a whole number from 1 to 1000000000\n")


def test_what_allows_nothing_under_the_ceiling_is_not_minted(run: Commands, here: pathlib.Path) -> None:
    done = run("cap", "mint", *MINT, "--expires-in", "1h", "-o", "a.cap", "--operation", "embed")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: under the ceiling that the root has for agents, it would allow no operation, and so no call at all: saferoute root show\n"
    )
    assert not (here / "a.cap").exists()


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--model", "other"], "no model"),
        (["--provider", "other", "--audience", "other"], "no client, no provider"),
        (["--no-tools"], ""),
        (["--model", "big", "--model", "other"], ""),
    ],
)
def test_narrowing_to_nothing_warns(run: Commands, here: pathlib.Path, words: list[str], left: str) -> None:
    mint(run)
    (here / "bob.pub.pem").write_bytes(public_pem(PrivateKey.generate().public_key))
    warning = f"warning: it allows {left}, and so no call at all: what was added names nothing that it allowed before"
    for done in (
        run("cap", "attenuate", "a.cap", "-o", "b.cap", *words),
        run("cap", "delegate", "a.cap", "--to", "bob.pub.pem", *words),
    ):
        assert done.code == 0
        assert (warning in done.err.splitlines()) == bool(left)
        assert ("warning" in done.err) == bool(left)


def test_show_counts_what_narrows(run: Commands) -> None:
    mint(run)
    for number, narrowed in enumerate(("nothing narrows it", "narrowed once since", "narrowed 2 times since")):
        assert run("cap", "show", f"{'abc'[number]}.cap").out.splitlines()[1].endswith(f"; {narrowed}")
        assert run("cap", "attenuate", f"{'abc'[number]}.cap", "-o", f"{'bcd'[number]}.cap").code == 0


def test_a_line_end_in_a_file_does_no_harm(run: Commands, here: pathlib.Path) -> None:
    mint(run)
    with (here / "a.cap").open("a", encoding="ascii") as file:
        file.write("\n")
    assert run("cap", "show", "a.cap").code == 0
    assert run("cap", "attenuate", "a.cap", "-o", "b.cap").code == 0


def test_no_command_shows_a_private_form(run: Commands, here: pathlib.Path) -> None:
    mint(run)
    assert run("cap", "attenuate", "a.cap", "-o", "b.cap", "--max-cost", "$0.01").code == 0
    (here / "bob.pub.pem").write_bytes(public_pem(PrivateKey.generate().public_key))
    done = [
        run("cap", "show", "b.cap"),
        run("cap", "show", "b.cap", "--json"),
        run("cap", "verify", "b.cap"),
        run("cap", "delegate", "b.cap", "--to", "bob.pub.pem"),
    ]
    seeds = [(here / name).read_text("ascii").strip().rpartition(".")[2] for name in ("a.cap", "b.cap")]
    for one in done:
        assert one.code == 0, one.err
        assert "srcap1h." not in one.out + one.err
        assert not any(seed in one.out + one.err for seed in seeds)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--expires-in", "3h"], "its issuer's tokens for 1 to 7200"),
        (["--expires-in", "1h", "--issuer", "nobody"], "is not named by the trust root"),
        (["--expires-in", "1h", "--key", "saferoute-keys/table.key.pem"], "refused"),
        (["--expires-in", "soon"], "write a duration"),
        (["--expires-in", "1h", "--no-tools", "--tool", "x"], "contradict"),
        (["--expires-in", "1h", "--budget", "much"], "budget"),
        (["--expires-in", "1h", "--key", "agents.pub.pem"], "PKCS#8"),
        (["--expires-in", "1h", "--root", "nowhere.json"], "cannot be read"),
    ],
)
def test_what_verifiers_would_refuse_is_not_written(run: Commands, here: pathlib.Path, words: list[str], why: str) -> None:
    if sys.platform != "win32":
        (here / "agents.pub.pem").chmod(0o600)
    before = sorted(here.iterdir())
    done = run("cap", "mint", *MINT, "-o", "a.cap", *words)
    assert (done.code, done.out, why in done.err) == (1, "", True), done.err
    assert sorted(here.iterdir()) == before


def test_without_a_root_it_is_not_checked_and_says_so(run: Commands, here: pathlib.Path) -> None:
    (here / "root.json").rename(here / "elsewhere.json")
    done = run("cap", "mint", *MINT, "--expires-in", "9h", "-o", "a.cap")
    assert done.code == 0
    assert "it was not checked" in done.err
    assert "7200" in run("cap", "verify", "a.cap", "--root", "elsewhere.json").err


def test_attenuate_only_narrows(run: Commands, here: pathlib.Path) -> None:
    mint(run, "--tool", "a", "--tool", "b")
    assert run("cap", "attenuate", "a.cap", "-o", "b.cap", "--tool", "b", "--tool", "c", "--expires-in", "2h").code == 0
    allows = json.loads(run("cap", "verify", "b.cap", "--json").out)["allows"]
    assert "tools: b" in allows
    assert [one for one in allows if one.startswith("ends")] == [
        one for one in json.loads(run("cap", "show", "a.cap", "--json").out)["allows"] if one.startswith("ends")
    ]
    assert "already" in run("cap", "attenuate", "a.cap", "-o", "b.cap").err


def test_a_delegated_chain_is_its_receivers(run: Commands, here: pathlib.Path) -> None:
    mint(run)
    bob = PrivateKey.generate()
    (here / "bob.pub.pem").write_bytes(public_pem(bob.public_key))
    done = run("cap", "delegate", "a.cap", "--to", "bob.pub.pem", "--max-output-tokens", "5")
    received = Capability.receive(done.out.strip(), bob)
    assert "output of one call: at most 5 tokens" in received.describe()
    assert run("cap", "delegate", "a.cap", "--to", "bob.pub.pem", "-o", "c.txt").code == 0
    shown = run("cap", "show", "c.txt")
    assert "useless without that" in shown.out
    assert run("cap", "verify", "c.txt").code == 0
    refused = run("cap", "attenuate", "c.txt", "-o", "d.cap")
    assert refused.code == 1
    assert not (here / "d.cap").exists()


def test_verify_knows_what_was_revoked(run: Commands, here: pathlib.Path) -> None:
    mint(run)
    assert run("cap", "attenuate", "a.cap", "-o", "b.cap").code == 0
    assert run("cap", "verify", "b.cap").out.startswith("ok: capability ")
    token = json.loads(run("cap", "show", "a.cap", "--json").out)["id"]
    assert run("table", "revoke", token, "--as-version", "1").code == 0
    done = run("cap", "verify", "b.cap")
    assert (done.code, "was revoked" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["show", "nowhere.cap"], "cannot be read"),
        (["show", "root.json"], "refused"),
        (["verify", "a.cap", "--sha256", "0" * 64], "this is another root"),
        (["verify", "a.cap", "--sha256", "x"], "64 lower-case"),
        (["attenuate", "nowhere.cap", "-o", "x.cap"], "there is no file nowhere.cap"),
        (["delegate", "a.cap", "--to", "a.cap"], "no PEM file"),
    ],
)
def test_what_is_refused(run: Commands, words: list[str], why: str) -> None:
    mint(run)
    done = run("cap", *words)
    assert (done.code, done.out, why in done.err) == (1, "", True), done.err


def test_an_option_that_is_missing_is_usage(run: Commands) -> None:
    assert run("cap", "mint", "--issuer", "agents", "-o", "a.cap").code == 2
    assert run("cap", "attenuate", "a.cap").code == 2

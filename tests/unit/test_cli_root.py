"""`saferoute root`: init, make-key, add-key, rotate, cosign, show."""

from __future__ import annotations

import base64
import json
import stat
import sys
import time
from typing import TYPE_CHECKING

import pytest

from saferoute.cli.role_keys import public_pem, read_public
from saferoute.errors import ConfigurationError
from saferoute.routing.chain import follow
from saferoute.routing.publish import pin, read_root
from saferoute.signing.keys import PrivateKey
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib

PLAIN = "--unsafe-plaintext-keys"
ISSUERS = """
[issuers.agents]
keys = ["agents.pub.pem"]
max_life = "1h"
max_depth = 4

[issuers.agents.ceiling]
operations = ["chat"]
models = ["big"]
providers = ["openai"]
routes = ["eu"]
tools = []
regions = ["eu"]
data = "internal"
max_output = 100
max_cost = "$0.50"
budget = "$5/day"
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Commands(monkeypatch, tmp_path)


@pytest.fixture
def here(run: Commands) -> pathlib.Path:
    return run.home / "shop"


def key(here: pathlib.Path, name: str) -> PrivateKey:
    """Put a key pair in place."""
    made = PrivateKey.generate()
    (here / f"{name}.key.pem").write_bytes(made.to_pem(None))
    (here / f"{name}.key.pem").chmod(0o600)
    (here / f"{name}.pub.pem").write_bytes(public_pem(made.public_key))
    return made


def content(folder: pathlib.Path) -> dict[pathlib.Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_init_makes_keys_and_a_root(run: Commands, here: pathlib.Path) -> None:
    done = run("root", "init", PLAIN, "--status", "--grace-hours", "12", "--days", "30")
    assert (done.code, done.out[:38]) == (0, "root.json: root shop version 1, valid ")
    data = (here / "root.json").read_bytes()
    root = read_root(data)
    assert (root.name, root.version, root.grace_hours) == ("shop", 1, 12)
    assert root.not_after - root.issued == 30 * 86_400
    for role in ("root", "table", "status"):
        held = getattr(root, role)
        assert held.threshold == 1
        assert held.keys == (read_public(here / "saferoute-keys" / f"{role}.pub.pem", None),)
    assert root.log is None
    assert pin(data) in done.err
    if sys.platform != "win32":
        assert stat.S_IMODE((here / "saferoute-keys" / "root.key.pem").stat().st_mode) == 0o600
    before = content(here)
    again = run("root", "init", PLAIN)
    assert (again.code, "nothing was written" in again.err) == (1, True)
    assert content(here) == before


def test_keys_are_encrypted_unless_told_otherwise(run: Commands, here: pathlib.Path) -> None:
    assert "no terminal to ask" in run("root", "init").err
    assert content(here) == {}
    (here / "words").write_text("correct horse\n", encoding="utf-8")
    (here / "words").chmod(0o600)
    assert run("root", "init", "--passphrase-file", "words").code == 0
    assert (here / "saferoute-keys" / "root.key.pem").read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert run("root", "rotate", "--passphrase-file", "words").code == 0
    made = run("root", "make-key", "anna.key.pem", "--passphrase-file", "words")
    assert (made.code, "encrypted" in made.err) == (0, True)
    assert read_public(here / "anna.pub.pem", None) == read_public(here / "anna.key.pem", "words")


def test_show_says_who_may_do_what(run: Commands, here: pathlib.Path) -> None:
    issuer = key(here, "agents")
    (here / "issuers.toml").write_text(ISSUERS, encoding="utf-8")
    assert run("root", "init", PLAIN, "--issuers", "issuers.toml").code == 0
    shown = run("root", "show").out
    for said in (
        "Root shop, version 1\n",
        "  an expired table is never taken\n",
        "root: one key may say who may do what, in the next root\n",
        "status: there is no such role\n",
        "  agents: tokens live at most 3600 s and have at most 4 blocks\n",
        "      operations: chat\n",
        "      models: big\n",
        "      providers: openai\n",
        "      routes: eu\n",
        "      tools: none\n",
        "      regions: eu\n",
        '      data up to "internal"\n',
        "      output: 100 tokens a call\n",
        "      cost: 0.5 USD a call\n",
        "      budget: 5 USD a day, for all of its tokens together\n",
    ):
        assert said in shown, said
    assert read_root((here / "root.json").read_bytes()).issuers["agents"].keys == {issuer.public_key.raw}
    as_json = json.loads(run("root", "show", "--json").out)
    assert as_json["issuers"]["agents"]["max_life"] == 3600
    assert as_json["roles"]["status"] is None
    assert as_json["pinned"] == pin((here / "root.json").read_bytes())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[", "not TOML"),
        ("x = 1", "sections [issuers.NAME]"),
        ("issuers = 1", "sections [issuers.NAME]"),
        ("[issuers.a]\nnonsense = 1", "has the fields ceiling, keys, max_depth, max_life"),
        ("[issuers]\na = 1", "has the fields"),
        ("[issuers.a]\nkeys = []", "must name files of public keys"),
        ("[issuers.a]\nkeys = [1]", "must name files of public keys"),
        ('[issuers.a]\nkeys = ["agents.pub.pem"]\nceiling = 1', "must be a section"),
        ('[issuers.a]\nkeys = ["nowhere.pem"]', "nowhere.pem cannot be read"),
        ('[issuers.a]\nkeys = ["agents.pub.pem"]\nmax_life = 5', "write a duration"),
        ('[issuers.a]\nkeys = ["agents.pub.pem"]\nceiling = { budget = "5" }', "issuers.a.ceiling.budget is '5'; write \"$5/day\""),
        ('[issuers.a]\nkeys = ["agents.pub.pem"]\nceiling = { nonsense = 1 }', "nonsense"),
    ],
)
def test_issuers_that_are_none(run: Commands, here: pathlib.Path, text: str, why: str) -> None:
    key(here, "agents")
    (here / "issuers.toml").write_text(text, encoding="utf-8")
    before = content(here)
    done = run("root", "init", PLAIN, "--issuers", "issuers.toml")
    assert (done.code, why in done.err) == (1, True), done.err
    assert content(here) == before


def test_a_root_of_several_people(run: Commands, here: pathlib.Path) -> None:
    key(here, "anna")
    key(here, "ben")
    words = ["--root-key", "anna.key.pem", "--root-key", "ben.pub.pem", "--root-threshold", "2"]
    done = run("root", "init", PLAIN, *words)
    assert (done.code, done.out) == (0, "")
    assert "root.pending.json has 1 of 2 signatures and waits for more: saferoute root cosign\n" in done.err
    assert not (here / "root.json").exists()
    assert "waits for signatures" in run("root", "init", PLAIN, *words).err
    assert run("root", "cosign", "--key", "ben.key.pem").out.startswith("root.json: root shop version 1, ")
    assert not (here / "root.pending.json").exists()
    assert "nothing waits" in run("root", "cosign", "--key", "ben.key.pem").err


def test_a_root_is_signed_where_the_keys_are(run: Commands, here: pathlib.Path) -> None:
    anna, ben = key(here, "anna"), key(here, "ben")
    words = ["--root-key", "anna.pub.pem", "--root-key", "ben.pub.pem", "--root-threshold", "2", "--export", "bytes"]
    assert "has 0 of 2 signatures" in run("root", "init", PLAIN, *words).err
    message = (here / "bytes").read_bytes()
    (here / "a.sig").write_bytes(anna.sign(message))
    (here / "b.sig").write_bytes(base64.b64encode(ben.sign(message)))
    assert run("root", "cosign", "--import", "a.sig", "--import", "b.sig").out.startswith("root.json: root shop version 1")


def test_keys_are_added_and_the_chain_holds(run: Commands, here: pathlib.Path) -> None:
    assert run("root", "init", PLAIN).code == 0
    anna = key(here, "anna")
    done = run("root", "add-key", "--role", "table", "--public", "anna.pub.pem", "--threshold", "2")
    assert done.out.startswith("roots/2.json: root shop version 2, ")
    assert f"  table: the key {anna.public_key.key_id[:12]} comes in\n  table: 2 signatures are needed; before, 1\n" in done.err
    assert run("root", "add-key", "--role", "log", "--new", "log.key.pem", PLAIN).out.startswith("roots/3.json")
    first = read_root((here / "root.json").read_bytes())
    last = follow(first, [(here / "roots" / f"{number}.json").read_bytes() for number in (2, 3)])
    assert (last.version, last.table.threshold, len(last.table.keys)) == (3, 2, 2)
    assert last.log is not None
    shown = run("root", "show").out
    assert "Root shop, version 3\n" in shown
    assert "; 2 roots follow it\n" in shown
    assert "table: 2 of 2 keys may sign tables" in shown


def test_a_role_key_is_replaced(run: Commands, here: pathlib.Path) -> None:
    assert run("root", "init", PLAIN).code == 0
    done = run("root", "rotate", "--role", "table", "--new", "new.key.pem", PLAIN)
    assert done.code == 0
    root = read_root((here / "roots" / "2.json").read_bytes())
    assert root.table.keys == (read_public(here / "new.pub.pem", None),)
    assert run("root", "rotate", "--role", "root", "--new", "boss.key.pem", PLAIN).out.startswith("roots/3.json")
    old = run("root", "rotate")
    assert (old.code, "is not in the root role" in old.err) == (1, True)
    assert run("root", "rotate", "--key", "boss.key.pem", "--days", "9", "--grace-hours", "3").out.startswith("roots/4.json")
    last = read_root((here / "roots" / "4.json").read_bytes())
    assert (last.grace_hours, last.not_after - last.issued) == (3, 9 * 86_400)


def test_the_holder_of_a_new_root_key_signs_too(run: Commands, here: pathlib.Path) -> None:
    assert run("root", "init", PLAIN).code == 0
    key(here, "anna")
    done = run("root", "rotate", "--role", "root", "--public", "anna.pub.pem")
    assert "roots/2.pending.json has 1 of 1 and 0 of 1 signatures and waits for more" in done.err
    assert not (here / "roots" / "2.json").exists()
    assert "Root shop, version 1\n" in run("root", "show").out
    wrong = run("root", "cosign", "--key", "saferoute-keys/table.key.pem")
    assert (wrong.code, "is not in the root role" in wrong.err) == (1, True)
    assert run("root", "cosign", "--key", "anna.key.pem").out.startswith("roots/2.json: root shop version 2")


def test_one_of_several_keys_goes(run: Commands, here: pathlib.Path) -> None:
    assert run("root", "init", PLAIN).code == 0
    anna = key(here, "anna")
    assert run("root", "add-key", "--role", "table", "--public", "anna.pub.pem").code == 0
    unsaid = run("root", "rotate", "--role", "table", "--remove")
    assert (unsaid.code, "the keys of the role table are" in unsaid.err) == (1, True)
    assert (
        "'zz' is the beginning of 0 ids of keys in the role table"
        in run("root", "rotate", "--role", "table", "--remove", "--old", "zz").err
    )
    gone = run("root", "rotate", "--role", "table", "--remove", "--old", anna.public_key.key_id[:8])
    assert f"  table: the key {anna.public_key.key_id[:12]} goes\n" in gone.err
    assert len(read_root((here / "roots" / "3.json").read_bytes()).table.keys) == 1
    key(here, "agents")
    (here / "issuers.toml").write_text(ISSUERS, encoding="utf-8")
    assert "  issuer agents: comes in\n" in run("root", "rotate", "--issuers", "issuers.toml").err
    (here / "issuers.toml").write_text(ISSUERS.replace("$5/day", "$6/day"), encoding="utf-8")
    assert "  issuer agents: its keys or its bounds change\n" in run("root", "rotate", "--issuers", "issuers.toml").err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["rotate", "--new", "x.pem"], "--role says which"),
        (["rotate", "--threshold", "2"], "--role says which"),
        (["rotate", "--role", "table"], "--new FILE makes the new key"),
        (["rotate", "--role", "table", "--remove", "--new", "x.pem"], "no other takes its place"),
        (["rotate", "--role", "table", "--threshold", "2"], "threshold is 2"),
        (["rotate", "--role", "table", "--remove"], "keyids"),
        (["rotate", "--role", "log", "--new", "x.pem"], "the keys of the role log are none"),
        (["rotate", "--days", "0"], "not after"),
        (["rotate", "--grace-hours", "73"], "grace_hours"),
        (["add-key", "--role", "table", "--public", "saferoute-keys/root.pub.pem"], "is in both roles"),
        (["add-key", "--role", "table", "--new", "saferoute-keys/root.key.pem", PLAIN], "already"),
        (["add-key", "--role", "table", "--public", "root.json"], "no PEM file of a public key"),
        (["rotate", "--key", "saferoute-keys/table.key.pem"], "is not in the root role"),
        (["cosign"], "nothing waits"),
        (["show", "--root", "nowhere.json"], "cannot be read"),
        (["init", "--name", "local/x"], "tables in memory"),
    ],
)
def test_what_is_refused_changes_nothing(run: Commands, here: pathlib.Path, words: list[str], why: str) -> None:
    assert run("root", "init", PLAIN).code == 0
    before = content(here)
    done = run("root", *words)
    assert (done.code, done.out, why in done.err) == (1, "", True), done.err
    assert content(here) == before


def test_a_root_that_others_put_there_is_not_followed(run: Commands, here: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert run("root", "init", PLAIN).code == 0
    other = tmp_path / "other"
    assert run("root", "init", str(other), PLAIN, "--name", "shop").code == 0
    assert run("root", "rotate", "--root", str(other / "root.json")).code == 0
    (here / "roots").mkdir()
    (here / "roots" / "2.json").write_bytes((other / "roots" / "2.json").read_bytes())
    for words in (["root", "show"], ["root", "rotate"], ["table", "verify"]):
        done = run(*words)
        assert (done.code, "root version 2 is refused" in done.err or "cannot be read" in done.err) == (1, True), done.err


def test_a_table_outlives_a_rotation_when_it_is_signed_again(run: Commands, here: pathlib.Path) -> None:
    assert run("init", PLAIN).code == 0
    assert run("root", "rotate", "--role", "table", "--new", "saferoute-keys/new.key.pem", PLAIN).code == 0
    stale = run("table", "verify")
    assert (stale.code, "the routing table is refused: 0 of the 1 signatures that are needed are there" in stale.err) == (1, True)
    assert "is not in the table role" in run("table", "sign").err
    assert run("table", "sign", "--key", "saferoute-keys/new.key.pem").out.startswith("routes.json: table shop version 2, ")
    assert "root version 2" in run("table", "verify", "--sha256", pin((here / "root.json").read_bytes())).out


def test_public_keys_are_those_of_openssl(here: pathlib.Path) -> None:
    made = PrivateKey.from_seed(bytes(range(32)))
    text = public_pem(made.public_key)
    assert text == b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n-----END PUBLIC KEY-----\n"
    (here / "x.pem").write_bytes(text)
    assert read_public(here / "x.pem", None) == made.public_key
    for wrong in (
        text.replace(b"MCow", b"MCox"),
        text.replace(b"=", b"!"),
        text.replace(b"-----END", b"----END"),
        text.replace(b"VMbg=", b"VMbgAAA="),
        text.replace(b"VMbg=", b"VM=="),
        b"",
    ):
        (here / "x.pem").write_bytes(wrong)
        with pytest.raises(ConfigurationError, match=r"x\.pem"):
            read_public(here / "x.pem", None)


def test_a_root_that_expired_is_shown_and_followed(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("root", "init", PLAIN, "--days", "1").code == 0
    then = time.time() + 2 * 86_400
    monkeypatch.setattr("saferoute.cli.root_make.time.time", lambda: then)
    assert run("root", "show").code == 0
    assert run("root", "rotate").out.startswith("roots/2.json: root shop version 2, ")

"""`saferoute table`: build, sign, verify, show."""

from __future__ import annotations

import base64
import json
import stat
import sys
import time
from typing import TYPE_CHECKING

import pytest

from saferoute.cli.project import make_project
from saferoute.routing.publish import new_root, pin
from saferoute.signing.keys import PrivateKey
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib

RICH = """
[routes.eu]
extends = "openai"
model = "gpt-5.4-mini"
data = "confidential"
region = "eu"
max_output = 2000
default_max_output = 500
prices = { input = "$2.50/M", output = "$10/M" }
headers = { openai-project = "p1" }

[routes.inside]
extends = "llama.cpp"
origin = "https://10.1.2.3"
net = ["10.0.0.0/8"]
model = "own"

[aliases]
fast = ["eu", "inside"]

[grant]
routes = ["fast"]
tools = ["get_weather"]
regions = ["eu"]
data = "internal"
max_output = 1000
max_cost = "$0.05"
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    commands = Commands(monkeypatch, tmp_path)
    assert commands("init", "--unsafe-plaintext-keys").code == 0
    return commands


@pytest.fixture
def here(run: Commands) -> pathlib.Path:
    return run.home / "shop"


def later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    then = time.time() + days * 86_400
    monkeypatch.setattr("saferoute.cli.table_show.time.time", lambda: then)


def test_sign_counts_the_version_up(run: Commands, here: pathlib.Path) -> None:
    (here / "routes.toml").write_text(RICH, encoding="utf-8")
    done = run("table", "sign")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("routes.json: table shop version 2, valid until ")
    assert run("table", "sign", "--days", "1").out.startswith("routes.json: table shop version 3, ")
    assert json.loads(run("table", "show", "--json").out)["version"] == 3


def test_a_lost_table_is_not_begun_again_at_version_1(run: Commands, here: pathlib.Path) -> None:
    assert run("table", "sign").code == 0
    (here / "routes.json").unlink()
    done = run("table", "sign")
    assert (done.code, done.out) == (1, "")
    assert "one more than the last version that was deployed" in done.err
    assert not (here / "routes.json").exists()
    assert run("table", "sign", "--table-version", "3").out.startswith("routes.json: table shop version 3, ")
    assert run("table", "sign").out.startswith("routes.json: table shop version 4, ")


def test_a_built_table_signs_as_its_source_does(run: Commands, here: pathlib.Path) -> None:
    built = run("table", "build")
    assert run("table", "build", "-o", "table.json").out == ""
    assert (here / "table.json").read_text(encoding="utf-8") == built.out
    (here / "shell.json").write_text(built.out + "\n", encoding="utf-8")  # as a shell's redirection of an editor leaves it
    for source in ("table.json", "shell.json"):
        assert run("table", "sign", source).code == 0
    digest = json.loads(run("table", "show", "--json").out)["digest"]
    assert digest == json.loads(run("table", "show", "table.json", "--json").out)["digest"]


def test_sign_finds_its_files_beside_the_source(run: Commands, here: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here.parent)
    assert run("table", "sign", "shop/routes.toml").out.startswith("shop/routes.json: table shop version 2")
    assert run("table", "verify", "shop/routes.json").code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are the folder's access list there")
def test_sign_keeps_permissions_and_links(run: Commands, here: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (here / "routes.json").rename(tmp_path / "real.json")
    (tmp_path / "real.json").chmod(0o640)
    (here / "routes.json").symlink_to(tmp_path / "real.json")
    assert run("table", "sign").code == 0
    assert (here / "routes.json").is_symlink()
    assert stat.S_IMODE((tmp_path / "real.json").stat().st_mode) == 0o640
    assert json.loads(run("table", "show", "--json").out)["version"] == 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nowhere.toml"], "nowhere.toml cannot be read"),
        (["broken.toml"], "not TOML"),
        (["unknown.toml"], "nonsense is no section"),
        (["latin.toml"], "not text in UTF-8"),
        (["broken.json"], "cannot be signed"),
        (["--days", "30"], "at most 7"),
        (["--days", "0"], "not after"),
        (["--table-version", "0"], "version"),
        (["--root", "nowhere.json"], "nowhere.json cannot be read"),
        (["--root", "routes.json"], "routes.json is no trust root"),
        (["--key", "nowhere.pem"], "there is no file nowhere.pem"),
        (["--key", "broken.toml"], "not a PKCS#8 PEM key"),
        (["--key", "saferoute-keys/root.key.pem"], "is not in the table role"),
        (["-o", "missing/routes.json", "--table-version", "1"], "cannot be written"),
        (["-o", "new.json"], "there is no new.json to count the version up from: --table-version 1 signs a first table"),
        (["-o", "routes.toml"], "--table-version says which version"),
    ],
)
def test_what_cannot_be_signed_changes_nothing(run: Commands, here: pathlib.Path, words: list[str], why: str) -> None:
    (here / "broken.toml").write_text("[aliases", encoding="utf-8")
    (here / "broken.toml").chmod(0o600)
    (here / "unknown.toml").write_text("[nonsense]", encoding="utf-8")
    (here / "latin.toml").write_bytes(b"# \xff")
    (here / "broken.json").write_text("{}", encoding="utf-8")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    done = run("table", "sign", *words)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: ")
    assert why in done.err
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are the folder's access list there")
def test_a_key_that_others_can_read_is_refused(run: Commands, here: pathlib.Path) -> None:
    (here / "saferoute-keys" / "table.key.pem").chmod(0o644)
    done = run("table", "sign")
    assert done.code == 1
    assert "chmod 600" in done.err


def test_a_table_of_somebody_else_is_not_replaced(run: Commands, here: pathlib.Path) -> None:
    keys = PrivateKey.generate(), PrivateKey.generate()
    text = (here / "routes.toml").read_text(encoding="utf-8")
    theirs = make_project("theirs", text, root_key=keys[0], table_key=keys[1], now=time.time(), days=1, root_days=1)
    (here / "routes.json").write_bytes(theirs.bundle)
    done = run("table", "sign")
    assert done.code == 1
    assert "'theirs'" in done.err
    assert (here / "routes.json").read_bytes() == theirs.bundle


def two_signers(here: pathlib.Path) -> list[PrivateKey]:
    """Put a root in place that asks for two signatures on tables; the keys are beside it as a.pem and b.pem."""
    root, *members = (PrivateKey.generate() for _ in range(3))
    now = time.time()
    public = [key.public_key for key in members]
    (here / "root.json").write_bytes(
        new_root("shop", root_signers=[root], table_keys=public, now=now, not_after=now + 9e5, table_threshold=2)
    )
    for name, key in zip("ab", members, strict=True):
        (here / f"{name}.pem").write_bytes(key.to_pem(None))
        (here / f"{name}.pem").chmod(0o600)
    return members


def test_a_table_waits_for_its_second_signature(run: Commands, here: pathlib.Path) -> None:
    two_signers(here)
    before = (here / "routes.json").read_bytes()
    first = run("table", "sign", "--key", "a.pem")
    assert (first.code, first.out) == (0, "")
    assert first.err == "routes.pending.json has 1 of 2 signatures and waits for more: saferoute table sign --continue\n"
    assert (here / "routes.json").read_bytes() == before
    again = run("table", "sign", "--key", "a.pem")
    assert (again.code, "--restart drops it" in again.err) == (1, True)
    same = run("table", "sign", "--continue", "--key", "a.pem")  # one key twice is one signature
    assert (same.code, (here / "routes.json").read_bytes()) == (0, before)
    second = run("table", "sign", "--continue", "--key", "b.pem")
    assert second.out.startswith("routes.json: table shop version 2, valid until ")
    assert not (here / "routes.pending.json").exists()
    assert run("table", "verify").code == 0
    assert run("table", "sign", "--continue", "--key", "b.pem").err.startswith("error: nothing waits for signatures")


def test_a_table_is_signed_where_the_keys_are(run: Commands, here: pathlib.Path) -> None:
    members = two_signers(here)
    exported = run("table", "sign", "--export", "bytes")
    assert exported.code == 0
    assert "has 0 of 2 signatures" in exported.err
    message = (here / "bytes").read_bytes()
    assert message.startswith(b"DSSEv1 ")
    (here / "one").write_bytes(members[0].sign(message))
    (here / "two").write_text(base64.b64encode(members[1].sign(message)).decode() + "\n", encoding="ascii")
    (here / "wrong").write_bytes(members[1].sign(message + b" "))
    (here / "short").write_bytes(b"no")
    assert "not a signature of anybody" in run("table", "sign", "--import", "wrong").err
    assert "holds no signature" in run("table", "sign", "--import", "short").err
    assert "has 1 of 2" in run("table", "sign", "--import", "one").err
    assert run("table", "sign", "--import", "two").out.startswith("routes.json: table shop version 2, ")
    assert run("table", "sign", "--export", "bytes").code == 1  # never over a file that is there
    assert not (here / "routes.pending.json").exists()


def test_signatures_of_strangers_do_not_count(run: Commands, here: pathlib.Path) -> None:
    two_signers(here)
    stranger = PrivateKey.generate()
    (here / "c.pem").write_bytes(stranger.to_pem(None))
    (here / "c.pem").chmod(0o600)
    assert run("table", "sign", "--key", "a.pem").code == 0
    pending = (here / "routes.pending.json").read_bytes()
    done = run("table", "sign", "--continue", "--key", "c.pem")
    assert (done.code, "is not in the table role" in done.err) == (1, True)
    assert (here / "routes.pending.json").read_bytes() == pending
    assert "waits for signatures" in run("table", "revert", "routes.json").err


def test_verify_says_what_it_believed(run: Commands, here: pathlib.Path) -> None:
    sha256 = pin((here / "root.json").read_bytes())
    loose, pinned = run("table", "verify"), run("table", "verify", "--sha256", sha256)
    assert loose.code == pinned.code == 0
    assert loose.out == pinned.out
    assert loose.out.startswith("ok: table shop version 1, valid until ")
    assert sha256 in loose.err
    assert pinned.err == ""


def test_verify_refuses_every_changed_byte_it_is_shown(run: Commands, here: pathlib.Path) -> None:
    whole = (here / "routes.json").read_bytes()
    for place in range(0, len(whole) - 1, 97):
        changed = bytearray(whole)
        changed[place] ^= 1
        (here / "routes.json").write_bytes(changed)
        assert run("table", "verify").code == 1, place


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--sha256", "0" * 64], 1, "is pinned"),
        (["--sha256", "abc"], 1, "64 lower-case hexadecimal digits"),
        (["--min-table-version", "2"], 1, "version"),
        (["--root", "routes.json"], 1, "no trust root"),
        (["nowhere.json"], 1, "cannot be read"),
        (["root.json"], 1, "refused"),
    ],
)
def test_verify_says_no(run: Commands, words: list[str], code: int, why: str) -> None:
    done = run("table", "verify", *words)
    assert (done.code, done.out) == (code, "")
    assert why in done.err


def test_an_expired_table_does_not_verify_and_is_shown_as_such(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, 8)
    done = run("table", "verify")
    assert done.code == 1
    assert "expired" in done.err
    assert "saferoute table sign" in done.err
    shown = run("table", "show")
    assert shown.code == 0
    assert "NOT VALID NOW" in shown.out
    assert "expired" in shown.out
    assert run("table", "sign").code == 0  # and can be signed again
    assert run("table", "verify").code == 0


def test_a_tampered_table_is_not_shown(run: Commands, here: pathlib.Path) -> None:
    whole = bytearray((here / "routes.json").read_bytes())
    whole[-20] ^= 1
    (here / "routes.json").write_bytes(whole)
    done = run("table", "show")
    assert (done.code, done.out) == (1, "")


def test_show_says_it_all_in_words(run: Commands, here: pathlib.Path) -> None:
    (here / "routes.toml").write_text(RICH, encoding="utf-8")
    assert run("table", "sign").code == 0
    sha256 = pin((here / "root.json").read_bytes())
    shown = run("table", "show", "--sha256", sha256).out
    for said in (
        "Table shop, version 2",
        "  signed by the key of root version 1\n",
        "the model gpt-5.4-mini at https://api.openai.com/v1, openai_chat",
        'data up to "confidential", at most 2000 output tokens, in 2.5, out 10 USD per million tokens',
        'key "openai" as bearer',
        "region eu",
        "header openai-project: p1",
        "(private network 10.0.0.0/8)",
        "fast  eu, then inside; at most 3 requests a call",
        "openai  goes to https://api.openai.com",
        "tools       get_weather",
        'data        up to "internal"',
        "regions     eu",
        "output      1000 tokens",
        "cost        0.05 USD a call",
    ):
        assert said in shown, said


def test_show_says_what_would_be_signed(run: Commands, here: pathlib.Path) -> None:
    (here / "routes.toml").write_text(RICH.partition("[aliases]")[0], encoding="utf-8")
    shown = run("table", "show", "routes.toml")
    assert shown.code == 0
    assert "NOT SIGNED" in shown.out
    assert "version" not in shown.out.partition("Routes")[0]
    assert "nothing: in production, every call is refused" in shown.out
    assert json.loads(run("table", "show", "routes.toml", "--json").out)["grant"] is None


def test_show_for_scripts(run: Commands, here: pathlib.Path) -> None:
    (here / "routes.toml").write_text(RICH, encoding="utf-8")
    run("table", "sign")
    shown = json.loads(run("table", "show", "--json").out)
    assert shown["grant"] == {
        "operations": ["chat"],
        "routes": ["fast"],
        "tools": ["get_weather"],
        "data": "internal",
        "regions": ["eu"],
        "max_output": 1000,
        "max_cost": {"amount": 50_000_000, "currency": "USD"},
        "audience": None,
        "guards": [],
        "budgets": [],
        "limits": [],
        "scope": None,
    }
    assert shown["routes"]["inside"]["net"] == "private"
    assert shown["routes"]["inside"]["networks"] == ["10.0.0.0/8"]
    assert shown["keys"] == {"openai": ["https://api.openai.com"]}
    plain = {"strategy": "ordered", "weights": {}, "tag": "", "tagged": {}, "fallback": {}, "hedge": None, "shadow": None, "limits": None}
    assert shown["aliases"] == {"fast": {"targets": ["eu", "inside"], "max_attempts": 3, **plain}}


def test_a_budget_is_shown_with_its_scope(run: Commands, here: pathlib.Path) -> None:
    (here / "routes.toml").write_text(RICH + 'budget = "$5/day"\naudience = ["billing"]\nguards = ["pii"]\n', encoding="utf-8")
    shown = run("table", "show", "routes.toml").out
    assert "  budget      5 USD a day, counted for each host\n" in shown
    assert "  audience    billing\n" in shown
    assert "  guards      pii must be active\n" in shown
    shared = 'budget = { amount = "$4/day", scope = "process", replicas = 4 }\n'
    (here / "routes.toml").write_text(RICH + shared, encoding="utf-8")
    shown = run("table", "show", "routes.toml").out
    assert "  budget      4 USD a day, counted for each process, shared by 4 processes that each count for themselves\n" in shown
    grant = json.loads(run("table", "show", "routes.toml", "--json").out)["grant"]
    assert grant["budgets"] == [{"limit": 4_000_000_000, "unit": "USD", "per": "day", "replicas": 4}]
    assert grant["scope"] == "process"
    limited = "limits = { requests_per_minute = 60, concurrent = 5 }\n"
    (here / "routes.toml").write_text(RICH + limited, encoding="utf-8")
    shown = run("table", "show", "routes.toml").out
    assert "  limit       60 requests a minute, counted for each host\n" in shown
    grant = json.loads(run("table", "show", "routes.toml", "--json").out)["grant"]
    assert grant["limits"] == [{"kind": "requests", "limit": 60}, {"kind": "concurrent", "limit": 5}]


@pytest.mark.parametrize("name", ["routes.toml", "root.json"])
def test_what_is_no_table_is_said(run: Commands, here: pathlib.Path, name: str) -> None:
    (here / "routes.toml").write_text("x = 1", encoding="utf-8")
    done = run("table", "show", name)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: ")


def test_a_key_that_stays_in_openbao_signs(run: Commands, here: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = two_signers(here)
    asked: list[object] = []

    def opened(origin: str, key: str, **more: object) -> PrivateKey:
        asked.append((origin, key, more))
        return members[1]

    monkeypatch.setattr("saferoute.drivers.openbao_transit.open_transit_signer", opened)
    where = ["--signer", "openbao:routing@https://bao.example.com:8200", "--signer-network", "10.0.0.0/8"]
    done = run("table", "sign", "--key", "a.pem", *where)
    assert done.out.startswith("routes.json: table shop version 2, ")
    assert asked == [("https://bao.example.com:8200", "routing", {"token": "bao-token", "networks": ["10.0.0.0/8"]})]
    assert "has 1 of 2 signatures" in run("table", "sign", *where).err  # no key file is looked for
    for wrong in ("openbao:routing", "kms:routing@https://x.example", "openbao:@https://x.example"):
        assert run("table", "sign", "--signer", wrong).code == 2

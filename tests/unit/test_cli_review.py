"""`saferoute table fmt|lint|test|diff|types|revert|status|revoke|state`: what is done before and after a table is signed."""

from __future__ import annotations

import json
import time
import tomllib
from typing import TYPE_CHECKING, get_args

import pytest

from saferoute.cli.toml_format import comments_of, format_toml
from saferoute.routing.authoring import build
from saferoute.routing.publish import release_of
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib

UGLY = """# head


[grant]   # who may
routes=["fast"]
tools=[ ]
max_output=5
data='internal'
# the alias
[aliases]
fast=[
  "eu",   # first
]
[routes.eu]
extends="openai"
model  =  "big"   # the model
data="internal"
  deadlines={total="9m",connect = "9s" }


headers = { "openai-project"="a # b" , openai-organization = 'c' }
"""
NEAT = """# head

[routes.eu]
extends = "openai"
model = "big"   # the model
data = "internal"
deadlines = { total = "9m", connect = "9s" }

headers = { "openai-project" = "a # b", openai-organization = 'c' }

# the alias
[aliases]
fast = [
  "eu",   # first
]

[grant]   # who may
routes = ["fast"]
tools = []
max_output = 5
data = 'internal'
"""
ASSERTIONS = """
[[assertions]]
why = "no tools"
route = "fast"
data = "internal"
with = { tools = ["x"] }
refused = "tools"

[[assertions]]
route = "fast"
data = "internal"
goes_only_to = { providers = ["openai"] }
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    commands = Commands(monkeypatch, tmp_path)
    assert commands("init", "--unsafe-plaintext-keys").code == 0
    (folder / "routes.toml").write_text(NEAT, encoding="utf-8")
    return commands


@pytest.fixture
def here(run: Commands) -> pathlib.Path:
    return run.home / "shop"


def content(folder: pathlib.Path) -> dict[pathlib.Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# fmt


def test_formatting_is_the_one_way_and_says_the_same() -> None:
    assert format_toml(UGLY) == NEAT
    assert format_toml(NEAT) == NEAT
    assert build(UGLY) == build(NEAT)
    assert sorted(comments_of(UGLY)) == sorted(comments_of(NEAT))


@pytest.mark.parametrize(
    "text",
    [
        'x = """\n[grant]\n# no comment\n"""\n',
        "x = '''\n\n\n a = 1 '''   # yes\n",
        'x = "a\\"b # c"\n',
        "x = 1979-05-27 07:32:00\n",
        "x = [\n\n  1 , # one\n  [2,3],\n]\n",
        "a . b = 1\n",
        '"a.b" = { c = { d = [ { e = {} } , ] } }\n',
        "x = 1\r\n[b]\r\ny = 2\r\n",
        "[[a.b]]\nx = 1\n\n[[a.b]]\nx = 2\n",
        "[ a . 'b' ]\nx = 1\n",
        "",
        "# only a comment",
        "x = 1",
    ],
)
def test_formatting_keeps_values_and_comments(text: str) -> None:
    once = format_toml(text)
    assert tomllib.loads(once) == tomllib.loads(text)
    assert format_toml(once) == once
    assert comments_of(once) == comments_of(text)


def test_fmt_writes_and_checks(run: Commands, here: pathlib.Path) -> None:
    assert run("table", "fmt").err == "routes.toml is formatted\n"
    (here / "routes.toml").write_text(UGLY, encoding="utf-8")
    checked = run("table", "fmt", "--check")
    assert (checked.code, checked.err) == (1, "routes.toml is not formatted: saferoute table fmt routes.toml\n")
    assert (here / "routes.toml").read_text(encoding="utf-8") == UGLY
    done = run("table", "fmt")
    assert (done.code, done.err) == (0, "routes.toml: formatted\n")
    assert (here / "routes.toml").read_text(encoding="utf-8") == NEAT
    assert run("table", "fmt", "--check").code == 0


def test_fmt_does_not_touch_what_is_wrong(run: Commands, here: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "routes.toml").write_text(UGLY + "nonsense = 1\n", encoding="utf-8")
    before = content(here)
    assert run("table", "fmt").code == 1
    (here / "routes.toml").write_text(UGLY, encoding="utf-8")
    for wrong in (NEAT.replace("big", "bigger"), NEAT.replace("# head", ""), "[", NEAT.replace("[grant]", "[annotations]")):
        monkeypatch.setattr("saferoute.cli.table_review.format_toml", lambda _, wrong=wrong: wrong)
        done = run("table", "fmt")
        assert (done.code, "nothing was written" in done.err) == (1, True)
        assert (here / "routes.toml").read_text(encoding="utf-8") == UGLY
    assert content(here).keys() == before.keys()


# lint and test


def test_lint_has_an_exit_code(run: Commands, here: pathlib.Path) -> None:
    done = run("table", "lint")
    assert done.code == 0
    assert done.out == "note: aliases.fast: when openai is down, nobody answers: add a row of another provider [one-provider]\n"
    assert done.err == "routes.toml: 0 errors, 0 warnings, 1 note\n"
    (here / "routes.toml").write_text(NEAT.replace("max_output = 5\n", ""), encoding="utf-8")
    assert (run("table", "lint").code, run("table", "lint", "--strict").code) == (0, 1)
    (here / "routes.toml").write_text(NEAT + 'max_cost = "$1"\n', encoding="utf-8")
    found = json.loads(run("table", "lint", "--json").out)
    assert [(one["severity"], one["rule"]) for one in found] == [("error", "no-prices"), ("note", "one-provider")]
    assert run("table", "lint").code == 1
    assert run("table", "sign").code == 0  # advice is not law
    assert run("table", "lint", "routes.json").code == 1


def test_assertions_are_run_and_sign_refuses_without_them(run: Commands, here: pathlib.Path) -> None:
    (here / "routes.toml").write_text(NEAT + ASSERTIONS, encoding="utf-8")
    done = run("table", "test")
    assert (done.code, done.out, done.err) == (0, "", "routes.toml: 2 of 2 assertions hold\n")
    assert run("table", "sign").code == 0
    (here / "routes.toml").write_text(NEAT.replace("tools = []", 'tools = ["x"]') + ASSERTIONS, encoding="utf-8")
    before = content(here)
    done = run("table", "test")
    line = (
        "FAILED assertions[0] (no tools): route 'fast': the call is allowed, and must be refused (tools); "
        "it may go to eu (openai in the region unknown)"
    )
    assert (done.code, done.out, done.err) == (1, line + "\n", "routes.toml: 1 of 2 assertions hold\n")
    found = json.loads(run("table", "test", "--json").out)
    assert [one["holds"] for one in found] == [False, True]
    signed = run("table", "sign")
    assert signed.code == 1
    assert signed.err == f"{line}\nerror: 1 of the assertions of routes.toml do not hold, so nothing was signed\n"
    assert content(here) == before


# diff


def test_diff_says_it_in_words(run: Commands, here: pathlib.Path) -> None:
    assert run("table", "sign").code == 0
    same = run("table", "diff", "--exit-code")
    assert same.code == 0
    assert "Nothing changes in what calls may do." in same.out
    (here / "routes.toml").write_text(NEAT.replace('extends = "openai"', 'extends = "openai"\norigin = "https://api.0penai.com"'), "utf-8")
    done = run("table", "diff", "--exit-code")
    assert done.code == 1
    head, _, rest = done.out.partition("Other changes")
    assert "LOOK AT THESE: 3 of" in head
    assert "  ! keys.openai: would now also go to https://api.0penai.com\n" in head
    assert "  ! openai in unknown region at https://api.0penai.com is new, and may receive data up to internal\n" in head
    assert "  * openai: https://api.openai.com -> https://api.0penai.com\n" in rest
    assert "  * openai in unknown region at https://api.openai.com: internal -> none\n" in rest
    assert done.err == "no signature was looked at (saferoute table verify)\n"
    assert run("table", "diff").code == 0
    as_json = json.loads(run("table", "diff", "--json").out)
    assert as_json["from"] == {"name": "shop", "version": 2}
    assert as_json["to"] is None
    assert as_json["dangerous"] == 3
    assert as_json["keys"] == {"from": {"openai": ["https://api.openai.com"]}, "to": {"openai": ["https://api.0penai.com"]}}
    assert all(one["dangerous"] for one in as_json["changes"][:3])


def test_diff_of_what_is_no_table(run: Commands, here: pathlib.Path) -> None:
    whole = (here / "routes.json").read_bytes()
    (here / "cut.json").write_bytes(whole[:-40])
    for words in (["cut.json"], ["routes.json", "cut.json"], ["nowhere.json"]):
        assert run("table", "diff", *words).code == 1
    assert run("table", "diff", "routes.toml", "routes.toml").err == ""


# types


def test_types_are_a_module_with_the_names(run: Commands, here: pathlib.Path) -> None:
    done = run("table", "types")
    namespace: dict[str, object] = {}
    exec(compile(done.out, "types", "exec"), namespace)
    assert set(get_args(namespace["Routes"])) == {"eu", "fast", "openai/big"}
    assert run("table", "types").out == done.out
    assert run("table", "types", "-o", "names.py").err == "names.py: written\n"
    assert run("table", "types", "-o", "names.py").err == "names.py is up to date\n"
    (here / "routes.toml").write_text(NEAT.replace("fast", "quick"), encoding="utf-8")
    late = run("table", "types", "-o", "names.py", "--check")
    assert (late.code, (here / "names.py").read_text(encoding="utf-8")) == (1, done.out)
    assert run("table", "types", "-o", "names.py").code == 0
    assert '"quick"' in (here / "names.py").read_text(encoding="utf-8")
    (here / "mine.py").write_text("x = 1\n", encoding="utf-8")
    assert "was not written by this command" in run("table", "types", "-o", "mine.py").err
    assert (here / "mine.py").read_text(encoding="utf-8") == "x = 1\n"


def test_types_of_rows_that_take_any_model(run: Commands, here: pathlib.Path) -> None:
    (here / "routes.toml").write_text('[providers.openai]\ndata = "public"\n', encoding="utf-8")
    text = run("table", "types").out
    assert "Routes: TypeAlias = str\n" in text
    assert "openai/*" in text
    assert "Templates" not in text


GUARDED = """
[providers.openai]
data = "public"
guards = "support"

[guards.support]
templates = ["support-v1"]

[guards.support.guards]
pii = { action = "block" }

[templates.support-v1]
text = "Answer in {language}."
variables = { language = "line" }
"""


def test_guards_and_templates_are_formatted_signed_shown_and_compared(run: Commands, here: pathlib.Path) -> None:
    (here / "routes.toml").write_text(GUARDED, encoding="utf-8")
    assert run("table", "fmt", "routes.toml").code == 0
    namespace: dict[str, object] = {}
    exec(compile(run("table", "types").out, "types", "exec"), namespace)
    assert get_args(namespace["Templates"]) == ("support-v1",)
    shown = run("table", "show", "routes.toml").out
    assert "  support  for openai\n      guard pii: finds at least BLOCK\n" in shown
    assert "  support-v1  language (line)\n" in shown
    (here / "weaker.toml").write_text(GUARDED.replace('"block"', '"flag"').replace("Answer in", "Answer all in"), encoding="utf-8")
    told = run("table", "diff", "routes.toml", "weaker.toml").out
    assert "LOOK AT THESE: 2 of 2 changes let a key, data or money go further, or have less judged\n" in told
    assert "  ! guards.support: guards.pii.action changes from block to flag\n" in told
    assert "  ! templates.support-v1: models are told something else: from character 7 on, 'Answer in {language}.' becomes " in told


# revert


def test_reverting_signs_old_content_under_a_higher_version(run: Commands, here: pathlib.Path) -> None:
    assert run("table", "sign").code == 0
    old = (here / "routes.json").read_bytes()
    (here / "old.json").write_bytes(old)
    (here / "routes.toml").write_text(NEAT.replace("big", "bigger"), encoding="utf-8")
    assert run("table", "sign").code == 0
    done = run("table", "revert", "old.json")
    assert done.out.startswith("routes.json: table shop version 4, ")
    back = release_of((here / "routes.json").read_bytes())
    assert back.tables == release_of(old).tables
    again = run("table", "revert", "old.json")
    assert (again.code, "has the content of old.json already" in again.err) == (1, True)
    for wrong, why in [
        (old.replace(b'"tables":["', b'"tables":["AAAA'), "refused"),
        (b"{}", "no signed table"),
    ]:
        (here / "old.json").write_bytes(wrong)
        before = content(here)
        refused = run("table", "revert", "old.json")
        assert (refused.code, why in refused.err) == (1, True), refused.err
        assert content(here) == before


def test_a_table_of_somebody_else_is_not_reverted_to(run: Commands, here: pathlib.Path, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other"
    assert run("init", str(other), "--unsafe-plaintext-keys", "--name", "shop").code == 0
    done = run("table", "revert", str(other / "routes.json"))
    assert done.code == 1
    assert "refused" in done.err
    assert "0 of the 1 signatures" in done.err


def test_a_lower_version_is_never_signed(run: Commands, here: pathlib.Path) -> None:
    assert run("table", "sign").code == 0
    for version in ("1", "2"):
        done = run("table", "sign", "--table-version", version)
        assert (done.code, "is version 2 already" in done.err) == (1, True)
    assert run("table", "sign", "--table-version", "9").out.startswith("routes.json: table shop version 9, ")


# status and revocations


def with_status(run: Commands) -> None:
    done = run("root", "add-key", "--role", "status", "--new", "saferoute-keys/status.key.pem", "--unsafe-plaintext-keys")
    assert done.code == 0, done.err
    assert run("table", "sign").code == 0


def test_a_status_role_needs_a_status(run: Commands, here: pathlib.Path) -> None:
    assert "saferoute root add-key --role status adds one" in run("table", "status").err
    with_status(run)
    assert "saferoute table status signs one" in run("table", "verify").err
    assert "NO STATUS" in run("table", "show").out
    assert "--as-version 1" in run("table", "status").err
    done = run("table", "status", "--as-version", "1", "--halt", "eu")
    assert done.out.startswith("status.json: status version 1 for table version 2, valid until ")
    assert "status version 1 until" in run("table", "verify").out
    assert "\nHalted by the status: no call goes there\n  eu\n" in run("table", "show").out
    assert "is not halted" in run("table", "status", "--resume", "us").err
    assert run("table", "revoke", "token-1").out.startswith("status.json: status version 2 ")
    assert "Halted" in run("table", "show").out  # a new status keeps what the old one said
    assert run("table", "status", "--resume", "eu").out.startswith("status.json: status version 3 ")
    assert "Halted" not in run("table", "show").out
    assert "is version 3 already" in run("table", "status", "--as-version", "3").err
    assert "no such row" in run("table", "status", "--halt", "us").err
    assert run("table", "status", "--hours", "169").code == 1
    assert not (here / "status.pending.json").exists()


def test_a_status_that_was_changed_is_not_built_upon(run: Commands, here: pathlib.Path) -> None:
    with_status(run)
    assert run("table", "status", "--as-version", "1", "--halt", "eu").code == 0
    whole = bytearray((here / "status.json").read_bytes())
    whole[40] ^= 1
    (here / "status.json").write_bytes(whole)
    done = run("table", "status")
    assert (done.code, (here / "status.json").read_bytes()) == (1, bytes(whole))


def test_without_a_status_role_the_tables_key_revokes(run: Commands, here: pathlib.Path) -> None:
    assert "--as-version 1" in run("table", "revoke", "a").err
    done = run("table", "revoke", "a", "b", "--as-version", "1")
    assert done.out.startswith("revocations.json: revocation list version 1, 2 entries")
    assert run("table", "revoke", "c").out.startswith("revocations.json: revocation list version 2, 3 entries")
    exported = run("table", "revoke", "d", "--export", "bytes")
    assert "has 0 of 1 signatures" in exported.err
    assert "waits for signatures" in run("table", "revoke", "e").err
    assert run("table", "revoke", "--continue").out.startswith("revocations.json: revocation list version 3, 4 entries")
    assert run("table", "verify").code == 0


# state


def test_the_state_is_shown_and_reset(run: Commands, here: pathlib.Path) -> None:
    state = ["--state", str(run.home / "state")]
    assert "nothing was accepted yet" in run("table", "state", "show", *state).out
    refused = run("table", "state", "reset", *state)
    assert (refused.code, "--sha256 says which root counts" in refused.err) == (1, True)
    done = run("table", "state", "reset", "--yes", *state)
    assert done.out.endswith(": table shop version 1 is what was accepted\n")
    shown = json.loads(run("table", "state", "show", "--json", *state).out)
    assert (shown["table"]["version"], shown["root"]["version"], shown["status"]) == (1, 1, None)
    assert "  table       version 1, " in run("table", "state", "show", *state).out
    assert run("table", "state", "reset", "--sha256", "0" * 64, *state).code == 1
    [file] = (run.home / "state").glob("*.json")
    file.write_bytes(b"{}")
    broken = run("table", "state", "show", *state)
    assert (broken.code, "cannot be trusted" in broken.err) == (1, True)
    assert run("table", "state", "reset", "--yes", *state).code == 0
    assert run("table", "state", "show", *state).code == 0


def test_an_expired_table_is_not_recorded(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    then = time.time() + 8 * 86_400
    monkeypatch.setattr("saferoute.cli.table_remembered.time.time", lambda: then)
    done = run("table", "state", "reset", "--yes", "--state", str(run.home / "state"))
    assert (done.code, "expired" in done.err) == (1, True)
    assert not list((run.home / "state").glob("*.json"))

"""`saferoute route`: what would happen to a call, in words and as JSON; and simulations from the shell."""

from __future__ import annotations

import hashlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.drivers import key_lookup
from saferoute.errors import CapabilityForbidden
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib

PLAIN = "--unsafe-plaintext-keys"
ROUTES = """
[routes.near]
extends = "openai"
model = "small"
secret = "near"
data = "internal"
default_max_output = 100
prices = {{ input = "$1/M", output = "$2/M" }}
limits = {{ requests_per_minute = 600, tokens_per_minute = 90000 }}

[routes.far]
extends = "openai"
model = "small"
secret = "far"
data = "internal"
default_max_output = 1000
prices = {{ input = "$10/M", output = "$20/M" }}

[routes.open]
extends = "openai"
model = "free"
secret = "open"
data = "public"

[routes.large]
extends = "anthropic"
model = "claude-large"
data = "internal"
deadlines = {{ first_byte = "7s" }}

[aliases.fast]
targets = ["near", "far", "open"]
{alias}

[grant]
data = "internal"
"""

NEW = """
[routes.new]
extends = "openai"
model = "newest"
data = "internal"
default_max_output = 100
prices = { input = "$1/M", output = "$2/M" }
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    folder = tmp_path / "shop"
    folder.mkdir(mode=0o700)
    monkeypatch.chdir(folder)
    commands = Commands(monkeypatch, tmp_path)
    assert commands("init", PLAIN).code == 0
    return commands


def signed(run: Commands, alias: str = "", more: str = "") -> list[str]:
    """Sign a table with an alias like this, and give the options that open it."""
    (run.home / "shop" / "routes.toml").write_text(ROUTES.format(alias=alias) + more, encoding="utf-8")
    done = run("table", "sign")
    assert done.code == 0, done.err
    return opening(run)


def opening(run: Commands) -> list[str]:
    """The options that open the table."""
    pin = hashlib.sha256((run.home / "shop" / "root.json").read_bytes()).hexdigest()
    return ["--table", "routes.json", "--root", "root.json", "--sha256", pin, "--secrets", "prompt"]


def explained(run: Commands, *words: str) -> dict[str, Any]:
    done = run("route", "explain", "fast", "--json", *words)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_it_says_everything_in_words(run: Commands) -> None:
    alias = 'fallback = { context_window = ["large"] }\nhedge = { after = "300ms" }\nlimits = { concurrent = 9 }'
    words = ["--message", "hello there, how are you?", "--data", "internal", *signed(run, alias)]
    tokens = explained(run, *words)["input_tokens"]  # an estimate, which others test
    done = run("route", "explain", "fast", *words)
    assert 5 <= tokens <= 25
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "fast, by table shop version 2",
        f"  about {tokens} input tokens; output tokens: no bound",
        "  at most 3 requests in 600 s",
        "",
        "Asked in this order (ordered: as the table lists them)",
        "  1. near  small at https://api.openai.com",
        f'       up to {0.0002 + tokens * 1e-6:.6f} USD with 100 output tokens; data up to "internal"; connect 10 s, first byte 300 s, idle 60 s',
        "       takes 1 of 600 requests a minute of the route near",
        f"       takes {tokens + 100} of 90000 tokens a minute of the route near",
        "       takes 1 of 9 requests at once of the alias fast",
        "  2. far  small at https://api.openai.com",
        f'       up to {0.02 + tokens * 1e-5:.6f} USD with 1000 output tokens; data up to "internal"; connect 10 s, first byte 300 s, idle 60 s',
        "       takes 1 of 9 requests at once of the alias fast",
        "",
        "Not asked",
        '  open (free): takes data up to "public", and the call is labelled internal: pass data="public" if that is what it is, or Client(data=...)',
        "",
        "Then, when the input is too long",
        "  1. large  claude-large at https://api.anthropic.com",
        '       cost not known; data up to "internal"; connect 10 s, first byte 7 s, idle 60 s',
        "       takes 1 of 9 requests at once of the alias fast",
        "",
        "Hedged",
        "  after 0.3 s, or the 95th percentile of this name's calls where that is longer, the next row is asked as well; not before 20 calls have been seen",
        "",
        "So far as a client sees it that has just begun: one that runs passes over rows whose breaker is open, whose quota group",
        "rests, or whose limits are used up; client.health() shows which. Where that leaves none, it asks the one that is ready first,",
        "once, as a last resort: but none that its provider or a limit has put off, and with wait=True it waits instead.",
    ]


def test_nothing_is_sent_and_no_key_is_looked_up(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    options = signed(run)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a key or a host was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    monkeypatch.setattr("saferoute.drivers.prompt.ask_hidden", never)
    monkeypatch.setattr(key_lookup.KeysFirst, "send", never, raising=False)
    assert run("route", "explain", "fast", "--data", "public", *options).code == 0


def test_as_json(run: Commands) -> None:
    found = explained(
        run, "--message", "hello there, how are you?", "--data", "internal", "--max-output-tokens", "50", "--timeout", "9", *signed(run)
    )
    assert {name: found[name] for name in ("route", "table", "version", "strategy", "requests", "seconds", "max_output_tokens")} == {
        "route": "fast", "table": "shop", "version": 2, "strategy": "ordered", "requests": 3, "seconds": 9.0,  "max_output_tokens": 50,
    }  # fmt: skip
    tokens = found["input_tokens"]
    near, far = found["rows"]
    assert near["estimate"] == {"amount": tokens * 1000 + 50 * 2000, "currency": "USD", "output_tokens": 50}
    assert far["limits"] == []
    assert near["limits"] == [
        {"of": "the route near", "kind": "requests", "limit": 600, "takes": 1},
        {"of": "the route near", "kind": "tokens", "limit": 90000, "takes": tokens + 50},
    ]
    assert [one["row"] for one in found["dropped"]] == ["open"]
    assert (found["fallback"], found["hedge"], found["shadow"], found["by_chance"]) == ({}, None, None, False)


def test_a_price_that_is_too_high_or_not_known(run: Commands) -> None:
    found = explained(run, "--data", "public", "--max-cost", "$0.001", *signed(run))
    assert [one["row"] for one in found["rows"]] == ["near"]
    assert found["dropped"] == [
        {"row": "far", "model": "small", "why": "its worst case is over max_cost, or is not known"},
        {"row": "open", "model": "free", "why": "its worst case is over max_cost, or is not known"},
    ]


def test_rows_that_the_grant_does_not_name(run: Commands) -> None:
    options = signed(run, 'fallback = { any = ["large"] }', 'routes = ["near", "open"]\n')
    found = explained(run, "--data", "public", *options)
    why = "is not among the routes of the table's grant: near, open"
    assert [one["row"] for one in found["rows"]] == ["near", "open"]
    assert found["dropped"] == [{"row": "far", "model": "small", "why": why}]
    assert found["fallback"] == {"any": {"rows": [], "dropped": [{"row": "large", "model": "claude-large", "why": why}]}}
    assert (
        "Then, when nothing above answers\n  nothing is left\n  not large (claude-large): is not among"
        in run("route", "explain", "fast", "--data", "public", *options).out
    )


def test_a_halted_row(run: Commands) -> None:
    status = ["root", "add-key", "--role", "status", "--new", "saferoute-keys/status.key.pem", PLAIN]
    assert run(*status).code == 0
    options = signed(run)
    assert run("table", "status", "--as-version", "1", "--halt", "near").code == 0
    found = explained(run, "--data", "internal", *options)
    assert [one["row"] for one in found["rows"]] == ["far"]
    assert {one["row"]: one["why"] for one in found["dropped"]}["near"] == "the signed status halts it"


@pytest.mark.parametrize(
    "strategy",
    ["weighted", "round_robin", "least_busy", "lowest_latency", "two_choices", "most_headroom", "cheapest", "by_data", "by_context"],
)
def test_every_strategy_says_how_it_orders(run: Commands, strategy: str) -> None:
    options = signed(run, f'strategy = "{strategy}"')
    done = run("route", "explain", "fast", "--data", "public", *options)
    by_chance = strategy in {"weighted", "least_busy", "lowest_latency", "two_choices", "most_headroom"}
    assert (done.code, f"({strategy}: " in done.out) == (0, True)
    assert ("Chance decides: the next call may find another order." in done.out) is by_chance


def test_the_cheapest_comes_first(run: Commands) -> None:
    options = signed(run, 'strategy = "cheapest"')
    assert [one["row"] for one in explained(run, "--data", "public", *options)["rows"]] == ["near", "far", "open"]


def test_weights_are_told(run: Commands) -> None:
    done = run("route", "explain", "fast", "--data", "internal", *signed(run, 'strategy = "weighted"\nweights = { near = 9, far = 0 }'))
    assert "by chance, in proportion to the weights; weights near 9, far 0)" in done.out


def test_tags_are_read(run: Commands) -> None:
    options = signed(run, 'strategy = "by_tag"\ntag = "tier"\ntagged = { gold = ["far"] }')
    gold = run("route", "explain", "fast", "--data", "internal", "--tag", "tier=gold", "--tag", "other=x", *options)
    none = run("route", "explain", "fast", "--data", "internal", *options)
    assert "the tag tier is gold)\n  1. far  small" in gold.out
    assert "the tag tier is not given)\n  1. near  small" in none.out


def test_a_sticky_call_without_its_tag_goes_by_chance(run: Commands) -> None:
    options = signed(run, 'strategy = "sticky"\ntag = "session"')
    assert explained(run, "--data", "public", *options)["by_chance"] is True
    first, again = (explained(run, "--data", "public", "--tag", "session=u-17", *options) for _ in range(2))
    assert (first["by_chance"], first["rows"]) == (False, again["rows"])


@pytest.mark.parametrize(
    ("label", "most", "why"),
    [
        ("public", "$1", ""),
        ("internal", "$1", 'the call is labelled internal, and copies are made up to "public"'),
        ("public", "$0.000001", "its worst case there is not known, or is over 1e-06 USD"),
    ],
    ids=["copied", "label", "cost"],
)
def test_shadows(run: Commands, label: str, most: str, why: str) -> None:
    options = signed(run, f'shadow = {{ target = "new", share = 10, max_cost = "{most}", data = "public" }}', more=NEW)
    assert explained(run, "--data", label, *options)["shadow"] == {"row": "new", "model": "newest", "share": 10, "why_not": why}
    said = run("route", "explain", "fast", "--data", label, *options).out
    assert ("10 in 1000 calls are copied to new (newest)" + (f"; not this one: {why}" if why else "")) in said


def test_a_shadow_that_the_grant_does_not_name(run: Commands) -> None:
    options = signed(run, 'shadow = { target = "new", share = 10, max_cost = "$1", data = "public" }', 'routes = ["near"]\n' + NEW)
    assert explained(run, "--data", "public", *options)["shadow"]["why_not"] == "is not among the routes of the table's grant: near"


def test_a_call_without_a_label_is_not_copied(run: Commands) -> None:
    signed(run, 'shadow = { target = "new", share = 10, max_cost = "$1", data = "public" }', more=NEW)
    routes = run.home / "shop" / "routes.toml"
    routes.write_text(routes.read_text(encoding="utf-8").replace('"internal"', '"restricted"'), encoding="utf-8")
    assert run("table", "sign").code == 0
    assert explained(run, *opening(run))["shadow"]["why_not"] == "the call has no data label"


def test_a_message_that_no_row_can_write_has_tokens_all_the_same(run: Commands) -> None:
    found = explained(run, "--data", "internal", "--message", "\ud800" * 40, *signed(run))
    assert found["input_tokens"] > 0


def test_a_permission_that_looks_at_more_than_rows_is_quoted(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    options = signed(run)

    def never(*_: object, **__: object) -> None:
        raise CapabilityForbidden("is bound to another request", code="req")

    monkeypatch.setattr("saferoute.cli.route_explain.authorise", never)
    found = explained(run, "--data", "internal", *options)
    assert found["dropped"] == [{"row": "open", "model": "free", "why": "is bound to another request"}]


def test_a_call_that_would_be_refused_is_refused_in_its_words(run: Commands) -> None:
    options = signed(run)
    done = run("route", "explain", "fast", "--data", "restricted", *options)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: no row of the route 'fast' may answer this call: near takes data up to \"internal\"")
    assert run("route", "explain", "slow", *options).err.startswith("error: the routing table has no route 'slow'")


def test_without_a_table_it_is_the_local_one(run: Commands) -> None:
    done = run("route", "explain", "llm/any-model", "--server", "llm=8080", "--stream")
    assert done.code == 0
    assert "1. llm  any-model at http://127.0.0.1:8080" in done.out


@pytest.mark.parametrize(
    "words", [["route"], ["route", "explain"], ["route", "explain", "fast", "--tag", "x"], ["route", "explain", "fast", "--tag", "=x"]]
)
def test_wrong_usage(run: Commands, words: list[str]) -> None:
    assert run(*words).code == 2


# --- simulate --------------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def table(run: Commands) -> str:
    (run.home / "shop" / "routes.toml").write_text(ROUTES.format(alias=""), encoding="utf-8")
    return "routes.toml"


def test_a_simulation_from_the_shell(run: Commands, table: str) -> None:
    words = [
        "--rate",
        "20",
        "--calls",
        "2000",
        "--down",
        "near=20-60:silent",
        "--down",
        "near=70-80",
        "--latency",
        "near=0.4",
        "--timeout",
        "400",
    ]
    done = run("route", "simulate", table, *words)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("fast, ordered\n  calls     2,000 in ")
    assert run("route", "simulate", table, *words).out == done.out
    assert run("route", "simulate", table, *words, "--seed", "3").out != done.out


def test_a_simulation_as_json(run: Commands, table: str) -> None:
    words = ["--calls", "300", "--strategy", "round_robin", "--limit", "near=30", "--errors", "far=0.5", "--stream", "--wait"]
    done = run("route", "simulate", table, "--json", *words)
    found = json.loads(done.out)
    assert (found["calls"], found["strategy"], found["successes"] + sum(found["failures"].values())) == (300, "round_robin", 300)
    assert found["requests"].keys() == found["answers"].keys() == {"near", "far", "open"}
    assert found["answers"]["far"] < found["requests"]["far"]
    assert found["cost"] is None
    priced = json.loads(run("route", "simulate", table, "--json", "--route", "near", "--calls", "5").out)
    assert priced["cost"] == {"USD": 5 * (500 * 1000 + 200 * 2000)}


@pytest.mark.parametrize(
    "words",
    [
        ["--latency", "near"],
        ["--latency", "=1"],
        ["--latency", "near=-1"],
        ["--latency", "near=nan"],
        ["--limit", "near=1.5"],
        ["--limit", "near=inf"],
        ["--down", "near=5"],
        ["--down", "near=5-9:loud"],
        ["--down", "5-9"],
        ["--strategy", "fastest"],
    ],
    ids=" ".join,
)
def test_what_is_no_provider_is_wrong_usage(run: Commands, table: str, words: list[str]) -> None:
    assert run("route", "simulate", table, *words).code == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--errors", "near=2"], "shares from 0 to 1"), (["--limit", "fore=5"], "providers names fore"), (["--rate", "0"], "a rate above 0")],
    ids=["errors", "row", "rate"],
)
def test_what_makes_no_simulation_is_an_error(run: Commands, table: str, words: list[str], says: str) -> None:
    done = run("route", "simulate", table, *words)
    assert (done.code, done.out) == (1, "")
    assert says in done.err

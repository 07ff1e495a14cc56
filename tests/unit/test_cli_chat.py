"""`saferoute chat` and `saferoute models`, against the embedded provider."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.testing import Answer, EmbeddedProvider, ErrorAnswer
from saferoute.testing.faults import CutStream
from tests.support.commands import Commands

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Commands:
    monkeypatch.chdir(tmp_path)
    return Commands(monkeypatch, tmp_path)


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


def at(provider: EmbeddedProvider) -> list[str]:
    return ["--server", f"demo={provider.port}"]


def turns(provider: EmbeddedProvider) -> list[int]:
    """How many messages each request had."""
    bodies: list[Any] = [request.body for request in provider.requests]
    return [len(body["messages"]) for body in bodies]


@pytest.mark.parametrize("extra", [[], ["--no-stream"]])
def test_only_the_answer_is_on_stdout(run: Commands, provider: EmbeddedProvider, extra: list[str]) -> None:
    done = run("chat", "demo/any", "Say", "hello", *at(provider), *extra)
    assert (done.code, done.out, done.err) == (0, "You said: Say hello\n", "")
    body = provider.requests[0].body
    assert isinstance(body, dict)
    assert bool(body.get("stream")) is not bool(extra)


def test_the_other_dialect(run: Commands, provider: EmbeddedProvider) -> None:
    done = run("chat", "demo/any", "hello", "--server", f"demo={provider.port}:anthropic_messages")
    assert done.out == "You said: hello\n"
    assert provider.requests[0].path == "/v1/messages"


@pytest.mark.parametrize(
    ("words", "stdin", "asked"),
    [
        ([], b"from a pipe\n", "from a pipe"),
        (["-"], b"from a pipe\n", "from a pipe"),
        (["Sum", "up:", "-"], b"a text\n", "Sum up:\n\na text"),
        (["Sum up:", "-"], b"", "Sum up:"),
        (["only words"], b"not read", "only words"),
        ([], "caf\u00e9".encode(), "caf\u00e9"),
    ],
)
def test_where_the_prompt_comes_from(run: Commands, provider: EmbeddedProvider, words: list[str], stdin: bytes, asked: str) -> None:
    done = run("chat", "demo/any", *words, *at(provider), stdin=stdin)
    assert done.code == 0, done.err
    body = provider.requests[0].body
    assert isinstance(body, dict)
    assert body["messages"] == [{"role": "user", "content": asked}]


@pytest.mark.parametrize(("words", "stdin", "why"), [([], b"", "empty"), ([" "], b"", "empty"), ([], b"\xff\xfe", "UTF-8")])
def test_no_usable_prompt(run: Commands, provider: EmbeddedProvider, words: list[str], stdin: bytes, why: str) -> None:
    done = run("chat", "demo/any", *words, *at(provider), stdin=stdin)
    assert (done.code, done.out) == (1, "")
    assert why in done.err
    assert provider.requests == ()


def test_options_reach_the_provider(run: Commands, provider: EmbeddedProvider) -> None:
    done = run("chat", "demo/any", "one two three", "--system", "Be brief", "--max-output-tokens", "3", "--timeout", "20", *at(provider))
    assert done.code == 0
    body = provider.requests[0].body
    assert isinstance(body, dict)
    assert body["max_tokens"] == 3
    assert body["messages"] == [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "one two three"}]
    assert "note: the answer ended early: length" in done.err


def test_json_is_one_object(run: Commands, provider: EmbeddedProvider) -> None:
    done = run("chat", "demo/any", "hello", "--json", *at(provider))
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["text"] == "You said: hello"
    assert found["usage"]["input_tokens"] == 1
    assert (found["model"], found["target"], found["route"], found["finish_reason"]) == ("embedded-1", "demo", "demo/any", "stop")
    assert found["attempts"] == [{"target": "demo", "model": "any", "outcome": "ok"}]
    assert found["cost"] is None


def test_verbose_tells_the_rest_on_stderr(run: Commands, provider: EmbeddedProvider) -> None:
    done = run("chat", "demo/any", "hello", "-v", *at(provider))
    assert done.out == "You said: hello\n"
    assert "trust='local'" in done.err
    assert "demo, model embedded-1: 1 tokens in, 3 out, cost not known, 1 request(s)" in done.err


def test_a_refusal_is_no_answer(run: Commands) -> None:
    with EmbeddedProvider(Answer(refusal="I will not")) as provider:
        done = run("chat", "demo/any", "hello", *at(provider))
    assert done.out == ""
    assert "note: the model declined: I will not" in done.err


def test_an_error_of_the_provider_with_its_own_words(run: Commands) -> None:
    with EmbeddedProvider(ErrorAnswer(400, "bad_thing", "that will not do")) as provider:
        done = run("chat", "demo/any", "hello", *at(provider))
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: demo answered 400")
    assert "the provider said: that will not do" in done.err


def test_a_cut_stream_is_an_error_after_what_had_come(run: Commands) -> None:
    with EmbeddedProvider(Answer("one two three four", fault=CutStream(after=3))) as provider:
        done = run("chat", "demo/any", "hello", *at(provider))
    assert done.code == 1
    assert done.out.startswith("one")
    assert done.out.endswith("\n")
    assert "error: " in done.err


def test_a_terminal_is_not_steered_by_a_model(run: Commands) -> None:
    text = "fine \x1b]52;c;ZXZpbA==\x07 \u2066 end"
    with EmbeddedProvider([Answer(text), Answer(text)]) as provider:
        shown = run("chat", "demo/any", "hello", *at(provider), terminal=True).out
        piped = run("chat", "demo/any", "hello", *at(provider)).out
    assert not {"\x1b", "\x07", "\u2066"} & set(shown)
    assert "fine" in shown
    assert piped == "fine [redacted: control.sequence] \u2066 end\n"


def test_nobody_listens(run: Commands) -> None:
    done = run("chat", "demo/any", "hello", "--server", "demo=9")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: 127.0.0.1:9")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--table", "routes.json"], "--root and --sha256"),
        (["--sha256", "0" * 64], "belong to --table"),
        (["--table", "r", "--root", "r", "--sha256", "0" * 64, "--server", "x=1"], "--server makes a table in memory"),
        (["--max-output-tokens", "many"], "invalid int"),
        (["--data", "secret"], "invalid choice"),
        (["--secrets", "file"], "invalid choice"),
    ],
)
def test_options_that_make_no_sense(run: Commands, words: list[str], why: str) -> None:
    done = run("chat", "fast", "hello", *words)
    assert (done.code, done.out) == (2, "")
    assert why in done.err


def test_a_value_that_is_out_of_range(run: Commands, provider: EmbeddedProvider) -> None:
    done = run("chat", "demo/any", "hello", "--max-output-tokens", "0", *at(provider))
    assert done.code == 1
    assert "max_output_tokens" in done.err


# ------------------------------------------------------------------------------------------------------------- a conversation


def test_a_conversation_keeps_what_was_said(run: Commands, provider: EmbeddedProvider) -> None:
    done = run("chat", "demo/any", "--system", "Be brief", *at(provider), stdin=b"first\n\nsecond\n", terminal=True)
    assert done.code == 0
    assert turns(provider) == [2, 4]
    assert "You said: first" in done.out
    assert "You said: second" in done.out
    assert "Ctrl-D" in done.err


def test_an_error_does_not_end_a_conversation(run: Commands) -> None:
    with EmbeddedProvider([Answer("yes"), ErrorAnswer(400), Answer("still here")]) as provider:
        done = run("chat", "demo/any", *at(provider), stdin=b"one\ntwo\nthree\n", terminal=True)
        sizes = turns(provider)
    assert done.code == 0
    assert "still here" in done.out
    assert "error: demo answered 400" in done.err
    assert sizes == [1, 3, 3]


def test_a_conversation_is_no_json(run: Commands, provider: EmbeddedProvider) -> None:
    assert run("chat", "demo/any", "--json", *at(provider), terminal=True).code == 2


# ------------------------------------------------------------------------------------------------------ a signed table and keys


@pytest.fixture
def shop(run: Commands, provider: EmbeddedProvider) -> list[str]:
    """A signed table for the provider; the options that open it."""
    made = run("init", "shop", "--server", f"demo={provider.port}", "--unsafe-plaintext-keys")
    digest = made.out.partition('sha256="')[2][:64]
    return ["--table", "shop/routes.json", "--root", "shop/root.json", "--sha256", digest]


def test_a_signed_table(run: Commands, shop: list[str]) -> None:
    done = run("chat", "demo/any", "hello", *shop, "--data", "internal")
    assert (done.code, done.out, done.err) == (0, "You said: hello\n", "")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["chat", "demo/any", "hello"], "internal"),  # unlabelled counts as restricted; the message says which label would do
        (["chat", "demo/any", "hello", "--data", "restricted"], "restricted"),
        (["chat", "nowhere", "hello", "--data", "internal"], "no route 'nowhere'"),
    ],
)
def test_what_a_signed_table_refuses(run: Commands, provider: EmbeddedProvider, shop: list[str], words: list[str], why: str) -> None:
    done = run(*words, *shop)
    assert (done.code, done.out) == (1, "")
    assert why in done.err
    assert provider.requests == ()


def test_a_tampered_table_opens_for_nobody(run: Commands, provider: EmbeddedProvider, shop: list[str], tmp_path: pathlib.Path) -> None:
    path = tmp_path / "shop" / "routes.json"
    changed = bytearray(path.read_bytes())
    changed[-30] ^= 1
    path.write_bytes(changed)
    for words in (["chat", "demo/any", "hello"], ["models"]):
        done = run(*words, *shop, "--data", "internal")
        assert (done.code, done.out) == (1, "")
        assert "refused" in done.err
    assert provider.requests == ()


def test_another_digest_opens_nothing(run: Commands, shop: list[str]) -> None:
    done = run("chat", "demo/any", "hello", *shop[:-1], "0" * 64)
    assert done.code == 1
    assert "is pinned" in done.err


def test_a_key_out_of_a_vault_goes_with_the_call(run: Commands, tmp_path: pathlib.Path) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse", encoding="utf-8")
    phrase.chmod(0o600)
    vault = ["--vault", "v.json", "--passphrase-file", "phrase"]
    key = "sk-canary-7d1f"
    with EmbeddedProvider(api_key=key) as provider:
        assert run("keys", "add", "demo", "--origin", provider.origin, "--stdin", *vault, stdin=key.encode()).code == 0
        run("init", "shop", "--server", f"demo={provider.port}", "--unsafe-plaintext-keys")
        routes = tmp_path / "shop" / "routes.toml"
        text = routes.read_text(encoding="utf-8").replace('model = "*"', 'model = "*"\nauth = "bearer"\nsecret = "demo"')
        routes.write_text(text, encoding="utf-8")
        assert run("table", "sign", "shop/routes.toml").code == 0
        from saferoute.routing.publish import pin

        digest = pin((tmp_path / "shop" / "root.json").read_bytes())
        table = ["--table", "shop/routes.json", "--root", "shop/root.json", "--sha256", digest, "--data", "internal"]
        done = run("chat", "demo/any", "hello", *table, *vault)
        without = run("chat", "demo/any", "hello", *table)
    assert (done.code, done.out, done.err) == (0, "You said: hello\n", "")
    assert without.code == 1
    assert "No key for demo" in without.err
    assert "Use `saferoute keys add demo --origin http://127.0.0.1:" in without.err
    assert key not in done.out + done.err + without.err


def test_no_key_says_what_to_do(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-set")
    done = run("chat", "fast", "hello")
    assert done.code == 1
    assert "saferoute keys add openai" in done.err
    assert "OPENAI_API_KEY is set here" in done.err
    assert "canary" not in done.err


def test_models_from_the_environment_only_when_told(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary-set")
    done = run("models", "--secrets", "env", "--json")
    assert done.code == 0
    listed = {row["name"]: row["origin"] for row in json.loads(done.out)}
    assert listed == dict.fromkeys(("fast", "smart", "anthropic/*"), "https://api.anthropic.com")
    assert "canary" not in done.out + done.err
    assert run("models").code == 1


def test_models_as_a_table(run: Commands) -> None:
    done = run("models", "--server", "llama=8080")
    assert done.out.splitlines()[0].split() == ["name", "provider", "model", "goes", "to"]
    assert done.out.splitlines()[1].split() == ["llama/*", "llama", "any", "http://127.0.0.1:8080"]

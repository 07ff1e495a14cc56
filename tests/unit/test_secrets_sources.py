"""Descriptions, opened sources in order, the environment, the prompt, and the words of a missing key."""

from __future__ import annotations

import getpass
import io
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from saferoute.drivers import environment, prompt, secret_sources
from saferoute.drivers.keyring_store import KeyringStore
from saferoute.drivers.prompt import PromptSource, ask_hidden, ask_passphrase, somebody_is_there
from saferoute.drivers.secret_sources import open_sources, open_vault
from saferoute.errors import ConfigurationError, SecretError, SecretNotFound, SecretStoreLocked
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.lookup import AbsentSource, MemorySource, Sources, StoreAbsent
from saferoute.secrets.secret import Passphrase, key_to_store
from saferoute.secrets.sources import Secrets, VaultPlace
from saferoute.secrets.vault_format import decode
from tests.support.secret_stores import CATALOGUE, ORIGIN, OTHER, PHRASE, FakeBackend, keyring, record, weak_vault


def key_of(sources: Sources, name: str = "openai") -> bytes | None:
    found = sources.find(name)
    return None if found is None else key_to_store(found.secret)


# ---------------------------------------------------------------------------------------------------- descriptions


def test_descriptions_say_what_they_are() -> None:
    assert Secrets.keyring().labels == ("the keyring",)
    assert Secrets.vault().labels == ("the vault",)
    assert Secrets.prompt().labels == ("what was typed in",)
    assert Secrets.from_env({"a": ("A", ORIGIN)}).labels == ("the environment",)
    assert Secrets.of({"a": ("k", [ORIGIN, OTHER])}).labels == ("memory",)


@pytest.mark.parametrize("variable", ["", "A=B", "A\n", "Ä"])
def test_malformed_variables(variable: str) -> None:
    with pytest.raises(ConfigurationError, match="not the name of an environment variable"):
        Secrets.from_env({"openai": (variable, ORIGIN)})


@pytest.mark.parametrize("pair", ["OPENAI_API_KEY", ("OPENAI_API_KEY",), (5, ORIGIN), ["OPENAI_API_KEY", ORIGIN], None])
def test_a_variable_without_its_origin(pair: Any) -> None:
    with pytest.raises(ConfigurationError, match="as a pair with the origin"):
        Secrets.from_env({"openai": pair})


def test_a_passphrase_or_a_key_file() -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        Secrets.vault("x", passphrase="y", key_file="z")


@pytest.mark.parametrize("spec", ["", "ENV", "1password", b"env", 5, [], ["env", 5], ["env", ["vault"]], {"openai": "x"}])
def test_what_is_no_source(spec: Any) -> None:
    with pytest.raises(ConfigurationError, match='secrets= takes "keyring", "vault", "env", "prompt"'):
        open_sources(spec, CATALOGUE)


@pytest.mark.parametrize(
    ("spec", "labels"),
    [
        (None, ("the keyring",)),
        ("keyring", ("the keyring",)),
        ("env", ("the environment",)),
        ("prompt", ("what was typed in",)),
        (["env", "prompt", Secrets.keyring()], ("the environment", "what was typed in", "the keyring")),
        (Secrets.vault("here.json"), ("the vault here.json",)),
    ],
)
def test_opening(spec: Any, labels: tuple[str, ...]) -> None:
    assert open_sources(spec, CATALOGUE).labels == labels


# ---------------------------------------------------------------------------------------------------- environment


def test_the_environment_is_read_by_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Watched(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.append(name)
            return super().get(name, default)

        def _refused(self, *_: object) -> NoReturn:
            raise AssertionError

        __iter__ = items = keys = values = copy = _refused

    monkeypatch.setattr("os.environ", Watched({"A": "1", "B": "", "SECRET": "x"}))
    assert environment.values(["A", "B", "C"]) == {"A": "1"}
    assert environment.present(["C", "B", "A"]) == ("A",)
    assert environment.forbid_local() is False
    assert asked == ["A", "B", "C", "C", "B", "A", "SAFEROUTE_FORBID_LOCAL"]


@pytest.mark.parametrize(("value", "forbidden"), [(None, False), ("", False), ("0", False), ("1", True), ("true", True), ("no", True)])
def test_forbid_local_only_tightens(monkeypatch: pytest.MonkeyPatch, value: str | None, forbidden: bool) -> None:
    monkeypatch.delenv("SAFEROUTE_FORBID_LOCAL", raising=False)
    if value is not None:
        monkeypatch.setenv("SAFEROUTE_FORBID_LOCAL", value)
    assert environment.forbid_local() is forbidden


def test_keys_of_the_catalogue_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-1")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv("CLAUDE_KEY", "k-2")
    sources = open_sources("env", CATALOGUE)
    monkeypatch.setenv("OPENAI_API_KEY", "later")
    assert (key_of(sources), key_of(sources, "anthropic")) == (b"k-1", b"k-2")
    found = sources.find("anthropic")
    assert found is not None
    assert found.origins == ("https://api.anthropic.com",)
    sources.forget("openai")
    assert key_of(sources) == b"k-1"
    assert sources.notes[0].startswith("Keys come from environment variables")
    assert open_sources("keyring", CATALOGUE).notes == ()


def test_the_first_variable_that_is_set_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "first")
    monkeypatch.setenv("CLAUDE_KEY", "second")
    assert key_of(open_sources("env", CATALOGUE), "anthropic") == b"first"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "broken key")
    with pytest.raises(SecretError, match="the variable ANTHROPIC_API_KEY: a key may hold printable ASCII only"):
        open_sources("env", CATALOGUE).find("anthropic")


def test_a_mapping_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "k-1")
    sources = open_sources(Secrets.from_env({"mine": ("MY_KEY", [ORIGIN, OTHER]), "gone": ("NOT_SET", ORIGIN)}), CATALOGUE)
    found = sources.find("mine")
    assert found is not None
    assert found.origins == (OTHER, ORIGIN)
    assert sources.find("gone") is None
    assert sources.find("openai") is None
    monkeypatch.setenv("MY_KEY", "k 1")
    with pytest.raises(SecretError, match="the variable MY_KEY"):
        open_sources(Secrets.from_env({"mine": ("MY_KEY", ORIGIN)}), CATALOGUE)


# ---------------------------------------------------------------------------------------------------- in order


def test_the_first_that_holds_it_answers() -> None:
    sources = Sources([MemorySource([]), MemorySource([record(key="a")]), MemorySource([record(key="b"), record("other", "c")])])
    assert (key_of(sources), key_of(sources, "other"), key_of(sources, "nobody")) == (b"a", b"c", None)
    assert sources.first_of(["nobody", "other", "openai"]) == "other"
    assert sources.first_of(["nobody"]) is None
    assert MemorySource([record()]).names() == ("openai",)


def test_a_locked_store_is_never_passed_over(tmp_path: Path) -> None:
    weak_vault(tmp_path / "v.json").add(record("other"))
    weak_vault(tmp_path / "v.json").add(record())
    locked = FakeBackend()
    locked.fails = type("KeyringLocked", (Exception,), {})()
    for first in (keyring(locked), weak_vault(tmp_path / "v.json", "wrong horse battery")):
        with pytest.raises(SecretStoreLocked):
            Sources([first, MemorySource([record()])]).find("openai")
        with pytest.raises(SecretStoreLocked):
            Sources([first, MemorySource([record()])]).first_of(["openai"])


def test_a_damaged_store_is_never_passed_over(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text("{}")
    (tmp_path / "v.json").chmod(0o600)
    with pytest.raises(SecretError, match="not strict JSON"):
        Sources([weak_vault(tmp_path / "v.json"), MemorySource([record()])]).find("openai")


def test_a_store_that_is_not_on_this_machine_counts_as_empty(tmp_path: Path) -> None:
    absent = AbsentSource("the vault", "There is no vault: this user has no home directory.")
    assert absent.names() == ()
    sources = Sources([weak_vault(tmp_path / "none.json"), absent, MemorySource([record(key="a")])])
    assert key_of(sources) == b"a"
    sources.forget("openai")
    assert "no home directory" in str(sources.missing("nobody"))


def test_no_home_and_no_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("relative"))
    monkeypatch.setenv("OPENAI_API_KEY", "k-1")
    sources = open_sources(["vault", "env"], CATALOGUE)
    assert key_of(sources) == b"k-1"
    assert "this user has no home directory" in str(sources.missing("anthropic"))


# ---------------------------------------------------------------------------------------------------- words


def words_of(spec: Any, *names: str, origin: str | None = None) -> str:
    """What a missing key says when this was given for secrets=."""
    sources = open_sources(spec, CATALOGUE)
    sources.find(names[0])
    return str(sources.missing(*names, origin=origin))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeBackend:
    """An empty keyring, an empty home folder, an empty environment."""
    backend = FakeBackend()
    monkeypatch.setattr(secret_sources, "open_keyring", lambda: keyring(backend))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "CLAUDE_KEY"):
        monkeypatch.delenv(variable, raising=False)
    return backend


def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> NoReturn:
        raise StoreAbsent("This machine has no keyring.")

    monkeypatch.setattr(secret_sources, "open_keyring", lambda: KeyringStore(none))


def vault_at_home(monkeypatch: pytest.MonkeyPatch, home: Path, phrase: str = PHRASE) -> Path:
    """A default vault that holds openai."""
    path = home / ".config" / "saferoute" / "vault.json"
    weak_vault(path).add(record(key="from-the-vault"))
    monkeypatch.setattr(secret_sources, "open_vault", lambda _: weak_vault(path, phrase))
    return path


ADD, COMMAND = 'saferoute.keys.add("openai"', "`python -m saferoute keys add openai"
LEFT_OUT = f"{ADD}) or {COMMAND}` with secrets= left out"


@pytest.mark.parametrize(
    ("spec", "origin", "said"),
    [
        (None, None, f'in the keyring. Use Client.local(secrets="env"), {ADD}), or {COMMAND}`.'),
        (None, ORIGIN, f'in the keyring. Use secrets="env", {ADD}), or {COMMAND}`.'),
        ("keyring", ORIGIN, f'in the keyring. Use secrets="env", {ADD}), or {COMMAND}`.'),
        ("env", None, f"in the environment. Set OPENAI_API_KEY before the client is made, or use {LEFT_OUT}."),
        ("env", ORIGIN, f"in the environment. Set OPENAI_API_KEY before the client is made, or use {LEFT_OUT}."),
        (["keyring", "env"], ORIGIN, f"environment. Set OPENAI_API_KEY before the client is made, or use {ADD}) or {COMMAND}`."),
        (Secrets.from_env({"openai": ("MINE", ORIGIN)}), ORIGIN, f"environment. Set MINE before the client is made, or use {LEFT_OUT}."),
        (Secrets.from_env({"other": ("MINE", ORIGIN)}), ORIGIN, f'environment. Use secrets="env", or {LEFT_OUT}.'),
        (Secrets.of({}), ORIGIN, f'in memory. Use secrets="env", or {LEFT_OUT}.'),
        ("vault", ORIGIN, f'Use secrets="env", {ADD}, store="vault"), or {COMMAND} --store vault`.'),
        (
            Secrets.vault("my vault.json", key_file="k"),
            ORIGIN,
            (
                f'Use secrets="env", {ADD}, store=Secrets.vault("my vault.json", key_file="k")), '
                f"or {COMMAND} --vault 'my vault.json' --passphrase-file k`."
            ),
        ),
    ],
)
@pytest.mark.usefixtures("machine")
def test_the_advice_fits_what_was_tried_and_who_asks(spec: Any, origin: str | None, said: str) -> None:
    text = words_of(spec, "openai", origin=origin)
    assert text.startswith("No key for openai in ")
    assert text.endswith(said)


def test_the_missing_key_on_a_machine_with_a_keyring(machine: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-1")
    assert words_of(None, "openai") == (
        "No key for openai in the keyring. OPENAI_API_KEY is set here, but saferoute reads no environment unless told. "
        'Use Client.local(secrets="env"), saferoute.keys.add("openai"), or `python -m saferoute keys add openai`.'
    )
    assert machine.calls == [("get", "openai")]
    assert "is set here, but secrets= names other variables" in words_of(Secrets.from_env({"a": ("A", ORIGIN)}), "openai")


def test_the_missing_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("CLAUDE_KEY", raising=False)
    assert "in the environment. Set ANTHROPIC_API_KEY or CLAUDE_KEY before the client is made, or" in words_of("env", "anthropic")
    assert "Set " not in words_of("env", "llama")


def test_the_missing_key_that_the_catalogue_does_not_know(machine: FakeBackend) -> None:
    where = "http://127.0.0.1:8080"
    add, command = f'saferoute.keys.add("llama", origins="{where}")', f"`python -m saferoute keys add llama --origin {where}`"
    variable = f'secrets=Secrets.from_env({{"llama": ("THE_VARIABLE", "{where}")}})'
    assert words_of(None, "llama", origin=where) == f"No key for llama in the keyring. Use {add}, {command}, or {variable}."
    assert words_of("env", "llama", origin=where).endswith(f"Use {add} or {command} with secrets= left out, or {variable}.")
    assert 'origins="https://..."' in str(Sources([]).missing("llama"))
    assert "in any place, as none was given." in str(Sources([]).missing("llama"))
    joined = Sources([MemorySource([]), MemorySource([], label="b"), MemorySource([], label="c")])
    assert str(joined.missing("llama")).startswith("No key for llama in memory, b or c. ")


BEDROCK = "https://bedrock-runtime.eu-central-1.amazonaws.com"
BEDROCK_ADD = (
    f'saferoute.keys.add("aws", origins="{BEDROCK}"){{}} `python -m saferoute keys add aws --origin {BEDROCK}`'  # how the two are joined
)
AWS_ENV, AWS_PROFILE = f'secrets=Secrets.from_aws_env(origins="{BEDROCK}")', f'secrets=Secrets.from_aws_profile(origins="{BEDROCK}")'


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (None, f"Use {BEDROCK_ADD.format(',')}, {AWS_ENV}, or {AWS_PROFILE}."),
        (Secrets.of({}), f"Use {BEDROCK_ADD.format(' or')} with secrets= left out, {AWS_ENV}, or {AWS_PROFILE}."),
        (
            Secrets.from_aws_env(origins=BEDROCK, access_key="MY_ID"),
            (
                "Set MY_ID and AWS_SECRET_ACCESS_KEY before the client is made, or use "
                f"{BEDROCK_ADD.format(' or')} with secrets= left out, or {AWS_PROFILE}."
            ),
        ),
        ([Secrets.keyring(), Secrets.from_aws_profile("mine", origins=BEDROCK)], f"Use {BEDROCK_ADD.format(',')}, or {AWS_ENV}."),
        (
            Secrets.from_aws_env(origins=BEDROCK, name="b"),
            f"Use {BEDROCK_ADD.format(' or')} with secrets= left out, {AWS_ENV}, or {AWS_PROFILE}.",
        ),
    ],
)
@pytest.mark.usefixtures("machine")
def test_the_missing_aws_key_names_the_places_of_aws_own_tools(spec: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MY_ID"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SecretNotFound) as missing:
        Credentials(open_sources(spec, CATALOGUE)).signer("aws", BEDROCK)
    form = " A stored AWS key is ACCESS_KEY_ID:SECRET_ACCESS_KEY, with :SESSION_TOKEN behind it for temporary keys."
    assert str(missing.value).endswith(said + form)
    assert "from_aws" not in words_of(spec, "aws", origin=BEDROCK)  # a key that is presented as it is


def test_the_missing_aws_key_of_another_name_is_asked_for_by_that_name() -> None:
    text = str(Sources([]).missing("lab", origin=BEDROCK, signs=True))
    assert f'Secrets.from_aws_env(origins="{BEDROCK}", name="lab")' in text
    assert f'Secrets.from_aws_profile(origins="{BEDROCK}", name="lab")' in text


@pytest.mark.parametrize(("origin", "spelled"), [(None, 'Client.local(secrets="vault")'), (ORIGIN, 'secrets="vault"')])
def test_a_key_in_the_vault_is_noticed_when_only_the_keyring_was_tried(
    machine: FakeBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: str | None, spelled: str
) -> None:
    path = vault_at_home(monkeypatch, tmp_path, "nobody asks for it")
    assert f"The vault {path} has one: {spelled} uses it." in words_of(None, "openai", origin=origin)
    assert f"The vault {path} has one: {spelled} uses it." in words_of("keyring", "anthropic", "openai", origin=origin)
    assert "has one" not in words_of(None, "anthropic", origin=origin)
    assert "has one" not in words_of("env", "openai", origin=origin)  # who asks the environment alone touches nothing else
    path.write_text("{}")
    assert "has one" not in words_of(None, "openai", origin=origin)  # a damaged vault that nobody asked for is no news here


# ---------------------------------------------------------------------------------------------------- secrets=None


@pytest.mark.usefixtures("machine")
def test_without_a_keyring_none_is_the_default_vault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_keyring(monkeypatch)
    path = vault_at_home(monkeypatch, tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k-1")
    sources = open_sources(None, CATALOGUE)
    assert sources.labels == ("the keyring",)  # nothing was touched yet
    assert (key_of(sources), key_of(sources, "anthropic")) == (b"from-the-vault", None)
    assert sources.labels == (f"the vault {path}",)
    assert str(sources.missing("anthropic")).startswith(f"No key for anthropic in the vault {path}. ANTHROPIC_API_KEY is set here")
    sources.forget("openai")
    assert key_of(sources) == b"from-the-vault"
    assert sources._sources[0].names() == ("openai",)
    assert open_sources("keyring", CATALOGUE).find("openai") is None  # who names the keyring gets the keyring
    assert "with secrets= left out" in words_of("keyring", "openai", origin=ORIGIN)


@pytest.mark.usefixtures("machine")
def test_with_neither_keyring_nor_vault_none_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_keyring(monkeypatch)
    text = words_of(None, "openai", "anthropic")
    assert text.startswith("No key for openai or anthropic in the keyring. This machine has no keyring. Use Client.local")
    assert "is set here" not in text
    assert open_sources(None, CATALOGUE)._sources[0].names() == ()
    monkeypatch.setattr(Path, "home", lambda: Path("relative"))
    assert "This machine has no keyring." in words_of(None, "openai")
    assert list(tmp_path.iterdir()) == []


def test_a_keyring_that_is_there_is_never_replaced_by_the_vault(
    machine: FakeBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vault_at_home(monkeypatch, tmp_path)
    assert open_sources(None, CATALOGUE).find("openai") is None
    machine.fails = type("KeyringLocked", (Exception,), {})()
    with pytest.raises(SecretStoreLocked, match="the keyring is locked"):
        open_sources(None, CATALOGUE).find("openai")
    machine.fails = RuntimeError("broken")
    with pytest.raises(SecretError, match="the keyring failed"):
        open_sources(None, CATALOGUE).find("openai")


@pytest.mark.usefixtures("machine")
def test_the_default_vault_asks_for_its_passphrase_where_somebody_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_keyring(monkeypatch)
    path = tmp_path / ".config" / "saferoute" / "vault.json"
    weak_vault(path).add(record())
    monkeypatch.setattr("saferoute.drivers.storage.vault_file.decode", lambda data, **_: decode(data, unsafe_weak_kdf=True))
    monkeypatch.setattr(prompt, "somebody_is_there", lambda: False)
    with pytest.raises(SecretStoreLocked, match=r"nobody can be asked.*passphrase or a key_file"):
        open_sources(None, CATALOGUE).find("openai")
    asked: list[str] = []
    monkeypatch.setattr(secret_sources, "ask_passphrase", lambda what, *, twice: (asked.append(what), Passphrase(PHRASE))[1])
    sources = open_sources(None, CATALOGUE)
    assert sources.find("openai") == sources.find("openai") == record()
    assert asked == [f"the vault {path}"]


def test_presence_is_looked_at_and_the_value_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-1")
    sources = open_sources(Secrets.of({}), CATALOGUE)
    assert "OPENAI_API_KEY is set here" in str(sources.missing("openai"))
    assert "k-1" not in str(sources.missing("openai"))
    assert repr(sources) == "Sources(memory)"


# ---------------------------------------------------------------------------------------------------- asking


def test_who_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert somebody_is_there() is False
    monkeypatch.setattr(sys, "stdin", None)
    assert somebody_is_there() is False
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed)
    assert somebody_is_there() is False
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert somebody_is_there() is True
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object())))
    assert somebody_is_there() is True
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert somebody_is_there() is False


def test_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "somebody_is_there", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda question: f"  {question}\t")
    assert ask_hidden("Key?") == "Key?"

    def ended(_: str) -> NoReturn:
        raise EOFError

    monkeypatch.setattr(getpass, "getpass", ended)
    assert ask_hidden("Key?") == ""


def test_nobody_is_asked_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "somebody_is_there", lambda: False)
    monkeypatch.setattr(getpass, "getpass", lambda _: pytest.fail("asked"))
    with pytest.raises(StoreAbsent, match="nobody can be asked"):
        ask_hidden("Key?")
    with pytest.raises(SecretStoreLocked, match=r"needs its passphrase, and nobody can be asked.*passphrase or a key_file"):
        ask_passphrase("the vault", twice=False)
    sources = open_sources("prompt", CATALOGUE)
    assert sources.find("openai") is None
    assert "Nobody can be asked" in str(sources.missing("openai"))


def test_a_terminal_that_cannot_hide_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "somebody_is_there", lambda: True)

    def echoes(_: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return pytest.fail("went on with echo")

    monkeypatch.setattr(getpass, "getpass", echoes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SecretError, match="cannot hide what is typed"):
            ask_hidden("Key?")


def test_the_passphrase_of_a_new_vault_is_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    typed: list[str] = []
    monkeypatch.setattr(prompt, "ask_hidden", lambda _: typed.pop(0))
    typed[:] = [PHRASE]
    assert ask_passphrase("the vault", twice=False) == Passphrase(PHRASE)
    typed[:] = [PHRASE, PHRASE]
    assert ask_passphrase("the vault", twice=True) == Passphrase(PHRASE)
    typed[:] = [PHRASE, PHRASE + "x"]
    with pytest.raises(SecretStoreLocked, match="differ"):
        ask_passphrase("the vault", twice=True)
    typed[:] = [""]
    with pytest.raises(SecretStoreLocked, match="1 to 4096 bytes"):
        ask_passphrase("the vault", twice=True)


def test_the_prompt_asks_once_and_binds_to_the_known_origin() -> None:
    asked: list[str] = []
    answers = {"openai": "k-1", "anthropic": ""}

    def ask(question: str) -> str:
        asked.append(question)
        return answers[question.split()[2]]

    source = PromptSource({"openai": (ORIGIN,), "anthropic": (OTHER,)}, ask=ask)
    for _ in range(2):
        assert source.find("openai") == record(key="k-1")
        assert source.find("anthropic") is None
        assert source.find("llama") is None
    assert asked[0] == f"Key for openai (goes to {ORIGIN} only; not shown; empty for none): "
    assert len(asked) == 2
    assert source.names() == ("openai",)
    assert source.why_absent("openai") == ""
    assert 'Secrets.prompt(origins={"llama"' in source.why_absent("llama")
    source.forget("openai")
    source.find("openai")
    assert len(asked) == 3


def test_the_prompt_of_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "somebody_is_there", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda _: "k-1")
    sources = open_sources(Secrets.prompt({"llama": "http://127.0.0.1:8080"}), CATALOGUE)
    found = [sources.find("llama"), sources.find("openai")]
    assert [one.origins for one in found if one] == [("http://127.0.0.1:8080",), (ORIGIN,)]


# ---------------------------------------------------------------------------------------------------- the vault's passphrase


@pytest.mark.parametrize("way", ["text", "function", "key file", "prompt"])
def test_ways_to_give_the_passphrase(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text(PHRASE + "\n")
    file.chmod(0o600)
    monkeypatch.setattr(secret_sources, "ask_passphrase", lambda what, *, twice: Passphrase(PHRASE))
    ways = {
        "text": Secrets.vault(tmp_path / "v", passphrase=PHRASE),
        "function": Secrets.vault(tmp_path / "v", passphrase=lambda: PHRASE),
        "key file": Secrets.vault(tmp_path / "v", key_file=file),
        "prompt": Secrets.vault(tmp_path / "v"),
    }
    (place,) = ways[way].places
    assert isinstance(place, VaultPlace)
    assert open_vault(place)._passphrase(False) == Passphrase(PHRASE)


@pytest.mark.parametrize("returned", [None, 5, "", "x" * 5_000])
def test_a_function_that_returns_no_passphrase(returned: Any, tmp_path: Path) -> None:
    (place,) = Secrets.vault(tmp_path / "v", passphrase=lambda: returned).places
    assert isinstance(place, VaultPlace)
    with pytest.raises(ConfigurationError, match="the passphrase function of the vault"):
        open_vault(place)._passphrase(True)

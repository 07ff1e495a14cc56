"""saferoute.keys: add, list, remove, rotate, over a keyring in memory and a vault on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from saferoute import keys
from saferoute.drivers.keyring_store import KeyringStore
from saferoute.errors import ConfigurationError, SecretError, SecretNotFound, SecretStoreLocked
from saferoute.keys import StoredKey
from saferoute.secrets.lookup import StoreAbsent
from saferoute.secrets.sources import Secrets, VaultPlace
from tests.support.secret_stores import ORIGIN, OTHER, FakeBackend, canary, keyring, weak_vault

ANTHROPIC = "https://api.anthropic.com"


class Machine:
    """What `keys` finds: a keyring (or none), and the default vault."""

    def __init__(self, directory: Path) -> None:
        self.backend: FakeBackend | None = FakeBackend()
        self.vault: Path | None = directory / "vault.json"
        self.asked: list[str] = []

    def open_keyring(self) -> KeyringStore:
        def none() -> NoReturn:
            raise StoreAbsent("This machine has no keyring.")

        return KeyringStore(none) if self.backend is None else keyring(self.backend)

    def open_vault(self, place: VaultPlace) -> object:
        path = self.vault if place.path is None else Path(place.path)
        if path is None:
            raise StoreAbsent("There is no vault: this user has no home directory.")
        return weak_vault(path)

    def ask(self, question: str) -> str:
        self.asked.append(question)
        return canary()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setattr(keys, "open_keyring", machine.open_keyring)
    monkeypatch.setattr(keys, "open_vault", machine.open_vault)
    monkeypatch.setattr(keys, "ask_hidden", machine.ask)
    return machine


def test_there_is_no_way_to_get_one(machine: Machine) -> None:
    assert sorted(keys.__all__) == ["RowKey", "StoredKey", "add", "check", "import_env", "list", "remove", "rotate"]
    stored = keys.add("openai", canary())
    assert not [name for name in dir(stored) if "secret" in name or "value" in name]


def test_add_list_rotate_remove(machine: Machine) -> None:
    assert keys.list() == ()
    assert keys.add("openai", "k-1") == StoredKey("openai", (ORIGIN,), 1, "keyring")
    assert keys.add("anthropic", "k-2") == StoredKey("anthropic", (ANTHROPIC,), 1, "keyring")
    assert keys.rotate("openai", "k-3").revision == 2
    assert repr(keys.list()) == (
        "(StoredKey(anthropic -> https://api.anthropic.com, revision 1, keyring), "
        "StoredKey(openai -> https://api.openai.com, revision 2, keyring))"
    )
    assert keys.remove("openai") == StoredKey("openai", (ORIGIN,), 2, "keyring")
    assert [key.name for key in keys.list()] == ["anthropic"]
    assert machine.asked == []


def test_without_a_value_it_is_asked_for(machine: Machine) -> None:
    keys.add("openai")
    keys.rotate("openai")
    assert machine.asked == ["Key for openai (may go to https://api.openai.com; not shown): ", "Key for openai (not shown): "]


def test_it_is_not_asked_for_in_vain(machine: Machine) -> None:
    keys.add("openai", "k-1")
    for use in (
        lambda: keys.add("openai"),
        lambda: keys.rotate("nobody"),
        lambda: keys.add("unknown"),
        lambda: keys.add("openai", store="elsewhere"),  # type: ignore[arg-type]
    ):
        with pytest.raises((SecretError, ConfigurationError)):
            use()
    assert machine.asked == []


def test_nothing_typed_is_nothing_stored(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "ask_hidden", lambda _: "")
    with pytest.raises(SecretError, match=r"this one has 0\. Nothing was stored"):
        keys.add("openai")
    assert keys.list() == ()


def test_origins(machine: Machine) -> None:
    assert keys.add("llama", "k-1", origins="http://127.0.0.1:8080").origins == ("http://127.0.0.1:8080",)
    assert keys.add("openai", "k-1", origins=[ORIGIN, OTHER]).origins == (OTHER, ORIGIN)
    with pytest.raises(ConfigurationError, match=r'the catalogue does not know where a key called mine may go.*origins="https'):
        keys.add("mine", "k-1")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "azure_openai",
            (
                "where a key called azure_openai may go depends on your resource: say it, as in "
                'saferoute.keys.add("azure_openai", origins="https://RESOURCE.openai.azure.com")'
            ),
        ),
        (
            "azure_openai_dated",
            (
                "the key of azure_openai_dated is called azure_openai: "
                'saferoute.keys.add("azure_openai", origins="https://RESOURCE.openai.azure.com")'
            ),
        ),
        ("xai_responses", 'the key of xai_responses is called xai: saferoute.keys.add("xai")'),
        (
            "aws",
            (
                "where a key called aws may go depends on your region: say it, as in "
                'saferoute.keys.add("aws", origins="https://bedrock-runtime.REGION.amazonaws.com"). '
                "Such a key is ACCESS_KEY_ID:SECRET_ACCESS_KEY, and :SESSION_TOKEN behind it for temporary keys"
            ),
        ),
        (
            "bedrock",
            (
                "where a key called bedrock may go depends on your region: say it, as in "
                'saferoute.keys.add("bedrock", origins="https://bedrock-runtime.REGION.amazonaws.com"). '
                "The key of the row bedrock is another one, called aws"
            ),
        ),
        (
            "vertex",
            (
                "where a key called vertex may go depends on your project and location: say it, as in "
                'saferoute.keys.add("vertex", origins="https://LOCATION-aiplatform.googleapis.com"). '
                "A token that ends soon is made rather than stored: [credentials.vertex] in routes.toml"
            ),
        ),
    ],
)
def test_a_key_whose_origin_only_the_customer_knows(machine: Machine, name: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        keys.add(name, "k-1")
    assert str(refused.value) == said
    assert keys.list() == ()


def test_an_origin_with_its_parameter_left_in_is_not_stored(machine: Machine) -> None:
    with pytest.raises(ConfigurationError):
        keys.add("azure_openai", "k-1", origins="https://RESOURCE.openai.azure.com")
    assert keys.list() == ()


@pytest.mark.parametrize("origin", ["http://evil.com", "http://10.1.2.3:8080", "http://127.0.0.1.evil.com", "http://0.0.0.0"])
def test_plain_http_to_another_machine_is_refused(machine: Machine, origin: str) -> None:
    for origins in (origin, [ORIGIN, origin]):
        with pytest.raises(ConfigurationError, match="plain http, which shows the key to everybody on the way: use https://"):
            keys.add("foo", "k-1", origins=origins)
    assert keys.list() == ()
    assert machine.asked == []


@pytest.mark.parametrize("origin", ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://10.1.2.3"])
def test_plain_http_is_for_this_machine(machine: Machine, origin: str) -> None:
    assert keys.add("foo", "k-1", origins=origin).origins == (origin,)


def test_a_machine_without_a_keyring_uses_the_vault(machine: Machine) -> None:
    machine.backend = None
    assert keys.add("openai", "k-1").store == "vault"
    assert keys.list() == (StoredKey("openai", (ORIGIN,), 1, "vault"),)
    assert keys.rotate("openai", "k-2") == StoredKey("openai", (ORIGIN,), 2, "vault")
    assert keys.remove("openai").store == "vault"
    with pytest.raises(StoreAbsent, match="no keyring"):
        keys.add("openai", "k-1", store="keyring")


def test_a_machine_without_either(machine: Machine) -> None:
    machine.backend = machine.vault = None
    assert keys.list() == ()
    with pytest.raises(SecretError, match="no home directory"):
        keys.add("openai", "k-1")
    with pytest.raises(SecretNotFound, match="there is no key for openai in any store"):
        keys.remove("openai")


def test_a_locked_keyring_is_never_a_reason_to_use_the_vault(machine: Machine) -> None:
    assert machine.backend is not None
    machine.backend.fails = type("KeyringLocked", (Exception,), {})()
    for use in (lambda: keys.add("openai", "k-1"), keys.list, lambda: keys.remove("openai"), lambda: keys.rotate("openai", "k")):
        with pytest.raises(SecretStoreLocked):
            use()
    assert machine.vault is not None
    assert not machine.vault.exists()


def test_both_stores(machine: Machine) -> None:
    keys.add("openai", "k-1", store="keyring")
    keys.add("openai", "k-1", store="vault")
    assert [key.store for key in keys.list()] == ["keyring", "vault"]
    assert [key.store for key in keys.list(store="vault")] == ["vault"]
    for use in (lambda: keys.remove("openai"), lambda: keys.rotate("openai", "k-2")):
        with pytest.raises(SecretError, match="both the keyring and the vault have a key for openai: say which"):
            use()
    keys.remove("openai", store="keyring")
    assert keys.rotate("openai", "k-2").store == "vault"


def test_a_store_of_ones_own(machine: Machine, tmp_path: Path) -> None:
    mine = Secrets.vault(tmp_path / "mine.json", passphrase="unused by the stand-in")
    keys.add("openai", "k-1", store=mine)
    assert keys.list() == ()
    assert keys.list(store=mine) == (StoredKey("openai", (ORIGIN,), 1, "vault"),)
    keys.add("openai", "k-1", store=Secrets.keyring())
    assert keys.list() == keys.list(store="keyring") == (StoredKey("openai", (ORIGIN,), 1, "keyring"),)


@pytest.mark.parametrize("store", ["env", "", None, Secrets.prompt(), Secrets.of({})])
def test_what_is_no_store(machine: Machine, store: Any) -> None:
    for use in (lambda: keys.add("openai", "k-1", store=store), lambda: keys.list(store=store), lambda: keys.remove("openai", store=store)):
        with pytest.raises(ConfigurationError, match="store= takes"):
            use()


@pytest.mark.parametrize("name", ["", "OpenAI", "env:X", 5])
def test_malformed_names(machine: Machine, name: Any) -> None:
    for use in (lambda: keys.add(name, "k-1"), lambda: keys.remove(name), lambda: keys.rotate(name, "k-1")):
        with pytest.raises(ConfigurationError, match="not a name for a secret"):
            use()

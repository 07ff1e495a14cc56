"""What a program or another store hands over: the key alone, or a document; and the source before a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import ConfigurationError, SecretError, SecretStoreLocked
from saferoute.secrets.lookup import Sources, StoreAbsent
from saferoute.secrets.other_stores import ForeignSource, ForeignStore
from saferoute.secrets.secret import Secret, SecretRecord
from saferoute.secrets.sources import Secrets
from saferoute.secrets.stored_document import record_in
from tests.support.secret_stores import ORIGIN, OTHER

BOTH = (ORIGIN, OTHER)
NONE = 'its document is not {"v": 1, "secret": "..."}, with "origins" and "revision" if you like, and nothing else'


def ok(value: str | bytes, origins: tuple[str, ...] = (ORIGIN,), revision: int = 1, key: str = "k") -> None:
    assert record_in("main", value, origins) == SecretRecord("main", Secret(key), origins, revision)


@pytest.mark.parametrize(
    "value",
    ["k", "k\n", "k\r\n", '{"v":1,"secret":"k"}', '{"v":"1","secret":"k"}\n', ' {"v": 1, "secret": "k"} ', '{\n"v":1,\n"secret":"k"}'],
)
def test_a_key_or_a_document(value: str | bytes) -> None:
    assert isinstance(value, str)
    ok(value)
    ok(value.encode())


def test_a_documents_revision_and_origins() -> None:
    ok('{"v":1,"secret":"k","revision":7}', revision=7)
    ok('{"v":1,"secret":"k","revision":2147483648}', revision=2**31)
    ok(f'{{"v":1,"secret":"k","origins":["{ORIGIN}"]}}')
    ok(f'{{"v":1,"secret":"k","origins":["{OTHER}","{ORIGIN}"]}}')
    ok(f'{{"v":1,"secret":"k","origins":["{OTHER}","{ORIGIN}"]}}', BOTH)
    ok(f'{{"v":1,"secret":"k","origins":"{OTHER} {ORIGIN}"}}', BOTH)


def test_a_documents_secret_may_be_a_document_itself() -> None:
    ok('{"v":1,"secret":"{\\"type\\": \\"service_account\\"}"}', key='{"type":"service_account"}')


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "a key must have 1 to 16384 bytes; this one has 0"),
        ("k\n\n", "a key may hold printable ASCII only"),
        ("k k", "a key may hold printable ASCII only"),
        ("{", "it begins like a JSON document and is none"),
        ('{"v":1,"secret":"k","secret":"l"}', "it begins like a JSON document and is none"),
        ('{"v":NaN,"secret":"k"}', "it begins like a JSON document and is none"),
        ("{}", NONE),
        ('{"v":1}', NONE),
        ('{"secret":"k"}', NONE),
        ('{"v":2,"secret":"k"}', NONE),
        ('{"v":true,"secret":"k"}', NONE),
        ('{"v":"2","secret":"k"}', NONE),
        ('{"v":[1],"secret":"k"}', NONE),
        ('{"v":1,"secret":"k","name":"x"}', NONE),
        ('{"v":1,"secret":5}', "the secret in its document: it is no text"),
        ('{"v":1,"secret":""}', "the secret in its document: a key must have"),
        ('{"v":1,"secret":"k\\n"}', "the secret in its document: a key may hold"),
        ('{"v":1,"secret":"k","revision":0}', "the revision in its document is not a count"),
        ('{"v":1,"secret":"k","revision":true}', "the revision in its document is not a count"),
        ('{"v":1,"secret":"k","revision":1.5}', "the revision in its document is not a count"),
        ('{"v":1,"secret":"k","revision":2147483649}', "the revision in its document is not a count"),
        ('{"v":1,"secret":"k","origins":{}}', "the origins in its document are not a list of texts"),
        ('{"v":1,"secret":"k","origins":[5]}', "the origins in its document are not a list of texts"),
        ('{"v":1,"secret":"k","origins":[]}', "the origins in its document are not 1 to 16 different origins, such as"),
        ('{"v":1,"secret":"k","origins":["*"]}', "the origins in its document are not 1 to 16 different origins, such as"),
        ('{"v":1,"secret":"k","origins":["https://evil.example"]}', f"its document binds it to https://evil.example, and the code to {ORIGIN} as well"),
    ],
)  # fmt: skip
def test_what_is_refused(value: str, why: str) -> None:
    made = record_in("main", value, (ORIGIN,))
    assert isinstance(made, str)
    assert made.startswith(why)


def test_every_origin_of_the_code_must_be_in_the_document() -> None:
    made = record_in("main", f'{{"v":1,"secret":"k","origins":["{ORIGIN}"]}}', BOTH)
    assert made == f"its document binds it to {ORIGIN}, and the code to {OTHER} as well"


# ---------------------------------------------------------------------------------------------------------- the source


class Own:
    """A store of the caller's own."""

    label = "our key service"

    def __init__(self, **held: Any) -> None:
        self.held = held
        self.asked: list[str] = []

    def fetch(self, reference: str) -> Any:
        self.asked.append(reference)
        found = self.held.get(reference)
        if isinstance(found, Exception):
            raise found
        return found


def source(store: Own, **keys: str) -> ForeignSource:
    return ForeignSource(store, [(name, reference, (ORIGIN,)) for name, reference in keys.items()])


def test_a_store_is_asked_once_and_again_after_forgetting() -> None:
    store = Own(one="k-1")
    assert isinstance(store, ForeignStore)
    places = Secrets.from_store(store, {"main": ("one", ORIGIN)})
    assert places.labels == ("our key service",)
    assert repr(places) == "Secrets(places=(StorePlace(our key service),))"
    sources = open_sources(places, {})
    assert store.asked == []
    assert sources.find("main") == SecretRecord("main", Secret("k-1"), (ORIGIN,))
    store.held["one"] = b"k-2"
    assert sources.find("main") == SecretRecord("main", Secret("k-1"), (ORIGIN,))
    sources.forget("main")
    assert sources.find("main") == SecretRecord("main", Secret("k-2"), (ORIGIN,))
    assert store.asked == ["one", "one"]


def test_only_names_of_the_code_are_asked_for() -> None:
    store = Own(other="k")
    made = source(store, main="one")
    assert made.find("other") is None
    assert (store.asked, made.names()) == ([], ("main",))
    assert made.why_absent("other") == "our key service was not asked: the code lists main."
    assert source(store).why_absent("other") == "our key service was not asked: the code lists no name."


def test_a_store_without_the_secret_is_asked_again() -> None:
    store = Own()
    made = source(store, main="one")
    assert made.find("main") is None
    assert made.find("main") is None
    assert store.asked == ["one", "one"]
    assert made.why_absent("main") == "our key service has nothing at one."
    made.forget("main")
    made.forget("other")


@pytest.mark.parametrize(
    ("found", "kind", "message"),
    [
        (
            ValueError("words of its own"),
            SecretError,
            "our key service failed for 'main' (ValueError); whether it has the key is not known",
        ),
        (SecretStoreLocked("it is closed"), SecretStoreLocked, "it is closed"),
        (5, SecretError, "what our key service has for 'main' cannot be used: it is neither text nor bytes"),
        (
            "k k",
            SecretError,
            "what our key service has for 'main' cannot be used: a key may hold printable ASCII only: this one has a space",
        ),
    ],
)
def test_a_store_that_fails_is_an_error_and_not_an_absent_key(found: Any, kind: type[SecretError], message: str) -> None:
    store = Own(one=found)
    sources = open_sources([Secrets.from_store(store, {"main": ("one", ORIGIN)}), Secrets.of({"main": ("fallback", ORIGIN)})], {})
    with pytest.raises(kind) as caught:
        sources.find("main")
    assert type(caught.value) is kind
    assert caught.value.message.startswith(message)
    assert caught.value is not found
    assert not isinstance(found, Exception) or found.__traceback__ is None  # whoever keeps it does not keep the frames
    store.held["one"] = "right"
    assert sources.find("main") == SecretRecord("main", Secret("right"), (ORIGIN,))


class NoLabel:
    def fetch(self, _: str) -> str:
        return ""


class LineLabel(NoLabel):
    label = "a\nb"


@pytest.mark.parametrize("store", [NoLabel(), LineLabel(), "openai", None])
def test_what_is_no_store(store: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"takes an object with a label and fetch\(reference\), not"):
        Secrets.from_store(store, {})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"main": ORIGIN}, "write 'main' as a pair of its reference and the origin"),
        ({"main": ("a", ORIGIN, "b")}, "write 'main' as a pair"),
        ({"main": ("", ORIGIN)}, "the reference of 'main' is not a printable text"),
        ({"main": (5, ORIGIN)}, "the reference of 'main' is not a printable text"),
        ({"main": ("a\n", ORIGIN)}, "the reference of 'main' is not a printable text"),
        ({"env:X": ("a", ORIGIN)}, "that is not a name for a secret"),
        ({"main": ("a", "*")}, "origin"),
    ],
)
def test_what_is_no_reference(keys: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Secrets.from_store(Own(), keys)


def test_which_names_are_held() -> None:
    first, second = Own(one="k"), Own(two="k")
    sources = open_sources(
        [Secrets.from_store(first, {"a": ("one", ORIGIN)}), Secrets.from_store(second, {"a": ("x", ORIGIN), "b": ("two", ORIGIN)})], {}
    )
    assert sources.holding(["c", "b", "a"]) == ("b", "a")
    assert second.asked == ["two"]  # what an earlier place has is not asked for again


class Absent(Own):
    """A store that this machine does not have."""

    def find(self, name: str) -> SecretRecord | None:
        raise StoreAbsent("not here")

    holding = find

    def names(self) -> tuple[str, ...]:
        return ()

    def forget(self, name: str) -> None: ...


class Listing(Absent):
    """A store that tells what it holds without reading it out."""

    def __init__(self, *listed: str) -> None:
        super().__init__()
        self.listed = listed

    def holding(self, names: Sequence[str]) -> tuple[str, ...]:  # type: ignore[override]
        self.asked.append(",".join(names))
        return self.listed


def test_a_store_that_can_list_is_asked_once_and_an_absent_one_counts_as_empty() -> None:
    listing, own = Listing("b", "not asked for"), Own(one="k")
    sources = Sources([Absent(), listing, source(own, a="one", b="one")])
    assert sources.holding(iter(["a", "b", "c"])) == ("a", "b")
    assert (listing.asked, own.asked) == (["a,b,c"], ["one"])

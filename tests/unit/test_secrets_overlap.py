"""Two revisions of a key: in records, in both stores, and in what is presented."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from saferoute import keys
from saferoute.drivers.storage.vault_file import VaultStore
from saferoute.errors import ConfigurationError, OriginMismatch, SecretError
from saferoute.secrets import vault
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.kept import WatchedRecord
from saferoute.secrets.lookup import MemorySource, Sources, StoredKey
from saferoute.secrets.overlap import Overlap, OverlapEnd, overlap_of
from saferoute.secrets.secret import Previous, Secret, SecretRecord, key_to_store
from saferoute.secrets.vault_format import TAG, decode
from tests.support.secret_stores import ORIGIN, OTHER, FakeBackend, keyring, record, weak_vault

UNTIL = 2_000_000_000


def two(revision: int = 4, until: int = UNTIL, origins: tuple[str, ...] = (ORIGIN,)) -> SecretRecord:
    return SecretRecord("main", Secret("new-key"), origins, revision, Previous(Secret("old-key"), until))


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


# -------------------------------------------------------------------------------------------------------------- records


def test_the_other_revision_goes_to_the_same_origins_and_counts_one_less() -> None:
    overlap = overlap_of(two())
    assert overlap == Overlap(two(), Previous(Secret("old-key"), UNTIL))
    assert overlap.record() == two()
    other = overlap.other(UNTIL - 1)
    assert other is not None
    assert other.record() == SecretRecord("main", Secret("old-key"), (ORIGIN,), 3)
    back = other.other(UNTIL - 1)
    assert back == overlap


def test_from_its_end_on_there_is_no_other() -> None:
    overlap = Overlap(two(), Previous(Secret("old-key"), UNTIL))
    assert overlap.other(UNTIL - 0.001) is not None
    assert overlap.other(UNTIL) is None
    assert overlap.other(UNTIL + 1) is None


def test_what_the_note_says() -> None:
    overlap = Overlap(two(), Previous(Secret("old-key"), UNTIL))
    other = overlap.other(0)
    assert other is not None
    assert other.note() == (
        "revision 4 of the secret 'main' was refused, and revision 3 was accepted: make sure that the new key is valid before the overlap ends"
    )
    assert overlap.note() == "revision 3 of the secret 'main' was refused, and revision 4 was accepted: the overlap can end"
    assert "key" not in repr(overlap).replace("'main'", "").replace("Secret(...)", "")


def test_one_revision_is_no_overlap() -> None:
    assert overlap_of(record()) is None


def test_a_place_that_tells_itself_is_asked_instead() -> None:
    class Watch:
        stamp = 1

        def is_due(self) -> bool:
            return False

        def has_changed(self) -> bool:
            return False

    watched = WatchedRecord("main", Secret("k"), (ORIGIN,), 2, Previous(Secret("old"), UNTIL), watch=Watch())
    assert overlap_of(watched) is None


def test_the_end_of_a_turn() -> None:
    clock = Clock(UNTIL - 0.001)
    end = OverlapEnd(UNTIL, clock)
    assert (end.is_due(), end.has_changed(), end.stamp) == (False, True, UNTIL)
    clock.now = UNTIL
    assert end.is_due()


# ---------------------------------------------------------------------------------------------------------- credentials


class Counting(MemorySource):
    found = 0

    def find(self, name: str) -> SecretRecord | None:
        self.found += 1
        return super().find(name)


def credentials(*records: SecretRecord) -> tuple[Credentials, Counting]:
    source = Counting(records)
    return Credentials(Sources([source])), source


def bearer(of: Credentials, origin: str = ORIGIN) -> bytes:
    return of.header("main", "bearer", origin)[1]


def test_a_switch_presents_the_other_one_and_asks_the_store_no_more() -> None:
    made, source = credentials(two(origins=(ORIGIN, OTHER)))
    assert bearer(made) == b"Bearer new-key"
    epoch = made.epoch
    assert (epoch, source.found) == (1, 1)
    clock = Clock(UNTIL - 10)
    switched = made.switch("main", epoch, clock)
    assert switched is not None
    assert switched.presents_previous
    assert made.cached("main", "bearer", ORIGIN) is None
    assert bearer(made) == b"Bearer old-key"
    assert bearer(made, OTHER) == b"Bearer old-key"
    assert (made.epoch, source.found) == (2, 1)
    back = made.switch("main", made.epoch, clock)
    assert back is not None
    assert not back.presents_previous
    assert (bearer(made), bearer(made, OTHER), made.epoch) == (b"Bearer new-key", b"Bearer new-key", 3)


def test_a_refusal_that_comes_late_does_not_switch_back() -> None:
    """Two calls presented the new key; the first refusal switched, and the second must not switch again."""
    made, _ = credentials(two())
    bearer(made)
    epoch = made.epoch
    clock = Clock(UNTIL - 10)
    assert made.switch("main", epoch, clock) == made.switch("main", epoch, clock)
    assert bearer(made) == b"Bearer old-key"


def test_the_previous_key_is_not_presented_from_its_end_on() -> None:
    made, source = credentials(two())
    bearer(made)
    clock = Clock(UNTIL - 10)
    made.switch("main", made.epoch, clock)
    bearer(made)
    assert made.cached("main", "bearer", ORIGIN) is not None
    clock.now = UNTIL
    assert made.cached("main", "bearer", ORIGIN) is None
    made.look_up("main", "bearer", ORIGIN)
    assert (bearer(made), source.found) == (b"Bearer new-key", 2)
    assert made.switch("main", made.epoch, clock) is None
    assert bearer(made) == b"Bearer new-key"


def test_without_an_overlap_nothing_is_switched() -> None:
    made, _ = credentials(SecretRecord("main", Secret("new-key"), (ORIGIN,)))
    assert made.switch("main", 0, Clock(0)) is None
    bearer(made)
    assert made.switch("main", made.epoch, Clock(0)) is None
    assert (bearer(made), made.epoch) == (b"Bearer new-key", 1)


def test_forgetting_ends_a_turn() -> None:
    made, source = credentials(two())
    bearer(made)
    made.switch("main", made.epoch, Clock(0))
    made.forget("main")
    assert (bearer(made), source.found) == (b"Bearer new-key", 2)


def test_the_previous_key_is_bound_as_the_new_one() -> None:
    made, _ = credentials(two())
    bearer(made)
    made.switch("main", made.epoch, Clock(0))
    with pytest.raises(OriginMismatch):
        bearer(made, OTHER)


def test_an_aws_key_is_switched_too() -> None:
    place = "https://bedrock-runtime.us-east-1.amazonaws.com"
    both = SecretRecord("main", Secret("AKIDNEW:s"), (place,), 2, Previous(Secret("AKIDOLD:s"), UNTIL))
    made, _ = credentials(both)
    first = made.signer("main", place)
    assert first._keys.access_key == "AKIDNEW"
    made.switch("main", made.epoch, Clock(0))
    assert made.signer("main", place)._keys.access_key == "AKIDOLD"


# --------------------------------------------------------------------------------------------------------------- stores


@pytest.fixture(params=["keyring", "vault"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return keyring(FakeBackend()) if request.param == "keyring" else weak_vault(tmp_path / "v.json")


def test_a_store_keeps_both_and_drops_the_oldest(store: Any) -> None:
    store.add(record(key="k-1"))
    rotated = store.rotate(record(key="k-2"), until=UNTIL)
    assert rotated == StoredKey("openai", (ORIGIN,), 2, rotated.store, UNTIL)
    assert store.stored() == (rotated,)
    assert store.find("openai") == SecretRecord("openai", Secret("k-2"), (ORIGIN,), 2, Previous(Secret("k-1"), UNTIL))
    store.rotate(record(key="k-3"), until=UNTIL + 1)
    assert store.find("openai") == SecretRecord("openai", Secret("k-3"), (ORIGIN,), 3, Previous(Secret("k-2"), UNTIL + 1))
    assert store.rotate(record(key="k-4")).overlap_until is None
    assert store.find("openai") == SecretRecord("openai", Secret("k-4"), (ORIGIN,), 4)
    store.rotate(record(key="k-5"), until=UNTIL)
    assert store.remove("openai").overlap_until == UNTIL


def test_a_vault_tells_the_end_without_its_passphrase_and_the_keys_only_with_it(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    store = weak_vault(path)
    store.add(record(key="first-canary"))
    store.rotate(record(key="second-canary"), until=UNTIL)

    def nobody(_: bool) -> Any:
        raise AssertionError("asked")

    assert VaultStore(path, nobody, unsafe_weak_kdf=True).stored()[0].overlap_until == UNTIL
    assert b"canary" not in path.read_bytes()
    assert decode(path.read_bytes(), unsafe_weak_kdf=True).records[0].until == UNTIL


@pytest.mark.parametrize(
    "previous",
    ["{}", '{"secret":"k"}', '{"secret":"k","until":0}', '{"secret":"k","until":true}', '{"secret":"k","until":"5"}',
     '{"secret":"","until":5}', '{"secret":5,"until":5}', '{"secret":"k","until":5,"x":1}', "null", "5"],
)  # fmt: skip
def test_a_keyring_entry_whose_overlap_is_malformed_is_refused(previous: str) -> None:
    backend = FakeBackend()
    backend.entries["saferoute/openai", "openai"] = f'{{"origins":["{ORIGIN}"],"previous":{previous},"revision":2,"secret":"k","v":1}}'
    with pytest.raises(SecretError, match="not written by saferoute"):
        keyring(backend).find("openai")


@pytest.mark.parametrize("until", ["0", "-1", "true", '"5"', "null", "1099511627777"])
def test_a_vault_whose_overlap_is_malformed_is_refused(until: str, tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    store = weak_vault(path)
    store.add(record())
    store.rotate(record(), until=UNTIL)
    text = path.read_text()
    assert text.count(f'"until":{UNTIL}') == 1
    with pytest.raises(SecretError, match="the end of a record's overlap is not a time"):
        decode(text.replace(f'"until":{UNTIL}', f'"until":{until}').encode(), unsafe_weak_kdf=True)
    decode(text.replace(f'"until":{UNTIL}', '"until":1099511627776').encode(), unsafe_weak_kdf=True)
    decode(text.replace(f'"until":{UNTIL}', '"until":1').encode(), unsafe_weak_kdf=True)


def test_two_keys_of_the_greatest_length_fit(tmp_path: Path) -> None:
    store = weak_vault(tmp_path / "v.json")
    store.add(record(key="a" * 16_384))
    store.rotate(record(key="b" * 16_384), until=UNTIL)
    assert store.find("openai") == SecretRecord("openai", Secret("b" * 16_384), (ORIGIN,), 2, Previous(Secret("a" * 16_384), UNTIL))


# ---------------------------------------------------------------------------------------------------------- keys.rotate


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    backend = FakeBackend()
    monkeypatch.setattr(keys, "open_keyring", lambda: keyring(backend))
    monkeypatch.setattr("saferoute.keys.time.time", lambda: 1_000.25)
    return backend


@pytest.mark.parametrize(("overlap", "until"), [(60, 1_061), (0.75, 1_001), (timedelta(hours=1), 4_601), (90 * 86_400, 7_777_001)])
def test_rotate_says_when_the_overlap_ends(ring: FakeBackend, overlap: Any, until: int) -> None:
    keys.add("openai", "k-1", store="keyring")
    assert keys.rotate("openai", "k-2", overlap=overlap, store="keyring").overlap_until == until


@pytest.mark.parametrize("overlap", [0, -1, 90 * 86_400 + 1, float("nan"), float("inf"), True, "60", timedelta(0), timedelta(days=91)])
def test_an_overlap_that_makes_no_sense(ring: FakeBackend, overlap: Any) -> None:
    keys.add("openai", "k-1", store="keyring")
    with pytest.raises(ConfigurationError, match="an overlap is a timedelta or a number of seconds, above 0 and at most 90 days"):
        keys.rotate("openai", "k-2", overlap=overlap, store="keyring")
    assert key_to_store(keyring(ring).find("openai").secret) == b"k-1"  # type: ignore[union-attr]


@pytest.mark.parametrize("plain", [b"one-key", b"one-key\ntwo\nthree", b"one-key\n", b"\none-key", b"one key\nother"])
def test_a_vault_record_that_does_not_hold_two_keys_is_refused(plain: bytes, tmp_path: Path) -> None:
    """Only whoever has the passphrase can write such a record; what it holds is still not taken for a key."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    store = weak_vault(tmp_path / "v.json")
    store.add(record())
    store.rotate(record(), until=UNTIL)
    sealed = decode((tmp_path / "v.json").read_bytes(), unsafe_weak_kdf=True)
    [one] = sealed.records
    key = store._unlocked(sealed)
    aead, _ = vault._record_keys(key, one.salt, one.bound())
    forged = replace(one, data=AESGCM(aead).encrypt(one.nonce, plain, TAG + one.bound()))
    with pytest.raises(SecretError, match="the record 'openai' does not fit its name, origins and revision"):
        vault.open_record(replace(sealed, records=(forged,)), key, "openai")


def test_a_record_whose_overlap_was_made_longer_is_refused(tmp_path: Path) -> None:
    store = weak_vault(tmp_path / "v.json")
    store.add(record())
    store.rotate(record(), until=UNTIL)
    sealed = decode((tmp_path / "v.json").read_bytes(), unsafe_weak_kdf=True)
    key = store._unlocked(sealed)
    for until in (UNTIL + 1, None):
        edited = replace(sealed, records=(replace(sealed.records[0], until=until),))
        with pytest.raises(SecretError, match="its authentication code does not fit"):
            vault.verify(edited, key)
        with pytest.raises(SecretError, match="does not fit its name, origins and revision"):
            vault.open_record(edited, key, "openai")


def test_the_keyrings_list_tells_what_is_held_with_one_question() -> None:
    backend = FakeBackend()
    store = keyring(backend)
    for name in ("openai", "anthropic"):
        store.add(record(name))
    backend.calls.clear()
    assert store.holding([f"n{number}" for number in range(22)] + ["openai", "anthropic"]) == ("openai", "anthropic")
    assert backend.calls == [("get", "INDEX")]

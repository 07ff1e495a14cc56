"""The vault's bytes: what is written is read back, under every key but the right one nothing is."""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import ConfigurationError, SecretError, SecretStoreLocked
from saferoute.secrets import vault
from saferoute.secrets.secret import Passphrase, Secret, SecretRecord, key_to_store
from saferoute.secrets.vault_format import Kdf, SealedVault, decode, encode
from tests.support.secret_stores import ORIGIN, OTHER, PHRASE, WEAK, record

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=300)
NAMES = st.from_regex(r"[a-z0-9]{1,8}([._/-][a-z0-9]{1,8}){0,2}", fullmatch=True)


def new(phrase: str = PHRASE) -> tuple[SealedVault, vault.VaultKey]:
    return vault.create(Passphrase(phrase), random=os.urandom, kdf=WEAK, unsafe_weak_kdf=True)


def with_all(*records: SecretRecord) -> tuple[SealedVault, vault.VaultKey]:
    sealed, key = new()
    for one in records:
        sealed = vault.with_record(sealed, key, one, random=os.urandom)
    return sealed, key


@given(st.dictionaries(NAMES, st.tuples(KEYS, st.sets(st.sampled_from([ORIGIN, OTHER]), min_size=1), st.integers(1, 2**31)), max_size=4))
@settings(max_examples=40, deadline=None)
def test_what_is_sealed_is_read_back(content: dict[str, tuple[str, set[str], int]]) -> None:
    records = [SecretRecord(name, Secret(key), tuple(sorted(where)), revision) for name, (key, where, revision) in content.items()]
    sealed, _ = with_all(*records)
    again = decode(encode(sealed), unsafe_weak_kdf=True)
    assert again == sealed
    assert encode(again) == encode(sealed)
    key = vault.unlock(again, Passphrase(PHRASE))
    for one in records:
        assert vault.open_record(again, key, one.name) == one
    assert vault.open_record(again, key, "nobody") is None


def test_the_file_is_the_same_for_the_same_randomness() -> None:
    def sealed() -> bytes:
        counter = itertools.count()
        empty, key = vault.create(Passphrase(PHRASE), random=lambda n: bytes([next(counter)]) * n, kdf=WEAK, unsafe_weak_kdf=True)
        return encode(vault.with_record(empty, key, record(key="k-1"), random=lambda n: bytes([next(counter)]) * n))

    assert sealed() == sealed()
    assert b'"data":"' in sealed()
    assert b"k-1" not in sealed()


def test_each_sealing_is_different() -> None:
    sealed, key = with_all(record())
    again = vault.with_record(sealed, key, record(), random=os.urandom)
    first, second = sealed.records[0], again.records[0]
    assert first.data != second.data
    assert first.nonce != second.nonce
    assert first.salt != second.salt


def test_the_production_derivation() -> None:
    sealed, key = vault.create(Passphrase(PHRASE), random=os.urandom)
    assert sealed.kdf == Kdf(iterations=3, lanes=4, memory_kib=65_536)
    read = decode(encode(vault.with_record(sealed, key, record(), random=os.urandom)))
    assert vault.open_record(read, vault.unlock(read, Passphrase(PHRASE)), "openai") == record()


def test_replacing_and_removing() -> None:
    sealed, key = with_all(record("b"), record("a"), record("c"))
    assert [one.name for one in sealed.records] == ["a", "b", "c"]
    sealed = vault.with_record(sealed, key, record("b", "new", revision=2), random=os.urandom)
    opened = vault.open_record(sealed, key, "b")
    assert opened is not None
    assert (key_to_store(opened.secret), opened.revision) == (b"new", 2)
    sealed = vault.without_record(sealed, key, "b")
    assert [one.name for one in sealed.records] == ["a", "c"]
    vault.verify(sealed, key)


def test_a_wrong_passphrase_is_told_from_damage() -> None:
    sealed, _ = with_all(record())
    with pytest.raises(SecretStoreLocked, match="does not open this vault"):
        vault.unlock(sealed, Passphrase("wrong horse battery"))


def test_a_new_vault_wants_a_passphrase_worth_it() -> None:
    with pytest.raises(SecretError, match="at least 8 characters"):
        new("short")


def test_sealing_under_another_vaults_key_is_refused() -> None:
    sealed, _ = new()
    _, other = new()
    with pytest.raises(SecretError, match="key of another vault"):
        vault.with_record(sealed, other, record(), random=os.urandom)


def test_a_full_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "MAX_RECORDS", 1)
    sealed, key = with_all(record("a"))
    with pytest.raises(SecretError, match="the vault is full"):
        vault.with_record(sealed, key, record("b"), random=os.urandom)
    monkeypatch.setattr("saferoute.secrets.vault_format.MAX_VAULT_BYTES", 100)
    with pytest.raises(SecretError, match="the vault is full"):
        encode(sealed)


def test_malformed_names_and_origins_are_not_sealed() -> None:
    sealed, key = new()
    for bad in (record("env:X"), record(origins=()), record(origins=("http://a b",))):
        with pytest.raises(ConfigurationError):
            vault.with_record(sealed, key, bad, random=os.urandom)


@pytest.mark.parametrize(("what", "lacking"), [(MemoryError, "64 MiB of free memory"), ("unsupported", "an OpenSSL with Argon2id")])
def test_a_machine_that_cannot_derive(monkeypatch: pytest.MonkeyPatch, what: object, lacking: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf import argon2

    def fails(**_: object) -> None:
        raise MemoryError if what is MemoryError else UnsupportedAlgorithm("no")

    monkeypatch.setattr(argon2, "Argon2id", fails)
    with pytest.raises(SecretError, match=lacking):
        vault.create(Passphrase(PHRASE), random=os.urandom)

"""Keys, names, bindings and the header."""

from __future__ import annotations

import pytest

from saferoute.errors import ConfigurationError, OriginMismatch, SecretError
from saferoute.secrets.secret import (
    Passphrase,
    Secret,
    SecretRecord,
    bound_origins,
    check_name,
    credential_header,
    key_to_store,
    make_secret,
)
from tests.support.secret_stores import ORIGIN, OTHER, record


@pytest.mark.parametrize("name", ["openai", "x_ai", "azure.eu-1", "acme/openai", "9", "a" * 128])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "OpenAI", "a" * 129, "a b", "env:X", "/a", "a/", "a//b", "a..b", "ключ", "a\n", None, 5])
def test_not_names(name: str) -> None:
    with pytest.raises(ConfigurationError, match="not a name for a secret"):
        check_name(name)


def test_origins_are_checked_sorted_and_bounded() -> None:
    assert bound_origins(ORIGIN) == (ORIGIN,)
    assert bound_origins([ORIGIN, OTHER]) == (OTHER, ORIGIN)
    for bad in ([], [ORIGIN, ORIGIN], [f"https://h{n}.example.com" for n in range(17)], ["https://API.example.com"], ["api.example.com"]):
        with pytest.raises(ConfigurationError):
            bound_origins(bad)


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("bearer", (b"authorization", b"Bearer k-1")),
        ("x-api-key", (b"x-api-key", b"k-1")),
        ("api-key", (b"api-key", b"k-1")),
        ("x-goog-api-key", (b"x-goog-api-key", b"k-1")),
    ],
)
def test_headers(auth: str, header: tuple[bytes, bytes]) -> None:
    assert credential_header(record(key="k-1"), auth, ORIGIN) == header  # type: ignore[arg-type]


def test_a_key_goes_to_its_own_origin_only() -> None:
    with pytest.raises(OriginMismatch, match=r"bound to https://api\.openai\.com and was asked to go to https://api\.example\.com"):
        credential_header(record(), "bearer", OTHER)
    with pytest.raises(OriginMismatch, match="bound to no origin"):
        credential_header(SecretRecord("a", Secret("k"), ()), "bearer", OTHER)
    with pytest.raises(ConfigurationError, match="presents no secret"):
        credential_header(record(), "none", ORIGIN)


def test_equality() -> None:
    assert Secret("a") == Secret(b"a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Passphrase("a") != Secret("a")
    with pytest.raises(TypeError):
        hash(Secret("a"))


def test_making_one_without_an_exception() -> None:
    made = make_secret("k-1")
    assert isinstance(made, Secret)
    assert key_to_store(made) == b"k-1"
    assert make_secret("") == "a key must have 1 to 16384 bytes; this one has 0"


def test_a_passphrase_is_normalised_and_bounded() -> None:
    assert Passphrase("Cafe\u0301 e") == Passphrase("Caf\u00e9 e")
    for bad in ("", b"", "x" * 4_097):
        with pytest.raises(SecretError, match="passphrase must have 1 to 4096 bytes"):
            Passphrase(bad)

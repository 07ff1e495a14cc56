"""Attack: a program asks the library for a key that it keeps, through whatever it offers in public."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest

import saferoute
from saferoute import keys
from saferoute.client.blocking import Client
from saferoute.client.concurrent import AsyncClient
from tests.support.secret_stores import canary

ASKING = (
    "get",
    "read",
    "reveal",
    "show",
    "value",
    "expose",
    "dump",
    "export",
    "plain",
    "password",
    "secret",
    "token",
    "key",
    "decrypt",
    "unlock",
)


def public(thing: object) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def asks(name: str) -> bool:
    return any(word in ASKING for word in name.lower().split("_"))


def test_what_is_there_for_keys_puts_changes_lists_and_removes_them() -> None:
    assert keys.__all__ == ["RowKey", "StoredKey", "add", "check", "import_env", "list", "remove", "rotate"]
    for thing in (keys.RowKey, keys.StoredKey):
        assert [name for name in public(thing) if asks(name)] in ([], ["secret"])  # the secret's name
    for function in (keys.add, keys.check, keys.import_env, keys.list, keys.remove, keys.rotate):
        said = str(inspect.signature(function).return_annotation)
        assert not any(word in said for word in ("Secret", "bytes", "str"))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_no_attribute_of_a_client_or_of_secrets_is_a_key(kind: type[Any]) -> None:
    secrets = saferoute.Secrets.of({"openai": (canary(), "https://api.openai.com")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = kind.local(secrets=secrets)
    for thing in (client, secrets):
        assert [name for name in public(thing) if asks(name)] == []
        for name in public(thing):
            value = getattr(thing, name)
            assert canary() not in f"{value!r} {value}"
    said = [client.models(), repr(client), repr(secrets), client.security_report(), secrets.labels]
    assert canary() not in " ".join(map(str, said))

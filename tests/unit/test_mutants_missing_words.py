"""The exact words about a key that no place holds, and about an overlap."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.errors import SecretError
from saferoute.secrets.lookup import AbsentSource, MemorySource, Sources
from saferoute.secrets.overlap import Overlap
from saferoute.secrets.places import DefaultPlace, EnvironmentPlace, KeyringPlace, VaultPlace
from saferoute.secrets.secret import (
    Previous,
    Secret,
    SecretRecord,
)  # fmt: skip
from saferoute.secrets.sources import Secrets

API, OTHER = "https://api.openai.com", "https://other.example"
AWS = "https://bedrock-runtime.us-east-1.amazonaws.com"
RECORD = SecretRecord("openai", Secret("k"), (API,), 3)
CATALOGUE = {"openai": (("OPENAI_API_KEY", "OPENAI_KEY"), API), "groq": (("GROQ_API_KEY",), OTHER)}


def sources(*opened: Any, **more: Any) -> Sources:
    return Sources(opened, catalogue=CATALOGUE, **more)


def raised(text: Secret | SecretRecord | str | None) -> None:
    """What is said instead of being raised."""
    if isinstance(text, str):
        raise SecretError(text)


def b64(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()


def vault(record: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """A vault's bytes, as far as its form goes."""
    row = {
        "name": "a", "origins": [API], "revision": 1, "salt": b64(16), "nonce": b64(12), "commitment": b64(32), "data": b64(17),
        **(record or {}),
    }  # fmt: skip
    kdf = {"name": "argon2id", "iterations": 3, "lanes": 4, "memory_kib": 65_536, "salt": b64(16)}
    whole = {"schema": 1, "kdf": kdf, "check": b64(32), "mac": b64(32), "records": [row], **changes}
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()


CASES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "nothing anywhere": (
        lambda: raised(str(Sources(()).missing("openai"))), SecretError,
        ('No key for openai in any place, as none was given. Use saferoute.keys.add("openai", origins="https://...") or '
         "`python -m saferoute keys add openai --origin https://...` with secrets= left out, or "
         'secrets=Secrets.from_env({"openai": ("THE_VARIABLE", "https://...")}).'),
    ),
    "nothing in the keyring": (
        lambda: raised(str(sources(MemorySource((), label="the keyring"), places=[DefaultPlace()]).missing("openai", origin=API))), SecretError,
        ('No key for openai in the keyring. Use secrets="env", saferoute.keys.add("openai"), or `python -m saferoute keys '
         "add openai`."),
    ),
    "nothing for a table": (
        lambda: raised(str(sources(MemorySource((), label="the keyring"), places=[KeyringPlace()]).missing("openai", "groq"))), SecretError,
        ('No key for openai or groq in the keyring. Use Client.local(secrets="env"), saferoute.keys.add("openai"), or '
         "`python -m saferoute keys add openai`."),
    ),
    "set and not read": (
        lambda: raised(str(sources(MemorySource(()), places=[DefaultPlace()], present=lambda names: tuple(names)[:1]).missing("openai"))), SecretError,
        ("No key for openai in memory. OPENAI_API_KEY is set here, but saferoute reads no environment unless told. Use "
         'Client.local(secrets="env"), saferoute.keys.add("openai"), or `python -m saferoute keys add openai`.'),
    ),
    "set under another name": (
        lambda: raised(str(sources(MemorySource(()), places=[EnvironmentPlace(())], present=lambda names: tuple(names)[:1]).missing("groq"))), SecretError,
        ("No key for groq in memory. GROQ_API_KEY is set here, but secrets= names other variables. Use "
         'Client.local(secrets="env"), or saferoute.keys.add("groq") or `python -m saferoute keys add groq` with secrets= '
         "left out."),
    ),
    "in the vault": (
        lambda: raised(str(sources(MemorySource(()), places=[KeyringPlace()], vault_with=lambda _: "the vault ~/v.json").missing("groq"))), SecretError,
        ('No key for groq in memory. The vault ~/v.json has one: Client.local(secrets="vault") uses it. Use '
         'Client.local(secrets="env"), saferoute.keys.add("groq"), or `python -m saferoute keys add groq`.'),
    ),
    "in the vault for a call": (
        lambda: raised(str(sources(MemorySource(()), places=[DefaultPlace()], vault_with=lambda _: "the vault ~/v.json").missing("groq", origin=OTHER))), SecretError,
        ('No key for groq in memory. The vault ~/v.json has one: secrets="vault" uses it. Use secrets="env", '
         'saferoute.keys.add("groq"), or `python -m saferoute keys add groq`.'),
    ),
    "an absent keyring": (
        lambda: raised(str(sources(AbsentSource("the keyring", "This machine has no keyring."), places=[KeyringPlace()]).missing("x", origin=OTHER))), SecretError,
        ('No key for x in the keyring. This machine has no keyring. Use saferoute.keys.add("x", '
         'origins="https://other.example") or `python -m saferoute keys add x --origin https://other.example` with secrets= '
         'left out, or secrets=Secrets.from_env({"x": ("THE_VARIABLE", "https://other.example")}).'),
    ),
    "an unknown name in the environment": (
        lambda: raised(str(sources(MemorySource(()), places=[EnvironmentPlace((("x", "X_KEY", (API,)),))]).missing("x", origin=OTHER))), SecretError,
        ('No key for x in memory. Set X_KEY before the client is made, or use saferoute.keys.add("x", '
         'origins="https://other.example") or `python -m saferoute keys add x --origin https://other.example` with secrets= '
         "left out."),
    ),
    "a vault of its own": (
        lambda: raised(str(sources(MemorySource(()), places=[VaultPlace("/a b/v.json", key_file="/k")]).missing("openai", origin=API))), SecretError,
        ('No key for openai in memory. Use secrets="env", saferoute.keys.add("openai", store=Secrets.vault("/a b/v.json", '
         "key_file=\"/k\")), or `python -m saferoute keys add openai --vault '/a b/v.json' --passphrase-file /k`."),
    ),
    "a vault with letters beyond ASCII": (
        lambda: raised(str(sources(MemorySource(()), places=[VaultPlace("/é.json", key_file="/ü k")]).missing("openai", origin=API))), SecretError,
        ('No key for openai in memory. Use secrets="env", saferoute.keys.add("openai", store=Secrets.vault("/é.json", '
         "key_file=\"/ü k\")), or `python -m saferoute keys add openai --vault '/é.json' --passphrase-file '/ü k'`."),
    ),
    "the default vault": (
        lambda: raised(str(sources(MemorySource(()), places=[VaultPlace()]).missing("x", origin=OTHER))), SecretError,
        ('No key for x in memory. Use saferoute.keys.add("x", origins="https://other.example", store="vault"), `python -m '
         'saferoute keys add x --origin https://other.example --store vault`, or secrets=Secrets.from_env({"x": '
         '("THE_VARIABLE", "https://other.example")}).'),
    ),
    "an AWS key": (
        lambda: raised(str(sources(MemorySource(()), places=[DefaultPlace()]).missing("aws", origin=AWS, signs=True))), SecretError,
        ('No key for aws in memory. Use saferoute.keys.add("aws", '
         'origins="https://bedrock-runtime.us-east-1.amazonaws.com"), `python -m saferoute keys add aws --origin '
         "https://bedrock-runtime.us-east-1.amazonaws.com`, "
         'secrets=Secrets.from_aws_env(origins="https://bedrock-runtime.us-east-1.amazonaws.com"), or '
         'secrets=Secrets.from_aws_profile(origins="https://bedrock-runtime.us-east-1.amazonaws.com"). A stored AWS key is '
         "ACCESS_KEY_ID:SECRET_ACCESS_KEY, with :SESSION_TOKEN behind it for temporary keys."),
    ),
    "an AWS key for nowhere yet": (
        lambda: raised(str(sources(MemorySource(()), places=[DefaultPlace()]).missing("aws", signs=True))), SecretError,
        ('No key for aws in memory. Use saferoute.keys.add("aws", origins="https://..."), `python -m saferoute keys add aws '
         '--origin https://...`, secrets=Secrets.from_aws_env(origins="https://..."), or '
         'secrets=Secrets.from_aws_profile(origins="https://..."). A stored AWS key is ACCESS_KEY_ID:SECRET_ACCESS_KEY, '
         "with :SESSION_TOKEN behind it for temporary keys."),
    ),
    "an AWS key of another name": (
        lambda: raised(str(sources(MemorySource(()), places=[*Secrets.from_aws_env(origins=AWS, name="x").places, *Secrets.from_aws_profile(origins=AWS, name="x").places]).missing("x", origin=AWS, signs=True))), SecretError,
        ("No key for x in memory. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY before the client is made, or use "
         'saferoute.keys.add("x", origins="https://bedrock-runtime.us-east-1.amazonaws.com") or `python -m saferoute keys '
         "add x --origin https://bedrock-runtime.us-east-1.amazonaws.com` with secrets= left out, or "
         'secrets=Secrets.from_aws_profile(origins="https://bedrock-runtime.us-east-1.amazonaws.com", name="x"). A stored '
         "AWS key is ACCESS_KEY_ID:SECRET_ACCESS_KEY, with :SESSION_TOKEN behind it for temporary keys."),
    ),
    "a note of an overlap": (
        lambda: raised(Overlap(RECORD, Previous(Secret("p"), 9)).note()), SecretError,
        "revision 2 of the secret 'openai' was refused, and revision 3 was accepted: the overlap can end",
    ),
    "a note of the one before": (
        lambda: raised(Overlap(RECORD, Previous(Secret("p"), 9), presents_previous=True).note()), SecretError,
        ("revision 3 of the secret 'openai' was refused, and revision 2 was accepted: make sure that the new key is valid "
         "before the overlap ends"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_words(case: str) -> None:
    act, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert str(caught.value) == words

"""Against a real OpenBao: keys out of its key-value store, and tables signed by its transit engine.

Start one in development mode on loopback, and say where and with which root token: SAFEROUTE_OPENBAO_PORT and SAFEROUTE_OPENBAO_TOKEN
(default: root). Without the port everything here skips.
"""

from __future__ import annotations

import base64
import json
import os
import secrets as randomness
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

import saferoute
from saferoute.drivers.openbao_transit import TransitSigner, open_transit_signer
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import ConfigurationError, OriginMismatch, SecretError, SecretNotFound, SecretStoreLocked
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.routing.trust import verify_bundle
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.secret import key_to_store
from saferoute.secrets.sources import Secrets
from saferoute.signing.keys import PrivateKey
from saferoute.signing.strict_json import canonical
from tests.support.secret_stores import assert_not_shown, canary
from tests.support.trust_cases import row, table

PORT = os.environ.get("SAFEROUTE_OPENBAO_PORT", "")
ROOT_TOKEN = os.environ.get("SAFEROUTE_OPENBAO_TOKEN", "root")
ADDRESS = f"http://127.0.0.1:{PORT}"
ORIGIN = "https://api.example.com"

pytestmark = pytest.mark.skipif(not PORT, reason="SAFEROUTE_OPENBAO_PORT names no OpenBao")


def bao(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the server as its root, without a line of the product."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{ADDRESS}/v1/{path}", data, {"X-Vault-Token": ROOT_TOKEN}, method=method)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else {}


@pytest.fixture
def path() -> str:
    return f"saferoute-test/{randomness.token_hex(6)}"


def login(value: str = ROOT_TOKEN, origin: str = ADDRESS) -> Secrets:
    return Secrets.of({"bao": (value, origin)})


def keys_at(path: str, **more: Any) -> Secrets:
    return Secrets.openbao(ADDRESS, {"row": (path, ORIGIN)}, **{"credentials": login(), "token": "bao", **more})


def test_a_key_is_fetched_once_and_again_after_a_refusal(path: str) -> None:
    bao("POST", f"secret/data/{path}", {"data": {"v": 1, "secret": "key-one", "origins": [ORIGIN]}})
    credentials = Credentials(open_sources(keys_at(path), {}))
    assert credentials.header("row", "bearer", ORIGIN) == (b"authorization", b"Bearer key-one")
    bao("POST", f"secret/data/{path}", {"data": {"v": "1", "secret": "key-two", "origins": ORIGIN}})  # texts, as its command line writes
    assert credentials.header("row", "x-api-key", ORIGIN) == (b"x-api-key", b"key-one")
    credentials.forget("row")
    assert credentials.header("row", "bearer", ORIGIN) == (b"authorization", b"Bearer key-two")


def test_the_revision_is_the_version(path: str) -> None:
    for number in (1, 2, 3):
        bao("POST", f"secret/data/{path}", {"data": {"v": 1, "secret": f"key-{number}"}})
    found = open_sources(keys_at(path), {}).find("row")
    assert found is not None
    assert (found.revision, found.origins, key_to_store(found.secret)) == (3, (ORIGIN,), b"key-3")


def test_what_is_not_there_is_a_missing_key(path: str) -> None:
    sources = open_sources(keys_at(path), {})
    assert sources.find("row") is None
    assert sources.find("other") is None
    assert f"OpenBao at {ADDRESS} has nothing at {path}." in str(sources.missing("row", origin=ORIGIN))
    bao("POST", f"secret/data/{path}", {"data": {"v": 1, "secret": "k"}})
    bao("DELETE", f"secret/data/{path}")
    assert sources.find("row") is None


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ('{"v": 1, "secret": "KEY", "origins": ["https://evil.example"]}', "binds it to https://evil.example"),
        ('{"OPENAI_API_KEY": "KEY"}', "its document is not"),
        ('{"v": 1, "secret": "KEY\\nKEY"}', "the secret in its document"),
    ],
)
def test_a_document_that_does_not_fit_is_refused(path: str, document: str, words: str) -> None:
    bao("POST", f"secret/data/{path}", {"data": json.loads(document.replace("KEY", canary()))})
    with pytest.raises(SecretError, match=words) as caught:
        open_sources(keys_at(path), {}).find("row")
    assert_not_shown(caught.value, canary())


def test_an_absent_mount_is_not_a_missing_key(path: str) -> None:
    with pytest.raises(SecretError):
        open_sources(keys_at(path, mount="elsewhere"), {}).find("row")


def test_a_wrong_token_says_so(path: str) -> None:
    with pytest.raises(SecretStoreLocked, match=f"refuses /v1/secret/data/{path}") as caught:
        open_sources(keys_at(path, credentials=login(canary())), {}).find("row")
    assert_not_shown(caught.value, canary())


def test_a_token_that_is_bound_elsewhere_is_not_sent(path: str) -> None:
    with pytest.raises(OriginMismatch):
        open_sources(keys_at(path, credentials=login(origin=ORIGIN)), {}).find("row")


def test_no_token_is_a_missing_key(path: str) -> None:
    with pytest.raises(SecretNotFound, match="no key for elsewhere"):
        open_sources(keys_at(path, token="elsewhere"), {}).find("row")


def test_an_approle_logs_in_and_again_when_its_token_ends(path: str) -> None:
    role = f"saferoute-{randomness.token_hex(4)}"
    if "approle/" not in bao("GET", "sys/auth")["data"]:
        bao("POST", "sys/auth/approle", {"type": "approle"})
    bao("PUT", f"sys/policies/acl/{role}", {"policy": f'path "secret/data/{path}" {{ capabilities = ["read"] }}'})
    bao("POST", f"auth/approle/role/{role}", {"token_policies": role, "token_ttl": "1h"})
    role_id = bao("GET", f"auth/approle/role/{role}/role-id")["data"]["role_id"]
    secret_id = bao("POST", f"auth/approle/role/{role}/secret-id", {})["data"]["secret_id"]
    bao("POST", f"secret/data/{path}", {"data": {"v": 1, "secret": "key-one"}})
    sources = open_sources(keys_at(path, credentials=login(secret_id), token=None, approle=(role_id, "bao")), {})
    assert sources.find("row") is not None
    for accessor in bao("LIST", "auth/token/accessors")["data"]["keys"]:
        if role in bao("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]["policies"]:
            bao("POST", "auth/token/revoke-accessor", {"accessor": accessor})
    sources.forget("row")
    assert sources.find("row") is not None
    refused = open_sources(keys_at(path, credentials=login("wrong-secret-id"), token=None, approle=(role_id, "bao")), {})
    with pytest.raises(SecretStoreLocked, match="does not accept the approle login of bao") as caught:
        refused.find("row")
    assert_not_shown(caught.value, "wrong-secret-id")


# ------------------------------------------------------------------------------------------------------------- transit


@pytest.fixture
def transit() -> str:
    if "transit/" not in bao("GET", "sys/mounts")["data"]:
        bao("POST", "sys/mounts/transit", {"type": "transit"})
    return f"saferoute-{randomness.token_hex(6)}"


def signer(key: str, **more: Any) -> TransitSigner:
    return open_transit_signer(ADDRESS, key, credentials=login(), token="bao", **more)


def test_a_root_and_a_release_signed_by_transit_verify(transit: str) -> None:
    for name in (f"{transit}-root", f"{transit}-table"):
        bao("POST", f"transit/keys/{name}", {"type": "ed25519"})
    holder, tables, now = signer(f"{transit}-root"), signer(f"{transit}-table"), time.time()
    root = new_root("acme/models", root_signers=[holder], table_keys=[tables.public_key], now=now, not_after=now + 86_400)
    bundle = sign_release(root, [canonical(table(row()))], version=1, now=now, signers=[tables], not_after=now + 3_600)
    assert verify_bundle(root, pin(root), bundle, now, allow_local=False).version == 1
    assert repr(tables) == f"TransitSigner({transit}-table version 1, {tables.public_key.key_id[:12]})"


def test_a_key_file_and_transit_sign_one_root_together(transit: str) -> None:
    """One signer on a laptop, one in the server: the threshold counts both."""
    bao("POST", f"transit/keys/{transit}", {"type": "ed25519"})
    remote, local, tables, now = signer(transit), PrivateKey.generate(), PrivateKey.generate(), time.time()
    root = new_root(
        "acme/models", root_signers=[remote, local], table_keys=[tables.public_key], now=now, not_after=now + 86_400, root_threshold=2
    )
    bundle = sign_release(root, [canonical(table(row()))], version=1, now=now, signers=[tables], not_after=now + 3_600)
    assert verify_bundle(root, pin(root), bundle, now, allow_local=False).version == 1


def test_a_rotated_transit_key_keeps_the_version_that_was_opened(transit: str) -> None:
    bao("POST", f"transit/keys/{transit}", {"type": "ed25519"})
    first = signer(transit)
    bao("POST", f"transit/keys/{transit}/rotate", {})
    assert first.public_key.verify(first.sign(b"message"), b"message")
    second = signer(transit)
    assert second.public_key != first.public_key
    assert signer(transit, version=1).public_key == first.public_key
    with pytest.raises(ConfigurationError, match="no usable version 9"):
        signer(transit, version=9)


@pytest.mark.parametrize("kind", ["ecdsa-p256", "rsa-2048", "aes256-gcm96"])
def test_a_key_of_another_algorithm_is_refused(transit: str, kind: str) -> None:
    bao("POST", f"transit/keys/{transit}", {"type": kind})
    with pytest.raises(ConfigurationError, match="not a plain Ed25519 key"):
        signer(transit)


def test_a_derived_key_is_refused(transit: str) -> None:
    bao("POST", f"transit/keys/{transit}", {"type": "ed25519", "derived": True})
    with pytest.raises(ConfigurationError, match="not a plain Ed25519 key"):
        signer(transit)


def test_a_prehashed_signature_is_refused(transit: str) -> None:
    """The server signs a digest (Ed25519ph) if it is asked to: such a signature does not verify, and is not handed on."""
    bao("POST", f"transit/keys/{transit}", {"type": "ed25519"})
    mine = signer(transit)
    try:
        fields = {"input": base64.b64encode(b"m" * 64).decode(), "prehashed": True, "hash_algorithm": "sha2-512"}
        answer = bao("POST", f"transit/sign/{transit}", fields)
    except urllib.error.HTTPError as error:
        assert error.code == 400
        return
    text = answer["data"]["signature"].rpartition(":")[2]
    prehashed = not mine.public_key.verify(base64.b64decode(text), b"m" * 64)
    assert prehashed or mine.sign(b"m" * 64) == base64.b64decode(text)  # or it ignored the wish, and signed the message itself


def test_no_such_key(transit: str) -> None:
    with pytest.raises(ConfigurationError, match="has no transit key"):
        signer(transit)


def test_the_package_offers_the_store() -> None:
    assert saferoute.Secrets is Secrets

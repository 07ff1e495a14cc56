"""A signing service that answers with another key's signature, another algorithm's, or one over a digest, to get a table that nobody checks.

A table that carries a signature nobody verified would be refused by every client at once, or, with a signer that lies about its key,
be somebody else's: what the service answers is therefore verified under the key that was read when the signer was opened.

Guards: saferoute/drivers/openbao_transit.py::if prefix != f"vault:v{self._version}" or signature is None or not self.public_key.verify(signature, message):
Guards: saferoute/drivers/openbao_transit.py::if fields.get("type") != "ed25519" or fields.get("derived"):
"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from saferoute.drivers.openbao_transit import TransitSigner, open_transit_signer
from saferoute.errors import ConfigurationError, SecretError, SecretStoreLocked
from saferoute.secrets.sources import Secrets
from saferoute.signing.keys import PrivateKey
from tests.support.secret_stores import assert_not_shown, canary
from tests.support.store_server import Said, StoreServer

KEY = PrivateKey.from_seed(b"k" * 32)
OTHER = PrivateKey.from_seed(b"o" * 32)
MESSAGE = b"what is to be signed"


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def about(raw: bytes = KEY.public_key.raw, latest: object = 2, **changes: Any) -> Said:
    keys = {"1": {"public_key": text(OTHER.public_key.raw)}, "2": {"public_key": text(raw)}}
    return Said(200, {"data": {"type": "ed25519", "derived": False, "latest_version": latest, "keys": keys, **changes}})


def signature(raw: bytes, prefix: str = "vault:v2:") -> Said:
    return Said(200, {"data": {"signature": prefix + text(raw), "key_version": 2}})


def opened(server: StoreServer, **more: Any) -> TransitSigner:
    return open_transit_signer(server.origin, "routing", credentials=Secrets.of({"bao": (canary(), server.origin)}), token="bao", **more)


def test_what_is_asked_and_answered() -> None:
    with StoreServer(about(), signature(KEY.sign(MESSAGE))) as server:
        signer = opened(server, mount="sign/ing", namespace="team")
        assert signer.public_key == KEY.public_key
        assert signer.sign(MESSAGE) == KEY.sign(MESSAGE)
        first, second = server.got
        assert (first.method, first.path) == ("GET", "/v1/sign/ing/keys/routing")
        assert (second.method, second.path) == ("POST", "/v1/sign/ing/sign/routing")
        assert second.fields == {"input": text(MESSAGE), "key_version": 2, "prehashed": False}
        assert {got.headers["x-vault-namespace"] for got in server.got} == {"team"}
        assert {got.headers["authorization"] for got in server.got} == {f"Bearer {canary()}"}
        assert repr(signer) == f"TransitSigner(routing version 2, {KEY.public_key.key_id[:12]})"


def test_a_version_that_was_asked_for() -> None:
    with StoreServer(about(), signature(OTHER.sign(MESSAGE), "vault:v1:")) as server:
        signer = opened(server, version=1)
        assert signer.public_key == OTHER.public_key
        assert signer.sign(MESSAGE) == OTHER.sign(MESSAGE)
        assert server.got[1].fields["key_version"] == 1


@pytest.mark.parametrize(
    "said",
    [
        signature(OTHER.sign(MESSAGE)),
        signature(KEY.sign(MESSAGE + b"!")),
        signature(KEY.sign(b"")),
        signature(KEY.sign(MESSAGE), "vault:v1:"),
        signature(KEY.sign(MESSAGE), "vault:v22:"),
        signature(KEY.sign(MESSAGE), "v2:"),
        signature(KEY.sign(MESSAGE), ""),
        signature(KEY.sign(MESSAGE)[:-1]),
        signature(KEY.sign(MESSAGE) + b"\0"),
        signature(b"\0" * 64),
        signature(b""),
        Said(200, {"data": {"signature": "vault:v2:" + text(KEY.sign(MESSAGE)) + "\n"}}),
        Said(200, {"data": {"signature": "vault:v2:" + text(KEY.sign(MESSAGE)).rstrip("=")}}),
        Said(200, {"data": {"signature": 5}}),
        Said(200, {"data": {}}),
        Said(200, {}),
        Said(400, {"data": {"signature": "vault:v2:" + text(KEY.sign(MESSAGE))}}),
        Said(404, {"errors": []}),
    ],
    ids=["other key", "other message", "empty", "version 1", "version 22", "no vault", "bare", "short", "long", "zeros", "nothing", "line end",
         "padding", "number", "none", "no data", "status 400", "status 404"],
)  # fmt: skip
def test_what_is_no_signature_of_this_key_over_these_bytes_is_refused(said: Said) -> None:
    with StoreServer(about(), said) as server:
        signer = opened(server)
        with pytest.raises(
            SecretError, match="without an Ed25519 signature by version 2 of the transit key routing over exactly"
        ) as caught:
            signer.sign(MESSAGE)
        assert f"answered {said.status} " in caught.value.message
        assert_not_shown(caught.value, canary())


def test_a_signature_over_the_digest_is_refused() -> None:
    """By the right key, and over what stands for the message instead of the message."""
    import hashlib

    with (
        StoreServer(about(), signature(KEY.sign(hashlib.sha512(MESSAGE).digest()))) as server,
        pytest.raises(SecretError, match="it is not used"),
    ):
        opened(server).sign(MESSAGE)


def test_a_prehashed_signature_is_refused() -> None:
    """Ed25519ph of the right key over the right message: RFC 8032, section 7.3."""
    key = PrivateKey.from_seed(bytes.fromhex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"))
    prehashed = bytes.fromhex(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
    )
    with StoreServer(about(key.public_key.raw), signature(prehashed), signature(key.sign(b"abc"))) as server:
        signer = opened(server)
        with pytest.raises(SecretError, match="it is not used"):
            signer.sign(b"abc")
        assert signer.sign(b"abc") == key.sign(b"abc")


@pytest.mark.parametrize("changes", [{"type": "ecdsa-p256"}, {"type": "rsa-2048"}, {"type": None}, {"derived": True}])
def test_another_kind_of_key_is_refused(changes: dict[str, Any]) -> None:
    with (
        StoreServer(about(**changes)) as server,
        pytest.raises(ConfigurationError, match="the transit key routing is not a plain Ed25519 key"),
    ):
        opened(server)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(404, {"errors": []}), "has no transit key routing: bao write -f transit/keys/routing type=ed25519"),
        (Said(200, {"data": []}), "has no transit key routing"),
        (Said(400, {"data": {"type": "ed25519"}}), "has no transit key routing"),
        (about(latest=3), "has no usable version 3: an Ed25519 public key has 32 bytes"),
        (about(latest=None), "has no usable version None"),
        (about(raw=b"\x01" + b"\0" * 31), "the public key is a point of small order"),
        (about(raw=b"\xff" * 32), "encoding is not canonical"),
        (about(raw=b"k" * 31), "has 32 bytes; this one has 31"),
        (about(keys={"2": {"public_key": text(KEY.public_key.raw) + "="}}), "has no usable version 2"),
        (about(keys={"2": 1_700_000_000}), "has no usable version 2"),
    ],
)
def test_what_is_no_key(said: Said, words: str) -> None:
    with StoreServer(said) as server, pytest.raises(ConfigurationError, match=words):
        opened(server)


def test_a_refused_login() -> None:
    with StoreServer(Said(403, {})) as server, pytest.raises(SecretStoreLocked, match="refuses /v1/transit/keys/routing"):
        opened(server)


@pytest.mark.parametrize("name", ["", "../x", "a?b", "a b"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with StoreServer(about()) as server:
        with pytest.raises(ConfigurationError, match="the name of a transit key is words of letters"):
            open_transit_signer(server.origin, name, credentials=Secrets.of({"bao": ("t", server.origin)}), token="bao")
        with pytest.raises(ConfigurationError, match="the mount is words of letters"):
            opened(server, mount=name)
        assert server.got == []


def test_how_much_is_signed() -> None:
    largest = b"m" * 131_072
    with StoreServer(about(), signature(KEY.sign(largest))) as server:
        signer = opened(server)
        assert signer.sign(largest) == KEY.sign(largest)
        with pytest.raises(SecretError, match="a message to sign has at most 131072 bytes"):
            signer.sign(largest + b"m")
        assert len(server.got) == 2

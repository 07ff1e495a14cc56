"""Signing tables with a key that never leaves OpenBao: an Ed25519 key of its transit engine as a Signer.

    with a key made by: bao write -f transit/keys/routing type=ed25519
    signer = open_transit_signer("https://bao.example.com:8200", "routing", credentials="keyring", token="bao-token")
    sign_release(root, [body], signers=[signer], ...)

One version of the key is used for as long as the signer lives. Every signature is verified here before it is handed on: one of another
algorithm, over a digest in place of the message, or by another version of the key does not fit, and is refused.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from saferoute.drivers.openbao import OpenBao, field_of
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import ConfigurationError, SecretError
from saferoute.secrets.remote_places import bao_server, check_path
from saferoute.secrets.secret import Hidden
from saferoute.signing.keys import PublicKey
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.secrets.sources import SecretsSpec

__all__ = ["TransitSigner", "open_transit_signer"]

_OK: Final = 200
_LARGEST: Final = 131_072


class TransitSigner:
    """A Signer whose private key stays in OpenBao; `saferoute.signing.keys.Signer` is what it implements.

    Attributes:
        public_key: the key that its signatures verify under.
    """

    __slots__ = ("_key", "_mount", "_session", "_version", "public_key")

    public_key: PublicKey

    def __init__(self, session: OpenBao, key: str, *, mount: str = "transit", version: int | None = None) -> None:
        """Read the public key.

        Args:
            session: who asks.
            key: the name of a transit key of the type ed25519.
            mount: where the transit engine is mounted.
            version: which version of the key; None for the newest.

        Raises:
            ConfigurationError: a malformed name; a key of another type, a derived one, or no such version.
            SecretError: the server cannot be asked.
        """
        self._session = session
        self._key = check_path(key, "name of a transit key")
        self._mount = check_path(mount, "mount")
        answer = session.ask("GET", f"/v1/{self._mount}/keys/{self._key}")
        fields = field_of(answer.fields, "data")
        if answer.status != _OK or not isinstance(fields, dict):
            raise ConfigurationError(f"{session.label} has no transit key {key}: bao write -f {mount}/keys/{key} type=ed25519")
        if fields.get("type") != "ed25519" or fields.get("derived"):
            raise ConfigurationError(f"the transit key {key} is not a plain Ed25519 key: tables are signed with type=ed25519, not derived")
        self._version = fields.get("latest_version") if version is None else version
        raw = _base64(field_of(fields, "keys", str(self._version), "public_key"))
        try:
            self.public_key = PublicKey(b"" if raw is None else raw)
        except Refused as refusal:
            raise ConfigurationError(f"the transit key {key} has no usable version {self._version}: {refusal}") from None

    def sign(self, message: bytes) -> bytes:
        """Have exactly these bytes signed.

        Raises:
            SecretError: the server cannot be asked or refuses, or what it answers is no Ed25519 signature of this key over these bytes.
        """
        if len(message) > _LARGEST:
            raise SecretError(f"a message to sign has at most {_LARGEST} bytes; releases and roots have a few thousand")
        asked = {"input": base64.b64encode(message).decode(), "key_version": self._version, "prehashed": False}
        answer = self._session.ask("POST", f"/v1/{self._mount}/sign/{self._key}", Hidden(json.dumps(asked).encode()))
        given = field_of(answer.fields, "data", "signature")
        prefix, _, text = given.rpartition(":") if answer.status == _OK and isinstance(given, str) else ("", "", "")
        signature = _base64(text)
        if prefix != f"vault:v{self._version}" or signature is None or not self.public_key.verify(signature, message):
            raise SecretError(
                f"{self._session.label} answered {answer.status} without an Ed25519 signature by version {self._version} of the transit "
                f"key {self._key} over exactly what was to be signed; it is not used"
            )
        return signature

    @override
    def __repr__(self) -> str:
        return f"TransitSigner({self._key} version {self._version}, {self.public_key.key_id[:12]})"


def open_transit_signer(
    address: str,
    key: str,
    *,
    credentials: SecretsSpec = None,
    token: str | None = None,
    approle: tuple[str, str] | None = None,
    kubernetes: tuple[str, str] | None = None,
    mount: str = "transit",
    namespace: str | None = None,
    networks: Sequence[str] = (),
    ca_pem: str | None = None,
    version: int | None = None,
) -> TransitSigner:
    """Open a transit key of OpenBao as a Signer.

    Args:
        address: the server's origin; https, or http on 127.0.0.1.
        key: the name of the key.
        credentials: where the secret is found that logs in; as `secrets=` of a client. It must be bound to the address.
        token: the name of that secret, if it is a token.
        approle: role id, and the name of that secret, if it is an AppRole's secret id.
        kubernetes: role, and the name of that secret, if it is a workload's JWT.
        mount: where the transit engine is mounted.
        namespace: the namespace, if there is one.
        networks: CIDR blocks that the address may resolve to, for a server in a private network.
        ca_pem: roots as PEM text, in place of certifi's.
        version: which version of the key; None for the newest.

    Raises:
        ConfigurationError: what was given makes no sense, or the key is not one that signs tables.
        SecretError: the server cannot be asked.
    """
    server = bao_server(
        address,
        credentials=credentials,
        token=token,
        approle=approle,
        kubernetes=kubernetes,
        namespace=namespace,
        networks=networks,
        ca_pem=ca_pem,
    )
    return TransitSigner(OpenBao(server, open_sources(credentials, {}).find), key, mount=mount, version=version)


def _base64(text: object) -> bytes | None:
    """Bytes of base64 in its one spelling; None for anything else."""
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return None
    return raw if raw and base64.b64encode(raw).decode() == text else None

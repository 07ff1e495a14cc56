"""Attack: something that one key made for one purpose is handed in for another: a token as a table, a vault record as a key file.

A service once took one of its own artefacts for another (GHSA-7hp6-4w63-5g45). Each kind has a domain of its own: its own payload type,
prefix or form. Here every artefact is given to every reader but its own.

Guards: saferoute/signing/envelope.py::if envelope.payload_type != payload_type:
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saferoute.capabilities.chain import verify_chain
from saferoute.capabilities.token import read_call, read_chain, read_holder
from saferoute.drivers.keyring_store import _record
from saferoute.errors import SaferouteError
from saferoute.routing.root import read_root
from saferoute.secrets.secret import Secret, SecretRecord
from saferoute.secrets.vault_format import decode
from saferoute.signing.envelope import Envelope, PayloadType, verify
from saferoute.signing.keys import PrivateKey
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical
from tests.support import token_cases
from tests.support.secret_stores import ORIGIN, weak_vault
from tests.support.trust_cases import ROOT_KEY, TABLE_KEY, Files, files, release_payload, root_payload, signed, table

BODY = canonical(table())
PAYLOADS = {
    PayloadType.ROOT: canonical(root_payload()),
    PayloadType.RELEASE: canonical(release_payload(BODY)),
    PayloadType.STATUS: b'{"schema":1}',
    PayloadType.REVOCATIONS: b'{"schema":1}',
    PayloadType.LOG_KEY: b'{"schema":1}',
}


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One of each kind, genuine."""
    vault = tmp_path_factory.mktemp("vault") / "vault.json"
    weak_vault(vault).add(SecretRecord("openai", Secret("sk-canary-0c1d2e3f"), (ORIGIN,)))
    chain = token_cases.chain(token_cases.root())
    made = {kind.name.lower(): canonical(signed(kind, PAYLOADS[kind], ROOT_KEY, TABLE_KEY)) for kind in PayloadType}
    return made | {
        "root": files().root,
        "bundle": files().bundle,
        "table": BODY,
        "chain": chain.encode(),
        "call": token_cases.call(chain).encode(),
        "holder": chain.replace("srcap1.", "srcap1h.", 1).encode(),
        "vault": Path(vault).read_bytes(),
        "key file": PrivateKey.from_seed(b"k" * 32).to_pem(b"a passphrase")
        if hasattr(PrivateKey, "to_pem")
        else b"-----BEGIN PRIVATE KEY-----\n",
        "keyring entry": b'{"origins":["https://api.openai.com"],"revision":1,"secret":"sk-canary-0c1d2e3f","v":1}',
    }


def _keyring(data: bytes) -> Any:
    made = _record("openai", data.decode())
    if not isinstance(made, SecretRecord):
        msg = "no record"
        raise Refused(msg)
    return made


def _envelope(kind: PayloadType) -> Callable[[bytes], Any]:
    return lambda data: verify(Envelope.read(data), kind, [ROOT_KEY.public_key, TABLE_KEY.public_key], 1)


READERS: dict[str, Callable[[bytes], Any]] = {
    "root": read_root,
    "bundle": lambda data: Files(files().root, data).open(),
    "chain": lambda data: verify_chain(data.decode(), token_cases.issuers()),
    "chain unread": lambda data: read_chain(data.decode()),
    "call": lambda data: read_call(data.decode()),
    "holder": lambda data: read_holder(data.decode()),
    "vault": lambda data: decode(data, unsafe_weak_kdf=True),
    "key file": lambda data: PrivateKey.from_pem(data, b"a passphrase"),
    "keyring entry": _keyring,
    **{kind.name.lower() + " envelope": _envelope(kind) for kind in PayloadType},
}
NAMES = [
    "root",
    "release",
    "status",
    "revocations",
    "log_key",
    "bundle",
    "table",
    "chain",
    "call",
    "holder",
    "vault",
    "key file",
    "keyring entry",
]
OWN = {"chain unread": "chain"} | {kind.name.lower() + " envelope": kind.name.lower() for kind in PayloadType}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", NAMES)
def test_d11_no_reader_takes_what_is_another_readers(artefacts: dict[str, bytes], name: str, reader: str) -> None:
    if OWN.get(reader, reader) == name:
        return
    with pytest.raises((SaferouteError, Refused)):
        READERS[reader](artefacts[name])


@pytest.mark.parametrize("reader", [name for name in READERS if name != "holder"])
def test_each_reader_takes_its_own(artefacts: dict[str, bytes], reader: str) -> None:
    """Otherwise it would refuse the others for nothing."""
    assert READERS[reader](artefacts[OWN.get(reader, reader)]) is not None

"""The vectors of docs/spec are what the maker makes, and our code judges each as it says."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from saferoute.capabilities.chain import check_now, verify_chain
from saferoute.capabilities.proof import verify_proof
from saferoute.capabilities.token import read_call
from saferoute.errors import CapabilityError, RoutingError, SecretError, SecretStoreLocked, TableExpired, TableRollback, UntrustedTable
from saferoute.routing.rollback import Seen, State
from saferoute.routing.trust import TrustFiles, verify_trust
from saferoute.secrets import vault as vault_rules
from saferoute.secrets.secret import Passphrase, key_to_store
from saferoute.secrets.vault_format import SealedVault, decode
from saferoute.signing.envelope import Envelope, PayloadType, pae, verify
from saferoute.signing.keys import PublicKey
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse
from tests.spec.make_vectors import everything, plain, records
from tests.spec.world import VECTORS, load, rendered

# The step of a vector -> the error, and what its message says.
STEPS: dict[str, tuple[type[Exception], str]] = {
    "root-pin": (UntrustedTable, r"the trust root is refused: its SHA-256 is [0-9a-f]{64}, and [0-9a-f]{64} is pinned"),
    "root-form": (UntrustedTable, r"the trust root is refused: (?!.*signatures? )"),
    "root-signatures": (UntrustedTable, r"the trust root is refused: (it is a '|\d of the \d signatures)"),
    "root-step": (UntrustedTable, r"the trust root is refused: root version \d is refused"),
    "root-local": (UntrustedTable, r"was made in memory for one process"),
    "root-time": (TableExpired, r"the trust root 'acme' version \d expired|the trust root 'acme' was issued on"),
    "bundle-form": (UntrustedTable, r"the routing table is refused: bundle\."),
    "release-signatures": (UntrustedTable, r"the routing table is refused: (it is a '|\d of the \d signatures)"),
    "release-form": (UntrustedTable, r"the routing table is refused: release\."),
    "release-root": (UntrustedTable, r"the routing table is refused: (it is for|it was signed under root version)"),
    "release-life": (UntrustedTable, r"the routing table is refused: it would live \d+ days"),
    "table-digest": (UntrustedTable, r"the routing table is refused: (the table's bytes are not those|the release has tables of schema 2)"),
    "table-form": (UntrustedTable, r"the routing table is refused: (table\.|it is JSON but not canonical)"),
    "table-time": (TableExpired, r"the routing table 'acme' version 5 (expired|was issued) on"),
    "table-version": (TableRollback, r"is version 5; at least 6 is required"),
    "status-missing": (UntrustedTable, r"a signed status has to say that this table is current"),
    "status-unexpected": (UntrustedTable, r"the status is refused: the trust root has no status role"),
    "status-signatures": (UntrustedTable, r"the status is refused: (it is a '|\d of the \d signatures)"),
    "status-form": (UntrustedTable, r"the status is refused: status\."),
    "status-root": (UntrustedTable, r"the status is refused: it was signed under root version 2"),
    "status-release": (UntrustedTable, r"the status is refused: it is about release version"),
    "status-halted": (UntrustedTable, r"the status is refused: it halts 'mian'"),
    "status-time": (TableExpired, r"the status version 9 "),
    "revocations-signatures": (UntrustedTable, r"the revocation list is refused: 0 of the 1 signatures"),
    "revocations-form": (UntrustedTable, r"the revocation list is refused: revocations\."),
    "revocations-root": (UntrustedTable, r"the revocation list is refused: it is for 'evil'"),
    "revocations-time": (TableExpired, r"the revocation list version 2 was issued on"),
    "rollback": (TableRollback, r"was accepted here before"),
    "floor": (TableExpired, r"something signed on .* was accepted before: set the clock"),
}


def named(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["name"].encode("ascii", "replace").decode()) for case in cases]


STRICT, KEYS, ENVELOPES, TRUST, TOKENS, VAULT = (load(name) for name in ("strict_json", "keys", "envelope", "trust", "token", "vault"))
ISSUERS = records(TOKENS)
ROOT_KEY = bytes.fromhex(VAULT["root_key"])


def test_the_files_are_what_the_maker_makes() -> None:
    made = {name: rendered(vectors) for name, vectors in everything().items()}
    held = {path.stem: path.read_text(encoding="utf-8") for path in VECTORS.glob("*.json")}
    stale = sorted(name for name in made.keys() | held.keys() if made.get(name) != held.get(name))
    assert stale == [], "run: python -m tests.spec.make_vectors"


def test_every_step_is_tried() -> None:
    assert {case["step"] for case in TRUST["cases"]} == {*STEPS, ""}
    assert {case["step"] for case in VAULT["cases"]} == {"", "form", "check", "mac", "commitment", "decrypt"}


@pytest.mark.parametrize("case", named(STRICT["cases"]))
def test_strict_json(case: dict[str, Any]) -> None:
    data = base64.b64decode(case["data"])
    if case["valid"]:
        assert canonical(parse(data)) == data
    else:
        with pytest.raises(Refused):
            parse(data)


@pytest.mark.parametrize("case", named(KEYS["cases"]))
def test_keys(case: dict[str, Any]) -> None:
    raw = bytes.fromhex(case["public"])
    if case["valid"]:
        assert PublicKey(raw).key_id == case["key_id"]
    else:
        with pytest.raises(Refused):
            PublicKey(raw)


def test_pae() -> None:
    assert [pae(one["type"], base64.b64decode(one["payload"])).hex() for one in ENVELOPES["pae"]] == [
        one["pae"] for one in ENVELOPES["pae"]
    ]
    assert ENVELOPES["types"] == [str(kind) for kind in PayloadType]


@pytest.mark.parametrize("case", named(ENVELOPES["cases"]))
def test_envelopes(case: dict[str, Any]) -> None:
    keys = [PublicKey(bytes.fromhex(key)) for key in case["keys"]]

    def read() -> bytes:
        return verify(Envelope.read(case["envelope"].encode()), PayloadType(case["type"]), keys, case["threshold"])

    if case["valid"]:
        assert read() == b'{"hello":"world"}'
    else:
        with pytest.raises(Refused):
            read()


@pytest.mark.parametrize("case", named(TRUST["cases"]))
def test_trust(case: dict[str, Any]) -> None:
    def file(name: str | None) -> bytes | None:
        return None if name is None else TRUST["files"][name].encode()

    updates = tuple(TRUST["files"][name].encode() for name in case["updates"])
    files = TrustFiles(file(case["root"]) or b"", file(case["bundle"]) or b"", updates, file(case["status"]), file(case["revocations"]))
    before = case["earlier"] and State(Seen(**case["earlier"]["root"]), Seen(**case["earlier"]["table"]), case["earlier"]["floor_time"])
    options: dict[str, Any] = {"earlier": before, "min_table_version": case["min_table_version"]}
    if case["valid"]:
        assert verify_trust(files, case["pinned"], case["now"], **options).table.version == 5
        return
    error, said = STEPS[case["step"]]
    with pytest.raises(RoutingError) as raised:
        verify_trust(files, case["pinned"], case["now"], **options)
    assert type(raised.value) is error
    assert re.search(said, str(raised.value))


@pytest.mark.parametrize("case", named(TOKENS["chains"]))
def test_chains(case: dict[str, Any]) -> None:
    if case["valid"]:
        verified = verify_chain(case["token"], ISSUERS)
        assert (list(verified.digests), verified.tail.hex(), plain(verified.permission)) == (
            case["digests"],
            case["tail"],
            case["permission"],
        )
        return
    with pytest.raises(CapabilityError) as raised:
        verify_chain(case["token"], ISSUERS)
    assert raised.value.code == case["code"]


@pytest.mark.parametrize("case", named(TOKENS["moments"]))
def test_moments(case: dict[str, Any]) -> None:
    verified = verify_chain(case["token"], ISSUERS)
    if case["valid"]:
        check_now(verified, case["now"], frozenset(case["revoked"]))
        return
    with pytest.raises(CapabilityError) as raised:
        check_now(verified, case["now"], frozenset(case["revoked"]))
    assert raised.value.code == case["code"]


@pytest.mark.parametrize("case", named(TOKENS["calls"]))
def test_calls(case: dict[str, Any]) -> None:
    def check() -> tuple[str, float]:
        token = read_call(case["token"])
        verified = verify_chain(token.chain_text, ISSUERS)
        given = {name: case[name] for name in ("audience", "asked", "now", "instance")}
        return verify_proof(token, verified, **given)

    if case["valid"]:
        assert check()[0].startswith("nonce:")
        return
    with pytest.raises(CapabilityError) as raised:
        check()
    assert raised.value.code == case["code"]


def _opened(sealed: SealedVault, key: vault_rules.VaultKey) -> list[dict[str, Any]]:
    found = []
    for row in sealed.records:
        record = vault_rules.open_record(sealed, key, row.name)
        assert record is not None
        before = record.previous
        found.append({
            "name": record.name, "secret": key_to_store(record.secret).decode(), "previous": before and key_to_store(before.secret).decode(),
            "origins": list(record.origins), "revision": record.revision, "until": before and before.until,
        })  # fmt: skip
    return found


@pytest.mark.parametrize("case", named(VAULT["cases"]))
def test_vault(case: dict[str, Any]) -> None:
    if case["step"] == "form":
        with pytest.raises(SecretError):
            decode(case["data"].encode())
        return
    sealed = decode(case["data"].encode())
    key = vault_rules.VaultKey(ROOT_KEY, sealed.header())
    if case["step"] in {"check", "mac"}:
        with pytest.raises(SecretError, match="its authentication code does not fit"):
            vault_rules.verify(sealed, key)
        return
    vault_rules.verify(sealed, key)
    if case["valid"]:
        assert _opened(sealed, key) == case["records"]
    else:
        with pytest.raises(SecretError, match=r"the record '[a-z]+' does not fit its name, origins and revision"):
            _opened(sealed, key)


def test_the_passphrase_opens_the_vault_and_another_does_not() -> None:
    sealed = decode(VAULT["cases"][1]["data"].encode())
    key = vault_rules.unlock(sealed, Passphrase(VAULT["passphrase"]))
    assert _opened(sealed, key) == VAULT["cases"][1]["records"]
    with pytest.raises(SecretStoreLocked):
        vault_rules.unlock(sealed, Passphrase(VAULT["passphrase"] + "!"))

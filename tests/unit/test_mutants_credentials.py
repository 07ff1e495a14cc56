"""What is kept of made and stored credentials, to the object; recipes that are refused, in their exact words; the vault's exact bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import pytest

from saferoute.errors import AuthenticationRejected, SecretError, SecretNotFound
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.document import make_document
from saferoute.secrets.kept import Kept, WatchedRecord
from saferoute.secrets.lookup import MemorySource, Sources
from saferoute.secrets.minting import MintAnswer
from saferoute.secrets.recipes import recipe_for
from saferoute.secrets.secret import Previous, Secret, SecretRecord
from saferoute.secrets.signer import Signer
from saferoute.secrets.vault_format import Kdf, SealedRecord, body_of, header_of
from saferoute.values.credential import CredentialKind
from saferoute.values.http import HttpRequest
from saferoute.wire.sigv4 import AwsKeys, Scope
from tests.support.token_server import drive, spec

NOW = 1_800_000_000.0
HERE, THERE = "https://a.example", "https://b.example"
AWS = "https://bedrock-runtime.us-east-1.amazonaws.com"
ROW = spec("https://sts.example", origins=(HERE, THERE, AWS))


def kept(key: str = "made", name: str = "cloud") -> Kept:
    return Kept(SecretRecord(name, Secret(key), ROW.origins), NOW + 50, NOW + 60)


def credentials(*records: SecretRecord) -> Credentials:
    return Credentials(Sources([MemorySource(records)]), {"cloud": ROW})


def test_one_takes_the_place_of_another_unless_a_third_is_there() -> None:
    held, first, second, third = credentials(), kept("1"), kept("2"), kept("3")
    held.keep(first)
    assert held.kept("cloud") is first
    assert held.replace(first, second) is True
    assert held.kept("cloud") is second
    assert held.replace(first, third) is False
    assert held.kept("cloud") is second


def test_another_table_keeps_what_was_made_of_a_row_that_is_the_same() -> None:
    held, made = credentials(), kept()
    held.keep(made)
    held.renew({"cloud": ROW, "other": ROW})
    assert held.kept("cloud") is made
    held.renew({"cloud": spec("https://sts.example", origins=(HERE,)), "other": ROW})
    assert held.kept("cloud") is None
    assert sorted(held.made) == ["cloud", "other"]


def test_a_made_key_signs_with_one_signer_until_another_is_made() -> None:
    held = credentials()
    held.keep(kept("AKIA:s:t"))
    signer = held.signer("cloud", AWS)
    assert held.signer("cloud", AWS) is signer
    held.keep(kept("AKIA:u:t"))
    assert held.signer("cloud", AWS) is not signer
    assert held.signer("cloud", AWS) is held.signer("cloud", AWS)


def test_a_stored_key_that_signs_is_made_ready_once() -> None:
    held = credentials(SecretRecord("aws", Secret("AKIA:s"), (AWS,)))
    assert held.cached("aws", "sigv4", AWS) is None
    held.look_up("aws", "sigv4", AWS)
    ready = held.cached("aws", "sigv4", AWS)
    assert isinstance(ready, Signer)
    assert held.signer("aws", AWS) is ready
    assert held.cached("aws", "bearer", AWS) is None
    request = HttpRequest("POST", AWS, "/", (), b"")
    assert ready.pairs(request, NOW) == ready.pairs(request, NOW) != ready.pairs(request, NOW + 86_400)


def test_whose_turn_it_is_holds_for_every_origin_and_late_refusals_change_nothing() -> None:
    held = credentials(SecretRecord("two", Secret("new"), (HERE, THERE), 2, Previous(Secret("old"), int(NOW) + 9)))
    before = held.epoch
    assert held.header("two", "bearer", HERE) == (b"authorization", b"Bearer new")
    assert held.epoch == before + 1
    held.forget("nobody", before)  # never looked up
    held.forget("two", before)  # what was refused is older than this look-up
    assert held.cached("two", "bearer", HERE) == (b"authorization", b"Bearer new")
    turned = held.switch("two", held.epoch, lambda: NOW)
    assert turned is not None
    assert turned.presents_previous
    assert held.header("two", "bearer", HERE) == (b"authorization", b"Bearer old")
    assert held.header("two", "bearer", THERE) == (b"authorization", b"Bearer old")
    assert held.switch("two", before, lambda: NOW) is turned
    held.forget("two", held.epoch)
    assert held.header("two", "bearer", THERE) == (b"authorization", b"Bearer new")


def test_what_a_credential_is_made_from_is_missed_as_any_other_key() -> None:
    with pytest.raises(SecretNotFound) as caught:
        credentials().material(ROW)
    way = "`python -m saferoute keys add material --origin https://sts.example` with secrets= left out"
    variable = 'secrets=Secrets.from_env({"material": ("THE_VARIABLE", "https://sts.example")})'
    store = 'saferoute.keys.add("material", origins="https://sts.example")'
    assert str(caught.value) == f"No key for material in memory. Use {store} or {way}, or {variable}."


def test_what_signs_takes_its_scope_from_the_origin_unless_told() -> None:
    request = HttpRequest("POST", AWS, "/", (), b"")
    (_, _), (_, plain) = Signer(AwsKeys("AKIA", "s"), AWS).pairs(request, NOW)
    assert b"Credential=AKIA/20270115/us-east-1/bedrock/aws4_request" in plain
    (_, _), (_, told) = Signer(AwsKeys("AKIA", "s"), AWS, Scope("secretsmanager", "eu-central-1")).pairs(request, NOW)
    assert b"Credential=AKIA/20270115/eu-central-1/secretsmanager/aws4_request" in told


class Arrived:
    """A lock that is free only after another thread has made the same thing ready."""

    def __init__(self, arrive: Callable[[], None]) -> None:
        self.arrive = arrive

    def __enter__(self) -> None:
        self.arrive()

    def __exit__(self, *_: object) -> None:
        pass


def test_what_another_thread_made_ready_is_taken() -> None:
    held = credentials()
    signer, header = Signer(AwsKeys("AKIA", "s"), AWS), (b"authorization", b"Bearer k")

    def arrive() -> None:
        held._signers["aws", AWS] = signer
        held._ready["aws", "bearer", AWS] = header

    held._lock = Arrived(arrive)  # type: ignore[assignment]
    assert held.signer("aws", AWS) is signer
    held._ready.clear()
    assert held.header("aws", "bearer", AWS) is header


@dataclass
class Stamped:
    stamp: object
    due: bool = False

    def is_due(self) -> bool:
        return self.due

    def has_changed(self) -> bool:
        return self.due


class Changing(MemorySource):
    """A place whose secret is another one each time it is looked at."""

    def __init__(self, *stamps: int) -> None:
        super().__init__(())
        self.stamps = list(stamps)

    def find(self, name: str) -> SecretRecord | None:
        stamp = self.stamps.pop(0)
        return WatchedRecord(name, Secret(f"k{stamp}"), (HERE, THERE), watch=Stamped(stamp))


def test_what_is_ready_for_one_origin_goes_when_another_finds_a_new_content() -> None:
    held = Credentials(Sources([Changing(1, 1, 2, 3)]))
    assert held.header("w", "bearer", HERE)[1] == b"Bearer k1"
    assert held.header("w", "bearer", THERE)[1] == b"Bearer k1"
    assert held.cached("w", "bearer", HERE) is not None
    assert held.header("w", "x-api-key", THERE)[1] == b"k2"
    assert (held.cached("w", "bearer", HERE), held.cached("w", "bearer", THERE)) == (None, None)
    assert held.cached("w", "x-api-key", THERE) == (b"x-api-key", b"k2")
    held._watches["w"] = Stamped(2, due=True)
    assert held.cached("w", "x-api-key", THERE) is None
    held.look_up("w", "x-api-key", THERE)
    assert held.cached("w", "x-api-key", THERE) == (b"x-api-key", b"k3")


GIVEN: dict[str, tuple[str | None, dict[str, str]]] = {
    "aws_container": (None, {"path": "/v1/x"}),
    "aws_instance": (None, {"role": "runner"}),
    "aws_web_identity": ("a.b.c", {"role": "arn:aws:iam::123456789012:role/team/runner"}),
    "google_authorized_user": (json.dumps({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}), {}),
    "google_metadata": (None, {}),
    "google_workload": ("a.b.c", {"audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q"}),
    "azure_client_secret": ("s", {"tenant": "t", "client_id": "c", "scope": "https://a.example/.default"}),
    "azure_managed": (None, {"resource": "https://a.example"}),
    "azure_workload": ("a.b.c", {"tenant": "t", "client_id": "c", "scope": "https://a.example/.default"}),
    "openai_workload": ("a.b.c", {"identity_provider_id": "i", "service_account_id": "s"}),
    "anthropic_workload": ("a.b.c", {"federation_rule_id": "f", "organization_id": "o"}),
}  # fmt: skip


def recipe(kind: Any) -> Any:
    text, parameters = GIVEN[kind]
    made = None if text is None else make_document(text) if text.startswith("{") else Secret(text)
    assert not isinstance(made, str)
    return recipe_for(kind)(spec("https://sts.example", kind, parameters=parameters), made, NOW)


def test_every_kind_but_googles_key_files_is_here() -> None:
    assert {*GIVEN, "google_service_account"} == set(get_args(CredentialKind))


@pytest.mark.parametrize("kind", GIVEN)
def test_an_endpoint_that_fails_is_named(kind: str) -> None:
    with pytest.raises(SecretError) as caught:
        drive(recipe(kind), MintAnswer(500, {"metadata-flavor": "Google"}, b""))
    why = "answered 500: check that credential's row in the routing table"
    assert str(caught.value) == f"https://sts.example, which makes the credential 'cloud' ({kind}), {why}"


@pytest.mark.parametrize("kind", sorted(GIVEN.keys() - {"aws_web_identity"}))  # STS refuses in XML: tests/unit/test_minting_aws.py
def test_an_endpoint_that_refuses_is_named(kind: str) -> None:
    with pytest.raises(AuthenticationRejected) as caught:
        drive(recipe(kind), MintAnswer(401, {"metadata-flavor": "Google"}, b""))
    assert str(caught.value).startswith(f"https://sts.example, which makes the credential 'cloud' ({kind}) answered 401.")


def test_a_document_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_deep(*_: Any, **__: Any) -> None:
        raise RecursionError

    monkeypatch.setattr("saferoute.secrets.document.json.dumps", too_deep)
    assert make_document("{}") == "it is a JSON document that is nested too deeply"


def test_the_bytes_that_a_vaults_keys_depend_on() -> None:
    zeros = "AAAAAAAAAAAAAAAAAAAAAA=="
    kdf = f'{{"iterations":3,"lanes":4,"memory_kib":65536,"name":"argon2id","salt":"{zeros}"}}'
    assert header_of(Kdf(), bytes(16)) == f'saferoute vault v1 {{"kdf":{kdf},"schema":1}}'.encode()
    record = SealedRecord("a", (HERE, THERE), 2, bytes(16), bytes(12), bytes(1), bytes(2))
    said = f'"name":"a","origins":["{HERE}","{THERE}"],"revision":2'
    assert record.bound() == f"{{{said}}}".encode()
    late = SealedRecord("a", (HERE, THERE), 2, bytes(16), bytes(12), bytes(1), bytes(2), 9)
    assert late.bound() == f'{{{said},"until":9}}'.encode()
    row = {
        "commitment": "AA==", "data": "AAA=", "name": "a", "nonce": "AAAAAAAAAAAAAAAA", "origins": [HERE, THERE], "revision": 2,
        "salt": zeros,
    }  # fmt: skip
    assert body_of(Kdf(), bytes(16), bytes(1), (record, late)) == {
        "check": "AA==",
        "kdf": {"iterations": 3, "lanes": 4, "memory_kib": 65_536, "name": "argon2id", "salt": zeros},
        "records": [row, row | {"until": 9}],
        "schema": 1,
    }


FEDERATED = MintAnswer(200, {}, b'{"access_token": "federated", "expires_in": 3599, "token_type": "Bearer"}')


def acting(until: str, *more_origins: str) -> tuple[list[Any], Any]:
    _, parameters = GIVEN["google_workload"]
    row = spec(
        "https://sts.example", "google_workload", parameters={**parameters, "service_account": "a@b.example"}, more_origins=more_origins
    )
    answer = MintAnswer(200, {}, json.dumps({"accessToken": "made", "expireTime": until}).encode())
    return drive(recipe_for("google_workload")(row, Secret("a.b.c"), NOW), FEDERATED, answer)


@pytest.mark.parametrize("more", [(), ("https://iamcredentials.example",)])
def test_acting_as_a_service_account_for_a_second(more: tuple[str, ...]) -> None:
    asked, made = acting("2027-01-15T08:00:01Z", *more)
    assert [one.origin for one in asked] == ["", *(more or ("",))]
    assert (made.secret, made.expires_at) == (Secret("made"), NOW + 1)


def test_acting_as_a_service_account_for_no_time() -> None:
    with pytest.raises(SecretError, match="no time to come"):
        acting("2027-01-15T08:00:00Z")

"""Google's recipes, with google-auth as the judge of every request."""

from __future__ import annotations

import base64
import datetime as dt
import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from saferoute.errors import AuthenticationRejected, SecretError
from saferoute.secrets.document import make_document
from saferoute.secrets.minting import MintAnswer, MintRequest, reveal
from saferoute.secrets.recipes import recipe_for
from saferoute.secrets.secret import Secret
from saferoute.values.credential import CredentialSpec
from saferoute.values.http import NetClass
from tests.support.token_server import drive

NOW = 1_800_000_000.0
API = ("https://aiplatform.googleapis.com",)
OAUTH = "https://oauth2.googleapis.com"
CLOUD = "https://www.googleapis.com/auth/cloud-platform"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster"
OK = MintAnswer(200, {"metadata-flavor": "Google"}, b'{"access_token": "ya29.made", "expires_in": 3599, "token_type": "Bearer"}')


@pytest.fixture(scope="module")
def pem() -> str:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_file(pem: str, **changes: Any) -> dict[str, Any]:
    """A service account's key file, as Google writes it."""
    return {
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "5f2b9c",
        "private_key": pem,
        "client_email": "runner@acme.iam.gserviceaccount.com",
        "client_id": "1234",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/runner%40acme.iam.gserviceaccount.com",
        "universe_domain": "googleapis.com",
    } | changes


ADC = {
    "type": "authorized_user",
    "account": "",
    "client_id": "764.apps.googleusercontent.com",
    "client_secret": "d-FL95Q19q7MQmFpd7hHD0Ty",
    "quota_project_id": "acme",
    "refresh_token": "1//refresh&token",
    "universe_domain": "googleapis.com",
}


def spec(kind: str, origin: str = OAUTH, **parameters: str) -> CredentialSpec:
    more = ("https://iamcredentials.googleapis.com",) if "service_account" in parameters else ()
    return CredentialSpec("vertex", kind, origin, NetClass(), "material", API, parameters, more)  # type: ignore[arg-type]


def run(row: CredentialSpec, material: Secret | None, *answers: MintAnswer) -> tuple[list[MintRequest], Any]:
    return drive(recipe_for(row.kind)(row, material, NOW), *answers)


def document(value: dict[str, Any]) -> Secret:
    made = make_document(json.dumps(value, indent=2))
    assert isinstance(made, Secret)
    return made


def form(request: MintRequest) -> dict[str, str]:
    assert dict(request.headers)["content-type"] == "application/x-www-form-urlencoded"
    return dict(parse_qsl(reveal(request.body).decode(), strict_parsing=True))


class Heard:
    """google-auth's transport, that writes down what it is asked."""

    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.asked: list[dict[str, Any]] = []
        self._bodies = list(bodies) or [{"access_token": "ya29.made", "expires_in": 3599, "token_type": "Bearer"}]

    def __call__(self, **asked: Any) -> Any:
        self.asked.append(asked)
        return SimpleNamespace(status=200, headers={"content-type": "application/json"}, data=json.dumps(self._bodies.pop(0)).encode())


def unsigned(jwt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = jwt.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims))  # type: ignore[return-value]


# ---------------------------------------------------------------------------------------------------- service account


def test_the_assertion_is_google_auths(pem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service_account = pytest.importorskip("google.oauth2.service_account")
    monkeypatch.setattr("google.auth._helpers.utcnow", lambda: dt.datetime.fromtimestamp(NOW, dt.UTC).replace(tzinfo=None))
    heard = Heard()
    service_account.Credentials.from_service_account_info(key_file(pem), scopes=[CLOUD]).refresh(heard)
    (asked,), minted = run(spec("google_service_account"), document(key_file(pem)), OK)
    theirs, ours = dict(parse_qsl(heard.asked[0]["body"].decode())), form(asked)
    assert (asked.method, OAUTH + asked.path) == (heard.asked[0]["method"], heard.asked[0]["url"])
    assert ours == theirs  # RS256 is deterministic: the very same assertion
    assert ours.keys() == {"assertion", "grant_type"}
    assert asked.secret_headers == ()
    assert reveal(minted.secret) == b"ya29.made"
    assert minted.expires_at == NOW + 3599


def test_the_assertion_verifies_with_the_public_key(pem: str) -> None:
    jwt = pytest.importorskip("google.auth.jwt")
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    public = load_pem_private_key(pem.encode(), None).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (asked,), _ = run(spec("google_service_account", scope="a b"), document(key_file(pem)), OK)
    assertion = form(asked)["assertion"]
    header, claims = unsigned(assertion)
    assert header == {"typ": "JWT", "alg": "RS256", "kid": "5f2b9c"}
    account = "runner@acme.iam.gserviceaccount.com"
    assert claims == {"iat": int(NOW), "exp": int(NOW) + 3600, "iss": account, "aud": f"{OAUTH}/token", "scope": "a b"}
    assert jwt.decode(assertion, certs=public, verify=False) == claims
    from google.auth import crypt

    signed, _, signature = assertion.rpartition(".")
    verifier = crypt.RSAVerifier.from_string(public)
    assert verifier.verify(signed.encode(), base64.urlsafe_b64decode(signature + "=="))
    other = base64.urlsafe_b64decode(signature + "==")[::-1]
    assert not verifier.verify(signed.encode(), other)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"token_uri": "https://evil.example/token"}, "token_uri names a place that is not the routing table's"),
        ({"token_uri": "https://oauth2.googleapis.com/token/"}, "token_uri names a place"),
        ({"token_uri": None}, "token_uri names a place"),
        ({"token_uri": ["https://oauth2.googleapis.com/token"]}, "token_uri names a place"),
        ({"universe_domain": "evil.example"}, "universe_domain is not googleapis.com"),
        ({"universe_domain": None}, "universe_domain is not googleapis.com"),
        ({"credential_source": {"url": "http://169.254.169.254/x"}}, "credential_source names a place"),
        ({"credential_source": {"executable": {"command": "/bin/sh"}}}, "credential_source names a place"),
        ({"service_account_impersonation_url": "https://evil.example"}, "service_account_impersonation_url names a place"),
        ({"anything": "http://evil.example"}, "a field of it names a place"),
        ({"type": "authorized_user"}, "its type is not 'service_account'"),
        ({"type": "external_account"}, "its type is not 'service_account'"),
        ({"private_key": ""}, "it lacks private_key"),
        ({"client_email": 5, "private_key_id": None}, "it lacks client_email, private_key_id"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"}, "not an unencrypted PEM key"),
        ({"private_key": "\ud800"}, "not an unencrypted PEM key"),
    ],
)
def test_what_a_key_file_says_about_places_is_not_followed(pem: str, changes: dict[str, Any], why: str) -> None:
    recipe = recipe_for("google_service_account")(spec("google_service_account"), document(key_file(pem, **changes)), NOW)
    with pytest.raises(SecretError, match=why) as caught:
        next(recipe)
    assert "evil.example" not in str(caught.value)
    assert pem[40:80] not in str(caught.value)


@pytest.mark.parametrize("field", ["token_uri", "universe_domain", "auth_uri", "project_id", "client_id"])
def test_what_is_not_needed_may_be_left_out(pem: str, field: str) -> None:
    kept = {name: value for name, value in key_file(pem).items() if name != field}
    (asked,), _ = run(spec("google_service_account"), document(kept), OK)
    assert asked.path == "/token"


def test_a_small_or_other_key_signs_nothing() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    for key in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1())):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        with pytest.raises(SecretError, match="not an RSA key of at least 2048 bits"):
            next(recipe_for("google_service_account")(spec("google_service_account"), document(key_file(pem)), NOW))


@pytest.mark.parametrize("kind", ["google_service_account", "google_authorized_user"])
@pytest.mark.parametrize("material", [None, Secret("AIzaPlainKey"), Secret('{"type":"x","type":"y"}'), Secret("[1]")])
def test_other_material_is_refused(kind: str, material: Secret | None) -> None:
    with pytest.raises(SecretError, match="not a JSON document of the type"):
        next(recipe_for(kind)(spec(kind), material, NOW))  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------------------------- refresh token


@pytest.mark.parametrize("scope", [None, "a b"])
def test_a_refresh_token_is_exchanged_as_google_auth_does(scope: str | None) -> None:
    client = pytest.importorskip("google.oauth2._client")
    heard = Heard()
    client.refresh_grant(
        heard, f"{OAUTH}/token", ADC["refresh_token"], ADC["client_id"], ADC["client_secret"], scopes=scope.split() if scope else None
    )
    row = spec("google_authorized_user", **({"scope": scope} if scope else {}))
    (asked,), minted = run(row, document(ADC), OK)
    assert (asked.method, OAUTH + asked.path) == (heard.asked[0]["method"], heard.asked[0]["url"])
    assert form(asked) == dict(parse_qsl(heard.asked[0]["body"].decode()))
    assert minted.expires_at == NOW + 3599


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"token_uri": "https://evil.example/token"}, "token_uri names a place"),
        ({"refresh_token": ""}, "it lacks refresh_token"),
        ({"type": "service_account"}, "its type is not 'authorized_user'"),
    ],
)
def test_an_odd_adc_file_is_refused(changes: dict[str, str], why: str) -> None:
    with pytest.raises(SecretError, match=why):
        next(recipe_for("google_authorized_user")(spec("google_authorized_user"), document(ADC | changes), NOW))


def test_a_revoked_refresh_token_says_so() -> None:
    answer = MintAnswer(400, {}, b'{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}')
    with pytest.raises(AuthenticationRejected, match="code invalid_grant") as caught:
        run(spec("google_authorized_user"), document(ADC), answer)
    assert "expired or revoked" not in repr(caught.value)


# ----------------------------------------------------------------------------------------------------------- federation


def _external(service_account: str | None, heard: Heard) -> None:
    identity_pool = pytest.importorskip("google.auth.identity_pool")

    class Supplier(identity_pool.SubjectTokenSupplier):  # type: ignore[misc, name-defined]
        def get_subject_token(self, *_: object) -> str:
            return "eyJ.sub.ject"

    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{service_account}:generateAccessToken"
    credentials = identity_pool.Credentials(
        audience=POOL,
        subject_token_type="urn:ietf:params:oauth:token-type:jwt",
        token_url="https://sts.googleapis.com/v1/token",
        subject_token_supplier=Supplier(),
        service_account_impersonation_url=url if service_account else None,
        scopes=[CLOUD],
    )
    credentials.refresh(heard)


def _plain(body: bytes) -> dict[str, str]:
    """A form without google-auth's own statistics."""
    return {name: value for name, value in parse_qsl(body.decode()) if name != "options"}


def test_a_workloads_token_is_exchanged_as_google_auth_does() -> None:
    heard = Heard()
    _external(None, heard)
    (asked,), minted = run(spec("google_workload", "https://sts.googleapis.com", audience=POOL), Secret("eyJ.sub.ject"), OK)
    assert (asked.method, f"https://sts.googleapis.com{asked.path}") == (heard.asked[0]["method"], heard.asked[0]["url"])
    assert form(asked) == _plain(heard.asked[0]["body"])
    assert reveal(minted.secret) == b"ya29.made"


def test_a_service_account_is_taken_on_as_google_auth_does() -> None:
    account = "runner@acme.iam.gserviceaccount.com"
    end = dt.datetime.fromtimestamp(NOW + 3000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    bodies = {"access_token": "federated", "expires_in": 3599, "token_type": "Bearer"}, {"accessToken": "ya29.acting", "expireTime": end}
    heard = Heard(*bodies)
    _external(account, heard)
    row = spec("google_workload", "https://sts.googleapis.com", audience=POOL, service_account=account)
    answers = [MintAnswer(200, {}, json.dumps(body).encode()) for body in bodies]
    (first, second), minted = run(row, Secret("eyJ.sub.ject"), *answers)
    assert form(first) == _plain(heard.asked[0]["body"])
    assert second.origin + second.path == heard.asked[1]["url"]
    assert second.method == heard.asked[1]["method"]
    assert json.loads(reveal(second.body)) == json.loads(heard.asked[1]["body"])
    ((name, value),) = second.secret_headers
    theirs = {name.lower(): value for name, value in heard.asked[1]["headers"].items()}
    assert (name, reveal(value).decode()) == ("authorization", theirs["authorization"])
    assert reveal(minted.secret) == b"ya29.acting"
    assert minted.expires_at == NOW + 3000


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"accessToken": "a b", "expireTime": "2027-02-01T00:00:00Z"}, "no header can carry"),
        ({"accessToken": 5, "expireTime": "2027-02-01T00:00:00Z"}, "no header can carry"),
        ({"accessToken": "a", "expireTime": "2027-02-01T00:00:00"}, "no time to come"),
        ({"accessToken": "a", "expireTime": "2020-02-01T00:00:00Z"}, "no time to come"),
        ({"accessToken": "a", "expireTime": "9999-12-31T23:59:59Z"}, "no time to come"),
        ({"accessToken": "a", "expireTime": "soonZ"}, "no time to come"),
        ({"accessToken": "a", "expireTime": "0001-01-01T00:00:00Z"}, "no time to come"),
        ({"accessToken": "a"}, "no time to come"),
    ],
)
def test_an_odd_answer_of_the_second_step(body: dict[str, Any], why: str) -> None:
    row = spec("google_workload", "https://sts.googleapis.com", audience=POOL, service_account="a@b.iam.gserviceaccount.com")
    with pytest.raises(SecretError, match=why):
        run(row, Secret("eyJ"), OK, MintAnswer(200, {}, json.dumps(body).encode()))


def test_a_configuration_file_is_not_the_token() -> None:
    source = {"url": "http://169.254.169.254/token", "executable": {"command": "/bin/sh"}}
    config = document({"type": "external_account", "audience": POOL, "token_url": "https://evil.example", "credential_source": source})
    with pytest.raises(SecretError, match="made from the workload's token itself") as caught:
        next(recipe_for("google_workload")(spec("google_workload", audience=POOL), config, NOW))
    assert "evil" not in str(caught.value)
    with pytest.raises(SecretError, match="its row names none"):
        next(recipe_for("google_workload")(spec("google_workload", audience=POOL), None, NOW))


# ------------------------------------------------------------------------------------------------------------- metadata


def test_the_metadata_service_is_asked_as_google_auth_asks() -> None:
    metadata = pytest.importorskip("google.auth.compute_engine._metadata")
    heard = Heard()
    metadata.get_service_account_token(heard, "default", scopes=["a", "b"])
    row = spec("google_metadata", "http://169.254.169.254", scope="a b")
    (asked,), minted = run(row, None, OK)
    assert asked.method == heard.asked[0]["method"]
    assert asked.path == heard.asked[0]["url"].removeprefix("http://metadata.google.internal").removeprefix("http://169.254.169.254")
    theirs = {name.lower(): value for name, value in heard.asked[0]["headers"].items()}
    assert dict(asked.headers) == {"metadata-flavor": theirs["metadata-flavor"]}
    assert reveal(asked.body) == b""
    assert reveal(minted.secret) == b"ya29.made"


def test_another_account_of_the_machine() -> None:
    row = spec("google_metadata", "http://169.254.169.254", account="runner@acme.iam.gserviceaccount.com")
    (asked,), _ = run(row, None, OK)
    assert asked.path == "/computeMetadata/v1/instance/service-accounts/runner@acme.iam.gserviceaccount.com/token"


def test_something_else_at_the_metadata_address_is_not_believed() -> None:
    with pytest.raises(SecretError, match="is not Google's metadata service"):
        run(spec("google_metadata", "http://169.254.169.254"), None, MintAnswer(200, {}, OK.body))

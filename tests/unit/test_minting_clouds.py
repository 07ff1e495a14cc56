"""Azure's, OpenAI's and Anthropic's recipes; the two labs' SDKs are asked for the same exchange and compared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute.errors import AuthenticationRejected, SecretError
from saferoute.secrets.minting import LONGEST_LIFE, MintAnswer, fields_of, reveal, text_field
from saferoute.secrets.recipes import recipe_for
from saferoute.secrets.secret import Secret
from saferoute.values.credential import CredentialSpec
from saferoute.values.http import NetClass
from tests.support.token_server import TOKEN, TokenServer, drive, token

NOW = 1_800_000_000.0
TENANT = {"tenant": "72f988bf-86f1-41af-91ab-2d7cd011db47", "client_id": "app-1", "scope": "https://cognitiveservices.azure.com/.default"}
WORKLOAD = {"identity_provider_id": "idp_1", "service_account_id": "sa_1"}
RULE = {"federation_rule_id": "fdrl_1", "organization_id": "0d6c3a1e-0000-4000-8000-000000000001"}


def spec(kind: str, origin: str = "https://login.microsoftonline.com", **parameters: str) -> CredentialSpec:
    return CredentialSpec("cloud", kind, origin, NetClass(), "material", ("https://api.example.com",), parameters)  # type: ignore[arg-type]


def answered(status: int = 200, **fields: Any) -> MintAnswer:
    return MintAnswer(status, {}, json.dumps({"access_token": "made", "expires_in": 3599, **fields}).encode())


def made(kind: str, material: str | None, answer: MintAnswer | None = None, **parameters: str) -> tuple[Any, Any]:
    row = spec(kind, **parameters)
    recipe = recipe_for(row.kind)(row, None if material is None else Secret(material), NOW)
    (asked,), minted = drive(recipe, answer or answered())
    return asked, minted


def form(asked: Any) -> dict[str, str]:
    from urllib.parse import parse_qsl

    return dict(parse_qsl(reveal(asked.body).decode(), strict_parsing=True))


# ---------------------------------------------------------------------------------------------------------------- Azure


def test_an_applications_secret() -> None:
    asked, minted = made("azure_client_secret", "s3cr~t&x=1", answered(token_type="Bearer", ext_expires_in=3599), **TENANT)
    assert (asked.method, asked.path) == ("POST", f"/{TENANT['tenant']}/oauth2/v2.0/token")
    assert dict(asked.headers)["content-type"] == "application/x-www-form-urlencoded"
    assert form(asked) == {
        "grant_type": "client_credentials",
        "client_id": "app-1",
        "scope": "https://cognitiveservices.azure.com/.default",
        "client_secret": "s3cr~t&x=1",
    }
    assert (reveal(minted.secret), minted.expires_at) == (b"made", NOW + 3599)


def test_a_workloads_token_as_assertion() -> None:
    asked, _ = made("azure_workload", "eyJ.a.b", **TENANT)
    assert form(asked) == {
        "grant_type": "client_credentials",
        "client_id": "app-1",
        "scope": "https://cognitiveservices.azure.com/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": "eyJ.a.b",
    }


@pytest.mark.parametrize("more", [{}, {"client_id": "app-1"}])
def test_a_managed_identity(more: dict[str, str]) -> None:
    answer = answered(expires_in="86399", expires_on="1800086399", not_before="1800000000", resource="r", token_type="Bearer")
    asked, minted = made("azure_managed", None, answer, resource="https://cognitiveservices.azure.com", **more)
    path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com"
    assert asked.path == path + ("&client_id=app-1" if more else "")
    assert (asked.method, asked.headers, reveal(asked.body)) == ("GET", (("metadata", "true"),), b"")
    assert minted.expires_at == NOW + 86399


@pytest.mark.parametrize("kind", ["azure_client_secret", "azure_workload", "openai_workload", "anthropic_workload"])
def test_without_material_nothing_is_asked(kind: str) -> None:
    with pytest.raises(SecretError, match="its row names none"):
        next(recipe_for(kind)(spec(kind, **TENANT, **WORKLOAD, **RULE), None, NOW))  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------------------- labs


@pytest.mark.parametrize("token_type", ["jwt", "id"])
def test_openais_own_sdk_sends_the_same(token_type: str) -> None:
    workload = pytest.importorskip("openai.auth._workload")
    with TokenServer(token()) as server:
        identity = {**WORKLOAD, "provider": {"token_type": token_type, "get_token": lambda: "eyJ.a.b"}}
        theirs = workload.WorkloadIdentityAuth(workload_identity=identity, token_exchange_url=f"{server.origin}/oauth/token")
        assert theirs.get_token() == TOKEN
        sent = server.exchanges[0]
    asked, minted = made("openai_workload", "eyJ.a.b", **WORKLOAD, subject_token_type=token_type)
    assert (asked.method, asked.path) == (sent.method, sent.path)
    assert json.loads(reveal(asked.body)) == json.loads(sent.body)
    assert dict(asked.headers)["content-type"] == sent.headers["content-type"]
    assert f"https://auth.openai.com{asked.path}" == workload.DEFAULT_TOKEN_EXCHANGE_URL
    assert reveal(minted.secret) == b"made"


@pytest.mark.parametrize("more", [{}, {"service_account_id": "svac_1"}, {"service_account_id": "svac_1", "workspace_id": "default"}])
def test_anthropics_own_sdk_sends_the_same(more: dict[str, str]) -> None:
    workload = pytest.importorskip("anthropic.lib.credentials._workload")
    with TokenServer(token()) as server:
        theirs = workload.WorkloadIdentityCredentials(identity_token_provider=lambda: "eyJ.a.b", **RULE, **more)
        theirs.bind_base_url(server.origin)
        assert theirs().token == TOKEN
        theirs.close()
        sent = server.exchanges[0]
    asked, _ = made("anthropic_workload", "eyJ.a.b", **RULE, **more)
    assert (asked.method, asked.path) == (sent.method, sent.path)
    assert json.loads(reveal(asked.body)) == json.loads(sent.body)
    for name in ("content-type", "anthropic-beta"):
        assert dict(asked.headers)[name] == sent.headers[name]


# -------------------------------------------------------------------------------------------------- what answers must be


@pytest.mark.parametrize(
    ("life", "seconds"), [(1, 1), (3600, 3600), ("3601", 3601), (60.5, 60.5), (LONGEST_LIFE, LONGEST_LIFE), (3600.0, 3600)]
)
def test_lives_that_are_believed(life: object, seconds: float) -> None:
    assert made("openai_workload", "x", answered(expires_in=life), **WORKLOAD)[1].expires_at == NOW + seconds


@pytest.mark.parametrize("life", [0, -1, LONGEST_LIFE + 1, "00", "-2", "1.5", " 60", "٣", "", None, True, [60], float("inf")])
def test_lives_that_are_not(life: object) -> None:
    with pytest.raises(SecretError):
        made("openai_workload", "x", answered(expires_in=life), **WORKLOAD)


@pytest.mark.parametrize("kind", ["bearer", "Bearer", "BEARER"])
def test_token_types(kind: str) -> None:
    assert reveal(made("openai_workload", "x", answered(token_type=kind), **WORKLOAD)[1].secret) == b"made"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_names_the_place_and_a_known_word_only(status: int) -> None:
    for code, shown in (("invalid_grant", "invalid_grant"), ("invalid_client", "invalid_client"), ("sk-leak", None), (["x"], None)):
        with pytest.raises(AuthenticationRejected) as caught:
            made("azure_client_secret", "x", answered(status, error=code), **TENANT)
        assert (caught.value.status, caught.value.code) == (status, shown)
        assert "https://login.microsoftonline.com, which makes the credential 'cloud' (azure_client_secret) answered" in str(caught.value)
        assert "sk-leak" not in str(caught.value)
    with pytest.raises(AuthenticationRejected):
        made("azure_client_secret", "x", MintAnswer(status, {}, b"<html>"), **TENANT)


@pytest.mark.parametrize("status", [199, 300, 404, 405, 418])
def test_another_status_points_to_the_row(status: int) -> None:
    with pytest.raises(SecretError, match=f"answered {status}: check that credential's row"):
        made("azure_client_secret", "x", answered(status), **TENANT)


def test_the_shared_readers() -> None:
    row = spec("openai_workload")
    assert text_field(row, {"a": "b"}, "a") == "b"
    for fields in ({}, {"a": ""}, {"a": 5}):
        with pytest.raises(SecretError, match="without a usable 'a'"):
            text_field(row, fields, "a")
    assert fields_of(row, MintAnswer(200, {}, b'{"a": 123456789012345}')) == {"a": 123456789012345}
    for body in (b'{"a": 1234567890123456}', b"[]", b"", b'{"a": 1, "a": 2}'):
        with pytest.raises(SecretError, match="not a JSON object in its one reading"):
            fields_of(row, MintAnswer(200, {}, body))
    assert repr(MintAnswer(200, {}, b"abc")) == "MintAnswer(200, 3 bytes)"


def test_a_kind_that_this_version_does_not_make() -> None:
    for kind in ("google_future", "aws_future", "azure_future", "openai_future", "other"):
        with pytest.raises(SecretError, match="makes no credential of the kind"):
            recipe_for(kind)  # type: ignore[arg-type]
    for kind in ("aws_web_identity", "aws_container", "aws_instance"):
        assert recipe_for(kind).__name__ == kind  # type: ignore[arg-type]

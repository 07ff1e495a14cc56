"""The table's credentials: closed per kind, with defaults in routes.toml, and shown in words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from saferoute.cli.table_words import as_json, in_words
from saferoute.errors import ConfigurationError, UntrustedTable
from saferoute.routing.authoring import build
from saferoute.routing.credentials import KINDS
from saferoute.values.credential import CredentialKind
from tests.support.trust_cases import files, row, table

API = "https://api.example.com"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster"
GOOD: dict[str, dict[str, Any]] = {
    "aws_container": {"origin": "http://169.254.170.23", "secret": "token", "path": "/v1/credentials"},
    "aws_instance": {"role": "runner"},
    "aws_web_identity": {"secret": "token", "role": "arn:aws:iam::123456789012:role/team/runner", "region": "eu-central-1"},
    "google_service_account": {"secret": "key"},
    "google_authorized_user": {"secret": "adc", "scope": "https://www.googleapis.com/auth/cloud-platform openid"},
    "google_workload": {"secret": "token", "audience": POOL, "service_account": "runner@acme.iam.gserviceaccount.com"},
    "google_metadata": {"account": "default"},
    "azure_client_secret": {"secret": "app", "tenant": "72f988bf-86f1", "client_id": "1b2c", "scope": "https://a.azure.com/.default"},
    "azure_workload": {"secret": "token", "tenant": "acme.onmicrosoft.com", "client_id": "1b2c", "scope": "https://a.azure.com/.default"},
    "azure_managed": {"resource": "https://cognitiveservices.azure.com", "client_id": "1b2c"},
    "openai_workload": {"secret": "token", "identity_provider_id": "idp_1", "service_account_id": "sa_1"},
    "anthropic_workload": {"secret": "token", "federation_rule_id": "fdrl_1", "organization_id": "0d6c3a1e-0000-4000-8000-01"},
}
ORIGINS = {
    "aws_container": "http://169.254.170.23",
    "aws_instance": "http://169.254.169.254",
    "aws_web_identity": "https://sts.eu-central-1.amazonaws.com",
    "google_service_account": "https://oauth2.googleapis.com",
    "google_authorized_user": "https://oauth2.googleapis.com",
    "google_workload": "https://sts.googleapis.com",
    "google_metadata": "http://169.254.169.254",
    "azure_client_secret": "https://login.microsoftonline.com",
    "azure_workload": "https://login.microsoftonline.com",
    "azure_managed": "http://169.254.169.254",
    "openai_workload": "https://auth.openai.com",
    "anthropic_workload": "https://api.anthropic.com",
}


def toml(kind: str, fields: dict[str, Any], **route: Any) -> str:
    place = "https://bedrock-runtime.eu-central-1.amazonaws.com" if KINDS[kind].auth == "sigv4" else API
    given = {
        "provider": "x", "dialect": "openai_chat", "origin": place, "path": "/v1", "net": "public", "model": "m",
        "auth": KINDS[kind].auth, "secret": "cloud", **route,
    }  # fmt: skip
    header = 'headers = { anthropic-beta = "oauth-2025-04-20" }' if kind == "anthropic_workload" else ""
    lines = ["[routes.main]", *(f"{name} = {json.dumps(value)}" for name, value in given.items()), header, "[credentials.cloud]"]
    return "\n".join([*lines, f'kind = "{kind}"', *(f"{name} = {json.dumps(value)}" for name, value in fields.items())])


def opened(kind: str, fields: dict[str, Any], **route: Any) -> Any:
    return files(build(toml(kind, fields, **route))).open()


def test_every_kind_is_known() -> None:
    assert set(KINDS) == set(get_args(CredentialKind)) == set(GOOD) == set(ORIGINS)


@pytest.mark.parametrize("kind", GOOD)
def test_defaults(kind: str) -> None:
    made = opened(kind, GOOD[kind]).credentials["cloud"]
    assert (made.name, made.kind, made.origin, made.secret) == ("cloud", kind, ORIGINS[kind], GOOD[kind].get("secret"))
    assert made.net.kind == ("metadata" if ORIGINS[kind].startswith("http:") else "public")
    left_out = {"secret", "region", "origin"}
    assert dict(made.parameters) == {name: value for name, value in GOOD[kind].items() if name not in left_out}
    assert made.more_origins == (("https://iamcredentials.googleapis.com",) if kind == "google_workload" else ())
    assert len(made.origins) == 1


@pytest.mark.parametrize("kind", GOOD)
def test_a_table_is_closed_for_every_kind(kind: str) -> None:
    payload = json.loads(build(toml(kind, GOOD[kind])))
    raw = payload["credentials"]["cloud"]
    for name in {name for one in KINDS.values() for name in (*one.required, *one.optional)} - {
        *KINDS[kind].required,
        *KINDS[kind].optional,
    }:
        with pytest.raises(UntrustedTable, match=f"{name} is not a field of this schema"):
            files(payload | {"credentials": {"cloud": raw | {name: "x"}}}).open()
    for name in KINDS[kind].required:
        with pytest.raises(UntrustedTable, match=f"{name} is missing"):
            files(payload | {"credentials": {"cloud": {key: value for key, value in raw.items() if key != name}}}).open()
    for name in ("kind", "origin", "net", "origins"):
        with pytest.raises(UntrustedTable, match=f"{name} is missing"):
            files(payload | {"credentials": {"cloud": {key: value for key, value in raw.items() if key != name}}}).open()
    if KINDS[kind].material == "no":
        with pytest.raises(UntrustedTable, match="secret is not a field"):
            files(payload | {"credentials": {"cloud": raw | {"secret": "x"}}}).open()
    if KINDS[kind].material == "yes":
        with pytest.raises(UntrustedTable, match="secret is missing"):
            files(payload | {"credentials": {"cloud": {key: value for key, value in raw.items() if key != "secret"}}}).open()


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        ("azure_workload", {"tenant": "../../x"}, "tenant is '../../x'"),
        ("azure_workload", {"tenant": "a/b"}, "tenant is 'a/b'"),
        ("azure_workload", {"tenant": "a?b"}, "tenant"),
        ("azure_workload", {"scope": "a\\nb"}, "scope"),
        ("azure_managed", {"resource": "file:///etc/passwd"}, "resource"),
        ("azure_managed", {"client_id": "a&b=c"}, "client_id"),
        ("google_metadata", {"account": "../../x"}, "account"),
        ("google_workload", {"service_account": "a@b.c/../x"}, "service_account"),
        ("google_workload", {"service_account": "a@b.c:generate"}, "service_account"),
        ("google_workload", {"audience": "https://evil.example"}, "audience"),
        ("google_workload", {"impersonation_origin": "http://evil.example"}, "must be https"),
        ("google_workload", {"impersonation_origin": "https://169.254.169.254"}, "an IP address"),
        ("google_service_account", {"impersonation_origin": API}, "is not a field of this schema"),
        ("google_service_account", {"origin": "http://oauth2.googleapis.com"}, "must be https"),
        ("google_service_account", {"origin": "https://OAUTH2.googleapis.com"}, "not an origin"),
        ("google_service_account", {"origins": ["https://other.example"]}, "not among the origins of credentials.cloud"),
        ("google_service_account", {"origins": [API, "http://169.254.169.254"]}, "makes credentials and takes none"),
        ("google_service_account", {"secret": "cloud"}, "is a credential of this table"),
        ("aws_web_identity", {"role": "runner"}, "a role's ARN"),
        ("aws_web_identity", {"region": "eu-central-1.evil.example/x"}, "needs a region"),
        ("aws_web_identity", {"origin": "https://sts.amazonaws.com"}, "write one of the two"),
        ("aws_container", {"origin": "http://169.254.170.24"}, "nowhere else"),
        ("openai_workload", {"kind_of": "x"}, "is not a field"),
        ("openai_workload", {"subject_token_type": "saml"}, "must be one of jwt, id"),
    ],
)
def test_what_a_credential_cannot_be(kind: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        build(toml(kind, GOOD[kind] | changes))


def test_what_a_container_needs() -> None:
    with pytest.raises(ConfigurationError, match=r"needs an origin: http://169\.254\.170\.2 or http://169\.254\.170\.23"):
        build(toml("aws_container", {"path": "/v1/credentials"}))
    with pytest.raises(ConfigurationError, match="needs the path, or the name of the secret"):
        build(toml("aws_container", {"origin": "http://169.254.170.2"}))
    assert opened("aws_container", {"origin": "http://169.254.170.2", "secret": "task"}).credentials["cloud"].secret == "task"


def test_chinas_regions_have_a_domain_of_their_own() -> None:
    made = opened("aws_web_identity", GOOD["aws_web_identity"] | {"region": "cn-north-1"}).credentials["cloud"]
    assert made.origin == "https://sts.cn-north-1.amazonaws.com.cn"


def test_a_private_endpoint() -> None:
    fields = GOOD["google_service_account"] | {"origin": "https://token.corp.example", "net": ["10.1.0.0/16"]}
    made = opened("google_service_account", fields).credentials["cloud"]
    assert (made.net.kind, made.net.networks) == ("private", ("10.1.0.0/16",))


@pytest.mark.parametrize("auth", ["x-api-key", "api-key", "x-goog-api-key"])
def test_a_route_presents_it_as_its_kind_wants(auth: str) -> None:
    with pytest.raises(ConfigurationError, match='is presented with auth = "bearer"'):
        build(toml("google_metadata", {}, auth=auth))


def test_anthropics_tokens_need_a_header() -> None:
    with pytest.raises(ConfigurationError, match='needs the header anthropic-beta = "oauth-2025-04-20"'):
        build(toml("anthropic_workload", GOOD["anthropic_workload"]).replace("oauth-2025-04-20", "other"))


def test_a_section_without_a_route_or_a_kind() -> None:
    with pytest.raises(ConfigurationError, match="no route names the secret 'cloud'"):
        build(toml("google_metadata", {}, secret="another"))
    for bad in ('"magic"', "5", '["google_metadata"]'):
        with pytest.raises(ConfigurationError, match=r"credentials\.cloud\.kind must be one of"):
            build(toml("google_metadata", {}).replace('"google_metadata"', bad))
    with pytest.raises(ConfigurationError, match=r"credentials\.x must be a table"):
        build('credentials.x = "y"\n' + toml("google_metadata", {}))


@pytest.mark.parametrize("name", ["", "Cloud", "a b", "env:X", "../x", "x" * 129])
def test_names(name: str) -> None:
    raw = {"kind": "google_metadata", "origin": "http://169.254.169.254", "net": "metadata", "origins": [API]}
    with pytest.raises(UntrustedTable):
        files(table(row(), credentials={name: raw})).open()


def test_a_stored_secret_beside_it_stays_one() -> None:
    raw = {"kind": "google_metadata", "origin": "http://169.254.169.254", "net": "metadata", "origins": [API]}
    made = files(table(row(secret="cloud"), row(id="other", secret="plain"), credentials={"cloud": raw})).open()
    made.recheck(made.routes["main"])
    made.recheck(made.routes["other"])
    assert list(made.credentials) == ["cloud"]


def test_it_is_said_in_words_and_as_json() -> None:
    made = opened("google_workload", GOOD["google_workload"])
    text = "\n".join(in_words(made, "signed"))
    assert 'credential "cloud" as bearer' in text
    assert 'google_workload, made at https://sts.googleapis.com from the key "token"' in text
    assert "and then at https://iamcredentials.googleapis.com" in text
    assert f"goes to {API}" in text
    assert "service_account: runner@acme.iam.gserviceaccount.com" in text
    assert "  token  goes to https://sts.googleapis.com" in text
    assert "  cloud  goes to" not in text
    shown = as_json(made, "signed")
    assert shown["keys"] == {"token": ["https://sts.googleapis.com"]}
    assert shown["credentials"]["cloud"]["more_origins"] == ["https://iamcredentials.googleapis.com"]
    assert shown["credentials"]["cloud"]["parameters"]["audience"] == POOL
    vouched = "\n".join(in_words(opened("google_metadata", {}), "signed"))
    assert "made at http://169.254.169.254 (this machine's cloud) from no key: the place vouches" in vouched
    assert "none is needed" in vouched


def test_every_table_in_the_how_to_builds() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "cloud-credentials.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert [len(files(build(block)).open().credentials) for block in blocks] == [1, 1, 1, 1, 0]
    for name, kind in KINDS.items():
        line = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(f"`{parameter}`" in line for parameter in (*kind.required, *kind.optional))

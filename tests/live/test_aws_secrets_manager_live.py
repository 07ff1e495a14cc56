"""Against a stand-in for AWS Secrets Manager (moto's server), whose side of the signature is not ours.

Start moto_server on loopback and say where: SAFEROUTE_MOTO_PORT. Without it everything here skips.
"""

from __future__ import annotations

import os
import secrets as randomness
from typing import Any

import pytest

from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import OriginMismatch, SecretError, SecretNotFound
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.sources import Secrets

PORT = os.environ.get("SAFEROUTE_MOTO_PORT", "")
ADDRESS = f"http://127.0.0.1:{PORT}"
ORIGIN = "https://api.example.com"
REGION = "eu-central-1"

pytestmark = pytest.mark.skipif(not PORT, reason="SAFEROUTE_MOTO_PORT names no moto")


@pytest.fixture
def store() -> Any:
    session = pytest.importorskip("botocore.session")
    return session.get_session().create_client(
        "secretsmanager", region_name=REGION, endpoint_url=ADDRESS, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="x"
    )


@pytest.fixture
def name() -> str:
    return f"saferoute-test/{randomness.token_hex(6)}"


def keys_at(name: str, key: str = "AKIDEXAMPLE:secret:token", bound: str = ADDRESS) -> Secrets:
    return Secrets.aws_secrets_manager(REGION, {"row": (name, ORIGIN)}, credentials=Secrets.of({"aws": (key, bound)}), endpoint=ADDRESS)


def test_a_key_is_fetched_and_again_after_a_refusal(store: Any, name: str) -> None:
    made = store.create_secret(Name=name, SecretString='{"v": 1, "secret": "key-one", "origins": ["https://api.example.com"]}')
    credentials = Credentials(open_sources(keys_at(name), {}))
    assert credentials.header("row", "bearer", ORIGIN) == (b"authorization", b"Bearer key-one")
    store.put_secret_value(SecretId=name, SecretString="key-two")
    assert credentials.header("row", "bearer", ORIGIN) == (b"authorization", b"Bearer key-one")
    credentials.forget("row")
    assert credentials.header("row", "bearer", ORIGIN) == (b"authorization", b"Bearer key-two")
    by_arn = open_sources(keys_at(made["ARN"], key="AKIDEXAMPLE:secret"), {})
    assert by_arn.find("row") is not None


def test_what_is_not_there(store: Any, name: str) -> None:
    assert open_sources(keys_at(name), {}).find("row") is None


def test_bytes_are_not_a_key(store: Any, name: str) -> None:
    store.create_secret(Name=name, SecretBinary=b"key")
    with pytest.raises(SecretError, match="store the key as SecretString"):
        open_sources(keys_at(name), {}).find("row")


def test_the_aws_key_is_bound_too(name: str) -> None:
    with pytest.raises(OriginMismatch):
        open_sources(keys_at(name, bound="https://secretsmanager.eu-central-1.amazonaws.com"), {}).find("row")
    spec = Secrets.aws_secrets_manager(REGION, {"row": (name, ORIGIN)}, credentials=Secrets.of({}), endpoint=ADDRESS)
    with pytest.raises(SecretNotFound, match="no key for aws, which signs"):
        open_sources(spec, {}).find("row")

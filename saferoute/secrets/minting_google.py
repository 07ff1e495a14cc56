"""Google: a service account's key, a person's refresh token, a federated workload token or the metadata service becomes an access token.

The forms are those of google-auth, which the tests compare with. What a key file or an ADC file says about addresses is not followed:
a field that names the row's own endpoint is passed over, any other address is refused. Commands are never run, files never read.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from saferoute.errors import SecretError
from saferoute.secrets.document import document_of, is_document
from saferoute.secrets.minting import LONGEST_LIFE, Minted, MintRequest, bearer, endpoint, expect_success, fields_of, material_of, reveal
from saferoute.secrets.secret import Hidden, Secret, make_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.secrets.minting import MintAnswer, Recipe
    from saferoute.values.credential import CredentialSpec

__all__ = ["authorized_user", "metadata", "service_account", "workload"]

_FORM: Final = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))
_CLOUD: Final = "https://www.googleapis.com/auth/cloud-platform"
_IAM: Final = "https://www.googleapis.com/auth/iam"
_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
"""Whom an assertion is for: Google's own name of its token endpoint, by whichever address it is reached."""

_TOKEN_PATH: Final = "/token"  # noqa: S105  a path
_ASSERTION_LIFE: Final = 3600
_SMALLEST_KEY: Final = 2048
_UNIVERSE: Final = "googleapis.com"
# Of every key file: where people log in, and where certificates to check Google's own signatures are. Nothing here reads them.
_UNREAD: Final = frozenset({"auth_uri", "auth_provider_x509_cert_url", "client_x509_cert_url"})


def service_account(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:
    """Sign an assertion with a service account's key, and exchange it (RFC 7523).

    Raises:
        SecretError: the material is not a service account's key file, or names other addresses than the row's.
        AuthenticationRejected: as `bearer`.
    """
    body = _assertion_form(spec, _document(spec, material, "service_account"), int(now))
    if isinstance(body, str):
        raise SecretError(_unusable(spec, body))
    return bearer(spec, (yield MintRequest("POST", _TOKEN_PATH, _FORM, body)), now)


def authorized_user(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:
    """Exchange the refresh token of an application default credentials file (RFC 6749 section 6).

    Raises:
        SecretError: the material is no such file, or names other addresses than the row's.
        AuthenticationRejected: as `bearer`.
    """
    body = _refresh_form(spec, _document(spec, material, "authorized_user"))
    if isinstance(body, str):
        raise SecretError(_unusable(spec, body))
    return bearer(spec, (yield MintRequest("POST", _TOKEN_PATH, _FORM, body)), now)


def workload(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:
    """Exchange a workload's own token (RFC 8693); then, if the row names a service account, act as that one.

    Raises:
        SecretError: the material is a configuration file instead of the token.
        AuthenticationRejected: as `bearer`.
    """
    if material is not None and is_document(reveal(material)):
        raise SecretError(
            f"the credential {spec.name!r} is made from the workload's token itself, and its secret {spec.secret!r} is a JSON document. "
            "What a configuration file says (audience, service account) belongs in the routing table; its addresses, files and commands "
            "are not followed. Give the token's own file"
        )
    wanted = spec.parameters.get("scope", _CLOUD)
    account = spec.parameters.get("service_account")
    asked = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", spec.parameters["audience"]),
        ("scope", wanted if account is None else _IAM),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ]
    kind = ("subject_token_type", spec.parameters.get("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"))
    body = Hidden(urlencode([*asked, ("subject_token", material_of(spec, material)), kind]).encode("ascii"))
    federated = bearer(spec, (yield MintRequest("POST", "/v1/token", _FORM, body)), now)
    if account is None:
        return federated
    # The step's own origin is declared by the row; without one, the row's own is asked.
    asked_for = Hidden(json.dumps({"delegates": None, "scope": wanted.split(), "lifetime": "3600s"}).encode("ascii"))
    presented = ("authorization", Hidden(b"Bearer " + reveal(federated.secret)))
    path = f"/v1/projects/-/serviceAccounts/{quote(account, safe='@')}:generateAccessToken"
    where = spec.more_origins[0] if spec.more_origins else ""
    answer = yield MintRequest("POST", path, (("content-type", "application/json"),), asked_for, (presented,), where)
    return _impersonated(spec, answer, now)


def metadata(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:  # noqa: ARG001  a recipe's arguments
    """Ask this machine's metadata service. Its address vouches for the account; the header keeps forged requests away.

    Raises:
        SecretError: something that is not the metadata service answered.
        AuthenticationRejected: as `bearer`.
    """
    account = quote(spec.parameters.get("account", "default"), safe="@")
    query = f"?{urlencode({'scopes': ','.join(spec.parameters['scope'].split())})}" if "scope" in spec.parameters else ""
    path = f"/computeMetadata/v1/instance/service-accounts/{account}/token{query}"
    answer = yield MintRequest("GET", path, (("metadata-flavor", "Google"),), Hidden(b""))
    expect_success(spec, answer)
    if answer.headers.get("metadata-flavor") != "Google":
        raise SecretError(f"{endpoint(spec)} is not Google's metadata service: its answer does not say so; nothing of it was used")
    return bearer(spec, answer, now)


# ------------------------------------------------------------------------------------------------------------- documents


def _unusable(spec: CredentialSpec, why: str) -> str:
    return f"the secret {spec.secret!r}, which the credential {spec.name!r} is made from, cannot be used: {why}"


def _document(spec: CredentialSpec, material: Secret | None, kind: str) -> Mapping[str, object] | str:
    """The document, if it is of this kind and names no address that is not the row's; else why not."""
    found = None if material is None else document_of(material)
    if found is None:
        return f"it is not a JSON document of the type {kind!r}"
    if found.get("type") != kind:
        return f"its type is not {kind!r}"
    if found.get("universe_domain", _UNIVERSE) != _UNIVERSE:
        return f"its universe_domain is not {_UNIVERSE}"
    for name, value in found.items():
        if name in _UNREAD or (name == "token_uri" and value == spec.origin + _TOKEN_PATH):
            continue
        if name == "token_uri" or isinstance(value, dict | list) or (isinstance(value, str) and "://" in value):
            named = name if name in _KNOWN else "a field of it"
            return (
                f"{named} names a place that is not the routing table's ({spec.origin}{_TOKEN_PATH}). Nothing in such a file decides where "
                "a key goes: correct the table, or take the field out of the file"
            )
    return found


_KNOWN: Final = frozenset({"token_uri", "credential_source", "service_account_impersonation_url", "token_url", "token_info_url"})


def _texts(document: Mapping[str, object], *names: str) -> tuple[str, ...] | str:
    """These fields' texts, or what is missing."""
    found = [document.get(name) for name in names]
    texts = tuple(value for value in found if isinstance(value, str) and value)
    if len(texts) == len(names):
        return texts
    return f"it lacks {', '.join(name for name, value in zip(names, found, strict=True) if not (isinstance(value, str) and value))}"


def _refresh_form(spec: CredentialSpec, document: Mapping[str, object] | str) -> Hidden | str:
    if isinstance(document, str):
        return document
    names = ("client_id", "client_secret", "refresh_token")
    texts = _texts(document, *names)
    if isinstance(texts, str):
        return texts
    fields = [("grant_type", "refresh_token"), *zip(names, texts, strict=True)]
    fields += [("scope", spec.parameters["scope"])] if "scope" in spec.parameters else []
    return Hidden(urlencode(fields).encode("ascii"))


def _assertion_form(spec: CredentialSpec, document: Mapping[str, object] | str, now: int) -> Hidden | str:
    if isinstance(document, str):
        return document
    texts = _texts(document, "client_email", "private_key_id", "private_key")
    if isinstance(texts, str):
        return texts
    issuer, key_id, pem = texts
    claims = {"iat": now, "exp": now + _ASSERTION_LIFE, "iss": issuer, "aud": _AUDIENCE, "scope": spec.parameters.get("scope", _CLOUD)}
    signed = _base64({"typ": "JWT", "alg": "RS256", "kid": key_id}) + b"." + _base64(claims)
    signature = _signature(pem, signed)
    if isinstance(signature, str):
        return signature
    assertion = (signed + b"." + signature).decode("ascii")
    return Hidden(urlencode({"assertion": assertion, "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}).encode("ascii"))


def _base64(value: Mapping[str, object]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode("ascii")).rstrip(b"=")


def _signature(pem: str, signed: bytes) -> bytes | str:
    """Sign (RS256), or say what is wrong with the key; nothing is raised from the frame that sees it."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  only who has a service account's key needs it
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem.encode("utf-8", "surrogatepass"), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "its private_key is not an unencrypted PEM key"
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SMALLEST_KEY:
        return f"its private_key is not an RSA key of at least {_SMALLEST_KEY} bits"
    return base64.urlsafe_b64encode(key.sign(signed, PKCS1v15(), SHA256())).rstrip(b"=")


def _impersonated(spec: CredentialSpec, answer: MintAnswer, now: float) -> Minted:
    """What generateAccessToken answers: accessToken and expireTime.

    Raises:
        AuthenticationRejected: as `expect_success`.
        SecretError: no token, or an end that is no time.
    """
    expect_success(spec, answer)
    made = _impersonation(fields_of(spec, answer), now)
    del answer
    if isinstance(made, str):
        raise SecretError(f"{endpoint(spec)} answered with {made}; nothing of it was used")
    return made


def _impersonation(fields: Mapping[str, object], now: float) -> Minted | str:
    token, end = fields.get("accessToken"), fields.get("expireTime")
    secret = make_secret(token) if isinstance(token, str) else "no text"
    if isinstance(secret, str):
        return "an accessToken that no header can carry"
    try:
        ends = datetime.fromisoformat(end).astimezone(UTC).timestamp() if isinstance(end, str) and end.endswith("Z") else 0.0
    except (ValueError, OverflowError):
        ends = 0.0
    if not 0 < ends - now <= LONGEST_LIFE:
        return "an expireTime that is no time to come"
    return Minted(secret, ends)

"""Recipes for temporary keys of AWS: from a web identity, from a container's endpoint, from an instance's metadata.

What comes out is text for the scheme "sigv4", "KEY_ID:SECRET:TOKEN". See `saferoute.secrets.minting` for what a recipe is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from saferoute.errors import SecretError
from saferoute.secrets.minting import (
    LONGEST_LIFE,
    Minted,
    MintRequest,
    endpoint,
    expect_success,
    fields_of,
    material_of,
)
from saferoute.secrets.secret import Hidden
from saferoute.secrets.signer import joined_key
from saferoute.wire.plain_xml import texts_by_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.secrets.minting import MintAnswer, Recipe
    from saferoute.secrets.secret import Secret
    from saferoute.values.credential import CredentialSpec

__all__ = ["aws_container", "aws_instance", "aws_web_identity"]

_ROLE_ARN = re.compile(r"arn:aws[a-z-]{0,16}:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,576}")
_ROLE_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")
_SESSION_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{2,64}")
_SECONDS = re.compile(r"[1-9][0-9]{2,4}")
_PATH = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,127}/?){1,8}")
_METADATA_TOKEN = re.compile(rb"[\x21-\x7e]{1,1024}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z")
_STS_TIMES: Final = range(900, 43_201)
_SESSION_SECONDS: Final = "21600"
_NOT_FOUND: Final = 404
_OK: Final = 200

_STS_ANSWER: Final = ("AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult", "Credentials")
_STS_ERROR: Final = ("ErrorResponse", "Error", "Code")
# What STS refuses a web identity with, and whether another token, or another row, is what helps.
_STS_CODES: Final[Mapping[str, str]] = {
    "AccessDenied": "the role's trust policy does not admit this identity",
    "ExpiredTokenException": "the web identity token has expired: the platform that writes it must write a new one",
    "IDPRejectedClaim": "the identity provider rejected the token",
    "InvalidIdentityToken": "the web identity token is damaged, or its issuer is not an identity provider of that account",
}


# ---------------------------------------------------------------------------------------------------- STS


def aws_web_identity(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:
    """Trade a web identity token, such as a Kubernetes service account's, for temporary keys of a role (AssumeRoleWithWebIdentity).

    Args:
        spec: origin is STS, such as "https://sts.us-east-1.amazonaws.com". Parameters: `role`, its ARN; `session_name` ("saferoute"), as
            it stands in AWS' logs; `duration` (3600), 900 to 43200 seconds.
        material: the token.
        now: seconds since the epoch.

    Raises:
        SecretError: a parameter is missing, unknown or malformed, there is no token, STS does not accept it or its role (the message
            says what helps), or the answer is none of STS.
    """
    given = _parameters(spec, {"role": _ROLE_ARN, "session_name": _SESSION_NAME, "duration": _SECONDS}, required=("role",))
    duration = given.get("duration", "3600")
    if int(duration) not in _STS_TIMES:
        raise SecretError(f"the credential {spec.name!r}: duration is 900 to 43200 seconds, not {duration}")
    answer = yield MintRequest(
        "POST",
        "/",
        (("content-type", "application/x-www-form-urlencoded"), ("accept", "text/xml")),
        _form(given["role"], given.get("session_name", "saferoute"), duration, material_of(spec, material)),
    )
    if answer.status != _OK:
        raise _sts_refusal(spec, answer)
    return _minted(spec, _sts_fields(answer), ("AccessKeyId", "SecretAccessKey", "SessionToken"), now)


def _form(role: str, session_name: str, duration: str, token: str) -> Hidden:
    fields = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": session_name,
        "DurationSeconds": duration,
        "WebIdentityToken": token,
    }
    return Hidden(urlencode(fields).encode("ascii"))


def _sts_fields(answer: MintAnswer) -> Mapping[str, object]:
    try:
        found = texts_by_path(answer.body)
    except ValueError:
        return {}
    return {path[-1]: text for path, text in found.items() if path[:-1] == _STS_ANSWER}


def _sts_refusal(spec: CredentialSpec, answer: MintAnswer) -> SecretError:
    try:
        code = texts_by_path(answer.body).get(_STS_ERROR, "")
    except ValueError:
        code = ""
    if code in _STS_CODES:
        return SecretError(f"{endpoint(spec)} answered {answer.status}, {code}: {_STS_CODES[code]}")
    return SecretError(f"{endpoint(spec)} answered {answer.status}: check that credential's row in the routing table")


# ---------------------------------------------------------------------------------------------------- containers


def aws_container(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:
    """Ask the endpoint that AWS gives a container.

    Args:
        spec: origin is "http://169.254.170.2" (ECS) or "http://169.254.170.23" (EKS pod identity). Parameter: `path`, such as
            "/v1/credentials". Without it the material is the path: in ECS every task has its own, in the variable
            AWS_CONTAINER_CREDENTIALS_RELATIVE_URI.
        material: with a `path`, the authorization token, if the endpoint wants one; else the path.
        now: seconds since the epoch.

    Raises:
        AuthenticationRejected: the endpoint does not accept the token.
        SecretError: a parameter is unknown or malformed, there is no path, or the answer is none of such an endpoint.
    """
    path = _parameters(spec, {"path": _PATH}).get("path")
    token: tuple[tuple[str, Hidden], ...] = ()
    if path is None:
        path = _relative(spec, material)
    elif material is not None:
        token = (("authorization", material),)
    answer = yield MintRequest("GET", path, (("accept", "application/json"),), Hidden(b""), token)
    expect_success(spec, answer)
    return _minted(spec, fields_of(spec, answer), ("AccessKeyId", "SecretAccessKey", "Token"), now)


def _relative(spec: CredentialSpec, material: Secret | None) -> str:
    text = material_of(spec, material)
    if _PATH.fullmatch(text):
        return text
    del text
    raise SecretError(
        f"the credential {spec.name!r} (aws_container) has no parameter path, and the secret {spec.secret!r} is none: it must be what "
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI holds in a task of ECS"
    )


# ---------------------------------------------------------------------------------------------------- instances


def aws_instance(spec: CredentialSpec, material: Secret | None, now: float) -> Recipe:
    """Ask an instance's metadata (IMDSv2: a session first; the older way, without one, is never tried).

    Args:
        spec: origin is "http://169.254.169.254". Parameter: `role`, a role's name, for an instance that must have no other.
        material: none.
        now: seconds since the epoch.

    Raises:
        AuthenticationRejected: the metadata service is off, or refuses the session.
        SecretError: a parameter is unknown or malformed, no role is attached, or the answer is none of IMDS.
    """
    role = _parameters(spec, {"role": _ROLE_NAME}).get("role")
    if material is not None:
        raise SecretError(f"the credential {spec.name!r} (aws_instance) is made from no secret; its row must not name one")
    nothing = Hidden(b"")
    answer = yield MintRequest("PUT", "/latest/api/token", (("x-aws-ec2-metadata-token-ttl-seconds", _SESSION_SECONDS),), nothing)
    expect_success(spec, answer)
    session = (("x-aws-ec2-metadata-token", _session(spec, answer)),)
    folder = "/latest/meta-data/iam/security-credentials/"
    if role is None:
        answer = yield MintRequest("GET", folder, (), nothing, session)
        _expect_role(spec, answer)
        role = _role_in(spec, answer)
    answer = yield MintRequest("GET", folder + role, (), nothing, session)
    _expect_role(spec, answer)
    fields = fields_of(spec, answer)
    if fields.get("Code") != "Success":
        del fields
        raise SecretError(f"{endpoint(spec)} could not make keys of the role: its own answer does not say Success. Ask again later")
    return _minted(spec, fields, ("AccessKeyId", "SecretAccessKey", "Token"), now)


def _session(spec: CredentialSpec, answer: MintAnswer) -> Hidden:
    if _METADATA_TOKEN.fullmatch(answer.body):
        return Hidden(answer.body)
    raise SecretError(f"{endpoint(spec)} answered with something that is no session token; nothing of it was used")


def _expect_role(spec: CredentialSpec, answer: MintAnswer) -> None:
    if answer.status == _NOT_FOUND:
        raise SecretError(f"{endpoint(spec)} has no such role: attach an instance profile, or correct the row's parameter role")
    expect_success(spec, answer)


def _role_in(spec: CredentialSpec, answer: MintAnswer) -> str:
    try:
        name = answer.body.decode("ascii").strip()
    except UnicodeDecodeError:
        name = ""
    if _ROLE_NAME.fullmatch(name):
        return name
    del name
    raise SecretError(f"{endpoint(spec)} did not name one role; nothing of its answer was used")


# ---------------------------------------------------------------------------------------------------- what all have


def _parameters(spec: CredentialSpec, known: Mapping[str, re.Pattern[str]], *, required: tuple[str, ...] = ()) -> Mapping[str, str]:
    """The row's parameters, if each is known and has its form.

    Raises:
        SecretError: one is not, or a required one is missing. The table is no secret, so that the name is shown.
    """
    for name, value in spec.parameters.items():
        if name not in known:
            raise SecretError(f"the credential {spec.name!r} ({spec.kind}) has no parameter {name!r}; it has {', '.join(sorted(known))}")
        if not known[name].fullmatch(value):
            raise SecretError(f"the credential {spec.name!r} ({spec.kind}): the parameter {name!r} does not have the form of one")
    for name in required:
        if name not in spec.parameters:
            raise SecretError(f"the credential {spec.name!r} ({spec.kind}) needs the parameter {name!r}")
    return spec.parameters


def _minted(spec: CredentialSpec, fields: Mapping[str, object], names: tuple[str, str, str], now: float) -> Minted:
    made = _made(fields, names, now)
    del fields
    if isinstance(made, str):
        raise SecretError(f"{endpoint(spec)} answered {made}; nothing of it was used")
    return made


def _made(fields: Mapping[str, object], names: tuple[str, str, str], now: float) -> Minted | str:
    """Make it, or say what is wrong: nothing is raised from a frame that sees the keys."""
    access_key, secret_key, token = (fields.get(name) for name in names)
    if not (isinstance(access_key, str) and isinstance(secret_key, str) and isinstance(token, str)):
        return f"without one of {', '.join(names)}"
    secret = joined_key(access_key, secret_key, token)
    if isinstance(secret, str):
        return "with keys that do not have the form of AWS keys"
    expires_at = _seconds(fields.get("Expiration"))
    if expires_at is None:
        return "without an Expiration such as 2026-01-31T12:00:00Z"
    if expires_at <= now:
        return "with keys that have expired already: check this machine's clock"
    if expires_at > now + LONGEST_LIFE:
        return "with keys that live longer than any do: check this machine's clock"
    return Minted(secret, expires_at)


def _seconds(text: object) -> float | None:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:  # 31 February, or the like
        return None

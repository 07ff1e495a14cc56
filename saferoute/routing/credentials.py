"""The table's `credentials`: short-lived ones, made from a stored secret or by the place that a program runs in.

Each kind has exactly its own parameters. The endpoint that makes one is an origin of the table, checked like a route's; where a cloud
answers its own machines, it is that cloud's fixed address and nothing else, which no route may name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from saferoute.routing.egress import EGRESS, NETWORKS, compile_net
from saferoute.routing.places import check_place
from saferoute.routing.schema import ANNOTATIONS, ListOf, Record, Text, check
from saferoute.routing.spellings import written_proxy
from saferoute.signing.refusal import Refused
from saferoute.values.credential import CredentialKind, CredentialSpec
from saferoute.values.http import NetClass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.routing.schema import Shape
    from saferoute.values.http import AuthScheme
    from saferoute.values.target import Target

__all__ = ["CREDENTIAL", "CREDENTIAL_NAME", "KINDS", "Kind", "check_users", "compile_credential", "mark_of", "written_credential"]

CREDENTIAL_NAME: Final = Text(re.compile(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*"), longest=128, what="a secret's name")
_INSTANCE: Final = ("http://169.254.169.254",)
_CONTAINER: Final = ("http://169.254.170.2", "http://169.254.170.23")
_MOST_ORIGINS: Final = 64
_ANTHROPIC_BETA: Final = "oauth-2025-04-20"

_origin = Text(longest=300)
_word = Text(re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*"), longest=200, what="a name of letters and digits")
_scope = Text(re.compile(r"[A-Za-z0-9._:/+-]+(?: [A-Za-z0-9._:/+-]+){0,9}"), longest=1000, what="one or more scopes")
_address = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_account = Text(re.compile(_address), longest=200, what="a service account's address, such as runner@project.iam.gserviceaccount.com")
_audience = Text(
    re.compile(r"//iam\.googleapis\.com/(?:[A-Za-z0-9_-]+/)+providers/[A-Za-z0-9_-]+"),
    longest=400,
    what='an audience such as "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/pool/providers/name"',
)
_google_tokens = Text(choices=tuple(f"urn:ietf:params:oauth:token-type:{kind}" for kind in ("jwt", "id_token", "saml2", "access_token")))
_aws_role = Text(re.compile(r"arn:aws[a-z-]{0,16}:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,576}"), longest=700, what="a role's ARN")
_aws_name = Text(re.compile(r"[A-Za-z0-9+=,.@_-]{2,64}"), longest=64, what="a name as AWS has them")
_seconds = Text(re.compile(r"[1-9][0-9]{2,4}"), longest=5, what='a number of seconds as a text, such as "3600"')
_path = Text(re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,127}){1,8}"), longest=500, what='a path such as "/v1/credentials"')


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of credential needs.

    Attributes:
        auth: how routes present what is made.
        material: whether it is made from a stored secret: "yes", "no" or "maybe".
        required: parameters that it must have.
        optional: parameters that it may have.
        places: the fixed addresses that make it; () for an origin of the table's choice.
        default: the origin that routes.toml may leave out; "" for none. "{region}" stands for the region given there.
    """

    auth: AuthScheme
    material: str
    required: Mapping[str, Shape] = field(default_factory=dict)
    optional: Mapping[str, Shape] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    default: str = ""


_ENTRA: Final = {"tenant": _word, "client_id": _word, "scope": _scope}

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "aws_container": Kind("sigv4", "maybe", {}, {"path": _path}, _CONTAINER),
        "aws_instance": Kind("sigv4", "no", {}, {"role": _aws_name}, _INSTANCE, _INSTANCE[0]),
        "aws_web_identity": Kind(
            "sigv4",
            "yes",
            {"role": _aws_role},
            {"session_name": _aws_name, "duration": _seconds},
            default="https://sts.{region}.amazonaws.com",
        ),
        "google_service_account": Kind("bearer", "yes", {}, {"scope": _scope}, default="https://oauth2.googleapis.com"),
        "google_authorized_user": Kind("bearer", "yes", {}, {"scope": _scope}, default="https://oauth2.googleapis.com"),
        "google_workload": Kind(
            "bearer",
            "yes",
            {"audience": _audience},
            {"scope": _scope, "subject_token_type": _google_tokens, "service_account": _account},
            default="https://sts.googleapis.com",
        ),
        "google_metadata": Kind(
            "bearer",
            "no",
            {},
            {"scope": _scope, "account": Text(re.compile(rf"default|{_address}"), longest=200, what='"default" or an account\'s address')},
            _INSTANCE,
            _INSTANCE[0],
        ),
        "azure_client_secret": Kind("bearer", "yes", _ENTRA, default="https://login.microsoftonline.com"),
        "azure_workload": Kind("bearer", "yes", _ENTRA, default="https://login.microsoftonline.com"),
        "azure_managed": Kind(
            "bearer",
            "no",
            {"resource": Text(re.compile(r"(?:https|api)://[A-Za-z0-9._/-]+"), longest=300, what="a resource's address")},
            {"client_id": _word},
            _INSTANCE,
            _INSTANCE[0],
        ),
        "openai_workload": Kind(
            "bearer",
            "yes",
            {"identity_provider_id": _word, "service_account_id": _word},
            {"subject_token_type": Text(choices=("jwt", "id"))},
            default="https://auth.openai.com",
        ),
        "anthropic_workload": Kind(
            "bearer",
            "yes",
            {"federation_rule_id": _word, "organization_id": _word},
            {"service_account_id": _word, "workspace_id": _word},
            default="https://api.anthropic.com",
        ),
    }
)

_SECOND_STEP: Final = "impersonation_origin"
"""Where a second step goes: an origin, not a parameter. Only google_workload has one, and only with a service account."""

_EVERY: Final[Mapping[str, Shape]] = {
    "kind": Text(choices=get_args(CredentialKind)),
    "origin": _origin,
    "net": Text(choices=("public", "loopback", "private", "metadata")),
    "origins": ListOf(_origin, _MOST_ORIGINS, 1, distinct=True),
}
_BEYOND: Final = frozenset({"networks", "tls", "connect_proxy"})
_SOME: Final[Mapping[str, Shape]] = {
    "networks": NETWORKS,
    "tls": EGRESS["tls"],
    "connect_proxy": EGRESS["connect_proxy"],
    "annotations": ANNOTATIONS,
}

CREDENTIAL: Final = Record(
    _EVERY,
    {
        **_SOME,
        "secret": CREDENTIAL_NAME,
        _SECOND_STEP: _origin,
        **{name: Text() for kind in KINDS.values() for name in (*kind.required, *kind.optional)},
    },
)
"""Any credential, for the shape of the table. `compile_credential` holds each to exactly its own kind's fields."""


def _shape_of(kind: Kind) -> Record:
    required, optional = {**_EVERY, **kind.required}, {**_SOME, **kind.optional}
    if kind.material != "no":
        (required if kind.material == "yes" else optional)["secret"] = CREDENTIAL_NAME
    if "service_account" in kind.optional:
        optional[_SECOND_STEP] = _origin
    return Record(required, optional)


def compile_credential(name: str, raw: Mapping[str, Any], path: str) -> CredentialSpec:
    """Compile one credential.

    Args:
        name: what routes call it.
        raw: as the payload has it.
        path: where it stands, for errors.

    Raises:
        Refused: for a field that its kind does not have or lacks, a place that does not fit, or a metadata address of the wrong kind.
    """
    kind = KINDS[raw["kind"]]
    check(raw, _shape_of(kind), path)
    net = _endpoint(raw, kind, path)
    origins = tuple(sorted(raw["origins"]))
    for place in origins:
        _check_receiver(place, path)
    if raw["kind"] == "aws_container" and "path" not in raw and "secret" not in raw:
        raise Refused(f"{path}: aws_container needs the path, or the name of the secret that holds the path of this task")
    second = raw.get(_SECOND_STEP)
    if (second is not None) != ("service_account" in raw):
        raise Refused(f"{path}.{_SECOND_STEP}: a service account to act as needs the origin that allows it, and only then")
    if second is not None:
        check_place(second, raw["net"], raw.get("networks"), f"{path}.{_SECOND_STEP}")
        if raw.get("tls", "certifi") not in ("certifi", "os") and "pins" in raw["tls"]:
            raise Refused(f"{path}.tls: pins are those of one server, and {raw['kind']} asks two: {raw['origin']} and {second}")
    return CredentialSpec(
        name=name,
        kind=raw["kind"],
        origin=raw["origin"],
        net=net,
        secret=raw.get("secret"),
        origins=origins,
        parameters=MappingProxyType({key: raw[key] for key in sorted({*kind.required, *kind.optional}) if key in raw}),
        more_origins=() if second is None else (second,),
    )


def _endpoint(raw: Mapping[str, Any], kind: Kind, path: str) -> NetClass:
    """How the endpoint is reached: by the rules of a row, or as a cloud's own machines are answered."""
    if kind.places:
        if raw["net"] != "metadata" or raw["origin"] not in kind.places or _BEYOND & raw.keys():
            places = " or ".join(kind.places)
            why = f'{raw["kind"]} is made at {places}, with net = "metadata" and no networks, tls or proxy, and nowhere else'
            raise Refused(f"{path}.origin: {why}")
        return NetClass("metadata")
    if raw["net"] == "metadata":
        raise Refused(f'{path}.net: "metadata" is for the kinds that a cloud makes for its own machines; {raw["kind"]} is none')
    return compile_net(raw, path)


def _check_receiver(origin: str, path: str) -> None:
    """A receiver is a route's origin, and routes are checked where they stand; here, none may be a place that makes credentials."""
    if origin in (*_INSTANCE, *_CONTAINER):
        raise Refused(f"{path}.origins: {origin} makes credentials and takes none")


def check_users(specs: Mapping[str, CredentialSpec], targets: Iterable[Target]) -> None:
    """Check the routes that name a credential, and that no credential is made from another.

    Raises:
        Refused: naming the route or the credential.
    """
    for spec in specs.values():
        if spec.secret in specs:
            raise Refused(f"table.credentials.{spec.name}.secret: {spec.secret!r} is a credential of this table; name a stored secret")
    for target in targets:
        user = specs.get(target.secret) if target.secret is not None else None
        if user is None:
            continue
        if target.origin not in user.origins:
            raise Refused(f"the route {target.id!r} goes to {target.origin}, which is not among the origins of credentials.{user.name}")
        auth = KINDS[user.kind].auth
        if target.auth != auth:
            raise Refused(f'the route {target.id!r}: a credential of the kind {user.kind} is presented with auth = "{auth}"')
        if user.kind == "anthropic_workload" and _ANTHROPIC_BETA not in dict(target.headers).get("anthropic-beta", ""):
            raise Refused(f'the route {target.id!r} needs the header anthropic-beta = "{_ANTHROPIC_BETA}" with {user.kind}')


def mark_of(spec: CredentialSpec) -> int:
    """A hash of everything that a credential says, to notice if it is changed in memory."""
    fixed = (spec.name, spec.kind, spec.origin, spec.net, spec.secret, spec.origins, spec.more_origins)
    return hash((fixed, tuple(sorted(spec.parameters.items()))))


def written_credential(name: str, raw: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], path: str) -> dict[str, Any]:
    """From a section of routes.toml to the signed table's own words: the origin, the net class and the receivers may be left out.

    Args:
        name: what routes call it.
        raw: the section.
        rows: the file's rows, in the signed table's words; those that name the credential are its receivers.
        path: where it stands, for errors.

    Raises:
        Refused: with the place in the file.
    """
    kind = KINDS.get(raw.get("kind", "")) if isinstance(raw.get("kind"), str) else None
    if kind is None:
        raise Refused(f"{path}.kind must be one of {', '.join(KINDS)}")
    made = {key: value for key, value in raw.items() if key != "region"}
    if "origin" not in made:
        region = raw.get("region", "")
        if not kind.default or ("{region}" in kind.default and not _is_region(region)):
            needed = 'a region such as "eu-central-1", or an origin' if kind.default else f"an origin: {' or '.join(kind.places)}"
            raise Refused(f"{path} needs {needed}")
        made["origin"] = kind.default.format(region=region) + (".cn" if "{region}" in kind.default and region.startswith("cn-") else "")
    elif "region" in raw:
        raise Refused(f"{path}.region stands for an origin; write one of the two")
    if isinstance(made.get("net"), list):
        made |= {"net": "private", "networks": made["net"]}
    if "connect_proxy" in made:
        made["connect_proxy"] = written_proxy(made["connect_proxy"], f"{path}.connect_proxy")
    made.setdefault("net", "metadata" if kind.places else "public")
    if "service_account" in made and "service_account" in kind.optional:
        made.setdefault(_SECOND_STEP, "https://iamcredentials.googleapis.com")
    receivers = sorted({row["origin"] for row in rows if row.get("secret") == name})
    made.setdefault("origins", receivers)
    if not made["origins"]:
        raise Refused(f"{path}: no route names the secret {name!r}; name it in one, or take this section out")
    check(made, CREDENTIAL, path)
    compile_credential(name, made, path)
    return made


def _is_region(region: object) -> bool:
    return isinstance(region, str) and re.fullmatch(r"[a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2}", region) is not None

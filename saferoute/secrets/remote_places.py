"""Descriptions of secret stores that are asked over the network: OpenBao (and what speaks its protocol), and AWS Secrets Manager.

Address, paths and login are the code's; nothing of them is taken from the environment or from an answer. What logs in is a secret itself,
found in another place and bound to the store's address. They open nothing. See `saferoute.secrets.sources`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from saferoute.errors import ConfigurationError
from saferoute.secrets.other_stores import references
from saferoute.secrets.secret import check_name
from saferoute.values.http import NetClass, TlsTerms
from saferoute.values.origin import parse_origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.secrets.sources import SecretsSpec

__all__ = ["AwsStorePlace", "BaoLogin", "BaoServer", "OpenBaoPlace", "aws_store_place", "bao_server", "check_path", "openbao_place"]

_PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_LONGEST_PATH: Final = 512
_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]{2,10}){1,3}-[0-9]{1,2}")
_SECRET_ID: Final = re.compile(r"[A-Za-z0-9/_+=.@:-]{1,2048}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class BaoLogin:
    """How to log in to OpenBao.

    Attributes:
        method: "token", "approle" or "kubernetes".
        secret: the name of the secret that does it: the token, the secret id, or the workload's JWT.
        role: role id of an AppRole, role of a Kubernetes login; "" for a token.
        mount: where the method is mounted, such as "approle".
    """

    method: Literal["token", "approle", "kubernetes"]
    secret: str
    role: str = ""
    mount: str = ""


@dataclass(frozen=True, slots=True)
class BaoServer:
    """An OpenBao server, and how to log in there; `credentials` is where the secret is found that logs in."""

    origin: str
    login: BaoLogin
    credentials: SecretsSpec = field(repr=False)
    namespace: str
    net: NetClass = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenBaoPlace:
    """A key-value store (version 2) of OpenBao; `keys` is (name, path, origins) of each."""

    server: BaoServer
    mount: str
    keys: tuple[tuple[str, str, tuple[str, ...]], ...]
    label: str


@dataclass(frozen=True, slots=True)
class AwsStorePlace:
    """AWS Secrets Manager in one region; `keys` is (name, secret id, origins) of each."""

    origin: str
    region: str
    credentials: SecretsSpec = field(repr=False)
    key: str
    keys: tuple[tuple[str, str, tuple[str, ...]], ...]
    net: NetClass
    label: str


def bao_server(
    address: str,
    *,
    credentials: SecretsSpec,
    token: str | None,
    approle: tuple[str, str] | None,
    kubernetes: tuple[str, str] | None,
    namespace: str | None,
    networks: Sequence[str],
    ca_pem: str | None,
) -> BaoServer:
    """Describe a server of OpenBao.

    Raises:
        ConfigurationError: a malformed address, name or namespace; not exactly one way to log in.
    """
    origin, net = _address(address, networks, ca_pem)
    ways = [
        BaoLogin("token", check_name(token)) if token is not None else None,
        _login("approle", approle) if approle is not None else None,
        _login("kubernetes", kubernetes) if kubernetes is not None else None,
    ]
    logins = [way for way in ways if way is not None]
    if len(logins) != 1:
        msg = 'say one way to log in to OpenBao: token="NAME", approle=("ROLE-ID", "NAME"), or kubernetes=("ROLE", "NAME"), NAME a secret'
        raise ConfigurationError(msg)
    space = "" if namespace is None else check_path(namespace, "namespace")
    return BaoServer(origin, logins[0], credentials, space, net)


def _login(method: Literal["approle", "kubernetes"], pair: tuple[str, str]) -> BaoLogin:
    if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str) or not 1 <= len(pair[0]) <= _LONGEST_PATH:  # noqa: PLR2004
        msg = f"{method}= takes a pair: the role, and the name of the secret that logs in"
        del pair
        raise ConfigurationError(msg)
    return BaoLogin(method, check_name(pair[1]), pair[0], method)


def openbao_place(server: BaoServer, keys: Mapping[str, tuple[str, str | Sequence[str]]], mount: str) -> OpenBaoPlace:
    """Describe a key-value store of OpenBao.

    Raises:
        ConfigurationError: a malformed name, path, origin or mount.
    """
    rows = references(keys, "path")
    for _, path, _ in rows:
        check_path(path, "path")
    return OpenBaoPlace(server, check_path(mount, "mount"), rows, f"OpenBao at {server.origin}")


def aws_store_place(
    region: str,
    keys: Mapping[str, tuple[str, str | Sequence[str]]],
    *,
    credentials: SecretsSpec,
    key: str,
    endpoint: str | None,
    networks: Sequence[str],
) -> AwsStorePlace:
    """Describe AWS Secrets Manager.

    Raises:
        ConfigurationError: a malformed region, name, id, origin or endpoint.
    """
    if not isinstance(region, str) or _REGION.fullmatch(region) is None:
        msg = "Secrets.aws_secrets_manager takes a region of AWS, such as eu-central-1"
        raise ConfigurationError(msg)
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    origin, net = _address(endpoint or f"https://secretsmanager.{region}.{domain}", networks, None)
    rows = references(keys, "secret id")
    if not all(_SECRET_ID.fullmatch(identity) for _, identity, _ in rows):
        msg = "a secret of AWS Secrets Manager is named by its name or its ARN, such as prod/openai"
        raise ConfigurationError(msg)
    return AwsStorePlace(origin, region, credentials, check_name(key), rows, net, f"AWS Secrets Manager at {origin}")


def check_path(path: str, what: str) -> str:
    """Pass on a path that means itself: no empty, "." or ".." segment, and nothing that an address gives a meaning to.

    Raises:
        ConfigurationError: it is none.
    """
    if not isinstance(path, str) or len(path) > _LONGEST_PATH or _PATH.fullmatch(path) is None:
        msg = f"the {what} is words of letters, digits, '.', '_' and '-', joined by '/', such as llm/openai; no word begins with '.'"
        raise ConfigurationError(msg)
    return path


def _address(address: str, networks: Sequence[str], ca_pem: str | None) -> tuple[str, NetClass]:
    """The store's origin, which addresses it may resolve to, and whose certificates count."""
    origin = parse_origin(address)
    tls = None if ca_pem is None else TlsTerms("ca_pem", ca_pem)
    if origin.host in _LOOPBACK:
        return str(origin), NetClass("loopback", tls=tls)
    if origin.scheme != "https":
        msg = f"{address} is plain http, which shows keys to everybody on the way: use https. Plain http is for 127.0.0.1 and [::1]"
        raise ConfigurationError(msg)
    return str(origin), NetClass("private", tuple(networks), tls) if networks else NetClass(tls=tls)

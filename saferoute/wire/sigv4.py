"""AWS Signature Version 4, for every service but S3: a request and keys in, the headers that prove it out.

Pure: the time and the keys are parameters, nothing is kept, nothing is logged, and no error or repr holds a key.
Specification: "AWS Signature Version 4 for API requests"; the steps below have its names.

- Canonical path: dot segments and repeated slashes are taken out, then the path, which is percent-encoded already, is encoded again.
- Canonical query: the pairs as they are on the wire, sorted.
- Canonical headers: every header that is given, but those that a connection or a tracer may change on the way; inner white space is
  one space, repeated headers are joined with commas. `host`, `x-amz-date` and, for temporary keys, `x-amz-security-token` are added.
- The body's digest is part of the signature; the header `x-amz-content-sha256` is for S3 only and is not sent.

Refused, because a signature over it would say more than the caller meant: line ends and other control characters anywhere, and
headers that are the signature's own.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["OWN_NAMES", "AwsKeys", "Scope", "canonical_request", "derived_key", "scope_of_host", "sign"]

ALGORITHM = "AWS4-HMAC-SHA256"
OWN_NAMES = frozenset({"host", "authorization", "x-amz-date", "x-amz-security-token"})
"""Header names that the signature makes itself: a request that is to be signed cannot bring them."""

# What a connection, a proxy or a tracer may add or change between signing and arrival; AWS' own SDKs leave out the same.
_UNSIGNED = frozenset(
    {
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    }
)
_WORD = re.compile(r"[a-z0-9-]{1,64}")  # regions and services
_METHOD = re.compile(r"[A-Z]{1,16}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,270}")
_TARGET = re.compile(r"/[\x21-\x7e]*")
_ACCESS_KEY = re.compile(r"[A-Za-z0-9_]{1,128}")
_SECRET = re.compile(r"[\x21-\x7e]{1,4096}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")

# Which service signs for a host name's first label, and where the region stands: behind it.
_SERVICES: Mapping[str, str] = {
    "bedrock": "bedrock",
    "bedrock-runtime": "bedrock",
    "bedrock-mantle": "bedrock-mantle",
    "sts": "sts",
}
_AWS_HOST = re.compile(
    r"(?:vpce-[a-z0-9-]{1,58}\.)?([a-z-]+?)(?:-fips)?\.([a-z]{2}(?:-[a-z]{2,10}){1,3}-[0-9]{1,2})\.(?:vpce\.)?"
    r"(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)"
)


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """An access key with its secret, and the session token of temporary keys. The repr shows none of them.

    Raises:
        ValueError: if one of them has characters that such keys do not have; the message does not show it.
    """

    access_key: str
    secret_key: str
    session_token: str | None = None

    def __post_init__(self) -> None:
        if not _ACCESS_KEY.fullmatch(self.access_key):
            raise ValueError("the AWS access key id must be 1 to 128 letters and digits")
        if not _SECRET.fullmatch(self.secret_key):
            raise ValueError("the AWS secret access key is empty, too long, or has spaces or control characters: paste it again")
        if self.session_token is not None and not _TOKEN.fullmatch(self.session_token):
            raise ValueError("the AWS session token is empty, too long, or has spaces or control characters: paste it again")

    @override
    def __repr__(self) -> str:
        return f"AwsKeys({'temporary' if self.session_token else 'long-term'})"

    @override
    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("AWS keys are not pickled or copied: read them from their source again")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is good for, besides its day: one service in one region."""

    service: str
    region: str

    def __post_init__(self) -> None:
        if not _WORD.fullmatch(self.service) or not _WORD.fullmatch(self.region):
            raise ValueError('a service and a region are lower-case letters, digits and "-", such as "bedrock" and "us-east-1"')


def scope_of_host(host: str) -> Scope | None:
    """The scope that signs for a host of AWS, so that region and address cannot disagree.

    Args:
        host: lower-case host name, such as "bedrock-runtime.us-east-1.amazonaws.com"; FIPS, dual-stack, China and VPC endpoints too.

    Returns:
        The scope; None for a host that is none of the services known here.
    """
    match = _AWS_HOST.fullmatch(host)
    service = _SERVICES.get(match[1]) if match else None
    return Scope(service, match[2]) if match and service else None


def derived_key(keys: AwsKeys, scope: Scope, day: str) -> bytes:
    """The key that signs: good for one day (YYYYMMDD), one region and one service, and as secret as what it comes from."""
    key = f"AWS4{keys.secret_key}".encode()
    for word in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    return key


def sign(
    method: str,
    target: str,
    *,
    host: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    keys: AwsKeys,
    scope: Scope,
    now: float,
    derive: Callable[[AwsKeys, Scope, str], bytes] = derived_key,
) -> tuple[tuple[str, str], ...]:
    """Sign one request.

    Args:
        method: "POST", "GET" ...
        target: path and query as they go on the wire.
        host: value of the Host header, with the port if it is not the scheme's own.
        headers: all other headers; those that must not be signed are skipped.
        body: the bytes.
        keys: whose signature it is.
        scope: service and region.
        now: seconds since the epoch; AWS allows five minutes of difference.
        derive: gives the key that signs, for a caller that remembers it.

    Returns:
        The headers to add, lower-case: x-amz-date, x-amz-security-token for temporary keys, authorization.

    Raises:
        ValueError: for control characters, and for headers that are the signature's own.
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = [("x-amz-date", stamp)]
    if keys.session_token is not None:
        added.append(("x-amz-security-token", keys.session_token))
    given = list(headers)
    for name, _ in given:
        if name.lower() in OWN_NAMES:
            raise ValueError(f"the header {name.lower()!r} is the signature's own and cannot be given")
    text, names = canonical_request(method, target, headers=[("host", host), *given, *added], body=body)
    day = stamp[:8]
    place = f"{day}/{scope.region}/{scope.service}/aws4_request"
    to_sign = "\n".join((ALGORITHM, stamp, place, sha256(text.encode()).hexdigest()))
    signature = hmac.digest(derive(keys, scope, day), to_sign.encode(), "sha256").hex()
    proof = f"{ALGORITHM} Credential={keys.access_key}/{place}, SignedHeaders={names}, Signature={signature}"
    return (*added, ("authorization", proof))


def canonical_request(method: str, target: str, *, headers: Iterable[tuple[str, str]], body: bytes) -> tuple[str, str]:
    """Write a request in the one form that is signed.

    Returns:
        The canonical request, and the names of the signed headers as the signature lists them.

    Raises:
        ValueError: for a method, target or header with characters that it cannot have.
    """
    if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(target):
        raise ValueError("a request that is signed has an upper-case method, and a path and query in printable ASCII")
    gathered: dict[str, list[str]] = {}
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError("a header that is signed has a character that headers do not have")
        lower = name.lower()
        if lower == "host" and not _HOST.fullmatch(value):
            raise ValueError("the host has a character that hosts do not have")
        if lower not in _UNSIGNED:
            gathered.setdefault(lower, []).append(" ".join(value.split()))
    names = ";".join(sorted(gathered))
    path, _, query = target.partition("?")
    lines = [method, quote(_without_dots(path), safe="/-_.~"), _canonical_query(query)]
    lines += [f"{name}:{','.join(gathered[name])}" for name in sorted(gathered)]
    lines += ["", names, sha256(body).hexdigest()]
    return "\n".join(lines), names


def _canonical_query(query: str) -> str:
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&")) if query else []
    return "&".join(f"{name}={value}" for name, value in pairs)


def _without_dots(path: str) -> str:
    """The path without "." and ".." segments and without repeated slashes (RFC 3986, section 5.2.4)."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in {"", "."}:
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if path.endswith("/") and kept else "")

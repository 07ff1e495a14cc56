"""What the embedded provider remembers of a request: everything but the credentials, of which it keeps digests.

A test wants to know which key arrived, and a test report must not hold one. So a credential's value is hashed before it is stored,
and `carries_key` hashes what it is asked about.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from saferoute.values.json import Json

__all__ = ["RecordedRequest", "key_digest", "presented_keys", "record"]

_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"})
_SCHEME = re.compile(r"(Bearer|Basic)\s+", re.IGNORECASE)
_QUERY_KEY = re.compile(r"([?&](?:key|api[-_]?key|access[-_]token|token)=)([^&]*)", re.IGNORECASE)


def key_digest(key: str) -> str:
    """The form in which a key is kept and shown: "sha256:" and 64 hex digits."""
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it arrived.

    Attributes:
        number: 1 for the first request after the provider started.
        method: such as "POST".
        path: with the query; keys in the query are replaced by digests.
        headers: lower-case names; repeated ones joined with ", "; credentials replaced by digests ("Bearer sha256:...").
        header_names: lower-case names in order of arrival, repeats included.
        body: the parsed JSON; None where there was none or it was not JSON.
        raw: the body's bytes.
        connection: 1 for the first connection that was accepted; the same number means a reused connection.
    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    header_names: tuple[str, ...]
    body: Json = field(repr=False)
    raw: bytes = field(repr=False)
    connection: int = 0
    keys: frozenset[str] = frozenset()

    def carries_key(self, key: str) -> bool:
        """Whether this key came in the header that keys belong in, or in another credential header."""
        return key_digest(key) in self.keys

    def leaks_key(self, key: str) -> bool:
        """Whether this key stands where no key belongs: in the path, the body or an ordinary header."""
        if key in self.path or key_digest(key) in self.path or key.encode() in self.raw:
            return True
        return any(key in value for value in self.headers.values())


def presented_keys(pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Digests of every credential among the headers, without its scheme word."""
    return frozenset(key_digest(_SCHEME.sub("", value, count=1)) for name, value in pairs if name in _CREDENTIAL_HEADERS)


def record(
    *, number: int, connection: int, method: str, path: str, pairs: Iterable[tuple[str, str]], body: Json, raw: bytes
) -> RecordedRequest:
    """Make the record of a request, hashing what is secret in it.

    Args:
        number: which request this is.
        connection: which connection it came on.
        method: as sent.
        path: as sent, with its query.
        pairs: headers in order, names lower-case.
        body: the parsed JSON.
        raw: the body's bytes.
    """
    pairs = tuple(pairs)
    headers: dict[str, str] = {}
    for name, value in pairs:
        shown = value
        if name in _CREDENTIAL_HEADERS:
            scheme = _SCHEME.match(value)
            word = scheme.group(0) if scheme else ""
            shown = word + key_digest(value[len(word) :])
        headers[name] = f"{headers[name]}, {shown}" if name in headers else shown
    return RecordedRequest(
        number=number,
        method=method,
        path=_QUERY_KEY.sub(lambda found: found.group(1) + key_digest(found.group(2)), path),
        headers=MappingProxyType(headers),
        header_names=tuple(name for name, _ in pairs),
        body=body,
        raw=raw,
        connection=connection,
        keys=presented_keys(pairs),
    )

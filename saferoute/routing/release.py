"""The release: the small signed statement that says which table bytes are valid, for whom, and for how long.

`routes.json` is a bundle {"release": envelope, "tables": [base64]}. The bundle itself is not signed: the release is, and it names each
body by size and digest, which are checked before a byte of the body is parsed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from saferoute.routing.schema import check
from saferoute.routing.shapes import BUNDLE, MAX_BUNDLE_BYTES, MAX_RELEASE_BYTES, RELEASE, SCHEMA
from saferoute.routing.table import LOCAL_PREFIX
from saferoute.signing.envelope import Envelope, PayloadType, decode_base64, encode_base64, verify
from saferoute.signing.refusal import Refused, TooFewSigned
from saferoute.signing.strict_json import canonical, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.routing.root import Root
    from saferoute.signing.strict_json import StrictJson

__all__ = [
    "DAY", "MAX_LIFE", "MAX_LIFE_LOCAL", "MAX_LIFE_WITH_STATUS", "Bundle",
    "MadeFor", "Release", "check_life", "check_made_for", "longest_life",
    "parse_release", "verify_release",
]  # fmt: skip

DAY = 86_400
MAX_LIFE = 7 * DAY
"""How long a release may live where the root has no status role."""

MAX_LIFE_WITH_STATUS = 90 * DAY
"""How long it may live where a status, itself short-lived, has to say that it is still current."""

MAX_LIFE_LOCAL = 366 * DAY
"""A table in memory is as old as its process; being frozen is no attack on it."""

_DEPLOY = 'deploy the roots that follow (Trust.pinned(..., updates="roots")), or the folder is missing one'


class MadeFor(Protocol):
    """A statement that is signed under one root, and says which."""

    @property
    def name(self) -> str:
        """The root's name."""

    @property
    def root_version(self) -> int:
        """The root's version."""


@dataclass(frozen=True, slots=True)
class Release:
    """What the table role signed.

    Attributes:
        name: whose table it is; the root's name.
        version: counts up.
        root_version: the root that it was signed under.
        issued: seconds since the epoch.
        not_after: seconds since the epoch.
        tables: (schema, SHA-256 in hex, size in bytes) of each body.
        digest: SHA-256 of the signed bytes, in hex; "" for one that was not read.
    """

    name: str
    version: int
    root_version: int
    issued: int
    not_after: int
    tables: tuple[tuple[int, str, int], ...]
    digest: str = ""

    def to_payload(self) -> bytes:
        """The canonical bytes to sign.

        Raises:
            Refused: if they do not fit a release.
        """
        tables: list[StrictJson] = [{"schema": schema, "sha256": sha256, "size": size} for schema, sha256, size in self.tables]
        payload = canonical(
            {
                "schema": SCHEMA,
                "name": self.name,
                "version": self.version,
                "root_version": self.root_version,
                "issued": self.issued,
                "not_after": self.not_after,
                "tables": tables,
            }
        )
        parse_release(payload)
        return payload


@dataclass(frozen=True, slots=True)
class Bundle:
    """A `routes.json` as read: nothing about it has been verified.

    Attributes:
        release: the release's envelope.
        bodies: the tables' bytes.
    """

    release: Envelope
    bodies: tuple[bytes, ...]

    @classmethod
    def read(cls, data: bytes) -> Bundle:
        """Read a bundle's bytes; one line break at the very end is allowed.

        Raises:
            Refused: if it is not exactly a bundle.
        """
        fields: dict[str, Any] = parse(data.removesuffix(b"\n"), max_bytes=MAX_BUNDLE_BYTES)
        check(fields, BUNDLE, "bundle")
        return cls(Envelope.from_json(fields["release"]), tuple(decode_base64(body) for body in fields["tables"]))

    def to_bytes(self) -> bytes:
        """The bundle as a file's content, ending with one line break."""
        return canonical({"release": self.release.to_json(), "tables": [encode_base64(body) for body in self.bodies]}) + b"\n"

    def body(self, release: Release) -> bytes:
        """Pick the table of the highest schema that this version knows, by the release's word.

        Raises:
            Refused: if there is a body that the release does not name, none of a known schema, or the one to use is not there.
        """
        named = {(size, sha256): schema for schema, sha256, size in release.tables}
        by_schema: dict[int, bytes] = {}
        for body in self.bodies:
            schema = named.get((len(body), hashlib.sha256(body).hexdigest()))
            if schema is None:
                raise Refused("the table's bytes are not those that the release names: they were changed, or belong to another release")
            by_schema[schema] = body
        usable = [schema for schema, _, _ in release.tables if schema <= SCHEMA]
        if not usable:
            newest = min(schema for schema, _, _ in release.tables)
            raise Refused(f"the release has tables of schema {newest} and later, and this saferoute knows schema {SCHEMA}; upgrade it")
        if max(usable) not in by_schema:
            raise Refused(f"the release names a table of schema {max(usable)}, and the bundle does not hold it")
        return by_schema[max(usable)]


def longest_life(root: Root) -> int:
    """How many seconds a release under this root may live."""
    if root.name.startswith(LOCAL_PREFIX):
        return MAX_LIFE_LOCAL
    return MAX_LIFE if root.status is None else MAX_LIFE_WITH_STATUS


def verify_release(envelope: Envelope, root: Root) -> Release:
    """Check a release's signatures, that it was made under this root, and its life; `now` is the caller's to check.

    Args:
        envelope: as read.
        root: the verified root.

    Raises:
        Refused: with the reason.
    """
    try:
        verify(envelope, PayloadType.RELEASE, root.table.keys, root.table.threshold)
    except TooFewSigned as refusal:
        raise Refused(f"{refusal}{_behind(envelope.payload, root)}") from None
    release = parse_release(envelope.payload)
    check_made_for(release, root)
    check_life(release, root)
    return release


def _behind(payload: bytes, root: Root) -> str:
    """Say so if a refused release names a root that is not known here, as after a rotation: for the message only, as it is untrusted."""
    try:
        release = parse_release(payload)
    except Refused:
        return ""
    if release.name != root.name or release.root_version <= root.version:
        return ""
    return f"; it names root version {release.root_version}, and this client knows version {root.version}: {_DEPLOY}"


def check_life(release: Release, root: Root) -> None:
    """Check that a release does not live longer than the root allows.

    Raises:
        Refused: it does.
    """
    life, most = release.not_after - release.issued, longest_life(root)
    if life > most:
        more = f"; up to {MAX_LIFE_WITH_STATUS // DAY} need a status role in the root" if root.status is None else ""
        raise Refused(f"it would live {life // DAY} days; at most {most // DAY} are allowed{more}")


def check_made_for(statement: MadeFor, root: Root) -> None:
    """Check that a release, a status or a revocation list was made for this root, by name and version.

    Raises:
        Refused: if it was made for another.
    """
    if statement.name != root.name:
        raise Refused(f"it is for {statement.name!r}, and the trust root is that of {root.name!r}")
    if statement.root_version != root.version:
        what = "sign it again" if statement.root_version < root.version else _DEPLOY
        raise Refused(f"it was signed under root version {statement.root_version}, and the root is version {root.version}: {what}")


def parse_release(payload: bytes) -> Release:
    """Read a release's payload; whether it is signed is not looked at.

    Raises:
        Refused: with the reason.
    """
    fields: dict[str, Any] = parse(payload, max_bytes=MAX_RELEASE_BYTES)
    check(fields, RELEASE, "release")
    tables = tuple((row["schema"], row["sha256"], row["size"]) for row in fields["tables"])
    if not _distinct([schema for schema, _, _ in tables]) or not _distinct([sha256 for _, sha256, _ in tables]):
        raise Refused("release.tables: a schema or a table stands twice")
    if fields["not_after"] <= fields["issued"]:
        raise Refused("release.not_after is not after release.issued")
    digest = hashlib.sha256(payload).hexdigest()
    return Release(fields["name"], fields["version"], fields["root_version"], fields["issued"], fields["not_after"], tables, digest)


def _distinct(values: Sequence[object]) -> bool:
    return len(set(values)) == len(values)

"""The release: the small signed statement that says which table bytes are valid, for whom, and for how long.

`routes.json` is a bundle {"release": envelope, "tables": [base64]}. The bundle itself is not signed: the release is, and it names each
body by size and digest, which are checked before a byte of the body is parsed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saferoute.routing.schema import check
from saferoute.routing.shapes import BUNDLE, MAX_BUNDLE_BYTES, MAX_RELEASE_BYTES, RELEASE, SCHEMA
from saferoute.signing.envelope import Envelope, PayloadType, decode_base64, encode_base64, verify
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.routing.root import Root
    from saferoute.signing.strict_json import StrictJson

__all__ = ["DAY", "MAX_LIFE", "MAX_LIFE_LOCAL", "Bundle", "Release", "check_made_for", "parse_release", "verify_release"]

DAY = 86_400
MAX_LIFE = 7 * DAY
"""How long a release may live. A longer life needs a status role, which this version does not have."""

MAX_LIFE_LOCAL = 366 * DAY
"""A table in memory is as old as its process; being frozen is no attack on it."""


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
    """

    name: str
    version: int
    root_version: int
    issued: int
    not_after: int
    tables: tuple[tuple[int, str, int], ...]

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


def verify_release(envelope: Envelope, root: Root, *, max_life: int) -> Release:
    """Check a release's signatures and that it was made under this root; `now` is the caller's to check.

    Args:
        envelope: as read.
        root: the verified root.
        max_life: the longest life in seconds that is accepted.

    Raises:
        Refused: with the reason.
    """
    release = parse_release(verify(envelope, PayloadType.RELEASE, root.table.keys, root.table.threshold))
    check_made_for(release, root)
    if release.not_after - release.issued > max_life:
        days = (release.not_after - release.issued) // DAY
        more = "more needs a status role, which this version does not have"
        raise Refused(f"it would live {days} days; at most {max_life // DAY} are allowed ({more})")
    return release


def check_made_for(release: Release, root: Root) -> None:
    """Check that a release was made for this root, by name and version.

    Raises:
        Refused: if it was made for another.
    """
    if release.name != root.name:
        raise Refused(f"it is for {release.name!r}, and the trust root is that of {root.name!r}")
    if release.root_version != root.version:
        raise Refused(f"it was signed under root version {release.root_version}, and the root is version {root.version}: sign it again")


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
    return Release(fields["name"], fields["version"], fields["root_version"], fields["issued"], fields["not_after"], tables)


def _distinct(values: Sequence[object]) -> bool:
    return len(set(values)) == len(values)

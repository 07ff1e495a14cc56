"""What the table commands read: routes.toml, a table that was built, a signed table, and the trust root with those that follow it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.cli.file_names import REVOCATIONS, ROOT, STATUS, UPDATES
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError, UntrustedTable
from saferoute.routing.authoring import build
from saferoute.routing.chain import MAX_UPDATES, follow, update_name
from saferoute.routing.publish import pin, read_root
from saferoute.routing.release import Bundle, Release, parse_release
from saferoute.routing.shapes import MAX_BUNDLE_BYTES, MAX_ROOT_BYTES, MAX_STATUS_BYTES, MAX_TABLE_BYTES
from saferoute.routing.status import parse_revocations, parse_status
from saferoute.routing.table import compile_table
from saferoute.routing.trust import TrustFiles
from saferoute.signing.envelope import Envelope, PayloadType, verify
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from saferoute.routing.root import Role, Root
    from saferoute.routing.table import RoutingTable

__all__ = [
    "Chain",
    "Source",
    "add_root_options",
    "body_of",
    "chain_of",
    "draft",
    "is_bundle",
    "read_source",
    "read_statement",
    "revoked_beside",
    "text_of",
    "trust_files",
]


@dataclass(frozen=True, slots=True)
class Chain:
    """The pinned root, and those that follow it; every step was verified, and no time was checked.

    Attributes:
        path: the pinned root's file.
        pinned: its bytes.
        updates: the bytes of the roots that follow, in order.
        folder: where those are.
        roots: the pinned one and those that follow.
    """

    path: Path
    pinned: bytes
    updates: tuple[bytes, ...]
    folder: Path
    roots: tuple[Root, ...]

    @property
    def root(self) -> Root:
        """The last one."""
        return self.roots[-1]

    @property
    def current(self) -> bytes:
        """The last root's bytes: what new releases are signed under."""
        return self.updates[-1] if self.updates else self.pinned

    @property
    def sha256(self) -> str:
        """The digest of the pinned root."""
        return pin(self.pinned)


@dataclass(frozen=True, slots=True)
class Source:
    """A table as it was found: its bytes, and what a bundle says about itself.

    Attributes:
        path: where.
        body: the table's canonical bytes.
        release: what the bundle says, UNVERIFIED; None for a draft.
    """

    path: Path
    body: bytes
    release: Release | None


def add_root_options(parser: argparse.ArgumentParser, where: str) -> None:
    """Add the options that name the trust root."""
    parser.add_argument("--root", type=Path, metavar="FILE", help=f"the pinned root (default: {ROOT} {where})")
    parser.add_argument("--updates", type=Path, metavar="DIR", help=f"the roots that follow it (default: {UPDATES} beside the root)")


def chain_of(root: Path, updates: Path | None = None) -> Chain:
    """Read the root and those that follow it.

    Raises:
        ConfigurationError: it is no root, or a step of the chain does not hold.
    """
    folder = updates or root.with_name(UPDATES)
    data = read_bounded(root, MAX_ROOT_BYTES)
    try:
        first = read_root(data)
    except Refused as refusal:
        raise ConfigurationError(f"{root} is no trust root: {refusal}") from None
    following: list[bytes] = []
    while len(following) <= MAX_UPDATES and (path := folder / update_name(first.version + len(following) + 1)).exists():
        following.append(read_bounded(path, MAX_ROOT_BYTES))
    try:
        follow(first, following)
        return Chain(root, data, tuple(following), folder, (first, *map(read_root, following)))
    except Refused as refusal:
        raise ConfigurationError(f"{folder}: {refusal}") from None


def text_of(source: Path) -> str:
    """The text of a routes.toml.

    Raises:
        ConfigurationError: it cannot be read, or is not UTF-8.
    """
    try:
        return read_bounded(source, MAX_TABLE_BYTES).decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{source} is not text in UTF-8") from None


def body_of(source: Path) -> bytes:
    """The table to sign, out of routes.toml or a file that `table build` wrote.

    Raises:
        ConfigurationError: it cannot be read, or makes no table.
    """
    if source.suffix == ".json":
        return read_bounded(source, MAX_TABLE_BYTES).removesuffix(b"\n")
    return build(text_of(source))


def is_bundle(data: bytes) -> bool:
    """Whether a file's content begins as a signed table does."""
    return data.startswith(b'{"release":')


def read_source(path: Path) -> Source:
    """Read a table in any of its forms; no signature is looked at.

    Raises:
        ConfigurationError: it is none.
    """
    data = b"" if path.suffix == ".toml" else read_bounded(path, MAX_BUNDLE_BYTES)
    if not is_bundle(data):
        body = body_of(path)
        draft(body)
        return Source(path, body, None)
    try:
        bundle = Bundle.read(data)
        release = parse_release(bundle.release.payload)
        return Source(path, bundle.body(release), release)
    except Refused as refusal:
        raise UntrustedTable(f"{path} is refused: {refusal}") from None


def draft(body: bytes, now: float = 0) -> RoutingTable:
    """Compile a table that nobody signed.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return compile_table(body, Release("draft", 1, 1, int(now), int(now) + 1, ()))
    except Refused as refusal:
        raise ConfigurationError(f"this is no routing table: {refusal}") from None


def trust_files(chain: Chain, bundle: bytes, beside: Path) -> TrustFiles:
    """Everything that is verified together with a bundle: the status and the revocations beside it, where they are there."""
    status, revoked = (_optional(beside.with_name(name)) for name in (STATUS, REVOCATIONS))
    return TrustFiles(chain.pinned, bundle, chain.updates, status if chain.root.status is not None else None, revoked)


def read_statement(path: Path, kind: PayloadType, roles: Sequence[Role | None]) -> bytes | None:
    """Read the payload of a status or a list of revocations, to write the next one; None if there is none.

    It was signed by one of these roles at some time, or an entry could have been taken out of it unnoticed.

    Raises:
        ConfigurationError: it is something else.
    """
    data = _optional(path)
    if data is None:
        return None
    why = "no root here has a role that signs it"
    for role in reversed(roles):
        try:
            if role is not None:
                return verify(Envelope.read(data), kind, role.keys, role.threshold)
        except Refused as refusal:
            why = str(refusal)
    raise ConfigurationError(f"{path} is refused: {why}; look where it comes from, and take it away to begin anew")


def revoked_beside(chain: Chain) -> frozenset[str]:
    """What the status and the list of revocations beside the root say is revoked.

    Raises:
        ConfigurationError: one of them is not signed by whom a root here names.
    """
    status = read_statement(chain.path.with_name(STATUS), PayloadType.STATUS, [root.status for root in chain.roots])
    listed = read_statement(chain.path.with_name(REVOCATIONS), PayloadType.REVOCATIONS, [root.table for root in chain.roots])
    named = [] if status is None else [parse_status(status).revoked]
    return frozenset().union(*named, *([] if listed is None else [parse_revocations(listed).revoked]))


def _optional(path: Path) -> bytes | None:
    return read_bounded(path, MAX_STATUS_BYTES + MAX_ROOT_BYTES) if path.exists() else None

"""What is said about a table after it was signed; it can only take away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from saferoute.cli.file_names import REVOCATIONS, ROOT, STATUS
from saferoute.cli.key_files import STATUS_KEY, TABLE_KEY
from saferoute.cli.signing import import_signature, load_signers, read_pending, refuse_pending, settle
from saferoute.cli.table_files import chain_of, read_statement
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError
from saferoute.routing.offline import add_signature, to_sign
from saferoute.routing.publish import sign_revocations, sign_status
from saferoute.routing.release import Bundle, parse_release
from saferoute.routing.shapes import MAX_BUNDLE_BYTES
from saferoute.routing.status import parse_revocations, parse_status, verify_revocations, verify_status
from saferoute.routing.table import show_time
from saferoute.signing.envelope import PayloadType
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from saferoute.cli.table_files import Chain
    from saferoute.routing.root import Role
    from saferoute.routing.status import Revocations, Status

__all__ = ["revoke_tokens", "write_status"]

_HOUR: Final = 3_600


def write_status(options: argparse.Namespace) -> int:
    """Sign a status: this table is current, these tokens are revoked, and no call goes to these rows."""
    return _status(options, "saferoute table status --continue", revoke=())


def revoke_tokens(options: argparse.Namespace) -> int:
    """Revoke tokens: in the status where the root has such a role, otherwise in a list that the table's key signs."""
    chain = _chain(options)
    if chain.root.status is not None:
        options.halt, options.resume, options.hours = [], [], 24
        return _status(options, "saferoute table revoke --continue", revoke=options.ids)
    return _revocations(options, chain)


def _chain(options: argparse.Namespace) -> Chain:
    return chain_of(options.root or options.table.with_name(ROOT), options.updates)


def _status(options: argparse.Namespace, command: str, revoke: Iterable[str]) -> int:
    chain = _chain(options)
    if chain.root.status is None:
        raise ConfigurationError("the trust root has no status role: saferoute root add-key --role status adds one")
    final: Path = options.table.with_name(STATUS)
    bundle = read_bounded(options.table, MAX_BUNDLE_BYTES)

    def verify(document: bytes) -> str:
        made = verify_status(document, chain.root, parse_release(Bundle.read(bundle).release.payload))
        return f"status version {made.version} for table version {made.release_version}, valid until {show_time(made.not_after)}"

    def fresh() -> bytes:
        payload = read_statement(final, PayloadType.STATUS, [root.status for root in chain.roots])
        old = None if payload is None else parse_status(payload)
        halted = frozenset() if old is None else old.halted
        wrong = sorted(set(options.resume) - halted)
        if wrong:
            raise ConfigurationError(f"{wrong[0]} is not halted, so it cannot be resumed")
        now = time.time()
        return sign_status(
            chain.current,
            bundle,
            version=_version(options, old, final),
            now=now,
            signers=load_signers(options, options.table.parent / STATUS_KEY),
            revoked=(old.revoked if old else frozenset()) | set(revoke),
            halted=(halted | set(options.halt)) - set(options.resume),
            not_after=now + options.hours * _HOUR,
        )

    return _signed(options, chain, _Statement(final, chain.root.status, STATUS_KEY, command, fresh, verify))


def _revocations(options: argparse.Namespace, chain: Chain) -> int:
    final: Path = options.table.with_name(REVOCATIONS)

    def verify(document: bytes) -> str:
        made = verify_revocations(document, chain.root)
        return f"revocation list version {made.version}, {len(made.revoked)} entries; clients need Trust.pinned(revocations=...)"

    def fresh() -> bytes:
        payload = read_statement(final, PayloadType.REVOCATIONS, [root.table for root in chain.roots])
        old = None if payload is None else parse_revocations(payload)
        return sign_revocations(
            chain.current,
            version=_version(options, old, final),
            revoked=(old.revoked if old else frozenset()) | set(options.ids),
            now=time.time(),
            signers=load_signers(options, options.table.parent / TABLE_KEY),
        )

    return _signed(options, chain, _Statement(final, chain.root.table, TABLE_KEY, "saferoute table revoke --continue", fresh, verify))


@dataclass(frozen=True, slots=True)
class _Statement:
    """What the two kinds of statement differ in."""

    final: Path
    role: Role
    key: str
    command: str
    fresh: Callable[[], bytes]
    verify: Callable[[bytes], str]


def _signed(options: argparse.Namespace, chain: Chain, kind: _Statement) -> int:
    if options.continued or options.imported is not None:
        document = read_pending(kind.final)
        for path in options.imported or ():
            document = import_signature(document, chain.current, path)
        for signer in load_signers(options, options.table.parent / kind.key):
            document = add_signature(document, chain.current, signer.public_key, signer.sign(to_sign(document)))
    else:
        refuse_pending(kind.final, restart=options.restart, command=kind.command, export=options.export)
        document = kind.fresh()

    def verify(data: bytes) -> str:
        try:
            return kind.verify(data)
        except Refused as refusal:
            raise ConfigurationError(f"clients would refuse it: {refusal}; nothing was put in place") from None

    return settle(document, kind.final, [kind.role], verify, export=options.export, command=kind.command)


def _version(options: argparse.Namespace, old: Status | Revocations | None, final: Path) -> int:
    if options.as_version is not None:
        version: int = options.as_version
        if old is not None and version <= old.version:
            raise ConfigurationError(f"{final} is version {old.version} already; clients refuse a lower one")
        return version
    if old is None:
        raise ConfigurationError(
            f"there is no {final} to count the version up from: --as-version 1 signs a first one, and in place of one that is gone, give "
            "one more than the last version that was deployed"
        )
    return old.version + 1

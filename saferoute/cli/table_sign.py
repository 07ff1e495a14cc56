"""Signing: from a table to a routes.json that clients take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saferoute.cli.file_names import ROOT
from saferoute.cli.key_files import TABLE_KEY
from saferoute.cli.project import DAY
from saferoute.cli.signing import import_signature, load_signers, read_pending, refuse_pending, settle
from saferoute.cli.table_files import Chain, body_of, chain_of, is_bundle, text_of
from saferoute.cli.table_review import failures, run_tests
from saferoute.cli.terminal import say
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError
from saferoute.routing.publish import bodies_of, cosign_release, release_of, sign_release
from saferoute.routing.release import Bundle, verify_release
from saferoute.routing.shapes import MAX_BUNDLE_BYTES
from saferoute.routing.table import show_time
from saferoute.routing.trust import TrustFiles, verify_trust
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from saferoute.signing.keys import Signer

__all__ = ["revert_table", "sign_table"]

_MORE = "saferoute table sign --continue"


def sign_table(options: argparse.Namespace) -> int:
    """Sign a table as the next version, or add a signature to the one that waits."""
    source: Path = options.source
    output: Path = options.output or source.with_name("routes.json")
    chain = _chain(options, source)
    if options.continued or options.imported is not None:
        return _continue(options, chain, output, source.parent / TABLE_KEY)
    refuse_pending(output, restart=options.restart, command=_MORE, export=options.export)
    body = body_of(source)
    if source.suffix != ".json":
        _check_assertions(source)
    version = _next_version(options, output, chain)
    signers = load_signers(options, source.parent / TABLE_KEY)
    return _sign(options, chain, output, _Work([body], version, signers))


def revert_table(options: argparse.Namespace) -> int:
    """Sign the content of an old table under a higher version."""
    output: Path = options.output
    chain = _chain(options, output)
    refuse_pending(output, restart=options.restart, command=_MORE, export=options.export)
    old = read_bounded(options.old, MAX_BUNDLE_BYTES)
    _check_was_signed(options.old, old, chain)
    current = release_of(read_bounded(output, MAX_BUNDLE_BYTES)) if output.exists() else None
    if current is not None and current.tables == release_of(old).tables and current.version >= release_of(old).version:
        raise ConfigurationError(f"{output} has the content of {options.old} already; nothing was written")
    version = _next_version(options, output, chain)
    if version <= release_of(old).version:
        raise ConfigurationError(f"{options.old} is version {release_of(old).version}, and a higher one is needed: --table-version N")
    return _sign(options, chain, output, _Work(bodies_of(old), version, load_signers(options, output.parent / TABLE_KEY)))


def _chain(options: argparse.Namespace, beside: Path) -> Chain:
    return chain_of(options.root or beside.with_name(ROOT), options.updates)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is signed, as what, and by whom."""

    bodies: Sequence[bytes]
    version: int
    signers: Sequence[Signer]


def _sign(options: argparse.Namespace, chain: Chain, output: Path, work: _Work) -> int:
    now = time.time()
    ends = now + options.days * DAY
    bundle = sign_release(chain.current, work.bodies, version=work.version, now=now, signers=work.signers, not_after=ends)
    return _settle(options, chain, output, bundle)


def _settle(options: argparse.Namespace, chain: Chain, output: Path, bundle: bytes) -> int:
    def verify(document: bytes) -> str:
        # What clients would refuse is not written. A status for it can only be signed afterwards.
        opened = verify_trust(
            TrustFiles(chain.pinned, document, chain.updates), chain.sha256, time.time(), allow_local=False, status_required=False
        )
        if chain.root.status is not None:
            say("clients take it once the status names it: saferoute table status")
        return f"table {opened.table.name} version {opened.table.version}, valid until {show_time(opened.table.not_after)}"

    return settle(bundle, output, [chain.root.table], verify, export=options.export, command=_MORE)


def _continue(options: argparse.Namespace, chain: Chain, output: Path, key: Path) -> int:
    bundle = read_pending(output)
    for path in options.imported or ():
        bundle = import_signature(bundle, chain.current, path)
    for signer in load_signers(options, key):
        bundle = cosign_release(bundle, chain.current, signer)
    return _settle(options, chain, output, bundle)


def _check_assertions(source: Path) -> None:
    failed = failures(run_tests(text_of(source)))
    if failed:
        for line in failed:
            say(line)
        raise ConfigurationError(f"{len(failed)} of the assertions of {source} do not hold, so nothing was signed")


def _check_was_signed(path: Path, data: bytes, chain: Chain) -> None:
    """Check that the old table was signed when it was made: under the root of this chain that it names."""
    if not is_bundle(data):
        raise ConfigurationError(f"{path} is no signed table; sign a draft with saferoute table sign")
    named = release_of(data).root_version
    root = next((one for one in chain.roots if one.version == named), None)
    if root is None:
        raise ConfigurationError(f"{path} was signed under root version {named}, which is not among the roots here")
    try:
        bundle = Bundle.read(data)
        bundle.body(verify_release(bundle.release, root))
    except Refused as refusal:
        raise ConfigurationError(f"{path} is refused: {refusal}") from None


def _next_version(options: argparse.Namespace, output: Path, chain: Chain) -> int:
    if options.table_version is not None:
        return _higher(options.table_version, output, chain)
    if not output.exists():
        # Counting from 1 again would look like an old table to whoever has pinned a least version.
        raise ConfigurationError(
            f"there is no {output} to count the version up from: --table-version 1 signs a first table, and in place of one that is gone, "
            "give one more than the last version that was deployed"
        )
    try:
        old = release_of(read_bounded(output, MAX_BUNDLE_BYTES))
    except ConfigurationError as error:
        raise ConfigurationError(f"{output}: {error}; --table-version says which version to sign in its place") from None
    if old.name != chain.root.name:
        raise ConfigurationError(f"{output} is a table of {old.name!r}, and the root is that of {chain.root.name!r}; -o names another file")
    return old.version + 1


def _higher(version: int, output: Path, chain: Chain) -> int:
    """Take the version that is asked for, unless clients would take it for an old table."""
    try:
        old = release_of(read_bounded(output, MAX_BUNDLE_BYTES)) if output.exists() else None
    except ConfigurationError:
        return version
    if old is not None and old.name == chain.root.name and old.version >= version > 0:
        raise ConfigurationError(f"{output} is version {old.version} already; clients refuse lower ones, and a second one")
    return version

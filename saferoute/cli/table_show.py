"""A signed table, verified as a client does, and in words."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from saferoute.cli.file_names import ROOT
from saferoute.cli.table_files import body_of, chain_of, draft, is_bundle, trust_files
from saferoute.cli.table_words import as_json, in_words
from saferoute.cli.terminal import say, show
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import TableExpired
from saferoute.routing.publish import release_of
from saferoute.routing.shapes import MAX_BUNDLE_BYTES
from saferoute.routing.table import show_time
from saferoute.routing.trust import Trust, verify_trust

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from saferoute.cli.table_files import Chain
    from saferoute.routing.opened import Opened
    from saferoute.routing.table import RoutingTable

__all__ = ["show_table", "verify_table"]


def verify_table(options: argparse.Namespace) -> int:
    """Verify a signed table as a client does."""
    chain, sha256 = _chain(options)
    bundle = read_bounded(options.table, MAX_BUNDLE_BYTES)
    files = trust_files(chain, bundle, options.table)
    opened = verify_trust(files, sha256, time.time(), min_table_version=options.min_table_version)
    table = opened.table
    status = f", status version {opened.status.version} until {show_time(opened.status.not_after)}" if opened.status else ""
    ends = show_time(table.not_after)
    show(f"ok: table {table.name} version {table.version}, valid until {ends}, root version {table.root_version}{status}")
    if options.sha256 is None:
        say(f"{chain.path} was believed as it is. Its SHA-256 is {sha256}: compare it with the one in your program, or pass --sha256")
    return 0


def _chain(options: argparse.Namespace) -> tuple[Chain, str]:
    """The roots, and the digest that the first must have: the one that is given, or else its own."""
    chain = chain_of(options.root or options.table.with_name(ROOT), options.updates)
    least = getattr(options, "min_table_version", None)
    return chain, Trust.pinned(chain.path, sha256=options.sha256 or chain.sha256, min_table_version=least).sha256


def show_table(options: argparse.Namespace) -> int:
    """Say in words what a table allows."""
    table, standing, halted = _opened(options, time.time())
    if options.json:
        show(json.dumps(as_json(table, standing), indent=2))
        return 0
    for line in in_words(table, standing):
        show(line)
    if halted:
        show("\nHalted by the status: no call goes there")
        for name in sorted(halted):
            show(f"  {name}")
    return 0


def _opened(options: argparse.Namespace, now: float) -> tuple[RoutingTable, str, frozenset[str]]:
    """The table, how it stands ("signed ...", "NOT VALID NOW ..." or "NOT SIGNED ..."), and the rows that are halted."""
    source: Path = options.table
    data = b"" if source.suffix == ".toml" else read_bounded(source, MAX_BUNDLE_BYTES)
    if not is_bundle(data):
        return draft(body_of(source), now), "NOT SIGNED: a draft", frozenset()
    chain, sha256 = _chain(options)
    believed = f"by the key of root version {chain.root.version}" + ("" if options.sha256 else f"; root not pinned, SHA-256 {sha256}")
    files = trust_files(chain, data, source)
    try:
        opened = verify_trust(files, sha256, now, status_required=False)
    except TableExpired as error:
        then = release_of(data).issued  # its signatures are verified as of the day when it was signed
        table = _as_of(chain, sha256, data, then)
        return table, f"NOT VALID NOW: {error}; signed {believed}", frozenset()
    return opened.table, f"signed {believed}{_status(opened)}", opened.halted


def _as_of(chain: Chain, sha256: str, data: bytes, then: float) -> RoutingTable:
    from saferoute.routing.trust import TrustFiles

    return verify_trust(TrustFiles(chain.pinned, data, chain.updates), sha256, then, status_required=False).table


def _status(opened: Opened) -> str:
    if opened.root.status is None:
        return ""
    return "; NO STATUS, and clients need one" if opened.status is None else f"; current by status version {opened.status.version}"

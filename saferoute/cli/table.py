"""`saferoute table`: from routes.toml to a signed routes.json, and back to words."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.cli.key_files import TABLE_KEY, read_key, replace
from saferoute.cli.project import DAY
from saferoute.cli.table_words import as_json, in_words
from saferoute.cli.terminal import say, show
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError, TableExpired
from saferoute.routing.authoring import build
from saferoute.routing.publish import pin, read_root, release_of, sign_release
from saferoute.routing.release import Release
from saferoute.routing.shapes import MAX_BUNDLE_BYTES, MAX_ROOT_BYTES, MAX_TABLE_BYTES
from saferoute.routing.table import compile_table, show_time
from saferoute.routing.trust import Trust, verify_bundle
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from saferoute.routing.root import Root
    from saferoute.routing.table import RoutingTable

__all__ = ["configure"]

_DAYS = 7


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which commands and options there are."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    made = _command(commands, "build", "check routes.toml and write the table that would be signed", _build)
    made.add_argument("source", nargs="?", type=Path, default=Path("routes.toml"), metavar="FILE", help="default: routes.toml")
    made.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write (default: stdout)")
    _configure_sign(_command(commands, "sign", "sign a table as the next version", _sign))
    checked = _command(commands, "verify", "verify a signed table as a client does", _verify)
    _signed(checked)
    checked.add_argument("--min-table-version", type=int, metavar="N", help="refuse older tables")
    shown = _command(commands, "show", "say in words what a table allows", _show)
    _signed(shown)
    shown.add_argument("--json", action="store_true", help="as JSON")


def _configure_sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", nargs="?", type=Path, default=Path("routes.toml"), metavar="FILE", help="routes.toml, or what table build wrote"
    )
    parser.add_argument("--root", type=Path, metavar="FILE", help="default: root.json beside the source")
    parser.add_argument("--key", type=Path, metavar="FILE", help=f"the table's private key (default: {TABLE_KEY} beside the source)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: routes.json beside the source")
    parser.add_argument("--days", type=int, default=_DAYS, help=f"how long it is valid, at most {_DAYS} (the default)")
    parser.add_argument(
        "--table-version", type=int, metavar="N", help="default: one more than in the output file; needed where there is none"
    )
    parser.add_argument("--passphrase-file", metavar="FILE", help="take the key's passphrase from a file that only you can read")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(run=run)
    return parser


def _signed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", nargs="?", type=Path, default=Path("routes.json"), metavar="FILE", help="default: routes.json")
    parser.add_argument("--root", type=Path, metavar="FILE", help="default: root.json beside the table")
    parser.add_argument("--sha256", metavar="HEX", help="the digest that root.json must have: the one in your program")


def _build(options: argparse.Namespace) -> int:
    body = _body(options.source)
    if options.output is None:
        sys.stdout.write(body.decode())
    else:
        replace(options.output, body)
    say(f"{options.source} makes a table of {len(body)} bytes; it is not signed (saferoute table sign)")
    return 0


def _body(source: Path) -> bytes:
    """The table to sign, out of routes.toml or a file that `table build` wrote."""
    data = read_bounded(source, MAX_TABLE_BYTES)
    if source.suffix == ".json":
        return data.removesuffix(b"\n")
    try:
        return build(data.decode())
    except UnicodeDecodeError:
        raise ConfigurationError(f"{source} is not text in UTF-8") from None


def _sign(options: argparse.Namespace) -> int:
    source: Path = options.source
    output: Path = options.output or source.with_name("routes.json")
    root_path: Path = options.root or source.with_name("root.json")
    body = _body(source)
    root, trusted = _root(root_path)
    if trusted.table.threshold > 1:
        needed = trusted.table.threshold
        raise ConfigurationError(f"{root_path} asks for {needed} signatures, and this command makes one: nothing was written")
    version = _next_version(output, trusted) if options.table_version is None else options.table_version
    key = read_key(options.key or source.parent / TABLE_KEY, options.passphrase_file)
    now = time.time()
    bundle = sign_release(root, [body], version=version, now=now, signers=[key], not_after=now + options.days * DAY)
    table = verify_bundle(root, pin(root), bundle, now, allow_local=False)  # what clients would refuse is not written
    replace(output, bundle)
    show(f"{output}: table {table.name} version {table.version}, valid until {show_time(table.not_after)}")
    return 0


def _root(path: Path) -> tuple[bytes, Root]:
    data = read_bounded(path, MAX_ROOT_BYTES)
    try:
        return data, read_root(data)
    except Refused as refusal:
        raise ConfigurationError(f"{path} is no trust root: {refusal}") from None


def _next_version(output: Path, trusted: Root) -> int:
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
    if old.name != trusted.name:
        raise ConfigurationError(f"{output} is a table of {old.name!r}, and the root is that of {trusted.name!r}; -o names another file")
    return old.version + 1


def _verify(options: argparse.Namespace) -> int:
    root_path: Path = options.root or options.table.with_name("root.json")
    root, _ = _root(root_path)
    sha256 = Trust.pinned(root_path, sha256=options.sha256 or pin(root), min_table_version=options.min_table_version).sha256
    bundle = read_bounded(options.table, MAX_BUNDLE_BYTES)
    table = verify_bundle(root, sha256, bundle, time.time(), allow_local=False, min_table_version=options.min_table_version)
    show(f"ok: table {table.name} version {table.version}, valid until {show_time(table.not_after)}, root version {table.root_version}")
    if options.sha256 is None:
        say(f"{root_path} was believed as it is. Its SHA-256 is {sha256}: compare it with the one in your program, or pass --sha256")
    return 0


def _show(options: argparse.Namespace) -> int:
    now = time.time()
    table, standing = _opened(options, now)
    if options.json:
        show(json.dumps(as_json(table, standing), indent=2))
    else:
        for line in in_words(table, standing):
            show(line)
    return 0


def _opened(options: argparse.Namespace, now: float) -> tuple[RoutingTable, str]:
    """The table, and how it stands: "signed ...", "EXPIRED ..." or "NOT SIGNED ..."."""
    source: Path = options.table
    data = b"" if source.suffix == ".toml" else read_bounded(source, MAX_BUNDLE_BYTES)
    if not data.startswith(b'{"release":'):
        return _draft(_body(source), now), "NOT SIGNED: a draft"
    root_path: Path = options.root or source.with_name("root.json")
    root, trusted = _root(root_path)
    sha256 = Trust.pinned(root_path, sha256=options.sha256 or pin(root)).sha256
    believed = f"by the key of root version {trusted.version}" + ("" if options.sha256 else f"; root not pinned, SHA-256 {sha256}")
    try:
        return verify_bundle(root, sha256, data, now, allow_local=False), f"signed {believed}"
    except TableExpired as error:
        then = release_of(data).issued  # its signatures are verified as of the day when it was signed
        return verify_bundle(root, sha256, data, then, allow_local=False), f"NOT VALID NOW: {error}; signed {believed}"


def _draft(body: bytes, now: float) -> RoutingTable:
    try:
        return compile_table(body, Release("draft", 1, 1, int(now), int(now) + 1, ()))
    except Refused as refusal:
        raise ConfigurationError(f"this is no routing table: {refusal}") from None

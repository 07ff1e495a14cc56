"""`saferoute root`: the trust root, which says whose signatures count for what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.cli.file_names import ROOT, UPDATES
from saferoute.cli.key_files import ROOT_KEY
from saferoute.cli.root_make import ROLES, add_key, cosign, init_root, make_key_pair, rotate
from saferoute.cli.root_words import show_root
from saferoute.cli.signing import add_signing_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

__all__ = ["configure"]

_DAYS = 365


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which commands and options there are."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _configure_init(_command(commands, "init", "make a trust root, and keys for the roles that are given none", init_root))
    pair = _command(commands, "make-key", "make a key for somebody's role: a private file, and a public one to hand over", make_key_pair)
    pair.add_argument("file", type=Path, metavar="FILE", help="the private key's file, such as anna.key.pem; anna.pub.pem is beside it")
    _protection(pair, "take the new key's passphrase from a file")
    added = _command(commands, "add-key", "add a key to a role, in the root that follows", add_key)
    added.add_argument("--role", choices=ROLES, required=True, help="whose signatures the key joins")
    _key(added, required=True)
    _configure_next(added)
    turned = _command(commands, "rotate", "make the root that follows: a key in another's place, or only a later end", rotate)
    turned.add_argument("--role", choices=ROLES, help="whose key is replaced (default: no key changes)")
    turned.add_argument("--old", metavar="ID", help="the beginning of the old key's id; needed where the role has several")
    turned.add_argument("--remove", action="store_true", help="take the old key away; no other takes its place")
    _key(turned, required=False)
    _configure_next(turned)
    more = _command(commands, "cosign", "add a signature to the root that waits for more", cosign)
    _root(more)
    add_signing_options(more, ROOT_KEY)
    shown = _command(commands, "show", "say who may do what", show_root)
    _root(shown)
    shown.add_argument("--json", action="store_true", help="as JSON")


def _configure_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")
    parser.add_argument("--name", help="whose tables it speaks for (default: the folder's name)")
    for role in ROLES:
        made = " (default: one is made)" if role in {"root", "table"} else " (default: no such role)"
        parser.add_argument(
            f"--{role}-key",
            action="append",
            type=Path,
            default=[],
            metavar="FILE",
            help=f"a public or private key of the role {role}; may be repeated{made}",
        )
        parser.add_argument(
            f"--{role}-threshold", type=int, default=1, metavar="N", help=f"how many of the role {role} must sign (default: 1)"
        )
    parser.add_argument("--status", action="store_true", help="make a key for the role status: tables may then live up to 90 days")
    parser.add_argument("--issuers", type=Path, metavar="FILE", help="a TOML file that says who may mint capabilities, and how far")
    parser.add_argument("--grace-hours", type=int, default=0, metavar="N", help="how long an expired table is taken: 0 (the default) to 72")
    parser.add_argument("--days", type=int, default=_DAYS, help=f"how long it is valid (default: {_DAYS})")
    parser.add_argument("--restart", action="store_true", help="drop the root that waits for signatures")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the exact bytes to sign, if signatures are missing")
    _protection(parser, "take the passphrase of keys that are made, or read, from a file")


def _configure_next(parser: argparse.ArgumentParser) -> None:
    _root(parser)
    parser.add_argument("--threshold", type=int, metavar="N", help="how many of the role must sign from now on")
    parser.add_argument("--issuers", type=Path, metavar="FILE", help="who may mint capabilities from now on, all of them")
    parser.add_argument("--grace-hours", type=int, metavar="N", help="how long an expired table is taken from now on, at most 72")
    parser.add_argument("--days", type=int, default=_DAYS, help=f"how long it is valid (default: {_DAYS})")
    parser.add_argument("--restart", action="store_true", help="drop the root that waits for signatures")
    parser.add_argument("--unsafe-plaintext-keys", action="store_true", help="write a new key unencrypted (for CI)")
    add_signing_options(parser, ROOT_KEY)


def _key(parser: argparse.ArgumentParser, *, required: bool) -> None:
    which = parser.add_mutually_exclusive_group(required=required)
    which.add_argument("--new", type=Path, metavar="FILE", help="make the key, and write its private half there")
    which.add_argument("--public", type=Path, metavar="FILE", help="the public key of somebody who holds the private one")


def _root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, default=Path(ROOT), metavar="FILE", help=f"the pinned root (default: {ROOT})")
    parser.add_argument("--updates", type=Path, metavar="DIR", help=f"the roots that follow it (default: {UPDATES} beside the root)")


def _protection(parser: argparse.ArgumentParser, explained: str) -> None:
    protection = parser.add_mutually_exclusive_group()
    protection.add_argument("--passphrase-file", metavar="FILE", help=f"{explained} that only you can read")
    protection.add_argument("--unsafe-plaintext-keys", action="store_true", help="write new keys unencrypted (for CI)")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(run=run)
    return parser

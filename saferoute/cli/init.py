"""`saferoute init`: from nothing to a signed production table."""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.cli.key_files import KEY_FOLDER, ROOT_KEY, TABLE_KEY, NewFile, create_all, new_passphrase
from saferoute.cli.opening import server
from saferoute.cli.project import LABEL, Project, constructor, make_project, name_from, routes_toml
from saferoute.cli.terminal import say, show
from saferoute.errors import ConfigurationError
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.table import show_time
from saferoute.signing.keys import PrivateKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.routing.catalogue import CatalogueProvider
    from saferoute.values.server import Server

__all__ = ["configure"]

_ROOT_DAYS = 365
_TABLE_DAYS = 7


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    catalogue = load_catalogue()
    parser.add_argument("folder", nargs="?", default=".", metavar="DIR", help="where to write (default: here)")
    parser.add_argument("--name", help="whose table it is (default: the folder's name)")
    parser.add_argument(
        "--provider",
        action="append",
        default=[],
        choices=[one.name for one in catalogue.providers],
        help=f"a provider of the catalogue; may be repeated (default: {catalogue.providers[0].name}, unless there is a --server)",
    )
    parser.add_argument(
        "--server",
        action="append",
        default=[],
        type=server,
        metavar="NAME=PORT[:DIALECT]",
        help="a model server on this machine; may be repeated",
    )
    parser.add_argument("--days", type=int, default=_TABLE_DAYS, help=f"how long the table is valid, at most {_TABLE_DAYS} (the default)")
    parser.add_argument("--root-days", type=int, default=_ROOT_DAYS, help=f"how long the root is valid (default: {_ROOT_DAYS})")
    protection = parser.add_mutually_exclusive_group()
    protection.add_argument("--passphrase-file", metavar="FILE", help="take the passphrase of the signing keys from a file")
    protection.add_argument("--unsafe-plaintext-keys", action="store_true", help="write the signing keys unencrypted (for CI)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    folder = Path(options.folder)
    providers, servers = _chosen(options.provider, options.server)
    name = options.name or name_from(folder.resolve().name)
    toml_text = routes_toml(providers, servers)
    paths = [folder / one for one in ("routes.toml", "root.json", "routes.json", ROOT_KEY, TABLE_KEY, f"{KEY_FOLDER}/.gitignore")]
    create_all_or_complain_first = [NewFile(path, b"") for path in paths]
    _refuse_existing(create_all_or_complain_first)
    root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
    project = make_project(
        name,
        toml_text,
        root_key=root_key,
        table_key=table_key,
        now=time.time(),
        days=options.days,
        root_days=options.root_days,
    )
    passphrase = None if options.unsafe_plaintext_keys else new_passphrase(options.passphrase_file)
    contents = [toml_text.encode(), project.root, project.bundle, root_key.to_pem(passphrase), table_key.to_pem(passphrase), b"*\n"]
    create_all([NewFile(path, data, private=path.parent.name == KEY_FOLDER) for path, data in zip(paths, contents, strict=True)])
    _explain(folder, project, providers, servers, encrypted=passphrase is not None)
    return 0

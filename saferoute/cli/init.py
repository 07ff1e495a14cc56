"""`saferoute init`: from nothing to a signed production table."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.cli.file_names import LEDGER, UPDATES
from saferoute.cli.key_files import KEY_FOLDER, ROOT_KEY, TABLE_KEY, NewFile, create_all, new_passphrase, refuse_existing
from saferoute.cli.opening import key_store, server
from saferoute.cli.project import LABEL, Project, constructor, make_project, name_from, routes_toml
from saferoute.cli.terminal import say, show
from saferoute.errors import ConfigurationError
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.table import show_time
from saferoute.signing.keys import PrivateKey

if TYPE_CHECKING:
    import argparse
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
        metavar="NAME=PORT[:KIND]",
        help=f"a model server on this machine, or NAME=KIND; kinds: {', '.join(catalogue.presets)}; or a dialect; may be repeated",
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
    toml_text = routes_toml(providers, servers, load_catalogue())
    kept_out = [f"{name}/.gitignore" for name in (KEY_FOLDER, LEDGER)]
    paths = [folder / one for one in ("routes.toml", "root.json", "routes.json", ROOT_KEY, TABLE_KEY, *kept_out)]
    refuse_existing(paths)
    passphrase = None if options.unsafe_plaintext_keys else new_passphrase(options.passphrase_file)
    root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
    project = make_project(
        options.name or name_from(folder.resolve().name),
        toml_text,
        root_key=root_key,
        table_key=table_key,
        now=time.time(),
        days=options.days,
        root_days=options.root_days,
    )
    contents = [toml_text.encode(), project.root, project.bundle, root_key.to_pem(passphrase), table_key.to_pem(passphrase), b"*\n", b"*\n"]
    create_all([NewFile(path, data, private=path.parent.name in {KEY_FOLDER, LEDGER}) for path, data in zip(paths, contents, strict=True)])
    _say_what_was_written(paths, project, encrypted=passphrase is not None)
    _say_what_is_next(folder, project, providers, servers)
    say("\nIn your program (this alone goes to stdout: saferoute init > client.py):\n")
    secrets = key_store() if providers else None
    table, root, updates, ledger = ((folder / name).as_posix() for name in ("routes.json", "root.json", UPDATES, LEDGER))
    show(constructor(table, root, project.sha256, updates, secrets, ledger=ledger))
    return 0


def _chosen(names: Sequence[str], servers: Sequence[Server]) -> tuple[list[CatalogueProvider], list[Server]]:
    catalogue = load_catalogue()
    wanted = dict.fromkeys(names or ([] if servers else [catalogue.providers[0].name]))
    providers = [one for name in wanted for one in catalogue.providers if one.name == name]
    rows = [*wanted, *(one.name for one in servers)]
    twice = next((name for name in rows if rows.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"two servers or providers are called {twice}")
    return providers, list(servers)


def _say_what_was_written(paths: Sequence[Path], project: Project, *, encrypted: bool) -> None:
    protection = "encrypted" if encrypted else "NOT ENCRYPTED"
    notes = [
        "where calls may go; edit it, then: saferoute table sign",
        "whose signatures count; your program pins its digest",
        f"the signed table {project.table.name}, version 1, valid until {show_time(project.table.not_after)}",
        f"signs root.json ({protection}): needed to change keys only, so keep it somewhere else",
        f"signs tables ({protection}): saferoute table sign asks for it",
        "keeps the keys out of git",
        "keeps the records of your program's calls out of git, and the secret that stands beside them",
    ]
    width = max(len(str(path)) for path in paths)
    say("Written:")
    for path, note in zip(paths, notes, strict=True):
        say(f"  {str(path).ljust(width)}  {note}")


def _say_what_is_next(folder: Path, project: Project, providers: Sequence[CatalogueProvider], servers: Sequence[Server]) -> None:
    say("\nNext:")
    for provider in providers:
        say(f"  saferoute keys add {provider.secret}    # asks for the key without echo; it may go to {provider.origin} only")
    route = (
        "fast"
        if any("fast" in provider.aliases for provider in providers)
        else f"{(providers[0].name if providers else servers[0].name)}/MODEL"
    )
    words = ["saferoute", "chat", route, "Say hello", "--table", str(folder / "routes.json"), "--root", str(folder / "root.json")]
    say(f"  {shlex.join([*words, '--sha256', project.sha256, '--data', LABEL])}")
    look = shlex.join(["saferoute", "audit", "show", str(folder / LEDGER)])
    say(f"  {look}    # what is on record of your program's calls, once it has made some")

"""`saferoute keys`: provider keys in a store. No command shows a character of one."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from saferoute import Secrets, keys
from saferoute.cli.opening import vault_options
from saferoute.cli.program import UsageError
from saferoute.cli.terminal import say, show, show_table
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import SecretError
from saferoute.routing.publish import pin
from saferoute.routing.shapes import MAX_BUNDLE_BYTES, MAX_ROOT_BYTES
from saferoute.routing.table import show_time
from saferoute.routing.trust import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.keys import RowKey, Store, StoredKey

__all__ = ["configure"]

_MAX_KEY = 65_536
_STORES = ("auto", "keyring", "vault")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which commands and options there are."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = _command(commands, "add", "store a key, bound to where it may go", _add, named=True)
    add.add_argument(
        "--origin",
        action="append",
        help="where the key may go, such as https://acme.openai.azure.com; may be repeated (default: as the catalogue has it)",
    )
    _from_stdin(add)
    listed = _command(commands, "list", "list what is stored: names and where they may go, never a key", _list, named=False)
    listed.add_argument("--json", action="store_true", help="as JSON")
    _command(commands, "remove", "take a key out of its store", _remove, named=True)
    rotate = _command(commands, "rotate", "put a new key in the place of a stored one", _rotate, named=True)
    rotate.add_argument(
        "--overlap", type=_duration, metavar="TIME", help="keep the old key beside it for so long, such as 24h or 7d (default: drop it now)"
    )
    _from_stdin(rotate)
    imported = _command(commands, "import-env", "store keys out of environment variables that you name", _import_env, named=False)
    imported.add_argument("variables", nargs="+", metavar="VARIABLE", help="such as OPENAI_API_KEY, or NAME=VARIABLE")
    imported.add_argument("--origin", action="append", help="where keys may go whose names the catalogue does not know; may be repeated")
    checked = _command(commands, "check", "say which rows of a table have their key here; nothing is sent", _check, named=False)
    checked.add_argument("table", nargs="?", type=Path, default=Path("routes.json"), metavar="FILE", help="default: routes.json")
    checked.add_argument("--root", type=Path, metavar="FILE", help="default: root.json beside the table")
    checked.add_argument("--sha256", metavar="HEX", help="the digest that root.json must have: the one in your program")
    checked.add_argument("--json", action="store_true", help="as JSON")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
    *,
    named: bool,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    if named:
        parser.add_argument(
            "name",
            metavar="NAME",
            help="what routing tables call the key: for most providers of the catalogue the provider's name, such as openai",
        )
    group = parser.add_argument_group("which store")
    group.add_argument("--store", choices=_STORES, default="auto", help="default: the keyring, or the vault without one")
    vault_options(group)
    parser.set_defaults(run=run)
    return parser


def _from_stdin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stdin", action="store_true", help="take the key from standard input instead of asking without echo")


def _add(options: argparse.Namespace) -> int:
    stored = keys.add(options.name, _key(options), origins=options.origin, store=_store(options))
    _tell(stored, "stored in")
    say(f"use it with {_use(stored, options)}")
    return 0


def _list(options: argparse.Namespace) -> int:
    found = keys.list(store=_store(options))
    if options.json:
        show(json.dumps([_as_json(key) for key in found], indent=2))
    elif found:
        rows_of_text = [(key.name, ", ".join(key.origins), key.store, _revision(key)) for key in found]
        show_table(("name", "goes only to", "store", "revision"), rows_of_text)
    else:
        say("no keys are stored; saferoute keys add NAME stores one")
    return 0


def _remove(options: argparse.Namespace) -> int:
    _tell(keys.remove(options.name, store=_store(options)), "removed from")
    say("if somebody may have seen it, revoke it at the provider too")
    return 0


def _rotate(options: argparse.Namespace) -> int:
    stored = keys.rotate(options.name, _key(options), overlap=options.overlap, store=_store(options))
    _tell(stored, "replaced in")
    if stored.overlap_until is not None:
        say(f"until {show_time(stored.overlap_until)} the old key is presented where the new one is refused")
    return 0


def _import_env(options: argparse.Namespace) -> int:
    stored = keys.import_env(*options.variables, origins=options.origin, store=_store(options))
    for key in stored:
        _tell(key, "stored in")
    names = list(dict.fromkeys(word.rpartition("=")[2] for word in options.variables))
    say(f"now unset {' '.join(names)}, and take {'it' if len(names) == 1 else 'them'} out of where you set it (.env, profile, service, CI)")
    return 0


def _check(options: argparse.Namespace) -> int:
    root = read_bounded(options.root or options.table.with_name("root.json"), MAX_ROOT_BYTES)
    bundle = read_bounded(options.table, MAX_BUNDLE_BYTES)
    table = verify_bundle(root, options.sha256 or pin(root), bundle, time.time(), allow_local=False)
    rows = keys.check(table, store=_store(options))
    if options.json:
        show(json.dumps([_row_as_json(row) for row in rows], indent=2))
    else:
        texts = [(row.route, row.secret or "-", row.origin, *_found(row)) for row in rows]
        show_table(("row", "key", "goes to", "status", "store", "revision"), texts)
        for remedy in dict.fromkeys(row.remedy for row in rows if row.remedy):
            say(remedy)
    return 0 if all(row.status in {"ok", "none needed"} for row in rows) else 1


def _found(row: RowKey) -> tuple[str, str, str]:
    return (row.status, "-", "-") if row.stored is None else (row.status, row.stored.store, _revision(row.stored))


def _revision(key: StoredKey) -> str:
    return str(key.revision) if key.overlap_until is None else f"{key.revision} ({key.revision - 1} until {show_time(key.overlap_until)})"


def _as_json(key: StoredKey) -> dict[str, object]:
    overlap = {} if key.overlap_until is None else {"overlap_until": key.overlap_until}
    return {"name": key.name, "origins": list(key.origins), "store": key.store, "revision": key.revision, **overlap}


def _row_as_json(row: RowKey) -> dict[str, object]:
    stored = None if row.stored is None else _as_json(row.stored)
    return {"row": row.route, "key": row.secret, "origin": row.origin, "status": row.status, "stored": stored, "remedy": row.remedy}


def _duration(text: str) -> float:
    """Read 90s, 30m, 24h or 7d."""
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not number.isascii() or not number.isdigit() or len(number) > 9:  # noqa: PLR2004  more is no time
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 30m, 24h or 7d")
    return float(int(number) * unit)


def _store(options: argparse.Namespace) -> Store:
    if options.vault is None and options.passphrase_file is None:
        store: Store = options.store
        return store
    if options.store == "keyring":
        raise UsageError("--vault and --passphrase-file belong to --store vault")
    return Secrets.vault(options.vault, key_file=options.passphrase_file)


def _key(options: argparse.Namespace) -> str | None:
    """The key from standard input; None to have it asked for without echo."""
    if not options.stdin:
        return None
    if sys.stdin.isatty():
        raise UsageError("--stdin is for pipes, and here the key would be seen; without it, it is asked for without echo")
    raw = sys.stdin.buffer.read(_MAX_KEY)
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        pass
    del raw
    raise SecretError("standard input is not text; nothing was stored")


def _tell(key: StoredKey, what: str) -> None:
    show(f"{key.name}: {what} the {key.store}, may go to {', '.join(key.origins)} only, revision {key.revision}")


def _use(key: StoredKey, options: argparse.Namespace) -> str:
    if options.vault is not None:
        return f"secrets=saferoute.Secrets.vault({options.vault!r})"
    return f'secrets="{key.store}"'

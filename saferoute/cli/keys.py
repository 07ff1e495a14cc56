"""`saferoute keys`: provider keys in a store. No command shows a character of one."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from saferoute import Secrets, keys
from saferoute.cli.opening import vault_options
from saferoute.cli.program import UsageError
from saferoute.cli.terminal import say, show, show_table
from saferoute.errors import SecretError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from saferoute.keys import Store, StoredKey

__all__ = ["configure"]

_MAX_KEY = 65_536
_STORES = ("auto", "keyring", "vault")


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
    _from_stdin(_command(commands, "rotate", "put a new key in the place of a stored one", _rotate, named=True))


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
        rows = [{"name": key.name, "origins": list(key.origins), "store": key.store, "revision": key.revision} for key in found]
        show(json.dumps(rows, indent=2))
    elif found:
        rows_of_text = [(key.name, ", ".join(key.origins), key.store, str(key.revision)) for key in found]
        show_table(("name", "goes only to", "store", "revision"), rows_of_text)
    else:
        say("no keys are stored; saferoute keys add NAME stores one")
    return 0


def _remove(options: argparse.Namespace) -> int:
    _tell(keys.remove(options.name, store=_store(options)), "removed from")
    say("if somebody may have seen it, revoke it at the provider too")
    return 0


def _rotate(options: argparse.Namespace) -> int:
    _tell(keys.rotate(options.name, _key(options), store=_store(options)), "replaced in")
    return 0


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

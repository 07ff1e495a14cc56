"""Opening a client from options: what `chat` and `models` share."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast, get_args

from saferoute import Accounts, Capability, Client, Secrets, Trust, loopback
from saferoute.cli.file_names import REVOCATIONS, STATUS, UPDATES
from saferoute.cli.program import UsageError
from saferoute.drivers.secret_sources import open_keyring
from saferoute.drivers.storage.capability_file import holder_text
from saferoute.errors import ConfigurationError, LocalTrustWarning
from saferoute.routing.catalogue import load_catalogue
from saferoute.values.request import DataLabel

if TYPE_CHECKING:
    from saferoute.secrets.sources import SecretsSpec
    from saferoute.values.server import Server
    from saferoute.values.target import Dialect

__all__ = ["add_options", "key_store", "open_client", "server", "vault_options"]

_PLACES: Final = ("keyring", "vault", "env", "prompt")


def add_options(parser: argparse.ArgumentParser, *, calls: bool = True) -> None:
    """Add the options that say which table, which keys and which label, and what calls are made under.

    Args:
        parser: the command's.
        calls: whether a capability may be given; what looks at a whole client takes none.
    """
    table = parser.add_argument_group("which table (without these: one made in memory, for the keys and servers that are here)")
    table.add_argument("--table", metavar="FILE", help="a signed routes.json; a status.json or revocations.json beside it counts too")
    table.add_argument("--root", metavar="FILE", help="its root.json; the roots that follow it are in the folder roots beside it")
    table.add_argument("--sha256", metavar="HEX", help="the digest that root.json must have")
    table.add_argument(
        "--server",
        action="append",
        default=[],
        type=server,
        metavar="NAME=PORT[:KIND]",
        help="a model server on this machine, without --table: llama=8080, llama=llama.cpp, or a dialect for the kind; may be repeated",
    )
    keys = parser.add_argument_group("which keys")
    keys.add_argument(
        "--secrets",
        action="append",
        choices=_PLACES,
        help="where to look for keys; may be repeated, in order (default: the keyring, or the vault where there is none)",
    )
    vault_options(keys)
    parser.add_argument("--data", choices=get_args(DataLabel), help="label of what is sent (a signed table may demand one)")
    limits = parser.add_argument_group("what calls are made under, with --table")
    if calls:
        limits.add_argument("--capability", type=Path, metavar="FILE", help="a capability's file (default: the table's grant)")
    limits.add_argument("--audience", metavar="NAME", help="this client's name, as capabilities and grants write it (default: the table's)")
    limits.add_argument(
        "--accounts", metavar="FILE", help="count budgets in this file, for all processes of this host (default: in this process alone)"
    )


def vault_options(group: argparse._ArgumentGroup) -> None:
    """Add the options that name a vault."""
    group.add_argument("--vault", metavar="FILE", help="a vault other than the default one")
    group.add_argument("--passphrase-file", metavar="FILE", help="take the vault's passphrase from a file that only you can read")


def server(text: str) -> Server:
    """Read NAME=PORT, NAME=PORT:DIALECT, NAME=PORT:KIND or NAME=KIND; a name that is a kind's says which kind it is."""
    name, equals, where = text.partition("=")
    port, _, word = where.partition(":")
    kinds = load_catalogue().presets
    if port in kinds and not word:
        port, word = "", port
    if not equals or not (port.isdecimal() or (not port and word in kinds)):
        ways = "llama=8080, or NAME=PORT:anthropic_messages, or NAME=llama.cpp: "
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PORT, such as {ways}the kinds are {', '.join(kinds)}")
    kind = next((one for one in (word, name) if one in kinds), None)
    dialect = cast("Dialect | None", None if word in kinds else word or None)
    try:
        return loopback(name, port=int(port) if port else None, dialect=dialect, kind=kind)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def open_client(options: argparse.Namespace) -> Client:
    """Open the client that the options describe.

    Raises:
        UsageError: options that do not go together.
        SaferouteError: as the constructors raise.
    """
    capability: Path | None = getattr(options, "capability", None)
    if options.table is None:
        if options.root or options.sha256:
            raise UsageError("--root and --sha256 belong to --table")
        if capability is not None or options.audience is not None or options.accounts is not None:
            raise UsageError("--capability, --audience and --accounts belong to --table")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LocalTrustWarning)  # who types the command sees that it names no table
            return Client.local(secrets=_secrets(options), servers=options.server, data=options.data)
    if options.server:
        raise UsageError("--server makes a table in memory; with --table, the table says where calls go")
    if not options.root or not options.sha256:
        raise UsageError("--table needs --root and --sha256: whose signatures count, and the digest that says so")
    beside = Path(options.table)
    status, revoked = (beside.with_name(name) if beside.with_name(name).exists() else None for name in (STATUS, REVOCATIONS))
    updates = Path(options.root).with_name(UPDATES)
    trust = Trust.pinned(options.root, sha256=options.sha256, updates=updates, status=status, revocations=revoked)
    return Client(
        options.table,
        trust=trust,
        secrets=_secrets(options),
        capability=None if capability is None else Capability.from_holder(holder_text(capability)),
        data=options.data,
        audience=options.audience,
        accounts=None if options.accounts is None else Accounts.sqlite(options.accounts),
    )


def _secrets(options: argparse.Namespace) -> SecretsSpec:
    words: list[str] = options.secrets or []
    names_vault = options.vault is not None or options.passphrase_file is not None
    if names_vault and "vault" not in words:
        words = [*words, "vault"]
    vault = Secrets.vault(options.vault, key_file=options.passphrase_file)
    if not words and options.server:
        words = ["keyring"]  # a server needs no key from a store, so nobody is asked for a vault's passphrase
    spec = [vault if word == "vault" else word for word in words]
    return cast("SecretsSpec", spec or None)


def key_store() -> str:
    """Where `saferoute keys add` puts a key on this machine: the keyring, or the vault where there is none."""
    return "vault" if open_keyring().why_absent("") else "keyring"

"""What this user's clients accepted before: shown, and put right."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.cli.file_names import REVOCATIONS, ROOT, STATUS
from saferoute.cli.table_files import chain_of
from saferoute.cli.terminal import say, show
from saferoute.drivers.storage.private_file import read_private
from saferoute.drivers.storage.table_state import default_state_folder
from saferoute.drivers.storage.trust_files import reset_state
from saferoute.errors import ConfigurationError, TableStateInvalid
from saferoute.routing.rollback import MAX_STATE_BYTES, decode_state
from saferoute.routing.table import show_time
from saferoute.routing.trust import Trust
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse

    from saferoute.cli.table_files import Chain
    from saferoute.routing.rollback import State

__all__ = ["add_state_options", "reset_remembered", "show_remembered"]


def add_state_options(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the folder."""
    parser.add_argument("--state", type=Path, metavar="DIR", help="where it is remembered (default: ~/.local/state/saferoute)")


def show_remembered(options: argparse.Namespace) -> int:
    """Say what was accepted before."""
    chain = chain_of(options.root or Path(ROOT), options.updates)
    path = _path(options, chain)
    found = _read(path, chain)
    if options.json:
        show(json.dumps(None if found is None else _as_json(found), indent=2))
    elif found is None:
        show(f"{path}: nothing was accepted yet")
    else:
        show(f"{path}")
        for name, seen in (("root", found.root), ("table", found.table), ("status", found.status), ("revocations", found.revocations)):
            if seen is not None:
                show(f"  {name.ljust(12)}version {seen.version}, {seen.digest}")
        show(f"  {'floor'.ljust(12)}{show_time(found.floor_time)}: a clock before this was set back")
    return 0


def _as_json(found: State) -> dict[str, object]:
    parts = {"root": found.root, "table": found.table, "status": found.status, "revocations": found.revocations}
    listed = {name: None if seen is None else {"version": seen.version, "digest": seen.digest} for name, seen in parts.items()}
    return {**listed, "floor_time": found.floor_time}


def _path(options: argparse.Namespace, chain: Chain) -> Path:
    folder: Path | None = options.state or default_state_folder()
    if folder is None:
        raise ConfigurationError("this user has no home directory: --state names the folder")
    return folder / f"{chain.sha256}.json"


def _read(path: Path, chain: Chain) -> State | None:
    try:
        data = read_private(path, max_bytes=MAX_STATE_BYTES)
        return None if data is None else decode_state(data, chain.sha256, chain.root.name)
    except (OSError, Refused) as error:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise TableStateInvalid(f"{path} cannot be trusted: {why}; `saferoute table state reset` replaces it") from None


def reset_remembered(options: argparse.Namespace) -> int:
    """Verify the table that is deployed, and record it in place of whatever was accepted before."""
    table: Path = options.table
    chain = chain_of(options.root or table.with_name(ROOT), options.updates)
    if options.sha256 is None and not options.yes:
        raise ConfigurationError(
            "--sha256 says which root counts: the digest in your program. An older table than before will be accepted, so look first "
            "(saferoute table show); --yes takes the root as it is"
        )
    status, revoked = (table.with_name(name) for name in (STATUS, REVOCATIONS))
    trust = Trust.pinned(
        chain.path,
        sha256=options.sha256 or chain.sha256,
        updates=chain.folder,
        status=status if chain.root.status is not None else None,
        revocations=revoked if revoked.exists() else None,
    )
    opened = reset_state(table, trust, time.time(), state=options.state)
    show(f"{_path(options, chain)}: table {opened.table.name} version {opened.table.version} is what was accepted")
    say("clients that run keep their table until they reload")
    return 0

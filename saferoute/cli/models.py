"""`saferoute models`: what can be called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from saferoute.cli.opening import add_options, open_client
from saferoute.cli.terminal import show, show_table

if TYPE_CHECKING:
    import argparse

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    with open_client(options) as client:
        found = client.models()
    if options.json:
        rows = [
            {"name": one.name, "targets": list(one.targets), "provider": one.provider_name, "model": one.model, "origin": one.origin}
            for one in found
        ]
        show(json.dumps(rows, indent=2))
        return 0
    listed = [(one.name, one.provider_name, "any" if one.model == "*" else one.model, one.origin) for one in found]
    show_table(("name", "provider", "model", "goes to"), listed)
    return 0

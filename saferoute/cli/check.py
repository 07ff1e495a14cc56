"""`saferoute check`: what a client's security rests on, and whether calls could be made now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from saferoute.cli.opening import add_options, open_client
from saferoute.cli.terminal import printable, show

if TYPE_CHECKING:
    import argparse

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument("--route", action="append", metavar="NAME", help="a route that must work; may be repeated (default: every row)")
    parser.add_argument("--connect", action="store_true", help="also connect to each row's host; nothing is sent")
    parser.add_argument("--ready", action="store_true", help="only whether calls could be made now")
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_options(parser, calls=False)
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    with open_client(options) as client:
        reports = [] if options.ready else [client.security_report()]
        reports.append(client.check(routes=options.route, connect=options.connect))
    if options.json:
        show(json.dumps([report.to_json() for report in reports], indent=2))
    else:
        show(printable("\n\n".join(map(str, reports))))
    return 0 if all(report.ok for report in reports) else 1

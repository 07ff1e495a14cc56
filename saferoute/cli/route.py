"""`saferoute route`: what would happen to a call, and what would happen to many."""

from __future__ import annotations

import argparse
import json
from typing import Any

from saferoute.cli.opening import add_options, open_client
from saferoute.cli.terminal import printable, show

__all__ = ["configure"]

_EXPLAIN = "Say what would happen to a call now: which rows are asked in which order, which are not, and why. Nothing is sent."
_SIMULATE = "Try a table before it is signed: the same planner, on a virtual clock, with providers that exist in the simulation only."


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which commands and options there are."""
    from saferoute.cli.route_simulate import configure_simulate

    commands = parser.add_subparsers(dest="route_command", metavar="COMMAND", required=True)
    _configure_explain(commands.add_parser("explain", help="say what would happen to a call now", description=_EXPLAIN))
    configure_simulate(commands.add_parser("simulate", help="try a table on a virtual clock", description=_SIMULATE))


def _configure_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("route", metavar="ROUTE", help="an alias, a route, or provider/model; saferoute models lists them")
    parser.add_argument("--message", default="?", metavar="TEXT", help="what is asked, for its tokens and cost")
    parser.add_argument("--tag", action="append", default=[], type=_tag, metavar="NAME=VALUE", help="a tag of the call; may be repeated")
    parser.add_argument("--max-output-tokens", type=int, metavar="N", help="the longest answer")
    parser.add_argument("--max-cost", metavar="AMOUNT", help='what the call may cost in US dollars, such as "$0.05"')
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for the whole call, retries included")
    parser.add_argument("--stream", action="store_true", help="the call is a stream")
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_options(parser)
    parser.set_defaults(run=_explain)


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as session=u-17")
    return name, value


def _explain(options: argparse.Namespace) -> int:
    from saferoute.cli.route_explain import explained
    from saferoute.cli.route_words import in_words

    wanted: dict[str, Any] = {name: getattr(options, name) for name in ("max_output_tokens", "max_cost", "timeout")}
    given = {name: value for name, value in wanted.items() if value is not None}
    if options.tag:
        given["tags"] = dict(options.tag)
    with open_client(options) as client:
        core = client._core  # noqa: SLF001  what a client would do is not part of what it offers
        found = explained(core, options.route, options.message, given, stream=options.stream)
    show(json.dumps(found, indent=2) if options.json else printable("\n".join(in_words(found))))
    return 0

"""`saferoute route simulate`: try a table before it is signed, against providers that exist in the simulation only."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from saferoute.cli.terminal import printable, show
from saferoute.values.balancing import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.testing import SyntheticProvider

__all__ = ["configure_simulate"]

_DOWN: Final = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)(?::(error|silent|refused))?\Z")
_DEFAULT: Final = 10_000


def configure_simulate(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument("file", metavar="FILE", help="routes.toml, or a table that was built or signed; no signature is looked at")
    parser.add_argument("--route", metavar="NAME", help="the name that is called (default: the table's only alias)")
    parser.add_argument("--strategy", choices=get_args(Strategy), help="in place of the alias's own")
    parser.add_argument("--rate", type=float, default=10.0, metavar="R", help="calls a second, at random times (default: 10)")
    parser.add_argument("--calls", type=int, default=_DEFAULT, metavar="N", help=f"how many (default: {_DEFAULT})")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for each call, retries included")
    parser.add_argument("--wait", action="store_true", help="calls wait for a row that rests, instead of being refused")
    parser.add_argument("--stream", action="store_true", help="calls are streams")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another one, another course of chance")
    providers = parser.add_argument_group("how the provider behind a row behaves (each may be repeated)")
    for name, value, what in (
        ("--latency", "ROW=SECONDS", "the median of its answers (default: 1)"),
        ("--limit", "ROW=N", "requests a minute; it answers 429 beyond"),
        ("--errors", "ROW=SHARE", "the share of requests, from 0 to 1, that it answers 500 to"),
        ("--down", "ROW=FROM-TO[:KIND]", "seconds in which it is down, such as 60-120; the kind is error, silent or refused"),
    ):
        providers.add_argument(name, action="append", default=[], metavar=value, type=_READERS[name](name), help=what)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from saferoute.testing import Poisson, simulate

    result = simulate(
        options.file,
        Poisson(options.rate, options.calls, options.seed),
        options.strategy,
        route=options.route,
        providers=_providers(options),
        stream=options.stream,
        timeout=options.timeout,
        wait=options.wait,
        seed=options.seed,
    )
    if options.json:
        mappings = {name: dict(getattr(result, name)) for name in ("failures", "requests", "answers")}
        cost = None if result.cost is None else dict(result.cost)
        plain = replace(result, failures={}, requests={}, answers={}, cost=None)  # what asdict can copy
        show(json.dumps({**asdict(plain), **mappings, "cost": cost}, indent=2))
    else:
        show(printable(str(result)))
    return 0


def _providers(options: argparse.Namespace) -> dict[str, SyntheticProvider]:
    from saferoute.testing import Lognormal, Outage, SyntheticProvider

    found: dict[str, SyntheticProvider] = {}

    def change(row: str, **fields: Any) -> None:  # noqa: ANN401  the provider's own fields
        found[row] = replace(found.get(row, SyntheticProvider()), **fields)

    for row, seconds in options.latency:
        change(row, latency=Lognormal(seconds))
    for row, limit in options.limit:
        change(row, requests_per_minute=int(limit))
    for row, share in options.errors:
        change(row, error_rate=share)
    for row, (begin, end, kind) in options.down:
        before = found[row].outages if row in found else ()
        change(row, outages=(*before, Outage(begin, end, kind)))
    return found


def _number(option: str) -> Callable[[str], tuple[str, float]]:
    def read(text: str) -> tuple[str, float]:
        row, equals, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not equals or not row or not 0 <= number < float("inf") or (option == "--limit" and number != int(number)):
            raise argparse.ArgumentTypeError(f"{text!r} is not ROW=NUMBER, such as openai=1")
        return row, number

    return read


def _outage(_: str) -> Callable[[str], tuple[str, tuple[float, float, Literal["error", "silent", "refused"]]]]:
    def read(text: str) -> tuple[str, tuple[float, float, Literal["error", "silent", "refused"]]]:
        row, _, when = text.rpartition("=")
        match = _DOWN.match(when)
        if not row or match is None:
            raise argparse.ArgumentTypeError(f"{text!r} is not ROW=FROM-TO, such as openai=60-120 or openai=60-120:silent")
        return row, (float(match[1]), float(match[2]), cast("Literal['error', 'silent', 'refused']", match[3] or "error"))

    return read


_READERS: Final = {"--latency": _number, "--limit": _number, "--errors": _number, "--down": _outage}

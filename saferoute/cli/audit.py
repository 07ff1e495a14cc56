"""`saferoute audit`: read a ledger: verify it, explain a call, count, find, export, prove, report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from saferoute.cli.audit_files import add_directories, add_times

if TYPE_CHECKING:
    from collections.abc import Callable

    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  it has no other name

__all__ = ["configure"]

_FORMS: Final = ("jsonl", "csv", "parquet")


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which commands and options there are."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _configure_verify(commands)
    _configure_show(commands)
    _configure_explain(commands)
    _configure_find(commands)
    _configure_stats(commands)
    _configure_export(commands)
    _configure_prove(commands)
    _configure_check_proof(commands)
    _configure_report(commands)


def _configure_verify(commands: _Commands) -> None:
    parser = _command(
        commands, "verify", "verify segments: every record, their order, the checkpoints, how segments follow each other", _verify
    )
    add_directories(parser)
    _trusted(parser)
    _json(parser)


def _configure_show(commands: _Commands) -> None:
    parser = _command(commands, "show", "list attempts and refusals, a line each", _show)
    add_directories(parser)
    parser.add_argument("--call", metavar="ID", help="only this call")
    parser.add_argument("--route", metavar="NAME", help="only what asked for this route or alias")
    parser.add_argument("--tag", action="append", default=[], type=_tag, metavar="NAME=VALUE", help="only with this tag; may be repeated")
    parser.add_argument("--secret", metavar="NAME", help="only what presented this key")
    parser.add_argument("--denied", action="store_true", help="only what saferoute refused: denials, and answers that a guard blocked")
    parser.add_argument("--last", type=_positive, metavar="N", help="only the last N")
    add_times(parser)
    parser.add_argument("--json", action="store_true", help="as JSON lines")


def _configure_explain(commands: _Commands) -> None:
    parser = _command(commands, "explain", "say in words where a call went, by which table, why, and what it cost", _explain)
    parser.add_argument("id", metavar="ID", help="a receipt (SEGMENT:NUMBER) or a call; of an id the first 6 characters are enough")
    add_directories(parser)
    _json(parser)


def _configure_find(commands: _Commands) -> None:
    parser = _command(commands, "find", "find every attempt that presented a key, for the day it leaks", _find)
    add_directories(parser)
    parser.add_argument("--secret", required=True, metavar="NAME", help="the key, by the name that tables call it")
    add_times(parser)
    parser.add_argument("--exit-code", action="store_true", help="exit code 1 if there is one")
    parser.add_argument("--json", action="store_true", help="as JSON lines")


def _configure_stats(commands: _Commands) -> None:
    parser = _command(commands, "stats", "count calls, attempts, tokens, cost, times and refusals", _stats)
    add_directories(parser)
    parser.add_argument(
        "--by",
        type=_dimensions,
        default=[],
        metavar="NAME,...",
        help="route, model, provider, target, table, tag:NAME, capability, secret, operation, data, purpose, outcome, deny, "
        "hour, day, week or month; several make a row for each combination (default: all together); with deny only refusals are counted",
    )
    add_times(parser)
    _json(parser)


def _configure_export(commands: _Commands) -> None:
    parser = _command(commands, "export", "write attempts and refusals for other programs, a row each", _export)
    add_directories(parser)
    parser.add_argument("--to", required=True, choices=_FORMS, help="parquet needs the extra: saferoute-sdk[parquet]")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: stdout; parquet needs a file")
    parser.add_argument("--tags", type=_names, metavar="NAME,...", help="the tags that get a column in CSV (default: every one)")
    add_times(parser)


def _configure_prove(commands: _Commands) -> None:
    parser = _command(commands, "prove", "write a file that shows a call's records, or one record, to a third party", _prove)
    parser.add_argument(
        "id",
        metavar="ID",
        help="a call: all its records; the receipt of an outcome: that and its intent; another receipt (SEGMENT:NUMBER): that record. "
        "Of an id the first 6 characters are enough",
    )
    add_directories(parser, several=False)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the proof")
    parser.add_argument(
        "--open",
        action="append",
        default=[],
        metavar="FIELD",
        help="also give what opens this commitment: asked, system, request or response",
    )
    parser.add_argument("--secret-file", type=Path, metavar="FILE", help="the log secret, for --open (default: ledger.secret in DIR)")
    parser.add_argument("--keyring", action="store_true", help="the log secret is in the keyring")


def _configure_check_proof(commands: _Commands) -> None:
    parser = _command(commands, "check-proof", "check such a file; nothing else is needed", _check_proof)
    parser.add_argument("file", type=Path, metavar="FILE", help="the proof")
    parser.add_argument(
        "--content",
        action="append",
        default=[],
        type=_content,
        metavar="FIELD=PATH",
        help="compare an opened commitment with the content in a file",
    )
    _root(parser)
    _json(parser)


def _configure_report(commands: _Commands) -> None:
    parser = _command(commands, "report", "write one HTML file that shows it all; it loads nothing", _report)
    add_directories(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the report")
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="NAME",
        help="also by this tag; may be repeated (default: of the first three found those with more than one value)",
    )
    parser.add_argument("--title", default="", metavar="TEXT", help="what the report calls itself")
    add_times(parser)
    _trusted(parser)


def _command(commands: _Commands, name: str, summary: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(run=run)
    return parser


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def _trusted(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--anchor", action="append", default=[], type=Path, metavar="FILE", help="checkpoints that were kept elsewhere; may be repeated"
    )
    _root(parser)


def _root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, metavar="FILE", help="the trust root, whose log role certifies log keys")
    parser.add_argument("--updates", type=Path, metavar="DIR", help="the roots that follow it (default: roots beside the root)")
    parser.add_argument("--sha256", metavar="HEX", help="the digest that the root must have: the one in your program")


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < len(text) <= 9 or int(text) == 0:  # noqa: PLR2004  digits of what anybody would read
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _dimensions(text: str) -> list[str]:
    from saferoute.ledger.stats import dimension

    names = list(dict.fromkeys(text.split(",")))
    try:
        for name in names:
            dimension(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return names


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as team=search")
    return name, value


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    if "" in names:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME,..., such as team,app")
    return names


def _content(text: str) -> tuple[str, Path]:
    field, equals, path = text.partition("=")
    if not field or not equals or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not FIELD=PATH, such as response=answer.json")
    return field, Path(path)


def _verify(options: argparse.Namespace) -> int:
    from saferoute.cli.audit_verify import verify

    return verify(options)


def _show(options: argparse.Namespace) -> int:
    from saferoute.cli.audit_look import show_records

    return show_records(options)


def _explain(options: argparse.Namespace) -> int:
    from saferoute.cli.audit_explain import explain

    return explain(options)


def _find(options: argparse.Namespace) -> int:
    from saferoute.cli.audit_look import find

    return find(options)


def _stats(options: argparse.Namespace) -> int:
    from saferoute.cli.audit_stats import stats

    return stats(options)


def _export(options: argparse.Namespace) -> int:
    from saferoute.cli.audit_export import export

    return export(options)


def _prove(options: argparse.Namespace) -> int:
    from saferoute.cli.audit_prove import prove_records

    return prove_records(options)


def _check_proof(options: argparse.Namespace) -> int:
    from saferoute.cli.audit_check_proof import check

    return check(options)


def _report(options: argparse.Namespace) -> int:
    from saferoute.cli.audit_report import report

    return report(options)

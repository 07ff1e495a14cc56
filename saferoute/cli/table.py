"""`saferoute table`: from routes.toml to a signed routes.json, and back to words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.cli.key_files import STATUS_KEY, TABLE_KEY
from saferoute.cli.signing import add_signing_options
from saferoute.cli.table_files import add_root_options
from saferoute.cli.table_remembered import add_state_options, reset_remembered, show_remembered
from saferoute.cli.table_review import build_table, diff_tables, format_file, lint_table, test_table, write_types
from saferoute.cli.table_show import show_table, verify_table
from saferoute.cli.table_sign import revert_table, sign_table
from saferoute.cli.table_status import revoke_tokens, write_status

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

__all__ = ["configure"]

_DAYS = 7
_HOURS = 24
_TOML = Path("routes.toml")
_BUNDLE = Path("routes.json")


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which commands and options there are."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _configure_writing(commands)
    _configure_signing(commands)
    _configure_looking(commands)
    _configure_statements(commands)
    remembered = commands.add_parser("state", help="what was accepted before", description="Which table clients accepted before.")
    _configure_state(remembered.add_subparsers(dest="what", metavar="WHAT", required=True))


def _configure_writing(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = _command(commands, "build", "check routes.toml and write the table that would be signed", build_table)
    _source(made, "default: routes.toml")
    made.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write (default: stdout)")
    formatted = _command(commands, "fmt", "write routes.toml the one way; comments stay", format_file)
    _source(formatted, "default: routes.toml")
    formatted.add_argument("--check", action="store_true", help="change nothing; exit code 1 if it is not formatted")
    linted = _command(commands, "lint", "say what is allowed and is probably a mistake; exit code 1 for errors", lint_table)
    _source(linted, "routes.toml (the default), or a table")
    linted.add_argument("--strict", action="store_true", help="exit code 1 for warnings too")
    _json(linted)
    tested = _command(commands, "test", "run the assertions of routes.toml; exit code 1 if one fails", test_table)
    _source(tested, "default: routes.toml")
    _json(tested)
    typed = _command(commands, "types", "write the names of the routes as a Python type, for editors", write_types)
    _source(typed, "routes.toml (the default), or a table")
    typed.add_argument("-o", "--output", type=Path, metavar="FILE", help="a .py or .pyi file (default: stdout)")
    typed.add_argument("--check", action="store_true", help="change nothing; exit code 1 if the file is not up to date")


def _configure_signing(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    signed = _command(commands, "sign", "run the assertions, and sign a table as the next version", sign_table)
    _source(signed, "routes.toml, or what table build wrote")
    add_root_options(signed, "beside the source")
    signed.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: routes.json beside the source")
    signed.add_argument("--continue", dest="continued", action="store_true", help="add a signature to the table that waits for more")
    _configure_version(signed)
    back = _command(commands, "revert", "sign the content of an old table under a higher version", revert_table)
    back.add_argument("old", type=Path, metavar="OLD", help="the signed table to go back to")
    add_root_options(back, "beside the output")
    back.add_argument("-o", "--output", type=Path, default=_BUNDLE, metavar="FILE", help="default: routes.json")
    _configure_version(back)


def _configure_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, default=_DAYS, help=f"how long it is valid; {_DAYS}, or up to 90 if the root has a status role")
    parser.add_argument(
        "--table-version", type=int, metavar="N", help="default: one more than in the output file; needed where there is none"
    )
    parser.add_argument("--restart", action="store_true", help="drop the table that waits for signatures")
    add_signing_options(parser, TABLE_KEY)


def _configure_looking(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    checked = _command(commands, "verify", "verify a signed table as a client does", verify_table)
    _signed(checked)
    checked.add_argument("--min-table-version", type=int, metavar="N", help="refuse older tables")
    shown = _command(commands, "show", "say in words what a table allows", show_table)
    _signed(shown)
    _json(shown)
    compared = _command(commands, "diff", "say in words what a new table changes, and who gets which key", diff_tables)
    compared.add_argument("old", nargs="?", type=Path, default=_BUNDLE, metavar="OLD", help="default: routes.json")
    compared.add_argument("new", nargs="?", type=Path, default=_TOML, metavar="NEW", help="default: routes.toml")
    compared.add_argument("--exit-code", action="store_true", help="exit code 1 if anything changes")
    _json(compared)


def _configure_statements(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    status = _command(commands, "status", "sign a status: this table is current, and no call goes to these routes", write_status)
    _bundle(status)
    status.add_argument("--halt", action="append", default=[], metavar="ROUTE", help="no call goes to this row any more; may be repeated")
    status.add_argument("--resume", action="append", default=[], metavar="ROUTE", help="calls may go there again; may be repeated")
    status.add_argument("--hours", type=int, default=_HOURS, help=f"how long it is valid, at most 168 (default: {_HOURS})")
    _configure_statement(status, STATUS_KEY)
    revoked = _command(commands, "revoke", "revoke tokens, in the status or in a list of its own", revoke_tokens)
    revoked.add_argument("ids", nargs="*", metavar="ID", help="a token's id (jti), or the digest of a chain of blocks")
    revoked.add_argument("--table", type=Path, default=_BUNDLE, metavar="FILE", help="default: routes.json")
    _configure_statement(revoked, f"{STATUS_KEY}, or {TABLE_KEY},")


def _configure_statement(parser: argparse.ArgumentParser, key: str) -> None:
    add_root_options(parser, "beside the table")
    parser.add_argument("--as-version", type=int, metavar="N", help="default: one more than in the file; needed where there is none")
    parser.add_argument("--continue", dest="continued", action="store_true", help="add a signature to what waits for more")
    parser.add_argument("--restart", action="store_true", help="drop what waits for signatures")
    add_signing_options(parser, key)


def _configure_state(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    shown = _command(commands, "show", "say what clients of this user accepted before", show_remembered)
    add_root_options(shown, "in the working directory")
    add_state_options(shown)
    _json(shown)
    forgotten = _command(commands, "reset", "verify the table that is deployed, and record it as what was accepted", reset_remembered)
    _signed(forgotten)
    add_state_options(forgotten)
    forgotten.add_argument("--yes", action="store_true", help="without --sha256: take the root as it is")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(run=run)
    return parser


def _source(parser: argparse.ArgumentParser, explained: str) -> None:
    parser.add_argument("source", nargs="?", type=Path, default=_TOML, metavar="FILE", help=explained)


def _bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", nargs="?", type=Path, default=_BUNDLE, metavar="FILE", help="default: routes.json")


def _signed(parser: argparse.ArgumentParser) -> None:
    _bundle(parser)
    add_root_options(parser, "beside the table")
    parser.add_argument("--sha256", metavar="HEX", help="the digest that the pinned root must have: the one in your program")


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")

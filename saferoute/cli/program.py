"""The command line itself: which commands there are, and what a failure looks like.

- Results go to stdout; everything else, questions and errors included, to stderr.
- An error of ours is one line, `error: ...`, and exit code 1; wrong usage is 2; Ctrl-C is 130; a closed pipe is quiet.
- A command's module is loaded when that command is asked for.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Final

from saferoute.cli.terminal import printable, say
from saferoute.cli.words import in_options
from saferoute.errors import SaferouteError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["COMMANDS", "UsageError", "build_parser", "main"]

COMMANDS: Final[Mapping[str, str]] = {
    "init": "make keys, a root of trust, routes.toml and a signed table",
    "keys": "provider keys: add, list, remove, rotate, import-env, check",
    "root": "the trust root: whose signatures count, and how keys are added and replaced",
    "table": "routing tables: build, lint, test, sign, verify, show, diff, revert, revoke ...",
    "cap": "capability tokens: mint, show, attenuate, delegate, verify",
    "check": "say what a client's security rests on, and whether calls could be made now",
    "chat": "ask a model; the answer streams to stdout",
    "models": "list what can be called",
    "route": "say what would happen to a call, or to many: explain, simulate",
    "guard": "try guards on texts: judge one, or test a file of labelled ones",
    "audit": "read a ledger: verify, show, explain, find, stats, export, prove, check-proof, report",
    "demo": "see saferoute work, on an embedded provider",
}

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141


class UsageError(Exception):
    """The options do not go together; the message says which."""


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Make the parser.

    Args:
        only: the one command whose options are wanted; None for all of them.
    """
    parser = argparse.ArgumentParser(
        prog="saferoute", description="One API for every LLM provider: signed routes, keys that only go to their own provider."
    )
    parser.add_argument("--version", action="store_true", help="show the version and leave")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if only is None or only == name:
            _configure(name, command)
    return parser


def _configure(name: str, parser: argparse.ArgumentParser) -> None:
    match name:
        case "init":
            from saferoute.cli.init import configure
        case "keys":
            from saferoute.cli.keys import configure
        case "root":
            from saferoute.cli.root import configure
        case "table":
            from saferoute.cli.table import configure
        case "cap":
            from saferoute.cli.cap import configure
        case "check":
            from saferoute.cli.check import configure
        case "chat":
            from saferoute.cli.chat import configure
        case "models":
            from saferoute.cli.models import configure
        case "route":
            from saferoute.cli.route import configure
        case "guard":
            from saferoute.cli.guard import configure
        case "audit":
            from saferoute.cli.audit import configure
        case _:
            from saferoute.cli.demo import configure
    configure(parser)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; None for this process's.

    Returns:
        The exit code.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    _never_fail_to_encode()
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        say()
        return INTERRUPTED
    return code


def _run(arguments: Sequence[str]) -> int:
    # The global options take no value, so the first word without a dash is the command.
    command = next((word for word in arguments if not word.startswith("-")), None)
    parser = build_parser(only=command or "")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse has said what is wrong, or has shown its help
        return stop.code if isinstance(stop.code, int) else USAGE
    if options.version:
        from saferoute import __version__

        print(f"saferoute-sdk {__version__}")
        return 0
    if options.command is None:
        parser.print_help()
        return 0
    try:
        code: int = options.run(options)
    except BrokenPipeError:
        raise
    except UsageError as error:
        say(f"error: {error}; see saferoute {_command(options)} --help")
        return USAGE
    except (SaferouteError, OSError) as error:
        if options.debug:
            raise
        say(_in_words(error))
        return FAILED
    except Exception as error:
        if options.debug:
            raise
        say(f"error: saferoute itself went wrong ({type(error).__name__}): please report it with the output of saferoute --debug ...")
        return FAILED
    return code


def _command(options: argparse.Namespace) -> str:
    """The command and its action, whose help says how they are used."""
    action = next((given for name in ("action", "guard_command", "route_command") if (given := getattr(options, name, None))), None)
    return " ".join(filter(None, (options.command, action)))


def _in_words(error: SaferouteError | OSError) -> str:
    """One line for what went wrong; below it, what only a person should see: the attempts, and the provider's own words."""
    if not isinstance(error, SaferouteError):
        where = f"{error.filename}: " if error.filename else ""
        return printable(f"error: {where}{error.strerror or type(error).__name__}")
    _, *more = error.diagnostics().splitlines()
    return printable("\n".join([f"error: {in_options(error.message)}", *more]))


def _never_fail_to_encode() -> None:
    """A terminal that cannot show a character gets an escape for it, not a UnicodeEncodeError."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain about the closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)

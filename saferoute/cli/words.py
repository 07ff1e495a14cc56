"""Errors in the command line's own words. The library's messages name Python calls; who types commands needs the options instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["in_options"]

_ARGUMENTS: Final = r"\(((?:[^()]|\([^()]*\))*)\)"
_CALL: Final = rf"saferoute\.keys\.(add|list|remove|rotate){_ARGUMENTS}"
_COMMAND: Final = r"`python -m saferoute ([^`]*)`"

_RULES: Final[Sequence[tuple[str, str]]] = (
    # A call and the command that does the same, side by side: the command is enough.
    (rf", {_CALL}, or {_COMMAND}", r" or `saferoute \3`"),
    (rf"{_CALL}(?:,| or|, or) {_COMMAND}", r"`saferoute \3`"),
    (r",? or secrets=Secrets\.from_env\(\{[^}]*\}\)", ""),
    (r",?(?: or)? secrets=Secrets\.from_aws_\w+\([^)]*\)", ""),
    (r" with secrets= left out", " without --secrets"),
    # Keys and passphrases, where nobody can be asked.
    (r"\A(nobody can be asked: [^.;]*)\Z", r"\1. Pipe the key in, with --stdin"),
    (r"Give Secrets\.vault\(\) a passphrase or a key_file", "Pass --passphrase-file FILE, a file that only you can read"),
    (r": Secrets\.prompt\(origins=\{[^}]*\}\) tells it", ""),
    # Single arguments.
    (r'Client\.local\(secrets="(\w+)"\)', r"--secrets \1"),
    (r"Client\.local\(\) is forbidden here", "a table made in memory is forbidden here"),
    (r"use Client\(table=\.\.\., trust=Trust\.pinned\(\.\.\.\)\)", "use --table, --root and --sha256"),
    (r'pass data="(\w+)" if that is what it is, or Client\(data=\.\.\.\)', r"pass --data \1 if that is what it is"),
    (r'(?<![\w(])secrets="(\w+)"', r"--secrets \1"),
    (r'(?<!, )(?<![\w(])store="(\w+)"', r"--store \1"),
    (r"Secrets\.vault\(path\)", "--vault FILE"),
    (r"Client\(accounts=saferoute\.Accounts\.sqlite\(path\)\)", "--accounts FILE"),
    (r"Client\(audience=\.\.\.\)", "--audience NAME"),
    (r"pass capability=\.\.\.,", "pass --capability FILE,"),
    (r"Trust\.pinned: sha256 ", "--sha256 "),
    # A key was replaced, and the command took the one before.
    (r"(the key [0-9a-f]{12} is not in the \w+ role)\Z", r"\1: saferoute root show says whose are, and --key FILE names another"),
    (r': Trust\.pinned\(\.\.\., status="status\.json"\)', ": saferoute table status signs one"),
)
_OPTIONS: Final[Mapping[str, str]] = {
    r'\borigins="([^"]*)"': "--origin",
    r'\bstore="(\w+)"': "--store",
    r'\bstore=Secrets\.vault\("([^"]*)"': "--vault",
    r'\bkey_file="([^"]*)"': "--passphrase-file",
}


def in_options(message: str) -> str:
    """Say in commands and options what a message of the library says in Python."""
    for pattern, words in _RULES:
        message = re.sub(pattern, words, message)
    return re.sub(_CALL, _as_command, message)


def _as_command(call: re.Match[str]) -> str:
    action, arguments = call.groups()
    if action == "list":
        return "saferoute keys list"
    name = re.match(r'"([^"]*)"', arguments)
    words = ["saferoute keys", action, name.group(1) if name else "NAME"]
    for pattern, option in _OPTIONS.items():
        if (found := re.search(pattern, arguments)) is not None:
            words += [option, found.group(1)]
    return " ".join(words)

"""Every command that a text of ours names is one that the base install has: name, sub-command and options.

A mention is `saferoute WORD ...` in backticks, after `python -m` or after a prompt; and, anywhere, `saferoute` before the name of a
command, or of one that only the design has.
"""

from __future__ import annotations

import argparse
import ast
import re
from typing import TYPE_CHECKING

import pytest

from saferoute.cli.program import COMMANDS, build_parser
from tests.support.commands import ROOT

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

DESIGNED = {"root", "cap", "route", "guard", "check", "audit", "import"}
MARKED = re.compile(r"(?:`|python3? -m |\$ )saferoute( [a-z-][^\s`]*(?: (?!#)[^\s`]+)*)")
NAMED = re.compile(rf"(?<!from )(?<![\w.`-])saferoute( (?:{'|'.join(sorted({*COMMANDS, *DESIGNED}))})\b(?: [A-Za-z-][\w./:-]*)*)")


def mentions(text: str) -> list[str]:
    """The commands in a text, each without `saferoute`."""
    found = [match.group(1) for pattern in (MARKED, NAMED) for match in pattern.finditer(text)]
    return sorted({words.strip() for words in found})


def texts_of(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """The texts of a module, docstrings included; what an f-string fills in is "X"."""
    inside_f_strings: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values]
            inside_f_strings |= {id(part) for part in node.values}
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside_f_strings:
            yield node.lineno, node.value


def problem(words: str, parser: argparse.ArgumentParser) -> str:
    """Why this is no command; "" if it is one."""
    depth = 0
    for word in words.split():
        subcommands = next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)
        if word.startswith("--"):
            if word.rstrip(".,;:)") not in parser._option_string_actions:
                return f"{parser.prog} has no option {word}"
        elif subcommands is not None:
            name = word.rstrip(".,;:)")
            if name not in subcommands.choices:
                # A command that has sub-commands may be named alone, and prose may go on: "saferoute keys: add, list".
                return "" if depth and name != word else f"{parser.prog} has no {name}"
            parser, depth = subcommands.choices[name], depth + 1
        if word.endswith((".", ",", ";", ":", ")")):
            return ""
    return ""


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    return build_parser()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("run `saferoute table sign` again", ["table sign"]),
        ("or `python -m saferoute keys add X`", ["keys add X"]),
        ("expired: sign it again: saferoute table sign and", ["table sign and"]),
        ("saferoute keys add X --origin X", ["keys add X --origin X"]),
        ("$ saferoute init    # two keys", ["init"]),
        ("saferoute audit verify tells", ["audit verify tells"]),
        ("made by `saferoute root init`", ["root init"]),
        ("saferoute reads no environment", []),
        ("saferoute.keys.add()", []),
        ("from saferoute import keys", []),
    ],
)
def test_the_rule_sees_mentions(text: str, found: list[str]) -> None:
    assert mentions(text) == found


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ("table sign", True),
        ("table", True),
        ("keys add X --origin X", True),
        ("keys add --orgin X", False),
        ("tables sign", False),
        ("table sing", False),
        ("root init", True),
        ("guard init", False),
    ],
)
def test_the_rule_knows_a_command(parser: argparse.ArgumentParser, words: str, fits: bool) -> None:
    assert (problem(words, parser) == "") is fits


def test_every_command_that_the_package_names_exists(parser: argparse.ArgumentParser) -> None:
    seen = 0
    wrong = []
    for path in sorted((ROOT / "saferoute").rglob("*.py")):
        for line, text in texts_of(path):
            for words in mentions(text):
                seen += 1
                why = problem(words, parser)
                wrong += [f"{path.relative_to(ROOT)}:{line}: saferoute {words}: {why}"] if why else []
    assert wrong == []
    assert seen > 15


@pytest.mark.parametrize("folder", ["README.md", "docs", "examples"])
def test_every_command_that_the_pages_name_exists(parser: argparse.ArgumentParser, folder: str) -> None:
    place = ROOT / folder
    pages = [place] if place.is_file() else [path for path in sorted(place.rglob("*")) if path.suffix in {".md", ".py"}]
    wrong = [
        f"{page.relative_to(ROOT)}: saferoute {match.group(1).strip()}: {why}"
        for page in pages
        for match in MARKED.finditer(page.read_text(encoding="utf-8"))
        if (why := problem(match.group(1), parser))
    ]
    assert wrong == []

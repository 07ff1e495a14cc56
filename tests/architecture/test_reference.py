"""The reference pages name what there is: every error with its parent, every command with its options, every function of `keys`."""

from __future__ import annotations

import argparse
import ast
import re
from typing import TYPE_CHECKING

from package_source import ROOT, modules

from saferoute import errors, keys
from saferoute.cli.program import build_parser
from saferoute.routing.catalogue import load_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = ROOT / "docs" / "reference"
MARK = "**Raised by nothing yet.**"


def _error_rows() -> list[tuple[str, str, str]]:
    return re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*) \|$", (REFERENCE / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_error_is_documented_with_its_parent() -> None:
    classes = [getattr(errors, name) for name in errors.__all__]
    expected = {
        (error.__name__, error.__bases__[0].__name__)
        for error in classes
        if issubclass(error, Exception) and not issubclass(error, Warning)
    }
    assert sorted((name, parent) for name, parent, _ in _error_rows()) == sorted(expected)


def test_errors_that_nothing_raises_yet_are_marked_so() -> None:
    """Nothing outside `saferoute.errors` names them or one of their kinds; the base classes of others are caught, not raised."""
    named = {node.id for module in modules() if module.layer != "errors" for node in module.nodes if isinstance(node, ast.Name)}
    marked = {name for name, _, says in _error_rows() if MARK in says}
    used = {name for name in errors.__all__ if any(kind.__name__ in named for kind in _kinds(getattr(errors, name)))}
    assert marked == {name for name, _, _ in _error_rows()} - used


def _kinds(error: type) -> Iterator[type]:
    yield error
    for kind in error.__subclasses__():
        yield from _kinds(kind)


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for command in action.choices.values():
            yield from _commands(command)


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return sorted(option for option in parser._option_string_actions if option not in {"-h", "--help"})


def test_every_command_and_option_is_documented() -> None:
    page = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    before, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    documented = {section.splitlines()[0]: _documented(section) for section in sections}
    assert documented == {command.prog: _options(command) for command in _commands(build_parser())}
    assert _documented(before) == _options(build_parser())


def _documented(text: str) -> list[str]:
    cells = re.findall(r"^\| `(-[^`]*)` \|", text, re.MULTILINE)
    return sorted(option for cell in cells for option in re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", cell))


def test_the_providers_that_init_takes_are_documented() -> None:
    page = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    named = re.search(r"^Providers for `--provider`: ([^.]*)\.", page, re.MULTILINE)
    assert named is not None
    assert re.findall(r"`(\w+)`", named[1]) == [provider.name for provider in load_catalogue().providers]


def test_every_function_of_keys_is_documented() -> None:
    row = next(line for line in (REFERENCE / "public-names.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `keys` |"))
    functions = [name for name in keys.__all__ if name[0].islower()]
    assert sorted(re.findall(r"`keys\.(\w+)`", row)) == sorted(functions)

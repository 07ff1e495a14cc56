"""The register of attacks: which test shows that each is refused, and which lines of the product refuse it.

`tests/attacks/register.toml` is the source. A guard is written `path::line`, the line as it stands in the source without its indent.
`path#2::line` is the second of several equal lines, and `path::line => other` says what stands there when the guard is disabled; without
it an `if` becomes `if False:` and any other statement `pass`.
"""

from __future__ import annotations

import ast
import json
import pathlib
import re
import tomllib
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ATTACKS",
    "PAGE",
    "REGISTER",
    "ROOT",
    "UNBUILT",
    "Attack",
    "Guard",
    "disabled",
    "find",
    "guard_from",
    "load",
    "names_in",
    "page",
    "row_for",
]

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ATTACKS = ROOT / "tests" / "attacks"
REGISTER = ATTACKS / "register.toml"
PAGE = ROOT / "docs" / "reference" / "attacks.md"
UNBUILT = frozenset({"receipts", "cache", "migration"})
_PATH = re.compile(r"(?P<path>[\w./-]+)(?:#(?P<nth>\d+))?")
_FIELDS = frozenset({"id", "title", "rule", "story", "owner", "tests", "guards", "pending"})


@dataclass(frozen=True, slots=True)
class Guard:
    """One line of the product that refuses an attack.

    Attributes:
        path: file, from the root of the repository.
        line: the line, stripped.
        nth: which of several equal lines, from 1; 0 where there is only one.
        replace: what to put there instead; None for the usual.
    """

    path: str
    line: str
    nth: int = 0
    replace: str | None = None

    def __str__(self) -> str:
        return f"{self.path}{f'#{self.nth}' if self.nth else ''}::{self.line}"


@dataclass(frozen=True, slots=True)
class Attack:
    """One row of the register."""

    id: str
    title: str
    rule: str
    owner: str
    story: str = ""
    tests: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()
    pending: str = ""


def guard_from(text: str) -> Guard:
    """Read a guard as it is written in the register."""
    place, colons, rest = text.partition("::")
    match = _PATH.fullmatch(place)
    if match is None or not colons:
        msg = f"{text!r} is no guard: write path::line"
        raise ValueError(msg)
    line, arrow, replace = rest.partition(" => ")
    return Guard(match["path"], line.strip(), int(match["nth"] or 0), replace.strip() if arrow else None)


def load(path: pathlib.Path = REGISTER) -> tuple[Attack, ...]:
    """All rows.

    Raises:
        ValueError: a row has a field that there is not, or lacks one that it needs.
    """
    rows: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["attack"]
    for row in rows:
        if not row.keys() <= _FIELDS or not row.keys() >= {"id", "title", "rule", "owner"}:
            msg = f"the row {row.get('id')!r} has the fields {sorted(row)}"
            raise ValueError(msg)
    return tuple(
        Attack(**{**row, "tests": tuple(row.get("tests", ())), "guards": tuple(map(guard_from, row.get("guards", ())))}) for row in rows
    )


def find(source: str, guard: Guard) -> int:
    """Index of the guarded line.

    Raises:
        LookupError: it is not there, or there more often than the guard says.
    """
    places = [index for index, line in enumerate(source.splitlines()) if line.strip() == guard.line]
    if not places or guard.nth > len(places) or (not guard.nth and len(places) > 1):
        msg = f"{guard}: stands there {len(places)} times"
        raise LookupError(msg)
    return places[max(guard.nth, 1) - 1]


def disabled(source: str, guard: Guard) -> str:
    """The source without its guard, still valid Python.

    Raises:
        LookupError: the line is not there.
        ValueError: the line begins no statement that can be taken out, so the guard has to say what replaces it.
    """
    index = find(source, guard)
    lines = source.splitlines(keepends=True)
    indent = lines[index][: len(lines[index]) - len(lines[index].lstrip())]
    if guard.replace is not None:
        lines[index] = f"{indent}{guard.replace or 'pass'}\n"
    else:
        node = next((node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt) and node.lineno == index + 1), None)
        if isinstance(node, ast.If):
            word = "elif" if guard.line.startswith("elif") else "if"
            lines[index : node.body[0].lineno - 1] = [f"{indent}{word} False:\n"]
        elif node is None or hasattr(node, "body"):
            msg = f"{guard}: begins no plain statement; write what replaces it behind =>"
            raise ValueError(msg)
        else:
            lines[index : node.end_lineno] = [f"{indent}pass\n"]
    made = "".join(lines)
    ast.parse(made)
    return made


def names_in(path: pathlib.Path) -> frozenset[str]:
    """Names of the test functions of a file; methods as Class::name."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            inner = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
            found.update(f"{node.name}::{one.name}" for one in inner if one.name.startswith("test"))
    return frozenset(found)


def said_guards(path: pathlib.Path) -> tuple[str, ...]:
    """The guards that a test file's docstring names, in lines of the form `Guards: path::line`."""
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return tuple(line.removeprefix("Guards:").strip() for line in doc.splitlines() if line.startswith("Guards:"))


def row_for(path: pathlib.Path, owner: str = "table") -> str:
    """A row for an attack test that is not in the register yet, made from its docstring; rule and story are to be written by hand."""
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or path.stem).partition("\n\n")[0].replace("\n", " ")
    title = first.removeprefix("Attack: ").rstrip(".")
    name = path.stem.removeprefix("test_")
    lines = ["[[attack]]", f'id = "{name.replace("_", "-")}"', f"title = {json.dumps(title[0].upper() + title[1:], ensure_ascii=False)}"]
    lines += ['rule = "trust 1"', f'owner = "{owner}"', "tests = ["]
    lines += [f'    "{path.relative_to(ROOT).as_posix()}::{test}",' for test in sorted(names_in(path))]
    lines += ["]", "guards = [", *(f"    {json.dumps(guard, ensure_ascii=False)}," for guard in said_guards(path)), "]"]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page(rows: tuple[Attack, ...]) -> str:
    """The page of the documentation that shows the register."""
    tested = sum(not row.pending for row in rows)
    lines = [
        "# Attacks",
        "",
        "<!-- Made from tests/attacks/register.toml by tests/architecture/disable_guards.py --page. Do not edit. -->",
        "",
        (
            f"{len(rows)} attacks, each with the tests that show it being refused. {tested} are tested; the others wait for a part that is not "
            "built yet, and say which."
        ),
        "",
        "A test that cannot fail shows nothing. So each row names, where it can, the lines of the package that refuse the attack, and",
        "`nox -s guards` takes these out one at a time and requires that a test of the row fails.",
        "",
    ]
    for owner in dict.fromkeys(row.owner for row in rows):
        ours = [row for row in rows if row.owner == owner]
        lines += [f"## {owner[0].upper()}{owner[1:]}", "", "| attack | rule | tests | guarded lines |", "|---|---|---|---|"]
        for row in ours:
            title = row.title + (f"<br>{row.story}" if row.story else "")
            tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in row.tests) or f"not yet: {row.pending}"
            guards = "<br>".join(f"`{path}`" for path in dict.fromkeys(guard.path.removeprefix("saferoute/") for guard in row.guards))
            lines.append(f"| {_cell(title)} | {_cell(row.rule)} | {_cell(tests)} | {f'{len(row.guards)} in {guards}' if guards else ''} |")
        lines.append("")
    return "\n".join(lines)

"""The measurable rows of the style bar, 0 to 4 points each.

    python tests/architecture/style_bar.py

Fails under 36 of 40, when a row is under 3, or when errors, state, one path or supply chain is under 4. What a row asks is the text
beside it; a point is lost per missed part, never averaged away.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import difflib
import re
import statistics
import sys
import tomllib
from typing import TYPE_CHECKING

from package_source import PACKAGE, ROOT, Function, called_name, functions, length, modules, mutable_state, public_names, silent_handlers

if TYPE_CHECKING:
    from collections.abc import Iterable

TOTAL = 36
EACH = 3
FOURS = {"errors", "state", "one path", "supply chain"}
SIX = {"httpx", "pydantic", "tenacity", "cryptography", "opentelemetry-api", "keyring"}
SWALLOWED = 26  # handlers of Exception that hand the error on in another way: to a waiting thread, into a flow, as a guard's failure, as an approval that was not given, to the user of a command, as a warning about a hook, about telemetry or about who is told of checkpoints
TWIN_STATEMENTS = 4
TWIN_LIKENESS = 0.75


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row: its name, its points, and what was found."""

    name: str
    points: int
    found: str


def _points(parts: Iterable[bool]) -> int:
    """Four, less one for each part that is missed."""
    return max(0, 4 - sum(not part for part in parts))


def files() -> Row:
    """At most 400 lines each, the median at most 200."""
    sizes = [(module.lines, module.short) for module in modules()]
    over = [entry for entry in sizes if entry[0] > 400]
    median = statistics.median(size for size, _ in sizes if size > 1)
    points = _points([not over, not over, len(over) < 3, median <= 200])
    return Row(
        "files", points, f"{len(sizes)} files, {sum(size for size, _ in sizes)} lines, median {median:.0f}, over 400: {over or 'none'}"
    )


def function_sizes() -> Row:
    """None over 100 lines, less than 2 % over 50."""
    every = [(length(function), f"{module.short} {function.name}") for module in modules() for function in functions(module.tree)]
    long = [entry for entry in every if entry[0] > 50]
    over = [entry for entry in every if entry[0] > 100]
    share = 100 * len(long) / max(1, len(every))
    points = _points([not over, not over, share < 2, share < 4])
    return Row("functions", points, f"{len(every)}, over 50: {len(long)} ({share:.1f} %), over 100: {over or 'none'}")


def names() -> Row:
    """At most 30 public names at top level, and every module says what it exports."""
    public = public_names()
    silent = [
        module.short for module in modules() if module.lines > 30 and module.layer not in {"", "cli"} and "__all__" not in module.text
    ]
    return Row(
        "public names",
        _points([0 < len(public) <= 30, len(public) <= 40, len(silent) <= 3]),
        f"{len(public)}; without __all__: {silent or 'none'}",
    )


def _annotations(tree: ast.AST) -> Iterable[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            yield from (argument.annotation for argument in arguments if argument is not None and argument.annotation is not None)
            if node.returns is not None:
                yield node.returns
        elif isinstance(node, ast.AnnAssign):
            yield node.annotation


def types() -> Row:
    """Strict gate with the extra codes, a typing test of the public surface, `Any` under 5 per 1,000 lines, few ignores."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    wanted = {"explicit-override", "exhaustive-match", "possibly-undefined"}
    lines = sum(module.lines for module in modules())
    anys = 0
    for module in modules():
        for annotation in _annotations(module.tree):
            anys += len(re.findall(r"\bAny\b", ast.unparse(annotation)))
    ignores = sum(len(re.findall(r"# type: ignore", module.text)) for module in modules())
    per_thousand, ignores_per = 1000 * anys / lines, 1000 * ignores / lines
    typing_tests = list((ROOT / "tests" / "typing").glob("*.py"))
    points = _points(
        [
            config.get("strict") is True and wanted <= set(config.get("enable_error_code", [])),
            bool(typing_tests) and (PACKAGE / "py.typed").exists(),
            per_thousand < 5,
            ignores_per < 2,
        ]
    )
    return Row("types", points, f"Any {per_thousand:.1f} and ignores {ignores_per:.1f} per 1,000 lines, typing tests: {len(typing_tests)}")


def _root_of(name: str, bases: dict[str, list[str]]) -> str:
    """First base outside the package, or SaferouteError."""
    for base in bases.get(name, []):
        if base == "SaferouteError" or base not in bases:
            if base == "SaferouteError" or isinstance(getattr(builtins, base, None), type):
                return base
        elif found := _root_of(base, bases):
            return found
    return ""


def errors() -> Row:
    """One root, split by cause; nothing is caught silently; Raises sections in security modules.

    Signals that stay inside the package are not part of the tree: their names are not exported by saferoute or saferoute.errors, and
    at most six exist.
    """
    bases: dict[str, list[str]] = {}
    for module in modules():
        for node in module.nodes:
            if isinstance(node, ast.ClassDef):
                bases[node.name] = [called_name(base) for base in node.bases]
    found_in_builtins = [value for value in vars(builtins).values() if isinstance(value, type)]
    exceptions = {value.__name__ for value in found_in_builtins if issubclass(value, BaseException) and not issubclass(value, Warning)}
    signals = [name for name in bases if name != "SaferouteError" and not name.startswith("_") and _root_of(name, bases) in exceptions]
    exported = set(public_names()) | {module.text for module in modules() if module.name == "saferoute.errors"}
    strays = [name for name in signals if any(re.search(rf"\b{name}\b", text) for text in exported)]
    silent = [f"{module.short}:{line}" for module in modules() for line, _ in silent_handlers(module.tree)]
    swallowed = [
        f"{module.short}:{node.lineno}"
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.ExceptHandler) and re.search(r"\b(Base)?Exception\b", ast.unparse(node.type) if node.type else "")
        if not any(isinstance(inside, ast.Raise) for inside in ast.walk(node))
    ]
    undocumented = [
        f"{module.short}:{function.lineno} {function.name}"
        for module in modules()
        if module.layer in {"signing", "routing", "secrets", "capabilities"}
        for function in _reachable(module.tree)
        if not function.name.startswith("_") and _raises(function) and "Raises" not in (ast.get_docstring(function) or "")
    ]
    found = (
        f"outside the tree: {signals or 'none'}, exported of them: {strays or 'none'}, silent: {silent or 'none'}, broad excepts that do not raise: {len(swallowed)}, "
        f"security functions without Raises: {undocumented or 'none'}"
    )
    return Row("errors", _points([not strays and len(signals) <= 6, not silent, len(swallowed) <= SWALLOWED, not undocumented]), found)


def _reachable(tree: ast.Module) -> Iterable[Function]:
    """Functions of the module and methods of its classes; not functions inside functions."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            pending.extend(node.body)


def _raises(function: Function) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(function))


def state() -> Row:
    """Frozen values, no mutable state in modules, no environment reads but one."""
    mutable = [finding for module in modules() for finding in mutable_state(module)]
    readers = [
        module.short
        for module in modules()
        if module.name != "saferoute.drivers.environment"
        and any(isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"} for node in module.nodes)
    ]
    classes = frozen = 0
    for module in modules():
        if module.layer != "values":
            continue
        for node in module.nodes:
            for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else []:
                if called_name(decorator) == "dataclass":
                    classes += 1
                    frozen += "frozen=True" in ast.unparse(decorator) and "slots=True" in ast.unparse(decorator)
    found = f"mutable: {mutable or 'none'}, environment readers: {readers or 'none'}, frozen and slotted values: {frozen}/{classes}"
    return Row("state", _points([not mutable, not mutable, not readers, frozen == classes]), found)


def _shape(function: Function) -> list[str]:
    """Statements of a function without await, async and the a-prefixes of names: twins have the same shape."""
    lines = []
    for statement in ast.walk(function):
        if (
            isinstance(statement, ast.stmt)
            and statement is not function
            and not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        ):
            text = ast.unparse(statement).splitlines()[0]
            lines.append(re.sub(r"\b(await|async)\s+|\b(?:Async|a)(?=[A-Z_])", "", text))
    return sorted(lines)


def twins() -> list[str]:
    """Pairs of a sync and an async function, outside drivers/, that say the same thing at length."""
    sync: dict[str, list[tuple[str, list[str]]]] = {}
    awaited: list[tuple[str, str, list[str]]] = []
    for module in modules():
        if module.layer == "drivers":
            continue
        for function in functions(module.tree):
            shape = _shape(function)
            if len(shape) < TWIN_STATEMENTS:
                continue
            where = f"{module.short}:{function.lineno} {function.name}"
            name = function.name.removeprefix("a") if function.name.startswith("a") else function.name
            if isinstance(function, ast.AsyncFunctionDef):
                awaited += [(function.name, where, shape), (name, where, shape)]
            else:
                sync.setdefault(function.name, []).append((where, shape))
    found = set()
    for name, where, shape in awaited:
        for other, other_shape in sync.get(name, []):
            if difflib.SequenceMatcher(None, shape, other_shape, autojunk=False).ratio() >= TWIN_LIKENESS:
                found.add(f"{where} = {other}")
    return sorted(found)


def one_path() -> Row:
    """No twins outside drivers; one fold makes every reply; no test on a provider's name in the code."""
    pairs = twins()
    folds = [
        module.short
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name.lower() == "fold"
    ]
    # Reply(...) is built by the fold only; testing may build one for its users.
    makers = sorted(
        {
            module.short
            for module in modules()
            if module.layer != "testing"
            for node in module.nodes
            if isinstance(node, ast.Call) and called_name(node) in {"Reply", "_Reply"}
        }
    )
    found = f"twins: {pairs or 'none'}, folds: {folds}, makers of Reply: {makers}"
    return Row("one path", _points([not pairs, len(pairs) < 3, len(folds) == 1, len(makers) <= 1]), found)


def tests() -> Row:
    """Tables and properties, no network, attack assets, a coverage gate."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    tables = sum("parametrize" in text for text in texts)
    properties = sum("@given" in text for text in texts)
    attacks = sum(len(re.findall(r"^(?:async )?def test_|^    def test_", text, re.MULTILINE)) for text in [
        path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "attacks").rglob("test_*.py")])  # fmt: skip
    options = " ".join(config["pytest"]["addopts"])
    gate = (ROOT / "tests" / "architecture" / "coverage_floors.py").exists() and "coverage_floors" in (ROOT / "Makefile").read_text(
        encoding="utf-8"
    )
    points = _points([tables >= 5 and properties >= 3, "--allow-hosts=127.0.0.1,::1" in options, attacks >= 20, gate])
    return Row("tests", points, f"{len(texts)} files, {tables} with tables, {properties} with properties, {attacks} attack tests")


def docs() -> Row:
    """Why, tutorial, how-to, reference, glossary, ADRs; docstrings on at least 80 % of what is public."""
    documented = public = 0
    for module in modules():
        nodes: list[ast.AST] = [module.tree]
        nodes += [node for node in module.nodes if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
        for node in nodes:
            if str(getattr(node, "name", "module")).startswith("_"):
                continue
            public += 1
            documented += ast.get_docstring(node) is not None  # type: ignore[arg-type]
    share = 100 * documented / max(1, public)
    folder = ROOT / "docs"
    kinds = {name: len(list((folder / name).glob("*.md"))) for name in ("tutorial", "how-to", "reference", "explanation", "adr")}
    missing = [name for name, count in kinds.items() if not count] + [
        name for name in ("README.md", "glossary.md") if not (folder / name).exists()
    ]
    points = _points([share >= 80, share >= 60, not missing, len(missing) < 3])
    return Row("docs", points, f"docstrings {share:.0f} %, pages {kinds}, missing: {missing or 'none'}")


def supply_chain() -> Row:
    """Exactly the six dependencies, every locked file hashed, no start-up file, a wheel check, attestations, SECURITY.md."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    six = {re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0] for line in project["dependencies"]} == SIX
    unhashed = []
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        entries = re.split(r"\n(?=[A-Za-z])", path.read_text(encoding="utf-8"))
        unhashed += [
            f"{path.name}: {entry.split()[0]}"
            for entry in entries
            if re.match(r"[A-Za-z][\w.-]*==", entry) and "--hash=sha256:" not in entry
        ]
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.y*ml")) if (ROOT / ".github").exists() else []
    uses = [
        line.strip() for path in workflows for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"\s*(- )?uses:", line)
    ]
    loose = [line for line in uses if not re.search(r"@[0-9a-f]{40}\b", line)]
    attested = any("attestations: true" in path.read_text(encoding="utf-8") for path in workflows)
    startup = [path.name for path in PACKAGE.rglob("*") if path.suffix == ".pth" or path.stem in {"sitecustomize", "usercustomize"}]
    files_there = all((ROOT / name).exists() for name in ("SECURITY.md", "LICENSE", "tests/architecture/check_wheel.py"))
    points = _points([six and not startup, not unhashed, files_there, attested and not loose])
    found = f"the six: {six}, unhashed: {unhashed or 'none'}, loose actions: {loose or 'none'}, attested: {attested}"
    return Row("supply chain", points, found)


ROWS = (files, function_sizes, names, types, errors, state, one_path, tests, docs, supply_chain)


def main() -> int:
    """Print the rows; 1 when the bar is missed."""
    rows = [measure() for measure in ROWS]
    for row in rows:
        print(f"{row.points}  {row.name:<13} {row.found}")
    total = sum(row.points for row in rows)
    low = [row.name for row in rows if row.points < (4 if row.name in FOURS else EACH)]
    print(f"{total} of 40 (bar {TOTAL}); under their own bar: {', '.join(low) or 'none'}")
    return int(total < TOTAL or bool(low))


if __name__ == "__main__":
    sys.exit(main())

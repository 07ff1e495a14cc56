"""The package as text and syntax trees: what the architecture tests and the style bar look at. Imports nothing of saferoute."""

from __future__ import annotations

import ast
import dataclasses
import functools
import os
import pathlib
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "saferoute"

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

# Methods that change a list, dict, set, deque or bytearray in place.
MUTATORS = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "pop", "popitem", "popleft", "remove", "reverse"}
    | {"setdefault", "sort", "update", "intersection_update", "difference_update", "symmetric_difference_update"}
)
# Calls whose result is a container that can change, or a counter, lock or cache: state, when it stands in a module.
STATEFUL_CALLS = frozenset(
    {"list", "dict", "set", "bytearray", "defaultdict", "deque", "OrderedDict", "Counter", "ChainMap", "count", "cycle", "local"}
    | {"WeakValueDictionary", "WeakKeyDictionary", "WeakSet", "ContextVar", "Queue", "SimpleQueue", "LifoQueue"}
    | {"Lock", "RLock", "Condition", "Semaphore", "Event"}
)


@dataclasses.dataclass(frozen=True, slots=True)
class Module:
    """One file of the package."""

    path: pathlib.Path
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]  # all of the tree, walked once for all who look

    @classmethod
    def of(cls, path: pathlib.Path, text: str) -> Module:
        """The module that a text is."""
        tree = ast.parse(text)
        return cls(path, text, tree, tuple(ast.walk(tree)))

    @property
    def name(self) -> str:
        """Dotted name."""
        parts = list(self.path.relative_to(ROOT).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def layer(self) -> str:
        """First name below saferoute; empty for the package's own __init__."""
        return ([*self.name.split("."), ""])[1]

    @property
    def lines(self) -> int:
        """How many lines the file has."""
        return len(self.text.splitlines())

    @property
    def short(self) -> str:
        """Path as a person would type it."""
        return str(self.path.relative_to(ROOT))


@functools.cache
def modules() -> tuple[Module, ...]:
    """Every Python file of the package."""
    files = sorted(PACKAGE.rglob("*.py"))
    return tuple(Module.of(path, path.read_text(encoding="utf-8")) for path in files)


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: Function) -> int:
    """Lines from `def` (or its first decorator) to the end."""
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    return (function.end_lineno or first) - first + 1


def imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Every imported module (and module.name) with its line, also inside functions and under TYPE_CHECKING."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def called_name(node: ast.AST) -> str:
    """Last part of the name of what is called: `a.b.c()` gives c."""
    function = node.func if isinstance(node, ast.Call) else node
    if isinstance(function, ast.Subscript):
        function = function.value
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def is_mutable(value: ast.expr | None) -> bool:
    """Whether an expression makes something that can change."""
    if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
        return True
    return isinstance(value, ast.Call) and called_name(value) in STATEFUL_CALLS


def module_values(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None, ast.expr | None, int]]:
    """Names bound in the module's body: name, value, annotation, line. Looks into top-level if, try and with."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                        yield name.id, node.value, None, node.lineno
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.value, node.annotation, node.lineno
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For):
            pending.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def mutable_state(module: Module) -> list[str]:
    """What breaks the rule on state. The rule: a container in a module is a constant table (a name in capitals, or __all__), and nothing
    in the module changes it; no `global`; no lock, counter or context variable; no cache that grows.
    """  # fmt: skip
    found: list[str] = []
    tables: set[str] = set()
    for name, value, _, line in module_values(module.tree):
        if not is_mutable(value):
            continue
        constant = name.lstrip("_").isupper() or name == "__all__"
        if constant and not (isinstance(value, ast.Call) and called_name(value) not in {"list", "dict", "set"}):
            tables.add(name)
        else:
            found.append(f"{module.short}:{line}: {name} is state in a module")
    for node in module.nodes:
        if isinstance(node, ast.Global):
            found.append(f"{module.short}:{node.lineno}: global {', '.join(node.names)}")
        elif isinstance(node, ast.FunctionDef) and any(_grows(decorator) for decorator in node.decorator_list) and node.args.args:
            found.append(f"{module.short}:{node.lineno}: {node.name} has a cache that grows; give it a maxsize or put it in an object")
    for function in functions(module.tree):
        found.extend(f"{module.short}:{line}: {function.name} changes {name}" for name, line in _changes(function, tables))
    return found


def _grows(decorator: ast.expr) -> bool:
    if called_name(decorator) == "cache":
        return True
    keywords = {word.arg: word.value for word in decorator.keywords} if isinstance(decorator, ast.Call) else {}
    size = keywords.get("maxsize")
    return called_name(decorator) == "lru_cache" and isinstance(size, ast.Constant) and size.value is None


def _changes(function: Function, tables: set[str]) -> Iterator[tuple[str, int]]:
    local = {argument.arg for argument in [*function.args.args, *function.args.kwonlyargs, *function.args.posonlyargs]}
    local |= {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(function):
        target: ast.AST | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            target = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            target = node.func.value
        if isinstance(target, ast.Name) and target.id in tables - local:
            yield target.id, getattr(node, "lineno", 0)


def silent_handlers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Handlers that catch everything and say nothing: bare except, or a broad except whose body only passes or continues."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = ast.unparse(node.type) if node.type else ""
        broad = not caught or any(part.strip(" ()") in {"Exception", "BaseException"} for part in caught.split(","))
        speaks = any(not isinstance(statement, ast.Pass | ast.Continue | ast.Break) and not _is_text(statement) for statement in node.body)
        if node.type is None:
            yield node.lineno, "bare except"
        elif broad and not speaks:
            yield node.lineno, f"silent except {caught}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called_name(node) == "suppress":
            names = {ast.unparse(argument) for argument in node.args}
            if names & {"Exception", "BaseException"}:
                yield node.lineno, "silent suppress"


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def public_names() -> list[str]:
    """Read `__all__` of the package's __init__ without importing it."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    for name, value, _, _ in module_values(tree):
        if name == "__all__" and isinstance(value, ast.List | ast.Tuple):
            return [str(item.value) for item in value.elts if isinstance(item, ast.Constant)]
    return []


def texts() -> Iterator[tuple[pathlib.Path, str]]:
    """Every text file that the project ships or keeps, without what tools left behind."""
    left_behind = {".git", ".venv", ".nox", ".svc", "__pycache__", "mutants", "build", "dist", "htmlcov"}
    paths: list[pathlib.Path] = []
    for folder, inside, names in os.walk(ROOT):
        inside[:] = [name for name in inside if name not in left_behind and not name.endswith(("_cache", ".egg-info"))]
        paths += (pathlib.Path(folder, name) for name in names)
    for path in sorted(paths):
        if path.relative_to(ROOT).parts[0].startswith((".coverage", ".hypothesis")) or path.stat().st_size > 4_000_000:
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue

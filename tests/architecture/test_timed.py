"""Who is marked `timed`, and so gets more tries: every test that asserts how long something takes, at most, and no other.

A time is `time.<clock>() - x`, or what was made of it: a name, an entry of a list, what a helper returns. Helpers are known by their names, in
the same file or in the file of tests/ that they are imported from.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import pathlib
import re
import tomllib
from collections.abc import Callable, Iterator

import pytest
from package_source import ROOT, Function

CLOCKS = frozenset({"monotonic", "perf_counter", "process_time", "thread_time"})
TIMES = frozenset({"gaps"})  # attributes of tests/support that are times: between one request and the next
TESTS = ROOT / "tests"
IMPORT = re.compile(r"^from (tests\.[\w.]+) import (\([^)]*\)|.*)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Known:
    """Names of functions: those that return a time, that assert that one is short, and that read a clock."""

    returning: frozenset[str] = frozenset()
    limiting: frozenset[str] = frozenset()
    reading: frozenset[str] = frozenset()

    def __or__(self, other: Known) -> Known:
        return Known(self.returning | other.returning, self.limiting | other.limiting, self.reading | other.reading)

    def among(self, names: set[str]) -> Known:
        """Only what was imported."""
        return Known(self.returning & names, self.limiting & names, self.reading & names)


def is_clock(node: ast.AST) -> bool:
    """`time.monotonic()` and its like, or the clock of an event loop."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in {*CLOCKS, "time"}:
        return False
    whose = ast.unparse(node.func.value)
    return whose == "time" if node.func.attr in CLOCKS else "loop" in whose


def called(node: ast.AST) -> str:
    """What a call calls: the last part of its name."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""


def names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def bindings(function: Function) -> Iterator[tuple[set[str], ast.expr]]:
    """The names that get a value, and the value: `x = value`, `x += value`, `(x := value)`, `x.append(value)`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            yield {name for target in node.targets for name in names(target)}, node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
            yield names(node.target), node.value
        elif called(node) == "append" and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            yield names(node.func.value), node.args[0]


def grown(bound: list[tuple[set[str], ast.expr]], has: Callable[[ast.expr, set[str]], bool]) -> set[str]:
    """Every name whose value has it, where a value that holds such a name may have it too."""
    found: set[str] = set()
    while new := {name for targets, value in bound if has(value, found) for name in targets} - found:
        found |= new
    return found


def time_finder(function: Function, known: Known) -> Callable[[ast.AST], bool]:
    """Tells whether an expression holds a time."""
    bound = list(bindings(function))
    moments = grown(bound, lambda value, _: any(map(is_clock, ast.walk(value))))

    def is_moment(node: ast.AST) -> bool:
        return any(is_clock(inner) or (isinstance(inner, ast.Name) and inner.id in moments) for inner in ast.walk(node))

    def is_time(node: ast.AST) -> bool:
        difference = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and (is_moment(node.left) or is_moment(node.right))
        return difference or called(node) in known.returning or (isinstance(node, ast.Attribute) and node.attr in TIMES)

    def has(value: ast.AST, so_far: set[str]) -> bool:
        return any(is_time(node) or (isinstance(node, ast.Name) and node.id in so_far) for node in ast.walk(value))

    times = grown(bound, has)
    return lambda node: has(node, times)


def limits(node: ast.AST, has_time: Callable[[ast.AST], bool]) -> bool:
    """`time < bound` in an assertion: a time on the smaller side of a comparison."""
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    return any(
        (isinstance(sign, ast.Lt | ast.LtE) and has_time(left)) or (isinstance(sign, ast.Gt | ast.GtE) and has_time(right))
        for left, sign, right in zip(sides, node.ops, sides[1:], strict=False)
    )


def known_of(function: Function, known: Known) -> Known:
    """What is to know of one function, from what is known of those that it calls."""
    nodes = list(ast.walk(function))
    calls = {called(node) for node in nodes}
    reads = bool(calls & known.reading) or any(is_clock(node) or getattr(node, "attr", "") in TIMES for node in nodes)
    if not reads and calls.isdisjoint(known.limiting | known.returning):
        return Known()
    for inner in functions_of(function)[1:]:  # those inside it are known inside it alone
        known |= Known(returning=known_of(inner, known).returning)
    has_time = time_finder(function, known)
    asserted = [node for one in nodes if isinstance(one, ast.Assert) for node in ast.walk(one.test)]
    limited = bool(calls & known.limiting) or any(limits(node, has_time) for node in asserted)
    returned = any(isinstance(node, ast.Return) and node.value and has_time(node.value) for node in nodes)
    name = frozenset({function.name})
    return Known(name if returned else frozenset(), name if limited else frozenset(), name if reads else frozenset())


def functions_of(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@functools.cache
def text_of(path: pathlib.Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def known_in(path: pathlib.Path) -> Known:
    """What a file knows: of its own functions, and of those that it imports from other files of tests/."""
    known = Known()
    for module, names_ in IMPORT.findall(text_of(path)):
        there = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        if there.exists():
            known |= known_in(there).among(set(re.findall(r"\w+", names_)))
    if known == Known() and not any(word in text_of(path) for word in (*CLOCKS, *TIMES, "loop().time()")):
        return known  # nothing to look for
    tree = ast.parse(text_of(path))
    outer = [node for holder in ast.walk(tree) if isinstance(holder, ast.Module | ast.ClassDef) for node in holder.body]
    functions = [node for node in outer if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    while (more := functools.reduce(Known.__or__, (known_of(function, known) for function in functions), known)) != known:
        known = more
    return known


def marks(function: Function) -> set[str]:
    return {ast.unparse(decorator).removeprefix("pytest.mark.").partition("(")[0] for decorator in function.decorator_list}


def findings(path: pathlib.Path) -> list[str]:
    """Tests of a file that have the marker and should not, or should and have not."""
    known, found = known_in(path), []
    if known == Known() and "mark.timed" not in text_of(path):
        return []
    for function in functions_of(ast.parse(text_of(path))):
        is_test, marked = function.name.startswith("test_"), "timed" in marks(function)
        where = f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}:{function.lineno} {function.name}"
        if is_test and not marked and function.name in known.limiting:
            found.append(f"{where} asserts that something is quick: mark it with pytest.mark.timed")
        if marked and not (is_test and function.name in known.reading):
            found.append(f"{where} reads no clock: take pytest.mark.timed away")
    return found


def test_the_tests_that_assert_how_long_something_takes_are_those_marked_timed() -> None:
    assert [found for path in sorted(TESTS.rglob("*.py")) for found in findings(path)] == []


def test_nothing_else_gets_more_tries(request: pytest.FixtureRequest) -> None:
    items = request.session.items
    assert [item.nodeid for item in items if bool(item.get_closest_marker("flaky")) != bool(item.get_closest_marker("timed"))] == []
    assert all(item.get_closest_marker("flaky").kwargs == {"reruns": 2} for item in items if item.get_closest_marker("timed"))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]
    assert "reruns" not in settings
    assert not any(option.startswith(("--reruns", "--force-reruns")) for option in settings["addopts"])


HELPER = """
def least(work):
    best = 9.0
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best
"""
LIMITER = """
def in_time():
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert 0.1 <= took < 2
"""
SHORT = [
    "began = time.monotonic()\n    assert time.monotonic() - began < 2",
    "began = time.monotonic()\n    assert 2 > time.monotonic() - began",
    "began = time.monotonic()\n    assert 0.1 < time.monotonic() - began <= 2",
    "began = time.perf_counter()\n    work()\n    took = time.perf_counter() - began\n    assert took < 2",
    "what, began = 1, time.thread_time()\n    runs = []\n    runs.append(time.thread_time() - began)\n    assert min(runs) < 2",
    "ended = time.monotonic()\n    assert server.hung_up() - ended < 2",
    "slow = {part: least(part) / least(PROSE) for part in HOSTILE}\n    assert max(slow.values()) <= 4, slow",
    "def once():\n        return least(work)\n    assert once() < 4",
    "assert 0.3 <= server.gaps[0] < 2",
    "with in_time():\n        work()",
    "began = asyncio.get_running_loop().time()\n    assert asyncio.get_running_loop().time() - began < 2",
]
NOT_SHORT = [
    "began = time.monotonic()\n    assert time.monotonic() - began >= 0.2",
    "began = time.monotonic()\n    assert 0.2 < time.monotonic() - began",
    "until = time.monotonic() + 5\n    while not done():\n        assert time.monotonic() < until",
    "assert len(least.__name__) < 9",
    "assert before <= at <= time.time() + 30",
    "assert clock.monotonic() - 5 < 9",
]


@pytest.mark.parametrize(("body", "expected"), [*((body, True) for body in SHORT), *((body, False) for body in NOT_SHORT)])
def test_what_counts_as_asserting_that_something_is_quick(body: str, expected: bool, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "test_it.py"
    for marker in ("", "@pytest.mark.timed\n"):
        file.write_text(f"{HELPER}\n{LIMITER}\n{marker}def test_it():\n    {body}\n")
        text_of.cache_clear()
        known_in.cache_clear()
        assert ("test_it" in known_in(file).limiting) is expected
        assert any("asserts that" in one for one in findings(file)) is (expected and not marker)
    file.write_text("@pytest.mark.timed\ndef test_it():\n    assert 1 < 2\n")
    text_of.cache_clear()
    known_in.cache_clear()
    assert ["reads no clock" in one for one in findings(file)] == [True]

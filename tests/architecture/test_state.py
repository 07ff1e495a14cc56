"""No state in modules, no environment reads in the core, frozen values, no vague names, no silent handlers."""

from __future__ import annotations

import ast

import pytest
from package_source import Module, called_name, modules, mutable_state, silent_handlers

ENVIRONMENT_READER = "saferoute.drivers.environment"
VAGUE = {"utils", "util", "helpers", "helper", "manager", "handler", "handlers", "common", "misc", "wrapper", "wrappers", "base"}


def _module(text: str) -> Module:
    path = modules()[0].path
    return Module.of(path, text)


@pytest.mark.parametrize(
    "text",
    [
        "cache = {}",
        "_seen = set()",
        "from collections import deque\nLAST = deque()",
        "import threading\nLOCK = threading.Lock()",
        "TABLE = {}\ndef f(k):\n    TABLE[k] = 1",
        "TABLE = []\ndef f(k):\n    TABLE.append(k)",
        "x = 1\ndef f():\n    global x\n    x = 2",
        "import functools\n@functools.cache\ndef f(k):\n    return k",
        "import functools\n@functools.lru_cache(maxsize=None)\ndef f(k):\n    return k",
        "if True:\n    seen = []",
    ],
)
def test_the_rule_sees_state(text: str) -> None:
    assert mutable_state(_module(text)) != []


@pytest.mark.parametrize(
    "text",
    [
        "TABLE = {'a': 1}\ndef f(k):\n    return TABLE[k]",
        "__all__ = ['a']",
        "def f():\n    TABLE = {}\n    TABLE['a'] = 1\n    return TABLE",
        "NAMES = frozenset({'a'})",
        "import functools\n@functools.cache\ndef catalogue():\n    return ()",
        "import functools\n@functools.lru_cache(maxsize=64)\ndef f(k):\n    return k",
    ],
)
def test_the_rule_allows_constants(text: str) -> None:
    assert mutable_state(_module(text)) == []


def test_no_state_in_any_module() -> None:
    assert [finding for module in modules() for finding in mutable_state(module)] == []


def test_only_one_module_reads_the_environment() -> None:
    readers = [
        f"{module.short}:{node.lineno}"
        for module in modules()
        for node in module.nodes
        if module.name != ENVIRONMENT_READER
        and isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) in {"environ", "environb", "getenv", "getenvb", "expandvars"}
    ]
    assert readers == []


@pytest.mark.parametrize(
    "text", ["try:\n  f()\nexcept:\n  raise", "try:\n  f()\nexcept Exception:\n  pass", "with suppress(Exception):\n  f()"]
)
def test_the_rule_sees_silent_handlers(text: str) -> None:
    assert list(silent_handlers(ast.parse(text))) != []


def test_nothing_is_caught_silently() -> None:
    assert [f"{module.short}:{line}: {what}" for module in modules() for line, what in silent_handlers(module.tree)] == []


def test_values_are_frozen_and_slotted() -> None:
    loose = []
    for module in modules():
        if module.layer not in {"values", "wire", "signing", "routing", "providers", "capabilities", "call"}:
            continue
        for node in module.nodes:
            for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else []:
                if called_name(decorator) != "dataclass":
                    continue
                given = {word.arg: ast.unparse(word.value) for word in decorator.keywords} if isinstance(decorator, ast.Call) else {}
                if given.get("slots") != "True" or (module.layer == "values" and given.get("frozen") != "True"):
                    loose.append(f"{module.short}:{node.lineno}: {getattr(node, 'name', '')}")
    assert loose == []


def test_no_module_has_a_vague_name() -> None:
    vague = [module.short for module in modules() if module.name.rsplit(".", 1)[-1].strip("_") in VAGUE]
    assert vague == []


def test_the_package_makes_no_pydantic_class() -> None:
    # Defining one runs every installed `pydantic` entry point: pydantic classes come from users only. The demo plays a user.
    made = [
        f"{module.short}:{node.lineno}"
        for module in modules()
        if not module.name.startswith("saferoute.cli.demo.")
        for node in module.nodes
        if (isinstance(node, ast.ClassDef) and any(called_name(base) in {"BaseModel", "RootModel", "BaseSettings"} for base in node.bases))
        or (isinstance(node, ast.Call) and called_name(node) == "create_model")
    ]
    assert made == []

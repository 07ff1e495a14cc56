"""Attack: text from a configuration, a caller or a provider is run as code.

Gateways evaluated expressions from configuration and from requests, and unpickled what they were sent (CVE-2024-4264, CVE-2024-5751,
CVE-2024-6825). The package has no way to do it: no eval, exec, compile, pickle, marshal or YAML, no import by a name that is data; and a
call, once its modules are loaded, makes no code and imports nothing.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

import pytest
from package_source import modules

import saferoute
from saferoute.testing import Answer, EmbeddedProvider
from tests.support.audited import audited
from tests.support.both import KINDS, Face

RUNS_CODE = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "execfile",
    "runpy",
    "run_path",
    "run_module",
    "exec_module",
    "create_module",
    "import_module",
    "spec_from_file_location",
}
UNSAFE_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "yaml",
    "jsonpickle",
    "code",
    "codeop",
    "ctypes",
    "cffi",
    "imp",
    "runpy",
    "subprocess",
    "multiprocessing",
    "pty",
}
# The package imports its own parts on first use, by names of its own constant table.
ALLOWED_CALLS = {("saferoute", "import_module")}
ALLOWED_MODULES: set[tuple[str, str]] = {("saferoute.drivers.credential_process", "subprocess")}


def called(node: ast.Call) -> str:
    function = node.func
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""


def test_d4_no_module_can_run_what_it_reads() -> None:
    found = set()
    for module in modules():
        for node in module.nodes:
            if isinstance(node, ast.Call) and called(node) in RUNS_CODE:
                owner = node.func.value if isinstance(node.func, ast.Attribute) else None
                if not (isinstance(owner, ast.Name) and owner.id == "re" and called(node) == "compile"):
                    found.add((module.name, called(node)))
    assert found == ALLOWED_CALLS


def test_d4_no_module_imports_what_runs_code_or_starts_processes() -> None:
    found = set()
    for module in modules():
        for node in module.nodes:
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            found |= {(module.name, name) for name in names if name.split(".")[0] in UNSAFE_MODULES}
    assert found <= ALLOWED_MODULES


def test_d7_the_one_import_by_name_takes_no_name_from_outside() -> None:
    (module,) = [module for module in modules() if module.name == "saferoute"]
    (function,) = [node for node in module.nodes if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"]
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and called(node) == "import_module"]
    assert calls
    for name in ("os", "saferoute.drivers.environment", "../x", "values.__init__", "subprocess", "_HOMES.get"):
        with pytest.raises(AttributeError):
            getattr(saferoute, name)


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest) -> Iterator[tuple[Face, EmbeddedProvider]]:
    with EmbeddedProvider(extra_fields=["grammar"]) as provider:
        servers = [saferoute.loopback("row", port=provider.port)]
        with Face(request.param, lambda client: client.local(servers=servers, secrets=saferoute.Secrets.of({}))) as made:
            yield made, provider


HOSTILE = [
    "__import__('os').system('id')", "{{ 7*7 }}", "{0.__class__.__mro__}", "${jndi:ldap://127.0.0.1/x}", "!!python/object/apply:os.system ['id']", "%(x)s {x} $x",
    '{"py/object": "os.system"}', "cos\nsystem\n(S'id'\ntR.", "lambda: exit()", "{% import os %}", "x: !!python/name:os.system", "import os",
]  # fmt: skip


def test_d4_a_call_makes_no_code_and_imports_nothing(face: tuple[Face, EmbeddedProvider]) -> None:
    events: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in {
            "exec",
            "compile",
            "import",
            "marshal.loads",
            "pickle.find_class",
            "ctypes.dlopen",
            "code.__new__",
            "os.system",
            "subprocess.Popen",
        }:
            events.append(f"{event} {str(arguments)[:120]}")

    client, provider = face

    def all_of(text: str) -> None:
        schema = {"type": "object", "properties": {"a": {"type": "string", "description": text}}}
        provider.script([Answer(json.dumps({"a": text}))], then="repeat")
        reply = client.chat("row/m", text, system=text, output=schema, provider_options={"row": {"grammar": text}})
        assert reply.parsed == {"a": text}
        client.stream("row/m", text, stop=text)

    all_of("warm up: write to a.b@example.org, {{x}} ${y} !!z")  # modules load at first use
    with audited(hook):
        for text in HOSTILE:
            all_of(text)
    assert events == []


TAGGED = [
    {"lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"]}, {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}, {"py/object": "os.system"},
    {"__class__": "os._Environ"}, {"$type": "System.Diagnostics.Process"}, {"__reduce__": ["os.system", ["id"]]}, {"@type": "x"}, {"__type__": "x", "__module__": "os"},
    {"$ref": "file:///etc/passwd"}, {"$env": "HOME"}, {"__proto__": {"a": 1}}, {"_target_": "os.system"}, {"()": "os.system"},
]  # fmt: skip


@pytest.mark.parametrize("tagged", TAGGED, ids=range(len(TAGGED)))
def test_d14_what_looks_like_a_tagged_object_stays_data(face: tuple[Face, EmbeddedProvider], tagged: dict[str, Any]) -> None:
    """A tracing library revived such replies as objects, secrets included (CVE-2025-68664)."""
    client, provider = face
    provider.script([Answer(json.dumps({"deep": [tagged]}))], then="repeat")
    reply = client.chat("row/m", "hi", output={"type": "object"})
    assert reply.parsed == {"deep": [tagged]}
    assert type(reply.parsed["deep"][0]) is dict

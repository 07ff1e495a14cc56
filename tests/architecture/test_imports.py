"""Who may import what, read from the syntax trees: imports inside functions and under TYPE_CHECKING count too.

The contracts in pyproject.toml say the same about layers to import-linter; these tables hold what it cannot say, and need no linter.
"""

from __future__ import annotations

import ast

import pytest
from package_source import called_name, imports, modules

PURE = {"errors", "values", "wire", "signing", "secrets", "providers", "routing", "capabilities", "guards", "ledger", "call"}
IMPURE_MODULES = {"os", "socket", "ssl", "time", "asyncio", "subprocess", "select", "selectors", "httpx", "tempfile"}
ALLOWED = {  # a dependency -> the layers (or modules) that may import it
    "httpx": {"drivers", "testing"},
    "httpcore": {"drivers"},
    "h11": {"drivers", "testing"},
    "certifi": {"drivers"},
    "keyring": {"drivers"},
    "cryptography": {"signing", "routing", "capabilities", "secrets", "ledger", "drivers"},
    "tenacity": {"call.retry"},
    "opentelemetry": {"telemetry"},
    "rich": {"cli"},
    "redis": {"drivers.storage.accounts_redis"},
    "numpy": {"values.embeddings"},  # whose method of that name it is; not installed by us
    "guardrails": {"integrations.guards.openai_guardrails"},
    "llamafirewall": {"integrations.guards.llamafirewall"},
    "nemoguardrails": {"integrations.guards.nemo"},
    "presidio_analyzer": {"integrations.guards.presidio"},
    "pyarrow": {"cli.audit_export"},
    "tldextract": {"integrations.guards.presidio"},  # comes with it
}
FOREIGN = {"pydantic", "pydantic_core", "typing_extensions", *ALLOWED}
RUNS_CODE = {
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "jsonpickle",
    "yaml",
    "code",
    "codeop",
    "runpy",
}
RUNS_PROGRAMS = {"subprocess", "multiprocessing", "pty", "popen2"}
CALLS_CODE = {"eval", "exec", "compile", "__import__"}
CALLS_PROGRAMS = {"system", "popen", "posix_spawn", "posix_spawnp", "startfile", "execv", "execve", "execvp", "execl", "spawnv", "spawnl"}


def _first(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def test_what_decides_does_no_io_and_reads_no_clock() -> None:
    found = [
        f"{module.short}:{line}: {name}"
        for module in modules()
        if module.layer in PURE
        for name, line in imports(module.nodes)
        if _first(name) in IMPURE_MODULES
    ]
    found += [
        f"{module.short}:{node.lineno}: open()"
        for module in modules()
        if module.layer in PURE
        for node in module.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
    ]
    assert found == []


@pytest.mark.parametrize("dependency", sorted(ALLOWED))
def test_each_dependency_is_imported_only_where_it_belongs(dependency: str) -> None:
    found = sorted(
        {
            f"{module.short}:{line}"
            for module in modules()
            for name, line in imports(module.nodes)
            if _first(name) == dependency and not {module.layer, module.name.removeprefix("saferoute.")} & ALLOWED[dependency]
        }
    )
    assert found == []


def test_nothing_else_is_imported() -> None:
    import sys

    known = sys.stdlib_module_names | FOREIGN | {"saferoute", "__future__"}
    found = [f"{module.short}:{line}: {name}" for module in modules() for name, line in imports(module.nodes) if _first(name) not in known]
    assert found == []


def test_dialects_never_import_each_other() -> None:
    dialects = ("openai_chat", "openai_responses", "anthropic_", "gemini_", "mistral_chat", "cohere_chat", "ollama_chat", "bedrock_")
    found = []
    for module in modules():
        here = next((dialect for dialect in dialects if module.name.startswith(f"saferoute.providers.{dialect}")), None)
        for name, line in imports(module.nodes):
            there = next((dialect for dialect in dialects if name.startswith(f"saferoute.providers.{dialect}")), None)
            if here and there and here != there:
                found.append(f"{module.short}:{line}: {name}")
    assert found == []


def test_nothing_inside_imports_the_package_from_outside() -> None:
    # `import saferoute` from within would pull the whole facade into every layer.
    found = [
        f"{module.short}:{node.lineno}"
        for module in modules()
        if module.layer not in {"cli", ""}
        for node in module.nodes
        if (isinstance(node, ast.ImportFrom) and node.module == "saferoute" and module.layer not in {"testing", "integrations", "compat"})
        or (isinstance(node, ast.Import) and any(alias.name == "saferoute" for alias in node.names))
    ]
    assert found == []


def test_d4_no_deserialiser_that_runs_code() -> None:
    found = [f"{module.short}:{line}: {name}" for module in modules() for name, line in imports(module.nodes) if _first(name) in RUNS_CODE]
    assert found == []


def test_d4_no_code_made_at_run_time() -> None:
    found = [
        f"{module.short}:{node.lineno}: {node.func.id}"
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS_CODE
    ]
    assert found == []


def test_d7_no_object_is_imported_by_a_name_from_configuration() -> None:
    # The package's own __init__ may import its parts by the names in its own constant table; nothing else imports by name.
    found = [
        f"{module.short}:{node.lineno}"
        for module in modules()
        if module.name != "saferoute"
        for node in module.nodes
        if isinstance(node, ast.Call)
        and called_name(node) in {"import_module", "find_spec", "entry_points", "__import__", "load_module"}
        and (module.name, called_name(node)) != ("saferoute.drivers.host_survey", "entry_points")  # lists them for a report
    ]
    assert found == []
    (survey,) = (module for module in modules() if module.name == "saferoute.drivers.host_survey")
    assert not [node for node in ast.walk(survey.tree) if isinstance(node, ast.Call) and called_name(node) == "load"]


def test_no_process_is_ever_started() -> None:
    found = [
        f"{module.short}:{line}: {name}"
        for module in modules()
        for name, line in imports(module.nodes)
        if _first(name) in RUNS_PROGRAMS and module.name != "saferoute.drivers.credential_process"  # what the code spells out, nothing else
    ]
    found += [
        f"{module.short}:{node.lineno}: os.{node.func.attr}"
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CALLS_PROGRAMS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "os"
    ]
    assert found == []


def test_randomness_comes_from_the_operating_system() -> None:
    found = [f"{module.short}:{line}" for module in modules() for name, line in imports(module.nodes) if _first(name) == "random"]
    assert found == []


def test_no_if_on_a_provider_name_outside_the_catalogue() -> None:
    providers = {"openai", "anthropic", "groq", "deepseek", "mistral_ai", "openrouter", "x_ai", "together", "azure.ai.openai", "gcp.gemini"}
    found = [
        f"{module.short}:{node.lineno}"
        for module in modules()
        if module.layer not in {"testing", "compat", "cli"}
        for node in module.nodes
        if isinstance(node, ast.Compare)
        and any(isinstance(side, ast.Constant) and side.value in providers for side in [node.left, *node.comparators])
        and "provider" in ast.unparse(node)
    ]
    assert found == []


def test_what_reads_texts_back_and_what_writes_them_know_nothing_of_each_other() -> None:
    """An extractor that shared code with the encoder would share its mistakes, and the comparison of the two would prove nothing."""
    neutral = {"wire_text", "text_rules", "text_memory", "text_documents", "openai_form_texts"}
    found = []
    for module in modules():
        known = {name.split(".")[2] for name, _ in imports(module.nodes) if name.startswith("saferoute.providers.")}
        if module.name.endswith("_texts"):
            found += [f"{module.short} imports {name}" for name in known - neutral]
        elif not module.name.endswith(("providers.registry", "text_rules")):
            found += [f"{module.short} imports {name}" for name in known if name.endswith("_texts")]
    assert found == []

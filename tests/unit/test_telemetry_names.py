"""The conventions' names stand in one file."""

from __future__ import annotations

import ast
import pathlib

import pytest

import saferoute
from saferoute.telemetry import names

PACKAGE = pathlib.Path(saferoute.__file__).parent
ISSUED = {
    "gen_ai.provider.name", "gen_ai.operation.name", "gen_ai.request.model", "gen_ai.response.model", "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.reasoning.output_tokens", "gen_ai.response.finish_reasons", "gen_ai.client.token.usage",
    "gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk",
}  # fmt: skip


def texts(path: pathlib.Path) -> list[str]:
    """Every text in a file that is no documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }  # docstrings, and what stands below a constant
    return [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]


def test_no_other_file_writes_a_name_of_the_conventions() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != PACKAGE / "telemetry" / "names.py"
        for text in texts(path)
        if "gen_ai." in text
    ]
    assert found == []


def test_every_name_stands_there_once() -> None:
    every = [value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)]
    assert len(every) == len(set(every))
    assert set(every) >= ISSUED


def test_the_conventions_know_these_names() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
    from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

    known = {value for module in (gen_ai_attributes, gen_ai_metrics) for value in vars(module).values() if isinstance(value, str)}
    if "gen_ai.request.stream" not in known:
        pytest.skip("these conventions are older than the names")
    ours = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str) and value.startswith("gen_ai.")}
    assert ours - known == set()

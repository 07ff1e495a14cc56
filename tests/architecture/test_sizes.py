"""Files and functions stay readable."""

from __future__ import annotations

from package_source import functions, length, modules

FILE_LINES = 400
FUNCTION_LINES = 100
LONG_FUNCTION_LINES = 50
LONG_FUNCTION_SHARE = 0.02


def test_no_file_is_over_400_lines() -> None:
    assert [f"{module.short}: {module.lines}" for module in modules() if module.lines > FILE_LINES] == []


def test_no_function_is_over_100_lines() -> None:
    too_long = [
        f"{module.short}:{function.lineno} {function.name}: {length(function)}"
        for module in modules()
        for function in functions(module.tree)
        if length(function) > FUNCTION_LINES
    ]
    assert too_long == []


def test_few_functions_are_over_50_lines() -> None:
    every = [(length(function), f"{module.short} {function.name}") for module in modules() for function in functions(module.tree)]
    long = [entry for entry in every if entry[0] > LONG_FUNCTION_LINES]
    assert len(long) < LONG_FUNCTION_SHARE * len(every), long

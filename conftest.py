"""Examples are tests: docstrings of the package, and the Python blocks of README.md and docs/.

A block may use names that an earlier block of the same page made, and `provider`, an embedded provider on loopback that is made new for
each page. Blocks hold doctests (`>>>`), whose output is compared, or plain code. One that cannot run here is preceded by the comment
`skip: next "why"`; set-up that readers need not see stands in a comment `invisible-code-block: python`.
"""

from __future__ import annotations

import contextlib
import doctest
import gc
import os
import shutil
import tempfile
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

# A loaded machine is no finding: what must be fast is measured where it is claimed.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "mutation", deadline=None, max_examples=25, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("default")

_BULKY = frozenset(
    {
        "conformance", "architecture", "examples", "requirements", "test_canary_everywhere.py", "test_nothing_listens.py",
        "test_simulate.py", "test_simulate_strategies.py", "test_catalogue_parameters.py", "test_no_code_from_data.py",
        "test_health_threads.py", "test_cli_audit_docs.py", "test_simulate_docs.py", "test_telemetry_names.py", "test_verify_off.py",
        # Tables of many calls, each line of which others cover too.
        "test_routing_vendors.py", "test_lookalike_targets.py", "test_call_arguments.py", "test_fallback_outside_the_cap.py",
        "test_retries_are_charged.py", "test_hedges_within_bounds.py", "test_budget_clients_at_once.py", "test_receipt_flip.py",
        "test_hostile_cases.py",
    }
)  # fmt: skip
_LONG = (
    "megabytes", "ten_million", "gzip_bomb", "every_cut", "cut_anywhere", "cut_before_its_end", "ends_early", "without_its_finish_reason",
    "linear_time", "time_of_prose", "in_proportion", "time_grows", "memory_grows", "hostile_answers", "parameter_cannot_leave",
    "no_cycle_keeps", "branches_of_branches", "probe_of_saferoute", "no_mutation_is_accepted", "at_any_cut", "every_changed_byte",
    "selecting_functions", "command_that_the_package_names", "canary_of_a_whole_run", "notices_a_wrong_vector",
)  # fmt: skip
_MORE_TRIES = 2  # for tests marked `timed`: one that fails three times in a row fails
_homes: list[str] = []


def pytest_configure() -> None:
    """Give the tests a home of their own: what a client remembers of tables must not end up in yours."""
    home = tempfile.mkdtemp(prefix="saferoute-home-")
    _homes.append(home)
    os.environ["HOME"] = home  # noqa: TID251  the tests' own
    gc.disable()  # until all tests are collected: nearly everything that is made until then stays


def pytest_collection_finish() -> None:
    """Take what was collected out of sight of the garbage collector: the parts of 35,000 tests need not be looked through at every turn."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Remove it."""
    for home in _homes:
        shutil.rmtree(home, ignore_errors=True)


FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _begin(namespace: dict[str, Any]) -> None:
    """Give a page its provider; local trust warns once by design, which is no news in an example."""
    from saferoute.testing import EmbeddedProvider

    until_end = contextlib.ExitStack()
    until_end.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    namespace["provider"] = until_end.enter_context(EmbeddedProvider())
    namespace["_until_end"] = until_end


def _end(namespace: dict[str, Any]) -> None:
    until_end: contextlib.ExitStack = namespace["_until_end"]
    for one in namespace.values():  # functions of the page hold on to its clients: they would be dropped in the middle of another test
        if type(one).__name__ == "Client":
            one.close()
    namespace.clear()
    until_end.close()


_docstrings = Sybil(
    name="docstrings",
    parsers=[DocTestParser(optionflags=FLAGS)],
    path="saferoute",
    patterns=["*.py"],
    document_types={".py": PythonDocStringDocument},
)
_pages = Sybil(
    name="pages",
    parsers=[PythonCodeBlockParser(doctest_optionflags=FLAGS), SkipParser()],
    patterns=["*.md"],
    setup=_begin,
    teardown=_end,
)

pytest_collect_file = (_docstrings + _pages).pytest()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what reads megabytes, every cut, the corpus, all source or a clock, and what is made by chance: `make test` runs it uncovered.

    Coverage would take most of their time, and what counts as covered must not depend on chance. It also slows Python down and regular
    expressions not, so times and their ratios would mean nothing. What is marked `timed` gets more tries.
    """
    by_chance = isinstance(item, pytest.Function) and is_hypothesis_test(item.function)
    bulky = any(word in item.name for word in _LONG) or not _BULKY.isdisjoint(item.path.parts)
    timed = item.get_closest_marker("timed") is not None
    if by_chance or bulky or timed:
        item.add_marker(pytest.mark.large)
    if timed:
        item.add_marker(pytest.mark.flaky(reruns=_MORE_TRIES))
    if isinstance(item, SybilItem):
        item.add_marker(pytest.mark.filterwarnings("ignore::saferoute.errors.LocalTrustWarning"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Undo what pytest-randomly did to the examples of each page, for they build on each other; everything else stays shuffled.

    For the same reason `make test` hands whole files to the workers of pytest-xdist.
    """
    examples = [item for item in items if isinstance(item, SybilItem)]
    rest = [item for item in items if not isinstance(item, SybilItem)]
    examples.sort(key=lambda item: (str(item.path), item.example.line))
    items[:] = rest + examples

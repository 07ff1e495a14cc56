"""docs/explanation/strategies.md and its plot are what benchmarks/plot_strategies.py writes now, and say what it simulates."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any, get_args
from xml.etree import ElementTree as ET

import pytest

from saferoute.values.balancing import Strategy
from tests.support.commands import ROOT

if TYPE_CHECKING:
    from types import ModuleType

PAGE = ROOT / "docs" / "explanation" / "strategies.md"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plot_strategies", ROOT / "benchmarks" / "plot_strategies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def results(script: Any) -> Any:
    return script.compared()


@pytest.mark.slow
def test_the_table_and_the_plot_are_fresh(script: Any, results: Any) -> None:
    assert script.stale(results) == [], "run python benchmarks/plot_strategies.py"


def test_every_strategy_is_explained() -> None:
    listed = re.findall(r"^\| `(\w+)` \| [^|]*[a-z][^|]* \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(get_args(Strategy))


@pytest.mark.slow
def test_what_the_page_concludes_is_so(results: Any) -> None:
    calm, slow, down = results.values()
    assert all(result.success_rate == 1.0 for by_strategy in results.values() for result in by_strategy.values())
    assert all(result.requests_per_call < 1.02 for result in down.values())
    assert slow["lowest_latency"].requests["quick"] < 0.03 * slow["lowest_latency"].calls
    assert slow["lowest_latency"].p95 < slow["least_busy"].p95 < 0.6 * slow["round_robin"].p95
    assert slow["ordered"].requests["quick"] == slow["ordered"].calls
    assert calm["ordered"].p50 < calm["lowest_latency"].p50


@pytest.mark.slow
def test_the_plot_has_a_bar_for_everything(script: Any, results: Any) -> None:
    root = ET.fromstring(script.svg(results))
    name = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in root.iter(f"{name}text")]
    bars = [float(element.get("width", "0")) for element in root.iter(f"{name}rect")][3:]
    assert len(bars) == 2 * len(script.STRATEGIES) * len(script.SCENARIOS)
    assert all(0 < width <= script.BARS for width in bars)
    assert [texts.count(strategy) for strategy in script.STRATEGIES] == [3] * len(script.STRATEGIES)


@pytest.mark.parametrize("page", ["", "{0}", "{1}{0}", "{0}{0}{1}"])
def test_a_page_without_a_place_for_the_table_is_left_alone(script: Any, page: str) -> None:
    with pytest.raises(ValueError, match="one block"):
        script.written(page.format(script.BEGIN, script.END), {})

"""Strategies compared in a simulation: the plot and the table of docs/explanation/strategies.md.

    python benchmarks/plot_strategies.py            writes docs/explanation/strategies.svg, and the table into strategies.md
    python benchmarks/plot_strategies.py --check    writes nothing; exits with 1 when one of them is not what it would write

Three rows answer in 0.5, 0.8 and 1.2 seconds (medians), and the last one is the cheapest. Twenty calls a second come at random times.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from math import ceil
from pathlib import Path
from types import MappingProxyType

from saferoute.testing import Arrival, Lognormal, Outage, Poisson, SimulationResult, SyntheticProvider, simulate

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "strategies.md"
PLOT = PAGE.with_suffix(".svg")
BEGIN = "<!-- strategies: begin (written by `python benchmarks/plot_strategies.py`; do not edit) -->"
END = "<!-- strategies: end -->"

RATE, CALLS, SESSIONS = 20.0, 2000, 100
STRATEGIES = ("ordered", "weighted", "round_robin", "least_busy", "lowest_latency", "two_choices", "sticky", "cheapest")
MEDIANS = MappingProxyType({"quick": 0.5, "usual": 0.8, "cheap": 1.2})
PRICES = MappingProxyType({"quick": ("$2/M", "$8/M"), "usual": ("$2/M", "$8/M"), "cheap": ("$0.50/M", "$2/M")})
SCENARIOS: Mapping[str, Mapping[str, SyntheticProvider]] = MappingProxyType({
    "calm": {},
    "quick is slow: 8 s": {"quick": SyntheticProvider(latency=Lognormal(8.0))},
    "quick is down for a third of the time": {"quick": SyntheticProvider(latency=Lognormal(0.5), outages=(Outage(33, 66),))},
})  # fmt: skip

WIDTH, LABELS, BARS, ROW, HEAD, GAP = 860, 130, 470, 24, 58, 26
DARK, LIGHT, INK, GREY = "#1f5fa8", "#a9c8ec", "#1f2328", "#6e7781"


def routes(strategy: str) -> str:
    """The table: three rows, and an alias with this strategy."""
    rows = [
        f'[routes.{name}]\nextends = "openai"\nmodel = "m"\nsecret = "{name}"\ndefault_max_output = 200\n'
        f'prices = {{ input = "{price[0]}", output = "{price[1]}" }}\n'
        for name, price in PRICES.items()
    ]
    tag = '\ntag = "session"' if strategy == "sticky" else ""
    return "\n".join([*rows, f'[aliases.chat]\ntargets = ["quick", "usual", "cheap"]\nstrategy = "{strategy}"{tag}\n'])


def simulated(strategy: str, scenario: str) -> SimulationResult:
    """One cell of the comparison."""
    providers = {name: SyntheticProvider(latency=Lognormal(median)) for name, median in MEDIANS.items()} | dict(SCENARIOS[scenario])
    trace = (Arrival(at, {"session": f"s{number % SESSIONS}"}) for number, at in enumerate(Poisson(RATE, CALLS)))
    return simulate(routes(strategy), trace, providers=providers)


def compared() -> dict[str, dict[str, SimulationResult]]:
    """Every strategy in every scenario."""
    return {scenario: {strategy: simulated(strategy, scenario) for strategy in STRATEGIES} for scenario in SCENARIOS}


def cells(result: SimulationResult) -> tuple[str, ...]:
    """What is told of one result, in words."""
    cost = (result.cost or {}).get("USD", 0) / 1e9 / max(1, result.successes) * 1000
    share = result.requests["quick"] / result.total_requests
    times = (f"{value or 0:.2f} s" for value in (result.p50, result.p95))
    return *times, f"{result.requests_per_call:.3f}", f"{result.success_rate:.2%}", f"{share:.0%}", f"${cost:.2f}"


def table(results: Mapping[str, Mapping[str, SimulationResult]]) -> str:
    """The numbers, as Markdown."""
    names = ("strategy", "p50", "p95", "requests a call", "answered", "requests to `quick`", "a thousand answers cost")
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n"
    parts = []
    for scenario, by_strategy in results.items():
        lines = [f"| `{strategy}` | {' | '.join(cells(result))} |\n" for strategy, result in by_strategy.items()]
        parts.append(f"**{scenario[0].upper()}{scenario[1:]}**\n\n{head}{''.join(lines)}")
    return "\n".join(parts)


def written(page: str, results: Mapping[str, Mapping[str, SimulationResult]]) -> str:
    """The page with its table written anew.

    Raises:
        ValueError: it has no place for one, or two.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError("there must be one block between the two comments")
    return f"{page[: page.index(BEGIN)]}{BEGIN}\n{table(results)}{page[page.index(END) :]}"


def svg(results: Mapping[str, Mapping[str, SimulationResult]]) -> str:
    """The plot: a panel for each scenario, a row for each strategy, with bars up to its p50 and p95."""
    panel = HEAD + ROW * len(STRATEGIES) + GAP
    height = panel * len(results) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        "<title>Strategies compared in three scenarios: latency, requests a call, and the share of calls that were answered</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _bar(LABELS, 12, 14, DARK),
        _text(LABELS + 20, 23, "half of the answers took no longer (p50)"),
        _bar(LABELS + 280, 12, 14, LIGHT),
        _text(LABELS + 300, 23, "nor did 95 % of them (p95)"),
    ]
    for place, (scenario, by_strategy) in enumerate(results.items()):
        parts += _panel(34 + place * panel, scenario, by_strategy)
    return "\n".join([*parts, "</svg>", ""])


def _panel(top: float, scenario: str, by_strategy: Mapping[str, SimulationResult]) -> list[str]:
    longest = max(result.p95 or 0.0 for result in by_strategy.values())
    step = next(one for one in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 60.0) if longest / one <= 6)
    end = step * ceil(longest / step)
    foot = top + HEAD + ROW * len(by_strategy)
    parts = [
        _text(12, top + 26, f"{scenario[0].upper()}{scenario[1:]}", size=15, weight="bold"),
        _text(LABELS + BARS + 100, top + 46, "requests a call", colour=GREY, anchor="end"),
        _text(WIDTH - 16, top + 46, "answered", colour=GREY, anchor="end"),
    ]
    for tick in range(round(end / step) + 1):
        x = LABELS + BARS * tick * step / end
        parts.append(f'<line x1="{x:.1f}" y1="{top + HEAD - 4}" x2="{x:.1f}" y2="{foot}" stroke="#d8dee4"/>')
        parts.append(_text(x, foot + 15, f"{tick * step:g} s", size=11, colour=GREY, anchor="middle"))
    for place, (strategy, result) in enumerate(by_strategy.items()):
        y = top + HEAD + place * ROW
        told = cells(result)
        parts += [
            _text(LABELS - 10, y + 15, strategy, anchor="end"),
            _bar(LABELS, y + 3, BARS * (result.p95 or 0.0) / end, LIGHT),
            _bar(LABELS, y + 3, BARS * (result.p50 or 0.0) / end, DARK),
            _text(LABELS + BARS + 100, y + 15, told[2], anchor="end"),
            _text(WIDTH - 16, y + 15, told[3], anchor="end"),
        ]
    return parts


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="16" fill="{colour}"/>'


def _text(x: float, y: float, text: str, *, size: int = 13, colour: str = INK, anchor: str = "start", weight: str = "normal") -> str:
    style = f'font-size="{size}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def stale(results: Mapping[str, Mapping[str, SimulationResult]]) -> list[str]:
    """The files that are not what would be written now."""
    page = PAGE.read_text(encoding="utf-8")
    found = [PAGE.name] if written(page, results) != page else []
    return found + ([PLOT.name] if not PLOT.exists() or PLOT.read_text(encoding="utf-8") != svg(results) else [])


def main() -> int:
    """Write the files, or say whether they are fresh."""
    results = compared()
    if "--check" in sys.argv[1:]:
        old = stale(results)
        print(f"not fresh: {', '.join(old)}; run python benchmarks/plot_strategies.py" if old else "fresh")
        return 1 if old else 0
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    PLOT.write_text(svg(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

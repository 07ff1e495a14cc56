"""Three rows for simulations, each with a key of its own, and what is asked of them."""

from __future__ import annotations

from saferoute.testing import Lognormal, SimulationResult, SyntheticProvider

ROWS = ("one", "two", "three")
MEDIANS = {"one": 0.5, "two": 0.8, "three": 1.2}


def routes(alias: str = "", rows: dict[str, str] | None = None) -> str:
    """A routes.toml with the rows one, two and three, and the alias `fast` over them.

    Args:
        alias: more of the alias, such as 'strategy = "weighted"'.
        rows: more of single rows.
    """
    more = rows or {}
    written = [f'[routes.{name}]\nextends = "openai"\nmodel = "gpt-5-mini"\nsecret = "{name}"\n{more.get(name, "")}' for name in ROWS]
    return "\n".join([*written, f'[aliases.fast]\ntargets = ["one", "two", "three"]\n{alias}\n'])


def well(**others: SyntheticProvider) -> dict[str, SyntheticProvider]:
    """Providers that answer, the first one fastest; some of them replaced."""
    return {name: SyntheticProvider(latency=Lognormal(median)) for name, median in MEDIANS.items()} | others


def shares(result: SimulationResult) -> dict[str, float]:
    """The share of all requests that each row was sent."""
    return {name: asked / result.total_requests for name, asked in result.requests.items()}

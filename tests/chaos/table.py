"""The signed table of the chaos tests: the same rows once for each alias, so that every strategy meets every fault with breakers of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BAD = ("ok", "rst", "rst-mid", "close-mid", "short", "long", "slow", "hang", "bomb", "redirect", "badjson", "hdr", "crlf", "chunk", "100")
"""The faults of bad_upstream.py, each a row of one alias."""

MOCKS = {
    "llmock": [("openai_chat", "/v1"), ("anthropic_messages", "/anthropic"), ("cohere_chat", "/cohere")],
    "aimock": [("openai_chat", "/v1"), ("anthropic_messages", ""), ("gemini_generate", "/v1beta"), ("ollama_chat", "")],
}
"""What others' mocks speak: dialect and path."""

MODELS = {
    "gemini_generate": "gemini-2.5-pro",
    "anthropic_messages": "claude-haiku-4-5",
    "cohere_chat": "command-r",
    "ollama_chat": "llama3",
}
CLOCKS = 'deadlines = { connect = "1s", first_byte = "1500ms", idle = "600ms", total = "30s" }'
MEASURED = 240
"""Requests a minute that the rows called "steady" take together: their alias's share of what a test counts at the server."""

ALIASES = {
    "spread": 'strategy = "weighted"',
    "turns": 'strategy = "round_robin"',
    "quick": 'strategy = "two_choices"',
    "busy": 'strategy = "least_busy"\nlimits = { concurrent = 24 }',
    "hedged": 'strategy = "lowest_latency"\nhedge = { after = "150ms" }',
}


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        id: its name.
        counted: what the servers' books call it: its path, or whose server it is.
        price: nano-dollars for a token of output; no two rows of an alias cost the same.
        ours: whether it is a server of our own, whose bills are known.
    """

    id: str
    counted: str
    price: int
    ours: bool
    toml: str


def rows_of(alias: str, ports: Mapping[str, int]) -> list[Row]:
    """The rows of one alias."""
    own = ("steady", "sluggish", "outage", "storm", "flaky", "crowded")
    places = [(name, ports[name], "openai_chat", f"/{alias}-{name}", True) for name in own]
    turn = list(ALIASES).index(alias)
    faults = [fault for number, fault in enumerate(BAD) if "bad" in ports and (number + turn) % 5 == 0]
    places += [("bad", ports["bad"], "openai_chat", f"/{fault}", False) for fault in faults]
    spoken = [(mock, *way) for mock, ways in MOCKS.items() if mock in ports for way in ways]
    places += [(mock, ports[mock], dialect, path, False) for number, (mock, dialect, path) in enumerate(spoken) if (number + turn) % 3 == 0]
    rows = []
    for number, (place, port, dialect, path, ours) in enumerate(places, 1):
        counted = place if place in MOCKS else path[1:]
        kind = f"-{dialect.partition('_')[0]}" if place in MOCKS else ""
        name = f"{alias}-{place}-{counted}" if place == "bad" else f"{alias}-{place}{kind}"
        limits = {"steady": f"limits = {{ requests_per_minute = {MEASURED} }}", "crowded": "limits = { concurrent = 16, adaptive = true }"}
        text = _row(name, port, dialect, path, number * 1000, limits.get(place, "limits = { concurrent = 64 }" if number % 3 == 0 else ""))
        rows.append(Row(name, counted, number * 1000, ours, text))
    return rows


def beside(name: str, ports: Mapping[str, int]) -> Row:
    """A row that no alias has as its own: the spare one that takes over, or the one that gets copies."""
    return Row(name, name, 50_000, ours=True, toml=_row(name, ports[name], "openai_chat", f"/{name}", 50_000, ""))


def _row(name: str, port: int, dialect: str, path: str, price: int, limits: str) -> str:
    quirks = "quirks = { stream_usage = true }\n" if dialect == "openai_chat" else ""
    return (
        f'[routes.{name}]\nprovider = "chaos"\ndialect = "{dialect}"\norigin = "http://127.0.0.1:{port}"\npath = "{path}"\nnet = "loopback"\n'
        f'model = "{MODELS.get(dialect, "gpt-4o")}"\nauth = "none"\ndata = "internal"\nquota_group = "{name}"\n{quirks}{CLOCKS}\n{limits}\n'
        f'prices = {{ input = "$0/M", output = "${price // 1000}/M", cache_read = "$0/M" }}\ndefault_max_output = 64\n'
    )


def written(ports: Mapping[str, int], scope: str) -> tuple[str, dict[str, Row]]:
    """The whole routes.toml, and its rows by id."""
    spare, copy = beside("spare", ports), beside("copy", ports)
    rows = {row.id: row for row in (spare, copy)}
    text = [spare.toml, copy.toml]
    for alias, policy in ALIASES.items():
        own = {row.id: row for row in rows_of(alias, ports)}
        rows |= own
        text += [row.toml for row in own.values()]
        quoted = ", ".join(f'"{name}"' for name in own)
        text.append(
            f'[aliases.{alias}]\ntargets = [{quoted}]\nmax_attempts = 4\n{policy}\nfallback = {{ any = "spare", timeout = "spare" }}\n'
        )
    text.append(
        '[aliases.copied]\ntargets = ["spare"]\nmax_attempts = 2\nshadow = { target = "copy", share = 500, max_cost = "$0.1" }\n\n'
        f'[grant]\noperations = ["chat"]\ndata = "internal"\nbudget = {{ amount = "$100000/month", scope = "{scope}" }}\n'
    )
    return "\n".join(text), rows

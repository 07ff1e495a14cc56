"""From results.json to the table in the README. Nothing is decided here."""

import json
from pathlib import Path

BEGIN = "<!-- probes: begin (written by `make probes`; do not edit) -->"
END = "<!-- probes: end -->"
SAFE = "safe"
TOLD = """\
Measured on {date} with Python {python} by `make probes`: sinks on loopback, a key that stands nowhere else, every library with
its defaults, blocking; LiteLLM as a library, not its proxy. A base URL that the caller gives is a feature of the others; the first
row shows that a key which nobody gave for it goes along. saferoute has no such parameter, so every door that could serve as one
was tried. Against 429, saferoute {counts}. `safe` in the last
row: every stream that was cut raised an error. [How it is measured, and what it does not show](benchmarks/probes/README.md)."""


def table(results):
    """The table with what one needs to know to read it, as Markdown."""
    peers = results["peers"]
    rows = [[title, *(_cell(name, peer["cells"][name]) for peer in peers.values())] for name, title in results["probes"].items()]
    head = ["probe", *(f"{name} {peer['version']}" for name, peer in peers.items())]
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows), "", *_told(results)]
    return "\n".join(lines) + "\n"


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def _told(results):
    peers = results["peers"]
    yield TOLD.format(counts=peers["saferoute"]["cells"]["attempts"]["detail"], **results)
    blank = [
        (name, peer["cells"][probe]["detail"])
        for probe in results["probes"]
        for name, peer in peers.items()
        if _blank(peer["cells"][probe])
    ]
    if blank:
        yield "Not measured: " + "; ".join(dict.fromkeys(f"{name}: {detail}" for name, detail in blank)) + "."


def _blank(cell):
    return cell["verdict"] == "not measured"


def _cell(probe, cell):
    verdict = cell["verdict"]
    if _blank(cell) or verdict == SAFE or probe in {"attempts", "cut_streams"}:
        return verdict
    return f"**{verdict}**"


def block(results):
    return f"{BEGIN}\n{table(results)}{END}"


def replaced(text, results):
    """The text with its block written anew. Raises ValueError if it has no block, or two."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError("there must be one block between the two comments")
    return text[: text.index(BEGIN)] + block(results) + text[text.index(END) + len(END) :]


def read(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))

"""Probe saferoute and its peers side by side.

    python benchmarks/probes/run.py                       all; writes results.json here and the table into README.md
    python benchmarks/probes/run.py --only saferoute,openai --no-write
    python benchmarks/probes/run.py --scratch FOLDER      keeps the environments of the peers there, for the next time

Needs an interpreter with saferoute's dependencies and pip, and an index for the peers. Exits with 1 if a cell of saferoute is not safe.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import render
from probes import NOT_MEASURED, PEERS, PROBES, Runner, measure
from venvs import make, read_peers, version_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def measure_all(names, scratch):
    lines = {line.name: line for line in read_peers((HERE / "peers.txt").read_text(encoding="utf-8"))}
    peers = {}
    for peer in PEERS:
        if names and peer.name not in names:
            continue
        print(f"{peer.name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as home:
            try:
                python = Path(sys.executable) if peer.name == "saferoute" else make(lines[peer.name], scratch)
                version = _ours() if peer.name == "saferoute" else version_of(python, peer.distribution)
            except (subprocess.CalledProcessError, ValueError) as error:
                reason = f"it could not be installed here: {str(error).splitlines()[0][:200]}"
                version = lines[peer.name].requirement.rpartition("=")[2]
                cells = {probe: {"verdict": NOT_MEASURED, "detail": reason} for probe in PROBES}
            else:
                cells = measure(Runner(peer, str(python), home))
        peers[peer.name] = {"version": version, "cells": cells}
    date = datetime.now(UTC).date().isoformat()
    return {"schema": 1, "date": date, "python": ".".join(platform.python_version_tuple()[:2]), "probes": PROBES, "peers": peers}


def _ours():
    """The version of this checkout, whatever is installed."""
    found = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1]


def main():
    parser = argparse.ArgumentParser(description="Probe saferoute and its peers side by side, on loopback.")
    parser.add_argument("--only", default="", help="names of peers, with commas")
    parser.add_argument("--scratch", default="", help="a folder for the peers' environments; a temporary one otherwise")
    parser.add_argument("--no-write", action="store_true", help="print the results, and change no file")
    options = parser.parse_args()
    names = [name for name in options.only.split(",") if name]
    if unknown := set(names) - {peer.name for peer in PEERS}:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    if names and not options.no_write:
        parser.error("--only goes with --no-write: the table is written as a whole")
    with tempfile.TemporaryDirectory() as temporary:
        results = measure_all(names, Path(options.scratch or temporary).resolve())
    if options.no_write:
        print(json.dumps(results, indent=1))
    else:
        (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        readme = ROOT / "README.md"
        readme.write_text(render.replaced(readme.read_text(encoding="utf-8"), results), encoding="utf-8")
        print(render.table(results))
    ours = results["peers"].get("saferoute", {"cells": {}})["cells"]
    bad = [f"{probe}: {cell['verdict']} ({cell['detail']})" for probe, cell in ours.items() if cell["verdict"] != "safe"]
    if bad:
        sys.exit("saferoute is not safe: " + "; ".join(bad))


if __name__ == "__main__":
    main()

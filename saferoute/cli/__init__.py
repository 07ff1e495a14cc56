"""The `saferoute` command, on the base install: argparse and nothing else."""

from __future__ import annotations

from saferoute.cli.program import main

__all__ = ["main"]

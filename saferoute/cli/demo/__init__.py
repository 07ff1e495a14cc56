"""`saferoute demo`: the main job from end to end, on an embedded provider, with files and keys that are gone afterwards."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.cli.demo.calls import CALLS
from saferoute.cli.demo.refusals import REFUSALS
from saferoute.cli.demo.stage import DemoError, Stage
from saferoute.cli.terminal import say, show
from saferoute.errors import SaferouteError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from saferoute.cli.demo.stage import Step

__all__ = ["configure", "play"]

_GREETING = """\
saferoute demo

An embedded provider on this machine stands in for OpenAI and Anthropic. It is NO REAL MODEL: a small script that
says back what you say, over real sockets, in both wire formats. Keys, files, signatures and refusals are real."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are: none."""
    parser.set_defaults(run=_run)


def _run(_: argparse.Namespace) -> int:
    return play((*CALLS, *REFUSALS))


def play(steps: Sequence[Step]) -> int:
    """Play the steps on a stage of their own.

    Returns:
        0 if every step did what its text says; 1 at the first that did not.
    """
    began = time.monotonic()
    show(_GREETING)
    done = 0
    with tempfile.TemporaryDirectory(prefix="saferoute-demo-", ignore_cleanup_errors=True) as folder:
        try:
            with Stage(Path(folder)) as stage:
                for number, step in enumerate(steps, 1):
                    show(f"\n{step.part}\n" if step.part else "")
                    show(f"{number:2}  {step.title}")
                    step.play(stage)
                    done += 1
        except (DemoError, SaferouteError) as problem:
            say(f"error: this step did not do what it says: {problem}")
    left = Path(folder).exists()
    if done < len(steps) or left:
        say(f"error: {done} of {len(steps)} steps did what they say" + (f", and {folder} could not be removed" if left else ""))
        return 1
    show(f"\nAll {done} steps did what they say, in {time.monotonic() - began:.1f} s. The folder and the keys are gone.")
    show("Now yours: saferoute init, then saferoute keys add openai.")
    return 0

"""Starts the bad servers, and asks them what came."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Upstreams:
    """The process that holds our bad servers, and the doors before the others'."""

    def __init__(self, seed: int, doors: Mapping[str, int], takes: tuple[float, float]) -> None:
        command = [sys.executable, str(Path(__file__).with_name("upstreams.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports: dict[str, int] = self._told({"seed": seed, "doors": dict(doors), "takes": takes})

    def _told(self, order: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def books(self) -> dict[str, Any]:
        """What came, and what was billed."""
        found: dict[str, Any] = self._told("books")
        return found

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

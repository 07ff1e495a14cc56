"""Sees what this process does, by CPython's audit events, for as long as a test wants to know.

An audit hook cannot be taken away again. So there is one for the whole run, and while nobody watches it is a function of C, which costs
nothing and lets no other thread in: under CPython 3.11 two threads that begin while a measurement of coverage sets its trace functions, and
a hook in Python stands between, break each other off.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

Watcher = Callable[[str, tuple[Any, ...]], None]

_watching: list[Watcher] = []
_hook: list[Any] = []


def _tell(event: str, arguments: tuple[Any, ...]) -> None:
    for watcher in tuple(_watching):
        watcher(event, arguments)


def _point(to: Callable[..., object]) -> None:
    _hook[0].__setstate__((to, (), {}, {}))


@contextmanager
def audited(watcher: Watcher) -> Iterator[None]:
    """Tell `watcher` every event, by its name and arguments, until the end of the block. What it raises, whoever caused the event gets."""
    if not _hook:
        _hook.append(partial(operator.is_))
        sys.addaudithook(_hook[0])
    _watching.append(watcher)
    _point(_tell)
    try:
        yield
    finally:
        _watching.remove(watcher)
        if not _watching:
            _point(operator.is_)

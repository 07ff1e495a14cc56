"""Clients that put back what they took out of a request, and servers whose answers repeat the placeholders that they were sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from saferoute.testing.script import RawAnswer
from tests.support.both import Face
from tests.support.counting_server import Received, says
from tests.support.guarded import pieces_of

__all__ = ["ISSUED", "issued_in", "repeats", "reversible"]

ISSUED = re.compile(r"«SR:[A-Z][A-Z0-9_]*:[1-9][0-9]*:[a-z0-9]{8,32}»")


def reversible(face: Face, *names: str, restores: Iterable[str] = ()) -> Face:
    """The client, with these guards reversible, as a table says it, and values put back into the arguments of these tools."""
    core = face.client._core
    rules = core.shared.guards
    active = tuple(replace(one, reversible=one.name in names) for one in rules.active)
    core.shared.guards = replace(rules, active=active, restores=frozenset(restores))
    core._snapshot = core._taken()
    return face


def issued_in(received: Received) -> list[str]:
    """The placeholders of a request, each once, in order."""
    return list(dict.fromkeys(ISSUED.findall(json.dumps(json.loads(received.body), ensure_ascii=False))))


def repeats(
    template: str, cuts: Iterable[int] = (), made: Callable[..., Callable[[Received], RawAnswer]] = says
) -> Callable[[Received], RawAnswer]:
    """An answer in pieces, in which `%1` is the first placeholder of the request, and so on."""
    places = tuple(cuts)

    def answer(received: Received) -> RawAnswer:
        text: Any = template
        for number, issued in enumerate(issued_in(received), 1):
            text = text.replace(f"%{number}", issued)
        return made(*pieces_of(text, places))(received)

    return answer

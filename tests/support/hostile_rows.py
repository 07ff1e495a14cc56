"""The shared hostile cases: what a layer of guards has to survive, with what is expected of it. They are not part of the project.

What is expected stands in the file; where we differ on purpose stands in `DIFFERENT`, with the reason, and what waits for a part that is being
built stands in `PENDING`.
"""

from __future__ import annotations

import json
import lzma
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.errors import GuardError
from saferoute.guards import Action, InjectionGuard, ToolPolicyGuard
from saferoute.values.events import TextDelta
from tests.support.both import Face
from tests.support.counting_server import CountingServer, says

__all__ = [
    "ABSENT",
    "CASES",
    "DIFFERENT",
    "OF_THEIR_OWN",
    "PENDING",
    "REDACTED_PII",
    "ROUTE",
    "Bench",
    "Case",
    "of_stage",
    "pending",
    "shown",
    "wanted",
]

FILE = Path(os.environ.get("SAFEROUTE_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "guards" / "hostile_cases.jsonl.xz"


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the file."""

    id: str
    stage: str
    input: Any
    expect: str
    why: str

    @property
    def wanted(self) -> frozenset[str]:
        """The actions that are right."""
        return frozenset(self.expect.split("|"))

    @property
    def text(self) -> str:
        """The text, which may be a recipe, or a value as a tool would write it."""
        match self.input:
            case {"repeat": str() as unit, "bytes": int() as size}:
                return (unit * size)[:size]
            case str():
                return self.input
            case _:
                return json.dumps(self.input)


def cases() -> dict[str, Case]:
    """By id; none where the shared folder is not here."""
    if not FILE.is_file():
        return {}
    with lzma.open(FILE, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return {row["id"]: Case(row["id"], row["stage"], row["input"], row["expect"], row["why"]) for row in rows}


ROUTE = "here/m"
ALLOWED_HOST = "cdn.allowed.example"

PENDING: dict[str, str] = {}

DIFFERENT: dict[str, tuple[str, str]] = {}
"""By case: what we say instead, and why."""

OF_THEIR_OWN = frozenset({"h35", "h61"})
"""Cases about something random of the call, which the file cannot know."""

REDACTED_PII = frozenset({"h40"})
"""Cases for which personal data is to be taken out; by default it is only told."""

CASES = cases()
ABSENT = pytest.mark.skipif(not CASES, reason="the shared hostile cases are not here (SAFEROUTE_SHARED or ../shared)")


def wanted(case: Case) -> frozenset[str]:
    """The actions that are right."""
    return frozenset([DIFFERENT[case.id][0]]) if case.id in DIFFERENT else case.wanted


def of_stage(*stages: str) -> pytest.MarkDecorator:
    """A parameter for each case of these stages that has no test of its own."""
    chosen = [pytest.param(case, id=case.id) for case in CASES.values() if case.stage in stages and case.id not in OF_THEIR_OWN]
    return pytest.mark.parametrize("case", chosen)


def pending(name: str) -> pytest.MarkDecorator:
    """Skip a test of one case while the part that it is about is being built."""
    return pytest.mark.skipif(name in PENDING, reason=f"pending: {PENDING.get(name, '')}")


class Bench:
    """A client with the guards that are on by default, the structural ones, tools' rules, and what is given; and its server."""

    def __init__(self, kind: str, *guards: Any) -> None:
        self.server = CountingServer(says("fine"))
        self.server.start()
        row = saferoute.loopback("here", port=self.server.port)

        def made(client: type[Any]) -> Any:
            return client.local(servers=[row], secrets=saferoute.Secrets.of({}), guards=[InjectionGuard(), ToolPolicyGuard(), *guards])

        self.face = Face(kind, made)
        core = self.face.client._core  # a table names the hosts; this client's table is made in memory
        core.shared.guards = replace(core.shared.guards, allowed_hosts=frozenset({ALLOWED_HOST}))
        core._snapshot = core._taken()

    def forget(self) -> Bench:
        """As if nothing had been asked."""
        self.server.script(says("fine"))
        self.server.received.clear()
        self.server.count = 0
        return self

    def close(self) -> None:
        self.face.__exit__()
        self.server.stop()

    def reply(self, messages: Any, *, stream: bool = False, **options: Any) -> Any:
        return self.face.stream(ROUTE, messages, **options)[-1].reply if stream else self.face.chat(ROUTE, messages, **options)  # type: ignore[union-attr]

    def said(self, messages: Any, *, stream: bool = False, **options: Any) -> str:
        """What the guards did about a call, in the file's words; nothing has left if they stop it before it was sent."""
        before = self.server.count, self.server.bytes_received
        try:
            reply = self.reply(messages, stream=stream, **options)
        except GuardError as error:
            assert any(one.verdict.action is Action.BLOCK for one in error.verdicts)
            if any(one.stage in {"input", "tool_result", "request"} for one in error.verdicts if one.verdict.action is Action.BLOCK):
                assert (self.server.count, self.server.bytes_received) == before
            return "block"
        return str(max((one.verdict.action for one in reply.verdicts), default=Action.ALLOW).name).lower()

    def sent(self) -> str:
        """The last text that arrived at the server."""
        last = self.server.bodies[-1]["messages"][-1]["content"]
        return last if isinstance(last, str) else "".join(part["text"] for part in last)


def shown(face: Face) -> str:
    return "".join(event.text for event in face.seen if isinstance(event, TextDelta))

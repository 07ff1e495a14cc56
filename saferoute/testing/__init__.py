"""The test kit for programs that use saferoute: a scripted provider on loopback, keys in memory, and a clock that stands still.

`EmbeddedProvider` serves both dialects over real sockets; `Answer`, `ErrorAnswer`, `RawAnswer` and the faults of
`saferoute.testing.faults` say what it answers; `provider.requests` says what came; `memory_secrets` holds keys for it; and
`saferoute.testing.hostile` lists what a provider, a network or a caller can do wrong, with what saferoute says to each. `simulate` tries
a routing table before it is signed: the same planner, on a virtual clock, with a `SyntheticProvider` for each row.
"""

from __future__ import annotations

from saferoute.testing.clock import ManualClock
from saferoute.testing.embedded import EmbeddedProvider
from saferoute.testing.memory_secrets import memory_secrets
from saferoute.testing.recording import RecordedRequest
from saferoute.testing.script import Answer, Ask, Call, ErrorAnswer, Fault, RawAnswer, Script
from saferoute.testing.simulate_calls import simulate
from saferoute.testing.simulate_providers import ByLoad, Lognormal, Outage, SyntheticProvider
from saferoute.testing.simulate_result import SimulationResult
from saferoute.testing.simulate_trace import Arrival, Poisson

__all__ = [
    "Answer",
    "Arrival",
    "Ask",
    "ByLoad",
    "Call",
    "EmbeddedProvider",
    "ErrorAnswer",
    "Fault",
    "Lognormal",
    "ManualClock",
    "Outage",
    "Poisson",
    "RawAnswer",
    "RecordedRequest",
    "Script",
    "SimulationResult",
    "SyntheticProvider",
    "memory_secrets",
    "simulate",
]

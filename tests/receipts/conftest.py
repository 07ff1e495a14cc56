"""What the tests of records share with those of the requirements: both clients, both shapes of a call, tables signed for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import saferoute
from tests.requirements.conftest import deployed, four_ways, in_memory, kind, loaded, opened, serve, shortest_backoff, tmp_path
from tests.support.both import Face
from tests.support.counting_server import CountingServer, says

__all__ = [
    "deployed",
    "four_ways",
    "in_memory",
    "kind",
    "loaded",
    "opened",
    "serve",
    "shortest_backoff",
    "tmp_path",
    "with_two_capabilities",
]


@contextmanager
def with_two_capabilities(
    kind: str, serve: Callable[..., CountingServer]
) -> Iterator[tuple[Face, saferoute.Capability, saferoute.Capability]]:
    """A local client over one server, and two capabilities of one issuer, alike but for their ids."""
    server, issuer = serve(says("ok")), saferoute.Issuer.generate("desk")
    local = saferoute.loopback("demo", port=server.port, path="/v1")
    with Face(kind, lambda client: client.local(servers=[local], secrets=saferoute.Secrets.of({}), issuers=[issuer])) as face:
        mine, other = (
            saferoute.Capability.mint(issuer, audience="local", expires_in=600, models=["m"], providers=["demo"], max_output_tokens=50)
            for _ in range(2)
        )
        yield face, mine, other

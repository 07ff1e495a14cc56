"""What the tests of records share with those of the requirements: both clients, both shapes of a call, tables signed for each test."""

from __future__ import annotations

from tests.requirements.conftest import deployed, four_ways, in_memory, kind, loaded, opened, serve, shortest_backoff, tmp_path

__all__ = ["deployed", "four_ways", "in_memory", "kind", "loaded", "opened", "serve", "shortest_backoff", "tmp_path"]

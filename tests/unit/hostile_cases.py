"""What the fuzz tests of the Cohere and Ollama dialects share: answers that are read whatever they hold, and JSON with a change in it."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from saferoute.errors import SaferouteError
from saferoute.providers.decoder import Decoder
from saferoute.values.events import Completed
from saferoute.values.fold import Fold
from saferoute.values.http import Head
from saferoute.values.target import Target
from tests.unit.dialect_cases import CODECS

KINDS = ("application/json", "text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream", "")
STATUSES = (200, 400, 429, 503)
SMALL = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=8
)
LINEAR_SECONDS = 20.0  # of processor time for 10 MB; read in the square of the length, they would take hours


def decode_or_refuse(to: Target, data: bytes, *, kind: str, status: int = 200, cut: int = 0) -> Fold | None:
    """What a body folds to; None for an error of the tree. Anything else goes through to the test."""
    decoder = Decoder(CODECS[to.dialect].reader(to), to.provider_name)
    fold = Fold()
    try:
        decoder.head(Head(status, {"content-type": kind}))
        fold.add(decoder.feed(data[:cut]))
        fold.add(decoder.feed(data[cut:]))
        fold.add(decoder.close())
    except SaferouteError as error:
        assert len(str(error)) < 1000
        return None
    assert isinstance(fold.completed, Completed)
    fold.content()
    return fold


def seconds_for(to: Target, data: bytes, kind: str) -> float:
    """The processor time that reading takes."""
    began = time.process_time()
    decode_or_refuse(to, data, kind=kind)
    return time.process_time() - began


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with something else in one place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy

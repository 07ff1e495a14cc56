"""What a call can tell of its answer before there is one."""

from __future__ import annotations

from saferoute.call.flow import _Progress
from saferoute.values.events import Started, TextDelta


def test_a_call_that_never_began_has_nothing_to_show() -> None:
    """A wait for a store, before the first attempt, may be what took all of a call's time."""
    assert _Progress(0.0).partial() is None


def test_what_had_arrived_is_shown() -> None:
    progress = _Progress(0.0)
    progress.begin()
    assert progress.partial() is None
    progress.fold.add((Started("id", "model"), TextDelta("half an ")))
    partial = progress.partial()
    assert partial is not None
    assert partial.text == "half an "

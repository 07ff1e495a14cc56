"""Attack: a prompt that one provider's filter refused is tried at all the others, until one is found whose filter is laxer.

Guards: saferoute/call/balancing.py::self._dead |= {_key(one) for one in self._order} => pass
Guards: saferoute/call/balancing.py::self._narrow = self._narrow or isinstance(error, ContextWindowExceeded | ContentFiltered) => self._narrow = False
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.errors import ContentFiltered, ServerError
from tests.support.balanced import Bed, bed
from tests.support.both import KINDS
from tests.support.counting_server import fails

pytestmark = pytest.mark.parametrize("kind", KINDS)
FILTERED = fails(400, "content_filter")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        made.a.script(FILTERED)
        yield made


@pytest.mark.parametrize("rest", ["", 'any = "s"', 'any = "s", timeout = "s", quota = "s", context_window = "s"'])
def test_no_other_row_is_asked(kind: str, rest: str, world: Bed) -> None:
    world.sign(f'targets = ["a", "b"]\nfallback = {{ {rest} }}\n' if rest else 'targets = ["a", "b"]')
    face = world.open(kind)
    for stream in (False, True):
        with pytest.raises(ContentFiltered) as caught:
            (face.stream if stream else face.chat)("fast", "hi", max_attempts=9)
        assert [one.target for one in caught.value.attempts] == ["a"]
    assert world.counts == (2, 0, 0)


def test_the_tables_list_is_as_far_as_it_goes(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]\nfallback = { content_filter = "b", any = "s" }\n')
    world.b.script(FILTERED)
    face = world.open(kind)
    with pytest.raises(ContentFiltered):
        face.chat("fast", "hi", max_attempts=9)
    assert world.counts == (1, 1, 0)
    world.b.script(fails(500))
    with pytest.raises(ServerError):
        face.chat("fast", "hi", max_attempts=3)
    assert world.counts == (2, 3, 0)


def test_the_other_rows_of_the_alias_do_not_stand_in_for_the_list(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b"]\nfallback = { content_filter = "s" }\n')
    world.s.script(fails(500))
    with pytest.raises(ServerError):
        world.open(kind).chat("fast", "hi", max_attempts=3)
    assert world.counts == (1, 0, 2)


def test_a_second_word_of_a_filter_ends_the_call(kind: str, world: Bed) -> None:
    world.sign('targets = ["a"]\nfallback = { content_filter = ["b", "s"] }\n')
    world.b.script(FILTERED)
    with pytest.raises(ContentFiltered):
        world.open(kind).chat("fast", "hi", max_attempts=9)
    assert world.counts == (1, 1, 0)

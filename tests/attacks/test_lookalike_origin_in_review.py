"""A change to routes.toml sends a key that is in use to a lookalike host, among many harmless changes, so that its reviewer misses it.

Somebody who can propose changes to a repository, to whoever signs the table.
Guards: saferoute/routing/difference.py::yield Change(f"keys.{name}", "", f"{also} {', '.join(more)}", list(was), list(becomes), dangerous=True)
Guards: saferoute/routing/difference.py::return Difference(tuple(sorted(found, key=lambda change: not change.dangerous)), keys, readers) => return Difference(tuple(sorted(found, key=lambda change: change.place)), keys, readers)
"""

from __future__ import annotations

from saferoute.routing.authoring import build
from saferoute.routing.difference import compare

ROW = '[routes.r{0}]\nextends = "openai"\nmodel = "m{0}"\ndeadlines = {{ total = "{1}s" }}\n'


def table(seconds: int, last: str) -> bytes:
    return build("".join(ROW.format(number, seconds) for number in range(30)) + last)


def test_the_new_origin_of_an_old_key_stands_first() -> None:
    found = compare(table(400, ""), table(500, 'origin = "https://api.openai.com.example.net"\n'))
    first = found.changes[0]
    assert first.dangerous
    assert (first.place, first.text) == ("keys.openai", "would now also go to https://api.openai.com.example.net")
    assert [change.dangerous for change in found.changes] == sorted((change.dangerous for change in found.changes), reverse=True)
    assert len(found.changes) > 30

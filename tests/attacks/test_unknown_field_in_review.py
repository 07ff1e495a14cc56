"""A field that the reviewer's tool has no words for changes what a call may do, and the review says that nothing changes.

Guards: saferoute/routing/difference_fields.py::return field not in _HARMLESS if rule is None else rule(before, after) => return rule is not None and rule(before, after)
Guards: saferoute/routing/difference_grant.py::return rule is None or rule(before, after) => return rule is not None and rule(before, after)
"""

from __future__ import annotations

import pytest

from saferoute.routing.difference_fields import row_changes, unusual
from saferoute.routing.difference_grant import grant_changes


@pytest.mark.parametrize(("before", "after"), [({}, {"anything": True}), ({"anything": True}, {}), ({"anything": 1}, {"anything": 2})])
def test_it_is_said_and_marked(before: dict[str, object], after: dict[str, object]) -> None:
    assert [(one.field, one.dangerous) for one in row_changes("routes.x", before, after, money=False)] == [("anything", True)]
    assert [(one.field, one.dangerous) for one in grant_changes(before, after)] == [("anything", True)]


def test_it_is_said_of_a_new_row() -> None:
    assert unusual({"id": "x", "anything": True}) == ", anything true"

"""A change to routes.toml adds no target to an alias, and yet lets somebody new read its calls: as a fallback, or by copies of them.

Somebody who can propose changes to a repository, to whoever signs the table, and to the assertions that stand beside it.
Guards: saferoute/routing/difference_policy.py::elsewhere = cause == "content_filter" or any(place_of(row) not in places for row in added) => elsewhere = False
Guards: saferoute/routing/difference_policy.py::yield Change(place, "shadow", text, None if was is None else _shadow(was), _shadow(becomes), dangerous=True)
Guards: saferoute/routing/difference_policy.py::yield Change(place, "shadow.data", text, was.data, becomes.data, dangerous=label_raised(was.data, becomes.data))
Guards: saferoute/routing/assertions.py::return tuple(dict.fromkeys((*targets, *decide(call, (*own, *others))))) if others else targets => return targets
"""

from __future__ import annotations

import pytest

from saferoute.cli.table_review import run_tests
from saferoute.routing.authoring import build
from saferoute.routing.difference import compare

ROWS = """
[routes.eu]
extends = "openai"
model = "big"
data = "confidential"
region = "eu"

[routes.eu-2]
extends = "openai"
model = "bigger"
data = "confidential"
region = "eu"

[routes.elsewhere]
extends = "anthropic"
model = "small"
data = "confidential"

[grant]
routes = ["x", "eu", "eu-2", "elsewhere"]
"""
FALLBACKS = [f'fallback = {{ {cause} = "elsewhere" }}' for cause in ("any", "context_window", "content_filter", "quota", "timeout")]
SHADOW = 'shadow = { target = "elsewhere", share = 1, max_cost = "$0.01", data = "confidential" }'
STAYS = '[[assertions]]\nroute = "x"\ndata = "confidential"\ngoes_only_to = { regions = ["eu"] }\n'


def text(fields: str) -> str:
    return f'{ROWS}[aliases.x]\ntargets = ["eu"]\n{fields}\n'


@pytest.mark.parametrize("fields", [*FALLBACKS, SHADOW])
def test_whoever_newly_gets_the_content_is_named_and_marked(fields: str) -> None:
    marked = compare(build(text("")), build(text(fields))).dangerous
    assert [one.place for one in marked] == ["aliases.x"]
    assert "elsewhere (anthropic/small)" in marked[0].text


def test_what_one_provider_refused_goes_to_no_other_unseen() -> None:
    marked = compare(build(text("")), build(text('fallback = { content_filter = "eu-2" }'))).dangerous
    assert [one.field for one in marked] == ["fallback.content_filter"]
    assert marked[0].text.startswith("content that one provider refused is sent to another")


def test_a_shadow_is_named_as_one_also_at_a_place_that_is_known() -> None:
    marked = compare(build(text("")), build(text(SHADOW.replace("elsewhere", "eu-2")))).dangerous
    assert [one.field for one in marked] == ["shadow"]
    assert marked[0].text.startswith("a shadow is new: copies")


def test_a_shadow_gets_no_higher_data_unseen() -> None:
    low = SHADOW.replace("confidential", "internal")
    assert [one.field for one in compare(build(text(low)), build(text(SHADOW))).dangerous] == ["shadow.data"]


@pytest.mark.parametrize("fields", [*FALLBACKS, SHADOW])
def test_an_assertion_about_where_data_stays_sees_them(fields: str) -> None:
    assert run_tests(text("") + STAYS)[0].failure == ""
    assert run_tests(text(fields) + STAYS)[0].failure.startswith("it may go to elsewhere")

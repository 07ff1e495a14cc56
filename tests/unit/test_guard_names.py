"""The names of `saferoute.guards`: each is there, and is what its module calls so."""

from __future__ import annotations

import pytest

from saferoute import guards
from saferoute.guards import canary, injection, injection_model, links, output_schema, pii, secrets_found, spotlighting, tool_policy, topics
from saferoute.guards import unicode as unicode_guard
from saferoute.values import guard_profile, guarding

MODULES = (
    canary, guard_profile, guarding, injection, injection_model, links, output_schema, pii, secrets_found, spotlighting, tool_policy, topics,
    unicode_guard,
)  # fmt: skip
LAZY = sorted(name for name in guards.__all__ if name not in vars(guards))


@pytest.mark.parametrize("name", LAZY)
def test_each_name_is_the_modules(name: str) -> None:
    owners = [module for module in MODULES if name in module.__all__]
    assert [getattr(module, name) for module in owners] == [getattr(guards, name)]


def test_the_guards_of_the_package_have_names_of_their_own() -> None:
    made = [getattr(guards, name) for name in LAZY if name.endswith("Guard") and name != "TopicGuard"]  # which each program names itself
    assert [one.name for one in made] == [
        "canary", "injection", "injection_model", "links", "output_schema", "pii", "secrets", "spotlighting", "tools", "unicode",
    ]  # fmt: skip


def test_there_is_no_other_name() -> None:
    with pytest.raises(AttributeError, match=r"module 'saferoute.guards' has no attribute 'Guards'"):
        guards.Guards  # noqa: B018

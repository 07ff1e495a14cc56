"""A production client does what the signed grant says, and nothing without one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.errors import BudgetExceeded, CapabilityForbidden, UntrustedTable
from saferoute.routing.authoring import build
from saferoute.routing.local import local_bundle
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.signing.keys import PrivateKey
from saferoute.testing import Answer, EmbeddedProvider
from tests.support.both import KINDS, Face

ROWS = """
[routes.cheap]
provider = "demo"
dialect = "openai_chat"
origin = "{origin}"
path = "/v1"
net = "loopback"
model = "small"
auth = "none"
data = "internal"
max_output = 1000
default_max_output = 100
prices = {{ input = "$1/M", output = "$10/M" }}

[routes.extra]
extends = "cheap"
extra_params = ["service_tier", "web_search_options", "frequency_penalty", "prediction"]

[routes.dear]
extends = "cheap"
model = "large"
data = "public"
prices = {{ input = "$100/M", output = "$1000/M" }}

[aliases]
fast = ["cheap", "dear"]
"""


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, provider: EmbeddedProvider, tmp_path: Path) -> Iterator[Any]:
    faces: list[Face] = []

    def opened(grant: str, **options: Any) -> Face:
        root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
        now = int(time.time())
        root = new_root("team", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
        table = build(ROWS.format(origin=provider.origin) + grant)
        (tmp_path / "root.json").write_bytes(root)
        (tmp_path / "routes.json").write_bytes(sign_release(root, [table], version=1, now=now, signers=[table_key]))
        trust = saferoute.Trust.pinned(tmp_path / "root.json", sha256=pin(root))
        faces.append(
            Face(request.param, lambda client: client(tmp_path / "routes.json", trust=trust, secrets=saferoute.Secrets.of({}), **options))
        )
        return faces[-1]

    yield opened
    for face in faces:
        face.__exit__()


GRANT = '\n[grant]\noperations = ["chat"]\nroutes = ["fast", "cheap"]\ndata = "internal"\n'


def test_without_a_grant_every_call_is_refused_and_the_way_on_is_named(opened: Any, provider: EmbeddedProvider) -> None:
    face = opened("", data="public")
    with pytest.raises(CapabilityForbidden, match=r"\[grant\]"):
        face.chat("cheap", "hi")
    assert provider.connections == 0


def test_a_grant_allows_what_it_names(opened: Any, provider: EmbeddedProvider) -> None:
    face = opened(GRANT, data="internal")
    assert face.chat("fast", "hi").target == "cheap"
    assert face.chat("cheap", "hi", data="public").text
    with pytest.raises(CapabilityForbidden, match="dear"):
        face.chat("dear", "hi", data="public")
    assert len(provider.requests) == 2


def test_unlabelled_data_counts_as_restricted(opened: Any, provider: EmbeddedProvider) -> None:
    face = opened(GRANT)
    with pytest.raises(CapabilityForbidden, match="data="):
        face.chat("fast", "hi")
    with pytest.raises(CapabilityForbidden, match="data"):
        face.chat("fast", "hi", data="confidential")
    assert provider.connections == 0


def test_rows_above_the_data_ceiling_are_no_fallback(opened: Any, provider: EmbeddedProvider) -> None:
    provider.script([Answer("x")], then="repeat")
    face = opened(GRANT, data="internal")
    provider.script(lambda ask: __import__("saferoute.testing").testing.ErrorAnswer(503))
    with pytest.raises(saferoute.errors.Overloaded) as caught:
        face.chat("fast", "hi", max_attempts=2, timeout=5)
    assert {attempt.target for attempt in caught.value.attempts} == {"cheap"}


def test_tools_outside_the_grant_are_refused(opened: Any, provider: EmbeddedProvider) -> None:
    face = opened(GRANT + 'tools = ["weather"]\n', data="internal")
    face.chat("cheap", "hi", tools=[{"name": "weather"}])
    with pytest.raises(CapabilityForbidden, match="shell"):
        face.chat("cheap", "hi", tools=[{"name": "weather"}, {"name": "shell"}])
    assert len(provider.requests) == 1


def test_the_output_bound_is_filled_in_and_said(opened: Any, provider: EmbeddedProvider) -> None:
    face = opened(GRANT + "max_output = 50\n", data="internal")
    reply = face.chat("cheap", "hi")
    assert provider.requests[-1].body["max_completion_tokens"] == 50  # type: ignore[index, call-overload]
    assert [(notice.kind, notice.parameter) for notice in reply.warnings] == [("filled", "max_output_tokens")]
    with pytest.raises(CapabilityForbidden, match="50"):
        face.chat("cheap", "hi", max_output_tokens=51)


def test_a_cost_cap_denies_what_it_does_not_cover(opened: Any, provider: EmbeddedProvider) -> None:
    face = opened(GRANT, data="internal")
    assert face.chat("cheap", "hi", max_cost="$0.01", max_output_tokens=100).cost is not None
    with pytest.raises(BudgetExceeded, match="max_output_tokens"):
        face.chat("cheap", "hi", max_cost="$0.0001", max_output_tokens=100)
    assert face.chat("fast", "hi", data="public", max_cost="$0.01", max_output_tokens=100).target == "cheap"
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    "unenforced", ['budget = { amount = "$5", per = "day", scope = "host" }', 'guards = ["house-rules"]', 'audience = ["app"]']
)
def test_what_cannot_be_enforced_yet_fails_closed(opened: Any, provider: EmbeddedProvider, unenforced: str) -> None:
    try:
        face = opened(GRANT + unenforced + "\n", data="internal")
    except saferoute.SaferouteError:
        return  # refused when it was written: as good
    with pytest.raises(CapabilityForbidden, match=unenforced.split(" ", maxsplit=1)[0]):
        face.chat("cheap", "hi")
    assert provider.connections == 0


def test_production_refuses_a_table_made_in_memory(tmp_path: Path) -> None:
    made = local_bundle([], [saferoute.loopback("x", port=1)], time.time())
    (tmp_path / "root.json").write_bytes(made.root)
    (tmp_path / "routes.json").write_bytes(made.bundle)
    trust = saferoute.Trust.pinned(tmp_path / "root.json", sha256=made.sha256)
    with pytest.raises(UntrustedTable, match="local/"):
        saferoute.Client(tmp_path / "routes.json", trust=trust)


BOUNDED = """
[grant]
operations = ["chat"]
routes = ["extra"]
data = "internal"
max_output = 100
{bound}
"""


@pytest.mark.parametrize("bound", ['max_cost = "$1"', ""], ids=["the grant's bound", "the caller's bound"])
@pytest.mark.parametrize(
    "options", [{"service_tier": "priority"}, {"web_search_options": {}}, {"prediction": {}}], ids=lambda o: next(iter(o))
)
def test_a_field_that_may_change_the_price_leaves_the_cost_unknown(
    opened: Any, provider: EmbeddedProvider, options: dict[str, Any], bound: str
) -> None:
    client = opened(BOUNDED.format(bound=bound))
    more: dict[str, Any] = {} if bound else {"max_cost": "$1"}
    with pytest.raises((CapabilityForbidden, BudgetExceeded), match="worst case"):
        client.chat("extra", "hi", data="internal", max_output_tokens=10, provider_options={"demo": options}, **more)
    assert provider.requests == ()
    client.chat("extra", "hi", data="internal", max_output_tokens=10, provider_options={"demo": {"frequency_penalty": 0.5}}, **more)
    assert len(provider.requests) == 1


def test_a_tool_that_the_provider_runs_is_a_tool(opened: Any, provider: EmbeddedProvider) -> None:
    client = opened(BOUNDED.format(bound="tools = []"))
    with pytest.raises(CapabilityForbidden, match="offered: web_search_options") as refused:
        client.chat("extra", "hi", data="internal", max_output_tokens=10, provider_options={"demo": {"web_search_options": {}}})
    assert refused.value.code == "tools"
    client.chat("extra", "hi", data="internal", max_output_tokens=10, provider_options={"demo": {"service_tier": "flex"}})
    assert len(provider.requests) == 1

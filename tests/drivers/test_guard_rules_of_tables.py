"""Guard profiles of a signed table, through both clients: of every row that a call may come to, of the table in force, and in reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from saferoute.errors import BadRequest, GuardBlocked, GuardFailed
from saferoute.guards import Action, CanaryGuard, Context, PiiGuard, Segment, Verdict, guard
from saferoute.testing import EmbeddedProvider
from saferoute.values.messages import File, Message, Text
from saferoute.values.report import Report
from tests.support.both import KINDS, Face
from tests.support.deployment import Deployment
from tests.support.guarded import Saying

MAIL = "Write to ada@example.org."
GRANT = '[grant]\noperations = ["chat", "embed"]\ndata = "public"\n'
STRICT = '[routes.strict]\nextends = "cheap"\nguards = "strict"\n[guards.strict.guards.pii]\naction = "block"\n'
HOUSE = '[routes.strict]\nextends = "cheap"\nguards = "strict"\n[guards.strict.guards.house]\n'
SHORT = '[routes.short]\nextends = "cheap"\nguards = "short"\n[guards.short]\nmax_characters = 20\n'
SPREAD = (
    '\n[aliases]\nfast = ["cheap", "dear"]\nboth = ["cheap", "strict"]\nspare = { targets = ["cheap"], fallback = { any = ["strict"] } }\n'
)


@pytest.fixture(scope="module")
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture
def deployed(provider: EmbeddedProvider, tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, provider.origin)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def signed(deployed: Deployment, more: str, aliases: str | None = None) -> Deployment:
    deployed.aliases = deployed.aliases if aliases is None else aliases
    deployed.sign(GRANT + more)
    return deployed


def refused(face: Face, route: str, text: str = MAIL) -> str:
    """What the guard that blocks says, called and streamed alike."""
    said = []
    for call in (face.chat, face.stream):
        with pytest.raises((GuardBlocked, GuardFailed)) as caught:
            call(route, text)
        said.append(str(caught.value))
    assert said[0] == said[1]
    return said[0]


@pytest.mark.parametrize("guards", [(), None, (PiiGuard(action=Action.FLAG),)], ids=["default", "none", "lenient"])
def test_whatever_a_client_chose_a_row_gets_what_its_profile_asks_for(
    kind: str, guards: Any, deployed: Deployment, provider: EmbeddedProvider
) -> None:
    with signed(deployed, STRICT, SPREAD).client(kind, guards=guards) as face:
        before = len(provider.requests)
        for route in ("strict", "both", "spare"):  # a row beside it, and one that is only fallen back to
            assert "pii at /messages/0/content/0" in refused(face, route)
        assert len(provider.requests) == before
        assert face.chat("cheap", MAIL).finish_reason == "stop"
        assert len(provider.requests) == before + 1


def test_a_new_table_brings_its_own_profiles(kind: str, deployed: Deployment) -> None:
    with signed(deployed, STRICT).client(kind) as face:
        refused(face, "strict")
        signed(deployed, STRICT.replace('"block"', '"flag"'))
        refused(face, "strict")  # not before it is taken
        face.wait(face.client.reload())
        said = {(one.guard, one.version, one.verdict.action) for one in face.chat("strict", MAIL).verdicts}
        assert said == {("pii", f"{PiiGuard().version}+flag", Action.FLAG)}  # of the request, and of the answer that repeats it
        signed(deployed, '[routes.strict]\nextends = "cheap"\n')
        face.wait(face.client.reload())
        assert face.chat("strict", MAIL).finish_reason == "stop"
        signed(deployed, HOUSE)
        face.wait(face.client.reload())
        assert "profile 'strict' asks for the guard 'house'" in refused(face, "strict")


def test_a_bound_of_the_table_holds_for_a_client_without_any_guard(kind: str, deployed: Deployment, provider: EmbeddedProvider) -> None:
    with signed(deployed, SHORT).client(kind, guards=None) as face:
        before = len(provider.requests)
        assert "25 characters together, and 20 are allowed" in refused(face, "short")
        assert len(provider.requests) == before
        document = Message("user", (Text("see"), File(b"a" * 18, media_type="text/plain")))
        with pytest.raises(GuardBlocked, match="21 characters together, and 20 are allowed"):
            face.chat("short", [document])
        assert len(provider.requests) == before
        assert face.chat("short", "hi").finish_reason == "stop"


@pytest.mark.parametrize("guards", [(), None], ids=["default", "none"])
def test_operations_pass_what_their_rows_ask_for(kind: str, guards: Any, deployed: Deployment, provider: EmbeddedProvider) -> None:
    with signed(deployed, STRICT + SHORT).client(kind, guards=guards) as face:
        before = len(provider.requests)
        for route, words in (("strict", "pii at /texts/1"), ("short", "are allowed")):
            with pytest.raises(GuardBlocked, match=words):
                face.wait(face.client.embed(route, ["hello", MAIL]))
        assert len(provider.requests) == before
        assert len(face.wait(face.client.embed("strict", ["hello"])).vectors) == 1
        assert len(face.wait(face.client.embed("cheap", ["hello", MAIL])).vectors) == 2


@pytest.mark.parametrize("profile", ['action = "block"', 'on_error = "flag"', ""])
def test_a_profile_that_names_the_canary_keeps_it(kind: str, profile: str, deployed: Deployment, provider: EmbeddedProvider) -> None:
    more = f'[routes.strict]\nextends = "cheap"\nguards = "strict"\n[guards.strict.guards.canary]\n{profile}\n'
    with signed(deployed, more).client(kind, guards=[CanaryGuard()]) as face:
        face.chat("strict", "hi", system="Be brief.")
        body: Any = provider.requests[-1].body
        assert "never write it, in any form" in str(body["messages"][0])


@pytest.mark.parametrize(("field", "tainted"), [("web_search_options", True), ("frequency_penalty", False)])
def test_what_the_provider_fetches_by_itself_is_of_others(kind: str, field: str, tainted: bool, deployed: Deployment) -> None:
    seen: list[bool] = []

    @guard(stages=("input",), quick=True)
    def watching(_: Segment, context: Context) -> Verdict:
        seen.append(context.tainted)
        return Verdict(Action.ALLOW)

    deployed.sign(GRANT + 'tools = ["web_search_options"]\n')
    with deployed.client(kind, guards=[watching]) as face, suppress(BadRequest):  # this provider searches nothing
        face.chat("cheap", "hi", provider_options={"demo": {field: {} if tainted else 1}})
    assert seen == [tainted]


# --- reports --------------------------------------------------------------------------------------------------------------------------

LACKING = (
    "strict: the routing table's guard profile 'strict' asks for the guard 'house', which this client does not have: nothing was sent. "
    "Give it to the client: Client(..., guards=[...])"
)


def problems(report: Report) -> list[tuple[str, str]]:
    return [(one.area, one.text) for one in report.findings if one.level == "problem"]


def test_reports_name_the_rows_whose_guards_are_not_there(kind: str, deployed: Deployment) -> None:
    signed(deployed, HOUSE, SPREAD)
    with deployed.client(kind) as face:
        assert problems(face.client.security_report()) == [("routes", LACKING)]
        for routes in (None, ["strict"], ["both"], ["spare"], ["cheap", "both", "spare"]):
            ready = face.wait(face.client.check(routes))
            assert (ready.ok, problems(ready)) == (False, [("routes", LACKING)])
        assert face.wait(face.client.check(["cheap", "dear"])).ok
    with deployed.client(kind, guards=[Saying(name="house")]) as face:
        assert face.client.security_report().ok
        assert face.wait(face.client.check()).ok


def test_a_client_that_has_everything_is_ready(kind: str, deployed: Deployment) -> None:
    with signed(deployed, STRICT + SHORT).client(kind, guards=None) as face:
        assert face.wait(face.client.check()).ok
        assert problems(face.client.security_report()) == []


@pytest.mark.parametrize(("grant", "missing"), [("pii", ""), ("house", "house"), ('pii", "secrets', "secrets"), ('pii", "house', "house")])
def test_guards_that_a_permission_wants_may_come_from_a_profile(kind: str, grant: str, missing: str, deployed: Deployment) -> None:
    wanted = GRANT.replace("data =", f'guards = ["{grant}"]\ndata =')
    deployed.sign(wanted + STRICT + '[routes.other]\nextends = "cheap"\nguards = "other"\n[guards.other.guards.absent]\n')
    with deployed.client(kind, guards=None) as face:
        found = [text for area, text in problems(face.wait(face.client.check(["strict"]))) if area == "permissions"]
        assert [missing in text and "not active in this client" in text for text in found] == ([True] if missing else [])
        if not missing:
            assert face.chat("strict", "hi").finish_reason == "stop"

"""What whole clients only may be asked, and readiness while rows are halted: what is said, and to whom it matters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from saferoute.errors import CapabilityForbidden
from saferoute.routing.status import Status
from tests.drivers.test_capabilities_client import Deployment
from tests.support.both import KINDS, Face


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def deployed(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, "http://127.0.0.1:9")


@pytest.fixture
def face(kind: str, deployed: Deployment) -> Iterator[Face]:
    with deployed.client(kind) as made:
        yield made


def halt(face: Face, *rows: str) -> None:
    """Have a status halt rows of the table that is in place."""
    shared = face.client._core.shared
    opened = shared.opened
    table = opened.table
    status = Status("team", 1, 1, table.issued, table.not_after, 1, "0" * 64, frozenset(), frozenset(rows), "1" * 64)
    shared.opened = replace(opened, status=status)


def test_a_client_that_holds_a_capability_may_be_reloaded_and_checked(kind: str, deployed: Deployment) -> None:
    with deployed.client(kind, capability=deployed.mint()) as face:
        face.wait(face.client.reload())
        assert face.wait(face.client.check()).facts["table"] == "team"
        assert face.client.security_report().facts["table"] == "team"


def test_a_part_is_told_whom_to_ask(face: Face) -> None:
    with pytest.raises(CapabilityForbidden) as refused:
        face.wait(face.client.using(purpose="x").reload())
    assert str(refused.value) == (
        "reload is for the client itself, and this one is narrowed by using(): ask the client that it was made from"
    )


def test_a_row_that_is_halted_on_purpose_does_not_make_the_others_unready(face: Face) -> None:
    assert face.wait(face.client.check()).ok
    halt(face, "dear")
    ready = face.wait(face.client.check())
    assert ready.ok
    assert "The status halts dear: no call goes there." in [one.text for one in ready.findings if one.level == "warning"]
    assert ready.facts["rows"] == len(face.client._core.table.routes) - 1


def test_a_halted_row_that_was_asked_for_is_a_problem(face: Face) -> None:
    halt(face, "dear")
    ready = face.wait(face.client.check(["dear"]))
    assert not ready.ok
    assert ready.findings[0].text == ("dear: the signed status halts every row that this call could go to: dear. Nothing was sent")


def test_nobody_is_ready_when_every_row_is_halted(face: Face) -> None:
    halt(face, *face.client._core.table.routes)
    ready = face.wait(face.client.check())
    assert not ready.ok
    assert ready.findings[0].text == "the status halts every row: no call goes anywhere"

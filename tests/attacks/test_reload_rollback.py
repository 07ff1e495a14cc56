"""A running process is made to go back to an older table that has not expired: its files are exchanged, and it reloads.

In a container that keeps no state between runs, the process itself is all that knows which table was accepted. Two threads that reload
at once, of which the one that read the older files comes last, come to the same.

Guards: saferoute/client/shared.py::state = advance(current.state, opened.state) => state = opened.state
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from saferoute.errors import TableRollback
from saferoute.testing import EmbeddedProvider
from tests.drivers.test_capabilities_client import Deployment
from tests.support.both import KINDS, Face


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setattr("saferoute.drivers.storage.trust_files.default_state_folder", lambda: None)
    with EmbeddedProvider() as provider:
        yield Deployment(tmp_path, provider.origin)


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest, deployed: Deployment) -> Iterator[Face]:
    deployed.sign("")
    with deployed.client(request.param) as made:
        yield made


def back(deployed: Deployment, version: int) -> None:
    """Deploy a table of an older version."""
    deployed._version = version - 1
    deployed.sign("")


def test_nothing_is_remembered_beside_the_process(deployed: Deployment, face: Face) -> None:
    assert face.client._core.shared.opened.rollback == "none"
    back(deployed, 1)
    with deployed.client("blocking") as another:
        assert another.client._core.table.version == 1


def test_a_process_does_not_go_back_to_an_older_table(deployed: Deployment, face: Face) -> None:
    back(deployed, 1)
    with pytest.raises(TableRollback, match=r"^the routing table is version 1, and version 2 was accepted here before"):
        face.wait(face.client.reload())
    assert face.client._core.table.version == 2


def test_nor_to_another_one_of_the_same_version(deployed: Deployment, face: Face) -> None:
    deployed._version = 1
    deployed.sign('[grant]\nroutes = ["fast"]\ntools = []\n')
    with pytest.raises(TableRollback, match=r"^there are two of the routing table version 2"):
        face.wait(face.client.reload())


def test_a_newer_one_is_taken_and_the_same_one_stays(deployed: Deployment, face: Face) -> None:
    face.wait(face.client.reload())
    assert face.client._core.table.version == 2
    deployed.sign("")
    face.wait(face.client.reload())
    assert face.client._core.table.version == 3


def test_a_reload_that_was_slower_than_a_newer_one_changes_nothing(deployed: Deployment, face: Face) -> None:
    shared = face.client._core.shared
    read = shared._reopen
    assert read is not None

    def slow() -> object:
        older = read()
        deployed.sign("")
        shared._reopen = read
        shared.reload()  # another thread, meanwhile
        return older

    shared._reopen = slow  # type: ignore[assignment]  # what it returns is what `read` does
    assert shared.reload().table.version == 3
    assert shared.opened.table.version == 3


def test_the_floor_of_time_is_kept(deployed: Deployment, face: Face) -> None:
    shared = face.client._core.shared
    floor = shared.opened.state.floor_time
    deployed.sign("")
    read = shared._reopen
    assert read is not None

    def earlier() -> object:
        opened = read()
        return replace(opened, state=replace(opened.state, floor_time=floor - 1_000))

    shared._reopen = earlier  # type: ignore[assignment]  # as above
    assert shared.reload().state.floor_time == floor
    assert shared.opened.state.floor_time == floor

"""Names in the folder of root updates lead elsewhere: up the tree, to a device, to a file of another kind.

No name out of the folder is ever used: the versions are counted up from the pinned one, and each is asked for as `<version>.json`.

Guards: saferoute/routing/chain.py::raise Refused(f"more than {MAX_UPDATES} roots follow the pinned one: pin a newer root")
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.storage.trust_files import load_files, open_table
from saferoute.errors import ConfigurationError, UntrustedTable
from saferoute.routing.chain import update_name
from saferoute.routing.publish import pin
from saferoute.routing.trust import Trust
from saferoute.signing.envelope import PayloadType
from saferoute.signing.strict_json import canonical
from tests.support.audited import audited
from tests.support.trust_cases import NOW, ROOT_KEY, STATUS_KEY, document, files, release_payload, root_payload, status_payload, table

BODY = canonical(table())


def root_of(version: int) -> bytes:
    return document(PayloadType.ROOT, root_payload(version=version), ROOT_KEY)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "root.json").write_bytes(root_of(1))
    (tmp_path / "roots").mkdir()
    return tmp_path


def trust(place: Path, **changes: Any) -> Trust:
    return Trust.pinned(place / "root.json", sha256=pin(root_of(1)), **{"updates": place / "roots", **changes})


def deploy(place: Path, version: int) -> None:
    (place / "routes.json").write_bytes(files(BODY, release=release_payload(BODY, version=version, root_version=version)).bundle)


def opened(place: Path, **changes: Any) -> int:
    return open_table(place / "routes.json", trust(place, **changes), NOW, state=place / "state").root.version


def test_the_folder_is_followed_as_far_as_it_goes(place: Path) -> None:
    deploy(place, 1)
    assert opened(place) == 1
    assert opened(place, updates=place / "missing") == 1
    assert opened(place, updates=None) == 1
    deploy(place, 3)
    for version in (2, 3):
        (place / "roots" / f"{version}.json").write_bytes(root_of(version))
    with pytest.raises(UntrustedTable, match="signed under root version 3, and the root is version 1"):
        opened(place, updates=None)
    assert opened(place) == 3


def test_other_names_are_not_looked_at(place: Path) -> None:
    deploy(place, 1)
    for name in (
        "02.json",
        "2.JSON",
        "+2.json",
        "2.json.json",
        "..2.json",
        "latest.json",
        "2",
        "٢.json",
        "1.json",
        "0.json",
        "-1.json",
        "4.json",
    ):
        (place / "roots" / name).write_bytes(root_of(2))
    (place / "2.json").write_bytes(root_of(2))
    looked_at: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir"):
            looked_at.append(str(arguments[0]))

    with audited(hook):
        assert opened(place) == 1
    inside = [path for path in looked_at if "roots" in path]
    assert inside == []


def test_a_name_is_an_integer_and_nothing_else() -> None:
    assert update_name(2) == "2.json"
    assert update_name(2**53) == "9007199254740992.json"
    with pytest.raises(ValueError, match="format code"):
        update_name("../../etc/passwd")  # type: ignore[arg-type]


def test_what_is_no_root_is_refused_and_not_skipped(place: Path) -> None:
    deploy(place, 1)
    second = place / "roots" / "2.json"
    second.symlink_to("/etc/hostname" if Path("/etc/hostname").exists() else "/etc/passwd")
    with pytest.raises(UntrustedTable, match="root version 2 is refused: it does not begin with a JSON object"):
        opened(place)
    second.unlink()
    second.mkdir()
    with pytest.raises(ConfigurationError, match=r"2\.json is not a regular file"):
        opened(place)
    second.rmdir()
    os.mkfifo(second)
    with pytest.raises(ConfigurationError, match=r"2\.json is not a regular file"):
        opened(place)
    second.unlink()
    second.symlink_to("2.json")
    with pytest.raises(ConfigurationError, match=r"2\.json cannot be read"):
        opened(place)
    second.unlink()
    second.write_bytes(b"x" * 65_537)
    with pytest.raises(ConfigurationError, match="more than 65536 bytes"):
        opened(place)
    with pytest.raises(ConfigurationError, match=r"2\.json cannot be read: Not a directory"):
        opened(place, updates=place / "root.json")


def test_65_updates_are_noticed_and_no_more_are_read(place: Path) -> None:
    for version in range(2, 100):
        (place / "roots" / f"{version}.json").write_bytes(b"{}")
    deploy(place, 1)
    assert len(load_files(place / "routes.json", trust(place)).updates) == 65
    with pytest.raises(UntrustedTable, match="more than 64 roots follow the pinned one"):
        opened(place)


def test_files_that_are_named_must_be_there(place: Path) -> None:
    deploy(place, 1)
    for name in ("status", "revocations"):
        with pytest.raises(ConfigurationError, match=f"{name}.json cannot be read: No such file"):
            opened(place, **{name: place / f"{name}.json"})
    (place / "status.json").write_bytes(document(PayloadType.STATUS, status_payload(release_payload(BODY)), STATUS_KEY))
    with pytest.raises(UntrustedTable, match="the status is refused: the trust root has no status role"):
        opened(place, status=place / "status.json")
    with pytest.raises(UntrustedTable, match="the revocation list is refused"):
        opened(place, revocations=str(place / "status.json"))

"""A mounted directory of secrets into which, or out of which, somebody else reaches.

Kubelet mounts a secret as links through `..data` to a folder that is exchanged as a whole; a reader that follows any link is led to any
file of the machine, and one that follows none cannot read a Kubernetes secret at all.

Guards: saferoute/drivers/secret_files.py::if os.path.commonpath((real, home)) != home:
Guards: saferoute/drivers/secret_directory.py::if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
Guards: saferoute/drivers/secret_directory.py::if status.st_mode & stat.S_IROTH and not self._shielded(handle):
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers import secret_directory
from saferoute.drivers.secret_directory import DirectorySource, is_memory_read_only
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import ConfigurationError, SecretError
from saferoute.secrets.secret import key_to_store
from saferoute.secrets.sources import Secrets
from tests.support.secret_stores import ORIGIN, assert_not_shown, canary

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")


def mounted(tmp_path: Path, mode: int = 0o400) -> Path:
    """Kubelet's layout: token -> ..data/token, ..data -> ..2026_11_23, ..2026_11_23/token."""
    mount = tmp_path / "mount"
    (mount / "..2026_11_23").mkdir(parents=True, mode=0o755)
    mount.chmod(0o755)
    (mount / "..2026_11_23" / "token").write_text(canary() + "\n")
    (mount / "..2026_11_23" / "token").chmod(mode)
    (mount / "..data").symlink_to("..2026_11_23")
    (mount / "token").symlink_to("..data/token")
    return mount


def source(path: Path, *, shielded: bool = False, **more: Any) -> DirectorySource:
    return DirectorySource(str(path), (("token", (ORIGIN,)),), f"the directory {path}", shielded=lambda _: shielded, **more)


def key_of(made: DirectorySource) -> bytes:
    found = made.find("token")
    assert found is not None
    assert found.origins == (ORIGIN,)
    return key_to_store(found.secret)


def test_kubelets_layout_is_read(tmp_path: Path) -> None:
    made = source(mounted(tmp_path))
    assert key_of(made) == canary().encode()
    assert (made.names(), made.notes) == (("token",), ())


def test_it_is_read_anew_when_kubelet_exchanges_the_folder(tmp_path: Path) -> None:
    mount, now = mounted(tmp_path), [100.0]
    found = source(mount, clock=lambda: now[0]).find("token")
    assert found is not None
    watch: Any = found.watch  # type: ignore[attr-defined]
    assert not watch.is_due()
    (mount / "..2026_11_24").mkdir()
    (mount / "..2026_11_24" / "token").write_text("rotated")
    (mount / "..2026_11_24" / "token").chmod(0o400)
    (mount / "..data_tmp").symlink_to("..2026_11_24")
    (mount / "..data_tmp").replace(mount / "..data")
    now[0] = 101.0
    assert watch.is_due()
    assert watch.has_changed()
    assert key_of(source(mount)) == b"rotated"


def test_the_folder_may_be_exchanged_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = mounted(tmp_path)
    real = os.open
    fails = [FileNotFoundError(), FileNotFoundError()]

    def once_late(*arguments: Any, **more: Any) -> int:
        if fails:
            raise fails.pop()
        return real(*arguments, **more)

    monkeypatch.setattr(os, "open", once_late)
    assert key_of(source(mount)) == canary().encode()
    fails += [FileNotFoundError()] * 3
    assert source(mount).find("token") is None


@pytest.mark.parametrize("where", ["token", "..data"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, where: str) -> None:
    mount, outside = mounted(tmp_path), tmp_path / "outside"
    outside.mkdir()
    (outside / "token").write_text(canary())
    (outside / "token").chmod(0o400)
    (mount / where).unlink()
    (mount / where).symlink_to(outside / "token" if where == "token" else outside)
    with pytest.raises(SecretError, match="a symbolic link that leads out of its directory") as caught:
        source(mount).find("token")
    assert_not_shown(caught.value, canary())


@pytest.mark.parametrize("mode", [0o420, 0o402, 0o460, 0o666, 0o646])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SecretError, match=rf"others may write it \(mode {mode:o}\)"):
        source(mounted(tmp_path, mode), shielded=True).find("token")


@pytest.mark.parametrize("mode", [0o404, 0o444, 0o644])
def test_a_file_that_everybody_may_read_is_refused_but_on_a_read_only_mount_in_memory(tmp_path: Path, mode: int) -> None:
    mount = mounted(tmp_path, mode)
    with pytest.raises(SecretError, match=rf"every user of this machine may read it \(mode {mode:o}\)"):
        source(mount).find("token")
    made = source(mount, shielded=True)
    assert key_of(made) == canary().encode()
    assert made.notes == (f"The file {mount}/token can be read by every user that sees this mount (mode {mode:o}).",)


def test_a_file_that_a_foreign_group_may_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = mounted(tmp_path, 0o440)
    group = (mount / "token").stat().st_gid
    monkeypatch.setattr(os, "getegid", lambda: group)
    monkeypatch.setattr(os, "getgroups", list)
    assert key_of(source(mount)) == canary().encode()
    monkeypatch.setattr(os, "getegid", lambda: group + 1)
    monkeypatch.setattr(os, "getgroups", lambda: [group])
    assert key_of(source(mount)) == canary().encode()
    monkeypatch.setattr(os, "getgroups", lambda: [group + 2])
    with pytest.raises(SecretError, match=r"a group that this process is not in may read it \(mode 440\)"):
        source(mount).find("token")


def test_somebody_elses_file_and_directory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = mounted(tmp_path)
    own = (mount / "token").stat().st_uid
    real_stat, real_fstat = os.stat, os.fstat

    def foreign(status: os.stat_result) -> os.stat_result:
        return os.stat_result((*status[:4], 54_321, *status[5:10]))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", lambda handle: foreign(real_fstat(handle)))
        with pytest.raises(SecretError, match="cannot be used: it belongs to another user"):
            source(mount).find("token")
    with monkeypatch.context() as patch:
        patch.setattr(
            os, "stat", lambda path, **more: foreign(real_stat(path, **more)) if str(path) == str(mount) else real_stat(path, **more)
        )
        with pytest.raises(SecretError, match=f"the directory {mount} cannot be used: it belongs to another user"):
            source(mount).find("token")
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    if own == 0:
        assert key_of(source(mount)) == canary().encode()  # root's is fine


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_a_directory_into_which_others_may_write_is_refused_but_on_a_read_only_mount(
    tmp_path: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = mounted(tmp_path)
    mount.chmod(mode)
    with pytest.raises(SecretError, match=rf"others may put files there \(mode {mode:o}\), and its mount is not read-only"):
        source(mount).find("token")

    class ReadOnly:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr(os, "statvfs", lambda _: ReadOnly())
    assert key_of(source(mount)) == canary().encode()


def test_a_pipe_and_a_folder_are_refused(tmp_path: Path) -> None:
    for make in (os.mkfifo, os.mkdir):
        mount = tmp_path / make.__name__
        mount.mkdir()
        make(mount / "token", 0o700)
        with pytest.raises(SecretError, match="it is not a regular file"):
            source(mount).find("token")


def test_what_is_absent(tmp_path: Path) -> None:
    mount = mounted(tmp_path)
    made = open_sources(Secrets.directory(mount, {"token": ORIGIN, "other": ORIGIN}), {})
    assert made.find("other") is None
    assert made.find("unlisted") is None
    assert f"There is no file other in {mount}." in str(made.missing("other", origin=ORIGIN))
    assert "was not asked: the code lists token, other." in str(made.missing("unlisted", origin=ORIGIN))
    gone = open_sources(Secrets.directory(tmp_path / "gone", {"token": ORIGIN}), {})
    assert gone.find("token") is None
    assert f"There is no directory {tmp_path / 'gone'}." in str(gone.missing("token", origin=ORIGIN))
    gone.forget("token")


def test_a_directory_that_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = mounted(tmp_path)

    def fails(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "statvfs", fails)
    with pytest.raises(SecretError, match=r"it cannot be looked at \(PermissionError\)"):
        source(mount).find("token")


@pytest.mark.parametrize(
    ("lines", "shielded"),
    [
        (["30 20 0:99 / /run/secrets ro,nosuid - tmpfs tmpfs rw"], True),
        (["30 20 0:99 / /run/secrets ro - ramfs none rw"], True),
        (["30 20 0:99 / /a ro - tmpfs x rw", "31 20 0:99 / /b ro - tmpfs x rw"], True),
        (["30 20 0:99 / /a ro - tmpfs x rw", "31 20 0:99 / /b ro - ext4 x rw"], False),
        (["30 20 0:99 / /run/secrets ro - ext4 /dev/x rw"], False),
        (["30 20 0:98 / /run/secrets ro - tmpfs tmpfs rw"], False),
        (["30 0:99 1:1 / /run/secrets ro - tmpfs tmpfs rw"], False),
        ([], False),
        ([""], False),
    ],
)
def test_which_mounts_are_in_memory(lines: list[str], shielded: bool) -> None:
    assert secret_directory._is_memory(lines, "0:99") is shielded


def test_this_machines_own_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with path.open() as file:
        assert not is_memory_read_only(file.fileno())  # it can be written

        class ReadOnly:
            f_flag = os.ST_RDONLY

        monkeypatch.setattr(os, "fstatvfs", lambda _: ReadOnly())
        device = os.fstat(file.fileno()).st_dev
        mounts = tmp_path / "mountinfo"
        monkeypatch.setattr(secret_directory, "_MOUNTS", mounts)
        assert not is_memory_read_only(file.fileno())  # no list of mounts
        for kind, shielded in (("tmpfs", True), ("xfs", False)):
            mounts.write_text(f"1 0 {os.major(device)}:{os.minor(device)} / / ro - {kind} x ro\n")
            assert is_memory_read_only(file.fileno()) is shielded
    assert not is_memory_read_only(-1)


def test_without_a_seam_the_system_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = mounted(tmp_path, 0o444)
    plain = DirectorySource(str(mount), (("token", (ORIGIN,)),), "it")
    with pytest.raises(SecretError, match="every user of this machine may read it"):
        plain.find("token")
    monkeypatch.setattr(secret_directory, "is_memory_read_only", lambda _: True)
    assert key_of(DirectorySource(str(mount), (("token", (ORIGIN,)),), "it")) == canary().encode()


@pytest.mark.parametrize("name", ["a/b", "../etc", "env:X", "..data", ""])
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Secrets.directory(tmp_path, {name: ORIGIN})


@pytest.mark.parametrize("path", ["", "a\nb"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Secrets\.directory takes the path of a directory"):
        Secrets.directory(path, {"token": ORIGIN})


# -------------------------------------------------------------------------------------------------------------- systemd


def systemd(monkeypatch: pytest.MonkeyPatch, path: str | None) -> Any:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if path is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", path)
    return open_sources(Secrets.systemd({"token": ORIGIN}), {})


@pytest.mark.parametrize(
    "path",
    [
        "/etc",
        "/run/credentials",
        "/run/credentials/../../etc",
        "/run/credentials//x",
        "run/credentials/x",
        "/tmp/x",
        "/run/user/54321/credentials/x",
    ],
)
def test_the_variable_of_systemd_leads_nowhere_else(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    with pytest.raises(SecretError, match=r"does not name a directory of systemd's \(/run/credentials/SERVICE\): it is not followed"):
        systemd(monkeypatch, path)


def test_credentials_of_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = systemd(monkeypatch, "/run/credentials/acme.service")
    assert made.labels == ("the credentials of this systemd service (/run/credentials/acme.service)",)
    assert made.find("token") is None
    user = f"/run/user/{os.geteuid()}/credentials/acme.service"
    assert systemd(monkeypatch, user).labels == (f"the credentials of this systemd service ({user})",)
    absent = systemd(monkeypatch, None)
    assert absent.find("token") is None
    assert "$CREDENTIALS_DIRECTORY is not set: this process was not started by systemd" in str(absent.missing("token", origin=ORIGIN))

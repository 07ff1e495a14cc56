"""Somebody who has put code into this Python, or may write where its trust lies, hides that from the security report.

The stolen releases of LiteLLM (2026) brought a `.pth` file, which Python runs at every start. A report that reads less of such a file than
Python does, or that looks at a link and not at the folder where the link can be exchanged, would say that all is well.

Guards: saferoute/drivers/host_survey.py::with path.open(encoding="utf-8-sig", errors="replace") as lines:  # as `site` does: whole, and past a byte order mark => with path.open(encoding="utf-8", errors="replace") as lines:
Guards: saferoute/drivers/host_survey.py::folders = [folder.stat() for folder in (Path(path).resolve().parent, Path(path).absolute().parent)] => folders = [Path(path).resolve().parent.stat()]
Guards: saferoute/drivers/host_survey.py::if folder.st_mode & stat.S_IWGRP and not folder.st_mode & stat.S_ISVTX:
Guards: saferoute/drivers/host_survey.py::if folder.st_uid not in ours:
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from saferoute.drivers import host_survey
from saferoute.drivers.host_survey import loose_modes, survey

posix = pytest.mark.skipif(os.name != "posix", reason="modes mean nothing here")


@pytest.mark.parametrize(
    "content",
    [
        b"import evil\n",
        b"import\tevil",
        b"\xef\xbb\xbfimport evil\n",
        b"#" * 1_000_001 + b"\nimport evil\n",
        b"\xff\xfe\nimport evil\n",
        b"folder\r\nimport evil\r\n",
        b"folder\rimport evil\r",
    ],
)
def test_code_in_a_pth_file_is_found_wherever_python_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(host_survey.site, "getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (tmp_path / "z.pth").write_bytes(content)
    (tmp_path / "plain.pth").write_bytes(b"folder\n# import evil\n")
    assert [name for name in survey(()).startup_files if name.startswith(str(tmp_path))] == [str(tmp_path / "z.pth")]


@pytest.mark.parametrize(
    "name", ["LD_AUDIT", "GCONV_PATH", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "PYTHONPYCACHEPREFIX", "PYTHONUSERBASE"]
)
def test_a_variable_that_loads_code_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/nowhere")
    assert name in survey(()).owning


@posix
def test_a_link_that_can_be_exchanged_is_told(tmp_path: Path) -> None:
    mounted, shared = tmp_path / "mounted", tmp_path / "shared"
    mounted.mkdir(mode=0o700)
    shared.mkdir(mode=0o700)
    (mounted / "root.json").write_text("{}")
    (mounted / "root.json").chmod(0o600)
    link = shared / "root.json"
    link.symlink_to(mounted / "root.json")
    assert loose_modes(str(link)) == ""
    shared.chmod(0o777)
    assert loose_modes(str(link)) == f"the folder of {link} can be written by everybody (chmod o-w)"


@posix
@pytest.mark.parametrize(("mode", "words"), [(0o770, "can be written by a group (chmod g-w)"), (0o1770, ""), (0o750, ""), (0o1777, "")])
def test_a_folder_that_a_group_may_write_is_told(tmp_path: Path, mode: int, words: str) -> None:
    folder = tmp_path / "deployed"
    folder.mkdir()
    path = folder / "routes.json"
    path.write_text("{}")
    path.chmod(0o600)
    folder.chmod(mode)
    assert loose_modes(str(path)) == (f"the folder of {path} {words}" if words else "")


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_of_somebody_else_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = folder / "routes.json"
    path.write_text("{}")
    path.chmod(0o600)
    os.chown(folder, 12_345, -1)
    assert loose_modes(str(path)) == f"the folder of {path} belongs to another user"

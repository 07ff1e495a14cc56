"""Files that others could write, files that others can read, and a path that is itself out of a secret."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from saferoute.drivers.mint_exchange import MintExchange
from saferoute.drivers.secret_files import FileSource
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import ProviderError, SaferouteError, SecretError
from saferoute.secrets.minting import MintRequest
from saferoute.secrets.secret import Hidden
from saferoute.secrets.sources import Secrets
from tests.attacks.test_minting import assert_clean
from tests.support.token_server import KINDS, Front, TokenServer, Told, spec

ORIGIN = "https://api.example.com"
PATH = "/v2/credentials/canary-7d0e11f2-8a61"

unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")


def source(path: Path) -> FileSource:
    return FileSource((("t", str(path), (ORIGIN,)),), "files")


@unix
def test_a_file_that_a_foreign_group_may_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("planted-token")
    path.chmod(0o660)
    group = path.stat().st_gid
    monkeypatch.setattr(os, "getegid", lambda: group + 1)
    monkeypatch.setattr(os, "getgroups", lambda: [group + 2])
    with pytest.raises(SecretError, match=r"a group that this process is not in may write it \(mode 660\).*chmod g-w") as caught:
        source(path).find("t")
    assert_clean(caught.value, "planted-token")
    path.chmod(0o640)
    assert source(path).find("t") is not None


@unix
@pytest.mark.parametrize("own", ["getegid", "getgroups"])
def test_a_file_of_an_own_group_is_taken(own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("x")
    path.chmod(0o660)
    group = path.stat().st_gid
    monkeypatch.setattr(os, "getegid", lambda: group if own == "getegid" else group + 1)
    monkeypatch.setattr(os, "getgroups", lambda: [group] if own == "getgroups" else [])
    assert source(path).find("t") is not None


@unix
def test_a_file_that_everybody_may_read_is_said(tmp_path: Path) -> None:
    open_file, closed, absent = tmp_path / "open", tmp_path / "closed", tmp_path / "absent"
    for path, mode in ((open_file, 0o644), (closed, 0o600)):
        path.write_text("a-token")
        path.chmod(mode)
    places = {name: (str(path), ORIGIN) for name, path in (("open", open_file), ("closed", closed), ("absent", absent))}
    notes = open_sources(Secrets.from_file(places), {}).notes
    assert len(notes) == 1
    assert f"{open_file}, which holds 'open'" in notes[0]
    assert "mode 644" in notes[0]
    assert "a-token" not in notes[0]
    assert open_sources(Secrets.from_file({"closed": places["closed"]}), {}).notes == ()


# A container's path without a parameter `path` is what the stored secret holds: whoever knows it gets the keys.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "told",
    [Told(b"{}", 403), Told(b"{}", 404), Told(b"{}", 503), Told(b"", 302, {"location": "/x"}), Told(b"not json"), Told(b"{}"), Told(b"{}", 200, {"content-length": "9"})],
    ids=["refused", "absent", "busy", "redirect", "no JSON", "no keys", "cut off"],
)  # fmt: skip
def test_a_path_out_of_a_secret_shows_in_no_error_and_no_log(kind: str, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with TokenServer(told) as server:
        row = spec(server.origin, "aws_container", parameters={})
        with Front(kind, row, material=PATH) as front:
            with pytest.raises(SaferouteError) as caught:
                front.call(server.origin, total=1.0)
            assert_clean(caught.value, PATH)
        assert server.exchanges[0].path == PATH  # it was really asked for
        assert PATH not in caplog.text
        assert isinstance(caught.value, SaferouteError | ProviderError)


def test_a_path_out_of_a_secret_that_cannot_be_sent_does_not_show() -> None:
    with TokenServer() as server, Front("blocking", spec(server.origin, "aws_container", parameters={}), material=PATH + "/../x") as front:
        with pytest.raises(SecretError, match="has no parameter path") as caught:
            front.call(server.origin)
        assert_clean(caught.value, PATH)


def test_requests_of_an_exchange_do_not_show_their_path() -> None:
    with TokenServer() as server:
        row = spec(server.origin, "aws_container", parameters={})
        with Front("blocking", row, material=PATH) as front:
            exchange = MintExchange(row, front.credentials, front.wall)
            exchange.begin()
            sealed = exchange.request()
            assert sealed is not None
            assert sealed.path == PATH
            for one in (exchange, sealed, exchange._next):
                assert PATH not in f"{one!r} {one!s}"
    assert repr(MintRequest("GET", PATH, (), Hidden(b""))) == "MintRequest(GET the row)"
    assert repr(MintRequest("GET", PATH, (), Hidden(b""), (), ORIGIN)) == f"MintRequest(GET {ORIGIN})"

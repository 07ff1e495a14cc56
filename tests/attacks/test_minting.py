"""Short-lived credentials under attack: wrong places, hostile endpoints, odd documents, and everywhere an error could lead to a secret."""

from __future__ import annotations

import base64
import copy
import json
import logging
import os
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.address import AddressRule
from saferoute.drivers.mint_exchange import MintExchange
from saferoute.drivers.secret_files import FileSource
from saferoute.errors import (
    AddressRefused,
    OriginMismatch,
    ProviderError,
    RequestError,
    SaferouteError,
    SecretError,
    UnexpectedRedirect,
    UntrustedTable,
)
from saferoute.routing.authoring import build_payload
from saferoute.secrets.minting import Minted, MintRequest, bare
from saferoute.secrets.recipes import recipe_for
from saferoute.secrets.secret import Hidden, Secret
from saferoute.values.http import NetClass
from tests.attacks.test_transport_keys import frames_of
from tests.support.token_server import KINDS, MATERIAL, TOKEN, Front, TokenServer, Told, request, spec, token
from tests.support.trust_cases import files, row, table

STS = "https://sts.googleapis.com"


def assert_clean(error: BaseException, *secrets: str) -> None:
    """Look for the secrets in what error reporters collect, and in the bytes and attributes of every local."""
    text = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    if isinstance(error, SaferouteError):
        text += error.diagnostics()
    for frame in frames_of(error):
        if "/tests/" in frame.f_code.co_filename:
            continue  # the tests know the secrets
        for value in frame.f_locals.values():
            text += repr(value)
            if isinstance(value, (bytes, bytearray, memoryview)):
                text += bytes(value).decode("latin-1")
            if isinstance(value, (list, tuple)):
                text += "".join(bytes(item).decode("latin-1") for item in value if isinstance(item, (bytes, bytearray)))
    for secret in secrets:
        for form in (secret, base64.b64encode(secret.encode()).decode(), secret.encode().hex()):
            assert form not in text


# ------------------------------------------------------------------------------------------------ where a token goes


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_never_goes_to_a_foreign_origin(kind: str) -> None:
    """Refused before anything is made: not even the token endpoint hears of it."""
    with TokenServer() as server, TokenServer() as foreign, Front(kind, spec(server.origin)) as front:
        with pytest.raises(OriginMismatch, match="is made for"):
            front.call(foreign.origin)
        assert server.exchanges == foreign.calls == []
        front.call(server.origin)
        with pytest.raises(OriginMismatch, match="Nothing was sent"):
            front.call(foreign.origin)
        with pytest.raises(OriginMismatch):
            front.credentials.header("cloud", "bearer", foreign.origin)
        assert foreign.calls == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_token_is_made_from_goes_to_its_endpoint_only(kind: str) -> None:
    with TokenServer() as server, Front(kind, spec(server.origin), bound="https://login.microsoftonline.com") as front:
        with pytest.raises(OriginMismatch, match="'material' is bound to https://login"):
            front.call(server.origin)
        assert server.exchanges == []


def test_a_made_credential_is_never_looked_up_in_a_store() -> None:
    """A store that holds the same name cannot put its own value in the place of what the table says."""
    with TokenServer() as server, Front("blocking", spec(server.origin, name="material", secret=None)) as front:
        assert front.credentials._sources.find("material") is not None
        with pytest.raises(SecretError, match="was not made yet"):
            front.credentials.header("material", "bearer", server.origin)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_endpoint_is_not_followed(kind: str, status: int) -> None:
    with TokenServer() as elsewhere:
        told = Told(b"", status, {"location": f"{elsewhere.origin}/team/oauth2/v2.0/token"})
        with TokenServer(told) as server, Front(kind, spec(server.origin)) as front:
            with pytest.raises(UnexpectedRedirect, match="none is followed"):
                front.call(server.origin)
            assert elsewhere.exchanges == elsewhere.calls == server.calls == []


def test_a_recipe_asks_only_what_its_row_declares() -> None:
    with TokenServer() as server, Front("blocking", spec(server.origin, more_origins=("https://declared.example",))) as front:
        exchange = MintExchange(front.credentials.made["cloud"], front.credentials, front.wall)
        for origin, allowed in (("", True), (server.origin, True), ("https://declared.example", True), ("https://other.example", False)):
            exchange._next = MintRequest("POST", "/x", (), Hidden(b""), (), origin)
            if allowed:
                made = exchange.request()
                assert made is not None
                assert made.origin == (origin or server.origin)
            else:
                with pytest.raises(SecretError, match="its row does not name"):
                    exchange.request()


@pytest.mark.parametrize(
    "asked",
    [
        MintRequest("POST", "/x", (), Hidden(b"x" * 65_536)),
        MintRequest("GET", "/x", (), Hidden(b""), (("authorization", Hidden(b"a")), ("cookie", Hidden(b"b")))),
    ],
)
def test_a_recipe_asks_for_no_more_than_an_exchange_may(asked: MintRequest) -> None:
    with TokenServer() as server, Front("blocking", spec(server.origin)) as front:
        exchange = MintExchange(front.credentials.made["cloud"], front.credentials, front.wall)
        exchange._next = asked
        with pytest.raises(SecretError, match="asks for more than an exchange may"):
            exchange.request()
        endless = MintRequest("GET", "/x", (), Hidden(b""))
        exchange._steps = 0
        with pytest.raises(SecretError, match="asks for more"):
            for _ in range(20):
                exchange._next = endless
                exchange.request()


def test_what_an_exchange_lends_goes_to_its_place_only() -> None:
    with TokenServer() as server, Front("blocking", spec(server.origin)) as front:
        name = front.credentials.lend("authorization", Hidden(b"Bearer x"), server.origin)
        assert front.credentials.header(name, "bearer", server.origin) == (b"authorization", b"Bearer x")
        with pytest.raises(OriginMismatch):
            front.credentials.header(name, "bearer", "https://other.example")
        front.credentials.take_back(name)
        with pytest.raises(SaferouteError):
            front.credentials.header(name, "bearer", server.origin)


def test_a_caller_cannot_set_the_metadata_session_header() -> None:
    with (
        TokenServer() as server,
        Front("blocking", spec(server.origin)) as front,
        pytest.raises(RequestError, match="transport's business"),
    ):
        front.call(server.origin, headers=(("x-aws-ec2-metadata-token", "x"),))


# -------------------------------------------------------------------------------------------------- metadata addresses


@pytest.mark.parametrize("origin", ["http://169.254.169.254", "http://169.254.170.2", "http://169.254.170.23", "https://169.254.169.254"])
@pytest.mark.parametrize("net", ["public", "loopback", "private", "metadata"])
def test_no_route_goes_to_a_metadata_address(origin: str, net: str) -> None:
    networks = {"networks": ["10.0.0.0/8"]} if net == "private" else {}
    with pytest.raises(UntrustedTable):
        files(table(row(origin=origin, net=net, **networks))).open()


def test_a_routes_own_net_class_never_admits_a_metadata_address() -> None:
    addresses = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "::ffff:169.254.169.254", "fd00:ec2::254", "fd00:ec2::23")
    for net in (
        NetClass(),
        NetClass("loopback"),
        NetClass("private", ("10.0.0.0/8", "fd00::/8")),
        NetClass("private", ("169.254.0.0/16",)),
    ):
        assert not any(AddressRule(net).allows(address) for address in addresses)


def test_the_metadata_class_admits_three_addresses_and_no_more() -> None:
    rule = AddressRule(NetClass("metadata"))
    assert all(rule.allows(address) for address in ("169.254.169.254", "169.254.170.2", "169.254.170.23"))
    others = ("169.254.169.253", "169.254.170.3", "169.254.0.1", "127.0.0.1", "10.0.0.1", "8.8.8.8", "::1", "fe80::1", "fd00:ec2::254")
    assert not any(rule.allows(address) for address in others)
    with pytest.raises(AddressRefused, match="no metadata address"):
        rule.check("169.254.169.254", ["169.254.169.254", "8.8.8.8"])


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "http://169.254.170.2"},
        {"origin": "http://169.254.169.254:8080"},
        {"origin": "https://169.254.169.254"},
        {"origin": "http://metadata.google.internal"},
        {"origin": "http://127.0.0.1:8080", "net": "loopback"},
        {"net": "public"},
        {"net": "private", "networks": ["10.0.0.0/8"]},
        {"networks": ["10.0.0.0/8"]},
    ],
)
def test_metadata_kinds_are_made_at_their_fixed_address_only(changes: dict[str, Any]) -> None:
    raw = {"kind": "google_metadata", "origin": "http://169.254.169.254", "net": "metadata", "origins": ["https://api.example.com"]}
    files(table(row(secret="cloud"), credentials={"cloud": raw})).open()
    with pytest.raises(UntrustedTable, match="and nowhere else"):
        files(table(row(secret="cloud"), credentials={"cloud": raw | changes})).open()


@pytest.mark.parametrize("origin", ["http://169.254.169.254", "http://169.254.170.23"])
def test_other_kinds_are_never_made_at_a_metadata_address(origin: str) -> None:
    raw = {"kind": "google_service_account", "origin": origin, "net": "metadata", "origins": ["https://api.example.com"], "secret": "key"}
    with pytest.raises(UntrustedTable, match="for its own machines"):
        files(table(row(secret="cloud"), credentials={"cloud": raw})).open()
    with pytest.raises(UntrustedTable):
        files(table(row(secret="cloud"), credentials={"cloud": raw | {"net": "public"}})).open()


def test_a_changed_credential_in_memory_is_noticed() -> None:
    raw = {"kind": "google_service_account", "origin": STS, "net": "public", "origins": ["https://api.example.com"], "secret": "key"}
    for change in (
        {"origin": "https://evil.example"},
        {"origins": ("https://evil.example",)},
        {"parameters": {"scope": "x"}},
        {"secret": "b"},
    ):
        opened = files(table(row(secret="cloud"), credentials={"cloud": raw})).open()
        opened.recheck(opened.routes["main"])
        for name, value in change.items():
            object.__setattr__(opened.credentials["cloud"], name, value)
        with pytest.raises(UntrustedTable, match="the credential 'cloud' in memory is not what was signed"):
            opened.recheck(opened.routes["main"])


# ---------------------------------------------------------------------------------------------------- hostile answers


@pytest.mark.parametrize("kind", KINDS)
def test_a_huge_answer_is_refused_while_it_arrives(kind: str) -> None:
    told = Told(b'{"access_token": "' + b"x" * 3_000_000 + b'"}')
    with TokenServer(told) as server, Front(kind, spec(server.origin)) as front:
        with pytest.raises(SecretError, match="more than 65536 bytes"):
            front.call(server.origin)
        assert server.calls == []


BAD_LIVES: list[Any] = [-1, 0, 10**30, 1e308, "", "soon", "1e3", "-5", "9" * 40, True, None, [], {}, 0.5, 40 * 86_400]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("life", BAD_LIVES)
def test_a_life_that_makes_no_sense_is_refused(kind: str, life: object) -> None:
    with TokenServer(token(TOKEN, life)) as server, Front(kind, spec(server.origin)) as front:
        with pytest.raises(SecretError) as caught:
            front.call(server.origin)
        assert_clean(caught.value, TOKEN, MATERIAL)
        assert front.credentials.kept("cloud") is None
        assert server.calls == []


BAD_BODIES = [
    b'{"access_token": "%s", "access_token": "other", "expires_in": 60}',
    b'{"access_token": "%s", "expires_in": NaN}',
    b'{"access_token": "%s", "expires_in": Infinity}',
    b'{"access_token": "%s", "expires_in": 1e999}',
    b'{"access_token": "%s\\r\\nx-evil: 1", "expires_in": 60}',
    b'{"access_token": "%s\\u0000", "expires_in": 60}',
    b'{"access_token": "%s two", "expires_in": 60}',
    b'{"access_token": "%s\\u00e9", "expires_in": 60}',
    b'{"access_token": ["%s"], "expires_in": 60}',
    b'{"access_token": "", "x": "%s", "expires_in": 60}',
    b'{"token": "%s", "expires_in": 60}',
    b'{"access_token": "%s", "expires_in": 60, "token_type": "mac"}',
    b'{"access_token": "%s", "expires_in": 60, "token_type": {}}',
    b'[{"access_token": "%s", "expires_in": 60}]',
    b'"%s"',
    b"%s",
    b'\xff{"access_token": "%s"}',
    b'\xef\xbb\xbf{"access_token": "%s", "expires_in": 60}',
    b'{"access_token": "%s", "expires_in": 60, "x": ' + b"[" * 20_000,
    b"",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_an_odd_answer_is_refused_and_leads_nowhere(kind: str, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with TokenServer(Told(body.replace(b"%s", TOKEN.encode()))) as server, Front(kind, spec(server.origin)) as front:
        with pytest.raises(SecretError) as caught:
            front.call(server.origin)
        assert_clean(caught.value, TOKEN, MATERIAL)
        assert TOKEN not in caplog.text
        assert MATERIAL not in caplog.text
        assert server.calls == []


# ------------------------------------------------------------------------------------------------ nothing leads to a secret


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500, 503])
def test_no_error_leads_to_what_was_exchanged(kind: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """The endpoint echoes the request's secret, as such endpoints do."""
    caplog.set_level(logging.DEBUG)
    echoed = json.dumps({"error": MATERIAL, "error_description": f"bad {MATERIAL}", "access_token": f"{TOKEN} x"}).encode()
    with TokenServer(Told(echoed, status)) as server, Front(kind, spec(server.origin)) as front:
        with pytest.raises((SecretError, ProviderError)) as caught:
            front.call(server.origin)
        assert MATERIAL.encode() in server.exchanges[0].body  # so it was there to be leaked
        assert_clean(caught.value, TOKEN, MATERIAL)
        assert MATERIAL not in caplog.text
        assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "told",
    [
        Told(token().body, headers={"content-length": "4000"}),
        Told(token().body, headers={"transfer-encoding": "chunked"}),
        Told(token().body, drip=0.2),
        Told(token().body, headers={"content-encoding": "gzip"}),
    ],
    ids=["cut", "bad-chunks", "dripping", "not-gzip"],
)
def test_an_answer_that_breaks_off_leads_to_nothing_of_it(kind: str, told: Told) -> None:
    with TokenServer(told) as server, Front(kind, spec(server.origin)) as front:
        with pytest.raises(SaferouteError) as caught:
            front.call(server.origin, total=1.0)
        assert_clean(caught.value, TOKEN, MATERIAL, TOKEN[:10])
        assert server.calls == []


def test_an_exchange_and_its_requests_do_not_show_copy_or_pickle() -> None:
    with TokenServer() as server, Front("blocking", spec(server.origin)) as front:
        exchange = MintExchange(front.credentials.made["cloud"], front.credentials, front.wall)
        exchange.begin()
        sealed = exchange.request()
        assert sealed is not None
        assert MATERIAL.encode() in sealed.body
        for one in (exchange, sealed, front.credentials):
            assert MATERIAL not in repr(one) + str(one)
            for take in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match="cannot be copied or pickled"):
                    take(one)
        assert sealed == sealed  # noqa: PLR0124  only itself
        assert sealed != request(server.origin)


def test_a_defect_in_a_recipe_leads_to_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a recipe raises, its message and its frames stay inside."""

    def broken(_: object, material: Secret | None, __: float) -> Any:
        seen = MATERIAL
        if material is not None:
            raise KeyError(seen)
        yield None

    monkeypatch.setattr("saferoute.drivers.mint_exchange.recipe_for", lambda _: broken)
    with TokenServer() as server, Front("blocking", spec(server.origin)) as front:
        with pytest.raises(SecretError, match="not understood") as caught:
            front.call(server.origin)
        assert_clean(caught.value, MATERIAL)


def test_bare_cuts_every_link() -> None:
    def deep() -> None:
        secret = MATERIAL
        try:
            raise ValueError(secret)
        except ValueError as error:
            raise SecretError("safe") from error

    with pytest.raises(SecretError) as caught:
        deep()
    cut = bare(caught.value)
    assert list(frames_of(cut)) == []
    assert (cut.__cause__, cut.__context__) == (None, None)


def test_a_made_credential_does_not_show() -> None:
    minted = Minted(Secret(TOKEN), 1.0)
    assert TOKEN not in repr(minted)
    assert "rule" not in repr(recipe_for("openai_workload"))


# -------------------------------------------------------------------------------------------------------------- files


def test_files_that_are_not_taken(tmp_path: Path) -> None:
    good = tmp_path / "token"
    good.write_text("a-token\n")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text("stolen")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "up").symlink_to(Path("..") / outside.name)
    (tmp_path / "folder").mkdir()
    loose = tmp_path / "loose"
    loose.write_text("x")
    loose.chmod(0o646)
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "two").write_text("a\nb\n")
    (tmp_path / "pickle").write_bytes(b"\x80\x04\x95")
    for name, why in (
        ("link", "leads out of its directory"),
        ("up", "leads out of its directory"),
        ("folder", "not a regular file"),
        ("loose", r"others may write it \(mode 646\)"),
        ("large", "larger than 65536 bytes"),
        ("two", "printable ASCII only"),
        ("pickle", "printable ASCII only"),
    ):
        source = FileSource((("t", str(tmp_path / name), (STS,)),), "files")
        with pytest.raises(SecretError, match=why) as caught:
            source.find("t")
        assert_clean(caught.value, "stolen")
    inside = tmp_path / "..data"
    inside.mkdir()
    (inside / "token").write_text("rotated")
    (tmp_path / "mounted").symlink_to(Path("..data") / "token")
    assert FileSource((("t", str(tmp_path / "mounted"), (STS,)),), "files").find("t") is not None


def test_another_users_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("x")
    found = path.stat()
    monkeypatch.setattr("os.fstat", lambda _: os.stat_result((found.st_mode, 1, 1, 1, 54_321, 1, 1, 0, 0, 0)))
    with pytest.raises(SecretError, match="belongs to another user"):
        FileSource((("t", str(path), (STS,)),), "files").find("t")


def test_a_table_names_no_file_and_no_command() -> None:
    """Where a secret's file is, is the program's to say: a table with such a field is refused."""
    for name in ("path", "file", "command", "executable", "url", "token_uri", "credential_source"):
        raw = {"kind": "google_service_account", "origin": STS, "net": "public", "origins": ["https://api.example.com"], "secret": "key"}
        with pytest.raises(UntrustedTable):
            files(table(row(secret="cloud"), credentials={"cloud": raw | {name: "/etc/passwd"}})).open()
    assert build_payload([row()], {}, credentials={})

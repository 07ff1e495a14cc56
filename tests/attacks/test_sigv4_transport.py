"""A key that signs stays where it signs: no error, frame, repr, pickle or second request ever leads to it."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
from collections.abc import Callable, Iterator

import httpx
import pytest

from saferoute.drivers.httpx_bridge import AsyncHttpxBridge, HttpxBridge
from saferoute.drivers.transport_request import credential_pairs, head_of, write_request
from saferoute.drivers.transport_site import Site
from saferoute.errors import ConfigurationError, OriginMismatch, RequestError, SaferouteError, SecretError, TimedOut
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.lookup import MemorySource, Sources
from saferoute.secrets.secret import Secret, SecretRecord
from saferoute.secrets.signer import Signer, joined_key, make_signer
from saferoute.values.http import HttpRequest
from saferoute.wire.sigv4 import AwsKeys, Scope, derived_key
from tests.attacks.test_transport_keys import frames_of
from tests.drivers.doors import KINDS, LOOPBACK, Door, OneKey, clocks, request
from tests.drivers.hostile import HostileServer
from tests.support.aws_server import HOST, KEY_ID, SECRET, STORED, TEMPORARY, TOKEN

ORIGIN = f"https://{HOST}"
NOW = 1_795_000_000.0
DERIVED = derived_key(AwsKeys(KEY_ID, SECRET, TOKEN), Scope("bedrock", "us-east-1"), "20261118")
FORMS = (SECRET, TOKEN, DERIVED.hex(), DERIVED.decode("latin-1"), repr(DERIVED)[2:-1])


def shown(value: object, depth: int = 3) -> str:
    """What an error reporter may print of a local: its repr, its bytes, and what containers hold."""
    text = repr(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        text += bytes(value).decode("latin-1")
    if isinstance(value, (list, tuple, set, frozenset)) and depth:
        text += "".join(shown(item, depth - 1) for item in value)
    if isinstance(value, dict) and depth:
        text += "".join(shown(item, depth - 1) for item in value.values())
    return text


def assert_clean(error: BaseException) -> None:
    text = repr(error) + repr(error.__dict__)
    if isinstance(error, SaferouteError):
        text += error.diagnostics()
    for frame in frames_of(error):
        if "/tests/" not in frame.f_code.co_filename:  # the tests know the key
            text += "".join(shown(value) for value in frame.f_locals.values())
    assert not [form for form in FORMS if form in text]


def signed(path: str = "/model/x/converse", *, body: bytes = b"{}", origin: str = ORIGIN, **fields: object) -> HttpRequest:
    return request(origin, path, body, secret="main", auth="sigv4", net=LOOPBACK, **fields)


def record(stored: str = TEMPORARY, *origins: str) -> SecretRecord:
    return SecretRecord("main", Secret(stored), origins or (ORIGIN,))


def test_the_canary_is_there_to_be_found() -> None:
    """Or else these tests would look for nothing."""
    signer = make_signer(record(), ORIGIN)
    pairs = dict(signer.pairs(signed(), NOW))
    assert pairs[b"x-amz-security-token"] == TOKEN.encode()
    assert signer._day == ("20261118", DERIVED)
    assert SECRET not in str(pairs)


# ---------------------------------------------------------------------------------------------------- what is stored


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (KEY_ID, "it has 1 part between colons"),
        (f"{STORED}:{TOKEN}:", "it has 4 parts between colons"),
        (f"{KEY_ID}:{SECRET}:", "session token is empty"),
        (f":{SECRET}", "access key id"),
        (f"{KEY_ID}:", "secret access key is empty"),
        (f"{SECRET}:{KEY_ID}", "access key id"),
        ("ABSKQmVkcm9ja0FQSUtleS1leGFtcGxl", "1 part between colons"),
    ],
)
def test_what_is_no_aws_key_is_refused_with_the_form_and_not_shown(stored: str, says: str) -> None:
    with pytest.raises(SecretError, match=says) as caught:
        make_signer(record(stored), ORIGIN)
    assert "ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN" in str(caught.value)
    assert_clean(caught.value)
    assert KEY_ID not in str(caught.value)


@pytest.mark.parametrize("parts", [(KEY_ID, f"{SECRET}:x", None), (KEY_ID, SECRET, f"{TOKEN}:x")])
def test_a_colon_cannot_move_one_part_into_another(parts: tuple[str, str, str | None]) -> None:
    assert joined_key(*parts) == "a part of it has a colon, which no AWS key has"


def test_joined_and_read_again() -> None:
    joined = joined_key(KEY_ID, SECRET, TOKEN)
    assert joined == Secret(TEMPORARY)
    assert joined_key(KEY_ID, SECRET, None) == Secret(STORED)
    assert (
        joined_key(KEY_ID, "", None) == "the AWS secret access key is empty, too long, or has spaces or control characters: paste it again"
    )


# ---------------------------------------------------------------------------------------------------- who may sign what


def test_a_signer_is_made_for_a_bound_origin_only() -> None:
    for origin in ("https://bedrock-runtime.us-east-2.amazonaws.com", f"{ORIGIN}:8443", f"http://{HOST}"):
        with pytest.raises(OriginMismatch) as caught:
            make_signer(record(), origin)
        assert_clean(caught.value)


@pytest.mark.parametrize(
    "origin",
    ["https://api.example.com", "https://127.0.0.1", f"https://{HOST}.evil.example", "https://s3.us-east-1.amazonaws.com", "https://[::1]"],
)
def test_nothing_is_signed_for_a_host_that_is_not_aws(origin: str) -> None:
    """The host says the scope. A signature for a guessed scope, sent to somebody else, could be presented to AWS."""
    for attempt in (lambda: make_signer(record(TEMPORARY, origin), origin), lambda: Signer(AwsKeys(KEY_ID, SECRET), origin)):
        with pytest.raises(ConfigurationError, match="not an AWS address") as caught:
            attempt()
        assert_clean(caught.value)


def test_a_signer_signs_for_its_own_origin_only() -> None:
    signer = make_signer(record(), ORIGIN)
    with pytest.raises(OriginMismatch) as caught:
        signer.pairs(signed(origin="https://bedrock-runtime.us-east-2.amazonaws.com"), NOW)
    assert_clean(caught.value)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -1e20, 1e20])
def test_a_broken_clock_leads_to_no_key(now: float) -> None:
    with pytest.raises(RequestError, match="the clock is wrong") as caught:
        make_signer(record(), ORIGIN).pairs(signed(), now)
    assert_clean(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("headers", [(("x-a", "1\r\nx-evil: 2"),), (("x-amz-date", "mine"),), (("authorization", "mine"),)])
def test_a_request_that_cannot_be_signed_leads_to_no_key(headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(RequestError) as caught:
        make_signer(record(), ORIGIN).pairs(signed(headers=headers), NOW)
    assert_clean(caught.value)
    assert "evil" not in str(caught.value)


def test_a_signer_is_not_shown_copied_or_pickled() -> None:
    signer = make_signer(record(), ORIGIN)
    signer.pairs(signed(), NOW)
    assert f"{signer!r}{signer}{[signer]}".count(f"Signer({ORIGIN})") == 3
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            attempt(signer)
        assert_clean(caught.value)
    assert not hasattr(signer, "__dict__")


# ---------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("failure", [OSError(5, "broken"), KeyboardInterrupt(), ValueError("odd"), MemoryError()])
@pytest.mark.parametrize("size", [10, 100_000])
def test_whatever_breaks_in_the_write_is_handed_back_without_its_frames(failure: BaseException, size: int) -> None:
    def sendall(data: bytes) -> None:
        buffer = bytes(data)
        if TOKEN.encode() in buffer:
            raise failure

    sent = signed(body=b"b" * size)
    head = head_of(sent, Site(ORIGIN, LOOPBACK).fixed)
    returned = write_request(sent, head, OneKey(ORIGIN, key=TEMPORARY), sendall, lambda: None)
    assert returned is failure
    assert list(frames_of(returned)) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), MemoryError(), RuntimeError("clock")])
def test_whatever_breaks_while_signing_is_handed_back_without_its_frames(failure: BaseException) -> None:
    """The clock is asked in the middle of it; so may be Ctrl-C."""

    def wall() -> float:
        raise failure

    sent = signed()
    head = head_of(sent, Site(ORIGIN, LOOPBACK).fixed)
    returned = write_request(sent, head, OneKey(ORIGIN, key=TEMPORARY), pytest.fail, lambda: None, wall=wall)
    assert returned is failure
    assert list(frames_of(returned)) == []


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_error_of_ours_in_the_write_leaves_no_key_behind(size: int) -> None:
    def late(*_: bytes) -> None:
        raise TimedOut(clock="total", seconds=1.0, sent=True)

    sent = signed(body=b"b" * size)
    head = head_of(sent, Site(ORIGIN, LOOPBACK).fixed)
    with pytest.raises(TimedOut) as caught:
        write_request(sent, head, OneKey(ORIGIN, key=TEMPORARY), late, lambda: None, wall=lambda: NOW)
    assert_clean(caught.value)


class BadSigner:
    """A source whose signatures are not what a signature is."""

    def __init__(self, pairs: tuple[tuple[bytes, bytes], ...]) -> None:
        self._pairs = pairs

    def signer(self, name: str, origin: str) -> BadSigner:
        return self

    def pairs(self, sent: HttpRequest, now: float) -> tuple[tuple[bytes, bytes], ...]:
        return self._pairs


_DATE = (b"x-amz-date", b"20261118T000000Z")


@pytest.mark.parametrize(
    "pairs",
    [
        (),
        (_DATE,),
        ((b"authorization", TOKEN.encode()),),
        (_DATE, (b"authorization", b"")),
        (_DATE, (b"authorization", TOKEN.encode() + b"\r\nx-evil: 1")),
        (_DATE, (b"x-amz-security-token", TOKEN.encode() + b"\n"), (b"authorization", b"x")),
        (_DATE, (b"host", b"evil.example"), (b"authorization", b"x")),
        (_DATE, (b"authorization", b"x"), (b"x-evil", b"1")),
    ],
)
def test_a_signature_is_two_or_three_headers_without_line_ends(pairs: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(SecretError, match="cannot be sent") as caught:
        credential_pairs(signed(), BadSigner(pairs), lambda: NOW)  # type: ignore[arg-type]
    assert_clean(caught.value)


def test_the_header_of_a_bearer_key_is_not_made_of_an_aws_key() -> None:
    """`header` never presents what signs."""
    keys = Credentials(Sources([MemorySource([record()])]))
    with pytest.raises(ConfigurationError, match="presents no secret") as caught:
        keys.header("main", "sigv4", ORIGIN)
    assert_clean(caught.value)


# ---------------------------------------------------------------------------------------------------- whole exchanges


@pytest.fixture
def server() -> Iterator[HostileServer]:
    server = HostileServer()
    yield server
    server.stop()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/rst", "/hang-up", "/hang", "/rst-mid", "/short", "/garbage", "/not-gzip", "/pause"])
def test_no_error_of_an_exchange_leads_to_the_key(server: HostileServer, kind: str, path: str) -> None:
    origin = f"http://{HOST}:{server.port}"
    with Door(kind, credentials=OneKey(origin, key=TEMPORARY), resolver=lambda *_: ["127.0.0.1"]) as door:
        with pytest.raises(SaferouteError) as caught:
            door.fetch(signed(path, origin=origin), clocks(first_byte=0.2, idle=0.2, total=0.5))
        assert_clean(caught.value)
    assert TOKEN.encode() in server.requests[-1]  # so it was there to be leaked
    assert SECRET.encode() not in server.requests[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_stays_alive_in_a_transport_holds_the_key(server: HostileServer, kind: str) -> None:
    origin = f"http://{HOST}:{server.port}"
    with Door(kind, credentials=OneKey(origin, key=TEMPORARY), resolver=lambda *_: ["127.0.0.1"]) as door:
        door.fetch(signed("/ok", origin=origin))
        seen: set[int] = set()
        todo: list[object] = [door.transport]
        while todo:
            one = todo.pop()
            if id(one) in seen or isinstance(one, (OneKey, type, asyncio.AbstractEventLoop)) or callable(one):
                continue
            seen.add(id(one))
            assert not isinstance(one, (Signer, AwsKeys))
            if isinstance(one, (bytes, bytearray, str)):
                assert not [form for form in FORMS if form in shown(one)]
            elif type(one).__module__.startswith(("saferoute", "builtins", "asyncio", "collections")):
                todo += gc.get_referents(one)


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_is_not_signed_again(server: HostileServer, kind: str) -> None:
    origin = f"http://{HOST}:{server.port}"
    with Door(kind, credentials=OneKey(origin, key=TEMPORARY), resolver=lambda *_: ["127.0.0.1"]) as door:
        head, _ = door.fetch(signed("/redirect", origin=origin))
    assert (head.status, len(server.requests)) == (307, 1)


def _raises(failure: BaseException) -> Callable[[httpx.Request], httpx.Response]:
    def handle(sent: httpx.Request) -> httpx.Response:
        headers = dict(sent.headers)  # a local with the token, as httpx's own frames have them
        assert headers["x-amz-security-token"] == TOKEN
        raise failure

    return handle


@pytest.mark.parametrize("failure", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), RuntimeError("x"), KeyboardInterrupt()], ids=repr)
def test_an_error_of_an_httpx_transport_leads_to_no_key(failure: BaseException) -> None:
    expected = (SaferouteError, RuntimeError, KeyboardInterrupt)
    mock = httpx.MockTransport(_raises(failure))
    with pytest.raises(expected) as caught:
        HttpxBridge(mock, OneKey(ORIGIN, key=TEMPORARY)).open(signed(), clocks())
    assert_clean(caught.value)
    if isinstance(failure, KeyboardInterrupt):
        return

    async def concurrent() -> None:
        await AsyncHttpxBridge(mock, OneKey(ORIGIN, key=TEMPORARY)).open(signed(), clocks())

    with pytest.raises(expected) as caught:
        asyncio.run(concurrent())
    assert_clean(caught.value)


def test_forgetting_a_key_forgets_its_signatures() -> None:
    """After a rotation nothing is signed with the old key, nor with what was derived of it."""
    held = {"main": record()}

    class Rotating(MemorySource):
        def find(self, name: str) -> SecretRecord | None:
            return held.get(name)

    keys = Credentials(Sources([Rotating([])]))
    first = keys.signer("main", ORIGIN)
    assert keys.signer("main", ORIGIN) is first
    assert keys.cached("main", "sigv4", ORIGIN) is first
    held["main"] = SecretRecord("main", Secret("AKIDNEW:another"), (ORIGIN,), 2)
    keys.forget("main")
    assert keys.cached("main", "sigv4", ORIGIN) is None
    (_, (_, proof)) = keys.signer("main", ORIGIN).pairs(signed(), NOW)
    assert b"Credential=AKIDNEW/" in proof
    assert KEY_ID not in repr(keys)

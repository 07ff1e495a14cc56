"""Where a request may go, and what the environment may say about it: nothing. Rebinding, special addresses, proxies, key logs, forks."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.drivers.address import AddressRule, resolve_with_system
from saferoute.drivers.tls import ClientTls
from saferoute.errors import AddressRefused, ConfigurationError, ConnectFailed, SaferouteError
from saferoute.values.http import NetClass
from tests.drivers.doors import KINDS, Door, OneKey, clocks, request
from tests.drivers.hostile import BODY, Certificates, HostileServer

PUBLIC = NetClass()


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    server = HostileServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


# ------------------------------------------------------------------------------------------------ addresses

SPECIAL = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::",
    "2002:a9fe:a9fe::", "2620:4f:8000::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1",
    "2606:4700::1%lo", "4000::1", "localhost", "", "127.1", "0x7f.0.0.1", "2130706433", "1.2.3.4.5", "8.8.8.8 ", "١.1.1.1",
]  # fmt: skip
GLOBAL = ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "104.18.6.192", "126.255.255.255", "128.0.0.0",
          "168.63.129.15", "172.15.255.255", "172.32.0.0", "223.255.255.255", "::ffff:8.8.8.8", "2001:200::1", "2606:4700::1", "2a00:1450::1",
          "2003::1", "2620:0:2d0::1"]  # fmt: skip


@pytest.mark.parametrize("address", SPECIAL)
def test_public_means_no_special_address(address: str) -> None:
    assert not AddressRule(PUBLIC).allows(address)
    with pytest.raises(AddressRefused, match="nothing was sent") as caught:
        AddressRule(PUBLIC).check("api.example.com", ["8.8.8.8", address])
    assert not caught.value.sent
    assert not caught.value.retryable


@pytest.mark.parametrize("address", GLOBAL)
def test_public_means_every_other_address(address: str) -> None:
    assert AddressRule(PUBLIC).check("api.example.com", [address]) == (address,)


def test_no_address_that_the_standard_library_calls_private_is_public() -> None:
    rule = AddressRule(PUBLIC)
    for high in range(256):
        for low in (0, 1, 16, 31, 63, 64, 88, 127, 128, 168, 254):
            address = ipaddress.ip_address(f"{high}.{low}.0.1")
            if not address.is_global:
                assert not rule.allows(str(address)), address


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("::ffff:127.0.0.1", True), ("::ffff:8.8.8.8", False), ("8.8.8.8", False),
     ("10.0.0.1", False), ("0.0.0.0", False), ("::", False), ("169.254.169.254", False)],
)  # fmt: skip
def test_loopback(address: str, allowed: bool) -> None:
    assert AddressRule(NetClass("loopback")).allows(address) is allowed


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("10.2.0.1", False), ("192.168.0.1", False), ("fd12::1", True), ("fd13::1", False), ("8.8.8.8", False),
     ("127.0.0.1", False)],
)  # fmt: skip
def test_private_networks(address: str, allowed: bool) -> None:
    assert AddressRule(NetClass("private", ("10.1.0.0/16", "fd12::/16"))).allows(address) is allowed


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1", "fd00:ec2::254", "ff02::1", "::",
                "64:ff9b::a9fe:a9fe", "168.63.129.16"],
)  # fmt: skip
def test_a_private_network_never_holds_metadata_or_multicast(address: str) -> None:
    assert not AddressRule(NetClass("private", ("0.0.0.0/0", "::/0"))).allows(address)


def test_private_without_networks_allows_nothing() -> None:
    assert not AddressRule(NetClass("private")).allows("10.0.0.1")


@pytest.mark.parametrize("block", ["10.0.0.1/8", "ten", "", "10.0.0.0/33"])
def test_a_network_that_is_none(block: str) -> None:
    with pytest.raises(ConfigurationError, match="CIDR"):
        AddressRule(NetClass("private", (block,)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"]
)
def test_a_name_that_rebinds_is_refused_before_connecting(kind: str, address: str) -> None:
    """A public row whose name resolves inward: for every order and company of addresses."""
    for found in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):
        key = OneKey("https://api.example.com")
        door = Door(kind, credentials=key, resolver=lambda host, port, found=found: found)  # type: ignore[misc]
        with door, pytest.raises(AddressRefused) as caught:
            door.fetch(request("https://api.example.com", net=PUBLIC, secret="main", auth="bearer"))
        assert address in str(caught.value)
        assert (caught.value.sent, key.asked) == (False, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_name_is_resolved_once_and_the_checked_address_is_connected_to(
    server: HostileServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that answers differently the second time is not asked a second time, and nobody else resolves the name."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the name was resolved behind our back"))
    with Door(kind, resolver=lambda host, port: answers.pop(0)) as door:
        assert door.fetch(request(f"http://localhost:{server.port}"))[1] == BODY
    assert len(answers) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_loopback_row_whose_name_points_outward_is_refused(kind: str) -> None:
    with Door(kind, resolver=lambda host, port: ["127.0.0.1", "8.8.8.8"]) as door, pytest.raises(AddressRefused):
        door.fetch(request("http://localhost:8080"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("origin", ["https://127.0.0.1:8443", "https://[::1]", "https://169.254.169.254", "https://10.0.0.1"])
def test_an_address_as_host_is_checked_too(kind: str, origin: str) -> None:
    with Door(kind) as door, pytest.raises(AddressRefused):
        door.fetch(request(origin, net=PUBLIC))


@pytest.mark.parametrize("kind", KINDS)
def test_plain_http_to_the_public_internet_is_refused(kind: str) -> None:
    with Door(kind, resolver=lambda host, port: ["8.8.8.8"]) as door, pytest.raises(AddressRefused, match="plain http"):
        door.fetch(request("http://api.example.com", net=PUBLIC))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "origin", ["https://api.example.com/", "https://user@api.example.com", "https://API.example.com", "ftp://x.example", ""]
)
def test_an_origin_in_another_spelling_is_refused(kind: str, origin: str) -> None:
    with Door(kind) as door, pytest.raises(ConfigurationError):
        door.fetch(request(origin))


def test_the_system_resolver_gives_addresses() -> None:
    assert resolve_with_system("127.0.0.1", 80) == ["127.0.0.1"]


# ------------------------------------------------------------------------------------------------ environment


@pytest.mark.parametrize("kind", KINDS)
def test_proxies_of_the_environment_are_not_asked(server: HostileServer, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = HostileServer()
    try:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
            monkeypatch.setenv(name.lower(), proxy.origin)
        monkeypatch.setenv("NO_PROXY", "")
        key = OneKey(server.origin)
        with Door(kind, credentials=key) as door:
            door.fetch(request(server.origin, "/ok", secret="main", auth="bearer"))
        assert (proxy.connections, proxy.requests) == (0, [])
    finally:
        proxy.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_sslkeylogfile_is_ignored(certificates: Certificates, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    server = HostileServer(certificates.server("ok"))
    try:
        with Door(kind, tls=ClientTls(certificates.ca_pem)) as door:
            door.fetch(request(server.origin, "/ok"))
    finally:
        server.stop()
    assert not log.exists()
    assert ssl.create_default_context().keylog_filename == str(log)  # what this test guards against is real


@pytest.mark.parametrize("kind", KINDS)
def test_roots_of_the_environment_are_not_trusted(
    certificates: Certificates, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(certificates.ca_pem)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    server = HostileServer(certificates.server("ok"))
    try:
        with Door(kind) as door:
            with pytest.raises(ConnectFailed, match="certificate"):
                door.fetch(request(server.origin, "/ok"))
            door.pause(0.01)
    finally:
        server.stop()


def test_the_tls_context_is_strict() -> None:
    context = ClientTls().context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.keylog_filename is None
    assert context.cert_store_stats()["x509_ca"] > 50


def test_the_tls_context_is_made_once() -> None:
    tls = ClientTls()
    assert tls.context() is tls.context()


# ------------------------------------------------------------------------------------------------ fork

FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_child(work: object) -> int:
    """Run in a forked child; its exit status."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = work()  # type: ignore[operator]
        except BaseException:  # noqa: BLE001  nothing may leave the child but its status
            status = 98
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@FORK
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("secure", [False, True])
def test_a_forked_child_uses_no_connection_of_its_parent(certificates: Certificates, secure: bool) -> None:
    server = HostileServer(certificates.server("ok") if secure else None)
    try:
        with Door("blocking", tls=ClientTls(certificates.ca_pem)) as door:
            assert door.fetch(request(server.origin, "/ok"))[1] == BODY
            assert server.connections == 1
            assert in_child(lambda: 0 if door.fetch(request(server.origin, "/ok"))[1] == BODY else 1) == 0
            assert server.connections == 2  # the child's own
            time.sleep(0.05)
            assert door.fetch(request(server.origin, "/ok"))[1] == BODY
            assert server.connections == 2  # the parent's is unharmed: no FIN, no close_notify
    finally:
        server.stop()


@FORK
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("secure", [False, True])
def test_a_forked_child_leaves_its_parents_event_loop_alone(certificates: Certificates, secure: bool) -> None:
    server = HostileServer(certificates.server("ok") if secure else None)
    try:
        with Door("asyncio", tls=ClientTls(certificates.ca_pem)) as door:
            assert door.fetch(request(server.origin, "/ok"))[1] == BODY
            (pool,) = door.transport._by_loop[door.loop].values()
            inherited = pool.idle._idle[0]._sock

            def work() -> int:
                async def call() -> bytes:
                    exchange = await door.transport.open(request(server.origin, "/ok"), clocks())
                    return await exchange.read()  # type: ignore[no-any-return]

                answered = asyncio.new_event_loop().run_until_complete(call()) == BODY
                return 0 if answered and not stat.S_ISSOCK(os.fstat(inherited.fileno()).st_mode) else 1

            assert in_child(work) == 0
            assert server.connections == 2
            door.pause(0.05)
            assert door.fetch(request(server.origin, "/ok"))[1] == BODY
            assert server.connections == 2
    finally:
        server.stop()


# ------------------------------------------------------------------------------------------------ nothing else is opened


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_connects_to_its_origin_only(server: HostileServer, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[object] = []
    real = socket.socket.connect

    def connect(sock: socket.socket, address: object) -> None:
        places.append(address)
        real(sock, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)
    with Door(kind) as door:
        for path in ("/ok", "/redirect", "/ok-close"):
            door.fetch(request(server.origin, path))
        with pytest.raises(SaferouteError):
            door.fetch(request(server.origin, "/rst"))
    assert set(places) == {("127.0.0.1", server.port)}

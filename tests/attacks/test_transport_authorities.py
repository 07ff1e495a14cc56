"""A certificate that somebody else's authority signed, for another name, out of date, or over an old TLS; and roots from elsewhere.

In real life: company laptops and build machines carry the authority of every product that ever inspected their traffic; Superfish (2015)
shipped one with its private key. SSL_CERT_FILE in a poisoned shell profile adds another.

Guards: saferoute/drivers/tls.py::_load_system(context, self._system)
Guards: saferoute/drivers/tls.py::_load_text(context, ca_pem)
Guards: saferoute/drivers/tls.py::context.options |= ssl.OP_NO_RENEGOTIATION
Guards: saferoute/drivers/httpx_bridge.py::if request.net.tls is not None or request.net.proxy is not None:
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from saferoute.drivers.tls import SYSTEM_FILES, ClientTls
from saferoute.errors import ConfigurationError, ConnectFailed
from saferoute.values.http import ConnectProxy, NetClass, TlsTerms
from tests.drivers.doors import KINDS, Door, OneKey, clocks, request
from tests.drivers.hostile import BODY, HostileServer
from tests.drivers.proxies import Authority, running

AUTHORITY = Authority()
OURS = NetClass("loopback", tls=TlsTerms("ca_pem", AUTHORITY.ca_pem))
SYSTEM = NetClass("loopback", tls=TlsTerms("os"))
PLAIN = NetClass("loopback")


@pytest.fixture
def server() -> HostileServer:
    return HostileServer(AUTHORITY.server("127.0.0.1"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_trusts_its_own_roots_only(server: HostileServer, kind: str, tmp_path: Path) -> None:
    """Three rows, one origin: certifi's roots do not know it, the row's own do, and a foreign authority in the row does not."""
    key = OneKey(server.origin)
    foreign = NetClass("loopback", tls=TlsTerms("ca_pem", Authority().ca_pem))
    (tmp_path / "system.pem").write_text(Authority().ca_pem)
    with running(server), Door(kind, credentials=key, tls=ClientTls(system=[str(tmp_path / "system.pem")])) as door:
        for net in (PLAIN, foreign, SYSTEM):
            with pytest.raises(ConnectFailed, match=r"certificate of 127\.0\.0\.1:[0-9]+ was not accepted") as caught:
                door.fetch(request(server.origin, net=net, secret="main", auth="bearer"))
            assert (caught.value.sent, caught.value.retryable, key.asked) == (False, False, 0)
        assert door.fetch(request(server.origin, net=OURS, secret="main", auth="bearer"))[1] == BODY
        for net in (PLAIN, foreign, SYSTEM):  # nor is the connection that stands now used for them
            with pytest.raises(ConnectFailed):
                door.fetch(request(server.origin, net=net))
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_systems_roots_count_where_the_row_says_so(server: HostileServer, kind: str, tmp_path: Path) -> None:
    (tmp_path / "system.pem").write_text(AUTHORITY.ca_pem)
    files = [str(tmp_path / "absent.pem"), str(tmp_path / "system.pem"), str(tmp_path)]
    with running(server), Door(kind, tls=ClientTls(system=files)) as door:
        assert door.fetch(request(server.origin, net=SYSTEM))[1] == BODY
        with pytest.raises(ConnectFailed):
            door.fetch(request(server.origin, net=PLAIN))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("net", [PLAIN, SYSTEM], ids=["certifi", "os"])
def test_the_environment_adds_no_root(
    server: HostileServer, kind: str, net: NetClass, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also for the system's roots: `load_default_certs` would go where these variables point."""
    (tmp_path / "ca.pem").write_text(AUTHORITY.ca_pem)
    (tmp_path / "system.pem").write_text(Authority().ca_pem)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    tls = ClientTls(system=[str(tmp_path / "system.pem")])
    with running(server), Door(kind, tls=tls) as door, pytest.raises(ConnectFailed, match="was not accepted"):
        door.fetch(request(server.origin, net=net))
    assert server.requests == []
    redirected = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    redirected.load_default_certs()
    assert redirected.cert_store_stats()["x509_ca"] == 1  # what this test guards against is real


@pytest.mark.parametrize("kind", KINDS)
def test_another_name_in_the_certificate(kind: str) -> None:
    server = HostileServer(AUTHORITY.server("wrong.example.com", "127.0.0.2"))
    with running(server), Door(kind) as door, pytest.raises(ConnectFailed, match="IP address mismatch"):
        door.fetch(request(server.origin, net=OURS))
    assert server.requests == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.parametrize("kind", KINDS)
def test_an_old_tls(kind: str, newest: ssl.TLSVersion) -> None:
    server = HostileServer(AUTHORITY.server("127.0.0.1", newest=newest))
    with running(server):
        if not _speaks(server, newest):
            pytest.skip(f"this build of OpenSSL has no {newest.name} to be refused")
        with Door(kind) as door, pytest.raises(ConnectFailed, match="no TLS with") as caught:
            door.fetch(request(server.origin, net=OURS))
    assert (server.requests, caught.value.retryable) == ([], False)


def _speaks(server: HostileServer, version: ssl.TLSVersion) -> bool:
    """Whether a client that takes anything would come through."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.load_verify_locations(cadata=AUTHORITY.ca_pem)
    lax.minimum_version = version
    lax.set_ciphers("ALL:@SECLEVEL=0")
    try:
        with socket.create_connection(("127.0.0.1", server.port), 5) as sock, lax.wrap_socket(sock, server_hostname="127.0.0.1") as made:
            return made.version() is not None
    except OSError:
        return False


@pytest.mark.parametrize("kind", KINDS)
def test_tls_1_2_is_enough(kind: str) -> None:
    server = HostileServer(AUTHORITY.server("127.0.0.1", newest=ssl.TLSVersion.TLSv1_2))
    with running(server), Door(kind) as door:
        assert door.fetch(request(server.origin, net=OURS))[1] == BODY


def test_each_list_of_roots_has_one_strict_context(tmp_path: Path) -> None:
    (tmp_path / "system.pem").write_text(AUTHORITY.ca_pem)
    tls = ClientTls(system=[str(tmp_path / "system.pem")])
    terms = [None, TlsTerms("os"), TlsTerms("ca_pem", AUTHORITY.ca_pem), TlsTerms("ca_pem", Authority().ca_pem)]
    contexts = [tls.context(one) for one in terms]
    assert len({id(context) for context in contexts}) == 4
    assert [tls.context(one) for one in terms] == contexts
    assert tls.context(TlsTerms()) is contexts[0]
    assert tls.context(TlsTerms(pins=("x",))) is contexts[0]  # pins are compared per connection
    for context in contexts:
        assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.keylog_filename is None
    assert [context.cert_store_stats()["x509"] for context in contexts[1:]] == [1, 1, 1]
    assert [bool(context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN) for context in contexts] == [False, False, True, True]


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "é"])
def test_a_list_of_roots_without_roots(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClientTls().context(TlsTerms("ca_pem", text))
    assert str(caught.value) == "the `ca_pem` of a route holds no readable PEM certificate"


@pytest.mark.parametrize("kind", KINDS)
def test_a_system_without_roots_is_told_what_to_do(kind: str, tmp_path: Path) -> None:
    """And nothing is connected to."""
    with Door(kind, tls=ClientTls(system=[str(tmp_path / "absent")])) as door, pytest.raises(ConfigurationError) as caught:
        door.fetch(request("https://127.0.0.1:1", net=SYSTEM))
    assert str(caught.value) == (
        'a route has tls = "os", and this system has no list of certificate authorities in any known place: install the system\'s package '
        "of them (often called ca-certificates), or give the route its `ca_pem`"
    )


def test_a_systems_roots_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("nonsense")
    with pytest.raises(ConfigurationError, match=r"broken\.pem, cannot be read: repair the file"):
        ClientTls(system=[str(tmp_path / "broken.pem")]).context(TlsTerms("os"))


def test_on_windows_the_stores_are_read_and_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Certificates for servers only; and not what `load_default_certs` adds from SSL_CERT_FILE."""
    (tmp_path / "ca.pem").write_text(Authority().ca_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    ders = [ssl.PEM_cert_to_DER_cert(Authority().ca_pem) for _ in range(4)]
    stores = {
        "CA": [(ders[0], "x509_asn", True), (b"junk", "pkcs_7_asn", True)],
        "ROOT": [(ders[1], "x509_asn", {"1.3.6.1.5.5.7.3.1"}), (ders[2], "x509_asn", {"1.3.6.1.5.5.7.3.4"}), (ders[3], "x509_asn", set())],
    }
    monkeypatch.setattr(ssl, "enum_certificates", stores.__getitem__, raising=False)
    monkeypatch.setattr("saferoute.drivers.tls.sys.platform", "win32")
    context = ClientTls(system=[str(tmp_path / "ca.pem")]).context(TlsTerms("os"))
    assert sorted(context.get_ca_certs(binary_form=True)) == sorted(ders[:2])


def test_the_places_of_systems_roots_are_the_systems() -> None:
    assert all(name.startswith(("/etc/", "/usr/local/share/certs/")) for name in SYSTEM_FILES)


WEAK = """
openssl_conf = weak
[weak]
ssl_conf = ssl
[ssl]
system_default = lax
[lax]
MinProtocol = None
CipherString = ALL:COMPLEMENTOFALL:@SECLEVEL=0
Options = UnsafeLegacyRenegotiation
"""
LOOK = """
import ssl
from saferoute.drivers.tls import ClientTls
context = ClientTls().context()
names = [cipher["name"] for cipher in context.get_ciphers()]
print(context.minimum_version.name, context.security_level, any("NULL" in name or "ADH" in name for name in names), "AES128-SHA" in names)
"""


def test_the_configuration_file_of_openssl_weakens_nothing(tmp_path: Path) -> None:
    """OPENSSL_CONF is read when OpenSSL is loaded, before anybody can say no; what it sets is set again."""
    (tmp_path / "openssl.cnf").write_text(WEAK)
    made = subprocess.run(
        [sys.executable, "-c", LOOK], env={**os.environ, "OPENSSL_CONF": str(tmp_path / "openssl.cnf")}, capture_output=True, text=True,
        check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert made.stdout.split() == ["TLSv1_2", "2", "False", "False"]


@pytest.mark.parametrize(
    "net",
    [
        NetClass(tls=TlsTerms("os")),
        NetClass(tls=TlsTerms(pins=("x",))),
        NetClass(tls=TlsTerms("ca_pem", AUTHORITY.ca_pem)),
        NetClass(proxy=ConnectProxy("https://proxy.example.com", NetClass())),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_somebody_elses_transport_is_not_trusted_to_keep_to_them(kind: str, net: NetClass) -> None:
    """A transport of httpx has its own roots and its own proxy, and no pins: what it would do cannot be seen from here."""
    httpx = pytest.importorskip("httpx")
    from saferoute.drivers.httpx_bridge import AsyncHttpxBridge, HttpxBridge

    other = httpx.MockTransport(lambda _: pytest.fail("sent"))
    key = OneKey("https://api.example.com")
    asked = request("https://api.example.com", net=net, secret="main", auth="bearer")
    with pytest.raises(ConfigurationError) as caught:
        if kind == "blocking":
            HttpxBridge(other, key).open(asked, clocks())
        else:
            asyncio.run(AsyncHttpxBridge(other, key).open(asked, clocks()))  # type: ignore[arg-type]
    assert str(caught.value) == (
        "the route names its own certificate authorities, pins or proxy, and a transport of httpx would not keep to them; nothing was sent. "
        'Use saferoute\'s own transport for it ("own" or "h11")'
    )
    assert key.asked == 0

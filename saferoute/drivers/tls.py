"""The TLS side of a client: our own contexts, from roots that a row of the signed table names.

`ssl.create_default_context` writes session keys to the file that SSLKEYLOGFILE names, and `load_default_certs` takes roots from where
SSL_CERT_FILE and SSL_CERT_DIR say: all of that is the environment's, and this package takes no orders from there. There is no way to
turn verification off.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
import sys
from typing import TYPE_CHECKING, Final

from saferoute.errors import ConfigurationError, ConnectFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.values.http import TlsTerms

__all__ = ["SYSTEM_FILES", "ClientTls", "check_pins", "pin_of"]

SYSTEM_FILES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch, NixOS
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL and its kin
    "/etc/pki/tls/certs/ca-bundle.crt",  # older RHEL, Amazon Linux
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
    "/etc/ssl/cert.pem",  # macOS (Apple's roots, without what was added to a keychain), OpenBSD
)
"""Where systems keep their certificate authorities, as one file; the first that exists counts.

OpenSSL's own default places are not asked: SSL_CERT_FILE and SSL_CERT_DIR redirect them, and in some builds of Python they lie in a
folder that belongs to a user.
"""

# What Python builds in; said here because distributions and the file that OPENSSL_CONF names can change what is built in.
_CIPHERS: Final = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
_SERVER_AUTH: Final = "1.3.6.1.5.5.7.3.1"


class ClientTls:
    """TLS client contexts, one for each list of roots, built at first use and shareable: building one costs tens of milliseconds.

    Args:
        ca_pem: roots as PEM text, in place of certifi's.
        system: files that hold the operating system's roots; the first that exists counts. Not used on Windows.
    """

    __slots__ = ("_ca_pem", "_contexts", "_system")

    def __init__(self, ca_pem: str | None = None, *, system: Sequence[str] = SYSTEM_FILES) -> None:
        self._ca_pem = ca_pem
        self._system = tuple(system)
        self._contexts: dict[tuple[str, str], ssl.SSLContext] = {}

    def context(self, terms: TlsTerms | None = None) -> ssl.SSLContext:
        """The context for these terms: certificates and host names are checked, TLS 1.2 at least. Pins are not its business.

        Raises:
            ConfigurationError: `ca_pem` holds no certificate, or this system has no list of roots where one is known to be.
        """
        roots = ("certifi", "") if terms is None else (terms.roots, terms.ca_pem)
        context = self._contexts.get(roots)
        if context is None:  # no lock: a fork could inherit it held; two threads at once make two, and the later one stays
            context = self._contexts[roots] = self._build(*roots)
        return context

    def _build(self, roots: str, ca_pem: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # check_hostname and CERT_REQUIRED are on
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        # Older 3.11 releases set this: a connection cut without TLS's goodbye would then look like its honest end.
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        if roots == "os":
            _load_system(context, self._system)
        elif roots == "ca_pem":
            _load_text(context, ca_pem)
        elif self._ca_pem is not None:
            _load_text(context, self._ca_pem)
        else:
            import certifi  # noqa: PLC0415  only when TLS is used

            context.load_verify_locations(cafile=certifi.where())
        return context


def _load_text(context: ssl.SSLContext, ca_pem: str) -> None:
    # What the signer wrote is trusted as it stands, so that an intermediate authority or a server's own certificate can be named too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError, TypeError):  # TypeError for what is not ASCII
        raise ConfigurationError("the `ca_pem` of a route holds no readable PEM certificate") from None


def _load_system(context: ssl.SSLContext, files: Sequence[str]) -> None:
    """Load the operating system's roots. Not `load_default_certs`, which also goes where SSL_CERT_FILE points, on Windows too."""
    if sys.platform == "win32":
        for store in ("CA", "ROOT"):
            for certificate, encoding, uses in ssl.enum_certificates(store):
                if encoding == "x509_asn" and (uses is True or _SERVER_AUTH in uses):
                    context.load_verify_locations(cadata=certificate)
        return
    for name in files:
        try:
            context.load_verify_locations(cafile=name)
        except FileNotFoundError:
            continue
        except OSError:  # ssl.SSLError is one
            raise ConfigurationError(f"this system's certificate authorities, {name}, cannot be read: repair the file") from None
        return
    raise ConfigurationError(
        'a route has tls = "os", and this system has no list of certificate authorities in any known place: install the system\'s '
        "package of them (often called ca-certificates), or give the route its `ca_pem`"
    )


def pin_of(certificate: bytes) -> str:
    """The pin of a certificate: base64 of the SHA-256 of its public key, as SubjectPublicKeyInfo.

    Args:
        certificate: as DER.

    Raises:
        ValueError: not a certificate, or a kind of key that is not known.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  only where a route has pins
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

    try:
        key = load_der_x509_certificate(certificate).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UnsupportedAlgorithm:
        raise ValueError("a kind of key that is not known") from None
    return base64.b64encode(hashlib.sha256(key).digest()).decode("ascii")


def check_pins(label: str, terms: TlsTerms | None, certificate: bytes | None) -> None:
    """Check a server's own certificate against the pins of the row; called before a byte of the request is written.

    Only the server's own certificate counts, never another one of the chain: a chain holds whatever the server put into it.

    Args:
        label: how errors call the place.
        terms: the row's; without pins any key is right.
        certificate: what the server presented, as DER.

    Raises:
        ConnectFailed: its key is none of the pinned ones.
    """
    if terms is None or not terms.pins:
        return
    try:
        pin = pin_of(certificate or b"")
    except ValueError:
        pin = "none that can be read"
    if pin not in terms.pins:
        raise ConnectFailed(
            f"the certificate of {label} is valid, and its public key is none of those that the routing table pins: it is {pin}. Nothing "
            "was sent. If whoever runs that server says that this is its new key, sign a table that has it among the pins",
            retryable=False,
        )

"""The TLS side of a client: our own context, from our own list of roots.

`ssl.create_default_context` writes session keys to the file that SSLKEYLOGFILE names and takes roots from where SSL_CERT_FILE says:
both are the environment's, and this package takes no orders from there.
"""

from __future__ import annotations

import ssl
import threading

from saferoute.errors import ConfigurationError

__all__ = ["ClientTls"]


class ClientTls:
    """A TLS client context, built at first use and shareable: building one costs tens of milliseconds.

    Args:
        ca_pem: roots as PEM text, in place of certifi's.
    """

    __slots__ = ("_ca_pem", "_context", "_lock")

    def __init__(self, ca_pem: str | None = None) -> None:
        self._ca_pem = ca_pem
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    def context(self) -> ssl.SSLContext:
        """The context: certificates and host names are checked, TLS 1.2 at least.

        Raises:
            ConfigurationError: ca_pem holds no certificate.
        """
        if self._context is None:
            with self._lock:
                if self._context is None:
                    self._context = _build(self._ca_pem)
        return self._context


def _build(ca_pem: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # check_hostname and CERT_REQUIRED are on
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_pem is None:
        import certifi

        context.load_verify_locations(cafile=certifi.where())
        return context
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError):
        raise ConfigurationError("the `ca_pem` of a route holds no readable PEM certificate") from None
    return context

"""The TLS side of a client: our own context, from our own list of roots.

`ssl.create_default_context` writes session keys to the file that SSLKEYLOGFILE names and takes roots from where SSL_CERT_FILE says:
both are the environment's, and this package takes no orders from there.
"""

from __future__ import annotations

import ssl

from saferoute.errors import ConfigurationError

__all__ = ["ClientTls"]


class ClientTls:
    """A TLS client context, built at first use and shareable: building one costs tens of milliseconds.

    Args:
        ca_pem: roots as PEM text, in place of certifi's.
    """

    __slots__ = ("_ca_pem", "_context")

    def __init__(self, ca_pem: str | None = None) -> None:
        self._ca_pem = ca_pem
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """The context: certificates and host names are checked, TLS 1.2 at least.

        Raises:
            ConfigurationError: ca_pem holds no certificate.
        """
        context = self._context
        if context is None:  # no lock: a fork could inherit it held; two threads at once make two, and the later one stays
            context = self._context = _build(self._ca_pem)
        return context


def _build(ca_pem: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # check_hostname and CERT_REQUIRED are on
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Older 3.11 releases set this: a connection cut without TLS's goodbye would then look like its honest end.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.set_alpn_protocols(["http/1.1"])
    if ca_pem is None:
        import certifi  # noqa: PLC0415  only when TLS is used

        context.load_verify_locations(cafile=certifi.where())
        return context
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError):
        raise ConfigurationError("the `ca_pem` of a route holds no readable PEM certificate") from None
    return context

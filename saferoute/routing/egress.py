"""The fields of a row that say how its origin is reached: plain http in private networks, certificate authorities, pins, a proxy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saferoute.routing.places import check_place
from saferoute.routing.schema import Flag, ListOf, Record, Text
from saferoute.signing.envelope import decode_base64
from saferoute.signing.refusal import Refused
from saferoute.values.http import ConnectProxy, NetClass, TlsTerms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.routing.schema import Shape

__all__ = ["EGRESS", "NETWORKS", "compile_net"]

_MAX_PEM = 65_536
_PEM = re.compile(r"(?:-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]{1,76}\n)+-----END CERTIFICATE-----\n?)+")
_PLAINTEXT_DATA = ("public", "internal")
_PUBLIC = NetClass("public")


@dataclass(frozen=True, slots=True)
class _WordOr:
    """A word, or an object that says more."""

    word: Text
    record: Record

    def test(self, value: object) -> None:
        """As Shape.test."""
        (self.record if type(value) is dict else self.word).test(value)


NETWORKS = ListOf(Text(longest=60), 32, 1, distinct=True)
"""The shape of a list of private networks."""

_PIN = Text(re.compile(r"[A-Za-z0-9+/]{43}="), longest=44, what="base64 of a SHA-256, 44 characters")
_TLS = _WordOr(
    Text(choices=("certifi", "os"), what='"certifi", "os", or an object with pins, ca_pem or both'),
    Record(
        {},
        {
            "pins": ListOf(
                Text(re.compile(r"[A-Za-z0-9+/]{43}="), longest=44, what="base64 of a SHA-256, 44 characters"), 16, 1, distinct=True
            ),
            "ca_pem": Text(longest=_MAX_PEM),  # its pattern is checked below, where the text is not shown: it may be a key by mistake
        },
    ),
)
EGRESS: Mapping[str, Shape] = {
    "unsafe_plaintext": Flag(),
    "tls": _TLS,
    "connect_proxy": Record(
        {"origin": Text(longest=300), "net": Text(choices=("public", "loopback", "private"))}, {"networks": NETWORKS, "tls": _TLS}
    ),
}
"""The shapes of the fields that this module compiles; all are optional."""


def compile_net(row: Mapping[str, Any], path: str) -> NetClass:
    """Compile how a row's origin is reached.

    Args:
        row: a row that fits its shape.
        path: where it stands, for errors.

    Raises:
        Refused: for an origin that does not fit the net class, plain http for data above "internal", certificates or pins that are none
            or that nothing would use, and a proxy in front of anything but a named https origin of net class public.
    """
    plaintext = row.get("unsafe_plaintext", False)
    check_place(row["origin"], row["net"], row.get("networks"), path, plaintext=plaintext)
    if plaintext and row["data"] not in _PLAINTEXT_DATA:
        raise Refused(
            f'{path}.unsafe_plaintext: whoever listens in that network reads what is sent; data up to "{row["data"]}" needs https, and '
            'with plain http at most "internal" may go there'
        )
    proxy = row.get("connect_proxy")
    if proxy is not None and (row["net"] != "public" or not _is_https(row["origin"])):
        raise Refused(
            f"{path}.connect_proxy: a proxy finds the address itself, so nothing could check that it is private or this machine's; only "
            'a row with net = "public" goes through one'
        )
    if row["net"] == "public" and proxy is None and "tls" not in row:
        return _PUBLIC  # as most rows are; `check_place` refuses networks and plain http there
    return NetClass(
        kind=row["net"],
        networks=tuple(row.get("networks", ())),
        tls=_tls(row, path),
        proxy=None if proxy is None else _proxy(proxy, f"{path}.connect_proxy"),
        unsafe_plaintext=plaintext,
    )


def _is_https(origin: str) -> bool:
    return origin.startswith("https://")


def _proxy(raw: Mapping[str, Any], path: str) -> ConnectProxy:
    # Plain http to a proxy in a private network shows the origin's name there, as TLS's greeting would, and nothing of a request.
    in_the_clear = raw["net"] == "private" and not _is_https(raw["origin"])
    check_place(raw["origin"], raw["net"], raw.get("networks"), path, plaintext=in_the_clear)
    return ConnectProxy(raw["origin"], NetClass(raw["net"], tuple(raw.get("networks", ())), _tls(raw, path)))


def _tls(raw: Mapping[str, Any], path: str) -> TlsTerms | None:
    tls = raw.get("tls", "certifi")
    if "tls" in raw and not _is_https(raw["origin"]):
        raise Refused(f"{path}.tls: there is no TLS with {raw['origin']}; leave it out")
    if tls == "certifi":
        return None
    if tls == "os":
        return TlsTerms("os")
    if not tls:
        raise Refused(f'{path}.tls: name pins, ca_pem or both; or write "certifi" or "os"')
    ca_pem = tls.get("ca_pem", "")
    if "ca_pem" in tls:
        _check_pem(ca_pem, f"{path}.tls.ca_pem")
    pins = tuple(tls.get("pins", ()))
    for index, pin in enumerate(pins):
        try:
            decode_base64(pin)
        except Refused as refusal:
            raise Refused(f"{path}.tls.pins[{index}]: {refusal}") from None
    return TlsTerms("ca_pem" if ca_pem else "certifi", ca_pem, pins)


def _check_pem(text: str, path: str) -> None:
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415  few tables have one

    if _PEM.fullmatch(text) is None:
        raise Refused(f"{path} must be certificates in PEM, each from its BEGIN line to its END line, and nothing else")
    try:
        load_pem_x509_certificates(text.encode("ascii"))
    except ValueError:
        raise Refused(f"{path}: one of the certificates cannot be read") from None

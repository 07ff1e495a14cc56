"""Certificates of log keys: the installation's log role says that a process's log key is one of its own.

Without one, a ledger shows that nothing was changed since whoever held the key signed it, and not who that was: the weaker guarantee.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from saferoute.ledger.shapes import Closed, matching, record_of, text, whole
from saferoute.signing.envelope import PayloadType, decode_base64, encode_base64, sign, verify
from saferoute.signing.keys import PublicKey
from saferoute.signing.refusal import Refused, TooFewSigned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.signing.envelope import Envelope
    from saferoute.signing.keys import Signer

__all__ = ["Certificate", "LogRole", "certified_by", "certify", "read_certificate"]

_SCHEMA: Final = 1
_LATEST: Final = 253_402_300_799
_MAX_BYTES: Final = 2048
_CLOSED: Final = Closed(
    record_of(
        {
            "schema": whole(_SCHEMA, _SCHEMA),
            "key": text(44),
            "instance": matching(r"[0-9a-f]{32}"),
            "issued": whole(0, _LATEST),
            "not_after": whole(0, _LATEST),
            "name": matching(r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*){0,3}"),
        }
    )
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the log role says about a log key.

    Attributes:
        key: the log key.
        instance: the id of the process that has it, 32 hexadecimal digits.
        issued: when it was signed, in seconds since 1970.
        not_after: until when the key may sign, likewise.
        name: the trust root's name.
    """

    key: PublicKey
    instance: str
    issued: int
    not_after: int
    name: str


@dataclass(frozen=True, slots=True)
class LogRole:
    """The log role of one version of the trust root: whose signatures certify log keys.

    Attributes:
        keys: its keys.
        threshold: how many of them must have signed a certificate.
        version: the root's.
    """

    keys: tuple[PublicKey, ...]
    threshold: int = 1
    version: int = 1


def certify(certificate: Certificate, signers: Sequence[Signer]) -> Envelope:
    """Sign a certificate.

    Raises:
        Refused: for what does not fit the format, and a signer that does not sign.
    """
    payload, _ = _CLOSED.write(
        {
            "instance": certificate.instance,
            "issued": certificate.issued,
            "key": encode_base64(certificate.key.raw),
            "name": certificate.name,
            "not_after": certificate.not_after,
            "schema": _SCHEMA,
        }
    )
    _read(payload)
    return sign(PayloadType.LOG_KEY, payload, signers)


def read_certificate(envelope: Envelope, log_keys: Iterable[PublicKey], threshold: int = 1) -> Certificate:
    """Check a certificate's type and signatures, and read it. Whether its time has come is for who knows the time.

    Args:
        envelope: as read.
        log_keys: the keys of the trust root's log role.
        threshold: how many of them must have signed.

    Raises:
        Refused: for another type, a wrong signature, too few of them, and fields that do not fit.
    """
    return _read(verify(envelope, PayloadType.LOG_KEY, log_keys, threshold))


def certified_by(envelope: Envelope, roles: Iterable[LogRole]) -> tuple[Certificate, LogRole]:
    """Read a certificate under the first role that signed it.

    Args:
        envelope: as read.
        roles: the log roles of a chain of roots, the newest first. A role that was given up still speaks for what it certified: when
            that was is the signer's word alone, so who gave it up because a key had leaked pins the root that came after it.

    Raises:
        Refused: as `read_certificate` does; as TooFewSigned, if none of the roles signed it.
    """
    none = TooFewSigned("no log role signed it")
    for role in roles:
        try:
            return read_certificate(envelope, role.keys, role.threshold), role
        except TooFewSigned as refusal:
            none = refusal
    raise none


def _read(payload: bytes) -> Certificate:
    if len(payload) > _MAX_BYTES:
        raise Refused(f"the certificate has {len(payload)} bytes; at most {_MAX_BYTES} are read")
    fields = _CLOSED.read(payload)
    if fields["not_after"] <= fields["issued"]:
        raise Refused("certificate.not_after is not after certificate.issued")
    key = PublicKey(decode_base64(fields["key"]))
    return Certificate(key, fields["instance"], fields["issued"], fields["not_after"], fields["name"])

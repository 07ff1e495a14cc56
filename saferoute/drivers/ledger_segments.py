"""Segments: how one is begun, continuing those before it. Which old ones are kept no longer is in ledger_retention.py."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from saferoute.drivers.ledger_secrets import LedgerKey, key_bytes
from saferoute.errors import SaferouteError
from saferoute.ledger.certificate import Certificate, certify
from saferoute.ledger.segment import Link, SegmentWriter, link_of
from saferoute.signing.keys import PrivateKey
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.drivers.ledger_settings import Settings
    from saferoute.drivers.ledger_sinks import Stream
    from saferoute.signing.envelope import Envelope

__all__ = ["Segment", "begin", "reason", "tried"]

R = TypeVar("R")

_CERTIFIED: Final = 400 * 86_400  # seconds; a segment is over long before, and its key gone with it


@dataclass(slots=True, eq=False)
class Segment:
    """The segment that is being written.

    Attributes:
        stream: where its lines go.
        writer: makes them.
        begun: when it was, in microseconds since 1970.
        synced: up to which byte the disk has it.
        retired: names of old segments that it says are removed, and that are deleted once a checkpoint covers that.
    """

    stream: Stream
    writer: SegmentWriter
    begun: int
    synced: int = 0
    retired: tuple[str, ...] = ()

    def is_over(self, settings: Settings, now: int) -> bool:
        """Whether it is large or old enough."""
        return (
            (settings.most_bytes is not None and self.stream.size >= settings.most_bytes)
            or (settings.most_records is not None and self.writer.size >= settings.most_records)
            or (settings.most_microseconds is not None and now - self.begun >= settings.most_microseconds)
        )


def begin(settings: Settings, instance: str, secret: LedgerKey, link: Link | None, now: int) -> Segment:
    """Begin a segment, with a key of its own.

    Args:
        settings: how the ledger is kept.
        instance: the process's id.
        secret: the log secret.
        link: the segment that it continues; None looks for the newest one.
        now: the time, in microseconds since 1970.

    Raises:
        OSError: it cannot be written.
        Refused: the signer does not sign.
    """
    previous = link or next(filter(None, map(link_of, settings.place.earlier())), None)
    key, name = PrivateKey.generate(), os.urandom(16).hex()
    certificate = _certified(settings, instance, key, now)
    writer = SegmentWriter(name, instance, key, secret=key_bytes(secret), certificate=certificate, previous=previous, now_us=now)
    stream = settings.place.begin(name, now)
    try:
        stream.write(writer.first())
    except BaseException:
        stream.abandon()
        raise
    return Segment(stream, writer, now)


def _certified(settings: Settings, instance: str, key: PrivateKey, now: int) -> Envelope | None:
    if settings.signer is None:
        return None
    seconds = now // 1_000_000
    return certify(Certificate(key.public_key, instance, seconds, seconds + _CERTIFIED, settings.name), [settings.signer])


def tried(work: Callable[..., R], *arguments: Any) -> tuple[R | None, str]:  # noqa: ANN401  what it takes
    """Do what may raise anything: signers, hooks and functions that take records are the program's.

    Returns:
        What it returned, and ""; or None, and why it failed. The error itself is not kept: its frames hold the log secret, and its text
        may hold anything.
    """
    try:
        return work(*arguments), ""
    except Exception as error:  # noqa: BLE001  as above
        return None, reason(error)


def reason(error: Exception) -> str:
    """Why, without a path, and without what a function of the program says: it may hold anything."""
    if isinstance(error, OSError):
        if error.errno is None:  # of exactly Python's classes are this package's; others' say what they like
            return str(error) if type(error).__module__ == "builtins" else type(error).__name__
        return f"{error.strerror} ({errno.errorcode.get(error.errno, error.errno)})"
    return str(error) if isinstance(error, (SaferouteError, Refused)) else type(error).__name__

"""What the ledger of a client tells of one call, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.errors import CapabilityForbidden, ConfigurationError, RequestError
from saferoute.ledger.attempts import Pairing
from saferoute.ledger.explain import explained
from saferoute.ledger.record import parse_line, record_id, split_id
from saferoute.signing.refusal import Refused
from saferoute.values.receipt import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saferoute.client.core import Core
    from saferoute.ledger.attempts import Told

__all__ = ["explain"]


def explain(core: Core, receipt: Receipt | str) -> str:
    """Say what became of the call that a receipt is about.

    Args:
        core: the client's.
        receipt: a receipt, or its id.

    Raises:
        RequestError: for what is no receipt.
        ConfigurationError: the client has no ledger, or this one does not hold the record.
        CapabilityForbidden: a part of a client asks about a call that was not made under its capabilities.
        LedgerError: the ledger cannot be read.
    """
    name = receipt.id if isinstance(receipt, Receipt) else receipt
    try:
        segment, _ = split_id(name)
    except (Refused, TypeError, AttributeError):
        msg = 'explain takes reply.receipt or error.receipt, or the id of one, "SEGMENT:NUMBER"'
        raise RequestError(msg) from None
    ledger = core.shared.ledger
    if ledger is None:
        msg = 'this client has no ledger: nothing was recorded. Client(ledger="memory") is the default'
        raise ConfigurationError(msg)
    if not core.scope.is_whole and not core.scope.held:
        core.check_whole("explain")
    mine = {core.snapshot.authority.digest(one) for one in core.scope.held} if not core.scope.is_whole else set()
    told = list(_told(ledger.read()))
    call = next((one.call for one in told if name in {one.ref, one.ended_ref}), None)
    if call is None:
        msg = f"the ledger of this client does not hold segment {segment}, or no call's record of that number; is it another process's?"
        raise ConfigurationError(msg)
    story = sorted((one for one in told if one.call == call), key=lambda one: (one.time, one.kind == "denial"))
    if not mine.issubset(story[0].first.get("capabilities", ())):
        msg = "this part of a client may ask about calls that were made under its own capabilities only"
        raise CapabilityForbidden(msg, code="scoped")
    return "\n".join(explained(story, name))


def _told(segments: Mapping[str, bytes]) -> Iterator[Told]:
    """Every attempt and denial that the segments tell of."""
    pairing = Pairing()
    for name, data in segments.items():
        segment = name
        for line in data.split(b"\n")[:-1]:
            try:
                record = parse_line(line)
            except Refused:
                continue
            segment = record.fields.get("segment", segment)
            told = pairing.take(record_id(segment, record.seq), record.fields)
            if told is not None:
                yield told
    yield from pairing.rest()

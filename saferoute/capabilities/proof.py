"""The proof behind a chain: that who sends it holds the chain's last key, for this verifier, this request and this moment.

A proof's payload is a canonical JSON object of aud (the verifier's audience), nonce (32 hexadecimal digits), req (the asked hash), ts
(seconds since the epoch) and, where the chain counts at process scope, inst (the verifying process's id).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from saferoute.capabilities.deny import Deny, refused
from saferoute.capabilities.token import proof_message, write_call
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse

if TYPE_CHECKING:
    from saferoute.capabilities.chain import Verified
    from saferoute.capabilities.token import CallToken, Chain
    from saferoute.signing.keys import Signer
    from saferoute.signing.strict_json import StrictJson

__all__ = ["FUTURE", "PAST", "Proof", "prove", "verify_proof"]

PAST: Final = 60
"""How many seconds old a proof may be."""

FUTURE: Final = 30
"""How many seconds ahead a proof may be."""

KEEP: Final = 300
"""How many seconds longer than it is good for a proof's nonce is remembered: a clock may be set back by this much."""

_MAX_BYTES: Final = 1024
_FIELDS: Final = frozenset({"aud", "nonce", "req", "ts"})
_FIELDS_AND_INSTANCE: Final = _FIELDS | {"inst"}
_AUDIENCE: Final = re.compile(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*")
_INSTANCE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NONCE: Final = re.compile(r"[0-9a-f]{32}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_LONGEST_AUDIENCE: Final = 128
_MOST_SECONDS: Final = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof says.

    Attributes:
        audience: whom it is for.
        nonce: 32 hexadecimal digits, of random bytes.
        asked: the asked hash of the request that it is for, in hex.
        timestamp: when it was made, in seconds since the epoch.
        instance: the id of the process that it is for; None for any.
    """

    audience: str
    nonce: str
    asked: str
    timestamp: int
    instance: str | None = None


def prove(chain: Chain, signer: Signer, proof: Proof) -> str:
    """Make a call token. About 0.1 ms.

    Args:
        chain: what to use.
        signer: the holder of its last key.
        proof: whom and what it is for.

    Raises:
        CapabilityInvalid: if no verifier would take it.
    """
    said: dict[str, StrictJson] = {"aud": proof.audience, "nonce": proof.nonce, "req": proof.asked, "ts": proof.timestamp}
    if proof.instance is not None:
        said["inst"] = proof.instance
    try:
        payload = canonical(said)
    except Refused as refusal:
        raise refused(Deny.PROOF, str(refusal)) from None
    _read(payload)
    if signer.public_key.raw != chain.blocks[-1].next_key:
        raise refused(Deny.NOT_YOURS, "its last key is another than the one given: use the key that it was delegated to")
    return write_call(chain, payload, signer.sign(proof_message(chain.digest, payload)))


def verify_proof(
    token: CallToken, verified: Verified, *, audience: str, asked: str, now: float, instance: str | None = None
) -> tuple[str, float]:
    """Check a call token's proof. About 0.15 ms and one Ed25519 check.

    Args:
        token: as read.
        verified: its chain, verified, and still valid by `check_now`.
        audience: who verifies: `Client(audience=...)`.
        asked: the asked hash of the request that came with it.
        now: the wall clock, in seconds since the epoch.
        instance: this process's random id; a chain of process scope needs a proof that names it.

    Returns:
        The nonce's key and how long to remember it, for `AccountStore.first_use`; if that says False, the token is denied (`replayed`).

    Raises:
        CapabilityInvalid: with one of the codes proof, signature, aud, stale, asked and instance.
    """
    if token.digest != verified.digest:
        raise refused(Deny.PROOF, "it is not the chain that was verified")
    proof = _read(token.payload)
    if not verified.key.verify(token.signature, proof_message(token.digest, token.payload)):
        raise refused(Deny.PROOF, "its proof is not signed with the chain's last key")
    allowed = verified.permission.audience
    if proof.audience != audience or (allowed is not None and audience not in allowed):
        raise refused(Deny.AUDIENCE, f"it is for {proof.audience!r}, and this is {audience!r}")
    if not proof.timestamp - FUTURE <= now <= proof.timestamp + PAST:
        why = f"its proof was made at {proof.timestamp}, and it is {now:.0f}: make one for each request, and check both clocks"
        raise refused(Deny.STALE, why)
    if proof.asked != asked:
        raise refused(Deny.ASKED, "its proof is for another request: prove exactly the route, messages and options that are sent")
    if (verified.permission.scope == "process" or proof.instance is not None) and (instance is None or proof.instance != instance):
        raise refused(Deny.INSTANCE, "its proof does not name this process: prove with the instance id that this process gave out")
    return f"nonce:{token.digest}:{proof.nonce}", proof.timestamp + PAST + KEEP


def _read(payload: bytes) -> Proof:
    try:
        said = parse(payload, max_bytes=_MAX_BYTES, max_depth=1)
    except Refused as refusal:
        raise refused(Deny.PROOF, f"the proof: {refusal}") from None
    audience, nonce, asked, timestamp, instance = said.get("aud"), said.get("nonce"), said.get("req"), said.get("ts"), said.get("inst")
    if (
        said.keys() not in (_FIELDS, _FIELDS_AND_INSTANCE)
        or not _fits(_AUDIENCE, audience)
        or len(str(audience)) > _LONGEST_AUDIENCE
        or not _fits(_NONCE, nonce)
        or not _fits(_HASH, asked)
        or type(timestamp) is not int
        or not 0 <= timestamp <= _MOST_SECONDS
        or ("inst" in said and not _fits(_INSTANCE, instance))
    ):
        raise refused(Deny.PROOF, "the proof must have exactly aud, nonce, req, ts and, if need be, inst, each in its form")
    return Proof(str(audience), str(nonce), str(asked), timestamp, None if instance is None else str(instance))


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None

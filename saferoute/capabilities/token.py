r"""`srcap1` on the wire: text <-> blocks. Nothing here is verified.

    chain      = "srcap1." block *7("." block)             what is delegated; useless without the last block's private key
    call token = chain "~" proof                           what crosses a process boundary; good for one request
    holder     = "srcap1h." block *7("." block) "." seed   file (mode 0600) or keyring only; every verifier refuses it

    block = b64( length || payload || next key (32) || signature (64) )
    proof = b64( length || payload || signature (64) )
    seed  = b64( the last key's seed (32) )

`length` is the payload's, in 4 bytes, big endian. b64 is base64url without padding in its one spelling: no other character, no stray
bits. At most 8 KiB and 8 blocks. The signatures are plain Ed25519, over

    block: "saferoute srcap1 block\n" || previous || length || payload || next key
    proof: "saferoute srcap1 proof\n" || chain digest (32) || length || payload

where `previous` is the SHA-256 of the signature of the block before, and 32 zero bytes for the first. The issuer signs the first block;
the private key to a block's next key signs the block after it, and the private key to the last next key signs proofs.

A chain's digest is the SHA-256 of its text, "srcap1." included, and a prefix's the same of the text up to before a ".": two chains with
one digest are the same text. Revocation lists, account keys and caches name digests in hex.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from saferoute.capabilities.deny import Deny, refused
from saferoute.signing.keys import KEY_BYTES, SIGNATURE_BYTES

if TYPE_CHECKING:
    from saferoute.errors import CapabilityInvalid

__all__ = [
    "MAX_BLOCKS",
    "MAX_TOKEN_BYTES",
    "Block",
    "CallToken",
    "Chain",
    "block_message",
    "extended",
    "proof_message",
    "read_call",
    "read_chain",
    "read_holder",
    "write_call",
    "write_holder",
]

MAX_TOKEN_BYTES: Final = 8192
MAX_BLOCKS: Final = 8

_PREFIX: Final = "srcap1."
_HOLDER: Final = "srcap1h."
_OTHER_VERSION: Final = re.compile(r"srcap[0-9]{1,9}h?\.")
_BLOCK_TAG: Final = b"saferoute srcap1 block\n"
_PROOF_TAG: Final = b"saferoute srcap1 proof\n"
_FIRST: Final = bytes(32)
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Block:
    """One block: what it says, whose key comes next, and the signature over both."""

    payload: bytes
    next_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain as read; nothing about it has been verified.

    Attributes:
        text: its one spelling.
        blocks: one to eight.
        digests: for each block the digest, in hex, of the chain that ends with it; the last is the chain's own.
    """

    text: str
    blocks: tuple[Block, ...]
    digests: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hex."""
        return self.digests[-1]

    @override
    def __repr__(self) -> str:
        return f"Chain({self.digest[:12]}, {len(self.blocks)} blocks)"


@dataclass(frozen=True, slots=True)
class CallToken:
    """A chain with a proof, as read; nothing about it has been verified.

    Attributes:
        chain_text: the chain's spelling; `read_chain` reads it, and a cache finds it by `digest`.
        digest: SHA-256 of that text, in hex.
        payload: the proof's payload.
        signature: the proof's signature.
    """

    chain_text: str
    digest: str
    payload: bytes
    signature: bytes

    @override
    def __repr__(self) -> str:
        return f"CallToken({self.digest[:12]})"


def read_chain(text: object) -> Chain:
    """Read a chain without a proof.

    Raises:
        CapabilityInvalid: for everything else.
    """
    inner = _inner(text)
    if "~" in inner:
        raise refused(Deny.FORM, "it is a call token, and a chain without a proof is read here")
    return _chain(_PREFIX + inner, inner)


def read_call(text: object) -> CallToken:
    """Read a call token: take the proof off its chain, which is not looked into.

    Raises:
        CapabilityInvalid: for everything else; a chain without a proof is `proof_missing`, a holder's form `holder_form`.
    """
    inner = _inner(text)
    chain, mark, proof = inner.partition("~")
    if not mark:
        raise refused(Deny.PROOF_MISSING, "it has no proof, so that anybody could have copied it: send what Capability.prove(...) makes")
    data = _decoded(proof, "the proof")
    payload, (signature,) = _cut(data, (SIGNATURE_BYTES,), "the proof")
    chain_text = _PREFIX + chain
    return CallToken(chain_text, hashlib.sha256(chain_text.encode()).hexdigest(), payload, signature)


def read_holder(text: object) -> tuple[Chain, bytes]:
    """Read a holder's own form: the chain, and the seed of its last key.

    Raises:
        CapabilityInvalid: for everything else; its message and its own frames hold no part of the text.
    """
    if not isinstance(text, str) or len(text) > MAX_TOKEN_BYTES or not text.startswith(_HOLDER):
        raise refused(Deny.FORM, 'it is no holder\'s form: that begins with "srcap1h.", and Capability.to_holder() makes it')
    blocks, _, seed = text.removeprefix(_HOLDER).rpartition(".")
    raw = _decoded(seed, "the seed")
    if len(raw) != KEY_BYTES:
        raise refused(Deny.ENCODING, f"the seed has {len(raw)} bytes instead of {KEY_BYTES}")
    return read_chain(_PREFIX + blocks), raw


def write_holder(chain: Chain, seed: bytes) -> str:
    """Write a holder's own form.

    Raises:
        CapabilityInvalid: if it is too large.
    """
    return _small_enough(f"{_HOLDER}{chain.text.removeprefix(_PREFIX)}.{_encoded(seed)}")


def write_call(chain: Chain, payload: bytes, signature: bytes) -> str:
    """Put a proof behind a chain.

    Raises:
        CapabilityInvalid: if it is too large.
    """
    return _small_enough(f"{chain.text}~{_encoded(_length(payload) + payload + signature)}")


def block_message(previous: Block | None, payload: bytes, next_key: bytes) -> bytes:
    """The bytes that a block's signature is over."""
    before = _FIRST if previous is None else hashlib.sha256(previous.signature).digest()
    return b"".join((_BLOCK_TAG, before, _length(payload), payload, next_key))


def proof_message(digest: str, payload: bytes) -> bytes:
    """The bytes that a proof's signature is over; `digest` is the chain's, in hex."""
    return b"".join((_PROOF_TAG, bytes.fromhex(digest), _length(payload), payload))


def extended(chain: Chain | None, block: Block) -> Chain:
    """The chain with one more block, or a chain of this one block.

    Raises:
        CapabilityInvalid: if it has too many blocks, or is too large.
    """
    blocks = (*chain.blocks, block) if chain else (block,)
    if len(blocks) > MAX_BLOCKS:
        raise _too_many(len(blocks))
    data = _encoded(_length(block.payload) + block.payload + block.next_key + block.signature)
    text = _small_enough(f"{chain.text}.{data}" if chain else _PREFIX + data)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Chain(text, blocks, (*chain.digests, digest) if chain else (digest,))


def _inner(text: object) -> str:
    """What stands behind the prefix of a chain or call token."""
    if not isinstance(text, str):
        raise refused(Deny.FORM, f"it is a {type(text).__name__}, and a token is a str")
    _small_enough(text)
    if not text.isascii():
        raise refused(Deny.FORM, "it is not ASCII")
    if text.startswith(_PREFIX):
        return text.removeprefix(_PREFIX)
    if text.startswith(_HOLDER):
        why = "it is a holder's own form, with its private key, and never leaves its file: send what Capability.prove(...) makes"
        raise refused(Deny.HOLDER_FORM, why)
    if _OTHER_VERSION.match(text):
        raise refused(Deny.VERSION, "it is of another version than srcap1, which is the one that is read here")
    raise refused(Deny.FORM, 'it is no srcap1 token, which begins with "srcap1."')


def _chain(text: str, inner: str) -> Chain:
    parts = inner.split(".")
    if len(parts) > MAX_BLOCKS:
        raise _too_many(len(parts))
    blocks: list[Block] = []
    digests: list[str] = []
    running = hashlib.sha256(_PREFIX[:-1].encode())
    for number, part in enumerate(parts, 1):
        name = f"block {number}"
        payload, (next_key, signature) = _cut(_decoded(part, name), (KEY_BYTES, SIGNATURE_BYTES), name)
        blocks.append(Block(payload, next_key, signature))
        running.update(f".{part}".encode())
        digests.append(running.hexdigest())
    return Chain(text, tuple(blocks), tuple(digests))


def _cut(data: bytes, tails: tuple[int, ...], name: str) -> tuple[bytes, tuple[bytes, ...]]:
    """The payload behind its length, and the fields of fixed size behind the payload."""
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES])
    if len(data) != end + sum(tails):
        raise refused(Deny.ENCODING, f"{name} has not the length that it says")
    payload, fields = data[_LENGTH_BYTES:end], []
    for size in tails:
        fields.append(data[end : end + size])
        end += size
    return payload, tuple(fields)


def _decoded(part: str, name: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):  # ValueError: a character beyond ASCII
        data = b""
    if not part or _encoded(data) != part:  # the decoder passes over junk and stray bits; writing it again shows them
        raise refused(Deny.ENCODING, f"{name} is not base64url without padding, in its one spelling")
    return data


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _length(payload: bytes) -> bytes:
    return len(payload).to_bytes(_LENGTH_BYTES)


def _small_enough(text: str) -> str:
    if len(text) > MAX_TOKEN_BYTES:
        raise refused(Deny.TOO_LARGE, f"it has {len(text)} characters, and at most {MAX_TOKEN_BYTES} are allowed: name fewer things")
    return text


def _too_many(count: int) -> CapabilityInvalid:
    return refused(Deny.BLOCKS, f"it has {count} blocks, and at most {MAX_BLOCKS} are allowed")
